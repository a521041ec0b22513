"""DPoP: the sender of a token shows that it holds the token's key (RFC 9449).

Each proof carries a nonce of this server's, so that none is made ahead of time, and is taken once.
Nonces are an HMAC of a slot of time under one key: no process keeps any, and all processes that
share the key take each other's. What was used is kept by each process, for the two slots in
which a nonce is good (§11.1), and by the log, which takes a proof once among all processes. A clock
that goes back opens no slot again.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from joserfc.jwk import Key

from whoisgate.errors import NonceExpected, ProofRefused
from whoisgate.identity import jws
from whoisgate.identity.strict_json import Claim
from whoisgate.presented import Presented
from whoisgate.queries import Once

SLOT_S: Final = 30
"""A nonce is good in its slot and in the next."""

CLOCK_S: Final = 300
"""How far a sender's clock may be off; the nonce, not `iat`, shows that a proof is new (§11.1)."""

MAX_IDS: Final = 131_072
"""Proofs remembered in one slot, of all keys together."""

MAX_IDS_EACH: Final = 8_192
"""Those of one key, so that no holder of a token uses up what is for all."""

MAX_ID: Final = 255

_HEADER: Final = frozenset({"alg", "typ", "jwk", "kid"})
_KINDS: Final = {
    name: (algorithm, shape)
    for algorithm, shape in (("ES256", ("EC", "P-256")), ("EdDSA", ("OKP", "Ed25519")))
    for name in jws.NAMES[algorithm]
}
ALGORITHMS: Final = " ".join(_KINDS)
"""What a proof may be signed with, as a challenge says it (§7.1)."""

_URL = re.compile(r"[!-~]{1,4096}", re.ASCII)
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})", re.ASCII)
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]", re.ASCII)
_PORTS: Final = {"https": 443, "http": 80}


class _Used(NamedTuple):
    marks: set[bytes]
    each: Counter[str]


