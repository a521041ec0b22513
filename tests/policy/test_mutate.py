"""Mutants: which there are, which a suite catches, and which change nothing."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from whoisgate.elements import ELEMENTS, Kind
from whoisgate.errors import Position
from whoisgate.policy import load_text
from whoisgate.policy.decide import edition
from whoisgate.policy.evaluate import evaluate
from whoisgate.policy.findings import Report
from whoisgate.policy.model import (
    RELEASE,
    WITHHOLD,
    Atom,
    InForce,
    Obligation,
    Rule,
    Treatment,
)
from whoisgate.policy.mutate import Verdict, attempt, mutants
from whoisgate.policy.suite import USUAL, Case, Suite, read_suite, run

NOW = datetime(2026, 11, 25, tzinfo=UTC)
EMAIL, NAME, STREET = (ELEMENTS[f"registrant.{f}"] for f in ("email", "name", "street"))
REPLACE, LINKED = Treatment(Kind.REPLACE), Treatment(Kind.PSEUDONYM, "domain")
OFFICER = Atom("requester", frozenset({"law_enforcement"}))
GIVEN = Atom("case", frozenset({"given"}))
NOTIFY = Obligation("notify_registrant", timedelta(days=90))


def rule(**fields):
    return Rule(
        **{
            "id": "R",
            "action": "grant",
            "treatment": RELEASE,
            "elements": frozenset({EMAIL}),
            **fields,
        }
    )


def changes(of, part):
    return {m.what: m.instead for m in mutants([of]) if m.what.startswith(part)}


def test_drops_the_rule():
    assert changes(rule(), "dropped") == {"dropped": ()}


def test_drops_atoms_and_their_words_and_adds_others():
    atom = Atom("approval", frozenset({"standing", "granted"}))
    found = changes(rule(when=(GIVEN, atom)), "when")
    assert {what: instead[0].when for what, instead in found.items()} == {
        "when: `case: given` dropped": (atom,),
        "when: `case: absent` added": (Atom("case", frozenset({"given", "absent"})), atom),
        "when: `approval: granted or standing` dropped": (GIVEN,),
        "when: `approval: none` added": (GIVEN, replace(atom, words=atom.words | {"none"})),
        "when: `approval: standing` dropped": (GIVEN, Atom("approval", frozenset({"granted"}))),
        "when: `approval: granted` dropped": (GIVEN, Atom("approval", frozenset({"standing"}))),
    }  # fmt: skip


def test_drops_the_exception_whole_and_by_atom():
    eea = Atom("region", frozenset({"eea"}))
    found = changes(rule(unless=(GIVEN, eea)), "unless")
    assert {what: instead[0].unless for what, instead in found.items()} == {
        "unless: dropped": (),
        "unless: `case: given` dropped": (eea,),
        "unless: `case: absent` added": (Atom("case", frozenset({"given", "absent"})), eea),
        "unless: `region: eea` dropped": (GIVEN,),
        "unless: `region: other` added": (GIVEN, Atom("region", frozenset({"eea", "other"}))),
    }
    assert "unless: dropped" not in changes(rule(unless=(eea,)), "unless")


def test_moves_each_element_one_step_that_it_supports():
    of = rule(treatment=LINKED, elements=frozenset({EMAIL, NAME, STREET}))
    steps = {
        what: {e.name: str(r.treatment) for r in instead for e in r.elements}
        for what, instead in changes(of, "grant").items()
    }
    same = {"registrant.email": "pseudonym(domain)", "registrant.name": "pseudonym(domain)",
            "registrant.street": "pseudonym(domain)"}  # fmt: skip
    start = "grant: `{}` instead of `pseudonym(domain)` for {}".format
    assert steps == {
        start("replace", "registrant.email"): {**same, "registrant.email": "replace"},
        start("withhold", "registrant.name"): {**same, "registrant.name": "withhold"},
        start("pseudonym(stable)", "registrant.email, registrant.name"): {
            "registrant.email": "pseudonym(stable)",
            "registrant.name": "pseudonym(stable)",
            "registrant.street": "pseudonym(domain)",
        },
        start("generalise(country)", "registrant.street"): {
            **same,
            "registrant.street": "generalise(country)",
        },
    }
    assert list(changes(rule(), "grant")) == ["grant: `pseudonym(stable)` instead of `release`"]
    assert list(changes(rule(action="cap", treatment=WITHHOLD), "cap")) == [
        "cap: `replace` instead of `withhold`"
    ]


def test_drops_and_adds_elements_of_the_same_groups():
    found = changes(rule(elements=frozenset({EMAIL, NAME})), "elements")
    assert len(found) == 13
    assert found["elements: `registrant.email` dropped"][0].elements == {NAME}
    assert found["elements: `registrant.street` added"][0].elements == {EMAIL, NAME, STREET}
    assert "elements: `registrant.email` dropped" not in changes(rule(), "elements")


def test_drops_and_delays_obligations():
    review = Obligation("review_disclosure", None)
    found = changes(rule(obligations=(NOTIFY, review)), "obligations")
    assert {what: instead[0].obligations for what, instead in found.items()} == {
        "obligations: `notify_registrant` dropped": (review,),
        "obligations: `notify_registrant` a day later": (
            Obligation("notify_registrant", timedelta(days=91)),
            review,
        ),
        "obligations: `review_disclosure` dropped": (NOTIFY,),
        "obligations: `review_disclosure` a day later": (
            NOTIFY,
            Obligation("review_disclosure", timedelta(days=1)),
        ),
    }


def test_drops_each_period():
    periods = (InForce(since=NOW), InForce(switch="pilot"))
    found = changes(rule(in_force=periods), "in_force")
    assert {what: instead[0].in_force for what, instead in found.items()} == {
        "in_force: `from 2026-11-25 00:00:00+00:00` dropped": periods[1:],
        "in_force: `switch pilot` dropped": periods[:1],
    }


# --- What a suite catches ------------------------------------------------------------------------

LAW = "law: [{instrument: a, article: '1', status: in_force, source: b, checked: 2026-11-23}]"
TEXT = f"""\
whoisgate: 1
policy: small
version: "1"
elements: 1
reveals: {{public: [contact_roles]}}
rules:
  - {{id: FORM, grant: replace, elements: [registrant.email], {LAW}}}
  - id: ORDER
    grant: release
    elements: [registrant.email]
    when: {{requester: law_enforcement, case: given}}
    obligations: [{{do: notify_registrant, after: 90d}}]
    in_force: {{from: 2026-06-01}}
    {LAW}
