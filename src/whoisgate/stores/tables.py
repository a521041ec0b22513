"""The SQLite tables of the log: their schema, and every read and write of single rows.

Works on a connection that it is given and never commits. Times are microseconds since 1970 in
UTC; names, persons and questions stand here only as HMACs, so that the file tells nobody without
the index key whom an entry is about.

Rules: `entry` and `head` are append-only; rows of `vault` may be deleted.
"""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from whoisgate.audit.draft import Draft, Grant
from whoisgate.audit.tree import Edge
from whoisgate.errors import (
    ApprovalSpent,
    BudgetSpent,
    CredentialRefused,
    FormatTooNew,
    LogUnavailable,
    UnknownEntry,
)

SCHEMA_VERSION: Final = 1
BUSY_S: Final = 10.0
"""How long to wait for another process's transaction."""

MEND: Final = "free space or mend the disk, then start again"
"""What an operator does about a failed read or write at the start."""

_WAL_PAGES: Final = 16_000
_WAL_LIMIT_PAGES: Final = 4 * _WAL_PAGES
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_DAY_US: Final = 86_400_000_000

_SCHEMA: Final = f"""
PRAGMA user_version = {SCHEMA_VERSION};
CREATE TABLE entry (idx INTEGER PRIMARY KEY, leaf BLOB NOT NULL);
CREATE TABLE vault (idx INTEGER PRIMARY KEY REFERENCES entry, epoch TEXT NOT NULL, domain BLOB,
    requester BLOB, receipt BLOB NOT NULL, envelope BLOB NOT NULL);
CREATE INDEX vault_domain ON vault (domain) WHERE domain IS NOT NULL;
CREATE INDEX vault_requester ON vault (requester) WHERE requester IS NOT NULL;
CREATE TABLE epoch (id TEXT, recipient TEXT, wrapped BLOB NOT NULL, PRIMARY KEY (id, recipient))
    WITHOUT ROWID;
CREATE TABLE head (size INTEGER PRIMARY KEY, root BLOB NOT NULL, edge BLOB NOT NULL,
    logged_at INTEGER NOT NULL);
CREATE TABLE pending (idx INTEGER PRIMARY KEY REFERENCES entry, question BLOB NOT NULL,
    logged_at INTEGER NOT NULL, granted_by INTEGER, elements TEXT, expires INTEGER,
    used_by INTEGER);
CREATE INDEX pending_question ON pending (question);
CREATE TABLE obligation (id INTEGER PRIMARY KEY, idx INTEGER NOT NULL REFERENCES entry,
    do TEXT NOT NULL, due_at INTEGER NOT NULL, done_at INTEGER);
CREATE TABLE budget (day INTEGER, requester BLOB, spent INTEGER NOT NULL,
    PRIMARY KEY (day, requester)) WITHOUT ROWID;
CREATE TABLE policy (digest TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
"""


