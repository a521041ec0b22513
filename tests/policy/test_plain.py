"""The plain-language form of rules: complete, and read aloud."""

from datetime import UTC, datetime, timedelta

import pytest

from whoisgate.elements import ELEMENTS, Kind
from whoisgate.policy import phrases, plain
from whoisgate.policy.model import (
    ATTRIBUTES,
    DUTIES,
    FACT_ATTRIBUTES,
    PARAMETERS,
    RELEASE,
    STATUSES,
    WITHHOLD,
    Atom,
    Citation,
    InForce,
    Obligation,
    Rule,
    Treatment,
)
from whoisgate.policy.read import REVEALABLE

EMAIL = frozenset({ELEMENTS["registrant.email"]})


def atoms(**words):
    return tuple(Atom(a, frozenset({w} if isinstance(w, str) else w)) for a, w in words.items())


def rule(action="grant", treatment=RELEASE, unless=(), obligations=(), period=(), law=(), **when):
    return Rule("R", action, treatment, EMAIL, atoms(**when), unless, obligations, period, law)


def test_has_a_phrase_for_every_word():
    assert {a: list(map(str, words)) for a, words in ATTRIBUTES.items()} == {
        a: list(words) for a, words in phrases.WORD.items()
    }
    assert list(phrases.ATTRIBUTE) == list(ATTRIBUTES)
    assert list(phrases.REQUESTER) == list(ATTRIBUTES["requester"])
    assert list(phrases.GROUP) == list(dict.fromkeys(e.group for e in ELEMENTS.values()))
    assert set(phrases.FACT) == set(REVEALABLE)
    assert set(phrases.DUTY) == set(DUTIES)
    assert set(phrases.STATUS) == set(STATUSES)
    assert set(phrases.SEEN) == set(Kind)
    treatments = {(k, p) for k in Kind for p in PARAMETERS.get(k, ("",))}
    assert set(phrases.TREATMENT) == treatments


def test_has_phrases_for_sets_that_a_policy_can_name():
    assert all(words <= set(map(str, ATTRIBUTES[a])) for a, words in phrases.TOGETHER)
    assert phrases.BUT.keys() <= ATTRIBUTES.keys() - set(FACT_ATTRIBUTES)


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_reads_every_single_word_as_its_own_phrase(attribute):
    said = {plain.clause(Atom(attribute, frozenset({str(w)}))) for w in ATTRIBUTES[attribute]}
    assert len(said) == len(ATTRIBUTES[attribute])
    assert not any("{" in s or "_" in s for s in said)


EVERYBODY = frozenset(map(str, ATTRIBUTES["requester"]))
KNOWN = EVERYBODY - {"public"}
GDPR = Citation("gdpr", "6(1)(c)", "in_force", "a reprint", "2026-11-23")
DRAFT = Citation("made-up", "7", "draft", "a draft", None)
GRANTS = [
    (rule(), "Everybody sees it whole (R)."),
    (rule(requester="court", law=(GDPR,)), "A court sees it whole (R; GDPR 6(1)(c))."),
    (rule(requester="court", law=(DRAFT,)), "A court sees it whole (R; made-up 7, a draft)."),
    (
        rule(
            requester="law_enforcement", assurance="high", basis="court_order", case="given",
            approval=("standing", "granted"), law=(GDPR,),
            obligations=(Obligation("notify_registrant", timedelta(days=90)),),
        ),
        ("Law enforcement, proved with high assurance, relying on a court order, with a case "
        "number, after approval, sees it whole (R; GDPR 6(1)(c)). The registrant is told after "
        "90 days."),
    ),
    (rule(case="given", requester="court"), "A court, with a case number, sees it whole (R)."),
    (rule(case="given"), "Any known requester, with a case number, sees it whole (R)."),
    (rule(requester=KNOWN), "Any known requester sees it whole (R)."),
    (
        rule(requester=KNOWN - {"other"}),
        "Any known requester but a requester of no listed kind sees it whole (R).",
    ),
    (
        rule(registrant_kind="natural", region="eea"),
        ("Everybody sees it whole if the registrant is a natural person and is in "
        "the European Economic Area (R)."),
    ),
    (
        rule(requester="court", unless=atoms(region="eea", urgency="none")),
        ("A court sees it whole, except when the registrant is in the European Economic Area and "
        "stating no urgency, or when that is not known (R)."),
    ),
    (
        rule(requester="court", period=(InForce(datetime(2027, 1, 1, tzinfo=UTC)),)),
        "From 2027-01-01: a court sees it whole (R).",
    ),
    (
        rule(
            requester="court",
            period=(InForce(None, datetime(2027, 1, 1, 12, 30, tzinfo=UTC), "pilot"),),
        ),
        ('Before 2027-01-01 12:30 UTC and only while the operator has "pilot" switched on: a court '
        "sees it whole (R)."),
    ),
    (
        rule(requester="court", obligations=(Obligation("review_disclosure", timedelta(1)),)),
        "A court sees it whole (R). The disclosure is reviewed after 24 hours.",
    ),
]  # fmt: skip
CAPS = [
    (rule("cap", WITHHOLD, requester=EVERYBODY), "Whatever else holds, nobody sees it (R)."),
    (rule("cap", WITHHOLD), "Whatever else holds, nobody sees it (R)."),
    (
        rule("cap", WITHHOLD, requester="public", disclose="deny"),
        (
            "Whatever else holds, the public does not see it if the registrant's own flag forbids "
            "it (R)."
        ),
    ),
    (
        rule("cap", Treatment(Kind.GENERALISE, "year"), requester=("public", "court")),
        "Whatever else holds, the public or a court at most sees its year alone (R).",
    ),
    (
        rule("cap", WITHHOLD, requester="court", region="eea"),
        (
            "Whatever else holds, a court does not see it if the registrant is in the European "
            "Economic Area, also where that is not known (R)."
        ),
    ),
    (
        rule("cap", WITHHOLD, requester=EVERYBODY - {"other"}, unless=atoms(case="given")),
        (
            "Whatever else holds, everybody but a requester of no listed kind does not see it, "
            "except when with a case number (R)."
        ),
    ),
]


@pytest.mark.parametrize(("grant", "said"), GRANTS)
def test_says_what_a_grant_lets_somebody_see(grant, said):
    assert plain.grant(grant, grant.treatment) == said


@pytest.mark.parametrize(("cap", "said"), CAPS)
def test_says_what_a_cap_keeps(cap, said):
    assert plain.cap(cap, cap.treatment) == said


def test_says_that_what_the_public_sees_everybody_sees():
    said = plain.grant(rule(), Treatment(Kind.REPLACE), public=True)
    assert said == (
        "The public, and so everybody, sees a contact form or a forwarding address in its place "
        "(R)."
    )


@pytest.mark.parametrize(
    ("names", "folded"),
    [
        (["domain.created"], ["domain.created"]),
        ([e for e in ELEMENTS if e.startswith("tech.")], ["tech.*"]),
        (
            [e for e in ELEMENTS if e.startswith("dnssec.") or e == "reseller.name"],
            ["reseller.name", "dnssec.*"],
        ),
        (
            [e for e in ELEMENTS if e.startswith("tech.") and "fax" not in e],
            ["tech.*", "!tech.fax", "!tech.fax_ext"],
        ),
        ([], []),
    ],
)
def test_folds_elements_as_a_policy_names_them(names, folded):
    assert plain.folded({ELEMENTS[n] for n in names}) == folded
