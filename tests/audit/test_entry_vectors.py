"""The entry's format, byte for byte. Run as a program it writes the vectors again."""

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from whoisgate.audit import COMMITTED
from whoisgate.audit.draft import Draft
from whoisgate.audit.entry import seal
from whoisgate.audit.envelope import open_envelope
from whoisgate.audit.verify import open_fields, parse_leaf

FILE = Path(__file__).parent / "vectors" / "entry-1.json"
NONCE, SHRED, EPOCH_KEY = bytes(range(16)), bytes(range(32, 64)), bytes(range(64, 96))
NOW = datetime(2026, 11, 23, 12, 34, 56, 789012, tzinfo=UTC)
LATER = datetime(2026, 11, 23, 12, 34, 56, 999999, tzinfo=UTC)
DRAFTS = {
    "disclosure": Draft(
        "disclosure",
        "ab" * 32,
        NOW,
        {
            "authority": "Police of Exampleland",
            "person": "officer-7",
            "requester_class": "law_enforcement",
            "domain": "example.com",
            "purpose": "criminalInvestigationAndDNSAbuseMitigation",
            "basis": "national_order",
            "case": "2026-114",
            "asked": ["registrant.name"],
            "released": {"registrant.name": ["LEA-ORDER"]},
            "outcome": "released",
            "question": "01" * 32,
            "view": "02" * 32,
            "body": "03" * 32,
            "source": "memory",
            "record_version": "7",
            "context": {"approval": "none", "privacy_service": None},
            "approval": ["standing"],
        },
        {"decision": {"registrant.name": ["release", ["LEA-ORDER"], []]}},
    ),
    "refusal": Draft("refusal", "ab" * 32, NOW, {"outcome": "refused"}),
    "tally": Draft("tally", "ab" * 32, NOW, open={"counts": {"public": 12}}),
}


def sealed(name: str):
    return seal(
        DRAFTS[name], logged_at=LATER, node="00112233aabbccdd", sequence=5, nonce=NONCE,
        shred=SHRED, epoch_key=EPOCH_KEY,
    )  # fmt: skip


def vectors() -> dict:
    given = {"nonce": NONCE.hex(), "shred": SHRED.hex(), "epoch_key": EPOCH_KEY.hex()}
    entries = {}
    for name in DRAFTS:
        made = sealed(name)
        fields, more = open_envelope(made.envelope, NONCE, SHRED, EPOCH_KEY)
        entries[name] = {
            "leaf": made.leaf.decode("ascii"),
            "openings": list(made.openings),
            "envelope_bytes": len(made.envelope),
            "envelope_sha256": sha256(made.envelope).hexdigest(),
            "fields": fields,
            "sealed": more,
        }
    return {"format": 1, "given": given, "committed": list(COMMITTED), "entries": entries}


def test_seals_the_same_bytes_as_ever():
    assert vectors() == json.loads(FILE.read_text())


def test_the_published_openings_open_the_published_leaves():
    for entry in json.loads(FILE.read_text())["entries"].values():
        leaf = parse_leaf(entry["leaf"].encode())
        assert open_fields(leaf, entry["openings"]) == entry["fields"]


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=1) + "\n")
