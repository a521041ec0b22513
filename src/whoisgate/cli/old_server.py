"""The server that `doctor` compares with: asked as an upstream is, and by its own address.

The operator named it on the command line, so exactly the addresses to which its name resolves at
the start may be connected to, private or not; a redirect elsewhere leads to public ones alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from pydantic import TypeAdapter

from whoisgate import app
from whoisgate.config import QueryLine
from whoisgate.errors import MalformedConfig, UpstreamThrottled, UpstreamUnreachable
from whoisgate.records import Record
from whoisgate.sources.upstream.addresses import Addresses, Place, resolve
from whoisgate.sources.upstream.guard import THROTTLED_S, loop_s
from whoisgate.sources.upstream.http import URL, Client, Web, tls
from whoisgate.sources.upstream.rdap import RDAPServer
from whoisgate.sources.upstream.whois import PORT, WhoisServer

DEADLINE_S: Final = 10.0
LIMIT_BYTES: Final = 1_000_000
PATIENCE_S: Final = 60

Find = Callable[[str], Awaitable[Record | None]]


@asynccontextmanager
async def old_server(against: str, query: str) -> AsyncIterator[Find]:
    """What finds a name at ``against``: HOST[:PORT] for WHOIS, or an RDAP base URL.

    ``query`` is the line of a WHOIS question around ``{name}``. A server that is asked too much
    is asked once more when it likes. Raises `MalformedConfig`, and `UpstreamUnreachable` when the
    host does not resolve; what finds raises `UpstreamError`.
    """
    base = against if against.endswith("/") else f"{against}/"
    try:
        url = URL.parse(base) if "://" in against else None
        place = url.place if url else Place.parse(against, PORT)
    except ValueError:
        raise MalformedConfig("--against: expected HOST[:PORT] or an http(s) URL") from None
    try:
        line = TypeAdapter(QueryLine).validate_python(query)
    except ValueError:
        raise MalformedConfig(
            "--query: expected one printable ASCII line with {name} in it once"
        ) from None
    addresses = await _addresses(place)
    web = Web(addresses, LIMIT_BYTES, tls(), connections=1)
    server = (
        _rdap(url, web) if url else WhoisServer(place, line, addresses, LIMIT_BYTES, app.utc_now)
    )

    async def find(name: str) -> Record | None:
        try:
            return await server.find(name, loop_s() + DEADLINE_S)
        except UpstreamThrottled as error:
            wait_s = THROTTLED_S if error.after_s is None else error.after_s
            await asyncio.sleep(min(wait_s, PATIENCE_S))
            return await server.find(name, loop_s() + DEADLINE_S)

    try:
        yield find
    finally:
        await web.close()


def _rdap(url: URL, web: Web) -> RDAPServer:
    clear_text = url.scheme == "http"
    return RDAPServer(url, Client(web, web, url.origin, clear_text=clear_text), app.utc_now)


async def _addresses(place: Place) -> Addresses:
    try:
        found = await resolve(place.host, place.port)
    except OSError:
        raise UpstreamUnreachable("expected the old server's name to resolve") from None
    return Addresses.of(address for address in found if "%" not in address)
