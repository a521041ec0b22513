"""The log on one SQLite file, a shred file and a folder of tiles; what a gate appends to.

`SQLiteLog` may be shared between threads, and opened before a fork: threads and handles are made
when they are first needed in each process, and let go while a process forks. One thread appends
what is queued, one publishes. Entries are never changed here, and no key leaves the process.

Rules: a receipt exists only for what is committed. After a failed write this process appends
nothing more, except that it waits for room where the disk was full; reading goes on.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from copy import copy
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal, NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from whoisgate.audit.draft import JSON, Draft
from whoisgate.audit.entry import openings_of
from whoisgate.audit.envelope import (
    Unopened,
    open_envelope,
    open_receipt,
    open_with_keys,
    unwrap_epoch,
)
from whoisgate.audit.note import Signer
from whoisgate.audit.proof import proof_text, signed_checkpoint
from whoisgate.audit.receipt import Receipt
from whoisgate.audit.verify import (
    Leaf,
    Retention,
    VerificationFailed,
    b64url,
    leaf_hash,
    parse_leaf,
    unb64url,
    verify_inclusion,
)
from whoisgate.elements import element
from whoisgate.errors import (
    CredentialRefused,
    EvidenceError,
    FolderExists,
    LogUnavailable,
    ReceiptNotFound,
    UnknownEntry,
    WhoisgateError,
)
from whoisgate.middle import Granted
from whoisgate.stores import publish, recovery, shred, tables
from whoisgate.stores.carry import NO_POLICY, Kept, kept
from whoisgate.stores.crew import Crew
from whoisgate.stores.sequencer import Ledger, Sequencer
from whoisgate.stores.settle import ACTIVE
from whoisgate.stores.signing import SigningKeys


class Pending(NamedTuple):
    """A question that waits for approval; who asked for what is in its envelope."""

    entry: int
    logged_at: datetime


class Seal(NamedTuple):
    """A sealed entry and the date on which it is to be unsealed, or sealed further."""

    entry: int
    until: datetime


class Opened(NamedTuple):
    """An envelope's content: the committed values by name, and what was sealed beside them."""

    fields: Mapping[str, JSON]
    sealed: Mapping[str, JSON]


class Listings(NamedTuple):
    """The directory of authorities up to an entry: what is listed, what waits, who is barred."""

    entry: int
    authorities: Mapping[str, tables.Listing]
    proposals: Sequence[tables.Proposal]
    barred: Callable[[str], bool]


class ObligationDue(NamedTuple):
    """A duty that an entry scheduled; ``done_at`` is None until it is marked as done."""

    id: int
    entry: int
    do: str
    due_at: datetime
    done_at: datetime | None


