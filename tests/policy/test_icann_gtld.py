"""The shipped gTLD policy as a table: who asks what, of which record, and what leaves."""

from datetime import UTC, datetime

import pytest

from whoisgate.elements import CONTACT_FIELDS, ELEMENTS, Kind
from whoisgate.policy import edition, explain, load_named
from whoisgate.policy.decide import NOTHING_APPROVED, Approved, Outcome
from whoisgate.queries import PUBLIC, Assurance, Jurisdiction, Question, Requester, RequesterClass
from whoisgate.records import Facts, RegistrantKind

NOW = datetime(2026, 11, 23, tzinfo=UTC)
CRIME = "criminalInvestigationAndDNSAbuseMitigation"


def contact(role, *fields):
    return {f"{role}.{f}" for f in fields or CONTACT_FIELDS}


OPEN = {e.name for e in ELEMENTS.values() if not e.personal}
PLACE = contact("registrant", "state", "country")
BASE = OPEN | PLACE
CONSENTED = BASE | contact("registrant") - {"registrant.handle"}
RELAYED = {"registrant.email", "tech.email"}
EVERYBODY = set().union(*(contact(r) for r in ("registrant", "admin", "tech", "billing")))


@pytest.fixture(scope="module")
def policy():
    return load_named("icann-gtld")


def released(decision):
    return {e.name for e in ELEMENTS.values() if decision.releases(e)}


def replaced(decision):
    return {e.name for e, r in decision.rulings.items() if r.treatment.kind is Kind.REPLACE}


@pytest.mark.parametrize("kind", RegistrantKind)
@pytest.mark.parametrize(
    ("facts", "expected", "relayed"),
    [
        ({}, BASE, RELAYED),
        ({"publish_consent": False, "organization_consent": False}, BASE, RELAYED),
        ({"organization_consent": True}, BASE | {"registrant.organization"}, RELAYED),
        ({"publish_consent": True}, CONSENTED, {"tech.email"}),
        ({"publish_consent": True, "organization_consent": True}, CONSENTED, {"tech.email"}),
        ({"disclose_allow": frozenset({ELEMENTS["registrant.name"]})}, BASE, RELAYED),
        ({"privacy_service": True}, BASE, RELAYED),
    ],
)
def test_shows_the_public(policy, kind, facts, expected, relayed):
    question = Question("example.com")
    decision = edition(policy, NOW).decide(question, PUBLIC, Facts(kind, **facts))
    assert released(decision) == expected
    assert replaced(decision) == relayed
    assert (decision.outcome, decision.gated) == (Outcome.PUBLIC, False)


def requester(requester_class, assurance="high", jurisdiction="same_country"):
    return Requester(
        "authority", "person", RequesterClass(requester_class), Assurance(assurance),
        jurisdiction=Jurisdiction(jurisdiction) if jurisdiction else None,
    )  # fmt: skip


def approval(kind):
    everything = frozenset(ELEMENTS.values())
    if kind == "none":
        return NOTHING_APPROVED
    return Approved(**{kind: everything})


def ask(policy, who, question, approved="granted", *, switches=()):
    question = {"elements": sorted(EVERYBODY), **question}
    now = edition(policy, NOW, frozenset(switches))
    return now.decide(Question.of("example.com", **question), who, Facts(), approval(approved))


