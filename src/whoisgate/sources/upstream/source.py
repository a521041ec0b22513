"""`UpstreamSource`: records from the RDAP and WHOIS servers that already exist.

The operator's servers by the longest suffix, else IANA's list, else nobody. RDAP is asked, or
WHOIS where there is no RDAP; one after the other only where the operator says so. Asynchronous
alone; it belongs to the loop that first asks it. Every error names the server that the operator
configured and never a word of what it said.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from whoisgate.config import BootstrapSettings, UpstreamServerSettings, UpstreamSettings
from whoisgate.errors import MalformedConfig, NoUpstream, UpstreamError
from whoisgate.records import Record
from whoisgate.sources.opinion import SecondOpinion
from whoisgate.sources.upstream.addresses import Addresses, Place, Resolver, resolve
from whoisgate.sources.upstream.bootstrap import Bootstrap
from whoisgate.sources.upstream.guard import Ask, Guard, Limits, loop_s
from whoisgate.sources.upstream.http import URL, Client, Web, bearer, tls
from whoisgate.sources.upstream.inward import inward
from whoisgate.sources.upstream.rdap import RDAPServer
from whoisgate.sources.upstream.whois import PORT, Referrals, WhoisServer

STRANGERS: Final = 64
"""Connections in all to web servers that the operator did not name."""

_LOG = logging.getLogger("whoisgate")


class Server(Protocol):
    """A server that can be asked about one name; ``source`` is what records of it say."""

    @property
    def source(self) -> str:
        """Protocol and configured host."""

    async def find(self, name: str, until: float) -> Record | None:
        """The record, or None; raises `UpstreamError`, at the loop's time ``until`` at last."""


class Upstream:
    """The servers for some suffixes, asked in turn, behind one guard."""

    def __init__(self, servers: tuple[Server, ...], limits: Limits) -> None:
        self._servers = servers
        self.guard = Guard(limits, self._ask)
        self.said = ", ".join(server.source for server in servers)

    async def _ask(self, name: str, until: float) -> Record | None:
        """The first server that answers, each in its share of the time."""
        now, last = loop_s(), len(self._servers)
        for turn, server in enumerate(self._servers, 1):
            try:
                return await server.find(name, now + (until - now) * turn / last)
            except UpstreamError as error:
                _LOG.warning("%s %s: %s", error.code, server.source, error)
                if turn == last:
                    raise
        return None


