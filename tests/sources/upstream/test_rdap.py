"""Asking an RDAP server over real sockets: what it may say, and what is refused."""

import asyncio
import hashlib
import json
import time
from dataclasses import replace

import pytest
from tests.conftest import NOW
from tests.sources.upstream.conftest import (
    NAME,
    ask,
    document,
    drip,
    gzipped,
    http,
    says,
    speaking,
)

from whoisgate.audit.entry import rfc3339
from whoisgate.elements import element
from whoisgate.errors import (
    MalformedConfig,
    MissingKey,
    UpstreamForbidden,
    UpstreamMalformed,
    UpstreamRefused,
    UpstreamThrottled,
    UpstreamTimedOut,
    UpstreamTooLarge,
    UpstreamUnreachable,
)
from whoisgate.records import Fetched


def endless(connection, part, pause_s=0.0):
    while True:
        connection.sendall(part)
        time.sleep(pause_s)


def chunked(body, size):
    parts = (body[at : at + size] for at in range(0, len(body), size))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


def redirect(to, status="302 Found"):
    return says(http(status=status, Location=to))


def test_finds_the_record_and_says_where_and_when(rdap):
    body = document()
    with speaking(says(http(body))) as server:
        record = ask(rdap(server.place, path="/rdap/"))
        url = f"http://{server.place}/rdap/domain/{NAME}"
    assert record.contacts[0].values["name"] == "Ada Example"
    assert record.values[element("domain.handle")] == "D-1"
    assert record.source == "rdap:127.0.0.1"
    assert record.version == rfc3339(NOW) == "2026-11-23T12:00:00.000000Z"
    assert record.fetched == (Fetched(url, NOW, hashlib.sha256(body).hexdigest()),)


def test_asks_for_rdap_and_nothing_else(rdap):
    with speaking(says(http(document()))) as server:
        ask(rdap(server.place))
        (question,) = server.asked
    line, *fields = question.decode().strip().split("\r\n")
    assert line == f"GET /domain/{NAME} HTTP/1.1"
    assert dict(f.split(": ", 1) for f in fields) == {
        "Host": server.place,
        "Accept": "application/rdap+json",
        "Accept-Encoding": "identity",
        "User-Agent": "whoisgate",
    }


def test_keeps_a_connection_and_no_cookie(rdap):
    def speak(connection, question):
        name = question.split()[1].rpartition(b"/")[2].decode()
        connection.sendall(http(document(name), Set_Cookie="a=b; Path=/"))
        return True

    with speaking(speak) as server:
        ask(rdap(server.place), "a.example", "b.example", "c.example")
    assert len(server.asked) == 3
    assert server.connections == 1
    assert b"cookie" not in b"".join(server.asked).lower()


