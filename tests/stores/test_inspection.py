"""A log verified in its database: every altered row is named, and every seal beyond its date."""

import hashlib
import shutil
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from tests.identity.questions import SIGNERS, URL

from whoisgate.audit.draft import Draft, Due, Erased, Unsealed
from whoisgate.audit.question import as_kept
from whoisgate.audit.verify import VerificationFailed, canonical_json
from whoisgate.errors import MissingKey
from whoisgate.stores.inspection import Recipient, inspect
from whoisgate.stores.sequencer import Sequencer


def inspected(home, *, key=None, now=None, opens_from=None, database="whoisgate.db"):
    note = (home.path / "log" / "checkpoint").read_text()
    shred = home.path / "shred.slots"
    recipient = key and Recipient(key, shred, now or home.clock(), opens_from)
    return inspect(home.path / database, note, home.signer.verifier, recipient=recipient)


def failure(home, **more):
    with pytest.raises(VerificationFailed) as caught:
        inspected(home, **more)
    return caught.value.code, caught.value.index


def change(home, *statements):
    database = sqlite3.connect(home.path / "whoisgate.db")
    for statement in statements:
        assert database.execute(statement).rowcount
    database.commit()
    database.close()


@pytest.fixture
def filled(home):
    log = home.log()
    for number in range(6):
        log.append(home.disclosure(domain=f"{number}.example")).result()
    log.close()
    return home


def test_finds_a_sound_database_sound(filled):
    found = inspected(filled, key=filled.operator)
    assert (found.log.size, found.envelopes, found.opened, found.erased) == (7, 7, 7, 0)
    assert inspected(filled).opened is None


SWAP = (
    "UPDATE vault SET {0} = (SELECT {0} FROM vault v WHERE v.idx = 7 - vault.idx)"
    " WHERE idx IN (3, 4)"
)


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([SWAP.format("envelope")], ("WG424", 3)),
        (["UPDATE vault SET envelope = envelope || x'00' WHERE idx = 5"], ("WG424", 5)),
        (["UPDATE vault SET envelope = zeroblob(4096) WHERE idx = 5"], ("WG424", 5)),
        (["DELETE FROM vault WHERE idx = 2"], ("WG424", 2)),
        (["UPDATE entry SET leaf = (SELECT leaf FROM entry WHERE idx = 1) WHERE idx = 4"],
         ("WG424", 4)),
        (["UPDATE entry SET leaf = x'00' WHERE idx = 4"], ("WG409", 4)),
        (["DELETE FROM vault WHERE idx = 3", "DELETE FROM entry WHERE idx = 3"], ("WG418", 3)),
        (["UPDATE head SET root = zeroblob(32) WHERE size = 4"], ("WG419", 3)),
        (["UPDATE head SET size = 9 WHERE size = 7"], ("WG422", None)),
        (["DELETE FROM vault WHERE idx = 6", "DELETE FROM head WHERE size = 7",
          "DELETE FROM entry WHERE idx = 6"], ("WG422", None)),
    ],
)  # fmt: skip
def test_names_an_altered_row(filled, statements, expected):
    change(filled, *statements)
    assert failure(filled, key=filled.operator) == expected
    assert failure(filled) == expected


def test_names_an_envelope_under_a_key_that_was_swapped(filled):
    change(filled, "UPDATE epoch SET wrapped = zeroblob(length(wrapped))")
    assert failure(filled, key=filled.operator) == ("WG424", 0)
    assert inspected(filled).envelopes == 7


def test_names_an_envelope_whose_secret_is_gone_without_an_erasure(filled):
    with (filled.path / "shred.slots").open("r+b") as slots:
        slots.seek(32 * 4)
        slots.write(bytes(32))
    assert failure(filled, key=filled.operator) == ("WG424", 4)


