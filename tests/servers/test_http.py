"""The HTTP server as the world meets it: uvicorn, real sockets, hostile bytes."""

import asyncio
import json
import socket
import time

import httpx2
import pytest
from tests.identity.tokens import ATTACKS
from tests.servers.conftest import (
    BASE_URL,
    OTHER_OFFICER,
    PENDING,
    REFUSED,
    RELEASED,
    TOKEN,
    everything,
    serving,
)


@pytest.fixture
def running(service):
    with serving(service) as addresses:
        yield addresses


@pytest.fixture
def http(running):
    with httpx2.Client(base_url=running.rdap, timeout=10) as client:
        yield client


BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("headers", "status", "cache", "entry"),
    [
        ({}, 200, "public, max-age=60", False),
        ({"Disclosure-Request": RELEASED}, 401, "no-store", False),
        ({"Authorization": "Bearer x"}, 401, "no-store", False),
        (BEARER, 200, "no-store", False),
        ({**BEARER, "Disclosure-Request": RELEASED}, 200, "no-store", True),
        ({**BEARER, "Disclosure-Request": REFUSED}, 403, "no-store", True),
        ({**BEARER, "Disclosure-Request": PENDING}, 202, "no-store", True),
    ],
)
def test_ends_each_outcome_in_its_status(http, headers, status, cache, entry):
    for method in ("GET", "HEAD", "GET"):
        reply = http.request(method, "domain/example.com", headers=headers)
        assert reply.status_code == status
        assert reply.headers["cache-control"] == cache
        assert reply.headers["content-type"] == "application/rdap+json"
        assert reply.headers["access-control-allow-origin"] == "*"
        assert ("disclosure-entry" in reply.headers) is entry
        assert "server" not in reply.headers
        assert "date" in reply.headers
        assert "set-cookie" not in reply.headers
        assert "etag" not in reply.headers
        assert (b"Ada Example" in reply.content) is (entry and status == 200 and method == "GET")


@pytest.mark.parametrize(
    "headers",
    [{"Accept-Encoding": "gzip, br, zstd"}, {"If-None-Match": "*"}, {"Range": "bytes=0-9"},
     {"If-Modified-Since": "Wed, 25 Nov 2099 00:00:00 GMT"}, {"TE": "trailers, gzip"}],
)  # fmt: skip
def test_is_told_by_no_header_to_compress_compare_or_cut(http, headers):
    plain = http.get("domain/example.com", headers={"Accept-Encoding": "identity"})
    for more in ({}, {**BEARER, "Disclosure-Request": RELEASED}):
        reply = http.get("domain/example.com", headers={**headers, **more})
        assert reply.status_code == 200
        assert not {"content-encoding", "etag", "last-modified"} & {*reply.headers}
        assert int(reply.headers["content-length"]) == len(reply.content)
        assert more or reply.content == plain.content


def test_gives_a_receipt_to_its_officer_alone(http):
    given = http.get("domain/example.com", headers={**BEARER, "Disclosure-Request": RELEASED})
    path = given.headers["disclosure-receipt"].removeprefix(BASE_URL)
    assert http.get(path, headers=BEARER).text.startswith("c2sp.org/tlog-proof@v1")
    assert http.get(path, headers={"Authorization": f"Bearer {OTHER_OFFICER}"}).status_code == 404
    assert http.get(path).status_code == 401


def test_refuses_every_forgery_that_a_header_can_carry(http):
    carried = {
        name: text for name, text in ATTACKS.items() if text.isprintable() and text.isascii()
    }
    assert len(carried) > 80
    for name, forged in carried.items():
        if not forged.strip() or forged.strip() == TOKEN:
            continue
        reply = http.get(
            "domain/example.com",
            headers={"Authorization": f"Bearer {forged}", "Disclosure-Request": RELEASED},
        )
        assert reply.status_code == 401, name
        assert b"Ada" not in reply.content


@pytest.mark.parametrize(
    "path",
    [
        "domain/%65xample%2Ecom",
        "domain/EXAMPLE.com",
        "domain/example.com%2E",
        "domain/%EF%BD%85xample.com",
    ],
)
def test_decodes_names(http, path):
    assert http.get(path).content == http.get("domain/example.com").content


@pytest.mark.parametrize(
    "path",
    ["domain/%00.example", "domain/a%0d%0ab.example", "domain/%ff.example", "domain/%252e.example",
     "domain/example%2ecom%2f..%2fhelp", "domain/%E2%80%AE.example"],
)  # fmt: skip
def test_refuses_names_that_decode_to_none(http, path):
    reply = http.get(path)
    assert reply.status_code == 400
    assert reply.json()["description"][0].startswith("WG101")


