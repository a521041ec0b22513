"""The registry of data elements: every name that policies, formats, sources and the log speak.

An element is one datum of registration data. The registry says for each whether it can identify
a person, which treatments it supports, its label in WHOIS text, and the name and RFC 9537 method
under which ICANN's profile wants its redaction declared. It holds no values. The domain name
itself is no element: it is the question's own word.

Rules: names never change meaning; an element added later gets a higher `since`, and a policy
pinned to an older registry never matches it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final, Literal

REGISTRY_VERSION: Final = 1

ROLES: Final = ("registrant", "admin", "tech", "billing")
"""Contact roles in output order; the registrant comes first (ICANN's paths rely on it)."""

Method = Literal["removal", "emptyValue", "replacementValue"]
"""RFC 9537 §3 methods that whoisgate emits."""


class Kind(IntEnum):
    """What happens to an element, least disclosing first."""

    WITHHOLD = 0
    REPLACE = 1
    PSEUDONYM = 2
    GENERALISE = 3
    RELEASE = 4


@dataclass(frozen=True, slots=True, eq=False)
class Element:
    """One registered element; compared by identity, so there is exactly one per name.

    ``generalises`` is the one parameter of `generalise` that fits its values: ``year``, ``area`` or
    ``country``. A country has it and does not support `generalise`: it is whole already.
    """

    name: str
    label: str
    personal: bool = False
    many: bool = False
    supports: tuple[Kind, ...] = (Kind.WITHHOLD, Kind.RELEASE)
    generalises: str = ""
    redacted_as: str | None = None
    method: Method = "removal"
    since: int = 1

    @property
    def group(self) -> str:
        """The part before the dot, as in ``domain``, ``registrar`` or a contact role."""
        return self.name.partition(".")[0]

    @property
    def field(self) -> str:
        """The part after the dot, as in ``created`` or ``email``."""
        return self.name.partition(".")[2]

    @property
    def role(self) -> str | None:
        """The contact role, or None for what belongs to no contact."""
        return self.group if self.group in ROLES else None

    def supported(self, kind: Kind) -> Kind:
        """The strongest supported treatment that discloses no more than ``kind``."""
        return max(known for known in self.supports if known <= kind)

    def __repr__(self) -> str:
        return self.name

    def __str__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (element, (self.name,))


_WHOLE = (Kind.WITHHOLD, Kind.RELEASE)
_GENERAL = (Kind.WITHHOLD, Kind.GENERALISE, Kind.RELEASE)
_HANDLE = (Kind.WITHHOLD, Kind.PSEUDONYM, Kind.RELEASE)
_EMAIL = (Kind.WITHHOLD, Kind.REPLACE, Kind.PSEUDONYM, Kind.RELEASE)

_PLAIN = (
    Element("domain.handle", "Registry Domain ID", supports=_HANDLE,
            redacted_as="Registry Domain ID"),
    Element("domain.created", "Creation Date", supports=_GENERAL, generalises="year"),
    Element("domain.updated", "Updated Date", supports=_GENERAL, generalises="year"),
    Element("domain.expires", "Registry Expiry Date", supports=_GENERAL, generalises="year"),
    Element("domain.registrar_expires", "Registrar Registration Expiration Date",
            supports=_GENERAL, generalises="year"),
    Element("domain.transferred", "Transfer Date", supports=_GENERAL, generalises="year"),
    Element("domain.rdds_updated", "Last Update of RDDS", supports=_GENERAL, generalises="year"),
    Element("domain.status", "Domain Status", many=True),
    Element("registrar.name", "Registrar"),
    Element("registrar.iana_id", "Registrar IANA ID"),
    Element("registrar.url", "Registrar URL"),
    Element("registrar.whois_server", "Registrar WHOIS Server"),
    Element("registrar.rdap_url", "Registrar RDAP URL"),
    Element("registrar.abuse_email", "Registrar Abuse Contact Email"),
    Element("registrar.abuse_phone", "Registrar Abuse Contact Phone"),
    Element("reseller.name", "Reseller"),
    Element("nameserver.name", "Name Server"),
    Element("nameserver.ipv4", "Name Server IPv4", many=True),
    Element("nameserver.ipv6", "Name Server IPv6", many=True),
    Element("dnssec.signed", "DNSSEC"),
    Element("dnssec.ds", "DNSSEC DS Data", many=True),
)  # fmt: skip

_TITLES = {"registrant": "Registrant", "admin": "Admin", "tech": "Tech", "billing": "Billing"}
_CONTACT: tuple[tuple[str, str, Method, tuple[Kind, ...], bool], ...] = (
    ("handle", "ID", "removal", _HANDLE, False),
    ("name", "Name", "emptyValue", (Kind.WITHHOLD, Kind.PSEUDONYM, Kind.RELEASE), False),
    ("organization", "Organization", "removal", _WHOLE, False),
    ("street", "Street", "emptyValue", _GENERAL, True),
    ("city", "City", "emptyValue", _GENERAL, False),
    ("state", "State/Province", "emptyValue", _GENERAL, False),
    ("postal_code", "Postal Code", "emptyValue", _GENERAL, False),
    ("country", "Country", "emptyValue", _WHOLE, False),
    ("phone", "Phone", "removal", _GENERAL, True),
    ("phone_ext", "Phone Ext", "removal", _WHOLE, False),
    ("fax", "Fax", "removal", _GENERAL, True),
    ("fax_ext", "Fax Ext", "removal", _WHOLE, False),
    ("email", "Email", "replacementValue", _EMAIL, True),
)
_GENERALISES: Final = {
    **dict.fromkeys(("street", "city", "state", "postal_code", "country"), "country"),
    **dict.fromkeys(("phone", "fax"), "area"),
}
CONTACT_FIELDS: Final = tuple(row[0] for row in _CONTACT)
"""The fields of a contact in output order."""

_REGISTERED_TECH = frozenset({"handle", "name", "phone", "phone_ext", "email"})


def _redacted_as(role: str, field: str, label: str) -> str | None:
    """The registered redaction name (IANA rdap-json-values), where there is one."""
    registered = role == "registrant" or (role == "tech" and field in _REGISTERED_TECH)
    if not registered or field in {"state", "country"}:
        return None
    title = _TITLES[role]
    return f"Registry {title} ID" if field == "handle" else f"{title} {label}"


def _contact_elements(role: str) -> tuple[Element, ...]:
    return tuple(
        Element(
            f"{role}.{field}",
            f"Registry {_TITLES[role]} ID" if field == "handle" else f"{_TITLES[role]} {label}",
            personal=True,
            many=many,
            supports=supports,
            generalises=_GENERALISES.get(field, ""),
            redacted_as=_redacted_as(role, field, label),
            method=method,
        )
        for field, label, method, supports, many in _CONTACT
    )


ELEMENTS: Final[Mapping[str, Element]] = MappingProxyType(
    {
        e.name: e
        for e in (*_PLAIN, *(element for role in ROLES for element in _contact_elements(role)))
    }
)
"""Every element by name, in output order."""


def element(name: str) -> Element:
    """The element of this exact name; KeyError when the registry has none."""
    return ELEMENTS[name]


def contact_elements(role: str) -> Mapping[str, Element]:
    """The elements of one contact role by field, in output order."""
    return _BY_ROLE[role]


_BY_ROLE: Final = {
    role: MappingProxyType({field: ELEMENTS[f"{role}.{field}"] for field in CONTACT_FIELDS})
    for role in ROLES
}
