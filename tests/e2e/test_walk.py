"""The whole walk on the command line: from a question to a released answer with evidence."""

import json
import socket
import zipfile
from pathlib import Path

import pytest
from tests.e2e.conftest import PURPOSE, Gateway

from whoisgate import app

OFFICER = ["--purpose", PURPOSE, "--basis", "national_order", "--case", "2026-114"]


@pytest.fixture(scope="module")
def domain(gateway) -> str:
    return (gateway.folder / "demo" / "domains.txt").read_text().split()[0]


def ask(run, gateway: Gateway, domain: str, *more: str):
    return run(
        "lookup", domain, "--server", gateway.base_url, "--key", gateway.vkey,
        "--token", gateway.folder / "demo" / "investigator.token", *more,
    )  # fmt: skip


def test_shows_the_public_view_to_anybody(run, gateway, domain):
    done = run("lookup", domain, "--server", gateway.base_url, "--json")
    reply = json.loads(done.stdout)
    assert done.returncode == 0
    assert reply["receipt"] is None
    assert reply["released"]["registrar.name"]["rules"] == ["RDP-9.1"]
    assert reply["replaced"]["registrant.email"]["rules"] == ["RDP-9.2.3"]
    assert not {"registrant.name", "registrant.street", "registrant.phone"} & set(reply["released"])


def test_releases_what_was_asked_with_a_verified_receipt(run, gateway, domain):
    done = ask(run, gateway, domain, *OFFICER, "--elements", "registrant.name", "--json")
    reply = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert reply["outcome"] == "released"
    assert (
        reply["released"]["registrant.name"]["rules"] == ["LEA-STANDING"]
        or reply["released"]["registrant.name"]["rules"]
    )
    assert "registrant.street" not in reply["released"]


@pytest.mark.parametrize("form", ["table", "rdap", "whois"])
def test_prints_each_format(run, gateway, domain, form):
    done = ask(run, gateway, domain, *OFFICER, "--elements", "registrant.name", "--format", form)
    assert done.returncode == 0, done.stderr
    assert {"table": b"receipt verified", "rdap": b'"ldhName"', "whois": b"Domain Name:"}[
        form
    ] in done.stdout


def test_shows_nothing_gated_without_the_pinned_key(run, gateway, domain):
    token = gateway.folder / "demo" / "investigator.token"
    done = run("lookup", domain, "--server", gateway.base_url, "--token", token, *OFFICER,
               "--elements", "registrant.name")  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == b""
    assert b"WG4" in done.stderr


def test_refuses_what_no_rule_grants(run, gateway, domain):
    done = ask(run, gateway, domain, "--purpose", "dnsTransparency", "--basis",
               "legitimate_interest", "--elements", "registrant.name")  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert b"refused" in done.stdout


def test_releases_once_after_an_approval(run, gateway, domain):
    question = [*OFFICER[:-1], "2026-fax", "--elements", "registrant.fax,registrant.street"]
    pending = ask(run, gateway, domain, *question, "--json")
    assert pending.returncode == 4, pending.stderr
    number = json.loads(pending.stdout)["entry"]
    listed = json.loads(run("approve", "--dir", gateway.folder, "--json").stdout)
    assert [row["domain"] for row in listed if row["id"] == number] == [domain]
    granted = run("approve", number, "--elements", "registrant.fax,registrant.street", "--by",
                  "Duty Officer", "--dir", gateway.folder, "--json")  # fmt: skip
    assert granted.returncode == 0, granted.stderr
    assert ask(run, gateway, domain, *question).returncode == 0
    assert ask(run, gateway, domain, *question).returncode == 4


def test_logs_that_pending_questions_were_opened(run, gateway, domain):
    number = json.loads(
        ask(run, gateway, domain, *OFFICER[:-1], "2026-open", "--elements", "registrant.fax",
            "--json").stdout
    )["entry"]  # fmt: skip
    folder = app.Folder.at(gateway.folder)
    with folder.opened() as log:
        before = log.size()
    listed = json.loads(run("approve", "--dir", gateway.folder, "--json").stdout)
    assert number in [row["id"] for row in listed]
    with folder.opened() as log:
        opened = log.open_entry(before, folder.operator_key()).fields
    assert opened["kind"] == "opened"
    assert number in opened["detail"]["entries"]


