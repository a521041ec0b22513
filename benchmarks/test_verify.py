"""Verification per core: the tree alone, and whole logs with every entry parsed and checked.

Divide the entries by the time; the budgets are 300,000 leaves and 50,000 entries per second.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from random import Random

import pytest

from whoisgate.audit.note import Signer, checkpoint
from whoisgate.audit.tiles import new_tiles
from whoisgate.audit.tree import Edge, grow
from whoisgate.audit.verify import leaf_hash, parse_vkey, root_of, verify_log, verify_receipt

ENTRIES = 20_000


def b64url(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def entry(random: Random) -> bytes:
    leaf = {
        "_sd": sorted(b64url(random.randbytes(32)) for _ in range(24)),
        "envelope": b64url(random.randbytes(32)),
        "hour": "2026-11-23T22Z",
        "nonce": b64url(random.randbytes(16)),
        "policy": random.randbytes(32).hex(),
        "v": 1,
    }
    return json.dumps(leaf, separators=(",", ":")).encode()


@pytest.fixture(scope="module")
def entries() -> list[bytes]:
    random = Random(1)
    return [entry(random) for _ in range(ENTRIES)]


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer.generate("log.example/2026", Random(2).randbytes)


def test_tree(benchmark, entries):
    hashes = [leaf_hash(each) for each in entries]
    assert benchmark(root_of, hashes) == grow(Edge(), hashes).root


def test_leaves_and_tree(benchmark, entries):
    assert len(benchmark(lambda: root_of([leaf_hash(each) for each in entries]))) == 32


def test_whole_log(benchmark, entries, signer):
    files = dict(new_tiles(0, ENTRIES, lambda a, b: entries[a:b], lambda *_: b""))
    root = root_of([leaf_hash(each) for each in entries])
    files["checkpoint"] = signer.sign(checkpoint(signer.name, ENTRIES, root)).encode()
    assert benchmark(verify_log, files.__getitem__, signer.verifier).size == ENTRIES


@pytest.mark.parametrize("batch", [1, 8, 64, 256])
def test_growing_by(benchmark, batch):
    hashes = [sha256(b"%d" % i).digest() for i in range(4095 + batch)]
    edge = grow(Edge(), hashes[:-batch]).edge
    assert len(benchmark(grow, edge, hashes[-batch:]).proofs) == batch


def test_signing_a_checkpoint(benchmark, signer):
    assert benchmark(lambda: signer.sign(checkpoint(signer.name, 10**6, bytes(32))))


def test_publishing(benchmark, entries):
    def publish() -> int:
        return sum(1 for _ in new_tiles(0, ENTRIES, lambda a, b: entries[a:b], lambda *_: b""))

    assert benchmark(publish) == 2 * 79 + 1


def test_one_receipt(benchmark, pytestconfig):
    folder = pytestconfig.rootpath / "tests" / "audit" / "vectors" / "format-1"
    proof = (folder / "receipt.tlog-proof").read_text()
    key = parse_vkey((folder / "log.vkey").read_text().removesuffix("\n"))
    assert benchmark(verify_receipt, proof, key).index == 4
