"""Gate processes to be hurt: ``asker.py SOCKET`` forks one for every connection.

All is imported before the fork, so that the system calls of a child are the gate's own. A child
tells its number, takes one job as a line of JSON, and tells what happens when it happens, over
the socket: what it told was received, whatever becomes of it. It never uses ``write`` to speak.
"""

import contextlib
import faulthandler
import importlib
import io
import json
import os
import signal
import socket
import sqlite3
import sys
import threading
import traceback
from datetime import timedelta
from functools import cache
from pathlib import Path

import whoisgate as wg
from whoisgate import app, operations
from whoisgate.audit import verify
from whoisgate.cli import demo_folder
from whoisgate.errors import WhoisgateError
from whoisgate.sources import synthetic
from whoisgate.sources.memory import MemorySource

# A gate loads it when it opens; here no fault is to fall upon an import.
importlib.import_module("whoisgate.identity.application")

SOURCE = MemorySource(synthetic.records())
NAME = next(iter(synthetic.records())).name
OFFICER = wg.Requester(
    demo_folder.AUTHORITY,
    "officer-7",
    wg.RequesterClass.LAW_ENFORCEMENT,
    wg.Assurance.HIGH,
    purposes=frozenset(wg.Purpose),
    bases=frozenset(wg.LegalBasis),
)
RELEASES, REFUSALS, SPENDERS, WAITS_S = 6, 4, 2, 20


class Child:
    """One gate process: a folder, and the socket that it tells everything to."""

    def __init__(self, folder: Path, channel: socket.socket) -> None:
        self.folder, self._channel, self._lock = folder, channel, threading.Lock()

    def say(self, **what) -> None:
        with self._lock:
            self._channel.sendall(json.dumps(what).encode() + b"\n")

    @contextlib.contextmanager
    def telling(self, where: str):
        """Tells what is raised: a number of ours, or a crash, which nothing may ever be."""
        try:
            yield
        except WhoisgateError as error:
            self.say(where=where, error=error.code, text=str(error))
        except Exception:  # noqa: BLE001  whatever it was
            self.say(where=where, crash=traceback.format_exc())

    def ask(self, passes: int) -> None:
        """Opens the gate and asks; told are ``opened``, every answer, every error, and ``done``."""
        gate = None
        with self.telling("open"):
            gate = wg.open(self.folder, source=SOURCE)
            self.say(opened=True)
        for turn in range(passes if gate else 0):
            self._turn(gate, f"{os.getpid()}-{turn}")
        if gate:
            with self.telling("close"):
                gate.close()
        self.say(done=True)

    def prepare(self, size: int) -> None:
        """Fills the log up to ``size`` entries, and leaves one approval for case ``before``."""
        gate = wg.open(self.folder, source=SOURCE)
        wanted = {"basis": "national_order", "case": "before", "elements": ["registrant.fax"]}
        self._approve(self._one(gate, wanted))
        named = {"basis": "national_order", "case": "first", "elements": ["registrant.name"]}
        while self._one(gate, named) < size - 1:
            pass
        gate.close()
        self.say(done=True)

    def _approve(self, index: int) -> None:
        until = app.utc_now() + timedelta(days=1)
        folder = app.Folder.at(self.folder)
        with folder.opened() as log:
            operations.approve(folder, log, index, ["registrant.fax"], by="Chief", expires=until)

    def _turn(self, gate, case: str) -> None:
        wanted = {"basis": "national_order", "case": case, "elements": ["registrant.fax"]}
        index = self._one(gate, wanted)
        if index is not None:
            with self.telling("approve"):
                self._approve(index)
        named = {"basis": "national_order", "case": case, "elements": ["registrant.name"]}
        asked = [(named, RELEASES), ({"case": case}, REFUSALS), *[(wanted, 1)] * SPENDERS]
        # Also what an earlier process may have left granted, and spent or not.
        asked += [({**wanted, "case": "before"}, 1)] * SPENDERS
        threads = [threading.Thread(target=self._many, args=(gate, *words)) for words in asked]
        for thread in threads:
            thread.start()
        with self.telling("public"):
            self.say(public=len(gate.ask(NAME).body))
        for thread in threads:
            thread.join()

    def _many(self, gate, words: dict, count: int) -> None:
        for _ in range(count):
            self._one(gate, words)

    def _one(self, gate, words: dict) -> int | None:
        with self.telling("ask"):
            answer = gate.ask(NAME, requester=OFFICER, purpose=demo_folder.PURPOSE, **words)
            receipt = answer.receipt
            self.say(
                outcome=answer.outcome.value,
                case=words["case"],
                index=receipt.index,
                token=receipt.token,
                proof=receipt.proof,
                body=answer.body.hex(),
            )
            return receipt.index

    def account(self, received: list) -> None:
        """What the log and the tables hold, opened with the operator's key, and verified."""
        folder = app.Folder.at(self.folder)
        key = folder.operator_key()
        with folder.opened() as log:
            log.publish()
            entries = [dict(log.open_entry(index, key).fields) for index in range(log.size())]
            proofs = [log.receipt(index, token, OFFICER.identity) for index, token in received]
            leaves = [log.leaf(index).hex() for index in range(log.size())]
        database = sqlite3.connect(self.folder / "whoisgate.db")
        tables = {
            name: database.execute(f"SELECT {columns} FROM {name}").fetchall()  # noqa: S608
            for name, columns in {"pending": "idx, used_by", "budget": "day, spent"}.items()
        }
        database.close()
        said = io.StringIO()
        with contextlib.redirect_stdout(said):  # what `whoisgate verify` runs
            place, vkey = self.folder / "log", self.folder / "keys" / "log.vkey"
            verified = verify.main([str(place), "--key", str(vkey)])
        self.say(entries=entries, proofs=proofs, leaves=leaves, verified=verified,
                 verdict=said.getvalue(), **tables)  # fmt: skip


def serve(address: str) -> None:
    """Forks a child for every connection, until it is ended."""
    # A shipped policy is no part of the folder: reading and proving it once is enough.
    app.load_named = cache(app.load_named)
    app.edition(app.load_named("icann-gtld"), app.utc_now(), frozenset())
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address)
        door.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            channel, _ = door.accept()
            if os.fork() == 0:
                door.close()
                work(channel)
                os._exit(0)
            channel.close()


def work(channel: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    faulthandler.dump_traceback_later(WAITS_S, exit=True)  # whatever hangs, tell where
    with channel:
        channel.sendall(json.dumps({"pid": os.getpid()}).encode() + b"\n")
        with channel.makefile("rb") as lines:
            job = json.loads(lines.readline())
        child = Child(Path(job.pop("folder")), channel)
        with child.telling("job"):
            getattr(child, job.pop("do"))(**job)


if __name__ == "__main__":
    serve(sys.argv[1])
