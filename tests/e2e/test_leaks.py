"""Nothing withheld leaves by any exit: canaries, non-interference, the registrant's attack."""

import base64
import hashlib
import itertools
import json
import random
import socket
import time
import unicodedata
import urllib.parse
from pathlib import Path

import httpx2
import pytest
from tests.e2e.conftest import PURPOSE, Gateway, serving

from whoisgate.audit.verify import b64url, parse_leaf, parse_vkey, split_bundle, verify_log
from whoisgate.cli import demo_folder
from whoisgate.client import Client
from whoisgate.policy.decide import Outcome
from whoisgate.queries import Question

NAME = "canary.example"
CONTACT = ("fn", "org", "street", "city", "code", "voice", "fax", "email", "label", "handle")


def document(word, *, unknown=True, extra_contacts=0) -> dict:
    """An RDAP domain in which ``word(place)`` stands in every withheld place."""

    def contact(role: str, n: int = 0) -> dict:
        w = lambda place: word(f"{role}{n}{place}")  # noqa: E731  one short name in a template
        card = [
            ["version", {}, "text", "4.0"],
            ["fn", {}, "text", w("fn")],
            ["org", {"x-p": w("param")}, "text", w("org")],
            ["adr", {"cc": "NL", "label": w("label")}, "text",
             ["", "", w("street"), w("city"), "", w("code"), ""]],
            ["tel", {"type": "voice"}, "uri", f"tel:+1.5555550100;ext={w('ext')}"],
            ["tel", {"type": "fax"}, "text", w("fax")],
            ["email", {}, "text", f"{w('email')}@person.example"],
            ["note", {}, "text", w("note")],
            ["x-vendor", {}, "text", w("vendor")],
        ]  # fmt: skip
        entity = {
            "objectClassName": "entity",
            "handle": w("handle"),
            "roles": [role],
            "vcardArray": ["vcard", card],
        }
        if unknown:
            entity |= {
                "remarks": [{"title": w("remark"), "description": [w("remark")]}],
                "links": [{"href": f"https://{w('link')}.example/", "title": w("title")}],
                "publicIds": [{"type": "national id", "identifier": w("publicid")}],
                "events": [{"eventAction": "registration", "eventDate": "2020-01-01T00:00:00Z",
                            "eventActor": w("actor")}],
                "entities": [{"objectClassName": "entity", "roles": ["registrant"],
                              "handle": w("nested"), "vcardArray": ["vcard", card]}],
                f"x_{w('member')}": w("memberval"),
            }  # fmt: skip
        return entity

    roles = ["registrant", "administrative", "technical", "billing"]
    entities = [contact(role) for role in roles]
    entities += [contact("technical", n) for n in range(1, extra_contacts + 1)]
    whole = {
        "objectClassName": "domain",
        "rdapConformance": ["rdap_level_0"],
        "ldhName": NAME,
        "status": ["active"],
        "events": [{"eventAction": "registration", "eventDate": "2020-01-01T00:00:00Z"}],
        "nameservers": [{"objectClassName": "nameserver", "ldhName": "ns1.example.net"}],
        "entities": entities,
    }
    if unknown:
        whole |= {
            "remarks": [{"description": [word("toplevelremark")]}],
            "notices": [{"title": word("notice"), "description": [word("notice")]}],
            "links": [{"rel": "related", "href": f"https://{word('related')}.example/"}],
            "x_registrar_secret": {"deep": [word("deep"), {"er": word("deeper")}]},
            "port43": f"{word('portfourthree')}.example",
        }
    return whole


@pytest.fixture
def source(tmp_path) -> Path:
    (tmp_path / "records").mkdir()
    return tmp_path / "records"


@pytest.fixture
def gateway(tmp_path, source):
    folder = tmp_path / "gate"
    tables = f'\n[source]\nkind = "documents"\nfolder = "{source}"\n'
    demo_folder.make(folder, base_url=f"http://127.0.0.1:{demo_folder.free_port()}/", source=tables)
    config = (folder / "whoisgate.toml").read_text()
    (folder / "whoisgate.toml").write_text(config.replace("[gate]\n", "[gate]\ncache_s = 0\n"))
    (source / f"{NAME}.json").write_text(json.dumps(document(lambda place: place)))
    with serving(folder) as served:
        yield served


def test_no_canary_leaves_by_any_public_exit(gateway: Gateway, source: Path):
    planted: set[str] = set()

    def word(place: str) -> str:
        mark = f"zq{hashlib.sha256(place.encode()).hexdigest()[:12]}"
        planted.add(mark)
        return mark

    (source / f"{NAME}.json").write_text(json.dumps(document(word)))
    exits = _exits(gateway)
    http, _, whois = exits
    assert b"ns1.example.net" in http
    assert b"ns1.example.net" in whois
    found = {c for c in planted for out in exits if any(s in _folded(out) for s in _encodings(c))}
    assert len(planted) > 60
    assert found == set()


