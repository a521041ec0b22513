"""Publication: whole files, in order, resumed wherever it was cut."""

import shutil
from contextlib import suppress

import pytest

from whoisgate.audit.verify import directory_reader, tile_path, verify_log
from whoisgate.errors import LogUnavailable
from whoisgate.stores import publish


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def fill(home, log, count):
    for future in [log.append(home.disclosure()) for _ in range(count)]:
        future.result()


def test_publishes_the_same_bytes_in_steps_or_at_once(home, log):
    for count in (3, 250, 10, 300):
        fill(home, log, count)
        log.publish()
    stepwise = files(home.path / "log")
    shutil.rmtree(home.path / "log")
    (home.path / "log").mkdir()
    log.publish()
    assert files(home.path / "log").items() <= stepwise.items()
    log.publish()
    verify_log(directory_reader(home.path / "log"), home.signer.verifier)


def test_takes_away_partial_tiles_that_a_full_one_replaces(home, log):
    fill(home, log, 99)
    log.publish()
    assert (home.path / "log" / tile_path(0, 0, 100)).exists()
    fill(home, log, 200)
    log.publish()
    assert (home.path / "log" / tile_path(0, 0)).exists()
    assert not (home.path / "log" / tile_path(0, 0, 100)).parent.exists()
    assert (home.path / "log" / tile_path(0, 1, 44)).exists()


@pytest.mark.parametrize("cut", range(6))
def test_resumes_after_any_file_that_was_cut(home, log, monkeypatch, cut):
    """The disk fails at the n-th file; nothing published before it was wrong."""
    fill(home, log, 2)
    log.publish()
    log.close()
    log = home.log()
    real, left = publish._write, [cut]

    def failing(file, content):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "no space left on device")
        real(file, content)

    monkeypatch.setattr(publish, "_write", failing)
    fill(home, log, 400)
    with suppress(LogUnavailable):
        log.publish()
    with suppress(LogUnavailable):
        log.close()
    assert left[0] < 0
    verify_log(directory_reader(home.path / "log"), home.signer.verifier)
    monkeypatch.undo()
    log.publish()
    assert home.check([]) == 403
