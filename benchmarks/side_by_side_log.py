"""Appending to other transparency logs and to ours, on one disk in one run.

``python benchmarks/side_by_side_log.py [FOLDER]``, in the environment of `make bench` and after
`make interop`, prints two tables. ``tests/interop/go/appends`` appends to Tessera's POSIX log;
pymerkle's SQLite tree runs alone in an environment of its own, from versions pinned by hash. Every
entry is as long as ours. Logs lie in FOLDER, by default in ``.venv``, which is hardly in memory.
Shown is the fastest of some rounds, for other work slows a machine and never hastens it.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
GO = Path(os.environ.get("GO_PROGRAMS", HERE.parent / ".venv" / "interop" / "bin"))
CONCURRENT = (1, 8, 64, 256)
AGES = ("1ms", "5ms", "20ms", "100ms")
"""How long Tessera's batches wait for more; the best is shown for each concurrency."""
SECONDS, ROUNDS = 2.0, 3
BEFORE = 20_000
"""Entries in pymerkle's tree before the measuring, so that proofs have their usual length."""


class Figure(NamedTuple):
    """Entries per second, the wait of one appender in ms, and CPU time of an entry in µs."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float

    @classmethod
    def of(cls, waits_s: Sequence[float], took_s: float, cpu_s: float, batch: int = 1) -> Figure:
        """From the waits for batches of so many entries."""
        cuts, entries = statistics.quantiles(waits_s, n=100), len(waits_s) * batch
        return cls(entries / took_s, cuts[49] * 1e3, cuts[98] * 1e3, cpu_s / entries * 1e6)

    def cells(self) -> str:
        return (
            f"{self.per_second:,.0f} | {self.p50_ms:,.1f} | {self.p99_ms:,.1f} | {self.cpu_us:,.0f}"
        )


# --- Ours ----------------------------------------------------------------------------------------


def ours(folder: Path, concurrent: int, *, published: bool) -> Figure:
    """Appenders wait for the receipt, or until the published checkpoint holds the entry too."""
    from test_append import disclosure, new_log

    log = new_log(folder)

    async def shown() -> None:
        """Tell the waiting how many entries the published checkpoint holds."""
        nonlocal size
        while True:
            await asyncio.sleep(0.001)
            size = int((folder / "log" / "checkpoint").read_text().split("\n")[1])
            async with grown:
                grown.notify_all()

    async def append() -> None:
        receipt = await asyncio.wrap_future(log.append(disclosure()))
        if published:
            async with grown:
                await grown.wait_for(lambda: size > receipt.index)

    async def run() -> Figure:
        nonlocal grown
        grown = asyncio.Condition()
        log.publish()
        watching = asyncio.create_task(shown()) if published else None
        figure = await measured(append, concurrent)
        if watching:
            watching.cancel()
        return figure

    size, grown = 0, None
    try:
        return asyncio.run(run())
    finally:
        log.close()


async def measured(append: Callable[[], Awaitable[None]], concurrent: int) -> Figure:
    waits: list[float] = []

    async def one() -> None:
        while (begun := time.perf_counter()) < end:
            await append()
            waits.append(time.perf_counter() - begun)

    await append()
    started, cpu = time.perf_counter(), time.process_time()
    end = started + SECONDS
    await asyncio.gather(*(one() for _ in range(concurrent)))
    return Figure.of(waits, time.perf_counter() - started, time.process_time() - cpu)


def entry_bytes() -> int:
    """The length of our entry."""
    from test_append import disclosure, utc_now
    from whoisgate.audit.entry import seal

    made = {"nonce": b"n" * 16, "shred": b"s" * 32, "epoch_key": b"e" * 32, "node": "ab" * 8}
    return len(seal(disclosure(), logged_at=utc_now(), sequence=17, **made).leaf)


# --- Others --------------------------------------------------------------------------------------


def tessera(folder: Path, concurrent: int, size: int, age: str, *, published: bool) -> Figure:
    before = children_cpu_s()
    done = subprocess.run(
        [GO / "appends", f"--folder={folder}", f"--concurrent={concurrent}", f"--size={size}",
         f"--seconds={SECONDS}", f"--age={age}", f"--published={published}".lower()],
        check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    said: Mapping[str, float] = json.loads(done.stdout)
    cpu_us = (children_cpu_s() - before) / said["entries"] * 1e6
    return Figure(said["per_second"], said["p50_ms"], said["p99_ms"], cpu_us)


def children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def pymerkle(folder: Path, batch: int, size: int) -> Figure:
    """In batches of one transaction each, every entry with its proof; the wait is a batch's."""
    from side_by_side_policy import outside

    words = (str(folder / "tree.db"), str(batch), str(size))
    done = outside(Path(__file__), *words, stdout=subprocess.PIPE)
    done.check_returncode()
    return Figure(*json.loads(done.stdout))


