"""One question on port 43 (RFC 3912): a line out, bytes in until the other end closes.

Connected to a checked address, bounded in bytes; the caller bounds the time in all. The line is
the operator's template around a canonical name, so that nothing else can ever be asked. Bytes are
handed on as they came: which characters they are is the reader's to say.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from whoisgate.errors import UpstreamTooLarge, UpstreamUnreachable
from whoisgate.queries import canonical_name
from whoisgate.sources.upstream.addresses import UNREAD, Addresses, Place

_CHUNK = 65536
_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Said(NamedTuple):
    """What came back; not ``complete`` when the connection broke off."""

    raw: bytes
    complete: bool


async def ask(
    addresses: Addresses, place: Place, template: str, name: str, limit_bytes: int
) -> Said:
    """What the server at ``place`` says of a canonical name.

    Raises `UpstreamUnreachable`, `UpstreamForbidden`, `UpstreamTooLarge`; `MalformedName` where
    the name is none, before anything is sent.
    """
    # INVARIANT: a canonical name is letters, digits, hyphens, underscores and dots: no CR or LF.
    line = template.replace("{name}", canonical_name(name)).encode("ascii") + b"\r\n"

    async def connect(address: str) -> _Streams:
        streams = await asyncio.open_connection(address, place.port, limit=_CHUNK)
        streams[1].get_extra_info("socket").setsockopt(*UNREAD)
        return streams

    reader, writer = await addresses.connect(place, connect)
    try:
        writer.write(line)
        return await _everything(reader, limit_bytes)
    finally:
        writer.transport.abort()  # nothing is left to say, and nobody waits for the other end


async def _everything(reader: asyncio.StreamReader, limit_bytes: int) -> Said:
    raw = bytearray()
    try:
        while part := await reader.read(_CHUNK):
            raw += part
            if len(raw) > limit_bytes:
                raise UpstreamTooLarge(f"expected at most `{limit_bytes}` bytes")
    except OSError as error:
        if not raw:
            raise UpstreamUnreachable(f"no answer: `{type(error).__name__}`") from None
        return Said(bytes(raw), complete=False)
    return Said(bytes(raw), complete=True)
