"""``Disclosure-Request``: the words of a question in one structured field (RFC 9651).

A dictionary of strings, ``purpose``, ``basis``, ``case``, ``urgency``, ``sealed_until``, and one
inner list of strings, ``elements``. Whatever is not exactly that is refused: another member,
another type, a parameter, a member said twice. Nothing here judges the words; `Question.of` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from http_sfv.dictionary import Dictionary
from http_sfv.item import AllItemType, InnerList, Item

from whoisgate.errors import MalformedQuestion

MAX_BYTES: Final = 4096
WORDS: Final = ("purpose", "basis", "case", "urgency", "sealed_until")
ELEMENTS: Final = "elements"
_KNOWN: Final = (*WORDS, ELEMENTS)

_SAYABLE = re.compile(r"[\x20-\x7e]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class DisclosureRequest:
    """What a request says; None is not said. ``elements`` keeps its order."""

    purpose: str | None = None
    basis: str | None = None
    case: str | None = None
    elements: tuple[str, ...] | None = None
    urgency: str | None = None
    sealed_until: str | None = None


def parse(header: str) -> DisclosureRequest:
    """The words of a field value; several field lines are joined by commas first.

    Raises `MalformedQuestion` naming the member, never its value.
    """
    if len(header) > MAX_BYTES:
        raise MalformedQuestion(f"expected at most `{MAX_BYTES}` bytes, got `{len(header)}`")
    members = _Members()
    try:
        members.parse(header.encode("ascii"))
    except ValueError:
        if members.repeated is not None:
            raise MalformedQuestion(f"{_told(members.repeated)}: expected once") from None
        raise MalformedQuestion(
            'expected a dictionary (RFC 9651), as in `purpose="...", elements=("...")`'
        ) from None
    for name in members:
        if name not in _KNOWN:
            raise MalformedQuestion(f"expected only the members `{', '.join(_KNOWN)}`")
    return DisclosureRequest(
        **{word: _string(word, members[word]) for word in WORDS if word in members},
        elements=_strings(members[ELEMENTS]) if ELEMENTS in members else None,
    )


def serialise(request: DisclosureRequest) -> str:
    """The field value; `parse` gives ``request`` back.

    Raises `MalformedQuestion` when a word cannot be said in a header, or nothing is said.
    """
    members = [
        f"{word}={_quoted(word, said)}"
        for word in WORDS
        if (said := getattr(request, word)) is not None
    ]
    if request.elements is not None:
        names = " ".join(_quoted(ELEMENTS, name) for name in request.elements)
        members.append(f"{ELEMENTS}=({names})")
    header = ", ".join(members)
    if not header or len(header) > MAX_BYTES:
        raise MalformedQuestion(f"expected 1 to `{MAX_BYTES}` bytes, got `{len(header)}`")
    return header


class _Members(Dictionary):
    """RFC 9651 §4.2.2 lets the last of two members win; a question must not be that vague."""

    repeated: str | None = None

    def __setitem__(self, key: str, value: AllItemType) -> None:
        if key in self.data:
            self.repeated = key
            raise ValueError
        super().__setitem__(key, value)


def _told(name: str) -> str:
    return name if name in _KNOWN else "a member"


def _string(name: str, member: object) -> str:
    if not isinstance(member, Item) or type(member.value) is not str:
        raise MalformedQuestion(f"{name}: expected a string in quotes")
    if member.params:
        raise MalformedQuestion(f"{name}: expected no parameters")
    return member.value


def _strings(member: object) -> tuple[str, ...]:
    if not isinstance(member, InnerList):
        raise MalformedQuestion(f'{ELEMENTS}: expected an inner list, as in `("registrant.name")`')
    if member.params:
        raise MalformedQuestion(f"{ELEMENTS}: expected no parameters")
    return tuple(_each(member))


def _each(member: InnerList) -> Iterator[str]:
    for item in member:
        yield _string(ELEMENTS, item)


def _quoted(name: str, said: str) -> str:
    if not _SAYABLE.fullmatch(said):
        raise MalformedQuestion(f"{name}: expected printable ASCII characters")
    escaped = said.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
