"""Bearer tokens: a signed JWT (RFC 9068, RFC 7519) in, a `Requester` out.

The token says who; the directory says with which class and assurance, and pins the algorithm and
the keys. Rules: nothing that a token says about keys or algorithms is followed; no
claim but `iss` is read before the signature holds; what is unknown in the header is refused; a
refusal tells an honest caller what to mend and nothing about other issuers. Tokens are bearer
tokens: one that is stolen works until it expires, so issuers should let them live briefly.
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from whoisgate.errors import CredentialRefused, MalformedAuthority
from whoisgate.identity.issuer import Issuer
from whoisgate.identity.strict_json import Claim, strict_object
from whoisgate.queries import Purpose, Requester

MAX_TOKEN: Final = 8192
MAX_HEADER: Final = 1024
MAX_SUBJECT: Final = 255
CACHE_S: Final = 60
CACHE_TOKENS: Final = 4096

_COMPACT = re.compile(r"([\w-]{1,1024})\.([\w-]+)\.([\w-]{1,1024})", re.ASCII)
_TYPES: Final = frozenset({"at+jwt", "application/at+jwt", "jwt"})
_HEADER: Final = frozenset({"alg", "typ", "kid", "x5t", "x5t#S256"})
_ID_TOKEN: Final = frozenset({"nonce", "at_hash", "c_hash"})
_NAMES: Final = {"EdDSA": ("EdDSA", "Ed25519"), "ES256": ("ES256",), "RS256": ("RS256",)}
_LATEST: Final = 253402300799  # the last second of the year 9999


class _Held(NamedTuple):
    since: datetime
    until: datetime
    requester: Requester


class Bearer:
    """Verifies the tokens of these issuers.

    Verified tokens are remembered by SHA-256 for at most 60 s and never past their end. Meant for
    one event loop; raises `MalformedAuthority` when two issuers share an `iss`.
    """

    def __init__(self, issuers: Iterable[Issuer]) -> None:
        listed = tuple(issuers)
        self._issuers: Mapping[str, Issuer] = {issuer.proof.iss: issuer for issuer in listed}
        if len(self._issuers) != len(listed):
            raise MalformedAuthority("expected each `iss` in one proof of one authority")
        self._held: dict[bytes, _Held] = {}

    def authenticate(self, token: str, now: datetime) -> Requester:
        """Who holds ``token``, as proved at ``now``; raises `CredentialRefused`."""
        mark = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        held = self._held.get(mark)
        if held is not None and held.since <= now < held.until:
            return held.requester
        requester = self._verified(token, now)
        if len(self._held) >= CACHE_TOKENS:
            self._held.pop(next(iter(self._held)), None)
        until = now + timedelta(seconds=CACHE_S)
        self._held[mark] = _Held(now, min(until, requester.valid_until or until), requester)
        return requester

    def _verified(self, token: str, now: datetime) -> Requester:
        header, claims, message, signature = _parsed(token)
        iss = claims.get("iss")
        issuer = self._issuers.get(iss) if isinstance(iss, str) else None
        if issuer is None:
            raise CredentialRefused("expected a token of an issuer that this server believes")
        _check_signature(issuer, header, message, signature)
        return _requester(issuer, claims, now)


def _parsed(token: str) -> tuple[Mapping[str, Claim], Mapping[str, Claim], bytes, bytes]:
    """Header, claims, signed bytes and signature; only the form is checked."""
    if len(token) > MAX_TOKEN:
        raise CredentialRefused(f"expected a token of at most `{MAX_TOKEN}` characters")
    match = _COMPACT.fullmatch(token)
    if not match:
        raise CredentialRefused("expected a signed JWT in compact form")
    try:
        header, claims = (strict_object(_decoded(match[n])) for n in (1, 2))
        signature = _decoded(match[3])
    except ValueError as error:
        raise CredentialRefused(f"the token is malformed: {error}") from None
    if not header.keys() <= _HEADER:
        raise CredentialRefused("expected a token header of `alg`, `typ` and `kid` alone")
    return header, claims, token[: match.end(2)].encode("ascii"), signature


def _decoded(part: str) -> bytes:
    raw = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    # Only the canonical form: no stray bits, so one token has one spelling.
    if urlsafe_b64encode(raw).rstrip(b"=") != part.encode("ascii"):
        raise ValueError("expected base64url without padding")
    return raw


def _check_signature(
    issuer: Issuer, header: Mapping[str, Claim], message: bytes, signature: bytes
) -> None:
    names, kind, kid = _NAMES[issuer.proof.algorithm], header.get("typ"), header.get("kid")
    if header.get("alg") not in names:
        raise CredentialRefused(f"expected a token signed with `{names[0]}`")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise CredentialRefused("expected a token of type `at+jwt` or `JWT`")
    key = issuer.key(kid) if isinstance(kid, str | None) else None
    if key is None:
        raise CredentialRefused("expected the `kid` of a key that the issuer has published")
    # INVARIANT: the configuration chooses the algorithm; the token's word was only compared.
    algorithm = JWSRegistry(algorithms=[names[-1]]).get_alg(names[-1])
    try:
        algorithm.check_key(key)
        sound = algorithm.verify(message, signature, key)
    except (JoseError, ValueError, TypeError):
        sound = False
    if not sound:
        raise CredentialRefused("the token's signature does not hold")


def _requester(issuer: Issuer, claims: Mapping[str, Claim], now: datetime) -> Requester:
    audience = claims.get("aud")
    if issuer.audience not in (audience if isinstance(audience, list) else [audience]):
        raise CredentialRefused("wrong audience: the token is for another server")
    if _ID_TOKEN & claims.keys():
        raise CredentialRefused("expected an access token, got an ID token")
    if claims.get("rdap_dnt_allowed", False) is not False:
        # RFC 9560 §3.1.5.2: the claim forbids the record that this server must keep.
        raise CredentialRefused("expected a token without `rdap_dnt_allowed`: answers are logged")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
        raise CredentialRefused(f"expected a `sub` of 1 to `{MAX_SUBJECT}` characters")
    if not subject.isprintable():
        raise CredentialRefused("expected a `sub` of printable characters")
    return issuer.authority.requester(
        subject,
        issuer.proof.assurance,
        "bearer",
        now,
        valid_until=_end(issuer, claims, now),
        purposes=_purposes(claims),
    )


def _end(issuer: Issuer, claims: Mapping[str, Claim], now: datetime) -> datetime:
    """When the token ends; checks `exp`, `iat` and `nbf` (RFC 7519 §4.1.4 to §4.1.6)."""
    exp, iat = _moment(claims, "exp"), _moment(claims, "iat")
    nbf = _moment(claims, "nbf") if "nbf" in claims else iat
    soon = now + timedelta(seconds=issuer.proof.leeway_s)
    # No leeway at the end: the gate and the log check the same moment again.
    if exp <= now:
        raise CredentialRefused("the token has expired")
    if max(iat, nbf) > soon:
        raise CredentialRefused("the token is not valid yet")
    if exp - iat > timedelta(seconds=issuer.proof.max_lifetime_s):
        raise CredentialRefused(
            f"expected a token that lives at most `{issuer.proof.max_lifetime_s}` s"
        )
    return exp


def _moment(claims: Mapping[str, Claim], name: str) -> datetime:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST:
        raise CredentialRefused(f"expected `{name}` in seconds since 1970")
    return datetime.fromtimestamp(value, UTC)


def _purposes(claims: Mapping[str, Claim]) -> frozenset[Purpose] | None:
    """The purposes that the token allows, None where it says nothing; RFC 9560 §3.1.5.1."""
    if "rdap_allowed_purposes" not in claims:
        return None
    listed = claims["rdap_allowed_purposes"]
    if not isinstance(listed, list) or not all(isinstance(word, str) for word in listed):
        raise CredentialRefused("expected `rdap_allowed_purposes` as a list of words")
    return frozenset(purpose for purpose in Purpose if purpose.value in listed)
