"""Asking a WHOIS server over real sockets, and the registrar's server that it refers to."""

import asyncio
import hashlib
import socket
import struct
import time

import pytest
import uvloop
from tests.conftest import NOW
from tests.sources.upstream.conftest import LOOPBACK, NAME, ask, http, says, speaking

from whoisgate.elements import element
from whoisgate.errors import (
    MalformedConfig,
    UpstreamForbidden,
    UpstreamMalformed,
    UpstreamRefused,
    UpstreamThrottled,
    UpstreamTimedOut,
    UpstreamTooLarge,
    UpstreamUnreachable,
)
from whoisgate.records import Fetched
from whoisgate.sources.upstream.addresses import Addresses, Place
from whoisgate.sources.upstream.whois import Referrals, WhoisServer

REGISTRAR = "whois.registrar.example"
THIN = f"""\
Domain Name: {NAME.upper()}
Registry Domain ID: D-1
Registrar WHOIS Server: {REGISTRAR}
Creation Date: 2020-01-02T03:04:05Z
Registrar: Example Registrar
Name Server: NS1.EXAMPLE.NET
DNSSEC: unsigned
"""
THICK = (
    THIN
    + """\
Registrant Name: Ada Example
Registrant Street: 1 Sample Street
Registrant City: Sampletown
Registrant Country: NL
Registrant Email: ada@person.example
"""
)


def lines(text):
    return text.replace("\n", "\r\n").encode()


def people(record):
    return {c.role: c.values["name"] for c in record.contacts}


@pytest.fixture
def whois(source):
    """Makes a source over one WHOIS server at a place of loopback."""

    def whois(place, *, server=(), **upstream):
        return source({"whois": place, **dict(server)}, **upstream)

    return whois


def answered(whois, content, **how):
    with speaking(says(content), end=b"\r\n") as server:
        return ask(whois(server.place, **how)), server


def test_finds_the_record_and_says_where_and_when(whois):
    raw = lines(THICK)
    record, server = answered(whois, raw, server={"query": "-T dn {name}"})
    assert server.asked == [f"-T dn {NAME}\r\n".encode()]
    assert people(record) == {"registrant": "Ada Example"}
    assert record.source == "whois:127.0.0.1"
    assert record.version == "2026-11-23T12:00:00.000000Z"
    digest = hashlib.sha256(raw).hexdigest()
    assert record.fetched == (Fetched(f"whois://{server.place}", NOW, digest),)
    assert not record.partial


def test_finds_nothing_where_the_server_says_so(whois):
    assert answered(whois, b"No match for domain\r\n")[0] is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", UpstreamMalformed),
        (b"\x00" * 1000, UpstreamMalformed),
        (b"canary nonsense\r\n" * 1000, UpstreamMalformed),
        (lines(THICK.replace(NAME.upper(), "canary.example")), UpstreamMalformed),
        (b"Query rate exceeded: query limit exceeded\r\n", UpstreamThrottled),
        (b"Access denied\r\n", UpstreamRefused),
        (b"Invalid query\r\n", UpstreamRefused),
        (b"canary " * 200_000, UpstreamTooLarge),
    ],
)
def test_tells_failures_apart(whois, answer, error):
    with pytest.raises(error) as raised:
        answered(whois, answer)
    assert type(raised.value) is error
    assert "`whois:127.0.0.1`: " in str(raised.value)
    assert "canary" not in str(raised.value)


def test_says_that_a_record_is_partial_where_the_answer_broke_off(whois):
    def speak(connection, question):
        connection.sendall(lines(THICK)[:-8])
        time.sleep(0.2)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with speaking(speak, end=b"\r\n") as server:
        record = ask(whois(server.place))
    assert record.partial
    assert people(record) == {"registrant": "Ada Example"}
    assert "email" not in record.contacts[0].values


