"""The tree: everything against a naive RFC 6962, and subtrees against a naive draft."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whoisgate.audit.tree import (
    Edge,
    consistency_proof,
    grow,
    inclusion_proof,
    subtree_inclusion_proof,
    subtree_proof,
    subtree_root,
)
from whoisgate.audit.verify import (
    EMPTY_ROOT,
    VerificationFailed,
    is_subtree,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
    verify_subtree,
    verify_subtree_inclusion,
)

SIZES = st.integers(1, 600)


def leaves(size: int) -> list[bytes]:
    return [hashlib.sha256(b"%d" % i).digest() for i in range(size)]


def mth(hashes: list[bytes]) -> bytes:
    """RFC 6962 §2.1, letter by letter."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = split(len(hashes))
    return hashlib.sha256(b"\x01" + mth(hashes[:k]) + mth(hashes[k:])).digest()


def path(m: int, hashes: list[bytes]) -> list[bytes]:
    """RFC 6962 §2.1.1."""
    if len(hashes) == 1:
        return []
    k = split(len(hashes))
    if m < k:
        return [*path(m, hashes[:k]), mth(hashes[k:])]
    return [*path(m - k, hashes[k:]), mth(hashes[:k])]


def subproof(m: int, hashes: list[bytes], *, whole: bool) -> list[bytes]:
    """RFC 6962 §2.1.2."""
    if m == len(hashes):
        return [] if whole else [mth(hashes)]
    k = split(len(hashes))
    if m <= k:
        return [*subproof(m, hashes[:k], whole=whole), mth(hashes[k:])]
    return [*subproof(m - k, hashes[k:], whole=False), mth(hashes[:k])]


def subtree(start: int, end: int, hashes: list[bytes], *, known: bool) -> list[bytes]:
    """SUBTREE_SUBPROOF of draft-ietf-plants-merkle-tree-certs §4.4.1."""
    if (start, end) == (0, len(hashes)):
        return [] if known else [mth(hashes)]
    k = split(len(hashes))
    if end <= k:
        return [*subtree(start, end, hashes[:k], known=known), mth(hashes[k:])]
    if k <= start:
        return [*subtree(start - k, end - k, hashes[k:], known=known), mth(hashes[:k])]
    return [*subtree(0, end - k, hashes[k:], known=False), mth(hashes[:k])]


def split(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def nodes(hashes: list[bytes]):
    """A lookup that knows complete subtrees alone."""

    def node(level: int, index: int) -> bytes:
        below = hashes[index << level : (index + 1) << level]
        assert len(below) == 1 << level
        return mth(below)

    return node


@given(SIZES)
def test_hashes_like_the_rfc(size):
    hashes = leaves(size)
    assert root_of(hashes) == mth(hashes)


@given(st.integers(0, 300), st.integers(0, 70))
def test_grows_by_a_batch_as_if_built_at_once(old, batch):
    hashes = leaves(old + batch)
    edge = grow(Edge(), hashes[:old]).edge
    grown = grow(edge, hashes[old:])
    assert grown.edge == grow(Edge(), hashes).edge
    assert grown.root == grown.edge.root() == mth(hashes)
    assert grown.proofs == [path(i, hashes) for i in range(old, old + batch)]


@given(st.lists(st.integers(0, 40), max_size=20))
def test_keeps_one_edge_per_size_whatever_the_batches(batches):
    hashes, edge, size = leaves(sum(batches)), Edge(), 0
    for batch in batches:
        edge = grow(edge, hashes[size : size + batch]).edge
        size += batch
        assert edge.root() == mth(hashes[:size])
    assert edge == grow(Edge(), hashes).edge
    assert Edge.from_bytes(edge.to_bytes()) == edge


@given(SIZES, st.data())
def test_proves_inclusion_of_any_leaf_and_of_no_other(size, data):
    hashes, index = leaves(size), data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, nodes(hashes))
    assert proof == path(index, hashes)
    root = mth(hashes)
    verify_inclusion(hashes[index], index, size, proof, root)
    wrong = data.draw(
        st.sampled_from(
            [
                (hashes[index - 1] if size > 1 else root_of([]), index, size, proof),
                (hashes[index], index + 1, size, proof),
                (hashes[index], index, size, [*proof, root]),
                *([(hashes[index], index, size, proof[:-1])] if proof else []),
                *([(hashes[index], index, size, proof[1:])] if proof else []),
            ]
        )
    )
    with pytest.raises(VerificationFailed, match=r"inclusion proof|no entry"):
        verify_inclusion(*wrong, root)


