"""Connections counted in all and per network."""

import pytest

from whoisgate.errors import MalformedConfig
from whoisgate.formats import rdap
from whoisgate.servers.places import Places
from whoisgate.servers.settings import ServerSettings

SHOWN = rdap.Settings(base_url="https://rdap.example/", terms_url="https://rdap.example/terms")


def places(**limits):
    return Places(ServerSettings(SHOWN, **{"connections": 10, "connections_each": 2, **limits}))


def taken(counted, *hosts):
    return [counted.take(host) is not None for host in hosts]


@pytest.mark.parametrize(
    ("hosts", "fit"),
    [
        (["192.0.2.1"] * 3, [True, True, False]),
        (["192.0.2.1", "192.0.2.2", "192.0.2.1"], [True, True, True]),
        (["2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:0:1::"], [True, True, False]),
        (["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"], [True, True, True]),
        (["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1"], [True, True, False]),
        (["fe80::1%eth0", "fe80::2%eth1", "fe80::3"], [True, True, False]),
        (["127.0.0.1"] * 4, [True] * 4),
        (["::1"] * 4, [True] * 4),
        (["198.51.100.9"] * 4, [True] * 4),
        (["a socket"] * 3, [True, True, False]),
    ],
)
def test_bounds_each_network(hosts, fit):
    assert taken(places(trusted_proxies=("198.51.100.0/24",)), *hosts) == fit


def test_bounds_all_together():
    counted = places(connections=3)
    assert taken(counted, "127.0.0.1", "192.0.2.1", "::1", "192.0.2.2") == [True] * 3 + [False]


def test_never_takes_an_ipv4_address_for_a_network_of_ipv6():
    counted = places(connections_each=1)
    # 192.0.2.1 as a number, and the /64 whose high half is that number
    assert taken(counted, "192.0.2.1", "::c000:201:0:0:0:0", "::1.2.3.4") == [True] * 3


def test_forgets_an_address_with_its_last_connection():
    counted = places(connections=2)
    first, second = counted.take("192.0.2.1"), counted.take("192.0.2.1")
    assert counted.take("192.0.2.2") is None
    counted.leave(first)
    assert counted.take("192.0.2.1") is not None
    counted.leave(first)
    counted.leave(second)
    assert not counted._each


@pytest.mark.parametrize("text", ["proxy.example", "192.0.2.1/24", "192.0.2.0/33", ""])
def test_refuses_a_proxy_that_is_no_address(text):
    with pytest.raises(MalformedConfig, match="trusted_proxies"):
        ServerSettings(SHOWN, trusted_proxies=(text,))