def create(path: Path) -> None:
    """A database without entries; raises `FileExistsError` or `OSError`."""
    path.touch(mode=0o600, exist_ok=False)
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(f"BEGIN;{_SCHEMA}COMMIT;")
    finally:
        database.close()


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit, usable from any thread but from one at a time.

    Raises `LogUnavailable` or `FormatTooNew`.
    """
    try:
        database = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_S,
            isolation_level=None,
            check_same_thread=False,
        )
    except sqlite3.Error as error:
        raise LogUnavailable(f"expected a log database at `{path}`: {error}") from None
    try:
        _prepare(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    try:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        database.execute("PRAGMA synchronous = FULL")
        database.execute(f"PRAGMA wal_autocheckpoint = {_WAL_LIMIT_PAGES}")
    except sqlite3.Error as error:
        raise LogUnavailable(f"the log database `{path}` cannot be read: {error}; {MEND}") from None
    if version > SCHEMA_VERSION:
        raise FormatTooNew(f"expected a log of format `{SCHEMA_VERSION}`, got `{version}`")
    if version < 1:
        raise LogUnavailable(f"expected a log database at `{path}`, got another file")


def checkpoint(database: sqlite3.Connection) -> None:
    """Copy the write-ahead log into the database, beside the appends and not inside them.

    Appends wait only once the log has grown long, and then for the little that came meanwhile.
    """
    _, pages, _ = database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    if pages > _WAL_PAGES:
        database.execute("PRAGMA busy_timeout = 100")
        database.execute("PRAGMA wal_checkpoint(RESTART)")


def to_us(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def from_us(moment_us: int) -> datetime:
    """The moment in UTC."""
    return _EPOCH + moment_us * _MICROSECOND


@dataclass(frozen=True, slots=True)
class Tags:
    """The keyed index: what stands in the tables instead of names."""

    key: bytes

    def tag(self, what: str, value: str | bytes) -> bytes:
        """HMAC-SHA-256 of a value of one sort: ``domain``, ``requester`` or ``question``."""
        raw = value.encode() if isinstance(value, str) else value
        return hmac.digest(self.key, what.encode("ascii") + b"\0" + raw, "sha256")


class Head(NamedTuple):
    """The tree after one committed batch, and the time of its last entry."""

    edge: Edge
    root: bytes
    logged_at: datetime


NO_HEAD: Final = Head(Edge(), Edge().root(), _EPOCH)


def head(database: sqlite3.Connection) -> Head:
    """The newest head."""
    row = database.execute(
        "SELECT edge, root, logged_at FROM head ORDER BY size DESC LIMIT 1"
    ).fetchone()
    return Head(Edge.from_bytes(row[0]), row[1], from_us(row[2])) if row else NO_HEAD


def root_at(database: sqlite3.Connection, size: int) -> bytes:
    """The root of the batch that ended at ``size``; empty if none did."""
    row = database.execute("SELECT root FROM head WHERE size = ?", (size,)).fetchone()
    return bytes(row[0]) if row else b""


def size_holding(database: sqlite3.Connection, index: int) -> int:
    """The size of the tree after the batch that holds this entry."""
    row = database.execute("SELECT min(size) FROM head WHERE size > ?", (index,)).fetchone()
    return int(row[0])


def leaves(database: sqlite3.Connection, start: int, stop: int) -> list[bytes]:
    """The leaves of a half-open range, in order."""
    rows = database.execute(
        "SELECT leaf FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx", (start, stop)
    )
    return [leaf for (leaf,) in rows]


Statement = tuple[str, Sequence[object]]


def settlements(
    database: sqlite3.Connection, tags: Tags, draft: Draft, index: int, now: datetime
) -> list[Statement]:
    """The writes beside the entry itself that make a draft whole, not yet executed.

    Raises what forbids this draft: `CredentialRefused`, `BudgetSpent`, `ApprovalSpent` or
    `UnknownEntry`. Reads only, so that a draft refused leaves no trace.
    """
    if draft.valid_until is not None and draft.valid_until <= now:
        raise CredentialRefused("the credential ended before the entry was logged")
    statements: list[Statement] = []
    if draft.budget is not None:
        statements.append(_debit(database, tags, draft, draft.budget, now))
    if draft.uses is not None:
        approval = (draft.uses, tags.tag("question", draft.question))
        statements.append(_use(database, approval, index, now))
    if draft.grants is not None:
        statements.append(_grant(database, draft.grants, index))
    if draft.done is not None:
        statements.append(_done(database, draft.done, now))
    if draft.kind == "pending":
        question = tags.tag("question", draft.question)
        statements.append((
            "INSERT INTO pending (idx, question, logged_at) VALUES (?, ?, ?)",
            (index, question, to_us(now)),
        ))  # fmt: skip
    statements.extend(
        (
            "INSERT INTO obligation (idx, do, due_at) VALUES (?, ?, ?)",
            (index, str(due.do), to_us(now + due.after)),
        )
        for due in draft.dues
    )
    return statements


def _debit(
    database: sqlite3.Connection, tags: Tags, draft: Draft, budget: int, now: datetime
) -> Statement:
    account = (to_us(now) // _DAY_US, tags.tag("requester", draft.requester))
    row = database.execute(
        "SELECT spent FROM budget WHERE day = ? AND requester = ?", account
    ).fetchone()
    if (row[0] if row else 0) >= budget:
        raise BudgetSpent(f"expected at most `{budget}` questions a day that release nothing")
    spend = (
        "INSERT INTO budget (day, requester, spent) VALUES (?, ?, 1)"
        " ON CONFLICT (day, requester) DO UPDATE SET spent = spent + 1"
    )
    return spend, account


def _use(
    database: sqlite3.Connection, approval: tuple[int, bytes], index: int, now: datetime
) -> Statement:
    if not database.execute(
        "SELECT 1 FROM pending WHERE idx = ? AND question = ? AND used_by IS NULL AND expires > ?",
        (*approval, to_us(now)),
    ).fetchone():
        raise ApprovalSpent(f"the approval of question `{approval[0]}` was used or ran out")
    return "UPDATE pending SET used_by = ? WHERE idx = ?", (index, approval[0])


def _grant(database: sqlite3.Connection, grant: Grant, index: int) -> Statement:
    if not database.execute(
        "SELECT 1 FROM pending WHERE idx = ? AND granted_by IS NULL", (grant.entry,)
    ).fetchone():
        raise UnknownEntry(f"expected a question that waits for approval, got `{grant.entry}`")
    return (
        "UPDATE pending SET granted_by = ?, elements = ?, expires = ? WHERE idx = ?",
        (index, " ".join(grant.elements), to_us(grant.expires), grant.entry),
    )


def _done(database: sqlite3.Connection, obligation: int, now: datetime) -> Statement:
    if not database.execute(
        "SELECT 1 FROM obligation WHERE id = ? AND done_at IS NULL", (obligation,)
    ).fetchone():
        raise UnknownEntry(f"expected an obligation still to be done, got `{obligation}`")
    return "UPDATE obligation SET done_at = ? WHERE id = ?", (to_us(now), obligation)
