"""Properties of `decide`, against a second evaluator and random policies."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from whoisgate.elements import ELEMENTS, Kind
from whoisgate.policy.decide import NOTHING_APPROVED, Approved, Outcome, edition
from whoisgate.policy.evaluate import caps_in, grants_in
from whoisgate.policy.model import (
    ANONYMOUS_ATTRIBUTES,
    ATTRIBUTES,
    RELEASE,
    Atom,
    InForce,
    Obligation,
    Rule,
    Treatment,
)
from whoisgate.queries import (
    PUBLIC,
    Assurance,
    LegalBasis,
    Purpose,
    Question,
    Requester,
    RequesterClass,
)
from whoisgate.records import Facts, Region, RegistrantKind

NOW = datetime(2026, 11, 23, tzinfo=UTC)
EMAIL, NAME = ELEMENTS["registrant.email"], ELEMENTS["registrant.name"]
CLASSES = ("public", "law_enforcement", "csirt", "court")


def rank(treatment):
    return treatment.strength


def some(rng, elements):
    return frozenset(e for e in elements if rng.random() < 0.5)


def draw_asking(rng, touched):
    """A random question, requester, facts and approvals."""
    allow = some(rng, touched)
    facts = Facts(
        rng.choice(list(RegistrantKind)),
        rng.choice((None, True, False)),
        rng.choice((None, True, False)),
        rng.choice((None, *Region)),
        rng.choice((None, True, False)),
        allow,
        some(rng, touched) - allow,
    )
    question = Question(
        "example.com",
        Purpose.LEGAL_ACTIONS,
        rng.choice((None, LegalBasis.NATIONAL_ORDER, LegalBasis.COURT_ORDER)),
        rng.choice((None, "2026-1")),
        some(rng, touched),
        gated=rng.random() < 0.9,
    )
    requester = Requester(
        "authority", "p", RequesterClass(rng.choice(CLASSES)), rng.choice(list(Assurance))
    )
    return question, requester, facts, Approved(some(rng, touched), some(rng, touched))


def element_words(question, requester, facts, element):
    disclose = "absent"
    if element in facts.disclose_allow:
        disclose = "allow"
    if element in facts.disclose_deny:
        disclose = "deny"
    flag = {None: None, True: "true", False: "false"}
    return {
        "requester": requester.requester_class.value,
        "assurance": requester.assurance.value,
        "purpose": question.purpose.value if question.purpose else None,
        "basis": question.basis.value if question.basis else None,
        "jurisdiction": None,
        "urgency": "none",
        "case": "given" if question.case else "absent",
        "approval": "none",
        "registrant_kind": facts.registrant_kind.value,
        "publish_consent": flag[facts.publish_consent],
        "organization_consent": flag[facts.organization_consent],
        "disclose": disclose,
        "region": facts.region.value if facts.region else None,
        "privacy_service": flag[facts.privacy_service],
        "tld_group": "gtld",
    }


def naive_decision(naive, rules, asking, element):
    """The treatment of one element, as the design's words have it."""
    question, requester, facts, approved = asking
    words = element_words(question, requester, facts, element)
    public = naive(rules, element, {**words, **ANONYMOUS_ATTRIBUTES})
    if requester.requester_class == "public" or not question.gated:
        return public
    approvals = [
        name
        for name, elements in (("standing", approved.standing), ("granted", approved.granted))
        if element in elements
    ]
    allowed = max(
        (naive(rules, element, {**words, "approval": a}) for a in approvals or ["none"]), key=rank
    )
    return allowed if element in question.elements else min(allowed, public, key=rank)


@pytest.mark.parametrize("seed", range(8))
def test_agrees_with_a_second_evaluator(seed, draw, policy_of, naive, touched):
    rng, compared = random.Random(seed), 0
    for _ in range(200):
        rules = draw(rng)
        now = edition(policy_of(rules), NOW)
        for _ in range(8):
            asking = draw_asking(rng, touched)
            decision = now.decide(*asking)
            compared += 1
            for element in touched:
                expected = naive_decision(naive, rules, asking, element)
                assert decision.treatment(element) == expected, (seed, rules, asking, element)
            assert decision.rulings.keys() <= set(touched)
    assert compared == 1_600


