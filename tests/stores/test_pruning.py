"""Pruning under a published policy: old entries go, everything after them verifies as before."""

import pytest

from whoisgate.audit.draft import Draft, Erased
from whoisgate.audit.verify import (
    Retention,
    VerificationFailed,
    directory_reader,
    parse_retention,
    verify_log,
    verify_receipt,
)
from whoisgate.errors import LogUnavailable


@pytest.fixture
def filled(home):
    home.receipts = [
        f.result()
        for log in [home.log()]
        for f in [log.append(home.disclosure()) for _ in range(600)]
    ]
    home.log().publish()
    return home


def promised(home, minimum):
    return Retention(home.signer.name, minimum, "1096 days", "1096 days")


def shown(home, **more):
    return verify_log(directory_reader(home.path / "log"), home.signer.verifier, **more)


@pytest.mark.parametrize("minimum", [0, 256, 512])
def test_verifies_what_is_kept(filled, minimum):
    whole = shown(filled)
    filled.log().retain(promised(filled, minimum))
    kept = shown(filled)
    assert (kept.pruned, kept.root, kept.size) == (minimum, whole.root, 601)
    assert shown(filled, since=whole).pruned == 0
    moved = sorted(p.name for p in (filled.path / "pruned").rglob("*") if p.is_file())
    assert len(moved) == 2 * minimum // 256
    log = filled.log()
    log.append(filled.disclosure()).result()
    log.close()
    assert shown(filled).size == 602
    assert verify_receipt(filled.receipts[0].proof, filled.signer.verifier).index == 1


def test_names_an_altered_entry_after_the_pruned_ones(filled):
    filled.log().retain(promised(filled, 256))
    bundle = filled.path / "log" / "tile" / "entries" / "001"
    raw = bytearray(bundle.read_bytes())
    raw[100] ^= 1
    bundle.write_bytes(raw)
    with pytest.raises(VerificationFailed) as caught:
        shown(filled)
    assert (caught.value.code, caught.value.index) == ("WG418", 256)


@pytest.mark.parametrize(
    ("forge", "code"),
    [
        (lambda n: n.replace("minimum 256", "minimum 512"), "WG403"),
        (lambda n: n.replace("minimum 256", "minimum 300"), "WG427"),
        (lambda n: n.replace("minimum 256", "minimum 0256"), "WG427"),
        (lambda n: n.replace("minimum 256", "minimum 99999999"), "WG427"),
        (lambda n: n.replace("log.example/2026\n", "log.other/2026\n", 1), "WG403"),
        (lambda _: "", "WG427"),
    ],
)
def test_prunes_by_no_forged_policy(filled, forge, code):
    filled.log().retain(promised(filled, 256))
    note = filled.path / "log" / "retention"
    note.write_text(forge(note.read_text()))
    with pytest.raises(VerificationFailed) as caught:
        shown(filled)
    assert caught.value.code == code


def test_refuses_a_log_that_lacks_its_beginning_without_a_policy(filled):
    (filled.path / "log" / "tile" / "entries" / "000").unlink()
    with pytest.raises(VerificationFailed) as caught:
        shown(filled)
    assert caught.value.code == "WG417"


def test_never_takes_a_promise_back(filled):
    filled.log().retain(promised(filled, 512))
    for minimum in (256, 1024):
        with pytest.raises(LogUnavailable, match="only grows"):
            filled.log().retain(promised(filled, minimum))
    assert filled.log().promised().minimum == 512


def test_reads_what_it_writes():
    for kept in ("always", "90 days"):
        one = Retention("log.example/2026", 256, kept, "30 days")
        assert parse_retention(one.text()) == one


def test_erases_many_at_once(filled):
    log = filled.log()
    said = {"reason": "retention"}
    everything = Erased(tuple(range(601)))
    log.append(
        Draft("erasure", filled.policy, filled.clock(), open=said, settles=everything)
    ).result()
    log.publish()
    assert log.logged_before(filled.clock()) == [601]
