"""Whole logs: what holds is reported, what does not is named by the first bad entry."""

from __future__ import annotations

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from whoisgate.audit.note import checkpoint
from whoisgate.audit.verify import (
    FAILURES,
    LogReport,
    VerificationFailed,
    directory_reader,
    entries_path,
    split_bundle,
    url_reader,
    verify_log,
)


@pytest.fixture(scope="module")
def entries(make) -> list[bytes]:
    made = [make.entry(i, hour=f"2026-11-23T{i // 30:02}Z").entry for i in range(600)]
    made[0] = make.entry(0, kind="inception", open={"origin": "log"}, hour="2026-11-23T00Z").entry
    made[90] = make.entry(90, kind="tally", open={"public": 7}, hour="2026-11-23T03Z").entry
    return made


@pytest.fixture(scope="module")
def files(make, signer, entries) -> dict[str, bytes]:
    return make.log(entries, signer)


def fails(files, signer) -> VerificationFailed:
    with pytest.raises(VerificationFailed) as caught:
        verify_log(files.__getitem__, signer.verifier)
    assert caught.value.code in FAILURES
    return caught.value


def store(files, folder):
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def test_reports_a_sound_log(files, signer):
    seen = []
    report = verify_log(files.__getitem__, signer.verifier, lambda *at: seen.append(at))
    assert isinstance(report, LogReport)
    assert (report.origin, report.size) == (signer.name, 600)
    assert report.public == {"inception": 1, "tally": 1}
    assert (report.first_hour, report.last_hour) == ("2026-11-23T00Z", "2026-11-23T19Z")
    assert seen == [(256, 600), (512, 600), (600, 600)]


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 512, 599])
def test_reports_a_log_of_any_size(make, signer, entries, size):
    files = make.log(entries[:size], signer)
    assert verify_log(files.__getitem__, signer.verifier).size == size


def test_reads_each_file_once_and_no_other(files, signer):
    read = []

    def reader(path):
        read.append(path)
        return files[path]

    verify_log(reader, signer.verifier)
    assert sorted(read) == sorted([*files, "retention"])


@pytest.mark.slow
def test_compares_tiles_of_the_third_level(make, signer):
    size = 65_536 + 256 + 1
    entries = [make.entry(1).entry] * size
    files = make.log(entries, signer)
    assert verify_log(files.__getitem__, signer.verifier).size == size
    failure = fails(files | {"tile/2/000.p/1": bytes(32)}, signer)
    assert (failure.code, failure.index) == ("WG418", 0)
    failure = fails(files | {"tile/1/000": files["tile/1/000"][:-1] + b"\0"}, signer)
    assert (failure.code, failure.index) == ("WG418", 255 * 256)


@pytest.mark.parametrize(
    ("path", "at", "first"),
    [
        ("tile/0/000", 0, 0),
        ("tile/0/001", 44 * 32 + 31, 300),
        ("tile/0/002.p/88", 87 * 32, 599),
        ("tile/1/000.p/2", 31, 0),
        ("tile/1/000.p/2", 32, 256),
    ],
)
def test_names_the_first_entry_below_a_changed_hash(files, signer, path, at, first):
    changed = bytearray(files[path])
    changed[at] ^= 1
    failure = fails(files | {path: bytes(changed)}, signer)
    assert (failure.code, failure.index) == ("WG418", first)


def test_refuses_every_changed_byte_of_a_small_log(make, signer, entries):
    files = make.log(entries[:5], signer)
    for path, data in files.items():
        for at in range(len(data)):
            changed = bytearray(data)
            changed[at] ^= 1 << at % 8
            fails(files | {path: bytes(changed)}, signer)


def test_refuses_every_truncated_or_missing_file_of_a_small_log(make, signer, entries):
    files = make.log(entries[:3], signer)
    for path, data in files.items():
        for at in range(len(data)):
            fails(files | {path: data[:at]}, signer)
        fails(files | {path: data + b"\0"}, signer)
        fails(files | {path: data + data}, signer)
        failure = fails({p: d for p, d in files.items() if p != path}, signer)
        assert failure.code == "WG417"
        assert path in str(failure)


