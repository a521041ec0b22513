"""Port 43 from the asking side, over real sockets."""

import asyncio
import socket
import struct
import time

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from tests.sources.upstream.conftest import LOOPBACK, NAME, says, speaking

from whoisgate.errors import (
    MalformedName,
    UpstreamForbidden,
    UpstreamTimedOut,
    UpstreamTooLarge,
    UpstreamUnreachable,
    WhoisgateError,
)
from whoisgate.sources.upstream import port43
from whoisgate.sources.upstream.addresses import Addresses, Place
from whoisgate.sources.upstream.deadline import within

HOSTILE = st.text(st.sampled_from("\r\n\x00\x1b[2J%{}\u2028\u202e -_.aZ9é日"), max_size=80)


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def ask(place, name=NAME, *, template="{name}", limit_bytes=100_000, allow=LOOPBACK, seconds=2.0):
    async def main():
        async with within(asyncio.get_running_loop().time() + seconds):
            return await port43.ask(
                Addresses.of(allow), Place.parse(place, 43), template, name, limit_bytes
            )

    return uvloop.run(main())


def heard(speak, **how):
    with speaking(speak, end=b"\r\n") as server:
        return ask(server.place, **how), server.asked


def test_hears_everything_until_the_other_end_closes():
    text = "Domain Name: made up \u00e9\r\n".encode("latin-1") * 5000
    said, asked = heard(says(text), limit_bytes=200_000)
    assert said == (text, True)
    assert asked == [f"{NAME}\r\n".encode()]


@pytest.mark.parametrize("template", ["-T dn,ace {name}", "domain {name}", "={name}"])
def test_asks_in_the_operators_words(template):
    _, asked = heard(says(b"x"), template=template)
    assert asked == [f"{template.format(name=NAME)}\r\n".encode()]


@pytest.mark.parametrize(
    "name", ["a.example\r\nb.example", "a.example\nQUIT", "\x1b[2J.example", "a b.example", ""]
)
def test_asks_for_a_name_and_nothing_else(name):
    with speaking(says(b"x"), end=b"\r\n") as server, pytest.raises(MalformedName):
        ask(server.place, name)
    assert server.connections == 0


@given(HOSTILE)
def test_never_sends_two_lines(name):
    sent = []

    async def main():
        async def connect(reader, writer):
            sent.append(await reader.read(1000))
            writer.close()

        server = await asyncio.start_server(connect, "127.0.0.1", 0)
        async with server:
            place = Place("127.0.0.1", server.sockets[0].getsockname()[1])
            await port43.ask(Addresses.of(LOOPBACK), place, "-T dn {name}", name, 1000)

    try:
        asyncio.run(main())
    except WhoisgateError:
        assert sent == []
    else:
        (line,) = sent
        assert line.count(b"\n") == line.count(b"\r") == 1
        assert line.startswith(b"-T dn ")
        assert line.endswith(b"\r\n")
        assert line[:-2].isascii()
        assert line[:-2].decode().isprintable()


def test_keeps_what_came_before_a_reset():
    def speak(connection, question):
        connection.sendall(b"Domain Name: half")
        time.sleep(0.2)
        reset(connection)

    said, _ = heard(speak)
    assert said == (b"Domain Name: half", False)


def test_takes_a_reset_before_any_word_for_no_answer():
    with pytest.raises(UpstreamUnreachable):
        heard(lambda connection, question: reset(connection))


def test_finds_nobody_listening():
    with speaking(says(b"")) as server:
        place = server.place
    with pytest.raises(UpstreamUnreachable):
        ask(place)


def test_connects_to_no_address_that_is_not_permitted():
    with speaking(says(b"x"), end=b"\r\n") as server, pytest.raises(UpstreamForbidden):
        ask(server.place, allow=["10.0.0.0/8"])
    assert server.connections == 0


def test_stops_at_the_cap():
    sent = []

    def speak(connection, question):
        for _ in range(1000):
            connection.sendall(b" " * 1_000_000)
            sent.append(1)

    with pytest.raises(UpstreamTooLarge, match="`100000` bytes"):
        heard(speak)
    assert len(sent) < 20


def drips(connection, question):
    while True:
        connection.sendall(b"x")
        time.sleep(0.1)


@pytest.mark.parametrize("speak", [drips, lambda connection, question: time.sleep(1)])
def test_waits_until_the_deadline_and_no_longer(speak):
    started = time.monotonic()
    with speaking(speak, end=b"\r\n") as server:
        with pytest.raises(UpstreamTimedOut):
            ask(server.place, seconds=0.5)
        assert time.monotonic() - started < 5  # what drips, drips for ever
