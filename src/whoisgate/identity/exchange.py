"""A directory as operators exchange it: a signed file (RFC 7515, compact) and its Ed25519 keys.

Says who signed what; what is in it is the importer's to check.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from whoisgate.errors import MalformedAuthority, MissingKey
from whoisgate.identity.strict_json import strict_object

TYPE: Final = "whoisgate-directory+json"
"""The `typ` of such a file."""

_ALGORITHMS: Final = ["Ed25519"]


def new_key(seed: bytes) -> tuple[bytes, bytes]:
    """The private key of 32 random bytes and its public half, as JWK texts."""
    key = OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(seed))
    private, public = (json.dumps(key.as_dict(private=p)).encode() for p in (True, False))
    return private + b"\n", public + b"\n"


def read_key(text: bytes) -> OKPKey:
    """A key from its JWK text; raises `MissingKey`."""
    try:
        said = cast("dict[str, str | list[str]]", strict_object(text))
        key = OKPKey.import_key(said)
    except (ValueError, TypeError, JoseError):
        raise MissingKey("expected an Ed25519 key as JWK (RFC 8037)") from None
    if key.curve_name != "Ed25519":
        raise MissingKey("expected an Ed25519 key as JWK (RFC 8037)")
    return key


def signed(payload: bytes, key: OKPKey) -> str:
    """The file that holds ``payload``, signed."""
    header = {"alg": "Ed25519", "typ": TYPE, "kid": key.thumbprint()}
    return jws.serialize_compact(header, payload, key, algorithms=_ALGORITHMS)


def opened(text: str, signers: Mapping[str, OKPKey]) -> tuple[str, bytes]:
    """Which of these signers signed the file, and its payload; raises `MalformedAuthority`."""
    for name, key in signers.items():
        try:
            found = jws.deserialize_compact(text, key, algorithms=_ALGORITHMS)
        except (JoseError, ValueError):
            continue
        if found.headers().get("typ") != TYPE:
            raise MalformedAuthority(f"expected a file of type `{TYPE}`")
        return name, found.payload
    raise MalformedAuthority(
        "expected a directory that a signer in [directory] has signed, and that nobody altered"
    )
