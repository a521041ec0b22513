"""``whoisgate log`` on a real folder, as an operator types it."""

import json
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

import whoisgate as wg
from whoisgate import app
from whoisgate.errors import MalformedConfig, MalformedQuestion, MissingKey, StaleLog
from whoisgate.sources.memory import MemorySource

WHOISGATE = str(Path(sys.executable).with_name("whoisgate"))
AUTHORITY = "Police of Exampleland"
STANDING = """
[[standing]]
authority = "Police of Exampleland"
basis = "national_order"
elements = ["registrant.name"]
expires = 2999-01-01T00:00:00Z
"""
RECORDS = [
    wg.Record.of(name, {"registrar.name": "Example Registrar", "registrant.name": "Ada Example"})
    for name in ("example.com", "other.example")
]
OFFICER = wg.Requester(
    AUTHORITY, "officer-7", wg.RequesterClass.LAW_ENFORCEMENT, wg.Assurance.HIGH,
    purposes=frozenset(wg.Purpose), bases=frozenset(wg.LegalBasis),
)  # fmt: skip


def made(path, **more):
    web_form = "https://registrar.example/contact?domain={domain}"
    tables = STANDING + more.pop("tables", "")
    wg.init(path, web_form=web_form, tables=tables, **more)
    return path


@pytest.fixture
def gate(tmp_path):
    return made(tmp_path / "gate")


def ask(folder, *names, outcome="released", **more):
    gate = wg.open(folder, source=MemorySource(RECORDS))
    answers = [
        gate.ask(
            name, requester=OFFICER, purpose="criminalInvestigationAndDNSAbuseMitigation",
            basis="national_order", case="2026-114", elements=["registrant.name"], **more,
        )
        for name in names
    ]  # fmt: skip
    gate.close()
    assert {str(a.outcome) for a in answers} == {outcome}
    return [a.receipt.index for a in answers]


