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
    require(text.isascii() and text.isdigit() and len(text) < 20, "not a decimal")
    require(str(int(text)) == text and int(text) < 1 << 63, "another spelling of a decimal")
    return int(text)


def is_hex(text: object, length: int) -> bool:
    return isinstance(text, str) and len(text) == length and set(text) <= set("0123456789abcdef")


def canonical(value: object) -> bytes:
    """ASCII, keys sorted, no white space."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def canonical_json(raw: bytes):
    """The value of canonical JSON, which holds no floats."""
    try:
        value = json.loads(raw.decode("ascii"), parse_float=_no_number, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Refused("not JSON") from error
    _plain(value)
    require(canonical(value) == raw, "another spelling of canonical JSON")
    return value


def _no_number(word: str):
    raise Refused(f"no integer: {word}")


def _plain(value: object) -> None:
    """Keys are ASCII, integers are exact in every language, and no text holds half a character."""
    if isinstance(value, dict):
        require(all(map(str.isascii, value)), "a key that is not ASCII")
        for each in value.values():
            _plain(each)
    elif isinstance(value, list):
        for each in value:
            _plain(each)
    elif isinstance(value, str):
        require(not any("\ud800" <= c <= "\udfff" for c in value), "half a surrogate pair")
    elif type(value) is int:
        require(abs(value) < 1 << 53, "an integer too large")
