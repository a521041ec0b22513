"""Mutants of a policy: each changes one rule a little, and a good suite notices every one.

A mutant that changes nothing for any question is recognised by `differ` and is equivalent, not
survived; of one that survives, the difference names a question that a new case should be about.
Composed rules are mutated as they stand in the whole: with the conditions of their inclusion.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final, Literal

from whoisgate.elements import ELEMENTS, Element, Kind
from whoisgate.policy.compiled import AT, EARLIER
from whoisgate.policy.decide import in_force
from whoisgate.policy.differ import diff
from whoisgate.policy.evaluate import (
    Ruling,
    caps_in,
    effect,
    granting_forms,
    grants_in,
    settle,
    supported,
)
from whoisgate.policy.explain import clause
from whoisgate.policy.model import (
    ATTRIBUTES,
    PARAMETERS,
    WITHHOLD,
    Atom,
    InForce,
    Obligation,
    Policy,
    Rule,
    Treatment,
)
from whoisgate.policy.suite import Case, Suite

LADDER: Final = tuple(
    Treatment(kind, parameter) for kind in Kind for parameter in PARAMETERS.get(kind, ("",))
)
"""All treatments, least disclosing first."""

_Part = Literal["when", "unless"]
Said = str | tuple[str, ...] | Mapping[str, str]
"""A value in a case."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: these rules ``instead`` of ``rule``, and what that is in words."""

    rule: Rule
    instead: tuple[Rule, ...]
    what: str

    def of(self, policy: Policy) -> Policy:
        """The changed policy; it is not checked, and may break the policy's invariants."""
        rules = (self.instead if r is self.rule else (r,) for r in policy.rules)
        return replace(policy, rules=tuple(rule for some in rules for rule in some))


class Verdict(StrEnum):
    """What became of a mutant."""

    CAUGHT = "caught"
    SURVIVED = "survived"
    EQUIVALENT = "equivalent"


@dataclass(frozen=True, slots=True)
class Tried:
    """A mutant and its verdict.

    Of one that survived: ``elements`` are some that it treats otherwise, ``before`` and ``after``
    their treatments, and ``case`` where it does, in the words of a suite: ``at`` and ``switches``
    where they matter, ``when``, ``disclose`` of the first element, and ``ask`` where obligations
    alone differ.
    """

    mutant: Mutant
    verdict: Verdict
    elements: tuple[Element, ...] = ()
    before: Treatment = WITHHOLD
    after: Treatment = WITHHOLD
    case: Mapping[str, Said] = field(default_factory=dict)


def mutants(rules: Iterable[Rule]) -> Iterator[Mutant]:
    """Every mutant of these rules, rule by rule."""
    for rule in rules:
        yield Mutant(rule, (), "dropped")
        for part in ("when", "unless"):
            yield from _conditions(rule, part)
        yield from _treatments(rule)
        yield from _elements(rule)
        yield from _obligations(rule)
        for i, period in enumerate(rule.in_force):
            rest = (*rule.in_force[:i], *rule.in_force[i + 1 :])
            yield _one(rule, f"in_force: {_period(period)} dropped", in_force=rest)


def _one(rule: Rule, what: str, **fields: object) -> Mutant:
    return Mutant(rule, (replace(rule, **fields),), what)  # type: ignore[arg-type]


def _conditions(rule: Rule, part: _Part) -> Iterator[Mutant]:
    """Each atom dropped, each of its words dropped, each other word added; no atom left empty."""
    atoms: tuple[Atom, ...] = getattr(rule, part)
    for i, atom in enumerate(atoms):
        before, after = atoms[:i], atoms[i + 1 :]
        yield _one(rule, f"{part}: `{clause(atom)}` dropped", **{part: (*before, *after)})
        for word in map(str, ATTRIBUTES[atom.attribute]):
            words = atom.words ^ {word}
            if words:
                how = "dropped" if word in atom.words else "added"
                changed = (*before, Atom(atom.attribute, words), *after)
                yield _one(rule, f"{part}: `{atom.attribute}: {word}` {how}", **{part: changed})
    if atoms[1:] and part == "unless":
        yield _one(rule, "unless: dropped", unless=())


