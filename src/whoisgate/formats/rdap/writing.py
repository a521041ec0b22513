"""A view as an RDAP domain answer (RFC 9083), in the form of ICANN's profile of February 2024.

The bytes depend on the view's values, its decision and the settings alone. What is constant for
a decision (``redacted``, notices, links, conformance) is serialised once and kept.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple, overload

import idna
import orjson

from whoisgate.elements import ELEMENTS, ROLES, Element, Kind
from whoisgate.errors import MalformedDocument
from whoisgate.formats.rdap import card, words
from whoisgate.formats.rdap.frame import (
    BASE_CONFORMANCE,
    REDACTED_CONFORMANCE,
    Settings,
    frame,
    link,
)
from whoisgate.formats.rdap.redacted import entries, shows_address, source_entries
from whoisgate.policy.decide import Decision
from whoisgate.records import Value
from whoisgate.redact import (
    ContactView,
    GatedView,
    NameserverView,
    PublicBytes,
    PublicView,
    Sealed,
    View,
)

_MEMO: Final = 4096
_SMALL_MEMO: Final = 512
"""For what takes kilobytes each, and of which a hostile source makes many."""

_SHORT: Final = 1024
"""Characters of what is worth keeping."""

_CUT: Final = b"\x00"
_ADDRESS: Final = orjson.Fragment(_CUT)
"""Where the request's address goes in a template. No JSON text holds a bare NUL."""

_DELETE: Final = b"\x7f"
_C1: Final = b"\xc2"
_OBEYED: Final = re.compile(rb"\x7f|\xc2[\x80-\x9f]")
"""The controls that terminals obey and JSON lets stand bare, in UTF-8."""

_HANDLE = ELEMENTS["domain.handle"]
_STATUS = ELEMENTS["domain.status"]
_SIGNED = ELEMENTS["dnssec.signed"]
_DS = ELEMENTS["dnssec.ds"]
_REGISTRAR = tuple(
    ELEMENTS[f"registrar.{field}"]
    for field in (
        "name", "iana_id", "url", "whois_server", "rdap_url", "abuse_email", "abuse_phone",
    )
)  # fmt: skip
_RESELLER = ELEMENTS["reseller.name"]
_EVENTS = tuple(words.EVENTS.items())
_DELEGATION: Final = re.compile(r"(\d{1,5}) (\d{1,3}) (\d{1,3}) (\S+)", re.ASCII)
"""``keytag algorithm digesttype digest`` (RFC 4034 §5.3)."""

_PARTIAL: Final = {
    "title": "Partial answer",
    "type": "object truncated due to unexplainable reasons",
    "description": ["The source's answer broke off; there may be more than is shown."],
}
"""RFC 9083 §10.2.1."""

_TAGS: Final = {role: [word] for role, word in words.ROLES.items()}


@overload
def encode(view: PublicView, settings: Settings) -> PublicBytes: ...
@overload
def encode(view: GatedView, settings: Settings) -> Sealed: ...
def encode(view: PublicView | GatedView, settings: Settings) -> PublicBytes | Sealed:
    """The domain answer of a view: bytes for the public, sealed when it is gated.

    Raises `MalformedDocument` when a value is no Unicode text (a lone surrogate).
    """
    body = _body(view, settings)
    return PublicBytes(body) if isinstance(view, PublicView) else Sealed(view, body)


class _Shape(NamedTuple):
    """What a decision fixes about contacts, whatever the record."""

    address: frozenset[str]
    replaced: frozenset[str]


@lru_cache(_MEMO)
def _shape(decision: Decision) -> _Shape:
    return _Shape(
        frozenset(role for role in ROLES if shows_address(decision, role)),
        frozenset(
            role
            for role in ROLES
            if decision.treatment(ELEMENTS[f"{role}.email"]).kind is Kind.REPLACE
        ),
    )


@lru_cache(_SMALL_MEMO)
def _tail(  # noqa: PLR0917  the key of a memo
    decision: Decision,
    roles: frozenset[str],
    web_form: bool,  # noqa: FBT001  part of a memo's key
    settings: Settings,
    profiled: bool,  # noqa: FBT001  same
    withheld: frozenset[Element],
    partial: bool,  # noqa: FBT001  same
) -> tuple[bytes, ...]:
    """All members that hold no data, with the closing brace, cut at the request's address."""
    redacted = entries(decision, roles, web_form=web_form)
    redacted += source_entries(withheld, roles)
    conformance = (*BASE_CONFORMANCE, *((REDACTED_CONFORMANCE,) if redacted else ()))
    said = frame(settings, conformance, _ADDRESS, profiled=profiled)
    if redacted:
        said["redacted"] = redacted
    if partial:
        said["remarks"] = [_PARTIAL]
    return tuple(orjson.dumps(said)[1:].split(_CUT))


