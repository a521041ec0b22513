"""The append asks the directory again: who is stopped by an entry gets nothing after it."""

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from whoisgate.audit.draft import Barred, Confirmed, Draft, Imported, Listed, Proposed
from whoisgate.errors import (
    CredentialRefused,
    DirectoryChanged,
    MalformedAuthority,
    UnknownEntry,
)
from whoisgate.queries import Once, Requester

NAME, PERSON = "Police of Example", "officer-7"


UNSEEN = -2


def change(home, log, settles):
    return settled(home, log, seeing(log, settles)).result().index


def settled(home, log, settles):
    return log.append(Draft("authority", home.policy, home.clock(), settles=settles))


def seeing(log, settles):
    """The same change, decided on the directory as it stands."""
    if isinstance(settles, Proposed):
        return replace(settles, change=seeing(log, settles.change))
    return settles if isinstance(settles, Barred) else replace(settles, seen=log.directory_entry())


def asked(home, log, listed, person=PERSON):
    who = {"authority": NAME, "listed": listed, "requester": Requester.identity_of(NAME, person)}
    return log.append(home.disclosure(**who))


def listed(state="active", record="{}"):
    return Listed(NAME, record, state, UNSEEN)


@pytest.mark.parametrize("state", ["suspended", "revoked"])
def test_releases_nothing_to_an_authority_that_was_stopped(home, log, state):
    entry = change(home, log, listed())
    assert asked(home, log, entry).exception() is None
    change(home, log, listed(state))
    size = log.size()
    for known_since in (entry, None):
        assert isinstance(asked(home, log, known_since).exception(), CredentialRefused)
    assert log.size() == size


def test_refuses_what_was_decided_under_an_earlier_record(home, log):
    entry = change(home, log, listed())
    later = change(home, log, listed(record='{"narrower": 1}'))
    assert isinstance(asked(home, log, entry).exception(), CredentialRefused)
    assert asked(home, log, later).exception() is None


def test_refuses_an_authority_that_is_not_listed_as_one_that_is(home, log):
    assert isinstance(asked(home, log, 1).exception(), CredentialRefused)
    assert asked(home, log, None).exception() is None


def test_stops_one_person_alone(home, log):
    entry = change(home, log, listed())
    identity = Requester.identity_of(NAME, PERSON)
    change(home, log, Barred(NAME, identity, barred=True))
    assert isinstance(asked(home, log, entry).exception(), CredentialRefused)
    assert asked(home, log, entry, "officer-8").exception() is None
    assert log.directory().barred(identity)
    change(home, log, Barred(NAME, identity, barred=False))
    assert asked(home, log, entry).exception() is None


@pytest.mark.parametrize(
    "settles", [listed("suspended"), Barred(NAME, Requester.identity_of(NAME, PERSON), barred=True)]
)
def test_sees_at_once_what_another_process_changed(home, log, settles):
    entry = change(home, log, listed())
    for _ in range(2):
        assert asked(home, log, entry).exception() is None
    change(home, home.log(), settles)
    assert isinstance(asked(home, log, None).exception(), CredentialRefused)


def test_takes_a_second_person_to_confirm(home, log):
    entry = change(home, log, Proposed(listed(), "Ann"))
    assert log.directory().authorities == {}
    alone = seeing(log, Confirmed(entry, "Ann", UNSEEN))
    assert isinstance(settled(home, log, alone).exception(), UnknownEntry)
    now = change(home, log, Confirmed(entry, "Bo", UNSEEN))
    assert log.directory().authorities[NAME].entry == now
    again = seeing(log, Confirmed(entry, "Bo", UNSEEN))
    assert isinstance(settled(home, log, again).exception(), UnknownEntry)


def test_a_stop_takes_back_what_was_proposed_before(home, log):
    change(home, log, listed())
    entry = change(home, log, Proposed(listed(record='{"wider": 1}'), "Ann"))
    change(home, log, listed("suspended"))
    late = seeing(log, Confirmed(entry, "Bo", UNSEEN))
    assert isinstance(settled(home, log, late).exception(), UnknownEntry)
    assert log.directory().authorities[NAME].state == "suspended"


def test_an_import_never_goes_back(home, log):
    change(home, log, Imported("other", 7, (listed(),), None, UNSEEN))
    older = seeing(log, Imported("other", 6, (listed("revoked"),), None, UNSEEN))
    assert isinstance(settled(home, log, older).exception(), MalformedAuthority)
    assert log.directory().authorities[NAME].state == "active"


def test_an_import_lets_nobody_ask_alone_where_two_decide_but_stops_at_once(home, log):
    other = Listed("Court of Example", "{}", "active", UNSEEN)
    change(home, log, other)
    stopped = Listed("Court of Example", "{}", "revoked", UNSEEN)
    change(home, log, Imported("other", 7, (listed(), stopped), "Ann", UNSEEN))
    held = log.directory()
    assert [p.name for p in held.proposals] == [NAME]
    assert held.authorities["Court of Example"].state == "revoked"


