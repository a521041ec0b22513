"""The operator's work on the directory: two people, exchange between operators, what is stale."""

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.identity.tokens import ED, ED_OTHER, by_token, ed_jwk, jwks, record

import whoisgate as wg
from whoisgate import app, authorities, operations
from whoisgate.errors import MalformedAuthority, MissingKey, UnknownEntry
from whoisgate.identity import exchange

PROOF = by_token("https://id.police.example", "EdDSA", jwks(ed_jwk(ED, kid="2026")))
POLICE = record("Police of Example", "police", PROOF, valid_until="2099-01-01T00:00:00Z")
WHO = {"by": "Ann Operator", "reason": "a test"}
FORM = "https://registrar.example/contact?domain={domain}"


def made(path, tables=""):
    wg.init(path, host=f"{path.name}.example", web_form=FORM, tables=tables)
    return app.Folder.at(path)


@pytest.fixture
def folder(tmp_path):
    return made(tmp_path / "gate")


@pytest.fixture
def log(folder):
    with folder.opened() as log:
        yield log


def states(log):
    return {s.record.authority: s.state for s in authorities.listed(log)}


def test_every_change_is_an_entry_that_shows_nothing(folder, log):
    first = authorities.add(folder, log, POLICE, **WHO)
    authorities.stop(folder, log, "Police of Example", authorities.SUSPENDED, **WHO)
    authorities.restore(folder, log, "Police of Example", **WHO)
    authorities.bar(folder, log, "Police of Example", "officer-7", barred=True, **WHO)
    last = authorities.stop(folder, log, "Police of Example", authorities.REVOKED, **WHO)
    assert states(log) == {"Police of Example": "revoked"}
    leaves = b"".join(log.leaf(n) for n in range(first.index, last.index + 1))
    assert last.index == first.index + 4
    assert b"Police" not in leaves
    assert b"officer" not in leaves
    (opened,) = operations.open_entries(folder, log, [first.index], **WHO)
    assert opened.fields["kind"] == "authority"
    assert opened.fields["authority"] == "Police of Example"
    assert json.loads(opened.sealed["record"])["authority"] == "Police of Example"
    with pytest.raises(UnknownEntry, match="suspended"):
        authorities.restore(folder, log, "Police of Example", **WHO)


def test_refuses_keys_that_cannot_be_used_and_an_issuer_twice(folder, log):
    weak = record("Weak", "police", by_token("https://id.weak.example", "EdDSA", jwks()))
    size = log.size()
    with pytest.raises(MalformedAuthority):
        authorities.add(folder, log, weak, **WHO)
    assert log.size() == size
    authorities.add(folder, log, POLICE, **WHO)
    with pytest.raises(MalformedAuthority, match="one authority"):
        authorities.add(folder, log, record("Impostor", "police", PROOF), **WHO)


def test_two_people_decide_where_the_configuration_says_so(tmp_path):
    folder = made(tmp_path / "two", "[directory]\napprovers = 2\n")
    with folder.opened() as log:
        proposed = authorities.add(folder, log, POLICE, **WHO)
        assert states(log) == {}
        with pytest.raises(UnknownEntry, match="somebody else"):
            authorities.confirm(folder, log, proposed.index, by="Ann Operator")
        authorities.confirm(folder, log, proposed.index, by="Bo Counsel")
        assert states(log) == {"Police of Example": "active"}
        authorities.stop(folder, log, "Police of Example", authorities.SUSPENDED, **WHO)
        again = authorities.restore(folder, log, "Police of Example", **WHO)
        assert states(log) == {"Police of Example": "suspended"}
        authorities.confirm(folder, log, again.index, by="Bo Counsel")
        assert states(log) == {"Police of Example": "active"}


def test_says_what_wants_attention(folder, log, monkeypatch):
    authorities.add(folder, log, POLICE, **WHO)
    assert authorities.listed(log)[0].stale == ()
    later = app.utc_now() + timedelta(days=400)
    monkeypatch.setattr(app, "utc_now", lambda: later)
    assert authorities.listed(log)[0].stale == ("vetted 2026-11-01",)


def exchanged(tmp_path, folder, name="other"):
    """Another operator who trusts the directory of ``folder``."""
    jwk = (folder.path / "keys" / "directory.jwk").read_bytes()
    other = made(tmp_path / name, '[directory]\nsigners = {first = "first.jwk"}\n')
    (other.path / "first.jwk").write_bytes(jwk)
    return other


