"""Several processes on one file: forked, spawned, racing, and killed."""

import json
import os
import threading
import time
from random import Random

import pytest

from whoisgate.audit.draft import Draft, Grant
from whoisgate.stores.crew import Crew


def granted(home, log) -> int:
    """A question that was granted, and not yet used."""
    question = Draft("pending", home.policy, home.clock(), {}, question=b"q")
    entry = log.append(question).result().index
    grant = Grant(entry, ("registrant.name",), "supervisor", home.clock().replace(year=2999))
    log.append(Draft("approval", home.policy, home.clock(), settles=grant)).result()
    return entry


def in_child(work) -> int:
    """Runs ``work`` in a fork of this process; the child's exit code, 0 when it returned."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001  a forked child must never return into pytest
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_lets_eight_processes_take_turns(home):
    said = home.outcomes(*(home.start(75, "--threads", 4) for _ in range(8)))
    assert sorted(index for index, _ in said) == list(range(1, 601))
    assert home.check(said) == 601
    assert [len(numbers) for numbers in home.nodes().values()] == [1, *[75] * 8]
    for numbers in home.nodes().values():
        assert numbers == list(range(len(numbers)))


def test_works_in_children_forked_after_it_was_used(home, log):
    log.append(home.disclosure()).result()
    assert log.size() == 2

    def work():
        for _ in range(20):
            log.append(home.disclosure()).result()
        log.close()

    assert [in_child(work) for _ in range(3)] == [0, 0, 0]
    log.append(home.disclosure()).result()
    assert home.check([]) == 63
    assert sorted(len(n) for n in home.nodes().values()) == [1, 1, 1, 20, 20, 20]


def test_forks_while_threads_append(home, log):
    stop, appended = threading.Event(), []

    def keep_appending():
        while not stop.is_set():
            appended.append(log.append(home.disclosure()).result())

    threads = [threading.Thread(target=keep_appending) for _ in range(4)]
    for thread in threads:
        thread.start()
    codes = [in_child(lambda: log.append(home.disclosure()).result()) for _ in range(8)]
    stop.set()
    for thread in threads:
        thread.join()
    assert codes == [0] * 8
    assert home.check([(r.index, r.token) for r in appended]) == 1 + 8 + len(appended)


def test_spends_an_approval_once_among_threads_and_processes(home, log):
    entry = granted(home, log)
    said = home.outcomes(*(home.start(24, "--threads", 8, "--uses", entry) for _ in range(3)))
    assert [one for one in said if isinstance(one, list)] == [[3, said_token(said)]]
    assert said.count("ApprovalSpent") == 71
    assert home.check([]) == 4


def said_token(said) -> str:
    return next(one[1] for one in said if isinstance(one, list))


def test_keeps_a_budget_exact_among_threads_and_processes(home):
    said = home.outcomes(*(home.start(40, "--threads", 8, "--budget", 50) for _ in range(3)))
    assert said.count("BudgetSpent") == 70
    assert home.check([]) == 51


@pytest.mark.parametrize("seed", range(15))
def test_keeps_what_it_acknowledged_when_killed(home, seed):
    process = home.start(100_000, "--threads", 8)
    delay = Random(seed).uniform(0.0, 0.12)
    lines = [process.stdout.readline()]
    killer = threading.Timer(delay, process.kill)
    killer.start()
    lines += process.stdout.readlines()
    process.wait()
    killer.join()
    acknowledged = [json.loads(line) for line in lines if line.endswith("]\n")]
    assert acknowledged
    size = home.check(acknowledged)
    assert size > max(index for index, _ in acknowledged)
    assert home.log().append(home.disclosure()).result().index == size


def test_ends_when_told_to_just_as_it_begins_to_publish():
    class Pressed(threading.Event):
        """The process is told to stop at the one moment at which its wake-up could be lost."""

        def clear(self):
            crew._stopping.set()
            self.set()
            super().clear()

    crew = Crew(lambda: None, lambda: None, lambda error: None)
    crew._dirty = Pressed()
    crew._dirty.set()
    crew._publishing.join(10)
    assert not crew._publishing.is_alive()
    crew.stop()


def test_publishes_soon_after_an_append(home, log):
    log.append(home.disclosure()).result()
    checkpoint = home.path / "log" / "checkpoint"
    deadline = time.monotonic() + 30
    while checkpoint.read_text().split("\n")[1] != "2" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert checkpoint.read_text().split("\n")[1] == "2"
