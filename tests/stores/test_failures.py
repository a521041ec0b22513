"""Full and read-only disks, stale and forked copies, foreign files: the log fails closed."""

import errno
import os
import resource
import shutil
import sqlite3
import threading
import time

import pytest

from whoisgate.errors import DiskFull, FilesSpent, FormatTooNew, LogUnavailable, StaleLog
from whoisgate.stores.sequencer import BUSY_AGAIN_S
from whoisgate.stores.sqlite import SQLiteLog
from whoisgate.stores.tables import SCHEMA_VERSION

NOBODY = 65534


def copy_database(home, name):
    """The whole database as it is now, in another folder."""
    target = home.path / name
    with sqlite3.connect(home.path / "whoisgate.db") as database:
        database.execute("VACUUM INTO ?", (str(target),))
    database.close()
    return target


def put_back(home, copy):
    for suffix in ("-wal", "-shm"):
        (home.path / f"whoisgate.db{suffix}").unlink(missing_ok=True)
    shutil.move(copy, home.path / "whoisgate.db")


def test_refuses_a_stale_copy(home, log):
    log.append(home.disclosure()).result()
    copy = copy_database(home, "old.db")
    log.append(home.disclosure()).result()
    log.close()
    put_back(home, copy)
    stale = home.log()
    with pytest.raises(StaleLog, match="restore the newest database"):
        stale.append(home.disclosure()).result()
    with pytest.raises(StaleLog):
        stale.size()
    with pytest.raises(StaleLog):
        stale.publish()
    assert StaleLog.code == "WG506"


def test_refuses_a_forked_database(home, log):
    log.append(home.disclosure()).result()
    copy = copy_database(home, "fork.db")
    for _ in range(2):
        log.append(home.disclosure()).result()
    log.close()
    published = (home.path / "log" / "checkpoint").read_bytes()
    put_back(home, copy)
    (home.path / "log" / "checkpoint").rename(home.path / "aside")
    fork = home.log()
    for _ in range(2):
        fork.append(home.disclosure()).result()
    (home.path / "aside").rename(home.path / "log" / "checkpoint")
    with pytest.raises(StaleLog):
        fork.close()
    with pytest.raises(StaleLog):
        home.log().append(home.disclosure()).result()
    assert (home.path / "log" / "checkpoint").read_bytes() == published


def test_refuses_another_logs_checkpoint(home, log):
    checkpoint = home.path / "log" / "checkpoint"
    log.close()
    checkpoint.write_text(checkpoint.read_text().replace("log.example", "other.example"))
    with pytest.raises(StaleLog, match="keys signed"):
        home.log().append(home.disclosure()).result()


def test_stops_when_the_database_is_replaced_under_it(home, log):
    log.append(home.disclosure()).result()
    (home.path / "whoisgate.db").rename(home.path / "moved.db")
    for _ in range(2):
        with pytest.raises(LogUnavailable, match="removed or replaced"):
            log.append(home.disclosure()).result()
    (home.path / "moved.db").rename(home.path / "whoisgate.db")
    with pytest.raises(LogUnavailable, match="removed or replaced"):
        log.append(home.disclosure()).result()
    log.close()
    assert home.log().append(home.disclosure()).result().index == 2


def test_stops_when_the_shred_file_is_gone(home, log):
    log.append(home.disclosure()).result()
    (home.path / "shred.slots").rename(home.path / "aside")
    for _ in range(2):
        with pytest.raises(LogUnavailable, match="the log stopped"):
            log.append(home.disclosure()).result()
    assert log.size() == 2


def test_fails_closed_on_a_full_disk_and_recovers(home, log):
    receipts = [log.append(home.disclosure()).result() for _ in range(3)]
    log.close()
    *said, seen = home.outcomes(home.start(0, "--limit", 150_000))
    good = [one for one in said if isinstance(one, list)]
    failed = [one for one in said if isinstance(one, str)]
    assert good
    assert failed == ["Doubtful", "Doubtful"]
    assert seen == 4 + len(good)
    size = home.check([(r.index, r.token) for r in receipts] + good)
    assert home.log().append(home.disclosure()).result().index == size


