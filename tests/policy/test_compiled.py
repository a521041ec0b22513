"""Compiled policies against plain evaluation: shipped and random ones, in random contexts."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from tests.conftest import SOAK

from whoisgate.elements import ELEMENTS
from whoisgate.policy.compiled import Compiled, compiled
from whoisgate.policy.decide import edition, in_force
from whoisgate.policy.diagram import MAX_STEPS, TooManyCases, value
from whoisgate.policy.evaluate import evaluate
from whoisgate.policy.files import shipped
from whoisgate.policy.load import load_named
from whoisgate.policy.model import ATTRIBUTES, RELEASE, InForce, Rule
from whoisgate.records import Facts

NOW = datetime(2026, 11, 25, tzinfo=UTC)
ROUNDS = 64
DECISIONS = (10_000_000 if SOAK else 40_000) // ROUNDS
"""In each round: half on a shipped policy, half on random ones."""


def any_context(rng):
    return {
        a: rng.choice([*map(str, words), None]) if rng.random() < 0.8 else str(words[0])
        for a, words in ATTRIBUTES.items()
    }


def any_moment(rng, rules):
    moments = [m for r in rules for p in r.in_force for m in (p.since, p.until) if m]
    switches = sorted({p.switch for r in rules for p in r.in_force if p.switch})
    now = rng.choice([NOW, *moments]) + rng.choice((-1, 0, 1)) * timedelta(microseconds=1)
    return now, frozenset(s for s in switches if rng.random() < 0.5)


def compare(rng, rules, whole, decisions):
    now, switches = any_moment(rng, rules)
    active = [r for r in rules if in_force(r, now, switches)]
    state = whole.space.words(now, switches)
    done = 0
    while done < decisions:
        context = any_context(rng)
        for element, scope in whole.scope_of.items():
            done += 1
            expected = evaluate(active, element, context)
            assert value(scope.diagram, {**state, **context}) == expected, (element, context)
    return done


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_answers_as_plain_evaluation_does(seed, draw):
    rng = random.Random(seed)
    names = shipped()
    policy = load_named(names[seed % len(names)])
    done = compare(rng, policy.rules, compiled(policy), DECISIONS // 2)
    while done < DECISIONS:
        rules = dated(rng, draw(rng, periods=True))
        done += compare(rng, rules, Compiled(rules), min(2_000, DECISIONS - done))
    assert done >= DECISIONS


def dated(rng, rules):
    """Some rules with a date, or two periods as composition gives them."""
    days = [NOW + timedelta(days=n) for n in range(3)]

    def period():
        since, until = sorted(rng.sample(days, 2))
        return InForce(rng.choice((None, since)), rng.choice((None, until)))

    def more(rule):
        return {f: getattr(rule, f) for f in rule.__slots__} | {
            "in_force": (*rule.in_force, *(period() for _ in range(rng.randint(0, 2))))
        }

    return [type(rule)(**more(rule)) for rule in rules]


def test_gives_an_edition_until_the_next_date(draw, policy_of):
    rules = dated(random.Random(3), draw(random.Random(3)))
    moments = sorted({m for r in rules for p in r.in_force for m in (p.since, p.until) if m})
    now = edition(policy_of(rules), moments[0] - timedelta(days=1))
    assert now.until == moments[0]
    assert edition(policy_of(rules), moments[-1]).until is None


def test_leaves_nothing_for_elements_that_no_rule_names(policy_of):
    assert edition(policy_of([]), NOW).rulings(dict.fromkeys(ATTRIBUTES), Facts()) == {}
    assert len(Compiled([]).scope_of) == len(ELEMENTS)


def test_spends_no_budget_twice(policy_of):
    rule = Rule("R", "grant", RELEASE, frozenset({ELEMENTS["domain.created"]}))
    policy = policy_of([rule])
    one, other = compiled(policy), compiled(policy)
    one.budget.spend(MAX_STEPS)
    other.budget.spend(MAX_STEPS)
    assert one.scopes is other.scopes
    with pytest.raises(TooManyCases):
        one.budget.spend()
