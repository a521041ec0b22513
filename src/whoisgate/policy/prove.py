"""What holds for every question: invariants, parameters that conflict, and what views reveal.

Each proof is a walk over the diagrams of a compiled policy: exact for the rules as `evaluate` has
them, at every time and with any switches. Elements that the same rules treat alike are proved
once. Nothing is reported here; `check` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations, product
from typing import NamedTuple

from whoisgate.elements import Element, Kind
from whoisgate.policy.compiled import (
    KNOWN,
    PUBLIC,
    Compiled,
    Scope,
    compiled,
    narrowed,
    reached,
    requester_box,
)
from whoisgate.policy.diagram import (
    Box,
    Diagram,
    Domains,
    Maker,
    Word,
    asked,
    find,
    mapped,
    met,
    paired,
    values,
    within,
)
from whoisgate.policy.evaluate import Ruling, granting_forms
from whoisgate.policy.model import STABLE, Invariant, Policy, Rule, Treatment
from whoisgate.policy.read import CONTACT_ROLES, REVEALABLE


class Breach(NamedTuple):
    """An invariant that does not hold: what breaks it, and for which question."""

    element: Element
    treatment: Treatment
    rule: str
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


class Linked(NamedTuple):
    """A stable pseudonym by which the public can tell which domains belong together."""

    element: Element
    rule: str


def prove(policy: Policy, invariants: Iterable[Invariant] | None = None) -> tuple[Breach, ...]:
    """Every breach of these invariants, or of the policy's own; none means that all are proved.

    Raises `TooManyCases` for a policy that cannot be compiled.
    """
    whole = compiled(policy)
    chosen = policy.invariants if invariants is None else invariants
    return tuple(breach for invariant in chosen for breach in breaches(whole, invariant))


def breaches(policy: Compiled, invariant: Invariant) -> Iterator[Breach]:
    """Where the rules break an invariant, once for elements that are alike."""

    def broken(treatment: Treatment) -> bool:
        return treatment.kind >= invariant.never

    for scope in policy.scopes:
        touched = [e for e in scope.elements if e in invariant.elements]
        for start in (PUBLIC, KNOWN) if touched else ():
            box = narrowed(start, invariant.when)
            found = _ruled(policy, scope, broken, box) if box else None
            if found:
                words, ruling = found
                witness = reached(words, start)
                yield Breach(touched[0], ruling.treatment, ruling.granted_by[0], witness)
                break


def _ruled(
    policy: Compiled, scope: Scope, wanted: Callable[[Treatment], bool], box: Box
) -> tuple[dict[str, Word], Ruling] | None:
    """Words within ``box`` for which the treatment is ``wanted``, and the whole ruling; or None."""
    policy.budget.spend(scope.few)
    if find(scope.treatments, wanted, box) is None:
        return None
    policy.budget.spend(scope.steps)
    return find(scope.diagram, lambda ruling: wanted(ruling.treatment), box)


def conflicts(policy: Compiled) -> Iterator[Conflict]:
    """Pairs of grants that differ in a parameter alone and can hold together, each pair once."""
    everything = {v: frozenset(words) for v, words in policy.space.domains.items()}
    boxes = [{**everything, **start} for start in (PUBLIC, KNOWN)]
    forms = {
        rule.id: [policy.space.condition(form) for form in granting_forms(rule)]
        for scope in policy.scopes
        for rule in scope.grants
    }
    seen = set()
    for scope in policy.scopes:
        order = {rule.id: number for number, rule in enumerate(scope.grants)}
        by_treatment: dict[Treatment, list[Rule]] = {}
        for rule in scope.grants:
            by_treatment.setdefault(scope.effect(rule), []).append(rule)
        for one, other in combinations(by_treatment, 2):
            if one.kind is not other.kind:
                continue
            for pair in product(by_treatment[one], by_treatment[other]):
                policy.budget.spend()
                first, second = sorted(pair, key=lambda rule: order[rule.id])
                both = list(product(forms[first.id], forms[second.id]))
                if (first.id, second.id) not in seen and any(
                    met(b, box) for b in both for box in boxes
                ):
                    seen.add((first.id, second.id))
                    yield Conflict(scope.elements[0], first, second)


def idle(policy: Compiled) -> frozenset[str]:
    """The ids of the rules that can never matter: no ruling on any question names them."""
    known: set[str] = set()
    named: set[str] = set()
    for scope in policy.scopes:
        known.update(r.id for r in (*scope.grants, *scope.caps))
        for start in (PUBLIC, KNOWN):
            policy.budget.spend(scope.steps)
            for ruling in values(scope.diagram, start):
                if ruling.capped_by or ruling.treatment.kind is not Kind.WITHHOLD:
                    named.update(ruling.granted_by, ruling.capped_by)
    return frozenset(known - named)


def revealed(policy: Compiled, requester: str, named: frozenset[str]) -> Iterator[Revealed]:
    """The facts beyond ``named`` on which views of this class of requester depend.

    A contact role that can show an element reveals by it that the role exists.
    """
    start = requester_box(requester)
    told = set(named)
    for scope in policy.scopes:
        treatments = treated(policy, scope, start)
        in_role = next((e for e in scope.elements if e.role), None)
        shown = any(t.kind is not Kind.WITHHOLD for t in values(treatments))
        if in_role and CONTACT_ROLES not in told and shown:
            told.add(CONTACT_ROLES)
            yield Revealed(CONTACT_ROLES, in_role)
        depends = asked(treatments)
        for fact in REVEALABLE:
            if fact in depends and fact not in told:
                told.add(fact)
                yield Revealed(fact, scope.elements[0])


def linked(policy: Compiled) -> Iterator[Linked]:
    """Where the public can get a stable pseudonym of a personal element, once for those alike."""
    for scope in policy.scopes:
        element = next((e for e in scope.elements if e.personal), None)
        found = element and _ruled(policy, scope, lambda t: t == STABLE, PUBLIC)
        if element and found:
            yield Linked(element, found[1].granted_by[0])


def treated(policy: Compiled, scope: Scope, box: Box) -> Diagram[Treatment]:
    """The treatment alone of a scope's elements, within ``box``."""
    policy.budget.spend(scope.few)
    return mapped(scope.treatments, lambda treatment: treatment, Maker(policy.budget), box)