def test_tells_a_stranger_that_nothing_is_for_that_key(filled):
    """No evidence is destroyed where somebody never was a recipient, and nothing is verified."""
    stranger = X25519PrivateKey.from_private_bytes(b"\x55" * 32)
    with pytest.raises(MissingKey, match="none of `7` envelopes"):
        inspected(filled, key=stranger)
    change(filled, "DELETE FROM vault WHERE idx = 4")
    assert failure(filled, key=stranger) == ("WG424", 4)


def test_wants_the_shred_file_to_open_envelopes_with(filled):
    (filled.path / "shred.slots").rename(filled.path / "elsewhere")
    with pytest.raises(MissingKey, match=r"expected a readable `.*/shred.slots`: FileNotFound"):
        inspected(filled, key=filled.operator)
    assert inspected(filled).envelopes == 7


AUDITOR = X25519PrivateKey.from_private_bytes(b"\x66" * 32)
UNWRAP = (
    "DELETE FROM epoch WHERE recipient = 'auditor-2'"
    " AND id = (SELECT epoch FROM vault WHERE idx = {})"
)
APPOINTED = {"recipients": {"auditor-2": AUDITOR.public_key()}}


def go_on(home, *drafts, hour=0, **more):
    """Another process appends, at another hour; the numbers of its entries."""
    home.now = home.clock() + timedelta(hours=hour)
    log = home.log(**more)
    entries = [log.append(draft).result().index for draft in drafts]
    log.close()
    return entries


def erasing(home, *entries):
    fields = {"detail": {"entries": list(entries)}}
    return Draft("erasure", home.policy, home.clock(), fields, open={"reason": "request"},
                 settles=Erased(entries))  # fmt: skip


@pytest.fixture
def joined(filled):
    """A log whose entries are for an auditor as well from entry 7 on, in two hours."""
    go_on(filled, filled.disclosure(), filled.disclosure(), **APPOINTED)
    go_on(filled, filled.disclosure(), filled.disclosure(), hour=2, **APPOINTED)
    return filled


def test_counts_what_is_closed_to_an_auditor_who_came_later(joined):
    found = inspected(joined, key=AUDITOR)
    assert (found.opened, found.closed, found.opens_from) == (4, 7, 7)
    told = "7 envelopes were not wrapped for this key, which opens entry 7 first."
    assert told in found.sentences()
    whole = inspected(joined, key=joined.operator)
    assert (whole.opened, whole.closed, whole.opens_from) == (11, 0, 0)
    assert told not in whole.sentences()


def test_opens_everything_from_the_first_on(joined):
    """Behind the first that opens for a recipient, one that does not is missing evidence."""
    change(joined, UNWRAP.format(9))
    assert failure(joined, key=AUDITOR) == ("WG424", 9)
    assert inspected(joined, key=joined.operator).opened == 11


def test_does_not_take_an_envelope_that_is_for_nobody_for_one_of_others(joined):
    change(joined, "UPDATE epoch SET wrapped = zeroblob(80) WHERE recipient = 'operator' AND id ="
                   " (SELECT epoch FROM vault WHERE idx = 2)")  # fmt: skip
    assert failure(joined, key=AUDITOR) == ("WG424", 1)
    change(joined, "DELETE FROM epoch WHERE id = (SELECT epoch FROM vault WHERE idx = 0)")
    assert failure(joined, key=AUDITOR) == ("WG424", 0)


def test_tells_who_knows_since_when_what_was_taken_from_the_beginning(joined):
    """Whoever takes the first wraps away only makes the recipient come later, which is told."""
    change(joined, UNWRAP.format(7))
    assert inspected(joined, key=AUDITOR).opens_from == 9
    assert failure(joined, key=AUDITOR, opens_from=7) == ("WG424", 7)
    assert inspected(joined, key=joined.operator, opens_from=0).opened == 11


