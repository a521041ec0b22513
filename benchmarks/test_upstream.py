"""The time that a proxying gate adds to a question, over asking the upstream itself.

An upstream of ours (RDAP over HTTP, WHOIS text in a foreign layout), a real `whoisgate serve`
before it and the client are three processes on loopback. One client asks one question at a time, of
the upstream and of the gate in turn, each about a fresh name, so that no cache hides the work. RDAP
goes over connections that are kept, the client's and the gate's; port 43 opens one a question.
"""

import asyncio
import json
import socket
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest
import uvicorn
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))

from benchmarks.test_formats import NOW, OPEN, RECORD, SETTINGS, public
from benchmarks.test_servers import cpu_s
from tests.e2e.proxies import proxy_before

from whois_cases import CASES
from whoisgate.formats import rdap
from whoisgate.policy.decide import edition

ROOT = Path(__file__).parents[1]
QUESTIONS = 2000
MANY = "per_minute = 1_000_000"
RDAP_BODY = bytes(rdap.encode(public(RECORD, edition(OPEN, NOW)), SETTINGS))
WHOIS_CASE = next(case for case in CASES if case.title == "ripe-blocks")
PEOPLE = (b"Ada Example", b"Yrsa", b"Corbin")
NAMES = (f"n{number}.example.com" for number in count())


class Upstream(NamedTuple):
    """Where a server of this file speaks RDAP and WHOIS: HOST:PORT each."""

    rdap: str
    whois: str


def rdap_text(name):
    return RDAP_BODY.replace(b"example.com", name.encode())


def whois_text(name):
    return WHOIS_CASE.raw.replace(WHOIS_CASE.name.encode(), name.encode())


async def _answer_http(scope, _receive, send):
    body = rdap_text(scope["path"].rpartition("/")[2])
    head = [(b"content-type", b"application/rdap+json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def _answer_whois(reader, writer):
    writer.write(whois_text((await reader.readline()).decode().strip()))
    await writer.drain()
    writer.close()


async def _serve():
    """Both servers, until the process is told to end; says where they are."""
    whois = await asyncio.start_server(_answer_whois, "127.0.0.1", 0)
    http = socket.create_server(("127.0.0.1", 0))
    places = [f"127.0.0.1:{s.getsockname()[1]}" for s in (http, whois.sockets[0])]
    print(json.dumps(places), flush=True)
    config = uvicorn.Config(_answer_http, log_level="critical", lifespan="off")
    await uvicorn.Server(config).serve(sockets=[http])


@pytest.fixture(scope="module")
def upstream():
    command = [sys.executable, "-m", "benchmarks.test_upstream"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    yield Upstream(*json.loads(process.stdout.readline()))
    process.terminate()
    process.communicate(timeout=30)


@contextmanager
def http_client(place, path):
    """Asks over one connection that is kept."""
    host, _, port = place.rpartition(":")
    with socket.create_connection((host, int(port))) as connection:

        def ask(name):
            said = f"GET {path}{name} HTTP/1.1\r\nHost: rdap.example\r\n\r\n"
            connection.sendall(said.encode())
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            while len(body) < length:
                body += connection.recv(65536)
            return body

        yield ask


def whois_client(place):
    host, _, port = place.rpartition(":")

    def ask(name):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(f"{name}\r\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b""))

    return ask


def test_rdap_before_rdap(benchmark, upstream, tmp_path):
    table = f'rdap = "http://{upstream.rdap}/"\nclear_text = true\n{MANY}'
    with proxy_before(table, tmp_path) as proxy:
        gate = proxy.gateway.base_url.removeprefix("http://").rstrip("/")
        with (
            http_client(upstream.rdap, "/domain/") as direct,
            http_client(gate, "/domain/") as through,
        ):
            _measure(benchmark, direct, through, proxy.gateway.process.pid)


def test_whois_before_whois(benchmark, upstream, tmp_path):
    with proxy_before(f'whois = "{upstream.whois}"\n{MANY}', tmp_path) as proxy:
        gate = ":".join(map(str, proxy.gateway.whois))
        direct, through = whois_client(upstream.whois), whois_client(gate)
        _measure(benchmark, direct, through, proxy.gateway.process.pid)


def _measure(benchmark, direct, through, gate_pid):
    """Latencies of both, a question each in turn, what the gate adds, and its CPU; all in µs."""
    took = {"direct": [], "gate": []}
    spent = []

    def ask():
        for times in took.values():
            times.clear()
        before = cpu_s(gate_pid)
        for _ in range(QUESTIONS):
            for way, client in (("direct", direct), ("gate", through)):
                name = next(NAMES)
                start = time.perf_counter()
                answer = client(name)
                took[way].append((time.perf_counter() - start) * 1e6)
                assert name.encode() in answer
                assert any(person in answer for person in PEOPLE) == (way == "direct")
        spent.append((cpu_s(gate_pid) - before) / QUESTIONS)

    benchmark.pedantic(ask, rounds=1, warmup_rounds=1)
    for number in (50, 99):
        at = {way: statistics.quantiles(us, n=100)[number - 1] for way, us in took.items()}
        said = {**at, "added": at["gate"] - at["direct"]}
        benchmark.extra_info[f"p{number}_us"] = {way: round(us) for way, us in said.items()}
    benchmark.extra_info["gate_cpu_us"] = round(spent[-1] * 1e6)
    print(f"{benchmark.name}: {benchmark.extra_info}")


if __name__ == "__main__":
    uvloop.run(_serve())
