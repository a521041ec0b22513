"""CPU of one public look-up: in the application alone, through HTTP, and through port 43.

Server figures are the CPU time of a real `whoisgate serve` process, user and system, from
``/proc/PID/stat``, divided by the requests that it answered; the client runs in this process.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from whoisgate import app
from whoisgate.audit.verify import parse_vkey
from whoisgate.cli import demo_folder
from whoisgate.client import Client
from whoisgate.identity.authenticator import Authenticator
from whoisgate.identity.directory import Directory
from whoisgate.queries import Question
from whoisgate.servers.rdap import application
from whoisgate.servers.settings import ServerSettings
from whoisgate.servers.visitors import Visitors

REQUESTS = 40_000
CONNECTIONS = 10_000
CLIENTS = 8
GATED = 400


class Server(NamedTuple):
    """A gateway of its own process, and a name that it knows."""

    pid: int
    rdap: tuple[str, int]
    whois: tuple[str, int]
    name: str


def cpu_s(pid):
    """User and system time of a process so far."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "gate"
    demo_folder.make(path, base_url=f"http://127.0.0.1:{demo_folder.free_port()}/")
    return path


@pytest.fixture(scope="module")
def server(folder):
    command = [str(Path(sys.executable).with_name("whoisgate")), "serve", str(folder), "--json"]
    process = subprocess.Popen(
        [*command, "--whois", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    said = ""
    while not said.endswith("}\n"):
        said += process.stdout.readline() or pytest.fail("the gateway did not start")
    spoken = json.loads(said)
    rdap = urlsplit(spoken["rdap"])
    host, _, port = spoken["whois"].rpartition(":")
    yield Server(process.pid, (rdap.hostname, rdap.port), (host, int(port)), _name(folder))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)


def _name(folder):
    return (folder / "demo" / "domains.txt").read_text().split()[0]


@pytest.mark.parametrize("per_minute", [0, 10**9])
def test_public_lookup_in_the_application(benchmark, folder, per_minute):
    gate, own = app.open_async(folder), app.Folder.at(folder)
    settings = ServerSettings(own.settings().rdap)
    answers = application(
        gate,
        settings,
        Authenticator(lambda: Directory([], "")),
        None,
        None,
        folder,
        app.utc_now,
        visitors=Visitors(settings, per_minute, app.utc_now, app.entropy),
    )
    scope = {
        "type": "http", "method": "GET", "path": f"/domain/{_name(folder)}", "query_string": b"",
        "scheme": "http", "client": ("192.0.2.1", 1),
        "server": ("127.0.0.1", 80),
        "headers": [(b"host", b"127.0.0.1"), (b"accept", b"application/rdap+json"),
                    (b"user-agent", b"bench"), (b"accept-encoding", b"gzip")],
    }  # fmt: skip
    sent = []

    async def send(message):
        sent.append(message["type"])

    async def main():
        await answers(scope, None, send)
        benchmark(_run, answers, scope, send)
        await gate.close()

    asyncio.run(main())
    assert sent[-1] == "http.response.body"


def _run(answers, scope, send):
    """One call, driven without a loop: at hand it never waits."""
    try:
        answers(scope, None, send).send(None)
    except StopIteration:
        return
    raise AssertionError("expected an answer at hand")


def test_public_lookup_through_http(benchmark, server):
    request = (
        f"GET /domain/{server.name} HTTP/1.1\r\nHost: {server.rdap[0]}:{server.rdap[1]}\r\n"
        "Accept: application/rdap+json\r\nUser-Agent: bench\r\n\r\n"
    ).encode()

    def client(count):
        with socket.create_connection(server.rdap) as connection:
            for _ in range(count):
                connection.sendall(request)
                head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split()[0])
                while len(body) < length:
                    body += connection.recv(65536)

    _measure(benchmark, server, client, REQUESTS)


def test_public_lookup_through_port_43(benchmark, server):
    query = f"{server.name}\r\n".encode()

    def client(count):
        for _ in range(count):
            with socket.create_connection(server.whois) as connection:
                connection.sendall(query)
                while connection.recv(65536):
                    pass

    _measure(benchmark, server, client, CONNECTIONS)


@pytest.mark.parametrize("clients", [1, CLIENTS])
def test_gated_question_with_verified_receipt(benchmark, server, folder, clients):
    """Asked, answered, the receipt fetched and verified; clients and gateway share the cores."""
    token = (folder / "demo" / "investigator.token").read_text().strip()
    key = parse_vkey((folder / "keys" / "log.vkey").read_text().strip())
    question = Question.of(
        server.name, purpose=demo_folder.PURPOSE, basis="national_order", case="2026-114",
        elements=["registrant.name"],
    )  # fmt: skip

    def client(count):
        with Client("http://{}:{}/".format(*server.rdap), token=token, key=key) as asking:
            for _ in range(count):
                assert asking.ask(question).receipt is not None

    def load():
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(client, [GATED // clients] * clients))

    benchmark.pedantic(load, rounds=3, warmup_rounds=1)
    benchmark.extra_info["per_second"] = round(GATED / benchmark.stats.stats.min)


def _measure(benchmark, server, client, count):
    spent = []

    def load():
        before = cpu_s(server.pid)
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(client, [count // CLIENTS] * CLIENTS))
        spent.append((cpu_s(server.pid) - before) / count)

    benchmark.pedantic(load, rounds=3, warmup_rounds=1)
    benchmark.extra_info["server_cpu_us"] = round(min(spent) * 1e6, 1)
    benchmark.extra_info["per_second"] = round(count / benchmark.stats.stats.median)
