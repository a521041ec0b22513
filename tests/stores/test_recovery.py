"""Going on after an old database was restored; refusing what cannot go on."""

import shutil

import pytest

from whoisgate.audit.draft import Draft, Erased, Grant
from whoisgate.audit.verify import directory_reader, verify_log
from whoisgate.errors import StaleLog


def backup(home):
    log = home.log()
    log.publish()
    log.close()
    shutil.copytree(home.path, home.path.with_name("backup"), dirs_exist_ok=True)


def restore(home, *names):
    for name in names:
        kept, place = home.path.with_name("backup") / name, home.path / name
        if place.is_dir():
            shutil.rmtree(place)
            shutil.copytree(kept, place)
        else:
            shutil.copy(kept, place)
    for spare in home.path.glob("whoisgate.db-*"):
        spare.unlink()


def append(home, count):
    log = home.log()
    made = [log.append(home.disclosure()).result() for _ in range(count)]
    log.close()
    return made


def test_refuses_an_old_database_and_says_what_to_do(home):
    backup(home)
    append(home, 3)
    restore(home, "whoisgate.db")
    with pytest.raises(StaleLog, match="whoisgate log recover"):
        home.log().append(home.disclosure()).result()


def test_goes_on_where_the_published_log_ends(home):
    append(home, 2)
    backup(home)
    append(home, 300)
    before = verify_log(directory_reader(home.path / "log"), home.signer.verifier)
    restore(home, "whoisgate.db")
    log = home.log()
    assert log.recover() == (3, 303)
    assert log.recover() == (303, 303)
    log.close()
    append(home, 2)
    after = verify_log(directory_reader(home.path / "log"), home.signer.verifier, since=before)
    assert (after.since, after.size) == (303, 305)


def test_voids_approvals_that_may_have_been_used(home):
    log = home.log()
    question = Draft("pending", home.policy, home.clock(), question=b"q" * 32)
    index = log.append(question).result().index
    grant = Grant(index, ("registrant.name",), "Duty Officer", home.clock().replace(year=2999))
    log.append(Draft("approval", home.policy, home.clock(), settles=grant)).result()
    log.close()
    backup(home)
    append(home, 1)
    restore(home, "whoisgate.db")
    log = home.log()
    log.recover()
    assert log.granted(b"q" * 32) is None


def test_erases_again_what_was_erased_after_the_backup(home):
    (receipt,) = append(home, 1)
    backup(home)
    log = home.log()
    erased = Erased((receipt.index,))
    said = {"reason": "request"}
    log.append(Draft("erasure", home.policy, home.clock(), open=said, settles=erased)).result()
    log.close()
    restore(home, "whoisgate.db")
    log = home.log()
    log.recover()
    assert receipt.index not in log.about("domain", "example.com")


def test_refuses_a_fork(home):
    backup(home)
    append(home, 3)
    forked = home.path.with_name("fork")
    shutil.copytree(home.path, forked)
    restore(home, "whoisgate.db", "log")
    append(home, 2)
    shutil.rmtree(home.path / "log")
    shutil.copytree(forked / "log", home.path / "log")
    with pytest.raises(StaleLog):
        home.log().append(home.disclosure()).result()
    with pytest.raises(StaleLog, match="forks"):
        home.log().recover()


def test_sees_by_the_kept_head_that_database_and_log_are_both_old(home):
    home.head = home.path.with_name("elsewhere")
    backup(home)
    append(home, 3)
    restore(home, "whoisgate.db", "log")
    with pytest.raises(StaleLog, match="`4` entries in `elsewhere`"):
        home.log().append(home.disclosure()).result()
    with pytest.raises(StaleLog, match="elsewhere"):
        home.log().recover()
    assert home.log(head=None).append(home.disclosure()).result()  # nothing else would tell
