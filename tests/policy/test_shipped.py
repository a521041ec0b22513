"""What every shipped policy and draft keeps: its suite, its citations, its part in a whole."""

import random
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from itertools import product

import pytest

from whoisgate.elements import ELEMENTS
from whoisgate.errors import PolicyError
from whoisgate.policy import check_file, edition, load, load_named, load_text
from whoisgate.policy.compose import conjoin
from whoisgate.policy.coverage import coverage
from whoisgate.policy.decide import Outcome
from whoisgate.policy.differ import diff
from whoisgate.policy.files import read_file, shipped, shipped_folder
from whoisgate.policy.findings import Report
from whoisgate.policy.model import ANONYMOUS_ATTRIBUTES, ATTRIBUTES, FACT_ATTRIBUTES, Atom
from whoisgate.policy.mutate import Verdict, attempt
from whoisgate.policy.suite import read_suite, run
from whoisgate.records import Facts

NOW = datetime(2026, 11, 25, tzinfo=UTC)
POLICIES = shipped_folder()
DRAFTS = POLICIES / "drafts"
DRAFTED = sorted(DRAFTS.glob("*.yaml"))
ALL = [*sorted(POLICIES.glob("*.yaml")), *DRAFTED]
PARTS = {"gtld": "icann-gtld", "cctld": "eu-nis2-cctld"}
CRIME = "criminalInvestigationAndDNSAbuseMitigation"


def by_name(path):
    return path.stem


def suite_of(path, policy):
    report = Report()
    where = path.parent / "suites" / path.name
    suite = read_suite(read_file(where, report), str(where), policy, report)
    assert report.findings == []
    return suite


def test_ships_policies_alone():
    assert shipped() == ["eu-nis2-cctld", "icann-gtld", "registrar-default"]
    assert [p.stem for p in DRAFTED] == ["cets224-art6", "e-evidence"]


@pytest.mark.parametrize("path", ALL, ids=by_name)
def test_passes_its_suite_which_tries_every_rule_and_atom(path):
    policy = load(path)
    suite = suite_of(path, policy)
    assert run(policy, suite) == []
    tried = coverage(policy, suite)
    assert (tried.untried_rules, tried.untried) == ((), ())


# The composition is left out: its mutants are its parts', and would take minutes.
@pytest.mark.slow
@pytest.mark.parametrize("path", [p for p in ALL if p.stem != "registrar-default"], ids=by_name)
def test_has_a_suite_that_notices_every_mutant(path):
    policy = load(path)
    tried = attempt(policy, suite_of(path, policy))
    assert [t.mutant for t in tried if t.verdict is Verdict.SURVIVED] == []


@pytest.mark.parametrize("name", shipped())
def test_cites_a_checked_law_for_everything_personal(name):
    for rule in load_named(name).rules:
        if rule.action == "grant" and any(e.personal for e in rule.elements):
            assert rule.law
            assert all(c.checked and c.source for c in rule.law)


@pytest.mark.parametrize("path", ALL, ids=by_name)
def test_rests_on_no_law_that_is_not_in_force_unless_it_is_switched_off(path):
    for rule in load(path).rules:
        dormant = {c.status for c in rule.law} - {"in_force"}
        assert not dormant or any(p.switch for p in rule.in_force)


def random_context(rng):
    """Any question about any record, as words, flags and the switches that are on."""
    words = {a: rng.choice((*map(str, known), None)) for a, known in ATTRIBUTES.items()}
    if rng.random() < 0.3:
        words |= ANONYMOUS_ATTRIBUTES
    flags = {e: rng.choice(("allow", "deny", None)) for e in ELEMENTS.values()}
    facts = Facts(
        disclose_allow=frozenset(e for e, flag in flags.items() if flag == "allow"),
        disclose_deny=frozenset(e for e, flag in flags.items() if flag == "deny"),
    )
    known = ("epp-flag-is-consent", "publish-legal-names", "icann-urgent-requests")
    return words, facts, frozenset(s for s in known if rng.random() < 0.5)


@cache
def now(policy, switches):
    return edition(policy, NOW, switches)


def given(policy, words, facts, switches):
    rulings = now(policy, switches).rulings(words, facts)
    return {e: (r.treatment, set(r.obligations)) for e, r in rulings.items()}


def test_composes_two_policies_that_change_nothing_in_each_other():
    whole, parts = load_named("registrar-default"), {g: load_named(n) for g, n in PARTS.items()}
    rng = random.Random(20261125)
    seen = 0
    for _, (group, part) in product(range(1000), parts.items()):
        words, facts, switches = random_context(rng)
        words["tld_group"] = group
        expected = given(part, words, facts, switches)
        assert given(whole, words, facts, switches) == expected
        seen += any(e.personal for e in expected)
    assert seen > 500


@pytest.mark.parametrize("group", PARTS)
def test_differs_from_neither_part_under_its_tlds(group):
    def there(policy):
        under = (Atom("tld_group", frozenset({group})),)
        return replace(
            policy, rules=tuple(replace(r, when=conjoin(r.when, under)) for r in policy.rules)
        )

    assert not diff(there(load_named("registrar-default")), there(load_named(PARTS[group])))


