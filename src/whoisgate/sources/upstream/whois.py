"""A WHOIS server's answer about one domain, as a record; and the registrar's, if told to ask it.

A referral is a stranger's word: it is followed only where the operator says so, to port 43 of a
public address, a few hops and never in a circle, and without a template. When it leads nowhere the
registry's own answer stands, and says that it is partial.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

from whoisgate.audit.entry import rfc3339
from whoisgate.errors import (
    MalformedDocument,
    UpstreamError,
    UpstreamForbidden,
    UpstreamMalformed,
    UpstreamRefused,
    UpstreamThrottled,
)
from whoisgate.formats import whois
from whoisgate.formats.whois import State
from whoisgate.records import Fetched, Record
from whoisgate.sources.opinion import SecondOpinion
from whoisgate.sources.upstream import port43
from whoisgate.sources.upstream.addresses import Addresses, Place
from whoisgate.sources.upstream.deadline import within

PORT: Final = 43
PLAIN: Final = "{name}"

_REFUSALS: Final[Mapping[State, tuple[type[UpstreamError], str]]] = {
    State.THROTTLED: (UpstreamThrottled, "expected an answer, got told to ask less"),
    State.REFUSED: (UpstreamRefused, "expected an answer, got refused"),
    State.INVALID: (UpstreamRefused, "expected an answer, got the query rejected"),
    State.UNREAD: (UpstreamMalformed, "expected text about a domain"),
}


@dataclass(frozen=True, slots=True)
class Referrals:
    """How referrals are followed: to which addresses, to which port, and how many."""

    addresses: Addresses
    hops: int
    port: int = PORT


class _Heard(NamedTuple):
    record: Record | None
    referral: str | None


class WhoisServer:
    """One WHOIS server; ``template`` is its query line around ``{name}``.

    ``referrals`` is None where none is followed; ``opinion`` is the second reader, if any.
    """

    def __init__(
        self,
        place: Place,
        template: str,
        addresses: Addresses,
        limit_bytes: int,
        clock: Callable[[], datetime],
        *,
        referrals: Referrals | None = None,
        opinion: SecondOpinion | None = None,
    ) -> None:
        self._place, self._template, self._addresses = place, template, addresses
        self._limit_bytes, self._clock = limit_bytes, clock
        self._referrals, self._opinion = referrals, opinion
        self.source = f"whois:{place.host}"

    async def find(self, name: str, until: float) -> Record | None:
        """The record of a canonical name, or None where the server says that none is.

        ``until`` is the loop's time at which waiting ends. Raises `UpstreamError`.
        """
        heard = await self._hear(self._addresses, self._place, self._template, name, until)
        record = heard.record
        if record is None:
            return None
        if self._referrals and heard.referral:
            record = await self._followed(record, heard.referral, self._referrals, until)
        return replace(record, source=self.source, version=rfc3339(record.fetched[-1].at))

    async def _followed(
        self, record: Record, referral: str, referrals: Referrals, until: float
    ) -> Record:
        """The record joined with what the servers say to which it refers."""
        seen, host = {self._place.host}, referral
        for _ in range(referrals.hops):
            if host in seen:
                return record
            seen.add(host)
            try:
                place = _place(host, referrals.port)
                heard = await self._hear(referrals.addresses, place, PLAIN, record.name, until)
            except UpstreamError:
                break
            if heard.record is None:
                break
            record = whois.joined(record, heard.record)
            if heard.referral is None:
                return record
            host = heard.referral
        return replace(record, partial=True)

    async def _hear(
        self, addresses: Addresses, place: Place, template: str, name: str, until: float
    ) -> _Heard:
        async with within(until):
            said = await port43.ask(addresses, place, template, name, self._limit_bytes)
        try:
            reading = whois.read(said.raw, name, complete=said.complete)
        except MalformedDocument as error:
            # Its message holds what was expected, never a value.
            raise UpstreamMalformed(str(error)) from None
        if reading.state in _REFUSALS:
            kind, said_why = _REFUSALS[reading.state]
            raise kind(said_why)
        record = reading.record
        if record is None:
            return _Heard(None, None)
        if record.name != name:
            raise UpstreamMalformed(f"expected an answer about `{name}`, got another")
        at, digest = self._clock(), hashlib.sha256(said.raw).hexdigest()
        record = replace(record, fetched=(Fetched(f"whois://{place}", at, digest),))
        return _Heard(await self._seconded(said.raw, record, until), reading.referral)

    async def _seconded(self, raw: bytes, record: Record, until: float) -> Record:
        """The record with what the second reader adds in time."""
        if self._opinion is None:
            return record
        try:
            async with asyncio.timeout_at(until):
                return await self._opinion.fill_async(whois.decoded(raw), record)
        except TimeoutError:
            return record


def _place(host: str, port: int) -> Place:
    try:
        return Place(Place.parse(host, port).host, port)
    except ValueError:
        raise UpstreamForbidden("expected a referral to a host") from None