def test_heeds_no_proxy_of_the_environment(rdap, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    with speaking(says(http(document()))) as server:
        assert ask(rdap(server.place))


@pytest.mark.parametrize("body", [b"", b"{}", b'{"errorCode": 404, "title": "Not Found"}'])
def test_finds_nothing_where_the_server_says_so(rdap, body):
    with speaking(says(http(body, "404 Not Found"))) as server:
        assert ask(rdap(server.place)) is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (http(b"<html>no such page</html>", "404 Not Found"), UpstreamMalformed),
        (http(b'{"errorCode": 500}', "404 Not Found"), UpstreamMalformed),
        (http(b"[]", "404 Not Found"), UpstreamMalformed),
        (http(status="400 Bad Request"), UpstreamMalformed),
        (http(status="204 No Content"), UpstreamMalformed),
        (http(status="304 Not Modified"), UpstreamMalformed),
        (http(status="401 Unauthorized"), UpstreamRefused),
        (http(status="403 Forbidden"), UpstreamRefused),
        (http(status="429 Too Many Requests"), UpstreamThrottled),
        (http(status="500 Internal Server Error"), UpstreamUnreachable),
        (http(status="503 Service Unavailable"), UpstreamUnreachable),
        (http(b"not JSON"), UpstreamMalformed),
        (http(b'{"objectClassName": "entity"}'), UpstreamMalformed),
        (http(document("other.example")), UpstreamMalformed),
        (http(document(NAME, handle=5, ldhName=None)), UpstreamMalformed),
        (http(b'{"ldhName": "a.example", "ldhName": "' + NAME.encode() + b'"}'), UpstreamMalformed),
        (http(b"[" * 100_000), UpstreamMalformed),
        (http(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), UpstreamMalformed),
        (http(b'{"objectClassName":"domain","ldhName":"\\ud800.example"}'), UpstreamMalformed),
        (http(document().replace(b"Ada", b"\xed\xa0\x80")), UpstreamMalformed),
        (http(gzipped(document()), Content_Encoding="gzip"), UpstreamMalformed),
        (http(gzipped(b" " * 10_000_000), Content_Encoding="gzip"), UpstreamMalformed),
        (http(document(), Content_Encoding="br, identity"), UpstreamMalformed),
        (http(b" " * 1_000_001), UpstreamTooLarge),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", UpstreamMalformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}", UpstreamMalformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n{}", UpstreamMalformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", UpstreamMalformed),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", UpstreamMalformed),
        (b"HTTP/9.9 200 OK\r\n\r\n", UpstreamMalformed),
        (b"SSH-2.0-example\r\n", UpstreamMalformed),
        (b"", UpstreamMalformed),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000 + b"\r\n", UpstreamMalformed),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n", UpstreamMalformed),
        (http(document(), X="y" * 40_000), UpstreamTooLarge),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + http(document()), UpstreamMalformed),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100_000, UpstreamMalformed),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", UpstreamMalformed),
        (chunked(b" " * 4000, 1), UpstreamTooLarge),
        (http(status="429 Too Many Requests", Retry_After="9" * 5000), UpstreamThrottled),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value.__name__,
)  # fmt: skip
def test_tells_failures_apart(rdap, answer, error):
    with speaking(says(answer)) as server, pytest.raises(error) as raised:
        ask(rdap(server.place))
    assert type(raised.value) is error
    assert "`rdap:127.0.0.1`: " in str(raised.value)
    assert "Ada" not in str(raised.value)


@pytest.mark.parametrize(
    ("number", "readable"),
    [("123456789012345678901", True), ("1" * 4000, False), ("1e400", False), ("-1e-400", True)],
)
def test_reads_past_a_huge_number_or_refuses_the_document(rdap, number, readable):
    body = document(extra=0).replace(b'"extra": 0', f'"extra": {number}'.encode())
    with speaking(says(http(body))) as server:
        if readable:
            assert ask(rdap(server.place)).name == NAME
        else:
            with pytest.raises(UpstreamMalformed):
                ask(rdap(server.place))


def test_finds_nobody_listening(rdap):
    with speaking(says(b"")) as server:
        place = server.place
    with pytest.raises(UpstreamUnreachable):
        ask(rdap(place))


def test_takes_a_reset_for_no_connection(rdap):
    def speak(connection, question):
        connection.sendall(http(document())[:80])
        connection.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER of 0 s: close resets

    with speaking(speak) as server, pytest.raises(UpstreamUnreachable):
        ask(rdap(server.place))


@pytest.mark.parametrize(
    "speak",
    [
        lambda c, q: drip(c, http(document())),
        lambda c, q: (c.sendall(b"HTTP/1.1 200 OK\r\nX: "), endless(c, b"y", 0.1)),
        lambda c, q: (c.sendall(b"HTTP/1.1 200 OK\r\n\r\n"), endless(c, b" ", 0.1)),
        lambda c, q: time.sleep(1),
        lambda c, q: (c.sendall(http(document())[:-1]), time.sleep(1)),
    ],
    ids=["drip", "head drips", "body drips", "is silent", "never closes"],
)
def test_waits_until_the_deadline_and_no_longer(rdap, speak):
    with speaking(speak) as server:
        started = time.monotonic()
        with pytest.raises(UpstreamTimedOut):
            ask(rdap(server.place, deadline_s=0.5))
        assert time.monotonic() - started < 5  # what drips, drips for a minute


def test_stops_reading_a_gigabyte_at_the_cap(rdap):
    sent = []

    def speak(connection, question):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        for _ in range(1000):
            connection.sendall(b" " * 1_000_000)
            sent.append(1)

    with speaking(speak) as server, pytest.raises(UpstreamTooLarge):
        ask(rdap(server.place))
    assert len(sent) < 20  # what the kernel's buffers hold beyond the cap


