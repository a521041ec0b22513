"""WHOIS text as a record: `read`, `decode` and `joined`.

`gather` says which value stands under which label in which place; here closed shapes and a few
refusals decide what becomes an element. Free text that anybody may see (a registrar's or
reseller's name, a state or province) is taken only from its own label or section, and never when
it is what the text gives as a person's. Where in doubt, nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from whoisgate.elements import ELEMENTS, ROLES, contact_elements
from whoisgate.errors import (
    MalformedDocument,
    NameNotFound,
    UpstreamRefused,
    UpstreamThrottled,
    WhoisgateError,
)
from whoisgate.formats.whois import shapes
from whoisgate.formats.whois.answers import State, phrase, said
from whoisgate.formats.whois.contacts import Private, contacts, kind, linked
from whoisgate.formats.whois.gather import gather
from whoisgate.formats.whois.lines import BROKEN, MAX_LINES, Line, decoded, split
from whoisgate.formats.whois.public import public_values
from whoisgate.formats.whois.sheet import Sheet
from whoisgate.records import Record

_STATUS: Final = ELEMENTS["domain.status"]
_SERVER: Final = ELEMENTS["registrar.whois_server"]
_RESERVED: Final = ("reserved",)


@dataclass(frozen=True, slots=True, repr=False)
class Reading:
    """What an answer says. ``record`` is None where there is none to give.

    A reserved name has a record whose only status is ``reserved``. ``referral`` is the host of
    the registrar's server that an answer without contacts names; nobody has looked it up.
    """

    state: State
    record: Record | None = None
    referral: str | None = None

    def __repr__(self) -> str:
        return f"<Reading {self.state}>"


def read(raw: bytes | str, name: str | None = None, *, complete: bool = True) -> Reading:
    """Read one answer, about ``name`` (canonical) where that is given.

    ``complete=False``: the answer broke off; its last line counts only if it ended. Raises
    `MalformedDocument` for a text that is too long or about another name.
    """
    text = decoded(raw)
    lines = split(text)
    broken = not complete or text.endswith(BROKEN)
    partial = broken or len(lines) == MAX_LINES
    if broken:
        lines = lines[:-1]
    sheet = gather(lines, text, name)
    state = _state(sheet, lines)
    others = sheet.others and not sheet.named
    if others and state in (State.REGISTERED, State.RESERVED, State.UNREAD):
        raise MalformedDocument("expected an answer about the name that was asked")
    if state not in (State.REGISTERED, State.RESERVED):
        return Reading(state)
    if sheet.asked is None:
        return Reading(State.UNREAD)
    record = _record(sheet, sheet.asked, partial=partial)
    referral = _referral(sheet) if _thin(record) else None
    if state is State.RESERVED:
        values = MappingProxyType({**record.values, _STATUS: _RESERVED})
        return Reading(state, replace(record, values=values))
    if referral and _SERVER not in record.values:
        record = replace(record, values=MappingProxyType({**record.values, _SERVER: referral}))
    return Reading(state, record, referral)


def decode(raw: bytes | str, name: str | None = None) -> Record:
    """The record in an answer.

    Raises `NameNotFound`, `UpstreamThrottled`, `UpstreamRefused` (also for a query that the server
    rejects) and `MalformedDocument` where there is none.
    """
    reading = read(raw, name)
    if reading.record is None:
        raise refusal(reading.state, name)
    return reading.record


def refusal(state: State, name: str | None) -> WhoisgateError:
    """The error for a state without a record."""
    if state is State.AVAILABLE:
        return NameNotFound(name)
    if state is State.THROTTLED:
        return UpstreamThrottled("the server says that it was asked too much")
    if state is State.REFUSED:
        return UpstreamRefused("the server refuses to answer")
    if state is State.INVALID:
        return UpstreamRefused("the server rejects the query")
    return MalformedDocument("expected WHOIS text about a domain")


def _state(sheet: Sheet, lines: Iterable[Line]) -> State:
    states = {phrase(text) for text in sheet.status_texts} - {State.UNREAD}
    dated = sheet.when.keys() - {"domain.rdds_updated"}
    found = bool(sheet.servers or dated or sheet.registrars)
    if State.RESERVED in states and set(sheet.statuses) <= {"reserved"}:
        return State.RESERVED
    if states and not found:
        return min(states, key=list(State).index)
    known = any(person.roles and (person.values or person.loose) for person in sheet.people)
    if found or known or sheet.statuses or sheet.links:
        return State.REGISTERED
    return said(line.text for line in lines if line.text)


def _thin(record: Record) -> bool:
    """Whether the answer says of no contact who it is."""
    told = {field for contact in record.contacts for field in contact.values}
    return not told & {"name", "street", "email"}


def _referral(sheet: Sheet) -> str | None:
    """The registrar's server: by its own label, or by the pair that old thin answers have."""
    named = [*sheet.plain.get("registrar.whois_server", ())]
    if "registrar.referral_url" in sheet.plain:
        named += sheet.plain.get("registrar.referral", ())
    return next((host for text in named if (host := shapes.host(text))), None)


def _record(sheet: Sheet, name: str, *, partial: bool) -> Record:
    people = linked(sheet)
    private = Private(people)
    found, missing = contacts(people, private)
    values = public_values(sheet, private)
    present = {contact_elements(c.role)[f] for c in found for f in c.values}
    return Record(
        name,
        MappingProxyType(values),
        tuple(found),
        tuple(s for s in sheet.servers.values() if s.name != name),
        kind(people),
        source="whois",
        withheld=frozenset(missing - present - values.keys()),
        partial=partial,
    )


def joined(thin: Record, thick: Record) -> Record:
    """The registry's answer joined with the registrar's about the same name.

    The registry is right about the domain, the registrar about people: a value of both is taken
    from ``thin``, the contacts of a role from ``thick`` where it has any. Raises
    `MalformedDocument` when the names differ.
    """
    if thin.name != thick.name:
        raise MalformedDocument("expected two answers about one name")
    known = {contact.role for contact in thick.contacts}
    kept = [contact for contact in thin.contacts if contact.role not in known]
    values = {**thick.values, **thin.values}
    people = sorted([*thick.contacts, *kept], key=lambda contact: ROLES.index(contact.role))
    present = {contact_elements(c.role)[f] for c in people for f in c.values}
    return replace(
        thin,
        values=MappingProxyType(values),
        contacts=tuple(people),
        nameservers=thin.nameservers or thick.nameservers,
        facts=thick.facts if thick.contacts else thin.facts,
        fetched=(*thin.fetched, *thick.fetched),
        withheld=(thin.withheld | thick.withheld).difference(present, values),
        partial=thin.partial or thick.partial,
    )