@pytest.mark.parametrize("place", ["127.1", "whois.example:0", "a b", "user@whois.example"])
def test_needs_a_sound_host(whois, place):
    with pytest.raises(MalformedConfig, match="whois"):
        whois(place)


def falling_back(source, rdap, place, **upstream):
    table = {"rdap": f"http://{rdap}/", "clear_text": True, "whois": place, "fallback": True}
    return source(table, **upstream)


@pytest.mark.parametrize(
    "speak",
    [
        says(http(status="503 Down")),
        says(http(b"nonsense")),
        says(http(status="403 Forbidden")),
        lambda connection, question: time.sleep(1.2),
    ],
)
def test_asks_whois_after_rdap_has_failed_where_the_operator_says_so(source, speak):
    with speaking(speak) as rdap, speaking(says(lines(THICK)), end=b"\r\n") as server:
        record = ask(falling_back(source, rdap.place, server.place))
    assert record.source == "whois:127.0.0.1"


def test_believes_rdap_that_there_is_nothing(source):
    absent = says(http(status="404 Not Found"))
    with speaking(absent) as rdap, speaking(says(lines(THICK)), end=b"\r\n") as server:
        assert ask(falling_back(source, rdap.place, server.place)) is None
    assert server.connections == 0


def test_names_both_servers_where_both_failed(source):
    with speaking(says(http(status="503 Down"))) as rdap, speaking(says(b""), end=b"\r\n") as other:
        asking = falling_back(source, rdap.place, other.place)
        with pytest.raises(UpstreamMalformed, match=r"`rdap:127\.0\.0\.1, whois:127\.0\.0\.1`"):
            ask(asking)


class Registry:
    """A registry's server that refers to a registrar's, both on loopback."""

    def __init__(self, registrar, hosts=(), **referrals):
        self.hosts = {REGISTRAR: ["127.0.0.2"], **dict(hosts)}
        how = {"addresses": Addresses.of(LOOPBACK, self.resolve), "hops": 3, **referrals}
        self.referrals, self.registrar = how, registrar

    async def resolve(self, host, port):
        return self.hosts[host]

    def ask(self, thin=THIN, seconds=2.0):
        with (
            speaking(says(lines(thin)), end=b"\r\n") as registry,
            speaking(self.registrar, end=b"\r\n", host="127.0.0.2") as registrar,
        ):
            self.place, self.spoken = registrar.port, registrar
            server = WhoisServer(
                Place.parse(registry.place, 43),
                "={name}",
                Addresses.of(LOOPBACK),
                1_000_000,
                lambda: NOW,
                referrals=Referrals(port=registrar.port, **self.referrals),
            )

            async def main():
                return await server.find(NAME, asyncio.get_running_loop().time() + seconds)

            return uvloop.run(main())


def test_joins_the_registrars_answer_with_the_registrys():
    registry = Registry(says(lines(THICK.replace("D-1", "other"))))
    record = registry.ask()
    assert people(record) == {"registrant": "Ada Example"}
    assert record.values[element("domain.handle")] == "D-1"
    assert not record.partial
    assert record.source == "whois:127.0.0.1"
    assert [f.upstream.rpartition(":")[0] for f in record.fetched] == [
        "whois://127.0.0.1", f"whois://{REGISTRAR}",
    ]  # fmt: skip
    assert registry.spoken.asked == [f"{NAME}\r\n".encode()]


def test_asks_no_registrar_that_an_answer_with_contacts_names():
    registry = Registry(says(lines(THICK)))
    assert people(registry.ask(THICK)) == {"registrant": "Ada Example"}
    assert registry.spoken.connections == 0


@pytest.mark.parametrize(
    "registrar",
    [
        says(b""),
        says(b"No match\r\n"),
        says(b"Query rate exceeded\r\n"),
        says(b" " * 1_000_001),
        says(lines(THICK.replace(NAME.upper(), "other.example"))),
        lambda connection, question: time.sleep(1),
    ],
)
def test_keeps_the_registrys_answer_and_says_that_it_is_partial(registrar):
    record = Registry(registrar).ask(seconds=0.7)
    assert record.values[element("domain.handle")] == "D-1"
    assert record.partial
    assert record.contacts == ()


