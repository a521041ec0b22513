"""Who can see what, against every question asked one by one."""

import random
from itertools import product

import pytest

from whoisgate.elements import ELEMENTS
from whoisgate.policy import load_text
from whoisgate.policy.compiled import EVERYTHING, PUBLIC
from whoisgate.policy.evaluate import evaluate
from whoisgate.policy.model import ANONYMOUS_ATTRIBUTES, RELEASE, WITHHOLD
from whoisgate.policy.reach import How, reach, seen
from whoisgate.queries import RequesterClass

LAW = "[{instrument: made-up, article: '7', status: in_force, source: a test, checked: 2026-11-23}]"
MOST = 3_000


def questions(rules, element):
    """Every question that the rules tell apart, one by one; None where they are too many."""
    touching = [r for r in rules if element in r.elements]
    asked = {a.attribute for r in touching for a in (*r.when, *r.unless)} | {"requester"}
    words = {a: sorted(EVERYTHING[a], key=str) for a in asked}
    number = 1
    for known in words.values():
        number *= len(known)
    if number > MOST:
        return None
    rest = {**dict.fromkeys(EVERYTHING), **ANONYMOUS_ATTRIBUTES, "disclose": "absent"}
    return [{**rest, **dict(zip(words, q, strict=True))} for q in product(*words.values())]


def asked(rules, element):
    """Each question with its ruling and with the public's on equal facts."""
    for words in questions(rules, element) or ():
        public = words["requester"] == "public"
        if public and any(words[a] not in PUBLIC[a] for a in ANONYMOUS_ATTRIBUTES):
            continue
        ruling = evaluate(rules, element, words)
        floor = evaluate(rules, element, {**words, **ANONYMOUS_ATTRIBUTES})
        yield words, ruling, floor.treatment


def how(requester, rulings, best):
    reached = [(words, floor) for words, ruling, floor in rulings if ruling.treatment == best]
    own = [words for words, floor in reached if floor != best] or [words for words, _ in reached]
    if len(reached) == len(rulings):
        return How.ALWAYS
    if requester != "public" and not any(words["approval"] == "none" for words in own):
        return How.APPROVAL
    return How.CONDITIONS


@pytest.mark.parametrize("seed", range(60))
def test_reaches_what_some_question_reaches(draw, policy_of, touched, seed):
    rules = draw(random.Random(seed))
    policy = policy_of(rules)
    for element in touched:
        every = list(asked(rules, element))
        for requester in RequesterClass if every else ():
            own = [q for q in every if q[0]["requester"] == requester]
            best = max((r.treatment for _, r, _ in own), key=lambda t: t.strength)
            beyond = any(r.treatment.strength > floor.strength for _, r, floor in own)
            found = reach(policy, element, requester)
            assert (found.treatment, found.as_public) == (best, not beyond)
            assert found.how is how(requester, own, best)


@pytest.mark.parametrize("seed", range(60))
def test_names_the_rules_that_matter_and_no_other(draw, policy_of, touched, seed):
    rules = draw(random.Random(seed))
    policy = policy_of(rules)
    for element in touched:
        every = list(asked(rules, element))
        if not every:
            continue
        found = seen(policy, element)
        for public in (True, False):
            grants = [
                r.granted_by
                for words, r, floor in every
                if (words["requester"] == "public") is public
                and r.treatment.strength > (WITHHOLD if public else floor).strength
            ]
            named = {w.rule.id for w in found.ways if w.public is public}
            assert named <= {i for ids in grants for i in ids}
            assert all(named & set(ids) for ids in grants)
        caps = {i for _, r, _ in every for i in r.capped_by}
        assert {rule.id for rule, _ in found.caps} == caps
        hidden = any(
            words["requester"] == "public" and r.treatment == WITHHOLD for words, r, _ in every
        )
        assert found.hidden is hidden


def test_draws_questions_few_enough_to_ask(draw, touched):
    few = [questions(draw(random.Random(seed)), e) for seed in range(60) for e in touched]
    assert len([q for q in few if q]) > 150


POLICY = f"""\
whoisgate: 1
policy: reached
version: "1"
elements: 1
reveals: {{public: [contact_roles, publish_consent]}}
rules:
  - id: CONSENT
    grant: release
    elements: [registrant.email, registrant.name]
    when: {{publish_consent: true}}
    law: {LAW}
  - {{id: PLACE, grant: release, elements: [registrant.country], law: {LAW}}}
  - id: ORDER
    grant: release
    elements: ["registrant.*"]
    when: {{requester: [public, court], assurance: high, approval: granted}}
    law: {LAW}
  - id: TWIN
    grant: release
    elements: [registrant.email]
    when: {{requester: court, assurance: high, approval: granted}}
    law: {LAW}
  - id: NARROWER
    grant: release
    elements: [registrant.email]
    when: {{requester: court, assurance: high, approval: granted, case: given}}
    law: {LAW}
  - id: SOMEDAY
    grant: release
    elements: [registrant.email]
    when: {{requester: csirt}}
    in_force: {{switch: someday}}
    law: {LAW}
"""


@pytest.fixture(scope="module")
def policy():
    return load_text(POLICY)


def ways(policy, element):
    return [(w.rule.id, w.public) for w in seen(policy, ELEMENTS[element]).ways]


def test_keeps_twins_and_leaves_out_the_narrower(policy):
    assert ways(policy, "registrant.email") == [
        ("CONSENT", True), ("ORDER", False), ("TWIN", False), ("SOMEDAY", False)
    ]  # fmt: skip


def test_leaves_out_what_everybody_sees_anyway(policy):
    assert ways(policy, "registrant.country") == [("PLACE", True)]
    assert not seen(policy, ELEMENTS["registrant.country"]).hidden


def test_names_nobody_who_cannot_be_meant(policy):
    order = seen(policy, ELEMENTS["registrant.city"]).ways[0].rule
    assert {a.attribute: a.words for a in order.when}["requester"] == {"court"}


@pytest.mark.parametrize(
    ("requester", "element", "expected"),
    [
        ("public", "registrant.country", (RELEASE, How.ALWAYS, True)),
        ("public", "registrant.email", (RELEASE, How.CONDITIONS, True)),
        ("public", "registrant.city", (WITHHOLD, How.ALWAYS, True)),
        ("court", "registrant.email", (RELEASE, How.APPROVAL, False)),
        ("court", "registrant.city", (RELEASE, How.APPROVAL, False)),
        ("csirt", "registrant.email", (RELEASE, How.SWITCH, False)),
        ("other", "registrant.email", (RELEASE, How.CONDITIONS, True)),
    ],
)
def test_says_what_it_takes(policy, requester, element, expected):
    found = reach(policy, ELEMENTS[element], requester)
    assert (found.treatment, found.how, found.as_public) == expected
