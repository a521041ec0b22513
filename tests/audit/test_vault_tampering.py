"""Whatever is altered in the vault is noticed by the code that opens an envelope or a receipt.

The vault is the database and the shred file beside it, which the published log does not show.
Each alteration says which entries may no longer be opened, and which stored receipts not; every
other one opens as before. The second verifier opens the same rows and must say the same.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests import tampering
from tests.conftest import MUTATIONS
from tests.independent_verifier import merkle, vault
from tests.independent_verifier.entry import read_entry
from tests.independent_verifier.refusal import Refused, require
from tests.independent_verifier.spelling import base64_url, url_text
from tests.two_verifiers import of_receipt

from whoisgate.audit.envelope import wrap_epoch
from whoisgate.audit.verify import split_bundle
from whoisgate.errors import EvidenceError, ReceiptNotFound, UnknownEntry

SIZE = 7
PARTS = 4
NOT_COVERED = {
    "domain": "the keyed tag by which an entry is found: no part of what is opened",
    "requester": "another such tag, which guards a stored receipt alone",
    "receipt": "the stored copy of a receipt, which opens no envelope",
    "head": "roots of batches: an envelope's entry is held against the published log",
    "epoch": "how an epoch key is wrapped: a stored receipt has the entry's own keys in it",
}
"""What may change while envelopes still open as before, or (``epoch``) receipts; and why."""


@dataclass
class Vault:
    """One log's rows, each alteration of which is taken back."""

    written: object
    database: sqlite3.Connection
    shred: Path

    def __post_init__(self) -> None:
        self.secrets = self.shred.read_bytes()
        self.kept = {
            table: self.database.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
            for table in ("entry", "vault", "epoch", "head")
        }
        files = self.written.files
        self.published = split_bundle(files[f"tile/entries/000.p/{SIZE}"])
        self.envelopes = [self.opened(index) for index in range(SIZE)]
        self.proofs = [self.proof(index) for index in range(1, SIZE)]

    def restore(self) -> None:
        self.shred.write_bytes(self.secrets)
        self.database.execute("BEGIN")
        for table in ("vault", "entry", "epoch", "head"):
            self.database.execute(f"DELETE FROM {table}")  # noqa: S608
        for table, rows in self.kept.items():
            places = ", ".join("?" * len(rows[0]))
            self.database.executemany(f"INSERT INTO {table} VALUES ({places})", rows)  # noqa: S608
        self.database.execute("COMMIT")

    def get(self, table: str, column: str, key: int | str):
        name = {"epoch": "id", "head": "size"}.get(table, "idx")
        return self.database.execute(
            f"SELECT {column} FROM {table} WHERE {name} = ?",  # noqa: S608
            (key,),
        ).fetchone()[0]

    def put(self, table: str, column: str, key: int | str, value: object) -> None:
        name = {"epoch": "id", "head": "size"}.get(table, "idx")
        self.database.execute(f"UPDATE {table} SET {column} = ? WHERE {name} = ?", (value, key))  # noqa: S608

    def opened(self, index: int):
        return self.written.log.open_entry(index, self.written.operator)

    def proof(self, index: int) -> str:
        receipt = self.written.receipts[index - 1]
        return self.written.log.receipt(index, receipt.token, self.written.requester)

    def secret(self, index: int) -> bytes:
        return self.shred.read_bytes()[32 * index : 32 * index + 32]

    def keys(self, index: int) -> bytes:
        """The key material of an entry, for whoever has operator's key and shred file."""
        epoch = self.get("vault", "epoch", index)
        wrapped = self.get("epoch", "wrapped", epoch)
        key = vault.unwrap_epoch(wrapped, epoch, self.written.operator)
        nonce = base64_url(read_entry(self.get("entry", "leaf", index))["nonce"], 16)
        return vault.entry_keys(key, self.secret(index), nonce)

    def second_opened(self, index: int):
        """What the second verifier finds in the envelope of a published entry, or `Refused`."""
        try:
            leaf = read_entry(self.get("entry", "leaf", index))
            envelope, keys = self.get("vault", "envelope", index), self.keys(index)
        except TypeError as error:
            raise Refused("a row is missing") from error
        require(self.get("entry", "leaf", index) == self.published[index], "another entry")
        require(isinstance(envelope, bytes), "an envelope that is no bytes")
        found = vault.open_envelope(leaf, envelope, keys)
        return found.fields, found.sealed

    def second_proof(self, index: int) -> None:
        """The second verifier opens the stored receipt, and it leads to the head's root."""
        token = base64_url(self.written.receipts[index - 1].token, 16)
        (size,) = self.database.execute(
            "SELECT min(size) FROM head WHERE size > ?", (index,)
        ).fetchone()
        try:
            entry, stored = self.get("entry", "leaf", index), self.get("vault", "receipt", index)
            envelope, root = self.get("vault", "envelope", index), self.get("head", "root", size)
        except TypeError as error:
            raise Refused("a row is missing") from error
        require(isinstance(stored, bytes) and isinstance(envelope, bytes), "no bytes")
        keys, hashes = vault.open_stored(stored, token, self.secret(index))
        vault.open_envelope(read_entry(entry), envelope, keys)
        merkle.check_inclusion(merkle.leaf_hash(entry), index, 0, size, hashes, root)


