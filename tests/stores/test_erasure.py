"""Erasure: nothing that anybody kept opens the entry again, and every proof stays valid."""

import shutil
import sqlite3
from contextlib import suppress
from datetime import timedelta

import pytest

from whoisgate.audit.draft import Draft, Erased
from whoisgate.audit.envelope import (
    Unopened,
    open_envelope,
    open_receipt,
    unwrap_epoch,
)
from whoisgate.audit.verify import (
    directory_reader,
    parse_leaf,
    unb64url,
    verify_log,
    verify_receipt,
)
from whoisgate.errors import ReceiptNotFound, UnknownEntry
from whoisgate.stores import shred

CANARY = "Canary-2026-7719"


def erasure(home, *entries):
    said = {"reason": "request"}
    return Draft("erasure", home.policy, home.clock(), open=said, settles=Erased(entries))


def asked(home, log, **more):
    fields = home.disclosure().fields | {"case": CANARY}
    return log.append(home.disclosure(fields=fields, **more)).result()


def opens(home, database, index, token, secret):
    """Whether anything in this copy of the database opens entry ``index`` with this secret."""
    rows = database.execute(
        "SELECT leaf, epoch, receipt, envelope FROM vault JOIN entry USING (idx) WHERE idx = ?",
        (index,),
    ).fetchall()
    for leaf, epoch, receipt, envelope in rows:
        wrapped = database.execute("SELECT wrapped FROM epoch WHERE id = ?", (epoch,)).fetchall()
        keys = [unwrap_epoch(w, epoch, home.operator) for (w,) in wrapped]
        assert keys
        ways = [(open_envelope, envelope, parse_leaf(leaf).nonce, secret, key) for key in keys]
        for way, *given in (*ways, (open_receipt, receipt, unb64url(token), secret)):
            with suppress(Unopened):
                way(*given)
                return True
    return False


def test_reaches_a_backup_and_a_pinned_reader(home):
    log = home.log()
    receipt = asked(home, log)
    slot = slice(32 * receipt.index, 32 * receipt.index + 32)
    secret = (home.path / "shred.slots").read_bytes()[slot]
    log.publish()
    backup = home.path / "backup.db"
    shutil.copy(home.path / "whoisgate.db", backup)
    pinned = sqlite3.connect(home.path / "whoisgate.db", isolation_level=None)
    pinned.execute("BEGIN")
    pinned.execute("SELECT count(*) FROM vault").fetchone()
    assert opens(home, pinned, receipt.index, receipt.token, secret)

    log.append(erasure(home, receipt.index)).result()
    log.publish()

    left = (home.path / "shred.slots").read_bytes()
    assert secret not in left
    for copy in (pinned, sqlite3.connect(backup), sqlite3.connect(home.path / "whoisgate.db")):
        assert not opens(home, copy, receipt.index, receipt.token, left[slot])
    pinned.execute("COMMIT")
    with pytest.raises(UnknownEntry):
        log.open_entry(receipt.index, home.operator)
    with pytest.raises(ReceiptNotFound):
        log.receipt(receipt.index, receipt.token, "police/officer-7")
    verify_log(directory_reader(home.path / "log"), home.signer.verifier)
    assert verify_receipt(receipt.proof, home.signer.verifier).fields["case"] == CANARY
    log.close()
    for file in home.path.rglob("*"):
        if file.is_file():
            assert CANARY.encode() not in file.read_bytes(), file


def test_says_in_clear_only_why(home, log):
    receipt = asked(home, log)
    index = log.append(erasure(home, receipt.index)).result().index
    assert parse_leaf(log.leaf(index)).open == {"reason": "request"}


def test_finishes_what_a_killed_process_began(home):
    log, slots = home.log(), home.path / "shred.slots"
    receipt = asked(home, log)
    secret = shred.read(slots, receipt.index)
    log.append(erasure(home, receipt.index)).result()
    log.close()
    assert shred.read(slots, receipt.index) == bytes(32)
    with shred.opened(slots) as handle:
        shred.write(handle, receipt.index, [secret])  # as if the process had died before
    database = sqlite3.connect(home.path / "whoisgate.db")
    database.execute("UPDATE erased SET shredded = 0")
    database.commit()
    database.close()
    home.log().publish()
    assert shred.read(slots, receipt.index) == bytes(32)


def test_takes_the_waiting_question_and_its_duties_along(home, log):
    pending = Draft("pending", home.policy, home.clock(), question=b"q" * 32)
    index = log.append(pending).result().index
    log.append(erasure(home, index)).result()
    assert log.pending() == []


def test_erases_nothing_where_one_entry_is_gone(home, log):
    receipt = asked(home, log)
    with pytest.raises(UnknownEntry, match="no envelope of entry `77`"):
        log.append(erasure(home, receipt.index, 77)).result()
    assert log.open_entry(receipt.index, home.operator).fields["case"] == CANARY


def test_finds_entries_by_whom_they_are_about_and_by_age(home, log, later):
    one = asked(home, log).index
    other = asked(home, log, domain="other.example", requester="court/1").index
    moment = later(days=1) - timedelta(hours=1)
    young = asked(home, log).index
    assert log.about("domain", "example.com") == [one, young]
    assert log.about("requester", "court/1") == [other]
    assert log.about("domain", "nobody.example") == []
    assert log.logged_before(moment) == [0, one, other]
