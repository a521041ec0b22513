"""The shipped policy for the EU's country-code TLDs as a table: who asks what, and what leaves."""

from datetime import UTC, datetime

import pytest

from whoisgate.elements import CONTACT_FIELDS, ELEMENTS, Kind
from whoisgate.policy import edition, load_named
from whoisgate.policy.decide import Outcome
from whoisgate.queries import PUBLIC, Question
from whoisgate.records import Facts, RegistrantKind

NOW = datetime(2026, 11, 25, tzinfo=UTC)
CRIME = "criminalInvestigationAndDNSAbuseMitigation"
NATURAL, LEGAL, UNSPECIFIED = (
    RegistrantKind.NATURAL, RegistrantKind.LEGAL, RegistrantKind.UNSPECIFIED,
)  # fmt: skip


def contact(role, *fields):
    return {f"{role}.{f}" for f in fields or CONTACT_FIELDS}


def flags(*names):
    return frozenset(ELEMENTS[name] for name in names)


OPEN = {e.name for e in ELEMENTS.values() if not e.personal} - {"domain.handle"}
NAMED = contact("registrant", "name", "organization", "state", "country")
REGISTRANT = contact("registrant")
SHOWN = REGISTRANT - {"registrant.handle"}
RELAYED = {"registrant.email", "tech.email"}
ALLOWED = flags(*REGISTRANT)
EVERYBODY = set().union(*(contact(r) for r in ("registrant", "admin", "tech", "billing")))


@pytest.fixture(scope="module")
def policy():
    return load_named("eu-nis2-cctld")


def released(decision):
    return {e.name for e in ELEMENTS.values() if decision.releases(e)}


def replaced(decision):
    return {e.name for e, r in decision.rulings.items() if r.treatment.kind is Kind.REPLACE}


def personal(decision):
    return {e.name for e in decision.beyond if e.personal}


PUBLIC_VIEWS = [
    # kind, facts, switches, what the public sees beside the domain, relayed
    (NATURAL, {}, (), set(), RELAYED),
    (UNSPECIFIED, {}, (), set(), RELAYED),
    (NATURAL, {"organization_consent": True}, (), set(), RELAYED),
    (NATURAL, {"disclose_allow": ALLOWED}, (), set(), RELAYED),
    (UNSPECIFIED, {"disclose_allow": ALLOWED}, (), set(), RELAYED),
    (NATURAL, {"privacy_service": True}, (), set(), RELAYED),
    (LEGAL, {}, (), NAMED, RELAYED),
    (LEGAL, {"publish_consent": False}, (), NAMED, RELAYED),
    (LEGAL, {"disclose_deny": ALLOWED}, (), NAMED, RELAYED),
    (LEGAL, {"disclose_allow": ALLOWED}, (), NAMED | {"registrant.email"}, {"tech.email"}),
    (LEGAL, {"privacy_service": True}, (), NAMED, RELAYED),
    (NATURAL, {"publish_consent": True}, (), SHOWN, {"tech.email"}),
    (LEGAL, {"publish_consent": True}, (), SHOWN, {"tech.email"}),
    (NATURAL, {"publish_consent": True, "disclose_deny": ALLOWED}, (), set(), RELAYED),
    (LEGAL, {"publish_consent": True, "disclose_deny": ALLOWED}, (), NAMED, RELAYED),
    (NATURAL, {"disclose_allow": ALLOWED}, ("epp-flag-is-consent",), SHOWN, {"tech.email"}),
    (NATURAL, {"disclose_deny": ALLOWED}, ("epp-flag-is-consent",), set(), RELAYED),
    (NATURAL, {}, ("epp-flag-is-consent",), set(), RELAYED),
]


@pytest.mark.parametrize(("kind", "facts", "switches", "shown", "relayed"), PUBLIC_VIEWS)
def test_shows_the_public(policy, kind, facts, switches, shown, relayed):
    now = edition(policy, NOW, frozenset(switches))
    decision = now.decide(Question("example.nl"), PUBLIC, Facts(kind, **facts))
    assert released(decision) == OPEN | shown
    assert replaced(decision) == relayed
    assert (decision.outcome, decision.gated) == (Outcome.PUBLIC, False)


