"""A made-up registrar's gate, served for real on loopback."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from whoisgate.cli import demo_folder

WHOISGATE = str(Path(sys.executable).with_name("whoisgate"))
PURPOSE = "criminalInvestigationAndDNSAbuseMitigation"


@dataclass
class Gateway:
    folder: Path
    base_url: str
    whois: tuple[str, int]
    process: subprocess.Popen

    @property
    def token(self) -> str:
        return (self.folder / "demo" / "investigator.token").read_text().strip()

    @property
    def vkey(self) -> str:
        return (self.folder / "keys" / "log.vkey").read_text().strip()


@contextmanager
def serving(
    folder: Path, whois: str = "127.0.0.1:0", log: IO[bytes] | None = None
) -> Iterator[Gateway]:
    """A gateway of its own process; ``log`` takes what it says to its operator."""
    process = subprocess.Popen(
        [WHOISGATE, "serve", str(folder), "--whois", whois, "--json"],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    try:
        said = ""
        for line in process.stdout:
            said += line
            if line.startswith("}"):
                break
        if not said:
            raise AssertionError(f"the gateway did not start: {process.wait(10)}")
        ready = json.loads(said)
        if "error" in ready:
            raise AssertionError(f"the gateway did not start: {ready['error']}")
        host, _, port = ready["whois"].rpartition(":")
        yield Gateway(folder, ready["rdap"], (host, int(port)), process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
        process.stdout.close()


def make_folder(path: Path) -> Path:
    demo_folder.make(path, base_url=f"http://127.0.0.1:{demo_folder.free_port()}/")
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    return make_folder(tmp_path / "gate")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory) -> Iterator[Gateway]:
    with serving(make_folder(tmp_path_factory.mktemp("served") / "gate")) as served:
        yield served


@pytest.fixture
def run():
    def run(*arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess:
        return subprocess.run(
            [WHOISGATE, *map(str, arguments)], input=stdin, capture_output=True, timeout=60,
            check=False,
        )  # fmt: skip

    return run