@pytest.mark.parametrize("seed", range(4))
def test_never_releases_more_for_a_further_cap(seed, draw, draw_rule, policy_of, touched):
    rng = random.Random(seed)
    for _ in range(150):
        rules = draw(rng)
        cap = draw_rule(rng, 99)
        while cap.action != "cap":
            cap = draw_rule(rng, 99)
        before, after = edition(policy_of(rules), NOW), edition(policy_of([*rules, cap]), NOW)
        for _ in range(4):
            asking = draw_asking(rng, touched)
            less, more = after.decide(*asking), before.decide(*asking)
            assert all(rank(less.treatment(e)) <= rank(more.treatment(e)) for e in touched)


@pytest.mark.parametrize("seed", range(4))
def test_does_not_look_at_the_order_of_rules(seed, draw, policy_of, touched):
    rng = random.Random(seed)
    for _ in range(150):
        rules = draw(rng)
        shuffled = rng.sample(rules, len(rules))
        one, other = edition(policy_of(rules), NOW), edition(policy_of(shuffled), NOW)
        for _ in range(4):
            asking = draw_asking(rng, touched)
            first, second = one.decide(*asking), other.decide(*asking)
            assert first.outcome == second.outcome
            assert {e: (r.treatment, set(r.granted_by), set(r.capped_by), set(r.obligations))
                    for e, r in first.rulings.items()} == {
                    e: (r.treatment, set(r.granted_by), set(r.capped_by), set(r.obligations))
                    for e, r in second.rulings.items()}  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_shows_nobody_less_than_the_public_without_a_cap(seed, draw, policy_of, touched):
    rng = random.Random(seed)
    for _ in range(150):
        now = edition(policy_of(r for r in draw(rng) if r.action == "grant"), NOW)
        for _ in range(4):
            question, requester, facts, approved = draw_asking(rng, touched)
            public = now.decide(Question("example.com"), PUBLIC, facts)
            known = now.decide(question, requester, facts, approved)
            assert all(rank(known.treatment(e)) >= rank(public.treatment(e)) for e in touched)


@pytest.mark.parametrize("seed", range(4))
def test_shows_no_more_than_the_public_what_was_not_asked(seed, draw, policy_of, touched):
    rng = random.Random(seed)
    for _ in range(150):
        now = edition(policy_of(draw(rng)), NOW)
        for _ in range(4):
            question, requester, facts, approved = draw_asking(rng, touched)
            public = now.decide(Question("example.com"), PUBLIC, facts)
            known = now.decide(question, requester, facts, approved)
            assert all(
                rank(known.treatment(e)) <= rank(public.treatment(e))
                for e in touched
                if e not in question.elements
            )
            assert known.beyond <= question.elements


@pytest.mark.parametrize("seed", range(4))
def test_opens_nothing_for_an_unknown_word(seed, draw, policy_of, pool, naive, touched):
    rng = random.Random(seed)
    for _ in range(150):
        rules = draw(rng)
        now = edition(policy_of(rules), NOW)
        words = {a: str(rng.choice(pool.get(a, ATTRIBUTES[a]))) for a in ATTRIBUTES}
        known = now.rulings(words, Facts())
        for attribute in set(words) - {"disclose"}:
            unknown = now.rulings({**words, attribute: None}, Facts())
            for element in unknown:
                assert element in known
                assert rank(unknown[element].treatment) <= rank(known[element].treatment)
        assert {e: r.treatment for e, r in known.items()} == {
            e: t
            for e in touched
            if (t := naive(rules, e, {**words, "disclose": "absent"})).kind is not Kind.WITHHOLD
        }


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_meets_no_grant_and_every_cap_with_an_unknown_word(attribute):
    atoms = (Atom(attribute, frozenset(map(str, ATTRIBUTES[attribute][:1]))),)
    known = {a: str(words[0]) for a, words in ATTRIBUTES.items()}
    unknown = {**known, attribute: None}
    grant = Rule("G", "grant", RELEASE, frozenset({EMAIL}), when=atoms)
    cap = Rule("C", "cap", RELEASE, frozenset({EMAIL}), when=atoms)
    assert grants_in(grant, known)
    assert not grants_in(grant, unknown)
    assert caps_in(cap, unknown)
    excepted = {"elements": frozenset({EMAIL}), "unless": atoms}
    assert not grants_in(Rule("G", "grant", RELEASE, **excepted), unknown)
    assert caps_in(Rule("C", "cap", RELEASE, **excepted), unknown)
    assert not caps_in(Rule("C", "cap", RELEASE, **excepted), known)


def ask(*elements):
    return Question("example.com", elements=frozenset(elements), gated=True)


