"""What a vault row holds beside a leaf: the envelope, and the stored copy of a receipt."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from .entry import COMMITTED, SLOTS, digest_of
from .refusal import Refused, require
from .spelling import base64_url, canonical, url_text

STEP_BYTES = 4096
OKM_BYTES = 32 + SLOTS * 16
ZERO = bytes(12)
HPKE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def hkdf(ikm: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 with SHA-256."""
    key = hmac.digest(salt or bytes(32), ikm, "sha256")
    okm = block = b""
    while len(okm) < length:
        block = hmac.digest(key, block + info + bytes([len(okm) // 32 + 1]), "sha256")
        okm += block
    return okm[:length]


def _decrypt(key: bytes, sealed: bytes, beside: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(ZERO, sealed, beside)
    except (InvalidTag, ValueError) as error:
        raise Refused("sealed with another key, or altered") from error


@dataclass(frozen=True)
class Contents:
    """An envelope's: committed fields by name, what is sealed but not committed, the openings."""

    fields: dict
    sealed: dict
    openings: list[str]


def open_envelope(leaf: dict, envelope: bytes, okm: bytes) -> Contents:
    """The contents, which are what the leaf commits to, slot by slot."""
    require(len(okm) == OKM_BYTES, "not the keys of an entry")
    require(url_text(hashlib.sha256(envelope).digest()) == leaf["envelope"], "another envelope")
    require(envelope and len(envelope) % STEP_BYTES == 0, "not steps of 4 KiB")
    plain = _decrypt(okm[:32], envelope, base64_url(leaf["nonce"], 16))
    length = int.from_bytes(plain[:4], "big")
    require(
        not plain[4 + length :].strip(b"\0") and len(plain) >= 4 + length, "no padding of zeros"
    )
    contents = _contents(plain[4 : 4 + length])
    fields, sealed = contents["fields"], contents["sealed"]
    require(isinstance(fields, dict) and isinstance(sealed, dict), "not objects")
    require(fields.keys() <= set(COMMITTED), "no such field")
    salts = [okm[at : at + 16] for at in range(32, OKM_BYTES, 16)]
    openings = [
        url_text(canonical([url_text(salt), name, fields.get(name)]))
        for name, salt in zip(COMMITTED, salts, strict=False)
    ]
    decoys = [url_text(hashlib.sha256(salt).digest()) for salt in salts[len(COMMITTED) :]]
    require(sorted([*map(digest_of, openings), *decoys]) == leaf["_sd"], "other fields")
    return Contents(fields, sealed, openings)


def open_stored(stored: bytes, token: bytes, shred: bytes) -> tuple[bytes, list[bytes]]:
    """An entry's okm, and the inclusion hashes that its receipt was given with."""
    key = hkdf(token + shred, b"", b"whoisgate/v1 receipt", 32)
    plain = _decrypt(key, stored, b"")
    hashes = plain[OKM_BYTES:]
    require(len(plain) >= OKM_BYTES and len(hashes) % 32 == 0, "not keys and hashes")
    return plain[:OKM_BYTES], [hashes[at : at + 32] for at in range(0, len(hashes), 32)]


def _contents(text: bytes) -> dict:
    try:
        contents = json.loads(text)
    except ValueError as error:
        raise Refused("not JSON") from error
    require(isinstance(contents, dict) and contents.keys() == {"fields", "sealed"}, "other members")
    return contents


def unwrap_epoch(wrapped: bytes, epoch: str, recipient: X25519PrivateKey) -> bytes:
    """HPKE (RFC 9180)."""
    try:
        return HPKE.decrypt(wrapped, recipient, b"whoisgate/v1 epoch " + epoch.encode())
    except (InvalidTag, ValueError) as error:
        raise Refused("wrapped for another recipient or epoch, or altered") from error


def entry_keys(epoch_key: bytes, shred: bytes, nonce: bytes) -> bytes:
    return hkdf(epoch_key + shred, nonce, b"whoisgate/v1 entry", OKM_BYTES)
