"""What the operator's people do carries their signatures, where the configuration lists them."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from tests.conftest import PURPOSE
from tests.identity.tokens import EC, ED, ED_OTHER, RSA
from tests.test_authorities import POLICE, states
from tests.test_authorities import made as plain
from typer.testing import CliRunner

import whoisgate as wg
from whoisgate import app, authorities, operations
from whoisgate.audit.question import QuestionSigner
from whoisgate.audit.verify import SignedAct, VerificationFailed, parse_vkey, signed_act
from whoisgate.cli import app as cli
from whoisgate.errors import (
    MalformedConfig,
    MissingKey,
    UnknownEntry,
)
from whoisgate.sources.memory import MemorySource
from whoisgate.stores.inspection import Recipient, inspect

ANN, BO, EVE = map(QuestionSigner, (ED, EC, ED_OTHER))
TABLES = f"""
[directory]
approvers = {{approvers}}

[staff.signers]
"Ann Operator" = "{ANN.signer}"
"Bo Counsel" = "{BO.signer}"
"""
NAME = "Police of Example"
WHO = {"by": "Ann Operator", "reason": "a test"}
ADA = wg.Record.of("example.com", {"registrant.name": "Ada Example"})
OFFICER = wg.Requester(
    NAME, "officer-7", wg.RequesterClass.LAW_ENFORCEMENT, wg.Assurance.HIGH,
    purposes=frozenset(wg.Purpose), bases=frozenset(wg.LegalBasis),
)  # fmt: skip


def made(path, approvers=1, tables=TABLES):
    return plain(path, tables.format(approvers=approvers))


@pytest.fixture
def folder(tmp_path):
    return made(tmp_path / "gate")


@pytest.fixture
def log(folder):
    with folder.opened() as log:
        yield log


def asked(folder):
    """The entry of a question that waits for an approval."""
    gate = wg.open(folder.path, source=MemorySource([ADA]))
    answer = gate.ask("example.com", requester=OFFICER, purpose=PURPOSE, basis="national_order",
                      case="2026-114", elements=["registrant.name"])  # fmt: skip
    gate.close()
    assert str(answer.outcome) == "needs_approval"
    return answer.receipt.index


def fields(folder, log, entry):
    (opened,) = operations.open_entries(folder, log, [entry], **WHO)
    return opened.fields


def signed(folder, log, receipt):
    return signed_act(folder.config.gate.origin, fields(folder, log, receipt.index))


def listing(folder, log, **who):
    return authorities.add(folder, log, POLICE, **WHO | who)


def restoring(folder, log, **who):
    authorities.add(folder, log, POLICE, **WHO, signer=ANN)
    authorities.stop(folder, log, NAME, authorities.SUSPENDED, **WHO)
    return lambda: authorities.restore(folder, log, NAME, **WHO | who)


def letting_one_ask(folder, log, **who):
    authorities.bar(folder, log, NAME, "officer-7", barred=True, **WHO)
    return lambda: authorities.bar(folder, log, NAME, "officer-7", barred=False, **WHO | who)


def granting(folder, log, **who):
    entry, expires = asked(folder), app.utc_now() + timedelta(hours=1)
    said = {"by": "Ann Operator", "expires": expires} | who
    return lambda: operations.approve(folder, log, entry, ["registrant.name"], **said)


def erasing(folder, log, **who):
    entry, who = asked(folder), {"approved_by": who.pop("by", "Ann Operator"), **who}
    return lambda: operations.erase(folder, log, [entry], reason="request", by="cron", **who)


ACTS = (
    lambda folder, log, **who: lambda: listing(folder, log, **who),
    restoring, letting_one_ask, granting, erasing,
)  # fmt: skip


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize(
    "who", [{}, {"signer": BO}, {"signer": EVE}, {"by": "Eve", "signer": EVE}, {"by": "Eve"}]
)
def test_nothing_is_let_out_or_destroyed_without_the_signature(folder, log, act, who):
    do = act(folder, log, **who)
    size, before = log.size(), states(log)
    with pytest.raises(MissingKey, match=r"\[staff\]"):
        do()
    assert (log.size(), states(log)) == (size, before)


@pytest.mark.parametrize("act", ACTS)
def test_the_entry_keeps_who_signed_what(folder, log, act):
    receipt = act(folder, log, by="Bo Counsel", signer=BO)()
    assert signed(folder, log, receipt) == SignedAct("Bo Counsel", BO.signer)


def test_to_stop_somebody_takes_no_signature(folder, log):
    listing(folder, log, signer=ANN)
    for receipt in (
        authorities.bar(folder, log, NAME, "officer-7", barred=True, **WHO),
        authorities.stop(folder, log, NAME, authorities.SUSPENDED, **WHO),
        authorities.stop(folder, log, NAME, authorities.REVOKED, **WHO),
    ):
        assert signed(folder, log, receipt) is None


def test_two_people_are_two_keys(tmp_path):
    folder = made(tmp_path / "two", approvers=2)
    with folder.opened() as log:
        proposed = listing(folder, log, signer=ANN)
        with pytest.raises(UnknownEntry, match="somebody else"):
            authorities.confirm(folder, log, proposed.index, by="Ann Operator", signer=ANN)
        with pytest.raises(MissingKey):  # who proposed it cannot be the other one too
            authorities.confirm(folder, log, proposed.index, by="Bo Counsel", signer=ANN)
        assert states(log) == {}
        confirmed = authorities.confirm(folder, log, proposed.index, by="Bo Counsel", signer=BO)
        assert states(log) == {NAME: "active"}
        said = fields(folder, log, confirmed.index)["detail"]
        assert said["records"] == [fields(folder, log, proposed.index)["detail"]["record"]]


def test_what_is_old_enough_is_erased_by_a_timer(tmp_path, monkeypatch):
    monkeypatch.setattr(app, "utc_now", lambda now=app.utc_now: now() - timedelta(days=2000))
    folder = made(tmp_path / "gate")
    old = asked(folder)
    monkeypatch.undo()
    young = asked(folder)
    by = {"reason": "retention", "by": "cron", "approved_by": "the rule of 2026-11-01"}
    with folder.opened() as log:
        with pytest.raises(MissingKey):
            operations.erase(folder, log, [old, young], **by)
        assert signed(folder, log, operations.erase(folder, log, [old], **by)) is None


def test_a_changed_word_is_not_what_was_signed(folder, log):
    origin = folder.config.gate.origin
    entry = listing(folder, log, signer=ANN).index
    good = fields(folder, log, entry)
    kept = good["detail"]["signature"]
    changes = [
        {"kind": "approval"}, {"outcome": "revoked"}, {"authority": None},
        {"decided_at": good["logged_at"]},
        {"detail": good["detail"] | {"record": "0" * 64}},
        {"detail": good["detail"] | {"more": 1}},
        {"detail": {n: v for n, v in good["detail"].items() if n != "reason"}},
        *({"detail": good["detail"] | {"signature": kept | change}} for change in (
            {"by": "Bo Counsel"}, {"signature": "AA"}, {"signature": "?"}, {"more": 1},
            {"algorithm": "ecdsa-p256-sha256"}, {"key": {"kty": "OKP"}}, {"key": None},
        )),
        {"detail": good["detail"] | {"signature": None}},
    ]  # fmt: skip
    assert signed_act(origin, good) == SignedAct("Ann Operator", ANN.signer)
    for change in changes:
        with pytest.raises(VerificationFailed) as failure:
            signed_act(origin, good | change)
        assert failure.value.code == "WG431", change
    with pytest.raises(VerificationFailed):
        signed_act("other.example/log/2026", good)


def test_without_a_list_nothing_is_signed(tmp_path):
    folder = made(tmp_path / "plain", tables="")
    with folder.opened() as log:
        assert signed(folder, log, listing(folder, log)) is None
        with pytest.raises(MissingKey, match=r"\[staff\]"):
            listing(folder, log, signer=ANN)


@pytest.mark.parametrize(
    "table",
    ['Ann = "short"', f'Ann = "{ANN.signer}"\nBo = "{ANN.signer}"', '"" = "' + ANN.signer + '"'],
)
def test_refuses_a_list_that_two_can_hide_behind(tmp_path, table):
    folder = made(tmp_path / "gate", tables="")
    config = folder.path / "whoisgate.toml"
    config.write_text(config.read_text() + f"\n[staff.signers]\n{table}\n")
    with pytest.raises(MalformedConfig, match="staff"):
        app.Folder.at(folder.path)


@pytest.mark.parametrize("key", [ED, EC, RSA])
def test_on_the_command_line(tmp_path, key):
    signer = QuestionSigner(key)
    folder = made(
        tmp_path / "gate", tables=f'[staff.signers]\n"Ann Operator" = "{signer.signer}"\n'
    )
    encrypted = BestAvailableEncryption(b"secret")
    (tmp_path / "ann.pem").write_bytes(pem(key, encrypted))
    (tmp_path / "eve.pem").write_bytes(pem(ED_OTHER))
    entry = str(asked(folder))
    words = ["approve", entry, "--elements", "registrant.name", "--by", "Ann Operator"]
    runner, where = CliRunner(), ["--dir", str(folder.path)]
    refused = [
        runner.invoke(cli, [*words, *where]),
        runner.invoke(cli, [*words, *where, "--sign-with", str(tmp_path / "eve.pem")]),
        runner.invoke(cli, [*words, *where, "--sign-with", str(tmp_path / "ann.pem")], "wrong\n"),
        runner.invoke(cli, [*words, *where, "--sign-with", str(tmp_path / "none.pem")]),
    ]
    assert {type(each.exception) for each in refused} == {MissingKey}
    asking = [*words, *where, "--sign-with", str(tmp_path / "ann.pem")]
    done = runner.invoke(cli, asking, "secret\n", catch_exceptions=False)
    assert done.exit_code == 0
    number = done.output.rpartition(" ")[2].strip()
    shown = runner.invoke(
        cli, ["log", "open", number, "--by", "Cy Auditor", "--reason", "yearly", *where]
    )
    assert f"signed: 'Ann Operator' by the key {signer.signer}: it holds" in shown.output


def inspected(folder):
    """What an auditor's key finds in the whole database."""
    reader = Recipient(folder.operator_key(), folder.path / "shred.slots", app.utc_now())
    note = (folder.log_folder / "checkpoint").read_text()
    keys = (parse_vkey((folder.path / "keys" / "log.vkey").read_text().strip()),)
    return inspect(folder.path / "whoisgate.db", note, keys, None, reader)