@pytest.fixture(scope="module")
def rows(write):
    written = write(SIZE - 1)
    path = written.folder / "whoisgate.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        yield Vault(written, database, written.folder / "shred.slots")


Lost = tuple[set[int], set[int]]
"""The entries whose envelope, and those whose stored receipt, must not open any more."""


def swapped(rows: Vault, random: Random, table: str, column: str) -> set[int]:
    one, other = random.sample(range(1, SIZE), 2)
    values = rows.get(table, column, one), rows.get(table, column, other)
    for key, value in zip((other, one), values, strict=True):
        rows.put(table, column, key, value)
    return {one, other}


def altered(rows: Vault, random: Random, table: str, column: str) -> set[int]:
    index = random.randrange(1, SIZE)
    rows.put(table, column, index, tampering.blind(random, rows.get(table, column, index)))
    return {index}


def copied(rows: Vault, random: Random, column: str) -> set[int]:
    index, other = random.sample(range(1, SIZE), 2)
    rows.put("vault", column, index, rows.get("vault", column, other))
    return {index}


def envelope(rows: Vault, random: Random) -> Lost:
    how = random.randrange(3)
    if how == 0:
        lost = swapped(rows, random, "vault", "envelope")
    elif how == 1:
        lost = copied(rows, random, "envelope")
    else:
        lost = altered(rows, random, "vault", "envelope")
    return lost, lost


def receipt(rows: Vault, random: Random) -> Lost:
    how = random.randrange(3)
    if how == 0:
        return set(), swapped(rows, random, "vault", "receipt")
    if how == 1:
        return set(), copied(rows, random, "receipt")
    return set(), altered(rows, random, "vault", "receipt")


def deleted(rows: Vault, random: Random) -> Lost:
    index, table = random.randrange(1, SIZE), random.choice(("vault", "entry"))
    rows.database.execute(f"DELETE FROM {table} WHERE idx = ?", (index,))  # noqa: S608
    return {index}, {index}


def moved(rows: Vault, random: Random) -> Lost:
    """Whole rows change places: the shred secrets and leaves stay."""
    one, other = random.sample(range(1, SIZE), 2)
    for a, b in ((one, -1), (other, one), (-1, other)):
        rows.database.execute("UPDATE vault SET idx = ? WHERE idx = ?", (b, a))
    return {one, other}, {one, other}


def leaf(rows: Vault, random: Random) -> Lost:
    if random.random() < 0.5:
        lost = swapped(rows, random, "entry", "leaf")
        return lost, lost
    lost = altered(rows, random, "entry", "leaf")
    return lost, lost


def epoch_id(rows: Vault, random: Random) -> Lost:
    index = random.randrange(SIZE)
    rows.put("vault", "epoch", index, random.choice(("", "another", "2026-11-23T22Z")))
    return {index}, set()


def epoch_key(rows: Vault, random: Random) -> Lost:
    """The wrapped key altered, or another wrapped for the same recipient, which opens."""
    epoch = rows.get("vault", "epoch", 0)
    if random.random() < 0.5:
        wrapped = tampering.blind(random, rows.get("epoch", "wrapped", epoch))
    else:
        wrapped = wrap_epoch(random.randbytes(32), epoch, rows.written.operator.public_key())
    rows.put("epoch", "wrapped", epoch, wrapped)
    return set(range(SIZE)), set()


def shred_slot(rows: Vault, random: Random) -> Lost:
    slots = [rows.secrets[at : at + 32] for at in range(0, len(rows.secrets), 32)][:SIZE]
    one, other = random.sample(range(1, SIZE), 2)
    lost = {one}
    how = random.randrange(4)
    if how == 0:
        slots[one] = bytes(32)
    elif how == 1:
        slots[one], slots[other], lost = slots[other], slots[one], {one, other}
    elif how == 2:
        slots[one] = tampering.flip(random, slots[one])
    else:
        slots, lost = slots[:one], set(range(one, SIZE))
    rows.shred.write_bytes(b"".join(slots))
    return lost, lost


