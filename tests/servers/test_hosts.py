"""Which hosts are answered for (RFC 9110 §7.2, §7.4)."""

import httpx2
import pytest
from tests.servers.conftest import BASE_URL, RELEASED, asking, serving

from whoisgate.config import RDAPSettings
from whoisgate.errors import MalformedConfig
from whoisgate.servers.hosts import MAX_HOST, REMEMBERED

OURS = [
    "rdap.example", "RDAP.Example", "rdap.example.", "rdap.example:443", "rdap.example.:443",
    "rdap.example:", "127.0.0.1", "127.0.0.1:80", "localhost", "LOCALHOST:80",
    "rdap.example.net", "rdap.example.net:443", "gate:8043", "gate", "[2001:db8::1]:443",
    "[2001:DB8:0::1]",
]  # fmt: skip
FOREIGN = [
    "evil.example", "evil.example:443", "rdap.example.evil.example", "xrdap.example",
    "evil.example,rdap.example", "example", "rdap.example..", "rdap.example:80",
    "rdap.example:8043", "rdap.example:4430", "rdap.example.net:8043", "gate:443",
    "127.0.0.1:443", "127.0.0.2", "127.1", "2130706433", "0x7f.0.0.1", "localhost:443",
    "localhost.evil.example", "[::1]", "[2001:db8::2]", "[2001:db8::1]:80", "%72dap.example",
    "rdap.example%2eevil.example", "xn--rdap-1a.example",
]  # fmt: skip
MALFORMED = [
    "", " ", ":443", "user@rdap.example", "user:password@rdap.example:443", "rdap.example:https",
    "rdap.example:+443", "rdap.example:443:443", "rdap.example:000443", "rdap.example/", "::1",
    "2001:db8::1", "[::1", "::1]", "[]", "[rdap.example]", "[127.0.0.1]", "[2001:db8::1]x",
    "[fe80::1%eth0]", "rdap.example, rdap.example", "rdap.example evil.example", "rdap.example\t",
    "rdap.exämple", "rdap.example\x00", "rdap.example#", "https://rdap.example", "x" * MAX_HOST,
    "rdap.example" + "." * MAX_HOST, "a\\b",
]  # fmt: skip


@pytest.fixture
def service(make):
    service = make(hosts=("rdap.example.net", "gate:8043", "[2001:db8::1]"))
    service.ask("/domain/example.com")  # so that it is at hand
    return service


def asked(service, path="/domain/example.com", *, method="GET", named=(), **more):
    return service.ask(path, [("Host", each) for each in named], method=method, host=None, **more)


@pytest.mark.parametrize("host", OURS)
def test_answers_for_its_own_hosts(service, host):
    for _ in range(2):
        reply = asked(service, named=[host])
        assert reply == service.ask("/domain/example.com")
        assert reply.status == 200
    assert asked(service, "/help", named=[host]).status == 200


@pytest.mark.parametrize(
    ("hosts", "status", "number"),
    [
        *(([host], 421, "WG126") for host in FOREIGN),
        *(([host], 400, "WG100") for host in MALFORMED),
        ([], 400, "WG100"),
        (["rdap.example", "rdap.example"], 400, "WG100"),
        (["rdap.example", "evil.example"], 400, "WG100"),
        (["evil.example", "rdap.example"], 400, "WG100"),
    ],
)
def test_answers_for_no_other(service, hosts, status, number):
    before = service.entries()
    for path in ("/domain/example.com", "/help", "/receipt/0/x", "/log/checkpoint", "/x"):
        for method in ("GET", "HEAD", "POST"):
            reply = asked(service, path, method=method, named=hosts)
            assert reply.status == status
            assert reply.fields["cache-control"] == "no-store"
            assert not {"disclosure-policy", "location"} & reply.fields.keys()
            if method != "HEAD":
                assert (reply.code, reply.json["errorCode"]) == (number, status)
                assert not any(host.encode() in reply.body for host in hosts if len(host) > 8)
    reply = service.ask("/domain/example.com", [*asking(RELEASED), *(("Host", h) for h in hosts)],
                        host=None)  # fmt: skip
    assert (reply.status, b"Ada" in reply.body) == (status, False)
    assert service.entries() == before


