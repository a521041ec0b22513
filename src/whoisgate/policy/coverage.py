"""Which rules and which of their atoms a suite tries.

A **rule** is covered if in some case it is among the rules that grant or cap what some element
gets, as `evaluate` names them.

An **atom** is covered if cases show both of its sides while it alone decides: one in which it is
met and the rule holds (for an atom of ``unless``: is met and the rule does not hold), and one in
which it is not met, so that the rule does otherwise. It decides in a case if the rule is in force
there and, with the atom turned over and all else equal, would hold where it does not or the other
way round. Rules are taken as written: that what the public has everybody has, is left aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from whoisgate.elements import ELEMENTS
from whoisgate.policy.decide import in_force
from whoisgate.policy.evaluate import Context, evaluate
from whoisgate.policy.model import Atom, Policy, Rule
from whoisgate.policy.suite import Case, Suite


class Untried(NamedTuple):
    """An atom of a rule that no case shows deciding, ``met`` or not met."""

    rule: Rule
    atom: Atom
    excepting: bool
    met: bool


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many rules and atoms there are, and what no case covers; an atom may stand twice."""

    rules: int
    atoms: int
    untried_rules: tuple[Rule, ...]
    untried: tuple[Untried, ...]

    @property
    def untried_atoms(self) -> int:
        """The number of atoms that are not covered."""
        return len({(id(u.rule), u.atom, u.excepting) for u in self.untried})


def coverage(policy: Policy, suite: Suite) -> Coverage:
    """What the cases of a suite cover of a policy's rules, included ones too."""
    named: set[str] = set()
    shown: dict[str, set[tuple[Atom, bool, bool]]] = {rule.id: set() for rule in policy.rules}
    for case in suite.cases:
        active = [r for r in policy.rules if in_force(r, case.at, case.switches)]
        for rule in active:
            shown[rule.id].update(
                d for words in contexts(rule, case) for d in _deciding(rule, words)
            )
        named.update(_named(active, case))
    every = [
        Untried(r, a, e, met) for r in policy.rules for a, e in _atoms(r) for met in (True, False)
    ]
    return Coverage(
        len(policy.rules),
        len(every) // 2,
        tuple(r for r in policy.rules if r.id not in named),
        tuple(u for u in every if u[1:] not in shown[u.rule.id]),
    )


def contexts(rule: Rule, case: Case) -> Iterable[Context]:
    """The contexts of a rule's elements in one case, each once: they differ in flags alone."""
    return {case.disclose.get(e): case.words(e) for e in rule.elements}.values()


def _named(rules: Iterable[Rule], case: Case) -> Iterator[str]:
    for element in ELEMENTS.values():
        ruling = evaluate(rules, element, case.words(element))
        yield from ruling.granted_by
        yield from ruling.capped_by


def _atoms(rule: Rule) -> Iterator[tuple[Atom, bool]]:
    """Every atom of a rule, and whether it is one of its exception."""
    yield from ((a, False) for a in rule.when)
    yield from ((a, True) for a in rule.unless)


def _deciding(rule: Rule, words: Context) -> Iterator[tuple[Atom, bool, bool]]:
    """The atoms that decide in a context, with whether they are met."""
    sure = {excepting: (rule.action == "grant") is not excepting for excepting in (False, True)}
    met = {
        (a, e): words[a.attribute] in (a.words if sure[e] else {*a.words, None})
        for a, e in _atoms(rule)
    }
    holds = _holds(met)
    for part, was in met.items():
        if _holds({**met, part: not was}) is not holds:
            yield *part, was


def _holds(met: Mapping[tuple[Atom, bool], bool]) -> bool:
    excepting = [was for (_, e), was in met.items() if e]
    excepted = bool(excepting) and all(excepting)
    return not excepted and all(was for (_, e), was in met.items() if not e)
