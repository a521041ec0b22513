"""Differences and views against plain enumeration of every context."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from whoisgate.elements import ELEMENTS, Kind
from whoisgate.policy.compiled import EVERYTHING
from whoisgate.policy.differ import diff, views
from whoisgate.policy.evaluate import evaluate
from whoisgate.policy.load import load_named
from whoisgate.policy.model import (
    ANONYMOUS_ATTRIBUTES,
    ATTRIBUTES,
    RELEASE,
    Atom,
    InForce,
    Obligation,
    Policy,
    Rule,
    Treatment,
)

EMAIL = ELEMENTS["registrant.email"]
MENTIONED = ("requester", "case", "registrant_kind", "publish_consent")
KINDS = (Treatment(Kind.REPLACE), Treatment(Kind.PSEUDONYM, "domain"), RELEASE)


def policy_of(rules):
    return Policy("p", "1", "", "", tuple(rules))


def contexts():
    """Every reachable context in the attributes that the rules mention, and its weight."""
    others = [a for a in ATTRIBUTES if a not in MENTIONED]
    for words in product(*(EVERYTHING[a] for a in MENTIONED)):
        context = {**ANONYMOUS_ATTRIBUTES, **dict(zip(MENTIONED, words, strict=True))}
        public = context["requester"] == "public"
        if public and context["case"] != "absent":
            continue
        weight = 1
        for other in others:
            if not (public and other in ANONYMOUS_ATTRIBUTES):
                weight *= len(EVERYTHING[other])
        full = {**{a: str(ATTRIBUTES[a][0]) for a in ATTRIBUTES}, **context}
        yield public, {**full, **context}, weight


CONTEXTS = tuple(contexts())


def draw(rng):
    def atoms(most):
        return tuple(
            Atom(a, frozenset(rng.sample([str(w) for w in ATTRIBUTES[a]], rng.randint(1, 2))))
            for a in rng.sample(MENTIONED, rng.randint(0, most))
        )

    return [
        Rule(f"R{n}", rng.choice(("grant", "grant", "cap")), rng.choice(KINDS), frozenset({EMAIL}),
             atoms(3), atoms(2) if rng.random() < 0.4 else ())
        for n in range(rng.randint(1, 4))
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_counts_every_context_that_changes(seed):
    rng = random.Random(seed)
    old = draw(rng)
    new = [*old[1:], *draw(rng)[:1]]
    expected = Counter()
    for public, context, weight in CONTEXTS:
        before, after = (evaluate(r, EMAIL, context).treatment for r in (old, new))
        if before != after:
            expected[public, before, after] += weight
    found = diff(policy_of(old), policy_of(new))
    assert {(c.public, c.before, c.after): c.contexts for c in found.changes} == expected
    for change in found.changes:
        words = {
            **ANONYMOUS_ATTRIBUTES,
            **{a: str(ATTRIBUTES[a][0]) for a in ATTRIBUTES if a not in ANONYMOUS_ATTRIBUTES},
            **{k: None if v == "unknown" else v for k, v in pairs(change.witness)},
        }
        assert evaluate(old, EMAIL, words).treatment == change.before
        assert evaluate(new, EMAIL, words).treatment == change.after
    assert bool(found) is bool(expected)


def pairs(witness):
    return (pair.split("=", 1) for pair in witness.split())


def test_sees_no_effect_in_an_edit_without_one():
    grant = Rule("G", "grant", RELEASE, frozenset({EMAIL}), (Atom("case", frozenset({"given"})),))
    covered = replace(grant, id="H", when=(*grant.when, Atom("region", frozenset({"eea"}))))
    assert not diff(policy_of([grant]), policy_of([grant, covered]))
    assert not diff(policy_of([grant, covered]), policy_of([covered, replace(grant, id="I")]))


def test_tells_other_obligations_apart():
    duty = Obligation("notify_registrant", timedelta(days=9))
    grant = Rule("G", "grant", RELEASE, frozenset({EMAIL}), (Atom("case", frozenset({"given"})),))
    (change,) = diff(policy_of([grant]), policy_of([replace(grant, obligations=(duty,))])).changes
    assert (change.direction, change.duties_before, change.duties_after) == (
        "obligations",
        (),
        (duty,),
    )


def test_leaves_out_obligations_that_no_gate_owes():
    """What the public is shown as well brings no obligation; what is withheld brings none."""
    consent = Rule("C", "grant", RELEASE, frozenset({EMAIL}), (Atom("region", frozenset({"eea"})),))
    cap = Rule("W", "cap", Treatment(Kind.WITHHOLD), frozenset({EMAIL}))
    duty = Obligation("notify_registrant", timedelta(days=9))
    grant = Rule("G", "grant", RELEASE, frozenset({EMAIL}), (Atom("case", frozenset({"given"})),))
    bound = replace(grant, obligations=(duty,))
    (change,) = diff(policy_of([consent, grant]), policy_of([consent, bound])).changes
    assert "region=other" in change.witness
    everywhere = replace(consent, when=())
    assert not diff(policy_of([everywhere, grant]), policy_of([everywhere, bound]))
    assert not diff(policy_of([cap, grant]), policy_of([cap, bound]))


def test_sees_what_a_date_or_switch_alone_opens():
    grant = Rule("G", "grant", RELEASE, frozenset({EMAIL}))
    later = InForce(since=datetime(2027, 1, 1, tzinfo=UTC), switch="open")
    found = diff(policy_of([]), policy_of([replace(grant, in_force=(later,))]))
    assert found.public_gains
    (public, known) = found.changes
    assert public.witness == "requester=public at=2027-01-01T00:00:00Z switch:open=on"
    assert public.contexts == diff(policy_of([]), policy_of([grant])).changes[0].contexts
    assert not known.public


def test_calls_it_a_gain_only_where_a_person_can_be_identified():
    def only(name):
        return policy_of([Rule("G", "grant", RELEASE, frozenset({ELEMENTS[name]}))])

    assert not diff(policy_of([]), only("domain.created")).public_gains
    assert diff(policy_of([]), only("registrant.email")).public_gains
    assert not diff(only("registrant.email"), policy_of([])).public_gains


def test_names_purposes_whose_default_elements_change():
    old = policy_of([])
    new = replace(old, defaults={"legalActions": frozenset({EMAIL})})
    assert diff(old, new).defaults == ("legalActions",)


@pytest.mark.parametrize("seed", range(8))
def test_lists_every_view_once(seed):
    rules = draw(random.Random(seed))
    expected = {evaluate(rules, EMAIL, context).treatment for _, context, _ in CONTEXTS}
    found = [v.treatments.get(EMAIL, Treatment(Kind.WITHHOLD)) for v in views(policy_of(rules))]
    assert sorted(found, key=str) == sorted(expected, key=str)


def test_lists_the_views_of_a_shipped_policy():
    found = views(load_named("icann-gtld"))
    assert len({tuple(v.treatments.items()) for v in found}) == len(found)
    assert sum(v.public for v in found) >= 3
