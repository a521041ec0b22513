"""What stands between many questions and one upstream: `Guard`.

Equal public questions share one answer, and a name without a record is remembered for a while. A
budget bounds what the upstream is asked, and an upstream that fails is left alone, then tried with
one question. Gated questions share and remember nothing, so that neither their answer nor its
speed tells of them or depends on others; budget and rest hold for them too, but a tenth of the
budget is theirs alone. Rules: records are never kept; times are the loop's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from whoisgate.errors import (
    UpstreamError,
    UpstreamResting,
    UpstreamThrottled,
    UpstreamTimedOut,
    UpstreamUnreachable,
)
from whoisgate.records import Record

Ask = Callable[[str, float], Awaitable[Record | None]]
"""Takes a canonical name and the time at which waiting ends."""

MAX_ABSENT: Final = 10_000
THROTTLED_S: Final = 10
"""How long a throttling upstream is left alone when it does not say."""

MAX_THROTTLED_S: Final = 300
_RESERVED: Final = 10  # one part in ten, for gated questions


@dataclass(frozen=True, slots=True)
class Limits:
    """What one upstream is asked at most, and when it is left alone."""

    in_flight: int = 32
    per_minute: int = 600
    failures: int = 5
    rest_s: float = 30.0
    negative_s: float = 30.0


def loop_s() -> float:
    """The running loop's clock."""
    return asyncio.get_running_loop().time()


class Guard:
    """Guards one upstream, which ``ask`` asks; ``now`` is a monotonic clock in seconds."""

    def __init__(self, limits: Limits, ask: Ask, now: Callable[[], float] = loop_s) -> None:
        self._limits, self._ask, self._now = limits, ask, now
        self._tokens, self._counted_at = float(limits.per_minute), 0.0
        self._asking, self._failures, self._rest_until = 0, 0, 0.0
        self._flights: dict[str, asyncio.Task[Record | None]] = {}
        self._absent: dict[str, float] = {}

    async def find(self, name: str, until: float) -> Record | None:
        """For the public: an answer that may be shared, or an absence remembered.

        ``until`` is when waiting ends. Raises what ``ask`` raises, and `UpstreamResting`.
        """
        if self._absent.get(name, 0.0) > self._now():
            return None
        flight = self._flights.get(name)
        if flight is None:
            flight = self._flights[name] = asyncio.create_task(self._fly(name, until))
            flight.add_done_callback(_look)
        # Whoever stops waiting must not end it for the others.
        return await asyncio.shield(flight)

    async def find_fresh(self, name: str, until: float) -> Record | None:
        """For a gated question: asked now and for it alone. Raises as `find`."""
        return await self._admitted(name, until, reserved=0)

    async def close(self) -> None:
        """End what is still asked."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def _fly(self, name: str, until: float) -> Record | None:
        try:
            record = await self._admitted(name, until, reserved=_RESERVED)
            if record is None and self._limits.negative_s:
                self._remember(name)
            return record
        finally:
            del self._flights[name]

    def _remember(self, name: str) -> None:
        self._absent.pop(name, None)
        if len(self._absent) >= MAX_ABSENT:
            del self._absent[next(iter(self._absent))]
        self._absent[name] = self._now() + self._limits.negative_s

    async def _admitted(self, name: str, until: float, reserved: int) -> Record | None:
        self._admit(reserved)
        self._asking += 1
        try:
            record = await self._ask(name, until)
        except UpstreamError as error:
            self._learn(error)
            raise
        finally:
            self._asking -= 1
        self._failures = 0
        return record

    def _admit(self, reserved: int) -> None:
        limits, now = self._limits, self._now()
        if now < self._rest_until:
            raise UpstreamResting(f"left alone for `{self._rest_until - now:.0f}` s more")
        if self._failures >= limits.failures and self._asking:
            raise UpstreamResting("left alone until the question that tries it is answered")
        if self._asking >= limits.in_flight - _part(limits.in_flight, reserved):
            raise UpstreamResting(f"`{self._asking}` questions are under way")
        earned = (now - self._counted_at) * limits.per_minute / 60
        self._tokens = min(self._tokens + earned, float(limits.per_minute))
        self._counted_at = now
        if self._tokens < 1 + _part(limits.per_minute, reserved):
            raise UpstreamResting(f"the budget of `{limits.per_minute}` a minute is spent")
        self._tokens -= 1

    def _learn(self, error: UpstreamError) -> None:
        """An answer of whatever kind is a sign of life; silence and throttling call for rest."""
        if isinstance(error, UpstreamThrottled):
            rest_s = THROTTLED_S if error.after_s is None else error.after_s
            self._rest_until = self._now() + min(rest_s, MAX_THROTTLED_S)
        elif isinstance(error, UpstreamUnreachable | UpstreamTimedOut):
            self._failures += 1
            if self._failures >= self._limits.failures:
                self._rest_until = self._now() + self._limits.rest_s
        else:
            self._failures = 0


def _part(whole: int, divisor: int) -> int:
    return whole // divisor if divisor else 0


def _look(flight: asyncio.Task[Record | None]) -> None:
    """Take the outcome of a flight that nobody waits for any more."""
    if not flight.cancelled():
        flight.exception()
