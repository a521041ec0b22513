"""A policy compiled: each element as one decision diagram over dates, switches and attributes.

The dates of all rules cut time into spans; ``at`` says in which span a question comes, and each
switch is a variable of its own. Both are asked first, so that one walk gives the rules of an
edition, and everything proved here holds at every time and with any switches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from whoisgate.elements import ELEMENTS, Element
from whoisgate.policy.diagram import (
    Box,
    Budget,
    Builder,
    Condition,
    Diagram,
    Maker,
    TooManyCases,
    Word,
    Words,
    mapped,
    walked,
)
from whoisgate.policy.evaluate import Ruling, effect, granting_forms, settle
from whoisgate.policy.model import (
    ANONYMOUS_ATTRIBUTES,
    ATTRIBUTES,
    QUESTION_ATTRIBUTES,
    Atom,
    InForce,
    Policy,
    Rule,
    Treatment,
)

AT: Final = "at"
EARLIER: Final = "earlier"
_SWITCH: Final = "switch:"
_MEMO: Final = 64
MAX_MOMENTS: Final = 200
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


def narrowed(box: Box, when: Iterable[Atom]) -> Box | None:
    """The part of ``box`` in which a conjunction may hold, unknown included; None if none is."""
    left = dict(box)
    for atom in when:
        left[atom.attribute] &= atom.words | {None}
        if not left[atom.attribute]:
            return None
    return left


class Space:
    """The variables of some rules: span of time, switches, attributes, with their words.

    Raises `TooManyCases` where the rules have more than `MAX_MOMENTS` dates.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        periods = {p for r in rules for p in r.in_force}
        self.moments = sorted({m for p in periods for m in (p.since, p.until) if m is not None})
        self.switches = sorted({p.switch for p in periods if p.switch is not None})
        if len(self.moments) > MAX_MOMENTS:
            raise TooManyCases(f"expected rules with at most `{MAX_MOMENTS}` dates together")
        spans = (EARLIER, *(_rfc3339(m) for m in self.moments))
        self.domains: dict[str, tuple[Word, ...]] = {
            **({AT: spans} if self.moments else {}),
            **{f"{_SWITCH}{name}": ("off", "on") for name in self.switches},
            **{a: (*map(str, words), None) for a, words in ATTRIBUTES.items()},
        }
        self.state = frozenset(self.domains) - ATTRIBUTES.keys()

    def words(self, now: datetime, switches: frozenset[str]) -> dict[str, Word]:
        """The words of time and switches."""
        past = [m for m in self.moments if m <= now]
        found: dict[str, Word] = {
            f"{_SWITCH}{name}": "on" if name in switches else "off" for name in self.switches
        }
        if self.moments:
            found[AT] = _rfc3339(past[-1]) if past else EARLIER
        return found

    def until(self, now: datetime) -> datetime | None:
        """The next moment at which other rules may be in force."""
        return next((m for m in self.moments if m > now), None)

    def condition(self, rule: Rule) -> Condition:
        """Where a rule surely holds, as `evaluate` has it."""
        cap = rule.action == "cap"
        when = _parts(rule.when, unknown=cap)
        for period in rule.in_force:
            for variable, words in self._period(period).items():
                when[variable] = when.get(variable, words) & words
        return Condition(when, _parts(rule.unless, unknown=not cap))

    def _period(self, period: InForce) -> Box:
        found: dict[str, Words] = {}
        if period.switch is not None:
            found[f"{_SWITCH}{period.switch}"] = frozenset({"on"})
        if period.since is not None or period.until is not None:
            starts = (None, *self.moments)
            found[AT] = frozenset(
                EARLIER if start is None else _rfc3339(start)
                for start in starts
                if (period.since is None or (start is not None and start >= period.since))
                and (period.until is None or start is None or start < period.until)
            )
        return found


