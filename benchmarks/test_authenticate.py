"""Who is asking: a token remembered and new, with a proof of its key, with its certificate."""

import itertools

import pytest
from tests.identity.bound import (
    BOUND,
    CERTIFICATE,
    ED_BOUND,
    ED_HOLDER,
    HOLDER,
    presented,
    proof,
    sha,
    verifier,
)
from tests.identity.tokens import GOOD, NOW, bearing, claims, token

ROUNDS = 500


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_bearer_cold(benchmark, algorithm):
    asked = bearing(GOOD[algorithm])
    benchmark.pedantic(
        lambda bearer: bearer.authenticate(asked, NOW),
        setup=lambda: ((verifier(),), {}),
        rounds=ROUNDS,
    )


def test_bearer_warm(benchmark):
    bearer, asked = verifier(), bearing(GOOD["EdDSA"])
    assert benchmark(bearer.authenticate, asked, NOW).person == "officer-7"


def test_certificate_bound_warm(benchmark):
    bearer, certificate = verifier(), CERTIFICATE.ljust(1000)  # as long as one is
    access = token(body=claims(cnf={"x5t#S256": sha(certificate)}))
    asked = presented(access, scheme="Bearer", certificates=(certificate,))
    assert benchmark(bearer.authenticate, asked, NOW).proved_by == "bearer+certificate"


@pytest.mark.parametrize(
    ("access", "key"), [(BOUND, HOLDER), (ED_BOUND, ED_HOLDER)], ids=["ES256", "EdDSA"]
)
def test_dpop_proof_beside_a_remembered_token(benchmark, access, key):
    """Each proof is new, as it must be."""
    bearer = verifier()
    proofs = itertools.starmap(
        presented, ((access, proof(key=key, access=access)) for _ in range(ROUNDS + 1))
    )
    bearer.authenticate(next(proofs), NOW)
    benchmark.pedantic(
        lambda asked: bearer.authenticate(asked, NOW),
        setup=lambda: ((next(proofs),), {}),
        rounds=ROUNDS,
    )
