"""One log entry from a draft: the leaf to publish, the envelope to keep, the openings to hand out.

Implements "Leaf" and "Committed field" of the specification in `whoisgate.audit`. Pure: time,
number and every secret are handed in. Refuses drafts that the format cannot hold, and clear text
in entries of a hidden kind. The hot path of a disclosure: JSON is written piece by piece, each
value once.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

import orjson

from whoisgate.audit import COMMITTED, ENTRY_VERSION, HIDDEN_KINDS, OPEN_KINDS, SLOTS
from whoisgate.audit.draft import JSON, Draft
from whoisgate.audit.envelope import entry_keys, salts_of, seal_envelope
from whoisgate.audit.verify import b64url, canonical_json

LEAF_LIMIT_BYTES: Final = 65_535
"""The length of a tile bundle's entry is 16 bits (C2SP tlog-tiles)."""

_ADDED: Final = ("kind", "decided_at", "logged_at", "node", "sequence")
_GIVEN: Final = COMMITTED[len(_ADDED) :]
_GIVEN_SET: Final = frozenset(_GIVEN)
_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
_KINDS: Final = {kind: f'"{kind}"'.encode() for kind in HIDDEN_KINDS + OPEN_KINDS}
_BY_NAME: Final = tuple(
    (f'"{name}":'.encode(), COMMITTED.index(name)) for name in sorted(COMMITTED)
)
_SALT_AT: Final = range(0, 24 * len(COMMITTED), 24)
_NAMES: Final = tuple(f'","{name}",'.encode() for name in COMMITTED)
_NATIVE: Final = frozenset({str, int, bool, type(None), dict, list, tuple})
_DIGEST: Final = re.compile("[0-9a-f]{64}")
_URLSAFE: Final = bytes.maketrans(b"+/", b"-_")


@dataclass(frozen=True, slots=True)
class SealedEntry:
    """One entry's parts; ``openings`` are in slot order, ``keys`` open the envelope."""

    leaf: bytes
    envelope: bytes
    openings: tuple[str, ...]
    keys: bytes = field(repr=False)


def seal(
    draft: Draft,
    *,
    logged_at: datetime,
    node: str,
    sequence: int,
    nonce: bytes,
    shred: bytes,
    epoch_key: bytes,
) -> SealedEntry:
    """The entry of a draft that is logged now.

    Raises `ValueError` for a kind, field or digest that the format does not know, and `TypeError`
    for a value that is not text, integer, truth, null, list or object.
    """
    _check(draft)
    keys = entry_keys(epoch_key, shred, nonce)
    salts = salts_of(keys)
    texts = _committed(draft, logged_at, node, sequence)
    openings = _openings(salts, texts)
    envelope = seal_envelope(_plaintext(draft, texts), nonce, keys)
    leaf = _leaf(draft, logged_at, nonce, _digests(openings, salts), envelope)
    return SealedEntry(leaf, envelope, _as_text(openings), keys)


def openings_of(fields: Mapping[str, JSON], keys: bytes) -> tuple[str, ...]:
    """The openings again, from what the envelope holds; raises `KeyError` for a missing field."""
    texts = [_text(fields[name]) for name in COMMITTED]
    return _as_text(_openings(salts_of(keys), texts))