def _body(view: View, settings: Settings) -> bytes:
    decision, contacts = view.decision, view.contacts
    shape = _shape(decision)
    web_form = any(
        c.role in shape.replaced and "://" in (c.values.get("email") or "") for c in contacts
    )
    address = orjson.dumps(settings.address(view.name))
    try:
        head = orjson.dumps(_domain(view, shape, address, web_form=web_form))
    except TypeError:
        raise MalformedDocument("expected values of Unicode text") from None
    if _DELETE in head or _C1 in head:
        head = _OBEYED.sub(lambda found: b"\\u00%02x" % found[0][-1], head)
    roles = frozenset([c.role for c in contacts])
    profiled = settings.profiled(view.name)
    tail = _tail(decision, roles, web_form, settings, profiled, view.source_withholds, view.partial)
    return b"".join((head[:-1], b",", address.join(tail)))


def _domain(view: View, shape: _Shape, address: bytes, *, web_form: bool) -> dict[str, object]:
    name, get = view.name, view.values.get
    document: dict[str, object] = {"objectClassName": "domain"}
    if handle := get(_HANDLE):
        document["handle"] = handle
    document["ldhName"] = name
    if "xn--" in name and (unicode_name := _unicode(name)):
        document["unicodeName"] = unicode_name
    if statuses := get(_STATUS):
        document["status"] = [words.STATUSES.get(s, s) for s in card.many(statuses)]
    if events := [
        {"eventAction": word, "eventDate": date} for e, word in _EVENTS if (date := get(e))
    ]:
        document["events"] = events
    if view.nameservers:
        document["nameservers"] = [_nameserver(n) for n in view.nameservers]
    if secure := _secure(view):
        document["secureDNS"] = secure
    found: list[object] = [_contact(c, shape, web_form=web_form) for c in view.contacts]
    shown = tuple(map(get, _REGISTRAR))
    kept = sum(map(len, filter(None, shown))) <= _SHORT
    if registrar := (_registrar if kept else _registrar.__wrapped__)(*shown):
        found.append(orjson.Fragment(address.join(registrar)))
    if reseller := get(_RESELLER):
        found.append(
            {
                "objectClassName": "entity",
                "roles": ["reseller"],
                "vcardArray": card.named("".join(reseller)),
            }
        )
    if found:
        document["entities"] = found
    return document


def _contact(contact: ContactView, shape: _Shape, *, web_form: bool) -> dict[str, object]:
    role, values = contact.role, contact.values
    entity: dict[str, object] = {
        "objectClassName": "entity",
        "roles": _TAGS[role],
        "vcardArray": card.written(
            values,
            address=role in shape.address,
            web_form=web_form and role in shape.replaced,
        ),
    }
    if handle := values.get("handle"):
        entity["handle"] = handle
    return entity


@lru_cache(_MEMO)
def _registrar(  # noqa: PLR0917  the key of a memo
    name: Value | None,
    iana_id: Value | None,
    url: Value | None,
    whois_server: Value | None,
    rdap_url: Value | None,
    abuse_email: Value | None,
    abuse_phone: Value | None,
) -> tuple[bytes, ...]:
    """A registrar's entity as JSON, cut at the request's address; empty when nothing is shown.

    A registrar's own words are no registrant's, and the same for all its domains: kept.
    """
    entity: dict[str, object] = {"objectClassName": "entity", "roles": ["registrar"]}
    if iana_id:
        entity["handle"] = iana_id
        entity["publicIds"] = [{"type": "IANA Registrar ID", "identifier": iana_id}]
    if name:
        entity["vcardArray"] = card.named("".join(name))
    if whois_server:
        entity["port43"] = whois_server
    links = []
    if rdap_url:
        links.append(link(_ADDRESS, "about", "".join(rdap_url), "application/rdap+json"))
    if url:
        links.append(link(_ADDRESS, "related", "".join(url)))
    if links:
        entity["links"] = links
    if abuse_phone or abuse_email:
        abuse = card.reachable("Abuse Contact", abuse_phone, abuse_email)
        entity["entities"] = [
            {"objectClassName": "entity", "roles": ["abuse"], "vcardArray": abuse}
        ]
    known = len(entity) > len(("objectClassName", "roles"))
    return tuple(orjson.dumps(entity).split(_CUT)) if known else ()


def _nameserver(nameserver: NameserverView) -> dict[str, object]:
    said: dict[str, object] = {"objectClassName": "nameserver", "ldhName": nameserver.name}
    if nameserver.ipv4 or nameserver.ipv6:
        addresses = {}
        if nameserver.ipv4:
            addresses["v4"] = nameserver.ipv4
        if nameserver.ipv6:
            addresses["v6"] = nameserver.ipv6
        said["ipAddresses"] = addresses
    return said


def _secure(view: View) -> dict[str, object]:
    secure: dict[str, object] = {}
    if signed := view.values.get(_SIGNED):
        secure["delegationSigned"] = signed == "signedDelegation"
    if records := view.values.get(_DS):
        secure["dsData"] = [ds for text in card.many(records) if (ds := _ds(text))]
    return secure


def _ds(text: str) -> dict[str, object] | None:
    parts = _DELEGATION.fullmatch(text)
    if parts is None:
        return None
    tag, algorithm, kind, digest = parts.groups()
    return {
        "keyTag": int(tag),
        "algorithm": int(algorithm),
        "digestType": int(kind),
        "digest": digest,
    }


@lru_cache(_MEMO)
def _unicode(name: str) -> str | None:
    try:
        return idna.decode(name)
    except (idna.IDNAError, UnicodeError):
        return None
