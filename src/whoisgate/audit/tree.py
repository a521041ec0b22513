"""Growing the RFC 6962 tree: edges, and proofs of inclusion, consistency and subtrees.

A tree is kept as its `Edge`, the roots of its complete subtrees; `grow` needs nothing else to
give the new edge, the new root and an inclusion proof for each new leaf. Older nodes are looked
up only for proofs about older entries. Holds no entries, does no I/O, hashes no leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from whoisgate.audit.verify import EMPTY_ROOT, is_subtree, node_hash

Node = Callable[[int, int], bytes]
"""``node(level, index)``: root over leaves ``[index << level, (index + 1) << level)``."""

_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Edge:
    """The roots of a tree's complete subtrees, largest first: one per bit set in ``size``."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise ValueError(f"a tree of size `{self.size}` has no `{len(self.hashes)}` subtrees")
        if any(len(each) != _HASH_BYTES for each in self.hashes):
            raise ValueError("expected hashes of `32` bytes")

    def root(self) -> bytes:
        """The tree's root; of the empty tree, the hash of the empty string."""
        if not self.hashes:
            return EMPTY_ROOT
        *larger, root = self.hashes
        for each in reversed(larger):
            root = node_hash(each, root)
        return root

    def by_level(self) -> dict[int, bytes]:
        """The same roots by the level of their subtree."""
        levels = (level for level in reversed(range(self.size.bit_length())))
        return dict(zip((n for n in levels if self.size >> n & 1), self.hashes, strict=True))

    def to_bytes(self) -> bytes:
        """Eight bytes of size, big-endian, then the hashes."""
        return self.size.to_bytes(8, "big") + b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Edge:
        """What `to_bytes` gave; raises `ValueError` for anything else."""
        size, rest = int.from_bytes(raw[:8], "big"), raw[8:]
        if len(rest) != _HASH_BYTES * size.bit_count() or len(raw) < 8:  # noqa: PLR2004 (the size)
            raise ValueError("expected a size and a hash for each bit set in it")
        return cls(size, tuple(rest[at : at + 32] for at in range(0, len(rest), 32)))


@dataclass(frozen=True, slots=True)
class Grown:
    """A tree after a batch; ``proofs`` has, per new leaf, the hashes from leaf to root."""

    edge: Edge
    root: bytes
    proofs: list[list[bytes]]


def grow(edge: Edge, leaf_hashes: Sequence[bytes]) -> Grown:
    """The tree with these leaves appended; RFC 6962 §2.1.1 proofs into the grown tree.

    Costs one node hash per new leaf and one per level.
    """
    old, size = edge.size, edge.size + len(leaf_hashes)
    if old == size:
        return Grown(edge, edge.root(), [])
    before = edge.by_level()
    rows = _rows(old, size, before, leaf_hashes)
    bases = [(old >> level) & ~1 for level in range(len(rows))]
    hashes = []
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            at = (size >> level) - 1 - ((old >> level) & ~1)
            # INVARIANT: a complete subtree left of every row was complete before the batch.
            hashes.append(rows[level][at] if at >= 0 else before[level])
    steps = list(zip(rows, bases, strict=True))
    proofs = [_path(index, steps) for index in range(old, size)]
    return Grown(Edge(size, tuple(hashes)), rows[-1][0], proofs)


def _rows(
    old: int, size: int, before: dict[int, bytes], leaf_hashes: Sequence[bytes]
) -> list[list[bytes]]:
    """Per level, the nodes above new leaves, from an even index on, up to the root alone.

    A node without a right neighbour stands for itself one level up, which is what RFC 6962's
    split at the largest power of two amounts to.
    """
    rows, row = [], list(leaf_hashes)
    for level in range((size - 1).bit_length() + 1):
        if old >> level & 1:
            row.insert(0, before[level])
        rows.append(row)
        lone = row[-1:] if len(row) % 2 else []
        row = [node_hash(a, b) for a, b in zip(row[::2], row[1::2], strict=False)] + lone
    return rows


def _path(index: int, steps: list[tuple[list[bytes], int]]) -> list[bytes]:
    path = []
    for row, base in steps:
        sibling = (index ^ 1) - base
        if sibling < len(row):
            path.append(row[sibling])
        index >>= 1
    return path


def subtree_root(start: int, end: int, node: Node) -> bytes:
    """Root over leaves ``[start, end)``, which must be a subtree as `verify.is_subtree` has it."""
    parts = []
    while start < end:
        level = (end - start).bit_length() - 1
        parts.append(node(level, start >> level))
        start += 1 << level
    root = parts.pop()
    for each in reversed(parts):
        root = node_hash(each, root)
    return root


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """Hashes from the leaf's sibling to the root's child; RFC 6962 §2.1.1.

    Raises `ValueError` when the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of size `{size}` has no leaf `{index}`")
    proof = []
    for level in range((size - 1).bit_length()):
        sibling = (index >> level) ^ 1
        begin, end = sibling << level, min((sibling + 1) << level, size)
        if begin < end:
            proof.append(subtree_root(begin, end, node))
    return proof


def subtree_inclusion_proof(index: int, start: int, end: int, node: Node) -> list[bytes]:
    """As `inclusion_proof`, of a leaf of the log within ``[start, end)``.

    draft-ietf-plants-merkle-tree-certs §4.3. Raises `ValueError` for no subtree or no such leaf.
    """
    if not is_subtree(start, end):
        raise ValueError(f"no subtree begins at `{start}` and ends at `{end}`")
    within = lambda level, number: node(level, (start >> level) + number)  # noqa: E731 (a `Node`)
    return inclusion_proof(index - start, end - start, within)


def consistency_proof(old: int, size: int, node: Node) -> list[bytes]:
    """Hashes that show the tree of ``size`` to begin with that of ``old``; RFC 6962 §2.1.2.

    Empty for equal sizes. Raises `ValueError` unless ``0 < old <= size``.
    """
    if not 0 < old <= size:
        raise ValueError(f"no consistency proof from size `{old}` to `{size}`")
    return subtree_proof(0, old, size, node)


def subtree_proof(start: int, end: int, size: int, node: Node) -> list[bytes]:
    """Hashes that show leaves ``[start, end)`` to be those of the tree of ``size``.

    draft-ietf-plants-merkle-tree-certs §4.4.1, as C2SP tlog-cosignature names it; from 0 on it is
    a consistency proof. Raises `ValueError` for no subtree of this tree.
    """
    if not is_subtree(start, end) or end > size:
        raise ValueError(f"a tree of size `{size}` has no subtree from `{start}` to `{end}`")
    proof, low, high, whole = [], 0, size, True
    while (low, high) != (start, end):
        middle = low + (1 << ((high - low - 1).bit_length() - 1))
        if end <= middle:
            proof.append(subtree_root(middle, high, node))
            high = middle
        else:
            proof.append(subtree_root(low, middle, node))
            low = middle
            if start < middle:  # the subtree reaches beyond: what is left of it is no known root
                start, whole = middle, False
    if not whole:
        proof.append(subtree_root(low, high, node))
    return proof[::-1]
