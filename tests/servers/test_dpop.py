"""A token that is bound to a key, over HTTP: challenge, proof, receipt, and the client of both."""

import asyncio
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from tests.conftest import NOW, PURPOSE
from tests.identity.bound import (
    BOUND,
    CERTIFICATE_BOUND,
    ED_BOUND,
    ED_HOLDER,
    HOLDER,
    PROOF_ATTACKS,
    THIEF,
    UNBOUND,
    bound,
    jkt,
    jwk_of,
    pem,
    proof,
)
from tests.identity.questions import PRIVATE, SIGNERS, STRANGER, jwk
from tests.identity.tokens import AUDIENCE, ED, by_token, claims, ed_jwk, jwks, record, token
from tests.servers.conftest import BASE_URL, RELEASED, called, serving

from whoisgate.cli.demo_folder import free_port
from whoisgate.client import Client, GatewayRefused, Holder
from whoisgate.errors import EvidenceError, MissingKey
from whoisgate.identity.authority import Authority
from whoisgate.identity.directory import Directory
from whoisgate.identity.dpop import SLOT_S, Proofs
from whoisgate.policy.decide import Outcome
from whoisgate.queries import Question

URL = f"{BASE_URL}domain/example.com"
WHY = ("Disclosure-Request", RELEASED)
QUESTION = Question.of(
    "example.com", purpose=PURPOSE, basis="national_order", case="1", elements=["registrant.name"]
)


def with_proof(made, *more, access=BOUND, scheme="DPoP"):
    return [("Authorization", f"{scheme} {access}"), ("DPoP", made), *more]


def error(reply):
    """The error of each scheme in the challenge, as a client reads it."""
    said = reply.fields["www-authenticate"]
    bearer, _, dpop = said.partition(", DPoP ")
    assert bearer.startswith('Bearer realm="whoisgate"')
    assert 'algs="ES256 EdDSA Ed25519"' in dpop
    return tuple(
        found[1] if (found := re.search(r'error="(\w+)"', part)) else None
        for part in (bearer, dpop)
    )


def test_challenges_once_for_its_nonce_and_then_answers(service):
    first = service.ask("/domain/example.com", with_proof(proof(htu=URL, nonce=...), WHY))
    assert (first.status, first.code, error(first)) == (401, "WG120", (None, "use_dpop_nonce"))
    assert first.fields["cache-control"] == "no-store"
    nonce = first.fields["dpop-nonce"]
    made = proof(htu=URL, nonce=nonce)
    reply = service.ask("/domain/example.com", with_proof(made, WHY))
    assert (reply.status, reply.fields["dpop-nonce"]) == (200, nonce)
    assert b"Ada Example" in reply.body
    receipt = reply.fields["disclosure-receipt"]
    path = "/" + receipt.removeprefix(BASE_URL)
    proved = service.ask(path, with_proof(proof(htu=receipt, nonce=nonce)))
    assert proved.body.startswith(b"c2sp.org/tlog-proof@v1")
    assert service.ask(path, with_proof(made)).code == "WG119"


def test_counts_no_challenge_for_its_nonce_and_every_proof_that_does_not_hold(service):
    before = service.entries()
    service.ask("/domain/example.com", with_proof(proof(htu=URL, nonce=...), WHY))
    assert service.gate._middle.counts.take() == {}
    service.ask("/domain/example.com", with_proof(proof(htu=URL, key=THIEF), WHY))
    assert service.gate._middle.counts.take() == {"credential_refused": 1}
    assert service.entries() == before


def test_answers_a_proof_once(service):
    made = with_proof(proof(htu=URL), WHY)
    assert service.ask("/domain/example.com", made).status == 200
    entries = service.entries()
    again = service.ask("/domain/example.com", made)
    assert (again.status, again.code, error(again)) == (401, "WG119", (None, "invalid_dpop_proof"))
    assert service.entries() == entries
    assert b"Ada" not in again.body


