"""Signed notes and checkpoints: C2SP signed-note and tlog-checkpoint, Ed25519 alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .refusal import Refused, require
from .spelling import base64_std, decimal, hash_std

ED25519 = b"\x01"
ID_BYTES = 4
NOTE_LIMIT_BYTES = 1_000_000
DASH = "\u2014 "


@dataclass(frozen=True)
class Key:
    """A trusted public key under its name, which for a log is its origin."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]


@dataclass(frozen=True)
class Checkpoint:
    """What a log signed: its size and its root."""

    size: int
    root: bytes


def _is_name(text: str) -> bool:
    return bool(text) and "+" not in text and not any(c.isspace() for c in text)


def read_key(vkey: str) -> Key:
    """`name+id in hex+base64 of type and key`."""
    parts = vkey.split("+", 2)
    require(len(parts) == 3 and _is_name(parts[0]), "not a verifier key")
    typed = base64_std(parts[2])
    require(typed[:1] == ED25519 and len(typed) == 33, "not an Ed25519 key")
    key = Key(parts[0], typed[1:])
    require(parts[1] == key.id.hex(), "the id of another key")
    return key


class Unsigned(Refused):
    """The key did not sign, which another key of the log may have done."""


def open_note(note: bytes, key: Key) -> str:
    """The text that the key signed."""
    require(len(note) <= NOTE_LIMIT_BYTES, "a note too large")
    try:
        whole = note.decode()
    except UnicodeDecodeError as error:
        raise Refused("a note that is not UTF-8") from error
    require(all(c >= " " or c == "\n" for c in whole), "a control character")
    above, blank, below = whole.rpartition("\n\n")
    require(blank and below.endswith("\n"), "no signatures")
    text = above + "\n"
    verified = False
    for line in below[:-1].split("\n"):
        name, space, signature = line.removeprefix(DASH).partition(" ")
        require(line.startswith(DASH) and space and _is_name(name), "not a signature line")
        raw = base64_std(signature)
        require(len(raw) > ID_BYTES, "a signature too short")
        if (name, raw[:ID_BYTES]) == (key.name, key.id):
            try:
                Ed25519PublicKey.from_public_bytes(key.public).verify(raw[ID_BYTES:], text.encode())
            except (InvalidSignature, ValueError) as error:
                raise Refused("a signature that does not verify") from error
            verified = True
    if not verified:
        raise Unsigned("not signed by the key")
    return text


def open_checkpoint(note: bytes, key: Key) -> Checkpoint:
    return read_checkpoint(open_note(note, key), key)


def unverified(note: bytes, key: Key) -> Checkpoint:
    """What a note says that the key did not sign."""
    return read_checkpoint(note.decode().rpartition("\n\n")[0] + "\n", key)


def read_checkpoint(text: str, key: Key) -> Checkpoint:
    lines = text[:-1].split("\n")
    require(len(lines) >= 3 and all(lines), "not a checkpoint")
    require(lines[0] == key.name, "the checkpoint of another log")
    head = Checkpoint(decimal(lines[1]), hash_std(lines[2]))
    require(head.size or head.root == hashlib.sha256(b"").digest(), "an empty tree's other root")
    return head