def test_believes_no_other_line(service):
    for name in (
        "X-Forwarded-Host",
        "Forwarded",
        "X-Host",
        "X-Original-Host",
        "X-Forwarded-Server",
    ):
        for proxy in ("127.0.0.1", "198.51.100.7"):
            for foreign, own in (
                ("evil.example", "rdap.example"),
                ("rdap.example", "evil.example"),
            ):
                lines = [("Host", own), (name, foreign), (name, f"host={foreign}")]
                status = 200 if own == "rdap.example" else 421
                reply = service.ask("/domain/example.com", lines[:2], client=proxy)
                assert (reply.status, b"evil.example" in reply.body) == (status, False)


def test_believes_a_trusted_proxy_s_host_line_no_more(make):
    service = make(trusted_proxies=("192.0.2.7",))
    for host, status in (("rdap.example", 200), ("127.0.0.1:80", 200), ("backend", 421)):
        lines = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "rdap.example")]
        reply = service.ask(
            "/domain/example.com", lines, host=host, client="192.0.2.7"
        )  # fmt: skip
        assert reply.status == status


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/health/ready/gated"])
def test_tells_a_probe_by_whatever_name_that_it_works(service, path):
    for host in ("evil.example", "10.0.0.1:80"):
        assert asked(service, path, named=[host]).status == 200
    assert asked(service, path, named=["a", "b"]).status == 400


def test_asks_no_host_of_http_1_0(service):
    for path in ("/domain/example.com", "/help"):
        assert asked(service, path, http_version="1.0").status == 200
        assert asked(service, path, http_version="1.0", named=["evil.example"]).status == 421


@pytest.mark.parametrize(
    ("server", "ours", "foreign"),
    [
        (("127.0.0.1", 8043), ["127.0.0.1:8043", "localhost:8043", "localhost"], ["127.0.0.1:80"]),
        (("::1", 8043), ["[::1]:8043", "[0:0::1]", "localhost:8043"], ["127.0.0.1:8043"]),
        (("192.0.2.1", 80), ["192.0.2.1", "192.0.2.1:80"], ["localhost", "192.0.2.1:443"]),
        (("::ffff:192.0.2.1", 80), ["192.0.2.1", "[::ffff:192.0.2.1]"], ["localhost"]),
        (("2001:db8::9", 443), ["[2001:db8::9]"], ["localhost"]),
        (("/run/gate.sock", None), [], ["localhost", "/run/gate.sock", "run"]),
        (None, [], ["localhost", "127.0.0.1", "None"]),
    ],
)
def test_answers_for_the_address_that_took_the_connection(service, server, ours, foreign):
    for host in [*ours, "rdap.example"]:
        assert asked(service, named=[host], server=server).status == 200
    for host in foreign:
        assert asked(service, named=[host], server=server).status in {400, 421}


@pytest.mark.parametrize(
    ("base_url", "ours", "foreign"),
    [
        ("http://rdap.example/", "rdap.example:80", "rdap.example:443"),
        ("https://rdap.example:8443/", "rdap.example:8443", "rdap.example:443"),
        ("https://rdap.example:8443/", "rdap.example", "evil.example"),  # nginx's `$host`
        ("https://RDAP.example/rdap/", "rdap.example", "rdap.example:80"),
        ("https://[2001:db8::1]:8443/", "[2001:db8:0::1]:8443", "2001:db8::1"),
    ],
)
def test_answers_for_the_configured_address(make, base_url, ours, foreign):
    service = make(base_url=base_url)
    for _ in range(2):
        assert service.ask("/domain/example.com", host=ours).status == 200
        assert service.ask("/domain/example.com", host=foreign).status in {400, 421}


