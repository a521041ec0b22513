"""The keys of a log: the trusted one, and those that entries of kind `key` add and retire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .note import Key, Unsigned, open_checkpoint, read_key
from .refusal import Refused, require
from .spelling import base64_url


class Ring:
    def __init__(self, key: Key) -> None:
        self._name, self._known, self._retired = key.name, {key}, set()

    def change(self, said: Mapping[str, object]) -> None:
        """What an entry says of keys; refused unless both keys signed it."""
        require(all(isinstance(each, str) for each in said.values()), "no change of key")
        if said.keys() == {"retired"}:
            self._retired.add(read_key(said["retired"]))
            return
        require(said.keys() == {"old", "new", "by_old", "by_new"}, "no change of key")
        old, new = read_key(said["old"]), read_key(said["new"])
        require(old.name == new.name, "keys of two logs")
        if not {old, new} & self._known:
            return  # before the trusted key came to be
        message = f"whoisgate/v1 key change\n{said['old']}\n{said['new']}\n".encode()
        for key, signature in ((old, said["by_old"]), (new, said["by_new"])):
            public = Ed25519PublicKey.from_public_bytes(key.public)
            try:
                public.verify(base64_url(signature, 64), message)
            except InvalidSignature as error:
                raise Refused("a change of key that a key did not sign") from error
        self._known |= {old, new}

    def signed(self, note: bytes) -> Iterator[bool]:
        """Of each key in force, whether it signed."""
        for key in self._known - self._retired:
            try:
                open_checkpoint(note, key)
            except Unsigned:
                yield False
            else:
                yield True