OFFICER = Requester("a", "p", RequesterClass.LAW_ENFORCEMENT, Assurance.HIGH)


def one(requester, *rules, policy_of, approved=NOTHING_APPROVED):
    return edition(policy_of(rules), NOW).decide(ask(EMAIL), requester, Facts(), approved)


def test_grants_to_everybody_what_it_grants_to_the_public(policy_of):
    only = (Atom("requester", frozenset({"public"})),)
    rule = Rule("P", "grant", RELEASE, frozenset({EMAIL}), when=only)
    assert one(OFFICER, rule, policy_of=policy_of).releases(EMAIL)


def test_takes_the_lesser_of_two_caps_whatever_their_order(policy_of):
    grant = Rule("G", "grant", RELEASE, frozenset({EMAIL}))
    caps = [
        Rule(p, "cap", Treatment(Kind.PSEUDONYM, p), frozenset({EMAIL}))
        for p in ("domain", "stable")
    ]
    for order in (caps, caps[::-1]):
        decision = one(PUBLIC, grant, *order, policy_of=policy_of)
        assert decision.treatment(EMAIL) == Treatment(Kind.PSEUDONYM, "domain")


def test_falls_to_the_default_parameter(policy_of):
    rule = Rule("G", "grant", Treatment(Kind.GENERALISE, "year"), frozenset({NAME}))
    decision = one(PUBLIC, rule, policy_of=policy_of)
    assert decision.treatment(NAME) == Treatment(Kind.PSEUDONYM, "domain")


def test_keeps_a_standing_approval_beside_a_granted_one(policy_of):
    standing = (Atom("approval", frozenset({"standing"})),)
    rule = Rule("S", "grant", RELEASE, frozenset({EMAIL}), when=standing)
    both = Approved(frozenset({EMAIL}), frozenset({EMAIL}))
    assert one(OFFICER, rule, approved=both, policy_of=policy_of).outcome is Outcome.RELEASED


def test_withholds_under_an_obligation_that_nobody_can_discharge(policy_of):
    rule = Rule(
        "O",
        "grant",
        RELEASE,
        frozenset({EMAIL}),
        obligations=(Obligation("notify_registrant", None),),
    )
    assert not one(OFFICER, rule, policy_of=policy_of).releases(EMAIL)


@pytest.mark.parametrize(
    ("granted", "outcome"),
    [(frozenset(), Outcome.NEEDS_APPROVAL), (frozenset({EMAIL}), Outcome.RELEASED)],
)
def test_asks_for_the_approval_that_is_missing(granted, outcome, policy_of):
    approved = (Atom("approval", frozenset({"granted"})),)
    rule = Rule("A", "grant", RELEASE, frozenset({EMAIL}), when=approved)
    decision = one(OFFICER, rule, approved=Approved(granted=granted), policy_of=policy_of)
    assert decision.outcome is outcome


def test_gives_the_same_decision_for_the_same_question(policy_of):
    now = edition(policy_of([Rule("G", "grant", RELEASE, frozenset({EMAIL}))]), NOW)
    asked = Question("example.com", case="1", gated=True)
    other = Question("example.org", case="2", gated=True)
    assert now.decide(asked, OFFICER, Facts()) is now.decide(other, OFFICER, Facts())


def test_activates_rules_by_date_and_switch(policy_of):
    later = NOW + timedelta(days=1)
    rules = [
        Rule("FROM", "grant", RELEASE, frozenset({EMAIL}), in_force=(InForce(since=later),)),
        Rule("UNTIL", "grant", RELEASE, frozenset({EMAIL}), in_force=(InForce(until=later),)),
        Rule("SWITCH", "grant", RELEASE, frozenset({EMAIL}), in_force=(InForce(switch="s"),)),
        Rule("BOTH", "grant", RELEASE, frozenset({EMAIL}),
             in_force=(InForce(since=later), InForce(switch="s"))),
    ]  # fmt: skip
    policy = policy_of(rules)

    def active(moment, *switches):
        return {r.id for r in edition(policy, moment, frozenset(switches)).rules}

    assert active(NOW) == {"UNTIL"}
    assert active(NOW, "s") == {"UNTIL", "SWITCH"}
    assert active(later) == {"FROM"}
    assert active(later, "s") == {"FROM", "SWITCH", "BOTH"}
    assert edition(policy, NOW).until == later
    assert edition(policy, later).until is None
    assert edition(policy, NOW).decide(ask(EMAIL), OFFICER, Facts()).in_force == {"UNTIL"}
