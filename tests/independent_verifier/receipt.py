"""A receipt: a tlog-proof whose extra line holds an entry and openings of its fields."""

from __future__ import annotations

from dataclasses import dataclass

from .entry import read_entry, read_openings
from .merkle import check_inclusion, leaf_hash
from .note import Key, open_checkpoint
from .proof import read_proof
from .question import check_question
from .refusal import Refused, require
from .spelling import canonical_json


@dataclass(frozen=True)
class Shown:
    """What a receipt shows: entry `index` of a log says `leaf` and commits to `fields`."""

    index: int
    leaf: dict
    fields: dict[str, object]


def check_receipt(raw: bytes, key: Key) -> Shown:
    proof = read_proof(raw)
    require(proof.extra is not None, "no extra line")
    extra = canonical_json(proof.extra)
    require(isinstance(extra, dict) and extra.keys() == {"leaf", "openings"}, "other members")
    text, openings = extra["leaf"], extra["openings"]
    require(isinstance(text, str) and isinstance(openings, list), "no leaf, or no openings")
    try:
        entry = text.encode("ascii")
    except UnicodeEncodeError as error:
        raise Refused("a leaf that is not ASCII") from error
    head = open_checkpoint(proof.checkpoint, key)
    require(head.size, "an empty log")
    check_inclusion(leaf_hash(entry), proof.index, 0, head.size, proof.hashes, head.root)
    leaf = read_entry(entry)
    fields = read_openings(leaf, openings)
    check_question(fields)
    return Shown(proof.index, leaf, fields)
