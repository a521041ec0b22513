"""Tokens: a signed JWT (RFC 9068, RFC 7519) in, a `Requester` out.

The token says who; the directory says with which class and assurance, and pins the algorithm and
the keys. Rules: nothing that a token says about keys or algorithms is followed; no claim but `iss`
is read before the signature holds; what is unknown in the header is refused; a refusal tells an
honest caller what to mend and nothing about other issuers. A token that is bound to its sender's
key is taken from that sender alone (RFC 9449, RFC 8705), and a binding that is not understood binds
to nobody. Any other is a bearer's: one that is stolen works until it expires, so issuers should let
it live briefly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from whoisgate.errors import (
    CredentialRefused,
    CredentialRequired,
    DoNotTrackRefused,
    MalformedAuthority,
)
from whoisgate.identity import jws
from whoisgate.identity.dpop import Proofs
from whoisgate.identity.issuer import Issuer
from whoisgate.identity.published import Published
from whoisgate.identity.strict_json import Claim
from whoisgate.presented import Presented
from whoisgate.queries import Purpose, Requester

MAX_SUBJECT: Final = 255
CACHE_S: Final = 60
CACHE_TOKENS: Final = 4096

_TYPES: Final = frozenset({"at+jwt", "application/at+jwt", "jwt"})
_ID_TYPES: Final = frozenset({"jwt", ""})
"""What `typ` may say in an ID token, which may also have none."""

_HEADER: Final = frozenset({"alg", "typ", "kid", "x5t", "x5t#S256"})
_ID_TOKEN: Final = frozenset({"nonce", "at_hash", "c_hash"})
_JKT: Final = "jkt"
_X5T: Final = "x5t#S256"


class _Held(NamedTuple):
    since: datetime
    until: datetime
    requester: Requester
    binding: Mapping[str, str]


class Bearer:
    """Verifies the tokens of these issuers, and that their sender may send them.

    Without ``proofs`` no token that DPoP binds is taken, without ``published`` none of an issuer
    whose keys are fetched. Verified tokens are remembered by SHA-256 for at most 60 s and never
    past their end; a binding is checked each time. Meant for one event loop; raises
    `MalformedAuthority` when two issuers share an `iss`.
    """

    def __init__(
        self,
        issuers: Iterable[Issuer],
        proofs: Proofs | None = None,
        published: Published | None = None,
    ) -> None:
        listed = tuple(issuers)
        self._issuers: Mapping[str, Issuer] = {issuer.proof.iss: issuer for issuer in listed}
        if len(self._issuers) != len(listed):
            raise MalformedAuthority("expected each `iss` in one proof of one authority")
        self._proofs, self._published = proofs, published
        self._held: dict[bytes, _Held] = {}

    def authenticate(self, presented: Presented, now: datetime) -> Requester:
        """Who presents a token, as proved at ``now``.

        Raises `CredentialRefused`, `ProofRefused`, `DoNotTrackRefused` for a good token that
        forbids logging, or `CredentialRequired` without any.
        """
        scheme, token = _authorization(presented)
        held = self._remembered(token, now) or self._remember(token, now)
        if _JKT in held.binding and scheme != "dpop":  # RFC 9449 §7.2
            raise CredentialRefused("expected `Authorization: DPoP` for a token bound to a key")
        if _JKT not in held.binding and scheme == "dpop":
            raise CredentialRefused("expected a token that is bound to the proof's key")
        if _X5T in held.binding:
            _check_certificate(presented, held.binding[_X5T])
        if _JKT in held.binding:
            if self._proofs is None:
                raise CredentialRefused("expected a token that is not bound by DPoP")
            once = self._proofs.check(presented, token, held.binding[_JKT], now)
            return replace(held.requester, once=(once,))
        if any(presented.lines(b"dpop")):
            raise CredentialRefused("expected no `DPoP` proof with a token that is not bound to it")
        return held.requester

    def signed_in(
        self, token: str, iss: str, client: str, nonce: str | None, now: datetime
    ) -> tuple[str, str]:
        """Authority and `sub` of an ID token for ``client`` (OpenID Connect Core §3.1.3.7).

        Raises `CredentialRefused`. It is signed as the issuer's other tokens are.
        """
        issuer, claims = self._opened(token, now, _ID_TYPES)
        if issuer.proof.iss != iss:
            raise CredentialRefused("the ID token is of another issuer")
        audience = claims.get("aud")
        if audience not in (client, [client]):
            raise CredentialRefused("wrong audience: the ID token is for another client")
        if nonce is not None and claims.get("nonce") != nonce:
            raise CredentialRefused("the ID token is of another sign-in")
        _end(issuer, claims, now)
        return issuer.authority.record.authority, _subject(claims)

    async def prepare(self, presented: Presented, now: datetime) -> None:
        """Fetch the keys that `authenticate` will want, if they are to be fetched; never raises."""
        if self._published is None:
            return
        try:
            _, token = _authorization(presented)
            if self._remembered(token, now):
                return
            jwt = jws.parsed(token, _HEADER)
        except (CredentialRefused, CredentialRequired, ValueError):
            return
        iss, kid = jwt.claims.get("iss"), jwt.header.get("kid")
        issuer = self._issuers.get(iss) if isinstance(iss, str) else None
        if issuer is not None and issuer.keys is None and isinstance(kid, str | None):
            await self._published.refresh(issuer.proof, kid, now)

    def _remembered(self, token: str, now: datetime) -> _Held | None:
        held = self._held.get(_mark(token))
        return held if held is not None and held.since <= now < held.until else None

    def _remember(self, token: str, now: datetime) -> _Held:
        requester, binding = self._verified(token, now)
        if len(self._held) >= CACHE_TOKENS:
            self._held.pop(next(iter(self._held)), None)
        until = now + timedelta(seconds=CACHE_S)
        until = min(until, requester.valid_until or until)
        held = self._held[_mark(token)] = _Held(now, until, requester, binding)
        return held

    def _verified(self, token: str, now: datetime) -> tuple[Requester, Mapping[str, str]]:
        issuer, claims = self._opened(token, now, _TYPES)
        binding = _binding(claims)
        return _requester(issuer, claims, binding, now), binding

    def _opened(
        self, token: str, now: datetime, types: frozenset[str]
    ) -> tuple[Issuer, Mapping[str, Claim]]:
        """The issuer and the claims, once the signature holds."""
        try:
            jwt = jws.parsed(token, _HEADER)
        except ValueError as error:
            raise CredentialRefused(f"the token cannot be used: {error}") from None
        iss = jwt.claims.get("iss")
        issuer = self._issuers.get(iss) if isinstance(iss, str) else None
        if issuer is None:
            raise CredentialRefused("expected a token of an issuer that this server believes")
        self._check_signature(issuer, jwt, now, types)
        return issuer, jwt.claims

    def _check_signature(
        self, issuer: Issuer, jwt: jws.JWT, now: datetime, types: frozenset[str]
    ) -> None:
        algorithm, header = issuer.proof.algorithm, jwt.header
        names, kind, kid = jws.NAMES[algorithm], header.get("typ"), header.get("kid")
        if header.get("alg") not in names:
            raise CredentialRefused(f"expected a token signed with `{names[0]}`")
        if kind is None and "" in types:
            kind = ""
        if not isinstance(kind, str) or kind.lower() not in types:
            raise CredentialRefused("expected a token of type `at+jwt` or `JWT`")
        keys = issuer.keys
        if keys is None and self._published is not None:
            keys = self._published.keys(issuer.proof, now)
        if keys is None:
            raise CredentialRefused("the issuer's published keys cannot be had at present")
        key = keys.key(kid) if isinstance(kid, str | None) else None
        if key is None:
            raise CredentialRefused("expected the `kid` of a key that the issuer has published")
        # INVARIANT: the directory chooses the algorithm; the token's word was only compared.
        if not jws.holds(jwt, algorithm, key):
            raise CredentialRefused("the token's signature does not hold")


def _authorization(presented: Presented) -> tuple[str, str]:
    """The scheme, `bearer` or `dpop`, and the token (RFC 6750 §2.1, RFC 9449 §7.1)."""
    authorization = presented.one(b"authorization")
    if authorization is None:
        raise CredentialRequired("expected `Authorization: Bearer` or `Authorization: DPoP`")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() not in {"bearer", "dpop"}:
        raise CredentialRefused("expected `Authorization: Bearer` or `Authorization: DPoP`")
    return scheme.lower(), token.strip(" ")


def _mark(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _binding(claims: Mapping[str, Claim]) -> Mapping[str, str]:
    """The keys that the token is bound to, by method (RFC 7800 §3.1), empty without `cnf`."""
    if "cnf" not in claims:
        return {}
    said = claims["cnf"]
    if not isinstance(said, dict) or not said or not said.keys() <= {_JKT, _X5T}:
        raise CredentialRefused(f"expected a token bound by `{_JKT}` or `{_X5T}`")
    found: dict[str, str] = {}
    for method, value in said.items():
        try:
            size = len(jws.decoded(value)) if isinstance(value, str) else 0
        except ValueError:
            size = 0
        if size != hashlib.sha256().digest_size:
            raise CredentialRefused(f"expected a SHA-256 as `{method}`")
        found[method] = value
    return found


def _check_certificate(presented: Presented, thumbprint: str) -> None:
    """RFC 8705 §3: the token's certificate is the one of this connection."""
    own = [hashlib.sha256(each).digest() for each in presented.certificates[:1]]
    if own != [jws.decoded(thumbprint)]:
        raise CredentialRefused("expected the client certificate that the token is bound to")