@pytest.mark.parametrize(
    "settles",
    [
        listed(record='{"wider": 1}'), Proposed(listed(), "Bo"), Confirmed(2, "Bo", UNSEEN),
        Imported("other", 7, (listed(),), None, UNSEEN),
        Imported("other", 7, (listed(),), "Bo", UNSEEN),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "stop",
    [listed("suspended"), Barred(NAME, Requester.identity_of(NAME, PERSON), barred=True),
     Listed("Court of Example", "{}", "active", UNSEEN)],
)  # fmt: skip
def test_a_change_decided_before_another_is_not_made(home, log, settles, stop):
    first = change(home, log, listed())
    proposed = change(home, log, Proposed(listed(record='{"wider": 2}'), "Ann"))
    decided = seeing(log, settles if not isinstance(settles, Confirmed)
                     else Confirmed(proposed, "Bo", UNSEEN))  # fmt: skip
    assert (first, proposed) == (1, 2)
    change(home, home.log(), stop)
    before = log.directory()
    assert isinstance(settled(home, log, decided).exception(), DirectoryChanged)
    after = log.directory()
    assert (after.authorities, after.proposals) == (before.authorities, before.proposals)


def test_the_newest_proposal_for_a_name_is_the_one_to_confirm(home, log):
    older = change(home, log, Imported("other", 7, (listed(record="{}"),), "Ann", UNSEEN))
    newer = listed(record='{"keys": 2}')
    entry = change(home, log, Imported("other", 8, (newer,), "Ann", UNSEEN))
    gone = seeing(log, Confirmed(older, "Bo", UNSEEN))
    assert isinstance(settled(home, log, gone).exception(), UnknownEntry)
    change(home, log, Confirmed(entry, "Bo", UNSEEN))
    assert log.directory().authorities[NAME].record == newer.record


def test_a_person_asks_again_once_a_second_one_confirms(home, log):
    entry = change(home, log, listed())
    identity = Requester.identity_of(NAME, PERSON)
    change(home, log, Barred(NAME, identity, barred=True))
    again = Barred(NAME, identity, barred=False, proposed_by="Ann")
    first = change(home, log, again)
    assert isinstance(asked(home, log, entry).exception(), CredentialRefused)
    change(home, log, Barred(NAME, identity, barred=True))  # takes back what was proposed
    assert log.directory().proposals == []
    late = seeing(log, Confirmed(first, "Bo", UNSEEN))
    assert isinstance(settled(home, log, late).exception(), UnknownEntry)
    second = change(home, log, again)
    (waiting,) = log.directory().proposals
    assert (waiting.name, waiting.state) == (NAME, "restored")
    assert PERSON not in waiting.record
    change(home, log, Confirmed(second, "Bo", UNSEEN))
    assert log.directory().proposals == []
    assert asked(home, log, entry).exception() is None


def test_nothing_is_released_after_a_revocation_that_runs_beside_it(home, log):
    entry = change(home, log, listed())
    futures, begun, stop = [], threading.Event(), threading.Event()

    def ask():
        while not stop.is_set():
            futures.append(asked(home, log, entry))
            if futures[-1].exception() is None:
                begun.set()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    begun.wait()
    revoked = change(home, home.log(), listed("revoked"))
    late = [asked(home, log, entry) for _ in range(100)]
    stop.set()
    for thread in threads:
        thread.join()
    outcomes = [future.exception() or future.result().index for future in (*futures, *late)]
    released = [each for each in outcomes if isinstance(each, int)]
    assert released
    assert max(released) < revoked
    assert all(isinstance(each, int | CredentialRefused) for each in outcomes)
    assert all(isinstance(future.exception(), CredentialRefused) for future in late)


def test_takes_a_proof_once_whichever_process_sees_it_first(home, log, later):
    home.now, other = home.clock(), home.log()
    proof = Once.of("dpop", "thumbprint", "name", home.now + timedelta(seconds=60))
    another = Once.of("dpop", "thumbprint", "another name", proof.until)
    size = log.append(home.disclosure(once=(proof,))).result().index + 1
    for each, shown in ((log, (proof,)), (other, (another, proof)), (log, (proof, another))):
        assert isinstance(told(each, home, shown), CredentialRefused)
    assert log.size() == size
    assert told(other, home, (another,)) is None, "what was refused used nothing up"
    later(seconds=60)
    for _ in range(2):
        assert isinstance(told(log, home, (proof,)), CredentialRefused)
    log.append(home.disclosure()).result()
    with closing(sqlite3.connect(home.path / "whoisgate.db")) as database:
        assert database.execute("SELECT count(*) FROM used").fetchone() == (0,)


def test_takes_a_proof_once_within_a_batch(home, log):
    proof = Once.of("dpop", "thumbprint", "name", home.clock() + timedelta(seconds=60))
    outcomes = [log.append(home.disclosure(once=(proof,))) for _ in range(40)]
    assert sum(future.exception() is None for future in outcomes) == 1


def told(log, home, once):
    return log.append(home.disclosure(once=once)).exception()
