"""Decide element by element what one requester may see; no values, no I/O, no clock.

What the policy allows is `evaluate`'s to say and `compiled`'s to answer. An element asked for gets
what the policy allows (where the rule demands approval: only if approved); every other element
gets ``min(allowed, public)``. So nobody sees less than the public unless a cap says so.

All inputs are small closed enumerations, so decisions are memoised and interned: the same
question about the same facts gives the same `Decision` object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from whoisgate.elements import ELEMENTS, Element, Kind, contact_elements
from whoisgate.errors import SecondApproverNeeded
from whoisgate.policy.compiled import compiled
from whoisgate.policy.diagram import under, value
from whoisgate.policy.evaluate import SILENCE, Context, Ruling
from whoisgate.policy.model import (
    ANONYMOUS_ATTRIBUTES,
    COUNTRY,
    Obligation,
    Policy,
    Rule,
    Treatment,
)
from whoisgate.queries import Question, Requester
from whoisgate.records import Facts

_MEMO: Final = 4096


class Outcome(StrEnum):
    """How a question ends. The public view alone is `PUBLIC` and has no entry."""

    PUBLIC = "public"
    RELEASED = "released"
    REFUSED = "refused"
    NEEDS_APPROVAL = "needs_approval"


class Approved(NamedTuple):
    """Elements approved for this question: by standing configuration, and by a grant to it."""

    standing: frozenset[Element] = frozenset()
    granted: frozenset[Element] = frozenset()


NOTHING_APPROVED: Final = Approved()


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What one requester may see of one record, element by element.

    Holds element names and rule ids, never values: safe to log. ``rulings`` has an item for each
    element that is not withheld; ``beyond`` are the elements treated more openly than the
    public's; ``gated`` says that some treatment, parameters included, differs from the public's.
    ``asked`` is empty for the public. ``context`` is what was known, for replay; ``in_force`` are
    the ids of the rules that were in force.
    """

    policy: str
    outcome: Outcome
    rulings: Mapping[Element, Ruling]
    asked: frozenset[Element]
    beyond: frozenset[Element]
    gated: bool
    context: Mapping[str, str | None]
    approved: Approved
    obligations: tuple[Obligation, ...]
    in_force: frozenset[str] = frozenset()

    def treatment(self, element: Element) -> Treatment:
        """An element that no rule mentions is withheld."""
        return self.rulings.get(element, SILENCE).treatment

    def releases(self, element: Element) -> bool:
        """Whether the element leaves as it is."""
        return self.treatment(element).kind is Kind.RELEASE


class Edition:
    """One policy at one time, with these switches on; memoises decisions.

    ``rules`` are those in force; ``until`` is the next moment at which another edition may hold,
    or None. Raises `TooManyCases` for a policy that cannot be compiled.
    """

    def __init__(self, policy: Policy, now: datetime, switches: frozenset[str]) -> None:
        whole = compiled(policy)
        state = whole.space.words(now, switches)
        self.policy, self.until = policy, whole.space.until(now)
        self.rules = tuple(r for r in policy.rules if in_force(r, now, switches))
        self._ids = frozenset(r.id for r in self.rules)
        self._diagrams = [(e, under(s.diagram, state)) for e, s in whole.scope_of.items()]
        self._allowed = lru_cache(_MEMO)(self._decide_all)
        self._memo: dict[object, Decision] = {}

    def rulings(self, context: Context, facts: Facts) -> Mapping[Element, Ruling]:
        """Every element that the policy alone does not withhold in this context."""
        return self._allowed(tuple(context.items()), facts.disclose_allow, facts.disclose_deny)

    def decide(
        self,
        question: Question,
        requester: Requester,
        facts: Facts,
        approved: Approved = NOTHING_APPROVED,
        *,
        permitted: bool = True,
    ) -> Decision:
        """The decision for one question about one record's facts.

        Not ``permitted``: the question says a purpose or basis that its credential does not
        allow, and is refused whatever the rules say (RFC 9560 §4.2.1).
        """
        key = (
            question.purpose, question.basis, question.case is not None, question.elements,
            question.urgency, question.gated, requester.requester_class, requester.assurance,
            requester.jurisdiction, facts, approved, tld_group(question.name), permitted,
        )  # fmt: skip
        known = self._memo.get(key)
        if known is None:
            if len(self._memo) >= _MEMO:
                self._memo.clear()
            known = self._memo[key] = self._settle(
                question, requester, facts, approved, permitted=permitted
            )
        return known

    def _settle(
        self,
        question: Question,
        requester: Requester,
        facts: Facts,
        approved: Approved,
        *,
        permitted: bool,
    ) -> Decision:
        fact_words = facts_context(facts, question.name)
        public = self.rulings({**ANONYMOUS_ATTRIBUTES, **fact_words}, facts)
        if requester.public or not question.gated:
            context = {**ANONYMOUS_ATTRIBUTES, **fact_words}
            return self._decision(Outcome.PUBLIC, public, public, frozenset(), context, approved)
        words = {**question_context(question, requester), **fact_words}
        asked = question.elements or self.policy.defaults.get(question.purpose or "", frozenset())

        if not permitted:
            return self._decision(Outcome.REFUSED, public, public, asked, words, approved)

        def allowed(approval: str) -> Mapping[Element, Ruling]:
            return self.rulings({**words, "approval": approval}, facts)

        def final(hypothetical: bool) -> dict[Element, Ruling]:  # noqa: FBT001  read two lines below
            best = _Best(asked, approved, allowed, hypothetical)
            found = {e: r for e in ELEMENTS.values() if (r := best.final(e, public))}
            return {**found, **dict(best.countries(found))}

        rulings = final(hypothetical=False)
        outcome = Outcome.RELEASED
        if not _beyond(rulings, public):
            might = _beyond(final(hypothetical=True), public)
            outcome = Outcome.NEEDS_APPROVAL if might else Outcome.REFUSED
        return self._decision(outcome, rulings, public, asked, words, approved)

    def _decision(  # noqa: PLR0917  one constructor call, in the order of its fields
        self,
        outcome: Outcome,
        rulings: Mapping[Element, Ruling],
        public: Mapping[Element, Ruling],
        asked: frozenset[Element],
        context: Context,
        approved: Approved,
    ) -> Decision:
        beyond = _beyond(rulings, public)
        return Decision(
            self.policy.digest,
            outcome,
            rulings,
            asked,
            beyond,
            {e: r.treatment for e, r in rulings.items()}
            != {e: r.treatment for e, r in public.items()},
            context,
            approved,
            tuple(dict.fromkeys(o for e in rulings if e in beyond for o in rulings[e].obligations)),
            self._ids,
        )

    def _decide_all(
        self,
        context: tuple[tuple[str, str | None], ...],
        allow: frozenset[Element],
        deny: frozenset[Element],
    ) -> Mapping[Element, Ruling]:
        words = dict(context)
        decided = {}
        for element, diagram in self._diagrams:
            words["disclose"] = disclosed(element, allow, deny)
            ruling = value(diagram, words)
            if ruling.treatment.kind is not Kind.WITHHOLD:
                decided[element] = ruling
        return decided


