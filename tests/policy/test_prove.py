"""The proofs against plain enumeration of every context and every set of active rules."""

import random
from itertools import combinations, product

import pytest

from whoisgate.elements import ELEMENTS, Kind
from whoisgate.policy.compiled import Compiled
from whoisgate.policy.diagram import Budget, TooManyCases
from whoisgate.policy.evaluate import granting_forms
from whoisgate.policy.model import (
    ANONYMOUS_ATTRIBUTES,
    ATTRIBUTES,
    RELEASE,
    Atom,
    InForce,
    Invariant,
    Rule,
    Treatment,
)
from whoisgate.policy.prove import breaches, conflicts, idle, revealed
from whoisgate.policy.read import CONTACT_ROLES

EMAIL = ELEMENTS["registrant.email"]
MENTIONED = ("requester", "basis", "approval", "registrant_kind", "publish_consent")
WORDS = {
    "requester": ("public", "law_enforcement", "csirt", "court"),
    "basis": ("national_order", "court_order", "emergency", "statutory_task", None),
    "approval": ("none", "standing", "granted"),
    "registrant_kind": ("natural", "legal", "unspecified"),
    "publish_consent": ("true", "false", None),
}
"""The words that the random rules mention, one more of each kind, and unknown."""


def atoms(rng, most):
    chosen = rng.sample(MENTIONED, rng.randint(0, most))
    known = {a: [w for w in WORDS[a][:3] if w] for a in chosen}
    return tuple(
        Atom(a, frozenset(rng.sample(words, rng.randint(1, max(1, len(words) - 1)))))
        for a, words in known.items()
    )


def rules_of(rng):
    switches = [InForce(switch="one"), InForce(switch="two")]
    kinds = [Treatment(Kind.REPLACE), Treatment(Kind.PSEUDONYM, "domain"),
             Treatment(Kind.PSEUDONYM, "stable"), RELEASE]  # fmt: skip
    return tuple(
        Rule(
            f"R{n}",
            rng.choice(("grant", "grant", "cap")),
            rng.choice(kinds if n % 2 else [*kinds, Treatment(Kind.WITHHOLD)]),
            frozenset({EMAIL}),
            atoms(rng, 3),
            atoms(rng, 2) if rng.random() < 0.4 else (),
            in_force=tuple(rng.sample(switches, rng.randint(0, 1))),
        )
        for n in range(rng.randint(1, 4))
    )


def contexts():
    """Every context that some question has, in the words above."""
    plain = dict.fromkeys(ATTRIBUTES) | {"assurance": "high", "urgency": "none", "case": "given"}
    for words in product(*WORDS.values()):
        context = {**plain, **dict(zip(MENTIONED, words, strict=True)), "disclose": "absent"}
        if context["requester"] != "public":
            yield context
        elif context["basis"] is None and context["approval"] == "none":
            yield {**context, **ANONYMOUS_ATTRIBUTES}


CONTEXTS = tuple(contexts())


def editions(rules):
    """Every subset of rules that switches can make active."""
    for on in product((False, True), repeat=2):
        active = {name for name, there in zip(("one", "two"), on, strict=True) if there}
        yield [r for r in rules if all(p.switch in active for p in r.in_force)]


def matches(when, context):
    return all(context[a.attribute] in {None, *a.words} for a in when)


@pytest.mark.parametrize("seed", range(6))
def test_proves_an_invariant_exactly_when_enumeration_does(seed, naive):
    rng, broken = random.Random(seed), 0
    for _ in range(40):
        rules, when = rules_of(rng), atoms(rng, 3)
        never = rng.choice((Kind.REPLACE, Kind.PSEUDONYM, Kind.RELEASE))
        found = list(breaches(Compiled(rules), Invariant("I", never, frozenset({EMAIL}), when)))
        expected = any(
            naive(active, EMAIL, context).kind >= never
            for active in editions(rules)
            for context in CONTEXTS
            if matches(when, context)
        )
        assert bool(found) is expected, (rules, when, never)
        broken += expected
    assert 0 < broken < 40


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("requester", ["public", "csirt"])
def test_finds_what_is_revealed_exactly_when_enumeration_does(seed, requester, naive):
    rng, some = random.Random(seed), 0
    for _ in range(15):
        rules = rules_of(rng)
        known = frozenset({CONTACT_ROLES})
        found = {r.fact for r in revealed(Compiled(rules), requester, known)}
        expected = facts_that_differ(rules, requester, naive)
        assert found == expected, rules
        some += bool(expected)
    assert some


def facts_that_differ(rules, requester, naive):
    mine = [c for c in CONTEXTS if c["requester"] == requester]
    differing = set()
    for active in editions(rules):
        seen = {tuple(c.values()): naive(active, EMAIL, c) for c in mine}
        for fact in ("registrant_kind", "publish_consent"):
            groups = {}
            for context in mine:
                rest = tuple({**context, fact: None}.values())
                groups.setdefault(rest, set()).add(seen[tuple(context.values())])
            differing |= {fact} if any(len(g) > 1 for g in groups.values()) else set()
    return differing


