"""IANA's list of RDAP servers (RFC 9224): read strictly, kept as a local copy, and only if fresh.

A registry's old server may belong to somebody else by now, so a list that nobody confirmed lately
is worse than none: it is refused. The copy's time of change is when it was last confirmed. Rules:
a fetched list is checked before it replaces the copy, in one step; one published earlier than the
copy never does; a server without HTTPS counts as none.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from whoisgate.errors import (
    BootstrapStale,
    MalformedDocument,
    NoUpstream,
    UpstreamError,
    UpstreamMalformed,
)
from whoisgate.formats.rdap import strict
from whoisgate.formats.rdap.strict import JSON
from whoisgate.sources.upstream.deadline import within
from whoisgate.sources.upstream.http import URL, Web

AHEAD: Final = timedelta(minutes=1)
"""How far ahead of the clock a copy's time may be; clocks are set back a little at times."""

RETRY_S: Final = 60.0
_SUFFIX = re.compile(r"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,126}", re.ASCII)
_OK: Final = 200

_LOG = logging.getLogger("whoisgate")


@dataclass(frozen=True, slots=True)
class Servers:
    """The list: when it was published, and the base URL by suffix; None has no HTTPS."""

    published: datetime
    bases: Mapping[str, URL | None]

    @classmethod
    def parse(cls, raw: bytes) -> Servers:
        """From the JSON of RFC 9224 §3 and §4; raises `MalformedDocument`."""
        document = strict.loads(raw)
        if not isinstance(document, dict) or document.get("version") != "1.0":
            raise MalformedDocument("expected a bootstrap file of version `1.0`")
        bases: dict[str, URL | None] = {}
        for service in _list(document.get("services")):
            entries, urls = _pair(service)
            base = _base(urls)
            for entry in entries:
                if not _SUFFIX.fullmatch(entry) or entry in bases:
                    raise MalformedDocument("expected every suffix once, in lower case")
                bases[entry] = base
        return cls(_moment(document.get("publication")), bases)

    def base(self, name: str) -> URL:
        """The server of the longest suffix; raises `NoUpstream`."""
        rest = name
        while rest := rest.partition(".")[2]:
            if rest in self.bases:
                if base := self.bases[rest]:
                    return base
                raise NoUpstream("expected an HTTPS server for this suffix in the bootstrap file")
        raise NoUpstream("expected a server for this suffix in the bootstrap file")


class _Copy(NamedTuple):
    """The local copy: how long ago it was confirmed, and what it says."""

    age: timedelta
    servers: Servers


class Bootstrap:
    """The local copy in ``file``, fetched from ``url`` over ``web`` before it gets too old.

    ``clock`` tells the age; a fetch may take ``deadline_s``. Without ``url`` nothing is fetched.
    """

    def __init__(
        self,
        file: Path,
        max_age: timedelta,
        clock: Callable[[], datetime],
        web: Web,
        *,
        url: URL | None,
        deadline_s: float,
    ) -> None:
        self._file, self._max_age, self._clock = file, max_age, clock
        self._web, self._url, self._deadline_s = web, url, deadline_s
        self._read: tuple[float, Servers | None] | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._retry_at = 0.0

    async def base(self, name: str, until: float) -> URL:
        """The RDAP server for a name; waits for a fetch only where there is no fresh copy.

        Raises `NoUpstream`, and `BootstrapStale` at ``until`` at last.
        """
        copy = self._copy()
        if copy is None or copy.age > self._max_age / 2:
            fetching = self._fetch_once()
            if fetching and (copy is None or copy.age > self._max_age):
                await asyncio.wait({fetching}, timeout=until - asyncio.get_running_loop().time())
                copy = self._copy()
        if copy is None or copy.age > self._max_age:
            raise BootstrapStale("expected a bootstrap file that is sound and not too old")
        return copy.servers.base(name)

    async def close(self) -> None:
        """End a fetch that is under way."""
        if self._fetching:
            self._fetching.cancel()
            await asyncio.wait({self._fetching})

    def _copy(self) -> _Copy | None:
        """The copy as it is now; None where there is none that can be used."""
        try:
            changed = self._file.stat().st_mtime
            if self._read is None or self._read[0] != changed:
                self._read = changed, _parsed(self._file.read_bytes())
        except OSError:
            return None
        servers = self._read[1]
        age = self._clock() - datetime.fromtimestamp(changed, UTC)
        return _Copy(age, servers) if servers and age >= -AHEAD else None

    def _fetch_once(self) -> asyncio.Task[None] | None:
        """The fetch that is under way, or a new one unless the last has just failed."""
        now = asyncio.get_running_loop().time()
        if self._fetching and not self._fetching.done():
            return self._fetching
        if self._url is None or now < self._retry_at:
            return None
        self._retry_at = now + RETRY_S
        self._fetching = asyncio.create_task(self._fetch(self._url, now + self._deadline_s))
        return self._fetching

    async def _fetch(self, url: URL, until: float) -> None:
        try:
            async with within(until):
                reply = await self._web.get(url, "application/json")
            if reply.status != _OK:
                raise UpstreamMalformed(f"expected status 200, got `{reply.status}`")
            self._replace(reply.body)
        except (UpstreamError, MalformedDocument, OSError) as error:
            code = getattr(error, "code", BootstrapStale.code)
            _LOG.warning("%s bootstrap %s: %s", code, url.place.host, error)

    def _replace(self, raw: bytes) -> None:
        """Put a checked list in the copy's place, confirmed now."""
        servers, copy = Servers.parse(raw), self._copy()
        if copy and servers.published < copy.servers.published:
            raise MalformedDocument("expected a list that is not older than the copy")
        fresh = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        with fresh.open("wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        now = self._clock().timestamp()
        os.utime(fresh, (now, now))
        fresh.replace(self._file)


def _parsed(raw: bytes) -> Servers | None:
    try:
        return Servers.parse(raw)
    except MalformedDocument as error:
        _LOG.warning("%s bootstrap file: %s", BootstrapStale.code, error)
        return None


def _list(value: JSON) -> list[JSON]:
    if not isinstance(value, list):
        raise MalformedDocument("expected an array of services, entries and URLs")
    return value


def _pair(service: JSON) -> list[list[str]]:
    """Entries and URLs of one service."""
    parts = [[text for text in _list(part) if isinstance(text, str)] for part in _list(service)]
    sizes = [len(_list(part)) for part in _list(service)]
    if len(parts) != 2 or [len(part) for part in parts] != sizes or 0 in sizes:  # noqa: PLR2004  a pair
        raise MalformedDocument("expected services of entries and URLs")
    return parts


def _base(urls: list[str]) -> URL | None:
    """The first with HTTPS; all must be base URLs (RFC 9224 §3)."""
    try:
        parsed = [URL.parse(url) for url in urls]
    except ValueError:
        parsed = []
    if not parsed or not all(url.target.endswith("/") for url in parsed):
        raise MalformedDocument("expected absolute URLs that end in a slash")
    return next((url for url in parsed if url.scheme == "https"), None)


def _moment(value: JSON) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise MalformedDocument("publication: expected a time of RFC 3339")
    return moment