@pytest.mark.parametrize("base_url", ["https:///", "https://a b/", "https://x:y/", "ftp://x/"])
def test_starts_with_no_address_that_has_no_host(make, base_url):
    with pytest.raises(MalformedConfig):
        make(base_url=base_url)


@pytest.mark.parametrize("host", ["", "Rdap.example", "https://x", "a b", "x:", "x:y", "::1", "é"])
def test_takes_hosts_and_nothing_else(make, host):
    with pytest.raises(ValueError, match="expected a host"):
        RDAPSettings(hosts=(host,))
    if host not in {"Rdap.example", "x:"}:
        with pytest.raises(MalformedConfig):
            make(hosts=(host,))


def test_remembers_a_bounded_number_of_lines(service):
    for number in range(2 * REMEMBERED):
        assert asked(service, named=[f"{number}.example"]).status == 421
    kept = service.app._hosts.judged.cache_info()
    assert (kept.currsize, kept.maxsize) == (REMEMBERED, REMEMBERED)


def test_answers_over_real_sockets(make):
    with serving(make()) as running:
        port = int(running.rdap.rstrip("/").rpartition(":")[2])
        ours = [f"127.0.0.1:{port}", f"localhost:{port}", "rdap.example", "rdap.example:443"]
        foreign = ["evil.example", f"evil.example:{port}", f"rdap.example:{port}", "127.0.0.1:443"]
        with httpx2.Client(base_url=running.rdap) as http:
            for path in ("domain/example.com", "help"):
                for host in ours:
                    assert http.get(path, headers={"Host": host}).status_code == 200
                for host in foreign:
                    assert http.get(path, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    ("target", "lines", "status"),
    [
        ("/help", "", 400),
        ("/help", "Host: rdap.example\r\nHost: rdap.example\r\n", 400),
        ("/help", "Host: rdap.example\r\nhost: evil.example\r\n", 400),
        ("/help", "Host:rdap.example\r\n", 200),
        ("http://rdap.example/help", "Host: rdap.example\r\n", 200),
        ("http://rdap.example/help", "Host: evil.example\r\n", 200),
        ("http://evil.example/help", "Host: rdap.example\r\n", 421),
        ("http://evil.example/?x", "Host: rdap.example\r\n", 421),
        ("http://evil.example:80/x#y", "Host: rdap.example\r\n", 421),
        ("http://rdap.example@evil.example/help", "Host: rdap.example\r\n", 400),
        ("http://rdap.example/help", "", 400),
        ("http://rdap.example/help", "Host: rdap.example\r\nHost: x\r\n", 400),
    ],
)
def test_reads_the_host_of_a_request_as_it_came(make, target, lines, status):
    request = f"GET {target} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n"
    with serving(make()) as running:
        answer = running.raw("rdap", request.encode())
    assert answer.startswith(f"HTTP/1.1 {status}".encode())
    assert b"evil.example" not in answer
    assert BASE_URL.encode() in answer or status != 200


@pytest.mark.parametrize(
    ("target", "lines", "status"),
    [
        ("/help", "", 200),
        ("http://rdap.example/help", "", 200),
        ("http://evil.example/help", "", 421),
        ("http://evil.example/domain/example.com", "", 421),
        ("HTTPS://evil.example/help", "", 421),
        ("http://evil.example:80/?x", "", 421),
        ("http://rdap.example@evil.example/help", "", 400),
        ("http://evil.example/help", "Host: rdap.example\r\n", 421),
        ("http://rdap.example/help", "Host: evil.example\r\n", 200),
        ("http://rdap.example/help", "Host: rdap.example\r\nHost: x\r\n", 400),
    ],
)
def test_reads_the_host_of_a_target_where_no_line_need_say_it(make, target, lines, status):
    service = make()
    service.ask("/domain/example.com")  # so that it is at hand
    with serving(service) as running:
        answer = running.raw("rdap", f"GET {target} HTTP/1.0\r\n{lines}\r\n".encode())
    assert answer.startswith(f"HTTP/1.1 {status}".encode())
    assert b"evil.example" not in answer
