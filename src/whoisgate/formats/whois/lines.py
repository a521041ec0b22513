"""WHOIS text as lines: each split once into label and value, and looked at no further.

Text is UTF-8, or ISO-2022-JP, or else Latin-1, which takes any bytes. Only the first
`MAX_LINES` lines are read; who reads must call the rest missing. A line is bounded too: no label
and no value that matters is as long as `MAX_LINE`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from whoisgate.errors import MalformedDocument
from whoisgate.formats.whois.labels import MAX_LABEL, NOTHING, Meaning, meaning

MAX_BYTES: Final = 1024 * 1024
MAX_LINES: Final = 1000
MAX_LINE: Final = 600
BROKEN: Final = "\ufffd"
"""What a text ends with that broke off within a character."""

_COMMENTS: Final = ("%", "#", ";")
_BRACKETED: Final = re.compile(r"(?:[a-z]{1,2}[. ] {0,2})?\[([^\[\]]{1,80})\]\s*(.*)")
_COLUMNS: Final = re.compile(r"([\w/-]+(?: [\w/-]+){0,4})(?: {0,8}\t| {4})\s*(\S.*)")


@dataclass(frozen=True, slots=True)
class Line:
    """One line: ``text`` without indentation; ``label`` and ``value`` when it is ``keyed``.

    A ``comment`` is never keyed. ``bracketed``: the label stands in brackets. ``means`` is the
    label's meaning, or the whole text's where nothing is keyed.
    """

    indent: int
    text: str
    label: str = ""
    value: str = ""
    keyed: bool = False
    comment: bool = False
    bracketed: bool = False
    means: Meaning = NOTHING


def decoded(raw: bytes | str) -> str:
    """The text of an answer; raises `MalformedDocument` above `MAX_BYTES`."""
    if len(raw) > MAX_BYTES:
        raise MalformedDocument(f"expected at most `{MAX_BYTES}` bytes, got `{len(raw)}`")
    if isinstance(raw, str):
        return raw.removeprefix("\ufeff")
    for encoding in ("iso2022_jp", "utf-8-sig") if b"\x1b$" in raw else ("utf-8-sig",):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError as error:
            if error.reason == "unexpected end of data" and error.end == len(raw):
                return raw[: error.start].decode(encoding) + BROKEN
    return raw.decode("latin-1")


def split(text: str) -> list[Line]:
    """The lines of ``text``, blank ones with empty text; at most `MAX_LINES`."""
    rows = text.replace("\r\n", "\n").replace("\r", "\n").split("\n", MAX_LINES)[:MAX_LINES]
    return [_line(row) for row in rows]


_BLANK: Final = Line(0, "")


def _line(row: str) -> Line:
    text = row.strip()
    if not text:
        return _BLANK
    indent = 0
    if row[0] in " \t":
        head = row[: len(row) - len(row.lstrip())].expandtabs(8)
        indent = len(head)
    text = text[:MAX_LINE]
    if text.startswith(_COMMENTS):
        text = text.lstrip("%#; -")
        return Line(
            indent, text, comment=True, means=_heading(text) if text[-1:] == ":" else NOTHING
        )
    if text[0] in "*-":
        text = text.lstrip("*- ") or text
    if "[" in text[:4] and (found := _BRACKETED.fullmatch(text)):
        return _keyed(indent, text, found[1], found[2], bracketed=True)
    return _split(indent, text)


def _split(indent: int, text: str) -> Line:
    if text.startswith(">>>"):
        return Line(indent, text)
    end = text.find(":")
    if (dots := text.find("...")) > 0 and not 0 <= end < dots:
        rest = text[dots:].lstrip(".")
        if not rest or rest[0] in ": \t":
            return _keyed(indent, text, text[:dots], rest.lstrip(":"))
    if (wide := text.find("\uff1a")) >= 0 and (end < 0 or wide < end):
        end = wide
    if 0 < end <= MAX_LABEL and not text.startswith("//", end + 1):
        return _keyed(indent, text, text[:end].rstrip(" .\t_"), text[end + 1 :])
    if found := _COLUMNS.fullmatch(text):
        means = meaning(found[1])
        if means.target or means.field:
            return Line(indent, text, found[1], found[2], keyed=True, means=means)
    return Line(indent, text, means=_heading(text))


def _keyed(indent: int, text: str, label: str, value: str, *, bracketed: bool = False) -> Line:
    value = value.strip()
    if value.startswith(".."):
        value = value.lstrip(". \t")
    return Line(indent, text, label, value, True, False, bracketed, meaning(label))


def _heading(text: str) -> Meaning:
    """The meaning of a line without a value, if it heads a section."""
    means = meaning(text.rstrip(":")) if len(text) <= MAX_LABEL else NOTHING
    return means if means.place else NOTHING
