"""The accounts of persons and conduct as rows, whose keys are HMACs of what `accounts` names.

One `Rows` belongs to one transaction: it keeps what it has read and what it is to write, and writes
that at its end. The month is a column in front, so that what belongs to an earlier one is found
without looking at the rest. Nothing here commits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

import orjson

from whoisgate.accounts import Key, Settled, Stop, shelf_of
from whoisgate.budgets import HOUR_US, Account, spans
from whoisgate.conduct import Habit
from whoisgate.stores.tables import Tags

HABIT_HOURS: Final = 90 * 24
"""How long a habit is kept after the last question."""

_SHORT: Final = 8
_ITEM: Final = Struct(f">{_SHORT}sq")
"""Within a shelf: the first octets of what was counted, and when."""

_PRUNED: Final = 256
"""Rows that one batch prunes at most, so that the first of a month waits no longer than others."""


@dataclass(slots=True)
class Rows:
    """The book of one log, within one transaction of its connection; all at one moment."""

    database: sqlite3.Connection
    tags: Tags
    now_us: int
    _accounts: dict[Key, Account] = field(default_factory=dict)
    _shelves: dict[Key, dict[bytes, int]] = field(default_factory=dict)
    _habits: dict[str, Habit] = field(default_factory=dict)
    _changed: set[Key | str] = field(default_factory=set)
    _known: dict[Key, bytes] = field(default_factory=dict)

    def account(self, key: Key, now_us: int) -> Account:
        """The account in the calendar month of a moment; an empty one if there is none."""
        if key not in self._accounts:
            row = self.database.execute(
                "SELECT at, hours, days, months FROM account WHERE month = ? AND tag = ?",
                (_month(now_us), self._tag(key)),
            ).fetchone()
            self._accounts[key] = Account(*row) if row else Account()
        return self._accounts[key]

    def counted_us(self, shelf: Key, keys: Sequence[Key], now_us: int) -> Mapping[Key, int]:
        """When each was last counted in that month; those that never were are left out."""
        held = self._shelves.get(shelf)
        if held is None:
            row = self.database.execute(
                "SELECT held FROM counted WHERE month = ? AND tag = ?",
                (_month(now_us), self._tag(shelf)),
            ).fetchone()
            held = self._shelves[shelf] = dict(_ITEM.iter_unpack(row[0])) if row else {}
        tags = {key: self._tag(key)[:_SHORT] for key in keys}
        return {key: held[tag] for key, tag in tags.items() if tag in held}

    def habit(self, requester: str) -> Habit:
        """When somebody asks."""
        if requester not in self._habits:
            row = self.database.execute(
                "SELECT hours, days, hour, unusual FROM habit WHERE requester = ?",
                (self._requester(requester),),
            ).fetchone()
            self._habits[requester] = (
                Habit(row[0], row[1], row[2], bool(row[3])) if row else Habit()
            )
        return self._habits[requester]

    def stop(self, requester: str) -> Stop | None:
        """The last stop of a requester."""
        row = self.database.execute(
            "SELECT idx, lifted_by FROM stopped WHERE requester = ?",
            (self._requester(requester),),
        ).fetchone()
        return Stop(*row) if row else None

    def enter(self, settled: Settled, index: int) -> None:
        """Take in what entry ``index`` settles."""
        for noted in settled.noted:
            self._accounts[noted.key] = noted.after
            shelf = shelf_of(settled.draft)
            held = self._shelves[shelf]
            held |= {self._tag(key)[:_SHORT]: self.now_us for key in noted.counted}
            self._changed |= {noted.key, shelf}
        requester = settled.draft.requester
        if settled.habit is not None:
            self._habits[requester] = settled.habit
            self._changed.add(requester)
        if settled.stops:
            self.database.execute(
                "INSERT OR REPLACE INTO stopped VALUES (?, ?, NULL)",
                (self._requester(requester), index),
            )

    def write(self) -> None:
        """Write what was taken in, and prune some of what belongs to months that ended."""
        month, changed = _month(self.now_us), self._changed
        self.database.executemany(
            "INSERT OR REPLACE INTO account VALUES (?, ?, ?, ?, ?, ?)",
            [
                (month, self._tag(key), *account)
                for key, account in self._accounts.items()
                if key in changed
            ],
        )
        self.database.executemany(
            "INSERT OR REPLACE INTO counted VALUES (?, ?, ?)",
            [
                (month, self._tag(shelf), b"".join(_ITEM.pack(*item) for item in held.items()))
                for shelf, held in self._shelves.items()
                if shelf in changed
            ],
        )
        self.database.executemany(
            "INSERT OR REPLACE INTO habit VALUES (?, ?, ?, ?, ?)",
            [
                (self._requester(requester), *habit)
                for requester, habit in self._habits.items()
                if requester in changed
            ],
        )
        for table in ("account", "counted"):
            self.database.execute(
                f"DELETE FROM {table} WHERE (month, tag) IN"  # noqa: S608  a literal
                f" (SELECT month, tag FROM {table} WHERE month < ? LIMIT {_PRUNED})",
                (month,),
            )
        oldest = self.now_us // HOUR_US - HABIT_HOURS
        self.database.execute("DELETE FROM habit WHERE hour < ?", (oldest,))

    def _tag(self, key: Key) -> bytes:
        tag = self._known.get(key)
        if tag is None:
            tag = self._known[key] = self.tags.tag("account", orjson.dumps(key))
        return tag

    def _requester(self, requester: str) -> bytes:
        return self.tags.tag("requester", requester)


def _month(now_us: int) -> int:
    return spans(now_us // HOUR_US)[2].begin_us
