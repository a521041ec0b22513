"""The process's limit of open files, so that strangers' connections never take the last one.

Every connection is an open file, and so is what the log, the source and upstream servers are
reached by: where these find none left, nobody is answered. Only a process that serves and nothing
else may set its own limit.
"""

from __future__ import annotations

import logging
import resource
from dataclasses import replace
from typing import Final

from whoisgate.servers.settings import ServerSettings

RESERVE: Final = 512
"""Files kept for everything but clients' and upstream servers' connections, with room to spare: a
gate at rest has some 40 (the log's database and its WAL once for each of three threads, sockets,
the event loop), and a source of 100 connections, the most, takes up to 300."""

SERVERS: Final = 2
"""RDAP and WHOIS, each with connections of its own."""

_LOG = logging.getLogger("whoisgate")


def afforded(settings: ServerSettings, upstream: int = 0) -> ServerSettings:
    """The settings, with no more connections than this process may have files for.

    ``upstream`` is how many connections to upstream servers there may be. Raises the soft limit of
    open files to what is needed, at most to the hard one; never lowers it. Under a hard limit that
    is too low, the reserve is at most half of it, connections have the rest, and the operator is
    told.
    """
    reserve = RESERVE + upstream
    needed = SERVERS * settings.connections + reserve
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most == needed:
        return settings
    connections = max(1, (hard - min(reserve, hard // 2)) // SERVERS)
    _LOG.warning(
        "each server takes %d connections at once instead of %d: expected a limit of %d open"
        " files (`ulimit -Hn`, `LimitNOFILE`), got %d",
        connections,
        settings.connections,
        needed,
        hard,
    )
    return replace(settings, connections=connections)