def run(folder, *words, code=0):
    done = subprocess.run(
        [WHOISGATE, *map(str, words)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


def verified(folder, *more):
    return run(folder, "verify", "whoisgate.db", "--key", "keys/log.vkey", *more)


WHO = ("--by", "Ann Operator", "--reason", "complaint 7")


def test_opens_entries_once_an_entry_says_so(gate):
    one, other = ask(gate, "example.com", "other.example")
    said = run(gate, "log", "open", "--domain", "example.com", *WHO)
    assert f"entry {one}" in said
    assert "case: '2026-114'" in said
    assert "other.example" not in said
    (row,) = json.loads(run(gate, "log", "open", other + 1, *WHO, "--json"))
    assert row["fields"]["detail"] == {
        "by": "Ann Operator", "entries": [one], "reason": "complaint 7",
    }  # fmt: skip
    assert "expected numbers" in run(gate, "log", "open", *WHO, code=2)


def test_erases_by_person_by_number_and_by_age(gate):
    one, other = ask(gate, "example.com", "other.example")
    approved = ("--by", "Ann Operator", "--approved-by", "Bo Counsel")
    said = run(gate, "log", "erase", "--domain", "example.com", "--why", "request", *approved)
    assert said.startswith("1 entry erased")
    assert "WG512" in run(gate, "log", "open", one, *WHO, code=1)
    assert "no entry" in run(gate, "log", "open", "--domain", "example.com", *WHO)
    nobody = run(gate, "log", "erase", "--domain", "nobody.example", "--why", "request", *approved)
    assert nobody.startswith("0 entries erased")
    requester = OFFICER.identity
    run(gate, "log", "erase", "--requester", requester, "--why", "order", *approved)
    assert "WG512" in run(gate, "log", "open", other, *WHO, code=1)
    assert "2 envelopes were erased" in verified(gate, "--recipient", "keys/operator.key")
    shown = run(gate, "verify", ".", "--key", "keys/log.vkey")
    assert "3 erasure" in shown


def auditors_key(folder, name):
    """A private key in a file, and its public half as `keys/` takes it."""
    key = X25519PrivateKey.generate()
    file = folder / f"{name}.key"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_an_auditor_who_came_later_is_told_what_is_closed(gate):
    ask(gate, "example.com")
    file, public = auditors_key(gate, "auditor")
    (gate / "keys" / "auditor-2.pub").write_bytes(public)
    first = ask(gate, "other.example")[0]
    reader = ("--recipient", file.name)
    assert f"{first} envelopes were not wrapped for this key" in verified(gate, *reader)
    found = json.loads(verified(gate, *reader, "--json"))
    assert (found["closed"], found["opens_from"], found["opened"]) == (first, first, 1)
    every = (*reader, "--opens-from", first)
    assert verified(gate, *every).endswith("Verified.\n")
    words = ("verify", "whoisgate.db", "--key", "keys/log.vkey")
    assert "(WG424)" in run(gate, *words, *reader, "--opens-from", first - 1, code=1)
    assert "--recipient" in run(gate, *words, "--opens-from", first, code=2)


def test_a_key_that_nothing_was_wrapped_for_is_no_finding(gate):
    ask(gate, "example.com")
    file, _ = auditors_key(gate, "stranger")
    words = ("verify", "whoisgate.db", "--key", "keys/log.vkey", "--recipient", file.name)
    said = run(gate, *words, code=1)
    assert said.startswith("whoisgate: WG502: expected a recipient's key")
    error = json.loads(run(gate, *words, "--json", code=1))["error"]
    assert error["code"] == "WG502"


def test_tells_a_program_in_json_what_it_cannot_verify(gate):
    shutil.copy(gate / "whoisgate.db", gate / "log" / "alone.db")
    (gate / "broken.db").write_bytes(b"SQLite format 3\0" + bytes(4096))
    for target, key, code in (
        ("nofolder", "keys/log.vkey", "WG417"),
        ("whoisgate.db", "keys/no.vkey", "WG417"),
        ("whoisgate.db", "no+such+key", "WG401"),
        ("log/alone.db", "keys/log.vkey", "WG417"),
        ("broken.db", "keys/log.vkey", "WG417"),
    ):
        words = ("verify", target, "--key", key)
        told = json.loads(run(gate, *words, "--json", code=2))
        assert (told["verified"], told["code"]) == (False, code)
        assert code in run(gate, *words, code=2)


def test_erases_what_has_been_kept_long_enough_and_nothing_that_is_held(tmp_path, monkeypatch):
    gate = tmp_path / "gate"
    monkeypatch.setattr(app, "utc_now", lambda now=app.utc_now: now() - timedelta(days=2000))
    made(gate)
    one, other = ask(gate, "example.com", "other.example")
    monkeypatch.undo()
    (young,) = ask(gate, "other.example")
    hold = f'[[hold]]\nreason = "court"\nuntil = 2999-01-01T00:00:00Z\nentries = [{one}]\n'
    config = gate / "whoisgate.toml"
    config.write_text(config.read_text() + hold)
    approved = ("--by", "Ann Operator", "--approved-by", "Bo Counsel")
    refused = run(gate, "log", "erase", one, "--why", "request", *approved, code=1)
    assert "WG514" in refused
    words = ("--retention", "--why", "retention", *approved, "--json")
    erased = json.loads(run(gate, "log", "erase", *words))["erased"]
    assert other in erased
    assert not {one, young} & set(erased)


def test_unseals_what_was_sealed(gate):
    until = (app.utc_now() + timedelta(days=30)).date()
    (entry,) = ask(gate, "example.com", sealed_until=f"{until}")
    assert run(gate, "log", "unseal") == f"{entry}  until {until}\n"
    later = until + timedelta(days=30)
    assert f"sealed until {later}" in run(gate, "log", "unseal", entry, "--until", later, *WHO)
    approved = ("--by", "Ann Operator", "--approved-by", "Bo Counsel")
    refused = run(gate, "log", "erase", "--domain", "example.com", "--why", "request", *approved,
                  code=1)  # fmt: skip
    assert "unseal it first" in refused
    assert "1 entries are sealed" in verified(gate, "--recipient", "keys/operator.key")
    assert "unsealed" in run(gate, "log", "unseal", entry, *WHO)
    assert run(gate, "log", "unseal") == "no entry is sealed\n"
    assert "WG512" in run(gate, "log", "unseal", entry, *WHO, code=1)


@pytest.mark.parametrize("said", ["tomorrow", "2020-01-01", "2999-01-01", "2027-1-1", ""])
def test_seals_until_no_other_date(gate, said):
    with pytest.raises(MalformedQuestion, match="sealed_until"):
        ask(gate, "example.com", sealed_until=said)


def test_changes_the_signing_key(gate):
    ask(gate, "example.com")
    shutil.copy(gate / "keys" / "log.vkey", gate / "old.vkey")
    run(gate, "log", "rotate")
    assert not (gate / "log" / "retention").exists()  # nothing is promised that nobody asked for
    assert "WG512" in run(gate, "log", "rotate", code=1)
    ask(gate, "example.com")
    for key in ("old.vkey", "keys/log.vkey"):
        assert "Verified." in run(gate, "verify", ".", "--key", key)
    run(gate, "log", "rotate", "--finish")
    assert "WG512" in run(gate, "log", "rotate", "--finish", code=1)
    ask(gate, "example.com")
    said = run(gate, "verify", ".", "--key", "old.vkey")
    assert f"pin it: {(gate / 'keys' / 'log.vkey').read_text()}" in said
    assert len([*(gate / "keys").glob("log*.key")]) == 1


def test_recovers_from_an_old_database(gate):
    ask(gate, "example.com")
    shutil.copytree(gate, gate.with_name("backup"))
    ask(gate, "example.com", "other.example")
    shutil.copy(gate.with_name("backup") / "whoisgate.db", gate)
    with pytest.raises(StaleLog, match="log recover"):
        ask(gate, "example.com")
    assert "2 entries taken back" in run(gate, "log", "recover", *WHO)
    assert "nothing to recover" in run(gate, "log", "recover", *WHO)
    ask(gate, "example.com")
    assert "2 envelopes were lost" in verified(gate)


def test_needs_no_private_key_of_the_operator_here(tmp_path):
    private = X25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "operator.pem").write_bytes(public)
    (tmp_path / "elsewhere.key").write_bytes(pem)
    gate = made(tmp_path / "gate", operator=tmp_path / "operator.pem")
    assert not (gate / "keys" / "operator.key").exists()
    (entry,) = ask(gate, "example.com")
    said = run(gate, "log", "open", entry, *WHO, code=1)
    assert "WG502: expected a readable `keys/operator.key`" in said
    for given in ("no.pem", "no/such/key.pem", str(tmp_path / "no.pem")):
        said = run(gate, "log", "open", entry, *WHO, "--key", given, code=1)
        assert f"WG502: expected a readable `{given}`: FileNotFoundError" in said
    folder = app.Folder.at(gate)
    with folder.opened() as log:
        size = log.size()
    key = tmp_path / "elsewhere.key"
    assert "2026-114" in run(gate, "log", "open", entry, *WHO, "--key", key)
    with folder.opened() as log:
        assert log.size() == size + 1  # the refused attempt opened nothing, and left no entry


def test_opens_the_operators_key_with_its_passphrase_or_through_an_agent(tmp_path):
    gate = made(tmp_path / "gate", operator_passphrase=b"correct horse")
    (entry,) = ask(gate, "example.com")
    assert "WG502" in run(gate, "log", "open", entry, *WHO, code=1)
    config = gate / "whoisgate.toml"
    plain = config.read_text()
    (tmp_path / "line").write_text("correct horse\n")
    config.write_text(f'{plain}[keys]\noperator_passphrase_file = "{tmp_path}/line"\n')
    assert "2026-114" in run(gate, "log", "open", entry, *WHO)
    (gate / "keys" / "operator.key").rename(tmp_path / "moved.key")
    command = f'operator_command = ["cat", "{tmp_path}/moved.key"]\n'
    config.write_text(config.read_text() + command)
    assert "2026-114" in run(gate, "log", "open", entry, *WHO)
    config.write_text(f'{plain}[keys]\noperator_command = ["false"]\n')
    with pytest.raises(MissingKey, match="expected a key from `false`"):
        app.Folder.at(gate).operator_key()


def test_publishes_what_it_keeps_and_prunes_the_rest(tmp_path, monkeypatch):
    gate = tmp_path / "gate"
    monkeypatch.setattr(app, "utc_now", lambda now=app.utc_now: now() - timedelta(days=2000))
    made(gate)
    ask(gate, *["example.com"] * 300)
    monkeypatch.undo()
    approved = ("--by", "Ann Operator", "--approved-by", "Bo Counsel")
    assert "entries are kept always" in run(gate, "log", "prune")
    assert "kept always" not in run(gate, "verify", ".", "--key", "keys/log.vkey")
    config = gate / "whoisgate.toml"
    config.write_text(config.read_text() + "[log]\nkeep_entries_days = 1500\n")
    assert "0 entries are pruned" in run(gate, "log", "prune")  # they can still be opened
    run(gate, "log", "erase", "--retention", "--why", "retention", *approved)
    assert "256 entries are pruned" in run(gate, "log", "prune")
    assert "The first 256 entries are pruned" in run(gate, "verify", ".", "--key", "keys/log.vkey")
    run(gate, "log", "rotate")
    run(gate, "log", "rotate", "--finish")
    assert "Verified." in run(gate, "verify", ".", "--key", "keys/log.vkey")


def test_begins_the_log_of_another_year(tmp_path, monkeypatch):
    old, new = tmp_path / "gate", tmp_path / "gate-next"
    last = app.utc_now().replace(month=6, day=1) - timedelta(days=365)
    monkeypatch.setattr(app, "utc_now", lambda: last)
    made(old)
    ask(old, "example.com")
    with pytest.raises(MalformedConfig, match="earlier year"):
        made(new, after=old)
    monkeypatch.undo()
    made(new, after=old)
    ask(new, "example.com")
    shown = json.loads(run(old, "verify", ".", "--key", "keys/log.vkey", "--json"))
    follows = {each: shown[each] for each in ("origin", "size", "root")}
    told = json.loads(run(new, "verify", ".", "--key", "keys/log.vkey", "--json"))
    assert told["after"] == follows
    assert told["origin"] == f"localhost/log/{app.utc_now().year}"
    assert "follows another log" in run(new, "verify", ".", "--key", "keys/log.vkey")
    same = ("index.key", "substitute.key", "operator.key", "operator.pub")
    for name in same:
        assert (old / "keys" / name).read_bytes() == (new / "keys" / name).read_bytes()
    assert (old / "keys" / "log.vkey").read_text() != (new / "keys" / "log.vkey").read_text()
    for folder in (old, new):
        assert "2026-114" in run(folder, "log", "open", "--domain", "example.com", *WHO)


def test_lets_nobody_ask_in_another_year_whom_the_last_one_stopped(tmp_path, monkeypatch):
    old, new = tmp_path / "gate", tmp_path / "gate-next"
    steps = "[conduct]\nnames_per_hour = [2, 2, 2]\n"
    last = app.utc_now().replace(month=6, day=1) - timedelta(days=365)
    monkeypatch.setattr(app, "utc_now", lambda: last)
    made(old, tables=steps)
    ask(old, "example.com")
    (stopping,) = ask(old, "other.example", outcome="refused")
    monkeypatch.undo()
    made(new, tables=steps, after=old)
    ask(new, "example.com", outcome="refused")
    origin = f"localhost/log/{last.year}"
    assert f"2  STOPPED by entry {stopping} of {origin}, the log before" in run(new, "approve")
    (row,) = json.loads(run(new, "approve", "--json"))
    assert (row["stop"], row["earlier"]) == (2, {"log": origin, "entry": stopping})
    run(new, "approve", "--lift", 2, *WHO)
    ask(new, "example.com")
    # To carry takes nobody's signature, and to lift does.
    assert "0 of 1 acts that let ask" in verified(new, "--recipient", "keys/operator.key")
