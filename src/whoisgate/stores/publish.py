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
from typing import NamedTuple

from whoisgate.audit.proof import signed_checkpoint
from whoisgate.audit.tiles import new_tiles, nodes_of
from whoisgate.audit.tree import inclusion_proof
from whoisgate.audit.verify import (
    TILE_WIDTH,
    Checkpoint,
    Keys,
    Retention,
    VerificationFailed,
    entries_path,
    leaf_hash,
    open_checkpoint,
    parse_retention,
    parse_vkey,
    tile_path,
    verify_inclusion,
)
from whoisgate.errors import StaleLog
from whoisgate.stores import tables
from whoisgate.stores.signing import SigningKeys

_STEP = 1 << 16
_ADVICE = (
    "restore the newest database, or run `whoisgate log recover`; never delete the published log"
)


class Published(NamedTuple):
    """Where the world reads the log; ``head`` is another copy of its checkpoint.

    The copy belongs where no backup of the database reaches, so that both are never old together.
    """

    folder: Path
    head: Path | None = None


def guard(database: sqlite3.Connection, where: Published) -> Checkpoint | None:
    """The published checkpoint, None before the first.

    Raises `StaleLog` when the database does not contain it or the other copy, and `OSError`.
    """
    keys = ring(database)
    if where.head is not None:
        _contained(database, where.head, keys)
    return _contained(database, where.folder / "checkpoint", keys)


def ring(database: sqlite3.Connection) -> Keys:
    """The keys that ever signed; a retired one signed older trees."""
    return tuple(map(parse_vkey, tables.signers(database)))


def _contained(database: sqlite3.Connection, file: Path, keys: Keys) -> Checkpoint | None:
    try:
        note = file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    try:
        published = open_checkpoint(note, keys)
    except VerificationFailed as error:
        raise StaleLog(
            f"expected a `{file.name}` that this database's keys signed: {error}; {_ADVICE}"
        ) from None
    if tables.root_at(database, published.size) != published.root:
        size = tables.head(database).edge.size
        raise StaleLog(
            f"expected a database that contains the tree of `{published.size}` entries in "
            f"`{file.name}`, got one of `{size}` that does not: {_ADVICE}"
        )
    return published


def check_published(folder: Path, keys: Keys, index: int, leaf: bytes) -> None:
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

    head = open_checkpoint(note, keys)
    if index < head.size:
        proof = inclusion_proof(index, head.size, nodes_of(head.size, tile))
        verify_inclusion(leaf_hash(leaf), index, head.size, proof, head.root)


def publish(database: sqlite3.Connection, where: Published, keys: SigningKeys) -> None:
    """Bring the folder up to the database's head.

    Raises `StaleLog`, `MissingKey` or `OSError`.
    """
    folder = where.folder
    with _locked(folder):
        published = guard(database, where)
        old, head = published.size if published else 0, tables.head(database)
        if old == head.edge.size:
            return
        outgrown: list[Path] = []
        while old < head.edge.size:
            new = min(head.edge.size, old - old % _STEP + _STEP)
            outgrown += _write_tiles(database, folder, old, new)
            old = new
        note = signed_checkpoint(keys.current(database), old, head.root).encode()
        for file in filter(None, (folder / "checkpoint", where.head)):
            _write(file, note)
            _sync(file.parent)
        # Only now: had the checkpoint not come to be, the next attempt would read them again.
        for directory in outgrown:
            shutil.rmtree(directory, ignore_errors=True)


def retain(
    database: sqlite3.Connection, where: Published, keys: SigningKeys, promised: Retention
) -> None:
    """Publish what the log promises to keep, and put away what it no longer promises.

    Tiles and bundles that end at or before ``promised.minimum`` move to ``pruned/`` beside the
    folder, as tlog-tiles advises: the log can still produce them. Raises `ValueError` for a
    minimum below the last one or beyond the published tree, `StaleLog`, `MissingKey`, `OSError`.
    """
    folder, note = where.folder, keys.current(database).sign(promised.text())
    with _locked(folder):
        published = guard(database, where)
        before, size = promised_in(folder), published.size if published else 0
        if not (before.minimum if before else 0) <= promised.minimum <= size:
            raise ValueError("expected a minimum that only grows, within the published log")
        _write(folder / "retention", note.encode())
        _sync(folder)
        for path in _ended(promised.minimum):
            file, kept = folder / path, folder.with_name("pruned") / path
            if file.exists():
                kept.parent.mkdir(parents=True, exist_ok=True)
                file.replace(kept)


def promised_in(folder: Path) -> Retention | None:
    """What the published retention policy says, None where there is none."""
    try:
        text = (folder / "retention").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return parse_retention(text.rpartition("\n\n")[0] + "\n")


def _ended(minimum: int) -> Iterator[str]:
    """The full tiles and bundles that end at or before an index."""
    for number in range(minimum // TILE_WIDTH):
        yield entries_path(number)
    level, ended = 0, minimum // TILE_WIDTH
    while ended:
        yield from (tile_path(level, number) for number in range(ended))
        level, ended = level + 1, ended // TILE_WIDTH


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
