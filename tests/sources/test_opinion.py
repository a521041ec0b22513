"""The worker behind the second opinion: real processes that hang, die, lie and are replaced."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from whoisgate.errors import ExtraMissing
from whoisgate.records import Record
from whoisgate.sources import opinion_worker
from whoisgate.sources.opinion import MAX_TEXT_BYTES, SecondOpinion
from whoisgate.sources.opinion_worker import HEADER

WORKER = Path(opinion_worker.__file__)
TEXT = """\
Domain Name: EXAMPLE.COM\r
Creation Date: 2020-01-02T03:04:05Z\r
Registrant Name: Jane Doe\r
Name Server: NS1.EXAMPLE.NET\r
Domain Status: clientTransferProhibited\r
"""
HANGING = "Contact Information:\n" + "a\n\n" * 40
"""In a .jp answer each blank line doubles what one of the library's patterns tries."""

GRACE_S = 0.5
"""What a busy machine may add to a deadline before a test calls it overrun."""


@pytest.fixture
def second():
    with SecondOpinion(deadline_s=10) as opened:
        yield opened


def timed(ask, *args):
    before = time.monotonic()
    answer = ask(*args)
    return answer, time.monotonic() - before


def worker_of(second):
    return second._desks[os.getpid()]._process.pid


def names(opinion):
    return [server.name for server in opinion.nameservers]


def fake(code):
    return [sys.executable, "-I", "-c", code]


def confined(parser):
    """The real worker with another parser: ``parser`` is the body of ``load(name, text)``."""
    body = "\n".join(f"    {line}" for line in parser.splitlines())
    return fake(
        "import importlib.util, os, sys\n"
        f"spec = importlib.util.spec_from_file_location('worker', {str(WORKER)!r})\n"
        "worker = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(worker)\n"
        "real = worker._parser()\n"
        f"def load(name, text):\n{body}\n"
        "worker._parser = lambda: load\n"
        "worker.main()\n"
    )


