"""A disk that is really full, and one that the kernel made read-only, under a real gateway."""

import os
import subprocess
import urllib.request
from contextlib import contextmanager

import pytest
from tests.e2e.conftest import PURPOSE, WHOISGATE, serving
from tests.system import mounts

from whoisgate.audit.verify import parse_vkey, verify_log
from whoisgate.cli import demo_folder
from whoisgate.client import Client, GatewayRefused
from whoisgate.queries import Question

pytestmark = pytest.mark.system
ROOM_MIB = 24
QUESTIONS = 400


@contextmanager
def on_ext4(*words):
    with mounts.ext4(*words) as disk:
        yield disk.place


MOUNTS = {"tmpfs": mounts.tmpfs, "ext4": on_ext4}


def make(place):
    base_url = f"http://127.0.0.1:{demo_folder.free_port()}/"
    folder = demo_folder.make(place / "gate", base_url=base_url).path
    os.sync()  # the demonstration's own files are nobody's evidence
    return folder


class Officer:
    """Asks a gateway, and keeps what it got."""

    def __init__(self, gateway) -> None:
        self.gateway, self.key, self.receipts = gateway, parse_vkey(gateway.vkey), []
        self.name = (gateway.folder / "demo" / "domains.txt").read_text().split()[0]

    def ask(self):
        question = Question.of(
            self.name, purpose=PURPOSE, basis="national_order", case="2026-114",
            elements=["registrant.name"],
        )  # fmt: skip
        gateway = self.gateway
        with Client(gateway.base_url, token=gateway.token, key=self.key) as client:
            reply = client.ask(question)
        assert reply.outcome == "released"
        self.receipts.append(reply.receipt)

    def refused(self) -> GatewayRefused | None:
        """How the next question is refused; None when it was answered."""
        try:
            self.ask()
        except GatewayRefused as refusal:
            return refusal
        return None

    def public(self) -> int:
        url = f"{self.gateway.base_url}domain/{self.name}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert b"redacted" in answer.read()
            return answer.status

    def settle(self) -> None:
        """Every receipt's entry is in the published log."""
        folder = self.gateway.folder
        report = verify_log(lambda path: (folder / "log" / path).read_bytes(), self.key)
        indices = [receipt.index for receipt in self.receipts]
        assert len(set(indices)) == len(indices)
        assert max(indices) < report.size


@pytest.mark.parametrize("kind", MOUNTS)
def test_waits_for_room_without_a_restart(tmp_path, kind):
    with MOUNTS[kind](tmp_path, ROOM_MIB) as place:
        with serving(make(place)) as gateway:
            officer = Officer(gateway)
            officer.ask()
            for _ in range(2):
                filler = mounts.fill(place)
                for _ in range(QUESTIONS):  # what is left of a page or a log file takes some
                    refusal = officer.refused()
                    if refusal:
                        break
                assert (refusal.status, refusal.code) == (503, "WG516")
                for _ in range(5):
                    assert officer.refused().status == 503
                    assert officer.public() == 200
                filler.unlink()
                for _ in range(5):
                    officer.ask()
        assert gateway.process.returncode == 0
        officer.settle()


def test_stops_when_the_kernel_makes_the_disk_read_only_and_starts_when_it_is_mended(tmp_path):
    with mounts.ext4(tmp_path, ROOM_MIB) as disk:
        folder = make(disk.place)
        with serving(folder) as gateway:
            officer = Officer(gateway)
            officer.ask()
            disk.report_error()
            for _ in range(3):
                refusal = officer.refused()
                assert (refusal.status, refusal.code) == (503, "WG504")
                assert officer.public() == 200
        assert gateway.process.returncode != 0  # what it counted is in no tally
        disk.unmount()
        disk.mend()
        disk.mount("loop,ro")
        assert_refuses_to_start(folder)
        disk.unmount()
        disk.mount()
        with serving(folder) as gateway:
            officer.gateway = gateway
            officer.ask()
        officer.settle()


def test_says_why_it_does_not_start_on_a_full_disk(tmp_path):
    with mounts.tmpfs(tmp_path, ROOM_MIB) as place:
        folder = make(place)
        mounts.fill(place)
        assert_refuses_to_start(folder)


def assert_refuses_to_start(folder) -> None:
    tried = subprocess.run(
        [WHOISGATE, "serve", folder, "--whois", "127.0.0.1:0"], capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert tried.returncode != 0
    (said,) = tried.stderr.splitlines()
    assert said.startswith("whoisgate: WG504: "), said
    assert "free space or mend the disk" in said
