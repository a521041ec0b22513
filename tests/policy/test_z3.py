"""The proofs against z3, which is told the design's sentences and nothing of our diagrams."""

import random
from datetime import UTC, datetime
from functools import cache
from itertools import product

import pytest
import z3

from whoisgate.elements import Kind
from whoisgate.policy import load, load_named, prove
from whoisgate.policy.compiled import EVERYTHING
from whoisgate.policy.evaluate import effect
from whoisgate.policy.files import shipped, shipped_folder
from whoisgate.policy.model import ANONYMOUS_ATTRIBUTES, ATTRIBUTES, Atom, Invariant

EARLY = datetime(1970, 1, 1, tzinfo=UTC)
UNKNOWN = 255


def policies():
    drafts = sorted((shipped_folder() / "drafts").glob("*.yaml"))
    return [load_named(name) for name in shipped()] + [load(path) for path in drafts]


POLICIES = {policy.name: policy for policy in policies()}


class World:
    """One question, as z3 sees it: eight bits for each attribute, `UNKNOWN` for unknown."""

    def __init__(self):
        self.asked = {a: z3.BitVec(a, 8) for a in ATTRIBUTES}
        self.public = {
            **self.asked,
            **{a: z3.BitVecVal(number(a, word), 8) for a, word in ANONYMOUS_ATTRIBUTES.items()},
        }
        self.possible = z3.And(
            *(
                z3.Or(*(self.asked[a] == number(a, w) for w in words))
                for a, words in EVERYTHING.items()
            ),
            z3.Or(
                self.asked["requester"] != number("requester", "public"),
                z3.And(*(self.asked[a] == self.public[a] for a in ANONYMOUS_ATTRIBUTES)),
            ),
        )


def number(attribute, word):
    return UNKNOWN if word is None else [str(w) for w in ATTRIBUTES[attribute]].index(word)


WORLD = World()


def surely(atom, words):
    value = words[atom.attribute]
    return z3.Or(*(value == number(atom.attribute, w) for w in atom.words), z3.BoolVal(val=False))


def maybe(atom, words):
    return z3.Or(words[atom.attribute] == UNKNOWN, surely(atom, words))


def grants(rule, words):
    met = z3.And(*(surely(a, words) for a in rule.when), z3.BoolVal(val=True))
    return (
        z3.And(met, z3.Not(z3.And(*(maybe(a, words) for a in rule.unless)))) if rule.unless else met
    )


def caps(rule, words):
    met = z3.And(*(maybe(a, words) for a in rule.when), z3.BoolVal(val=True))
    return (
        z3.And(met, z3.Not(z3.And(*(surely(a, words) for a in rule.unless))))
        if rule.unless
        else met
    )


@cache
def held(rule):
    """Whether a rule holds; a grant holds as the public has it, too."""
    if rule.action == "cap":
        return caps(rule, WORLD.asked)
    return z3.Or(grants(rule, WORLD.asked), grants(rule, WORLD.public))


def reaches(rules, element, never):
    """``min(caps, max(grants)) >= never``: some grant is as open, and no cap that holds is less."""
    granted, capped = [], []
    for rule in (r for r in rules if element in r.elements):
        open_enough = effect(rule, element).kind >= never
        if rule.action == "cap":
            capped += [] if open_enough else [held(rule)]
        elif open_enough and all(o.after is not None for o in rule.obligations):
            granted.append(held(rule))
    return z3.And(z3.Or(*granted), z3.Not(z3.Or(*capped)))


def states(rules):
    """The rules in force at every date and with any switches."""
    moments = sorted({m for r in rules for p in r.in_force for m in (p.since, p.until) if m})
    switches = sorted({p.switch for r in rules for p in r.in_force if p.switch})
    for now, on in product([EARLY, *moments], product((False, True), repeat=len(switches))):
        active = {s for s, there in zip(switches, on, strict=True) if there}
        yield [
            r
            for r in rules
            if all(
                (p.since is None or now >= p.since)
                and (p.until is None or now < p.until)
                and (p.switch is None or p.switch in active)
                for p in r.in_force
            )
        ]


def breached(policy, invariant):
    solver = z3.Solver()
    solver.add(WORLD.possible, *(maybe(a, WORLD.asked) for a in invariant.when))
    touching = [r for r in policy.rules if r.elements & invariant.elements]
    for active in {tuple(rules) for rules in states(touching)}:
        solver.push()
        touched = alike(invariant.elements, active)
        solver.add(z3.Or(*(reaches(active, e, invariant.never) for e in touched)))
        if solver.check() == z3.sat:
            return True
        solver.pop()
    return False


def alike(elements, rules):
    """One element of each set that the same rules touch and that supports the same treatments."""
    return {(e.supports, *(r.id for r in rules if e in r.elements)): e for e in elements}.values()


@pytest.mark.parametrize("name", POLICIES)
def test_agrees_on_every_invariant_of_every_shipped_policy(name):
    policy = POLICIES[name]
    assert policy.invariants
    for invariant in policy.invariants:
        assert not prove(policy, [invariant])
        assert not breached(policy, invariant), invariant.id


def wrong(rng, invariant):
    """The invariant with something taken out of it, which may make it wrong."""
    when = list(invariant.when)
    if when and rng.random() < 0.6:
        lost = when.pop(rng.randrange(len(when)))
        words = [str(w) for w in ATTRIBUTES[lost.attribute]]
        if rng.random() < 0.7:
            when.append(
                Atom(lost.attribute, frozenset(rng.sample(words, rng.randint(1, len(words)))))
            )
    never = rng.choice([k for k in Kind if k is not Kind.WITHHOLD])
    return Invariant(invariant.id, never, invariant.elements, tuple(when))


@pytest.mark.parametrize("name", POLICIES)
def test_agrees_on_seeded_wrong_invariants(name):
    policy, rng, seen = POLICIES[name], random.Random(name), set()
    for invariant in policy.invariants * (80 // len(policy.invariants) + 1):
        changed = wrong(rng, invariant)
        expected = breached(policy, changed)
        assert bool(prove(policy, [changed])) is expected, changed
        seen.add(expected)
    assert True in seen
