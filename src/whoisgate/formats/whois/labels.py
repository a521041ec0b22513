"""What a label means: one look-up over the `vocabulary`, made of few parts.

A label is absolute ("Registrar IANA ID", "Registrant E-mail") or relative ("Name"), which means
something only in its place; it may also head a section. Composed labels (a role, perhaps
"contact", then a field) need no row of their own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from whoisgate.formats.whois import vocabulary

MAX_LABEL: Final = 200
"""Characters of a label; some explain themselves at length in parentheses."""

_MEMO: Final = 8192
_MAX_WORDS: Final = 8
_ASIDE: Final = re.compile(r"\(([^()]{0,160})\)")
_EITHER: Final = re.compile(r"[/,&]")
_WORDS: Final = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a label says.

    ``target``: an element's name, ``domain.name``, ``domain.nameserver`` or a registrar's or
    contact's ``group.field``. ``field``: the contact's field when the label stands in a contact's
    place. ``own``: the registrar's field in a registrar's place. ``server``: whether it names a
    host in a name server's place. ``sure``: the label says that it is the domain's. ``place``: the
    section that it heads. ``block``: what the block is about that it begins.
    """

    target: str = ""
    field: str = ""
    own: str = ""
    server: bool = False
    sure: bool = False
    place: str = ""
    block: str = ""


NOTHING: Final = Meaning()


def plainly(text: str) -> str:
    """Text as comparisons see it: NFKC, case folded, white space folded."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def folded(text: str) -> str:
    """Letters only: lower case, without accents, words apart by one space."""
    if not text.isascii():
        parts = unicodedata.normalize("NFKD", text.casefold())
        text = "".join([c for c in parts if not unicodedata.combining(c)])
    return " ".join(_WORDS.findall(text.lower()))


@lru_cache(_MEMO)
def meaning(label: str) -> Meaning:
    """The meaning of a label as it stands in a text; `NOTHING` when no part of it is known.

    Two beside each other ("Estado / Status", "Titular (Registrant)", "Administrative Contact,
    Technical Contact") are tried in turn.
    """
    asides = _ASIDE.findall(label)
    bare = _ASIDE.sub(" ", label) if asides else label
    parts = _EITHER.split(bare)
    for part in (bare, *parts, *asides) if len(parts) > 1 or asides else (bare,):
        if (found := _meaning(folded(part))) is not NOTHING:
            return found
    return NOTHING


def _meaning(words: str) -> Meaning:
    known = _KNOWN.get(words)
    if known is not None:
        return known
    parts = words.split(" ", _MAX_WORDS)
    if len(parts) > _MAX_WORDS or parts[0] not in _FIRST:
        return NOTHING
    for size in range(len(parts) - 1, 0, -1):
        head, rest = " ".join(parts[:size]), " ".join(parts[size:])
        if head in _REGISTRAR and rest in _REGISTRAR_FIELDS:
            return Meaning(target=f"registrar.{_REGISTRAR_FIELDS[rest]}")
        if head in _ROLES and rest in _FIELDS:
            return Meaning(target=f"{_ROLES[head]}.{_FIELDS[rest]}")
    return NOTHING


def rows(table: str) -> Iterator[tuple[str, str]]:
    """Target and folded label of every cell of a table of the vocabulary."""
    for line in table.strip().splitlines():
        target, _, labels = line.partition(":")
        yield from ((target, folded(label)) for label in labels.split("|"))


def _roles() -> Iterator[tuple[str, str]]:
    for role, word in rows(vocabulary.ROLES):
        yield word, role
        yield from ((f"{word} {folded(c)}", role) for c in vocabulary.CONTACT.split("|"))


_FIELDS: Final = {label: field for field, label in rows(vocabulary.FIELDS)}
_ROLES: Final = dict(_roles())
_REGISTRAR: Final = frozenset(folded(word) for word in vocabulary.REGISTRAR.split("|"))
_REGISTRAR_FIELDS: Final = {label: field for field, label in rows(vocabulary.REGISTRAR_FIELDS)}


def _known() -> Mapping[str, Meaning]:
    targets = {label: target for target, label in rows(vocabulary.PUBLIC)}
    targets |= {label: target for target, label in rows(vocabulary.JOINED)}
    targets |= dict.fromkeys(_REGISTRAR, "registrar.name")
    targets |= {label: f"{role}.name" for label, role in _ROLES.items() if label not in targets}
    places = {label: place for place, label in rows(vocabulary.PLACES) if place != "nameservers"}
    places |= {label: role for label, role in _ROLES.items() if label not in places}
    servers = {label for place, label in rows(vocabulary.PLACES) if place == "nameservers"}
    blocks = {label: block for block, label in rows(vocabulary.HEADS)}
    for label, target in targets.items():
        if target in ("registrar.name", "registrar.provider", "reseller.name"):
            places.setdefault(label, target.partition(".")[0])
        elif target == "domain.nameserver":
            places[label] = "nameservers"
            servers.add(label)
    return {
        label: Meaning(
            targets.get(label, ""),
            _FIELDS.get(label, ""),
            _REGISTRAR_FIELDS.get(label, ""),
            label in servers,
            any(word in _SURE for word in label.split()),
            places.get(label, ""),
            blocks.get(label, ""),
        )
        for label in {*targets, *_FIELDS, *_REGISTRAR_FIELDS, *places, *servers, *blocks}
    }


_SURE: Final = frozenset({"domain", "dominio", "domaine", "domena", "domeny", "record", "registry"})
_KNOWN: Final = _known()
_FIRST: Final = frozenset(label.partition(" ")[0] for label in (*_ROLES, *_REGISTRAR))
