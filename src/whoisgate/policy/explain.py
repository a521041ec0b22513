"""Why each element was treated as it was: the rule, its law, the nearest clause that was missing.

Reads a policy and a decision, never a record. What an explanation says of an element that is
withheld does not depend on the record's facts: conditions on them are shown as `a condition on
the record`, and choosing the nearest rule does not look at them. Only who knows the facts already
(an author trying a policy out) is told of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from whoisgate.elements import ELEMENTS, Element, Kind
from whoisgate.policy.decide import Decision, Outcome, disclosed
from whoisgate.policy.evaluate import effect
from whoisgate.policy.model import (
    ATTRIBUTES,
    FACT_ATTRIBUTES,
    QUESTION_ATTRIBUTES,
    Atom,
    Citation,
    Policy,
    Rule,
    Treatment,
)
from whoisgate.records import Facts

ON_RECORD: Final = "a condition on the record"
NOT_ASKED: Final = "not asked for"
NO_RULE: Final = "no rule grants it"
_MEMO: Final = 1024
_RECORD_WEIGHT: Final = 5
_OTHER_WEIGHT: Final = 10
_SPELLED: Final = 3

_Words = Mapping[str, frozenset[str]]
"""Attribute to the words that hold, none where it is unknown; what is not told has no item."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one element was treated as it was.

    ``rules`` granted what is shown; for a withheld element, the one rule that came nearest.
    ``missing`` are that rule's clauses that did not hold, in plain words; an element that is
    shown, but less than some rule would, has them too. ``capped_by`` names caps.
    """

    element: Element
    treatment: Treatment
    rules: tuple[str, ...]
    law: tuple[Citation, ...]
    capped_by: tuple[str, ...]
    missing: tuple[str, ...]
    asked: bool


@lru_cache(_MEMO)
def explain(
    policy: Policy, decision: Decision, facts: Facts | None = None
) -> Mapping[Element, Reason]:
    """A reason for every element of the registry, in its order.

    ``policy`` must be the one that decided; this is not checked. ``facts``: those decided on, for
    whoever knows them; the reasons then tell of them.
    """
    touching: dict[Element, list[Rule]] = {e: [] for e in ELEMENTS.values()}
    for rule in policy.rules:
        if rule.id in decision.in_force:
            for element in rule.elements:
                touching[element].append(rule)
    return MappingProxyType({e: _reason(e, touching[e], decision, facts) for e in touching})


def sentence(reason: Reason) -> str:
    """One line for a person."""
    law = "; ".join(f"{c.instrument} {c.article}" for c in reason.law)
    cited = f" ({law})" if law else ""
    under = ", ".join(reason.rules)
    capped = f", capped by {', '.join(reason.capped_by)}" if reason.capped_by else ""
    missing = "; ".join(reason.missing)
    if reason.treatment.kind is not Kind.WITHHOLD:
        more = f"; more would need {missing}" if missing else ""
        return f"{reason.element}: {reason.treatment} under {under}{cited}{capped}{more}"
    if not reason.rules:
        return f"{reason.element}: withheld{capped}, {missing}"
    wanting = f"; missing {missing}" if missing else ""
    return f"{reason.element}: withheld{capped}; nearest is {under}{cited}{wanting}"


def _reason(element: Element, rules: list[Rule], decision: Decision, facts: Facts | None) -> Reason:
    treatment, ruling = decision.treatment(element), decision.rulings.get(element)
    words, asked = _words(element, decision, facts), element in decision.asked
    nearest = _nearest(element, rules, treatment, words)
    if nearest is None:
        missing: tuple[str, ...] = () if ruling else (NO_RULE,)
    else:
        public = decision.outcome is Outcome.PUBLIC
        missing = _missing(nearest, words, asked=asked or public)
    if ruling is None:
        capped, unsure = _caps(element, rules, words, treatment, nearest)
        if unsure and nearest and ON_RECORD not in missing:
            missing = (*missing, ON_RECORD)
    else:
        capped = ruling.capped_by
    shown = [r for r in rules if r.id in ruling.granted_by] if ruling else [nearest]
    known = [r for r in shown if r is not None]
    law = tuple(dict.fromkeys(c for r in known for c in r.law))
    return Reason(element, treatment, tuple(r.id for r in known), law, capped, missing, asked)


def _nearest(
    element: Element, rules: Iterable[Rule], treatment: Treatment, words: _Words
) -> Rule | None:
    """The grant of more than ``treatment`` that lacks the least, as `_distance` counts."""
    more = [
        r
        for r in rules
        if r.action == "grant"
        and all(o.after is not None for o in r.obligations)
        and effect(r, element).strength > treatment.strength
    ]
    return min(more, key=lambda r: _distance(r, words), default=None)


def _distance(rule: Rule, words: _Words) -> tuple[int, bool]:
    """How far a rule is: missing clauses, more for those that the requester cannot mend."""
    unmet = (a for a in _told(rule.when, words) if _fails(a, words))
    depends = _on_record(rule, words) or any(a.attribute in FACT_ATTRIBUTES for a in unmet)
    other = any(a.attribute == "requester" and _fails(a, words) for a in rule.when)
    return len(_clauses(rule, words)) + _RECORD_WEIGHT * depends + _OTHER_WEIGHT * other, depends


def _missing(rule: Rule, words: _Words, *, asked: bool) -> tuple[str, ...]:
    said = _clauses(rule, words)
    if not said and not asked:
        said = [NOT_ASKED]
    return (*said, ON_RECORD) if _on_record(rule, words) else tuple(said)


def _clauses(rule: Rule, words: _Words) -> list[str]:
    """The clauses that do not hold, of those that are told."""
    found = [clause(a) for a in _told(rule.when, words) if _fails(a, words)]
    excepted = _told(rule.unless, words)
    if excepted and len(excepted) == len(rule.unless) and _maybe(excepted, words):
        found.append(f"not ({' and '.join(map(clause, excepted))})")
    return found


def _on_record(rule: Rule, words: _Words) -> bool:
    """Whether the rule holds or not by facts, as far as the question tells."""
    excepted = _told(rule.unless, words)
    by_exception = len(excepted) < len(rule.unless) and _maybe(excepted, words)
    return by_exception or len(_told(rule.when, words)) < len(rule.when)


def _caps(
    element: Element,
    rules: Iterable[Rule],
    words: _Words,
    treatment: Treatment,
    nearest: Rule | None,
) -> tuple[tuple[str, ...], bool]:
    """The caps that surely keep the element where it is, and whether facts may bring another."""
    sure, unsure = [], False
    for cap in rules:
        if cap.action != "cap" or nearest is None:
            continue
        lowers = effect(cap, element).strength <= treatment.strength
        if not lowers or not _maybe(_told(cap.when, words), words):
            continue
        if len(_told((*cap.when, *cap.unless), words)) == len(cap.when) + len(cap.unless):
            excepted = cap.unless and all(words[a.attribute] & a.words for a in cap.unless)
            sure += [] if excepted else [cap.id]
        else:
            unsure = True
    return tuple(sure), unsure


def _words(element: Element, decision: Decision, facts: Facts | None) -> _Words:
    """What was known when this element was decided: of question and requester, or of all."""
    context = dict(decision.context)
    if facts is not None:
        context["disclose"] = disclosed(element, facts.disclose_allow, facts.disclose_deny)
    words = {
        a: frozenset({word} if (word := context[a]) is not None else ())
        for a in (QUESTION_ATTRIBUTES if facts is None else ATTRIBUTES)
    }
    approvals = {"granted": decision.approved.granted, "standing": decision.approved.standing}
    held = frozenset(name for name, elements in approvals.items() if element in elements)
    return {**words, "approval": held} if held else words


def _maybe(atoms: Iterable[Atom], words: _Words) -> bool:
    return all(not words[a.attribute] or words[a.attribute] & a.words for a in atoms)


def _fails(atom: Atom, words: _Words) -> bool:
    return not words[atom.attribute] & atom.words


def _told(atoms: Iterable[Atom], words: _Words) -> list[Atom]:
    return [a for a in atoms if a.attribute in words]


def clause(atom: Atom) -> str:
    """An atom in plain words: ``approval: granted or standing``, ``requester: not public``."""
    others = frozenset(str(w) for w in ATTRIBUTES[atom.attribute]) - atom.words
    if len(atom.words) > _SPELLED and 0 < len(others) < len(atom.words):
        return f"{atom.attribute}: not {' or '.join(sorted(others))}"
    return f"{atom.attribute}: {' or '.join(sorted(atom.words))}"
