"""What an upstream's answer says that it withholds itself, so that it is not served as a value.

Three signs: an entry of ``redacted`` (RFC 9537), by its name or else by its path; a placeholder
text where a value belongs; a remark on an entity that something was left out for want of
authorisation (RFC 9083 §10.2.1). Nothing here is a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from whoisgate.elements import ELEMENTS, ROLES, Element, contact_elements
from whoisgate.formats.placeholders import withheld
from whoisgate.formats.rdap import words
from whoisgate.formats.rdap.strict import JSON
from whoisgate.records import Contact, Value

_TITLES: Final = {
    "registrant": ("registrant",),
    "admin": ("admin", "administrative"),
    "tech": ("tech", "technical"),
    "billing": ("billing",),
}
_NAMES: Final[Mapping[str, frozenset[Element]]] = MappingProxyType(
    {e.label.lower(): frozenset({e}) for e in ELEMENTS.values()}
    | {
        f"{title} {element.label.partition(' ')[2]}".lower(): frozenset({element})
        for role, titles in _TITLES.items()
        for title in titles
        for field, element in contact_elements(role).items()
        if field != "handle"
    }
    | {
        f"registry {title} id": frozenset({contact_elements(role)["handle"]})
        for role, titles in _TITLES.items()
        for title in titles
    }
    | {
        f"{title} contact": frozenset(contact_elements(role).values())
        for role, titles in _TITLES.items()
        for title in titles
    }
)
"""Elements by the names under which redactions are declared, in lower case."""

_ROLE: Final = re.compile(r"roles\b[^'\"]{0,40}['\"]([a-z]{1,20})['\"]", re.ASCII)
_PROPERTY: Final = re.compile(
    r"@\[0\]\s{0,4}={2}\s{0,4}['\"]([a-z-]{1,20})['\"]\s{0,4}\)?\](?:\[3\]\[(:?\d)\])?", re.ASCII
)
_FIELDS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = MappingProxyType(
    {
        ("fn", ""): ("name",),
        ("org", ""): ("organization",),
        ("tel", ""): ("phone", "phone_ext", "fax", "fax_ext"),
        ("email", ""): ("email",),
        ("contact-uri", ""): ("email",),
        ("adr", ""): ("street", "city", "state", "postal_code", "country"),
        ("adr", ":3"): ("street",),
        ("adr", "0"): ("street",),
        ("adr", "1"): ("street",),
        ("adr", "2"): ("street",),
        ("adr", "3"): ("city",),
        ("adr", "4"): ("state",),
        ("adr", "5"): ("postal_code",),
        ("adr", "6"): ("country",),
    }
)
"""Contact fields by jCard property and, for an address, its component."""

_MAX_PATH: Final = 512
_LEFT_OUT: Final = frozenset(
    {"object redacted due to authorization", "object truncated due to authorization"}
)
_EXPECTED: Final = ("name", "street", "city", "postal_code", "phone", "email")
"""Fields that an entity has, unless they were left out."""


def declared(entries: JSON) -> frozenset[Element]:
    """The elements that a ``redacted`` array declares; an entry that names none is passed over."""
    found: set[Element] = set()
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict):
            found |= _named(entry.get("name")) or frozenset(_pointed_at(entry))
    return frozenset(found)


def _named(name: JSON) -> frozenset[Element]:
    said = name if isinstance(name, dict) else {}
    for word in (said.get("type"), said.get("description")):
        if isinstance(word, str) and (elements := _NAMES.get(word.strip().lower())):
            return elements
    return frozenset()


def _pointed_at(entry: Mapping[str, JSON]) -> Iterator[Element]:
    for key in ("prePath", "postPath"):
        path = entry.get(key)
        if not isinstance(path, str) or len(path) > _MAX_PATH:
            continue
        property_ = _PROPERTY.search(path)
        if property_ is None:
            continue
        roles = {words.CONTACT_ROLES.get(word) for word in _ROLE.findall(path)} or set(ROLES)
        name, component = property_[1], property_[2] or ""
        for role in roles - {None}:
            for field in _FIELDS.get((name, component), ()):
                yield contact_elements(str(role))[field]


def without_placeholders(values: Mapping[str, Value]) -> tuple[dict[str, Value], frozenset[str]]:
    """The fields with a value of somebody's own, and the names of those that held a placeholder."""
    kept: dict[str, Value] = {}
    for field, value in values.items():
        if isinstance(value, str):
            if not withheld(value):
                kept[field] = value
        elif texts := tuple([text for text in value if not withheld(text)]):
            kept[field] = texts
    return kept, frozenset(values.keys() - kept.keys())


def left_out(remarks: JSON, values: Mapping[str, Value]) -> Iterable[str]:
    """The fields that an entity's remarks say were left out: those expected and not there."""
    said = remarks if isinstance(remarks, list) else []
    types = {remark.get("type") for remark in said if isinstance(remark, dict)}
    lowered = {word.lower() for word in types if isinstance(word, str)}
    return () if lowered.isdisjoint(_LEFT_OUT) else [f for f in _EXPECTED if f not in values]


def cleared(values: dict[Element, Value], elements: frozenset[Element]) -> None:
    """Take the values of ``elements`` away: what stands there is none of the record's own."""
    for element in elements & values.keys():
        del values[element]


def cleared_contact(contact: Contact, elements: frozenset[Element]) -> Contact:
    """``contact`` without the values of ``elements``."""
    if not elements:
        return contact
    known = contact_elements(contact.role)
    kept = {f: v for f, v in contact.values.items() if known[f] not in elements}
    return contact if len(kept) == len(contact.values) else Contact(contact.role, kept)