@pytest.mark.parametrize(
    "address", ["127.0.0.2", "169.254.169.254", "10.0.0.1", "::1", "::ffff:10.0.0.1"]
)
def test_is_referred_to_public_addresses_alone(address):
    registry = Registry(says(lines(THICK)), {REGISTRAR: ["8.8.8.8", address]})
    registry.referrals["addresses"] = Addresses((), registry.resolve)
    assert registry.ask().partial
    assert registry.spoken.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.2", "2130706433", "127.1", "0x7f.0x1", "localhost"])
def test_is_referred_to_no_address_in_disguise(whois, host):
    thin = lines(THIN.replace(REGISTRAR, host))
    record, _ = answered(whois, thin, server={"follow_referrals": True})
    assert people(record) == {}
    assert len(record.fetched) == 1


def test_is_referred_to_no_network_that_was_allowed_for_the_operators_own(whois):
    thin = lines(THIN.replace(REGISTRAR, "localhost.localdomain"))

    async def resolver(host, port):
        return ["127.0.0.1"]

    record, _ = answered(whois, thin, server={"follow_referrals": True}, resolver=resolver)
    assert record.partial


def test_goes_round_in_no_circle():
    registry = Registry(says(lines(THIN)))
    record = registry.ask()
    assert not record.partial
    assert registry.spoken.connections == 1


@pytest.mark.parametrize("hops", [0, 1, 3])
def test_follows_so_many_referrals_and_no_more(hops):
    def speak(connection, question):
        number = registry.spoken_so_far = getattr(registry, "spoken_so_far", 0) + 1
        connection.sendall(lines(THIN.replace(REGISTRAR, f"whois{number}.registrar.example")))

    hosts = {f"whois{n}.registrar.example": ["127.0.0.2"] for n in range(9)}
    registry = Registry(speak, hosts, hops=hops)
    assert registry.ask().partial
    assert registry.spoken.connections == hops


def test_follows_no_referral_unless_told_to(whois):
    record, _ = answered(whois, lines(THIN))
    assert not record.partial
    assert len(record.fetched) == 1


def test_asks_a_second_reader_where_the_operator_wants_one(whois):
    with speaking(says(lines(THICK)), end=b"\r\n") as server:
        asking = whois(server.place, second_opinion=True)
        assert people(ask(asking)) == {"registrant": "Ada Example"}
        assert asking._opinion.asked == 1
        assert whois(server.place)._opinion is None


def test_finds_nobody_listening_and_no_permitted_address(whois):
    with speaking(says(b"")) as server:
        place = server.place
    with pytest.raises(UpstreamUnreachable):
        ask(whois(place))
    with pytest.raises(UpstreamForbidden):
        ask(whois(place, allow=[]))


def test_asks_the_address_that_was_checked_when_a_name_changes_its_mind(whois):
    answers = [["127.0.0.1"], ["10.0.0.1"], ["127.0.0.1", "10.0.0.1"]]

    async def resolver(host, port):
        return answers.pop(0)

    with speaking(says(lines(THICK)), end=b"\r\n") as server:
        place = f"whois.example:{server.port}"
        assert ask(whois(place, resolver=resolver))
        assert len(answers) == 2  # looked up once, to check and to connect
        for _ in range(2):
            with pytest.raises(UpstreamForbidden):
                ask(whois(place, resolver=resolver))
        assert server.connections == 1


def test_waits_until_the_deadline_and_no_longer(whois):
    def speak(connection, question):
        time.sleep(1)

    with speaking(speak, end=b"\r\n") as server, pytest.raises(UpstreamTimedOut):
        ask(whois(server.place, deadline_s=0.3))
