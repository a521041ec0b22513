"""C2SP tlog-proof: index, hashes from leaf to root, a checkpoint and a line of extra bytes."""

from __future__ import annotations

from dataclasses import dataclass

from .refusal import Refused, require
from .spelling import base64_std, decimal, hash_std

DEEPEST = 63


@dataclass(frozen=True)
class Proof:
    extra: bytes | None
    index: int
    hashes: list[bytes]
    checkpoint: bytes


def read_proof(raw: bytes) -> Proof:
    head, blank, checkpoint = raw.partition(b"\n\n")
    require(blank, "no checkpoint")
    try:
        magic, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise Refused("not ASCII") from error
    require(magic == "c2sp.org/tlog-proof@v1", "not a tlog-proof")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = base64_std(lines.pop(0).removeprefix("extra "))
    require(lines and lines[0].startswith("index "), "no index")
    index = decimal(lines.pop(0).removeprefix("index "))
    require(len(lines) <= DEEPEST, "more hashes than a tree is deep")
    return Proof(extra, index, [hash_std(line) for line in lines], checkpoint)
