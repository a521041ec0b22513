"""python-whois as a second opinion: a worker process, asked within a deadline or not at all.

The library's parser hangs on genuine answers, so it runs where it can be killed. One worker per
process of ours is started when first asked, and again after every end. Nothing waits for it
longer than the deadline, which counts from the call: queueing, start and reading included.

No value of a text ever stands in a counter, an error or a log line.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from whoisgate.errors import ExtraMissing
from whoisgate.formats.whois.opinion import MAX_REPLY_BYTES, STATUS_WORDS, Opinion, filled
from whoisgate.records import Record
from whoisgate.sources import opinion_worker
from whoisgate.sources.opinion_worker import HEADER

MAX_TEXT_BYTES: Final = 64 * 1024
DEADLINE_S: Final = 1.0
_COMMAND: Final = (sys.executable, "-I", str(Path(opinion_worker.__file__).resolve()))


class SecondOpinion:
    """Asks the worker; safe from many threads, from coroutines, and after a fork.

    ``asked``, ``timed_out`` and ``failed`` count texts (too large, or a worker that died or spoke
    nonsense: failed); ``filled`` and ``disagreed`` count elements.
    """

    def __init__(
        self, *, deadline_s: float = DEADLINE_S, command: Sequence[str] = _COMMAND
    ) -> None:
        """Raises `ExtraMissing` where python-whois is not installed."""
        try:
            importlib.metadata.distribution("python-whois")
        except importlib.metadata.PackageNotFoundError:
            raise ExtraMissing(
                'expected `pip install "whoisgate[upstream]"`: python-whois'
            ) from None
        self._deadline_s, self._command = deadline_s, tuple(command)
        self.asked = self.timed_out = self.failed = self.filled = self.disagreed = 0
        self._guards: dict[int, threading.Lock] = {}  # of the counters, one per process
        self._desks: dict[int, _Desk] = {}
        self._finalizer = weakref.finalize(self, _close, self._desks)

    def __enter__(self) -> SecondOpinion:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def counted(self) -> str:
        """The counts, for the operator."""
        return (
            f"{self.asked} texts asked, {self.filled} elements filled, {self.disagreed} "
            f"disagreements, {self.timed_out} timed out, {self.failed} without an answer"
        )

    def close(self) -> None:
        """End the worker; asked afterwards, nobody answers."""
        self._finalizer()

    def ask(self, text: str, name: str) -> Opinion | None:
        """What the other reader makes of ``text``, the answer about ``name``.

        None when the text is too large, the worker fails, or the deadline passes.
        """
        ask = self._submit(text, name)
        if ask is None:
            return None
        try:
            return self._heard(ask.future.result(self._deadline_s))
        except TimeoutError:
            self._count(timed_out=1)
            return None
        finally:
            ask.end()

    async def ask_async(self, text: str, name: str) -> Opinion | None:
        """As `ask`, awaited; a cancelled caller cancels the reading too."""
        ask = self._submit(text, name)
        if ask is None:
            return None
        try:
            async with asyncio.timeout(self._deadline_s):
                return self._heard(await asyncio.wrap_future(ask.future))
        except TimeoutError:
            self._count(timed_out=1)
            return None
        finally:
            ask.end()

    def fill(self, text: str, record: Record) -> Record:
        """``record``, read from ``text``, with what the other reader adds; counted."""
        return self._fill(record, self.ask(text, record.name))

    async def fill_async(self, text: str, record: Record) -> Record:
        """As `fill`, awaited."""
        return self._fill(record, await self.ask_async(text, record.name))

    def _fill(self, record: Record, opinion: Opinion | None) -> Record:
        if opinion is None:
            return record
        done = filled(record, opinion)
        self._count(filled=len(done.elements), disagreed=done.disagreements)
        return done.record

    def _submit(self, text: str, name: str) -> _Ask | None:
        self._count(asked=1)
        large = len(text) > MAX_TEXT_BYTES
        if large or len(text.encode("utf-8", "surrogatepass")) > MAX_TEXT_BYTES:
            self._heard(None)
            return None
        try:
            return _Ask(self._here(), text, name)
        except RuntimeError:  # closed meanwhile
            self._heard(None)
            return None

    def _heard(self, opinion: Opinion | None) -> Opinion | None:
        if opinion is None:
            self._count(failed=1)
        return opinion

    def _count(self, **more: int) -> None:
        with self._guards.setdefault(os.getpid(), threading.Lock()):
            for name, count in more.items():
                setattr(self, name, getattr(self, name) + count)

    def _here(self) -> _Desk:
        """This process's worker: a fork never speaks through its parent's pipes."""
        if not self._finalizer.alive:
            raise RuntimeError("closed")
        pid = os.getpid()
        # INVARIANT: `dict.setdefault` is atomic for integer keys.
        return self._desks.get(pid) or self._desks.setdefault(pid, _Desk(self._command))


class _Ask:
    """One text in the queue of a desk, or in its worker."""

    def __init__(self, desk: _Desk, text: str, name: str) -> None:
        self._desk = desk
        self.future: Future[Opinion | None] = desk.thread.submit(desk.read, self, text, name)

    def end(self) -> None:
        """Nobody waits any longer: leave the queue, or kill the worker that still reads."""
        if not self.future.cancel():
            self._desk.give_up(self)


class _Desk:
    """One worker process and the one thread that speaks to it; texts queue at the thread."""

    def __init__(self, command: tuple[str, ...]) -> None:
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="whoisgate-opinion")
        self._command = command
        self._lock = threading.Lock()  # guards the three below
        self._reading: _Ask | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._serial = 0

    def read(self, ask: _Ask, text: str, name: str) -> Opinion | None:
        """The worker's opinion, checked; in the desk's thread."""
        asked = {"name": name, "text": text, "statuses": list(STATUS_WORDS)}
        request = json.dumps(asked).encode("ascii")
        with self._lock:
            if self._closed:
                return None
            self._reading = ask
            process = self._process
        if process is not None and process.poll() is not None:
            self._stop()  # it died of something since the last text
            process = None
        try:
            reply = self._exchange(process or self._start(ask), request)
        except (OSError, ValueError):
            self._stop()
            return None
        finally:
            with self._lock:
                self._reading = None
        return Opinion.parse(reply, text)

    def give_up(self, ask: _Ask) -> None:
        """Kill the worker if it reads for ``ask``; its pipe ends, and the thread goes on."""
        with self._lock:
            if self._reading is ask:
                self._reading = None
                if self._process is not None:
                    self._process.kill()

    def close(self) -> None:
        """End the worker; whatever is queued hears at once that there is no opinion."""
        self.thread.shutdown(wait=False)
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()
        self.thread.shutdown()
        self._stop()

    def _start(self, ask: _Ask) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S603  our own program, no word of it from outside
            self._command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
        )
        with self._lock:
            self._process = process
            if self._closed or self._reading is not ask:
                process.kill()  # given up while it started
        return process

    def _exchange(self, process: subprocess.Popen[bytes], request: bytes) -> bytes:
        """The reply to one frame; ValueError when it is none of ours or too long."""
        self._serial += 1
        _write(process, HEADER.pack(self._serial, len(request)) + request)
        serial, length = HEADER.unpack(_read(process, HEADER.size))
        if serial != self._serial or length > MAX_REPLY_BYTES:
            raise ValueError("no reply")
        return _read(process, length)

    def _stop(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _write(process: subprocess.Popen[bytes], frame: bytes) -> None:
    rest = memoryview(frame)
    while rest and process.stdin is not None:
        rest = rest[process.stdin.write(rest) :]


def _read(process: subprocess.Popen[bytes], count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = process.stdout.read(count - len(found)) if process.stdout else b""
        if not more:
            raise ValueError("the worker ended")
        found += more
    return found


def _close(desks: dict[int, _Desk]) -> None:
    # A worker belongs to the process that started it.
    if here := desks.pop(os.getpid(), None):
        here.close()