def test_schedules_the_notice_to_the_registrant(run, gateway, domain):
    ask(run, gateway, domain, *OFFICER, "--elements", "registrant.name")
    due = json.loads(run("obligations", "--dir", gateway.folder, "--json").stdout)
    assert {row["do"] for row in due} >= {"notify_registrant"}
    assert run("obligations", "--dir", gateway.folder, "--done", due[0]["id"]).returncode == 0
    left = json.loads(run("obligations", "--dir", gateway.folder, "--json").stdout)
    assert due[0]["id"] not in [row["id"] for row in left]


def test_packs_evidence_that_verifies_until_a_byte_changes(run, gateway, domain, tmp_path):
    packed = tmp_path / "evidence.zip"
    done = ask(
        run, gateway, domain, *OFFICER, "--elements", "registrant.name", "--evidence", packed
    )
    assert done.returncode == 0, done.stderr
    assert run("verify", packed, "--key", gateway.vkey).returncode == 0
    broken = _altered(packed, tmp_path / "altered.zip")
    done = run("verify", broken, "--key", gateway.vkey)
    assert done.returncode == 1
    assert b"WG4" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("outcome", "code", "question"),
    [
        (
            "refused",
            3,
            ["--purpose", "dnsTransparency", "--basis", "legitimate_interest",
             "--elements", "registrant.name"],
        ),
        ("needs_approval", 4, [*OFFICER, "--elements", "registrant.fax"]),
    ],
)  # fmt: skip
def test_packs_evidence_of_what_was_not_released(
    run, gateway, domain, tmp_path, outcome, code, question
):
    packed = tmp_path / "evidence.zip"
    done = ask(run, gateway, domain, *question, "--evidence", packed, "--json")
    assert done.returncode == code, done.stderr
    done = run("verify", packed, "--key", gateway.vkey)
    assert done.returncode == 0, done.stdout
    assert f'outcome: "{outcome}"'.encode() in done.stdout
    with zipfile.ZipFile(packed) as archive:
        page = archive.read("evidence.html").decode()
        assert {"refused": "was refused", "needs_approval": "waits for approval"}[outcome] in page
        assert "The entry names no rule that granted more" in page


def test_selects_fields_of_evidence(run, gateway, domain, tmp_path):
    packed, smaller = tmp_path / "evidence.zip", tmp_path / "smaller.zip"
    done = ask(
        run, gateway, domain, *OFFICER, "--elements", "registrant.name", "--evidence", packed
    )
    assert done.returncode == 0, done.stderr
    choice = ["--key", gateway.vkey, "--fields", "domain, released", "-o", smaller]
    done = run("evidence", "select", packed, *choice, "--without-answer", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["opened"] == ["domain", "released"]
    verified = run("verify", smaller, "--key", gateway.vkey)
    assert verified.returncode == 0, verified.stdout
    assert b"The answer was left out." in verified.stdout
    assert b"2026-114" not in smaller.read_bytes()
    assert run("evidence", "select", packed, *choice).returncode == 2  # never overwrites
    smaller.unlink()
    done = run("evidence", "select", packed, *choice[:2], "--fields", "doman", "-o", smaller)
    assert (done.returncode, smaller.exists()) == (1, False)
    assert b"WG426" in done.stderr
    broken = _altered(packed, tmp_path / "altered.zip")
    done = run("evidence", "select", broken, *choice)
    assert (done.returncode, smaller.exists()) == (1, False)
    assert b"WG413" in done.stderr


def test_asks_nothing_when_the_evidence_has_no_place(run, gateway, domain, tmp_path):
    there = tmp_path / "evidence.zip"
    there.write_bytes(b"kept")
    for place in (there, tmp_path / "nowhere" / "evidence.zip"):
        done = ask(run, gateway, domain, *OFFICER, "--evidence", place)
        assert done.returncode == 2
        assert b"Traceback" not in done.stderr
    assert there.read_bytes() == b"kept"


def test_verifies_the_log_folder_and_the_served_log(run, gateway):
    for where in (gateway.folder / "log", f"{gateway.base_url}log/"):
        done = run("verify", where, "--key", gateway.vkey)
        assert done.returncode == 0, done.stdout + done.stderr


def test_answers_the_public_alone_on_port_43(gateway, domain):
    with socket.create_connection(gateway.whois, timeout=10) as peer:
        peer.sendall(domain.encode() + b"\r\n")
        text = b"".join(iter(lambda: peer.recv(65536), b""))
    assert b"Domain Name:" in text
    assert b"Registrant Name:" not in text


def _altered(packed: Path, to: Path) -> Path:
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(to, "w") as new:
        for member in old.namelist():
            content = bytearray(old.read(member))
            if member == "answer.json":
                content[len(content) // 2] ^= 1
            new.writestr(member, bytes(content))
    return to
