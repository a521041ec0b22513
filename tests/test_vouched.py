"""People whom the operator's own application signs in, bound to what the directory says of them."""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta

import pytest
from tests.identity.tokens import ED, PURPOSE, by_token, ed_jwk, jwks, record

import whoisgate as wg
from whoisgate import app, authorities
from whoisgate.errors import CredentialRefused, ExtraMissing, PersonsSpent
from whoisgate.gate import Gate
from whoisgate.queries import Limits, Purpose
from whoisgate.sources.memory import MemorySource

NAME, PERSON = "Police of Example", "officer-7"
WHO = {"by": "Ann Operator", "reason": "a test"}
OURS = {"method": "application", "assurance": "high"}
TOKEN = by_token("https://id.police.example", "EdDSA", jwks(ed_jwk(ED, kid="2026")))
STANDING = {"basis": "national_order", "elements": ["registrant.name"],
            "expires": "2099-01-01T00:00:00Z"}  # fmt: skip
RECORDS = [
    wg.Record.of(f"{name}.example", {"registrant.name": "Ada Example"}) for name in ("a", "b", "c")
]
ORDER = {"case": "2026-114", "basis": "national_order", "purpose": PURPOSE,
         "elements": ["registrant.name"]}  # fmt: skip


def police(*proof, **more):
    return record(NAME, "police", *(proof or (OURS,)), standing=[STANDING], **more)


@pytest.fixture
def folder(tmp_path):
    form = "https://registrar.example/contact?domain={domain}"
    return wg.init(tmp_path / "gate", host="registrar.example", web_form=form)


@pytest.fixture
def log(folder):
    with folder.opened() as log:
        yield log


@pytest.fixture
def gate(folder):
    gate = wg.open(folder.path, source=MemorySource(RECORDS))
    yield gate
    gate.close()


def released(gate, requester, name="a.example"):
    return b"Ada Example" in gate.ask(name, requester=requester, **ORDER).body


def test_has_what_the_record_says_and_nothing_else(folder, log, gate):
    said = police(budget={"person": {"day": 2}}, valid_until="2099-01-01T00:00:00Z")
    entry = authorities.add(folder, log, said, **WHO).index
    officer = gate.requester(NAME, PERSON)
    assert officer == wg.Requester(
        NAME, PERSON, wg.RequesterClass.LAW_ENFORCEMENT, wg.Assurance.HIGH,
        frozenset({PURPOSE, Purpose.LEGAL_ACTIONS}), frozenset({wg.LegalBasis.NATIONAL_ORDER}),
        wg.Jurisdiction.SAME_COUNTRY, "NO", "application", datetime(2099, 1, 1, tzinfo=UTC), entry,
        officer.standing, Limits(day=2), Limits(),
    )  # fmt: skip
    assert [s.authority for s in officer.standing] == [NAME]


@pytest.mark.parametrize(
    ("listed", "claimed", "counts"),
    [
        ("substantial", None, "substantial"),
        ("substantial", "high", "substantial"),
        ("substantial", "low", "low"),
        ("low", "high", "low"),
        ("high", "high", "high"),
        ("high", "none", "none"),
    ],
)
def test_is_worth_no_more_than_the_record_gives_the_application(
    folder, log, gate, listed, claimed, counts
):
    # What another proof is worth is not the application's to claim.
    authorities.add(folder, log, police(TOKEN, {**OURS, "assurance": listed}), **WHO)
    assurance = claimed and wg.Assurance(claimed)
    assert gate.requester(NAME, PERSON, assurance=assurance).assurance == counts


def nothing(_folder, _log):
    pass


def suspended(folder, log):
    authorities.stop(folder, log, NAME, authorities.SUSPENDED, **WHO)


def revoked(folder, log):
    authorities.stop(folder, log, NAME, authorities.REVOKED, **WHO)


def barred(folder, log):
    authorities.bar(folder, log, NAME, PERSON, barred=True, **WHO)


def listed_anew(folder, log):
    authorities.add(folder, log, police(purposes=["legalActions"]), **WHO)


YESTERDAY, TOMORROW = (
    (datetime.now(UTC) + timedelta(days=days)).isoformat() for days in (-1, 1)
)  # fmt: skip


