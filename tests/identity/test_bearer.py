"""Tokens that hold, and every forgery that must not."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.identity.tokens import (
    ATTACKS,
    EC,
    ED,
    ED_OTHER,
    GOOD,
    ISSUERS,
    NOW,
    POLICE,
    PURPOSE,
    PURPOSES,
    RSA,
    RSA_SMALL,
    b64,
    bearing,
    by_token,
    claims,
    ec_jwk,
    ed_jwk,
    header,
    issuer,
    jwks,
    record,
    rsa_jwk,
    token,
)

from whoisgate.errors import CredentialRefused, MalformedAuthority
from whoisgate.identity.authority import Authority
from whoisgate.identity.bearer import Bearer
from whoisgate.identity.issuer import KeySet
from whoisgate.queries import Assurance, Jurisdiction, LegalBasis, Purpose, RequesterClass

BEARER = Bearer(ISSUERS)


def refused(text, now=NOW):
    with pytest.raises(CredentialRefused) as caught:
        Bearer(ISSUERS).authenticate(bearing(text), now)
    return str(caught.value)


@pytest.mark.parametrize("name", GOOD)
def test_accepts(name):
    assert BEARER.authenticate(bearing(GOOD[name]), NOW).person == "officer-7"


def test_takes_class_and_assurance_from_the_configuration_alone():
    body = claims(requester_class="court", assurance="none", country="XX", bases=["court_order"])
    requester = BEARER.authenticate(bearing(token(body=body)), NOW)
    assert requester.authority == "Police of Example"
    assert requester.requester_class is RequesterClass.LAW_ENFORCEMENT
    assert requester.assurance is Assurance.HIGH
    assert requester.bases == {LegalBasis.NATIONAL_ORDER}
    assert (requester.jurisdiction, requester.country) == (Jurisdiction.SAME_COUNTRY, "NO")
    assert requester.proved_by == "bearer"
    assert requester.valid_until == NOW + timedelta(seconds=600)


@pytest.mark.parametrize(
    ("claimed", "left"),
    [
        (..., {PURPOSE, Purpose.LEGAL_ACTIONS}),
        ([PURPOSE.value], {PURPOSE}),
        ([PURPOSE.value, "dnsTransparency", "unheardOf"], {PURPOSE}),
        (["LEGALACTIONS"], set()),
        ([], set()),
    ],
)
def test_narrows_purposes_and_never_widens_them(claimed, left):
    body = claims(rdap_allowed_purposes=claimed)
    assert BEARER.authenticate(bearing(token(body=body)), NOW).purposes == left


@pytest.mark.parametrize("name", ATTACKS)
def test_refuses(name):
    sentence = refused(ATTACKS[name])
    assert sentence.isprintable()
    for other in ("court.example", "csirt.example", "Court", "CSIRT", "somebody-else"):
        assert other not in sentence


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("expired", "the token has expired"),
        ("wrong audience", "wrong audience: the token is for another server"),
        ("not yet valid", "the token is not valid yet"),
        ("HS256 with the RSA key's PEM", "expected a token signed with `RS256`"),
        ("one signature bit", "the token's signature does not hold"),
        ("kid is a path", "expected the `kid` of a key that the issuer has published"),
    ],
)
def test_says_what_to_mend(name, says):
    assert refused(ATTACKS[name]) == says


def test_tells_nothing_of_the_claims_before_the_signature_holds():
    forged = token(body=claims(exp=1, aud="else", sub=""), sign=ED_OTHER.sign)
    assert refused(forged) == "the token's signature does not hold"


@given(st.integers(0, len(GOOD["EdDSA"]) - 1), st.characters(codec="ascii"))
def test_refuses_every_change_of_one_character(at, other):
    good = GOOD["EdDSA"]
    if other != good[at]:
        refused(good[:at] + other + good[at + 1 :])


@given(st.text(max_size=300))
def test_refuses_any_other_text_with_its_own_error(text):
    refused(text)


@given(
    st.dictionaries(
        st.sampled_from(["iss", "sub", "aud", "exp", "iat", "nbf", "rdap_allowed_purposes"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
            ),
            max_leaves=5,
        ),
    )
)
def test_survives_signed_claims_of_any_shape(changed):
    try:
        requester = Bearer([POLICE]).authenticate(bearing(token(body=claims(**changed))), NOW)
    except CredentialRefused:
        return
    assert requester.authority == POLICE.authority.record.authority
    assert requester.purposes <= PURPOSES
    assert requester.valid_until > NOW


def test_believes_a_remembered_token_never_past_its_end():
    bearer = Bearer([POLICE])
    short = token(body=claims(exp=int(NOW.timestamp()) + 30))
    assert bearer.authenticate(bearing(short), NOW) is bearer.authenticate(
        bearing(short), NOW + timedelta(seconds=29)
    )
    with pytest.raises(CredentialRefused, match="expired"):
        bearer.authenticate(bearing(short), NOW + timedelta(seconds=30))


def test_verifies_again_after_a_minute_and_when_the_clock_went_back():
    bearer = Bearer([POLICE])
    first = bearer.authenticate(bearing(token()), NOW)
    assert bearer.authenticate(bearing(token()), NOW + timedelta(seconds=59)) is first
    again = bearer.authenticate(bearing(token()), NOW + timedelta(seconds=60))
    assert again == first
    assert again is not first
    assert bearer.authenticate(bearing(token()), NOW) is not again


def test_remembers_a_bounded_number_of_tokens(monkeypatch):
    monkeypatch.setattr("whoisgate.identity.bearer.CACHE_TOKENS", 3)
    bearer = Bearer([POLICE])
    for n in range(10):
        bearer.authenticate(bearing(token(body=claims(sub=f"officer-{n}"))), NOW)
    assert len(bearer._held) == 3


def test_remembers_no_refused_token():
    bearer = Bearer([POLICE])
    with pytest.raises(CredentialRefused):
        bearer.authenticate(bearing(ATTACKS["one signature bit"]), NOW)
    assert not bearer._held


def test_selects_among_an_issuers_keys_by_kid():
    both = replace(
        POLICE,
        keys=KeySet.parsed(jwks(ed_jwk(ED, kid="2026"), ed_jwk(ED_OTHER, kid="2027")), "EdDSA"),
    )
    bearer = Bearer([both])
    assert bearer.authenticate(bearing(token()), NOW)
    assert bearer.authenticate(bearing(token(header(kid="2027"), sign=ED_OTHER.sign)), NOW)
    with pytest.raises(CredentialRefused, match="signature"):
        bearer.authenticate(bearing(token(header(kid="2027"))), NOW)
    with pytest.raises(CredentialRefused, match="kid"):
        bearer.authenticate(bearing(token(header(kid=...))), NOW)


def test_leaves_out_keys_that_do_not_fit_the_algorithm():
    mixed = jwks(ed_jwk(ED, kid="2026"), rsa_jwk(RSA, kid="2026"), ed_jwk(ED, kid="e", use="enc"))
    keys = KeySet.parsed(mixed, "EdDSA")
    assert set(keys.by_kid) == {"2026"}
    assert Bearer([replace(POLICE, keys=keys)]).authenticate(bearing(token()), NOW)


PRIVATE = {**ed_jwk(ED, kid="x"), "d": b64(bytes(range(32)))}
X25519 = {"kty": "OKP", "crv": "X25519", "x": b64(bytes(32))}


@pytest.mark.parametrize(
    "change",
    [
        {"keys": jwks(PRIVATE)},
        {"keys": jwks(ed_jwk(ED), {"kty": "oct", "k": "c2VjcmV0"})},
        {"keys": jwks()},
        {"keys": jwks(rsa_jwk(RSA))},
        {"keys": jwks(X25519)},
        {"keys": jwks(ed_jwk(ED, alg="HS256"))},
        {"keys": jwks({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"})},
        {"keys": jwks({"kty": "OKP", "crv": "Ed25519"})},
        {"keys": jwks(ed_jwk(ED, kid="a"), ed_jwk(ED_OTHER, kid="a"))},
        {"keys": jwks(ed_jwk(ED), ed_jwk(ED_OTHER, kid="a"))},
        {"keys": jwks(ed_jwk(ED, kid=7))},
        {"keys": jwks("key")},
        {"keys": jwks(*[ed_jwk(ED, kid=str(n)) for n in range(33)])},
        {"keys": json.dumps(ed_jwk(ED))},
        {"keys": "-----BEGIN PUBLIC KEY-----"},
        {"keys": '{"keys": [], "keys": []}'},
        {"algorithm": "RS256", "keys": jwks(rsa_jwk(RSA_SMALL))},
        {"algorithm": "RS256", "keys": jwks({"kty": "RSA", "n": "AQAB", "e": "AQAB"})},
        {"algorithm": "ES256", "keys": jwks({**ec_jwk(EC), "y": b64(bytes(32))})},
    ],
)  # fmt: skip
def test_refuses_keys_that_cannot_be_believed(change):
    with pytest.raises(ValueError, match="expected") as caught:
        KeySet.parsed(change["keys"], change.get("algorithm", "EdDSA"))
    assert b64(bytes(range(32))) not in str(caught.value)


def test_says_whose_keys_cannot_be_believed():
    said = by_token("https://id.example", "EdDSA", jwks(PRIVATE))
    with pytest.raises(MalformedAuthority, match=r"`https://id\.example`: expected public keys"):
        issuer(Authority(record("Any", "police", said), 1))


def test_refuses_two_issuers_of_one_name():
    with pytest.raises(MalformedAuthority, match="iss"):
        Bearer([POLICE, POLICE])
