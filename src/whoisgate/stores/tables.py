"""The SQLite tables of the log: their schema, and every read and write of single rows.

Works on a connection that it is given and never commits. Times are microseconds since 1970 in
UTC; names, persons and questions stand here only as HMACs, so that the file tells nobody without
the index key whom an entry is about.

Rules: `entry` and `head` are append-only; rows of `vault` may be deleted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from whoisgate.audit.tree import Edge
from whoisgate.audit.verify import parse_leaf
from whoisgate.errors import FormatTooNew, LogUnavailable

SCHEMA_VERSION: Final = 4
BUSY_S: Final = 10.0
"""How long to wait for another process's transaction."""

MEND: Final = "free space or mend the disk, then start again"
"""What an operator does about a failed read or write at the start."""

_CACHE_KIB: Final = 32_768
_WAL_PAGES: Final = 16_000
_WAL_LIMIT_PAGES: Final = 4 * _WAL_PAGES
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_SCHEMA: Final = """
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
_SINCE_2: Final = """
CREATE TABLE signer (vkey TEXT PRIMARY KEY, since INTEGER NOT NULL, retired_by INTEGER)
    WITHOUT ROWID;
CREATE TABLE erased (idx INTEGER PRIMARY KEY, erased_by INTEGER NOT NULL,
    shredded INTEGER NOT NULL DEFAULT 0);
