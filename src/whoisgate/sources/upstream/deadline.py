"""One deadline over everything that answers a question: `within`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from whoisgate.errors import UpstreamTimedOut


@asynccontextmanager
async def within(until: float) -> AsyncIterator[None]:
    """Ends what is inside at ``until``, in the loop's time; then raises `UpstreamTimedOut`."""
    try:
        async with asyncio.timeout_at(until):
            yield
    except TimeoutError:
        raise UpstreamTimedOut("expected a whole answer before the deadline") from None
