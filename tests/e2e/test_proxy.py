"""The proxy by configuration alone: ``serve`` before servers that already exist."""

import hashlib
import json
import re
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from tests.e2e.proxies import Proxy, alike, proxy_before, proxy_of
from tests.sources.upstream.conftest import Speaker, document, http, speaking

from whoisgate.audit.entry import rfc3339
from whoisgate.cli import demo_folder

NAME = "canary.example"
PLACEHOLDER = "REDACTED FOR PRIVACY"
README = Path(__file__).parents[2] / "README.md"


def reset(connection, question):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silent(connection, question):
    time.sleep(1.5)


def endless(connection, question):
    while True:
        connection.sendall(b" " * 100_000)


class RDAP:
    """How a made-up RDAP server speaks, and how it is configured."""

    table = 'rdap = "http://{place}/rdap/"\nclear_text = true'
    source = "rdap"
    end = b"\r\n\r\n"
    url = "http://{place}/rdap/domain/{name}"
    absent = http(b'{"errorCode": 404}', "404 Not Found")
    failures = {  # noqa: RUF012  a table
        "WG311": [http(status="503 Down"), reset],
        "WG312": [silent],
        "WG313": [http(b" " * 1_000_001)],
        "WG314": [http(b"<html>canary</html>"), http(document("canary-other.example")), b"\x1b[2J"],
        "WG315": [http(status="302 Go", Location=f"https://169.254.169.254/domain/{NAME}")],
        "WG317": [http(b"canary", "403 Forbidden"), http(status="401 Unauthorized")],
        "WG316": [http(status="429 Too Many", Retry_After="10")],
    }

    @staticmethod
    def name(question):
        return question.split()[1].rpartition(b"/")[2].decode()

    @staticmethod
    def answer(name):
        trap = "https://canary.elsewhere.example/"
        return http(
            document(
                name,
                links=[{"rel": "related", "href": trap}],
                notices=[{"title": "canary", "links": [{"href": trap}]}],
                remarks=[{"description": ["canary"]}],
                port43="canary.elsewhere.example",
                canary_ext=trap,
            )
        )

    withheld = (
        lambda name: http(
            document(
                name,
                registrant="",
                redacted=[
                    {
                        "name": {"type": "Registrant Name"},
                        "postPath": "$.entities[0].vcardArray[1][?(@[0]=='fn')][3]",
                        "pathLang": "jsonpath",
                        "method": "emptyValue",
                    }
                ],
            )
        ),
        lambda name: http(document(name, registrant=PLACEHOLDER)),
    )

    @staticmethod
    def raw(answer):
        return answer.partition(b"\r\n\r\n")[2]


class WHOIS:
    """How a made-up WHOIS server speaks, in a layout of its own, and how it is configured."""

    source = "whois"
    table = 'whois = "{place}"\nquery = "-T dn {{name}}"'
    end = b"\r\n"
    url = "whois://{place}"
    absent = b"% No entries found.\r\n"
    failures = {  # noqa: RUF012  a table
        "WG311": [reset],
        "WG312": [silent],
        "WG313": [b"canary " * 200_000],
        "WG314": [b"canary\r\n", b"", b"\x1b[2Jcanary\x00" * 99],
        "WG317": [b"% Access denied\r\n"],
        "WG316": [b"% Query rate exceeded, canary\r\n"],
    }

    @staticmethod
    def name(question):
        return question.split()[-1].decode()

    @staticmethod
    def answer(name):
        return f"""% canary: see https://canary.elsewhere.example/
domain:       {name}
nserver:      ns1.example.net
created:      2020-01-02
remarks:      canary
referral:     whois.canary.elsewhere.example
holder-c:     C-1
x-canary:     canary

nic-hdl:      C-1
type:         PERSON
contact:      Ada Example
address:      1 Sample Street
e-mail:       ada@person.example
changed:      2020-01-02 canary@person.example
""".replace("\n", "\r\n").encode()

    withheld = (lambda name: WHOIS.answer(name).replace(b"Ada Example", PLACEHOLDER.encode()),)

    @staticmethod
    def raw(answer):
        return answer


@dataclass
class Speaking(Proxy):
    """A proxy before a server that says what a test put into ``answers``."""

    server: Speaker
    speech: RDAP | WHOIS
    answers: dict[str, object]

    def times(self, name):
        return [self.speech.name(question) for question in self.server.asked].count(name)


@contextmanager
def speaking_behind(speech, path):
    answers = {}

    def speak(connection, question):
        answer = answers.get(speech.name(question), speech.answer(speech.name(question)))
        if callable(answer):
            return answer(connection, question)
        return connection.sendall(answer)

    with (
        speaking(speak, end=speech.end) as server,
        proxy_before(speech.table.format(place=server.place), path) as made,
    ):
        yield Speaking(made.gateway, made.log, server, speech, answers)


@pytest.fixture(scope="module", params=[RDAP, WHOIS])
def proxy(request, tmp_path_factory):
    with speaking_behind(request.param(), tmp_path_factory.mktemp("proxy")) as proxy:
        yield proxy


def test_shows_the_public_view_and_nothing_of_the_upstream_around_it(proxy):
    reply, text = proxy.public(NAME), proxy.whois(NAME)
    assert reply.status_code == 200
    assert reply.json()["ldhName"] == NAME
    assert [ns["ldhName"] for ns in reply.json()["nameservers"]] == ["ns1.example.net"]
    assert b"Name Server: ns1.example.net" in text
    for body in (reply.content, text):
        assert b"Ada Example" not in body
        assert b"ada@person.example" not in body
        assert b"elsewhere" not in body
        assert b"canary" not in body.replace(NAME.encode(), b"")


