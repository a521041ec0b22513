"""One document of the policy language: from nodes to a `Document` of rules and invariants.

Reads shape, words and globs, and reports everything that it cannot read; what remains is a
document without it, good enough to go on checking but never to be used. Composes nothing, proves
nothing, opens no file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from whoisgate.elements import ELEMENTS, REGISTRY_VERSION, Element, Kind
from whoisgate.errors import Position
from whoisgate.policy.fields import (
    ID,
    NAME,
    Fields,
    checked_word,
    day,
    delay,
    entries,
    known_word,
    known_words,
    moment,
    words,
)
from whoisgate.policy.findings import Report, nearest, quoted
from whoisgate.policy.model import (
    ATTRIBUTES,
    COUNTRY,
    DUTIES,
    FACT_ATTRIBUTES,
    LANGUAGE_VERSION,
    PARAMETERS,
    STATUSES,
    WITHHOLD,
    Atom,
    Citation,
    InForce,
    Invariant,
    Obligation,
    Rule,
    Treatment,
)
from whoisgate.policy.text import Items, Node, Scalar, Table
from whoisgate.queries import Purpose, RequesterClass

CONTACT_ROLES: Final = "contact_roles"
"""The fact that is no attribute: which contact roles a record has."""

REVEALABLE: Final = (CONTACT_ROLES, *(a for a in FACT_ATTRIBUTES if a != "tld_group"))
"""What a view can disclose beside its values. The TLD is no fact: the question names it."""

GLOBS: Final = tuple(
    dict.fromkeys(g for e in ELEMENTS.values() for g in (f"{e.group}.*", f"*.{e.field}"))
)
KINDS: Final = {kind.name.lower(): kind for kind in Kind}
_TOP = ("whoisgate", "policy", "version", "elements", "rules")
_TOP_OPTIONAL = ("description", "reveals", "defaults", "includes", "invariants")
_RULE_OPTIONAL = ("grant", "cap", "when", "unless", "obligations", "in_force", "law")
_PERIOD = ("from", "until", "switch")


@dataclass(frozen=True, slots=True)
class Include:
    """A policy that another one includes, and the conditions on which its rules count."""

    name: str
    when: tuple[Atom, ...]
    in_force: InForce | None
    position: Position


@dataclass(frozen=True, slots=True)
class Document:
    """What one document says; ``unchecked`` are the places of citations that nobody has checked."""

    name: str
    version: str
    description: str
    rules: tuple[Rule, ...]
    invariants: tuple[Invariant, ...]
    includes: tuple[Include, ...]
    reveals: Mapping[str, frozenset[str]]
    reveals_at: Mapping[str, Position]
    defaults: Mapping[str, frozenset[Element]]
    unchecked: tuple[Position, ...]
    position: Position


def read_document(root: Node, report: Report) -> Document:
    """What the document under ``root`` says, as far as it can be read."""
    top = Fields(root, report, _TOP, _TOP_OPTIONAL)
    pin = _versions(top, report)
    reader = Reader(report, {e.name: e for e in ELEMENTS.values() if e.since <= pin})
    reveals, reveals_at = reader.reveals(top.node("reveals"))
    rules = tuple(reader.rule(node) for node in top.items("rules"))
    invariants = tuple(reader.invariant(node) for node in top.items("invariants"))
    reader.twice(rules)
    reader.twice(invariants)
    return Document(
        top.text("policy", NAME),
        top.text("version"),
        top.text("description"),
        rules,
        invariants,
        tuple(reader.include(node) for node in top.items("includes")),
        reveals,
        reveals_at,
        reader.defaults(top.node("defaults")),
        tuple(reader.unchecked),
        root.position,
    )


def _versions(top: Fields, report: Report) -> int:
    """Check both version numbers; gives the registry version that the policy pins."""
    read = {}
    for key, newest in (("whoisgate", LANGUAGE_VERSION), ("elements", REGISTRY_VERSION)):
        text = top.text(key)
        known = [str(n) for n in range(1, newest + 1)]
        if text and text not in known:
            message = f"`{key}`: expected a version from `1` to `{newest}`, got {quoted(text)}"
            report.error("WG216", message, top.at(key))
        read[key] = int(text) if text in known else newest
    return read["elements"]


def _fitting(glob: str, names: Iterable[str]) -> Iterable[str]:
    """The names that fit a glob of one `*` or two: one for the group, one for the field."""
    first, *middle, last = glob.split("*")
    if len(middle) > 1:
        return ()
    inner, start, end = "".join(middle), len(first), -len(last) or None
    return [
        name
        for name in names
        if name.startswith(first) and name.endswith(last) and inner in name[start:end]
        if len(name) >= len(first) + len(last)
    ]


class Reader:
    """Reads the parts of one document against the elements of the registry version it pins."""

    def __init__(self, report: Report, known: Mapping[str, Element]) -> None:
        self.unchecked: list[Position] = []
        self._report, self._known = report, known
        self._matched: dict[str, set[Element]] = {}

    def rule(self, node: Node) -> Rule:
        """One grant or cap."""
        top = Fields(node, self._report, ("id", "elements"), _RULE_OPTIONAL)
        action, treatment = self._action(top)
        period = top.node("in_force")
        in_force = self.in_force(period) if period else None
        return Rule(
            top.text("id", ID),
            action,
            treatment,
            self.elements(
                top.node("elements"), countries=action == "grant" and treatment == COUNTRY
            ),
            self.atoms(top.node("when")),
            self.atoms(top.node("unless")),
            tuple(o for n in top.items("obligations") if (o := self._obligation(n))),
            (in_force,) if in_force else (),
            tuple(self._citation(n) for n in top.items("law")),
            node.position,
        )

    def invariant(self, node: Node) -> Invariant:
        """One promise that holds for every question."""
        top = Fields(node, self._report, ("id", "never", "elements"), ("when",))
        never = top.node("never")
        kinds = [name for name, kind in KINDS.items() if kind is not Kind.WITHHOLD]
        found = known_word(never, self._report, "never", kinds) if never else None
        return Invariant(
            top.text("id", ID),
            KINDS[found or "release"],
            self.elements(top.node("elements")),
            self.atoms(top.node("when")),
            node.position,
        )

    def include(self, node: Node) -> Include:
        """One included policy; only facts may condition it."""
        top = Fields(node, self._report, ("policy",), ("when", "in_force"))
        period = top.node("in_force")
        return Include(
            top.text("policy", NAME),
            self.atoms(top.node("when"), FACT_ATTRIBUTES),
            self.in_force(period) if period else None,
            node.position,
        )

    def reveals(
        self, node: Node | None
    ) -> tuple[Mapping[str, frozenset[str]], Mapping[str, Position]]:
        """By class of requester the facts that its views may disclose, and where that stands."""
        said: dict[str, frozenset[str]] = {}
        places: dict[str, Position] = {}
        for key, facts in entries(node, self._report).values() if node else ():
            who = checked_word(key, self._report, "reveals", tuple(RequesterClass))
            empty = isinstance(facts, Items) and not facts.items
            named = frozenset() if empty else known_words(facts, self._report, "fact", REVEALABLE)
            if who:
                said[who], places[who] = named, key.position
        return said, places

    def defaults(self, node: Node | None) -> Mapping[str, frozenset[Element]]:
        """By purpose the elements meant when a question names none."""
        said = {}
        for key, value in entries(node, self._report).values() if node else ():
            purpose = checked_word(key, self._report, "purpose", tuple(Purpose))
            if purpose:
                said[purpose] = self.elements(value)
        return said

    def elements(self, node: Node | None, *, countries: bool = False) -> frozenset[Element]:
        """The elements that names and globs give, without the excluded ones.

        ``countries``: an address part brings the country of its contact.
        """
        chosen: set[Element] = set()
        exclusions: list[tuple[Scalar, set[Element]]] = []
        for found in words(node, self._report) if node else ():
            matched = self._matches(found.text.removeprefix("!"), found.position)
            if found.text.startswith("!"):
                exclusions.append((found, matched))
            else:
                chosen |= matched
        if countries:
            parts = [e for e in chosen if e.generalises == COUNTRY.parameter]
            chosen.update(self._known[f"{e.group}.country"] for e in parts)
        for found, matched in exclusions:
            if matched and not matched & chosen:
                message = f"{quoted(found.text)} excludes nothing"
                self._report.error("WG203", message, found.position)
        left = chosen.difference(*(matched for _, matched in exclusions))
        if chosen and not left and node:
            self._report.error("WG203", "every element is excluded again", node.position)
        return frozenset(left)

    def _matches(self, pattern: str, at: Position) -> set[Element]:
        matched = self._matched.get(pattern)
        if matched is None:
            glob = "*" in pattern
            names = _fitting(pattern, self._known) if glob else {pattern} & self._known.keys()
            matched = self._matched[pattern] = {self._known[name] for name in names}
        if not matched:
            kind, known = ("glob", GLOBS) if "*" in pattern else ("name", tuple(self._known))
            message = f"{kind} {quoted(pattern)} matches no element"
            self._report.error("WG203", message, at, nearest(pattern, known))
        return matched

    def atoms(
        self, node: Node | None, allowed: Iterable[str] = tuple(ATTRIBUTES)
    ) -> tuple[Atom, ...]:
        """A conjunction; a written ``not`` becomes the complement."""
        known = tuple(allowed)
        found = []
        for key, value in entries(node, self._report).values() if node else ():
            attribute = checked_word(key, self._report, "attribute", known)
            if attribute:
                found.append(Atom(attribute, self._condition(attribute, value)))
        if node and isinstance(node, Table) and not node.entries:
            self._report.error("WG201", "expected at least one condition", node.position)
        return tuple(found)

    def _condition(self, attribute: str, node: Node) -> frozenset[str]:
        vocabulary = ATTRIBUTES[attribute]
        if not isinstance(node, Table):
            return known_words(node, self._report, attribute, vocabulary)
        negated = Fields(node, self._report, ("not",)).node("not")
        if negated is None:
            return frozenset()
        excluded = known_words(negated, self._report, attribute, vocabulary)
        return frozenset(str(w) for w in vocabulary) - excluded

    def in_force(self, node: Node) -> InForce:
        """When a rule is active."""
        top = Fields(node, self._report, (), _PERIOD)
        since, until = (
            moment(bound, self._report) if (bound := top.node(key)) else None
            for key in ("from", "until")
        )
        if since and until and until <= since:
            self._report.error("WG201", "expected `until` after `from`", top.at("until"))
        if not any(key in top for key in _PERIOD):
            self._report.error("WG201", "expected `from`, `until` or `switch`", node.position)
        return InForce(since, until, top.text("switch", NAME) or None)

    def twice(self, named: Iterable[Rule] | Iterable[Invariant]) -> None:
        """Report ids that stand twice."""
        seen: dict[str, Position | None] = {}
        for item in named:
            if item.id and item.id in seen:
                first = seen[item.id]
                hint = f"the first stands in line {first.line}" if first else ""
                self._report.error("WG204", f"id `{item.id}` twice", item.position, hint)
            seen.setdefault(item.id, item.position)

    def _action(self, top: Fields) -> tuple[Literal["grant", "cap"], Treatment]:
        if ("grant" in top) == ("cap" in top):
            self._report.error("WG201", "expected one of `grant` and `cap`", top.position)
        grant = top.node("grant")
        if grant is not None:
            return "grant", self._treatment(grant)
        cap = top.node("cap")
        return "cap", self._treatment(cap) if cap is not None else WITHHOLD

    def _treatment(self, node: Node) -> Treatment:
        if not isinstance(node, Table):
            name = known_word(node, self._report, "treatment", tuple(KINDS))
            return Treatment.plain(KINDS[name]) if name else WITHHOLD
        parametrised = {kind.name.lower(): known for kind, known in PARAMETERS.items()}
        if len(node.entries) != 1:
            self._report.error("WG201", "expected one `treatment: parameter`", node.position)
        for key, value in node.entries.values():
            name = checked_word(key, self._report, "treatment with a parameter", parametrised)
            if name:
                found = known_word(value, self._report, name, parametrised[name])
                return Treatment(KINDS[name], found) if found else Treatment.plain(KINDS[name])
        return WITHHOLD

    def _obligation(self, node: Node) -> Obligation | None:
        top = Fields(node, self._report, ("do",), ("after",))
        duty, after = top.node("do"), top.node("after")
        found = known_word(duty, self._report, "duty", DUTIES) if duty else None
        when = delay(after, self._report) if after else None
        return Obligation(found, when) if found else None

    def _citation(self, node: Node) -> Citation:
        top = Fields(
            node, self._report, ("instrument", "article", "status", "source"), ("checked",)
        )
        status, checked = top.node("status"), top.node("checked")
        standing = known_word(status, self._report, "status", STATUSES) if status else None
        read_on = day(checked, self._report) if checked else None
        if checked is None or standing == "unchecked":
            self.unchecked.append(node.position)
        return Citation(
            top.text("instrument"),
            top.text("article"),
            standing or "unchecked",
            top.text("source"),
            read_on,
        )
