"""Tiles and bundles: the published log byte for byte, then any growth against the definition."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whoisgate.audit.tiles import bundle, new_tiles, nodes_of
from whoisgate.audit.tree import consistency_proof, inclusion_proof
from whoisgate.audit.verify import (
    VerificationFailed,
    entries_path,
    leaf_hash,
    root_of,
    split_bundle,
    tile_path,
    verify_consistency,
    verify_inclusion,
)


def entries_of(size: int) -> list[bytes]:
    return [b"entry %d" % i for i in range(size)]


def required(entries: list[bytes]) -> dict[str, bytes]:
    """Every file of a log of this size, by the formula of C2SP tlog-tiles."""
    size, files, level = len(entries), {}, 0
    hashes = [leaf_hash(entry) for entry in entries]
    while count := size // 256**level:
        for n in range(0, count, 256):
            width = min(256, count - n)
            span = range(n, n + width)
            part = b"".join(root_of(hashes[i * 256**level : (i + 1) * 256**level]) for i in span)
            files[tile_path(level, n // 256, width)] = part
            if level == 0:
                files[entries_path(n // 256, width)] = b"".join(
                    len(entries[i]).to_bytes(2, "big") + entries[i] for i in span
                )
        level += 1
    return files


def grown(entries: list[bytes], *sizes: int) -> dict[str, bytes]:
    """All files published while a log grew through these sizes; none may change."""
    files: dict[str, bytes] = {}
    for old, new in zip((0, *sizes), sizes, strict=False):
        node = nodes_of(old, files.__getitem__)
        for path, data in new_tiles(old, new, lambda a, b: entries[a:b], node):
            assert files.setdefault(path, data) == data
    return files


@pytest.mark.parametrize(
    ("index", "path"),
    [
        (0, "000"),
        (999, "999"),
        (1000, "x001/000"),
        (1234067, "x001/x234/067"),
        (10**9, "x001/x000/x000/000"),
    ],
)
def test_names_tiles_like_the_specification(index, path):
    assert tile_path(3, index) == f"tile/3/{path}"
    assert tile_path(0, index, 255) == f"tile/0/{path}.p/255"
    assert entries_path(index) == f"tile/entries/{path}"
    assert entries_path(index, 1) == f"tile/entries/{path}.p/1"


def test_lists_the_files_of_seventy_thousand_entries():
    entries = entries_of(70_000)
    files = dict(new_tiles(0, 70_000, lambda a, b: entries[a:b], lambda *_: b""))
    widths = [path for path in files if ".p/" in path]
    assert sorted(widths) == [
        "tile/0/273.p/112",
        "tile/1/001.p/17",
        "tile/2/000.p/1",
        "tile/entries/273.p/112",
    ]
    assert len(files) == 2 * 273 + 1 + 4


@settings(max_examples=40)
@given(st.lists(st.integers(0, 1400), min_size=1, max_size=5).map(sorted))
def test_adds_exactly_what_each_size_needs(sizes):
    entries = entries_of(sizes[-1])
    files = grown(entries, *sizes)
    for size in sizes:
        needed = required(entries[:size])
        assert {path: files[path] for path in needed} == needed
    assert set(files) == set().union(*(required(entries[:size]) for size in sizes))


def test_grows_a_second_level_from_published_tiles_alone():
    entries = entries_of(66_000)
    assert grown(entries, 300, 65_300, 65_536, 66_000).items() >= required(entries).items()


def test_reads_no_more_than_one_tile_at_a_time():
    entries, asked = entries_of(900), []

    def read(start, stop):
        asked.append((start, stop))
        return entries[start:stop]

    assert list(new_tiles(600, 600, read, lambda *_: b"")) == []
    list(new_tiles(600, 900, read, lambda level, _: bytes(32) if level == 8 else b""))
    assert asked == [(512, 768), (768, 900)]


def test_publishes_entries_before_their_hashes_and_tops_last():
    entries = entries_of(513)
    paths = [path for path, _ in new_tiles(0, 513, lambda a, b: entries[a:b], lambda *_: b"")]
    assert paths == [
        *("tile/entries/000", "tile/0/000", "tile/entries/001", "tile/0/001"),
        *("tile/entries/002.p/1", "tile/0/002.p/1", "tile/1/000.p/2"),
    ]


@settings(max_examples=30)
@given(st.integers(1, 1400), st.data())
def test_proves_from_published_tiles(size, data):
    entries = entries_of(size)
    files, hashes = required(entries), [leaf_hash(entry) for entry in entries]
    node, root = nodes_of(size, files.__getitem__), root_of(hashes)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    verify_inclusion(hashes[index], index, size, inclusion_proof(index, size, node), root)
    old_root = root_of(hashes[:old])
    verify_consistency(old, old_root, size, root, consistency_proof(old, size, node))


def test_looks_up_no_node_beyond_the_tree():
    files = required(entries_of(5))
    node = nodes_of(5, files.__getitem__)
    for level, index in ((0, 5), (0, -1), (2, 1), (3, 0)):
        with pytest.raises(ValueError, match="no node"):
            node(level, index)
    with pytest.raises(ValueError, match="hashes"):
        nodes_of(5, lambda _: bytes(33))(0, 0)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_splits_what_it_bundled(entries):
    assert split_bundle(bundle(entries)) == entries


def test_refuses_entries_that_a_bundle_cannot_hold():
    assert split_bundle(bundle([bytes(65_535)])) == [bytes(65_535)]
    with pytest.raises(ValueError, match="65535"):
        bundle([b"", bytes(65_536)])


def test_refuses_every_truncated_bundle():
    whole = bundle([b"one", b"", b"three"])
    for length in set(range(1, len(whole))) - {5, 7}:
        with pytest.raises(VerificationFailed) as caught:
            split_bundle(whole[:length])
        assert caught.value.code == "WG409"
        assert caught.value.index == (0 if length < 5 else 1 if length < 7 else 2)


def test_refuses_to_shrink_or_to_invent_entries():
    with pytest.raises(ValueError, match="does not become"):
        list(new_tiles(5, 4, lambda a, b: entries_of(b)[a:b], lambda *_: b""))
    with pytest.raises(ValueError, match="expected `4` entries"):
        list(new_tiles(0, 4, lambda *_: entries_of(3), lambda *_: b""))


def test_hashes_leaves_and_nodes_apart():
    assert leaf_hash(b"x") == hashlib.sha256(b"\0x").digest()
