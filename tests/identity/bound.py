"""Tokens that are bound to a key, proofs of that key, and forgeries of both, made for real."""

import hashlib
import itertools
import json

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.identity.tokens import (
    ISSUERS,
    NOW,
    RSA,
    b64,
    claims,
    ec_jwk,
    ed_jwk,
    hmac_with,
    rsa_jwk,
    sign_rsa,
    token,
)

from whoisgate.identity.bearer import Bearer
from whoisgate.identity.dpop import Proofs
from whoisgate.presented import Presented

KEY = b"k" * 32
URL = "https://rdap.example/domain/example.com"
HOLDER = ec.derive_private_key(9449, ec.SECP256R1())
ED_HOLDER = ed25519.Ed25519PrivateKey.from_private_bytes(b"h" * 32)
THIEF = ec.derive_private_key(666, ec.SECP256R1())
CERTIFICATE = b"the DER of a client certificate"
OTHER_CERTIFICATE = b"the DER of another"
IDS = itertools.count()


def sha(raw):
    return b64(hashlib.sha256(raw).digest())


def jkt(jwk):
    """RFC 7638 §3, written on its own."""
    names = ["crv", "e", "kty", "n", "x", "y"]
    kept = {name: jwk[name] for name in names if name in jwk}
    return sha(json.dumps(kept, separators=(",", ":")).encode())


def jwk_of(key):
    return ec_jwk(key) if isinstance(key, ec.EllipticCurvePrivateKey) else ed_jwk(key)


def pem(key, encryption=None):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def sign_with(key):
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign

    def sign(message):
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)

    return sign


def bound(key=HOLDER, **more):
    """A token that is bound to this key."""
    return token(body=claims(cnf={"jkt": jkt(jwk_of(key))}, **more))


BOUND = bound()
ED_BOUND = bound(ED_HOLDER)
UNBOUND = token()
CERTIFICATE_BOUND = token(body=claims(cnf={"x5t#S256": sha(CERTIFICATE)}))
BOTH_BOUND = token(body=claims(cnf={"x5t#S256": sha(CERTIFICATE), "jkt": jkt(jwk_of(HOLDER))}))
NONCE = Proofs(KEY).nonce(NOW)


def proof_header(key=HOLDER, **more):
    alg = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "EdDSA"
    held = {"typ": "dpop+jwt", "alg": alg, "jwk": jwk_of(key), **more}
    return {name: value for name, value in held.items() if value is not ...}


def proof_claims(access=BOUND, **more):
    held = {
        "jti": f"proof-{next(IDS)}",
        "htm": "GET",
        "htu": URL,
        "iat": int(NOW.timestamp()),
        "ath": sha(access.encode()),
        "nonce": NONCE,
        **more,
    }
    return {name: value for name, value in held.items() if value is not ...}


def proof(head=None, body=None, *, key=HOLDER, sign=None, access=BOUND, **more):
    """A proof for ``access`` by ``key``; ``more`` replaces claims."""
    return token(
        proof_header(key) if head is None else head,
        proof_claims(access, **more) if body is None else body,
        sign or sign_with(key),
    )


def presented(access, *proofs, scheme="DPoP", method="GET", url=URL, certificates=()):
    lines = [(b"authorization", f"{scheme} {access}".encode("latin-1"))]
    lines += [(b"dpop", each.encode("utf-8", "surrogatepass")) for each in proofs]
    return Presented(method, url, tuple(lines), certificates)


def verifier():
    return Bearer(ISSUERS, Proofs(KEY))


PRIVATE_JWK = {**jwk_of(HOLDER), "d": b64((9449).to_bytes(32))}
ATH = sha(BOUND.encode())

