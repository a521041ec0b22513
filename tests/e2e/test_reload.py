"""Policies changed in a running gateway under load: each answer is wholly one policy's."""

import os
import signal
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from tests.conftest import POLICY, SOAK
from tests.e2e.conftest import PURPOSE, make_folder, serving

from whoisgate import app, gateway
from whoisgate.audit.verify import parse_leaf, parse_vkey, verify_receipt
from whoisgate.client import Client
from whoisgate.identity.authenticator import Authenticator
from whoisgate.middle import Middle
from whoisgate.policy.load import load_text
from whoisgate.presented import Presented
from whoisgate.queries import Question
from whoisgate.replay import replay

RELOADS = int(os.environ.get("WHOISGATE_RELOADS", "1000" if SOAK else "60"))
NAMES = 4
PAUSE_S = 0.005
"""Between the questions of one client; without it five of them leave a reload little time."""

OTHERS = (
    ("[registrant.country, registrant.state]", "[registrant.country]"),
    ("[domain.*, registrar.*, nameserver.*, dnssec.*, reseller.*]", "[domain.*, dnssec.*]"),
    (
        "[registrant.name, registrant.email]\n    when",
        "[registrant.name, registrant.phone]\n    when",
    ),
)
"""What makes other policies of the small one: each changes the public's or the officer's view."""

REFUSED = {
    "no YAML": POLICY.replace("rules:", "rules: ["),
    "breaks its invariant": POLICY.replace("grant: replace", "grant: release"),
    "has two unknown words": POLICY.replace("national_order", "nation_order"),
    "is not there": None,
}


