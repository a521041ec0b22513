"""Port 43, over real sockets."""

import asyncio
import socket
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import NOW
from tests.servers.conftest import everything, serving, until

from whoisgate.errors import MalformedQuestion
from whoisgate.gate import Gate
from whoisgate.records import Record
from whoisgate.servers.whois import asked


@pytest.fixture
def running(service):
    with serving(service) as addresses:
        yield addresses


@pytest.fixture
def public(service):
    gate = Gate(service.gate._middle.settings, service.source, service.log, lambda: None)
    return gate._middle.public(service.source.find("example.com"), "whois", NOW).body


@pytest.mark.parametrize(
    "query",
    [
        b"example.com\r\n",
        b"example.com\n",
        b"eXaMpLe.CoM.\r\n",
        b"  example.com \r\n",
        b"domain example.com\r\n",
        b"DOMAIN example.com\r\n",
        b"-T dn,ace example.com\r\n",
        b"example.com\r\nexample.net\r\n",
        b"example.com\r\n" + b"x" * 2000,
    ],
)
def test_answers_the_public_view_and_closes(running, public, query):
    for _ in range(2):  # found, then at hand
        assert running.raw("whois", query) == public
    assert b"Ada" not in public
    assert b"Domain Name: example.com" in public.replace(b"EXAMPLE.COM", b"example.com")


def test_answers_a_query_that_comes_byte_by_byte(running, public):
    with running.connect("whois") as connection:
        for byte in b"example.com\r\n":
            connection.sendall(bytes([byte]))
            time.sleep(0.002)
        assert everything(connection) == public


def test_answers_a_client_that_has_closed_its_half(running, public):
    with running.connect("whois") as connection:
        connection.sendall(b"example.com\n")
        connection.shutdown(socket.SHUT_WR)
        assert everything(connection) == public


def test_answers_internationalised_names(make):
    service = make(records=[Record.of("xn--bcher-kva.example", {"registrar.name": "R"})])
    with serving(service) as running:
        for name in ("bücher.example", "xn--bcher-kva.example"):
            assert b"xn--bcher-kva.example" in running.raw("whois", f"{name}\r\n".encode()).lower()


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        (b"absent.example\r\n", b"% WG103: no record of this domain\r\n"),
        (b"\r\n", b"% WG104: not a question\r\n"),
        (b"a b c\r\n", b"% WG104: not a question\r\n"),
        (b"example\r\n", b"% WG101: not a domain name\r\n"),
        (b"\x1b[2J.example\r\n", b"% WG101: not a domain name\r\n"),
        (b"\x00\r\n", b"% WG101: not a domain name\r\n"),
        (b"\xff\xfe\r\n", b"% WG104: not a question\r\n"),
        (b"a\rb.example\r\n", b"% WG104: not a question\r\n"),
        (b"<script>.example\r\n", b"% WG101: not a domain name\r\n"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"% WG104: not a question\r\n"),
        (b"x" * 513, b"% WG104: not a question\r\n"),
        (b"x" * 513 + b"\r\n", b"% WG104: not a question\r\n"),
        (b"x" * 400 + b".example\r\n", b"% WG101: not a domain name\r\n"),
        (b"192.0.2.1/24\r\n", b"% WG101: not a domain name\r\n"),
    ],
)
def test_says_what_is_wrong_by_number_and_echoes_nothing(running, query, answer):
    assert running.raw("whois", query) == answer


def test_drops_whoever_floods(running):
    with running.connect("whois") as connection:
        try:
            for _ in range(1000):
                connection.sendall(b"x" * 65536)
        except OSError:
            return
    raise AssertionError("64 MB without a line were taken")


def test_drops_whoever_sends_no_line_in_time(make):
    with serving(make(request_s=0.2)) as running:
        assert running.raw("whois", b"") == b""
        assert running.raw("whois", b"example.com") == b""
        with running.connect("whois") as connection:
            connection.sendall(b"exam")
            connection.shutdown(socket.SHUT_WR)
            assert everything(connection) == b""


def test_drops_whoever_does_not_take_the_answer(make, large):
    service = make(records=[large], request_s=0.1, drain_s=0.3)
    with serving(service) as running, running.connect("whois", 4096) as connection:
        connection.sendall(b"large.example\r\n")
        until(lambda: service.whois.open)
        until(lambda: not service.whois.open)
        whole = asyncio.run(service.gate.public("large.example", "whois"))
        assert 0 < len(everything(connection)) < len(whole)


def test_gives_a_large_answer_whole(make, large):
    service = make(records=[large])
    with serving(service) as running:
        answer = running.raw("whois", b"large.example\r\n")
        assert answer == asyncio.run(service.gate.public("large.example", "whois"))


def test_bounds_connections_and_frees_their_places(make):
    with serving(make(connections=2)) as running:
        held = [running.connect("whois") for _ in range(2)]
        time.sleep(0.1)
        assert running.raw("whois", b"").startswith(b"% WG112: ")
        for connection in held:
            connection.sendall(b"example.com\r\n")
            assert everything(connection).startswith(b"Domain Name")
            connection.close()
        assert running.raw("whois", b"example.com\r\n").startswith(b"Domain Name")


class Slow:
    """A source that takes its time, and can be seen at work."""

    def __init__(self, record):
        self.record, self.begun, self.go = record, threading.Event(), threading.Event()

    def find(self, _):
        self.begun.set()
        self.go.wait(0.15)
        return self.record


def test_drops_idle_clients_and_answers_the_others_when_stopped(make, record):
    source = Slow(record)
    with serving(make(source=source)) as running:
        idle, asking = running.connect("whois"), running.connect("whois")
        asking.sendall(b"example.com\r\n")
        assert source.begun.wait(5)
    assert everything(asking).startswith(b"Domain Name")
    assert everything(idle) == b""
    for connection in (idle, asking):
        connection.close()


def test_tells_of_a_failing_source_without_its_words(make, caplog):
    class Broken:
        def find(self, _):
            raise RuntimeError("Ada Example")

    with serving(make(source=Broken())) as running:
        answer = running.raw("whois", b"example.com\r\n")
    assert answer == b"% WG301: registration data could not be read\r\n"
    assert "Ada" not in caplog.text
    assert "example.com" not in caplog.text


def test_takes_no_credential(running):
    line = b"domain example.com Bearer x\r\n"
    assert running.raw("whois", line) == b"% WG104: not a question\r\n"


@given(st.binary(max_size=520))
def test_reads_any_line_or_refuses_it(line):
    try:
        name = asked(line)
    except MalformedQuestion:
        return
    assert name
    assert not any(c.isspace() for c in name)