class Proofs:
    """Checks proofs and gives nonces for them. Meant for one event loop.

    ``key`` is secret, of 32 bytes or more, and the same in every process that answers for one
    base URL.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._latest = 0
        self._used: dict[int, _Used] = {}

    def nonce(self, now: datetime) -> str:
        """The nonce that the next proof must carry (§8)."""
        return self._nonce(self._slot(now))

    def check(self, presented: Presented, token: str, thumbprint: str, now: datetime) -> Once:
        """Check the proof beside ``token``, which is bound to the key of this RFC 7638 thumbprint.

        Raises `NonceExpected` when only the nonce is missing or old, else `ProofRefused` (§4.3).
        A proof that passed is spent: here, and by whoever logs what is given back.
        """
        lines = tuple(presented.lines(b"dpop"))
        if len(lines) != 1:
            raise ProofRefused("expected one `DPoP` line with a proof")
        try:
            proof = jws.parsed(lines[0].decode("latin-1").strip(" \t"), _HEADER)
            algorithm, key = _key(proof.header, thumbprint)
            slot = self._meant(proof.claims, presented, token, now)
        except ValueError as error:
            raise ProofRefused(f"the DPoP proof cannot be used: {error}") from None
        if not jws.holds(proof, algorithm, key):
            raise ProofRefused("the DPoP proof's signature does not hold")
        return self._spend(slot, thumbprint, str(proof.claims["jti"]))

    def _meant(
        self, claims: Mapping[str, Claim], presented: Presented, token: str, now: datetime
    ) -> int:
        """Check that the proof is for this request; gives the slot of its nonce."""
        name = claims.get("jti")
        if not isinstance(name, str) or not 0 < len(name) <= MAX_ID:
            raise ValueError(f"expected a `jti` of 1 to `{MAX_ID}` characters")
        if claims.get("htm") != presented.method:
            raise ValueError("expected the request's method as `htm`")
        url, meant = claims.get("htu"), _normal(presented.url)
        if meant is None or not isinstance(url, str) or _normal(url) != meant:
            raise ValueError("expected the request's address as `htu`")
        digest = hashlib.sha256(token.encode("ascii")).digest()
        if claims.get("ath") != jws.encoded(digest):
            raise ValueError("expected the token's SHA-256 as `ath`")
        if abs(jws.moment(claims, "iat") - now) > timedelta(seconds=CLOCK_S):
            raise ValueError(f"expected an `iat` within `{CLOCK_S}` s of the server's clock")
        nonce, latest = claims.get("nonce"), self._slot(now)
        for slot in (latest, latest - 1):
            if isinstance(nonce, str) and hmac.compare_digest(
                nonce.encode("utf-8", "surrogatepass"), self._nonce(slot).encode("ascii")
            ):
                return slot
        raise NonceExpected("expected a DPoP proof with the nonce that `DPoP-Nonce` gives")

    def _slot(self, now: datetime) -> int:
        """The latest slot that was ever current; those that ended are forgotten."""
        slot = int(now.timestamp()) // SLOT_S
        if slot > self._latest:
            self._latest = slot
            self._used = {kept: ids for kept, ids in self._used.items() if kept >= slot - 1}
        return self._latest

    def _nonce(self, slot: int) -> str:
        said = b"whoisgate DPoP nonce\0" + slot.to_bytes(8)
        return jws.encoded(hmac.digest(self._key, said, hashlib.sha256))

    def _spend(self, slot: int, thumbprint: str, name: str) -> Once:
        used = self._used.setdefault(slot, _Used(set(), Counter()))
        # A slot longer than the nonce, so that a proof taken at its end may wait for the log.
        forgotten = datetime.fromtimestamp((slot + 3) * SLOT_S, UTC)
        once = Once.of("dpop", thumbprint, name, forgotten)
        if once.mark in used.marks:
            raise ProofRefused("the DPoP proof was used before")
        # Nothing is forgotten to make room: what is forgotten could be sent again.
        if len(used.marks) >= MAX_IDS or used.each[thumbprint] >= MAX_IDS_EACH:
            raise ProofRefused("too many DPoP proofs in this half minute; try again in the next")
        used.marks.add(once.mark)
        used.each[thumbprint] += 1
        return once


def _thumbprint(member: Mapping[str, Claim]) -> str:
    """The SHA-256 thumbprint of a P-256 or Ed25519 JWK (RFC 7638 §3); raises `ValueError`."""
    names = ("crv", "kty", "x", "y") if member["kty"] == "EC" else ("crv", "kty", "x")
    for name in names[2:]:
        value = member.get(name)
        if not isinstance(value, str) or len(jws.decoded(value)) != 32:  # noqa: PLR2004  bytes
            raise ValueError(f"expected `{name}` of 32 bytes")
    text = ",".join(f'"{name}":"{member[name]}"' for name in names)
    return jws.encoded(hashlib.sha256(f"{{{text}}}".encode()).digest())


def _key(header: Mapping[str, Claim], expected: str) -> tuple[str, Key]:
    """The algorithm and the key of a proof, which must be the token's."""
    if header.get("typ") != "dpop+jwt":
        raise ValueError("expected the type `dpop+jwt`")
    named, member = header.get("alg"), header.get("jwk")
    if not isinstance(named, str) or named not in _KINDS:
        raise ValueError(f"expected one of the algorithms `{ALGORITHMS}`")
    algorithm, shape = _KINDS[named]
    if not isinstance(member, Mapping) or (member.get("kty"), member.get("crv")) != shape:
        raise ValueError(f"expected a `jwk` for `{named}`")
    if _thumbprint(member) != expected:
        raise ValueError("expected the key that the token is bound to")
    return algorithm, jws.public_key(member)


def _normal(url: str) -> tuple[str, str, int, str] | None:
    """Scheme, host, port and path, without query and fragment (§4.3; RFC 3986 §6.2.2, §6.2.3).

    None for what is no absolute http or https URL, which is then equal to no request's.
    """
    try:
        parts = urlsplit(url) if _URL.fullmatch(url) else None
        port = parts.port if parts else None
    except ValueError:
        return None
    if parts is None or parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    path = _PERCENT.sub(_plain, parts.path) or "/"
    return parts.scheme, parts.hostname, _PORTS[parts.scheme] if port is None else port, path


def _plain(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if _UNRESERVED.fullmatch(character) else match[0].upper()
