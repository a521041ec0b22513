"""What holds for every question: invariants, parameters that conflict, and what views reveal.

Each proof is exact for the rules as `decide` evaluates them, and covers every subset of them that
dates and switches can make active: a cap only counts against a grant if it is in force whenever
the grant is. Elements with the same rules and the same supported treatments are proved once.
Nothing is reported here; `check` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import NamedTuple

from whoisgate.elements import ELEMENTS, Element, Kind
from whoisgate.policy.decide import effect, granting_forms
from whoisgate.policy.model import InForce, Invariant, Rule, Treatment
from whoisgate.policy.read import CONTACT_ROLES, REVEALABLE
from whoisgate.policy.search import (
    KNOWN,
    PUBLIC,
    Box,
    Region,
    Search,
    pattern,
    region,
    representatives,
    requester_box,
    witness,
)

_Strength = tuple[Kind, int]


class Breach(NamedTuple):
    """An invariant that does not hold: what breaks it, and for which question."""

    element: Element
    treatment: Treatment
    rule: Rule
    witness: str


class Conflict(NamedTuple):
    """Two grants that give one element the same treatment with different parameters."""

    element: Element
    first: Rule
    second: Rule


class Revealed(NamedTuple):
    """A fact on which the treatment of an element depends for some class of requester."""

    fact: str
    element: Element


@dataclass(frozen=True, slots=True)
class Scope:
    """Elements that the same rules treat alike; grants stand in every form in which they grant."""

    elements: tuple[Element, ...]
    grants: tuple[Rule, ...]
    caps: tuple[Rule, ...]

    def effect(self, rule: Rule) -> Treatment:
        """The treatment that a rule comes to for each of these elements."""
        return effect(rule, self.elements[0])


def scopes(rules: Iterable[Rule], elements: Iterable[Element] = ELEMENTS.values()) -> list[Scope]:
    """These elements by the rules that touch them."""
    known = list(rules)
    touching: dict[Element, list[int]] = {e: [] for e in elements}
    for i, rule in enumerate(known):
        for element in rule.elements & touching.keys():
            touching[element].append(i)
    alike: dict[tuple[object, ...], list[Element]] = {}
    for element, found in touching.items():
        alike.setdefault((element.supports, *found), []).append(element)
    return [
        Scope(
            tuple(group),
            tuple(f for i in touching[group[0]] for f in granting_forms(known[i])),
            tuple(known[i] for i in touching[group[0]] if known[i].action == "cap"),
        )
        for group in alike.values()
    ]


def breaches(rules: Iterable[Rule], invariant: Invariant, search: Search) -> Iterator[Breach]:
    """Where the rules break an invariant, once for elements that are alike."""
    for scope in scopes(rules, sorted(invariant.elements, key=lambda e: e.name)):
        breach = _breach(scope, invariant, search)
        if breach is not None:
            yield breach


def _breach(scope: Scope, invariant: Invariant, search: Search) -> Breach | None:
    lowering = [c for c in scope.caps if scope.effect(c).kind < invariant.never]
    for grant in scope.grants:
        if scope.effect(grant).kind < invariant.never:
            continue
        caps = _regions(lowering, grant.in_force)
        for start in (PUBLIC, KNOWN):
            # INVARIANT: unknown never opens more than some word does, so it needs no case.
            box = search.find(start, [pattern(invariant.when), region(grant)], caps)
            if box is not None:
                return Breach(scope.elements[0], scope.effect(grant), grant, witness(box))
    return None


def conflicts(rules: Iterable[Rule], search: Search) -> Iterator[Conflict]:
    """Pairs of grants that differ in a parameter alone and can hold together, each pair once."""
    seen = set()
    for scope in scopes(rules):
        for first, second in combinations(scope.grants, 2):
            pair = (first.id, second.id)
            one, other = first.treatment, second.treatment
            if one.kind is not other.kind or one == other or pair in seen:
                continue
            if _apart(first, second):
                continue
            both = [region(first), region(second)]
            if search.find(PUBLIC, both) or search.find(KNOWN, both):
                seen.add(pair)
                yield Conflict(scope.elements[0], first, second)


def _apart(first: Rule, second: Rule) -> bool:
    """Whether their dates keep two rules from ever being in force together."""
    periods = (*first.in_force, *second.in_force)
    starts = [p.since for p in periods if p.since]
    ends = [p.until for p in periods if p.until]
    return bool(starts and ends and max(starts) >= min(ends))


def idle(rule: Rule, search: Search) -> bool:
    """Whether a rule holds for no question at all, or changes nothing where it does."""
    if rule.action == "cap":
        forms: tuple[Rule, ...] = (rule,) if rule.treatment.kind is not Kind.RELEASE else ()
    else:
        forms = granting_forms(rule) if rule.treatment.kind is not Kind.WITHHOLD else ()
    return not any(search.find(s, [region(f)]) for f in forms for s in (PUBLIC, KNOWN))


def revealed(
    rules: Iterable[Rule], requester: str, named: frozenset[str], search: Search
) -> Iterator[Revealed]:
    """The facts beyond ``named`` on which views of this class of requester depend.

    A contact role that can show an element reveals by it that the role exists.
    """
    start = requester_box(requester)
    told = set(named)
    for scope in scopes(rules):
        seen = _possible(scope, start, search)
        shown = scope.elements[0]
        in_role = next((e for e in scope.elements if e.role), None)
        if in_role and CONTACT_ROLES not in told and _shows(seen, start, search):
            told.add(CONTACT_ROLES)
            yield Revealed(CONTACT_ROLES, in_role)
        regions = [region(r) for r in (*seen.grants, *seen.caps)]
        mentioned = {a for r in regions for a, _ in (*r.when, *r.unless)}
        for fact in REVEALABLE:
            if fact not in mentioned or fact in told:
                continue
            words = representatives(start[fact], regions, fact)
            if any(_differs(seen, start, fact, *p, search) for p in permutations(words, 2)):
                told.add(fact)
                yield Revealed(fact, shown)


def _possible(scope: Scope, start: Box, search: Search) -> Scope:
    """The scope without the rules that never hold in these contexts."""
    grants, caps = (
        tuple(r for r in rules if search.find(start, [region(r)]))
        for rules in (scope.grants, scope.caps)
    )
    return Scope(scope.elements, grants, caps)


def _shows(scope: Scope, start: Box, search: Search) -> bool:
    """Whether some context does not withhold the elements of this scope."""
    hiding = [c for c in scope.caps if scope.effect(c).kind is Kind.WITHHOLD]
    return any(
        search.find(start, [region(g)], _regions(hiding, g.in_force))
        for g in scope.grants
        if scope.effect(g).kind is not Kind.WITHHOLD
    )


def _differs(  # noqa: PLR0917  two points of one scope, and what the search needs
    scope: Scope, start: Box, fact: str, more: str | None, less: str | None, search: Search
) -> bool:
    """Whether ``fact=more`` can give a stronger treatment than ``fact=less``, all else equal."""
    levels = {scope.effect(r).strength for r in (*scope.grants, *scope.caps)}
    return any(
        _reaches(scope, start, fact, more, less, level, grant, search)
        for level in levels
        if level > (Kind.WITHHOLD, 0)
        for grant in scope.grants
        if scope.effect(grant).strength >= level
    )


def _reaches(  # noqa: PLR0917  as above, for one level and the grant that reaches it
    scope: Scope,
    start: Box,
    fact: str,
    more: str | None,
    less: str | None,
    level: _Strength,
    grant: Rule,
    search: Search,
) -> bool:
    within = region(grant).fixed(fact, more)
    if within is None:
        return False
    low = [c for c in scope.caps if scope.effect(c).strength < level]
    high = [g for g in scope.grants if scope.effect(g).strength >= level]
    uncapped = _at(_regions(low, grant.in_force), fact, more)
    ungranted = _at(_regions(high, grant.in_force), fact, less)
    if search.find(start, [within], [*uncapped, *ungranted]):
        return True
    for cap in low:
        capped = region(cap).fixed(fact, less)
        free = _at(_regions(low, (*grant.in_force, *cap.in_force)), fact, more)
        if capped is not None and search.find(start, [within, capped], free):
            return True
    return False


def _regions(rules: Iterable[Rule], active: Sequence[InForce]) -> list[Region]:
    """The regions of the rules that are in force whenever all of ``active`` is."""
    return [region(r) for r in rules if set(r.in_force) <= set(active)]


def _at(regions: Iterable[Region], fact: str, word: str | None) -> list[Region]:
    return [fixed for r in regions if (fixed := r.fixed(fact, word)) is not None]
