"""The accounts of persons and conduct as rows, whose keys are HMACs of what `accounts` names.

Reads, and gives the writes; nothing here commits. The month is a column in front, so that what
belongs to an earlier one is found without looking at the rest.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from whoisgate.accounts import Key, Settled, Stop
from whoisgate.budgets import HOUR_US, Account, spans
from whoisgate.conduct import Habit
from whoisgate.stores.tables import Tags

Statement = tuple[str, Sequence[object]]

HABIT_HOURS: Final = 90 * 24
"""How long a habit is kept after the last question."""

_PRUNED: Final = 256
"""Rows that one batch prunes at most, so that the first of a month waits no longer than others."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The book of one log, within the transaction of its connection."""

    database: sqlite3.Connection
    tags: Tags

    def account(self, key: Key, now_us: int) -> Account:
        """The account in the calendar month of a moment; an empty one if there is none."""
        row = self.database.execute(
            "SELECT at, hours, days, months FROM account WHERE month = ? AND tag = ?",
            (_month(now_us), self._tag(key)),
        ).fetchone()
        return Account(*row) if row else Account()

    def counted_us(self, key: Key, now_us: int) -> int | None:
        """When this was last counted in that month."""
        row = self.database.execute(
            "SELECT at FROM counted WHERE month = ? AND tag = ?",
            (_month(now_us), self._tag(key)),
        ).fetchone()
        return int(row[0]) if row else None

    def habit(self, requester: str) -> Habit:
        """When somebody asks."""
        row = self.database.execute(
            "SELECT hours, days, hour, unusual FROM habit WHERE requester = ?",
            (self._requester(requester),),
        ).fetchone()
        return Habit(row[0], row[1], row[2], bool(row[3])) if row else Habit()

    def stop(self, requester: str) -> Stop | None:
        """The last stop of a requester."""
        row = self.database.execute(
            "SELECT idx, lifted_by FROM stopped WHERE requester = ?",
            (self._requester(requester),),
        ).fetchone()
        return Stop(*row) if row else None

    def writes(self, settled: Settled, index: int) -> Iterator[Statement]:
        """What makes the book what entry ``index`` settles."""
        for noted in settled.noted:
            month = _month(noted.after.at_us)
            yield (
                "INSERT OR REPLACE INTO account VALUES (?, ?, ?, ?, ?, ?)",
                (month, self._tag(noted.key), *noted.after),
            )
            for key in noted.counted:
                yield (
                    "INSERT OR REPLACE INTO counted VALUES (?, ?, ?)",
                    (month, self._tag(key), noted.after.at_us),
                )
        requester = settled.draft.requester
        if settled.habit is not None:
            yield (
                "INSERT OR REPLACE INTO habit VALUES (?, ?, ?, ?, ?)",
                (self._requester(requester), *settled.habit),
            )
        if settled.stops:
            yield (
                "INSERT OR REPLACE INTO stopped VALUES (?, ?, NULL)",
                (self._requester(requester), index),
            )

    def _tag(self, key: Key) -> bytes:
        return self.tags.tag("account", orjson.dumps(key))

    def _requester(self, requester: str) -> bytes:
        return self.tags.tag("requester", requester)


def prune(database: sqlite3.Connection, now_us: int) -> None:
    """Delete some of what belongs to months that ended, and habits of those who left."""
    month, hour = _month(now_us), now_us // HOUR_US
    for table in ("account", "counted"):
        database.execute(
            f"DELETE FROM {table} WHERE (month, tag) IN"  # noqa: S608  a literal
            f" (SELECT month, tag FROM {table} WHERE month < ? LIMIT {_PRUNED})",
            (month,),
        )
    database.execute("DELETE FROM habit WHERE hour < ?", (hour - HABIT_HOURS,))


def _month(now_us: int) -> int:
    return spans(now_us // HOUR_US)[2].begin_us