def inside(file: str, batch: int, size: int) -> Figure:
    """Runs where pymerkle is; a write-ahead log, synced at each commit, as ours is."""
    from pymerkle import SqliteTree

    tree = SqliteTree(file)
    tree.con.execute("PRAGMA journal_mode = WAL")
    tree.con.execute("PRAGMA synchronous = FULL")
    tree.append_entries(secrets.token_bytes(size) for _ in range(BEFORE))
    tree.prove_inclusion(BEFORE)
    waits: list[float] = []
    started, cpu = time.perf_counter(), time.process_time()
    while (begun := time.perf_counter()) < started + SECONDS:
        last = tree.append_entries([secrets.token_bytes(size) for _ in range(batch)])
        for index in range(last - batch + 1, last + 1):
            tree.prove_inclusion(index)
        waits.append(time.perf_counter() - begun)
    return Figure.of(waits, time.perf_counter() - started, time.process_time() - cpu, batch)


# --- Measuring -----------------------------------------------------------------------------------


def sync_ms(folder: Path) -> float:
    """What one write of 4 KiB and its sync cost on this disk, median."""
    waits = []
    with (folder / "probe").open("wb") as probe:
        for _ in range(200):
            begun = time.perf_counter()
            probe.write(bytes(4096))
            probe.flush()
            os.fdatasync(probe.fileno())
            waits.append(time.perf_counter() - begun)
    return statistics.median(waits) * 1e3


def main() -> None:
    beside = Path(sys.argv[1]) if sys.argv[1:] else HERE.parent / ".venv"
    sys.setswitchinterval(0.0005)  # as the gateway does
    size = entry_bytes()

    def fresh(measure: Callable[..., Figure], *words: object, **more: object) -> Figure:
        rounds = []
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory(dir=beside) as folder:
                rounds.append(measure(Path(folder), *words, **more))
        return max(rounds)

    with tempfile.TemporaryDirectory(dir=beside) as folder:
        synced = sync_ms(Path(folder))
    print(f"Entries of {size} bytes; 4 KiB written and synced in {synced:.2f} ms;", end=" ")
    print(f"load {os.getloadavg()[0]:.1f}.\n")
    head = "| at once | log | entries/s | p50, ms | p99, ms | CPU, µs |\n|---|---|---|---|---|---|"
    print(f"Durable and in the tree:\n\n{head}")
    best = {}
    for count in CONCURRENT:
        runs = {age: fresh(tessera, count, size, age, published=False) for age in AGES}
        best[count] = max(runs, key=runs.__getitem__)
        print(f"| {count} | whoisgate, sealed and with a signed proof "
              f"| {fresh(ours, count, published=False).cells()} |")  # fmt: skip
        print(f"| {count} | Tessera, batches waiting {best[count]} | {runs[best[count]].cells()} |")
        print(f"| {count} | pymerkle, batches of {count}, with a proof "
              f"| {fresh(pymerkle, count, size).cells()} |", flush=True)  # fmt: skip
    print(f"\nIn a published checkpoint:\n\n{head}")
    for count in CONCURRENT:
        told = fresh(tessera, count, size, best[count], published=True)
        print(f"| {count} | whoisgate | {fresh(ours, count, published=True).cells()} |")
        print(f"| {count} | Tessera | {told.cells()} |", flush=True)


if __name__ == "__main__":
    if "--inside" in sys.argv:
        file, *numbers = sys.argv[2:]
        print(json.dumps(inside(file, *map(int, numbers))))
    else:
        main()
