"""Decide element by element what one requester may see; no values, no I/O, no clock.

``result = min(caps, max(grants))``, each as far as the element supports it; no grant means
withhold. An unknown attribute never
satisfies a grant and always satisfies a cap; with ``unless`` it is the other way round. An
element asked for gets what the policy allows (where the rule demands approval: only if
approved); every other element gets ``min(allowed, public)``. What is granted to the anonymous
public is granted to everybody, so that nobody sees less than the public unless a cap says so.

All inputs are small closed enumerations, so decisions are memoised and interned: the same
question about the same facts gives the same `Decision` object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from whoisgate.elements import ELEMENTS, Element, Kind
from whoisgate.policy.model import (
    ANONYMOUS_ATTRIBUTES,
    WITHHOLD,
    Atom,
    Obligation,
    Policy,
    Rule,
    Treatment,
)
from whoisgate.queries import Question, Requester
from whoisgate.records import Facts

Context = Mapping[str, str | None]
"""Attribute to word, or None for unknown. ``disclose`` is filled in per element."""

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


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the policy says of one element: the treatment and the rules that made it."""

    treatment: Treatment = WITHHOLD
    granted_by: tuple[str, ...] = ()
    capped_by: tuple[str, ...] = ()
    obligations: tuple[Obligation, ...] = ()


_SILENCE: Final = Ruling()


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
        return self.rulings.get(element, _SILENCE).treatment

    def releases(self, element: Element) -> bool:
        """Whether the element leaves as it is."""
        return self.treatment(element).kind is Kind.RELEASE


class Edition:
    """The rules of one policy that are in force at one time; memoises decisions.

    ``until`` is the next moment at which another edition may hold, or None.
    """

    def __init__(self, policy: Policy, rules: Iterable[Rule], until: datetime | None) -> None:
        self.policy, self.rules, self.until = policy, tuple(rules), until
        self._ids = frozenset(r.id for r in self.rules)
        self._grants = _by_element(form for r in self.rules for form in granting_forms(r))
        self._caps = _by_element(r for r in self.rules if r.action == "cap")
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
            return {
                e: r
                for e in ELEMENTS.values()
                if (r := _final(e, asked, approved, allowed, public, hypothetical=hypothetical))
            }

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
        for element in ELEMENTS.values():
            words["disclose"] = (
                "allow" if element in allow else "deny" if element in deny else "absent"
            )
            ruling = self._decide_one(element, words)
            if ruling.treatment.kind is not Kind.WITHHOLD:
                decided[element] = ruling
        return decided

    def _decide_one(self, element: Element, words: Context) -> Ruling:
        grants = [r for r in self._grants.get(element, ()) if grants_in(r, words)]
        if not grants:
            return _SILENCE
        caps = [r for r in self._caps.get(element, ()) if caps_in(r, words)]
        strength = {r.id: effect(r, element).strength for r in (*grants, *caps)}
        best = max(strength[r.id] for r in grants)
        used = [r for r in grants if strength[r.id] == best]
        lowest = min((*used, *caps), key=lambda r: strength[r.id])
        return Ruling(
            effect(lowest, element),
            tuple(dict.fromkeys(r.id for r in used)),
            tuple(r.id for r in caps if strength[r.id] < best),
            tuple(dict.fromkeys(o for r in used for o in r.obligations)),
        )


def edition(policy: Policy, now: datetime, switches: frozenset[str] = frozenset()) -> Edition:
    """The edition of ``policy`` at ``now`` with these switches on."""
    active, moments = [], []
    for rule in policy.rules:
        periods = rule.in_force
        moments += [m for p in periods for m in (p.since, p.until) if m is not None and m > now]
        if all(
            (p.since is None or p.since <= now)
            and (p.until is None or now < p.until)
            and (p.switch is None or p.switch in switches)
            for p in periods
        ):
            active.append(rule)
    return Edition(policy, active, min(moments, default=None))


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


def effect(rule: Rule, element: Element) -> Treatment:
    """What a rule comes to for one element: an unsupported treatment falls to the next lower."""
    kind = element.supported(rule.treatment.kind)
    return rule.treatment if kind is rule.treatment.kind else Treatment.plain(kind)


def grants_in(rule: Rule, words: Context) -> bool:
    """Whether a grant holds: every atom surely true, and its exception surely false."""
    return all(words[a.attribute] in a.words for a in rule.when) and not (
        rule.unless and all(_maybe(a, words) for a in rule.unless)
    )


def caps_in(rule: Rule, words: Context) -> bool:
    """Whether a cap holds: no atom surely false, and its exception not surely true."""
    return all(_maybe(a, words) for a in rule.when) and not (
        rule.unless and all(words[a.attribute] in a.words for a in rule.unless)
    )


def _maybe(atom: Atom, words: Context) -> bool:
    word = words[atom.attribute]
    return word is None or word in atom.words


def _flag(value: bool | None) -> str | None:  # noqa: FBT001  a fact, not a switch
    return None if value is None else str(value).lower()


def granting_forms(rule: Rule) -> tuple[Rule, ...]:
    """A rule in the forms in which it grants: as written, and as the public has it, for everybody.

    None for a cap, and none for an obligation that nobody can discharge: that means withhold.
    """
    if rule.action != "grant" or any(o.after is None for o in rule.obligations):
        return ()
    public = _for_everybody(rule)
    return (rule,) if public is None or public == rule else (rule, public)


def _for_everybody(rule: Rule) -> Rule | None:
    """The grant with the anonymous public's words filled in; None where the public has it never."""
    if not all(ANONYMOUS_ATTRIBUTES[a.attribute] in a.words for a in rule.when if _said(a)):
        return None
    unless: tuple[Atom, ...] = ()
    if all(_maybe(a, ANONYMOUS_ATTRIBUTES) for a in rule.unless if _said(a)):
        unless = tuple(a for a in rule.unless if not _said(a))
        if rule.unless and not unless:
            return None
    return replace(rule, when=tuple(a for a in rule.when if not _said(a)), unless=unless)


def _said(atom: Atom) -> bool:
    return atom.attribute in ANONYMOUS_ATTRIBUTES


def _by_element(rules: Iterable[Rule]) -> dict[Element, list[Rule]]:
    found: dict[Element, list[Rule]] = {}
    for rule in rules:
        for element in rule.elements:
            found.setdefault(element, []).append(rule)
    return found


def _final(
    element: Element,
    asked: frozenset[Element],
    approved: Approved,
    allowed: Callable[[str], Mapping[Element, Ruling]],
    public: Mapping[Element, Ruling],
    *,
    hypothetical: bool,
) -> Ruling | None:
    """The final ruling of one element, or None for withhold."""
    held = [
        word
        for word, elements in (("granted", approved.granted), ("standing", approved.standing))
        if element in elements or (hypothetical and word == "granted" and element in asked)
    ]
    ruling = max((allowed(w).get(element) for w in held or ("none",)), key=_opened)
    if element in asked:
        return ruling
    open_to_all = public.get(element)
    if ruling is None or open_to_all is None:
        return None
    return min(open_to_all, ruling, key=_opened)


def _beyond(
    rulings: Mapping[Element, Ruling], public: Mapping[Element, Ruling]
) -> frozenset[Element]:
    return frozenset(e for e, r in rulings.items() if _opened(r) > _opened(public.get(e)))


def _opened(ruling: Ruling | None) -> tuple[Kind, int]:
    return (ruling or _SILENCE).treatment.strength
