"""YAML text as a tree of nodes with positions, bounded, and nothing of YAML but its shapes.

Reads parser events and never composes: a scalar is the word that stands there (`NO` is Norway,
`yes` is the word yes), whatever its quotes. Anchors, aliases, tags, merge keys and directives are
refused, and so is a key that stands twice. More than `MAX_BYTES` of text, `MAX_DEPTH` of nesting
or `MAX_NODES` of nodes ends the reading at once, so that no text costs much time or memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import yaml

from whoisgate.errors import Position
from whoisgate.policy.findings import Report, quoted

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 32
MAX_NODES: Final = 30_000
_QUOTE: Final = 'quote what starts with `*`, `&` or `!`, as in `"*.handle"` and `"!registrant.fax"`'


@dataclass(frozen=True, slots=True)
class Scalar:
    """A word or a text, as it stands."""

    text: str
    position: Position


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: list[Node]
    position: Position


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping; of a key that stands twice, the first."""

    entries: Mapping[str, tuple[Scalar, Node]]
    position: Position


Node = Scalar | Items | Table


def read_nodes(text: str, file: str, report: Report) -> list[Node]:
    """The roots of the documents in ``text``; empty documents are left out.

    What is wrong goes into ``report``; after a syntax error or at a bound, there are no roots.
    """
    start = Position(file, 1, 1)
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        report.error("WG201", "expected text that UTF-8 can hold", start)
        return []
    if size > MAX_BYTES:
        report.error("WG215", f"expected at most `{MAX_BYTES}` bytes, got `{size}`", start)
        return []
    builder = _Builder(file, report)
    try:
        for event in _events(text):
            builder.take(event)
            if builder.stopped:
                return []
    except yaml.YAMLError as error:
        builder.syntax(error)
        return []
    return builder.roots


def _events(text: str) -> Iterator[yaml.Event]:
    yield from yaml.parse(text, Loader=yaml.CSafeLoader)


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet."""

    position: Position
    items: list[Node] = field(default_factory=list)
    entries: dict[str, tuple[Scalar, Node]] | None = None
    key: Node | None = None


class _Builder:
    """Builds nodes from parser events on a stack of its own: nothing here recurses."""

    def __init__(self, file: str, report: Report) -> None:
        self.roots: list[Node] = []
        self.stopped = False
        self._file, self._report, self._nodes = file, report, 0
        self._first = Position(file, 1, 1)
        self._stack: list[_Open] = []

    def take(self, event: yaml.Event) -> None:
        """Use the next event."""
        if isinstance(event, yaml.DocumentStartEvent):
            if event.version or event.tags:
                self._report.error("WG205", "expected no directive", self._at(event))
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close()
        elif isinstance(event, yaml.NodeEvent):
            self._leaf(event)

    def syntax(self, error: yaml.YAMLError) -> None:
        """Report text that is not YAML."""
        mark = getattr(error, "problem_mark", None)
        at = Position(self._file, mark.line + 1, mark.column + 1) if mark else self._first
        problem = getattr(error, "problem", None) or "it holds a character that YAML forbids"
        hint = _QUOTE if any(word in problem for word in ("alphabetic", "alias", "tag")) else ""
        self._report.error("WG201", f"not YAML: {problem}".replace("\n", " "), at, hint)

    def _leaf(self, event: yaml.NodeEvent) -> None:
        at = self._at(event)
        self._refuse(event, at)
        text = event.value if isinstance(event, yaml.ScalarEvent) else ""
        empty = isinstance(event, yaml.ScalarEvent) and not text and not event.style
        if not self._stack and empty:
            return
        self._add(Scalar(text, at))

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        at = self._at(event)
        self._refuse(event, at)
        mapping = isinstance(event, yaml.MappingStartEvent)
        self._stack.append(_Open(at, entries={} if mapping else None))
        if len(self._stack) > MAX_DEPTH:
            self._stop(f"expected nesting of at most `{MAX_DEPTH}`", at)

    def _close(self) -> None:
        done = self._stack.pop()
        if done.entries is None:
            self._add(Items(done.items, done.position))
        else:
            self._add(Table(done.entries, done.position))

    def _add(self, node: Node) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._stop(f"expected at most `{MAX_NODES}` words, lists and mappings", node.position)
        if not self._stack:
            self.roots.append(node)
            return
        top = self._stack[-1]
        if top.entries is None:
            top.items.append(node)
        elif top.key is None:
            top.key = node
        else:
            self._entry(top.entries, top.key, node)
            top.key = None

    def _entry(self, entries: dict[str, tuple[Scalar, Node]], key: Node, node: Node) -> None:
        if not isinstance(key, Scalar):
            self._report.error("WG201", "expected a word as the key", key.position)
        elif key.text == "<<":
            self._report.error("WG205", "expected no merge key", key.position)
        elif key.text in entries:
            first = entries[key.text][0].position
            hint = f"the first stands in line {first.line}"
            self._report.error("WG204", f"key {quoted(key.text)} twice", key.position, hint)
        else:
            entries[key.text] = key, node

    def _refuse(self, event: yaml.NodeEvent, at: Position) -> None:
        what = "alias" if isinstance(event, yaml.AliasEvent) else "anchor"
        if event.anchor is not None:
            self._report.error("WG205", f"expected no {what}", at, _QUOTE)
        if getattr(event, "tag", None) is not None:
            self._report.error("WG205", "expected no tag", at, _QUOTE)

    def _stop(self, message: str, at: Position) -> None:
        self._report.error("WG215", message, at)
        self.stopped = True

    def _at(self, event: yaml.Event) -> Position:
        mark = event.start_mark
        return Position(self._file, mark.line + 1, mark.column + 1) if mark else self._first
