"""A read-only session on a SQLite file.

The file is opened with ``mode=ro`` and never written. A file that was replaced since (a nightly
export renamed into place) counts as a lost connection, for the old one must not be served on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from whoisgate.errors import SourceError, SourceFailed, SourceTooSlow
from whoisgate.sources.columns import Row
from whoisgate.sources.statements import CHECK_NAME, LostConnection, Statements

_Description = Sequence[Sequence[object]] | None
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class SQLiteSession:
    """One connection; waits up to ``timeout_s`` for a lock. Raises `SourceFailed`."""

    def __init__(self, path: Path, statements: Statements, timeout_s: float) -> None:
        self._path, self._given = path, statements.given
        self._described: list[tuple[str, _Description]] = []
        try:
            self._identity = _identity(path)
            self._connection = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode=ro",
                uri=True,
                timeout=timeout_s,
                isolation_level=None,
                check_same_thread=False,  # one thread at a time, but not always the same
            )
        except (OSError, sqlite3.Error) as error:
            raise SourceFailed(f"expected a SQLite file at `{path}`: {error}") from None

    def columns(self) -> Sequence[Sequence[str]]:
        """As `Session.columns`; a refused statement is told with SQLite's reason."""
        self._described.clear()
        found: list[list[str]] = []
        for statement, sql in self._given.items():
            try:
                cursor = self._connection.execute(sql, {"name": CHECK_NAME})
                cursor.fetchall()
            except sqlite3.Error as error:
                # No registrant's value can stand in the reason: the name matches no row.
                raise _failed(error, f"{statement}: SQLite refused the SQL: {error}") from None
            self._described.append((sql, cursor.description))
            found.append([column[0] for column in cursor.description or ()])
        return found

    def read(self, name: str) -> Sequence[Sequence[Row]]:
        """As `Session.read`."""
        if _identity_or_none(self._path) != self._identity:
            raise LostConnection(f"`{self._path}` was replaced or removed")
        try:
            self._connection.execute("BEGIN")
            try:
                return self._rows({"name": name})
            finally:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise _failed(error, f"SQLite failed with `{_name(error)}`") from None

    def _rows(self, parameters: dict[str, str]) -> list[list[Row]]:
        rows: list[list[Row]] = []
        for sql, described in self._described:
            cursor = self._connection.execute(sql, parameters)
            if cursor.description != described:
                raise LostConnection("the columns are not those that were checked")
            rows.append(cursor.fetchall())
            if not rows[0]:
                return []
        return rows

    def close(self) -> None:
        """As `Session.close`."""
        self._connection.close()


def _identity(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino


def _identity_or_none(path: Path) -> tuple[int, int] | None:
    try:
        return _identity(path)
    except OSError:
        return None


def _name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", type(error).__name__)


def _failed(error: sqlite3.Error, sentence: str) -> SourceError:
    # Extended codes keep the primary one in their low byte.
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY:
        return SourceTooSlow("the SQLite file stayed locked")
    return SourceFailed(sentence)