def withheld(decision: Decision, word: str) -> Decision:
    """A decision that is not permitted, for what an entry says under ``held``."""
    waits = word == SecondApproverNeeded.word
    return replace(decision, outcome=Outcome.NEEDS_APPROVAL) if waits else decision


def edition(policy: Policy, now: datetime, switches: frozenset[str] = frozenset()) -> Edition:
    """The edition of ``policy`` at ``now`` with these switches on."""
    return Edition(policy, now, switches)


def in_force(rule: Rule, now: datetime, switches: frozenset[str]) -> bool:
    """Whether every period of the rule is active."""
    return all(
        (p.since is None or p.since <= now)
        and (p.until is None or now < p.until)
        and (p.switch is None or p.switch in switches)
        for p in rule.in_force
    )


def disclosed(element: Element, allow: frozenset[Element], deny: frozenset[Element]) -> str:
    """The word of ``disclose`` for one element."""
    return "allow" if element in allow else "deny" if element in deny else "absent"


def question_context(question: Question, requester: Requester) -> dict[str, str | None]:
    """The words that question and credential give; `approval` is none until decided."""
    return {
        "requester": requester.requester_class.value,
        "assurance": requester.assurance.value,
        "purpose": question.purpose and question.purpose.value,
        "basis": question.basis and question.basis.value,
        "jurisdiction": requester.jurisdiction and requester.jurisdiction.value,
        "urgency": question.urgency.value,
        "case": "given" if question.case else "absent",
        "approval": "none",
    }


def facts_context(facts: Facts, name: str) -> dict[str, str | None]:
    """The words that a record's facts and the name's suffix give."""
    return {
        "registrant_kind": facts.registrant_kind.value,
        "publish_consent": _flag(facts.publish_consent),
        "organization_consent": _flag(facts.organization_consent),
        "region": facts.region and facts.region.value,
        "privacy_service": _flag(facts.privacy_service),
        "tld_group": tld_group(name),
    }


def tld_group(name: str) -> str:
    """``cctld`` for a two-letter last label (ISO 3166-1), else ``gtld``.

    An internationalised country-code label counts as ``gtld``.
    """
    return "cctld" if len(name.rpartition(".")[2]) == 2 else "gtld"  # noqa: PLR2004  ISO 3166-1 alpha-2


def _flag(value: bool | None) -> str | None:  # noqa: FBT001  a fact, not a switch
    return None if value is None else str(value).lower()


@dataclass(frozen=True, slots=True)
class _Best:
    """The best ruling of an element under what is approved of it; ``hypothetical``: everything."""

    asked: frozenset[Element]
    approved: Approved
    allowed: Callable[[str], Mapping[Element, Ruling]]
    hypothetical: bool

    def final(self, element: Element, public: Mapping[Element, Ruling]) -> Ruling | None:
        """The final ruling of one element, or None for withhold."""
        ruling = self._of(element, element)
        if element in self.asked:
            return ruling
        open_to_all = public.get(element)
        if ruling is None or open_to_all is None:
            return None
        return min(open_to_all, ruling, key=_opened)

    def countries(self, rulings: Mapping[Element, Ruling]) -> Iterator[tuple[Element, Ruling]]:
        """The countries for which address parts stand that were asked for.

        A rule that generalises a part grants its country: who gets the one, asked for both.
        """
        for part, ruling in rulings.items():
            if part in self.asked and ruling.treatment == COUNTRY and part.role:
                country = contact_elements(part.role)["country"]
                shown = self._of(country, part)
                if shown and not set(shown.granted_by).isdisjoint(ruling.granted_by):
                    yield country, shown

    def _of(self, element: Element, approved_as: Element) -> Ruling | None:
        held = [
            word
            for word, elements in (
                ("granted", self.approved.granted),
                ("standing", self.approved.standing),
            )
            if approved_as in elements
            or (self.hypothetical and word == "granted" and approved_as in self.asked)
        ]
        return max((self.allowed(w).get(element) for w in held or ("none",)), key=_opened)


def _beyond(
    rulings: Mapping[Element, Ruling], public: Mapping[Element, Ruling]
) -> frozenset[Element]:
    return frozenset(e for e, r in rulings.items() if _opened(r) > _opened(public.get(e)))


def _opened(ruling: Ruling | None) -> tuple[int, int]:
    return (ruling or SILENCE).treatment.strength
