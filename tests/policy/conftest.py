"""Random policies, and a second evaluator that shares no code with the first."""

import random
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from whoisgate.elements import ELEMENTS, Element, Kind
from whoisgate.policy import Decision, edition
from whoisgate.policy.decide import NOTHING_APPROVED, Approved
from whoisgate.policy.model import ATTRIBUTES, Atom, InForce, Obligation, Policy, Rule, Treatment
from whoisgate.queries import Assurance, Jurisdiction, Question, Requester, RequesterClass
from whoisgate.records import Facts

TOUCHED = tuple(
    ELEMENTS[name]
    for name in ("registrant.email", "registrant.name", "domain.created", "registrant.country")
)
TREATMENTS = (
    Treatment(Kind.WITHHOLD),
    Treatment(Kind.REPLACE),
    Treatment(Kind.PSEUDONYM, "domain"),
    Treatment(Kind.PSEUDONYM, "stable"),
    Treatment(Kind.GENERALISE, "year"),
    Treatment(Kind.RELEASE),
)
"""All treatments in order."""

POOL = {
    "requester": ("public", "law_enforcement", "csirt"),
    "assurance": ("none", "high"),
    "basis": ("national_order", "court_order"),
    "case": ("given", "absent"),
    "approval": ("none", "standing", "granted"),
    "registrant_kind": ("natural", "legal"),
    "publish_consent": ("true", "false"),
    "disclose": ("absent", "allow", "deny"),
    "region": ("eea", "other"),
}
PERIODS = (InForce(switch="one"), InForce(switch="two"))


def random_atoms(rng: random.Random, most: int) -> tuple[Atom, ...]:
    chosen = rng.sample(sorted(POOL), rng.randint(0, most))
    return tuple(
        Atom(a, frozenset(rng.sample(POOL[a], rng.randint(1, len(POOL[a]) - 1)))) for a in chosen
    )


def random_rule(rng: random.Random, number: int, *, periods: bool = False) -> Rule:
    action = rng.choice(("grant", "grant", "cap"))
    obligations = ()
    if rng.random() < 0.2:
        obligations = (Obligation("notify_registrant", rng.choice((None, timedelta(days=9)))),)
    return Rule(
        f"R{number}",
        action,
        rng.choice(TREATMENTS[1:] if action == "grant" else TREATMENTS[:-1]),
        frozenset(rng.sample(TOUCHED, rng.randint(1, len(TOUCHED)))),
        random_atoms(rng, 3),
        random_atoms(rng, 2) if rng.random() < 0.4 else (),
        obligations,
        tuple(rng.sample(PERIODS, rng.randint(0, 1))) if periods else (),
    )


def random_rules(rng: random.Random, *, periods: bool = False) -> tuple[Rule, ...]:
    return tuple(random_rule(rng, n, periods=periods) for n in range(rng.randint(1, 6)))


def of_rules(rules: Iterable[Rule]) -> Policy:
    return Policy("random", "1", "", "", tuple(rules))


ANONYMOUS = {
    "requester": "public", "assurance": "none", "purpose": None, "basis": None,
    "jurisdiction": None, "urgency": "none", "case": "absent", "approval": "none",
}  # fmt: skip


def naive_treatment(
    rules: Iterable[Rule], element: Element, words: Mapping[str, str | None]
) -> Treatment:
    """The design's two sentences, word by word: min(caps, max(grants)), and the public's floor."""
    as_public = {**words, **ANONYMOUS}
    granted, capped = 0, 5
    for rule in rules:
        if element not in rule.elements:
            continue
        rank = _rank(rule.treatment, element)
        if rule.action == "cap":
            if _cap(rule, words):
                capped = min(capped, rank)
        elif all(o.after for o in rule.obligations) and (
            _grant(rule, words) or _grant(rule, as_public)
        ):
            granted = max(granted, rank)
    return TREATMENTS[min(granted, capped)]


def _rank(treatment: Treatment, element: Element) -> int:
    """An unsupported treatment falls to the next lower one, with its default parameter."""
    rank = TREATMENTS.index(treatment)
    if treatment.kind in element.supports:
        return rank
    while TREATMENTS[rank].kind not in element.supports:
        rank -= 1
    return 2 if TREATMENTS[rank].kind is Kind.PSEUDONYM else rank


def _grant(rule: Rule, words: Mapping[str, str | None]) -> bool:
    for atom in rule.when:
        if words[atom.attribute] is None or words[atom.attribute] not in atom.words:
            return False
    if not rule.unless:
        return True
    for atom in rule.unless:
        if words[atom.attribute] is not None and words[atom.attribute] not in atom.words:
            return True
    return False


def _cap(rule: Rule, words: Mapping[str, str | None]) -> bool:
    for atom in rule.when:
        if words[atom.attribute] is not None and words[atom.attribute] not in atom.words:
            return False
    if not rule.unless:
        return True
    for atom in rule.unless:
        if words[atom.attribute] is None or words[atom.attribute] not in atom.words:
            return True
    return False


def requester_of(requester_class, assurance="high", jurisdiction="same_country"):
    return Requester(
        "authority", "person", RequesterClass(requester_class), Assurance(assurance),
        jurisdiction=Jurisdiction(jurisdiction) if jurisdiction else None,
    )  # fmt: skip


def ask_policy(
    policy, who, question, approved="granted", *, name="example.com", switches=(), facts=None
):
    """The decision on a question for everything personal, unless it names elements."""
    everything = frozenset(ELEMENTS.values())
    held = NOTHING_APPROVED if approved == "none" else Approved(**{approved: everything})
    question = {"elements": [e.name for e in everything if e.personal], **question}
    now = edition(policy, datetime(2026, 11, 25, tzinfo=UTC), frozenset(switches))
    return now.decide(Question.of(name, **question), who, facts or Facts(), held)


@pytest.fixture(scope="session")
def requester() -> Callable[..., Requester]:
    return requester_of


@pytest.fixture(scope="session")
def ask() -> Callable[..., Decision]:
    return ask_policy


@pytest.fixture(scope="session")
def touched() -> tuple[Element, ...]:
    return TOUCHED


@pytest.fixture(scope="session")
def draw() -> Callable[..., tuple[Rule, ...]]:
    """Random rules from a seeded generator."""
    return random_rules


@pytest.fixture(scope="session")
def draw_rule() -> Callable[..., Rule]:
    return random_rule


@pytest.fixture(scope="session")
def naive() -> Callable[..., Treatment]:
    return naive_treatment


@pytest.fixture(scope="session")
def policy_of() -> Callable[[Iterable[Rule]], Policy]:
    return of_rules


@pytest.fixture(scope="session")
def pool() -> Mapping[str, tuple[str, ...]]:
    assert all(set(words) < {*map(str, ATTRIBUTES[a]), ""} for a, words in POOL.items())
    return POOL