def test_releases_with_evidence_what_was_fetched_for_this_question(proxy, run, tmp_path):
    before = time.time()
    told = proxy.disclosed(run, NAME, tmp_path / "evidence.zip")
    assert b"Ada Example" in told
    assert b"elsewhere" not in told
    opened = proxy.last_entry()
    (fetched,) = opened.sealed["fetched"]
    place = proxy.server.place
    assert fetched["upstream"] == proxy.speech.url.format(place=place, name=NAME)
    raw = proxy.speech.raw(proxy.speech.answer(NAME))
    assert fetched["sha256"] == hashlib.sha256(raw).hexdigest()
    at = datetime.fromisoformat(fetched["at"])
    assert before <= at.timestamp() <= time.time()
    assert opened.fields["record_version"] == rfc3339(at)
    assert opened.fields["source"] == f"{proxy.speech.source}:127.0.0.1"


def test_tells_the_officer_what_the_source_itself_withholds(proxy, run):
    for number, answer in enumerate(proxy.speech.withheld):
        name = f"withheld-{number}.example"
        proxy.answers[name] = answer(name)
        told = proxy.lookup(run, name).decode()
        assert "withheld by the source itself: Registrant Name\n" in told
        assert PLACEHOLDER not in told
        as_json = json.loads(proxy.lookup(run, name, "--json"))
        assert as_json["withheld_by_source"] == ["Registrant Name"]
        assert "registrant.name" not in as_json["released"]
        assert PLACEHOLDER not in proxy.public(name).text


def test_finds_nothing_where_the_upstream_has_nothing(proxy):
    proxy.answers["absent.example"] = proxy.speech.absent
    reply = proxy.public("absent.example")
    assert reply.status_code == 404
    assert b"WG103" in reply.content
    assert b"WG103" in proxy.whois("absent.example")
    assert proxy.gated("absent.example").status_code == 404


def test_asks_anew_for_gated_questions_alone(proxy):
    name, before = "twice.example", proxy.entries()

    def slowly(connection, question):
        time.sleep(0.3)  # all eight have come by then
        connection.sendall(proxy.speech.answer(name))

    proxy.answers[name] = slowly
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(proxy.public, [name] * 8))
    assert {reply.status_code for reply in replies} == {200}
    assert proxy.times(name) == 1
    assert [proxy.gated(name).status_code for _ in range(3)] == [200] * 3
    assert proxy.times(name) == 4
    assert proxy.entries() == before + 3


def test_remembers_an_absence_for_the_public_alone(proxy):
    name = "gone.example"
    proxy.answers[name] = proxy.speech.absent
    assert [proxy.public(name).status_code for _ in range(3)] == [404] * 3
    assert proxy.times(name) == 1
    del proxy.answers[name]
    assert proxy.gated(name).status_code == 200
    assert proxy.public(name).status_code == 404


def test_tells_every_failure_apart_to_the_operator_and_none_to_the_public(proxy):
    told, replies, texts, before = {}, [], [], proxy.entries()
    for code, answers in proxy.speech.failures.items():
        for number, answer in enumerate(answers):
            name = f"fails-{code.lower()}-{number}.example"
            proxy.answers[name] = answer
            start = len(proxy.said())
            replies += [proxy.public(name), proxy.gated(name)]
            texts.append(proxy.whois(name))
            # Asked again, a throttling upstream is left alone, which has a number of its own.
            expected = {code, "WG318"} if code == "WG316" else {code}
            told[name] = expected, set(re.findall(r"^(WG\d+) ", proxy.said()[start:], re.MULTILINE))
    assert {name: got for name, (wanted, got) in told.items() if got != wanted} == {}
    alike(replies, texts)
    assert proxy.entries() == before
    assert f"{proxy.speech.source}:127.0.0.1: expected" in proxy.said()
    assert "canary" not in proxy.said()
    assert "\x1b" not in proxy.said()


@pytest.mark.parametrize("speech", [RDAP, WHOIS])
def test_is_configured_as_the_readme_says(speech, tmp_path):
    (tables,) = re.findall(r"(?ms)^```toml\n(.*?)^```$", README.read_text(encoding="utf-8"))

    def speak(connection, question):
        connection.sendall(speech.answer(speech.name(question)))

    with speaking(speak, end=speech.end) as server:
        place = server.place if speech is RDAP else f"127.0.0.1:{demo_folder.free_port()}"
        tables = tables.replace("https://rdap.old.example/", f"http://{place}/")
        tables = tables.replace("whois.old.example", server.place)
        tables += 'clear_text = true\n[upstream]\nallow = ["127.0.0.1/32"]\n'
        with proxy_of(tables, tmp_path) as proxy:
            assert proxy.public(NAME).json()["ldhName"] == NAME
        assert [speech.name(question) for question in server.asked] == [NAME]


def test_gives_the_same_answer_when_the_upstream_is_down(tmp_path):
    with speaking_behind(RDAP(), tmp_path) as proxy:
        proxy.answers["slow.example"] = silent
        slow, before = proxy.public("slow.example"), proxy.entries()
        proxy.server.close()
        down = [proxy.public(NAME), proxy.gated(NAME)]
        alike([slow, *down], [proxy.whois(NAME)])
        assert proxy.entries() == before
        assert "WG312 rdap:127.0.0.1" in proxy.said()
        assert "WG311 rdap:127.0.0.1" in proxy.said()