def _requester(
    issuer: Issuer, claims: Mapping[str, Claim], binding: Mapping[str, str], now: datetime
) -> Requester:
    proof, audience = issuer.proof, claims.get("aud")
    if issuer.audience not in (audience if isinstance(audience, list) else [audience]):
        raise CredentialRefused("wrong audience: the token is for another server")
    if _ID_TOKEN & claims.keys():
        raise CredentialRefused("expected an access token, got an ID token")
    if proof.bound and not binding:
        raise CredentialRefused("expected a token that is bound to its sender's key")
    subject = _subject(claims)
    proved_by = "dpop" if _JKT in binding else "bearer"
    requester = issuer.authority.requester(
        subject,
        (binding and proof.assurance_bound) or proof.assurance,
        f"{proved_by}+certificate" if _X5T in binding else proved_by,
        now,
        valid_until=_end(issuer, claims, now),
        purposes=_purposes(claims),
    )
    untracked = claims.get("rdap_dnt_allowed", False)
    if not isinstance(untracked, bool):
        raise CredentialRefused("expected `rdap_dnt_allowed` as `true` or `false`")
    if untracked:
        # RFC 9560 §3.1.5.2: the claim forbids the record that this server must keep.
        raise DoNotTrackRefused("expected a token without `rdap_dnt_allowed`: answers are logged")
    return requester


