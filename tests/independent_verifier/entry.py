"""Our entries, format 1: the leaf, and the openings of its committed fields."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from .refusal import Refused, require
from .spelling import base64_url, canonical_json, is_hex, url_text

LIMIT_BYTES = 65_535
SLOTS = 24
CLOSED = {"v", "nonce", "hour", "policy", "_sd", "envelope"}
OPEN_KINDS = {"inception", "policy", "key", "tally", "erasure", "recovery"}
COMMITTED = (
    *("kind", "decided_at", "logged_at", "node", "sequence", "authority", "person"),
    *("requester_class", "domain", "purpose", "basis", "case", "asked", "released", "outcome"),
    *("question", "view", "body", "source", "record_version", "context", "approval", "detail"),
)


def read_entry(raw: bytes) -> dict:
    """The members of a leaf."""
    require(len(raw) <= LIMIT_BYTES, "an entry too large")
    leaf = canonical_json(raw)
    require(isinstance(leaf, dict), "not an object")
    if "kind" in leaf or "open" in leaf:
        require(leaf.keys() == CLOSED | {"kind", "open"}, "other members")
        require(isinstance(leaf["kind"], str) and leaf["kind"] in OPEN_KINDS, "not an open kind")
        require(isinstance(leaf["open"], dict), "`open` is no object")
    require(leaf.keys() >= CLOSED and len(leaf) in {6, 8}, "other members")
    require(type(leaf["v"]) is int and leaf["v"] == 1, "another version")
    base64_url(leaf["nonce"], 16)
    base64_url(leaf["envelope"], 32)
    require(is_hex(leaf["policy"], 64), "not a digest of a policy")
    _hour(leaf["hour"])
    digests = leaf["_sd"]
    require(isinstance(digests, list) and len(digests) == SLOTS, "not 24 digests")
    for each in digests:
        base64_url(each, 32)
    require(all(a < b for a, b in pairwise(digests)), "not sorted")
    return leaf


def _hour(text: object) -> None:
    require(
        isinstance(text, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}Z", text),
        "not an hour",
    )
    try:
        datetime.strptime(text, "%Y-%m-%dT%HZ")  # noqa: DTZ007 (only whether there is such an hour)
    except ValueError as error:
        raise Refused("no such hour") from error


def digest_of(opening: str) -> str:
    """RFC 9901 §4.2: over the text that is handed out."""
    return url_text(hashlib.sha256(opening.encode()).digest())


def read_openings(leaf: Mapping, openings: Sequence[object]) -> dict[str, object]:
    """Name to value of the fields that the leaf commits to, which stand in slot order."""
    fields: dict[str, object] = {}
    last = -1
    for opening in openings:
        require(isinstance(opening, str) and opening.isascii(), "an opening that is no text")
        require(digest_of(opening) in leaf["_sd"], "an opening of another entry")
        raw = base64_url(opening, len(opening) * 3 // 4)
        parts = canonical_json(raw)
        require(isinstance(parts, list) and len(parts) == 3, "not salt, name and value")
        salt, name, value = parts
        base64_url(salt, 16)
        require(isinstance(name, str) and name in COMMITTED, "no such field")
        require(COMMITTED.index(name) > last, "openings out of order")
        last = COMMITTED.index(name)
        fields[name] = value
    return fields
