"""Going on from what was verified before: the same verdict, and no other log passes for it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whoisgate.audit.verify import (
    LogReport,
    VerificationFailed,
    earlier,
    keep,
    main,
    verify_log,
)

SIZES = [1, 2, 255, 256, 257, 511, 512, 513, 600]


@pytest.fixture(scope="module")
def entries(make) -> list[bytes]:
    made = [make.entry(i, hour=f"2026-11-23T{i // 30:02}Z").entry for i in range(600)]
    made[90] = make.entry(90, kind="tally", open={"public": 7}, hour="2026-11-23T03Z").entry
    return made


@pytest.fixture(scope="module")
def log(make, signer, entries):
    """The log of the first so many entries, with others in the place of some."""

    def log(size, **others):
        now = list(entries[:size])
        for name, entry in others.items():
            now[int(name.removeprefix("at"))] = entry
        return make.log(now, signer)

    return log


@pytest.mark.parametrize("old", SIZES)
@pytest.mark.parametrize("size", SIZES)
def test_gives_the_verdict_of_a_whole_run(log, signer, old, size):
    before = verify_log(log(old).__getitem__, signer.verifier)
    files = log(size)
    if size < old:
        with pytest.raises(VerificationFailed) as caught:
            verify_log(files.__getitem__, signer.verifier, since=before)
        assert caught.value.code == "WG422"
        return
    after = verify_log(files.__getitem__, signer.verifier, since=before)
    whole = verify_log(files.__getitem__, signer.verifier)
    assert json.loads(after.to_json()) == json.loads(whole.to_json()) | {"since": old}


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_tells_a_fork_from_the_log_that_was_verified(log, make, signer, data):
    old = data.draw(st.integers(1, 600))
    size = data.draw(st.integers(old, 600))
    at = data.draw(st.integers(0, old - 1))
    before = verify_log(log(old).__getitem__, signer.verifier)
    forked = log(size, **{f"at{at}": make.entry(9000, hour=f"2026-11-23T{at // 30:02}Z").entry})
    verify_log(forked.__getitem__, signer.verifier)  # sound by itself, and signed
    with pytest.raises(VerificationFailed) as caught:
        verify_log(forked.__getitem__, signer.verifier, since=before)
    assert caught.value.code == "WG422"


def test_names_what_is_wrong_after_the_part_that_is_known(log, make, signer):
    before = verify_log(log(300).__getitem__, signer.verifier)
    files = log(600, at400=make.entry(1, hour="2026-11-22T00Z").entry)
    with pytest.raises(VerificationFailed) as caught:
        verify_log(files.__getitem__, signer.verifier, since=before)
    assert (caught.value.code, caught.value.index) == ("WG420", 400)


def test_reads_nothing_twice_but_unfinished_tiles(log, signer):
    before = verify_log(log(513).__getitem__, signer.verifier)
    files, read = log(600), []
    verify_log(lambda path: read.append(path) or files[path], signer.verifier, since=before)
    assert not {"tile/entries/000", "tile/entries/001", "tile/0/000"} & set(read)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"size": "x"}', "\x00"])
def test_refuses_what_no_earlier_run_wrote(tmp_path, text):
    (tmp_path / "state").write_text(text)
    with pytest.raises(VerificationFailed) as caught:
        earlier(tmp_path / "state")
    assert caught.value.code == "WG422"


def test_keeps_its_state_in_a_file(log, signer, tmp_path, capsys):
    state = tmp_path / "state.json"
    for size, told in ((300, 0), (600, 300)):
        for path, data in log(size).items():
            (tmp_path / "log" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "log" / path).write_bytes(data)
        words = [str(tmp_path / "log"), "--key", signer.vkey, "--state", str(state), "--json"]
        assert main(words) == 0
        assert json.loads(capsys.readouterr().out)["since"] == told
    kept = earlier(state)
    assert isinstance(kept, LogReport)
    keep(state, kept)
    assert earlier(state) == kept


def test_compares_heads_that_others_were_shown(log, signer):
    files = log(600)
    heads = [log(size)["checkpoint"].decode() for size in (1, 255, 256, 257, 511, 512, 600)]
    found = verify_log(files.__getitem__, signer.verifier, heads=heads)
    assert found.heads == (1, 255, 256, 257, 511, 512, 600)
    before = verify_log(log(300).__getitem__, signer.verifier)
    assert verify_log(files.__getitem__, signer.verifier, since=before, heads=heads[4:]).size == 600


@pytest.mark.parametrize("at", [0, 100, 255, 256, 399])
def test_exposes_two_logs_under_one_key(log, make, signer, at):
    entry = make.entry(9000, hour=f"2026-11-23T{at // 30:02}Z").entry
    other = log(400, **{f"at{at}": entry})["checkpoint"].decode()
    with pytest.raises(VerificationFailed) as caught:
        verify_log(log(600).__getitem__, signer.verifier, heads=[other])
    assert caught.value.code == "WG422"
    both = [other, log(400)["checkpoint"].decode()]
    with pytest.raises(VerificationFailed) as caught:
        verify_log(log(600).__getitem__, signer.verifier, heads=both)
    assert caught.value.code == "WG422"


def test_takes_no_head_that_the_log_did_not_sign(log, signer):
    thief = type(signer).generate(signer.name, lambda size: b"t" * size)
    text = log(400)["checkpoint"].decode().rpartition("\n\n")[0] + "\n"
    with pytest.raises(VerificationFailed) as caught:
        verify_log(log(600).__getitem__, signer.verifier, heads=[thief.sign(text)])
    assert caught.value.code == "WG404"


def test_compares_no_head_beyond_the_log(log, signer):
    longer = log(600)["checkpoint"].decode()
    with pytest.raises(VerificationFailed) as caught:
        verify_log(log(400).__getitem__, signer.verifier, heads=[longer])
    assert caught.value.code == "WG422"
    said = str(caught.value)
    assert "of `600` entries, is beyond this log of `400`: nothing was shown either way" in said
    assert "does not begin" not in said
    before = verify_log(log(400).__getitem__, signer.verifier)
    shorter = log(300)["checkpoint"].decode()
    with pytest.raises(VerificationFailed, match="expected a checkpoint of more than `400`"):
        verify_log(log(600).__getitem__, signer.verifier, since=before, heads=[shorter])


def test_goes_on_from_no_state_of_another_key(log, make, signer, entries):
    thief = type(signer).generate(signer.name, lambda size: b"t" * size)
    state = verify_log(make.log(entries[:300], thief).__getitem__, thief.verifier)
    with pytest.raises(VerificationFailed) as caught:
        verify_log(log(600).__getitem__, signer.verifier, since=state)
    assert caught.value.code == "WG422"
