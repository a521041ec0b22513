"""The proxy before ICANN's own RDAP server, which nobody here wrote."""

import hashlib
import os
import shutil
import signal
import subprocess
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.e2e.conftest import WHOISGATE
from tests.e2e.proxies import alike, proxy_before
from tests.servers.conftest import until
from tests.sources.upstream.conftest import document

from whoisgate.cli import demo_folder

pytestmark = pytest.mark.interop

NAME = "canary.example"
TRAP = "https://canary.elsewhere.example/"


def program() -> str:
    """``rdap-srv``, as `make interop` installs it or as the machine has it."""
    places = [os.environ.get("RDAP_SRV", ""), "rdap-srv", str(Path.home() / ".cargo/bin/rdap-srv")]
    found = next(filter(None, map(shutil.which, filter(None, places))), None)
    assert found, "expected rdap-srv of icann-rdap-srv: run make interop"
    return found


@contextmanager
def registry(folder):
    """The server over a folder of documents, on a loopback port; gives its process and place."""
    port = demo_folder.free_port()
    process = subprocess.Popen(
        [program()],
        env={
            "RDAP_SRV_LISTEN_ADDR": "127.0.0.1",
            "RDAP_SRV_LISTEN_PORT": str(port),
            "RDAP_SRV_DATA_DIR": str(folder),
            "RDAP_SRV_LOG": "error",
        },
    )
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/rdap/domain/{NAME}"))
        yield process, f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(10)


def answers(url):
    asked = urllib.request.Request(url, headers={"Accept": "application/rdap+json"})
    try:
        with urllib.request.urlopen(asked, timeout=5) as reply:
            return reply.read()
    except OSError:
        return None


@pytest.fixture
def behind(tmp_path):
    """A proxy before that server, the server's process, and the body that it sends."""
    data = tmp_path / "data"
    data.mkdir()
    link = {"rel": "related", "href": TRAP, "value": TRAP}
    notice = {"title": "canary", "description": ["canary"], "links": [link]}
    (data / "domain.json").write_bytes(
        document(
            NAME,
            registrant="canary Person",
            rdapConformance=["rdap_level_0"],
            links=[link],
            notices=[notice],
            remarks=[notice],
            port43="canary.elsewhere.example",
        )
    )
    with registry(data) as (process, place):
        server = f'rdap = "http://{place}/rdap/"\nclear_text = true'
        with proxy_before(server, tmp_path) as proxy:
            yield proxy, process, answers(f"http://{place}/rdap/domain/{NAME}")


@pytest.fixture
def run():
    def run(*arguments):
        command = [WHOISGATE, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, timeout=60, check=False)

    return run


def test_shows_the_public_view_and_absence(behind):
    proxy, _, raw = behind
    assert raw.count(b"canary") > 5
    for body in (proxy.public(NAME).content, proxy.whois(NAME)):
        assert b"ns1.example.net" in body
        assert b"canary" not in body.replace(NAME.encode(), b"")
        assert b"Sample Street" not in body
    assert proxy.public("absent.example").status_code == 404
    assert b"WG103" in proxy.whois("absent.example")


def test_releases_with_evidence(behind, run, tmp_path):
    proxy, _, raw = behind
    told = proxy.disclosed(run, NAME, tmp_path / "evidence.zip")
    assert b"canary Person" in told
    assert b"elsewhere" not in told
    (fetched,) = proxy.last_entry().sealed["fetched"]
    assert fetched["sha256"] == hashlib.sha256(raw).hexdigest()


def test_fails_alike_when_the_server_is_slow_and_when_it_is_gone(behind):
    proxy, process, _ = behind
    entries = proxy.entries()
    process.send_signal(signal.SIGSTOP)
    replies, texts = [proxy.public(NAME), proxy.gated(NAME)], [proxy.whois(NAME)]
    assert {line.split()[0] for line in proxy.said().splitlines()} == {"WG312"}
    process.kill()
    process.wait(10)
    alike([*replies, proxy.public(NAME), proxy.gated(NAME)], [*texts, proxy.whois(NAME)])
    assert "WG311 rdap:127.0.0.1" in proxy.said()
    assert proxy.entries() == entries
