"""Entries, logs and receipts for the verifier's tests, written without the package's own entry
code: JSON, base64 and digests straight from the standard library."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from tests.stores import appender

from whoisgate.audit.draft import Draft
from whoisgate.audit.note import Signer, checkpoint
from whoisgate.audit.receipt import Receipt
from whoisgate.audit.tiles import new_tiles
from whoisgate.audit.tree import Edge, grow
from whoisgate.audit.verify import Proof, format_proof, receipt_extra
from whoisgate.stores.sqlite import SQLiteLog

BODY = b'{"objectClassName":"domain","ldhName":"example.com"}'
POLICY = "whoisgate: 1\npolicy: made-up\n"
FIELDS = {
    "kind": "disclosure",
    "logged_at": "2026-11-23T22:59:59.000001Z",
    "domain": "example.com",
    "case": "2026-114",
    "released": {"registrant.name": ["LEA-ORDER"]},
    "outcome": "released",
    "body": hashlib.sha256(BODY).hexdigest(),
    "approval": None,
}


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def dumps(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Made:
    """An entry's bytes and its openings."""

    entry: bytes
    openings: list[str]


def entry(seed: int, fields=FIELDS, hour="2026-11-23T22Z", **more) -> Made:
    """One entry; `more` replaces members, or takes them away when None."""
    random = Random(seed)
    openings = [
        b64url(dumps([b64url(random.randbytes(16)), name, value])) for name, value in fields.items()
    ]
    digests = [b64url(hashlib.sha256(each.encode()).digest()) for each in openings]
    digests += [b64url(random.randbytes(32)) for _ in range(24 - len(digests))]
    leaf = {
        "_sd": sorted(digests),
        "envelope": b64url(random.randbytes(32)),
        "hour": hour,
        "nonce": b64url(random.randbytes(16)),
        "policy": hashlib.sha256(POLICY.encode()).hexdigest(),
        "v": 1,
    } | more
    return Made(dumps({k: v for k, v in leaf.items() if v is not None}), openings)


def log(entries: list[bytes], signer: Signer) -> dict[str, bytes]:
    """The files of a log that holds these entries."""
    files = dict(new_tiles(0, len(entries), lambda a, b: entries[a:b], lambda *_: b""))
    root = grow(Edge(), [hashlib.sha256(b"\0" + each).digest() for each in entries]).root
    note = signer.sign(checkpoint(signer.name, len(entries), root))
    return {**files, "checkpoint": note.encode()}


def receipt(made: Made, signer: Signer, openings=None, size=7, index=4) -> str:
    """The receipt of an entry that stands at `index` among others."""
    entries = [made.entry if i == index else b"%d" % i for i in range(size)]
    grown = grow(Edge(), [hashlib.sha256(b"\0" + each).digest() for each in entries])
    note = signer.sign(checkpoint(signer.name, size, grown.root))
    extra = receipt_extra(made.entry, made.openings if openings is None else openings)
    return format_proof(Proof(extra, index, tuple(grown.proofs[index]), note))


@dataclass(frozen=True)
class Maker:
    """What tests make their logs and receipts with."""

    body = BODY
    policy = POLICY
    fields = FIELDS
    entry = staticmethod(entry)
    log = staticmethod(log)
    receipt = staticmethod(receipt)
    dumps = staticmethod(dumps)
    b64url = staticmethod(b64url)


@pytest.fixture(scope="session")
def make() -> Maker:
    return Maker()


@pytest.fixture(scope="session")
def signer() -> Signer:
    return Signer.generate("log.example/2026", Random(6962).randbytes)


@pytest.fixture(scope="session")
def vectors():
    """Reads one file of vectors."""
    folder = Path(__file__).parent / "vectors"
    return lambda name: json.loads((folder / name).read_text())


@dataclass(frozen=True)
class Written:
    """A log that the real writer made, and what it gave: the published files by path, receipts."""

    folder: Path
    log: SQLiteLog
    files: dict[str, bytes]
    receipts: list[Receipt]

    operator = appender.OPERATOR
    signer = appender.SIGNER
    requester = "police/officer-7"


@pytest.fixture(scope="session")
def write(tmp_path_factory):
    """Makes logs of the real writer: an inception, then this many disclosures of `BODY`."""
    opened = []

    def write(disclosures: int) -> Written:
        folder = tmp_path_factory.mktemp("written")
        (folder / "log").mkdir()
        log = appender.log_in(
            folder,
            clock=lambda: datetime(2026, 11, 23, 22, 59, 59, 1, UTC),
            create=True,
            entropy=Random(disclosures).randbytes,
        )
        opened.append(log)
        policy = hashlib.sha256(POLICY.encode()).hexdigest()
        given = {name: FIELDS[name] for name in ("domain", "released", "outcome", "body")}

        def disclosure(number: int) -> Draft:
            return Draft(
                "disclosure",
                policy,
                datetime(2026, 11, 23, 22, 59, 58, tzinfo=UTC),
                given | {"case": f"2026-{number}"},
                requester=Written.requester,
                domain="example.com",
            )

        receipts: list[Receipt] = []
        for batch in (range(disclosures // 2), range(disclosures // 2, disclosures)):
            futures = [log.append(disclosure(number)) for number in batch]
            receipts += [future.result() for future in futures]
        log.publish()
        base = folder / "log"
        files = {
            str(file.relative_to(base)): file.read_bytes()
            for file in sorted(base.rglob("*"))
            if file.is_file()
        }
        return Written(folder, log, files, receipts)

    yield write
    for log in opened:
        log.close()
