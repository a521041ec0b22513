"""Signing notes and checkpoints with Ed25519 (C2SP signed-note, tlog-checkpoint).

A `Signer` signs whatever it is given; that no two inconsistent checkpoints are signed is the
store's duty, which signs only what is committed. Ed25519 is deterministic: the same checkpoint
signed again after a crash gives the same bytes. Opening notes is in `verify`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from whoisgate.audit.verify import VerifierKey
from whoisgate.errors import MissingKey


class Signer:
    """A private key under a name, which for a log's key is the log's origin."""

    __slots__ = ("_key", "verifier")

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        """Raises `verify.VerificationFailed` for a name with spaces or ``+``."""
        self._key = key
        self.verifier = VerifierKey(name, key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"<Signer {self.vkey}>"

    @classmethod
    def generate(cls, name: str, entropy: Callable[[int], bytes]) -> Signer:
        """A new key from 32 bytes of ``entropy``."""
        return cls(name, Ed25519PrivateKey.from_private_bytes(entropy(32)))

    @classmethod
    def from_pem(cls, name: str, pem: bytes, passphrase: bytes | None = None) -> Signer:
        """The key in a PKCS #8 PEM; raises `MissingKey` when it cannot be used."""
        try:
            key = load_pem_private_key(pem, passphrase)
        except (ValueError, TypeError) as error:
            raise MissingKey("expected a PEM private key and its passphrase") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise MissingKey("expected an `Ed25519` private key")
        return cls(name, key)

    def to_pem(self, passphrase: bytes | None = None) -> bytes:
        """The private key as PKCS #8 PEM, encrypted when there is a passphrase."""
        cipher: KeySerializationEncryption = NoEncryption()
        if passphrase is not None:
            cipher = BestAvailableEncryption(passphrase)
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, cipher)

    @property
    def name(self) -> str:
        """The key's name."""
        return self.verifier.name

    @property
    def vkey(self) -> str:
        """The public key as text, to be published and pinned."""
        return self.verifier.text

    def sign(self, text: str) -> str:
        """The signed note of ``text``.

        Raises `ValueError` unless ``text`` ends in LF and has no other control characters.
        """
        if not text.endswith("\n") or any(c < " " and c != "\n" for c in text):
            raise ValueError("expected a text that ends in LF, without control characters")
        signature = self.verifier.key_id + self._key.sign(text.encode())
        return f"{text}\n— {self.name} {base64.b64encode(signature).decode()}\n"


def checkpoint(origin: str, size: int, root: bytes) -> str:
    """The text of a checkpoint, to be signed."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