@pytest.mark.parametrize("call", ["pwrite", "fsync"])
def test_goes_on_after_a_write_without_room_and_never_after_such_a_sync(
    home, log, call, monkeypatch
):
    """Only these two calls of the shred file; tests/system fills real disks."""
    log.append(home.disclosure()).result()

    def no_room(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(f"whoisgate.stores.shred.os.{call}", no_room)
        with pytest.raises(LogUnavailable) as caught:
            log.append(home.disclosure()).result()
    assert isinstance(caught.value, DiskFull) is (call == "pwrite")
    after = log.append(home.disclosure())
    assert (after.exception() is None) is (call == "pwrite")
    assert home.check([]) == (3 if call == "pwrite" else 2)


def files_spent(code):
    """An ``os.open`` that has no file left."""

    def spent(*_):
        raise OSError(code, os.strerror(code))

    return spent


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE])
def test_goes_on_after_a_file_could_not_be_opened(home, log, code, monkeypatch):
    log.append(home.disclosure()).result()
    with monkeypatch.context() as patched:
        patched.setattr("whoisgate.stores.shred.os.open", files_spent(code))
        for _ in range(2):
            with pytest.raises(FilesSpent):
                log.append(home.disclosure()).result()
    assert log.append(home.disclosure()).result().index == 2
    assert home.check([]) == 3
    assert FilesSpent.code == "WG518"


@pytest.mark.parametrize("call", ["pwrite", "fsync", "close"])
def test_stops_when_files_are_said_to_be_spent_once_one_is_open(home, log, call, monkeypatch):
    log.append(home.disclosure()).result()
    close = os.close

    def failing(handle, *_):
        if call == "close":
            close(handle)
        files_spent(errno.EMFILE)()

    with monkeypatch.context() as patched:
        patched.setattr(f"whoisgate.stores.shred.os.{call}", failing)
        with pytest.raises(LogUnavailable, match="the log stopped"):
            log.append(home.disclosure()).result()
    with pytest.raises(LogUnavailable, match="the log stopped"):
        log.append(home.disclosure()).result()
    assert home.check([]) == 2


@pytest.mark.parametrize("at", ["BEGIN IMMEDIATE", "INSERT INTO entry", "COMMIT", "ROLLBACK"])
def test_stops_when_sqlite_can_open_no_file(home, log, at, monkeypatch):
    log.close()
    opened = SQLiteLog._open
    if at == "ROLLBACK":
        monkeypatch.setattr("whoisgate.stores.shred.os.open", files_spent(errno.EMFILE))
    monkeypatch.setattr(SQLiteLog, "_open", lambda self: Told(opened(self), [], at))
    later = home.log()
    for _ in range(2):
        with pytest.raises(LogUnavailable, match="the log stopped"):
            later.append(home.disclosure()).result()
    monkeypatch.undo()
    later.close()
    assert home.check([]) == 1


def test_writes_nothing_of_a_batch_before_the_file_is_open(home, log, monkeypatch):
    log.close()
    opened, told = SQLiteLog._open, []
    monkeypatch.setattr(SQLiteLog, "_open", lambda self: Told(opened(self), told))
    later = home.log()
    later.append(home.disclosure()).result()
    assert "INSERT INTO entry (idx, leaf) VALUES (?, ?)" in told
    with monkeypatch.context() as patched:
        patched.setattr("whoisgate.stores.shred.os.open", files_spent(errno.EMFILE))
        told.clear()
        with pytest.raises(FilesSpent):
            later.append(home.disclosure()).result()
    assert told == ["BEGIN IMMEDIATE", "ROLLBACK"]


def test_goes_on_after_the_process_had_every_file_open_that_it_may(home, log, monkeypatch):
    log.close()
    monkeypatch.setattr("whoisgate.stores.crew.PUBLISH_AFTER_S", 60)  # it opens and closes files
    later = home.log()
    later.append(home.disclosure()).result()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    last = os.open(os.devnull, os.O_RDONLY)
    try:
        # Each number below the last one is taken.
        resource.setrlimit(resource.RLIMIT_NOFILE, (last + 1, limits[1]))
        for _ in range(3):
            with pytest.raises(FilesSpent):
                later.append(home.disclosure()).result()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        os.close(last)
    assert later.append(home.disclosure()).result().index == 2
    later.close()
    assert home.check([]) == 3


class Told:
    """A connection that keeps what it was told, and says that a file cannot be opened ``at`` it."""

    def __init__(self, database, told, at=None):
        self._database, self._told, self._at = database, told, at

    def __getattr__(self, name):
        return getattr(self._database, name)

    def execute(self, statement, *values):
        return self._do(self._database.execute, statement, values)

    def executemany(self, statement, *values):
        return self._do(self._database.executemany, statement, values)

    def _do(self, work, statement, values):
        self._told.append(statement)
        if self._at and statement.startswith(self._at):
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error
        return work(statement, *values)


class UntilCommit:
    """A connection that fails at whatever is asked of it after a commit."""

    def __init__(self, database):
        self._database, self._committed = database, False

    def __getattr__(self, name):
        if self._committed and name != "close":
            raise sqlite3.OperationalError("locking protocol")
        return getattr(self._database, name)

    def execute(self, statement, *values):
        done = self.__getattr__("execute")(statement, *values)
        self._committed = statement == "COMMIT"
        return done


