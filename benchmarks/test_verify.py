"""Verification per core: the tree alone, and whole logs with every entry parsed and checked.

The budgets are 300,000 leaves and 50,000 entries per second. ``WHOISGATE_SOAK`` makes the long log
ten times as long.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from random import Random
from subprocess import PIPE

import pytest

from whoisgate.audit.note import Signer, checkpoint
from whoisgate.audit.tiles import new_tiles
from whoisgate.audit.tree import Edge, grow
from whoisgate.audit.verify import (
    TILE_WIDTH,
    leaf_hash,
    parse_vkey,
    root_of,
    verify_log,
    verify_receipt,
)

ENTRIES = 20_000
MANY = 10_000_000 if os.environ.get("WHOISGATE_SOAK") else 1_000_000
GROWTH_LIMIT_MIB = 4


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


def per_second(benchmark) -> None:
    benchmark.extra_info["per_second"] = round(ENTRIES / benchmark.stats.stats.median)


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
    per_second(benchmark)


def test_leaves_and_tree(benchmark, entries):
    assert len(benchmark(lambda: root_of([leaf_hash(each) for each in entries]))) == 32
    per_second(benchmark)


def test_whole_log(benchmark, entries, signer):
    files = dict(new_tiles(0, ENTRIES, lambda a, b: entries[a:b], lambda *_: b""))
    root = root_of([leaf_hash(each) for each in entries])
    files["checkpoint"] = signer.sign(checkpoint(signer.name, ENTRIES, root)).encode()
    assert benchmark(verify_log, files.__getitem__, signer.verifier).size == ENTRIES
    per_second(benchmark)


def store(folder: Path, size: int, entries: list[bytes], signer: Signer) -> Path:
    """A log of ``size`` entries, one tile of them again and again; equal files are one, linked."""
    tile = entries[:TILE_WIDTH]
    hashes = [leaf_hash(each) for each in tile]
    full, rest = divmod(size, TILE_WIDTH)
    first: dict[bytes, Path] = {}
    for path, data in new_tiles(0, size, lambda a, b: tile[: b - a], lambda *_: b""):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if data in first:
            file.hardlink_to(first[data])
        else:
            file.write_bytes(data)
            first[data] = file
    root = root_of([root_of(hashes)] * full + [root_of(hashes[:rest])] * bool(rest))
    (folder / "checkpoint").write_text(signer.sign(checkpoint(signer.name, size, root)))
    return folder


VERIFY = """
import re, sys, time
from whoisgate.audit.verify import main
failed = main(sys.argv[1:])
peak_kib = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]
print(time.process_time(), peak_kib)
sys.exit(failed)
"""


def test_long_log_in_flat_memory(benchmark, entries, signer, tmp_path):
    """The verifier's program over real files; its peak beside that of a log far shorter."""

    def verify(size: int) -> tuple[float, float]:
        """CPU time in s and peak of memory in MiB."""
        words = [tmp_path / f"{size}", "--key", signer.vkey, "--json"]
        done = subprocess.run([sys.executable, "-c", VERIFY, *words], check=True, stdout=PIPE)
        told, measured = done.stdout.splitlines()
        assert json.loads(told)["size"] == size
        cpu_s, peak_kib = map(float, measured.split())
        return cpu_s, peak_kib / 1024

    for size in (ENTRIES, MANY):
        store(tmp_path / f"{size}", size, entries, signer)
    _, short_mib = verify(ENTRIES)
    cpu_s, long_mib = benchmark.pedantic(verify, (MANY,), rounds=1)
    benchmark.extra_info["per_cpu_second"] = round(MANY / cpu_s)
    benchmark.extra_info["peak_mib"] = round(long_mib, 1)
    benchmark.extra_info["grown_mib"] = round(long_mib - short_mib, 2)
    assert long_mib - short_mib < GROWTH_LIMIT_MIB


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