@given(SIZES, st.data())
def test_proves_consistency_with_any_older_tree_and_no_fork(size, data):
    hashes, old = leaves(size), data.draw(st.integers(1, size))
    proof = consistency_proof(old, size, nodes(hashes))
    assert proof == subproof(old, hashes, whole=True)
    old_root, root = mth(hashes[:old]), mth(hashes)
    verify_consistency(old, old_root, size, root, proof)
    fork = mth([bytes(32), *hashes[1:old]])
    for case in (
        (old, fork, size, root, proof),
        (old, old_root, size, fork, proof),
        (old, old_root, size, root, [*proof, root]),
        *([(old, old_root, size, root, proof[:-1])] if proof else []),
        *([(old, old_root, size, root, proof[1:])] if proof else []),
    ):
        with pytest.raises(VerificationFailed, match=r"consistency proof|same size"):
            verify_consistency(*case)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13, 20, 33])
def test_proves_every_subtree_and_every_leaf_of_it(size):
    hashes = leaves(size)
    node, root = nodes(hashes), mth(hashes)
    found = [(a, b) for a in range(size) for b in range(a + 1, size + 1) if is_subtree(a, b)]
    least = {a: [1 << n for n in range(7) if a % (1 << n) == 0][-1] if a else 64 for a, _ in found}
    assert found == [(a, b) for a in least for b in range(a + 1, min(size, a + least[a]) + 1)]
    for start, end in found:
        part = mth(hashes[start:end])
        assert subtree_root(start, end, node) == part
        proof = subtree_proof(start, end, size, node)
        assert proof == subtree(start, end, hashes, known=True)
        verify_subtree(start, end, part, size, root, proof)
        for index in range(start, end):
            within = subtree_inclusion_proof(index, start, end, node)
            assert within == path(index - start, hashes[start:end])
            verify_subtree_inclusion(hashes[index], index, start, end, within, part)
        for wrong in (
            (start, end, root if part != root else hashes[0][::-1], size, root, proof),
            (start, end, part, size, hashes[0][::-1], proof),
            (start, end, part, size, root, [*proof, root]),
            *([(start, end, part, size, root, proof[:-1])] if proof else []),
            *([(start, end, part, size, root, proof[1:])] if proof else []),
            *((a, b, part, size, root, proof) for a, b in found if (a, b) != (start, end)),
        ):
            with pytest.raises(VerificationFailed):
                verify_subtree(*wrong)


@pytest.mark.parametrize(
    ("start", "end"), [(0, 0), (1, 1), (1, 3), (-2, 0), (3, 2), (4, 9), (2, 5)]
)
def test_knows_no_other_subtrees(start, end):
    hashes = leaves(16)
    assert not is_subtree(start, end)
    with pytest.raises(ValueError, match="subtree"):
        subtree_proof(start, end, 16, nodes(hashes))
    with pytest.raises(ValueError, match="subtree"):
        subtree_inclusion_proof(start, start, end, nodes(hashes))
    with pytest.raises(VerificationFailed):
        verify_subtree(start, end, EMPTY_ROOT, 16, mth(hashes), [])
    with pytest.raises(VerificationFailed):
        verify_subtree_inclusion(hashes[0], start, start, end, [], hashes[0])


@pytest.mark.parametrize("length", [0, 31, 33])
def test_refuses_hashes_of_another_length(length):
    a, b = leaves(2)
    for bad in ((a[:length], b), (a, b[:length])) if length < 32 else ((a + b"\0", b), (a, b + a)):
        root = node_hash(*bad)
        with pytest.raises(VerificationFailed, match="32"):
            verify_inclusion(bad[0], 0, 2, [bad[1]], root)
        with pytest.raises(VerificationFailed, match="32"):
            verify_consistency(1, bad[0], 2, root, [bad[1]])


def test_shows_nothing_about_trees_that_do_not_exist():
    (a,) = leaves(1)
    with pytest.raises(VerificationFailed):
        verify_inclusion(a, -1, 1, [], a)
    with pytest.raises(VerificationFailed):
        verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    for index, size in ((-1, 1), (1, 1), (0, 0)):
        with pytest.raises(ValueError, match="no leaf"):
            inclusion_proof(index, size, nodes([a]))
    for old, size in ((0, 1), (2, 1), (-1, 1)):
        with pytest.raises(ValueError, match="no consistency proof"):
            consistency_proof(old, size, nodes([a]))


@pytest.mark.parametrize("raw", [b"", bytes(7), bytes(9), b"\0" * 7 + b"\x03" + bytes(32)])
def test_refuses_an_edge_that_is_none(raw):
    with pytest.raises(ValueError, match="expected a size"):
        Edge.from_bytes(raw)


def test_refuses_to_construct_nonsense():
    for size, hashes in ((-1, ()), (1, ()), (3, (bytes(32),)), (1, (bytes(31),))):
        with pytest.raises(ValueError, match=r"subtrees|32"):
            Edge(size, hashes)
