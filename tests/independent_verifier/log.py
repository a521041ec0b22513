"""A whole log as C2SP tlog-tiles publishes it: bundles, tiles and a checkpoint that agree.

Entries are looked at first, in log order, then the tiles above the leaves, lowest first. What is
refused names the first bad entry: the first that is not as its tile has it, or malformed, or from
an hour before; or else the first below a hash that is not that of the entries. Where a file ends
too early or goes on too long, that is the entry at which it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from .entry import read_entry
from .keys import Ring
from .merkle import leaf_hash, mth
from .note import Checkpoint, Key, Unsigned, open_checkpoint, unverified
from .refusal import Refused, require
from .spelling import HASH_BYTES

WIDTH = 256
Read = Callable[[str], bytes]
"""The bytes of a file of the log; raises `LookupError` or `OSError` where there is none."""
Look = Callable[[bytes, int], None]
"""Told each entry and its index, in log order; may refuse it."""


def path_of(level: int | str, number: int, width: int) -> str:
    """`tile/<level>/x001/234.p/<width>`; a bundle's level is `entries`."""
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03}")
    whole = f"tile/{level}/{'/'.join(groups)}"
    return whole if width == WIDTH else f"{whole}.p/{width}"


def _file(read: Read, level: int | str, number: int, width: int) -> tuple[bytes, bool]:
    """A tile or bundle, and whether more may stand in it: a full one may replace a partial one."""
    for each in (width, WIDTH):
        try:
            return read(path_of(level, number, each)), each > width
        except (LookupError, OSError):
            continue
    raise Refused(f"no file {path_of(level, number, width)}")


def _tiles(count: int) -> Iterator[tuple[int, int]]:
    """Number and width of the tiles that hold `count` hashes, none of them empty."""
    for first in range(0, count, WIDTH):
        yield first // WIDTH, min(WIDTH, count - first)


def _same(tile: bytes, more: bool, hashes: Sequence[bytes], first: int, level: int) -> None:  # noqa: FBT001
    """The tile, whose first hash is number `first` of its level, holds exactly these hashes."""
    for place, each in enumerate(hashes):
        at = place * HASH_BYTES
        index = (first + place) << 8 * level
        require(tile[at : at + HASH_BYTES] == each, f"not below its hash of level {level}", index)
    end = len(hashes) * HASH_BYTES
    require(more or len(tile) == end, "a tile too long", (first + len(hashes)) << 8 * level)


def _leaves(read: Read, size: int, look: Look) -> list[bytes]:
    """The hashes of all entries, each of which is as its tile has it."""
    hashes: list[bytes] = []
    for number, width in _tiles(size):
        tile, more_hashes = _file(read, 0, number, width)
        rest, more_entries = _file(read, "entries", number, width)
        first = number * WIDTH
        for index in range(first, first + width):
            length = int.from_bytes(rest[:2], "big")
            entry, whole = rest[2 : 2 + length], len(rest) >= 2 + length and len(rest) > 1
            require(whole, "the bundle ends", index)
            rest = rest[2 + length :]
            hashes.append(leaf_hash(entry))
            _same(tile[(index - first) * HASH_BYTES :], True, hashes[index:], index, 0)
            look(entry, index)
        require(more_entries or not rest, "a bundle too long", first + width)
        _same(tile, more_hashes, hashes[first:], first, 0)
    return hashes


def check_tree(
    read: Read, key: Key, look: Look = lambda entry, index: None, ring: Ring | None = None
) -> Checkpoint:
    """The head of a log of entries of any kind, when all that is published agrees with it."""
    try:
        note = read("checkpoint")
    except (LookupError, OSError) as error:
        raise Refused("no checkpoint") from error
    ring = ring or Ring(key)
    try:
        head = open_checkpoint(note, key)
    except Unsigned:
        head = unverified(note, key)  # another key of the log may have signed
    leaves = row = _leaves(read, head.size, look)
    level = 0
    while row := [mth(row[at : at + WIDTH]) for at in range(0, len(row) - WIDTH + 1, WIDTH)]:
        level += 1
        for number, width in _tiles(len(row)):
            first = number * WIDTH
            tile, more = _file(read, level, number, width)
            _same(tile, more, row[first : first + width], first, level)
    require(mth(leaves) == head.root, "another root")
    require(any(ring.signed(note)), "signed by no key in force")
    return head


def check_log(read: Read, key: Key) -> Checkpoint:
    """The head of a sound log of our entries."""
    hour, ring = "", Ring(key)

    def look(entry: bytes, index: int) -> None:
        nonlocal hour
        try:
            leaf = read_entry(entry)
        except Refused as refused:
            raise Refused(str(refused), index) from refused
        require(leaf["hour"] >= hour, "from an hour before the last entry's", index)
        hour = leaf["hour"]
        if leaf.get("kind") == "key":
            try:
                ring.change(leaf["open"])
            except Refused as refused:
                raise Refused(str(refused), index) from refused

    return check_tree(read, key, look, ring)