def gone(pid):
    """Whether a process ends within some seconds; a zombie that waits for its parent has ended."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2][1] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.1)
    return False


def test_reads_a_text(second):
    opinion = second.ask(TEXT, "example.com")
    assert {e.name: v for e, v in opinion.values.items()} == {
        "domain.created": "2020-01-02T03:04:05Z",
        "domain.status": ("clientTransferProhibited",),
    }
    assert names(opinion) == ["ns1.example.net"]
    assert opinion.contacts == {"registrant"}


def test_keeps_one_worker(second):
    second.ask(TEXT, "example.com")
    first = worker_of(second)
    for name in ("example.com", "example.de", "example.xn--p1acf", "example.test"):
        assert second.ask(TEXT, name) is not None
    assert worker_of(second) == first
    assert (second.asked, second.failed, second.timed_out) == (5, 0, 0)


def test_starts_no_worker_before_it_is_asked(second):
    assert second._desks == {}


def test_fills_a_record_and_counts(second):
    ours = Record.of("example.com", {"domain.created": "2001-01-01T00:00:00Z"})
    whole = second.fill(TEXT, ours)
    assert [n.name for n in whole.nameservers] == ["ns1.example.net"]
    assert asyncio.run(second.fill_async(TEXT, ours)) == whole
    # each time: name server and status filled; created differs, and so does the registrant
    assert (second.asked, second.filled, second.disagreed) == (2, 4, 4)


def test_knows_nothing_where_the_library_raises(second):
    opinion = second.ask('No match for "EXAMPLE.COM".', "example.com")
    assert (opinion.values, opinion.nameservers, opinion.contacts) == ({}, (), frozenset())


@pytest.mark.parametrize("name", ["(.example.com", "example.com(", "[", "*.com", "a" * 5000, ""])
def test_pastes_no_name_into_a_pattern(second, name):
    assert second.ask(TEXT, name) is not None


@pytest.mark.parametrize("text", ["\ud800", "\0" * 1000, "\N{PILE OF POO}", "", "\r\n" * 9])
def test_reads_any_text(second, text):
    assert second.ask(text, "example.com") is not None


def test_ends_a_hang_by_its_own_limit_too(second):
    second._deadline_s = 60
    assert second.ask(HANGING, "example.jp") is None
    assert (second.timed_out, second.failed) == (0, 1)


def test_holds_its_deadline_and_replaces_the_worker():
    with SecondOpinion() as second:
        second.ask(TEXT, "example.com")
        hung = worker_of(second)
        answer, waited = timed(second.ask, HANGING, "example.jp")
        assert answer is None
        assert waited < 1 + GRACE_S
        assert gone(hung)
        assert second.timed_out == 1


def test_answers_after_a_hang(second):
    with SecondOpinion(deadline_s=3) as short:
        assert short.ask(TEXT, "example.com") is not None
        before = worker_of(short)
        assert short.ask(HANGING, "example.jp") is None
        assert short.ask(TEXT, "example.com") is not None
        assert worker_of(short) != before


def test_holds_its_deadline_for_many_at_once():
    answers, waits = [], []

    def ask():
        answer, waited = timed(second.ask, HANGING, "example.jp")
        answers.append(answer)
        waits.append(waited)

    with SecondOpinion() as second:
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [None] * 8
        assert max(waits) < 1 + GRACE_S
        assert (second.asked, second.timed_out, second.failed) == (8, 8, 0)


def test_holds_its_deadline_for_many_coroutines():
    async def ask_all():
        return await asyncio.gather(*(second.ask_async(HANGING, "example.jp") for _ in range(50)))

    with SecondOpinion() as second:
        answers, waited = timed(asyncio.run, ask_all())
        assert answers == [None] * 50
        assert waited < 1 + GRACE_S
        assert second.timed_out == 50


def sleeper(tmp_path):
    """A worker that says its process id in a file, and nothing else for a minute."""
    said = tmp_path / "pid"
    write = f"import os, time; open({str(said)!r}, 'w').write(str(os.getpid()) + '\\n')"
    return said, fake(f"{write}; time.sleep(60)")


def test_holds_its_deadline_while_a_worker_starts(tmp_path):
    said, command = sleeper(tmp_path)
    with SecondOpinion(deadline_s=0.5, command=command) as second:
        answer, waited = timed(second.ask, TEXT, "example.com")
        assert (answer, second.timed_out) == (None, 1)
        assert waited < 0.5 + GRACE_S
        assert not said.exists() or gone(int(said.read_text()))


def test_kills_a_worker_given_up_before_it_was_there(tmp_path, monkeypatch):
    said, command = sleeper(tmp_path)
    started = threading.Event()
    real = subprocess.Popen

    def slow(*args, **options):
        time.sleep(0.5)
        process = real(*args, **options)
        while not said.exists() or not said.read_text().endswith("\n"):
            time.sleep(0.01)
        started.set()
        return process

    monkeypatch.setattr(subprocess, "Popen", slow)
    with SecondOpinion(deadline_s=0.1, command=command) as second:
        assert second.ask(TEXT, "example.com") is None
        assert started.wait(20)
        assert gone(int(said.read_text()))


def test_serves_threads_and_coroutines_together(second):
    answers = []

    def ask():
        answers.extend([second.ask(TEXT, "example.com") for _ in range(20)])

    async def ask_all():
        answers.extend(
            await asyncio.gather(*(second.ask_async(TEXT, "example.com") for _ in range(20)))
        )

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    asyncio.run(ask_all())
    for thread in threads:
        thread.join()
    assert len(answers) == 100
    assert all(names(opinion) == ["ns1.example.net"] for opinion in answers)
    assert (second.asked, second.failed, second.timed_out) == (100, 0, 0)


def test_stops_reading_for_a_caller_that_is_cancelled(second):
    async def ask_and_leave():
        asking = asyncio.create_task(second.ask_async(HANGING, "example.jp"))
        await asyncio.sleep(0.5)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        return await second.ask_async(TEXT, "example.com")

    assert asyncio.run(ask_and_leave()) is not None
    assert second.timed_out == 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_replaces_a_worker_that_somebody_killed(second, how):
    second.ask(TEXT, "example.com")
    killed = worker_of(second)
    os.kill(killed, how)
    assert gone(killed)
    assert second.ask(TEXT, "example.com") is not None
    assert worker_of(second) != killed


@pytest.mark.parametrize("text", ["a" * (MAX_TEXT_BYTES + 1), "\N{EURO SIGN}" * 22_000])
def test_hands_on_no_text_that_is_too_large(second, text):
    assert second.ask(text, "example.com") is None
    assert asyncio.run(second.ask_async(text, "example.com")) is None
    assert (second.asked, second.failed, second._desks) == (2, 2, {})


def test_hands_on_the_largest_text(second):
    text = TEXT + "x\n" * ((MAX_TEXT_BYTES - len(TEXT)) // 2)
    assert names(second.ask(text, "example.com")) == ["ns1.example.net"]


READ = "import sys, struct\nh = sys.stdin.buffer.read(8)\nn, k = struct.unpack('>II', h)\n"
SAY = "sys.stdout.buffer.write(struct.pack('>II', n, len(said)) + said); sys.stdout.flush()\n"


@pytest.mark.parametrize(
    "code",
    [
        "",
        "raise SystemExit(3)",
        "import sys; sys.stdout.write('Registrant Name: Jane Doe\\n' * 9)",
        READ
        + "sys.stdout.buffer.write(struct.pack('>II', n, 2**31))\nwhile 1: sys.stdout.write('x')",
        READ + "sys.stdout.buffer.write(struct.pack('>II', n, 99) + b'x')",
        READ + "n += 1; said = b'{}'\n" + SAY,
        READ + "said = b'[]'\n" + SAY,
        READ + "said = b'\\xff'\n" + SAY,
        READ + "said = b'[' * 10000\n" + SAY,
        "import sys\nwhile True: sys.stdout.write('x' * 65536)",
    ],
)
def test_has_no_opinion_where_the_worker_speaks_nonsense(code):
    with SecondOpinion(deadline_s=10, command=fake(code)) as second:
        for _ in range(2):
            assert second.ask(TEXT * 200, "example.com") is None
        assert (second.asked, second.failed, second.timed_out) == (2, 2, 0)


def test_has_no_opinion_where_no_worker_starts():
    with SecondOpinion(command=["/nonexistent/worker"]) as second:
        assert second.ask(TEXT, "example.com") is None
        assert second.failed == 1


LYING = """\
return {"name_servers": ["jane.doe.example", "Jane Doe", "jane@doe.example"],
        "status": ["Jane Roe", "+1.5555550100"], "dnssec": "Jane Doe",
        "creation_date": "Jane Doe", "registrar": "Jane Doe", "name": "Jane Doe",
        "expiration_date": [__import__("datetime").datetime(1990, 9, 8)]}