GOOD_PROOFS = {
    "ES256": lambda: presented(BOUND, proof()),
    "EdDSA": lambda: presented(ED_BOUND, proof(key=ED_HOLDER, access=ED_BOUND)),
    "Ed25519 (RFC 9864)": lambda: presented(
        ED_BOUND, proof(proof_header(ED_HOLDER, alg="Ed25519"), key=ED_HOLDER, access=ED_BOUND)
    ),
    "the scheme in other letters": lambda: presented(BOUND, proof(), scheme="dpop"),
    "a kid beside the key": lambda: presented(BOUND, proof(proof_header(kid="mine"))),
    "a key with more members": lambda: presented(
        BOUND, proof(proof_header(jwk={**jwk_of(HOLDER), "use": "sig", "kid": "mine"}))
    ),
    "HEAD": lambda: presented(BOUND, proof(htm="HEAD"), method="HEAD"),
    "a query that the proof leaves out": lambda: presented(
        BOUND, proof(), url=URL + "?farv1_qp=legalActions"
    ),
    "a query and fragment in the proof": lambda: presented(BOUND, proof(htu=URL + "?a=b#c")),
    "an upper-case host": lambda: presented(
        BOUND, proof(htu="HTTPS://RDAP.Example/domain/example.com")
    ),
    "the usual port": lambda: presented(
        BOUND, proof(htu="https://rdap.example:443/domain/example.com")
    ),
    "no path at all": lambda: presented(
        BOUND, proof(htu="https://rdap.example"), url="https://rdap.example/"
    ),
    "percent-encoding in lower case": lambda: presented(
        BOUND, proof(htu="https://rdap.example/domain/%c3%a4.%65xample"),
        url="https://rdap.example/domain/%C3%A4.example",
    ),
    "a clock that is five minutes ahead": lambda: presented(
        BOUND, proof(iat=int(NOW.timestamp()) + 300)
    ),
    "a clock that is five minutes behind": lambda: presented(
        BOUND, proof(iat=int(NOW.timestamp()) - 300)
    ),
    "unknown claims": lambda: presented(BOUND, proof(exp=1, aud="else")),
    "bound to a certificate as well": lambda: presented(
        BOTH_BOUND, proof(access=BOTH_BOUND), certificates=(CERTIFICATE,)
    ),
}  # fmt: skip

