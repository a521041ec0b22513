"""Who signed a question: from the header lines to the requester, and what the client pays to sign.

Warm: the directory's keys are parsed. Cold: they are parsed as well, ten keys of one authority.
"""

from itertools import count
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from tests.identity.questions import DISCLOSURE, NOW, URL, jwk, record

from whoisgate.audit.question import QuestionSigner
from whoisgate.errors import CredentialRefused
from whoisgate.identity.authority import Authority
from whoisgate.identity.directory import Directory
from whoisgate.identity.signature import Nonces, authenticate
from whoisgate.presented import Presented

RANDOM = Random(9421)
KEYS = {
    "ed25519": lambda: ed25519.Ed25519PrivateKey.from_private_bytes(RANDOM.randbytes(32)),
    "ecdsa-p256-sha256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa-pss-sha512": lambda: rsa.generate_private_key(65537, 2048),
}
ROUNDS = 300


@pytest.fixture(scope="module", params=KEYS)
def listed(request):
    """An authority of ten people, and the first of them."""
    keys = [KEYS[request.param]() for _ in range(10)]
    people = record(*(jwk(key, f"officer {n}") for n, key in enumerate(keys)))
    return Authority(people, 1), QuestionSigner(keys[0])


def requests(signer):
    """Signed requests, each with a nonce of its own."""
    for number in count():
        made = signer.sign(URL, at=NOW, nonce=number.to_bytes(16), disclosure=DISCLOSURE)
        headers = {"Disclosure-Request": DISCLOSURE, **made.headers}
        lines = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
        yield Presented("GET", URL, lines)


def test_authenticate_warm(benchmark, listed):
    authority, signer = listed
    signers, nonces = Directory([authority], "https://rdap.example").signers, Nonces()
    made = requests(signer)
    benchmark.pedantic(
        authenticate,
        setup=lambda: ((next(made), signers, nonces, NOW), {}),
        rounds=ROUNDS,
        warmup_rounds=20,
    )


def test_authenticate_cold(benchmark, listed):
    authority, signer = listed
    made = requests(signer)

    def cold(presented):
        directory = Directory([authority], "https://rdap.example")
        return authenticate(presented, directory.signers, Nonces(), NOW)

    benchmark.pedantic(cold, setup=lambda: ((next(made),), {}), rounds=ROUNDS, warmup_rounds=20)


def test_refuse_a_stranger(benchmark, listed):
    """Nothing is verified for a key that nobody listed."""
    _, signer = listed
    presented = next(requests(signer))

    def refuse():
        try:
            authenticate(presented, {}, nonces, NOW)
        except CredentialRefused as error:
            return error

    nonces = Nonces()
    assert "directory" in str(benchmark(refuse))


def test_sign(benchmark, listed):
    _, signer = listed
    benchmark(lambda: signer.sign(URL, at=NOW, nonce=bytes(16), disclosure=DISCLOSURE))
