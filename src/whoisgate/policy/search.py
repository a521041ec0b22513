"""Exact search over the contexts of a policy: is there a question for which this holds?

A `Box` gives each attribute the words that it may still have, None for unknown among them. A
rule's condition is a `Region`: inside a conjunction and not inside its exception. Whether some
context lies in one set of regions and outside another is decided by splitting boxes, never by
listing contexts, so that ten attributes more cost nothing.

Rule: a region says what surely happens, so that the three-valued words of the language become
plain sets: for a grant unknown fails `when` and meets `unless`, for a cap the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from whoisgate.errors import PolicyError
from whoisgate.policy.model import (
    ANONYMOUS_ATTRIBUTES,
    ATTRIBUTES,
    QUESTION_ATTRIBUTES,
    Atom,
    Rule,
)

Words = frozenset[str | None]
Box = Mapping[str, Words]
"""Attribute to the words that it may have."""

_UNKNOWABLE: Final = frozenset(
    {
        "purpose",
        "basis",
        "jurisdiction",
        "publish_consent",
        "organization_consent",
        "region",
        "privacy_service",
    }
)
MAX_STEPS: Final = 100_000


class TooManyCases(PolicyError):
    """The search for a context takes more steps than it may; nothing is proved."""

    code = "WG215"


def _domain(attribute: str) -> Words:
    unknown: Words = frozenset({None}) if attribute in _UNKNOWABLE else frozenset()
    return unknown | frozenset(str(w) for w in ATTRIBUTES[attribute])


EVERYTHING: Final[Box] = MappingProxyType({a: _domain(a) for a in ATTRIBUTES})
"""Every context, reachable or not."""

PUBLIC: Final[Box] = MappingProxyType(
    {**EVERYTHING, **{a: frozenset({ANONYMOUS_ATTRIBUTES[a]}) for a in QUESTION_ATTRIBUTES}}
)
"""The contexts of the anonymous public: only facts vary."""

KNOWN: Final[Box] = MappingProxyType(
    {**EVERYTHING, "requester": EVERYTHING["requester"] - {"public"}}
)
"""The contexts of everybody else."""


def requester_box(requester: str) -> Box:
    """The contexts of one class of requester."""
    if requester == "public":
        return PUBLIC
    return {**EVERYTHING, "requester": frozenset({requester})}


@dataclass(frozen=True, slots=True)
class Region:
    """The contexts within ``when`` and not within ``unless``; an empty ``unless`` excepts none."""

    when: tuple[tuple[str, Words], ...]
    unless: tuple[tuple[str, Words], ...] = ()

    def fixed(self, attribute: str, word: str | None) -> Region | None:
        """The region where ``attribute`` has this word; None where it is empty there."""
        if any(a == attribute and word not in words for a, words in self.when):
            return None
        when = tuple(part for part in self.when if part[0] != attribute)
        if any(a == attribute and word not in words for a, words in self.unless):
            return Region(when)
        unless = tuple(part for part in self.unless if part[0] != attribute)
        return None if self.unless and not unless else Region(when, unless)


def region(rule: Rule) -> Region:
    """Where a rule surely holds, as `decide` evaluates it."""
    cap = rule.action == "cap"
    return Region(_parts(rule.when, unknown=cap), _parts(rule.unless, unknown=not cap))


def pattern(atoms: Iterable[Atom]) -> Region:
    """Where a conjunction may hold: unknown satisfies it."""
    return Region(_parts(atoms, unknown=True))


def _parts(atoms: Iterable[Atom], *, unknown: bool) -> tuple[tuple[str, Words], ...]:
    more: Words = frozenset({None}) if unknown else frozenset()
    return tuple((a.attribute, a.words | more) for a in atoms)


class Search:
    """Finds contexts; counts its steps over all searches and raises `TooManyCases` at the bound."""

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self._left = steps

    def find(
        self, start: Box, inside: Sequence[Region], outside: Sequence[Region] = ()
    ) -> Box | None:
        """A box of contexts within ``start``, inside these regions and outside those, or None."""
        moves = [*((r, True) for r in inside), *((r, False) for r in outside)]
        stack: list[tuple[Box, int]] = [(start, 0)]
        while stack:
            box, done = stack.pop()
            self._left -= 1
            if self._left < 0:
                raise TooManyCases(f"expected a proof within `{MAX_STEPS}` steps")
            if done == len(moves):
                return box
            goal, within = moves[done]
            parts = _enter(box, goal) if within else _leave(box, goal)
            stack += [(smaller, done + 1) for smaller in parts]
        return None


def _enter(box: Box, goal: Region) -> list[Box]:
    met = _meet(box, goal.when)
    if met is None:
        return []
    return _outside(met, goal.unless) if goal.unless else [met]


def _leave(box: Box, goal: Region) -> list[Box]:
    ways = _outside(box, goal.when)
    if not goal.unless or (ways and ways[0] is box):
        return ways
    met = _meet(box, goal.unless)
    return ways if met is None else [*ways, met]


def _outside(box: Box, parts: tuple[tuple[str, Words], ...]) -> list[Box]:
    """The ways out of a conjunction; the box itself where it is outside already."""
    ways: list[Box] = []
    for attribute, words in parts:
        left = box[attribute] - words
        if left == box[attribute]:
            return [box]
        if left:
            ways.append({**box, attribute: left})
    return ways


def _meet(box: Box, parts: tuple[tuple[str, Words], ...]) -> Box | None:
    met = dict(box)
    for attribute, words in parts:
        met[attribute] &= words
        if not met[attribute]:
            return None
    return met


def representatives(words: Words, regions: Iterable[Region], attribute: str) -> list[str | None]:
    """One word of each kind that the regions tell apart, vocabulary first, unknown last."""
    seen: dict[tuple[bool, ...], str | None] = {}
    mentioned = [w for r in regions for a, w in (*r.when, *r.unless) if a == attribute]
    for word in _ordered(attribute, words):
        seen.setdefault(tuple(word in words for words in mentioned), word)
    return list(seen.values())


def witness(box: Box) -> str:
    """One context of a box as ``attribute=word`` pairs, of the attributes that matter."""
    return " ".join(
        f"{attribute}={next(_ordered(attribute, words)) or 'unknown'}"
        for attribute, words in box.items()
        if words != EVERYTHING[attribute]
    )


def _ordered(attribute: str, words: Words) -> Iterator[str | None]:
    yield from (str(w) for w in ATTRIBUTES[attribute] if w in words)
    if None in words:
        yield None
