"""The append asks the directory again: who is stopped by an entry gets nothing after it."""

import sqlite3
import threading
from contextlib import closing
from datetime import timedelta

import pytest

from whoisgate.audit.draft import Barred, Confirmed, Draft, Imported, Listed, Proposed
from whoisgate.errors import CredentialRefused, MalformedAuthority, UnknownEntry
from whoisgate.queries import Once, Requester

NAME, PERSON = "Police of Example", "officer-7"


def change(home, log, settles):
    return log.append(Draft("authority", home.policy, home.clock(), settles=settles)).result().index


def asked(home, log, listed, person=PERSON):
    who = {"authority": NAME, "listed": listed, "requester": Requester.identity_of(NAME, person)}
    return log.append(home.disclosure(**who))


def listed(state="active", record="{}"):
    return Listed(NAME, record, state)


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
    change(home, log, Barred(identity, barred=True))
    assert isinstance(asked(home, log, entry).exception(), CredentialRefused)
    assert asked(home, log, entry, "officer-8").exception() is None
    assert log.directory().barred(identity)
    change(home, log, Barred(identity, barred=False))
    assert asked(home, log, entry).exception() is None


@pytest.mark.parametrize(
    "settles", [listed("suspended"), Barred(Requester.identity_of(NAME, PERSON), barred=True)]
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
    confirmed = Draft("authority", home.policy, home.clock(), settles=Confirmed(entry, "Ann"))
    assert isinstance(log.append(confirmed).exception(), UnknownEntry)
    now = change(home, log, Confirmed(entry, "Bo"))
    assert log.directory().authorities[NAME].entry == now
    again = Draft("authority", home.policy, home.clock(), settles=Confirmed(entry, "Bo"))
    assert isinstance(log.append(again).exception(), UnknownEntry)


def test_a_stop_takes_back_what_was_proposed_before(home, log):
    change(home, log, listed())
    entry = change(home, log, Proposed(listed(record='{"wider": 1}'), "Ann"))
    change(home, log, listed("suspended"))
    late = Draft("authority", home.policy, home.clock(), settles=Confirmed(entry, "Bo"))
    assert isinstance(log.append(late).exception(), UnknownEntry)
    assert log.directory().authorities[NAME].state == "suspended"


def test_an_import_never_goes_back(home, log):
    change(home, log, Imported("other", 7, (listed(),), None))
    older = Draft("authority", home.policy, home.clock(),
                  settles=Imported("other", 6, (listed("revoked"),), None))  # fmt: skip
    assert isinstance(log.append(older).exception(), MalformedAuthority)
    assert log.directory().authorities[NAME].state == "active"


def test_an_import_lets_nobody_ask_alone_where_two_decide_but_stops_at_once(home, log):
    other = Listed("Court of Example", "{}", "active")
    change(home, log, other)
    stopped = Listed("Court of Example", "{}", "revoked")
    change(home, log, Imported("other", 7, (listed(), stopped), "Ann"))
    held = log.directory()
    assert [p.name for p in held.proposals] == [NAME]
    assert held.authorities["Court of Example"].state == "revoked"


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
