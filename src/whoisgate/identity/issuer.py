"""Whose tokens are believed: `Issuer`, its pinned algorithm and its public keys.

The directory's record says which class, purposes and legal bases an issuer's people have, and what
a token is worth; their tokens only say who they are. A key that a token brings along is never
looked at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from joserfc.jwk import Key

from whoisgate.errors import MalformedAuthority
from whoisgate.identity import jws
from whoisgate.identity.authority import Algorithm, Authority, TokenProof
from whoisgate.identity.strict_json import Claim, strict_object

MAX_KEYS: Final = 32


@dataclass(frozen=True, slots=True)
class KeySet:
    """The public keys of one issuer that fit its algorithm, by `kid`."""

    by_kid: Mapping[str | None, Key]

    @classmethod
    def parsed(cls, text: bytes | str, algorithm: Algorithm) -> KeySet:
        """From a JWKS (RFC 7517 §5); keys that do not fit ``algorithm`` are left out.

        Raises `ValueError` on private, symmetric, weak, ambiguous or missing keys.
        """
        listed = strict_object(text).get("keys")
        if not isinstance(listed, list) or not 0 < len(listed) <= MAX_KEYS:
            raise ValueError(f"expected a JWKS of 1 to `{MAX_KEYS}` keys")
        found: dict[str | None, Key] = {}
        for member in listed:
            if not isinstance(member, dict) or jws.PRIVATE & member.keys():
                raise ValueError("expected public keys alone")
            kid, fits = member.get("kid"), _fits(algorithm, member)
            if not isinstance(kid, str | None) or (fits and kid in found):
                raise ValueError("expected a `kid` of its own for each key")
            if fits:
                found[kid] = jws.public_key(member)
        if not found or (None in found and len(found) > 1):
            raise ValueError(f"expected keys for `{algorithm}`, told apart by `kid`")
        return cls(found)

    def key(self, kid: str | None) -> Key | None:
        """The key of this id; without an id the only key, if there is only one."""
        if kid is None:
            return next(iter(self.by_kid.values())) if len(self.by_kid) == 1 else None
        return self.by_kid.get(kid)


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer of tokens, which the directory lists as ``proof`` of ``authority``.

    ``audience`` is this server. ``keys`` is None where they are published: see `Published`.
    """

    authority: Authority
    proof: TokenProof
    audience: str
    keys: KeySet | None

    @classmethod
    def listed(cls, authority: Authority, proof: TokenProof, audience: str) -> Issuer:
        """An issuer as the directory lists it; raises `MalformedAuthority`."""
        if proof.keys is None:
            return cls(authority, proof, audience, None)
        try:
            keys = KeySet.parsed(json.dumps(proof.keys), proof.algorithm)
        except ValueError as error:
            raise MalformedAuthority(f"keys of issuer `{proof.iss}`: {error}") from None
        return cls(authority, proof, audience, keys)


def _fits(algorithm: Algorithm, member: Mapping[str, Claim]) -> bool:
    shape = {"EdDSA": ("OKP", "Ed25519"), "ES256": ("EC", "P-256"), "RS256": ("RSA", None)}
    return (
        (member.get("kty"), member.get("crv")) == shape[algorithm]
        and member.get("alg") in (None, *jws.NAMES[algorithm])
        and member.get("use") in (None, "sig")
    )