def test_reads_a_body_in_small_chunks(rdap):
    with speaking(says(chunked(document(), 10))) as server:
        assert ask(rdap(server.place)).name == NAME


def test_knows_an_interim_answer_by_its_first_bytes(rdap):
    def speak(connection, question):
        for byte in b"HTTP/1.1 1":
            connection.sendall(bytes([byte]))
            time.sleep(0.01)
        time.sleep(1)

    with speaking(speak) as server, pytest.raises(UpstreamMalformed, match="interim"):
        ask(rdap(server.place, deadline_s=0.8))


def test_knows_an_interim_answer_on_a_connection_that_it_keeps(rdap):
    def speak(connection, question):
        first = b"HTTP/1.1 103 Early Hints\r\n\r\n" if b"b.example" in question else b""
        connection.sendall(first + http(document("a.example")))
        return True

    with speaking(speak) as server, pytest.raises(UpstreamMalformed, match="interim"):
        ask(rdap(server.place), "a.example", "b.example")
    assert server.connections == 1


def test_takes_no_record_that_was_sent_before_it_was_asked_for(rdap):
    def speak(connection, question):
        connection.sendall(http(document("a.example")) * 2)
        return True

    with speaking(speak) as server, pytest.raises(UpstreamMalformed, match=r"about `b\.example`"):
        ask(rdap(server.place), "a.example", "b.example")


def test_has_one_deadline_for_all_redirects(rdap):
    def speak(connection, question):
        time.sleep(0.3)
        connection.sendall(http(status="302 Found", Location=f"/domain/{NAME}"))

    with speaking(speak) as server, pytest.raises(UpstreamTimedOut):
        ask(rdap(server.place, deadline_s=0.5))
    assert len(server.asked) == 2


def test_has_one_deadline_for_a_name_that_is_never_found(rdap):
    async def resolver(host, port):
        await asyncio.sleep(60)

    with pytest.raises(UpstreamTimedOut):
        ask(rdap("rdap.example:1", resolver=resolver, deadline_s=0.2))


@pytest.mark.parametrize(
    ("speak", "error"),
    [
        (lambda c, q: time.sleep(1), UpstreamTimedOut),
        (lambda c, q: drip(c, b"\x16\x03\x03\x40\x00"), UpstreamTimedOut),
        (says(b"\x16\x03\x03\x40\x00" + b"\x02" * 100_000), UpstreamUnreachable),
        (says(http(document())), UpstreamUnreachable),
        (says(b"\x15\x03\x03\x00\x02\x02\x28"), UpstreamUnreachable),
    ],
    ids=["silent", "dripping", "garbage", "clear text", "alert"],
)
def test_shakes_no_endless_hands(source, speak, error):
    with speaking(speak, end=b"\x16") as server, pytest.raises(error):  # a handshake's first byte
        ask(source({"rdap": f"https://{server.place}/"}, deadline_s=0.4))


FORBIDDEN = [
    ("https://127.0.1.1/domain/{name}", "public addresses"),
    ("https://[::1]/domain/{name}", "public addresses"),
    ("https://[::ffff:10.0.0.1]/domain/{name}", "public addresses"),
    ("https://[::ffff:7f00:101]/domain/{name}", "public addresses"),
    ("https://[64:ff9b::a9fe:a9fe]/domain/{name}", "public addresses"),
    ("https://169.254.169.254/domain/{name}", "public addresses"),
    ("https://10.0.0.1/domain/{name}", "public addresses"),
    ("https://inside.example/domain/{name}", "public addresses"),
    ("https://both.example/domain/{name}", "public addresses"),
    ("http://169.254.169.254/domain/{name}", "public addresses"),
    ("https://169.254.169.254/latest/meta-data/", "same name"),
    ("https://rdap.example/domain/other.example", "same name"),
    ("https://rdap.example:22/domain/{name}", "port"),
    ("https://2130706433/domain/{name}", "absolute URL"),
    ("https://0x7f.0.0.1/domain/{name}", "absolute URL"),
    ("https://0177.0.0.1/domain/{name}", "absolute URL"),
    ("https://127.1/domain/{name}", "absolute URL"),
    ("https://rdap.example@127.0.0.1/domain/{name}", "absolute URL"),
    ("https://rdap.example\\@127.0.0.1/domain/{name}", "absolute URL"),
    ("//127.0.0.1/domain/{name}", "absolute URL"),
    ("file:///etc/passwd", "absolute URL"),
    ("gopher://127.0.0.1/domain/{name}", "absolute URL"),
    ("domain/{name}", "absolute URL"),
    ("https://rdap.example/\x1b[2J/domain/{name}", "absolute URL"),
    ("https://rdap.example/ /domain/{name}", "absolute URL"),
    ("https://rdap.example/" + "a" * 3000 + "/domain/{name}", "absolute URL"),
    ("", "absolute URL"),
]


