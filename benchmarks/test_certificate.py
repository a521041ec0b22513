"""Who shows a client certificate: verified anew, remembered, and read from a proxy's lines."""

import itertools
from datetime import timedelta
from ipaddress import ip_network

import pytest
from tests.conftest import NOW
from tests.identity.certificates import authority, make, vouched
from tests.servers.tls import told

from whoisgate.identity.certificate import Certificates
from whoisgate.servers import request

AUTHORITIES = 300
PROXIES = (ip_network("192.0.2.1/32"),)
ROOT = authority()
BETWEEN = authority("Issuing CA", ROOT)
HOLDERS = {"one issuer": make(ROOT), "one between": make(BETWEEN), "pinned": make(eku=None)}


@pytest.fixture(scope="module")
def believed():
    """A directory of many authorities, each with an issuer of its own."""
    others = [
        vouched(f"authority {number}", issuers=authority(f"CA {number}").pem)
        for number in range(AUTHORITIES - 2)
    ]
    pinned = vouched("Pinned", pinned=HOLDERS["pinned"].pem)
    return Certificates([*others, vouched(issuers=ROOT.pem), pinned])


@pytest.mark.parametrize("name", HOLDERS)
def test_authenticate_cold(benchmark, believed, name):
    chain, moments = HOLDERS[name].chain, itertools.count()

    def cold():
        # Every minute it is verified again.
        moment = NOW + timedelta(seconds=61 * (next(moments) % 1000))
        believed._held.clear()
        return believed.authenticate(chain, moment)

    assert benchmark(cold).person == "officer-7"


def test_authenticate_warm(benchmark, believed):
    chain = HOLDERS["one between"].chain
    believed.authenticate(chain, NOW)
    assert benchmark(believed.authenticate, chain, NOW).person == "officer-7"


def test_read_a_proxys_lines(benchmark):
    lines = [(n.lower().encode(), v.encode()) for n, v in told(HOLDERS["one between"])]
    scope = {"client": ("192.0.2.1", 50000), "headers": lines}
    assert len(benchmark(request.certificates, scope, PROXIES)) == 2