"""
WEAK = """\
whoisgate: 1
suite: small
at: 2026-11-25
cases:
  - {name: the public, replace: registrant.email}
"""
ORDER = """\
  - name: an order
    when: {requester: law_enforcement, case: given}
    release: registrant.email
    obligations: [{do: notify_registrant, after: 90d}]
"""
STRONG = f"""\
{WEAK}{ORDER}
  - name: too early
    at: 2026-05-31
    when: {{requester: law_enforcement, case: given}}
    replace: registrant.email
  - name: no case
    when: {{requester: law_enforcement}}
    replace: registrant.email
  - name: another
    when: {{requester: {{not: law_enforcement}}, case: given}}
    replace: registrant.email
"""


def suite(text, policy):
    report = Report()
    found = read_suite(text, "small.yaml", policy, report)
    assert report.findings == []
    return found


def verdicts(text, policy=None):
    policy = policy or load_text(TEXT, "p.yaml")
    return list(attempt(policy, suite(text, policy)))


def test_a_weak_suite_lets_mutants_survive_and_names_them():
    survivors = [t for t in verdicts(WEAK) if t.verdict is Verdict.SURVIVED]
    order = [t for t in survivors if t.mutant.rule.id == "ORDER"]
    assert "dropped" in {t.mutant.what for t in order}
    dropped = next(t for t in order if t.mutant.what == "dropped")
    assert str(dropped.mutant.rule.position) == "p.yaml:8:5"
    assert (dropped.before, dropped.after, dropped.elements) == (RELEASE, REPLACE, (EMAIL,))
    assert dropped.case["when"] == {"requester": "law_enforcement", "case": "given"}
    assert dropped.case["at"] == "2026-06-01T00:00:00Z"
    early = next(t for t in order if t.mutant.what.startswith("in_force"))
    assert early.case["at"] == "2026-05-31"
    later = next(t for t in order if t.mutant.what.endswith("a day later"))
    assert (later.before, later.after, later.case["ask"]) == (
        RELEASE,
        RELEASE,
        ("registrant.email",),
    )


def test_a_strong_suite_lets_none_survive():
    counted = Counter(t.verdict for t in verdicts(STRONG))
    assert counted[Verdict.SURVIVED] == 0
    assert (
        counted[Verdict.CAUGHT]
        == len(list(mutants(load_text(TEXT).rules))) - counted[Verdict.EQUIVALENT]
    )


@pytest.mark.parametrize("name", ["an order", "too early", "no case", "another"])
def test_each_case_of_the_strong_suite_is_needed(name):
    policy = load_text(TEXT)
    whole = suite(STRONG, policy)
    without = Suite(tuple(c for c in whole.cases if not c.name.startswith(name)))
    assert any(t.verdict is Verdict.SURVIVED for t in attempt(policy, without))


def test_a_broken_policy_fails_its_suite():
    for old, new in (
        ("case: given}", "case: [given, absent]}"),
        ("90d", "9d"),
        ("replace", "release"),
    ):
        broken = load_text(TEXT.replace(old, new))
        assert run(broken, suite(STRONG, broken))


def test_what_changes_nothing_is_equivalent():
    # The public is never of high assurance, and what it has everybody has.
    text = TEXT.replace("case: given", "assurance: high")
    what = {t.mutant.what: t.verdict for t in verdicts(WEAK, load_text(text))}
    assert what["when: `requester: public` added"] is Verdict.EQUIVALENT
    assert what["when: `requester: csirt` added"] is Verdict.SURVIVED


# --- Against plain evaluation --------------------------------------------------------------------


def decided(policy, case):
    """The case as the policy decides it."""
    rulings = edition(policy, case.at, case.switches).rulings(case.context, case.facts)
    return replace(
        case,
        treatments={e: r.treatment for e, r in rulings.items()},
        obligations=frozenset(
            o for e, r in rulings.items() if e in case.asked for o in r.obligations
        ),
    )


def drawn(rng, pool, policy, touched):
    words = {**USUAL, **{a: rng.choice(w) for a, w in pool.items() if a != "disclose"}}
    del words["disclose"]
    flags = {e: rng.choice(pool["disclose"]) for e in touched if rng.random() < 0.5}
    switches = frozenset(s for s in ("one", "two") if rng.random() < 0.5)
    asked = (
        frozenset(ELEMENTS.values()) if rng.random() < 0.5 else frozenset(rng.sample(touched, 1))
    )
    position = Position("s.yaml", 1, 1)
    return decided(policy, Case("", NOW, switches, words, flags, {}, asked, frozenset(), position))


@pytest.mark.parametrize("seed", range(3))
def test_caught_means_that_a_case_fails(seed, draw, policy_of, pool, touched):
    rng = random.Random(seed)
    policy = policy_of(draw(rng, periods=True))
    tests = Suite(tuple(drawn(rng, pool, policy, touched) for _ in range(6)))
    assert run(policy, tests) == []
    for tried in attempt(policy, tests):
        assert bool(run(tried.mutant.of(policy), tests)) is (tried.verdict is Verdict.CAUGHT)


@pytest.mark.parametrize("seed", range(3))
def test_equivalent_means_that_no_context_tells(seed, draw, policy_of, pool, touched):
    rng = random.Random(seed)
    policy = policy_of(draw(rng))
    empty = drawn(rng, pool, policy, touched)
    contexts = [drawn(rng, pool, policy, touched).words(e) for _ in range(25) for e in touched]
    reachable = [w for w in contexts if w["requester"] != "public"]
    for tried in attempt(policy, Suite((empty,))):
        if tried.verdict is Verdict.EQUIVALENT:
            rules = tried.mutant.of(policy).rules
            for words in reachable:
                for element in touched:
                    assert (
                        evaluate(rules, element, words).treatment
                        == evaluate(policy.rules, element, words).treatment
                    ), tried.mutant.what


@pytest.mark.parametrize("seed", range(3))
def test_the_case_that_is_named_catches_the_mutant(seed, draw, policy_of, pool, touched):
    rng = random.Random(seed)
    policy = policy_of(draw(rng, periods=True))
    empty = drawn(rng, pool, policy, touched)
    survivors = [t for t in attempt(policy, Suite((empty,))) if t.verdict is Verdict.SURVIVED]
    for tried in rng.sample(survivors, min(30, len(survivors))):
        (again,) = attempt(policy, Suite((written(policy, tried.case),)), [tried.mutant])
        assert again.verdict is Verdict.CAUGHT, (tried.mutant.what, tried.case)


def written(policy, said):
    """A case as it is named, with what the policy decides."""
    words = {a: w for a, w in USUAL.items() if a != "disclose"}
    words.update({a: None if w == "unknown" else w for a, w in said.get("when", {}).items()})
    asked = [ELEMENTS[e] for e in said.get("ask", ())] or ELEMENTS.values()
    return decided(
        policy,
        Case(
            "",
            datetime.fromisoformat(said.get("at", "2026-11-25")).replace(tzinfo=UTC),
            frozenset(said.get("switches", ())),
            words,
            {ELEMENTS[e]: w for e, w in said.get("disclose", {}).items()},
            {},
            frozenset(asked),
            frozenset(),
            Position("s.yaml", 1, 1),
        ),
    )
