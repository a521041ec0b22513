"""Who can see an element, and by which rules: what a policy means for the person concerned.

Walks over the diagrams of the compiled policy, so that nothing is listed that no question can
reach: a rule counts only where it gives more than the public has on equal facts at the same time,
and not where another rule holds whenever it does and more often.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Final

from whoisgate.elements import Element, Kind
from whoisgate.policy.compiled import AT, KNOWN, PUBLIC, Scope, compiled, requester_box
from whoisgate.policy.diagram import Box, Diagram, Maker, Words, mapped, paired, values
from whoisgate.policy.evaluate import Ruling, effect, granting_forms
from whoisgate.policy.model import (
    QUESTION_ATTRIBUTES,
    WITHHOLD,
    Atom,
    Policy,
    Rule,
    Treatment,
)

_MEMO: Final = 1024


class How(StrEnum):
    """What it takes to reach a treatment, least first."""

    ALWAYS = "always"
    CONDITIONS = "conditions"
    APPROVAL = "approval"
    SWITCH = "switch"


@dataclass(frozen=True, slots=True)
class Way:
    """A rule by which somebody can see an element; ``treatment`` is the most that it gives."""

    rule: Rule
    treatment: Treatment
    public: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """The ways in which an element can be seen, the public's first, and the caps that limit them.

    ``hidden``: some question of the public is answered without the element.
    """

    ways: tuple[Way, ...]
    caps: tuple[tuple[Rule, Treatment], ...]
    hidden: bool


@dataclass(frozen=True, slots=True)
class Reach:
    """The most that one class of requester can reach of an element.

    ``as_public``: no more than the public has on equal facts.
    """

    treatment: Treatment
    how: How
    as_public: bool
    seen: Seen


_Pair = tuple[Ruling, Treatment]
"""A ruling, and what the public has on equal facts at the same time."""


def seen(policy: Policy, element: Element) -> Seen:
    """Who can see ``element``, at any time and with any switches."""
    return _seen(policy, element, KNOWN)


def reach(policy: Policy, element: Element, requester: str) -> Reach:
    """What this class of requester can see of ``element`` at most, with any switches."""
    box = requester_box(requester)
    pairs = _reached(policy, element, box)
    best = max((r.treatment for r, _ in pairs), key=_strength)
    beyond = any(_strength(r.treatment) > _strength(public) for r, public in pairs)
    own = any(r.treatment == best != public for r, public in pairs)

    def within(words: Mapping[str, str]) -> bool:
        """Whether these words suffice for the best, where the public does not have it as well."""
        inside = {**box, **{variable: frozenset({word}) for variable, word in words.items()}}
        return any(
            r.treatment == best and (public != best or not own)
            for r, public in _reached(policy, element, inside)
        )

    if all(r.treatment == best for r, _ in pairs):
        how = How.ALWAYS
    elif not within(dict.fromkeys(compiled(policy).space.state - {AT}, "off")):
        how = How.SWITCH
    elif requester != "public" and not within({"approval": "none"}):
        how = How.APPROVAL
    else:
        how = How.CONDITIONS
    return Reach(best, how, not beyond, _seen(policy, element, box))


def _seen(policy: Policy, element: Element, box: Box) -> Seen:
    public = [r for r, _ in _reached(policy, element, PUBLIC)]
    shown = [r for r in public if r.treatment.kind is not Kind.WITHHOLD]
    pairs = [] if box["requester"] == PUBLIC["requester"] else _reached(policy, element, box)
    beyond = [r for r, open_to_all in pairs if _strength(r.treatment) > _strength(open_to_all)]
    first, then, capping = (
        _needed(shown),
        _needed(beyond),
        {i for r in (*public, *(r for r, _ in pairs)) for i in r.capped_by},
    )
    return Seen(
        (
            *(Way(_open(r), first[r.id], public=True) for r in policy.rules if r.id in first),
            *(Way(_known(r), then[r.id], public=False) for r in policy.rules if r.id in then),
        ),
        tuple((r, effect(r, element)) for r in policy.rules if r.id in capping),
        len(shown) < len(public),
    )


def _needed(rulings: Sequence[Ruling]) -> dict[str, Treatment]:
    """The rules that grant, and the most that each gives; none that another one makes needless."""
    together: dict[str, set[str]] = {}
    most: dict[str, Treatment] = {}
    for ruling in rulings:
        for rule in ruling.granted_by:
            together[rule] = together.get(rule, set(ruling.granted_by)) & set(ruling.granted_by)
            most[rule] = max(most.get(rule, WITHHOLD), ruling.treatment, key=_strength)
    return {
        rule: most[rule]
        for rule, others in together.items()
        if all(rule in together[other] for other in others)
    }


def _open(rule: Rule) -> Rule:
    """The rule as the anonymous public has it."""
    return granting_forms(rule)[-1]


def _known(rule: Rule) -> Rule:
    """The rule as a known requester meets it: of the words for who asks, `public` is left out."""
    form = granting_forms(rule)[-1]
    broadest = form if form.unless in {(), rule.unless} else rule
    when = tuple(
        Atom(a.attribute, a.words - {"public"}) if a.attribute == "requester" else a
        for a in broadest.when
    )
    return replace(broadest, when=when)


def _reached(policy: Policy, element: Element, box: Box) -> tuple[_Pair, ...]:
    """All pairs that questions of ``box`` reach."""
    return _pairs(policy, compiled(policy).scope_of[element], tuple(box.items()))


@lru_cache(_MEMO)
def _pairs(policy: Policy, scope: Scope, box: tuple[tuple[str, Words], ...]) -> tuple[_Pair, ...]:
    maker: Maker[_Pair] = Maker(compiled(policy).budget)
    return tuple(values(mapped(_beside_public(policy, scope), lambda pair: pair, maker, dict(box))))


@lru_cache(_MEMO)
def _beside_public(policy: Policy, scope: Scope) -> Diagram[_Pair]:
    known = compiled(policy)
    anonymous = {a: PUBLIC[a] for a in QUESTION_ATTRIBUTES}
    public = mapped(scope.treatments, lambda t: t, Maker(known.budget), anonymous)
    return paired(scope.diagram, public, known.space.domains, Maker(known.budget))


def _strength(treatment: Treatment) -> tuple[int, int]:
    return treatment.strength
