"""JSON from strangers: bounded in size, depth and number of values, without duplicate names.

orjson reads fast but keeps the last of two members of one name. A text that equals orjson's own
output for what was read, white space aside, cannot have had one; any other text is read a second
time by the standard library, which shows every member.
"""

from __future__ import annotations

import json
from typing import Final, TypeAlias

import orjson

from whoisgate.errors import MalformedDocument

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_DEPTH: Final = 64
MAX_COMMAS: Final = 20_000
"""What bounds the number of values, hence time and memory: a sound answer has some hundreds."""

_ORJSON_DEPTH = 254
"""How deep orjson serialises; it refuses what is deeper."""

_WHITE: Final = b" \t\n\r"


class _Hole:
    """Where the document goes in `_SHAFT`."""


def _shaft(depth: int) -> object:
    shaft: object = _Hole()
    for _ in range(depth):
        shaft = [shaft]
    return shaft


_SHAFT: Final = _shaft(_ORJSON_DEPTH - MAX_DEPTH)
"""Lists so deep that orjson has `MAX_DEPTH` levels left: its limit becomes ours at no cost."""


def loads(raw: bytes | str, limit_bytes: int = MAX_BYTES) -> JSON:
    """What ``raw`` says, if it is JSON (RFC 8259) within bounds and without duplicate names.

    Raises `MalformedDocument`, which echoes nothing of ``raw``.
    """
    try:
        text = raw.encode() if isinstance(raw, str) else bytes(raw)
    except UnicodeEncodeError:
        raise MalformedDocument("expected Unicode text") from None
    if len(text) > limit_bytes:
        raise MalformedDocument(f"expected at most `{limit_bytes}` bytes, got `{len(text)}`")
    if text.count(b",") > MAX_COMMAS:
        raise MalformedDocument(f"expected at most `{MAX_COMMAS}` commas")
    try:
        document: JSON = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise MalformedDocument(
            f"expected JSON, got something else at line `{error.lineno}` column `{error.colno}`"
        ) from None
    try:
        written = orjson.dumps(_SHAFT, default=lambda _: document)
    except TypeError:
        raise MalformedDocument(f"expected at most `{MAX_DEPTH}` levels of nesting") from None
    shaft = _ORJSON_DEPTH - MAX_DEPTH
    if not _same(text, written[shaft:-shaft]):
        _refuse_duplicates(text)
    return document


def _same(text: bytes, written: bytes) -> bool:
    # INVARIANT: deleting white space, inside strings too, keeps the number of members, so equal
    # remains mean that the text has as many members as what was read from it.
    return text == written or text.translate(None, _WHITE) == written.translate(None, _WHITE)


def _refuse_duplicates(text: bytes) -> None:
    try:
        json.loads(text, object_pairs_hook=_members, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        raise MalformedDocument("expected JSON in UTF-8") from None


def _members(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedDocument("expected every member name once in its object")
    return members
