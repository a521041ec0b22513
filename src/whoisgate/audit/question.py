"""Signing a question (RFC 9421), so that the requester can prove what was asked.

Reading and verifying is in `verify`. Whatever a verifier takes is covered, in one order. Another
credential that comes along is covered by its digest alone: what is signed is kept in the log, and
a token must not be.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from whoisgate.audit.draft import JSON
from whoisgate.audit.verify import (
    QUESTION_TAG,
    VerificationFailed,
    b64url,
    canonical_json,
    question_key,
    thumbprint,
)
from whoisgate.errors import MissingKey
from whoisgate.queries import Signed

LIFETIME_S: Final = 60
NONCE_BYTES: Final = 16
_LABEL: Final = "question"

PrivateKey = Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A signature as it is kept, and the header lines that carry it."""

    signed: Signed
    headers: dict[str, str]


class QuestionSigner:
    """A requester's private key: Ed25519, P-256, or RSA of 2,048 to 4,096 bits.

    ``jwk`` is the canonical JSON of its public half and ``signer`` its thumbprint (RFC 7638);
    ``algorithm`` is named as in RFC 9421.
    """

    __slots__ = ("_private", "algorithm", "jwk", "signer")

    def __init__(self, key: PrivateKey) -> None:
        """Raises `MissingKey` for a key that no verifier takes."""
        jwk = public_jwk(key.public_key())
        self._private, self.algorithm = key, _algorithm(key)
        self.jwk, self.signer = canonical_json(jwk).decode("ascii"), thumbprint(jwk)

    def __repr__(self) -> str:
        return f"<QuestionSigner {self.signer}>"

    @classmethod
    def from_pem(cls, pem: bytes, passphrase: bytes | None = None) -> QuestionSigner:
        """The key in a PKCS #8 PEM; raises `MissingKey` when it cannot be used."""
        try:
            key = load_pem_private_key(pem, passphrase)
        except (ValueError, TypeError) as error:
            raise MissingKey("expected a PEM private key and its passphrase") from error
        if not isinstance(key, PrivateKey):
            raise MissingKey("expected an Ed25519, P-256 or RSA private key")
        return cls(key)

    def over(self, message: bytes) -> bytes:
        """The signature of any message, as `signed_with`."""
        return signed_with(self._private, message)

    def sign(
        self,
        url: str,
        *,
        at: datetime,
        nonce: bytes,
        disclosure: str | None = None,
        authorization: str | None = None,
    ) -> SignedRequest:
        """The signature of a GET of ``url`` from ``at`` on, with a ``nonce`` of 16 random bytes.

        ``disclosure`` and ``authorization`` are the values of these header lines, as they are sent.
        """
        covered = {"@method": "GET", "@target-uri": url}
        headers: dict[str, str] = {}
        if disclosure is not None:
            covered["disclosure-request"] = disclosure
        if authorization is not None:
            headers["Authorization-Digest"] = authorization_digest(authorization)
            covered["authorization-digest"] = headers["Authorization-Digest"]
        created = int(at.timestamp())
        params = (
            f"({' '.join(_quoted(name) for name in covered)});created={created}"
            f";expires={created + LIFETIME_S};nonce={_quoted(b64url(nonce))}"
            f";keyid={_quoted(self.signer)};alg={_quoted(self.algorithm)};tag={_quoted(QUESTION_TAG)}"
        )
        base = signature_base(covered, params)
        signature = self.over(base.encode("ascii"))
        headers["Signature-Input"] = f"{_LABEL}={params}"
        headers["Signature"] = f"{_LABEL}=:{base64.b64encode(signature).decode()}:"
        return SignedRequest(Signed(base, signature, self.algorithm, self.jwk), headers)


def signed_with(key: PrivateKey, message: bytes) -> bytes:
    """The signature as RFC 9421 §3.3 has it, and RFC 7515 for P-256 and Ed25519; RSA is PSS."""
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(message)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return key.sign(message, padding.PSS(padding.MGF1(SHA512()), SHA512.digest_size), SHA512())


def as_kept(signed: Signed) -> dict[str, JSON]:
    """A requester's signature as an entry commits to it, in ``detail``."""
    return {
        "base": signed.base,
        "signature": b64url(signed.signature),
        "algorithm": signed.algorithm,
        "key": json.loads(signed.key),
    }


def signature_base(covered: dict[str, str], params: str) -> str:
    """The lines of covered components and of the parameters, as given; RFC 9421 §2.5."""
    lines = (f"{_quoted(name)}: {value}" for name, value in covered.items())
    return "\n".join((*lines, f'"@signature-params": {params}'))


def authorization_digest(authorization: str) -> str:
    """The value of `Authorization-Digest` for that of an `Authorization` line."""
    digest = hashlib.sha256(authorization.encode("latin-1")).digest()
    return f"sha-256=:{base64.b64encode(digest).decode()}:"


def public_jwk(key: object) -> dict[str, str]:
    """The members that RFC 7638 §3.2 requires; raises `MissingKey` for a key that is not taken."""
    if isinstance(key, Ed25519PublicKey):
        jwk = {"crv": "Ed25519", "kty": "OKP", "x": b64url(key.public_bytes_raw())}
    elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        jwk = {"crv": "P-256", "kty": "EC", "x": b64url(point[1:33]), "y": b64url(point[33:])}
    elif isinstance(key, rsa.RSAPublicKey):
        public = key.public_numbers()
        e, n = (
            b64url(number.to_bytes(-(-number.bit_length() // 8), "big"))
            for number in (public.e, public.n)
        )
        jwk = {"e": e, "kty": "RSA", "n": n}
    else:
        jwk = {}
    try:
        question_key(jwk)
    except VerificationFailed as failure:
        raise MissingKey(str(failure)) from None
    return jwk


def _algorithm(key: PrivateKey) -> str:
    if isinstance(key, Ed25519PrivateKey):
        return "ed25519"
    return "ecdsa-p256-sha256" if isinstance(key, ec.EllipticCurvePrivateKey) else "rsa-pss-sha512"


def _quoted(text: str) -> str:
    return f'"{text}"'
