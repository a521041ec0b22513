"""The policy's budgets: decide warm and cold, compile, 50 invariants proved, an exact diff.

``cpu_ms`` is process CPU time, the median of repetitions; compiled policies are forgotten first.
"""

import statistics
import time
from dataclasses import replace

import pytest

from whoisgate import app
from whoisgate.elements import ELEMENTS
from whoisgate.policy.compiled import Compiled, compiled
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


def cpu(benchmark, action, budget_ms):
    """Benchmark ``action``, and note its CPU time beside the budget."""
    benchmark(action)
    spent = []
    for _ in range(15):
        started = time.process_time()
        action()
        spent.append(time.process_time() - started)
    benchmark.extra_info["cpu_ms"] = round(statistics.median(spent) * 1e3, 2)
    benchmark.extra_info["budget_ms"] = budget_ms
    print(f"{benchmark.name}: {benchmark.extra_info['cpu_ms']} ms of CPU, budget {budget_ms}")


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
    cpu(benchmark, lambda: Compiled(rules), None)


def test_prove_50_invariants(benchmark, policy):
    """The shipped ones, again for more classes of requester; from rules to proofs."""
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
        compiled.cache_clear()
        assert prove(policy, fifty) == ()

    cpu(benchmark, proved, 100)


@pytest.mark.parametrize("change", ["nothing", "a fact"])
def test_exact_diff(benchmark, policy, change):
    """From two sets of rules to every change; ``a fact`` opens one rule beyond a condition."""
    rules = tuple(
        replace(r, when=tuple(a for a in r.when if a.attribute != "publish_consent"))
        if change == "a fact"
        else r
        for r in policy.rules
    )
    other = replace(policy, rules=rules)

    def differ():
        compiled.cache_clear()
        assert bool(diff(policy, other)) is (change == "a fact")

    cpu(benchmark, differ, 50)
