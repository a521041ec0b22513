"""One spelling for each value: base64, decimals and canonical JSON that mean the same are refused
unless they are also written the same."""

from __future__ import annotations

import base64
import json

from .refusal import Refused, require

HASH_BYTES = 32


def _same(decode, encode, text: str, what: str) -> bytes:
    try:
        value = decode(text)
    except ValueError as error:
        raise Refused(f"not {what}") from error
    require(encode(value) == text, f"another spelling of {what}")
    return value


def base64_std(text: str) -> bytes:
    """RFC 4648 §4, padded, with no bit to spare."""
    return _same(base64.b64decode, lambda raw: base64.b64encode(raw).decode(), text, "base64")


def base64_url(text: object, length: int) -> bytes:
    """RFC 4648 §5 without padding, of exactly `length` bytes."""
    require(isinstance(text, str), "expected a text")
    value = _same(
        lambda t: base64.urlsafe_b64decode(t + "=" * (-len(t) % 4)), url_text, text, "base64url"
    )
    require(len(value) == length, f"expected {length} bytes, got {len(value)}")
    return value


def url_text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def hash_std(text: str) -> bytes:
    value = base64_std(text)
    require(len(value) == HASH_BYTES, "expected a hash of 32 bytes")
    return value


def decimal(text: str) -> int:
    """ASCII digits of a number below 2**63, without leading zeros."""
    require(text.isascii() and text.isdigit() and len(text) < 20, "not a decimal")  # noqa: PLR2004
    require(str(int(text)) == text and int(text) < 1 << 63, "another spelling of a decimal")
    return int(text)


def is_hex(text: object, length: int) -> bool:
    return isinstance(text, str) and len(text) == length and set(text) <= set("0123456789abcdef")


def any_json(raw: bytes):
    """JSON of any spelling, but every member of an object named once and no number a float."""

    def once(pairs):
        require(len(dict(pairs)) == len(pairs), "a member named twice")
        return dict(pairs)

    def none(word):
        raise Refused(f"no such number: {word}")

    try:
        return json.loads(
            raw.decode(), object_pairs_hook=once, parse_float=none, parse_constant=none
        )
    except (ValueError, RecursionError) as error:
        raise Refused("not JSON") from error


def canonical(value: object) -> bytes:
    """ASCII, keys sorted, no white space."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def canonical_json(raw: bytes):
    """The value of canonical JSON: objects, lists, strings and integers."""
    value = any_json(raw)
    _plain(value)
    require(canonical(value) == raw, "another spelling of canonical JSON")
    return value


def _plain(value: object) -> None:
    require(type(value) in {dict, list, str, int}, "neither object, list, string nor integer")
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            _plain(each)
