"""Signed questions: what the RFC publishes holds, and nothing but the question that was signed."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from tests.identity.questions import (
    DIRECTORY,
    DISCLOSURE,
    NOW,
    POLICE,
    PRIVATE,
    SIGNERS,
    STRANGER,
    URL,
    flipped,
    jwk,
    later,
    line,
    record,
    resigned,
    signed,
    with_line,
)

from whoisgate.audit.question import QuestionSigner, authorization_digest
from whoisgate.audit.verify import (
    VerificationFailed,
    question_key,
    read_signature_base,
    verify_question,
)
from whoisgate.errors import CredentialRefused, MalformedAuthority, MissingKey
from whoisgate.formats import disclosure_request
from whoisgate.identity import signature
from whoisgate.identity.authority import Authority
from whoisgate.identity.directory import Directory
from whoisgate.identity.signature import Nonces, authenticate, together
from whoisgate.queries import Assurance, LegalBasis, Purpose

VECTORS = json.loads((Path(__file__).parent / "vectors" / "rfc9421.json").read_text())
BEARER = "Bearer eyJhbGciOiJub25lIn0.e30.c2VjcmV0"
PROVED = POLICE.requester("officer ed25519", Assurance.SUBSTANTIAL, "bearer", NOW)


def asks(request, now=NOW, nonces=None, directory=DIRECTORY):
    return authenticate(request, directory.signers, nonces or Nonces(), now)


def refused(request, **more):
    with pytest.raises(CredentialRefused) as caught:
        asks(request, **more)
    message = str(caught.value)
    assert not any(word in message for word in ("example.com/", "2026-", "Police", "eyJ"))
    return message


@pytest.mark.parametrize("vector", VECTORS["signatures"], ids=lambda each: each["section"])
def test_verifies_what_the_rfc_publishes(vector):
    public = {k: v for k, v in VECTORS["keys"][vector["key"]].items() if k != "d"}
    key, made = question_key(public), b64decode(vector["signature"])
    base = vector["base"].encode()
    verify_question(key, vector["algorithm"], made, base)
    for bad in (base + b" ", base.replace(b"1618884473", b"1618884474")):
        with pytest.raises(VerificationFailed):
            verify_question(key, vector["algorithm"], made, bad)
    for other in {"ed25519", "ecdsa-p256-sha256", "rsa-pss-sha512"} - {vector["algorithm"]}:
        with pytest.raises(VerificationFailed):
            verify_question(key, other, made, base)
    with pytest.raises(VerificationFailed):  # well signed, and no question of ours
        read_signature_base(vector["base"])


@pytest.mark.parametrize("algorithm", SIGNERS)
def test_tells_who_signed(algorithm):
    request = signed(SIGNERS[algorithm])
    requester = asks(request)
    assert (requester.authority, requester.person) == ("Police of Example", f"officer {algorithm}")
    assert (requester.proved_by, requester.assurance) == ("signature", Assurance.HIGH)
    assert (requester.listed, requester.valid_until) == (7, later(60))
    kept = requester.signed
    assert kept is not None
    assert (kept.algorithm, json.loads(kept.key)) == (
        algorithm,
        {k: v for k, v in jwk(PRIVATE[algorithm], "").items() if k != "kid"},
    )
    assert f'"@target-uri": {URL}\n"disclosure-request": {DISCLOSURE}\n' in kept.base


def test_takes_components_and_parameters_in_any_order():
    request = resigned(
        signed(),
        lambda params: (
            '("disclosure-request" "@target-uri" "@method")'
            + "".join(f";{each}" for each in reversed(params.split(")", 1)[1][1:].split(";")))
        ),
    )
    assert asks(request).person == "officer ed25519"


def test_joins_the_lines_of_one_field():
    first, second = DISCLOSURE.split(", ", 1)
    request = with_line(signed(), b"disclosure-request", None)
    lines = tuple((b"disclosure-request", each.encode()) for each in (f" {first}", f"{second}\t"))
    assert asks(replace(request, headers=(*request.headers, *lines))).signed


def test_signs_a_request_for_a_receipt():
    url = "https://rdap.registrar.example/receipt/4/AbC_-dEf"
    assert asks(signed(url=url, disclosure=None)).person == "officer ed25519"


# --- Every covered component altered, missing, twice ------------------------------------------


ALTERED = {
    "method": lambda r: replace(r, method="HEAD"),
    "host": lambda r: replace(r, url=URL.replace("registrar", "other")),
    "scheme": lambda r: replace(r, url=URL.replace("https", "http")),
    "domain": lambda r: replace(r, url=URL.replace("example.com", "example.net")),
    "query added": lambda r: replace(r, url=URL + "?farv1_qp=legalActions"),
    "purpose": lambda r: with_line(
        r, b"disclosure-request", DISCLOSURE.replace("criminal", "Criminal")
    ),
    "elements": lambda r: with_line(
        r, b"disclosure-request", DISCLOSURE.replace("registrant.email", "registrant.phone")
    ),
    "spacing": lambda r: with_line(r, b"disclosure-request", DISCLOSURE.replace(", ", ",")),
    "question taken away": lambda r: with_line(r, b"disclosure-request", None),
    "question added": lambda r: replace(
        r, headers=(*r.headers, (b"disclosure-request", b'case="2"'))
    ),
    "signature": flipped,
    "signature cut": lambda r: with_line(r, b"signature", line(r, b"signature")[:-6] + ":"),
    "signature missing": lambda r: with_line(r, b"signature", None),
    "input missing": lambda r: with_line(r, b"signature-input", None),
    "input twice": lambda r: replace(
        r, headers=(*r.headers, (b"signature-input", line(r, b"signature-input").encode()))
    ),
    "two labels": lambda r: with_line(
        r, b"signature", f"{line(r, b'signature')}, b={line(r, b'signature').split('=', 1)[1]}"
    ),
    "two inputs": lambda r: with_line(
        r,
        b"signature-input",
        f"{line(r, b'signature-input')}, b={line(r, b'signature-input').split('=', 1)[1]}",
    ),
    "another label": lambda r: with_line(
        r, b"signature", line(r, b"signature").replace("question", "other")
    ),
    "spare bits": lambda r: with_line(
        r,
        b"signature",
        line(r, b"signature")
        .replace("g==:", "h==:")
        .replace("A==:", "B==:")
        .replace("Q==:", "R==:")
        .replace("w==:", "x==:"),
    ),
    "not base64": lambda r: with_line(r, b"signature", "question=:AAAAA:"),
    "authorization added": lambda r: with_line(r, b"authorization", BEARER),
    "digest added": lambda r: with_line(r, b"authorization-digest", authorization_digest(BEARER)),
    "created": lambda r: with_line(
        r, b"signature-input", line(r, b"signature-input").replace("created=1", "created=2")
    ),
    "nonce": lambda r: with_line(
        r, b"signature-input", line(r, b"signature-input").replace('nonce="', 'nonce="A')
    ),
}


@pytest.mark.parametrize("change", ALTERED.values(), ids=ALTERED)
@pytest.mark.parametrize("algorithm", SIGNERS)
def test_refuses_what_was_altered(change, algorithm):
    request = signed(SIGNERS[algorithm])
    refused(change(request))
    assert asks(request).signed


def without(name):
    return lambda params: params.replace(f' "{name}"', "").replace(f'"{name}" ', "")


def parameter(name, value):
    """The parameter with another value, or not at all."""

    def change(params):
        head, *rest = params.split(";")
        kept = [each for each in rest if not each.startswith(f"{name}=")]
        return ";".join([head, *kept, *([f"{name}={value}"] if value else [])])

    return change


def at(created, expires):
    base = int(NOW.timestamp())
    return lambda p: parameter("expires", base + expires)(parameter("created", base + created)(p))


WELL_SIGNED = {
    "method not covered": without("@method"),
    "target not covered": without("@target-uri"),
    "question not covered": without("disclosure-request"),
    "method twice": lambda p: p.replace('"@method"', '"@method" "@method"'),
    "question twice": lambda p: p.replace(
        '"disclosure-request"', '"disclosure-request" "disclosure-request"'
    ),
    "more covered": lambda p: p.replace('"@method"', '"@method" "accept"'),
    "component with a parameter": lambda p: p.replace('"@method"', '"@method";req'),
    "nothing covered": lambda p: "()" + p.partition(")")[2],
    "no created": parameter("created", None),
    "no expires": parameter("expires", None),
    "no nonce": parameter("nonce", None),
    "no keyid": parameter("keyid", None),
    "no alg": parameter("alg", None),
    "no tag": parameter("tag", None),
    "created twice": lambda p: p + ";created=1763899200",
    "another parameter": lambda p: p + ';extra="1"',
    "another tag": parameter("tag", '"dpop"'),
    "a short nonce": parameter("nonce", '"AAAAAAAAAAAAAAAAAAAAA"'),
    "a nonce of other characters": parameter("nonce", '"AAAAAAAAAAAAAAAAAAAA /"'),
    "created as a text": parameter("created", f'"{int(NOW.timestamp())}"'),
    "created as a fraction": parameter("created", f"{int(NOW.timestamp())}.5"),
    "expired": at(-60, 0),
    "long expired": at(-400, -300),
    "not yet valid": at(6, 66),
    "too long a life": at(-1, 120),
    "no life": at(1, 1),
    "life backwards": at(2, 1),
    "a keyid of nobody": parameter("keyid", f'"{"A" * 43}"'),
    "the kid as keyid": parameter("keyid", '"officer ed25519"'),
    "another listed key's id": parameter("keyid", f'"{SIGNERS["ecdsa-p256-sha256"].signer}"'),
    "another algorithm": parameter("alg", '"ecdsa-p256-sha256"'),
    "a shared secret": parameter("alg", '"hmac-sha256"'),
    "RSA of old": parameter("alg", '"rsa-v1_5-sha256"'),
    "a stray space": lambda p: p.replace(";created", "; created"),
}


@pytest.mark.parametrize("change", WELL_SIGNED.values(), ids=WELL_SIGNED)
def test_refuses_what_is_signed_in_another_way(change):
    """Each of these signatures holds over its own base."""
    request = resigned(signed(), change)
    if change is not WELL_SIGNED["life backwards"]:
        assert line(request, b"signature-input") != line(signed(), b"signature-input")
    refused(request)
    assert asks(resigned(signed(), lambda params: params)).signed


def test_names_what_must_be_covered():
    assert '"@method" "@target-uri" "disclosure-request"' in refused(
        resigned(signed(), without("@method"))
    )


def test_holds_at_the_edges_of_its_time():
    for created, expires, ok in ((5, 65, True), (6, 66, False), (-119, 1, True), (-120, 0, False)):
        request = resigned(signed(), at(created, expires))
        if ok:
            assert asks(request).signed
        else:
            refused(request)


BAD_URLS = (
    "https://rdap.registrar.example/domain/EXAMPLE.com",
    "https://rdap.registrar.example/domain/example.com.",
    "https://rdap.registrar.example/domain/b%C3%BCcher.example",
    "https://rdap.registrar.example/domain/bücher.example",
    "https://rdap.registrar.example/domain/",
    "https://rdap.registrar.example/domain/example.com?a=b",
    "https://rdap.registrar.example/domain/x/../example.com",
)


@pytest.mark.parametrize("url", BAD_URLS)
def test_takes_one_spelling_of_a_domain(url):
    try:
        request = signed(url=url)
    except UnicodeEncodeError:
        request = replace(signed(), url=url)
    refused(request)


BAD_WORDS = (
    "",
    'purpose="a",basis="b"',
    'purpose="a", purpose="b"',
    'purpose="a";q=1',
    "purpose",
    "purpose=a",
    'Purpose="a"',
    'purpose="a", ',
    'elements=("a"  "b")',
    'elements=( "a")',
    'elements=("a" b)',
    'elements="a"',
    'purpose=("a")',
    'purpose="a\\x"',
    'other="a"',
    'purpose="\x7f"',
)


@pytest.mark.parametrize("words", BAD_WORDS)
def test_takes_one_spelling_of_a_question(words):
    refused(signed(disclosure=words))


def test_reads_words_as_the_server_does():
    """What the base is read to say is what `Disclosure-Request` is read to say."""
    said = read_signature_base(asks(signed()).signed.base).words
    asked = disclosure_request.parse(DISCLOSURE)
    assert said == {
        "purpose": asked.purpose,
        "basis": asked.basis,
        "case": asked.case,
        "elements": list(asked.elements),
    }


# --- Keys --------------------------------------------------------------------------------------


def test_refuses_a_key_that_nobody_listed():
    assert "directory" in refused(signed(STRANGER))


def test_refuses_a_key_under_the_name_of_another():
    """The stranger signs, and names a listed key."""
    mine = signed(STRANGER)
    refused(
        with_line(
            mine,
            b"signature-input",
            line(mine, b"signature-input").replace(STRANGER.signer, SIGNERS["ed25519"].signer),
        )
    )


BAD_KEYS = {
    "private": jwk(PRIVATE["ed25519"], "a", d="AAAA"),
    "symmetric": {"kty": "oct", "k": "AAAA", "kid": "a"},
    "without kid": {k: v for k, v in jwk(PRIVATE["ed25519"], "a").items() if k != "kid"},
    "empty kid": jwk(PRIVATE["ed25519"], ""),
    "hidden kid": jwk(PRIVATE["ed25519"], "a\u202eb"),
    "encryption": jwk(PRIVATE["rsa-pss-sha512"], "a", use="enc"),
    "another algorithm": jwk(PRIVATE["rsa-pss-sha512"], "a", alg="RS256"),
    "signing": jwk(PRIVATE["ed25519"], "a", key_ops=["sign", "verify"]),
    "padding": jwk(PRIVATE["ed25519"], "a") | {"x": jwk(PRIVATE["ed25519"], "a")["x"] + "="},
    "off the curve": jwk(PRIVATE["ecdsa-p256-sha256"], "a") | {"y": "A" * 43},
    "no object": "key",
    "no numbers": {"kty": "EC", "crv": "P-256", "x": 1, "y": 2, "kid": "a"},
}


@pytest.mark.parametrize("bad", BAD_KEYS.values(), ids=BAD_KEYS)
def test_lists_no_key_that_cannot_be_used(bad):
    with pytest.raises(MalformedAuthority, match="proof"):
        record(jwk(PRIVATE["ecdsa-p256-sha256"], "b"), bad)


@pytest.mark.parametrize(
    "key",
    [rsa.generate_private_key(65537, 1024), rsa.generate_private_key(3, 2048),  # noqa: S505
     ec.generate_private_key(ec.SECP384R1())],
    ids=["short", "exponent", "curve"],
)  # fmt: skip
def test_signs_with_no_key_that_nobody_takes(key):
    with pytest.raises(MissingKey):
        QuestionSigner(key)


def test_lists_a_key_once():
    key = jwk(PRIVATE["ed25519"], "a")
    with pytest.raises(MalformedAuthority):
        record(key, key | {"kid": "b"})
    with pytest.raises(MalformedAuthority, match="one person"):
        Directory([Authority(record(key), 1), Authority(record(key, name="B"), 2)], "a")


def test_refuses_when_the_authority_is_gone():
    gone = Authority(record(jwk(PRIVATE["ed25519"], "a"), valid_until="2026-11-23T12:00:00Z"), 1)
    refused(signed(), directory=Directory([gone], "a"))
    refused(signed(), directory=Directory([], "a"))


# --- Replay ------------------------------------------------------------------------------------


def test_takes_a_nonce_once():
    nonces, request = Nonces(), signed()
    assert asks(request, nonces=nonces).signed
    assert "nonce" in refused(request, nonces=nonces)
    assert "nonce" in refused(request, nonces=nonces, now=later(59))
    assert "expired" in refused(request, nonces=nonces, now=later(60))


def test_takes_a_nonce_of_two_keys():
    nonces, request = Nonces(), signed()
    nonce = read_signature_base(asks(request, nonces=nonces).signed.base).nonce
    other = resigned(
        signed(SIGNERS["ecdsa-p256-sha256"]), parameter("nonce", f'"{nonce}"'), "ecdsa-p256-sha256"
    )
    assert asks(other, nonces=nonces).signed


def test_uses_no_nonce_up_for_a_forgery():
    nonces, request = Nonces(), signed()
    refused(flipped(request), nonces=nonces)
    assert asks(request, nonces=nonces).signed


def test_forgets_a_nonce_only_once_it_is_dead():
    nonces, request = Nonces(), signed()
    asks(request, nonces=nonces)
    asks(signed(at=later(61)), nonces=nonces, now=later(61))
    assert len(nonces._alive) == len(nonces._ends) == nonces._of.total() == 1
    # The clock steps back; the first signature would be alive again.
    assert "nonce" in refused(request, nonces=nonces, now=later(1))


def test_is_bounded(monkeypatch):
    monkeypatch.setattr(signature, "MAX_ALIVE", 5)
    monkeypatch.setattr(signature, "MAX_ALIVE_OF_ONE", 3)
    nonces = Nonces()
    for _ in range(3):
        asks(signed(), nonces=nonces)
    assert "later" in refused(signed(), nonces=nonces)
    for _ in range(2):
        asks(signed(SIGNERS["ecdsa-p256-sha256"]), nonces=nonces)
    assert "later" in refused(signed(SIGNERS["rsa-pss-sha512"]), nonces=nonces)
    assert asks(signed(at=later(60)), nonces=nonces, now=later(60)).signed


# --- Beside another credential ------------------------------------------------------------------


def test_covers_a_token_by_its_digest_alone():
    request = signed(authorization=BEARER)
    kept = asks(request).signed
    assert BEARER not in kept.base
    assert "eyJ" not in kept.base
    for change in (
        lambda r: with_line(r, b"authorization", BEARER + "x"),
        lambda r: with_line(r, b"authorization", None),
        lambda r: with_line(r, b"authorization-digest", None),
        lambda r: with_line(r, b"authorization-digest", authorization_digest(BEARER + "x")),
    ):
        refused(change(request))
    covers = resigned(
        with_line(signed(), b"authorization", BEARER),
        lambda p: p.replace('"disclosure-request"', '"disclosure-request" "authorization"'),
    )
    assert "eyJ" not in refused(covers)


def test_proves_one_person_by_two_credentials():
    by_key = asks(signed())
    for first, second in ((PROVED, by_key), (by_key, PROVED)):
        both = together(first, second)
        assert both.signed == by_key.signed
        assert both.proved_by == f"{first.proved_by}+{second.proved_by}"
        assert both.assurance is Assurance.HIGH
        assert both.valid_until == by_key.valid_until
    narrow = replace(PROVED, purposes=frozenset({Purpose.LEGAL_ACTIONS}), bases=frozenset())
    both = together(narrow, by_key)
    assert (both.purposes, both.bases) == (frozenset(), frozenset())
    assert LegalBasis.NATIONAL_ORDER in by_key.bases


@pytest.mark.parametrize(
    "other", [{"person": "somebody"}, {"authority": "Another"}, {"listed": 8}], ids=str
)
def test_refuses_two_persons_in_one_request(other):
    with pytest.raises(CredentialRefused):
        together(replace(PROVED, **other), asks(signed()))


# --- Any change at all --------------------------------------------------------------------------


@given(st.data())
def test_refuses_any_changed_character(data):
    request = signed()
    name = data.draw(st.sampled_from([b"signature-input", b"signature", b"disclosure-request"]))
    value = line(request, name)
    place = data.draw(st.integers(0, len(value) - 1))
    character = data.draw(st.characters(min_codepoint=0x21, max_codepoint=0x7E))
    changed = value[:place] + character + value[place + 1 :]
    other = with_line(request, name, changed)
    relabelled = changed.partition("=")[2] == value.partition("=")[2]
    if changed != value and not (relabelled and name == b"disclosure-request"):
        refused(other)


@given(st.text(max_size=200), st.text(max_size=200))
def test_refuses_anything_with_its_own_error(said, made):
    headers = tuple(
        (name, text.encode("utf-8", "surrogatepass"))
        for name, text in ((b"signature-input", said), (b"signature", made))
    )
    refused(replace(signed(), headers=headers))