NIS2 = {"basis": "nis2_article_28", "case": "1"}
ORDER = {"purpose": CRIME, "basis": "national_order", "case": "1"}
EUROPEAN = {**ORDER, "basis": "e_evidence_order"}
ABUSE = {**NIS2, "purpose": "technicalIssueResolution"}
CLAIM = {"purpose": "legalActions", "basis": "legitimate_interest", "case": "1"}
ORDERED = {"purpose": "legalActions", "basis": "court_order", "case": "1"}
MINE = {"purpose": "personalDataProtection", "basis": "data_subject"}
NO_FAX = {f"{r}.{f}" for r in ("registrant", "tech") for f in ("fax", "fax_ext")}
CSIRT = REGISTRANT | contact("tech")
RIGHTS = contact(
    "registrant", "name", "organization", "street", "city", "state", "postal_code", "country",
    "email",
)  # fmt: skip
HANDLES = {"registrant.handle", "tech.handle"}
SEEKERS = [
    # requester, assurance, jurisdiction, question, approval, released, days to the notice
    ("law_enforcement", "high", "same_country", ORDER, "standing", EVERYBODY, 90),
    ("law_enforcement", "high", "eu", ORDER, "granted", EVERYBODY, 90),
    ("law_enforcement", "high", "eu", NIS2, "standing", CSIRT, 90),
    ("law_enforcement", "high", "eu", EUROPEAN, "granted", EVERYBODY, None),
    ("csirt", "substantial", "eu", ABUSE, "granted", CSIRT - NO_FAX, 30),
    ("cybersecurity", "high", "other", ABUSE, "granted", CSIRT - NO_FAX - HANDLES, 30),
    ("ip_rights", "substantial", "other", CLAIM, "granted", RIGHTS, 30),
    ("consumer_protection", "high", None, CLAIM, "granted", RIGHTS, 30),
    ("dispute_provider", "high", "other", {**CLAIM, "basis": "dispute_proceeding"}, "granted",
     RIGHTS, 30),
    ("court", "high", "same_country", ORDERED, "granted", REGISTRANT, 30),
    ("data_protection_authority", "high", "eu", ORDERED, "granted", REGISTRANT, 30),
    ("registrant_self", "high", None, MINE, "granted", REGISTRANT, None),
]  # fmt: skip


@pytest.mark.parametrize(("who", "sure", "place", "question", "approved", "shown", "days"), SEEKERS)
@pytest.mark.parametrize("kind", [NATURAL, UNSPECIFIED])
def test_opens_to_a_legitimate_seeker(
    policy, ask, requester, who, sure, place, question, approved, shown, days, kind
):
    seeker = requester(who, sure, place)
    decision = ask(policy, seeker, question, approved, name="example.nl", facts=Facts(kind))
    assert decision.outcome is Outcome.RELEASED
    assert personal(decision) == shown
    assert {o.after.days for o in decision.obligations} == ({days} if days else set())


REFUSED = [
    # requester, assurance, jurisdiction, question, approval, outcome
    ("law_enforcement", "high", "eu", NIS2, "none", "needs_approval"),
    ("law_enforcement", "substantial", "eu", NIS2, "granted", "refused"),
    ("law_enforcement", "high", "eu", {**NIS2, "case": None}, "granted", "refused"),
    ("law_enforcement", "high", "convention_party", ORDER, "granted", "refused"),
    ("law_enforcement", "high", "other", NIS2, "granted", "refused"),
    ("law_enforcement", "high", None, NIS2, "granted", "refused"),
    ("law_enforcement", "high", "same_country", EUROPEAN, "granted", "refused"),
    ("law_enforcement", "high", "eu", {**ORDER, "basis": "emergency", "urgency": "life"},
     "granted", "refused"),
    ("law_enforcement", "high", "eu", {**ORDER, "basis": "convention_article_18"}, "granted",
     "refused"),
    ("csirt", "high", "eu", ABUSE, "standing", "needs_approval"),
    ("csirt", "high", "other", ABUSE, "granted", "refused"),
    ("csirt", "high", "eu", {**ABUSE, "basis": "legitimate_interest"}, "granted", "refused"),
    ("ip_rights", "high", "eu", CLAIM, "standing", "needs_approval"),
    ("ip_rights", "low", "eu", CLAIM, "granted", "refused"),
    ("ip_rights", "high", "eu", {**CLAIM, "case": None}, "granted", "refused"),
    ("court", "high", "other", ORDERED, "granted", "refused"),
    ("other", "high", "eu", NIS2, "granted", "refused"),
]  # fmt: skip


@pytest.mark.parametrize(("who", "sure", "place", "question", "approved", "outcome"), REFUSED)
def test_keeps_closed(policy, ask, requester, who, sure, place, question, approved, outcome):
    decision = ask(policy, requester(who, sure, place), question, approved, name="example.nl")
    assert decision.outcome == outcome
    assert released(decision) == OPEN
    assert replaced(decision) == RELAYED
