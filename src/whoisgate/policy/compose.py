"""A policy and those that it includes: from a bundle of text to one set of rules.

An included policy's rules count only where the including one's condition holds, and only while
its period is active; their ids get the included policy's name before them. A bundle is one text
of several documents, the main one first: it loads alone to the same policy, so that an archive
needs nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from whoisgate.elements import Element
from whoisgate.errors import Position
from whoisgate.policy.findings import Report
from whoisgate.policy.model import Atom, InForce, Invariant, Rule
from whoisgate.policy.read import Document, Include, read_document
from whoisgate.policy.text import MAX_BYTES, read_nodes

MAX_RULES: Final = 5_000
MAX_DOCUMENTS: Final = 100

Find = Callable[[str], tuple[str, str] | None]
"""From a policy's name to its text and file name, or None."""


def find_nothing(name: str) -> None:  # noqa: ARG001  the shape of `Find`
    """A text alone includes only what stands in it."""
    return


@dataclass(frozen=True, slots=True)
class Bundle:
    """One text with every document that the policy needs, by name, the main one first."""

    text: str
    documents: Mapping[str, Document]

    @property
    def main(self) -> Document:
        """The document that includes the others."""
        return next(iter(self.documents.values()))


@dataclass(frozen=True, slots=True)
class Whole:
    """The rules, invariants and defaults of all documents together."""

    rules: tuple[Rule, ...]
    invariants: tuple[Invariant, ...]
    defaults: Mapping[str, frozenset[Element]]


def gather(text: str, file: str, find: Find, report: Report) -> Bundle | None:
    """The bundle that ``text`` is or begins; None where there is nothing to read."""
    roots = read_nodes(text, file, report)
    if not roots:
        if not report.broken:
            report.error("WG201", "expected a policy, got nothing", Position(file, 1, 1))
        return None
    documents: dict[str, Document] = {}
    for root in roots:
        document = read_document(root, report)
        if document.name in documents:
            report.error("WG204", f"policy `{document.name}` twice", root.position)
        documents.setdefault(document.name, document)
    if len(roots) > 1:
        _needed(documents, report)
        return Bundle(text, documents)
    return _collect(text, documents, find, report)


def _needed(documents: Mapping[str, Document], report: Report) -> None:
    """Report documents of a bundle that nothing includes."""
    main, *rest = documents.values()
    included = {i.name for d in documents.values() for i in d.includes}
    for document in rest:
        if document.name not in included:
            message = f"policy `{main.name}` does not include `{document.name}`"
            report.error("WG214", message, document.position)


def _collect(text: str, documents: dict[str, Document], find: Find, report: Report) -> Bundle:
    """Read the included policies, each once, and put their texts behind ``text``."""
    texts = [text]
    main = next(iter(documents.values()))
    waiting = list(main.includes)
    left = MAX_BYTES - len(text.encode())
    while waiting:
        include = waiting.pop(0)
        if not include.name or include.name in documents:
            continue
        found = find(include.name)
        roots = read_nodes(*found, report) if found else []
        document = read_document(roots[0], report) if found and len(roots) == 1 else None
        if found is None or document is None or document.name != include.name:
            message = f"expected one policy of the name `{include.name}`, found none"
            report.error("WG214", message, include.position)
            continue
        documents[document.name] = document
        texts.append(found[0])
        waiting += document.includes
        left -= len(f"\n---\n{found[0]}".encode())
        if left < 0 or len(documents) > MAX_DOCUMENTS:
            bound = f"`{MAX_BYTES}` bytes and `{MAX_DOCUMENTS}` policies"
            report.error("WG215", f"expected at most {bound} with all included", main.position)
            break
    return Bundle("---\n".join(_ended(texts)), documents)


def _ended(texts: list[str]) -> Iterable[str]:
    *first, last = texts
    yield from (t if t.endswith("\n") else f"{t}\n" for t in first)
    yield last


def compose(bundle: Bundle, report: Report) -> Whole:
    """All documents as one; an included policy that is missing has been reported already."""
    rules: list[Rule] = []
    invariants: list[Invariant] = []
    defaults: dict[str, frozenset[Element]] = {}
    waiting: list[tuple[Document, _Way]] = [(bundle.main, _Way())]
    composed = 0
    while waiting:
        document, way = waiting.pop(0)
        rules += [way.rule(r) for r in document.rules]
        invariants += [way.invariant(i) for i in document.invariants]
        for purpose, elements in document.defaults.items():
            if purpose not in bundle.main.defaults or document is bundle.main:
                defaults[purpose] = defaults.get(purpose, frozenset()) | elements
        composed += 1
        if len(rules) > MAX_RULES or composed > MAX_DOCUMENTS:
            message = (
                f"expected at most `{MAX_DOCUMENTS}` policies and `{MAX_RULES}` rules together"
            )
            report.error("WG215", message, bundle.main.position)
            break
        waiting += _included(document, way, bundle.documents, report)
    return Whole(tuple(rules), tuple(invariants), defaults)


def _included(
    document: Document, way: _Way, known: Mapping[str, Document], report: Report
) -> Iterable[tuple[Document, _Way]]:
    seen = set()
    for include in document.includes:
        if include.name in (*way.names, document.name):
            report.error("WG214", f"policy `{include.name}` includes itself", include.position)
        elif include.name in seen:
            report.error("WG204", f"policy `{include.name}` included twice", include.position)
        elif include.name in known:
            yield known[include.name], way.through(document.name, include)
        seen.add(include.name)


@dataclass(frozen=True, slots=True)
class _Way:
    """From the main document to an included one: names, conditions and periods on the way."""

    names: tuple[str, ...] = ()
    prefix: str = ""
    when: tuple[Atom, ...] = ()
    in_force: tuple[InForce, ...] = ()

    def through(self, name: str, include: Include) -> _Way:
        periods = (include.in_force,) if include.in_force else ()
        return _Way(
            (*self.names, name),
            f"{self.prefix}{include.name}/",
            conjoin(self.when, include.when),
            (*self.in_force, *periods),
        )

    def rule(self, rule: Rule) -> Rule:
        return replace(
            rule,
            id=self.prefix + rule.id,
            when=conjoin(rule.when, self.when),
            in_force=(*rule.in_force, *self.in_force),
        )

    def invariant(self, invariant: Invariant) -> Invariant:
        when = conjoin(invariant.when, self.when)
        return replace(invariant, id=self.prefix + invariant.id, when=when)


def conjoin(first: tuple[Atom, ...], second: tuple[Atom, ...]) -> tuple[Atom, ...]:
    """Both conjunctions as one, with one atom for each attribute."""
    words: dict[str, frozenset[str]] = {}
    for atom in (*first, *second):
        words[atom.attribute] = words.get(atom.attribute, atom.words) & atom.words
    return tuple(Atom(attribute, found) for attribute, found in words.items())
