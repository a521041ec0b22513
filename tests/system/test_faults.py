"""One fault at one system call of the write path, anywhere in a run; then a normal start.

Each point is a whole history: a gate process asks (releases, refusals, approvals, a tally) while
``strace`` lets one system call fail or kills the process at it, another process starts anew, and
what was received from both is settled with the log. ``WHOISGATE_FAULTS`` is how many points;
point K is the same whatever their number: ``pytest -m system tests/system/test_faults.py -k [K]``.
"""

import os
import re
import shutil
from collections import Counter

import pytest
from tests.system.gates import Asker, Ledger, make_folder

pytestmark = pytest.mark.system
POINTS = int(
    os.environ.get("WHOISGATE_FAULTS") or ("3000" if os.environ.get("WHOISGATE_SOAK") else "150")
)
BUDGET = 17
FULL_TILE = 256
CALLS = (
    "pwrite64", "fdatasync", "fsync", "write", "rename", "openat", "ftruncate", "mkdir", "unlink",
    "flock", "fcntl", "pread64", "read", "close", "rmdir", "unlinkat", "lseek", "newfstatat",
    "getdents64",
)  # fmt: skip
ELSEWHERE = {
    "mmap", "munmap", "mprotect", "brk", "madvise",  # memory: no answer at all, not a wrong one
    "sendto", "recvfrom", "socket", "connect",  # how the ledger learns
    "ioctl", "lstat", "stat", "readlink", "geteuid", "getpid", "gettid", "getrandom",
    "dup", "execve", "clone", "clone3", "futex", "exit", "exit_group", "wait4", "set_robust_list",
    "rseq", "rt_sigaction", "rt_sigprocmask", "alarm", "rt_sigreturn", "sched_yield",
    "clock_nanosleep", "restart_syscall", "sched_getaffinity", "prctl", "statx", "fchown", "uname",
    "getuid", "getcwd", "access", "sysinfo", "prlimit64", "gettimeofday", "select", "pselect6",
    "poll", "mremap", "fadvise64",
}  # fmt: skip
FAULTS = ("error=EIO", "error=ENOSPC", "signal=KILL")
# A failed `close` closes all the same, on Linux; strace's would not, and nothing real is like that.
PAIRS = [(call, fault) for fault in FAULTS for call in CALLS if (call, fault[0]) != ("close", "e")]
GOLDEN = 0.6180339887


@pytest.fixture(scope="module")
def asker(tmp_path_factory):
    asker = Asker(tmp_path_factory.mktemp("asker"))
    yield asker
    asker.stop()


@pytest.fixture(scope="module")
def template(tmp_path_factory, asker):
    """A folder just before its first tile is full, with one approval granted and not used."""
    folder = make_folder(tmp_path_factory.mktemp("template") / "gate", BUDGET)
    told = asker.run("prepare", folder, size=FULL_TILE - 12)
    assert told.done, told.lines
    return folder, told.answers[-10:]


@pytest.fixture(scope="module")
def calls(tmp_path_factory, asker, template):
    """How often one thread makes each system call in a run without a fault."""
    place = tmp_path_factory.mktemp("plain")
    folder = shutil.copytree(template[0], place / "gate")
    trace = place / "trace"
    told = asker.run("ask", folder, "strace", "-f", "-o", str(trace), passes=1)
    assert told.done, told.lines
    made = Counter(re.findall(r"^(\d+) +(\w+)\(", trace.read_text(), re.MULTILINE))
    most: dict[str, int] = {}
    for (_, call), times in made.items():
        most[call] = max(times, most.get(call, 0))
    return most


def test_knows_every_system_call_of_the_write_path(calls):
    assert set(calls) <= {*CALLS, *ELSEWHERE}
    assert set(CALLS) <= set(calls)


@pytest.mark.parametrize("point", range(POINTS))
def test_survives_a_fault_at_any_system_call(tmp_path, asker, template, calls, point):
    call, fault = PAIRS[point % len(PAIRS)]
    at = 1 + int(calls[call] * ((point + 1) * GOLDEN % 1))
    for attempt in range(1 + calls[call].bit_length()):
        folder = shutil.copytree(template[0], tmp_path / f"gate-{attempt}")
        trace = tmp_path / f"trace-{attempt}"
        ledger = Ledger(asker, folder, BUDGET, template[1])
        inject = f"inject={call}:{fault}:when={at}"
        told = ledger.take(
            asker.run(
                "ask", folder, "strace", "-f", "-o", str(trace), "-e", f"trace={call}",
                "-e", inject, passes=1,
            )
        )  # fmt: skip
        ledger.settle()
        assert told.done or fault == "signal=KILL", told.lines[-3:]
        if "INJECTED" in trace.read_text() or not told.done:
            return
        at = max(1, at // 2)  # this run made fewer of them
    raise AssertionError(f"{call} was never made")
