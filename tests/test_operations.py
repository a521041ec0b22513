"""What an operator does to the log, seen afterwards by an auditor who may open its envelopes."""

import json
import sqlite3
from contextlib import closing

import pytest
from typer.testing import CliRunner

import whoisgate as wg
from whoisgate import app, operations
from whoisgate.audit.draft import Erased
from whoisgate.audit.verify import VerificationFailed, parse_vkey
from whoisgate.cli import app as program
from whoisgate.sources.memory import MemorySource
from whoisgate.stores.inspection import Recipient, inspect

BY = {"reason": "retention", "by": "Operator", "approved_by": "Counsel"}


@pytest.fixture
def folder(tmp_path):
    wg.init(tmp_path / "gate", web_form="https://registrar.example/contact?domain={domain}")
    return app.Folder.at(tmp_path / "gate")


def inspected(folder):
    note = (folder.log_folder / "checkpoint").read_text()
    key = parse_vkey((folder.path / "keys" / "log.vkey").read_text().strip())
    reader = Recipient(folder.operator_key(), folder.path / "shred.slots", app.utc_now())
    return inspect(folder.path / "whoisgate.db", note, key, recipient=reader)


def test_accounts_for_what_an_erased_erasure_erased(folder):
    with folder.opened() as log:
        first = operations.erase(folder, log, [0], **BY).index
        second = operations.erase(folder, log, [first], **BY).index
        last = operations.erase(folder, log, [second], **BY).index
        detail = log.open_entry(last, folder.operator_key()).fields["detail"]
        assert detail["entries"] == [second, 0, first]
        assert log.erased_by([last]) == [0, first, second]
        assert log.erased_by([0]) == []
    assert (inspected(folder).erased, inspected(folder).envelopes) == (3, 1)


def test_takes_a_number_that_is_given_twice_as_one(folder):
    words = ["--by", "a", "--approved-by", "b", "--why", "request", "--json"]
    at = ["--dir", str(folder.path)]
    done = CliRunner().invoke(program, ["log", "erase", "0", "0", *words, *at])
    assert json.loads(done.stdout) == {"erased": [0], "entry": 1}
    with folder.opened() as log:
        last = operations.erase(folder, log, [1, 1], **BY).index
        detail = log.open_entry(last, folder.operator_key()).fields["detail"]
        assert detail["entries"] == [1, 0]
        assert log.erased_by([last]) == [0, 1]
        erased = Erased((last, last))
        said, detail = {"reason": "request"}, {"entries": [last, 0, 1]}
        operations.logged(folder, log, "erasure", "erased", detail, settles=erased, said=said)
    assert (inspected(folder).erased, inspected(folder).envelopes) == (3, 1)


def test_still_misses_an_envelope_that_no_erasure_names(folder):
    with folder.opened() as log:
        first = operations.erase(folder, log, [], **BY).index
        operations.erase(folder, log, [first], **BY)
    with closing(sqlite3.connect(folder.path / "whoisgate.db")) as database, database:
        database.execute("DELETE FROM vault WHERE idx = 0")
        database.execute("INSERT INTO erased VALUES (0, ?, 1)", (first,))
    with pytest.raises(VerificationFailed, match="no erasure says so"):
        inspected(folder)


def test_finds_entries_as_an_operator_spells_domain_and_person(folder):
    officer = wg.Requester(
        "Police/Court of Example", "https://id.example/7", wg.RequesterClass.LAW_ENFORCEMENT,
        wg.Assurance.HIGH, purposes=frozenset(wg.Purpose), bases=frozenset(wg.LegalBasis),
    )  # fmt: skip
    record = wg.Record.of("xn--bcher-kva.example", {"registrant.name": "Ada Example"})
    with closing(wg.open(folder.path, source=MemorySource([record]))) as gate:
        entry = gate.ask(
            "bücher.example", requester=officer, case="2026-114", basis="national_order",
            purpose="criminalInvestigationAndDNSAbuseMitigation", elements=["registrant.name"],
        ).receipt.index  # fmt: skip
    with folder.opened() as log:
        for domain in ("Bücher.example.", "XN--BCHER-KVA.EXAMPLE", "xn--bcher-kva.example"):
            assert operations.about(log, domain=domain) == [entry]
        for person in ("Police/Court of Example/https://id.example/7", officer.identity):
            assert operations.about(log, requester=person) == [entry]
        assert operations.about(log, requester="Police/Court of Example/other") == []
        assert operations.about(log) == []
    hold = "[[hold]]\nreason = 'court'\nuntil = 2999-01-01T00:00:00Z\ndomain = 'Bücher.example'\n"
    with (folder.path / "whoisgate.toml").open("a", encoding="utf-8") as config:
        config.write(hold)
    with folder.opened() as log:
        assert operations.held(app.Folder.at(folder.path), log) == {entry}


@pytest.mark.parametrize("more", [["0"], ["--domain", "example.com"], ["--requester", "a/b"]])
def test_takes_age_as_the_only_choice(folder, more):
    assert_refused(folder, "--retention", *more)


def test_takes_no_person_without_an_authority(folder):
    assert_refused(folder, "--requester", "officer-7")


def assert_refused(folder, *more):
    words = ["--by", "a", "--approved-by", "b", "--why", "retention"]
    done = CliRunner().invoke(program, ["log", "erase", *words, *more, "--dir", str(folder.path)])
    assert done.exit_code == 2
    with folder.opened() as log:
        assert log.size() == 1
