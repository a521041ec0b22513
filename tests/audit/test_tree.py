"""The tree: published vectors, then everything against a naive RFC 6962."""

from __future__ import annotations

import hashlib
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whoisgate.audit.tree import Edge, consistency_proof, grow, inclusion_proof
from whoisgate.audit.verify import (
    EMPTY_ROOT,
    VerificationFailed,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

SIZES = st.integers(1, 600)
NOT_HASHES = "additional/sizes-are-equal-one-and-proof-is-empty"
"""The one published case that counts as sound and has roots which are no hashes."""


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


def test_agrees_with_the_published_roots(vectors):
    published = vectors("rfc6962.json")
    hashes = [leaf_hash(bytes.fromhex(leaf)) for leaf in published["leaves"]]
    assert [h.hex() for h in hashes] == published["nodes"][0]
    assert bytes.fromhex(published["roots"][0]) == EMPTY_ROOT
    for size, root in enumerate(published["roots"]):
        assert root_of(hashes[:size]).hex() == root
        assert grow(Edge(), hashes[:size]).root.hex() == root
    for row, above in zip(published["nodes"], published["nodes"][1:], strict=False):
        pairs = zip(row[::2], row[1::2], strict=True)
        joined = [node_hash(bytes.fromhex(a), bytes.fromhex(b)).hex() for a, b in pairs]
        assert joined == above


@pytest.mark.parametrize("kind", ["inclusion", "consistency"])
def test_decides_every_published_case_as_its_source(vectors, kind):
    for case in vectors("merkle.json")[kind]:
        proof = [b64decode(each) for each in case["proof"]]
        root = b64decode(case["root"])

        def check(case=case, proof=proof, root=root):
            if kind == "inclusion":
                leaf = b64decode(case["leaf"])
                verify_inclusion(leaf, case["index"], case["size"], proof, root)
            else:
                old_root = b64decode(case["old_root"])
                verify_consistency(case["old_size"], old_root, case["size"], root, proof)

        if case["refused"] or case["name"] == NOT_HASHES:
            with pytest.raises(VerificationFailed) as caught:
                check()
            assert caught.value.code == {"inclusion": "WG407", "consistency": "WG408"}[kind]
        else:
            check()


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