@pytest.mark.parametrize(
    ("listed", "then", "asked", "why"),
    [
        (police(), nothing, ("Police of Exampleland", PERSON), "not listed"),
        (police(), nothing, ("police of example", PERSON), "not listed"),
        (police(), nothing, ("", PERSON), "printable"),
        (police(), nothing, (NAME, ""), "printable"),
        (police(), nothing, (NAME, "x" * 256), "printable"),
        (police(), nothing, (NAME, "officer-7\n"), "printable"),
        (police(), nothing, (NAME, "officer\ud800"), "printable"),
        (police(), suspended, (NAME, PERSON), "suspended"),
        (police(), revoked, (NAME, PERSON), "revoked"),
        (police(), barred, (NAME, PERSON), "this person"),
        (police(valid_until=YESTERDAY), nothing, (NAME, PERSON), "no more"),
        (police(valid_from=TOMORROW), nothing, (NAME, PERSON), "not listed yet"),
        (police(TOKEN), nothing, (NAME, PERSON), "`application`"),
    ],
)
def test_refuses_whom_the_directory_does_not_vouch_for(folder, log, gate, listed, then, asked, why):
    authorities.add(folder, log, listed, **WHO)
    then(folder, log)
    with pytest.raises(CredentialRefused, match=why):
        gate.requester(*asked)
    assert gate.tally() is not None  # it was counted


def test_refuses_where_there_is_no_directory(gate):
    bare = Gate(gate._middle.settings, MemorySource(RECORDS), gate.log, app.utc_now)
    with pytest.raises(CredentialRefused, match="directory"):
        bare.requester(NAME, PERSON)


@pytest.mark.parametrize("change", [suspended, revoked, barred, listed_anew])
def test_releases_nothing_after_a_change_since_it_was_made(folder, log, gate, change):
    authorities.add(folder, log, police(), **WHO)
    officer = gate.requester(NAME, PERSON)
    assert released(gate, officer)
    size = log.size()
    change(folder, log)
    with pytest.raises(CredentialRefused):
        released(gate, officer)
    assert log.size() == size + 1


def test_another_person_and_a_restored_one_go_on(folder, log, gate):
    authorities.add(folder, log, police(), **WHO)
    barred(folder, log)
    assert released(gate, gate.requester(NAME, "officer-8"))
    authorities.bar(folder, log, NAME, PERSON, barred=False, **WHO)
    assert released(gate, gate.requester(NAME, PERSON))


def test_keeps_to_the_budget_of_the_record(folder, log, gate):
    authorities.add(
        folder, log, police(budget={"person": {"day": 1}, "authority": {"day": 2}}), **WHO
    )
    assert released(gate, gate.requester(NAME, PERSON), "a.example")
    over = gate.ask("b.example", requester=gate.requester(NAME, PERSON), **ORDER)
    assert isinstance(over.held, PersonsSpent)
    assert released(gate, gate.requester(NAME, "officer-8"), "b.example")
    over = gate.ask("c.example", requester=gate.requester(NAME, "officer-9"), **ORDER)
    assert isinstance(over.held, PersonsSpent)
    assert over.held.holder == "authority"


def test_answers_and_refuses_the_same_asynchronously(folder, log):
    authorities.add(folder, log, police(), **WHO)

    async def walk():
        gate = wg.open_async(folder.path, source=MemorySource(RECORDS))
        try:
            officer = await gate.requester(NAME, PERSON, assurance=wg.Assurance.LOW)
            assert officer.assurance is wg.Assurance.LOW
            officer = await gate.requester(NAME, PERSON)
            answer = await gate.ask("a.example", requester=officer, **ORDER)
            assert b"Ada Example" in answer.body
            suspended(folder, log)
            with pytest.raises(CredentialRefused):
                await gate.ask("a.example", requester=officer, **ORDER)
            with pytest.raises(CredentialRefused, match="suspended"):
                await gate.requester(NAME, PERSON)
            assert await gate.tally() is not None
        finally:
            await gate.close()

    asyncio.run(walk())


def test_a_worker_knows_a_suspension_that_came_after_the_fork(folder, log, gate):
    authorities.add(folder, log, police(), **WHO)
    assert gate.requester(NAME, PERSON)
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:  # a worker of a prefork server
        code = 1
        try:
            assert gate.requester(NAME, PERSON)
            os.read(told, 1)
            gate.requester(NAME, PERSON)
        except CredentialRefused:
            code = 0
        finally:
            os._exit(code)
    suspended(folder, log)
    os.write(tell, b"!")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_lists_without_extras_whom_the_application_alone_vouches_for(folder, log, monkeypatch):
    monkeypatch.setitem(sys.modules, "whoisgate.identity.directory", None)
    with pytest.raises(ExtraMissing):
        authorities.add(folder, log, police(TOKEN), **WHO)
    authorities.add(folder, log, police(), **WHO)
    assert [s.record.authority for s in authorities.listed(log)] == [NAME]
