"""Tests of a policy as data: a suite of cases, each a context and what may be seen in it.

A case says what the policy allows for every element, as if all were asked for: an element that it
does not list must be withheld, an obligation that it does not list must not be owed. Where it
names several words of an attribute, it must hold for each, in every combination. Reads a
suite's text with all errors at once, and runs it against the policy; opens no file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from math import prod
from typing import Final

from whoisgate.elements import ELEMENTS, Element
from whoisgate.errors import Position
from whoisgate.policy.decide import Edition, edition
from whoisgate.policy.evaluate import Context, effect, evaluate, supported
from whoisgate.policy.explain import clause
from whoisgate.policy.fields import (
    Fields,
    checked_word,
    delay,
    entries,
    known_word,
    known_words,
    moment,
)
from whoisgate.policy.findings import Report, TooManyFindings, quoted
from whoisgate.policy.model import (
    ANONYMOUS_ATTRIBUTES,
    ATTRIBUTES,
    DUTIES,
    FACT_ATTRIBUTES,
    LANGUAGE_VERSION,
    PARAMETERS,
    WITHHOLD,
    Obligation,
    Policy,
    Rule,
    Treatment,
)
from whoisgate.policy.read import KINDS, Reader
from whoisgate.policy.text import Node, Table, read_nodes
from whoisgate.records import Facts

MAX_CONTEXTS: Final = 10_000
UNKNOWN: Final = "unknown"
USUAL: Final[Context] = {
    **ANONYMOUS_ATTRIBUTES,
    **dict.fromkeys(FACT_ATTRIBUTES),
    "registrant_kind": "unspecified",
    "disclose": "absent",
    "tld_group": "gtld",
}
"""What a case is about where it says nothing: the public, and a record of which little is known."""

_ALL: Final = frozenset(ELEMENTS.values())
_TREATED: Final = tuple(name for name, kind in KINDS.items() if kind is not WITHHOLD.kind)
_CASE: Final = ("at", "switches", "when", "disclose", "obligations", "ask", *_TREATED)


@dataclass(frozen=True, slots=True)
class Case:
    """One context and what must be seen in it; ``treatments`` leaves out what is withheld.

    ``context`` has every attribute but ``disclose``, which belongs to an element and stands in
    ``disclose``. ``obligations`` are those of ``asked`` together, as the rules bring them: also of
    what the public sees as well, for which a gate owes none.
    """

    name: str
    at: datetime
    switches: frozenset[str]
    context: Context
    disclose: Mapping[Element, str]
    treatments: Mapping[Element, Treatment]
    asked: frozenset[Element]
    obligations: frozenset[Obligation]
    position: Position

    def words(self, element: Element) -> dict[str, str | None]:
        """The whole context of one element."""
        return {**self.context, "disclose": self.disclose.get(element, USUAL["disclose"])}

    @property
    def facts(self) -> Facts:
        """The flags as the facts of a record; the other facts stand in ``context``."""
        said = self.disclose.items()
        return Facts(
            disclose_allow=frozenset(e for e, word in said if word == "allow"),
            disclose_deny=frozenset(e for e, word in said if word == "deny"),
        )


@dataclass(frozen=True, slots=True)
class Suite:
    """The cases for one policy, in the order of the file: one for each context that is named."""

    cases: tuple[Case, ...]


def read_suite(text: str, file: str, policy: Policy, report: Report) -> Suite | None:
    """The suite in ``text`` for this policy; None, with findings, if anything is wrong with it."""
    try:
        roots = read_nodes(text, file, report)
        if len(roots) == 1:
            suite = _suite(roots[0], policy, report)
            return None if report.broken else suite
        if not report.broken:
            message = f"expected one suite, got `{len(roots)}` documents"
            report.error("WG201", message, Position(file, 1, 1))
    except TooManyFindings:
        pass
    return None


def _suite(root: Node, policy: Policy, report: Report) -> Suite:
    top = Fields(root, report, ("whoisgate", "suite", "at", "cases"))
    version, named, at = top.node("whoisgate"), top.node("suite"), top.node("at")
    if version and top.text("whoisgate") != str(LANGUAGE_VERSION):
        message = f"`whoisgate`: expected version `{LANGUAGE_VERSION}`"
        report.error("WG216", message, version.position)
    if named:
        known_word(named, report, "suite", (policy.name,))
    usual = moment(at, report) if at else None
    reader = _Cases(report, policy, usual)
    cases = [case for node in top.items("cases") for case in reader.cases(node)]
    if not cases and not report.broken:
        report.error("WG201", "expected at least one case", top.at("cases"))
    return Suite(tuple(cases))


class _Cases:
    """Reads the cases of one suite."""

    def __init__(self, report: Report, policy: Policy, at: datetime | None) -> None:
        self._report, self._at = report, at
        self._elements = Reader(report, ELEMENTS)
        switches = {p.switch for r in policy.rules for p in r.in_force if p.switch}
        self._switches = sorted(switches)
        self._first: dict[str, Position] = {}
        self._left = MAX_CONTEXTS

    def cases(self, node: Node) -> Iterator[Case]:
        """One case as it stands, for each of its contexts; none where its time cannot be told."""
        top = Fields(node, self._report, ("name",), _CASE)
        own, switches = top.node("at"), top.node("switches")
        at = moment(own, self._report) if own else self._at
        name, when = self._name(top), self._when(top.node("when"))
        on: frozenset[str] = frozenset()
        if switches:
            on = known_words(switches, self._report, "switch", self._switches)
        disclose = self._disclose(top.node("disclose"))
        treatments = self._treatments(top)
        owed = frozenset(o for n in top.items("obligations") if (o := self._obligation(n)))
        ask = top.node("ask")
        asked = self._elements.elements(ask) if ask else _ALL
        if at is None:
            return
        for which, context in self._contexts(when, node):
            full = f"{name} ({which})" if which else name
            yield Case(full, at, on, context, disclose, treatments, asked, owed, node.position)

    def _name(self, top: Fields) -> str:
        name = top.text("name")
        if name and name in self._first:
            hint = f"the first stands in line {self._first[name].line}"
            self._report.error("WG204", f"case {quoted(name)} twice", top.position, hint)
        self._first.setdefault(name, top.position)
        return name

    def _when(self, node: Node | None) -> Mapping[str, Sequence[str | None]]:
        """By attribute the words that a case is about."""
        said: dict[str, Sequence[str | None]] = {}
        for key, value in entries(node, self._report).values() if node else ():
            if key.text == "disclose":
                message = "`disclose` is the flag of one element"
                hint = "beside `when`, as in `disclose: {registrant.email: allow}`"
                self._report.error("WG201", message, key.position, hint)
                continue
            attribute = checked_word(key, self._report, "attribute", tuple(ATTRIBUTES))
            if attribute:
                said[attribute] = self._words(attribute, value)
        return said

    def _words(self, attribute: str, node: Node) -> Sequence[str | None]:
        """One word, several, or with ``not`` all other known ones; in the vocabulary's order."""
        known = [*map(str, ATTRIBUTES[attribute])]
        negated = (
            Fields(node, self._report, ("not",)).node("not") if isinstance(node, Table) else None
        )
        if isinstance(node, Table) and negated is None:
            return ()
        named = known_words(negated or node, self._report, attribute, (*known, UNKNOWN))
        if negated:
            return [w for w in known if w not in named]
        return [*(w for w in known if w in named), *((None,) if UNKNOWN in named else ())]

    def _contexts(
        self, when: Mapping[str, Sequence[str | None]], node: Node
    ) -> Iterator[tuple[str, Context]]:
        """Every combination of the words, and what tells it from the others of its case."""
        self._left -= prod(map(len, when.values()))
        if self._left < 0:
            message = f"expected at most `{MAX_CONTEXTS}` contexts in all cases together"
            self._report.error("WG215", message, node.position)
            return
        several = [a for a, words in when.items() if len(words) > 1]
        for words in product(*when.values()):
            said = dict(zip(when, words, strict=True))
            which = ", ".join(f"{a}: {said[a] or UNKNOWN}" for a in several)
            yield which, {a: said.get(a, w) for a, w in USUAL.items() if a != "disclose"}

    def _disclose(self, node: Node | None) -> Mapping[Element, str]:
        flags: dict[Element, str] = {}
        for key, value in entries(node, self._report).values() if node else ():
            word = known_word(value, self._report, "disclose", ATTRIBUTES["disclose"])
            for element in self._elements.elements(key):
                if element in flags:
                    self._report.error("WG204", f"flag of `{element}` twice", key.position)
                flags[element] = word or ""
        return flags

    def _treatments(self, top: Fields) -> Mapping[Element, Treatment]:
        given: dict[Element, Treatment] = {}
        for name in _TREATED:
            node, kind = top.node(name), KINDS[name]
            if node is None:
                continue
            if kind not in PARAMETERS:
                self._treat(given, Treatment(kind), node, node)
                continue
            for key, value in entries(node, self._report).values():
                found = checked_word(key, self._report, name, PARAMETERS[kind])
                if found:
                    self._treat(given, Treatment(kind, found), value, key)
        return given

    def _treat(
        self, given: dict[Element, Treatment], treatment: Treatment, node: Node, at: Node
    ) -> None:
        for element in sorted(self._elements.elements(node), key=str):
            if supported(treatment, element) != treatment:
                message = f"`{element}` does not support `{treatment}`"
                self._report.error("WG213", message, at.position, "no policy can give it")
            if element in given:
                message = f"`{element}` twice: `{given[element]}` and `{treatment}`"
                self._report.error("WG204", message, at.position)
            given[element] = treatment

    def _obligation(self, node: Node) -> Obligation | None:
        top = Fields(node, self._report, ("do", "after"))
        do, after = top.node("do"), top.node("after")
        duty = known_word(do, self._report, "duty", DUTIES) if do else None
        when = delay(after, self._report) if after else None
        return Obligation(duty, when) if duty and when else None