def test_answers_a_proof_once_among_all_processes_of_a_folder(make):
    first = make()
    second = make(log=first.log)
    made = with_proof(proof(htu=URL), WHY)
    assert first.ask("/domain/example.com", made).status == 200
    again = second.ask("/domain/example.com", made)
    assert (again.status, again.code) == (401, "WG106")
    assert first.entries() == 1
    assert b"Ada" not in again.body


def test_answers_one_of_many_who_send_the_same_proof_at_once(service):
    lines = [("Host", "rdap.example"), *with_proof(proof(htu=URL), WHY)]
    headers = [(name.lower().encode(), value.encode()) for name, value in lines]
    scope = {
        "type": "http", "method": "GET", "path": "/domain/example.com",
        "raw_path": b"/domain/example.com", "query_string": b"", "headers": headers,
        "scheme": "https", "client": ("198.51.100.7", 50000),
    }  # fmt: skip

    async def at_once():
        return await asyncio.gather(*(called(service.app, scope) for _ in range(20)))

    replies = asyncio.run(at_once())
    # On a busy machine the source may be too slow for the one that was let in.
    assert sorted(reply.status == 401 for reply in replies) == [False] + [True] * 19
    assert service.entries() <= 1


@pytest.mark.parametrize(
    "name", [n for n, (_, *lines) in PROOF_ATTACKS.items() if all(map(str.isascii, lines))]
)
def test_refuses_every_forged_proof(service, name):
    access, *lines = PROOF_ATTACKS[name]
    headers = [("Authorization", f"DPoP {access}"), *(("DPoP", line) for line in lines), WHY]
    reply = service.ask("/domain/example.com", headers)
    assert (reply.status, reply.code, error(reply)) == (
        401, "WG119", (None, "invalid_dpop_proof"),
    )  # fmt: skip
    assert b"Ada" not in reply.body
    assert service.entries() == 0


@pytest.mark.parametrize(
    ("access", "scheme", "proved"),
    [
        (BOUND, "Bearer", False),
        (BOUND, "Bearer", True),
        (UNBOUND, "DPoP", True),
        (UNBOUND, "Bearer", True),
        (CERTIFICATE_BOUND, "Bearer", False),
        (CERTIFICATE_BOUND, "DPoP", True),
        (bound(THIEF, sub="officer-7"), "Bearer", False),
        (token(body=claims(cnf={"kid": "1"})), "Bearer", False),
    ],
)
def test_refuses_a_bound_token_from_anybody_else(service, access, scheme, proved):
    headers = with_proof(proof(htu=URL, access=access), WHY, access=access, scheme=scheme)
    reply = service.ask("/domain/example.com", headers if proved else [headers[0], WHY])
    assert (reply.status, reply.code) == (401, "WG106")
    own = {"Bearer": ("invalid_token", None), "DPoP": (None, "invalid_token")}
    assert error(reply) == own[scheme]
    assert service.entries() == 0


def test_tells_both_schemes_of_two_tokens_and_neither_of_another_kind_of_credential(service):
    two = with_proof(proof(htu=URL), WHY, ("Authorization", f"Bearer {UNBOUND}"))
    assert error(service.ask("/domain/example.com", two)) == ("invalid_token", "invalid_token")
    other = [("Authorization", "Basic YTpi"), WHY]
    assert error(service.ask("/domain/example.com", other)) == (None, None)
    assert error(service.ask("/domain/example.com", [WHY])) == (None, None)


def test_compares_the_configured_address_whatever_host_the_client_names(service):
    host = ("Host", "127.0.0.1")
    foreign = proof(htu="https://127.0.0.1/domain/example.com")
    assert service.ask("/domain/example.com", with_proof(foreign, WHY, host)).code == "WG119"
    assert service.ask("/domain/example.com", with_proof(proof(htu=URL), WHY, host)).status == 200


