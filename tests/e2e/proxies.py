"""A gateway as a proxy: made by configuration alone and served in a process of its own."""

import json
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from tests.e2e.conftest import PURPOSE, Gateway, serving

from whoisgate import app
from whoisgate.cli import demo_folder

WHY = f'purpose="{PURPOSE}", basis="national_order", case="2026-114"'
SOURCE = """
[source]
kind = "upstream"

[upstream]
deadline_s = 1
allow = ["127.0.0.1/32"]

[[upstream.server]]
failures = 100
{server}
"""


def _get(url, headers=None):
    # Reading the machine's certificates takes longer than some tests wait.
    return httpx2.get(url, headers=headers, timeout=20, verify=False)


@dataclass
class Proxy:
    """What can be asked of a proxy, and what it tells its operator."""

    gateway: Gateway
    log: Path

    def public(self, name):
        return _get(f"{self.gateway.base_url}domain/{name}")

    def gated(self, name):
        headers = {"Authorization": f"Bearer {self.gateway.token}", "Disclosure-Request": WHY}
        return _get(f"{self.gateway.base_url}domain/{name}", headers)

    def whois(self, name):
        with socket.create_connection(self.gateway.whois, timeout=20) as peer:
            peer.sendall(f"{name}\r\n".encode())
            return b"".join(iter(lambda: peer.recv(65536), b""))

    def entries(self):
        with app.Folder.at(self.gateway.folder).opened() as log:
            return log.size()

    def last_entry(self):
        folder = app.Folder.at(self.gateway.folder)
        with folder.opened() as log:
            return log.open_entry(log.size() - 1, folder.operator_key())

    def said(self):
        return self.log.read_text()

    def lookup(self, run, name, *options):
        """What an officer who asks for the registrant's name is shown."""
        gateway = self.gateway
        done = run(
            "lookup", name, "--server", gateway.base_url, "--key", gateway.vkey, "--token",
            gateway.folder / "demo" / "investigator.token", "--purpose", PURPOSE, "--basis",
            "national_order", "--case", "2026-114", "--elements", "registrant.name", *options,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def disclosed(self, run, name, packed):
        """As `lookup`, as RDAP, with evidence that verifies."""
        told = self.lookup(run, name, "--evidence", packed, "--format", "rdap")
        assert run("verify", packed, "--key", self.gateway.vkey).returncode == 0
        return told


def proxy_before(server, path):
    """A proxy before the server that a ``[[upstream.server]]`` table names."""
    return proxy_of(SOURCE.format(server=server), path)


@contextmanager
def proxy_of(tables, path):
    """A proxy that these tables of ``whoisgate.toml`` configure."""
    folder = path / "gate"
    base_url = f"http://127.0.0.1:{demo_folder.free_port()}/"
    demo_folder.make(folder, base_url=base_url, source=tables)
    with (path / "log").open("wb") as log, serving(folder, log=log) as gateway:
        yield Proxy(gateway, path / "log")


def shown(reply):
    """Status, headers and body, without the date."""
    headers = [(n, v) for n, v in reply.headers.multi_items() if n.lower() != "date"]
    return reply.status_code, headers, reply.content


def alike(replies, texts):
    """Assert that failures look the same to the public, whatever they were."""
    assert len(set(map(repr, map(shown, replies)))) == 1
    assert replies[0].status_code == 502
    assert replies[0].headers["cache-control"] == "no-store"
    said = json.loads(replies[0].content)["description"]
    assert said == ["WG310: registration data could not be read"]
    assert set(texts) == {b"% WG310: registration data could not be read\r\n"}
