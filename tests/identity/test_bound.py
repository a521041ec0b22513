"""Tokens that are bound to a key, taken from its holder alone."""

import pytest
from tests.identity.bound import (
    BOTH_BOUND,
    BOUND,
    CERTIFICATE,
    CERTIFICATE_BOUND,
    KEY,
    OTHER_CERTIFICATE,
    UNBOUND,
    jkt,
    jwk_of,
    presented,
    proof,
    sha,
    verifier,
)
from tests.identity.tokens import (
    AUDIENCE,
    ED,
    NOW,
    by_token,
    claims,
    ed_jwk,
    issuer,
    jwks,
    record,
    token,
)  # fmt: skip

from whoisgate.errors import CredentialRefused, CredentialRequired, ProofRefused
from whoisgate.identity.authority import Authority
from whoisgate.identity.bearer import Bearer
from whoisgate.identity.dpop import Proofs
from whoisgate.presented import Presented
from whoisgate.queries import Assurance


def police(**more):
    proof = by_token("https://id.police.example", "EdDSA", jwks(ed_jwk(ED, kid="2026")), **more)
    return issuer(Authority(record("Police of Example", "police", proof), 1), AUDIENCE)


def refused(asked, bearer=None):
    with pytest.raises(CredentialRefused) as caught:
        (bearer or verifier()).authenticate(asked, NOW)
    return str(caught.value)


def test_takes_a_token_from_the_holder_of_its_certificate():
    asked = presented(CERTIFICATE_BOUND, scheme="Bearer", certificates=(CERTIFICATE, b"issuer"))
    assert verifier().authenticate(asked, NOW).proved_by == "bearer+certificate"


ELSEWHERE = {
    "without a certificate": (CERTIFICATE_BOUND, ()),
    "with another certificate": (CERTIFICATE_BOUND, (OTHER_CERTIFICATE,)),
    "with the certificate as another's issuer": (
        CERTIFICATE_BOUND, (OTHER_CERTIFICATE, CERTIFICATE),
    ),
    "with one bit changed": (CERTIFICATE_BOUND, (CERTIFICATE[:-1] + b"f",)),
    "bound to no certificate at all": (token(body=claims(cnf={"x5t#S256": sha(b"")})), ()),
}  # fmt: skip


@pytest.mark.parametrize("name", ELSEWHERE)
def test_refuses_a_token_of_another_certificate(name):
    access, certificates = ELSEWHERE[name]
    asked = presented(access, scheme="Bearer", certificates=certificates)
    assert refused(asked) == "expected the client certificate that the token is bound to"


def test_checks_the_certificate_of_a_remembered_token_too():
    bearer = verifier()
    bearer.authenticate(
        presented(CERTIFICATE_BOUND, scheme="Bearer", certificates=(CERTIFICATE,)), NOW
    )
    assert "certificate" in refused(presented(CERTIFICATE_BOUND, scheme="Bearer"), bearer)


def test_checks_the_proof_of_a_remembered_token_too():
    bearer = verifier()
    bearer.authenticate(presented(BOUND, proof()), NOW)
    with pytest.raises(ProofRefused):
        bearer.authenticate(presented(BOUND), NOW)
    assert "DPoP" in refused(presented(BOUND, proof(), scheme="Bearer"), bearer)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (presented(BOUND, scheme="Bearer"), "`Authorization: DPoP` for a token bound"),
        (presented(BOUND, proof(), scheme="Bearer"), "`Authorization: DPoP` for a token bound"),
        (presented(BOTH_BOUND, scheme="Bearer", certificates=(CERTIFICATE,)), "DPoP"),
        (presented(UNBOUND, proof(access=UNBOUND)), "bound to the proof's key"),
        (presented(UNBOUND, proof(access=UNBOUND), scheme="Bearer"), "no `DPoP` proof"),
        (presented(CERTIFICATE_BOUND, certificates=(CERTIFICATE,)), "bound to the proof's key"),
        (presented(BOTH_BOUND, proof(access=BOTH_BOUND)), "client certificate"),
        (presented(BOUND, proof(), scheme="Basic"), "`Authorization: Bearer`"),
        (presented(BOUND, proof(), scheme="DPoPx"), "`Authorization: Bearer`"),
    ],
)
def test_refuses_a_scheme_that_is_not_the_tokens_own(asked, says):
    assert says in refused(asked)