def _treatments(rule: Rule) -> Iterator[Mutant]:
    """Each element one step weaker and one stronger, those together that take the same step."""
    for step in (-1, 1):
        alike: dict[Treatment, list[Element]] = {}
        for element in sorted(rule.elements, key=str):
            ladder = [t for t in LADDER if supported(t, element) == t]
            place = ladder.index(effect(rule, element)) + step
            if 0 <= place < len(ladder):
                alike.setdefault(ladder[place], []).append(element)
        for treatment, elements in alike.items():
            rest = rule.elements.difference(elements)
            other = replace(rule, treatment=treatment, elements=frozenset(elements))
            instead = (replace(rule, elements=rest), other) if rest else (other,)
            which = f" for {', '.join(map(str, elements))}" if rest else ""
            what = f"{rule.action}: `{treatment}` instead of `{rule.treatment}`{which}"
            yield Mutant(rule, instead, what)


def _elements(rule: Rule) -> Iterator[Mutant]:
    """Each element dropped, and each other one of the same groups added."""
    groups = {e.group for e in rule.elements}
    for element in ELEMENTS.values():
        changed = rule.elements ^ {element}
        if changed and element.group in groups:
            how = "dropped" if element in rule.elements else "added"
            yield _one(rule, f"elements: `{element}` {how}", elements=changed)


def _obligations(rule: Rule) -> Iterator[Mutant]:
    for i, duty in enumerate(rule.obligations):
        before, after = rule.obligations[:i], rule.obligations[i + 1 :]
        what = f"obligations: `{duty.do}` dropped"
        yield _one(rule, what, obligations=(*before, *after))
        later = Obligation(duty.do, (duty.after or timedelta()) + timedelta(days=1))
        what = f"obligations: `{duty.do}` a day later"
        yield _one(rule, what, obligations=(*before, later, *after))


def _period(period: InForce) -> str:
    parts = (("from", period.since), ("until", period.until), ("switch", period.switch))
    return ", ".join(f"`{key} {value}`" for key, value in parts if value is not None)


def attempt(policy: Policy, suite: Suite, tried: Iterable[Mutant] | None = None) -> Iterator[Tried]:
    """Try mutants of a policy, all of them unless given, one by one.

    Every case of the suite must hold for the policy itself; this is not checked.
    Raises `TooManyCases`.
    """
    trials = [_Trial(policy, case) for case in suite.cases]
    single: dict[Element, Policy] = {}
    for mutant in mutants(policy.rules) if tried is None else tried:
        instead = [(rule, granting_forms(rule)) for rule in mutant.instead]
        if any(trial.fails(mutant.rule, instead) for trial in trials):
            yield Tried(mutant, Verdict.CAUGHT)
        else:
            yield _tried(policy, mutant, single)


def _tried(policy: Policy, mutant: Mutant, single: dict[Element, Policy]) -> Tried:
    """The verdict on a mutant that no case noticed; ``single`` keeps the policy by element."""
    for elements in _alike(policy, mutant):
        first = elements[0]
        old = single.setdefault(first, _of_element(policy, first))
        changes = diff(old, _of_element(mutant.of(policy), first)).changes
        if changes:
            c = changes[0]
            case = _case(policy, c.witness, first)
            if c.direction == "obligations":
                case["ask"] = (first.name,)
            return Tried(mutant, Verdict.SURVIVED, elements, c.before, c.after, case)
    return Tried(mutant, Verdict.EQUIVALENT)


def _case(policy: Policy, witness: str, element: Element) -> dict[str, Said]:
    """A witness as a case says it."""
    said = dict(pair.rsplit("=", 1) for pair in witness.split())
    at, flag = said.pop(AT, ""), said.pop("disclose", "")
    if at == EARLIER:
        first = min(m for r in policy.rules for p in r.in_force for m in (p.since, p.until) if m)
        at = f"{first - timedelta(days=1):%Y-%m-%d}"
    switches = {v: said.pop(v) for v in list(said) if v not in ATTRIBUTES}
    case: dict[str, Said] = {
        "at": at,
        "switches": tuple(v.partition(":")[2] for v, word in switches.items() if word == "on"),
        "when": said,
        "disclose": {element.name: flag} if flag else {},
    }
    return {key: value for key, value in case.items() if value}


