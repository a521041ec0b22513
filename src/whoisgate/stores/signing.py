"""Which keys sign the log now: the database says which, the operator's folder holds them.

So a key that another process put into force, or retired, is followed from the next batch on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable

from whoisgate.audit.note import Signer
from whoisgate.errors import MissingKey
from whoisgate.stores import tables


class SigningKeys:
    """The keys of one log; ``held`` gives the private keys at hand, and is asked when needed."""

    def __init__(self, held: Callable[[], Iterable[Signer]]) -> None:
        self._held = held
        self._known: tuple[tuple[str, ...], Signer] | None = None

    def current(self, database: sqlite3.Connection) -> Signer:
        """The newest key, with those beside it that still sign; raises `MissingKey`."""
        vkeys = tables.signing(database)
        if self._known is None or self._known[0] != vkeys:
            held = {signer.vkey: signer for signer in self._held()}
            for vkey in vkeys:
                if vkey not in held:
                    raise MissingKey(f"expected the private key of `{vkey}`, which signs the log")
            newest, *others = (held[vkey] for vkey in vkeys)
            self._known = vkeys, newest.beside(others)
        return self._known[1]

    def first(self) -> Signer:
        """The key of a log that is being made."""
        (signer,) = self._held()
        return signer
