"""Turning drafts into durable, numbered entries: one transaction per batch, then one signature.

A `Sequencer` belongs to one thread of one process. Processes that share the file take turns
(``BEGIN IMMEDIATE``), and each batch starts from the head that it finds in the file. The order is
fixed: secrets of the batch durable in the shred file, everything else in one transaction, and
only after its commit the checkpoint's signature and the receipts.

Rules: a draft that must not be logged fails alone and leaves nothing. When a write or commit
fails, nobody can say what is on the disk: `Doubtful`, and this sequencer is never used again.
Two failures are told apart, and the next batch tries again. On a full disk (`DiskFull`) a write was
refused, the frame that commits is the last that SQLite writes, and the transaction is rolled back:
nothing of the batch can come to be. It is never said of a sync, which may have lost earlier bytes.
With too many open files (`FilesSpent`) the shred file could not be opened, which comes before
anything of the batch is written, and the transaction is rolled back: there is nothing of it at all.
It is never said of a file that SQLite opens, which it may do amid its writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from time import sleep
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from whoisgate.accounts import Settled
from whoisgate.audit.draft import Draft
from whoisgate.audit.entry import SealedEntry, seal
from whoisgate.audit.envelope import (
    KEY_BYTES,
    NONCE_BYTES,
    SHRED_BYTES,
    TOKEN_BYTES,
    seal_receipt,
    wrap_epoch,
)
from whoisgate.audit.note import Signer
from whoisgate.audit.proof import receipt, signed_checkpoint
from whoisgate.audit.receipt import Receipt
from whoisgate.audit.tree import Grown, grow
from whoisgate.audit.verify import leaf_hash
from whoisgate.budgets import Quota
from whoisgate.errors import (
    ClockBehind,
    DiskFull,
    FilesSpent,
    LogUnavailable,
    MissingKey,
    WhoisgateError,
)
from whoisgate.stores import shred, tables
from whoisgate.stores.book import Rows
from whoisgate.stores.publish import Published
from whoisgate.stores.settle import Duty, duties, settlements
from whoisgate.stores.signing import SigningKeys

CLOCK_TOLERANCE: Final = timedelta(seconds=5)
BUSY_AGAIN_S: Final = 0.1
"""How long to wait for another process that has held the log for `tables.BUSY_S` already."""

_LOOK_S: Final = 0.0005
"""How often to look whether it is this process's turn. SQLite itself looks ever more rarely, up to
0.1 s, so that whoever has just committed would get the next turn again and again."""

_CONTENTION: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_NODE_BYTES: Final = 8
_RANDOM_BYTES: Final = NONCE_BYTES + SHRED_BYTES + TOKEN_BYTES


class Doubtful(LogUnavailable):
    """The log stopped after a failed write; restart once the disk is sound."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What every process that appends to one log shares: files, keys, clock, randomness."""

    database: Path
    published: Published
    shred: Path
    keys: SigningKeys
    recipients: Mapping[str, X25519PublicKey]
    tags: tables.Tags
    clock: Callable[[], datetime]
    entropy: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class _Epoch:
    """The key that seals this process's envelopes for one hour; never written unwrapped."""

    id: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Line:
    """One entry of a batch, sealed but not yet written."""

    draft: Draft
    sealed: SealedEntry
    token: bytes
    shred: bytes
    quotas: tuple[Quota, ...]
    duties: Sequence[Duty]


@dataclass(slots=True)
class _Batch:
    """What a transaction has gathered: per draft a line or the error that is its answer."""

    head: tables.Head
    epoch: _Epoch
    logged_at: datetime
    lines: list[_Line] = field(default_factory=list)
    outcomes: list[_Line | Exception] = field(default_factory=list)