def _alike(policy: Policy, mutant: Mutant) -> Iterable[tuple[Element, ...]]:
    """The elements that a mutant may change, those together that all rules treat alike."""
    alike: dict[object, list[Element]] = {}
    for element in ELEMENTS.values():
        old, new = _touching((mutant.rule,), element), _touching(mutant.instead, element)
        if old != new:
            rules = tuple((r.id, effect(r, element)) for r in policy.rules if element in r.elements)
            effects = tuple(supported(r.treatment, element) for r in new)
            alike.setdefault((rules, new, effects), []).append(element)
    return map(tuple, alike.values())


def _touching(rules: Iterable[Rule], element: Element) -> tuple[Rule, ...]:
    """What some rules say of one element, its name left out."""
    return tuple(replace(r, elements=frozenset()) for r in rules if element in r.elements)


def _of_element(policy: Policy, element: Element) -> Policy:
    """What the policy says of one element alone."""
    only = frozenset({element})
    rules = (replace(r, elements=only) for r in policy.rules if element in r.elements)
    return replace(policy, rules=tuple(rules))


_Forms = Sequence[tuple[Rule, tuple[Rule, ...]]]
"""Rules, each with the forms in which it grants."""


class _Trial:
    """One case with what every rule comes to in it, so that a mutant costs only what it changes."""

    def __init__(self, policy: Policy, case: Case) -> None:
        self._case = case
        self._words = {e: case.words(e) for e in ELEMENTS.values()}
        self._held: dict[Element, list[Rule]] = {e: [] for e in ELEMENTS.values()}
        self._holding: dict[str, frozenset[Element]] = {}
        for rule in policy.rules:
            self._holding[rule.id] = self._where(rule, granting_forms(rule))
            for element in self._holding[rule.id]:
                self._held[element].append(rule)
        self._owed = {e: self._owes(e, _settled(e, held)) for e, held in self._held.items()}

    def fails(self, old: Rule, new: _Forms) -> bool:
        """Whether the case fails once the rules ``new`` stand instead of ``old``."""
        now: dict[Element, list[Rule]] = {e: [] for e in self._holding[old.id]}
        for rule, forms in new:
            where = self._where(rule, forms)
            if where == self._holding[old.id] and _gives(rule) == _gives(old):
                return False
            for element in where:
                now.setdefault(element, []).append(rule)
        owed = {}
        for element, rules in now.items():
            rest = [r for r in self._held[element] if r is not old]
            ruling = _settled(element, [*rest, *rules])
            if ruling.treatment != self._case.treatments.get(element, WITHHOLD):
                return True
            owed[element] = self._owes(element, ruling)
        if all(owed[e] == self._owed[e] for e in owed):
            return False
        return frozenset().union(*{**self._owed, **owed}.values()) != self._case.obligations

    def _owes(self, element: Element, ruling: Ruling) -> frozenset[Obligation]:
        shown = ruling.treatment.kind is not Kind.WITHHOLD and element in self._case.asked
        return frozenset(ruling.obligations if shown else ())

    def _where(self, rule: Rule, forms: tuple[Rule, ...]) -> frozenset[Element]:
        """The elements for which a rule holds in this case."""
        if not in_force(rule, self._case.at, self._case.switches):
            return frozenset()
        if self._case.disclose:
            return frozenset(e for e in rule.elements if _holds(rule, forms, self._words[e]))
        words = next(iter(self._words.values()))
        return rule.elements if _holds(rule, forms, words) else frozenset()


def _gives(rule: Rule) -> tuple[Treatment, tuple[Obligation, ...]]:
    return rule.treatment, rule.obligations


def _holds(rule: Rule, forms: tuple[Rule, ...], words: Mapping[str, str | None]) -> bool:
    if rule.action == "cap":
        return caps_in(rule, words)
    return any(grants_in(form, words) for form in forms)


def _settled(element: Element, held: Iterable[Rule]) -> Ruling:
    known = [(r, effect(r, element)) for r in held]
    return settle(
        [(r, t) for r, t in known if r.action == "grant"],
        [(r, t) for r, t in known if r.action == "cap"],
    )