@pytest.mark.slow
def test_answers_wholly_under_one_policy_while_policies_change(tmp_path):
    folder = make_folder(tmp_path / "gate")
    live, config = folder / "live.yaml", folder / "whoisgate.toml"
    config.write_text(config.read_text().replace('policy = "icann-gtld"', 'policy = "live.yaml"'))
    texts = [POLICY, *(POLICY.replace(*pair) for pair in OTHERS)]
    policies = [load_text(text) for text in texts]
    live.write_text(texts[0])
    expected = Expected(app.Folder.at(folder), policies)
    with (tmp_path / "said").open("wb") as said, serving(folder, log=said) as served:
        load = Load(served, expected)
        reloader = Reloader(served, live, tmp_path / "said")
        with ThreadPoolExecutor(5) as pool:
            jobs = [
                pool.submit(w) for w in (load.rdap, load.rdap, load.whois, load.gated, load.gated)
            ]
            try:
                for n in range(1, RELOADS + 1):
                    reloader.replace(texts[n % len(texts)], policies[n % len(texts)])
                    load.check_one(policies[n % len(texts)])
                    if n % 5 == 0:
                        reloader.fail(REFUSED[[*REFUSED][n // 5 % len(REFUSED)]])
                        load.check_one(policies[n % len(texts)])
            finally:
                load.stop.set()
            for job in jobs:
                job.result()
    used = {(kind, policy.digest) for kind in ("rdap", "whois", "gated") for policy in policies}
    assert load.seen.keys() == used
    _replay(folder, load.entries, policies)


class Expected:
    """Which policies' answers a body can be, by kind and name."""

    def __init__(self, folder, policies):
        names = (folder.path / "demo" / "domains.txt").read_text().split()
        source, settings, now = folder.source(), folder.settings(), app.utc_now()
        token = (folder.path / "demo" / "investigator.token").read_text().strip()
        kept = gateway.KeptDirectory(folder.log(), folder.audience, app.utc_now)
        kept.read()
        bearer = ((b"authorization", f"Bearer {token}".encode()),)
        officer = Authenticator(kept).authenticate(Presented("GET", "", bearer), now)
        records = [r for r in map(source.find, names) if any(c.role == "tech" for c in r.contacts)]
        self.names = [r.name for r in records[:NAMES]]
        self.bodies: dict[tuple[str, str, bytes], list[str]] = {}
        for policy in policies:
            middle = Middle(replace(settings, policy=policy))
            for record in records[:NAMES]:
                step = middle.settle(record, question(record.name), officer, now)
                made = [("gated", step.body._body)]
                made += [(f, bytes(middle.public(record, f, now).body)) for f in ("rdap", "whois")]
                for kind, body in made:
                    digests = self.bodies.setdefault((kind, record.name, body), [])
                    digests.append(policy.digest)

    def policies(self, kind, name, body) -> list[str]:
        """The digests of the policies under which this is the whole answer."""
        return self.bodies.get((kind, name, body), [])


class Load:
    """Clients that ask all the time, and check each answer against the policy that it names."""

    def __init__(self, served, expected):
        self.served, self.expected, self.stop = served, expected, threading.Event()
        self.key = parse_vkey(served.vkey)
        self.seen: Counter[tuple[str, str]] = Counter()
        self.entries: dict[int, str] = {}

    def rdap(self):
        with httpx2.Client(base_url=self.served.base_url) as http:
            for name in self._names():
                self._public(http, name)

    def whois(self):
        for name in self._names():
            with socket.create_connection(self.served.whois, timeout=20) as peer:
                peer.sendall(name.encode() + b"\r\n")
                body = b"".join(iter(lambda: peer.recv(65536), b""))
            held = self.expected.policies("whois", name, body)
            assert held, f"no policy answers so: {body.decode()}"
            self.seen.update(("whois", digest) for digest in held)

    def gated(self):
        with Client(self.served.base_url, token=self.served.token, key=self.key) as client:
            for name in self._names():
                self._disclosed(client, name)

    def check_one(self, policy):
        """One public and one gated answer, which must be this policy's."""
        name = self.expected.names[0]
        with httpx2.Client(base_url=self.served.base_url) as http:
            assert self._public(http, name) == policy.digest
        with Client(self.served.base_url, token=self.served.token, key=self.key) as client:
            assert self._disclosed(client, name) == policy.digest

    def _names(self):
        while not self.stop.is_set():
            for name in self.expected.names:
                yield name
                time.sleep(PAUSE_S)

    def _public(self, http, name) -> str:
        reply = http.get(f"domain/{name}")
        named = reply.headers["disclosure-policy"]
        assert named in self.expected.policies("rdap", name, reply.content), reply.text
        self.seen["rdap", named] += 1
        return named

    def _disclosed(self, client, name) -> str:
        reply = client.ask(question(name))
        verified = verify_receipt(reply.proof, self.key)
        named = verified.leaf.policy
        assert named in self.expected.policies("gated", name, reply.body), reply.body
        self.seen["gated", named] += 1
        self.entries[verified.index] = named
        return named


class Reloader:
    """Changes the policy of a running gateway, and waits until it says what came of it."""

    def __init__(self, served, live: Path, said: Path):
        self.served, self.live, self.said, self.refused = served, live, said, 0

    def replace(self, text, policy):
        spoken = self._send(text)
        assert spoken.count("\n") == 1, spoken
        assert spoken.endswith(f"in force: {policy.digest}\n"), spoken

    def fail(self, text):
        before = self.said.read_text().rpartition("in force: ")[2].strip()[:64]
        spoken = self._send(text)
        self.refused += 1
        assert spoken.endswith(f"policy {before} stays in force\n"), spoken
        assert "live.yaml" in spoken
        if text == REFUSED["has two unknown words"]:
            assert spoken.count("\n  ") == 2, spoken
        if text == REFUSED["breaks its invariant"]:
            assert "WG207" in spoken

    def _send(self, text) -> str:
        """All that the gateway says after a signal."""
        start = self.said.stat().st_size
        beside = self.live.with_name("next.yaml")
        if text is None:
            self.live.unlink()
        else:
            beside.write_text(text)
            beside.rename(self.live)
        self.served.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            spoken = self.said.read_bytes()[start:].decode()
            if "in force" in spoken and spoken.endswith("\n"):
                return spoken
            time.sleep(0.005)
        raise AssertionError("the gateway said nothing")


def question(name):
    elements = ["registrant.name", "registrant.email", "registrant.phone"]
    return Question.of(name, purpose=PURPOSE, basis="national_order", case="1", elements=elements)


def _replay(folder: Path, entries, policies):
    """The archive has every policy, and a sample of entries replays under the one that it names."""
    own = app.Folder.at(folder)
    with own.opened() as log:
        archived = {p.digest: load_text(log.archived(p.digest)) for p in policies}
        for index in sorted(entries)[:: max(1, len(entries) // 40)]:
            fields = log.open_entry(index, own.operator_key()).fields
            replay(archived[entries[index]], fields)
        changes = [parse_leaf(log.leaf(n)) for n in range(log.size())]
    told = [leaf.policy for leaf in changes if leaf.kind == "policy"]
    order = [policies[n % len(policies)].digest for n in range(RELOADS + 1)]
    assert told == order
