"""What another reader makes of a WHOIS text, and what of it may fill a record.

The other reader is not trusted: it misplaces names, and an attacker may own its process. So an
`Opinion` holds closed shapes alone, and of those only what the text itself tells at a label for
such a value: the other reader can point at a value, never make one up or take one from a person's
line. It fills what ours left empty, overwrites nothing, and of contacts it is only counted in
which roles it disagrees. Every pass is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from whoisgate.elements import ELEMENTS, ROLES, Element
from whoisgate.errors import MalformedDocument
from whoisgate.formats.rdap import strict, words
from whoisgate.formats.whois import shapes
from whoisgate.formats.whois.dates import Dates
from whoisgate.formats.whois.lines import Line, split
from whoisgate.records import Nameserver, Record, Value

MAX_REPLY_BYTES: Final = 16 * 1024

_EXPIRES, _REGISTRAR_EXPIRES = ELEMENTS["domain.expires"], ELEMENTS["domain.registrar_expires"]
_STATUS, _SIGNED = ELEMENTS["domain.status"], ELEMENTS["dnssec.signed"]
_NAMESERVER: Final = ELEMENTS["nameserver.name"]

_DATES: Final = {
    "created": (
        ELEMENTS["domain.created"],
        re.compile("cr[eé]a|regist|commence|activat", re.IGNORECASE),
    ),
    "updated": (ELEMENTS["domain.updated"], re.compile("updat|modif|chang|actuali", re.IGNORECASE)),
    "expires": (_EXPIRES, re.compile("expir|valid|paid|renew|vencim|billed", re.IGNORECASE)),
}
_AT_NAMESERVER: Final = re.compile(
    r"name[ _-]?servers?|nserver|domain servers?|host ?name|\bdns\b|ns_name|serveurs? de noms"
    r"|servidor(?:es)?|nombres de dominio",
    re.IGNORECASE,
)
_AT_STATUS: Final = re.compile(r"status|state$|domaintype", re.IGNORECASE)
_AT_SIGNED: Final = re.compile(r"dnssec|signing key", re.IGNORECASE)
_OF_A_PERSON: Final = re.compile(
    r"registrant|owner|holder|admin|tech|billing|contact|person|mail|phone|birth", re.IGNORECASE
)
STATUS_WORDS: Final = MappingProxyType(
    {
        said.replace(" ", "").lower(): name
        for name, word in words.STATUSES.items()
        for said in (name, word)
    }
)
"""EPP's names and RDAP's words for them, without spaces and in lower case, as EPP names."""


@dataclass(frozen=True, slots=True, repr=False)
class Opinion:
    """What the other reader says: public values by element, name servers, roles of contacts.

    ``values`` holds domain.created, .updated, .expires, .status and dnssec.signed, none other.
    """

    values: Mapping[Element, Value]
    nameservers: tuple[Nameserver, ...]
    contacts: frozenset[str]

    @classmethod
    def parse(cls, reply: bytes, text: str) -> Opinion | None:
        """The opinion in a worker's ``reply`` on ``text``; None when there is no JSON object.

        Whatever is not of its closed shape, or not told by the text where it belongs, is dropped.
        """
        try:
            said = strict.loads(reply, limit_bytes=MAX_REPLY_BYTES)
        except MalformedDocument:
            return None
        if not isinstance(said, dict):
            return None
        lines, dates = split(text), Dates(text)
        values: dict[Element, Value] = {}
        for word, (element, place) in _DATES.items():
            if moment := _moment(said.get(word), dates, _told(lines, place)):
                values[element] = moment
        if statuses := _statuses(_texts(said.get("statuses")), _told(lines, _AT_STATUS)):
            values[_STATUS] = statuses
        signed = said.get("signed")
        if signed in ("signedDelegation", "unsigned") and any(_told(lines, _AT_SIGNED)):
            values[_SIGNED] = str(signed)
        return cls(
            MappingProxyType(values),
            _servers(_texts(said.get("nameservers")), _told(lines, _AT_NAMESERVER)),
            frozenset(_texts(said.get("contacts"))) & frozenset(ROLES),
        )


@dataclass(frozen=True, slots=True)
class Filled:
    """A record, the elements that an opinion filled in it, and how often the two disagree."""

    record: Record
    elements: tuple[Element, ...]
    disagreements: int


def filled(record: Record, opinion: Opinion) -> Filled:
    """``record`` with what the opinion knows and it does not; nothing is overwritten.

    An element that the source withheld stays empty. Dates disagree by day, name servers and
    statuses as sets, contacts by the roles that there are.
    """
    values = dict(record.values)
    new: list[Element] = []
    differ = 0
    for element, said in opinion.values.items():
        if element in record.withheld:
            continue
        if ours := values.get(element):
            differ += _comparable(ours) != _comparable(said)
        elif element is not _EXPIRES or _REGISTRAR_EXPIRES not in values:
            values[element] = said
            new.append(element)
    hosts = record.nameservers
    if opinion.nameservers and _NAMESERVER not in record.withheld:
        if hosts:
            differ += {n.name.lower() for n in hosts} != {n.name for n in opinion.nameservers}
        else:
            hosts = opinion.nameservers
            new.append(_NAMESERVER)
    differ += len(_unlike_roles(record, opinion))
    whole = replace(record, values=MappingProxyType(values), nameservers=hosts)
    return Filled(whole, tuple(new), differ)


def _unlike_roles(record: Record, opinion: Opinion) -> frozenset[str]:
    hidden = {element.role for element in record.withheld}
    return (opinion.contacts ^ {contact.role for contact in record.contacts}) - hidden


def _comparable(value: Value) -> str | frozenset[str]:
    if not isinstance(value, str):
        return frozenset(value)
    return value[:10] if value[:4].isdigit() else value


def _moment(said: strict.JSON, dates: Dates, told: Iterator[str]) -> str | None:
    """The instant that the text tells for the day which the other reader says, here or in UTC."""
    try:
        local = datetime.fromisoformat(said if isinstance(said, str) else "")
        shift = local.utcoffset() or timedelta()
        days = {f"{local:%Y-%m-%d}", f"{local - shift:%Y-%m-%d}"}
    except (ValueError, OverflowError):
        return None
    return next((at for text in told if (at := dates.instant(text))[:10] in days), None)


def _servers(said: list[str], told: Iterator[str]) -> tuple[Nameserver, ...]:
    known = {server.name: server for text in told for server in shapes.servers(text)}
    names = dict.fromkeys(name.rstrip(".").lower() for name in said)
    return tuple(known[name] for name in names if name in known)


def _statuses(said: list[str], told: Iterator[str]) -> tuple[str, ...]:
    known = {name for text in told for part in text.split(",") if (name := _status(part))}
    names = dict.fromkeys(name for part in said if (name := _status(part)))
    return tuple(name for name in names if name in known)


def _status(part: str) -> str | None:
    said = re.split(r"https?:|\(", part, maxsplit=1)[0]
    return STATUS_WORDS.get(re.sub(r"[\s._-]+", "", said).lower())


def _told(lines: Sequence[Line], place: re.Pattern[str]) -> Iterator[str]:
    """What the text says at labels of one kind: their values, and the bare lines below them."""
    below = fresh = False
    for line in lines:
        found = None if line.comment else place.search(line.label if line.keyed else line.text)
        if found:
            below = fresh = not _OF_A_PERSON.search(line.label or line.text[: found.end()])
            if below:
                yield line.value if line.keyed else line.text[found.end() :]
        elif not line.text:
            below = below and fresh
        elif line.comment or (line.keyed and not shapes.host(line.text.split()[0])):
            below = False
        elif below:
            fresh = False
            yield line.text


def _texts(said: strict.JSON) -> list[str]:
    return [item for item in said if isinstance(item, str)] if isinstance(said, list) else []
