"""The HTTP protocol of uvicorn with bounds that it leaves to others.

A request's head must arrive within a deadline and within 32 KiB; bodies are never read, so they
count as well. Connections are bounded in all and per network, with TLS from before the handshake;
an answer that nobody reads is dropped.
"""

from __future__ import annotations

import asyncio
import re
from typing import ClassVar, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from whoisgate.servers.places import Places
from whoisgate.servers.settings import ServerSettings
from whoisgate.servers.tls import CERTIFICATES, presented

MAX_HEAD: Final = 32 * 1024
"""Bytes that a client may send before a request's head is complete."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection; `bounded_protocol` makes the class that has settings and places."""

    settings: ClassVar[ServerSettings]
    places: ClassVar[Places]
    _place: int | str | None = None
    _deadline: asyncio.TimerHandle | None = None
    _received = 0
    _certificates: tuple[bytes, ...] = ()

    def take(self, host: str) -> bool:
        """Take a place for ``host``, unless one is held; whether there is one."""
        if self._place is None:
            self._place = self.places.take(host)
        return self._place is not None

    def leave(self) -> None:
        """Give the place back, if one is held."""
        if self._place is not None:
            self.places.leave(self._place)
            self._place = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a place, unless `Door` has, or close."""
        super().connection_made(transport)
        self._certificates = presented(transport.get_extra_info("ssl_object"))
        if self.take(self.client[0] if self.client else ""):
            self._arm(self.settings.request_s)
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._disarm()
        self.leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes before the next complete head."""
        self._received += len(data)
        if self._received > MAX_HEAD:
            self.transport.abort()
            return
        super().data_received(data)
        # Zero once a head was complete; what follows it is another head, or a body.
        if self._received and self._deadline is None:
            self._arm(self.settings.request_s)

    def on_headers_complete(self) -> None:
        """The head came in time."""
        self._received = 0
        self._disarm()
        if self.url[:1] != b"/" and b"://" in self.url:
            self._name_the_target()
        if self._certificates:
            cast("dict[str, object]", self.scope)[CERTIFICATES] = self._certificates
        super().on_headers_complete()

    def _name_the_target(self) -> None:
        """A target in absolute form says which host is meant, whatever `Host` says (RFC 9112)."""
        rest = self.url.partition(b"://")[2]
        host = re.split(rb"[/?#]", rest, maxsplit=1)[0]
        self.headers[:] = [(n, host if n == b"host" else value) for n, value in self.headers]
        # HTTP/1.0 knows no `Host`; in HTTP/1.1 one that is missing stays missing, and is refused.
        if self.parser.get_http_version() == "1.0" and all(n != b"host" for n, _ in self.headers):
            self.headers.append((b"host", host))

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, and drop it if what was written does not leave."""
        super().timeout_keep_alive_handler()
        self._arm(self.settings.drain_s)

    def _arm(self, delay_s: float) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(delay_s, self.transport.abort)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def bounded_protocol(settings: ServerSettings) -> type[asyncio.Protocol]:
    """A protocol class for uvicorn; all connections made by it share one count."""
    members = {"settings": settings, "places": Places(settings)}
    return cast("type[asyncio.Protocol]", type("Bounded", (BoundedProtocol,), members))
