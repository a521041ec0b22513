"""A folder of every format ever made still opens. Run as a program it makes the newest again.

The keys inside are made up for this test and guard nothing.
"""

import json
import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import whoisgate as wg
from whoisgate import app, authorities, operations
from whoisgate.audit.verify import directory_reader, parse_vkey, verify_log, verify_receipt
from whoisgate.config import FOLDER_FORMAT
from whoisgate.errors import UnknownEntry
from whoisgate.identity.authority import Record
from whoisgate.policy.decide import Outcome
from whoisgate.sources.memory import MemorySource

GOLDEN = Path(__file__).parent / "golden"
AUTHORITY = "Police of Exampleland"
STANDING = """
[[standing]]
authority = "Police of Exampleland"
basis = "national_order"
elements = ["registrant.name"]
expires = 2999-01-01T00:00:00Z
"""
RECORD = wg.Record.of(
    "example.com",
    {"registrar.name": "Example Registrar", "registrant.name": "Ada Example",
     "registrant.phone": "+1.5555550100"},
)  # fmt: skip
OFFICER = wg.Requester(
    AUTHORITY, "officer-7", wg.RequesterClass.LAW_ENFORCEMENT, wg.Assurance.HIGH,
    purposes=frozenset(wg.Purpose), bases=frozenset(wg.LegalBasis),
)  # fmt: skip
WHY = {
    "purpose": "criminalInvestigationAndDNSAbuseMitigation",
    "basis": "national_order",
    "case": "2026-114",
}


COURT = Record.of(
    {
        "authority": "Court", "kind": "court", "purposes": ["legalActions"],
        "bases": ["court_order"],
        "proof": [{"method": "certificate", "sha256": ["a" * 64], "assurance": "high"}],
        "vetted": {"by": "Ann Operator", "how": "called back", "on": "2025-09-01"},
    },
    "golden",
)  # fmt: skip


def ask(gate: wg.Gate, element: str, **more: str) -> wg.Answer:
    return gate.ask("example.com", requester=OFFICER, **WHY, elements=[element], **more)


def make(path: Path) -> None:
    # Long ago, so that the folder opens under any clock: a log refuses a clock behind its own.
    app.utc_now = lambda: datetime(2025, 9, 1, tzinfo=UTC)
    wg.init(path, web_form="https://registrar.example/contact?domain={domain}", tables=STANDING)
    gate = wg.open(path, source=MemorySource([RECORD]))
    released, pending = ask(gate, "registrant.name"), ask(gate, "registrant.phone")
    erased = ask(gate, "registrant.name")
    ask(gate, "registrant.name", sealed_until="2025-10-01")
    gate.close()
    held = {
        "released": [released.receipt.index, released.receipt.token],
        "pending": pending.receipt.index,
        "erased": erased.receipt.index,
    }
    folder = app.Folder.at(path)
    with folder.opened() as log:
        kept = {"by": "Ann Operator", "reason": "a golden folder"}
        authorities.add(folder, log, COURT, **kept)
        authorities.stop(folder, log, "Court", authorities.SUSPENDED, **kept)
        authorities.bar(folder, log, AUTHORITY, "officer-8", barred=True, **kept)
        who = {"by": "Ann Operator", "approved_by": "Bo Counsel"}
        operations.erase(folder, log, [held["erased"]], reason="request", **who)
        operations.rotate(folder, log)
    (path / "held.json").write_text(json.dumps(held) + "\n")
    for spare in (*path.glob("*.db-*"), *(path / "log").rglob(".*")):
        spare.unlink()


@pytest.mark.parametrize("number", range(1, FOLDER_FORMAT + 1))
def test_opens_a_folder_of_every_format(number, tmp_path):
    folder = tmp_path / "gate"
    shutil.copytree(GOLDEN / f"folder-{number}", folder)
    held = json.loads((folder / "held.json").read_text())
    key = parse_vkey((folder / "keys" / "log.vkey").read_text().strip())
    before = verify_log(directory_reader(folder / "log"), key)
    with app.Folder.at(folder).opened() as log:
        proof = log.receipt(*held["released"], OFFICER.identity)
    assert verify_receipt(proof, key).fields["released"] == {"registrant.name": ["LEA-ORDER"]}
    if number > 2:
        barred = replace(OFFICER, person="officer-8")
        with app.Folder.at(folder).opened() as log:
            (court,) = authorities.listed(log)
            assert (court.record, court.state) == (COURT, authorities.SUSPENDED)
            assert log.directory().barred(barred.identity)
    if "erased" in held:
        with app.Folder.at(folder).opened() as log, pytest.raises(UnknownEntry):
            log.open_entry(held["erased"], app.Folder.at(folder).operator_key())
    with app.Folder.at(folder).opened() as log:
        waiting = operations.queue(app.Folder.at(folder), log).questions
    assert [p.entry for p, _ in waiting] == [held["pending"]]
    gate = wg.open(folder, source=MemorySource([RECORD]))
    with app.Folder.at(folder).opened() as log:
        operations.approve(
            app.Folder.at(folder), log, held["pending"], ["registrant.phone"], by="Duty Officer",
            expires=app.utc_now().replace(year=2999),
        )  # fmt: skip
    assert ask(gate, "registrant.phone").outcome is Outcome.RELEASED
    gate.close()
    assert verify_log(directory_reader(folder / "log"), key).size >= before.size + 3


if __name__ == "__main__":
    newest = GOLDEN / f"folder-{FOLDER_FORMAT}"
    if newest.exists():
        sys.exit(f"{newest} exists: a golden folder is never made twice")
    make(newest)
