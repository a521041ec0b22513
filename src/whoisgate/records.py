"""The whole, private record of a domain: `Record`, `Contact`, `Nameserver`, and its `Facts`.

A `Record` may never leave: no encoder accepts it and no dump method exists. `Facts` are what a
policy may look at; they hold no contact value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Self

from whoisgate.elements import CONTACT_FIELDS, ELEMENTS, ROLES, Element
from whoisgate.errors import MalformedDocument
from whoisgate.queries import canonical_name

Value = str | tuple[str, ...]
"""One element's value: text, or a tuple of texts where the registry says ``many``.

Dates are RFC 3339 text in UTC; ``domain.status`` holds EPP names (``clientTransferProhibited``);
``dnssec.signed`` is ``signedDelegation`` or ``unsigned``; ``dnssec.ds`` is
``keytag algorithm digesttype digest``; a country is ISO 3166-1 alpha-2.
"""

_FIELDS: Final = frozenset(CONTACT_FIELDS)
_EMPTY: Final[Mapping[Element, Value]] = MappingProxyType({})


class RegistrantKind(StrEnum):
    """Natural or legal person; ``unspecified`` is a kind of its own, never a guess."""

    NATURAL = "natural"
    LEGAL = "legal"
    UNSPECIFIED = "unspecified"


class Region(StrEnum):
    """Where the registrant is, as far as law asks: inside the EEA or elsewhere."""

    EEA = "eea"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a policy may look at. None is unknown: it grants nothing and satisfies every cap.

    ``disclose_allow`` and ``disclose_deny`` are EPP's ``disclose`` flags 1 and 0 (RFC 5733 §2.9)
    by element; an element in neither has no flag, which is not the same as 0.
    """

    registrant_kind: RegistrantKind = RegistrantKind.UNSPECIFIED
    publish_consent: bool | None = None
    organization_consent: bool | None = None
    region: Region | None = None
    privacy_service: bool | None = None
    disclose_allow: frozenset[Element] = frozenset()
    disclose_deny: frozenset[Element] = frozenset()


@dataclass(frozen=True, slots=True, repr=False)
class Contact:
    """One contact in one role; ``values`` by field (``email``, ``street`` …)."""

    role: str
    values: Mapping[str, Value]

    def __post_init__(self) -> None:
        if self.role not in ROLES or not self.values.keys() <= _FIELDS:
            raise MalformedDocument(f"expected a role of `{', '.join(ROLES)}` and its fields")

    def __repr__(self) -> str:
        return f"<Contact {self.role}, {len(self.values)} elements>"


@dataclass(frozen=True, slots=True, repr=False)
class Nameserver:
    """One name server of a domain and its glue addresses."""

    name: str
    ipv4: tuple[str, ...] = ()
    ipv6: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "<Nameserver>"


@dataclass(frozen=True, slots=True)
class Fetched:
    """One answer of an upstream that a record was read from.

    ``upstream`` is its URL, or ``whois://host:port``; ``sha256`` (hex) is over its raw bytes. A
    digest lets whoever knows most of an answer try guesses at the rest, so it stays sealed.
    """

    upstream: str
    at: datetime
    sha256: str


@dataclass(frozen=True, slots=True, repr=False)
class Record:
    """Everything a source knows of one domain. Private: only `redact` reads it into a view.

    ``name`` is the canonical A-label form. ``values`` holds the elements that belong to no
    contact and no name server. Several contacts may share a role. ``source`` and ``version``
    say where and in which state it was read, for the log.
    """

    name: str
    values: Mapping[Element, Value] = field(default_factory=lambda: _EMPTY)
    contacts: tuple[Contact, ...] = ()
    nameservers: tuple[Nameserver, ...] = ()
    facts: Facts = field(default_factory=Facts)
    source: str = "memory"
    version: str = ""
    fetched: tuple[Fetched, ...] = ()
    withheld: frozenset[Element] = frozenset()
    partial: bool = False

    @classmethod
    def of(
        cls,
        name: str,
        elements: Mapping[str, str | Iterable[str]],
        *,
        nameservers: Iterable[str | Nameserver] = (),
        facts: Facts | None = None,
        source: str = "memory",
        version: str = "",
    ) -> Self:
        """A record from element names and values, one contact per role.

        Raises `MalformedDocument` on a name that is no element, `MalformedName` on a bad domain.
        Empty values count as absent.
        """
        plain: dict[Element, Value] = {}
        contacts: dict[str, dict[str, Value]] = {}
        for key, raw in elements.items():
            known = ELEMENTS.get(key)
            if known is None or known.group == "nameserver":
                raise MalformedDocument(f"expected an element, got `{key}`")
            value = shaped(known, raw)
            if not value:
                continue
            if known.role:
                contacts.setdefault(known.role, {})[known.field] = value
            else:
                plain[known] = value
        return cls(
            canonical_name(name),
            MappingProxyType(plain),
            tuple(Contact(role, contacts[role]) for role in ROLES if role in contacts),
            tuple(n if isinstance(n, Nameserver) else Nameserver(n) for n in nameservers),
            facts or Facts(),
            source,
            version,
        )

    def __repr__(self) -> str:
        count = len(self.values) + sum(len(c.values) for c in self.contacts)
        return f"<Record {self.name}, {count} elements>"


def shaped(known: Element, raw: str | Iterable[str]) -> Value:
    """``raw`` in the shape that the registry gives the element; empty parts are dropped."""
    if known.many:
        parts = (raw,) if isinstance(raw, str) else tuple(raw)
        return tuple(part for part in parts if part)
    if isinstance(raw, str):
        return raw
    raise MalformedDocument(f"{known.name}: expected one text")
