"""JSON of strangers, read strictly: an object, no duplicate names, no floats outside JSON, shallow.

`json` keeps the last of two members of one name; another reader may keep the first, so both are
refused (RFC 7519 §4 allows either). Nothing of the text stands in an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn, Union

Claim = Union[None, bool, int, float, str, Sequence["Claim"], Mapping[str, "Claim"]]  # noqa: UP007  it names itself
"""What JSON may hold."""

MAX_BRACKETS: Final = 64
"""Opening brackets in one text; it bounds the depth without a parser of our own."""


def strict_object(text: bytes | str) -> dict[str, Claim]:
    """The members of the one object that ``text`` is; raises ValueError without its text."""
    try:
        # Strict UTF-8: json would also guess UTF-16 and UTF-32 from bytes.
        decoded = text.decode() if isinstance(text, bytes) else text
    except UnicodeDecodeError:
        raise ValueError("expected UTF-8") from None
    if decoded.count("{") + decoded.count("[") > MAX_BRACKETS:
        raise ValueError(f"expected at most `{MAX_BRACKETS}` brackets")
    try:
        value = json.loads(decoded, object_pairs_hook=_members, parse_constant=_no_constant)
    except json.JSONDecodeError:
        raise ValueError("expected JSON") from None
    if not isinstance(value, dict):
        raise ValueError("expected an object")  # noqa: TRY004  a fault of the text
    return value


def _members(pairs: list[tuple[str, Claim]]) -> dict[str, Claim]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("expected each name once")
    return members


def _no_constant(_: str) -> NoReturn:
    raise ValueError("expected JSON numbers")