def rfc3339(moment: datetime) -> str:
    """UTC with microseconds, ``2026-11-23T23:04:05.000006Z``."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def _check(draft: Draft) -> None:
    if draft.kind not in _KINDS:
        raise ValueError(f"expected a kind of entry, got `{draft.kind}`")
    if (draft.open is not None) is not (draft.kind in OPEN_KINDS):
        raise ValueError(f"expected clear text in entries public by nature alone: `{draft.kind}`")
    if not _DIGEST.fullmatch(draft.policy):
        raise ValueError("expected a policy digest of 64 hexadecimal digits")
    if unknown := draft.fields.keys() - _GIVEN_SET:
        raise ValueError(f"expected fields that a draft gives, got `{min(unknown)}`")


def _committed(draft: Draft, logged_at: datetime, node: str, sequence: int) -> list[bytes]:
    fields = draft.fields
    if not _native(fields):
        fields = {name: _plain(value) for name, value in fields.items()}
    texts = [
        _KINDS[draft.kind],
        f'"{rfc3339(draft.decided_at)}"'.encode(),
        f'"{rfc3339(logged_at)}"'.encode(),
        f'"{node}"'.encode(),
        b"%d" % sequence,
    ]
    given = [orjson.dumps(fields.get(name), option=_OPTIONS) for name in _GIVEN]
    if not _plain_ascii(b"".join(given)):
        given = [canonical_json(fields.get(name)) for name in _GIVEN]
    return texts + given


def _openings(salts: Sequence[bytes], texts: Sequence[bytes]) -> list[bytes]:
    # Eighteen bytes make 24 characters; the first 22 are the unpadded form of the sixteen.
    text = b2a_base64(b"\0\0".join(salts)).translate(_URLSAFE)
    openings = [
        b2a_base64(b'["%b%b%b]' % (text[at : at + 22], name, value))
        for at, name, value in zip(_SALT_AT, _NAMES, texts, strict=True)
    ]
    return b"".join(openings).translate(_URLSAFE, b"=").split()


def _as_text(openings: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(b" ".join(openings).decode("ascii").split(" "))


def _digests(openings: Sequence[bytes], salts: Sequence[bytes]) -> list[bytes]:
    raw = [sha256(text).digest() for text in (*openings, *salts[len(openings) :])]
    # Thirty-three bytes make 44 characters; the first 43 are the unpadded form of thirty-two.
    text = b2a_base64(b"\0".join(raw)).translate(_URLSAFE)
    return sorted([text[at : at + 43] for at in range(0, 44 * SLOTS, 44)])


def _plaintext(draft: Draft, texts: Sequence[bytes]) -> bytes:
    fields = b",".join([name + texts[slot] for name, slot in _BY_NAME])
    return b'{"fields":{%b},"sealed":%b}' % (fields, _text(draft.sealed))


def _leaf(
    draft: Draft, logged_at: datetime, nonce: bytes, digests: Sequence[bytes], envelope: bytes
) -> bytes:
    public = draft.kind in OPEN_KINDS
    leaf = b'{"_sd":["%b"],"envelope":"%b","hour":"%b",%b"nonce":"%b",%b"policy":"%b","v":%d}' % (
        b'","'.join(digests),
        b64url(sha256(envelope).digest()).encode("ascii"),
        logged_at.astimezone(UTC).isoformat(timespec="hours")[:13].encode("ascii") + b"Z",
        b'"kind":%b,' % _KINDS[draft.kind] if public else b"",
        b64url(nonce).encode("ascii"),
        b'"open":%b,' % _text(draft.open) if public else b"",
        draft.policy.encode("ascii"),
        ENTRY_VERSION,
    )
    if len(leaf) > LEAF_LIMIT_BYTES:
        raise ValueError(f"expected a leaf of at most `{LEAF_LIMIT_BYTES}` bytes")
    return leaf


def _text(value: JSON) -> bytes:
    if not _native(value):
        value = _plain(value)
    text = orjson.dumps(value, option=_OPTIONS)
    return text if _plain_ascii(text) else canonical_json(value)


def _plain_ascii(text: bytes) -> bool:
    """Whether orjson and `canonical_json` agree: they differ in what they escape beyond this."""
    return text.isascii() and b"\x7f" not in text


def _native(value: object) -> bool:
    """Whether orjson writes the value as it stands: no float, no foreign mapping, anywhere."""
    level: list[object] = [value]
    while level:
        if not _NATIVE.issuperset(map(type, level)):
            return False
        below: list[object] = []
        for member in level:
            if type(member) is str:
                continue  # the commonest by far
            if type(member) is dict:
                below += member.values()
            elif type(member) is list or type(member) is tuple:
                below += member
        level = below
    return True


def _plain(value: JSON) -> JSON:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    raise TypeError(f"expected text, integers, lists and objects, got `{type(value).__name__}`")
