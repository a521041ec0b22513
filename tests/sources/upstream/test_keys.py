"""Issuers' keys, and forms for them, over real sockets within the bounds of every upstream."""

import asyncio

import pytest
from tests.sources.upstream.conftest import LOOPBACK, http, says, speaking

from whoisgate.errors import (
    MissingKey,
    UpstreamForbidden,
    UpstreamMalformed,
    UpstreamTooLarge,
    UpstreamUnreachable,
)
from whoisgate.sources.upstream.keys import LIMIT_BYTES, fetcher, poster

BODY = b'{"keys": []}'


@pytest.fixture
def fetch(authority):
    def fetch(url, allow=LOOPBACK, addresses=("127.0.0.1",)):
        async def resolver(host, port):
            return addresses

        return asyncio.run(fetcher(allow, authority.ca, resolver=resolver)(url))

    return fetch


@pytest.fixture
def post(authority):
    def post(url, form=b"a=b", authorization="Basic YTpi", allow=LOOPBACK):
        async def resolver(host, port):
            return ("127.0.0.1",)

        send = poster(allow, authority.ca, resolver=resolver)
        return asyncio.run(send(url, form, authorization))

    return post


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "401 Unauthorized"])
def test_sends_a_form_and_reads_the_answer(post, authority, status):
    def speak(connection, question):
        body = question.partition(b"\r\n\r\n")[2] or connection.recv(100)
        assert body == b"a=b&c=d"
        connection.sendall(http(b"{}", status=status))

    with speaking(speak, tls=authority.server("id.example")) as server:
        said = post(f"https://id.example:{server.port}/token", b"a=b&c=d")
    assert said == (int(status[:3]), b"{}")
    (asked,) = server.asked
    assert asked.startswith(b"POST /token HTTP/1.1\r\n")
    assert b"\r\nContent-Type: application/x-www-form-urlencoded\r\n" in asked
    assert b"\r\nAuthorization: Basic YTpi\r\n" in asked
    assert b"\r\nContent-Length: 7\r\n" in asked


def test_sends_no_credential_on_and_none_where_there_is_none(post, authority):
    moved = http(status="307 Temporary Redirect", Location="https://id.example/else")

    def speak(connection, question):
        assert question.partition(b"\r\n\r\n")[2] or connection.recv(100)
        connection.sendall(moved)

    with speaking(speak, tls=authority.server("id.example")) as server:
        assert post(f"https://id.example:{server.port}/token", authorization=None) == (307, b"")
    (asked,) = server.asked
    assert b"uthorization" not in asked


def test_sends_no_form_where_nothing_may_be_fetched(post, authority):
    with speaking(says(http()), tls=authority.server("id.example")) as server:
        with pytest.raises(UpstreamForbidden):
            post(f"https://id.example:{server.port}/token", allow=())
        with pytest.raises(UpstreamForbidden, match="https"):
            post(f"http://id.example:{server.port}/token")
        assert server.connections == 0


def test_fetches_what_stands_at_an_https_address(fetch, authority):
    with speaking(says(http(BODY)), tls=authority.server("id.example")) as server:
        assert fetch(f"https://id.example:{server.port}/keys?v=1") == BODY
    (asked,) = server.asked
    assert asked.startswith(b"GET /keys?v=1 HTTP/1.1\r\n")
    assert b"uthorization" not in asked


def test_connects_to_no_address_that_is_not_public_and_not_allowed(fetch, authority):
    with speaking(says(http(BODY)), tls=authority.server("id.example")) as server:
        url = f"https://id.example:{server.port}/keys"
        for addresses in (["127.0.0.1"], ["::ffff:127.0.0.1"], ["192.0.2.1", "127.0.0.1"]):
            with pytest.raises(UpstreamForbidden):
                fetch(url, allow=(), addresses=addresses)
    assert server.connections == 0


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (http(status="302 Found", Location="https://id.example/"), UpstreamMalformed),
        (http(b"gone", status="404 Not Found"), UpstreamMalformed),
        (http(status="500 Internal Server Error"), UpstreamMalformed),
        (http(b"x" * (LIMIT_BYTES + 1)), UpstreamTooLarge),
        (http(BODY, Content_Encoding="gzip"), UpstreamMalformed),
        (b"nonsense\r\n\r\n", UpstreamMalformed),
    ],
)
def test_takes_no_answer_but_a_small_plain_one(fetch, authority, answer, error):
    with speaking(says(answer), tls=authority.server("id.example")) as server:
        with pytest.raises(error):
            fetch(f"https://id.example:{server.port}/keys")
        assert server.connections == 1


@pytest.mark.parametrize(
    "url", ["http://id.example/", "ftp://id.example/", "id.example", "https://x@id.example/", ""]
)
def test_fetches_from_https_addresses_alone(fetch, url):
    with pytest.raises(UpstreamForbidden, match="https"):
        fetch(url)


def test_believes_the_named_authority_alone(fetch, authority):
    with speaking(says(http(BODY)), tls=authority.server("other.example")) as server:
        with pytest.raises(UpstreamUnreachable):
            fetch(f"https://id.example:{server.port}/keys")
        assert server.asked == []


def test_refuses_an_authority_that_cannot_be_read(tmp_path):
    with pytest.raises(MissingKey):
        fetcher(ca=tmp_path / "absent.pem")