def test_two_operators_exchange_a_directory(tmp_path, folder, log):
    standing = {"basis": "national_order", "elements": ["registrant.name"],
                "expires": "2099-01-01T00:00:00Z"}  # fmt: skip
    own = {"standing": [standing], "budget": {"person": {"day": 3}}}
    authorities.add(folder, log, record("Police of Example", "police", PROOF, **own), **WHO)
    first = authorities.export(folder, log)
    other = exchanged(tmp_path, folder)
    with other.opened() as theirs:
        authorities.take(other, theirs, first, **WHO)
        (state,) = authorities.listed(theirs)
        assert state.record.proof == POLICE.proof
        # What one operator decides for itself stays with it.
        assert state.record.standing == ()
        assert state.record.jurisdiction is None
        assert state.record.budget.person.day is None
        authorities.stop(folder, log, "Police of Example", authorities.REVOKED, **WHO)
        second = authorities.export(folder, log)
        authorities.take(other, theirs, second, **WHO)
        assert states(theirs) == {"Police of Example": "revoked"}
        with pytest.raises(MalformedAuthority, match="a later one"):
            authorities.take(other, theirs, first, **WHO)
        assert states(theirs) == {"Police of Example": "revoked"}


def test_keeps_what_the_importer_decided_itself(tmp_path, folder, log):
    authorities.add(folder, log, POLICE, **WHO)
    text = authorities.export(folder, log)
    other = exchanged(tmp_path, folder)
    local = record("Police of Example", "police", PROOF, budget={"person": {"day": 3}})
    with other.opened() as theirs:
        authorities.add(other, theirs, local, **WHO)
        authorities.take(other, theirs, text, **WHO)
        (state,) = authorities.listed(theirs)
        assert state.record.budget.person.day == 3
        assert state.record.valid_until == POLICE.valid_until


def test_refuses_an_authority_that_cannot_prove_itself(folder, log):
    with pytest.raises(MalformedAuthority, match="`proof`"):
        authorities.add(folder, log, record("Police of Example", "police"), **WHO)


def test_neither_sends_nor_takes_the_word_of_an_application(tmp_path, folder, log):
    here = {"method": "application", "assurance": "high"}
    authorities.add(folder, log, record("Police of Example", "police", PROOF, here), **WHO)
    authorities.add(folder, log, record("Court", "court", here), **WHO)
    text = authorities.export(folder, log)
    assert b"application" not in exchange.opened(
        text, {"first": exchange.read_key((folder.path / "keys" / "directory.jwk").read_bytes())}
    )[1]  # fmt: skip
    other = exchanged(tmp_path, folder)
    there = {"method": "application", "assurance": "low"}
    with other.opened() as theirs:
        authorities.add(other, theirs, record("Police of Example", "police", there), **WHO)
        authorities.take(other, theirs, text, **WHO)
        court, police = authorities.listed(theirs)
        assert [proof.method for proof in court.record.proof] == []
        assert [proof.method for proof in police.record.proof] == ["token", "application"]
        assert police.record.proof[1].assurance == "low"
        size = theirs.size()
        authorities.take(other, theirs, text, **WHO)
        assert authorities.listed(theirs) == [court, police]
        assert theirs.size() == size + 1


def test_takes_no_application_from_whoever_sends_one(tmp_path, folder, log):
    authorities.add(folder, log, POLICE, **WHO)
    authorities.export(folder, log)
    private = exchange.read_key((folder.path / "keys" / "directory.key").read_bytes())
    sent = json.loads(record("Police of Example", "police", PROOF,
                             {"method": "application", "assurance": "high"}).text())  # fmt: skip
    content = {"whoisgate_directory": 1, "version": 1,
               "authorities": [{"state": "active", "record": sent}]}  # fmt: skip
    other = exchanged(tmp_path, folder)
    with other.opened() as theirs:
        text = exchange.signed(json.dumps(content).encode(), private)
        authorities.take(other, theirs, text, **WHO)
        (police,) = authorities.listed(theirs)
        assert [proof.method for proof in police.record.proof] == ["token"]


@pytest.mark.parametrize("state", [authorities.SUSPENDED, authorities.REVOKED])
def test_nobody_else_lets_ask_again_whom_the_importer_stopped(tmp_path, folder, log, state):
    authorities.add(folder, log, POLICE, **WHO)
    text = authorities.export(folder, log)
    other = exchanged(tmp_path, folder)
    with other.opened() as theirs:
        authorities.take(other, theirs, text, **WHO)
        authorities.stop(other, theirs, "Police of Example", state, **WHO)
        authorities.add(folder, log, record("Police of Example", "prosecutor", PROOF), **WHO)
        authorities.take(other, theirs, authorities.export(folder, log), **WHO)
        (listed,) = authorities.listed(theirs)
        assert (listed.state, listed.record.kind) == (state, "prosecutor")


def test_a_suspended_authority_stays_so_under_another_record(folder, log):
    authorities.add(folder, log, POLICE, **WHO)
    authorities.stop(folder, log, "Police of Example", authorities.SUSPENDED, **WHO)
    authorities.add(folder, log, record("Police of Example", "prosecutor", PROOF), **WHO)
    assert states(log) == {"Police of Example": "suspended"}
    authorities.restore(folder, log, "Police of Example", **WHO)
    (listed,) = authorities.listed(log)
    assert (listed.state, listed.record.kind) == ("active", "prosecutor")


