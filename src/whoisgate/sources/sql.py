"""`SQLSource`: records out of the registrar's own SQLite or PostgreSQL database.

Columns are named after elements and facts (see `columns`); joins are the registrar's own. The
database is never written, nothing is cached, and no ORM stands between.

Connections are opened per process, on demand, and kept for the next question, at most ``size``
of them; a connection inherited through a fork is neither used nor closed. A lost connection is
replaced once per question. Columns that changed since construction are refused.
"""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import BoundedSemaphore
from typing import Self

from whoisgate.errors import ExtraMissing, SourceError, SourceFailed, SourceTooSlow
from whoisgate.records import Record
from whoisgate.sources.columns import Plan, Row
from whoisgate.sources.sqlite import SQLiteSession
from whoisgate.sources.statements import LostConnection, Session, Statements

TIMEOUT_MS = 2000
"""Default of a statement's time limit, of waiting for a lock, and for a free connection."""

CONNECTIONS = 8
"""Default of the connections that one process holds at most."""


class SQLSource:
    """A source over sessions that ``connect`` opens; safe to share between threads.

    Construction runs every statement once with a name that cannot exist and raises
    `UnknownColumn` or `SourceFailed`. ``label`` is what the log names as the record's source.
    """

    def __init__(
        self,
        connect: Callable[[], Session],
        statements: Statements,
        *,
        label: str,
        size: int = CONNECTIONS,
        wait_ms: int = TIMEOUT_MS,
    ) -> None:
        self._connect, self._size, self._wait_s = connect, size, wait_ms / 1000
        self._names = tuple(statements.given)
        self._kept: dict[int, _Kept] = {}
        self._columns = self._tried()
        self._plan = Plan(dict(zip(self._names, self._columns, strict=True)), label)
        self._finalizer = weakref.finalize(self, _close, self._kept)

    @classmethod
    def sqlite(
        cls,
        path: str | os.PathLike[str],
        statements: Statements,
        *,
        timeout_ms: int = TIMEOUT_MS,
        size: int = CONNECTIONS,
    ) -> Self:
        """Over a SQLite file, opened read-only. SQLite itself has no time limit for a statement."""
        file = Path(path)
        return cls(
            lambda: SQLiteSession(file, statements, timeout_ms / 1000),
            statements,
            label="sqlite",
            size=size,
            wait_ms=timeout_ms,
        )

    @classmethod
    def postgres(
        cls,
        dsn: str,
        statements: Statements,
        *,
        statement_timeout_ms: int = TIMEOUT_MS,
        size: int = CONNECTIONS,
    ) -> Self:
        """Over a PostgreSQL database; raises `ExtraMissing` without the ``postgres`` extra."""
        try:
            from whoisgate.sources.postgres import PostgresSession  # noqa: PLC0415  an extra
        except ImportError:
            raise ExtraMissing('expected psycopg: `pip install "whoisgate[postgres]"`') from None
        return cls(
            lambda: PostgresSession(dsn, statements, statement_timeout_ms),
            statements,
            label="postgres",
            size=size,
            wait_ms=statement_timeout_ms,
        )

    def find(self, name: str) -> Record | None:
        """The record of this canonical name, or None. Raises `SourceError`."""
        rows = self._read(name)
        if not rows:
            return None
        given = dict(zip(self._names, rows, strict=True))
        return self._plan.record(
            name, given["domain"], given.get("contacts", ()), given.get("nameservers", ())
        )

    def close(self) -> None:
        """Close this process's connections; a later `find` raises `SourceFailed`."""
        self._finalizer()

    def _read(self, name: str) -> Sequence[Sequence[Row]]:
        kept = self._here()
        if not kept.free.acquire(timeout=self._wait_s):
            raise SourceTooSlow(f"no connection was free within `{self._wait_s:g}` s")
        try:
            return self._once(kept, name)
        except LostConnection:
            kept.empty()  # whatever ended this connection has most likely ended the others
            return self._once(kept, name)
        finally:
            kept.free.release()

    def _once(self, kept: _Kept, name: str) -> Sequence[Sequence[Row]]:
        session = kept.take() or self._open()
        sound = False
        try:
            rows = session.read(name)
            sound = True
        except LostConnection:
            raise
        except SourceError:
            sound = True
            raise
        finally:
            if sound and self._finalizer.alive:
                kept.idle.append(session)
            else:
                session.close()
        return rows

    def _tried(self) -> Sequence[Sequence[str]]:
        """The columns of every statement, by a session that does not outlive this call."""
        session = self._connect()
        try:
            return session.columns()
        finally:
            session.close()

    def _open(self) -> Session:
        session = self._connect()
        same = False
        try:
            same = session.columns() == self._columns
        finally:
            if not same:
                session.close()
        if not same:
            # The plan reads by position: after a change it might take one element for another.
            raise SourceFailed("the columns are not those that were checked; start again")
        return session

    def _here(self) -> _Kept:
        """What this process keeps. INVARIANT: `dict.setdefault` is atomic for integer keys."""
        if not self._finalizer.alive:
            raise SourceFailed("the source is closed")
        pid = os.getpid()
        return self._kept.get(pid) or self._kept.setdefault(pid, _Kept(self._size))


class _Kept:
    """The idle sessions of one process, and how many more may be used at once."""

    def __init__(self, size: int) -> None:
        self.idle: deque[Session] = deque()
        self.free = BoundedSemaphore(size)

    def take(self) -> Session | None:
        """An idle session, the latest used first."""
        try:
            return self.idle.pop()
        except IndexError:
            return None

    def empty(self) -> None:
        """Close every idle session."""
        while session := self.take():
            session.close()


def _close(kept: dict[int, _Kept]) -> None:
    # A connection belongs to the process that opened it: closing it elsewhere would hurt that one.
    if here := kept.get(os.getpid()):
        here.empty()