def _subject(claims: Mapping[str, Claim]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
        raise CredentialRefused(f"expected a `sub` of 1 to `{MAX_SUBJECT}` characters")
    if not subject.isprintable():
        raise CredentialRefused("expected a `sub` of printable characters")
    return subject


def _end(issuer: Issuer, claims: Mapping[str, Claim], now: datetime) -> datetime:
    """When the token ends; checks `exp`, `iat` and `nbf` (RFC 7519 §4.1.4 to §4.1.6)."""
    try:
        exp, iat = jws.moment(claims, "exp"), jws.moment(claims, "iat")
        nbf = jws.moment(claims, "nbf") if "nbf" in claims else iat
    except ValueError as error:
        raise CredentialRefused(str(error)) from None
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


def _purposes(claims: Mapping[str, Claim]) -> frozenset[Purpose] | None:
    """The purposes that the token allows, None where it says nothing; RFC 9560 §3.1.5.1."""
    if "rdap_allowed_purposes" not in claims:
        return None
    listed = claims["rdap_allowed_purposes"]
    if not isinstance(listed, list) or not all(isinstance(word, str) for word in listed):
        raise CredentialRefused("expected `rdap_allowed_purposes` as a list of words")
    return frozenset(purpose for purpose in Purpose if purpose.value in listed)
