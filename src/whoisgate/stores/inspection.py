"""Verifying a log in its database: entries, heads, vault, and with a recipient's key the envelopes.

Reads a copy of ``whoisgate.db`` (and of ``shred.slots``, to open envelopes) and writes nothing.
What a database alone cannot show is a signature: the signed checkpoint comes from the published
folder, or from whoever kept one.

A recipient who was appointed later opens what came later. Which entries those are, the database
alone says: what is closed before the first that opens is counted and told, and everything from that
one on must open. So only a beginning can be kept from a recipient, and never unseen.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from whoisgate.audit.draft import JSON
from whoisgate.audit.entry import openings_of
from whoisgate.audit.envelope import (
    Unopened,
    entry_keys,
    is_wrapped,
    open_with_keys,
    unwrap_epoch,
)
from whoisgate.audit.tree import Edge
from whoisgate.audit.verify import (
    Entries,
    Keys,
    LogReport,
    VerificationFailed,
    b64url,
    leaf_hash,
    node_hash,
    opening_digest,
    parse_checkpoint,
    report,
    signed_act,
    signed_question,
    unb64url,
)
from whoisgate.errors import MissingKey
from whoisgate.stores import shred

Progress = Callable[[int, int], None]

ACTS: Final = frozenset({"approval", "authority", "erasure"})
STOPPING: Final = frozenset({"barred", "carried", "revoked", "suspended"})
"""Outcomes of what takes nobody's signature."""


class Recipient(NamedTuple):
    """Who may open envelopes: a private key, and the copy of the shred file to do it with."""

    key: X25519PrivateKey
    shred: Path
    now: datetime
    opens_from: int | None = None
    """The entry from which on all must open; without it, the first that does."""


@dataclass(frozen=True, slots=True)
class VaultReport:
    """A sound database; ``opened`` envelopes hold what their entries commit to.

    ``closed`` ones stand before ``opens_from``, the first that was wrapped for the recipient;
    what they would tell of erasures, seals and acts is not known. ``unnamed`` of the erased ones
    are named by no erasure that was opened, so that the operator's table was believed.
    """

    log: LogReport
    envelopes: int
    erased: int
    lost: int
    opened: int | None = None
    sealed: int = 0
    acts: int = 0
    signed: Mapping[str, int] = field(default_factory=dict)
    """Of how many ``acts`` each key of the operator's staff signed, by its thumbprint."""
    closed: int = 0
    opens_from: int | None = None
    unnamed: int = 0

    def sentences(self) -> list[str]:
        """What was shown, one sentence per check."""
        told = self.log.sentences()
        told.append(f"{self.envelopes} envelopes are those that their entries name.")
        if self.erased:
            told.append(f"{self.erased} envelopes were erased, each under an entry that says so.")
        if self.lost:
            told.append(f"{self.lost} envelopes were lost before a recovery that says so.")
        if self.opened is not None:
            told.append(f"{self.opened} envelopes hold what their entries commit to.")
            known = "known to be sealed" if self.closed else "sealed"
            told.append(f"{self.sealed} entries are {known}, none beyond its date.")
            told += self._unread()
        if self.acts:
            told.append(self._of_staff())
        return told

    def _unread(self) -> list[str]:
        told = []
        if self.closed:
            whence = (
                "" if self.opens_from is None else f", which opens entry {self.opens_from} first"
            )
            told.append(f"{self.closed} envelopes were not wrapped for this key{whence}.")
        if self.unnamed:
            word = "the operator's word alone says that they were"
            told.append(f"{self.unnamed} erased ones no opened erasure names: {word}.")
        return told

    def _of_staff(self) -> str:
        by = "".join(f", {count} by the key {key}" for key, count in sorted(self.signed.items()))
        signed = sum(self.signed.values())
        known = "known " if self.closed else ""
        return f"{signed} of {self.acts} {known}acts that let ask, approve or erase are signed{by}."