def _parts(atoms: Iterable[Atom], *, unknown: bool) -> dict[str, Words]:
    more: Words = frozenset({None}) if unknown else frozenset()
    return {a.attribute: a.words | more for a in atoms}


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Scope:
    """Elements that the same rules treat alike, and the ruling of each of them as a diagram.

    ``treatments`` is the same without the rules' names: far smaller, and enough for most proofs.
    """

    elements: tuple[Element, ...]
    grants: tuple[Rule, ...]
    caps: tuple[Rule, ...]
    diagram: Diagram[Ruling]
    treatments: Diagram[Treatment]
    steps: int
    """What one walk over ``diagram`` costs of a budget; over ``treatments``, it costs ``few``."""
    few: int

    def effect(self, rule: Rule) -> Treatment:
        """The treatment that a rule comes to for each of these elements."""
        return effect(rule, self.elements[0])


class Compiled:
    """Rules as diagrams, by scope. Raises `TooManyCases` where they need more than ``budget``."""

    def __init__(
        self, rules: Sequence[Rule], space: Space | None = None, budget: Budget | None = None
    ) -> None:
        self.space = space or Space(rules)
        self.budget = budget or Budget()
        self._maker: Maker[Ruling] = Maker(self.budget)
        self._treated: Maker[Treatment] = Maker(self.budget)
        touching: dict[Element, list[tuple[int, Treatment]]] = {e: [] for e in ELEMENTS.values()}
        for i, rule in enumerate(rules):
            for element in rule.elements:
                touching[element].append((i, effect(rule, element)))
        alike: dict[tuple[tuple[int, Treatment], ...], list[Element]] = {}
        for element, found in touching.items():
            alike.setdefault(tuple(found), []).append(element)
        self.scopes = tuple(
            self._scope(tuple(group), [rules[i] for i, _ in key]) for key, group in alike.items()
        )
        self.scope_of = {e: scope for scope in self.scopes for e in scope.elements}

    def _scope(self, elements: tuple[Element, ...], rules: Sequence[Rule]) -> Scope:
        forms = [(i, form) for i, r in enumerate(rules) for form in granting_forms(r)]
        granting = len(forms)
        forms += [(i, r) for i, r in enumerate(rules) if r.action == "cap"]
        effects = [effect(r, elements[0]) for r in rules]

        def settled(held: tuple[int, ...]) -> Ruling:
            holding = dict.fromkeys(forms[n][0] for n in held)
            pairs = [(rules[i], effects[i]) for i in holding]
            return settle(
                [p for p in pairs if p[0].action == "grant"],
                [p for p in pairs if p[0].action == "cap"],
            )

        diagram = Builder(
            self.space.domains,
            [self.space.condition(form) for _, form in forms],
            settled,
            self._maker,
            _beaten([(i, effects[i].strength) for i, _ in forms[:granting]]),
        ).diagram()
        grants = tuple(rules[i] for i in dict.fromkeys(i for i, _ in forms[:granting]))
        caps = tuple(r for _, r in forms[granting:])
        treatments = mapped(diagram, lambda ruling: ruling.treatment, self._treated)
        return Scope(
            elements, grants, caps, diagram, treatments, walked(diagram), walked(treatments)
        )


def _beaten(grants: Sequence[tuple[int, tuple[int, int]]]) -> list[int]:
    """For each form of a grant, those that no longer matter once it surely holds, as bits.

    Forms are given as rule and strength: weaker ones, and later ones of the same rule.
    """
    by_strength: dict[tuple[int, int], int] = {}
    for n, (_, strength) in enumerate(grants):
        by_strength[strength] = by_strength.get(strength, 0) | 1 << n
    weaker, below = {}, 0
    for strength in sorted(by_strength):
        weaker[strength] = below
        below |= by_strength[strength]
    return [
        weaker[strength] | (2 << n if grants[n + 1 : n + 2] == [(rule, strength)] else 0)
        for n, (rule, strength) in enumerate(grants)
    ]


def compiled(policy: Policy) -> Compiled:
    """The diagrams of a policy, made once, with a budget of its own for each use."""
    known = copy(_made(policy))
    known.budget = Budget()
    return known


@lru_cache(_MEMO)
def _made(policy: Policy) -> Compiled:
    return Compiled(policy.rules)


def reached(words: Mapping[str, Word], box: Box) -> str:
    """A question in ``box`` as ``attribute=word`` pairs: who asks, and what else it depends on."""
    asking = next(str(r) for r in ATTRIBUTES["requester"] if str(r) in box["requester"])
    pairs = {"requester": asking, **words}
    return " ".join(f"{variable}={word or 'unknown'}" for variable, word in pairs.items())
