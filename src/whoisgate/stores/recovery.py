"""Going on from an old database: what was published since is taken back from the tiles.

A restored backup lacks the newest entries. Their leaves stand in the published log, so the tree
goes on where it was and nothing is signed twice. Their envelopes are gone, and with them what only
the database knew: approvals are void, for one may have been used. What was committed but never
published cannot be known here; whoever holds a receipt of it can show it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from whoisgate.audit.envelope import SHRED_BYTES
from whoisgate.audit.tree import grow
from whoisgate.audit.verify import (
    TILE_WIDTH,
    Keys,
    Leaf,
    LogReport,
    directory_reader,
    entries_path,
    leaf_hash,
    parse_leaf,
    split_bundle,
    verify_log,
)
from whoisgate.errors import StaleLog
from whoisgate.stores import shred, tables
from whoisgate.stores.publish import Published, guard


def recover(
    database: sqlite3.Connection, where: Published, shred_file: Path, keys: Keys
) -> tuple[int, int]:
    """Bring a database that is behind the published log up to it: the sizes before and after.

    Equal sizes say that there was nothing to do. Raises `StaleLog` where the published log does
    not begin with the database, or is older than the copy of its head, and
    `verify.VerificationFailed` where it is not sound.
    """
    shown = verify_log(directory_reader(where.folder), keys)
    database.execute("BEGIN IMMEDIATE")
    try:
        old = tables.head(database)
        _bring_up(database, where.folder, shred_file, old, shown)
        guard(database, where)
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise
    return old.edge.size, max(old.edge.size, shown.size)


def _bring_up(
    database: sqlite3.Connection, folder: Path, shred_file: Path, old: tables.Head, shown: LogReport
) -> None:
    if old.edge.size < shown.size:
        _replay(database, folder, old, shown.size, shown.root)
        _settle(database, shred_file, shown.size)
    elif tables.root_at(database, shown.size) != shown.root:
        raise StaleLog(_FORKED)


_FORKED = (
    "expected a published log that begins with the database: the two are forks, and signing either "
    "on would prove it; keep both, and start another log with `whoisgate init`"
)


def _replay(
    database: sqlite3.Connection, folder: Path, old: tables.Head, size: int, root: bytes
) -> None:
    """Insert the published entries that the database lacks, as one batch."""
    leaves = list(_published(folder, old.edge.size, size))
    grown = grow(old.edge, [leaf_hash(leaf) for leaf in leaves])
    if grown.root != root:
        raise StaleLog(_FORKED)
    database.executemany(
        "INSERT INTO entry (idx, leaf) VALUES (?, ?)", enumerate(leaves, old.edge.size)
    )
    for index, leaf in enumerate(map(parse_leaf, leaves), old.edge.size):
        if leaf.kind == "key":
            _key(database, leaf, index)
    hour = datetime.fromisoformat(f"{parse_leaf(leaves[-1]).hour[:-1]}:00+00:00")
    database.execute(
        "INSERT INTO head (size, root, edge, logged_at) VALUES (?, ?, ?, ?)",
        (size, root, grown.edge.to_bytes(), tables.to_us(max(old.logged_at, hour))),
    )


def _published(folder: Path, start: int, size: int) -> Iterator[bytes]:
    for number in range(start // TILE_WIDTH, -(-size // TILE_WIDTH)):
        first = number * TILE_WIDTH
        path = folder / entries_path(number, min(TILE_WIDTH, size - first))
        yield from split_bundle(path.read_bytes())[max(0, start - first) :]


def _key(database: sqlite3.Connection, leaf: Leaf, index: int) -> None:
    said = leaf.open or {}
    if "new" in said:
        database.execute("INSERT OR IGNORE INTO signer VALUES (?, ?, NULL)", (said["new"], index))
    else:
        database.execute(
            "UPDATE signer SET retired_by = ? WHERE vkey = ?", (index, said["retired"])
        )


def _settle(database: sqlite3.Connection, shred_file: Path, recovery: int) -> None:
    """Void approvals and proposals, suspend all authorities, and erase again what was.

    A proposal may have been taken back. Who was revoked before the backup stays so; who was
    revoked or barred since is lost with it.

    ``recovery`` is the number of the entry that will say so.
    """
    database.execute("UPDATE pending SET expires = 0 WHERE granted_by IS NOT NULL")
    database.execute("DELETE FROM proposal")
    database.execute(
        "UPDATE authority SET entry = ?,"
        " state = CASE state WHEN 'revoked' THEN state ELSE 'suspended' END",
        (recovery,),
    )
    rows = database.execute("SELECT idx FROM vault").fetchall()
    erased = [idx for (idx,) in rows if shred.read(shred_file, idx) == bytes(SHRED_BYTES)]
    for idx in erased:
        database.execute("DELETE FROM vault WHERE idx = ?", (idx,))
        database.execute("INSERT OR IGNORE INTO erased VALUES (?, ?, 1)", (idx, recovery))
