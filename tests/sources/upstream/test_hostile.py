"""Hostile upstreams over real sockets, and everything that leaves the gate before them.

Each case goes the whole way: servers in a process of their own, `UpstreamSource`, the gate, both
public exits and, for some, a gated question. ``WHOISGATE_SOAK=1`` asks ten thousand with a new
seed; ``WHOISGATE_SEED`` takes the one that a failure named.
"""

import asyncio
import gc
import json
import logging
import os
import random
import re
import subprocess
import sys
import time
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvloop
from tests.conftest import NOW, PURPOSE, SOAK
from tests.formats.canaries import found
from tests.identity.tokens import DIRECTORY, token
from tests.sources.upstream import hostile
from tests.sources.upstream.hostile import BIRD, FORGED, NUMBER, OWN, OWN_BIRD, REGISTRAR, TRAP

from whoisgate.config import UpstreamSettings
from whoisgate.errors import UpstreamError
from whoisgate.formats import rdap
from whoisgate.gate import AsyncGate
from whoisgate.identity.authenticator import Authenticator
from whoisgate.middle import Settings
from whoisgate.redact import Substitutes
from whoisgate.servers.rdap import application
from whoisgate.servers.run import run as serve
from whoisgate.servers.settings import ServerSettings
from whoisgate.servers.whois import WhoisServer as Port43
from whoisgate.sources.upstream import UpstreamSource
from whoisgate.sources.upstream.addresses import Addresses
from whoisgate.sources.upstream.whois import Referrals, WhoisServer
from whoisgate.testing import MemoryLog

ROOT = Path(__file__).parents[3]
CASES = 10_000 if SOAK else 300
SEED = int(os.environ.get("WHOISGATE_SEED") or (random.randrange(10**9) if SOAK else 2))
AT_ONCE = 24
DEADLINE_S = 1.0
SLACK_S = 3.0
"""After a plain timer of the same loop, for a busy machine; the gate's own patience is longer."""

STALL_S = 0.5
"""Processor time of the loop for which nothing else had its turn."""

