"""A log that changes its signing key: both sign for a while, and it verifies across the change."""

import pytest
from tests.two_verifiers import of_log

from whoisgate.audit.draft import Draft, NewKey, RetiredKey
from whoisgate.audit.note import Signer, key_change
from whoisgate.audit.verify import (
    VerificationFailed,
    directory_reader,
    open_checkpoint,
    verify_log,
    verify_receipt,
)
from whoisgate.errors import MissingKey, UnknownEntry

NEW = Signer.generate("log.example/2026", lambda size: b"\x09" * size)


def added(home, new=NEW):
    said = key_change(home.signer, new)
    return Draft("key", home.policy, home.clock(), open=said, settles=NewKey(new.vkey))


def retired(home, key):
    said = {"retired": key.vkey}
    return Draft("key", home.policy, home.clock(), open=said, settles=RetiredKey(key.vkey))


@pytest.fixture
def keys(home):
    home.keys = [home.signer, NEW]
    return home.keys


def shown(home, key):
    return verify_log(directory_reader(home.path / "log"), key.verifier)


def judged(home, key):
    """What both verifiers say of the published log."""
    base = home.path / "log"
    files = {str(p.relative_to(base)): p.read_bytes() for p in base.rglob("*") if p.is_file()}
    return of_log(files, key.vkey)


def test_signs_with_both_until_one_is_retired(home, keys):
    log = home.log()
    log.append(added(home)).result()
    both = log.append(home.disclosure()).result()
    for key in keys:
        verify_receipt(both.proof, key.verifier)
    log.append(retired(home, home.signer)).result()
    keys.remove(home.signer)
    after = log.append(home.disclosure()).result()
    verify_receipt(after.proof, NEW.verifier)
    with pytest.raises(VerificationFailed, match="did not sign"):
        verify_receipt(after.proof, home.signer.verifier)
    assert log.signing() == (NEW.vkey,)


def test_verifies_across_the_change_under_either_key(home, keys):
    log = home.log()
    log.append(home.disclosure()).result()
    log.publish()
    before = shown(home, home.signer)
    log.append(added(home)).result()
    log.append(retired(home, home.signer)).result()
    keys.remove(home.signer)
    log.append(home.disclosure()).result()
    log.close()
    for key in (home.signer, NEW):
        found = shown(home, key)
        assert found.keys == (NEW.vkey,)
        assert found.retired == (home.signer.vkey,)
        assert judged(home, key).shown == found.size
    reader = directory_reader(home.path / "log")
    assert verify_log(reader, home.signer.verifier, since=before).keys == (NEW.vkey,)
    other = Signer.generate("log.example/2026", lambda size: b"\x0a" * size)
    with pytest.raises(VerificationFailed) as caught:
        shown(home, other)
    assert caught.value.code == "WG404"


def test_refuses_a_tree_that_a_retired_key_signed(home, keys):
    log = home.log()
    log.append(added(home)).result()
    log.append(retired(home, home.signer)).result()
    log.close()
    checkpoint = home.path / "log" / "checkpoint"
    head = open_checkpoint(checkpoint.read_text(), NEW.verifier)
    text = checkpoint.read_text().rpartition("\n\n")[0] + "\n"
    checkpoint.write_text(home.signer.sign(text))
    with pytest.raises(VerificationFailed) as caught:
        shown(home, home.signer)
    assert caught.value.code == "WG423"
    assert not judged(home, home.signer).holds
    checkpoint.write_text(NEW.sign(text))
    assert shown(home, home.signer).size == head.size


@pytest.mark.parametrize(
    "said",
    [
        {"old": "a", "new": "b", "by_old": "", "by_new": ""},
        {"retired": "nobody"},
        {"new": "b"},
        {},
    ],
)
def test_names_a_change_of_key_that_is_none(home, said):
    log = home.log()
    log.append(Draft("key", home.policy, home.clock(), open=said)).result()
    log.close()
    with pytest.raises(VerificationFailed) as caught:
        shown(home, home.signer)
    assert (caught.value.code, caught.value.index) == ("WG423", 1)
    assert judged(home, home.signer).index == 1


@pytest.mark.parametrize("forged", ["by_old", "by_new", "new"])
def test_names_a_change_of_key_that_both_did_not_sign(home, forged):
    thief = Signer.generate("log.example/2026", lambda size: b"\x0b" * size)
    said = key_change(home.signer, NEW) | {
        forged: thief.vkey if forged == "new" else thief.sign_bytes(b"")
    }
    log = home.log()
    log.append(Draft("key", home.policy, home.clock(), open=said)).result()
    log.close()
    with pytest.raises(VerificationFailed) as caught:
        shown(home, home.signer)
    assert (caught.value.code, caught.value.index) == ("WG423", 1)
    assert judged(home, home.signer).index == 1


def test_follows_a_key_that_another_process_put_into_force(home, keys):
    log, other = home.log(), home.log()
    log.append(home.disclosure()).result()
    other.append(added(home)).result()
    receipt = log.append(home.disclosure()).result()
    verify_receipt(receipt.proof, NEW.verifier)


def test_logs_nothing_that_it_cannot_sign(home, keys):
    log, other = home.log(), home.log(keys=[home.signer])
    other.append(home.disclosure()).result()
    log.append(added(home)).result()
    size = log.size()
    with pytest.raises(MissingKey):
        other.append(home.disclosure()).result()
    assert log.size() == size
    assert log.append(home.disclosure()).result().index == size


def test_puts_no_key_into_force_that_is_not_at_hand(home):
    log = home.log()
    with pytest.raises(MissingKey, match=r"expected the private key of `log\.example"):
        log.append(added(home)).result()
    assert log.append(home.disclosure()).result().index == 1


def test_keeps_one_key(home, keys):
    log = home.log()
    for draft in (retired(home, home.signer), retired(home, NEW), added(home, home.signer)):
        with pytest.raises(UnknownEntry):
            log.append(draft).result()
    assert log.size() == 1
