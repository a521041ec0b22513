"""Proofs that hold, every forgery that must not, and none that is taken twice."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.identity.bound import (
    BOUND,
    ED_BOUND,
    ED_HOLDER,
    GOOD_PROOFS,
    HOLDER,
    KEY,
    NONCE_ATTACKS,
    PROOF_ATTACKS,
    URL,
    b64,
    ec_jwk,
    jkt,
    presented,
    proof,
    proof_claims,
    proof_header,
    verifier,
)
from tests.identity.tokens import NOW

from whoisgate.errors import NonceExpected, ProofRefused
from whoisgate.identity import dpop, jws
from whoisgate.identity.dpop import SLOT_S, Proofs

RFC_TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
RFC_PROOF = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNo"
    "UklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERW"
    "clUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1"
    "IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwi"
    "YXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey"
    "71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
)
RFC_THUMBPRINT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
LATER = timedelta(seconds=SLOT_S)


def test_reads_the_request_of_rfc_9449_figure_13():
    parsed = jws.parsed(RFC_PROOF, frozenset({"alg", "typ", "jwk"}))
    assert jws.holds(parsed, "ES256", jws.public_key(parsed.header["jwk"]))
    asked = presented(RFC_TOKEN, RFC_PROOF, url="https://resource.example.org/protectedresource")
    with pytest.raises(NonceExpected):  # all of it is right but for the nonce, which it has not
        Proofs(KEY).check(asked, RFC_TOKEN, RFC_THUMBPRINT, datetime.fromtimestamp(1562262618, UTC))


@pytest.mark.parametrize("name", GOOD_PROOFS)
def test_accepts(name):
    requester = verifier().authenticate(GOOD_PROOFS[name](), NOW)
    assert requester.person == "officer-7"
    assert requester.proved_by.startswith("dpop")


@pytest.mark.parametrize("name", PROOF_ATTACKS)
def test_refuses(name):
    token, *lines = PROOF_ATTACKS[name]
    with pytest.raises(ProofRefused) as caught:
        verifier().authenticate(presented(token, *lines), NOW)
    assert not isinstance(caught.value, NonceExpected)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", NONCE_ATTACKS)
def test_asks_for_its_own_nonce(name):
    with pytest.raises(NonceExpected):
        verifier().authenticate(presented(BOUND, NONCE_ATTACKS[name]), NOW)


def test_refuses_every_proof_where_the_address_that_was_meant_is_none():
    with pytest.raises(ProofRefused, match="htu"):
        verifier().authenticate(presented(BOUND, proof(htu="ä"), url="https://ä/"), NOW)


def test_takes_a_proof_once():
    once, asked = verifier(), presented(BOUND, proof())
    assert once.authenticate(asked, NOW)
    for later in (timedelta(0), LATER - timedelta(seconds=1), LATER):
        with pytest.raises(ProofRefused, match="used before"):
            once.authenticate(asked, NOW + later)


def test_takes_a_proof_once_under_any_signature_of_it():
    once, body = verifier(), proof_claims()
    assert once.authenticate(presented(BOUND, proof(body=body)), NOW)
    with pytest.raises(ProofRefused, match="used before"):  # ECDSA signs the same differently
        once.authenticate(presented(BOUND, proof(body=body)), NOW)


def test_takes_the_same_id_of_two_keys():
    both = verifier()
    assert both.authenticate(presented(BOUND, proof(jti="1")), NOW)
    other = proof(key=ED_HOLDER, access=ED_BOUND, jti="1")
    assert both.authenticate(presented(ED_BOUND, other), NOW)


def test_spends_no_proof_that_it_refused():
    once, body = verifier(), proof_claims()
    with pytest.raises(ProofRefused, match="signature"):
        once.authenticate(presented(BOUND, proof(body=body, sign=lambda _: bytes(64))), NOW)
    assert once.authenticate(presented(BOUND, proof(body=body)), NOW)


@given(st.integers(0, 4 * SLOT_S), st.integers(0, 4 * SLOT_S))
def test_takes_a_nonce_in_its_slot_and_the_next(given_s, used_s):
    proofs, origin = Proofs(KEY), datetime.fromtimestamp(SLOT_S * 10**7, UTC)
    given_at, used_at = (origin + timedelta(seconds=s) for s in (given_s, used_s))
    made = proof(nonce=proofs.nonce(given_at), iat=used_at.timestamp())
    # Another process, whose clock was never elsewhere, takes what this one gave.
    other, holds = Proofs(KEY), used_s // SLOT_S - given_s // SLOT_S in {0, 1}
    try:
        other.check(presented(BOUND, made), BOUND, jkt(ec_jwk(HOLDER)), used_at)
    except NonceExpected:
        assert not holds
    else:
        assert holds


@given(st.lists(st.integers(-3 * SLOT_S, 3 * SLOT_S), max_size=12))
def test_takes_no_proof_twice_however_its_clock_goes(steps):
    proofs, now = Proofs(KEY), NOW
    thumbprint = jkt(ec_jwk(HOLDER))
    made = presented(BOUND, proof(nonce=proofs.nonce(now), iat=now.timestamp()))
    proofs.check(made, BOUND, thumbprint, now)
    for step in steps:
        now += timedelta(seconds=step)
        with pytest.raises(ProofRefused):
            proofs.check(made, BOUND, thumbprint, now)
        fresh = presented(BOUND, proof(nonce=proofs.nonce(now), iat=now.timestamp()))
        proofs.check(fresh, BOUND, thumbprint, now)


def test_remembers_a_bounded_number_of_proofs_and_forgets_none_for_another(monkeypatch):
    monkeypatch.setattr(dpop, "MAX_IDS_EACH", 3)
    monkeypatch.setattr(dpop, "MAX_IDS", 5)
    full, first = verifier(), presented(BOUND, proof())
    asked = [first, *(presented(BOUND, proof()) for _ in range(2))]
    for each in asked:
        full.authenticate(each, NOW)
    with pytest.raises(ProofRefused, match="too many"):
        full.authenticate(presented(BOUND, proof()), NOW)
    others = [presented(ED_BOUND, proof(key=ED_HOLDER, access=ED_BOUND)) for _ in range(3)]
    for each in others[:2]:
        full.authenticate(each, NOW)
    with pytest.raises(ProofRefused, match="too many"):
        full.authenticate(others[2], NOW)
    with pytest.raises(ProofRefused, match="used before"):
        full.authenticate(first, NOW)
    nonce = Proofs(KEY).nonce(NOW + 2 * LATER)
    assert full.authenticate(presented(BOUND, proof(nonce=nonce)), NOW + 2 * LATER)
    assert sum(len(used.marks) for used in full._proofs._used.values()) == 1


GOOD = proof()


@given(st.integers(0, len(GOOD) - 1), st.characters(codec="ascii"))
def test_refuses_every_change_of_one_character(at, other):
    if other == GOOD[at]:
        return
    changed = GOOD[:at] + other + GOOD[at + 1 :]
    if changed.strip(" \t") == GOOD:
        return
    with pytest.raises(ProofRefused):
        verifier().authenticate(presented(BOUND, changed), NOW)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(st.sampled_from(["jti", "htm", "htu", "iat", "ath", "nonce", "x"]), ANY),
    st.dictionaries(st.sampled_from(["typ", "alg", "jwk", "kid", "crit"]), ANY),
    st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "d", "use", "key_ops"]), ANY),
)
def test_survives_signed_proofs_of_any_shape(body, head, key):
    head = proof_header(**{"jwk": {**ec_jwk(HOLDER), **key}, **head})
    try:
        verifier().authenticate(presented(BOUND, proof(head, proof_claims(**body))), NOW)
    except ProofRefused:
        return
    meant = proof_claims(**body)
    assert (meant["htm"], dpop._normal(meant["htu"])) == ("GET", dpop._normal(URL))


@given(st.text(max_size=100))
def test_reads_any_address_or_none(text):
    found = dpop._normal(text)
    if found is not None:
        scheme, host, port, path = found
        again = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{path}"
        assert dpop._normal(again) == found


def test_gives_nonces_that_a_header_may_hold():
    nonce = Proofs(KEY).nonce(NOW)
    assert len(nonce) == 43
    assert b64(jws.decoded(nonce)) == nonce
    assert json.loads(json.dumps(nonce)) == nonce
    assert nonce != Proofs(KEY).nonce(NOW + LATER)
