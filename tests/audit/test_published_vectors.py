"""Figures published by others, through both verifiers and our writer."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.independent_verifier import log as second
from tests.independent_verifier import merkle, note, proof
from tests.independent_verifier.refusal import Refused

from whoisgate.audit import verify as first
from whoisgate.audit.note import Signer, checkpoint
from whoisgate.audit.tiles import new_tiles, nodes_of
from whoisgate.audit.tree import Edge, grow

NOT_HASHES = "the roots are equal, but no hashes: every hash has 32 bytes here"
NO_LEAVES = "an empty subtree says nothing about the tree, so no proof about one is taken"
OTHERWISE = {
    "consistency": {"additional/sizes-are-equal-one-and-proof-is-empty": NOT_HASHES},
    "subtree_consistency": {
        "additional/sizes-are-equal-one-and-proof-is-empty": NOT_HASHES,
        **{
            f"additional/subtree-is-empty-{case}": NO_LEAVES
            for case in (
                "sizes-are-equal-one-subtree-root-valid-proof-is-empty",
                "sizes-are-equal-one-subtree-root-valid-tree-root-random-proof-is-empty",
                "sizes-are-equal-zero-subtree-root-valid-proof-is-empty",
                "sizes-are-equal-zero-subtree-root-valid-tree-root-random-proof-is-empty",
                "subtree-root-valid-proof-is-empty",
                "subtree-root-valid-tree-root-random-proof-is-empty",
            )
        },
    },
}
"""Sound for their source and refused here, each with the reason. Nothing is the other way round."""

COUNTS = {"inclusion": 98, "consistency": 98, "subtree_inclusion": 204, "subtree_consistency": 118}


def decide(check, *args) -> bool:
    try:
        check(*args)
    except (first.VerificationFailed, Refused):
        return False
    return True


def both(kind: str, case: dict) -> tuple[bool, bool]:
    hashes = [b64decode(each) for each in case["proof"]]
    root = b64decode(case["root"])
    if kind == "inclusion":
        place, leaf = (case["index"], case["size"]), b64decode(case["leaf"])
        return decide(first.verify_inclusion, leaf, *place, hashes, root), decide(
            merkle.check_inclusion, leaf, case["index"], 0, case["size"], hashes, root
        )
    if kind == "subtree_inclusion":
        args = b64decode(case["leaf"]), case["index"], case["start"], case["end"], hashes, root
        return decide(first.verify_subtree_inclusion, *args), decide(merkle.check_inclusion, *args)
    if kind == "consistency":
        old, size, part = case["old_size"], case["size"], b64decode(case["old_root"])
        return decide(first.verify_consistency, old, part, size, root, hashes), decide(
            merkle.check_consistency, 0, old, part, size, root, hashes
        )
    args = case["start"], case["end"], b64decode(case["part"]), case["size"], root, hashes
    return decide(first.verify_subtree, *args), decide(merkle.check_consistency, *args)


@pytest.mark.parametrize("kind", COUNTS)
def test_decides_every_published_case_as_its_source_or_says_why(vectors, kind):
    cases, otherwise = vectors("merkle.json")[kind], OTHERWISE.get(kind, {})
    assert len(cases) == COUNTS[kind]
    assert otherwise.keys() <= {c["name"] for c in cases if not c["refused"]}
    for case in cases:
        sound = not case["refused"] and case["name"] not in otherwise
        assert both(kind, case) == (sound, sound), case["name"]


def test_hashes_the_published_roots_and_nodes(vectors):
    published = vectors("rfc6962.json")
    leaves = [bytes.fromhex(leaf) for leaf in published["leaves"]]
    hashes = [merkle.leaf_hash(leaf) for leaf in leaves]
    assert hashes == [first.leaf_hash(leaf) for leaf in leaves]
    assert len(published["roots"]) == 9
    for size, root in enumerate(published["roots"]):
        made = merkle.mth(hashes[:size]), first.root_of(hashes[:size])
        assert made == (bytes.fromhex(root),) * 2
        assert grow(Edge(), hashes[:size]).root.hex() == root
    for height, row in enumerate(published["nodes"]):
        width = 1 << height
        for number, each in enumerate(row):
            below = hashes[number * width : (number + 1) * width]
            assert merkle.mth(below).hex() == first.root_of(below).hex() == each


@pytest.fixture(scope="module")
def tessera(vectors):
    """Its key, its signer, its checkpoints by size, its files."""
    published = vectors("tessera.json")
    private = Ed25519PrivateKey.from_private_bytes(b64decode(published["signing_key"])[1:])
    signer = Signer(published["vkey"].partition("+")[0], private)
    files = {path: b64decode(data) for path, data in published["files"].items()}
    return published["vkey"], signer, published["checkpoints"], files


@pytest.mark.parametrize("size", range(16))
def test_reads_and_writes_tesseras_log_at_every_size(tessera, size):
    vkey, signer, notes, files = tessera
    assert len(notes) == 16
    entries = first.split_bundle(files[first.entries_path(0, size)]) if size else []
    leaves = [first.leaf_hash(each) for each in entries]
    needed = {path for path in files if path.endswith(f".p/{size}")}
    assert len(needed) == (2 if size else 0)
    tiles = {path: files[path] for path in needed}

    head = first.open_checkpoint(notes[size], first.parse_vkey(vkey))
    assert (head.size, head.root) == (size, first.root_of(leaves))
    log = {**tiles, "checkpoint": notes[size].encode()}
    seen = second.check_tree(log.__getitem__, note.read_key(vkey))
    assert (seen.size, seen.root) == (head.size, head.root)

    assert signer.vkey == vkey
    assert signer.sign(checkpoint(signer.name, size, grow(Edge(), leaves).root)) == notes[size]
    for old in range(size + 1):
        earlier = nodes_of(old, files.__getitem__)
        assert dict(new_tiles(old, size, lambda a, b: entries[a:b], earlier)) == (
            {} if old == size else tiles
        )


@pytest.mark.parametrize("size", range(1, 16))
def test_refuses_tesseras_log_under_another_sizes_checkpoint(tessera, size):
    vkey, _, notes, files = tessera
    lied = notes[size - 1].replace(f"\n{size - 1}\n", f"\n{size}\n", 1)
    log = {**files, "checkpoint": lied.encode()}
    with pytest.raises(Refused, match="does not verify"):
        second.check_tree(log.__getitem__, note.read_key(vkey))
    with pytest.raises(first.VerificationFailed, match="fails"):
        first.open_checkpoint(lied, first.parse_vkey(vkey))


def test_reads_the_signed_notes_of_the_specification(vectors):
    published = vectors("signed-note.json")
    key, again = first.parse_vkey(published["vkey"]), note.read_key(published["vkey"])
    assert first.open_note(published["note"], key) == published["text"]
    assert note.open_note(published["note"].encode(), again) == published["text"]
    with pytest.raises(Refused, match="not signed by"):
        note.open_note(published["stranger"].encode(), again)
    with pytest.raises(first.VerificationFailed) as caught:
        first.open_note(published["stranger"], key)
    assert caught.value.code == "WG404"


def test_reads_the_published_tlog_proofs(vectors):
    published = vectors("tlog-proof.json")
    for text in (published["specification"], *(case["text"] for case in published["sound"])):
        one, other = first.parse_proof(text), proof.read_proof(text.encode())
        assert (one.index, list(one.hashes), one.extra) == (other.index, other.hashes, other.extra)
        assert one.checkpoint.encode() == other.checkpoint
    for case in published["sound"]:
        read = proof.read_proof(case["text"].encode())
        assert read.index == case["index"]
        assert read.hashes == [b64decode(each) for each in case["hashes"]]
        assert read.extra == (b64decode(case["extra"]) if case["extra"] else None)
    assert len(published["refused"]) == 7
    for text in published["refused"].values():
        with pytest.raises(Refused):
            proof.read_proof(text.encode())
        with pytest.raises(first.VerificationFailed):
            first.parse_proof(text)


def test_names_source_and_commit_of_every_file():
    folder = Path(__file__).parent / "vectors"
    readme = (folder / "README.md").read_text()
    for file in folder.iterdir():
        assert f"`{file.name}{'/' * file.is_dir()}`" in readme or file.name == "README.md"
    cases = json.loads((folder / "merkle.json").read_text())
    assert {kind: len(rows) for kind, rows in cases.items()} == COUNTS