class SQLiteLog:
    """An audit log in ``database``, published in ``folder``, erasable through ``shred_file``.

    ``signers`` gives the private keys at hand; ``head`` is where another copy of the published
    checkpoint is kept. ``index_key`` keys the tags by which one person's entries are found;
    ``recipients`` are those who can open envelopes. With ``create`` it makes both files and the
    first entry, which names the log that this one comes ``after``; raises `FolderExists` if there
    is one of them. Otherwise nothing is opened before it is used.
    """

    def __init__(
        self,
        database: Path,
        folder: Path,
        shred_file: Path,
        *,
        signers: Callable[[], Iterable[Signer]],
        recipients: Mapping[str, X25519PublicKey],
        index_key: bytes,
        clock: Callable[[], datetime],
        entropy: Callable[[int], bytes],
        head: Path | None = None,
        create: bool = False,
        after: Mapping[str, JSON] | None = None,
    ) -> None:
        self._ledger = Ledger(
            *(database, publish.Published(folder, head), shred_file, SigningKeys(signers)),
            *(dict(recipients), tables.Tags(index_key), clock, entropy),
        )
        self._crew: Crew | None = None
        self._held: list[tuple[Draft, Future[Receipt]]] | None = None
        self._failure: WhoisgateError | None = None
        self._reader: sqlite3.Connection | None = None
        self._publishing = threading.RLock()  # held while a connection for publishing is open
        self._lookup = threading.RLock()  # guards _reader and its use
        self._lock = threading.RLock()  # guards _crew, _held and _failure
        self._locks = (self._publishing, self._lookup, self._lock)
        _LOGS.add(self)
        if create:
            self._create(after)

    def append(self, draft: Draft) -> Future[Receipt]:
        """Queue ``draft``; the future resolves after commit and signature. Never blocks on disk.

        Its exception is `LogUnavailable` (also `ClockBehind`, `DiskFull`, `FilesSpent`),
        `StaleLog`, or what forbids this draft: `ApprovalSpent`, `BudgetSpent`, `ReleaseHeld`,
        `CredentialRefused`, `UnknownEntry`;
        `ValueError` or `TypeError` if an entry cannot hold it. Callbacks of the future must not
        wait for the log.
        """
        future: Future[Receipt] = Future()
        future.set_running_or_notify_cancel()  # what is queued is logged: no cancelling
        with self._lock:
            if self._failure is not None:
                future.set_exception(copy(self._failure))
            elif self._held is not None:
                self._held.append((draft, future))
            else:
                self._put(draft, future)
        return future

    def granted(self, question: bytes) -> Granted | None:
        """The unspent, unexpired approval of this question, if there is one.

        Of several the one of most elements, then the oldest: a sparing one hides no fuller one.
        """
        tag, now = self._ledger.tags.tag("question", question), self._ledger.clock()
        with self._reading() as database:
            rows = database.execute(
                "SELECT idx, elements FROM pending WHERE question = ? AND used_by IS NULL"
                " AND expires > ? ORDER BY idx",
                (tag, tables.to_us(now)),
            ).fetchall()
        found = (Granted(entry, frozenset(map(element, names.split()))) for entry, names in rows)
        return max(found, key=lambda granted: len(granted.elements), default=None)

    def close(self) -> None:
        """Append what is queued, publish, and release everything; later appends fail.

        Raises why something could not be published; the next start will.
        """
        with self._lock:
            self._failure = self._failure or LogUnavailable("the log is closed")
        unpublished = self._stop()
        with self._lookup:
            self._release_reader()
        if unpublished is not None:
            raise unpublished

    def publish(self) -> None:
        """Bring the published folder up to the last entry; does nothing when it is.

        Raises `StaleLog`, or `LogUnavailable` when the folder cannot be written.
        """
        ledger = self._ledger
        with self._publishing:
            database = tables.connect(ledger.database)
            try:
                publish.publish(database, ledger.published, ledger.keys)
                self._shred(database)
                tables.checkpoint(database)
            except (OSError, sqlite3.Error, ValueError) as error:
                raise LogUnavailable(
                    f"the log cannot be published: {error}; {tables.MEND}"
                ) from None
            finally:
                database.close()

    def receipt(self, index: int, token: str, requester: str) -> str:
        """The whole proof of an entry, for who holds its token and is its requester.

        Raises `ReceiptNotFound`, the same whatever does not match.
        """
        try:
            with self._reading() as database:
                signer = self._ledger.keys.current(database)
                leaf, envelope, stored = self._stored(database, index, requester)
                secret = shred.read(self._ledger.shred, index)
                size = tables.size_holding(database, index)
                root = tables.root_at(database, size)
            keys, hashes = open_receipt(stored, unb64url(token), secret)
            fields, _ = open_with_keys(envelope, _holding(envelope, leaf).nonce, keys)
            # Before it is signed: a root altered in the database would be a fork under our key.
            verify_inclusion(leaf_hash(leaf), index, size, hashes, root)
        except (LookupError, ValueError, OverflowError, EvidenceError, VerificationFailed):
            raise ReceiptNotFound("no receipt at this address for this requester") from None
        note = signed_checkpoint(signer, size, root)
        return proof_text(leaf, openings_of(fields, keys), index, hashes, note)

    def _stored(
        self, database: sqlite3.Connection, index: int, requester: str
    ) -> tuple[bytes, bytes, bytes]:
        tag = self._ledger.tags.tag("requester", requester)
        row = database.execute(
            "SELECT CAST(leaf AS BLOB), CAST(envelope AS BLOB), CAST(receipt AS BLOB)"
            " FROM vault JOIN entry USING (idx)"
            " WHERE idx = ? AND requester = ?",
            (index, tag),
        ).fetchone()
        if row is None:
            raise LookupError(index)
        leaf, envelope, receipt = row
        return leaf, envelope, receipt

    def pending(self) -> list[Pending]:
        """The questions that wait for approval, oldest first."""
        with self._reading() as database:
            rows = database.execute(
                "SELECT idx, logged_at FROM pending WHERE granted_by IS NULL ORDER BY idx"
            ).fetchall()
        return [Pending(entry, tables.from_us(at)) for entry, at in rows]

    def stopped(self) -> list[int]:
        """The entries that stopped somebody whom nobody has lifted that from, oldest first."""
        with self._reading() as database:
            rows = database.execute(
                "SELECT idx FROM stopped WHERE lifted_by IS NULL ORDER BY idx"
            ).fetchall()
        return [entry for (entry,) in rows]

    def obligations(self) -> list[ObligationDue]:
        """All duties that entries scheduled, the earliest due first."""
        with self._reading() as database:
            rows = database.execute(
                "SELECT id, idx, do, due_at, done_at FROM obligation ORDER BY due_at, id"
            ).fetchall()
        return [
            ObligationDue(
                number,
                entry,
                do,
                tables.from_us(due),
                None if done is None else tables.from_us(done),
            )
            for number, entry, do, due, done in rows
        ]

    def sealed(self) -> list[Seal]:
        """The entries that are sealed, the first to be unsealed first."""
        with self._reading() as database:
            rows = database.execute(
                "SELECT idx, until FROM sealed WHERE opened_by IS NULL ORDER BY until, idx"
            ).fetchall()
        return [Seal(entry, tables.from_us(until)) for entry, until in rows]

    def about(self, what: Literal["domain", "requester"], name: str) -> list[int]:
        """The entries about a domain, or of a requester's identity, that are not erased."""
        with self._reading() as database:
            rows = database.execute(
                f"SELECT idx FROM vault WHERE {what} = ? ORDER BY idx",  # noqa: S608  a literal
                (self._ledger.tags.tag(what, name),),
            ).fetchall()
        return [entry for (entry,) in rows]

    def logged_before(self, moment: datetime) -> list[int]:
        """The entries of earlier batches that are not erased."""
        with self._reading() as database:
            rows = database.execute(
                "SELECT idx FROM vault WHERE idx < ? ORDER BY idx",
                (tables.size_before(database, moment),),
            ).fetchall()
        return [entry for (entry,) in rows]

    def erased_by(self, entries: Iterable[int]) -> list[int]:
        """What erasures among these entries erased, and erasures among those, and so on."""
        chosen = set(entries)
        gone = set(chosen)
        with self._reading() as database:
            # An erasure comes after what it erases, so one pass from the newest finds them all.
            for entry, by in database.execute(
                "SELECT idx, erased_by FROM erased ORDER BY erased_by DESC"
            ):
                if by in gone:
                    gone.add(entry)
        return sorted(gone - chosen)

    def directory_entry(self) -> int:
        """The newest entry that changed the directory of authorities; -1 while it is empty."""
        with self._reading() as database:
            return tables.directory_entry(database)

    def directory(self) -> Listings:
        """The directory as it stands."""
        with self._reading() as database:
            database.execute("BEGIN")
            try:
                entry = tables.directory_entry(database)
                listed, tags = tables.authorities(database), tables.barred(database)
                waiting = tables.proposals(database)
            finally:
                database.execute("ROLLBACK")
        tag = self._ledger.tags.tag
        return Listings(entry, listed, waiting, lambda identity: tag("requester", identity) in tags)

    def barred(self) -> list[int]:
        """The entries that stopped a person who may not ask still."""
        with self._reading() as database:
            rows = database.execute("SELECT entry FROM barred WHERE barred ORDER BY entry")
            return [entry for (entry,) in rows]

    def carries(self) -> Kept:
        """What the log of another year is to begin with: see `carry`."""
        with self._reading() as database:
            database.execute("BEGIN")
            try:
                return kept(database)
            finally:
                database.execute("ROLLBACK")

    def listed(self, authority: str, requester: str) -> tuple[str, int]:
        """The record of an active authority, and its entry, for a `Requester.identity` of it.

        Raises `CredentialRefused`. The append looks again: see `settle`.
        """
        tag = self._ledger.tags.tag("requester", requester)
        with self._reading() as database:
            held, barred = tables.listed(database, authority, tag)
        if held is None:
            raise CredentialRefused("the authority is not listed")
        if held.state != ACTIVE:
            raise CredentialRefused(f"the authority is {held.state}")
        if barred:
            raise CredentialRefused("this person may not ask at present")
        return held.record, held.entry

    def signing(self) -> tuple[str, ...]:
        """The vkeys that sign the log now, the newest first."""
        with self._reading() as database:
            return tables.signing(database)

    def open_entry(self, index: int, key: X25519PrivateKey) -> Opened:
        """What an entry's envelope holds, for a recipient.

        Raises `UnknownEntry`, and `EvidenceError` when the envelope is not the one that the entry
        names, or the entry not the one that the published log holds, whoever sealed it. An entry
        that is not published yet is as the database has it.
        """
        with self._reading() as database:
            row = database.execute(
                "SELECT CAST(leaf AS BLOB), CAST(envelope AS BLOB), CAST(epoch AS TEXT)"
                " FROM vault JOIN entry USING (idx) WHERE idx = ?",
                (index,),
            ).fetchone()
            wrapped = database.execute(
                "SELECT CAST(wrapped AS BLOB) FROM epoch WHERE id = ?", (row[2] if row else None,)
            ).fetchall()
            ring = publish.ring(database)
        if row is None:
            raise UnknownEntry(f"no envelope of entry `{index}`")
        leaf, envelope, epoch = row
        ledger = self._ledger
        try:
            nonce = _holding(envelope, leaf).nonce
            publish.check_published(ledger.published.folder, ring, index, leaf)
        except OSError as error:
            raise LogUnavailable(f"the published log cannot be read: {error}") from None
        except (EvidenceError, VerificationFailed, ValueError) as error:
            what = f"entry `{index}` or its envelope is not what was logged: {error}"
            raise EvidenceError(what) from None
        secret = shred.read(ledger.shred, index)
        for (candidate,) in wrapped:
            try:
                epoch_key = unwrap_epoch(candidate, epoch, key)
                return Opened(*open_envelope(envelope, nonce, secret, epoch_key))
            except Unopened:
                continue
        raise UnknownEntry(f"the envelope of entry `{index}` does not open: erased, or another key")

    def leaf(self, index: int) -> bytes:
        """The published bytes of an entry; raises `UnknownEntry`."""
        with self._reading() as database:
            found = tables.leaves(database, index, index + 1)
        if not found:
            raise UnknownEntry(f"no entry `{index}`")
        return found[0]

    def head(self) -> tuple[int, bytes]:
        """Size and root of the committed tree."""
        with self._reading() as database:
            now = tables.head(database)
        return now.edge.size, now.root

    def size(self) -> int:
        """How many entries are committed."""
        with self._reading() as database:
            return tables.head(database).edge.size

    def archive(self, digest: str, text: str) -> None:
        """Keep a policy bundle's text for replay; once kept it never changes."""
        with self._reading() as database:
            try:
                database.execute("INSERT OR IGNORE INTO policy VALUES (?, ?)", (digest, text))
            except sqlite3.Error as error:
                raise LogUnavailable(
                    f"the policy cannot be archived: {error}; {tables.MEND}"
                ) from None

    def archived(self, digest: str) -> str | None:
        """The text of an archived policy bundle."""
        with self._reading() as database:
            row = database.execute("SELECT text FROM policy WHERE digest = ?", (digest,)).fetchone()
        return str(row[0]) if row else None

    def retain(self, promised: Retention) -> None:
        """Publish what the log promises to keep, and put away what it no longer does.

        Raises `LogUnavailable`, also for a promise that takes back the last one.
        """
        ledger = self._ledger
        with self._publishing:
            database = tables.connect(ledger.database)
            try:
                publish.retain(database, ledger.published, ledger.keys, promised)
            except (OSError, sqlite3.Error, ValueError) as error:
                raise LogUnavailable(f"the log cannot be pruned: {error}") from None
            finally:
                database.close()

    def promised(self) -> Retention | None:
        """What the published retention policy says, None where there is none."""
        return publish.promised_in(self._ledger.published.folder)

    def size_before(self, moment: datetime) -> int:
        """How many entries earlier batches hold."""
        with self._reading() as database:
            return tables.size_before(database, moment)

    def shred_again(self) -> None:
        """Overwrite every erased secret that stands in the shred file: an old one was restored.

        Raises `LogUnavailable`.
        """
        with self._reading() as database:
            erased = [idx for (idx,) in database.execute("SELECT idx FROM erased")]
            shred.erase(self._ledger.shred, shred.standing(self._ledger.shred, erased))

    def recover(self) -> tuple[int, int]:
        """Take back what was published and the database lacks; the sizes before and after.

        No other process may have the log open. Raises `StaleLog`, `LogUnavailable`, and
        `verify.VerificationFailed` for a published log that is not sound.
        """
        ledger = self._ledger
        database = tables.connect(ledger.database)
        try:
            ring = publish.ring(database)
            return recovery.recover(database, ledger.published, ledger.shred, ring)
        except (OSError, sqlite3.Error) as error:
            raise LogUnavailable(f"the log cannot be recovered: {error}") from None
        finally:
            database.close()

    def _shred(self, database: sqlite3.Connection) -> None:
        """Overwrite the secrets of what was erased; again, if a process died before it could."""
        if entries := tables.to_shred(database):
            shred.erase(self._ledger.shred, entries)
            tables.shredded(database, entries)

    def _create(self, after: Mapping[str, JSON] | None) -> None:
        ledger = self._ledger
        try:
            shred.create(ledger.shred)
            signer = ledger.keys.first()
            tables.create(ledger.database, signer.vkey)
        except FileExistsError:
            raise FolderExists(f"expected no log at `{ledger.database}`") from None
        except (OSError, sqlite3.Error) as error:
            raise LogUnavailable(f"no log can be made at `{ledger.database}`: {error}") from None
        said: dict[str, JSON] = {"origin": signer.name, "vkey": signer.vkey}
        if after is not None:
            said["after"] = after
        self.append(Draft("inception", NO_POLICY, ledger.clock(), open=said)).result()

    # --- Threads and handles, made when needed and never carried over a fork ---

    def _open(self) -> sqlite3.Connection:
        """A connection, after the guard: every process passes it before it uses the log."""
        ledger = self._ledger
        database = tables.connect(ledger.database)
        try:
            publish.guard(database, ledger.published)
        except BaseException as error:
            database.close()
            if isinstance(error, OSError | sqlite3.Error):
                raise LogUnavailable(
                    f"the published log cannot be read: {error}; {tables.MEND}"
                ) from None
            raise
        return database

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lookup:
            if self._reader is None:
                self._reader = self._open()
            try:
                yield self._reader
            except (OSError, sqlite3.Error) as error:
                raise LogUnavailable(f"the log cannot be read: {error}; {tables.MEND}") from None

    def _release_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _sequencer(self) -> Sequencer:
        return Sequencer(self._ledger, self._open())

    def _fail(self, error: WhoisgateError) -> None:
        self._failure = error

    def _put(self, draft: Draft, future: Future[Receipt]) -> None:
        if self._crew is None:
            self._crew = Crew(self._sequencer, self.publish, self._fail)
        self._crew.put(draft, future)

    def _stop(self) -> WhoisgateError | None:
        """End the threads, waiting for them; never under the lock, which callers need."""
        with self._lock:
            crew, self._crew = self._crew, None
        return crew.stop() if crew is not None else None

    def hold(self) -> None:
        """Before a fork: neither threads nor handles; what is appended meanwhile waits.

        SQLite's handles and locks do not survive a fork, not even unused.
        """
        with self._lock:
            self._held = []
        self._stop()
        for lock in self._locks:
            lock.acquire()
        self._release_reader()

    def resume(self, *, forked: bool) -> None:
        """After a fork; in the child what waited is the parent's to append."""
        waiting, self._held = self._held or (), None
        if not forked:
            for draft, future in waiting:
                self._put(draft, future)
        for lock in reversed(self._locks):
            lock.release()


def _holding(envelope: bytes, leaf: bytes) -> Leaf:
    """The leaf, when it names this envelope; raises `EvidenceError` or `VerificationFailed`."""
    parsed = parse_leaf(leaf)
    if b64url(sha256(envelope).digest()) != parsed.envelope:
        raise EvidenceError("another envelope than the entry names")
    return parsed


_LOGS: Final[weakref.WeakSet[SQLiteLog]] = weakref.WeakSet()
_HELD: Final[list[SQLiteLog]] = []
_FORKING: Final = threading.RLock()  # guards _HELD from before a fork until after it


def _before_fork() -> None:
    _FORKING.acquire()
    for log in list(_LOGS):
        log.hold()
        _HELD.append(log)


def _after_fork(*, forked: bool) -> None:
    while _HELD:
        _HELD.pop().resume(forked=forked)
    _FORKING.release()


os.register_at_fork(
    before=_before_fork,
    after_in_parent=partial(_after_fork, forked=False),
    after_in_child=partial(_after_fork, forked=True),
)