CREATE TABLE sealed (idx INTEGER PRIMARY KEY, until INTEGER NOT NULL, opened_by INTEGER);
"""
_SINCE_3: Final = """
CREATE TABLE authority (name TEXT PRIMARY KEY, record TEXT NOT NULL, entry INTEGER NOT NULL,
    state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE proposal (idx INTEGER, name TEXT, record TEXT NOT NULL, state TEXT NOT NULL,
    by TEXT NOT NULL, PRIMARY KEY (idx, name)) WITHOUT ROWID;
CREATE TABLE imported (signer TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE barred (requester BLOB PRIMARY KEY, entry INTEGER NOT NULL,
    barred INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE account (month INTEGER, tag BLOB, at INTEGER NOT NULL, hours INTEGER NOT NULL,
    days INTEGER NOT NULL, months INTEGER NOT NULL, PRIMARY KEY (month, tag)) WITHOUT ROWID;
CREATE TABLE counted (month INTEGER, tag BLOB, held BLOB NOT NULL, PRIMARY KEY (month, tag))
    WITHOUT ROWID;
CREATE TABLE habit (requester BLOB PRIMARY KEY, hours INTEGER NOT NULL, days INTEGER NOT NULL,
    hour INTEGER NOT NULL, unusual INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX habit_hour ON habit (hour);
CREATE TABLE stopped (requester BLOB PRIMARY KEY, idx INTEGER NOT NULL, lifted_by INTEGER)
    WITHOUT ROWID;
"""
_SINCE_4: Final = """
CREATE TABLE used (until INTEGER, mark BLOB, PRIMARY KEY (until, mark)) WITHOUT ROWID;
"""
_MIGRATE: Final = {1: _SINCE_2, 2: _SINCE_3, 3: _SINCE_4}
"""What each format lacks of the next."""


def create(path: Path, vkey: str) -> None:
    """A database without entries, signed by ``vkey``; raises `FileExistsError` or `OSError`."""
    path.touch(mode=0o600, exist_ok=False)
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(
            f"BEGIN;{_SCHEMA}{''.join(_MIGRATE.values())}"
            f"PRAGMA user_version = {SCHEMA_VERSION};COMMIT;"
        )
        database.execute("INSERT INTO signer VALUES (?, 0, NULL)", (vkey,))
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
        database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        database.execute("PRAGMA secure_delete = ON")
        database.execute(f"PRAGMA wal_autocheckpoint = {_WAL_LIMIT_PAGES}")
    except sqlite3.Error as error:
        raise LogUnavailable(f"the log database `{path}` cannot be read: {error}; {MEND}") from None
    if version > SCHEMA_VERSION:
        raise FormatTooNew(f"expected a log of format `{SCHEMA_VERSION}`, got `{version}`")
    if version < 1:
        raise LogUnavailable(f"expected a log database at `{path}`, got another file")
    if version < SCHEMA_VERSION:
        _migrate(database, path)


def _migrate(database: sqlite3.Connection, path: Path) -> None:
    """Bring an older database up to this format; whole, or not at all."""
    try:
        database.execute("BEGIN IMMEDIATE")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        for step in range(version, SCHEMA_VERSION):
            for statement in _MIGRATE[step].split(";")[:-1]:
                database.execute(statement)
        if version == 1:
            first = parse_leaf(leaves(database, 0, 1)[0]).open or {}
            database.execute("INSERT INTO signer VALUES (?, 0, NULL)", (first.get("vkey"),))
        if version < SCHEMA_VERSION:  # another process may have been first
            database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        database.execute("COMMIT")
    except sqlite3.Error as error:
        raise LogUnavailable(f"the log database `{path}` cannot be migrated: {error}") from None


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


class Tags:
    """The keyed index: what stands in the tables instead of names."""

    def __init__(self, key: bytes) -> None:
        self._keyed = HMAC(key, SHA256())

    def tag(self, what: str, value: str | bytes) -> bytes:
        """HMAC-SHA-256 of a value of one sort: ``domain``, ``requester`` or ``question``."""
        raw = value.encode() if isinstance(value, str) else value
        keyed = self._keyed.copy()  # a third of the time that the key takes anew
        keyed.update(what.encode("ascii") + b"\0" + raw)
        return keyed.finalize()


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
    row = database.execute("SELECT CAST(root AS BLOB) FROM head WHERE size = ?", (size,)).fetchone()
    return bytes(row[0]) if row else b""


def size_before(database: sqlite3.Connection, moment: datetime) -> int:
    """The size of the tree after the last batch that was logged before a moment."""
    statement = "SELECT coalesce(max(size), 0) FROM head WHERE logged_at < ?"
    (size,) = database.execute(statement, (to_us(moment),)).fetchone()
    return int(size)


def size_holding(database: sqlite3.Connection, index: int) -> int:
    """The size of the tree after the batch that holds this entry; raises `LookupError`."""
    row = database.execute("SELECT min(size) FROM head WHERE size > ?", (index,)).fetchone()
    if row[0] is None:
        raise LookupError(index)
    return int(row[0])


def leaves(database: sqlite3.Connection, start: int, stop: int) -> list[bytes]:
    """The leaves of a half-open range, in order."""
    rows = database.execute(
        "SELECT leaf FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx", (start, stop)
    )
    return [leaf for (leaf,) in rows]


def signing(database: sqlite3.Connection) -> tuple[str, ...]:
    """The vkeys that sign the log now, the newest first."""
    rows = database.execute(
        "SELECT vkey FROM signer WHERE retired_by IS NULL ORDER BY since DESC"
    ).fetchall()
    return tuple(vkey for (vkey,) in rows)


def signers(database: sqlite3.Connection) -> tuple[str, ...]:
    """The vkeys that ever signed the log."""
    return tuple(vkey for (vkey,) in database.execute("SELECT vkey FROM signer"))


class Listing(NamedTuple):
    """An authority as listed: the record's text, its state, and the entry that put it there."""

    record: str
    state: str
    entry: int


class Proposal(NamedTuple):
    """A change of the directory that waits for a second person."""

    entry: int
    name: str
    record: str
    state: str
    by: str


def directory_entry(database: sqlite3.Connection) -> int:
    """The newest entry that changed the directory; -1 while it is empty."""
    (entry,) = database.execute(
        "SELECT max(coalesce((SELECT max(entry) FROM authority), -1),"
        " coalesce((SELECT max(entry) FROM barred), -1))"
    ).fetchone()
    return int(entry)


def authorities(database: sqlite3.Connection) -> dict[str, Listing]:
    """What the directory lists, by name."""
    rows = database.execute("SELECT name, record, state, entry FROM authority ORDER BY name")
    return {name: Listing(*listed) for name, *listed in rows}


def listed(
    database: sqlite3.Connection, name: str, requester: bytes
) -> tuple[Listing | None, bool]:
    """One authority as it is listed, None if it is not, and whether this tag is barred."""
    row = database.execute(
        "SELECT record, state, entry, EXISTS (SELECT 1 FROM barred WHERE requester = ? AND barred)"
        " FROM authority WHERE name = ?",
        (requester, name),
    ).fetchone()
    return (Listing(*row[:3]), bool(row[3])) if row else (None, False)


def barred(database: sqlite3.Connection) -> frozenset[bytes]:
    """The tags of those who may not ask."""
    return frozenset(
        tag for (tag,) in database.execute("SELECT requester FROM barred WHERE barred")
    )


def proposals(database: sqlite3.Connection) -> list[Proposal]:
    """The changes that wait, oldest first."""
    rows = database.execute("SELECT idx, name, record, state, by FROM proposal ORDER BY idx")
    return [Proposal(*row) for row in rows]


def to_shred(database: sqlite3.Connection) -> list[int]:
    """Entries that were erased and whose secrets may still stand in the shred file."""
    return [idx for (idx,) in database.execute("SELECT idx FROM erased WHERE NOT shredded")]


def shredded(database: sqlite3.Connection, entries: Iterable[int]) -> None:
    """Note that the secrets of these entries are gone."""
    database.executemany("UPDATE erased SET shredded = 1 WHERE idx = ?", [(e,) for e in entries])