class Widened(NamedTuple):
    """Elements that a composition shows more openly than one included policy alone would."""

    elements: tuple[Element, ...]
    before: Treatment
    after: Treatment
    witness: str


def widened(policy: Compiled, part: Sequence[Rule], inside: Box) -> Iterator[Widened]:
    """What the whole gives beyond the rules ``part`` of it, where ``inside`` says that they count.

    For the public and for known requesters, each with one question that shows it.
    """
    alone = Compiled(part, policy.space, policy.budget)
    found: dict[tuple[Treatment, Treatment, str], list[Element]] = {}
    for start in (PUBLIC, KNOWN):
        box = {**start, **{v: start.get(v, words) & words for v, words in inside.items()}}
        domains = within(policy.space.domains, box)
        if not all(box.values()):
            continue
        known: dict[tuple[Diagram[Treatment], Diagram[Treatment]], _Opening | None] = {}
        for element, scope in policy.scope_of.items():
            pair = alone.scope_of[element].treatments, scope.treatments
            if pair not in known:
                maker: Maker[Treatment] = Maker(policy.budget)
                one, whole = (mapped(d, lambda t: t, maker, box) for d in pair)
                same = one is whole
                known[pair] = None if same else find(_both(one, whole, domains, policy), _opens)
            if more := known[pair]:
                words, (before, after) = more
                found.setdefault((before, after, reached(words, start)), []).append(element)
    for (before, after, witness), elements in found.items():
        yield Widened(tuple(elements), before, after, witness)


_Opening = tuple[dict[str, Word], tuple[Treatment, Treatment]]
"""Words, and the treatments there without and with the other rules."""


def _both(
    one: Diagram[Treatment], other: Diagram[Treatment], domains: Domains, policy: Compiled
) -> Diagram[tuple[Treatment, Treatment]]:
    return paired(one, other, domains, Maker(policy.budget))


def _opens(pair: tuple[Treatment, Treatment]) -> bool:
    return pair[1].strength > pair[0].strength
