"""The operator's work on the directory: two people, exchange between operators, what is stale."""

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.identity.tokens import ED, ED_OTHER, by_token, ed_jwk, jwks, record

import whoisgate as wg
from whoisgate import app, authorities, operations
from whoisgate.audit.draft import Asking, Carried, CarriedStop, Draft, Listed
from whoisgate.conduct import Thresholds
from whoisgate.errors import (
    ConductStopped,
    CredentialRefused,
    DirectoryChanged,
    MalformedAuthority,
    MalformedConfig,
    MissingKey,
    UnknownEntry,
)
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


def shared(record):
    """What of a record is exchanged."""
    return authorities._shared(json.loads(record.text()))


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


def exchanged(tmp_path, folder, more=""):
    """Another operator who trusts the directory of ``folder``."""
    if not (folder.path / "keys" / "directory.jwk").exists():
        with folder.opened() as log:
            authorities.export(folder, log)
    jwk = (folder.path / "keys" / "directory.jwk").read_bytes()
    other = made(tmp_path / "other", f'[directory]\nsigners = {{first = "first.jwk"}}\n{more}')
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
        authorities.take(other, theirs, text, widen=True, **WHO)
        court, police = authorities.listed(theirs)
        assert [proof.method for proof in court.record.proof] == []
        assert [proof.method for proof in police.record.proof] == ["token", "application"]
        assert police.record.proof[1].assurance == "low"
        size = theirs.size()
        authorities.take(other, theirs, text, widen=True, **WHO)
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
        authorities.add(
            folder,
            log,
            authorities.read(json.loads(POLICE.text()) | {"kind": "prosecutor"}, "later"),
            **WHO,
        )
        authorities.take(other, theirs, authorities.export(folder, log), **WHO)
        (listed,) = authorities.listed(theirs)
        assert (listed.state, listed.record.kind) == (state, "prosecutor")


@pytest.mark.parametrize("state", [authorities.SUSPENDED, authorities.REVOKED])
def test_nobody_whom_the_importer_stopped_comes_in_under_another_name(tmp_path, folder, log, state):
    court = by_token("https://court.example", "EdDSA", jwks(ed_jwk(ED_OTHER, kid="c")))
    authorities.add(folder, log, record("POLICE of Example", "police", PROOF), **WHO)
    authorities.add(folder, log, record("Court", "court", court), **WHO)
    other = exchanged(tmp_path, folder)
    with other.opened() as theirs:
        authorities.add(other, theirs, POLICE, **WHO)
        authorities.stop(other, theirs, "Police of Example", state, **WHO)
        taken = authorities.take(other, theirs, authorities.export(folder, log), **WHO)
        assert states(theirs) == {"Police of Example": state, "Court": "active"}
        assert taken.left.keys() == {"POLICE of Example"}


WIDER = {
    "purposes": {"purposes": sorted(p.value for p in wg.Purpose)},
    "bases": {"bases": sorted(b.value for b in wg.LegalBasis)},
    "valid_until": {"valid_until": "2099-06-01T00:00:00Z"},
    "kind": {"kind": "court"},
    "country": {"country": "NL"},
    "proof": {"proof": [PROOF | {"assurance_bound": "high"}]},
}


@pytest.mark.parametrize("member", WIDER)
def test_an_import_allows_nobody_more_than_here_unless_told_to(tmp_path, folder, log, member):
    authorities.add(folder, log, POLICE, **WHO)
    first = authorities.export(folder, log)
    other = exchanged(tmp_path, folder)
    with other.opened() as theirs:
        assert authorities.take(other, theirs, first, **WHO).left == {}
        said = json.loads(POLICE.text()) | WIDER[member]
        authorities.add(folder, log, authorities.read(said, "wider"), **WHO)
        second = authorities.export(folder, log)
        taken = authorities.take(other, theirs, second, **WHO)
        assert taken.left.keys() == {"Police of Example"}
        assert member in taken.left["Police of Example"]
        (kept,) = authorities.listed(theirs)
        assert shared(kept.record) == shared(POLICE)
        assert authorities.take(other, theirs, second, widen=True, **WHO).left == {}
        (now,) = authorities.listed(theirs)
        assert shared(now.record) == shared(authorities.read(said, "wider"))
        # Back to less is taken, and so is a stop of whoever would be allowed more.
        authorities.add(folder, log, POLICE, **WHO)
        third = authorities.export(folder, log)
        if member not in {"kind", "country", "proof"}:  # of these any other is more
            assert authorities.take(other, theirs, third, **WHO).left == {}
            authorities.add(folder, log, authorities.read(said, "wider"), **WHO)
            authorities.stop(folder, log, "Police of Example", authorities.REVOKED, **WHO)
            authorities.take(other, theirs, authorities.export(folder, log), **WHO)
            (stopped,) = authorities.listed(theirs)
            assert (stopped.state, stopped.record) == ("revoked", kept.record)


