"""Trees: hashed by the recursion of RFC 6962 §2.1, proofs checked step by step as RFC 9162 §2.1.3.2
and §2.1.4.2 and the Merkle tree certificates draft §4.3.2 and §4.4.3 say it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from .refusal import require
from .spelling import HASH_BYTES


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def pair(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def mth(hashes: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return pair(mth(hashes[:k]), mth(hashes[k:]))


def _hashes(*each: bytes) -> None:
    require(all(len(one) == HASH_BYTES for one in each), "expected hashes of 32 bytes")


def is_subtree(start: int, end: int) -> bool:
    """Not empty, and `start` a multiple of the smallest power of two that holds its leaves."""
    return 0 <= start < end and start % (1 << (end - start - 1).bit_length()) == 0


def check_inclusion(
    leaf: bytes, index: int, start: int, end: int, proof: Sequence[bytes], root: bytes
) -> None:
    """The leaf is number `index` of the log, within the subtree; the whole tree begins at 0."""
    require(is_subtree(start, end), "no such subtree")
    require(start <= index < end, "no such leaf")
    _hashes(leaf, root, *proof)
    fn, sn, r = index - start, end - start - 1, leaf
    for p in proof:
        require(sn, "a proof too long")
        if fn & 1 or fn == sn:
            r = pair(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = pair(r, p)
        fn, sn = fn >> 1, sn >> 1
    require(sn == 0, "a proof too short")
    require(r == root, "another root")


def check_consistency(
    start: int, end: int, part: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> None:
    """The subtree's leaves are those of the tree; an older tree is the subtree from 0."""
    require(is_subtree(start, end) and end <= size, "no such subtree")
    _hashes(part, root, *proof)
    fn, sn, tn = start, end - 1, size - 1
    while fn != sn and (end == size or sn & 1):
        fn, sn, tn = fn >> 1, sn >> 1, tn >> 1
    rest = list(proof)
    if fn == sn:
        fr = sr = part
    else:
        require(rest, "an empty proof")
        fr = sr = rest.pop(0)
    for c in rest:
        require(tn, "a proof too long")
        if sn & 1 or sn == tn:
            if fn < sn:
                fr = pair(c, fr)
            sr = pair(c, sr)
            while not sn & 1 and sn:
                fn, sn, tn = fn >> 1, sn >> 1, tn >> 1
        else:
            sr = pair(sr, c)
        fn, sn, tn = fn >> 1, sn >> 1, tn >> 1
    require(tn == 0, "a proof too short")
    require(fr == part, "another root of the subtree")
    require(sr == root, "another root of the tree")
