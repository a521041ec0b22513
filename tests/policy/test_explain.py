from datetime import UTC, datetime

import pytest

from whoisgate.elements import ELEMENTS
from whoisgate.policy import edition, explain, load_text, sentence
from whoisgate.policy.decide import Approved
from whoisgate.policy.explain import NO_RULE, NOT_ASKED, ON_RECORD
from whoisgate.queries import PUBLIC, Assurance, Question, Requester, RequesterClass
from whoisgate.records import Facts, RegistrantKind

NOW = datetime(2026, 11, 23, tzinfo=UTC)
LAW = "[{instrument: made-up, article: '7', status: in_force, source: a test, checked: 2026-11-23}]"
POLICY = f"""\
whoisgate: 1
policy: explained
version: "1"
elements: 1
reveals: {{public: [contact_roles, publish_consent, registrant_kind]}}
rules:
  - {{id: PLACE, grant: release, elements: [registrant.country], law: {LAW}}}
  - {{id: RELAY, grant: replace, elements: [registrant.email], law: {LAW}}}
  - id: CONSENT
    grant: release
    elements: [registrant.name]
    when: {{publish_consent: true}}
    law: {LAW}
  - id: ORDER
    grant: release
    elements: [registrant.name, registrant.email, registrant.phone, tech.name]
    when:
      requester: law_enforcement
      assurance: high
      case: given
      approval: [granted, standing]
    law: {LAW}
  - id: LEGAL
    grant: release
    elements: [registrant.city]
    when: {{requester: law_enforcement, registrant_kind: legal}}
    law: {LAW}
  - id: NIGHT
    grant: release
    elements: [registrant.fax]
    when: {{requester: {{not: [public, other]}}}}
    unless: {{urgency: none}}
    law: {LAW}
  - id: DORMANT
    grant: release
    elements: [registrant.street]
    in_force: {{switch: someday}}
    law: {LAW}
  - {{id: NEVER-TECH, cap: withhold, elements: [tech.name], when: {{requester: law_enforcement}}}}
"""
OFFICER = Requester("a", "p", RequesterClass.LAW_ENFORCEMENT, Assurance.HIGH)
CITIZEN = Requester("a", "c", RequesterClass.OTHER, Assurance.LOW)


@pytest.fixture(scope="module")
def told():
    policy = load_text(POLICY)
    now = edition(policy, NOW)

    def reasons(*elements, requester=OFFICER, case="1", approved=(), facts=Facts()):  # noqa: B008  frozen
        asked = frozenset(ELEMENTS[e] for e in elements)
        question = Question("example.com", case=case, elements=asked, gated=requester != PUBLIC)
        granted = Approved(granted=frozenset(ELEMENTS[e] for e in approved))
        decision = now.decide(question, requester, facts, granted)
        found = explain(policy, decision)
        assert explain(policy, decision) is found
        assert list(found) == list(ELEMENTS.values())
        return {e.name: r for e, r in found.items()}

    return reasons


@pytest.fixture(scope="module")
def told_whole():
    policy = load_text(POLICY)

    def reasons(facts, requester=OFFICER):
        asked = frozenset(ELEMENTS.values())
        question = Question("example.com", case="1", elements=asked, gated=requester != PUBLIC)
        decision = edition(policy, NOW).decide(question, requester, facts)
        return {e.name: r for e, r in explain(policy, decision, facts).items()}

    return reasons


def test_names_rule_and_law_of_what_is_released(told):
    reason = told("registrant.name", approved=["registrant.name"])["registrant.name"]
    assert (reason.rules, reason.missing, reason.asked) == (("ORDER",), (), True)
    assert reason.law[0].article == "7"
    assert sentence(reason) == "registrant.name: release under ORDER (made-up 7)"


