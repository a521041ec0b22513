"""WHOIS text to record: what a typical answer of 3 KB takes, and one of 64 KB."""

import sys
from pathlib import Path

import pytest

from whoisgate.formats import whois

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))

from whois_cases import CASES

BLOCKS, THICK = (
    next(c.raw.replace(c.name.encode(), b"example.com") for c in CASES if c.title == title)
    for title in ("ripe-blocks", "icann-thick")
)
LEGAL = b"Whoever reads this line knows no more of the name than before it, and no less.\r\n"
ANSWERS = {
    "3 KB, labels": THICK + LEGAL * ((3072 - len(THICK)) // len(LEGAL)),
    "1.4 KB, blocks": BLOCKS,
    "64 KB, labels": (THICK * (65536 // len(THICK) + 1))[:65536],
    "64 KB, legal text": (THICK + LEGAL * 1000)[:65536],
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_reads(benchmark, answer):
    raw = ANSWERS[answer]
    reading = benchmark(whois.read, raw, "example.com", complete=True)
    assert reading.record is not None
    benchmark.extra_info["bytes"] = len(raw)


def test_reads_every_fixture(benchmark):
    registered = [case for case in CASES if case.state == "registered"]

    def all_of_them():
        return [whois.read(c.raw, c.name, complete=c.complete) for c in registered]

    benchmark(all_of_them)
    benchmark.extra_info["bytes"] = sum(len(case.raw) for case in registered)