@pytest.mark.parametrize("seed", range(4))
def test_finds_conflicts_exactly_when_enumeration_does(seed):
    rng, some = random.Random(seed), 0
    for _ in range(40):
        rules = rules_of(rng)
        found = {(first.id, second.id) for _, first, second in conflicts(Compiled(rules))}
        expected = {
            (one.id, other.id)
            for one, other in combinations([r for r in rules if r.action == "grant"], 2)
            if one.treatment.kind is other.treatment.kind and one.treatment != other.treatment
            and any(holds(one, c) and holds(other, c) for c in CONTEXTS)
        }  # fmt: skip
        assert found == expected
        some += bool(expected)
    assert some


def holds(rule, context):
    def form_holds(form):
        met = all(context[a.attribute] in a.words for a in form.when)
        excepted = form.unless and matches(form.unless, context)
        return met and not excepted

    return any(form_holds(form) for form in granting_forms(rule))


def test_gives_a_question_that_breaks_the_invariant():
    rule = Rule(
        "OPEN", "grant", RELEASE, frozenset({EMAIL}),
        when=(Atom("registrant_kind", frozenset({"legal", "unspecified"})),),
        unless=(Atom("region", frozenset({"eea"})),),
    )  # fmt: skip
    asked = (Atom("requester", frozenset({"public"})),)
    (breach,) = breaches(Compiled([rule]), Invariant("I", Kind.RELEASE, frozenset({EMAIL}), asked))
    pairs = dict(pair.split("=") for pair in breach.witness.split())
    assert pairs["requester"] == "public"
    assert pairs["registrant_kind"] == "legal"
    assert pairs["region"] == "other"
    assert breach.rule == "OPEN"


def test_counts_a_dated_cap_only_where_it_is_surely_active():
    grant = Rule("G", "grant", RELEASE, frozenset({EMAIL}))
    dated = InForce(switch="strict")
    cap = Rule("C", "cap", Treatment(Kind.REPLACE), frozenset({EMAIL}), in_force=(dated,))
    never = Invariant("I", Kind.RELEASE, frozenset({EMAIL}), ())
    assert list(breaches(Compiled([grant, cap]), never))
    both = Rule("G", "grant", RELEASE, frozenset({EMAIL}), in_force=(dated,))
    assert not list(breaches(Compiled([both, cap]), never))


def test_tells_of_a_contact_that_can_be_shown():
    rule = Rule("G", "grant", RELEASE, frozenset({EMAIL}))
    found = list(revealed(Compiled([rule]), "public", frozenset()))
    assert found == [(CONTACT_ROLES, EMAIL)]
    hidden = Rule("C", "cap", Treatment(Kind.WITHHOLD), frozenset({EMAIL}))
    assert list(revealed(Compiled([rule, hidden]), "public", frozenset())) == []


def test_calls_a_rule_idle_that_never_matters():
    public_with_approval = (
        Atom("requester", frozenset({"public"})),
        Atom("approval", frozenset({"granted"})),
    )
    only = frozenset({EMAIL})
    nothing = (Atom("basis", frozenset()),)
    rules = [
        Rule("UNMET", "grant", RELEASE, only, when=public_with_approval),
        Rule("NO-WORD", "grant", RELEASE, only, when=nothing),
        Rule("NO-CAP", "cap", RELEASE, only),
        Rule("OUTDONE", "grant", Treatment(Kind.REPLACE), only),
        Rule("NOTHING", "grant", Treatment(Kind.WITHHOLD), only),
        Rule("TWIN", "grant", RELEASE, only, when=(Atom("case", frozenset({"given"})),)),
        Rule("OPEN", "grant", RELEASE, only),
    ]
    assert idle(Compiled(rules)) == {"UNMET", "NO-WORD", "NO-CAP", "OUTDONE", "NOTHING"}


def test_stops_at_its_bound():
    rng = random.Random(1)
    rules = [
        Rule(f"R{n}", "cap" if n % 2 else "grant", RELEASE if n % 3 else Treatment(Kind.REPLACE),
             frozenset({EMAIL}), atoms(rng, 3), atoms(rng, 3))
        for n in range(60)
    ]  # fmt: skip
    with pytest.raises(TooManyCases):
        Compiled(rules, budget=Budget(500))


@pytest.mark.parametrize(
    ("treatment", "groups"),
    [
        (RELEASE, [{"country", "street", "email"}]),
        (Treatment(Kind.PSEUDONYM, "stable"), [{"country", "street"}, {"email"}]),
        (Treatment(Kind.GENERALISE, "country"), [{"country"}, {"street"}, {"email"}]),
    ],
)
def test_groups_elements_that_the_same_rules_treat_alike(treatment, groups):
    touched = frozenset(ELEMENTS[f"registrant.{f}"] for f in ("country", "street", "email"))
    rule = Rule("G", "grant", treatment, touched)
    found = [{e.field for e in s.elements} for s in Compiled([rule]).scopes if s.grants]
    assert sorted(found, key=sorted) == sorted(groups, key=sorted)