def test_an_auditor_counts_who_signed_what(folder, log):
    restoring(folder, log, by="Bo Counsel", signer=BO)()
    granting(folder, log, signer=ANN)()
    log.publish()
    found = inspected(folder)
    assert (found.acts, found.signed) == (3, {ANN.signer: 2, BO.signer: 1})
    assert (
        f"3 of 3 acts that let ask, approve or erase are signed, 2 by the key {ANN.signer}"
        in (found.sentences()[-1])
    )


def test_an_auditor_finds_an_act_that_nobody_signed(folder, log, monkeypatch):
    listing(folder, log, signer=ANN)
    monkeypatch.setattr(operations, "signature", lambda *_: {})  # [staff] was taken out meanwhile
    listing(folder, log)
    log.publish()
    assert (inspected(folder).acts, inspected(folder).signed) == (2, {ANN.signer: 1})
    monkeypatch.undo()
    monkeypatch.setattr(QuestionSigner, "over", lambda *_: bytes(64))
    entry = listing(folder, log, signer=ANN).index
    log.publish()
    with pytest.raises(VerificationFailed) as failure:
        inspected(folder)
    assert (failure.value.code, failure.value.index) == ("WG431", entry)


def test_opening_tells_of_a_signature_that_does_not_hold(folder, log, monkeypatch):
    monkeypatch.setattr(QuestionSigner, "over", lambda *_: bytes(64))
    entry = listing(folder, log, signer=ANN).index
    words = ["log", "open", str(entry), "--by", "Cy", "--reason", "r", "--dir", str(folder.path)]
    shown = CliRunner().invoke(cli, words)
    assert shown.exit_code == 1
    assert "signed: WG431" in shown.output


def pem(key, how=NoEncryption()):  # noqa: B008  constant
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)
