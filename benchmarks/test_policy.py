"""The policy's budgets: decide warm and cold, compile, 50 invariants proved, an exact diff.

``cpu_ms`` is process CPU time, the median of repetitions. Proofs and differences are those of
compiled policies; what compiling takes stands beside.
"""

import statistics
import time
from dataclasses import replace

import pytest

from whoisgate import app
from whoisgate.elements import ELEMENTS
from whoisgate.policy.compiled import Compiled
from whoisgate.policy.decide import Approved, edition
from whoisgate.policy.differ import diff
from whoisgate.policy.files import shipped
from whoisgate.policy.load import load_named
from whoisgate.policy.model import RELEASE, Atom
from whoisgate.policy.prove import prove
from whoisgate.queries import Assurance, Question, Requester, RequesterClass
from whoisgate.records import Facts

PURPOSE = "criminalInvestigationAndDNSAbuseMitigation"
QUESTION = Question.of(
    "example.com", purpose=PURPOSE, basis="national_order", case="1", elements=["registrant.name"]
)
OFFICER = Requester("Police", "7", RequesterClass.LAW_ENFORCEMENT, Assurance.HIGH)
STANDING = Approved(frozenset({ELEMENTS["registrant.name"]}))
FACTS = Facts(publish_consent=False)


def cpu(benchmark, action, budget_ms=None):
    """Benchmark ``action``, and note its CPU time beside the budget."""
    action()
    benchmark(action)
    spent = []
    for _ in range(15):
        started = time.process_time()
        action()
        spent.append(time.process_time() - started)
    benchmark.extra_info["cpu_ms"] = round(statistics.median(spent) * 1e3, 2)
    budget = f", budget {budget_ms}" if budget_ms else ""
    print(f"{benchmark.name}: {benchmark.extra_info['cpu_ms']} ms of CPU{budget}")


@pytest.fixture(scope="module")
def policy():
    return load_named("icann-gtld")


def test_decide_warm(benchmark, policy):
    now = edition(policy, app.utc_now())
    decision = benchmark(now.decide, QUESTION, OFFICER, FACTS, STANDING)
    assert decision is now.decide(QUESTION, OFFICER, FACTS, STANDING)


def test_decide_cold(benchmark, policy):
    now = edition(policy, app.utc_now())

    def decide():
        now._memo.clear()
        now._allowed.cache_clear()
        return now.decide(QUESTION, OFFICER, FACTS, STANDING)

    assert benchmark(decide).outcome == "released"


@pytest.mark.parametrize("name", shipped())
def test_compile(benchmark, name):
    rules = load_named(name).rules
    cpu(benchmark, lambda: Compiled(rules))


def test_prove_50_invariants(benchmark, policy):
    """The shipped ones, and again those that forbid a release, region by region."""
    known = policy.invariants
    more = [
        replace(i, id=f"{i.id}-{word}", when=(*i.when, Atom("region", frozenset({word}))))
        for word in ("eea", "other")
        for i in known
        if i.never is RELEASE.kind
    ]
    fifty = [*known, *more, *more][:50]
    assert len(fifty) == 50

    def proved():
        assert prove(policy, fifty) == ()

    cpu(benchmark, proved, 100)


@pytest.mark.parametrize("change", ["nothing", "a fact"])
def test_exact_diff(benchmark, policy, change):
    """Every change between two policies; ``a fact`` drops one condition from every rule."""
    rules = tuple(
        replace(r, when=tuple(a for a in r.when if a.attribute != "publish_consent"))
        if change == "a fact"
        else r
        for r in policy.rules
    )
    other = replace(policy, rules=rules)

    def differ():
        assert bool(diff(policy, other)) is (change == "a fact")

    cpu(benchmark, differ, 50)