def test_refuses_two_credentials_and_none():
    two = (*presented(BOUND).headers, *presented(BOUND, proof(), scheme="Bearer").headers)
    assert "one `Authorization` line" in refused(Presented("GET", "https://rdap.example/", two))
    with pytest.raises(CredentialRequired):
        verifier().authenticate(Presented("GET", "https://rdap.example/"), NOW)


JKT = jkt(jwk_of(ED))
CONFIRMATIONS = {
    "null": None,
    "text": "jkt",
    "a list": [{"jkt": JKT}],
    "nothing": {},
    "a key": {"jwk": ed_jwk(ED)},
    "a key's id": {"kid": "2026"},
    "a method nobody knows": {"osc": "x"},
    "a method nobody knows beside one": {"jkt": JKT, "kid": "2026"},
    "no text": {"jkt": 7},
    "a list of thumbprints": {"jkt": [JKT]},
    "no thumbprint": {"jkt": ""},
    "a thumbprint with padding": {"jkt": JKT + "="},
    "a thumbprint in hexadecimal": {"jkt": "ab" * 32},
    "SHA-1": {"x5t#S256": "x" * 27},
    "an x5t": {"x5t": JKT},
    "no base64url": {"x5t#S256": "+" * 43},
}


@pytest.mark.parametrize("name", CONFIRMATIONS)
@pytest.mark.parametrize("scheme", ["Bearer", "DPoP"])
def test_takes_a_binding_that_it_does_not_understand_from_nobody(name, scheme):
    access = token(body=claims(cnf=CONFIRMATIONS[name]))
    asked = presented(access, proof(access=access), scheme=scheme, certificates=(CERTIFICATE,))
    assert refused(asked).startswith(("expected a token bound by", "expected a SHA-256"))


def test_refuses_what_is_not_bound_where_the_directory_demands_it():
    bearer = Bearer([police(bound=True)], Proofs(KEY))
    assert "bound to its sender's key" in refused(presented(UNBOUND, scheme="Bearer"), bearer)
    assert bearer.authenticate(presented(BOUND, proof()), NOW)


@pytest.mark.parametrize(
    ("asked", "assurance", "method"),
    [
        (lambda: presented(UNBOUND, scheme="Bearer"), Assurance.LOW, "bearer"),
        (lambda: presented(BOUND, proof()), Assurance.HIGH, "dpop"),
        (
            lambda: presented(CERTIFICATE_BOUND, scheme="Bearer", certificates=(CERTIFICATE,)),
            Assurance.HIGH,
            "bearer+certificate",
        ),
        (
            lambda: presented(BOTH_BOUND, proof(access=BOTH_BOUND), certificates=(CERTIFICATE,)),
            Assurance.HIGH,
            "dpop+certificate",
        ),
    ],
)
def test_sets_the_assurance_by_what_was_proved(asked, assurance, method):
    bearer = Bearer([police(assurance="low", assurance_bound="high")], Proofs(KEY))
    requester = bearer.authenticate(asked(), NOW)
    assert (requester.assurance, requester.proved_by) == (assurance, method)


def test_is_worth_no_more_when_the_directory_does_not_say_so():
    bearer = Bearer([police(assurance="substantial")], Proofs(KEY))
    requester = bearer.authenticate(presented(BOUND, proof()), NOW)
    assert requester.assurance is Assurance.SUBSTANTIAL


def test_takes_no_bound_token_where_nobody_checks_proofs():
    assert "not bound by DPoP" in refused(presented(BOUND, proof()), Bearer([police()]))