@pytest.mark.parametrize(("location", "rule"), FORBIDDEN)
def test_follows_no_redirect_out_of_the_rules(rdap, location, rule):
    hosts = {"inside.example": ["192.168.1.1"], "both.example": ["8.8.8.8", "127.0.1.1"]}

    async def resolver(host, port):
        return hosts[host]

    target = location.format(name=NAME)
    with speaking(redirect(target)) as server, pytest.raises(UpstreamForbidden, match=rule) as told:
        ask(rdap(server.place, allow=["127.0.0.1/32"], resolver=resolver))
    assert target[:12] not in str(told.value) or not target


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Again", "308 Moved"]
)
@pytest.mark.parametrize("absolute", [True, False])
def test_follows_a_redirect_within_the_rules(rdap, status, absolute):
    def speak(connection, question):
        if b"/new/" in question:
            connection.sendall(http(document()))
        else:
            base = f"http://{server.place}" if absolute else ""
            connection.sendall(http(status=status, Location=f"{base}/new/domain/{NAME.upper()}"))

    with speaking(speak) as server:
        record = ask(rdap(server.place))
    assert record.source == "rdap:127.0.0.1"
    assert record.fetched[0].upstream == f"http://{server.place}/new/domain/{NAME.upper()}"


@pytest.mark.parametrize("hops", [0, 1, 3])
def test_follows_so_many_redirects_and_no_more(rdap, hops):
    with speaking(redirect(f"/domain/{NAME}")) as server:
        with pytest.raises(UpstreamForbidden, match=f"at most `{hops}` redirects"):
            ask(rdap(server.place, hops=hops))
        assert len(server.asked) == hops + 1


def test_never_leaves_https_by_a_redirect(source, authority):
    to = f"http://rdap.example/domain/{NAME}"
    with speaking(redirect(to), tls=authority.server("127.0.0.1")) as server:
        https = source({"rdap": f"https://{server.place}/", "ca": authority.ca})
        with pytest.raises(UpstreamForbidden, match="HTTPS"):
            ask(https)


def test_asks_the_address_that_was_checked_when_a_name_changes_its_mind(rdap):
    answers = [["127.0.0.1"], ["10.0.0.1"], ["127.0.0.1", "10.0.0.1"]]

    async def resolver(host, port):
        assert host == "rdap.example"
        return answers.pop(0)

    with speaking(says(http(document()))) as server:
        place = f"rdap.example:{server.port}"
        assert ask(rdap(place, resolver=resolver))
        assert len(answers) == 2  # looked up once, to check and to connect
        for _ in range(2):
            with pytest.raises(UpstreamForbidden):
                ask(rdap(place, resolver=resolver))
        assert server.connections == 1


def local(host, port):
    async def resolver(asked, _):
        assert asked == host
        return ["127.0.0.1"]

    return resolver


def test_verifies_the_name_in_the_certificate(source, authority):
    for host, good in (("rdap.example", True), ("other.example", False)):
        with speaking(says(http(document())), tls=authority.server(host)) as server:
            table = {"rdap": f"https://rdap.example:{server.port}/", "ca": authority.ca}
            asking = source(table, resolver=local("rdap.example", server.port))
            if good:
                assert ask(asking).source == "rdap:rdap.example"
            else:
                with pytest.raises(UpstreamUnreachable):
                    ask(asking)
            assert len(server.asked) == good


