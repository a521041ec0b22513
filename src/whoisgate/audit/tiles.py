"""The files of a log as C2SP tlog-tiles has them: what a larger tree adds to a smaller one's.

Pure bytes: `new_tiles` says which files to write, in order; writing them, and the checkpoint
after them, is the store's. The same sizes always give the same files, so that a publication cut
short is simply done again. A tile once full never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence

from whoisgate.audit.tree import Node
from whoisgate.audit.verify import (
    ENTRY_LIMIT_BYTES,
    TILE_WIDTH,
    entries_path,
    leaf_hash,
    root_of,
    tile_path,
)

LEVEL_BITS = 8
"""One level of tiles spans eight levels of the tree."""


def bundle(entries: Sequence[bytes]) -> bytes:
    """The entries, each behind its length; raises `ValueError` for one over 65,535 bytes."""
    if any(len(entry) > ENTRY_LIMIT_BYTES for entry in entries):
        raise ValueError(f"expected entries of at most `{ENTRY_LIMIT_BYTES}` bytes")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def new_tiles(
    old: int, new: int, entries: Callable[[int, int], Sequence[bytes]], node: Node
) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of each file that size ``new`` needs and ``old`` had not, in publish order.

    ``entries(start, stop)`` gives entries of the half-open range, at most 256 at a time; entries
    of an unfinished tile are read again. ``node`` is asked only for the roots of full tiles
    within ``old`` (levels 8, 16, …). Raises `ValueError` when the log would shrink.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a log of size `{old}` does not become `{new}`")
    row: list[bytes] = []
    for number, width in _touched(old, new):
        start = number * TILE_WIDTH
        batch = entries(start, start + width)
        if len(batch) != width:
            raise ValueError(f"expected `{width}` entries from `{start}`, got `{len(batch)}`")
        hashes = [leaf_hash(entry) for entry in batch]
        yield entries_path(number, width), bundle(batch)
        yield tile_path(0, number, width), b"".join(hashes)
        if width == TILE_WIDTH:
            row.append(root_of(hashes))
    level = 1
    while row:
        row = yield from _upper(level, old >> level * LEVEL_BITS, row, node)
        level += 1


def _touched(old: int, new: int) -> Iterator[tuple[int, int]]:
    """Numbers and widths of the tiles of a level that grows from ``old`` to ``new`` hashes."""
    if old < new:
        for number in range(old // TILE_WIDTH, -(-new // TILE_WIDTH)):
            yield number, min(TILE_WIDTH, new - number * TILE_WIDTH)


def _upper(
    level: int, old: int, row: list[bytes], node: Node
) -> Generator[tuple[str, bytes], None, list[bytes]]:
    """The tiles of one level, given the hashes it gains; returns those that the next gains."""
    first = old - old % TILE_WIDTH
    known = [node(level * LEVEL_BITS, index) for index in range(first, old)] + row
    roots = []
    for number, width in _touched(old, old + len(row)):
        begin = number * TILE_WIDTH - first
        hashes = known[begin : begin + width]
        yield tile_path(level, number, width), b"".join(hashes)
        if width == TILE_WIDTH:
            roots.append(root_of(hashes))
    return roots


def nodes_of(size: int, read: Callable[[str], bytes]) -> Node:
    """Looks up nodes in the published tiles of a log of ``size``; ``read`` takes a tile's path.

    For complete subtrees only. Raises `ValueError` for a node beyond ``size`` or a short tile.
    """

    def node(level: int, index: int) -> bytes:
        if index < 0 or (index + 1) << level > size:
            raise ValueError(f"a log of size `{size}` has no node `{index}` at level `{level}`")
        tile_level, height = divmod(level, LEVEL_BITS)
        first = index << height
        number = first // TILE_WIDTH
        width = min(TILE_WIDTH, (size >> tile_level * LEVEL_BITS) - number * TILE_WIDTH)
        tile = read(tile_path(tile_level, number, width))
        if len(tile) != 32 * width:
            raise ValueError(f"expected a tile of `{width}` hashes")
        begin = first % TILE_WIDTH
        return root_of([tile[32 * i : 32 * i + 32] for i in range(begin, begin + (1 << height))])

    return node