def test_refuses_every_changed_byte(tmp_path, folder, log):
    authorities.add(folder, log, POLICE, **WHO)
    text = authorities.export(folder, log)
    other = exchanged(tmp_path, folder)
    with other.opened() as theirs:
        size = theirs.size()
        for at in range(0, len(text), 7):
            altered = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
            with pytest.raises(MalformedAuthority):
                authorities.take(other, theirs, altered, **WHO)
        assert theirs.size() == size


@pytest.mark.parametrize("version", [-1, 1 << 53, 1 << 63, 1 << 64, True, 1.0, "1", None])
def test_refuses_a_version_that_no_entry_can_hold(tmp_path, folder, log, version):
    authorities.export(folder, log)
    private = exchange.read_key((folder.path / "keys" / "directory.key").read_bytes())
    other = exchanged(tmp_path, folder)

    def take(version):
        content = {"whoisgate_directory": 1, "version": version, "authorities": []}
        text = exchange.signed(json.dumps(content).encode(), private)
        return authorities.take(other, theirs, text, **WHO)

    with other.opened() as theirs:
        with pytest.raises(MalformedAuthority):
            take(version)
        take((1 << 53) - 1)


def test_refuses_a_signer_that_is_trusted_no_more(tmp_path, folder, log):
    authorities.add(folder, log, POLICE, **WHO)
    text = authorities.export(folder, log)
    other = exchanged(tmp_path, folder)
    toml = other.path / "whoisgate.toml"
    toml.write_text(toml.read_text().replace('{first = "first.jwk"}', "{}"))
    revoked = app.Folder.at(other.path)
    with revoked.opened() as theirs, pytest.raises(MalformedAuthority, match="signer"):
        authorities.take(revoked, theirs, text, **WHO)
    stranger = replace(other, config=other.config)
    (other.path / "first.jwk").write_text(json.dumps(ed_jwk(ED_OTHER)))
    with stranger.opened() as theirs, pytest.raises(MalformedAuthority):
        authorities.take(stranger, theirs, text, **WHO)
    (other.path / "first.jwk").write_text("{}")
    with stranger.opened() as theirs, pytest.raises(MissingKey):
        authorities.take(stranger, theirs, text, **WHO)


def test_takes_only_what_was_asked_for(tmp_path, folder, log):
    authorities.add(folder, log, POLICE, **WHO)
    court = by_token("https://court.example", "EdDSA", jwks(ed_jwk(ED_OTHER, kid="c")))
    authorities.add(folder, log, record("Court", "court", court), **WHO)
    text = authorities.export(folder, log)
    other = exchanged(tmp_path, folder)
    with other.opened() as theirs:
        authorities.take(other, theirs, text, only=["Court"], **WHO)
        assert states(theirs) == {"Court": "active"}
        with pytest.raises(UnknownEntry):
            authorities.take(other, theirs, text, only=["Nobody"], **WHO)


@contextmanager
def set_back(folder):
    """Whatever is done meanwhile, the database does not know of it."""
    copy = (folder.path / "whoisgate.db").read_bytes()
    with folder.opened() as log:
        yield log
    for spare in folder.path.glob("whoisgate.db-*"):
        spare.unlink()
    (folder.path / "whoisgate.db").write_bytes(copy)
    operations.recover(folder, **WHO)


def test_an_old_backup_leaves_nobody_able_to_ask(folder, log):
    authorities.add(folder, log, POLICE, **WHO)
    log.close()
    with set_back(folder) as later:
        authorities.stop(folder, later, "Police of Example", authorities.REVOKED, **WHO)
    with folder.opened() as again:
        assert states(again) == {"Police of Example": "suspended"}


def test_an_old_backup_makes_no_revoked_authority_restorable(folder, log):
    authorities.add(folder, log, POLICE, **WHO)
    authorities.stop(folder, log, "Police of Example", authorities.REVOKED, **WHO)
    log.close()
    with set_back(folder) as later:
        operations.erase(folder, later, [], reason="request", by="Ann", approved_by="Bo")
    with folder.opened() as again:
        assert states(again) == {"Police of Example": "revoked"}
        with pytest.raises(UnknownEntry, match="suspended"):
            authorities.restore(folder, again, "Police of Example", **WHO)


def test_an_old_backup_brings_back_no_proposal_that_was_taken_back(tmp_path):
    folder = made(tmp_path / "two", "[directory]\napprovers = 2\n")
    with folder.opened() as log:
        first = authorities.add(folder, log, POLICE, **WHO)
        authorities.confirm(folder, log, first.index, by="Bo Counsel")
        wider = authorities.add(folder, log, POLICE, **WHO)
    with set_back(folder) as later:
        authorities.stop(folder, later, "Police of Example", authorities.SUSPENDED, **WHO)
    with folder.opened() as again:
        assert again.directory().proposals == []
        with pytest.raises(UnknownEntry):
            authorities.confirm(folder, again, wider.index, by="Bo Counsel")
        assert states(again) == {"Police of Example": "suspended"}
