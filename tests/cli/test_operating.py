"""What an operator types: what is wrong is said, and nothing is done."""

import json
from datetime import timedelta

import pytest
from tests.identity.tokens import record
from tests.test_authorities import PROOF
from tests.test_staff import ADA, OFFICER, made
from typer.testing import CliRunner

import whoisgate as wg
from whoisgate import app, authorities
from whoisgate.cli import app as cli
from whoisgate.errors import UnknownEntry, WhoisgateError
from whoisgate.sources.memory import MemorySource

ODD = "Police [/x] [bold]West"
WHO = ("--by", "Ann Operator", "--reason", "a test")


@pytest.fixture
def folder(tmp_path):
    made_ = made(tmp_path / "gate", tables="")
    with made_.opened() as log:
        authorities.add(made_, log, record(ODD, "police", PROOF), by="Ann")
    return made_


@pytest.fixture
def run(folder):
    def run(*words):
        return CliRunner().invoke(cli, [*map(str, words), "--dir", str(folder.path)])

    return run


def test_shows_any_name_as_it_stands(run):
    shown = run("authority", "list")
    assert shown.exit_code == 0
    assert ODD in shown.output


def test_shows_which_entries_stopped_a_person(run):
    entry = json.loads(run("authority", "suspend", ODD, "--person", "o7", *WHO, "--json").output)
    assert (entry["listed"], entry["person"]) == (True, "o7")
    assert f"persons are stopped by the entries {entry['entry']}" in run("authority", "list").output
    assert json.loads(run("authority", "list", "--json").output)["stopped"] == [entry["entry"]]
    run("authority", "restore", ODD, "--person", "o7", *WHO)
    assert json.loads(run("authority", "list", "--json").output)["stopped"] == []


def test_lets_nobody_ask_again_who_was_not_stopped(run):
    refused = run("authority", "restore", ODD, "--person", "o7", *WHO)
    assert isinstance(refused.exception, UnknownEntry)


def test_says_that_a_suspended_authority_stays_so(run, tmp_path):
    run("authority", "suspend", ODD, *WHO)
    (tmp_path / "police.json").write_text(record(ODD, "police", PROOF).text())
    done = run("authority", "add", tmp_path / "police.json", "--by", "Ann")
    assert done.output.startswith("listed; it is suspended still; ")


def test_says_whose_keys_cannot_be_used(run, tmp_path):
    bad = PROOF | {"iss": "https://other.example", "keys": {"keys": []}}
    (tmp_path / "court.json").write_text(record("Court", "court", bad).text())
    refused = run("authority", "add", tmp_path / "court.json", "--by", "Ann")
    assert str(refused.exception).startswith("`Court`: ")


def test_says_that_a_stopped_person_is_of_nobody_listed(run):
    done = run("authority", "suspend", "Polise", "--person", "o7", *WHO)
    assert done.exit_code == 0
    assert "the directory lists no `Polise`" in done.output


def test_overwrites_no_file(run, tmp_path):
    for out in (tmp_path / "gate" / "whoisgate.toml", tmp_path / "nowhere" / "d.jws"):
        before = out.exists() and out.read_bytes()
        refused = run("authority", "export", out)
        assert refused.exit_code == 2
        assert (out.exists() and out.read_bytes()) == before
    assert run("authority", "export", tmp_path / "d.jws").exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("authority", "suspend", ODD, "--by", "", "--reason", "x"),
        ("authority", "suspend", ODD, "--by", "Ann\n", "--reason", "x"),
        ("authority", "suspend", ODD, "--by", "Ann", "--reason", " "),
        ("log", "open", 1, "--by", " ", "--reason", "x"),
        ("approve", 1, "--elements", "registrant.name", "--by", "Ann", "--valid", "0h"),
        ("approve", 1, "--lift", 2, "--by", "Ann", "--reason", "x"),
    ],
)
def test_takes_no_empty_word(run, folder, words):
    with folder.opened() as log:
        size = log.size()
    assert run(*words).exit_code == 2
    with folder.opened() as log:
        assert log.size() == size


def test_reads_records_of_two_kinds_alone(run, tmp_path):
    (tmp_path / "police.txt").write_text("authority = 1")
    refused = run("authority", "add", tmp_path / "police.txt", "--by", "Ann")
    assert isinstance(refused.exception, WhoisgateError)
    assert "`.toml` or `.json`" in str(refused.exception)


def test_seals_no_shorter_and_no_longer_than_it_may(folder, run):
    gate = wg.open(folder.path, source=MemorySource([ADA]))
    today = app.utc_now().date()
    asked = gate.ask(
        "example.com", requester=OFFICER, purpose="criminalInvestigationAndDNSAbuseMitigation",
        basis="national_order", case="1", elements=["registrant.name"],
        sealed_until=str(today + timedelta(days=30)),
    )  # fmt: skip
    gate.close()
    entry = asked.receipt.index
    for days in (-1, 0, 29, 30, 367, 9999):
        until = today + timedelta(days=days)
        refused = run("log", "unseal", entry, "--until", until, *WHO)
        assert isinstance(refused.exception, UnknownEntry), days
    done = run("log", "unseal", entry, "--until", today + timedelta(days=31), *WHO)
    assert done.exit_code == 0
