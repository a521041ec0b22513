"""Where a connection may go."""

import asyncio
from ipaddress import ip_address

import pytest

from whoisgate.errors import UpstreamForbidden, UpstreamUnreachable
from whoisgate.sources.upstream.addresses import Addresses, Place, resolve

PLACE = Place("whois.example", 43)


def resolving(*answers):
    """A resolver that gives one answer after the other."""
    left = list(answers)

    async def resolver(host, port):
        return left.pop(0)

    return resolver


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.1", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.1.2.3", "169.254.169.254",
        "172.16.0.1", "192.0.0.1", "192.0.2.1", "192.168.1.1", "192.88.99.1", "198.18.0.1",
        "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1",
        "100::1", "2001:db8::1", "3fff::1", "5f00::1", "64:ff9b:1::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
        "2002:7f00:1::1", "2002:a9fe:a9fe::1", "2002:5db8:d822::1",
        "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:0:7f00:1::1",
    ],
)  # fmt: skip
def test_forbids_an_address_that_is_not_public(address):
    assert not Addresses().permits(ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "9.9.9.9", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"],
)
def test_permits_a_public_address(address):
    assert Addresses().permits(ip_address(address))


def test_permits_what_the_operator_lists():
    addresses = Addresses.of(["127.0.0.0/8", "fd00::/8"])
    assert addresses.permits(ip_address("127.0.0.1"))
    assert addresses.permits(ip_address("::ffff:127.0.0.1"))
    assert addresses.permits(ip_address("64:ff9b::127.0.0.1"))
    assert addresses.permits(ip_address("fd00::1"))
    assert not addresses.permits(ip_address("10.0.0.1"))
    assert not addresses.permits(ip_address("::1"))


@pytest.mark.parametrize(
    "text",
    [
        "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.1", "127.0.1", "127.0.0.01",
        "1.2.3.4.5", "example.0x7f", "example.1", "[::1", "::1", "[::1%25lo]", "[127.0.0.1]",
        "", ".", "a..b", "-a.example", "a-.example", "exa mple", "exämple", "a.example.",
        "user@host.example", "host.example:0", "host.example:65536", "host.example:+43",
        "host.example:", "host.example:\uff14\uff13", "host%2eexample", "a\r\nb", "x" * 64,
    ],
)  # fmt: skip
def test_refuses_a_host_in_an_odd_spelling(text):
    with pytest.raises(ValueError, match=r"."):
        Place.parse(text, 43)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("WHOIS.example", Place("whois.example", 43)),
        ("whois.example:4343", Place("whois.example", 4343)),
        ("192.0.2.1", Place("192.0.2.1", 43)),
        ("[2001:DB8::0:1]", Place("2001:db8::1", 43)),
        ("[2001:db8::1]:4343", Place("2001:db8::1", 4343)),
        ("_whois.example", Place("_whois.example", 43)),
    ],
)
def test_reads_a_host_and_a_port(text, place):
    assert Place.parse(text, 43) == place


def test_checks_every_address():
    for answer in (["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["::1"]):
        addresses = Addresses(resolver=resolving(answer))
        with pytest.raises(UpstreamForbidden):
            asyncio.run(addresses.checked(PLACE))


@pytest.mark.parametrize("answer", [[], ["nonsense"]])
def test_needs_an_address(answer):
    with pytest.raises(UpstreamUnreachable):
        asyncio.run(Addresses(resolver=resolving(answer)).checked(PLACE))


def test_connects_to_the_address_that_was_checked():
    tried = []

    async def connect(address):
        tried.append(address)
        return address

    addresses = Addresses(resolver=resolving(["8.8.8.8"], ["127.0.0.1"]))
    assert asyncio.run(addresses.connect(PLACE, connect)) == "8.8.8.8"
    with pytest.raises(UpstreamForbidden):
        asyncio.run(addresses.connect(PLACE, connect))
    assert tried == ["8.8.8.8"]


def test_tries_the_next_address_when_one_refuses_or_is_silent():
    tried = []

    async def connect(address):
        tried.append(address)
        if address == "8.8.8.8":
            raise ConnectionRefusedError
        if address == "8.8.4.4":
            await asyncio.sleep(60)
        return address

    addresses = Addresses(resolver=resolving(["8.8.8.8", "8.8.4.4", "9.9.9.9"]))
    assert asyncio.run(addresses.connect(PLACE, connect)) == "9.9.9.9"
    assert tried == ["8.8.8.8", "8.8.4.4", "9.9.9.9"]


def test_gives_up_when_no_address_accepts():
    async def connect(address):
        raise ConnectionRefusedError

    addresses = Addresses(resolver=resolving([f"8.8.8.{n}" for n in range(99)]))
    with pytest.raises(UpstreamUnreachable):
        asyncio.run(addresses.connect(PLACE, connect))


def test_resolves_a_name_as_the_system_does():
    assert set(asyncio.run(resolve("localhost", 43))) <= {"127.0.0.1", "::1"}


def test_never_looks_up_an_address():
    addresses = Addresses.of(["127.0.0.0/8"], resolving())
    assert asyncio.run(addresses.checked(Place("127.0.0.1", 43))) == [ip_address("127.0.0.1")]