def test_trusts_no_authority_that_the_operator_did_not_name(source, authority):
    with speaking(says(http(document())), tls=authority.server("127.0.0.1")) as server:
        with pytest.raises(UpstreamUnreachable):
            ask(source({"rdap": f"https://{server.place}/"}))
        assert server.asked == []


def test_shows_its_credentials_to_its_own_server_alone(source, authority, tmp_path):
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    certificate, key = authority.issue("gate.example")
    shown = []

    def speak(connection, question):
        shown.append((b"s3cret" in question, connection.getpeercert() is not None))
        connection.sendall(
            http(status="302 Found", Location=f"https://127.0.0.2:{own.port}/domain/{NAME}")
        )

    with speaking(speak, tls=authority.server("127.0.0.1", asks_for_certificate=True)) as own:
        context = authority.server("127.0.0.2", asks_for_certificate=True)
        seen = []

        def strange(connection, question):
            seen.append((b"s3cret" in question, connection.getpeercert() is not None))
            connection.sendall(http(document()))

        with speaking(strange, tls=context, host="127.0.0.2", port=own.port):
            asking = source(
                {
                    "rdap": f"https://{own.place}/",
                    "ca": authority.ca,
                    "bearer_file": "token",
                    "certificate": certificate,
                    "key": key,
                }
            )
            asking._others._pool._ssl_context.load_verify_locations(authority.ca)
            assert ask(asking).name == NAME
    assert shown == [(True, True)]
    assert seen == [(False, False)]


def test_reads_the_bearer_token_anew_for_each_question(source, authority, tmp_path):
    token = tmp_path / "token"
    token.write_text("first")

    def speak(connection, question):
        token.write_text("second")
        name = question.split()[1].rpartition(b"/")[2].decode()
        connection.sendall(http(document(name)))

    with speaking(speak, tls=authority.server("127.0.0.1")) as server:
        table = {"rdap": f"https://{server.place}/", "ca": authority.ca, "bearer_file": "token"}
        ask(source(table), "a.example", "b.example")
    assert b"Bearer first\r\n" in server.asked[0]
    assert b"Bearer second\r\n" in server.asked[1]


def test_asks_nobody_without_its_bearer_token(source, authority, tmp_path):
    token = tmp_path / "token"
    token.write_text("first")
    with speaking(says(http(document())), tls=authority.server("127.0.0.1")) as server:
        table = {"rdap": f"https://{server.place}/", "ca": authority.ca, "bearer_file": "token"}
        asking = source(table)
        token.write_text("two words")
        with pytest.raises(UpstreamRefused):
            ask(asking)
        token.unlink()
        with pytest.raises(MissingKey):
            source(table)
    assert server.asked == []


@pytest.mark.parametrize("key", ["ca", "certificate"])
def test_needs_readable_files_for_tls(source, key, tmp_path):
    (tmp_path / "bad.pem").write_text("nonsense")
    table = {"rdap": "https://rdap.example/", key: "bad.pem"}
    if key == "certificate":
        table["key"] = "bad.pem"
    for _ in range(2):
        with pytest.raises(MissingKey):
            source(table)
        (tmp_path / "bad.pem").unlink(missing_ok=True)


def test_needs_a_sound_base_url(rdap):
    for place in ("2130706433", "user@rdap.example", "rdap.example:0", "rdap.example:x"):
        with pytest.raises(MalformedConfig, match="rdap"):
            rdap(place)


def test_takes_nothing_from_links_notices_and_extensions(rdap):
    trap = "https://elsewhere.example/canary"
    body = document(
        links=[{"rel": "related", "href": trap, "value": trap}],
        notices=[{"title": trap, "description": [trap], "links": [{"href": trap}]}],
        remarks=[{"description": [trap]}],
        port43="canary.elsewhere.example",
        lang="canary",
        rdapConformance=["canary_level_0"],
        canary_extension={"deep": [trap]},
    )
    with speaking(says(http(body))) as server:
        record = ask(rdap(server.place))
    plain = replace(record, fetched=())
    told = [*plain.values.values(), *(v for c in plain.contacts for v in c.values.values())]
    assert "canary" not in json.dumps([*told, *(n.name for n in plain.nameservers)])
