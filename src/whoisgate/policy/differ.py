"""What changes between two policies, for every question at once; and every view of one policy.

Exact, by walks over both policies' diagrams: nothing is sampled. A context is one combination of
the words of all attributes that a question can have; where dates or switches matter, contexts are
counted at the time and with the switches at which most of them differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from whoisgate.elements import Element, Kind
from whoisgate.policy.compiled import KNOWN, PUBLIC, Compiled, Space, compiled, reached
from whoisgate.policy.diagram import (
    Box,
    Diagram,
    Domains,
    Maker,
    count,
    find,
    mapped,
    paired,
    values,
    within,
)
from whoisgate.policy.evaluate import Ruling
from whoisgate.policy.model import QUESTION_ATTRIBUTES, Obligation, Policy, Treatment

Direction = Literal["released", "withheld", "changed", "obligations"]


@dataclass(frozen=True, slots=True)
class Change:
    """Elements that change alike, for the public or for known requesters.

    ``direction``: newly ``released`` (withheld before), newly ``withheld``, ``changed`` (treated
    differently), or other ``obligations`` alone: those of elements that are shown more openly than
    to the public, for a gate owes no others. ``witness`` is one question that shows it.
    """

    elements: tuple[Element, ...]
    direction: Direction
    before: Treatment
    after: Treatment
    duties_before: tuple[Obligation, ...]
    duties_after: tuple[Obligation, ...]
    public: bool
    contexts: int
    witness: str

    @property
    def opens(self) -> bool:
        """Whether more is shown than before."""
        return self.after.strength > self.before.strength


@dataclass(frozen=True, slots=True)
class Difference:
    """All changes; ``defaults`` are the purposes whose default elements change."""

    changes: tuple[Change, ...]
    defaults: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes or self.defaults)

    @property
    def public_gains(self) -> bool:
        """Whether the public is shown more of an element that can identify a person."""
        return any(
            c.public and c.opens and any(e.personal for e in c.elements) for c in self.changes
        )


_ANONYMOUS: Final[Box] = {a: PUBLIC[a] for a in QUESTION_ATTRIBUTES}
_Given = tuple[Treatment, tuple[Obligation, ...]]
_Pair = tuple[_Given, _Given]


def diff(old: Policy, new: Policy) -> Difference:
    """What changes from ``old`` to ``new``. Raises `TooManyCases`."""
    one, other = compiled(old), compiled(new)
    if one.space.domains != other.space.domains:
        space = Space([*old.rules, *new.rules])
        one, other = Compiled(old.rules, space), Compiled(new.rules, space)
    purposes = sorted({*old.defaults, *new.defaults})
    return Difference(
        _merged(_changes(one, other)),
        tuple(p for p in purposes if old.defaults.get(p) != new.defaults.get(p)),
    )


def _changes(one: Compiled, other: Compiled) -> Iterator[Change]:
    given: Maker[_Given] = Maker(other.budget)
    pairs: Maker[_Pair] = Maker(other.budget)
    known: dict[tuple[Diagram[Ruling], Diagram[Ruling]], tuple[Change, ...]] = {}
    for element, scope in one.scope_of.items():
        both = scope.diagram, other.scope_of[element].diagram
        if both not in known:
            known[both] = tuple(_of(_pairs(both, one, given, pairs), one))
        for change in known[both]:
            yield replace(change, elements=(element,))


def _pairs(
    both: tuple[Diagram[Ruling], Diagram[Ruling]],
    policy: Compiled,
    given: Maker[_Given],
    pairs: Maker[_Pair],
) -> Diagram[_Pair]:
    """What is given before and after; looks at the public's view only where duties alone differ."""
    domains = policy.space.domains
    before, after = (mapped(d, _brought, given) for d in both)
    if before is after:
        return mapped(before, lambda same: (same, same), pairs)
    plain = paired(before, after, domains, pairs)
    if all(b == a or b[0] != a[0] for b, a in values(plain)):
        return plain
    before, after = (_owed(d, domains, given) for d in both)
    return paired(before, after, domains, pairs)


