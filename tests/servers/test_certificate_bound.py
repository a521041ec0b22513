"""A token that is bound to a client certificate, over real TLS (RFC 8705 §3)."""

import datetime as dt

import pytest
from tests.identity.bound import sha
from tests.identity.tokens import AUDIENCE, ED, by_token, claims, ed_jwk, jwks, record, token
from tests.servers.conftest import serving
from tests.servers.tls import ASKING, HOST, OFFICER, ROOT, Port, both_versions
from tests.servers.tls import make as certificate

from whoisgate.identity.authority import Authority
from whoisgate.identity.directory import Directory

COLLEAGUE = certificate(ROOT, begin=OFFICER.certificate.not_valid_before_utc,
                        end=OFFICER.certificate.not_valid_after_utc)  # fmt: skip
PROOFS = (
    by_token("https://id.police.example", "EdDSA", jwks(ed_jwk(ED, kid="2026")), bound=True),
    {"method": "certificate", "assurance": "low", "issuers": ROOT.pem},
)
DIRECTORY = Directory([Authority(record("Police of Example", "police", *PROOFS), 1)], AUDIENCE)


@pytest.fixture
def port(make, tmp_path):
    service = make(clock=lambda: dt.datetime.now(dt.UTC), directory=lambda: DIRECTORY)
    files = HOST.write(tmp_path, "host")
    with serving(service, tls=files, anchors=lambda: DIRECTORY.certificates.anchors) as addresses:
        yield Port(int(addresses.rdap.rstrip("/").rpartition(":")[2]), tmp_path)


@both_versions
def test_is_taken_from_the_holder_of_its_certificate_alone(port, version):
    now = int(dt.datetime.now(dt.UTC).timestamp())
    own = {"iat": now, "exp": now + 600}

    def lines(**cnf):
        body = claims(**own, **({"cnf": cnf} if cnf else {}))
        return (("Authorization", f"Bearer {token(body=body)}"), *ASKING)

    bound = lines(**{"x5t#S256": sha(OFFICER.der)})
    reply = port.ask(OFFICER, bound, version)
    assert reply.status == 200
    assert b"Ada Example" in reply.body
    for holder in (None, COLLEAGUE):
        refused = port.ask(holder, bound, version)
        assert (refused.status, refused.code) == (401, "WG106")
        assert b"Ada" not in refused.body
    assert port.ask(OFFICER, lines(), version).status == 401  # not bound, and it must be
    # What a proxy may say of a certificate, nobody else may.
    said = (*bound, ("Client-Cert", f":{sha(OFFICER.der)}=:"))
    assert port.ask(COLLEAGUE, said, version).status == 401
