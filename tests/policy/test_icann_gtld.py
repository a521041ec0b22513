"""The shipped gTLD policy as a table: who asks what, of which record, and what leaves."""

from datetime import UTC, datetime

import pytest

from whoisgate.elements import CONTACT_FIELDS, ELEMENTS, Kind
from whoisgate.policy import edition, explain, load_named
from whoisgate.policy.decide import Outcome
from whoisgate.queries import PUBLIC, Question
from whoisgate.records import Facts, RegistrantKind

NOW = datetime(2026, 11, 25, tzinfo=UTC)
CRIME = "criminalInvestigationAndDNSAbuseMitigation"


def contact(role, *fields):
    return {f"{role}.{f}" for f in fields or CONTACT_FIELDS}


OPEN = {e.name for e in ELEMENTS.values() if not e.personal}
PLACE = contact("registrant", "state", "country")
BASE = OPEN | PLACE
CONSENTED = BASE | contact("registrant") - {"registrant.handle"}
RELAYED = {"registrant.email", "tech.email"}
NAME_AND_EMAIL = {"registrant.name", "registrant.email"}
EVERYBODY = set().union(*(contact(r) for r in ("registrant", "admin", "tech", "billing")))


@pytest.fixture(scope="module")
def policy():
    return load_named("icann-gtld")


def released(decision):
    return {e.name for e in ELEMENTS.values() if decision.releases(e)}


def replaced(decision):
    return {e.name for e, r in decision.rulings.items() if r.treatment.kind is Kind.REPLACE}


def flags(*names):
    return frozenset(ELEMENTS[name] for name in names)


@pytest.mark.parametrize("kind", RegistrantKind)
@pytest.mark.parametrize(
    ("facts", "expected", "relayed"),
    [
        ({}, BASE, RELAYED),
        ({"publish_consent": False, "organization_consent": False}, BASE, RELAYED),
        ({"organization_consent": True}, BASE | {"registrant.organization"}, RELAYED),
        ({"publish_consent": True}, CONSENTED, {"tech.email"}),
        ({"publish_consent": True, "organization_consent": True}, CONSENTED, {"tech.email"}),
        ({"disclose_allow": flags("registrant.name")}, BASE, RELAYED),
        ({"disclose_deny": flags("registrant.country", "registrant.email")}, BASE, RELAYED),
        (
            {
                "publish_consent": True,
                "disclose_deny": flags("registrant.name", "registrant.email"),
            },
            CONSENTED - NAME_AND_EMAIL,
            RELAYED,
        ),
        (
            {"organization_consent": True, "disclose_deny": flags("registrant.organization")},
            BASE,
            RELAYED,
        ),
        ({"privacy_service": True}, BASE, RELAYED),
    ],
)
def test_shows_the_public(policy, kind, facts, expected, relayed):
    question = Question("example.com")
    decision = edition(policy, NOW).decide(question, PUBLIC, Facts(kind, **facts))
    assert released(decision) == expected
    assert replaced(decision) == relayed
    assert (decision.outcome, decision.gated) == (Outcome.PUBLIC, False)


ORDER = {"purpose": CRIME, "basis": "national_order", "case": "2026-114"}
REGISTRANT_AND_TECH = contact("registrant") | contact("tech")
LEA = [
    # assurance, jurisdiction, question, approval, outcome, released beyond the public view
    ("high", "same_country", ORDER, "standing", "released", EVERYBODY),
    ("high", "same_country", ORDER, "granted", "released", EVERYBODY),
    ("high", None, ORDER, "granted", "released", EVERYBODY),
    ("high", "same_country", {**ORDER, "basis": "court_order"}, "granted", "released", EVERYBODY),
    ("high", "eu", {**ORDER, "basis": "e_evidence_order"}, "granted", "released", EVERYBODY),
    ("high", "same_country", {**ORDER, "basis": "e_evidence_order"}, "granted", "refused", set()),
    ("high", None, {**ORDER, "basis": "e_evidence_order"}, "granted", "refused", set()),
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
    policy, ask, requester, assurance, jurisdiction, question, approved, outcome, beyond
):
    who = requester("law_enforcement", assurance, jurisdiction)
    decision = ask(policy, who, question, approved)
    assert decision.outcome == outcome
    assert {e.name for e in decision.beyond} == beyond - PLACE
    assert released(decision) == BASE | beyond
    assert decision.gated is (outcome == "released")
    duties = {(o.do, o.after.days) for o in decision.obligations}
    confidential = question["basis"] == "e_evidence_order"
    notified = outcome == "released" and not confidential
    assert duties == ({("notify_registrant", 90)} if notified else set())


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
def test_shows_others(policy, ask, requester, who, assurance, question, approved, outcome, beyond):
    decision = ask(policy, requester(who, assurance), question, approved)
    assert decision.outcome == outcome
    assert {e.name for e in decision.beyond} == beyond - PLACE
    assert released(decision) == BASE | beyond


