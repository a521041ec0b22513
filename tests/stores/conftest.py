"""Real logs in real folders, and processes that append to them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from whoisgate.audit.verify import directory_reader, verify_log, verify_receipt
from whoisgate.errors import WhoisgateError

APPENDER = Path(__file__).with_name("appender.py")
spec = importlib.util.spec_from_file_location("appender", APPENDER)
appender = importlib.util.module_from_spec(spec)
spec.loader.exec_module(appender)


@dataclass
class Home:
    """A folder with a log in it; every log opened through it is closed at the end."""

    path: Path
    now: datetime | None = None
    opened: list = field(default_factory=list)
    started: list = field(default_factory=list)
    keys: list = field(default_factory=lambda: [appender.SIGNER])
    head: Path | None = None

    operator = appender.OPERATOR
    signer = appender.SIGNER
    policy = appender.POLICY
    disclosure = staticmethod(appender.disclosure)

    def clock(self) -> datetime:
        return self.now or appender.utc_now()

    def log(self, **more):
        said = {"keys": self.keys, "head": self.head} | more
        log = appender.log_in(self.path, clock=self.clock, **said)
        self.opened.append(log)
        return log

    def start(self, *words) -> subprocess.Popen:
        """Another process that appends."""
        command = [sys.executable, APPENDER, self.path, *map(str, words)]
        self.started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return self.started[-1]

    def outcomes(self, *processes) -> list:
        said = [
            json.loads(line)
            for p in processes
            for line in p.communicate(timeout=60)[0].split("\n")
            if line
        ]
        assert [p.returncode for p in processes] == [0] * len(processes)
        return said

    def check(self, acknowledged) -> int:
        """Every acknowledged entry has its receipt, and the published log verifies; its size."""
        log = self.log()
        log.publish()
        for index, token in acknowledged:
            proof = log.receipt(index, token, "police/officer-7")
            assert verify_receipt(proof, self.signer.verifier).index == index
        size = log.size()
        shown = verify_log(directory_reader(self.path / "log"), self.signer.verifier)
        assert shown.sentences()[0].endswith(f" {size} entries.")
        return size

    def nodes(self) -> dict[str, list[int]]:
        """Per node the sequence numbers of its entries, in log order."""
        log, found = self.log(), {}
        for index in range(log.size()):
            fields = log.open_entry(index, self.operator).fields
            found.setdefault(fields["node"], []).append(fields["sequence"])
        return found


@pytest.fixture
def home(tmp_path):
    (tmp_path / "log").mkdir()
    home = Home(tmp_path)
    home.log(create=True).close()
    yield home
    for log in home.opened:
        with suppress(WhoisgateError):  # a log that a test broke
            log.close()
    for process in home.started:
        process.stdout.close()


@pytest.fixture
def log(home):
    return home.log()


@pytest.fixture
def later(home):
    """Moves the log's clock."""

    def later(**by):
        home.now = home.clock() + timedelta(**by)
        return home.now

    return later
