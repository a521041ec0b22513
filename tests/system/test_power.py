"""The power cut under load, on a real file system: nothing that a client holds is missing.

The cut is ext4's own shutdown: nothing reaches the disk any more, and a new mount replays the
journal. Unlike a real one it lets processes go on, and then a sync under way may say that all is
well (a bare loop of ``pwrite`` and ``fdatasync`` shows it too), so that only what was received
before the cut counts. ``WHOISGATE_CUTS`` is how many; the moment of each comes from its number.
"""

import os
import time
from random import Random

import pytest
from tests.system import mounts
from tests.system.gates import Asker, Ledger, Told, make_folder, wait_until

pytestmark = pytest.mark.system
CUTS = int(
    os.environ.get("WHOISGATE_CUTS") or ("300" if os.environ.get("WHOISGATE_SOAK") else "15")
)
BUDGET = 100_000
ENDLESS = 1_000_000
FLUSHED = (mounts.NOTHING_FLUSHED, mounts.LOG_FLUSHED, mounts.FLUSHED)


@pytest.fixture(scope="module")
def asker(tmp_path_factory):
    asker = Asker(tmp_path_factory.mktemp("asker"))
    yield asker
    asker.stop()


@pytest.fixture
def disk(tmp_path):
    with mounts.ext4(tmp_path, 64) as disk:
        yield disk


def test_a_cut_loses_what_was_not_synced(disk):
    """Otherwise what follows would show nothing."""
    synced = os.open(disk.place / "synced", os.O_CREAT | os.O_WRONLY)
    os.write(synced, b"all of it")
    os.fsync(synced)
    os.write(synced, b" and more")
    (disk.place / "written").write_bytes(b"all of it")
    disk.cut_power(mounts.NOTHING_FLUSHED)
    with pytest.raises(OSError, match="Input/output"):
        (disk.place / "later").write_bytes(b"")
    os.close(synced)
    disk.restore_power()
    assert (disk.place / "synced").read_bytes() == b"all of it"
    assert not (disk.place / "written").exists() or not (disk.place / "written").read_bytes()


@pytest.mark.parametrize("cut", range(CUTS))
def test_keeps_what_it_acknowledged_before_the_power_was_cut(disk, asker, cut):
    chance = Random(cut)
    folder = make_folder(disk.place / "gate", BUDGET)
    if cut % 5:
        os.sync()  # the others have their first answers before the kernel wrote the folder out
    ledger = Ledger(asker, folder, BUDGET)
    running = asker.start("ask", folder, passes=ENDLESS)
    wanted = chance.choice([1, 2, 3, 5, 8, 20, 60, 150])
    wait_until(lambda: len(running.told.lines) >= wanted)
    time.sleep(chance.uniform(0, 0.02))
    received = Told(list(running.told.lines))
    disk.cut_power(FLUSHED[cut % len(FLUSHED)])
    time.sleep(chance.uniform(0, 0.2))  # it may do what it likes, without a disk
    running.kill()
    assert not running.end().crashes
    ledger.take(received)
    disk.restore_power()
    ledger.settle()