"""


def test_lets_no_misplaced_name_out():
    text = "Registrant: Jane Doe jane.doe.example\nborn 1990-09-08\nName Server: x\nStatus: y\n"
    with SecondOpinion(deadline_s=10, command=confined(LYING)) as second:
        opinion = second.ask(text, "example.com")
    assert (opinion.values, opinion.nameservers) == ({}, ())
    assert opinion.contacts == {"registrant"}
    said = raw_reply(confined(LYING), text).lower()
    assert b"doe" not in said.replace(b"jane.doe.example", b"")  # a host, as shapes go
    assert b"roe" not in said


def raw_reply(command, text, known=()):
    """What a worker itself says, as its bytes."""
    asked = json.dumps({"name": "example.com", "text": text, "statuses": known}).encode()
    done = subprocess.run(
        command, input=HEADER.pack(1, len(asked)) + asked, capture_output=True, env={},
        timeout=30, check=False,
    )  # fmt: skip
    return done.stdout[HEADER.size :]


def test_lets_no_contact_text_cross_to_us():
    text = TEXT + "Registrant Organization: Doe Works\nTech Name: Tom\nAdmin Name: Ada\n"
    said = raw_reply([sys.executable, "-I", str(WORKER)], text)
    assert json.loads(said)["contacts"] == ["registrant", "admin", "tech"]
    assert not any(word in said.lower() for word in (b"doe", b"jane", b"tom", b"ada"))


TRIES = {
    "bomb": "bytearray(1 << 30)",
    "file": "open('/etc/hostname')",
    "write": "os.write(os.open('/tmp', os.O_TMPFILE | os.O_RDWR), b'x')",
    "socket": "__import__('socket').socket()",
    "lowsocket": "__import__('_socket').socket()",
    "client": "__import__('socket').socket",
    "pipe": "os.pipe()",
    "duplicate": "os.dup(1)",
}


def test_can_do_nothing_but_compute():
    lines = ["done = []"]
    for name, attempt in TRIES.items():
        lines += ["try:", f"    {attempt}", f"    done.append({name!r})"]
        lines += ["except (OSError, MemoryError, AttributeError):", "    pass"]
    lines += ["allowed = 'status' if text == 'try' else 'none'", "return {allowed: done + ['end']}"]
    said = json.loads(raw_reply(confined("\n".join(lines)), "try", [*TRIES, "end"]))
    assert said["statuses"] == ["end"]


def test_dies_of_a_memory_bomb_alone():
    bomb = "x = []\nwhile text != real: x.append(bytearray(1 << 24))"
    with SecondOpinion(deadline_s=20, command=confined(bomb)) as second:
        second.ask(TEXT, "example.com")
        opinion = second.ask(TEXT, "example.com")
    assert opinion is None or opinion.values == {}


def test_sees_an_empty_environment(monkeypatch):
    monkeypatch.setenv("WHOISGATE_SECRET", "canary")
    seen = "return {'status': [k for k in os.environ if k.isalpha() or 'SECRET' in k] or ['none']}"
    with SecondOpinion(deadline_s=10, command=confined(seen)) as second:
        assert second.ask(TEXT, "example.com") is not None
        environment = Path(f"/proc/{worker_of(second)}/environ").read_bytes()
    assert environment == b""


def test_ends_with_a_parent_that_was_killed():
    code = (
        "import os, sys\n"
        "from whoisgate.sources.opinion import SecondOpinion\n"
        "second = SecondOpinion(deadline_s=10)\n"
        "assert second.ask('Name Server: ns1.example.net', 'example.com')\n"
        "print(second._desks[os.getpid()]._process.pid, flush=True)\n"
        "second._deadline_s = 60\n"
        f"second.ask({HANGING!r} if len(sys.argv) > 1 else '', 'example.jp')\n"
        "sys.stdin.read()\n"
    )
    for more in ([], ["hang"]):
        parent = subprocess.Popen(
            [sys.executable, "-c", code, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        with parent:
            worker = int(parent.stdout.readline())
            parent.kill()
        assert gone(worker)


def test_starts_a_worker_of_its_own_in_a_forked_child(second):
    second.ask(TEXT, "example.com")
    ours = worker_of(second)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            answered = second.ask(TEXT, "example.com") is not None
            code = 0 if answered and worker_of(second) != ours else 2
            second.close()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert second.ask(TEXT, "example.com") is not None
    assert worker_of(second) == ours


def test_ends_its_worker_when_closed(second):
    second.ask(TEXT, "example.com")
    worker = worker_of(second)
    second.close()
    assert gone(worker)
    assert second.ask(TEXT, "example.com") is None
    assert asyncio.run(second.ask_async(TEXT, "example.com")) is None
    second.close()


def test_closes_while_a_text_is_read(second):
    waiting = [threading.Thread(target=second.ask, args=(HANGING, "example.jp")) for _ in range(3)]
    for thread in waiting:
        thread.start()
    while not second._desks or second._desks[os.getpid()]._process is None:
        time.sleep(0.01)
    second.close()
    for thread in waiting:
        thread.join()
    assert (second.asked, second.failed, second.timed_out) == (3, 3, 0)


def test_tells_which_extra_is_missing(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(ExtraMissing, match=r"whoisgate\[upstream\]"):
        SecondOpinion()
