"""The keys that issuers publish, fetched from where the directory says and from nowhere else.

``fetch`` is handed in, with all its bounds; a token only tells that a key is missing. Rules: one
fetch of an address in a minute, whatever tokens say, and one for all who wait; what was fetched is
old after five minutes, and good for a day while nothing better can be had.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from whoisgate.errors import WhoisgateError
from whoisgate.identity.authority import Algorithm, TokenProof
from whoisgate.identity.issuer import KeySet

Fetch = Callable[[str], Awaitable[bytes]]
"""What stands at an https address; raises `WhoisgateError`, `OSError` or `ValueError`."""

AGAIN_S: Final = 60
OLD_S: Final = 300
GOOD_S: Final = 86_400
DEADLINE_S: Final = 5.0
MAX_SETS: Final = 1024

_LOG = logging.getLogger("whoisgate")
_Name = tuple[str, Algorithm]


class _Kept(NamedTuple):
    keys: KeySet
    since: datetime


class Published:
    """Keeps key sets by address and algorithm, in memory. Meant for one event loop."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._kept: dict[_Name, _Kept] = {}
        self._tried: dict[_Name, datetime] = {}
        self._flights: dict[_Name, asyncio.Task[None]] = {}

    def keys(self, proof: TokenProof, now: datetime) -> KeySet | None:
        """The keys as last fetched; None where that is more than a day ago, or never was."""
        kept = self._kept.get(_name(proof))
        return kept.keys if kept and abs(now - kept.since) < timedelta(seconds=GOOD_S) else None

    async def refresh(self, proof: TokenProof, kid: str | None, now: datetime) -> None:
        """Fetch, if ``kid`` is not there or the keys are old, unless that was tried just now.

        Never raises: without an answer in five seconds all stays as it is.
        """
        name = _name(proof)
        kept, keys = self._kept.get(name), self.keys(proof, now)
        if kept and keys and keys.key(kid) and abs(now - kept.since) < timedelta(seconds=OLD_S):
            return
        flight = self._flights.get(name)
        if flight is None:
            tried = self._tried.get(name)
            if tried is not None and abs(now - tried) < timedelta(seconds=AGAIN_S):
                return
            flight = self._flights[name] = asyncio.create_task(self._fly(name, now))
        # Whoever stops waiting must not end it for the others.
        await asyncio.shield(flight)

    async def _fly(self, name: _Name, now: datetime) -> None:
        for kept in (self._tried, self._kept):
            if name not in kept and len(kept) >= MAX_SETS:
                del kept[next(iter(kept))]
        self._tried[name] = now
        try:
            async with asyncio.timeout(DEADLINE_S):
                text = await self._fetch(name[0])
            self._kept[name] = _Kept(KeySet.parsed(text, name[1]), now)
        except (WhoisgateError, OSError, ValueError) as error:
            said = str(error) if isinstance(error, WhoisgateError | ValueError) else "no answer"
            _LOG.warning("the keys at `%s` cannot be had: %s", name[0], said)
        finally:
            del self._flights[name]


def _name(proof: TokenProof) -> _Name:
    return proof.keys_url or "", proof.algorithm