@pytest.mark.parametrize("name", shipped())
def test_treats_a_registrant_of_unknown_kind_as_a_natural_person(name):
    policy, rng = load_named(name), random.Random(7)
    for _ in range(500):
        words, facts, switches = random_context(rng)
        views = [
            given(policy, {**words, "registrant_kind": kind}, facts, switches)
            for kind in ("natural", "unspecified")
        ]
        assert views[0] == views[1]


@pytest.mark.parametrize("name", shipped())
def test_never_opens_more_for_want_of_a_fact(name):
    policy, rng = load_named(name), random.Random(8)
    for _ in range(200):
        words, facts, switches = random_context(rng)
        fact = rng.choice([a for a in FACT_ATTRIBUTES if a not in {"disclose", "tld_group"}])
        unsaid = given(policy, {**words, fact: None}, facts, switches)
        said = [given(policy, {**words, fact: w}, facts, switches) for w in ATTRIBUTES[fact]]
        for element, (treatment, _) in unsaid.items():
            assert all(element in view for view in said)
            assert all(view[element][0].strength >= treatment.strength for view in said)


# --- Drafts ---------------------------------------------------------------------------------------

ART6 = {"purpose": CRIME, "basis": "second_protocol_article_6", "case": "1"}
EUROPEAN = {"purpose": CRIME, "basis": "e_evidence_order", "case": "1"}
MINE = """\
whoisgate: 1
policy: mine
version: "1"
elements: 1
reveals:
  public: [contact_roles, publish_consent, organization_consent, registrant_kind, disclose]
includes:
  - {{policy: registrar-default}}
  - {{policy: cets224-art6, when: {{tld_group: {group}}}}}
  - {{policy: e-evidence, when: {{tld_group: {group}}}}}
rules: []
"""


@pytest.fixture(params=PARTS)
def mine(request, tmp_path):
    """An operator's own policy with both drafts, and a name that they are for."""
    path = tmp_path / "drafts" / "mine.yaml"
    path.parent.mkdir()
    path.write_text(MINE.format(group=request.param))
    return path, {"gtld": "example.com", "cctld": "example.nl"}[request.param]


def personal(decision):
    return {e.name for e in decision.beyond}


@pytest.mark.parametrize("path", DRAFTED, ids=by_name)
def test_warns_of_a_draft_and_of_nothing_else(path, tmp_path):
    assert {(f.code, f.severity) for f in check_file(path)} == {("WG210", "warning")}
    assert load(path).draft
    assert load_text(path.read_text()).draft
    elsewhere = tmp_path / path.name
    elsewhere.write_text(path.read_text())
    with pytest.raises(PolicyError, match="without `checked`"):
        load(elsewhere)


@pytest.mark.parametrize("path", DRAFTED, ids=by_name)
def test_keeps_a_draft_off_until_it_is_switched_on(path):
    policy = load(path)
    assert edition(policy, NOW).rules == ()
    switched = edition(policy, NOW, frozenset({path.stem}))
    assert switched.rules == policy.rules


def test_includes_drafts_in_a_draft_alone(mine, tmp_path):
    path, _ = mine
    assert load(path).draft
    elsewhere = tmp_path / "mine.yaml"
    elsewhere.write_text(path.read_text())
    with pytest.raises(PolicyError, match="WG214"):
        load(elsewhere)


def test_answers_article_6_to_another_party_once_a_person_approved(mine, ask, requester):
    path, name = mine
    policy = load(path)
    party, native = (
        requester("law_enforcement", "high", place)
        for place in ("convention_party", "same_country")
    )

    def asked(who, approved, *switches):
        return ask(policy, who, ART6, approved, name=name, switches=switches)

    assert asked(party, "granted").outcome is Outcome.REFUSED
    answered = asked(party, "granted", "cets224-art6")
    assert "registrant.name" in personal(answered)
    assert {e.split(".")[0] for e in personal(answered)} == {"registrant"}
    assert asked(party, "standing", "cets224-art6").outcome is Outcome.NEEDS_APPROVAL
    assert asked(native, "granted", "cets224-art6").outcome is Outcome.REFUSED


def test_answers_european_orders_of_courts_and_reviews_urgent_ones(mine, ask, requester):
    path, name = mine
    policy = load(path)
    court, officer = (requester(who, "high", "eu") for who in ("court", "law_enforcement"))

    def asked(who, approved, urgency, *switches):
        question = {**EUROPEAN, "urgency": urgency}
        return ask(policy, who, question, approved, name=name, switches=switches)

    assert asked(court, "granted", "none").outcome is Outcome.REFUSED
    assert "registrant.name" in personal(asked(court, "granted", "none", "e-evidence"))
    assert asked(court, "standing", "life", "e-evidence").outcome is Outcome.NEEDS_APPROVAL
    urgent = asked(officer, "standing", "life", "e-evidence")
    hours = {(o.do, o.after.total_seconds() / 3600) for o in urgent.obligations}
    assert hours == {("review_disclosure", 48), ("review_disclosure", 96)}