def test_names_the_missing_clauses_of_the_nearest_rule(told):
    reason = told("registrant.name", case=None)["registrant.name"]
    assert reason.rules == ("ORDER",)
    assert reason.missing == ("case: given", "approval: granted or standing")
    assert sentence(reason) == (
        "registrant.name: withheld; nearest is ORDER (made-up 7); "
        "missing case: given; approval: granted or standing"
    )


def test_names_what_more_would_have_needed(told):
    reason = told("registrant.email")["registrant.email"]
    assert reason.rules == ("RELAY",)
    assert reason.missing == ("approval: granted or standing",)
    assert "replace under RELAY (made-up 7); more would need approval" in sentence(reason)


def test_tells_what_was_not_asked_for(told):
    reasons = told("registrant.name", approved=["registrant.name", "registrant.phone"])
    assert reasons["registrant.phone"].missing == (NOT_ASKED,)
    assert not reasons["registrant.phone"].asked


def test_tells_where_no_rule_exists(told):
    reason = told("admin.name")["admin.name"]
    assert (reason.rules, reason.missing) == ((), (NO_RULE,))
    assert sentence(reason) == "admin.name: withheld, no rule grants it"


def test_leaves_rules_out_that_are_not_in_force(told):
    assert told("registrant.street")["registrant.street"].missing == (NO_RULE,)


@pytest.mark.parametrize("kind", [RegistrantKind.NATURAL, RegistrantKind.UNSPECIFIED])
def test_says_of_facts_only_that_there_is_a_condition(told, kind):
    reason = told("registrant.city", facts=Facts(kind))["registrant.city"]
    assert reason.missing == (ON_RECORD,)


def test_explains_a_withheld_element_alike_whatever_the_facts(told):
    every = [
        told("registrant.phone", "registrant.name", case=None, facts=Facts(kind, consent))
        for kind in RegistrantKind
        for consent in (None, False)
    ]
    assert all(
        r["registrant.phone"] == every[0]["registrant.phone"]
        and r["registrant.name"] == every[0]["registrant.name"]
        for r in every
    )


def test_writes_complements_and_exceptions_in_plain_words(told):
    assert told("registrant.fax")["registrant.fax"].missing == ("not (urgency: none)",)
    missing = told("registrant.fax", requester=CITIZEN)["registrant.fax"].missing
    assert missing == ("requester: not other or public", "not (urgency: none)")


def test_names_the_cap(told):
    reason = told("tech.name", approved=["tech.name"])["tech.name"]
    assert (reason.capped_by, reason.missing) == (("NEVER-TECH",), ())
    assert "withheld, capped by NEVER-TECH" in sentence(reason)


def test_explains_the_public_view(told):
    reasons = told(requester=PUBLIC)
    assert reasons["registrant.country"].rules == ("PLACE",)
    assert reasons["registrant.name"].missing == (ON_RECORD,)
    assert reasons["registrant.phone"].missing == (
        "requester: law_enforcement", "assurance: high", "case: given",
        "approval: granted or standing",
    )  # fmt: skip


def test_tells_the_facts_to_whoever_knows_them(told_whole):
    reasons = told_whole(Facts(RegistrantKind.NATURAL, publish_consent=False))
    assert reasons["registrant.city"].missing == ("registrant_kind: legal",)
    assert reasons["registrant.name"].missing == ("approval: granted or standing",)
    consents = told_whole(Facts(publish_consent=True), requester=PUBLIC)
    assert consents["registrant.name"].rules == ("CONSENT",)


def test_tells_the_flag_of_the_element_itself():
    text = POLICY.replace("publish_consent: true", "disclose: allow")
    flagged = load_text(text.replace("publish_consent,", "disclose,"))
    email, name = ELEMENTS["registrant.email"], ELEMENTS["registrant.name"]
    facts = Facts(disclose_allow=frozenset({email}))
    decision = edition(flagged, NOW).decide(Question("example.com"), PUBLIC, facts)
    assert explain(flagged, decision, facts)[name].missing == ("disclose: allow",)
    assert explain(flagged, decision)[name].missing == (ON_RECORD,)
