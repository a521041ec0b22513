"""Publishing the log: tiles first, the signed checkpoint last, each file whole or not at all.

One function does it, after appends, at start and at close, and doing it again changes nothing: it
goes on from the checkpoint that is published. It also guards that checkpoint: a database that
does not contain what the world was shown is a stale or forked copy, and nothing is signed for it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from whoisgate.audit.note import Signer
from whoisgate.audit.proof import signed_checkpoint
from whoisgate.audit.tiles import new_tiles, nodes_of
from whoisgate.audit.tree import inclusion_proof
from whoisgate.audit.verify import (
    Checkpoint,
    VerificationFailed,
    leaf_hash,
    open_checkpoint,
    verify_inclusion,
)
from whoisgate.errors import StaleLog
from whoisgate.stores import tables

_STEP = 1 << 16


def guard(database: sqlite3.Connection, folder: Path, signer: Signer) -> Checkpoint | None:
    """The published checkpoint, None before the first.

    Raises `StaleLog` when the database does not contain it, and `OSError`.
    """
    try:
        note = (folder / "checkpoint").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    try:
        published = open_checkpoint(note, signer.verifier)
    except VerificationFailed as error:
        raise StaleLog(f"the published checkpoint is not this log's: {error}") from None
    if tables.root_at(database, published.size) != published.root:
        size = tables.head(database).edge.size
        raise StaleLog(
            f"expected a database that contains the published tree of `{published.size}` entries, "
            f"got one of `{size}` that does not: restore the newest database, never delete the "
            "published log"
        )
    return published


def check_published(folder: Path, signer: Signer, index: int, leaf: bytes) -> None:
    """Raise unless the published log holds this entry, if it is so long already.

    Raises `verify.VerificationFailed`, `ValueError` for tiles that are none, and `OSError`.
    """
    try:
        note = (folder / "checkpoint").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return

    def tile(path: str) -> bytes:
        full, partial, width = path.partition(".p/")
        try:
            return (folder / path).read_bytes()
        except FileNotFoundError:
            if not partial:
                raise
        return (folder / full).read_bytes()[: 32 * int(width)]  # outgrown in the meantime

    head = open_checkpoint(note, signer.verifier)
    if index < head.size:
        proof = inclusion_proof(index, head.size, nodes_of(head.size, tile))
        verify_inclusion(leaf_hash(leaf), index, head.size, proof, head.root)


def publish(database: sqlite3.Connection, folder: Path, signer: Signer) -> None:
    """Bring the folder up to the database's head. Raises `StaleLog` or `OSError`."""
    with _locked(folder):
        published = guard(database, folder, signer)
        old, head = published.size if published else 0, tables.head(database)
        if old == head.edge.size:
            return
        outgrown: list[Path] = []
        while old < head.edge.size:
            new = min(head.edge.size, old - old % _STEP + _STEP)
            outgrown += _write_tiles(database, folder, old, new)
            old = new
        _write(folder / "checkpoint", signed_checkpoint(signer, old, head.root).encode())
        _sync(folder)
        # Only now: had the checkpoint not come to be, the next attempt would read them again.
        for directory in outgrown:
            shutil.rmtree(directory, ignore_errors=True)


def _write_tiles(database: sqlite3.Connection, folder: Path, old: int, new: int) -> list[Path]:
    """Make the tiles between two sizes durable; returns where partial ones are outgrown."""
    node = nodes_of(old, lambda path: (folder / path).read_bytes())
    touched: set[Path] = set()
    outgrown = []
    for path, content in new_tiles(
        old, new, lambda start, stop: tables.leaves(database, start, stop), node
    ):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(file, content)
        touched.update(file.relative_to(folder).parents)
        if not file.parent.name.endswith(".p"):
            outgrown.append(file.with_name(file.name + ".p"))
    for directory in touched:
        _sync(folder / directory)
    return outgrown


def _write(file: Path, content: bytes) -> None:
    temporary = file.with_name(f".{file.name}.new")
    with temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(file)


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One publisher at a time, of all processes and all copies of the database."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