def test_misses_the_hours_of_a_process_that_were_taken_away(filled):
    """A process has the same recipients all its life, so its first entries are not closed alone."""
    log = filled.log(**APPOINTED)
    log.append(filled.disclosure()).result()
    filled.now = filled.clock() + timedelta(hours=2)
    log.append(filled.disclosure()).result()
    log.close()
    assert inspected(filled, key=AUDITOR).opens_from == 7
    change(filled, UNWRAP.format(7))
    assert failure(filled, key=AUDITOR) == ("WG424", None)


def test_believes_the_table_only_of_what_a_closed_erasure_may_name(filled):
    """An auditor who came later cannot read earlier erasures, and does not accuse them either."""
    go_on(filled, erasing(filled, 2, 3))
    go_on(filled, filled.disclosure(), erasing(filled, 4), **APPOINTED)
    found = inspected(filled, key=AUDITOR)
    assert (found.erased, found.unnamed, found.closed) == (3, 2, 5)
    assert "2 erased ones no opened erasure names" in " ".join(found.sentences())
    assert inspected(filled, key=filled.operator).unnamed == 0
    change(filled, "DELETE FROM vault WHERE idx = 5")
    assert failure(filled, key=AUDITOR) == ("WG424", 5)
    change(filled, "INSERT INTO erased VALUES (5, 7, 1)", "DELETE FROM vault WHERE idx = 8",
           "INSERT INTO erased VALUES (8, 9, 1)")  # fmt: skip
    assert failure(filled, key=AUDITOR) == ("WG424", 8)


def test_sees_seals_of_opened_entries_as_strictly_and_none_of_closed_ones(home):
    home.now = DAY
    go_on(home, sealed(home, DAY + timedelta(days=2)))
    go_on(home, sealed(home, DAY + timedelta(days=3)), **APPOINTED)
    found = inspected(home, key=AUDITOR)
    assert (found.sealed, found.closed) == (1, 2)
    assert "1 entries are known to be sealed, none beyond its date." in found.sentences()
    assert failure(home, key=home.operator, now=DAY + timedelta(days=3)) == ("WG425", 1)
    assert inspected(home, key=AUDITOR, now=DAY + timedelta(days=3)).sealed == 1
    assert failure(home, key=AUDITOR, now=DAY + timedelta(days=5)) == ("WG425", 2)


def test_tells_a_recipient_whose_entries_are_all_erased_that_nothing_opens(joined):
    go_on(joined, erasing(joined, 7, 8, 9, 10))
    found = inspected(joined, key=AUDITOR)
    assert (found.opened, found.closed, found.opens_from, found.unnamed) == (0, 8, None, 4)
    assert "8 envelopes were not wrapped for this key." in found.sentences()
    assert failure(joined, key=AUDITOR, opens_from=7) == ("WG424", 11)


def test_accounts_for_what_was_erased(filled):
    log = filled.log()
    fields = {"detail": {"entries": [2, 3]}}
    draft = Draft("erasure", filled.policy, filled.clock(), fields, open={"reason": "request"},
                  settles=Erased((2, 3)))  # fmt: skip
    log.append(draft).result()
    log.close()
    assert inspected(filled, key=filled.operator).erased == 2
    change(filled, "DELETE FROM vault WHERE idx = 4")
    assert failure(filled, key=filled.operator) == ("WG424", 4)
    assert failure(filled) == ("WG424", 4)


def test_tells_entries_that_are_not_published_yet(filled):
    note = (filled.path / "log" / "checkpoint").read_text()
    log = filled.log()
    log.append(filled.disclosure()).result()
    log.close()
    shutil.copy(filled.path / "log" / "checkpoint", filled.path / "newer")
    (filled.path / "log" / "checkpoint").write_text(note)
    assert inspected(filled).log.unsigned == 1


DAY = datetime(2026, 12, 1, tzinfo=UTC)


def sealed(home, until):
    fields = home.disclosure().fields | {"detail": {"sealed_until": f"{until:%Y-%m-%d}"}}
    return home.disclosure(fields=fields, sealed_until=until)


