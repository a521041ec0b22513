"""Publication: whole files, in order, resumed wherever it was cut."""

import shutil

import pytest

from whoisgate.audit.tiles import new_tiles
from whoisgate.audit.verify import directory_reader, tile_path, verify_log


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


@pytest.mark.parametrize("cut", range(7))
def test_resumes_after_any_file_at_which_it_was_cut(home, log, cut):
    """As a crash leaves it: the old checkpoint, and the first few files of what follows."""
    fill(home, log, 2)
    log.publish()
    old = files(home.path / "log")
    fill(home, log, 600)
    leaves = [log.leaf(index) for index in range(603)]
    log.close()
    shutil.rmtree(home.path / "log")
    new = new_tiles(3, 603, lambda start, stop: leaves[start:stop], lambda *_: b"")
    for path, content in [*old.items(), *list(new)[:cut]]:
        file = home.path / "log" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    assert shown(home).endswith(" 3 entries.")
    assert home.check([]) == 603


def test_leaves_a_torn_file_of_a_crash_behind_unread(home, log):
    fill(home, log, 2)
    (home.path / "log" / ".checkpoint.new").write_bytes(b"half a line")
    log.publish()
    assert shown(home).endswith(" 3 entries.")


def shown(home) -> str:
    return verify_log(directory_reader(home.path / "log"), home.signer.verifier).sentences()[0]