@dataclass(frozen=True, slots=True)
class Wrong:
    """One element of a case that is not treated as expected, and the rules that matter to it."""

    element: Element
    expected: Treatment
    got: Treatment
    why: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that does not hold: elements, obligations, or both."""

    case: Case
    wrong: tuple[Wrong, ...]
    owed: frozenset[Obligation]

    @property
    def owes_otherwise(self) -> bool:
        """Whether other obligations are owed than expected."""
        return self.owed != self.case.obligations


def run(policy: Policy, suite: Suite) -> list[Failure]:
    """The cases that do not hold, in their order; the policy decides as it does in a gate."""
    editions = {key: edition(policy, *key) for key in {(c.at, c.switches) for c in suite.cases}}
    failures = (_run(editions[c.at, c.switches], c) for c in suite.cases)
    return [f for f in failures if f.wrong or f.owes_otherwise]


def _run(now: Edition, case: Case) -> Failure:
    rulings = now.rulings(case.context, case.facts)
    wrong = []
    for element in ELEMENTS.values():
        ruling = rulings.get(element)
        expected = case.treatments.get(element, WITHHOLD)
        got = ruling.treatment if ruling else WITHHOLD
        if got != expected:
            why, rules = _why(now.rules, element, case.words(element), expected)
            wrong.append(Wrong(element, expected, got, why, rules))
    owed = frozenset(o for e, r in rulings.items() if e in case.asked for o in r.obligations)
    return Failure(case, tuple(wrong), owed)


def _why(
    rules: Iterable[Rule], element: Element, words: Context, expected: Treatment
) -> tuple[str, tuple[Rule, ...]]:
    """What made the treatment, and for less than expected the rule that came nearest to it."""
    touching = {r.id: r for r in rules if element in r.elements}
    ruling = evaluate(touching.values(), element, words)
    under = f"granted by {', '.join(ruling.granted_by)}" if ruling.granted_by else "no grant holds"
    capped = f", capped by {', '.join(ruling.capped_by)}" if ruling.capped_by else ""
    made = tuple(touching[i] for i in (*ruling.granted_by, *ruling.capped_by))
    more = [
        r
        for r in touching.values()
        if r.action == "grant" and effect(r, element).strength >= expected.strength
    ]
    if capped or ruling.treatment.strength > expected.strength or not more:
        return under + capped, made
    lacking = min(more, key=lambda r: len(_lacks(r, words)))
    missing = "; ".join(_lacks(lacking, words))
    return f"{under}; nearest is {lacking.id}, which lacks {missing}", (*made, lacking)


def _lacks(grant: Rule, words: Context) -> list[str]:
    """The clauses for which a grant does not hold, in words."""
    failing = [clause(a) for a in grant.when if words[a.attribute] not in a.words]
    if grant.unless and all(words[a.attribute] in {*a.words, None} for a in grant.unless):
        failing.append(f"not ({' and '.join(map(clause, grant.unless))})")
    if any(o.after is None for o in grant.obligations):
        failing.append("an `after` for its obligations")
    return failing
