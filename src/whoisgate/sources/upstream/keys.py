"""Talks to identity providers, within the bounds of every upstream.

Fetches what they publish (RFC 7517 §5, OpenID Connect Discovery), and sends forms to them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final

from whoisgate.errors import UpstreamForbidden, UpstreamMalformed
from whoisgate.sources.upstream.addresses import Addresses, Resolver, resolve
from whoisgate.sources.upstream.http import URL, Web, tls

LIMIT_BYTES: Final = 64 * 1024
CONNECTIONS: Final = 8


def fetcher(
    allow: Iterable[str] = (), ca: Path | None = None, *, resolver: Resolver = resolve
) -> Callable[[str], Awaitable[bytes]]:
    """What fetches one https address: public, or of a network under ``allow``; no redirect.

    It raises `UpstreamError`; whoever calls it bounds the time. Raises `MissingKey` for a ``ca``
    that cannot be read.
    """
    web = Web(Addresses.of(allow, resolver), LIMIT_BYTES, tls(ca), CONNECTIONS)

    async def fetch(address: str) -> bytes:
        reply = await web.get(_https(address), "application/jwk-set+json, application/json")
        if reply.status != 200:  # noqa: PLR2004  HTTP
            raise UpstreamMalformed(f"expected status 200, got `{reply.status}`")
        return reply.body

    return fetch


def poster(
    allow: Iterable[str] = (), ca: Path | None = None, *, resolver: Resolver = resolve
) -> Callable[[str, bytes, str | None], Awaitable[tuple[int, bytes]]]:
    """What sends a form to an https address, with an `Authorization`; gives status and body.

    All else is as `fetcher`.
    """
    web = Web(Addresses.of(allow, resolver), LIMIT_BYTES, tls(ca), CONNECTIONS)

    async def post(address: str, form: bytes, authorization: str | None) -> tuple[int, bytes]:
        reply = await web.post(_https(address), "application/json", form, authorization)
        return reply.status, reply.body

    return post


def _https(address: str) -> URL:
    try:
        url = URL.parse(address)
    except ValueError:
        raise UpstreamForbidden("expected an absolute https URL") from None
    if url.scheme != "https":
        raise UpstreamForbidden("expected an absolute https URL")
    return url