def test_new_keys_are_taken_and_weaker_proofs_too(tmp_path, folder, log):
    authorities.add(folder, log, POLICE, **WHO)
    other = exchanged(tmp_path, folder)
    with other.opened() as theirs:
        authorities.take(other, theirs, authorities.export(folder, log), **WHO)
        for changed in (
            {"keys": json.loads(jwks(ed_jwk(ED_OTHER, kid="2027")))}, {"assurance": "low"},
        ):  # fmt: skip
            said = json.loads(POLICE.text()) | {"proof": [PROOF | changed]}
            authorities.add(folder, log, authorities.read(said, "changed"), **WHO)
            text = authorities.export(folder, log)
            assert authorities.take(other, theirs, text, **WHO).left == {}
            (held,) = authorities.listed(theirs)
            assert shared(held.record) == shared(authorities.read(said, "changed"))


def test_one_import_arms_nobody_who_is_stopped_where_two_decide(tmp_path, folder, log):
    authorities.add(folder, log, POLICE, **WHO)
    first = authorities.export(folder, log)
    other = exchanged(tmp_path, folder, "approvers = 2\n")
    with other.opened() as theirs:
        proposed = authorities.take(other, theirs, first, **WHO).receipt
        authorities.confirm(other, theirs, proposed.index, by="Bo Counsel")
        authorities.stop(other, theirs, "Police of Example", authorities.SUSPENDED, **WHO)
        keys = PROOF | {"keys": json.loads(jwks(ed_jwk(ED_OTHER, kid="thief")))}
        authorities.add(folder, log, record("Police of Example", "police", keys), **WHO)
        authorities.take(other, theirs, authorities.export(folder, log), **WHO)
        (held,) = authorities.listed(theirs)
        assert (held.state, held.record.proof) == ("suspended", POLICE.proof)


def test_two_stopped_rivals_are_not_both_restored(folder, log):
    authorities.add(folder, log, POLICE, **WHO)
    authorities.stop(folder, log, "Police of Example", authorities.SUSPENDED, **WHO)
    authorities.add(folder, log, record("Police", "police", PROOF), **WHO)
    with pytest.raises(MalformedAuthority, match="one authority"):
        authorities.restore(folder, log, "Police of Example", **WHO)
    assert states(log) == {"Police of Example": "suspended", "Police": "active"}


def test_a_stop_outruns_a_change_that_is_being_decided(folder, log, monkeypatch):
    authorities.add(folder, log, POLICE, **WHO)
    check, wider = authorities._check, record("Police of Example", "prosecutor", PROOF)

    def stopped_meanwhile(*words):
        check(*words)
        with folder.opened() as other:
            authorities.stop(folder, other, "Police of Example", authorities.SUSPENDED, **WHO)

    monkeypatch.setattr(authorities, "_check", stopped_meanwhile)
    with pytest.raises(DirectoryChanged):
        authorities.add(folder, log, wider, **WHO)
    monkeypatch.undo()
    assert states(log) == {"Police of Example": "suspended"}
    authorities.stop(folder, log, "Police of Example", authorities.REVOKED, **WHO)
    with pytest.raises(UnknownEntry, match="revoked"):
        authorities.stop(folder, log, "Police of Example", authorities.SUSPENDED, **WHO)


def test_a_stop_follows_a_change_that_outran_it(folder, log, monkeypatch):
    authorities.add(folder, log, POLICE, **WHO)
    written, other = authorities.logged, record("Police of Example", "prosecutor", PROOF)

    def changed_meanwhile(*words, **more):
        monkeypatch.undo()
        with folder.opened() as elsewhere:
            authorities.add(folder, elsewhere, other, **WHO)
        return written(*words, **more)

    monkeypatch.setattr(authorities, "logged", changed_meanwhile)
    authorities.stop(folder, log, "Police of Example", authorities.SUSPENDED, **WHO)
    (held,) = authorities.listed(log)
    assert (held.state, held.record.kind) == ("suspended", "prosecutor")