def _brought(ruling: Ruling) -> _Given:
    shown = ruling.treatment.kind is not Kind.WITHHOLD
    return ruling.treatment, ruling.obligations if shown else ()


def _owed(diagram: Diagram[Ruling], domains: Domains, maker: Maker[_Given]) -> Diagram[_Given]:
    """The treatment and what is owed for it: nothing where the public is given as much."""
    public = mapped(diagram, lambda ruling: ruling.treatment, Maker(maker.budget), _ANONYMOUS)

    def owed(both: tuple[Ruling, Treatment]) -> _Given:
        ruling, to_all = both
        beyond = ruling.treatment.strength > to_all.strength
        return ruling.treatment, ruling.obligations if beyond else ()

    return mapped(paired(diagram, public, domains, Maker(maker.budget)), owed, maker)


def _of(diagram: Diagram[_Pair], policy: Compiled) -> Iterator[Change]:
    domains, state = policy.space.domains, policy.space.state
    for (before, duties), (after, more) in sorted(values(diagram), key=_order):
        pair = (before, duties), (after, more)
        if before == after and frozenset(duties) == frozenset(more):
            continue
        for box in (PUBLIC, KNOWN):
            found = find(diagram, pair.__eq__, box)
            if found:
                contexts = count(diagram, pair.__eq__, domains, box, at_most=state)
                yield Change(
                    (),
                    _direction(before, after),
                    before,
                    after,
                    duties,
                    more,
                    box is PUBLIC,
                    contexts,
                    reached(found[0], box),
                )


def _direction(before: Treatment, after: Treatment) -> Direction:
    if before == after:
        return "obligations"
    if before.kind is Kind.WITHHOLD:
        return "released"
    return "withheld" if after.kind is Kind.WITHHOLD else "changed"


def _order(pair: _Pair) -> tuple[object, ...]:
    (before, duties), (after, more) = pair
    return before.strength, after.strength, str(duties), str(more)


_DIRECTIONS: Final[tuple[Direction, ...]] = ("released", "changed", "withheld", "obligations")


def _merged(changes: Iterator[Change]) -> tuple[Change, ...]:
    """One change for the elements that change alike; what opens something for the public first."""
    alike: dict[Change, list[Element]] = {}
    for change in changes:
        alike.setdefault(replace(change, elements=()), []).extend(change.elements)
    merged = [replace(change, elements=tuple(elements)) for change, elements in alike.items()]
    return tuple(
        sorted(merged, key=lambda c: (not c.public, not c.opens, _DIRECTIONS.index(c.direction)))
    )


@dataclass(frozen=True, slots=True)
class PossibleView:
    """What one set of questions is shown at most: all that is not withheld, and one question."""

    treatments: Mapping[Element, Treatment]
    public: bool
    witness: str


def views(policy: Policy) -> tuple[PossibleView, ...]:
    """Every view that the policy can produce, each once, at any time and with any switches.

    As if every element were asked for, and with EPP's disclose flag alike for all elements.
    Raises `TooManyCases`.
    """
    whole = compiled(policy)
    empty: tuple[Treatment, ...] = ()
    joined: Maker[tuple[Treatment, ...]] = Maker(whole.budget)
    found: dict[tuple[Treatment, ...], PossibleView] = {}
    for box in (PUBLIC, KNOWN):
        domains = within(whole.space.domains, box)
        together: Diagram[tuple[Treatment, ...]] = joined.leaf(empty)
        for scope in whole.scopes:
            one = mapped(scope.treatments, lambda t: t, Maker(whole.budget), box)
            both = paired(together, one, domains, Maker(whole.budget))
            together = mapped(both, lambda pair: (*pair[0], pair[1]), joined)
        for treatments in values(together):
            reach = find(together, treatments.__eq__)
            if treatments not in found and reach:
                shown = {
                    e: t
                    for scope, t in zip(whole.scopes, treatments, strict=True)
                    for e in scope.elements
                    if t.kind is not Kind.WITHHOLD
                }
                found[treatments] = PossibleView(shown, box is PUBLIC, reached(reach[0], box))
    return tuple(found.values())
