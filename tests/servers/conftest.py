"""A gate over a made-up record, its two servers, and plain ways to talk to them."""

import asyncio
import json
import secrets
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import uvloop
from tests.conftest import NOW, PURPOSE
from tests.identity.bound import KEY
from tests.identity.tokens import DIRECTORY, claims, header, token

from whoisgate.formats import rdap
from whoisgate.gate import AsyncGate
from whoisgate.identity.authenticator import Authenticator
from whoisgate.identity.dpop import Proofs
from whoisgate.middle import Settings
from whoisgate.records import Record
from whoisgate.redact import Substitutes
from whoisgate.servers.rdap import application
from whoisgate.servers.run import run
from whoisgate.servers.settings import ServerSettings
from whoisgate.servers.visitors import Visitors
from whoisgate.servers.whois import WhoisServer
from whoisgate.sources.memory import MemorySource
from whoisgate.testing import MemoryLog

BASE_URL = "https://rdap.example/"
TOKEN = token()
OTHER_OFFICER = token(body=claims(sub="officer-8"))
WHY = f'purpose="{PURPOSE}", basis="national_order", case="2026-114"'
RELEASED = f'{WHY}, elements=("registrant.name")'
REFUSED = f'{WHY}, elements=("tech.name")'
PENDING = f'{WHY}, elements=("registrant.phone")'
LEGAL_ACTIONS_ALONE = token(header(), claims(rdap_allowed_purposes=["legalActions"]))


@dataclass
class Reply:
    """One HTTP answer as it came."""

    status: int
    lines: list[tuple[str, str]]
    body: bytes
    fields: dict[str, str] = field(init=False)

    def __post_init__(self):
        self.fields = {name.lower(): value for name, value in self.lines}
        once = [name.lower() for name, _ in self.lines if name.lower() != "set-cookie"]
        assert len(set(once)) == len(once), "a header line came twice"

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The number that an RDAP error's description begins with."""
        return self.json["description"][0].partition(":")[0]


@dataclass
class Service:
    """Everything that both servers are made of."""

    gate: AsyncGate
    log: MemoryLog
    settings: ServerSettings
    app: object
    policy: object
    source: object
    whois: WhoisServer | None = None
    visitors: Visitors | None = None

    def ask(
        self, path, headers=(), *, method="GET", query="", client="127.0.0.1", scheme="http",
        host="rdap.example", **more,
    ):  # fmt: skip
        """One request straight into the ASGI application; ``host`` unless ``headers`` have it."""
        lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        if host is not None and all(name != b"host" for name, _ in lines):
            lines.insert(0, (b"host", host.encode("latin-1")))
        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(),
            "query_string": query.encode(), "headers": lines, "scheme": scheme,
            "client": client and (client, 50000), "server": ("127.0.0.1", 80),
            "http_version": "1.1", "root_path": "", **more,
        }  # fmt: skip
        return asyncio.run(called(self.app, scope))

    def entries(self):
        return self.log.size()


async def called(app, scope):
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    head, *bodies = sent
    assert head["type"] == "http.response.start"
    lines = [(name.decode("ascii"), value.decode("latin-1")) for name, value in head["headers"]]
    return Reply(head["status"], lines, b"".join(part.get("body", b"") for part in bodies))


@pytest.fixture
def make(policy, record, tmp_path):
    """Makes services; keyword arguments replace their parts."""
    made = []

    def make(
        *, source=None, log=None, records=(), clock=lambda: NOW, gate=None, base_url=BASE_URL,
        directory=lambda: DIRECTORY, per_minute=0, sessions=None, **server,
    ):  # fmt: skip
        entropy = iter(range(1, 1 << 30))
        log = log or MemoryLog(clock=clock, entropy=lambda n: next(entropy).to_bytes(n, "little"))
        executor = ThreadPoolExecutor(2)
        shown = rdap.Settings(base_url=base_url, terms_url=f"{base_url}terms")
        relay = Substitutes(b"k" * 32, web_form="https://registrar.example/contact?d={domain}")
        settings = ServerSettings(shown, **server)
        source = source or MemorySource([record, *records])
        door = AsyncGate(
            Settings(policy, relay, shown, **(gate or {})), source, log, clock, executor=executor,
            find_timeout_s=0.2,
        )  # fmt: skip
        authenticator = Authenticator(directory, proofs=Proofs(KEY))
        app = application(
            door,
            settings,
            authenticator,
            getattr(log, "receipt", None),
            {policy.digest: policy.text}.get,
            tmp_path,
            clock,
            visitors=Visitors(settings, per_minute, clock, secrets.token_bytes),
            sessions=sessions(authenticator) if sessions else None,
        )
        made.append((log, executor))
        return Service(door, log, settings, app, policy, source)

    yield make
    for log, executor in made:
        executor.shutdown()
        log.close()


@pytest.fixture
def service(make):
    return make()


@contextmanager
def serving(service, port=0, **more):
    """Both servers for real on loopback ports, in a thread of their own; ``port`` is RDAP's."""
    addresses, stop = {}, []
    service.whois = WhoisServer(service.gate, service.settings, service.visitors)
    up = threading.Event()

    async def main():
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(stopping.set))

        def ready(spoken):
            addresses.update(spoken)
            up.set()

        await run(
            service.app, service.whois, ("127.0.0.1", port), ("127.0.0.1", 0), gate=service.gate,
            ready=ready, stopping=stopping, **more,
        )  # fmt: skip

    with ThreadPoolExecutor(1) as thread:
        job = thread.submit(uvloop.run, main())
        assert up.wait(10), job.exception(1)
        try:
            yield Addresses(addresses["rdap"], addresses["whois"])
        finally:
            stop[0]()
            job.result(20)


@dataclass
class Addresses:
    rdap: str
    whois: str

    def connect(self, which, receive_buffer=None):
        """A plain connection to one of the two servers."""
        host, _, port = getattr(self, which).removeprefix("http://").rstrip("/").rpartition(":")
        connection = socket.socket()
        connection.settimeout(10)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.connect((host, int(port)))
        return connection

    def raw(self, which, content):
        """Everything that comes back for these bytes until the server closes."""
        with self.connect(which) as connection:
            connection.sendall(content)
            return everything(connection)


def everything(connection):
    """What a connection gives until it ends, in whatever way."""
    received = b""
    try:
        while part := connection.recv(65536):
            received += part
    except ConnectionResetError:
        pass
    return received


def until(condition):
    """Wait for what another thread does; fails after ten seconds."""
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to pass")


@pytest.fixture
def large():
    """A record whose answer is far more than a kernel holds for a connection."""
    host = ".".join(["x" * 63, "y" * 63, "z" * 63, "example"])
    return Record.of("large.example", {}, nameservers=[f"n{n}.{host}" for n in range(80_000)])


def with_token(*more, bearer=TOKEN):
    return [("Authorization", f"Bearer {bearer}"), *more]


def asking(why, bearer=TOKEN):
    return with_token(("Disclosure-Request", why), bearer=bearer)