def head(rows: Vault, random: Random) -> Lost:
    size = random.choice([size for (size, *_) in rows.kept["head"] if size > 1])
    before = max(other for (other, *_) in rows.kept["head"] if other < size)
    if random.random() < 0.7:
        rows.put("head", "root", size, tampering.blind(random, rows.get("head", "root", size)))
    else:
        rows.database.execute("DELETE FROM head WHERE size = ?", (size,))
    return set(), set(range(before, size))


def requester(rows: Vault, random: Random) -> Lost:
    return set(), altered(rows, random, "vault", "requester")


def domain(rows: Vault, random: Random) -> Lost:
    altered(rows, random, "vault", "domain")
    return set(), set()  # see NOT_COVERED


def resealed(rows: Vault, random: Random) -> Lost:
    """Sealed again with the entry's own keys: by who holds the operator's key and the files."""
    index = random.randrange(1, SIZE)
    keys, nonce = (
        rows.keys(index),
        base64_url(read_entry(rows.get("entry", "leaf", index))["nonce"], 16),
    )
    fields, sealed = (dict(part) for part in rows.envelopes[index])
    if random.random() < 0.5:
        fields[random.choice(("case", "domain", "outcome"))] = "another"
    else:
        sealed["more"] = "another"
    text = json.dumps({"fields": fields, "sealed": sealed}).encode()
    plain = (len(text).to_bytes(4, "big") + text).ljust(4096 - 16, b"\0")
    rows.put("vault", "envelope", index, AESGCM(keys[:32]).encrypt(bytes(12), plain, nonce))
    return {index}, {index}


def forged(rows: Vault, random: Random) -> Lost:
    """Sealed again, and the entry in the database made to name it: the tree does not hold that."""
    (index,) = resealed(rows, random)[0]
    entry = read_entry(rows.get("entry", "leaf", index))
    digest = sha256(rows.get("vault", "envelope", index)).digest()
    text = json.dumps(entry | {"envelope": url_text(digest)}, sort_keys=True, separators=(",", ":"))
    rows.put("entry", "leaf", index, text.encode())
    return {index}, {index}


def kind_of_value(rows: Vault, random: Random) -> Lost:
    """Text where bytes should be: SQLite keeps what it is given."""
    index = random.randrange(1, SIZE)
    column = random.choice(("envelope", "receipt"))
    rows.put("vault", column, index, rows.get("vault", column, index).hex())
    return {index} if column == "envelope" else set(), {index}


ALTERATIONS = (
    envelope, receipt, deleted, moved, leaf, epoch_id, epoch_key, shred_slot, head, requester,
    domain, resealed, forged, kind_of_value,
)  # fmt: skip


def refuses(open_, error) -> bool:
    try:
        open_()
    except error:
        return True
    return False


@pytest.mark.parametrize("part", range(PARTS))
def test_notices_what_is_altered_in_a_vault(part, rows):
    for number in range(part, MUTATIONS * 5 // 100, PARTS):
        alter = ALTERATIONS[number % len(ALTERATIONS)]
        case = (number, alter.__name__)
        try:
            envelopes, receipts = alter(rows, Random(f"vault {number}"))
            check(rows, case, envelopes, receipts)
        finally:
            rows.restore()


def check(rows: Vault, case, envelopes: set[int], receipts: set[int]) -> None:
    lost_envelopes, lost_receipts, second = set(), set(), (set(), set())
    for index in range(SIZE):
        try:
            assert rows.opened(index) == rows.envelopes[index], case
        except (UnknownEntry, EvidenceError):
            lost_envelopes.add(index)
        if refuses(lambda index=index: rows.second_opened(index), Refused):
            second[0].add(index)
    for index in range(1, SIZE):
        try:
            assert rows.proof(index) == rows.proofs[index - 1], case
        except ReceiptNotFound:
            lost_receipts.add(index)
        if refuses(lambda index=index: rows.second_proof(index), Refused):
            second[1].add(index)
    assert (case, lost_receipts) == (case, receipts)
    assert (case, second[1]) == (case, receipts if case[1] != "requester" else set())
    assert (case, lost_envelopes) == (case, envelopes)
    assert (case, second[0]) == (case, envelopes)


def test_opens_what_was_not_altered(rows):
    for index, (fields, sealed) in enumerate(rows.envelopes):
        assert rows.second_opened(index) == (dict(fields), dict(sealed))
    for index, proof in enumerate(rows.proofs, 1):
        rows.second_proof(index)
        assert proof == rows.written.receipts[index - 1].proof
        assert of_receipt(proof.encode(), rows.written.signer.vkey).holds