def test_two_people_let_one_person_ask_again_where_two_decide(tmp_path):
    folder = made(tmp_path / "two", "[directory]\napprovers = 2\n")
    identity = wg.Requester.identity_of("Police of Example", "officer-7")
    person = (folder, "Police of Example", "officer-7")
    with folder.opened() as log:
        authorities.bar(person[0], log, *person[1:], barred=True, **WHO)
        assert log.directory().barred(identity)
        again = authorities.bar(person[0], log, *person[1:], barred=False, **WHO)
        assert log.directory().barred(identity)
        with pytest.raises(UnknownEntry, match="somebody else"):
            authorities.confirm(folder, log, again.index, by="Ann Operator")
        authorities.confirm(folder, log, again.index, by="Bo Counsel")
        assert not log.directory().barred(identity)


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


# --- The log of another year ---


def year_after(folder, monkeypatch):
    """The folder of the year after, in which the clock stands from here on."""
    year = int(folder.config.gate.origin[-4:]) + 1
    later = app.utc_now().replace(year=year, month=6, day=1)
    monkeypatch.setattr(app, "utc_now", lambda: later)
    return wg.init(folder.path / "next", after=folder.path, web_form=FORM)


def named(folder, origin):
    """The folder, as if its log had another name."""
    settings = folder.config.gate.model_copy(update={"origin": origin})
    return replace(folder, config=folder.config.model_copy(update={"gate": settings}))


def asks(log, person, kind="disclosure", domain="a.example"):
    """Somebody of an authority that is not listed asks; a second name stops."""
    steps = Thresholds(hour=(2, 2, 2), day=(9, 9, 9), run=(9, 9, 9))
    asked = Draft(
        *(kind, "d" * 64, app.utc_now()), domain=domain, authority="Elsewhere",
        requester=wg.Requester.identity_of("Elsewhere", person), asking=Asking(thresholds=steps),
    )  # fmt: skip
    return log.append(asked)


def test_another_year_lets_nobody_ask_whom_the_last_one_stopped(folder, monkeypatch):
    court = by_token("https://court.example", "EdDSA", jwks(ed_jwk(ED_OTHER, kid="c")))
    with folder.opened() as log:
        authorities.add(folder, log, POLICE, **WHO)
        authorities.add(folder, log, record("Court", "court", court), **WHO)
        authorities.stop(folder, log, "Court", authorities.REVOKED, **WHO)
        for person, barred in (("officer-7", True), ("officer-8", True), ("officer-8", False)):
            authorities.bar(folder, log, "Police of Example", person, barred=barred, **WHO)
        stops = []
        for person in ("ann", "bo", "cy"):
            asks(log, person).result()
            stops.append(asks(log, person, "refusal", "b.example").result().index)
        operations.lift(folder, log, stops[2], **WHO)
    for _ in range(2):  # what was carried is carried on
        origin, folder = folder.config.gate.origin, year_after(folder, monkeypatch)
        with folder.opened() as log:
            assert states(log) == {"Court": "revoked", "Police of Example": "suspended"}
            assert authorities.listed(log)[1].record == POLICE
            assert {s.entry for s in authorities.listed(log)} == {1}
            told = [log.open_entry(n, folder.operator_key()) for n in (1, *log.stopped())]
            assert [t.fields["outcome"] for t in told] == ["carried"] * 3
            assert json.loads(told[0].sealed["records"][1])["authority"] == "Police of Example"
            assert told[0].fields["detail"]["stopped"] == stops[:2]
            assert [t.fields["detail"]["stopped"] for t in told[1:]] == [
                {"log": origin, "entry": entry} for entry in stops[:2]
            ]
            assert all(b"Police" not in log.leaf(n) for n in range(log.size()))
            stops = log.stopped()
            assert stops == [2, 3]
            for person in ("ann", "bo"):
                assert isinstance(asks(log, person).exception(), ConductStopped)
    with folder.opened() as log:
        assert asks(log, "cy").exception() is None
        operations.lift(folder, log, 3, **WHO)
        assert isinstance(asks(log, "ann").exception(), ConductStopped)
        assert asks(log, "bo").exception() is None
        restored = authorities.restore(folder, log, "Police of Example", **WHO).index
        for person, refused in (("officer-7", True), ("officer-8", False)):
            who = wg.Requester.identity_of("Police of Example", person)
            asked = Draft("disclosure", "d" * 64, app.utc_now(), requester=who, listed=restored,
                          authority="Police of Example")  # fmt: skip
            error = log.append(asked).exception()
            assert isinstance(error, CredentialRefused) is refused
            assert log.directory().barred(who) is refused
        with pytest.raises(UnknownEntry, match="suspended"):
            authorities.restore(folder, log, "Court", **WHO)