class _Tree:
    """A growing tree kept as its edge; gives the root after each entry."""

    def __init__(self) -> None:
        self.size, self._hashes = 0, list[bytes]()

    def add(self, leaf: bytes) -> None:
        node, size = leaf_hash(leaf), self.size
        while size & 1:
            node, size = node_hash(self._hashes.pop(), node), size >> 1
        self._hashes.append(node)
        self.size += 1

    def root(self) -> bytes:
        return self.edge().root()

    def edge(self) -> Edge:
        return Edge(self.size, tuple(self._hashes))


@dataclass(slots=True)
class _Vault:
    """What the envelopes say, entry by entry, to their recipient."""

    database: sqlite3.Connection
    recipient: Recipient
    origin: str = ""
    opened: int = 0
    first: int | None = None
    closed: int = 0
    closed_erasure: int = -1
    erased: set[int] = field(default_factory=set)
    seals: dict[int, datetime] = field(default_factory=dict)
    gaps: int = 0
    acts: int = 0
    signed: Counter[str] = field(default_factory=Counter)
    _last: dict[str, int] = field(default_factory=dict)
    _epochs: dict[str, bytes | None] = field(default_factory=dict)

    def open(self, index: int, entry: re.Match[bytes], epoch: str, envelope: bytes) -> None:
        """Open one envelope, and compare it with what its entry commits to.

        One that is not for this recipient is counted, if none was before.
        """
        key = self._epoch(epoch, index)
        if key is None:
            self._close(index, erasure=entry[4] == b"erasure")
            return
        self.first = index if self.first is None else self.first
        digests, nonce = entry[1].decode(), unb64url(entry[5].decode())
        secret = self._secret(index)
        try:
            keys = entry_keys(key, secret, nonce)
            fields, _ = open_with_keys(envelope, nonce, keys)
            openings = openings_of(fields, keys)
        except (Unopened, ValueError, KeyError):
            raise VerificationFailed("WG424", "the envelope does not open", index) from None
        if not {opening_digest(each) for each in openings} <= set(digests.split('","')):
            raise VerificationFailed("WG424", "the envelope is not what is committed", index)
        self.opened += 1
        self._note(index, fields)
        self._attribute(index, fields)

    def _secret(self, index: int) -> bytes:
        try:
            return shred.read(self.recipient.shred, index)
        except OSError as error:
            file = self.recipient.shred
            raise MissingKey(f"expected a readable `{file}`: {type(error).__name__}") from None

    def _close(self, index: int, *, erasure: bool) -> None:
        """Pass over an envelope that was not wrapped for this recipient.

        INVARIANT: nothing is passed over behind one that opened, so whatever opened entries say of
        processes, seals and erasures is said of them whole.
        """
        told = self.recipient.opens_from
        if self.first is not None:
            what = f"the envelope was not wrapped for this key, that of entry `{self.first}` was"
            raise VerificationFailed("WG424", what, index)
        if told is not None and index >= told:
            what = f"the envelope was not wrapped for this key, expected from entry `{told}` on"
            raise VerificationFailed("WG424", what, index)
        self.closed += 1
        if erasure:
            self.closed_erasure = index

    def _epoch(self, name: str, index: int) -> bytes | None:
        """The epoch's key; None where it was wrapped for others alone."""
        if name not in self._epochs:
            rows = self.database.execute("SELECT wrapped FROM epoch WHERE id = ?", (name,))
            wrapped = [each for (each,) in rows]
            if not wrapped or not all(is_wrapped(each, self.recipient.key) for each in wrapped):
                what = "the envelope does not open: its key is wrapped for nobody"
                raise VerificationFailed("WG424", what, index)
            self._epochs[name] = self._unwrapped(name, wrapped)
        return self._epochs[name]

    def _unwrapped(self, name: str, wrapped: Iterable[bytes]) -> bytes | None:
        for each in wrapped:
            try:
                return unwrap_epoch(each, name, self.recipient.key)
            except Unopened:
                continue
        return None

    def is_recipient(self) -> bool:
        """Whether any epoch was ever wrapped for this key."""
        rows = self.database.execute("SELECT id, wrapped FROM epoch")
        return any(self._unwrapped(name, [wrapped]) for name, wrapped in rows)

    def _note(self, index: int, fields: Mapping[str, JSON]) -> None:
        self._number(index, str(fields["node"]), fields["sequence"])
        signed_question(fields, index)
        kind, detail = fields["kind"], fields["detail"]
        if not isinstance(detail, Mapping):
            return
        entries, entry = detail.get("entries"), detail.get("entry")
        until = _end_of(detail.get("sealed_until"))
        if kind == "erasure" and isinstance(entries, list):
            self.erased.update(each for each in entries if isinstance(each, int))
        elif kind in {"unseal", "extend"} and isinstance(entry, int):
            self._in_time(entry, datetime.fromisoformat(str(fields["logged_at"])))
            self.seals.pop(entry, None)
            if until:
                self.seals[entry] = until
        elif until:
            self.seals[index] = until

    def _attribute(self, index: int, fields: Mapping[str, JSON]) -> None:
        try:
            act = signed_act(self.origin, fields)
        except VerificationFailed as failure:
            raise VerificationFailed(failure.code, str(failure), index) from None
        if act is not None:
            self.signed[act.signer] += 1
        if fields["kind"] in ACTS and fields["outcome"] not in STOPPING:
            self.acts += 1

    def _number(self, index: int, node: str, number: JSON) -> None:
        """Each process numbers its own entries; what is erased or lost leaves a gap."""
        missed = number - self._last.get(node, -1) - 1 if isinstance(number, int) else -1
        if missed < 0:
            raise VerificationFailed("WG424", "the numbers of a process go back", index)
        self._last[node] = self._last.get(node, -1) + 1 + missed
        self.gaps += missed

    def _in_time(self, entry: int, at: datetime) -> None:
        if entry in self.seals and self.seals[entry] < at:
            what = "the entry was sealed beyond its date before it was unsealed or extended"
            raise VerificationFailed("WG425", what, entry)

    def close(self, missing: int) -> None:
        """Raises for a seal whose date has passed, and for more gaps than ``missing`` envelopes."""
        if self.gaps > missing:
            # A process wraps for the same recipients as long as it lives.
            where = (
                "not in the log, or not wrapped for this key" if self.closed else "not in the log"
            )
            what = f"`{self.gaps - missing}` entries of a process are {where}"
            raise VerificationFailed("WG424", what)
        for entry in sorted(self.seals.keys() - self.erased):
            if self.seals[entry] < self.recipient.now:
                what = "the entry is sealed beyond its date, neither unsealed nor extended"
                raise VerificationFailed("WG425", what, entry)


