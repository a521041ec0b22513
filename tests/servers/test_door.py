"""TLS handshakes that never end: bounded in number and time, and dropped when the server stops."""

import errno
import logging
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import pytest
from tests.servers.conftest import everything, serving, until
from tests.servers.tls import FOREIGN, HOST, OFFICER, ROOT, Port, both_versions, said

from whoisgate.records import Record
from whoisgate.servers import door, listener, run

PUBLIC = ()
HELLO = b"\x16\x03\x01\x40\x00"
"""A record begun, of whose 16 KiB no more comes."""


class Elsewhere(socket.socket):
    """A listening socket to which 127.0.1.N is 192.0.2.N; ``refusal`` is raised instead."""

    refusal = None
    asked = 0

    def accept(self):
        self.asked += 1
        if self.refusal is not None:
            raise OSError(self.refusal, os.strerror(self.refusal))
        accepted, (host, port) = super().accept()
        return accepted, (host.replace("127.0.1.", "192.0.2."), port)


@pytest.fixture
def bound(monkeypatch):
    """The listening sockets, RDAP's first."""
    made, bind = [], run.bind

    def elsewhere(address):
        made.append(Elsewhere(fileno=bind(address).detach()))
        return made[-1]

    monkeypatch.setattr(run, "bind", elsewhere)
    return made


@pytest.fixture
def counted(monkeypatch):
    """The places of HTTP servers, as they are made."""
    made, places = [], listener.Places

    def kept(settings):
        made.append(places(settings))
        return made[-1]

    monkeypatch.setattr(listener, "Places", kept)
    return made


@pytest.fixture
def served(make, tmp_path):
    """Serves over TLS with these bounds, and gives its port."""

    @contextmanager
    def served(*, anchors=str, source=None, **bounds):
        service = make(source=source, **bounds)
        with serving(service, tls=HOST.write(tmp_path, "host"), anchors=anchors) as addresses:
            yield Port(int(addresses.rdap.rstrip("/").rpartition(":")[2]), tmp_path)

    return served


class Idle:
    """Connections that say so much and no more."""

    def __init__(self, port, count, words=b"", source="127.0.0.1"):
        self.open = []
        for _ in range(count):
            self.open.append(socket.create_connection(("127.0.0.1", port.number), 10, (source, 0)))
            with suppress(OSError):  # closed already
                self.open[-1].sendall(words)

    def alive(self):
        return sum(map(_alive, self.open))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self.open:
            connection.close()


def _alive(connection):
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def answered(port, source=None):
    """Whether somebody honest is answered over a connection of his own."""
    try:
        with (
            socket.create_connection(("127.0.0.1", port.number), 10, source and (source, 0)) as it,
            port.context().wrap_socket(it, server_hostname="localhost") as secure,
        ):
            return said(secure, PUBLIC).status == 200
    except OSError:
        return False


@pytest.mark.parametrize("words", [b"", HELLO])
def test_counts_a_handshake_from_its_connection_on(served, counted, words):
    with served(connections=3, request_s=60) as port, Idle(port, 20, words) as idle:
        until(lambda: idle.alive() == 3)
        assert counted[0]._taken == 3
        assert not answered(port)
        idle.open.pop(next(n for n, each in enumerate(idle.open) if _alive(each))).close()
        until(lambda: counted[0]._taken == 2)
        assert answered(port)
        assert idle.alive() == 2


def test_counts_handshakes_for_the_network_that_they_come_from(served, counted, bound):
    with (
        served(connections_each=2, request_s=60) as port,
        Idle(port, 10, source="127.0.1.1") as idle,
    ):
        until(lambda: idle.alive() == 2)
        assert len(counted[0]._each) == 1
        assert not answered(port, "127.0.1.1")
        assert answered(port, "127.0.1.2")
        assert answered(port)


@pytest.mark.parametrize("each_s", [None, 0.2])
def test_gives_a_handshake_its_time_and_no_more(served, counted, each_s):
    with served(connections=3, request_s=1.0) as port:
        begun = time.monotonic()
        with Idle(port, 3, HELLO) as idle:
            while idle.alive():
                assert time.monotonic() - begun < 5
                time.sleep(each_s or 0.05)
                for connection in idle.open if each_s else ():
                    with suppress(OSError):
                        connection.send(b"\x00")
            assert time.monotonic() - begun > 0.9
            until(lambda: counted[0]._taken == 0)
            assert answered(port)