def test_gives_a_receipt_for_what_is_committed_without_asking_the_database_again(
    home, log, monkeypatch
):
    log.close()
    opened = SQLiteLog._open
    monkeypatch.setattr(SQLiteLog, "_open", lambda self: UntilCommit(opened(self)))
    later = home.log()
    receipt = later.append(home.disclosure()).result()
    with pytest.raises(LogUnavailable):
        later.append(home.disclosure()).result()
    monkeypatch.undo()
    later.close()
    home.check([(receipt.index, receipt.token)])


def test_a_stopped_log_that_cannot_publish_ends_without_another_try(home, log, monkeypatch):
    log.append(home.disclosure()).result()
    tries, tried = [], threading.Event()

    def failing(*_):
        tries.append(len(tries))
        tried.set()
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("whoisgate.stores.publish.publish", failing)
    (home.path / "shred.slots").rename(home.path / "aside")
    with pytest.raises(LogUnavailable, match="the log stopped"):
        log.append(home.disclosure()).result()
    (home.path / "aside").rename(home.path / "shred.slots")
    tried.clear()
    assert tried.wait(10)
    before = len(tries)
    with pytest.raises(LogUnavailable, match="cannot be published"):
        log.close()
    assert len(tries) <= before + 1  # one may have begun
    monkeypatch.undo()
    home.log().close()
    assert home.check([]) == 2


def test_waits_long_for_another_process_once_and_goes_on_when_it_lets_go(home, log, monkeypatch):
    log.close()
    looks, waits = [], []
    monkeypatch.setattr(
        "whoisgate.stores.sequencer.sleep", lambda s: looks.append(s) or time.sleep(s)
    )
    monkeypatch.setattr("whoisgate.stores.tables.BUSY_S", 0.5)
    later = home.log()
    later.append(home.disclosure()).result()
    holder = sqlite3.connect(home.path / "whoisgate.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    for _ in range(3):
        looks.clear()
        with pytest.raises(LogUnavailable, match="busy"):
            later.append(home.disclosure()).result()
        waits.append(pytest.approx(sum(looks)))
    looks.clear()
    holder.execute("ROLLBACK")
    holder.close()
    assert later.append(home.disclosure()).result()
    assert looks == []
    assert waits == [0.5, BUSY_AGAIN_S, BUSY_AGAIN_S]


def test_fails_closed_in_a_read_only_folder_and_recovers(home, log):
    log.append(home.disclosure()).result()
    log.close()
    paths = [home.path, *home.path.parents[:1], *home.path.iterdir()]
    modes = {path: path.stat().st_mode for path in paths}
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    for path in home.path.parents:
        if path.stat().st_mode & 0o005 != 0o005:
            path.chmod(0o755)
    assert as_nobody(lambda: home.log().append(home.disclosure()).exception()) == "LogUnavailable"
    for path, mode in modes.items():
        path.chmod(mode)
    assert home.log().append(home.disclosure()).result().index == 2


def as_nobody(work) -> str:
    """The class of what ``work`` returns, in a child that may not override permissions."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setuid(NOBODY)
            error = work()
            kind = next(k for k in type(error).__mro__ if k is LogUnavailable or k is object)
            os.write(writing, kind.__name__.encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        text = said.read()
    os.waitpid(child, 0)
    return text


def test_says_that_the_database_is_missing(home):
    (home.path / "whoisgate.db").unlink()
    log = home.log()
    with pytest.raises(LogUnavailable, match="expected a log database at"):
        log.append(home.disclosure()).result()
    with pytest.raises(LogUnavailable, match="expected a log database at"):
        log.size()


def test_says_that_the_file_is_no_log(home):
    (home.path / "whoisgate.db").write_bytes(b"")
    with pytest.raises(LogUnavailable, match="got another file"):
        home.log().size()
    (home.path / "whoisgate.db").write_bytes(b"SQLite, but not really" * 99)
    with pytest.raises(LogUnavailable, match="cannot be read"):
        home.log().size()


def test_refuses_a_newer_format(home):
    database = sqlite3.connect(home.path / "whoisgate.db")
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.close()
    with pytest.raises(FormatTooNew):
        home.log().append(home.disclosure()).result()


def test_waits_for_another_writer_and_goes_on(home, log):
    log.append(home.disclosure()).result()
    other = sqlite3.connect(home.path / "whoisgate.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = log.append(home.disclosure())
    assert not waiting.done()
    other.execute("ROLLBACK")
    other.close()
    assert waiting.result().index == 2


def test_appends_on_while_the_folder_cannot_be_published(home, log):
    log.append(home.disclosure()).result()
    log.publish()
    (home.path / "log").rename(home.path / "away")
    log.append(home.disclosure()).result()
    with pytest.raises(LogUnavailable, match="cannot be published"):
        log.publish()
    (home.path / "away").rename(home.path / "log")
    log.publish()
    assert home.check([]) == 3
