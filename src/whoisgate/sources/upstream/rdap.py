"""An RDAP server's answer about one domain, as a record (RFC 7480, 9083).

Of an answer only what `formats.rdap` reads as a record is ever used; no link, notice or port 43
server in it is followed, and none of its text reaches an error.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from whoisgate.audit.entry import rfc3339
from whoisgate.errors import (
    MalformedDocument,
    NotADomain,
    UpstreamError,
    UpstreamMalformed,
    UpstreamRefused,
    UpstreamThrottled,
    UpstreamUnreachable,
)
from whoisgate.formats import rdap
from whoisgate.formats.rdap import strict
from whoisgate.records import Fetched, Record
from whoisgate.sources.upstream.deadline import within
from whoisgate.sources.upstream.http import URL, Client, Reply

ACCEPT: Final = "application/rdap+json"
_SECONDS = re.compile(r"\d{1,6}", re.ASCII)
_OK: Final = 200
_NOT_FOUND: Final = 404
_SERVER_ERRORS: Final = 500


class RDAPServer:
    """One RDAP server behind its base URL, which ends in a slash."""

    def __init__(self, base: URL, client: Client, clock: Callable[[], datetime]) -> None:
        self.base, self._client, self._clock = base, client, clock
        self.source = f"rdap:{base.place.host}"

    async def find(self, name: str, until: float) -> Record | None:
        """The record of a canonical name, or None where the server says soundly that none is.

        ``until`` is the loop's time at which waiting ends. Raises `UpstreamError`.
        """
        tail = f"/domain/{name}"
        base = self.base
        start = URL(base.scheme, base.place, f"{base.target[:-1]}{tail}")
        async with within(until):
            answer = await self._client.get(start, ACCEPT, tail)
        if answer.status == _NOT_FOUND:
            _refuse_unsound(answer.body)
            return None
        if answer.status != _OK:
            raise refusal(answer)
        record = _decoded(answer.body)
        if record.name != name:
            raise UpstreamMalformed(f"expected a document about `{name}`, got another")
        at = self._clock()
        return replace(
            record,
            source=self.source,
            version=rfc3339(at),
            fetched=(Fetched(str(answer.url), at, hashlib.sha256(answer.body).hexdigest()),),
        )


def refusal(answer: Reply) -> UpstreamError:
    """What a status other than 200 and 404 means."""
    said = f"expected status 200, got `{answer.status}`"
    if answer.status in {401, 403}:
        return UpstreamRefused(said)
    if answer.status == 429:  # noqa: PLR2004  Too Many Requests
        seconds = answer.retry_after
        return UpstreamThrottled(said, int(seconds) if _SECONDS.fullmatch(seconds) else None)
    if answer.status >= _SERVER_ERRORS:
        return UpstreamUnreachable(said)
    return UpstreamMalformed(said)


def _decoded(body: bytes) -> Record:
    try:
        return rdap.decode(body)
    except (MalformedDocument, NotADomain) as error:
        # Their messages hold what was expected and where, never a value.
        raise UpstreamMalformed(str(error)) from None


def _refuse_unsound(body: bytes) -> None:
    """Refuse a 404 that is not RDAP's: a wrong base URL says nothing about any name."""
    if not body:
        return
    try:
        said = strict.loads(body)
    except MalformedDocument:
        said = None
    if not isinstance(said, dict) or said.get("errorCode", _NOT_FOUND) != _NOT_FOUND:
        raise UpstreamMalformed("expected a 404 that is empty, or an RDAP error object")
