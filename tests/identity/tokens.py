"""Issuers, tokens and forgeries, made for real with keys of our own."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from whoisgate.identity.authority import Authority, Record
from whoisgate.identity.directory import Directory
from whoisgate.identity.issuer import Issuer
from whoisgate.presented import Presented
from whoisgate.queries import Purpose

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ED = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ED_OTHER = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
EC = ec.derive_private_key(20261123, ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
RSA_SMALL = rsa.generate_private_key(65537, 1024)  # noqa: S505  to be refused
PURPOSE = Purpose.CRIMINAL_INVESTIGATION


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def number(value):
    return b64(value.to_bytes((value.bit_length() + 7) // 8))


def ed_jwk(key, **more):
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(raw), **more}


def ec_jwk(key, **more):
    point = key.public_key().public_numbers()
    x, y = (b64(n.to_bytes(32)) for n in (point.x, point.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, **more}


def rsa_jwk(key, **more):
    public = key.public_key().public_numbers()
    return {"kty": "RSA", "n": number(public.n), "e": number(public.e), **more}


def jwks(*keys):
    return json.dumps({"keys": keys})


AUDIENCE = "https://rdap.registrar.example"
ALL_PURPOSES = frozenset(purpose.value for purpose in Purpose)
PURPOSES = frozenset({PURPOSE, Purpose.LEGAL_ACTIONS})


def record(name, kind, *proof, **more):
    """A record of the directory that allows two purposes and one basis."""
    said = {
        "authority": name,
        "kind": kind,
        "country": "NO",
        "jurisdiction": "same_country",
        "purposes": sorted(PURPOSES),
        "bases": ["national_order"],
        "proof": list(proof),
        "vetted": {"by": "Ann Operator", "how": "called back", "on": "2026-11-01"},
        **more,
    }
    return Record.of(said, name)


def by_token(iss, algorithm, keys, **more):
    """A proof by token."""
    return {"method": "token", "iss": iss, "algorithm": algorithm, "assurance": "high",
            "keys": json.loads(keys), **more}  # fmt: skip


def issuer(authority, audience=AUDIENCE):
    """The issuer of the first proof of an authority."""
    return Issuer.listed(authority, authority.record.proof[0], audience)


RECORDS = [
    record("Police of Example", "police",
           by_token("https://id.police.example", "EdDSA", jwks(ed_jwk(ED, kid="2026")))),
    record("Court", "court",
           by_token("https://court.example", "ES256", jwks(ec_jwk(EC, kid="c1")))),
    record("CSIRT", "csirt",
           by_token("https://csirt.example", "RS256",
                    jwks(rsa_jwk(RSA, kid="r1", use="sig", alg="RS256")))),
]  # fmt: skip
AUTHORITIES = [Authority(each, entry) for entry, each in enumerate(RECORDS, 1)]
DIRECTORY = Directory(AUTHORITIES, AUDIENCE)
ISSUERS = POLICE, COURT, CSIRT = [issuer(each) for each in AUTHORITIES]


def sign_ed(message, key=ED):
    return key.sign(message)


def sign_ec(message):
    r, s = decode_dss_signature(EC.sign(message, ec.ECDSA(SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def sign_rsa(message):
    return RSA.sign(message, padding.PKCS1v15(), SHA256())


def claims(**more):
    held = {
        "iss": POLICE.proof.iss,
        "sub": "officer-7",
        "aud": POLICE.audience,
        "iat": int(NOW.timestamp()) - 10,
        "exp": int(NOW.timestamp()) + 600,
        **more,
    }
    return {name: value for name, value in held.items() if value is not ...}


def header(**more):
    held = {"alg": "EdDSA", "typ": "at+jwt", "kid": "2026", **more}
    return {name: value for name, value in held.items() if value is not ...}


def token(head=None, body=None, sign=sign_ed):
    parts = [
        b64((part if isinstance(part, str) else json.dumps(part)).encode())
        for part in (header() if head is None else head, claims() if body is None else body)
    ]
    message = ".".join(parts).encode()
    return f"{message.decode()}.{b64(sign(message))}"


def bearing(text):
    """A request that carries this as its token."""
    line = b"Bearer " + text.encode("utf-8", "surrogatepass")
    return Presented("GET", "https://rdap.example/", ((b"authorization", line),))


GOOD = {
    "EdDSA": token(),
    "Ed25519 (RFC 9864)": token(header(alg="Ed25519")),
    "without a kid": token(header(kid=...)),
    "plain JWT": token(header(typ="JWT")),
    "media type": token(header(typ="application/AT+jwt")),
    "several audiences": token(body=claims(aud=["https://else.example", POLICE.audience])),
    "ES256": token(header(alg="ES256", kid="c1"), claims(iss=COURT.proof.iss), sign_ec),
    "RS256": token(header(alg="RS256", kid="r1"), claims(iss=CSIRT.proof.iss), sign_rsa),
    "a clock 5 s ahead": token(body=claims(iat=int(NOW.timestamp()) + 5)),
    "fractions of a second": token(body=claims(exp=NOW.timestamp() + 0.5)),
    "unknown claims": token(body=claims(scope="rdap", jti="1", admin=True)),
    "no do-not-track": token(body=claims(rdap_dnt_allowed=False)),
}


def hmac_with(secret):
    return lambda message: hmac.digest(secret, message, hashlib.sha256)


RSA_PEM = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
RSA_DER = RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
ED_RAW = ED.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
CSIRT_CLAIMS = claims(iss=CSIRT.proof.iss)


def flip_last(text):
    return text[:-2] + ("A" if text[-2] != "A" else "B") + text[-1]


ATTACKS = {
    "alg none": token(header(alg="none"), sign=lambda _: b""),
    "alg none with a signature": token(header(alg="none")),
    "alg nOnE": token(header(alg="nOnE"), sign=lambda _: b"x"),
    "no alg": token(header(alg=...)),
    "alg is a list": token(header(alg=["EdDSA"])),
    "alg is null": token(header(alg=None)),
    "empty signature": token(sign=lambda _: b""),
    "signature cut off": token().rpartition(".")[0],
    "HS256 with the RSA key's PEM": token(
        header(alg="HS256", kid="r1"), CSIRT_CLAIMS, hmac_with(RSA_PEM)
    ),
    "HS256 with the RSA key's DER": token(
        header(alg="HS256", kid="r1"), CSIRT_CLAIMS, hmac_with(RSA_DER)
    ),
    "HS256 claimed as RS256": token(
        header(alg="RS256", kid="r1"), CSIRT_CLAIMS, hmac_with(RSA_PEM)
    ),
    "HS256 with the Ed25519 key": token(header(alg="HS256"), sign=hmac_with(ED_RAW)),
    "HS256 with an empty secret": token(header(alg="HS256"), sign=hmac_with(b"")),
    "RS256 at an issuer of EdDSA": token(header(alg="RS256"), sign=sign_rsa),
    "ES256 at an issuer of EdDSA": token(header(alg="ES256"), sign=sign_ec),
    "PS256 at an issuer of RS256": token(
        header(alg="PS256", kid="r1"), CSIRT_CLAIMS,
        lambda m: RSA.sign(m, padding.PSS(padding.MGF1(SHA256()), 32), SHA256()),
    ),
    "RSA signature under the right name at the wrong issuer": token(sign=sign_rsa),
    "ECDSA as DER": token(
        header(alg="ES256", kid="c1"), claims(iss=COURT.proof.iss),
        lambda m: EC.sign(m, ec.ECDSA(SHA256())),
    ),
    "ECDSA of zeros": token(
        header(alg="ES256", kid="c1"), claims(iss=COURT.proof.iss), lambda _: bytes(64)
    ),
    "another issuer's name over our own key": token(body=claims(iss=COURT.proof.iss)),
    "another Ed25519 key": token(sign=ED_OTHER.sign),
    "an embedded jwk": token(header(jwk=ed_jwk(ED_OTHER)), sign=ED_OTHER.sign),
    "an embedded jwk, signed rightly": token(header(jwk=ed_jwk(ED))),
    "jku": token(header(jku="http://192.0.2.1/keys")),
    "x5u": token(header(x5u="http://192.0.2.1/chain")),
    "x5c": token(header(x5c=["AAAA"])),
    "crit unknown": token(header(crit=["exp2"], exp2=1)),
    "crit known": token(header(crit=["kid"])),
    "crit empty": token(header(crit=[])),
    "b64 false": token(header(b64=False, crit=["b64"])),
    "zip": token(header(zip="DEF")),
    "nested JWT": token(header(cty="JWT")),
    "kid is a path": token(header(kid="../../../../dev/null"), sign=hmac_with(b"")),
    "kid is SQL": token(header(kid="x' UNION SELECT 'secret'--"), sign=hmac_with(b"secret")),
    "kid is a URL": token(header(kid="http://192.0.2.1/key")),
    "kid is empty": token(header(kid="")),
    "kid is a number": token(header(kid=2026)),
    "kid is a list": token(header(kid=["2026"])),
    "kid of another issuer": token(header(kid="c1")),
    "typ missing": token(header(typ=...)),
    "typ of a logout token": token(header(typ="logout+jwt")),
    "typ of a DPoP proof": token(header(typ="dpop+jwt")),
    "typ is a list": token(header(typ=["JWT"])),
    "an ID token by its nonce": token(header(typ="JWT"), claims(nonce="n")),
    "an ID token by its at_hash": token(header(typ="JWT"), claims(at_hash="h")),
    "duplicate claim": token(
        body=json.dumps(claims())[:-1] + ', "sub": "somebody-else"}'
    ),
    "duplicate header member": token('{"alg": "EdDSA", "typ": "JWT", "alg": "none"}'),
    "duplicate by escape": token('{"alg": "EdDSA", "typ": "JWT", "\\u0061lg": "EdDSA"}'),
    "deep JSON": token(body='{"iss": "x", "a": ' + "[" * 2500 + "]" * 2500 + "}"),
    "deep header": token('{"alg":' + "[" * 300 + "]" * 300 + "}"),
    "oversized": token(body=claims(pad="x" * 8192)),
    "a huge integer": token(body=json.dumps(claims())[:-1] + ', "n": ' + "9" * 5000 + "}"),
    "NaN": token(body=json.dumps(claims())[:-1] + ', "nan": NaN}'),
    "exp is NaN": token(body=json.dumps(claims(exp=...))[:-1] + ', "exp": NaN}'),
    "exp overflows": token(body=json.dumps(claims(exp=...))[:-1] + ', "exp": 1e400}'),
    "claims are a list": token(body="[1]"),
    "claims are no JSON": token(body="{iss: x}"),
    "claims in UTF-16": token(body="{}").split(".")[0]
    + "." + b64(json.dumps(claims()).encode("utf-16")) + ".AAAA",
    "header is a string": token('"alg"'),
    "padding": token() + "=",
    "a line break at the end": token() + "\n",
    "a space within": token().replace(".", " .", 1),
    "standard base64": token().replace("_", "/").replace("-", "+") + "+",
    "stray bits in the last character": flip_last(token())[:-1] + "_",
    "one signature bit": flip_last(token()),
    "four parts": token() + ".AAAA",
    "five parts (JWE)": "AAAA.AAAA.AAAA.AAAA.AAAA",
    "JSON serialisation": json.dumps({"payload": "AAAA", "signatures": []}),
    "empty": "",
    "dots": "..",
    "no ASCII": token().replace("a", "ä"),
    "full-width dots": token().replace(".", "\uff0e"),
    "a surrogate": "\ud800",
    "unknown issuer": token(body=claims(iss="https://else.example")),
    "iss with a slash at the end": token(body=claims(iss=POLICE.proof.iss + "/")),
    "iss is a list": token(body=claims(iss=[POLICE.proof.iss])),
    "no iss": token(body=claims(iss=...)),
    "wrong audience": token(body=claims(aud="https://else.example")),
    "audience as a part of a text": token(body=claims(aud=POLICE.audience + ".evil.example")),
    "no audience": token(body=claims(aud=...)),
    "audience is an object": token(body=claims(aud={POLICE.audience: 1})),
    "empty audience": token(body=claims(aud=[])),
    "expired now": token(body=claims(exp=int(NOW.timestamp()))),
    "expired": token(body=claims(exp=int(NOW.timestamp()) - 1)),
    "no exp": token(body=claims(exp=...)),
    "exp as text": token(body=claims(exp=str(int(NOW.timestamp()) + 600))),
    "exp is true": token(body=claims(exp=True)),
    "exp is negative": token(body=claims(exp=-1)),
    "exp beyond the calendar": token(body=claims(exp=10**15)),
    "no iat": token(body=claims(iat=...)),
    "issued in the future": token(body=claims(iat=int(NOW.timestamp()) + 6)),
    "not yet valid": token(body=claims(nbf=int(NOW.timestamp()) + 6)),
    "nbf as text": token(body=claims(nbf="0")),
    "lives too long": token(body=claims(exp=int(NOW.timestamp()) + 86_400)),
    "no sub": token(body=claims(sub=...)),
    "empty sub": token(body=claims(sub="")),
    "sub is a number": token(body=claims(sub=7)),
    "sub with a control character": token(body=claims(sub="officer\x1b[2J")),
    "sub with a line break": token(body=claims(sub="officer\nadmin")),
    "sub with a lone surrogate": token(body=claims(sub="\ud800")),
    "sub too long": token(body=claims(sub="x" * 256)),
    "do not track as text": token(body=claims(rdap_dnt_allowed="true")),
    "purposes as text": token(body=claims(rdap_allowed_purposes=PURPOSE.value)),
    "purposes of numbers": token(body=claims(rdap_allowed_purposes=[1])),
}  # fmt: skip