PROOF_ATTACKS = {
    "no proof": (BOUND,),
    "two proofs": (BOUND, proof(), proof()),
    "an empty proof": (BOUND, ""),
    "a list of proofs": (BOUND, f"{proof()}, {proof()}"),
    "the token itself as its proof": (BOUND, BOUND),
    "no text": (BOUND, "\ud800"),
    "alg none": (BOUND, proof(proof_header(alg="none"), sign=lambda _: b"")),
    "alg none with a signature": (BOUND, proof(proof_header(alg="none"))),
    "no alg": (BOUND, proof(proof_header(alg=...))),
    "alg is a list": (BOUND, proof(proof_header(alg=["ES256"]))),
    "HS256 with the public key": (
        BOUND, proof(proof_header(alg="HS256"), sign=hmac_with(json.dumps(jwk_of(HOLDER)).encode()))
    ),
    "HS256 with a symmetric jwk": (
        BOUND,
        proof(proof_header(alg="HS256", jwk={"kty": "oct", "k": b64(b"s")}), sign=hmac_with(b"s")),
    ),
    "RS256": (BOUND, proof(proof_header(alg="RS256", jwk=rsa_jwk(RSA)), sign=sign_rsa)),
    "EdDSA over a P-256 key": (BOUND, proof(proof_header(alg="EdDSA"))),
    "ES256 over an Ed25519 key": (
        ED_BOUND, proof(proof_header(ED_HOLDER, alg="ES256"), key=ED_HOLDER, access=ED_BOUND)
    ),
    "ECDSA as DER": (BOUND, proof(sign=lambda m: HOLDER.sign(m, ec.ECDSA(SHA256())))),
    "ECDSA of zeros": (BOUND, proof(sign=lambda _: bytes(64))),
    "no signature": (BOUND, proof(sign=lambda _: b"")),
    "another's key": (BOUND, proof(key=THIEF)),
    "another's signature under the holder's key": (BOUND, proof(sign=sign_with(THIEF))),
    "the thief's point under the holder's x": (
        BOUND, proof(proof_header(jwk={**jwk_of(THIEF), "x": jwk_of(HOLDER)["x"]}))
    ),
    "a private jwk": (BOUND, proof(proof_header(jwk=PRIVATE_JWK))),
    "no jwk": (BOUND, proof(proof_header(jwk=...))),
    "jwk is text": (BOUND, proof(proof_header(jwk=json.dumps(jwk_of(HOLDER))))),
    "jwk is a list": (BOUND, proof(proof_header(jwk=[jwk_of(HOLDER)]))),
    "jwk with a list as x": (BOUND, proof(proof_header(jwk={**jwk_of(HOLDER), "x": ["A"]}))),
    "jwk with a padded x": (
        BOUND, proof(proof_header(jwk={**jwk_of(HOLDER), "x": jwk_of(HOLDER)["x"] + "="}))
    ),
    "jwk without y": (BOUND, proof(proof_header(jwk={
        k: v for k, v in jwk_of(HOLDER).items() if k != "y"}))),
    "crit": (BOUND, proof(proof_header(crit=["exp2"], exp2=1))),
    "crit empty": (BOUND, proof(proof_header(crit=[]))),
    "jku": (BOUND, proof(proof_header(jku="http://192.0.2.1/keys"))),
    "x5c": (BOUND, proof(proof_header(x5c=["AAAA"]))),
    "b64 false": (BOUND, proof(proof_header(b64=False))),
    "the type of a token": (BOUND, proof(proof_header(typ="at+jwt"))),
    "the type JWT": (BOUND, proof(proof_header(typ="JWT"))),
    "no type": (BOUND, proof(proof_header(typ=...))),
    "no jti": (BOUND, proof(jti=...)),
    "an empty jti": (BOUND, proof(jti="")),
    "jti is a number": (BOUND, proof(jti=7)),
    "a jti too long": (BOUND, proof(jti="x" * 256)),
    "no htm": (BOUND, proof(htm=...)),
    "another method": (BOUND, proof(htm="POST")),
    "the method in lower case": (BOUND, proof(htm="get")),
    "HEAD for GET": (BOUND, proof(htm="HEAD")),
    "no htu": (BOUND, proof(htu=...)),
    "htu is a list": (BOUND, proof(htu=[URL])),
    "another domain": (BOUND, proof(htu="https://rdap.example/domain/example.net")),
    "the domain in upper case": (BOUND, proof(htu="https://rdap.example/domain/EXAMPLE.com")),
    "another host": (BOUND, proof(htu="https://rdap.evil.example/domain/example.com")),
    "another port": (BOUND, proof(htu="https://rdap.example:8443/domain/example.com")),
    "port 0": (BOUND, proof(htu="https://rdap.example:0/domain/example.com")),
    "clear text": (BOUND, proof(htu="http://rdap.example/domain/example.com")),
    "a longer path": (BOUND, proof(htu=URL + "/")),
    "a path with dots": (BOUND, proof(htu="https://rdap.example/x/../domain/example.com")),
    "a slash encoded": (BOUND, proof(htu="https://rdap.example/domain%2Fexample.com")),
    "a path alone": (BOUND, proof(htu="/domain/example.com")),
    "userinfo": (BOUND, proof(htu="https://x@rdap.example/domain/example.com")),
    "a backslash": (BOUND, proof(htu="https://rdap.example\\.evil.example/domain/example.com")),
    "a space before": (BOUND, proof(htu=" " + URL)),
    "a line break in it": (BOUND, proof(htu="https://rdap.example/domain/exam\nple.com")),
    "no URL": (BOUND, proof(htu="https://[")),
    "no iat": (BOUND, proof(iat=...)),
    "iat is text": (BOUND, proof(iat=str(int(NOW.timestamp())))),
    "iat is true": (BOUND, proof(iat=True)),
    "an old iat": (BOUND, proof(iat=int(NOW.timestamp()) - 301)),
    "an iat to come": (BOUND, proof(iat=int(NOW.timestamp()) + 301)),
    "no ath": (BOUND, proof(ath=...)),
    "ath of another token": (BOUND, proof(access=ED_BOUND)),
    "ath in hexadecimal": (BOUND, proof(ath=hashlib.sha256(BOUND.encode()).hexdigest())),
    "ath with padding": (BOUND, proof(ath=ATH + "=")),
    "duplicate claim": (BOUND, proof(body=json.dumps(proof_claims())[:-1] + ', "htm": "GET"}')),
    "duplicate header member": (
        BOUND, proof(json.dumps(proof_header())[:-1] + ', "alg": "ES256"}')
    ),
    "deep JSON": (BOUND, proof(body='{"a": ' + "[" * 900 + "]" * 900 + "}")),
    "oversized": (BOUND, proof(pad="x" * 8192)),
    "claims are a list": (BOUND, proof(body="[1]")),
}  # fmt: skip
"""The token and the `DPoP` lines; sent as `DPoP`, GET, to `URL`."""

NONCE_ATTACKS = {
    "no nonce": proof(nonce=...),
    "a nonce of somebody else's": proof(nonce=Proofs(b"x" * 32).nonce(NOW)),
    "an empty nonce": proof(nonce=""),
    "a nonce that is a list": proof(nonce=[NONCE]),
    "a nonce that is no ASCII": proof(nonce="\ud800ä"),
    "a part of the nonce": proof(nonce=NONCE[:-1]),
}