def test_reads_no_proof_that_came_in_clear_text(service):
    made = with_proof(proof(htu=URL), WHY)
    assert service.ask("/domain/example.com", made, client="198.51.100.7").code == "WG107"
    assert service.ask("/domain/example.com", made).status == 200


def test_gives_the_public_no_nonce_that_a_cache_would_keep(service):
    for query in ("", "not=at+hand"):
        reply = service.ask("/domain/example.com", [("DPoP", proof(htu=URL))], query=query)
        assert (reply.status, reply.fields["cache-control"]) == (200, "public, max-age=60")
        assert "dpop-nonce" not in reply.fields


def test_gives_a_nonce_with_nothing_else_that_a_cache_would_keep(service, tmp_path):
    (tmp_path / "tile/0").mkdir(parents=True)
    for name in ("checkpoint", "tile/0/000"):
        (tmp_path / name).write_bytes(b"x")
    pages = {
        "/help": 200, f"/policy/{service.policy.digest}": 200, "/log/checkpoint": 200,
        "/log/tile/0/000": 200, "/policy/x": 404, "/log/tile/0/001": 404, "/health/ready": 200,
        "/receipt/0/x": 404, "/domain/example.com": 200, "/domain/example.com/": 400, "/x": 404,
    }  # fmt: skip
    for path, status in pages.items():
        url = BASE_URL.rstrip("/") + path
        for method in ("GET", "HEAD"):
            made = with_proof(proof(htu=url, htm=method), WHY)
            reply = service.ask(path, made, method=method)
            assert reply.status == status
            never = reply.fields["cache-control"] == "no-store"
            assert never or path in list(pages)[:4]
            assert ("dpop-nonce" in reply.fields) == never


def test_uses_up_no_signature_by_its_challenge_for_a_nonce(make):
    """Token, proof and signature together: all must hold."""
    proofs = (
        by_token("https://id.police.example", "EdDSA", jwks(ed_jwk(ED, kid="2026"))),
        {
            "method": "signature", "assurance": "high",
            "keys": {"keys": [jwk(PRIVATE["ed25519"], "officer-7")]},
        },
    )  # fmt: skip
    said = record("Police of Example", "police", *proofs)
    directory = Directory([Authority(said, 1)], AUDIENCE)
    service = make(directory=lambda: directory)
    other = make(directory=lambda: directory, log=service.log)

    def ask(made, signer=SIGNERS["ed25519"], service=service):
        signed = signer.sign(
            URL, at=NOW, nonce=b"n" * 16, disclosure=RELEASED, authorization=f"DPoP {BOUND}"
        )
        return service.ask("/domain/example.com", with_proof(made, WHY, *signed.headers.items()))

    assert ask(proof(htu=URL, nonce=...)).code == "WG120"
    assert ask(proof(htu=URL), STRANGER).code == "WG106"
    assert ask(proof(htu=URL)).status == 200
    assert ask(proof(htu=URL)).code == "WG106"  # now it is used
    assert ask(proof(htu=URL), service=other).code == "WG106"
    assert service.entries() == 1


# --- the client ------------------------------------------------------------------------------


def holder(access=BOUND, key=HOLDER, clock=lambda: NOW):
    entropy = iter(range(1, 1 << 20))
    return Holder(access, pem(key), clock, lambda n: next(entropy).to_bytes(n))


@pytest.fixture
def run():
    def run(*arguments):
        program = Path(sys.executable).with_name("whoisgate")
        command = [program, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, timeout=60, check=False)

    return run


@pytest.fixture
def running(make):
    port = free_port()
    now = [NOW]
    service = make(base_url=f"http://127.0.0.1:{port}/", clock=lambda: now[0])
    service.now = now
    with serving(service, port):
        yield service


