"""A whole log as C2SP tlog-tiles publishes it: bundles, tiles and a checkpoint that agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .entry import read_entry
from .merkle import leaf_hash, mth
from .note import Checkpoint, Key, open_checkpoint
from .refusal import Refused, require

WIDTH = 256
Read = Callable[[str], bytes]
"""The bytes of a file of the log; raises `LookupError` or `OSError` where there is none."""


def path_of(level: int | str, number: int, width: int) -> str:
    """`tile/<level>/x001/234.p/<width>`; a bundle's level is `entries`."""
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03}")
    whole = f"tile/{level}/{'/'.join(groups)}"
    return whole if width == WIDTH else f"{whole}.p/{width}"


def _whole(read: Read, path: str) -> bytes:
    try:
        return read(path)
    except (LookupError, OSError) as error:
        raise Refused(f"no file {path}") from error


def _widths(size: int) -> list[int]:
    """Of the tiles that hold `size` hashes, none of them empty."""
    return [WIDTH] * (size // WIDTH) + [size % WIDTH] * (size % WIDTH > 0)


def read_entries(read: Read, size: int) -> tuple[list[bytes], int | None]:
    """The entries of all bundles, and the index at which a bundle stops making sense.

    Entries behind a broken one within its bundle are empty, so that indices stay.
    """
    entries: list[bytes] = []
    broken = None
    for number, width in enumerate(_widths(size)):
        rest = _whole(read, path_of("entries", number, width))
        first = number * WIDTH
        for index in range(first, first + width):
            length = int.from_bytes(rest[:2], "big")
            if len(rest) < 2 + length or (len(rest) < 2):  # noqa: PLR2004
                broken = index if broken is None else broken
                rest = b""
                entries.append(b"")
                continue
            entries.append(rest[2 : 2 + length])
            rest = rest[2 + length :]
        if rest and broken is None:
            broken = first + width - 1
    return entries, broken


def _tiles(read: Read, level: int, count: int) -> list[bytes]:
    """The hashes of one level's tiles."""
    hashes: list[bytes] = []
    for number, width in enumerate(_widths(count)):
        path = path_of(level, number, width)
        raw = _whole(read, path)
        require(
            len(raw) == 32 * width,
            f"expected {width} hashes in {path}",
            number * WIDTH << 8 * level,
        )
        hashes += [raw[at : at + 32] for at in range(0, len(raw), 32)]
    return hashes


def first_unlike(read: Read, leaves: Sequence[bytes]) -> int | None:
    """The first entry below a hash of a tile that is not the hash of these leaves."""
    row, level, unlike = list(leaves), 0, []
    while row:
        tiles = _tiles(read, level, len(row))
        unlike += [
            i << 8 * level
            for i, pair in enumerate(zip(tiles, row, strict=True))
            if pair[0] != pair[1]
        ]
        row = [mth(row[i : i + WIDTH]) for i in range(0, len(row) - WIDTH + 1, WIDTH)]
        level += 1
    return min(unlike, default=None)


def first_malformed(entries: Sequence[bytes]) -> int | None:
    """The first entry that is none of ours, or is from an hour before the last one's."""
    hour = ""
    for index, raw in enumerate(entries):
        try:
            leaf = read_entry(raw)
        except Refused:
            return index
        if leaf["hour"] < hour:
            return index
        hour = leaf["hour"]
    return None


def check_tree(read: Read, key: Key) -> tuple[Checkpoint, list[bytes], int | None]:
    """Head and entries of a log of any kind of entries, and the first bad index if there is one."""
    head = open_checkpoint(_whole(read, "checkpoint"), key)
    entries, broken = read_entries(read, head.size)
    leaves = [leaf_hash(entry) for entry in entries]
    bad = [i for i in (broken, first_unlike(read, leaves)) if i is not None]
    require(bad or mth(leaves) == head.root, "another root")
    return head, entries, min(bad, default=None)


def check_log(read: Read, key: Key) -> Checkpoint:
    """The head of a sound log."""
    head, entries, bad = check_tree(read, key)
    malformed = first_malformed(entries)
    found = [i for i in (bad, malformed) if i is not None]
    if found:
        raise Refused("is bad, and none before it", min(found))
    return head
