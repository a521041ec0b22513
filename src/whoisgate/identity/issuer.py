"""Whose tokens are believed: `Issuer`, its pinned algorithm and its public keys.

The directory's record says which class, purposes and legal bases an issuer's people have, and what
a token is worth; their tokens only say who they are. A key that a token brings along is never
looked at.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, OKPKey, RSAKey

from whoisgate.errors import MalformedAuthority
from whoisgate.identity.authority import Algorithm, Authority, TokenProof
from whoisgate.identity.strict_json import Claim, strict_object

MIN_RSA_BITS: Final = 2048
MAX_KEYS: Final = 32
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer of tokens, which the directory lists as ``proof`` of ``authority``.

    ``audience`` is this server, and ``keys`` a JWKS (RFC 7517 §5) of public keys; those that do not
    fit the proof's algorithm are left out. Raises `MalformedAuthority` on private, symmetric, weak,
    ambiguous or missing keys.
    """

    authority: Authority
    proof: TokenProof
    audience: str
    keys: str
    by_kid: Mapping[str | None, Key] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_kid", _by_kid(self))

    @classmethod
    def listed(cls, authority: Authority, proof: TokenProof, audience: str) -> Issuer:
        """An issuer whose keys stand in the directory."""
        return cls(authority, proof, audience, json.dumps(proof.keys))

    def key(self, kid: str | None) -> Key | None:
        """The key of this id; without an id the only key, if there is only one."""
        if kid is None:
            return next(iter(self.by_kid.values())) if len(self.by_kid) == 1 else None
        return self.by_kid.get(kid)


def _by_kid(issuer: Issuer) -> Mapping[str | None, Key]:
    where = f"keys of issuer `{issuer.proof.iss}`"
    try:
        listed = strict_object(issuer.keys).get("keys")
    except ValueError as error:
        raise MalformedAuthority(f"{where}: {error}") from None
    if not isinstance(listed, list) or not 0 < len(listed) <= MAX_KEYS:
        raise MalformedAuthority(f"{where}: expected a JWKS of 1 to `{MAX_KEYS}` keys")
    found: dict[str | None, Key] = {}
    for member in listed:
        if not isinstance(member, dict) or _PRIVATE & member.keys():
            raise MalformedAuthority(f"{where}: expected public keys alone")
        kid = member.get("kid")
        if not isinstance(kid, str | None) or (
            _fits(issuer.proof.algorithm, member) and kid in found
        ):
            raise MalformedAuthority(f"{where}: expected a `kid` of its own for each key")
        if _fits(issuer.proof.algorithm, member):
            found[kid] = _key(member, where)
    if not found or (None in found and len(found) > 1):
        raise MalformedAuthority(
            f"{where}: expected keys for `{issuer.proof.algorithm}`, told apart by `kid`"
        )
    return found


def _fits(algorithm: Algorithm, member: Mapping[str, Claim]) -> bool:
    shape = {"EdDSA": ("OKP", "Ed25519"), "ES256": ("EC", "P-256"), "RS256": ("RSA", None)}
    names = {"EdDSA": (None, "EdDSA", "Ed25519")}.get(algorithm, (None, algorithm))
    return (
        (member.get("kty"), member.get("crv")) == shape[algorithm]
        and member.get("alg") in names
        and member.get("use") in {None, "sig"}
    )


def _key(member: Mapping[str, Claim], where: str) -> Key:
    try:
        with warnings.catch_warnings():
            # joserfc only warns of a short RSA key; here it is an error.
            warnings.simplefilter("ignore")
            key = JWKRegistry.import_key(cast("dict[str, str | list[str]]", dict(member)))
        if isinstance(key, RSAKey) and key.public_key.key_size < MIN_RSA_BITS:
            raise MalformedAuthority(f"{where}: expected RSA of `{MIN_RSA_BITS}` bits or more")
        if isinstance(key, OKPKey | ECKey | RSAKey):
            return key
    except (JoseError, ValueError, TypeError):
        pass  # what is wrong with a key is said without its numbers, below
    raise MalformedAuthority(f"{where}: expected keys as in RFC 7518 §6 or RFC 8037 §2")
