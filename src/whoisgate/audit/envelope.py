"""Keys, envelopes, and the stored copy of a receipt: everything of an entry that can be erased.

Implements "Keys", "Envelope" and "Receipt" of the specification in `whoisgate.audit`. Draws no
randomness itself (HPKE's is its own), keeps no key, and tells nobody which of key, secret or
bytes was wrong: whatever does not open raises `Unopened`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from whoisgate.audit import SLOTS
from whoisgate.audit.draft import JSON

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 16
SHRED_BYTES: Final = 32
TOKEN_BYTES: Final = 16
SALT_BYTES: Final = 16
STEP_BYTES: Final = 4096
_KEYS_BYTES: Final = KEY_BYTES + SLOTS * SALT_BYTES
_SALT_AT: Final = range(KEY_BYTES, _KEYS_BYTES, SALT_BYTES)
_SHA256: Final = SHA256()
_TAG_BYTES: Final = 16
_LENGTH_BYTES: Final = 4
_ONCE: Final = bytes(12)  # every key encrypts one plaintext, so the AEAD nonce may be constant
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class Unopened(ValueError):
    """Key, secret and bytes do not belong together."""


def wrap_epoch(epoch_key: bytes, epoch_id: str, recipient: X25519PublicKey) -> bytes:
    """The epoch key for one recipient: HPKE's encapsulated key, then its ciphertext (RFC 9180)."""
    return _SUITE.encrypt(epoch_key, recipient, _epoch_info(epoch_id))


def unwrap_epoch(wrapped: bytes, epoch_id: str, recipient: X25519PrivateKey) -> bytes:
    """The epoch key again; raises `Unopened` for another recipient or epoch."""
    try:
        return _SUITE.decrypt(wrapped, recipient, _epoch_info(epoch_id))
    except (InvalidTag, ValueError):
        raise Unopened("expected an epoch key wrapped for this recipient") from None


def is_wrapped(wrapped: object, key: X25519PrivateKey) -> bool:
    """Whether this is an epoch key wrapped for anybody, ``key``'s holder or not.

    What is not was never written by `wrap_epoch`: another length, or an encapsulated key that every
    recipient refuses (RFC 9180 §7.1.4).
    """
    if not isinstance(wrapped, bytes) or len(wrapped) != 2 * KEY_BYTES + _TAG_BYTES:
        return False
    try:
        key.exchange(X25519PublicKey.from_public_bytes(wrapped[:KEY_BYTES]))
    except ValueError:
        return False
    return True


def entry_keys(epoch_key: bytes, shred: bytes, nonce: bytes) -> bytes:
    """The 416 bytes of key material of one entry: envelope key, then the salts."""
    return HKDF(_SHA256, _KEYS_BYTES, nonce, b"whoisgate/v1 entry").derive(epoch_key + shred)


def salts_of(keys: bytes) -> list[bytes]:
    """The 24 salts in an entry's key material, in slot order."""
    return [keys[at : at + SALT_BYTES] for at in _SALT_AT]


def seal_envelope(plaintext: bytes, nonce: bytes, keys: bytes) -> bytes:
    """The envelope of a JSON text: padded, encrypted, a multiple of 4 KiB."""
    length = _LENGTH_BYTES + len(plaintext)
    zeros = -(length + _TAG_BYTES) % STEP_BYTES
    padded = b"%b%b%b" % (len(plaintext).to_bytes(_LENGTH_BYTES, "big"), plaintext, bytes(zeros))
    return AESGCM(keys[:KEY_BYTES]).encrypt(_ONCE, padded, nonce)


def open_envelope(
    envelope: bytes, nonce: bytes, shred: bytes, epoch_key: bytes
) -> tuple[Mapping[str, JSON], Mapping[str, JSON]]:
    """``fields`` and ``sealed`` of one entry; raises `Unopened`.

    Does not check the envelope against its leaf.
    """
    return open_with_keys(envelope, nonce, entry_keys(epoch_key, shred, nonce))


def open_with_keys(
    envelope: bytes, nonce: bytes, keys: bytes
) -> tuple[Mapping[str, JSON], Mapping[str, JSON]]:
    """As `open_envelope`, from the entry's own key material."""
    padded = _opened(envelope, keys[:KEY_BYTES], nonce)
    length = int.from_bytes(padded[:_LENGTH_BYTES], "big")
    members = orjson.loads(padded[_LENGTH_BYTES : _LENGTH_BYTES + length])
    return (
        cast("Mapping[str, JSON]", members["fields"]),
        cast("Mapping[str, JSON]", members["sealed"]),
    )


def seal_receipt(keys: bytes, hashes: Sequence[bytes], token: bytes, shred: bytes) -> bytes:
    """What makes a receipt out of leaf, envelope and checkpoint; only ``token`` opens it.

    ``hashes`` are the inclusion proof. Its length tells the size of the log, nothing else.
    """
    return AESGCM(_receipt_key(token, shred)).encrypt(_ONCE, keys + b"".join(hashes), None)


def open_receipt(stored: bytes, token: bytes, shred: bytes) -> tuple[bytes, list[bytes]]:
    """Key material and inclusion proof again; raises `Unopened`."""
    text = _opened(stored, _receipt_key(token, shred), None)
    hashes = text[_KEYS_BYTES:]
    return text[:_KEYS_BYTES], [hashes[at : at + 32] for at in range(0, len(hashes), 32)]


def _receipt_key(token: bytes, shred: bytes) -> bytes:
    return HKDF(_SHA256, KEY_BYTES, None, b"whoisgate/v1 receipt").derive(token + shred)


def _epoch_info(epoch_id: str) -> bytes:
    return b"whoisgate/v1 epoch " + epoch_id.encode("ascii")


def _opened(sealed: bytes, key: bytes, associated: bytes | None) -> bytes:
    try:
        return AESGCM(key).decrypt(_ONCE, sealed, associated)
    except (InvalidTag, ValueError):
        raise Unopened("expected bytes sealed under this key") from None