ORDER = {"purpose": CRIME, "basis": "national_order", "case": "2026-114"}
REGISTRANT_AND_TECH = contact("registrant") | contact("tech")
LEA = [
    # assurance, jurisdiction, question, approval, outcome, released beyond the public view
    ("high", "same_country", ORDER, "standing", "released", EVERYBODY),
    ("high", "same_country", ORDER, "granted", "released", EVERYBODY),
    ("high", None, ORDER, "granted", "released", EVERYBODY),
    ("high", "same_country", {**ORDER, "basis": "court_order"}, "granted", "released", EVERYBODY),
    ("high", "same_country", {**ORDER, "basis": "e_evidence_order"}, "granted", "released",
     EVERYBODY),
    ("high", "same_country", {**ORDER, "elements": ["registrant.name"]}, "standing", "released",
     {"registrant.name"}),
    ("high", "convention_party", {**ORDER, "basis": "convention_article_18"}, "granted", "released",
     EVERYBODY),
    ("high", "other", {**ORDER, "basis": "convention_article_18"}, "granted", "refused", set()),
    ("high", None, {**ORDER, "basis": "convention_article_18"}, "granted", "refused", set()),
    ("high", "eu", {"basis": "nis2_article_28", "case": "1"}, "standing", "released",
     REGISTRANT_AND_TECH),
    ("high", "same_country", ORDER, "none", "needs_approval", set()),
    ("substantial", "same_country", ORDER, "granted", "refused", set()),
    ("none", "same_country", ORDER, "granted", "refused", set()),
    ("high", "same_country", {**ORDER, "case": None}, "granted", "refused", set()),
    ("high", "same_country", {**ORDER, "basis": None}, "granted", "refused", set()),
    ("high", "same_country", {**ORDER, "purpose": None}, "granted", "refused", set()),
    ("high", "same_country", {**ORDER, "purpose": "legalActions"}, "granted", "refused", set()),
    ("high", "same_country", {**ORDER, "basis": "legitimate_interest"}, "granted", "refused",
     set()),
    ("high", "same_country", {**ORDER, "basis": "second_protocol_article_6"}, "granted", "refused",
     set()),
    ("high", "same_country", {**ORDER, "basis": "emergency", "urgency": "life"}, "granted",
     "refused", set()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("assurance", "jurisdiction", "question", "approved", "outcome", "beyond"), LEA
)
def test_shows_law_enforcement(
    policy, assurance, jurisdiction, question, approved, outcome, beyond
):
    who = requester("law_enforcement", assurance, jurisdiction)
    decision = ask(policy, who, question, approved)
    assert decision.outcome == outcome
    assert {e.name for e in decision.beyond} == beyond - PLACE
    assert released(decision) == BASE | beyond
    assert decision.gated is (outcome == "released")
    duties = {(o.do, o.after.days) for o in decision.obligations}
    assert duties == ({("notify_registrant", 90)} if outcome == "released" else set())


RIGHTS = contact("registrant", "name", "organization", "street", "city", "postal_code", "email")
NO_FAX = {f"{r}.{f}" for r in ("registrant", "tech") for f in ("fax", "fax_ext")}
DISPUTE = {"purpose": "legalActions", "basis": "dispute_proceeding", "case": "D2026-1"}
ABUSE = {"purpose": CRIME, "basis": "legitimate_interest", "case": "T-1"}
MINE = {"purpose": "personalDataProtection", "basis": "data_subject"}
ORDERED = {"purpose": "legalActions", "basis": "court_order", "case": "1"}
OTHERS = [
    ("dispute_provider", "substantial", DISPUTE, "granted", "released", RIGHTS),
    ("ip_rights", "high", {**DISPUTE, "basis": "legitimate_interest"}, "granted", "released",
     RIGHTS),
    ("ip_rights", "high", DISPUTE, "standing", "needs_approval", set()),
    ("ip_rights", "high", DISPUTE, "none", "needs_approval", set()),
    ("ip_rights", "low", DISPUTE, "granted", "refused", set()),
    ("ip_rights", "high", {**DISPUTE, "case": None}, "granted", "refused", set()),
    ("ip_rights", "high", ORDER, "granted", "refused", set()),
    ("csirt", "substantial", ABUSE, "granted", "released", REGISTRANT_AND_TECH - NO_FAX),
    ("cybersecurity", "high", ABUSE, "granted", "released", REGISTRANT_AND_TECH - NO_FAX),
    ("cybersecurity", "high", ABUSE, "standing", "needs_approval", set()),
    ("cybersecurity", "low", ABUSE, "granted", "refused", set()),
    ("cybersecurity", "high", {**ABUSE, "purpose": "legalActions"}, "granted", "refused", set()),
    ("court", "high", ORDERED, "granted", "released", contact("registrant")),
    ("court", "high", ORDERED, "standing", "needs_approval", set()),
    ("registrant_self", "high", MINE, "granted", "released", contact("registrant")),
    ("registrant_self", "high", MINE, "none", "needs_approval", set()),
    ("other", "high", ORDER, "granted", "refused", set()),
]  # fmt: skip


@pytest.mark.parametrize(("who", "assurance", "question", "approved", "outcome", "beyond"), OTHERS)
def test_shows_others(policy, who, assurance, question, approved, outcome, beyond):
    decision = ask(policy, requester(who, assurance), question, approved)
    assert decision.outcome == outcome
    assert {e.name for e in decision.beyond} == beyond - PLACE
    assert released(decision) == BASE | beyond


@pytest.mark.parametrize("basis", ["emergency", "icann_rdp_10"])
@pytest.mark.parametrize("approved", ["standing", "granted"])
def test_answers_urgent_requests_only_when_switched_on(policy, basis, approved):
    question = {"basis": basis, "case": "1", "urgency": "life"}
    officer = requester("law_enforcement")
    assert ask(policy, officer, question, approved).outcome is Outcome.REFUSED
    switched = ask(policy, officer, question, approved, switches=["icann-urgent-requests"])
    assert {e.name for e in switched.beyond} == REGISTRANT_AND_TECH - PLACE
    calm = {**question, "urgency": "none"}
    decision = ask(policy, officer, calm, approved, switches=["icann-urgent-requests"])
    assert decision.outcome is Outcome.REFUSED


def test_means_a_few_elements_when_none_are_named(policy):
    officer = requester("law_enforcement")
    decision = ask(policy, officer, {**ORDER, "elements": None}, "standing")
    assert {e.name for e in decision.asked} == {
        "registrant.name", "registrant.organization", "registrant.email",
    }  # fmt: skip


def test_tells_an_officer_the_clause_that_is_missing(policy):
    officer = requester("law_enforcement")
    decision = ask(policy, officer, {**ORDER, "case": None}, "none")
    reason = explain(policy, decision)[ELEMENTS["registrant.phone"]]
    assert reason.rules == ("LEA-ORDER",)
    assert reason.missing == ("case: given", "approval: granted or standing")


def test_cites_a_checked_law_for_everything_personal(policy):
    for rule in policy.rules:
        if rule.action == "grant" and any(e.personal for e in rule.elements):
            assert rule.law
            assert all(c.checked and c.source for c in rule.law)


def test_rests_on_no_law_that_is_not_in_force_unless_it_is_switched_off(policy):
    for rule in policy.rules:
        dormant = {c.status for c in rule.law} - {"in_force"}
        assert not dormant or all(p.switch for p in rule.in_force)
        assert not dormant or rule.in_force


def test_keeps_the_country_code_policy_from_personal_data():
    policy = load_named("registrar-default")
    now = edition(policy, NOW)
    consenting = Facts(publish_consent=True, organization_consent=True)
    public = now.decide(Question("example.nl"), PUBLIC, consenting)
    assert released(public) == OPEN - {"domain.handle"}
    generic = now.decide(Question("example.com"), PUBLIC, consenting)
    assert released(generic) == CONSENTED
    officer = requester("law_enforcement")
    question = Question.of("example.nl", **ORDER, elements=["registrant.name"])
    answered = now.decide(question, officer, Facts(), approval("granted"))
    assert answered.rulings[ELEMENTS["registrant.name"]].granted_by == ("CC-ORDER",)