@both_versions
def test_holds_who_shows_a_refused_certificate_no_longer_than_others(served, counted, version):
    with served(request_s=2.0, anchors=lambda: ROOT.pem) as port:
        context = port.context(FOREIGN, version)
        plain = socket.create_connection(("127.0.0.1", port.number), timeout=10)
        with context.wrap_socket(
            plain, server_hostname="localhost", do_handshake_on_connect=False
        ) as secure:
            with suppress(OSError):  # with TLS 1.3 it ends before the client hears of it
                secure.do_handshake()
            begun = time.monotonic()
            assert counted[0]._taken == 1
            until(lambda: counted[0]._taken == 0)
            assert time.monotonic() - begun < 5
            with suppress(OSError):  # the alert
                everything(secure)
        assert answered(port)


def test_gives_places_back_however_a_handshake_ends(served, counted):
    with served(connections=3, request_s=60) as port:
        for words in (b"", HELLO, b"GET / HTTP/1.1\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x28"):
            for _ in range(3):
                with Idle(port, 3, words):
                    time.sleep(0.02)
                until(lambda: counted[0]._taken == 0)
        for _ in range(6):
            assert answered(port)
        until(lambda: counted[0]._taken == 0)


class Slow:
    """A source that takes a moment."""

    def find(self, name):
        time.sleep(0.15)
        return Record.of(name, {"registrar.name": "Example Registrar"})


def test_stops_without_those_whose_handshake_is_not_finished(served, counted):
    with ExitStack() as held, ThreadPoolExecutor(1) as thread:
        with served(request_s=60, drain_s=30, source=Slow()) as port:
            idle = [held.enter_context(Idle(port, 5, words)) for words in (b"", HELLO)]
            asking = held.enter_context(port.connection(port.context()))
            until(lambda: counted[0]._taken == 11)
            asking.sendall(b"GET /domain/example.com HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = thread.submit(lambda: (everything(asking), asking.close())[0])
            time.sleep(0.05)
            begun = time.monotonic()
        assert time.monotonic() - begun < 10
        assert counted[0]._taken == 0
        assert sum(each.alive() for each in idle) == 0
        assert answer.result(1).startswith(b"HTTP/1.1 200")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port.number))


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EINVAL])
def test_rests_and_goes_on_when_nothing_can_be_accepted(served, bound, caplog, code):
    with served(request_s=60) as port:
        assert answered(port)
        bound[0].refusal, bound[0].asked = code, 0
        with Idle(port, 2):
            time.sleep(5 * door.REST_S)
            assert 2 <= bound[0].asked <= 7
            bound[0].refusal = None
            assert answered(port)
    told = [record for record in caplog.records if record.name == "whoisgate"]
    assert [record.levelno for record in told] == [logging.ERROR]
    assert os.strerror(code) in told[0].getMessage()


def test_stops_while_it_rests(served, bound, caplog, monkeypatch):
    monkeypatch.setattr(door, "REST_S", 0.05)  # less than uvicorn takes to stop
    with served(request_s=60) as port:
        bound[0].refusal = errno.EMFILE
        with Idle(port, 1):
            until(lambda: bound[0].asked)
    assert [record.name for record in caplog.records] == ["whoisgate"]


def test_takes_a_connection_that_was_gone_before_it_was_accepted_for_nothing(
    served, bound, monkeypatch, caplog
):
    monkeypatch.setattr(door, "REST_S", 60)
    with served(request_s=60) as port:
        bound[0].refusal = errno.ECONNABORTED
        with Idle(port, 1):
            until(lambda: bound[0].asked)
            bound[0].refusal = None
            assert answered(port)
    assert not caplog.records


def test_knows_who_shows_a_certificate_as_before(served):
    with served(request_s=60, anchors=lambda: ROOT.pem) as port, Idle(port, 3, HELLO):
        assert port.ask(OFFICER, ()).status == 200
