"""An issuer that publishes its keys, and an officer whose token is bound to a key of his."""

from datetime import UTC, datetime

import httpx2
import pytest
from tests.e2e.conftest import PURPOSE, make_folder, serving
from tests.identity.bound import HOLDER, THIEF, jkt, jwk_of, pem
from tests.identity.tokens import ED, claims, ed_jwk, jwks, record, token
from tests.servers.conftest import until
from tests.sources.upstream.conftest import Authority, http, says, speaking

from whoisgate import authorities
from whoisgate.app import Folder

ISS = "https://id.customs.example"


@pytest.fixture
def issuer(tmp_path):
    """A server of published keys, and the authority that signs for it."""
    (tmp_path / "ca").mkdir()
    signer = Authority(tmp_path / "ca")
    keys = jwks(ed_jwk(ED, kid="2026")).encode()
    with speaking(says(http(keys)), tls=signer.server("127.0.0.1")) as server:
        yield server, signer


def listed(path, server):
    """List an authority whose tokens must be bound, and whose keys are published."""
    proof = {
        "method": "token", "iss": ISS, "algorithm": "EdDSA",
        "assurance": "low", "assurance_bound": "high", "bound": True,
        "keys_url": f"https://{server.place}/keys",
    }  # fmt: skip
    standing = {
        "basis": "national_order", "elements": ["registrant.name"],
        "expires": "2100-01-01T00:00:00Z",
    }  # fmt: skip
    said = record("Customs of Example", "police", proof, standing=[standing])
    folder = Folder.at(path)
    with folder.opened() as log:
        authorities.add(folder, log, said, by="Ann Operator")
    return folder


def issuers(base_url):
    """What `/help` tells of identity providers."""
    told = httpx2.get(f"{base_url}help", timeout=20).json()["farv1_openidcConfiguration"]
    return {each["iss"]: (each["name"], each["default"]) for each in told["openidcProviders"]}


def test_fetches_the_keys_and_believes_the_holder_alone(tmp_path, issuer, run):
    server, signer = issuer
    path = make_folder(tmp_path / "gate")
    config = path / "whoisgate.toml"
    table = (
        f'\n[directory]\nkeys_allow = ["127.0.0.1/32"]\nkeys_ca = "{signer.ca}"\n'
        f'default_issuer = "{ISS}"\n'
    )
    text = config.read_text()
    assert text.count("\n[directory]\n") == 1
    config.write_text(text.replace("\n[directory]\n", table))
    folder = listed(path, server)
    base_url, now = folder.config.gate.base_url, int(datetime.now(UTC).timestamp())
    own = {
        "iss": ISS,
        "aud": folder.audience,
        "iat": now,
        "exp": now + 600,
        "cnf": {"jkt": jkt(jwk_of(HOLDER))},
    }
    (tmp_path / "token").write_text(token(body=claims(**own)))
    (tmp_path / "unbound").write_text(token(body=claims(**{**own, "cnf": ...})))
    (tmp_path / "key.pem").write_bytes(pem(HOLDER))
    (tmp_path / "thief.pem").write_bytes(pem(THIEF))
    with serving(path) as gateway:
        asked = [
            "lookup", (path / "demo" / "domains.txt").read_text().split()[0], "--server", base_url,
            "--key", gateway.vkey, "--purpose", PURPOSE, "--basis", "national_order",
            "--case", "1", "--elements", "registrant.name", "--json",
        ]  # fmt: skip
        told = run(*asked, "--token", tmp_path / "token", "--dpop-key", tmp_path / "key.pem")
        assert (told.returncode, told.stderr) == (0, b"")
        for more in (
            ["--token", tmp_path / "token", "--dpop-key", tmp_path / "thief.pem"],
            ["--token", tmp_path / "token"],
            ["--token", tmp_path / "unbound"],
        ):
            told = run(*asked, *more)
            assert told.returncode == 1
        assert issuers(base_url)[ISS] == ("Customs of Example", True)
        assert len(issuers(base_url)) > 1
        who = ["Customs of Example", "--by", "Ann Operator", "--reason", "a test", "--dir", path]
        assert run("authority", "suspend", *who).returncode == 0
        until(lambda: ISS not in issuers(base_url))
    assert len(server.asked) == 1


def test_fetches_from_no_private_address_that_the_operator_did_not_allow(tmp_path, issuer, run):
    server, _ = issuer
    path = make_folder(tmp_path / "gate")
    folder = listed(path, server)
    base_url, now = folder.config.gate.base_url, int(datetime.now(UTC).timestamp())
    own = claims(iss=ISS, aud=folder.audience, iat=now, exp=now + 600)
    (tmp_path / "token").write_text(token(body=own))
    with (tmp_path / "said").open("wb") as said, serving(path, log=said):
        told = run("lookup", "example.com", "--server", base_url, "--token", tmp_path / "token")
    assert told.returncode == 1
    assert b"cannot be had at present" in told.stderr
    assert b"public addresses alone" in (tmp_path / "said").read_bytes()
    assert server.connections == 0
