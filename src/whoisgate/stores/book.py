"""What the append reads of who asks: accounts of persons and conduct, and who may not ask.

Accounts are rows whose keys are HMACs of what `accounts` names. The month is a column in front, so
that what belongs to an earlier one is found without looking at the rest. What was read is kept from
one transaction to the next for as long as nobody else has written to the file. Nothing here
commits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Final, NamedTuple

import orjson

from whoisgate.accounts import Key, Settled, Stop, shelf_of
from whoisgate.audit.draft import Draft
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

_KEPT: Final = 50_000
"""How much is kept of one sort, in some 10 MB; then all of it is read anew."""


class Listed(NamedTuple):
    """The entry that put an authority where it stands, and its state."""

    entry: int
    state: str


@dataclass(slots=True)
class _Kept:
    """What was read, by what it is about."""

    accounts: dict[Key, Account] = field(default_factory=dict)
    habits: dict[str, Habit] = field(default_factory=dict)
    stops: dict[str, Stop | None] = field(default_factory=dict)
    barred: dict[str, bool] = field(default_factory=dict)
    listed: dict[str, Listed | None] = field(default_factory=dict)
    tags: dict[Key, bytes] = field(default_factory=dict)
    requesters: dict[str, bytes] = field(default_factory=dict)

    def is_large(self) -> bool:
        return max(len(self.accounts), len(self.tags), len(self.requesters)) > _KEPT


class Rows:
    """The book of one log, for the transactions of one connection, each at one moment.

    `begin`, then any number of reads and `enter`, then `write`, and `committed` after the commit.
    """

    def __init__(self, database: sqlite3.Connection, tags: Tags) -> None:
        self.database, self.tags = database, tags
        self.now_us = 0
        # Both: SQLite's number of the file's state, and the month.
        self._begun: tuple[int, int] | None = None
        self._as_of: tuple[int, int] | None = None
        self._kept = _Kept()
        self._shelves: dict[Key, dict[bytes, int]] = {}
        self._changed: set[Key | str] = set()

    def begin(self, now_us: int, drafts: Iterable[Draft]) -> None:
        """Start a transaction, which holds the write lock already, for these drafts alone."""
        # INVARIANT: SQLite gives another number when another connection has committed anything.
        (version,) = self.database.execute("PRAGMA data_version").fetchone()
        as_of = version, _month(now_us)
        if as_of != self._as_of or self._kept.is_large():
            self._kept = _Kept()
        self.now_us, self._as_of = now_us, None
        self._begun, self._changed = as_of, set()
        self._shelves = self._read_shelves({shelf_of(draft) for draft in drafts if draft.asking})

    def committed(self) -> None:
        """What was read and entered holds; otherwise the next transaction reads all of it anew."""
        self._as_of = self._begun

    def changed(self) -> None:
        """Something beside the accounts was written that this keeps."""
        for kept in (self._kept.stops, self._kept.barred, self._kept.listed):
            kept.clear()

    def listed(self, authority: str) -> Listed | None:
        """Where an authority stands in the directory; None where it does not."""
        if authority not in self._kept.listed:
            row = self.database.execute(
                "SELECT entry, state FROM authority WHERE name = ?", (authority,)
            ).fetchone()
            self._kept.listed[authority] = Listed(*row) if row else None
        return self._kept.listed[authority]

    def barred(self, requester: str) -> bool:
        """Whether a person may not ask."""
        if requester not in self._kept.barred:
            row = self.database.execute(
                "SELECT 1 FROM barred WHERE requester = ? AND barred", (self._requester(requester),)
            ).fetchone()
            self._kept.barred[requester] = row is not None
        return self._kept.barred[requester]

    def account(self, key: Key, now_us: int) -> Account:
        """The account in the calendar month of a moment; an empty one if there is none."""
        if key not in self._kept.accounts:
            row = self.database.execute(
                "SELECT at, hours, days, months FROM account WHERE month = ? AND tag = ?",
                (_month(now_us), self._tag(key)),
            ).fetchone()
            self._kept.accounts[key] = Account(*row) if row else Account()
        return self._kept.accounts[key]

    def counted_us(self, shelf: Key, keys: Sequence[Key]) -> Mapping[Key, int]:
        """When each was last counted this month; those that never were are left out."""
        held = self._shelves[shelf]
        tags = {key: self._tag(key)[:_SHORT] for key in keys}
        return {key: held[tag] for key, tag in tags.items() if tag in held}

    def habit(self, requester: str) -> Habit:
        """When somebody asks."""
        if requester not in self._kept.habits:
            row = self.database.execute(
                "SELECT hours, days, hour, unusual FROM habit WHERE requester = ?",
                (self._requester(requester),),
            ).fetchone()
            self._kept.habits[requester] = (
                Habit(row[0], row[1], row[2], bool(row[3])) if row else Habit()
            )
        return self._kept.habits[requester]

    def stop(self, requester: str) -> Stop | None:
        """The last stop of a requester."""
        if requester not in self._kept.stops:
            row = self.database.execute(
                "SELECT idx, lifted_by FROM stopped WHERE requester = ?",
                (self._requester(requester),),
            ).fetchone()
            self._kept.stops[requester] = Stop(*row) if row else None
        return self._kept.stops[requester]

    def enter(self, settled: Settled, index: int) -> None:
        """Take in what entry ``index`` settles."""
        for noted in settled.noted:
            self._kept.accounts[noted.key] = noted.after
            shelf = shelf_of(settled.draft)
            held = self._shelves[shelf]
            held |= {self._tag(key)[:_SHORT]: self.now_us for key in noted.counted}
            self._changed |= {noted.key, shelf}
        requester = settled.draft.requester
        if settled.habit is not None:
            self._kept.habits[requester] = settled.habit
            self._changed.add(requester)
        if settled.stops:
            self.database.execute(
                "INSERT OR REPLACE INTO stopped VALUES (?, ?, NULL)",
                (self._requester(requester), index),
            )
            self._kept.stops[requester] = Stop(index, None)

    def _read_shelves(self, shelves: Iterable[Key]) -> dict[Key, dict[bytes, int]]:
        tags = {self._tag(shelf): shelf for shelf in shelves}
        read: dict[Key, dict[bytes, int]] = {shelf: {} for shelf in tags.values()}
        marks = ", ".join("?" * len(tags))
        for tag, held in self.database.execute(
            f"SELECT tag, held FROM counted WHERE month = ? AND tag IN ({marks})",  # noqa: S608  marks
            (_month(self.now_us), *tags),
        ):
            read[tags[tag]] = dict(_ITEM.iter_unpack(held))
        return read

    def write(self) -> None:
        """Write what was taken in, and prune some of what belongs to months that ended."""
        month, changed = _month(self.now_us), self._changed
        self.database.executemany(
            "INSERT OR REPLACE INTO account VALUES (?, ?, ?, ?, ?, ?)",
            [
                (month, self._tag(key), *account)
                for key, account in self._kept.accounts.items()
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
                for requester, habit in self._kept.habits.items()
                if requester in changed
            ],
        )
        for table in ("account", "counted"):
            self.database.execute(
                f"DELETE FROM {table} WHERE (month, tag) IN"  # noqa: S608  a literal
                f" (SELECT month, tag FROM {table} WHERE month < ? LIMIT {_PRUNED})",
                (month,),
            )
        self.database.execute("DELETE FROM used WHERE until <= ?", (self.now_us,))
        oldest = self.now_us // HOUR_US - HABIT_HOURS
        self.database.execute("DELETE FROM habit WHERE hour < ?", (oldest,))

    def _tag(self, key: Key) -> bytes:
        tag = self._kept.tags.get(key)
        if tag is None:
            tag = self._kept.tags[key] = self.tags.tag("account", orjson.dumps(key))
        return tag

    def _requester(self, requester: str) -> bytes:
        tag = self._kept.requesters.get(requester)
        if tag is None:
            tag = self._kept.requesters[requester] = self.tags.tag("requester", requester)
        return tag


def _month(now_us: int) -> int:
    return spans(now_us // HOUR_US)[2].begin_us