def test_another_year_s_directory_is_later_and_as_trusted(tmp_path, folder, monkeypatch):
    with folder.opened() as log:
        for kind in ("police", "prosecutor"):
            authorities.add(folder, log, record("Police of Example", kind, PROOF), **WHO)
        old = authorities.export(folder, log)
    other = exchanged(tmp_path, folder)
    with other.opened() as theirs:
        authorities.take(other, theirs, old, **WHO)
    following = year_after(folder, monkeypatch)
    with following.opened() as log, other.opened() as theirs:
        authorities.take(other, theirs, authorities.export(following, log), **WHO)
        assert states(theirs) == {"Police of Example": "suspended"}
        authorities.stop(following, log, "Police of Example", authorities.REVOKED, **WHO)
        authorities.take(other, theirs, authorities.export(following, log), **WHO)
        assert states(theirs) == {"Police of Example": "revoked"}
        with pytest.raises(MalformedAuthority, match="a later one"):
            authorities.take(other, theirs, old, **WHO)
    # What was imported is remembered as well.
    third = year_after(other, monkeypatch)
    (third.path / "first.jwk").write_bytes((other.path / "first.jwk").read_bytes())
    said = third.config.model_copy(update={"directory": other.config.directory})
    trusting = replace(third, config=said)
    with trusting.opened() as theirs:
        assert states(theirs) == {"Police of Example": "revoked"}
        with pytest.raises(MalformedAuthority, match="a later one"):
            authorities.take(trusting, theirs, old, **WHO)


@pytest.mark.parametrize(
    ("origin", "version"),
    [
        ("gate.example/log/2026", 2_026_000_000_004), ("gate.example/2026", 2_026_000_000_004),
        ("gate.example/log/9999", 9_999_000_000_004), ("gate.example/log/12026", 4),
        ("gate.example/log/٢٠٢٦", 4), ("gate.example", 4), ("2026", 4),
    ],
)  # fmt: skip
def test_numbers_a_directory_by_year_and_entry(folder, log, origin, version):
    for _ in range(4):
        authorities.add(folder, log, POLICE, **WHO)
    text = authorities.export(named(folder, origin), log)
    key = exchange.read_key((folder.path / "keys" / "directory.jwk").read_bytes())
    assert json.loads(exchange.opened(text, {"us": key})[1])["version"] == version


@pytest.mark.parametrize("origin", ["gate.example", "gate.example/log/2026"])
def test_an_empty_directory_can_be_imported(tmp_path, folder, log, origin):
    text = authorities.export(named(folder, origin), log)
    other = exchanged(tmp_path, folder)
    with other.opened() as theirs:
        assert authorities.take(other, theirs, text, **WHO).receipt.index == 1


def test_carries_over_nothing_to_a_log_that_has_begun(folder, log):
    listed = Listed("Police of Example", POLICE.text(), "suspended", log.directory().entry)
    authorities.add(folder, log, POLICE, **WHO)
    for settles in (Carried((listed,)), Carried(), CarriedStop(b"t" * 32)):
        with pytest.raises(UnknownEntry):
            operations.logged(folder, log, "authority", "carried", {}, settles=settles)
    assert states(log) == {"Police of Example": "active"}
    with pytest.raises(ValueError, match="suspended"):
        Carried((replace(listed, state="active"),))


def test_follows_no_log_of_this_or_a_later_year(folder, monkeypatch):
    def follow():
        wg.init(folder.path.with_name("earlier"), after=folder.path, web_form=FORM)

    with pytest.raises(MalformedConfig, match="earlier year"):
        follow()
    before = app.utc_now().replace(year=app.utc_now().year - 1, day=1)
    monkeypatch.setattr(app, "utc_now", lambda: before)
    with pytest.raises(MalformedConfig, match="earlier year"):
        follow()
    assert not folder.path.with_name("earlier").exists()
