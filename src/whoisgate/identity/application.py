"""People whom the operator's own application signs in, under the directory's record of them.

Believes the application's word for the person, as far as the record says: a proof ``application``
and its assurance. Reads the directory anew each time, so there is no older one to believe.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Final

from whoisgate.errors import CredentialRefused
from whoisgate.identity.authority import MAX_PERSON, ApplicationProof, Authority, Record
from whoisgate.queries import Assurance, Requester

_LEVELS: Final = tuple(Assurance)


class Application:
    """Who asks through the application.

    ``listed`` gives the record of an active authority, and its entry, by the authority's name and
    the `Requester.identity`; it raises `CredentialRefused` for who may not ask.
    """

    def __init__(self, listed: Callable[[str, str], tuple[str, int]]) -> None:
        self._listed = listed

    def __call__(
        self, authority: str, person: str, assurance: Assurance | None, now: datetime
    ) -> Requester:
        """Somebody of a listed authority, at ``now``; raises `CredentialRefused`.

        The ``assurance`` is at most what the record says, and without one that.
        """
        for said in (authority, person):
            if not 0 < len(said) <= MAX_PERSON or not said.isprintable():
                raise CredentialRefused(
                    f"expected an authority and a person of 1 to `{MAX_PERSON}` printable "
                    "characters each"
                )
        held = _authority(*self._listed(authority, Requester.identity_of(authority, person)))
        proof = next((p for p in held.record.proof if isinstance(p, ApplicationProof)), None)
        if proof is None:
            raise CredentialRefused("expected a proof `application` in the authority's record")
        claimed = proof.assurance if assurance is None else Assurance(assurance)
        level = min(claimed, proof.assurance, key=_LEVELS.index)
        return held.requester(person, level, proof.method, now)


@lru_cache(256)
def _authority(text: str, entry: int) -> Authority:
    """Parsed once: a record may hold a thousand keys."""
    return Authority(Record.of(json.loads(text), f"entry {entry}"), entry)