@pytest.mark.parametrize("basis", ["emergency", "icann_rdp_10"])
@pytest.mark.parametrize("approved", ["standing", "granted"])
def test_answers_urgent_requests_only_when_switched_on(policy, ask, requester, basis, approved):
    question = {"basis": basis, "case": "1", "urgency": "life"}
    officer = requester("law_enforcement")
    assert ask(policy, officer, question, approved).outcome is Outcome.REFUSED
    switched = ask(policy, officer, question, approved, switches=["icann-urgent-requests"])
    assert {e.name for e in switched.beyond} == REGISTRANT_AND_TECH - PLACE
    calm = {**question, "urgency": "none"}
    decision = ask(policy, officer, calm, approved, switches=["icann-urgent-requests"])
    assert decision.outcome is Outcome.REFUSED


def test_means_a_few_elements_when_none_are_named(policy, ask, requester):
    officer = requester("law_enforcement")
    decision = ask(policy, officer, {**ORDER, "elements": None}, "standing")
    assert {e.name for e in decision.asked} == {
        "registrant.name", "registrant.organization", "registrant.email",
    }  # fmt: skip


def test_tells_an_officer_the_clause_that_is_missing(policy, ask, requester):
    officer = requester("law_enforcement")
    decision = ask(policy, officer, {**ORDER, "case": None}, "none")
    reason = explain(policy, decision)[ELEMENTS["registrant.phone"]]
    assert reason.rules == ("LEA-ORDER",)
    assert reason.missing == ("case: given", "approval: granted or standing")


@pytest.mark.parametrize("kind", RegistrantKind)
@pytest.mark.parametrize("flag", ["allow", "deny", None])
def test_takes_a_flag_for_consent_only_where_the_operator_says_so(policy, kind, flag):
    phone = flags("registrant.phone", "registrant.handle", "tech.phone")
    facts = Facts(kind, **({f"disclose_{flag}": phone} if flag else {}))
    for switches, more in (((), set()), (("epp-flag-is-consent",), {"registrant.phone"})):
        now = edition(policy, NOW, frozenset(switches))
        seen = released(now.decide(Question("example.com"), PUBLIC, facts))
        assert seen == BASE | (more if flag == "allow" else set())


@pytest.mark.parametrize("kind", RegistrantKind)
@pytest.mark.parametrize("denied", [False, True])
def test_names_legal_persons_only_where_the_operator_says_so(policy, kind, denied):
    now = edition(policy, NOW, frozenset({"publish-legal-names"}))
    facts = Facts(kind, disclose_deny=flags("registrant.name") if denied else frozenset())
    seen = released(now.decide(Question("example.com"), PUBLIC, facts))
    named = kind is RegistrantKind.LEGAL and not denied
    assert seen == BASE | ({"registrant.name"} if named else set())


def test_keeps_from_others_what_a_flag_hides_from_the_public(policy, ask, requester):
    facts = Facts(publish_consent=True, disclose_deny=flags("registrant.name"))
    decision = ask(policy, requester("other", "high"), {"case": "1"}, "none", facts=facts)
    assert not decision.releases(ELEMENTS["registrant.name"])
    assert decision.releases(ELEMENTS["registrant.street"])
    assert decision.outcome is Outcome.REFUSED