def inspect(
    database: Path,
    note: str,
    keys: Keys,
    progress: Progress | None = None,
    recipient: Recipient | None = None,
) -> VaultReport:
    """Check every row of a log's database, and that the signed ``note`` is over its beginning.

    Raises `VerificationFailed` naming the first bad entry, `MissingKey` for a key that nothing was
    wrapped for and for no shred file, and `sqlite3.Error` for no database.
    """
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as opened:
        opened.text_factory = _text
        return _Inspection(opened, keys, recipient).run(note, progress)


def _text(raw: bytes) -> str:
    """A column that was altered may be text, and then of any bytes."""
    return raw.decode(errors="replace")


class _Inspection:
    """One pass over all rows."""

    def __init__(
        self, database: sqlite3.Connection, keys: Keys, recipient: Recipient | None
    ) -> None:
        self.database, self.keys = database, keys
        self.entries, self.tree = Entries(keys), _Tree()
        self.vault = _Vault(database, recipient) if recipient else None
        self.envelopes = 0
        self.missing: list[int] = []
        self.recovered: list[range] = []

    def run(self, note: str, progress: Progress | None) -> VaultReport:
        database, tree = self.database, self.tree
        signed = parse_checkpoint(note.rpartition("\n\n")[0] + "\n")
        if self.vault:
            self.vault.origin = signed.origin
        (size,) = database.execute("SELECT count(*) FROM entry").fetchone()
        heads = database.execute("SELECT size, root, edge FROM head ORDER BY size")
        head, shown = heads.fetchone(), None
        for row in database.execute(
            "SELECT entry.idx, leaf, epoch, envelope FROM entry LEFT JOIN vault USING (idx)"
            " ORDER BY entry.idx"
        ):
            self._entry(*row)
            if head and head[0] == tree.size:
                if head[1:] != (tree.root(), tree.edge().to_bytes()):
                    raise VerificationFailed("WG419", "a head is not the entries'", tree.size - 1)
                head = heads.fetchone()
            if tree.size == signed.size:
                shown = self._shown(note, unsigned=size - tree.size)
            if progress and (not tree.size % 1000 or tree.size == size):
                progress(tree.size, size)
        if head or shown is None or tree.size != size:
            raise VerificationFailed("WG422", "the database does not hold the whole signed tree")
        return self._report(shown)

    def _shown(self, note: str, *, unsigned: int) -> LogReport:
        signed = self.entries.signed(note)
        if signed.root != self.tree.root():
            raise VerificationFailed("WG419", "the entries do not hash to the signed root")
        return report(self.entries, signed, self.keys, unsigned=unsigned)

    def _entry(self, index: int, leaf: bytes, epoch: str | None, envelope: bytes | None) -> None:
        if index != self.tree.size:
            raise VerificationFailed("WG418", "the database has no such entry", self.tree.size)
        match = self.entries.read(leaf if isinstance(leaf, bytes) else b"", index)
        digest, kind, public = match[2], match[4], match[6]
        if kind == b"recovery":
            said = json.loads(public)
            self.recovered.append(range(said["from"], said["to"]))
        self.tree.add(leaf)
        if envelope is None:
            self.missing.append(index)
            return
        self.envelopes += 1
        whole = envelope if isinstance(envelope, bytes) else b""
        if b64url(hashlib.sha256(whole).digest()) != digest.decode():
            raise VerificationFailed("WG424", "the envelope is not the one that is named", index)
        if self.vault:
            self.vault.open(index, match, str(epoch), envelope)

    def _report(self, shown: LogReport) -> VaultReport:
        vault, told = self.vault, self._erased()
        lost = [i for i in self.missing if any(i in each for each in self.recovered)]
        gone = [i for i in self.missing if i not in told]
        if unknown := sorted(set(gone) - set(lost)):
            what = "the envelope is missing, and no erasure says so"
            raise VerificationFailed("WG424", what, unknown[0])
        counts = (self.envelopes, len(self.missing) - len(gone), len(gone))
        if vault is None:
            return VaultReport(shown, *counts)
        vault.close(len(self.missing))
        if not vault.opened and not vault.is_recipient():
            raise MissingKey(
                f"expected a recipient's key, got one that none of `{self.envelopes}` envelopes "
                "was wrapped for"
            )
        return VaultReport(
            shown,
            *counts,
            vault.opened,
            len(vault.seals),
            vault.acts,
            dict(vault.signed),
            vault.closed,
            vault.first,
            len(told.intersection(self.missing) - vault.erased),
        )

    def _erased(self) -> set[int]:
        """What erasures name: to their recipient by their envelopes, else by the table.

        A recovery loses the envelopes of erasures; then the table alone knows. So it does of what
        stands before an erasure that is closed to the recipient.
        """
        if self.vault is None or self.recovered:
            return self._table()
        closed = self.vault.closed_erasure
        believed = {idx for idx in self._table() if idx < closed} if closed >= 0 else set()
        return self.vault.erased | believed

    def _table(self) -> set[int]:
        return {idx for (idx,) in self.database.execute("SELECT idx FROM erased")}


def _end_of(day: JSON) -> datetime | None:
    """The end of a date in UTC; a moment stands for itself."""
    if not isinstance(day, str):
        return None
    if "T" in day:
        return datetime.fromisoformat(day)
    return datetime.combine(date.fromisoformat(day), time.max, UTC)