GET = b"GET /domain/example.com HTTP/1.1\r\nHost: rdap.example\r\n"
AUTH = f"Authorization: Bearer {TOKEN}\r\n".encode()
ASK = f"Disclosure-Request: {RELEASED}\r\n".encode()


@pytest.mark.parametrize(
    "head",
    [
        GET + AUTH + AUTH + ASK,
        GET + b"Authorization : Bearer x\r\n" + ASK,
        GET + b"Authorization: Bearer\r\n x\r\n" + ASK,
        GET + AUTH.replace(b": ", b":\x0b") + ASK,
        GET + AUTH[:-2] + b"\x00\r\n" + ASK,
        GET + AUTH[:-2] + b", Bearer x\r\n" + ASK,
        GET + ASK,
        GET + b"Authorization: \r\n" + ASK,
        b"GET /domain/example.com HTTP/1.1\r\n\tAuthorization: x\r\n" + ASK,
    ],
)
def test_releases_nothing_for_smuggled_heads(running, head):
    answer = running.raw("rdap", head + b"Connection: close\r\n\r\n")
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 401"))
    assert b"Ada" not in answer


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: +5\r\n\r\nhello",
        b"Content-Length: 0x5\r\n\r\nhello",
        b"Content-Length: 50\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ],
)
def test_never_answers_a_request_inside_a_body(running, framing):
    inner = b"GET /domain/example.com HTTP/1.1\r\nHost: rdap.example\r\n" + AUTH + ASK + b"\r\n"
    answer = running.raw("rdap", b"GET /help HTTP/1.1\r\nHost: rdap.example\r\n" + framing + inner)
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert b"Ada" not in answer


def test_answers_pipelined_requests_in_order_and_apart(running):
    more = GET + b"\r\n" + GET + AUTH + ASK + b"\r\n" + GET + b"Connection: close\r\n\r\n"
    answer = running.raw("rdap", more)
    heads = answer.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert [b"Ada Example" in part for part in heads] == [False, True, False]
    assert [b"no-store" in part for part in heads] == [False, True, False]


def test_bounds_a_head_in_bytes(running):
    with running.connect("rdap") as connection:
        connection.sendall(GET + b"X: " + b"x" * 20_000 + b"\r\nConnection: close\r\n\r\n")
        assert everything(connection).startswith(b"HTTP/1.1 200")
    with running.connect("rdap") as connection:
        try:
            connection.sendall(GET)
            for n in range(100):
                connection.sendall(b"X-%d: " % n + b"x" * 4000 + b"\r\n")
                time.sleep(0.001)
            connection.sendall(b"\r\n")
        except OSError:
            pass
        assert everything(connection) == b""


def test_bounds_a_head_in_time(make):
    with serving(make(request_s=0.3)) as running:
        assert running.raw("rdap", b"") == b""
        assert running.raw("rdap", GET) == b""
        with running.connect("rdap") as connection:  # a slow second head
            connection.sendall(GET + b"\r\n")
            time.sleep(0.1)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            began = connection.fileno()
            assert began > 0
            connection.sendall(b"GET / HT")
            assert everything(connection) == b""


def test_drops_whoever_does_not_take_the_answer(make, large):
    service = make(records=[large], request_s=0.5, drain_s=0.3)
    with serving(service) as running, running.connect("rdap", 4096) as connection:
        connection.sendall(GET.replace(b"example.com", b"large.example") + b"\r\n")
        time.sleep(2.5)
        whole = asyncio.run(service.gate.public("large.example"))
        assert 0 < len(everything(connection)) < len(whole)


def test_bounds_open_connections(make):
    with serving(make(connections=3)) as running:
        held = [running.connect("rdap") for _ in range(3)]
        for connection in held:
            connection.sendall(GET + b"\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        assert running.raw("rdap", GET + b"\r\n") == b""
        held.pop().close()
        time.sleep(0.1)
        assert running.raw("rdap", GET + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200")
        for connection in held:
            connection.close()


@pytest.mark.parametrize(
    "bad",
    [
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"GET\r\n\r\n",
        b"example.com\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /domain/example.com\r\n\r\n",
        b"GET http://evil.example/help HTTP/1.1\r\nHost: rdap.example\r\nConnection: close\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: rdap.example\r\nConnection: close\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: rdap.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
)
def test_survives_what_is_no_request_of_its_own(running, bad):
    with running.connect("rdap") as connection:
        connection.sendall(bad)
        connection.shutdown(socket.SHUT_WR)
        answer = everything(connection)
    assert b"evil.example" not in answer
    assert b"Traceback" not in answer
    assert running.raw("rdap", GET + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_refuses_a_large_body_before_it_came(running):
    head = GET + b"Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"
    answer = running.raw("rdap", head)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"100 Continue" not in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["errorCode"] == 413