class Sequencer:
    """Appends batches through a connection of its own. Not safe to share between threads."""

    def __init__(self, ledger: Ledger, database: sqlite3.Connection) -> None:
        self._ledger, self._database = ledger, database
        self._node, self._sequence = ledger.entropy(_NODE_BYTES).hex(), 0
        self._epoch: _Epoch | None = None
        self._book = Rows(database, ledger.tags)
        self._waits_s = tables.BUSY_S
        self._file = _identity(ledger.database)
        # Whoever holds the write lock waits for nobody, and its turn is waited for here.
        database.execute("PRAGMA busy_timeout = 0")

    def commit(self, drafts: Sequence[Draft]) -> list[Receipt | Exception]:
        """Per draft a receipt, or the reason why it alone is not logged; in order.

        Raises `LogUnavailable`, `ClockBehind`, `MissingKey`, `DiskFull` or `FilesSpent` when none
        of them is; after `Doubtful` never again.
        """
        self._begin()
        try:
            # INVARIANT: opened first and closed before the commit. See `FilesSpent` above.
            with shred.opened(self._ledger.shred) as slots:
                batch = self._gather(drafts)
                grown = self._write(batch, slots) if batch.lines else None
            # After the writes, which may change the keys; nothing is logged that cannot be signed.
            signer = self._ledger.keys.current(self._database)
            self._database.execute("COMMIT")
        except (ClockBehind, MissingKey):
            self._roll_back()
            raise
        except Exception as error:
            self._roll_back()
            if not self._database.in_transaction:
                if _no_room(error):
                    raise DiskFull("no room for the log: nothing was logged; free space") from None
                if isinstance(error, FilesSpent):
                    raise
            raise Doubtful(
                f"the log stopped: a write failed with `{error}`; {tables.MEND}"
            ) from error
        if grown is None:
            return [outcome for outcome in batch.outcomes if isinstance(outcome, Exception)]
        self._book.committed()
        self._epoch = batch.epoch
        self._sequence += len(batch.lines)
        return _receipts(batch, grown, signer)

    def close(self) -> None:
        """Release the connection."""
        self._database.close()

    def _begin(self) -> None:
        if _identity(self._ledger.database) != self._file:
            raise Doubtful("the log stopped: the database file was removed or replaced")
        for _ in range(round(self._waits_s / _LOOK_S)):
            try:
                self._database.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _CONTENTION:
                    raise Doubtful(
                        f"the log stopped: its database cannot be written: {error}; {tables.MEND}"
                    ) from None
                sleep(_LOOK_S)
            else:
                self._waits_s = tables.BUSY_S
                return
        # Nothing is written yet, so the next batch may try again; it need not wait as long.
        self._waits_s = BUSY_AGAIN_S
        raise LogUnavailable("the log is busy: another process holds it")

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            self._database.execute("ROLLBACK")

    def _gather(self, drafts: Sequence[Draft]) -> _Batch:
        ledger, book = self._ledger, self._book
        head, now = tables.head(self._database), ledger.clock()
        if now < head.logged_at - CLOCK_TOLERANCE:
            behind = (head.logged_at - now).total_seconds()
            raise ClockBehind(f"the clock is `{behind:.1f}` s behind the last entry")
        logged_at = max(now, head.logged_at)
        batch = _Batch(head, self._epoch_at(logged_at), logged_at)
        book.begin(tables.to_us(logged_at), drafts)
        random = ledger.entropy(_RANDOM_BYTES * len(drafts))
        for at, draft in enumerate(drafts):
            own = random[at * _RANDOM_BYTES : (at + 1) * _RANDOM_BYTES]
            try:
                index = head.edge.size + len(batch.lines)
                settled, statements = settlements(book, draft, index, logged_at)
                line = self._line(batch, settled, index, own)
            except (WhoisgateError, ValueError, TypeError, OverflowError) as error:
                batch.outcomes.append(error)
                continue
            # Settled before the next draft is checked, which must see it.
            for statement in statements:
                self._database.execute(*statement)
            if draft.settles is not None:
                book.changed()
            book.enter(settled, index)
            batch.lines.append(line)
            batch.outcomes.append(line)
        if batch.lines:
            book.write()
        return batch

    def _line(self, batch: _Batch, settled: Settled, index: int, random: bytes) -> _Line:
        draft = settled.draft
        secret = random[NONCE_BYTES : NONCE_BYTES + SHRED_BYTES]
        sealed = seal(
            draft,
            logged_at=batch.logged_at,
            node=self._node,
            sequence=self._sequence + len(batch.lines),
            nonce=random[:NONCE_BYTES],
            shred=secret,
            epoch_key=batch.epoch.key,
        )
        duty = duties(draft, index, batch.logged_at)
        return _Line(draft, sealed, random[-TOKEN_BYTES:], secret, settled.quotas, duty)

    def _epoch_at(self, logged_at: datetime) -> _Epoch:
        name = f"{logged_at:%Y-%m-%dT%HZ}/{self._node}"
        if self._epoch is not None and self._epoch.id == name:
            return self._epoch
        return _Epoch(name, self._ledger.entropy(KEY_BYTES))

    def _write(self, batch: _Batch, slots: int) -> Grown:
        ledger, database, lines = self._ledger, self._database, batch.lines
        first = batch.head.edge.size
        grown = grow(batch.head.edge, [leaf_hash(line.sealed.leaf) for line in lines])
        shred.write(slots, first, [line.shred for line in lines])
        if batch.epoch is not self._epoch:
            database.executemany(
                "INSERT INTO epoch (id, recipient, wrapped) VALUES (?, ?, ?)",
                [
                    (batch.epoch.id, name, wrap_epoch(batch.epoch.key, batch.epoch.id, key))
                    for name, key in ledger.recipients.items()
                ],
            )
        database.executemany(
            "INSERT INTO entry (idx, leaf) VALUES (?, ?)",
            [(index, line.sealed.leaf) for index, line in enumerate(lines, first)],
        )
        database.executemany(
            "INSERT INTO vault (idx, epoch, domain, requester, receipt, envelope)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            [
                self._vault_row(index, batch.epoch.id, line, proof)
                for index, (line, proof) in enumerate(zip(lines, grown.proofs, strict=True), first)
            ],
        )
        database.executemany(
            "INSERT INTO obligation (idx, do, due_at) VALUES (?, ?, ?)",
            [duty for line in lines for duty in line.duties],
        )
        # INVARIANT: the key is the size, so two batches can never grow from the same head.
        database.execute(
            "INSERT INTO head (size, root, edge, logged_at) VALUES (?, ?, ?, ?)",
            (grown.edge.size, grown.root, grown.edge.to_bytes(), tables.to_us(batch.logged_at)),
        )
        return grown

    def _vault_row(
        self, index: int, epoch: str, line: _Line, proof: Sequence[bytes]
    ) -> tuple[object, ...]:
        draft, sealed, tags = line.draft, line.sealed, self._ledger.tags
        return (
            index,
            epoch,
            tags.tag("domain", draft.domain) if draft.domain else None,
            tags.tag("requester", draft.requester) if draft.requester else None,
            seal_receipt(sealed.keys, proof, line.token, line.shred),
            sealed.envelope,
        )


def _receipts(batch: _Batch, grown: Grown, signer: Signer) -> list[Receipt | Exception]:
    note = signed_checkpoint(signer, grown.edge.size, grown.root)
    places = iter(enumerate(grown.proofs, batch.head.edge.size))
    return [
        line
        if isinstance(line, Exception)
        else receipt(line.draft, line.sealed, next(places), note, line.token, line.quotas)
        for line in batch.outcomes
    ]


def _no_room(error: Exception) -> bool:
    """Whether a write was refused for want of room. SQLite says FULL of writes, never of a sync."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return isinstance(error, DiskFull)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
