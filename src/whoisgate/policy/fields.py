"""Readers of single values: words, lists, tables, dates, delays, each with its finding.

A reader gives None (or nothing) where the value is not what was expected, and says so in the
report; reading goes on, so that all findings come at once.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from whoisgate.errors import Position
from whoisgate.policy.findings import Report, nearest, quoted
from whoisgate.policy.text import Items, Node, Scalar, Table

DELAY: Final = re.compile(r"([1-9][0-9]{0,4})([dh])", re.ASCII)
DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
MOMENT: Final = re.compile(DAY.pattern + r"T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)
NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
"""What policies and switches are called; safe as a file name."""
ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
"""What rules and invariants are called."""


class Fields:
    """The entries of one table; unknown and missing keys are reported once, here."""

    def __init__(
        self, node: Node, report: Report, required: Iterable[str], optional: Iterable[str] = ()
    ) -> None:
        self.position, self._report = node.position, report
        self._entries = entries(node, report)
        needed = list(required)
        known = [*needed, *optional]
        for key, (word, _) in self._entries.items():
            if key not in known:
                hint = nearest(key, known)
                report.error("WG202", f"unknown key {quoted(key)}", word.position, hint)
        for key in needed:
            if key not in self._entries and isinstance(node, Table):
                report.error("WG201", f"expected `{key}`", node.position)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def node(self, key: str) -> Node | None:
        """The value under ``key``, or None."""
        found = self._entries.get(key)
        return found[1] if found else None

    def at(self, key: str) -> Position:
        """Where ``key`` stands; where the table starts, if it has none."""
        found = self._entries.get(key)
        return found[0].position if found else self.position

    def text(self, key: str, pattern: re.Pattern[str] | None = None) -> str:
        """The text under ``key``; empty where it is missing or not of this pattern."""
        node = self.node(key)
        found = word(node, self._report) if node else None
        if node and found and pattern and not pattern.fullmatch(found.text):
            message = f"`{key}`: expected `{pattern.pattern}`, got {quoted(found.text)}"
            self._report.error("WG201", message, node.position)
            return ""
        return found.text if found else ""

    def items(self, key: str) -> Iterator[Node]:
        """The items of the list under ``key``."""
        node = self.node(key)
        if isinstance(node, Items):
            yield from node.items
        elif node is not None:
            self._report.error("WG201", f"`{key}`: expected a list", node.position)


def entries(node: Node, report: Report) -> dict[str, tuple[Scalar, Node]]:
    """The entries of a table, by key."""
    if isinstance(node, Table):
        return dict(node.entries)
    report.error("WG201", "expected a table of `key: value`", node.position)
    return {}


def word(node: Node, report: Report) -> Scalar | None:
    """A scalar that is not empty."""
    if isinstance(node, Scalar) and node.text.strip():
        return node
    report.error("WG201", "expected a word or a text", node.position)
    return None


def words(node: Node, report: Report) -> list[Scalar]:
    """One word, or a list of words with at least one."""
    nodes = node.items if isinstance(node, Items) else [node]
    if not nodes:
        report.error("WG201", "expected at least one word", node.position)
    return [found for item in nodes if (found := word(item, report))]


def known_word(node: Node, report: Report, what: str, known: Collection[str]) -> str | None:
    """One word of a closed vocabulary."""
    found = word(node, report)
    return checked_word(found, report, what, known) if found else None


def checked_word(found: Scalar, report: Report, what: str, known: Collection[str]) -> str | None:
    """The word itself, if the vocabulary has it."""
    if found.text in known:
        return found.text
    message = f"{what}: unknown word {quoted(found.text)}"
    report.error("WG202", message, found.position, nearest(found.text, known))
    return None


def known_words(node: Node, report: Report, what: str, known: Collection[str]) -> frozenset[str]:
    """One word or a list of words of a closed vocabulary."""
    found = (checked_word(w, report, what, known) for w in words(node, report))
    return frozenset(w for w in found if w is not None)


def delay(node: Node, report: Report) -> timedelta | None:
    """A delay such as ``90d`` or ``24h``."""
    found = word(node, report)
    if found is None:
        return None
    match = DELAY.fullmatch(found.text)
    if match is None:
        message = f"expected a delay such as `90d` or `24h`, got {quoted(found.text)}"
        report.error("WG201", message, found.position)
        return None
    count = int(match[1])
    return timedelta(days=count) if match[2] == "d" else timedelta(hours=count)


def day(node: Node, report: Report) -> str | None:
    """A date such as ``2026-11-23``, as it stands."""
    found = moment(node, report, DAY, "`2026-11-23`")
    return found.date().isoformat() if found else None


def moment(
    node: Node,
    report: Report,
    pattern: re.Pattern[str] = re.compile(f"{DAY.pattern}|{MOMENT.pattern}", re.ASCII),
    such_as: str = "`2026-11-23` or `2026-11-23T12:00:00Z`",
) -> datetime | None:
    """A moment in UTC; a date alone is its first moment."""
    found = word(node, report)
    if found is None:
        return None
    try:
        read = datetime.fromisoformat(found.text) if pattern.fullmatch(found.text) else None
    except ValueError:
        read = None
    if read is None:
        message = f"expected a date such as {such_as}, got {quoted(found.text)}"
        report.error("WG201", message, found.position)
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
