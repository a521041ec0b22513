"""How often the public asks, by both servers, counted by network and forgotten each minute.

An address is never kept: what stands for it is a keyed hash under a secret of the day, of 8 bytes,
and lives for the minute. IPv6 counts by /64; loopback and trusted proxies count as nobody. Each
process counts for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from typing import Final

from whoisgate.servers.places import Networks
from whoisgate.servers.settings import ServerSettings

MINUTE: Final = timedelta(minutes=1)
MAX_PLACES: Final = 100_000
"""Networks counted at once; in a minute with more, further ones are not."""

_NOBODY: Final = b""
_KEY_BYTES: Final = 32
_NUMBER_BYTES: Final = 9
_TAG_BYTES: Final = 8


class Visitors:
    """The look-ups of one minute, at most so many of one network; 0 is no bound.

    Not for several threads.
    """

    def __init__(
        self,
        settings: ServerSettings,
        per_minute: int,
        clock: Callable[[], datetime],
        entropy: Callable[[int], bytes],
    ) -> None:
        self._limit, self._clock = per_minute, clock
        self._network, self._entropy = Networks(settings.networks).of, entropy
        self._counts: dict[bytes, int] = {}
        self._day: date | None = None
        self._secret = b""
        self._begins = self.ends = datetime.min.replace(tzinfo=UTC)

    def place(self, host: str) -> bytes:
        """What stands for the network of an address; nothing for those who are not counted."""
        if not self._limit:
            return _NOBODY
        network = self._network(host)
        if isinstance(network, str):
            return _NOBODY
        now = self._clock()
        if not self._begins <= now < self.ends:
            self._begin(now)
        number = network.to_bytes(_NUMBER_BYTES, signed=True)
        return blake2b(number, digest_size=_TAG_BYTES, key=self._secret).digest()

    def full(self, place: bytes) -> bool:
        """Whether as much came from there in this minute as may."""
        return self._counts.get(place, 0) >= self._limit > 0

    def add(self, place: bytes) -> None:
        """Count a look-up."""
        if place and (place in self._counts or len(self._counts) < MAX_PLACES):
            self._counts[place] = self._counts.get(place, 0) + 1

    def _begin(self, now: datetime) -> None:
        """Another minute; with a clock that went back, too."""
        self._counts.clear()
        self._begins, self.ends = now, now + MINUTE
        if now.date() != self._day:
            self._day, self._secret = now.date(), self._entropy(_KEY_BYTES)