WARM_UP = max(100, CASES // 10)
GROWTH_BYTES = 32 * 1024 * 1024
SENT_BYTES = 20 * 1024 * 1024
"""What a server may get rid of: the cap, and what the kernel's buffers hold beyond it."""

EVERYTHING = (BIRD, OWN_BIRD, NUMBER, OWN)
UNREADABLE = "WG310: registration data could not be read"
GATED = (
    f'Authorization: Bearer {token()}\r\nDisclosure-Request: purpose="{PURPOSE}", '
    'basis="national_order", case="2026-114", elements=("registrant.name")\r\n'
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LINE = re.compile(rf"(?:^|[\r\n]){FORGED}")


class Resolver:
    """Names of hostile links; some change their minds between two look-ups."""

    hosts = {  # noqa: RUF012  a table
        "friend.test": ["127.0.0.1"],
        "trap.test": [TRAP],
        "both.test": ["127.0.0.1", TRAP],
        "mapped.test": [f"::ffff:{TRAP}"],
        "inside.test": ["10.0.0.1"],
        "meta.test": ["169.254.169.254"],
        "localhost": ["::1", "127.0.0.1"],
    }

    def __init__(self):
        self.known = set()

    async def __call__(self, host, port):
        if host == "slow.test":
            await asyncio.sleep(60)
        if host.endswith(f".{OWN}"):
            return ["127.0.0.1"]
        permitted = [REGISTRAR] if host.endswith(".friend.test") else self.hosts.get(host)
        if host.startswith("rebind"):
            permitted = [TRAP] if host in self.known else permitted or ["127.0.0.1"]
            self.known.add(host)
        if permitted is None:
            raise OSError
        return permitted


class Watched:
    """A source of which every outcome is seen before the gate makes them alike."""

    def __init__(self, source, seen):
        self._source, self._seen = source, seen

    async def find(self, name):
        return await self._watched(self._source.find, name)

    async def find_fresh(self, name):
        return await self._watched(self._source.find_fresh, name)

    async def close(self):
        await self._source.close()

    async def _watched(self, find, name):
        outcome = "cancelled"
        try:
            outcome = await find(name)
        except Exception as error:
            outcome = error
            raise
        finally:
            self._seen(name, outcome)
        return outcome


class ForgetfulLog(MemoryLog):
    """Keeps no entry, so that what it holds does not count as the gate's memory."""

    def _append(self, draft):
        made = super()._append(draft)
        self._receipts.clear()
        self._leaves[-1] = b""
        return made


class Listener(logging.Handler):
    """Looks at each line for the operator and keeps none."""

    def __init__(self, hear):
        super().__init__()
        self._hear = hear

    def emit(self, record):
        self._hear(self.format(record))


@dataclass
class Run:
    """What was seen in one run."""

    seed: int
    ports: tuple
    wrong: list = field(default_factory=list)
    outcomes: Counter = field(default_factory=Counter)
    replies: Counter = field(default_factory=Counter)
    absences: set = field(default_factory=set)
    resident: list = field(default_factory=list)
    late_s: float = 0.0
    stall_s: float = 0.0
    unclosed: int = 0

    def fail(self, number, what):
        said = hostile.traits(self.seed, number, self.ports) if isinstance(number, int) else ""
        self.wrong.append(f"seed {self.seed} case {number} {said}: {what}")

    def seen(self, name, outcome):
        number = int(re.match(r"h(\d+)", name)[1])
        if isinstance(outcome, UpstreamError):
            self.outcomes[outcome.code] += 1
            self.clean(number, "error", str(outcome))
            if not str(outcome).startswith(("`rdap:rdap.upstream", "`whois:whois.upstream")):
                self.fail(number, f"error names no server: {outcome}")
        elif outcome is None:
            self.outcomes["absent"] += 1
        elif isinstance(outcome, Exception | str):
            self.outcomes["crash"] += 1
            self.fail(number, f"neither a record nor an upstream's error: {outcome!r}")
        else:
            self.outcomes["partial record" if outcome.partial else "record"] += 1
            names = [c.values.get("name", "") for c in outcome.contacts]
            self.outcomes["a person reached the gate"] += OWN_BIRD in "".join(names)

    @contextmanager
    def in_time(self, number):
        """What is inside ends soon after a timer of the same loop, which a busy machine delays."""
        rung, due = [], time.monotonic() + DEADLINE_S
        timer = asyncio.get_running_loop().call_later(
            DEADLINE_S, lambda: rung.append(time.monotonic())
        )
        try:
            yield
        finally:
            timer.cancel()
            late_s = time.monotonic() - (rung[0] if rung else due)
            self.late_s = max(self.late_s, late_s)
            if late_s > SLACK_S:
                self.fail(number, f"{late_s:.1f} s after the deadline")

    async def watch(self):
        """How long the loop computes without a pause."""
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.01)
            self.stall_s = max(self.stall_s, time.thread_time() - before)

    def clean(self, number, where, text, birds=(BIRD, OWN_BIRD, NUMBER), *, one_line=True):
        """No word that must not come out, no control character, no forged line."""
        if leaked := found(birds, text.encode()):
            self.fail(number, f"{where} tells {leaked}: {text[:2000]!r}")
        if any(_CONTROL.search(line) for line in ([text] if one_line else text.split("\r\n"))):
            self.fail(number, f"{where} has control characters: {text[:2000]!r}")
        if _LINE.search(text):
            self.fail(number, f"{where} has a forged line: {text[:2000]!r}")

    def judge_absences(self):
        """Only who says so has no record."""
        for number in self.absences:
            traits = " ".join(hostile.traits(self.seed, number, self.ports))
            if not re.search("absent|other_status", traits):
                self.fail(number, "no record, which nobody said")

    def measure(self):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.resident.append(pages * os.sysconf("SC_PAGE_SIZE"))

    @property
    def grown(self):
        return max(self.resident[WARM_UP:]) - max(self.resident[:WARM_UP])


@contextmanager
def servers(seed):
    """Ports of hostile servers in a process of their own, and what asks for their counts."""
    command = [sys.executable, "-m", "tests.sources.upstream.hostile", str(seed)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:

        def counts():
            process.stdin.write("\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield json.loads(process.stdout.readline()), counts
        process.stdin.close()


def settings(ports, **upstream):
    web, port43 = ports
    patient = {"in_flight": 1000, "per_minute": 1_000_000, "failures": 100, "rest_s": 0.01}
    rdap = {"rdap": f"http://rdap.{OWN}:{web}/", "clear_text": True}
    whois = {"whois": f"whois.{OWN}:{port43}", "follow_referrals": True}
    tables = {"rdap": rdap, "whois": whois, "both": {**rdap, **whois, "fallback": True}}
    tables["busy"] = tables["both"]
    servers = [{"suffixes": [f"{z}.test"], **t, **patient} for z, t in tables.items()]
    given = {"allow": ["127.0.0.1/32"], "deadline_s": DEADLINE_S, "negative_s": 0, **upstream}
    return UpstreamSettings.model_validate({"server": servers, **given})


def source(ports, folder):
    resolver = Resolver()
    made = UpstreamSource(settings(ports), folder, lambda: NOW, resolver)
    # Port 43 itself is not everybody's to listen on: the registrars' servers have another port,
    # and an address of their own.
    addresses = Addresses.of([f"{REGISTRAR}/32"], resolver)
    for upstream in made._upstreams:
        for server in upstream._servers:
            if isinstance(server, WhoisServer):
                server._referrals = Referrals(addresses, 3, ports[1])
    return made


@pytest.fixture
def run(policy, tmp_path):
    """Drives so many cases of a seed and says what was seen."""

    def run(seed, cases):
        with servers(seed) as (ports, counts):
            run = Run(seed, tuple(ports))
            with heard(run), alone(), warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always", ResourceWarning)
                uvloop.run(main(run, cases))
            run.unclosed = len(told)
            run.judge_absences()
            return run, counts()

    async def main(run, cases):
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: run.fail("loop", repr(context)))
        entropy = iter(range(1, 1 << 30))
        log = ForgetfulLog(clock=lambda: NOW, entropy=lambda n: next(entropy).to_bytes(n, "little"))
        shown = rdap.Settings(base_url="https://rdap.example/", terms_url="https://rdap.example/t")
        relay = Substitutes(b"k" * 32, web_form="https://registrar.example/contact?d={domain}")
        own = ServerSettings(shown)
        with ThreadPoolExecutor(2) as executor:
            gate = AsyncGate(
                Settings(policy, relay, shown, cache_s=0),
                Watched(source(run.ports, tmp_path), run.seen),
                log,
                lambda: NOW,
                executor=executor,
                find_timeout_s=2 * (DEADLINE_S + SLACK_S),
            )
            archive = {policy.digest: policy.text}.get
            web = application(
                gate,
                own,
                Authenticator(lambda: DIRECTORY),
                log.receipt,
                archive,
                tmp_path,
                lambda: NOW,
            )
            places, stopping, here = asyncio.Future(), asyncio.Event(), ("127.0.0.1", 0)
            serving = asyncio.create_task(
                serve(web, Port43(gate, own), here, here, gate=gate, ready=places.set_result,
                      stopping=stopping)
            )  # fmt: skip
            asking = Asking(run, await places)
            numbers, watching = iter(range(cases)), asyncio.create_task(run.watch())
            await asyncio.gather(*(asking.some(numbers) for _ in range(AT_ONCE)))
            watching.cancel()
            stopping.set()
            await serving

    return run


@contextmanager
def alone():
    """The collector walks what is made inside, and not what other tests left in this process."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def heard(run):
    """Whatever is logged meanwhile is looked at, and nothing of it kept."""
    listener = Listener(lambda text: run.clean("log", "log", text))
    ours, root = logging.getLogger("whoisgate"), logging.getLogger()
    level = ours.level
    ours.addHandler(listener)
    root.addHandler(listener)
    ours.propagate = False  # else pytest keeps every line
    ours.setLevel(logging.INFO)
    try:
        yield
    finally:
        ours.removeHandler(listener)
        root.removeHandler(listener)
        ours.propagate = True
        ours.setLevel(level)


class Asking:
    """Asks the gateway over its own sockets, and judges what comes."""

    def __init__(self, run, places):
        self._run, self._web = run, places["rdap"].removeprefix("http://").rstrip("/")
        self._whois = places["whois"]

    async def some(self, numbers):
        for number in numbers:
            try:
                await self._one(number)
            except Exception as error:  # noqa: BLE001  the others go on
                self._run.fail(number, repr(error))
            self._run.measure()

    async def _one(self, number):
        name = hostile.name(self._run.seed, number)
        self._judge(number, await self._exchange(number, self._web, request(name)))
        self._judge_text(number, await self._exchange(number, self._whois, f"{name}\r\n"))
        if number % 5 == 0:
            self._judge_gated(number, await self._exchange(number, self._web, request(name, GATED)))

    async def _exchange(self, number, place, question):
        host, _, port = place.rpartition(":")
        with self._run.in_time(number):
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                writer.write(question.encode())
                return (await reader.read(-1)).decode()
            finally:
                writer.close()

    def _judge(self, number, reply):
        run = self._run
        head, _, body = reply.partition("\r\n\r\n")
        status = head.split()[1]
        run.replies[f"RDAP {status}"] += 1
        run.clean(number, "RDAP head", head, EVERYTHING, one_line=False)
        run.clean(number, "RDAP body", body, EVERYTHING)
        if status == "502":
            # One answer for every failure, but for the hour.
            run.replies[re.sub(r"(?m)^date: .*\r\n", "", reply)] += 1
            if json.loads(body)["description"] != [UNREADABLE]:
                run.fail(number, f"an error of another kind: {body}")
        elif status == "200":
            if json.loads(body)["ldhName"] != hostile.name(run.seed, number):
                run.fail(number, f"another name: {body}")
        elif status == "404":
            run.absences.add(number)
        else:
            run.fail(number, f"unexpected answer: {reply}")

    def _judge_text(self, number, text):
        run = self._run
        kind = re.match(r"% (WG\d+)|", text)[1] or "record"
        run.replies[f"WHOIS {kind}"] += 1
        run.clean(number, "WHOIS", text, EVERYTHING, one_line=False)
        if kind == "WG103":
            run.absences.add(number)
        elif kind != "record" and text != f"% {UNREADABLE}\r\n":
            run.fail(number, f"unexpected text: {text}")

    def _judge_gated(self, number, reply):
        run = self._run
        head, _, body = reply.partition("\r\n\r\n")
        run.replies[f"gated {head.split()[1]}"] += 1
        run.replies["gated with a name"] += OWN_BIRD in body
        run.clean(number, "gated head", head, EVERYTHING, one_line=False)
        run.clean(number, "gated body", body, (BIRD, NUMBER, OWN))
        if head.split()[1] not in {"200", "403", "404", "502"}:
            run.fail(number, f"unexpected answer: {reply}")


def request(name, more=""):
    return f"GET /domain/{name} HTTP/1.1\r\nHost: rdap.example\r\nConnection: close\r\n{more}\r\n"


def test_neither_crashes_nor_leaks_nor_waits_nor_grows_before_hostile_servers(run):
    started = time.monotonic()
    seen, counts = run(SEED, CASES)
    traits = counts.pop("traits")
    report = {
        "seed": SEED, "cases": CASES, "seconds": round(time.monotonic() - started),
        "grown_mib": round(seen.grown / 2**20, 1), "late_s": round(seen.late_s, 2),
        "stall_s": round(seen.stall_s, 2), "unclosed": seen.unclosed, "servers": counts,
        "sources": dict(seen.outcomes),
        "exits": {kind: n for kind, n in seen.replies.items() if "\r" not in kind},
    }  # fmt: skip
    print(json.dumps(report, indent=1))  # noqa: T201  shown with a failure, and by -s
    assert not seen.wrong, f"{len(seen.wrong)} wrong, first:\n" + "\n".join(seen.wrong[:5])
    assert counts["trapped"] == counts["failed"] == 0
    assert counts["most_sent"] < SENT_BYTES
    assert seen.grown < GROWTH_BYTES
    assert seen.stall_s < STALL_S
    # A deadline that rings while a connection is being closed leaves it to the collector.
    assert seen.unclosed <= CASES // 100
    # One answer for all failures; and the test has seen what it is about.
    assert len([reply for reply in seen.replies if "HTTP/1.1 502" in reply]) == 1
    assert counts["asked"] > CASES
    assert {"record", "absent", "WG312", "WG313", "WG314", "WG315"} <= seen.outcomes.keys()
    assert seen.outcomes["a person reached the gate"] > CASES / 10
    assert seen.replies["gated with a name"] > CASES / 100
    kinds = (hostile.TREE, hostile.BYTES, hostile.HEAD, hostile.LINES, hostile.HTTP_TRANSPORT)
    assert {trait.__name__ for kind in kinds for trait in kind} <= set(traits)
