"""The log alone: sealing one entry, and appending at 1, 8 and 64 at once on a real disk.

The figures are entries per second and the wait of each appender for its receipt, in one process and
in several that share the log; `test_gate` measures whole disclosures.
"""

import json
import os
import secrets
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from whoisgate.audit.draft import Asking, Draft, Due
from whoisgate.audit.entry import seal
from whoisgate.audit.note import Signer
from whoisgate.conduct import Thresholds
from whoisgate.queries import Limits
from whoisgate.stores.sqlite import SQLiteLog

ENTRIES = 4000
NAMES = [
    f"registrant.{part}" for part in ["name", "street", "city", "postal_code", "phone", "email"]
]
_LETTERS = str.maketrans("0123456789", "ghijklmnop")
MANY = (10**9,) * 3
ASKING = Asking(
    ("registrant",), Limits(*MANY), Limits(*MANY), thresholds=Thresholds(MANY, MANY, MANY)
)


def utc_now():
    return datetime.now(UTC)


def disclosure(person=7):
    """What a gate logs when it releases six elements of a registrant who was not asked about."""
    domain = f"{secrets.token_hex(4)}.example".translate(_LETTERS)
    return Draft(
        "disclosure",
        "d" * 64,
        utc_now(),
        {
            "authority": "Police of Example", "person": f"officer-{person}",
            "requester_class": "law_enforcement", "domain": "example.com",
            "purpose": "criminalInvestigationAndDNSAbuseMitigation", "basis": "national_order",
            "case": "2026-114", "asked": NAMES, "released": {name: ["LEA-ORDER"] for name in NAMES},
            "outcome": "released", "question": "a" * 64, "view": "b" * 64, "body": "c" * 64,
            "source": "sqlite", "record_version": "17", "approval": ["standing"], "detail": None,
            "context": {"assurance": "high", "registrant_kind": "natural", "standing": NAMES},
        },
        {
            "question": {"name": "example.com", "elements": NAMES},
            "decision": {name: ["release", ["LEA-ORDER"], []] for name in NAMES * 3},
        },
        requester=f"Police of Example/officer-{person}",
        domain=domain,
        authority="Police of Example",
        asking=ASKING,
        dues=(Due("notify_registrant", timedelta(days=90)),),
    )  # fmt: skip


def new_log(folder):
    (folder / "log").mkdir()
    signer = Signer.generate("log.example/2026", secrets.token_bytes)
    return SQLiteLog(
        folder / "whoisgate.db",
        folder / "log",
        folder / "shred.slots",
        signers=lambda: [signer],
        recipients={"operator": X25519PrivateKey.generate().public_key()},
        index_key=secrets.token_bytes(32),
        clock=utc_now,
        entropy=secrets.token_bytes,
        create=True,
    )


@pytest.fixture
def log(tmp_path):
    log = new_log(tmp_path)
    yield log
    log.close()


def test_seal_one_entry(benchmark):
    made = {"nonce": b"n" * 16, "shred": b"s" * 32, "epoch_key": b"e" * 32, "node": "ab" * 8}
    draft = disclosure()
    entry = benchmark(lambda: seal(draft, logged_at=utc_now(), sequence=17, **made))
    benchmark.extra_info["leaf_bytes"] = len(entry.leaf)


def appended(log, count, concurrent):
    """How long each of so many appends waited for its receipt, in seconds."""

    def append(number: int) -> float:
        started = time.perf_counter()
        log.append(disclosure(number % 50)).result()
        return time.perf_counter() - started

    with ThreadPoolExecutor(concurrent) as pool:
        return list(pool.map(append, range(count)))


@pytest.mark.parametrize("concurrent", [1, 8, 64])
def test_append(benchmark, log, concurrent):
    waits: list[float] = []
    count = ENTRIES if concurrent > 1 else ENTRIES // 4

    def run() -> None:
        waits.extend(appended(log, count, concurrent))

    cpu = time.process_time()
    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
    cpu = time.process_time() - cpu
    cuts = statistics.quantiles(waits, n=100)
    benchmark.extra_info["entries_per_second"] = round(count / benchmark.stats.stats.median)
    benchmark.extra_info["cpu_us_per_entry"] = round(cpu / len(waits) * 1e6)
    benchmark.extra_info["p50_ms"] = round(cuts[49] * 1e3, 2)
    benchmark.extra_info["p99_ms"] = round(cuts[98] * 1e3, 2)


@pytest.mark.parametrize("processes", [2, 4])
def test_append_in_processes(benchmark, log, processes):
    """64 at once among processes that take turns."""
    waits: list[float] = []

    def run() -> None:
        count, concurrent = ENTRIES // processes, 64 // processes
        for child, said in [forked(log, count, concurrent) for _ in range(processes)]:
            with os.fdopen(said) as told:
                waits.extend(json.load(told))
            os.waitpid(child, 0)

    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
    cuts = statistics.quantiles(waits, n=100)
    benchmark.extra_info["entries_per_second"] = round(ENTRIES / benchmark.stats.stats.median)
    benchmark.extra_info["p50_ms"] = round(cuts[49] * 1e3, 2)
    benchmark.extra_info["p99_ms"] = round(cuts[98] * 1e3, 2)


def forked(log, count, concurrent):
    """A process that appends, and the pipe through which it tells its waits."""
    said, telling = os.pipe()
    child = os.fork()
    if child:
        os.close(telling)
        return child, said
    try:
        waits = appended(log, count, concurrent)
        log.close()
        with os.fdopen(telling, "w") as pipe:
            json.dump(waits, pipe)
    finally:
        os._exit(0)