def opened(home, entry, until=None):
    day = until and f"{until:%Y-%m-%d}"
    kind = "extend" if until else "unseal"
    detail = {"detail": {"entry": entry, "sealed_until": day}}
    return Draft(kind, home.policy, home.clock(), detail, settles=Unsealed(entry, until))


def test_reports_a_seal_beyond_its_date(home):
    home.now = DAY
    log = home.log()
    entry = log.append(sealed(home, DAY + timedelta(days=2))).result().index
    log.publish()
    assert inspected(home, key=home.operator).sealed == 1
    late = DAY + timedelta(days=4)
    assert failure(home, key=home.operator, now=late) == ("WG425", entry)
    assert inspected(home, now=late).log.size == 2  # without a key nobody is told
    home.now = DAY + timedelta(days=1)
    log.append(opened(home, entry, DAY + timedelta(days=9))).result()
    log.publish()
    assert inspected(home, key=home.operator, now=late).sealed == 1
    home.now = DAY + timedelta(days=8)
    log.append(opened(home, entry)).result()
    log.publish()
    assert inspected(home, key=home.operator, now=home.now + timedelta(days=90)).sealed == 0


def test_reports_a_seal_that_was_opened_too_late(home):
    home.now = DAY
    log = home.log()
    entry = log.append(sealed(home, DAY + timedelta(days=2))).result().index
    home.now = DAY + timedelta(days=5)
    log.append(opened(home, entry)).result()
    log.publish()
    assert failure(home, key=home.operator) == ("WG425", entry)


def test_puts_the_notice_off_until_the_seal_ends(home):
    home.now = DAY
    log, until = home.log(), DAY + timedelta(days=200)
    due = Due("notify_registrant", timedelta(days=90))
    review = Due("review_disclosure", timedelta(hours=24))
    draft = home.disclosure(sealed_until=until, dues=(due, review))
    entry = log.append(draft).result().index
    assert {o.do: o.due_at for o in log.obligations()} == {
        "review_disclosure": DAY + timedelta(hours=24), "notify_registrant": until,
    }  # fmt: skip
    later = until + timedelta(days=30)
    log.append(opened(home, entry, later)).result()
    assert log.obligations()[-1].due_at == later
    assert [s.until for s in log.sealed()] == [later]


def test_names_entries_that_a_process_left_out(filled, monkeypatch):
    log = filled.log()
    log.append(filled.disclosure()).result()
    log.append(filled.disclosure()).result()
    log._crew.stop()
    log._crew = None
    monkeypatch.setattr(Sequencer, "__init__", skipping(Sequencer.__init__))
    log.append(filled.disclosure()).result()
    log.close()
    code, index = failure(filled, key=filled.operator)
    assert (code, index) == ("WG424", None)
    assert inspected(filled).envelopes == 10


def skipping(init):
    """A sequencer that numbers its first entry as its third."""

    def begin(self, *given):
        init(self, *given)
        self._sequence = 2

    return begin


def test_names_a_question_that_its_requester_did_not_sign(home):
    """The auditor reads the requester's signature in each envelope, and when it was made."""
    log = home.log()
    made = SIGNERS["ed25519"].sign(URL, at=home.clock(), nonce=bytes(16))
    words = {"purpose": None, "basis": None, "case": None, "elements": [], "urgency": "none"}
    fields = {
        "domain": "example.com",
        "question": hashlib.sha256(canonical_json(words | {"name": "example.com"})).hexdigest(),
    }
    draft = replace(home.disclosure(domain="example.com"), decided_at=home.clock())
    for kept in (as_kept(made.signed), as_kept(made.signed) | {"signature": "AAAA"}):
        log.append(replace(draft, fields=fields | {"detail": {"signed": kept}})).result()
    log.close()
    assert inspected(home).envelopes == 3
    assert failure(home, key=home.operator) == ("WG428", 2)
