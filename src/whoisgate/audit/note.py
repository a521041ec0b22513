"""Signing notes and checkpoints with Ed25519 (C2SP signed-note, tlog-checkpoint).

A `Signer` signs whatever it is given; that no two inconsistent checkpoints are signed is the
store's duty, which signs only what is committed. Ed25519 is deterministic: the same checkpoint
signed again after a crash gives the same bytes. Opening notes is in `verify`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from whoisgate.audit.verify import VerifierKey, b64url, key_change_message
from whoisgate.errors import MissingKey


class Signer:
    """A private key under a name, which for a log's key is the log's origin."""

    __slots__ = ("_beside", "_key", "verifier")

    def __init__(self, name: str, key: Ed25519PrivateKey, beside: Sequence[Signer] = ()) -> None:
        """Raises `verify.VerificationFailed` for a name with spaces or ``+``.

        Keys ``beside`` sign every note too, while a log changes its key.
        """
        self._key, self._beside = key, tuple(beside)
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
    def ring(self) -> tuple[VerifierKey, ...]:
        """The public keys, any of which opens a note."""
        return (self.verifier, *(each.verifier for each in self._beside))

    def beside(self, others: Sequence[Signer]) -> Signer:
        """The same key with these beside it."""
        return Signer(self.name, self._key, others)

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
        lines = [each.signature_line(text) for each in (self, *self._beside)]
        return f"{text}\n{''.join(lines)}"

    def signature_line(self, text: str) -> str:
        """This key's line under the note of ``text``."""
        signature = self.verifier.key_id + self._key.sign(text.encode())
        return f"— {self.name} {base64.b64encode(signature).decode()}\n"

    def sign_bytes(self, message: bytes) -> str:
        """This key's signature over ``message``, base64url."""
        return b64url(self._key.sign(message))


def checkpoint(origin: str, size: int, root: bytes) -> str:
    """The text of a checkpoint, to be signed."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def key_change(old: Signer, new: Signer) -> dict[str, str]:
    """What an entry of kind ``key`` says in clear when ``new`` is put beside ``old``."""
    message = key_change_message(old.vkey, new.vkey)
    signatures = {"by_old": old.sign_bytes(message), "by_new": new.sign_bytes(message)}
    return {"old": old.vkey, "new": new.vkey, **signatures}