@pytest.mark.parametrize(("access", "key"), [(BOUND, HOLDER), (ED_BOUND, ED_HOLDER)])
def test_asks_with_a_proof_and_checks_the_receipt(running, access, key):
    asking = holder(access, key)
    with Client(running.settings.base_url, holder=asking, key=running.log.key) as client:
        for _ in range(3):
            assert client.ask(QUESTION).outcome is Outcome.RELEASED
        # Once the server's nonces have gone by, one challenge brings the next.
        running.now[0] = NOW + timedelta(seconds=10 * SLOT_S)
        assert client.ask(QUESTION).outcome is Outcome.RELEASED
    assert "credential_refused" not in running.gate._middle.counts.take()


def test_answers_one_challenge_and_no_second(running, monkeypatch):
    asking, sent = holder(), []
    with Client(running.settings.base_url, holder=asking, key=running.log.key) as client:
        monkeypatch.setattr(Proofs, "nonce", lambda *_: "stale")
        real = client._sent
        monkeypatch.setattr(client, "_sent", lambda *a: sent.append(a) or real(*a))
        with pytest.raises(GatewayRefused) as caught:
            client.ask(QUESTION)
    assert (caught.value.status, caught.value.code, len(sent)) == (401, "WG120", 2)


def test_is_refused_with_anothers_key(running):
    with (
        Client(running.settings.base_url, holder=holder(key=THIEF), key=running.log.key) as client,
        pytest.raises(GatewayRefused) as caught,
    ):
        client.ask(QUESTION)
    assert caught.value.code == "WG119"


def test_shows_token_and_proof_to_its_own_server_alone(running, monkeypatch):
    with Client(running.settings.base_url, holder=holder(), key=running.log.key) as client:
        client.ask(QUESTION)
        monkeypatch.setattr(client, "_sent", lambda *_: pytest.fail("it was sent"))
        with pytest.raises(EvidenceError, match="server that was asked"):
            client._proof("http://127.0.0.2:1/receipt/0/x")


@pytest.mark.parametrize(
    "content",
    [
        b"nonsense",
        b"",
        pem(rsa.generate_private_key(65537, 2048)),
        pem(ec.derive_private_key(1, ec.SECP384R1())),
        pem(HOLDER, BestAvailableEncryption(b"secret")),
    ],
)
def test_takes_no_other_key(content):
    with pytest.raises(MissingKey, match="P-256 or Ed25519"):
        Holder("token", content, lambda: NOW, bytes)


def test_looks_up_with_a_key_on_the_command_line(make, run, tmp_path):
    port = free_port()
    base_url = f"http://127.0.0.1:{port}/"
    service = make(base_url=base_url, clock=lambda: datetime.now(UTC))
    now = int(datetime.now(UTC).timestamp())
    access = token(body=claims(iat=now, exp=now + 600, cnf={"jkt": jkt(jwk_of(HOLDER))}))
    (tmp_path / "token").write_text(access)
    (tmp_path / "key.pem").write_bytes(pem(HOLDER))
    (tmp_path / "thief.pem").write_bytes(pem(THIEF))
    asked = [
        "lookup", "example.com", "--server", base_url, "--key", service.log.key.text,
        "--purpose", PURPOSE, "--basis", "national_order", "--case", "1",
        "--elements", "registrant.name", "--token", tmp_path / "token",
    ]  # fmt: skip
    with serving(service, port):
        told = run(*asked, "--dpop-key", tmp_path / "key.pem")
        assert (told.returncode, told.stderr) == (0, b"")
        assert b"Ada Example" in told.stdout
        for wrong in ([], ["--dpop-key", tmp_path / "thief.pem"]):
            told = run(*asked, *wrong)
            assert told.returncode == 1
            assert b"Ada" not in told.stdout
    told = run(*asked[:-2], "--dpop-key", tmp_path / "key.pem")
    assert told.returncode == 2
    told = run(*asked, "--dpop-key", tmp_path / "absent.pem")
    assert told.returncode == 1
    assert b"WG502" in told.stderr
