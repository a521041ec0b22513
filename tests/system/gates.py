"""Drives gate processes from outside, keeps what they answered, and settles it with their log."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from whoisgate.audit.verify import (
    entries_path,
    parse_proof,
    parse_vkey,
    split_bundle,
    verify_answer,
)
from whoisgate.cli import demo_folder

ASKER = Path(__file__).with_name("asker.py")
WAIT_S = 30.0


@dataclass
class Told:
    """What one process told before it ended."""

    lines: list[dict] = field(default_factory=list)

    @property
    def answers(self) -> list[dict]:
        return [line for line in self.lines if "outcome" in line]

    @property
    def errors(self) -> list[dict]:
        return [line for line in self.lines if "error" in line]

    @property
    def crashes(self) -> list[str]:
        return [line["crash"] for line in self.lines if "crash" in line]

    @property
    def done(self) -> bool:
        return any("done" in line for line in self.lines)

    @property
    def opened(self) -> bool:
        return any("opened" in line for line in self.lines)


class Asker:
    """The process that forks gate processes."""

    def __init__(self, place: Path) -> None:
        self._address = str(place / "asker")
        self._process = subprocess.Popen(
            [sys.executable, "-B", ASKER, self._address], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout.readline() == "ready\n"

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._process.stdout.close()

    def start(self, do: str, folder: Path, *tracer: str, **job) -> Running:
        """A gate process at its work; ``tracer`` is a command that attaches itself to it."""
        channel = socket.socket(socket.AF_UNIX)
        channel.settimeout(WAIT_S)
        channel.connect(self._address)
        running = Running(channel)
        if tracer:
            running.trace(*tracer)
        channel.sendall(json.dumps({"do": do, "folder": str(folder), **job}).encode() + b"\n")
        return running

    def run(self, do: str, folder: Path, *tracer: str, **job) -> Told:
        return self.start(do, folder, *tracer, **job).end()


class Running:
    """One gate process, of which everything that it tells is read as it comes."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel, self._reader = channel, channel.makefile("rb")
        self.pid: int = json.loads(self._reader.readline())["pid"]
        self.told, self._tracer = Told(), None
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def trace(self, *command: str) -> None:
        self._tracer = subprocess.Popen(
            [*command, "-p", str(self.pid)], stderr=subprocess.PIPE, text=True
        )
        status = Path(f"/proc/{self.pid}/status")
        wait_until(lambda: "\nTracerPid:\t0\n" not in status.read_text())

    def _read(self) -> None:
        with suppress(ConnectionResetError, TimeoutError):
            for line in self._reader:
                if line.endswith(b"\n"):  # what came only in part was not received
                    self.told.lines.append(json.loads(line))

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def end(self) -> Told:
        """All that it tells until it ends."""
        self._reading.join()
        self._reader.close()
        self._channel.close()
        if self._tracer is not None:
            self._tracer.communicate(timeout=WAIT_S)
        wait_until(lambda: not Path(f"/proc/{self.pid}").exists())
        return self.told


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < until
        time.sleep(0.002)


def make_folder(path: Path, budget: int, base_url: str = "http://127.0.0.1:8043/") -> Path:
    """A gate whose requester may be refused ``budget`` times a day."""
    demo_folder.make(path, base_url=base_url)
    config = path / "whoisgate.toml"
    text = config.read_text().replace("[gate]\n", f"[gate]\nrefusals_per_day = {budget}\n")
    with config.open("w") as file:  # as an editor does; `init` itself sees to the rest
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return path


class Ledger:
    """What was received from all processes of one folder, in order."""

    def __init__(
        self, asker: Asker, folder: Path, limit: int, answers: Iterable[dict] = ()
    ) -> None:
        self.asker, self.folder, self.limit, self.answers = asker, folder, limit, list(answers)
        self.key = parse_vkey((folder / "keys" / "log.vkey").read_text().strip())

    def take(self, told: Told) -> Told:
        assert not told.crashes, "\n".join(told.crashes)
        for error in told.errors:
            assert error["where"] != "public", error
            assert error["text"], error
        self.answers += told.answers
        return told

    def settle(self) -> dict:
        """Starts anew, which is the recovery, asks again, and compares log and ledger.

        The account of the log, for more questions.
        """
        told = self.take(self.asker.run("ask", self.folder, passes=1))
        assert told.done
        assert {error["error"] for error in told.errors} <= {"WG108", "WG110"}, told.errors
        assert any(answer["outcome"] == "released" for answer in told.answers)
        received = [(answer["index"], answer["token"]) for answer in self.answers]
        told = self.asker.run("account", self.folder, received=received)
        assert not told.crashes + told.errors, told.lines
        (account,) = told.lines
        assert account["verified"] == 0, account["verdict"]
        self._answers_are_entries(account)
        approvals_are_used_once(account)
        budgets_are_exact(account, self.limit)
        return account

    def _answers_are_entries(self, account: dict) -> None:
        shown = published(self.folder / "log", len(account["leaves"]))
        assert [entry.hex() for entry in shown] == account["leaves"]
        indices = [answer["index"] for answer in self.answers]
        assert len(set(indices)) == len(indices)
        for answer, again in zip(self.answers, account["proofs"], strict=True):
            body, index = bytes.fromhex(answer["body"]), answer["index"]
            for proof in (answer["proof"], again):
                receipt = verify_answer(body, proof, self.key, expected={"case": answer["case"]})
                assert receipt.index == index
                assert receipt.fields["outcome"] == answer["outcome"]
                assert json.loads(parse_proof(proof).extra)["leaf"].encode() == shown[index]


def published(folder: Path, size: int) -> list[bytes]:
    """The entries as anybody reads them."""
    entries: list[bytes] = []
    for number in range(-(-size // 256)):
        width = min(256, size - 256 * number)
        entries += split_bundle((folder / entries_path(number, width)).read_bytes())
    return entries


def approvals_are_used_once(account: dict) -> None:
    """Each grant released at most one answer, and stands as used exactly if it did."""
    released: dict[str, list[int]] = {}
    for index, fields in enumerate(account["entries"]):
        if "granted" in (fields.get("approval") or ()):
            released.setdefault(fields["case"], []).append(index)
    assert all(len(indices) == 1 for indices in released.values()), released
    used = sorted(by for _, by in account["pending"] if by is not None)
    assert used == sorted(index for indices in released.values() for index in indices)


def budgets_are_exact(account: dict, limit: int) -> None:
    """As much is spent as there are entries that released nothing, and never more than allowed."""
    refusals = [f for f in account["entries"] if f["kind"] in {"refusal", "pending"}]
    assert sum(spent for _, spent in account["budget"]) == len(refusals)
    assert all(spent <= limit for _, spent in account["budget"])