@pytest.mark.parametrize("index", [0, 17, 255, 256, 300, 511, 512, 599])
def test_names_the_first_changed_entry(files, signer, entries, index):
    path = entries_path(index // 256, min(256, 600 - index // 256 * 256))
    at = sum(2 + len(each) for each in entries[index // 256 * 256 : index])
    for offset in (0, 1, 2, 40, 1 + len(entries[index])):
        changed = bytearray(files[path])
        changed[at + offset] ^= 1
        changed[-1] ^= 2
        failure = fails(files | {path: bytes(changed)}, signer)
        assert (failure.code, failure.index) in {("WG418", index), ("WG409", index)}


def test_refuses_a_consistent_rewriting(make, signer, entries, files):
    """Entries and tiles agree with each other, but not with what was signed."""
    other = make.log(
        [*entries[:20], make.entry(9999, hour="2026-11-23T00Z").entry, *entries[21:]], signer
    )
    failure = fails(other | {"checkpoint": files["checkpoint"]}, signer)
    assert (failure.code, failure.index) == ("WG419", None)


def test_refuses_a_log_cut_short_or_signed_by_another(make, signer, entries, files):
    shorter = make.log(entries[:599], signer)
    assert fails(shorter | {"checkpoint": files["checkpoint"]}, signer).code == "WG417"
    note = signer.sign(checkpoint("other.example/log", 0, bytes(32)))
    assert fails({"checkpoint": note.encode()}, signer).code == "WG405"
    note = signer.sign(checkpoint(signer.name, 0, bytes(32)))
    assert fails({"checkpoint": note.encode()}, signer).code == "WG419"
    assert fails({"checkpoint": b"\xff"}, signer).code == "WG402"
    assert fails({}, signer).code == "WG417"


def test_refuses_what_the_log_itself_logged_wrongly(make, signer, entries):
    good = make.entry(1, hour="2026-11-23T00Z").entry
    for bad, code in (
        (b"", "WG409"),
        (b"{}", "WG409"),
        (good + b" ", "WG409"),
        (make.entry(1, hour="2026-11-22T23Z").entry, "WG420"),
    ):
        failure = fails(make.log([*entries[:7], bad, *entries[8:10]], signer), signer)
        assert (failure.code, failure.index) == (code, 7)


def test_takes_a_full_tile_for_a_partial_one_that_is_gone(make, signer, entries):
    """A log that grew while it was read."""
    old, new = make.log(entries[:300], signer), make.log(entries[:512], signer)
    files = new | {path: old[path] for path in ("checkpoint", "tile/1/000.p/1")}
    assert verify_log(files.__getitem__, signer.verifier).size == 300
    bundle = bytearray(files["tile/entries/001"])
    bundle[5] ^= 1
    assert fails(files | {"tile/entries/001": bytes(bundle)}, signer).index == 256


def test_reads_folders_and_servers(files, signer, tmp_path):
    store(files, tmp_path)
    report = verify_log(directory_reader(tmp_path), signer.verifier)
    assert verify_log(url_reader(tmp_path.as_uri()), signer.verifier) == report
    handler = functools.partial(_Quiet, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/"
            assert verify_log(url_reader(url), signer.verifier) == report
            with pytest.raises(VerificationFailed) as caught:
                verify_log(url_reader(url + "nowhere"), signer.verifier)
            assert caught.value.code == "WG417"
        finally:
            server.shutdown()
            thread.join()


def test_reads_no_file_without_end(signer, tmp_path):
    with (tmp_path / "checkpoint").open("wb") as stream:
        stream.truncate(1 << 34)
    for read in (directory_reader(tmp_path), url_reader(tmp_path.as_uri())):
        with pytest.raises(VerificationFailed) as caught:
            verify_log(read, signer.verifier)
        assert caught.value.code == "WG417"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://[", "file:///nowhere", "http://a b"])
def test_reports_a_server_that_does_not_answer(signer, url):
    with pytest.raises(VerificationFailed) as caught:
        verify_log(url_reader(url), signer.verifier)
    assert caught.value.code == "WG417"


def test_reads_the_bundles_that_it_publishes(files, entries):
    assert split_bundle(files[entries_path(2, 88)]) == entries[512:]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""