class UpstreamSource:
    """A source over other people's servers.

    ``settings`` as configured, with files under ``folder``; ``clock`` dates what is fetched.
    Raises `MalformedConfig`, `MissingKey` or `ExtraMissing`. Nothing is opened before the first
    question.
    """

    def __init__(
        self,
        settings: UpstreamSettings,
        folder: Path,
        clock: Callable[[], datetime],
        resolver: Resolver = resolve,
    ) -> None:
        self._settings, self._folder, self._clock = settings, folder, clock
        self._addresses = Addresses.of(settings.allow, resolver)
        self._opinion = SecondOpinion() if settings.second_opinion else None
        self._webs: list[Web] = []
        self._others = self._web(STRANGERS)
        self._upstreams: list[Upstream] = []
        self._listed: dict[URL, Upstream] = {}
        self._fixed: dict[str, Upstream] = {}
        self._hosts: set[str] = set()
        for server in settings.server:
            self._fixed |= dict.fromkeys(server.suffixes or ("",), self._upstream(server))
        self._bootstrap = self._list(settings.bootstrap) if settings.bootstrap else None

    async def find(self, name: str) -> Record | None:
        """The record of a canonical name; equal questions share one answer.

        Raises `UpstreamError`.
        """
        until = loop_s() + self._settings.deadline_s
        upstream = await self._for(name, until)
        return self._inward(await _named(upstream, upstream.guard.find, name, until))

    async def find_fresh(self, name: str) -> Record | None:
        """As `find`, asked for this question alone."""
        until = loop_s() + self._settings.deadline_s
        upstream = await self._for(name, until)
        return self._inward(await _named(upstream, upstream.guard.find_fresh, name, until))

    async def close(self) -> None:
        """End what is under way and close every connection."""
        if self._bootstrap:
            await self._bootstrap.close()
        for upstream in self._upstreams:
            await upstream.guard.close()
        for web in self._webs:
            await web.close()
        if self._opinion:
            self._opinion.close()

    def _inward(self, record: Record | None) -> Record | None:
        return inward(record, self._hosts) if record else None

    async def _for(self, name: str, until: float) -> Upstream:
        """Who answers for a name: the longest suffix of the operator's, or of IANA's list."""
        rest = name
        while rest:
            rest = rest.partition(".")[2]
            if upstream := self._fixed.get(rest):
                return upstream
        if self._bootstrap is None:
            raise NoUpstream("expected a server for this suffix in the configuration")
        base = await self._bootstrap.base(name, until)
        if base not in self._listed:
            client = Client(self._others, self._others, hops=self._settings.hops)
            self._listed[base] = self._guarded((RDAPServer(base, client, self._clock),), Limits())
        return self._listed[base]

    def _upstream(self, settings: UpstreamServerSettings) -> Upstream:
        limits = Limits(settings.in_flight, settings.per_minute, settings.failures, settings.rest_s)
        servers: list[Server] = []
        if settings.rdap:
            servers.append(self._rdap(settings, settings.rdap))
        if settings.whois:
            servers.append(self._whois(settings, settings.whois))
        return self._guarded(tuple(servers), limits)

    def _guarded(self, servers: tuple[Server, ...], limits: Limits) -> Upstream:
        upstream = Upstream(servers, replace(limits, negative_s=self._settings.negative_s))
        self._upstreams.append(upstream)
        return upstream

    def _list(self, settings: BootstrapSettings) -> Bootstrap:
        try:
            url = URL.parse(settings.url) if settings.url else None
        except ValueError as error:
            raise MalformedConfig(f"`url` of [upstream.bootstrap]: {error}") from None
        return Bootstrap(
            self._folder / settings.file,
            timedelta(hours=settings.max_age_h),
            self._clock,
            self._web(1, settings.ca),
            url=url,
            deadline_s=self._settings.deadline_s,
        )

    def _whois(self, settings: UpstreamServerSettings, whois: str) -> WhoisServer:
        try:
            place = Place.parse(whois, PORT)
        except ValueError as error:
            raise MalformedConfig(f"`whois` of an upstream: {error}") from None
        self._hosts.add(place.host)
        referrals = None
        if settings.follow_referrals:
            # What the operator allows, the operator names; a referral is somebody else's word.
            referrals = Referrals(replace(self._addresses, allow=()), self._settings.hops)
        return WhoisServer(
            place,
            settings.query,
            self._addresses,
            self._settings.limit_bytes,
            self._clock,
            referrals=referrals,
            opinion=self._opinion,
        )

    def _rdap(self, settings: UpstreamServerSettings, rdap: str) -> RDAPServer:
        try:
            base = URL.parse(rdap)
        except ValueError as error:
            raise MalformedConfig(f"`rdap` of an upstream: {error}") from None
        self._hosts.add(base.place.host)
        bearer_file = settings.bearer_file and self._folder / settings.bearer_file
        if bearer_file:
            bearer(bearer_file)
        own = None
        if settings.certificate and settings.key:
            own = self._folder / settings.certificate, self._folder / settings.key
        web = self._web(settings.in_flight, settings.ca, own)
        client = Client(
            web, self._others, base.origin, bearer_file, settings.clear_text, self._settings.hops
        )
        return RDAPServer(base, client, self._clock)

    def _web(
        self, connections: int, ca: Path | None = None, own: tuple[Path, Path] | None = None
    ) -> Web:
        context = tls(ca and self._folder / ca, own)
        web = Web(self._addresses, self._settings.limit_bytes, context, connections)
        self._webs.append(web)
        return web


async def _named(upstream: Upstream, find: Ask, name: str, until: float) -> Record | None:
    """What ``find`` gives; an error says which upstream it is about."""
    try:
        return await find(name, until)
    except UpstreamError as error:
        raise type(error)(f"`{upstream.said}`: {error}") from None
