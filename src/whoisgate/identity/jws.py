"""A stranger's signed JWT, taken apart and checked, and nothing believed of it.

Only the compact form, with one spelling for each token (RFC 7515 §7.1). What is unknown in a header
is refused, so `crit`, `jku` and the like cannot mean anything. Nothing of a token stands in an
error.
"""

from __future__ import annotations

import re
import warnings
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple, cast

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from whoisgate.identity.strict_json import Claim, strict_object

MAX_TOKEN: Final = 8192
MIN_RSA_BITS: Final = 2048
PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""Members of a JWK that only its owner may have (RFC 7518 §6)."""

NAMES: Final = {"EdDSA": ("EdDSA", "Ed25519"), "ES256": ("ES256",), "RS256": ("RS256",)}
"""What `alg` may say for each algorithm; ``EdDSA`` is Ed25519 alone (RFC 8037, RFC 9864)."""

_COMPACT = re.compile(r"([\w-]{1,1024})\.([\w-]+)\.([\w-]{1,1024})", re.ASCII)
_LATEST: Final = 253402300799  # the last second of the year 9999


class JWT(NamedTuple):
    """A token's parts, of which only the form was checked; ``message`` is what was signed."""

    header: Mapping[str, Claim]
    claims: Mapping[str, Claim]
    message: bytes
    signature: bytes


def parsed(token: str, members: frozenset[str]) -> JWT:
    """A token whose header has these members alone; raises `ValueError` without its text."""
    if len(token) > MAX_TOKEN:
        raise ValueError(f"expected at most `{MAX_TOKEN}` characters")
    match = _COMPACT.fullmatch(token)
    if not match:
        raise ValueError("expected a signed JWT in compact form")
    header, claims = (strict_object(decoded(match[n])) for n in (1, 2))
    signature = decoded(match[3])
    if not header.keys() <= members:
        raise ValueError("expected a header of `alg`, `typ` and the key alone")
    return JWT(header, claims, token[: match.end(2)].encode("ascii"), signature)


def decoded(part: str) -> bytes:
    """The bytes of canonical base64url: no padding, no stray bits. Raises `ValueError`."""
    raw = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if encoded(raw) != part:
        raise ValueError("expected base64url without padding")
    return raw


def encoded(raw: bytes) -> str:
    """Base64url without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def holds(jwt: JWT, algorithm: str, key: Key) -> bool:
    """Whether the signature is of ``key`` under ``algorithm``, a key of `NAMES`.

    The caller chooses the algorithm; what the token says of it is not read here.
    """
    name = NAMES[algorithm][-1]
    method = JWSRegistry(algorithms=[name]).get_alg(name)
    try:
        method.check_key(key)
        return method.verify(jwt.message, jwt.signature, key)
    except (JoseError, ValueError, TypeError):
        return False


def public_key(member: Mapping[str, Claim]) -> Key:
    """The public key of a JWK (RFC 7518 §6, RFC 8037 §2); raises `ValueError` without its numbers.

    Refuses what its owner alone may have, and RSA of fewer than 2048 bits.
    """
    if PRIVATE & member.keys():
        raise ValueError("expected public keys alone")
    try:
        with warnings.catch_warnings():
            # joserfc only warns of a short RSA key; here it is an error.
            warnings.simplefilter("ignore")
            key = JWKRegistry.import_key(cast("dict[str, str | list[str]]", dict(member)))
        size = key.public_key.key_size if isinstance(key, RSAKey) else MIN_RSA_BITS
    except (JoseError, ValueError, TypeError):
        size, key = 0, None
    if isinstance(key, RSAKey) and size < MIN_RSA_BITS:
        raise ValueError(f"expected RSA of `{MIN_RSA_BITS}` bits or more")
    if not isinstance(key, OKPKey | ECKey | RSAKey):
        raise ValueError("expected keys as in RFC 7518 §6 or RFC 8037 §2")  # noqa: TRY004  a fault of the text
    return key


def moment(claims: Mapping[str, Claim], name: str) -> datetime:
    """A claim in seconds since 1970 (RFC 7519 §2, NumericDate); raises `ValueError`."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST:
        raise ValueError(f"expected `{name}` in seconds since 1970")
    return datetime.fromtimestamp(value, UTC)
