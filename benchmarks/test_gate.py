"""The gate's budgets: decide, public bodies, and disclosures with proof at 1, 8 and 64 at once."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import orjson
import pytest

import whoisgate as wg
from whoisgate import app
from whoisgate.cli import demo_folder
from whoisgate.formats import rdap
from whoisgate.policy.decide import edition
from whoisgate.redact import redact
from whoisgate.sources.memory import MemorySource

PURPOSE = "criminalInvestigationAndDNSAbuseMitigation"
DISCLOSURES = 4000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "gate"
    demo_folder.make(path, base_url="http://127.0.0.1:1/")
    return path


@pytest.fixture(scope="module")
def records(folder):
    """Records whose registrant's name is not public, so that a release is one."""
    source = app.Folder.at(folder).source()
    found = [source.find(n) for n in (folder / "demo" / "domains.txt").read_text().split()]
    return [r for r in found if r.facts.publish_consent is not True]


@pytest.fixture
def gate(folder, records):
    gate = wg.open(folder, source=MemorySource(records))
    yield gate
    gate.close()


@pytest.fixture
def record(records):
    return records[0]


def _officer():
    return wg.Requester(
        demo_folder.AUTHORITY,
        "officer-7",
        wg.RequesterClass.LAW_ENFORCEMENT,
        wg.Assurance.HIGH,
        purposes=frozenset(wg.Purpose),
        bases=frozenset(wg.LegalBasis),
    )


def test_decide_warm(benchmark, folder, record):
    now = edition(app.Folder.at(folder).policy, app.utc_now())
    question = wg.Question.of(record.name, purpose=PURPOSE, basis="national_order", case="1",
                              elements=["registrant.name"])  # fmt: skip
    officer = _officer()
    decision = benchmark(now.decide, question, officer, record.facts)
    assert decision is now.decide(question, officer, record.facts)


def test_public_body_from_a_parsed_record(benchmark, folder, record):
    settings = app.Folder.at(folder).settings()
    now = edition(settings.policy, app.utc_now())
    question = wg.Question(record.name)

    def body():
        decision = now.decide(question, wg.PUBLIC, record.facts)
        return rdap.encode(redact(record, decision, settings.substitutes), settings.rdap)

    out = benchmark(body)
    whole = orjson.loads(bytes(out))
    dumps = min(_timed(orjson.dumps, whole) for _ in range(7))
    benchmark.extra_info["dumps_us"] = round(dumps * 1e6, 2)
    benchmark.extra_info["body_bytes"] = len(out)


def test_cached_public_answer(benchmark, gate, record):
    name = record.name
    gate.public(name)
    assert benchmark(gate.public, name)


@pytest.mark.parametrize("concurrent", [1, 8, 64])
def test_disclosure_with_proof(benchmark, gate, records, concurrent):
    names, officer = [r.name for r in records], _officer()
    waits: list[float] = []

    def disclose(n: int) -> None:
        started = time.perf_counter()
        answer = gate.ask(
            names[n % len(names)], requester=replace(officer, person=f"o{n % 50}"),
            purpose=PURPOSE, basis="national_order", case="1", elements=["registrant.name"],
        )  # fmt: skip
        assert answer.outcome is wg.Outcome.RELEASED
        waits.append(time.perf_counter() - started)

    count = DISCLOSURES if concurrent > 1 else DISCLOSURES // 4

    def run() -> None:
        with ThreadPoolExecutor(concurrent) as pool:
            list(pool.map(disclose, range(count)))

    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    cuts = statistics.quantiles(waits, n=100)
    benchmark.extra_info["per_second"] = round(count / benchmark.stats.stats.median)
    benchmark.extra_info["p50_ms"] = round(cuts[49] * 1e3, 2)
    benchmark.extra_info["p99_ms"] = round(cuts[98] * 1e3, 2)


def _timed(function, argument, loops: int = 2000) -> float:
    started = time.process_time()
    for _ in range(loops):
        function(argument)
    return (time.process_time() - started) / loops