def test_a_released_value_stands_in_no_file_of_the_gate(gateway: Gateway, source: Path):
    mark = "zqvisible0001"
    (source / f"{NAME}.json").write_text(json.dumps(document(lambda place: f"{mark}{place}")))
    key = parse_vkey(gateway.vkey)
    question = Question.of(
        NAME, purpose=PURPOSE, basis="national_order", case="1", elements=["registrant.name"]
    )
    with Client(gateway.base_url, token=gateway.token, key=key) as client:
        reply = client.ask(question)
    assert reply.outcome is Outcome.RELEASED
    assert f"{mark}registrant0fn".encode() in reply.body
    files = [f for f in gateway.folder.rglob("*") if f.is_file()]
    assert len(files) > 5
    assert [f.name for f in files if mark.encode() in f.read_bytes()] == []


def test_records_with_equal_facts_and_treated_values_are_indistinguishable(
    gateway: Gateway, source: Path
):
    chance = random.Random(7)
    seen = set()
    for _ in range(25):
        noise = document(
            lambda _: "".join(chance.choices("abcdefgh", k=chance.randint(1, 40))),
            unknown=chance.random() < 0.5,
            extra_contacts=chance.randint(0, 3),
        )
        for entity in noise["entities"]:
            card = entity["vcardArray"][1]
            entity["vcardArray"][1] = card[:2] + [
                p for p in card[2:] if p[0] == "adr" or chance.random() < 0.6
            ]
        (source / f"{NAME}.json").write_text(json.dumps(noise))
        seen.add(tuple(_exits(gateway)))
    assert len(seen) == 1


def test_the_registrant_learns_nothing_from_the_public_log(gateway: Gateway, source: Path):
    """He knows the whole record and can render every answer; the log confirms none of them."""
    (source / f"{NAME}.json").write_text(json.dumps(document(lambda place: place)))
    key = parse_vkey(gateway.vkey)
    elements = ["registrant.name", "registrant.email", "registrant.city", "registrant.street"]
    bodies, combinations = [], []
    with Client(gateway.base_url, token=gateway.token, key=key) as client:
        for size in range(1, len(elements) + 1):
            for chosen in itertools.combinations(elements, size):
                question = Question.of(NAME, purpose=PURPOSE, basis="national_order", case="c",
                                       elements=chosen)  # fmt: skip
                reply = client.ask(question)
                bodies.append(reply.body)
                combinations.append(chosen)
    _wait_for_size(gateway, key, len(bodies) + 2)
    public = {f.name: f.read_bytes() for f in (gateway.folder / "log").rglob("*") if f.is_file()}
    guesses = [*bodies, NAME.encode(), b"registrant.name", b"national_order", b"c"]
    guesses += [hashlib.sha256(guess).hexdigest().encode() for guess in guesses]
    for guess in guesses:
        digest = hashlib.sha256(guess).digest()
        marks = [digest, digest.hex().encode(), b64url(digest).encode()]
        marks += [guess] if len(guess) > 8 else []
        assert not [m for m in marks for content in public.values() if m in content]
    shapes = {
        (tuple(json.loads(entry)), len(entry))
        for entry in _entries(gateway)
        if parse_leaf(entry).kind is None
    }
    assert len(shapes) == 1


def _exits(gateway: Gateway) -> list[bytes]:
    """Everything that the public can see of the name: status, headers and body of each exit."""
    outs = []
    for method in ("GET", "HEAD"):
        reply = httpx2.request(method, f"{gateway.base_url}domain/{NAME}")
        headers = sorted((k, v) for k, v in reply.headers.items() if k != "date")
        outs.append(f"{reply.status_code}\n{headers}\n".encode() + reply.content)
    with socket.create_connection(gateway.whois, timeout=10) as peer:
        peer.sendall(NAME.encode() + b"\r\n")
        outs.append(b"".join(iter(lambda: peer.recv(65536), b"")))
    return outs


def _encodings(canary: str) -> set[str]:
    raw = canary.encode()
    return {
        canary,
        base64.b64encode(raw).decode()[:-4].casefold(),
        raw.hex(),
        urllib.parse.quote(canary),
        "".join(f"%{b:02x}" for b in raw),
        canary.encode("punycode").decode(),
        canary[::-1],
    }


def _folded(out: bytes) -> str:
    return unicodedata.normalize("NFKC", out.decode("utf-8", "replace")).casefold()


def _wait_for_size(gateway: Gateway, key, size: int) -> None:
    for _ in range(100):
        report = verify_log(lambda path: (gateway.folder / "log" / path).read_bytes(), key)
        if report.size >= size:
            return
        time.sleep(0.1)
    raise AssertionError("the log was not published")


def _entries(gateway: Gateway) -> list[bytes]:
    bundles = sorted((gateway.folder / "log" / "tile" / "entries").rglob("*"))
    newest = max((b for b in bundles if b.is_file()), key=lambda b: b.stat().st_mtime_ns)
    return split_bundle(newest.read_bytes())
