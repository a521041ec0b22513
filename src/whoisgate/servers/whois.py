"""WHOIS on port 43 (RFC 3912): the public view, and nothing else, because it is clear text.

One query line, ended by CR LF or LF and at most 512 bytes, within a deadline; one answer; closed.
Errors are comment lines with a number; nothing that a client sends is ever echoed. Connections
are bounded in all and per network; whoever reads slowly is dropped after another deadline.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Final, cast

from whoisgate.errors import MalformedQuestion, RequesterError, TooManyRequests, TooOften
from whoisgate.gate import AsyncGate
from whoisgate.servers.faults import code, fault
from whoisgate.servers.places import Places
from whoisgate.servers.settings import ServerSettings
from whoisgate.servers.visitors import Visitors

MAX_QUERY: Final = 512
BACKLOG: Final = 2048

_LOG = logging.getLogger("whoisgate")


class WhoisServer:
    """Answers port 43 from ``gate``; `start` it on a bound socket, and `stop` it."""

    def __init__(
        self, gate: AsyncGate, settings: ServerSettings, visitors: Visitors | None = None
    ) -> None:
        self.gate, self.settings, self.places = gate, settings, Places(settings)
        self.visitors = visitors
        self.open: set[_Connection] = set()
        self._server: asyncio.AbstractServer | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def start(self, bound: socket.socket) -> None:
        """Accept connections on a bound socket, which is this server's from now on."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self, loop), sock=bound, backlog=BACKLOG
        )
        self._sweep(loop)

    async def stop(self) -> None:
        """Accept no more, let questions that came be answered for ``drain_s``, drop the rest."""
        if self._server is None:
            return
        self._server.close()
        for connection in [c for c in self.open if c.task is None]:
            connection.drop()
        tasks = [c.task for c in self.open if c.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=self.settings.drain_s)
        # What was written last still leaves; closing waits for it, dropping would not.
        for connection in list(self.open):
            connection.finish()
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._server = None

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Drop what is late, again and again: one timer for all is cheaper than one for each."""
        now = loop.time()
        for connection in [c for c in self.open if c.deadline <= now]:
            connection.drop()
        pause_s = min(1.0, self.settings.request_s / 4)
        self._sweeper = loop.call_later(pause_s, self._sweep, loop)


class _Connection(asyncio.Protocol):
    """One connection: a line in, an answer out.

    ``deadline`` is when it is dropped, in the loop's time: first unless the line has come, later
    unless the answer was taken.
    """

    __slots__ = (
        "_answering",
        "_host",
        "_line",
        "_loop",
        "_place",
        "_server",
        "_transport",
        "deadline",
        "task",
    )

    def __init__(self, server: WhoisServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server, self._loop = server, loop
        self._line, self._answering, self._host = b"", False, ""
        self._place: int | str | None = None
        self.deadline = loop.time() + server.settings.request_s
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        server, peer = self._server, transport.get_extra_info("peername")
        self._host = peer[0] if peer else ""
        self._place = server.places.take(self._host)
        if self._place is None:
            self._refuse(TooManyRequests("too many connections"))
        else:
            server.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        if self.task is not None:
            self.task.cancel()
        if self._place is not None:
            self._server.open.discard(self)
            self._server.places.leave(self._place)
            self._place = None

    def eof_received(self) -> bool:
        """Half-closed clients get their answer if the whole question came."""
        return self._answering

    def data_received(self, data: bytes) -> None:
        if self._answering:
            return
        line = self._line + data if self._line else data
        end = line.find(b"\n", 0, MAX_QUERY + 1)
        if end < 0:
            self._line = line
            if len(line) > MAX_QUERY:
                self._refuse(MalformedQuestion("too long"))
            return
        self._answering = True
        self.deadline += self._server.settings.drain_s
        try:
            name = asked(line[:end])
        except RequesterError as error:
            self._refuse(error)
            return
        if not self._visit():
            return
        held = self._server.gate.at_hand(name, "whois")
        if held is not None:
            self._write(held.body)
        else:
            self.task = self._loop.create_task(self._find(name))

    def _visit(self) -> bool:
        """Count the look-up, or refuse it."""
        visitors = self._server.visitors
        if visitors is not None:
            place = visitors.place(self._host)
            if visitors.full(place):
                self._server.gate.count("too_often")
                self._refuse(TooOften(visitors.ends))
                return False
            visitors.add(place)
        return True

    async def _find(self, name: str) -> None:
        try:
            self._write(await self._server.gate.public(name, "whois"))
        except Exception as error:  # noqa: BLE001  the last line before the socket
            self._refuse(error)

    def _refuse(self, error: Exception) -> None:
        row, number = fault(error), code(error)
        if not isinstance(error, RequesterError):
            _LOG.error("%s %s on port 43", number, type(error).__name__)
        self._write(f"% {row.code or number}: {row.sentence}\r\n".encode("ascii"))

    def _write(self, answer: bytes) -> None:
        self._transport.write(answer)
        self.finish()

    def finish(self) -> None:
        """Close once everything written has left."""
        self._answering = True
        self._transport.close()

    def drop(self) -> None:
        """Close at once, whatever was not sent."""
        self._transport.abort()


def asked(line: bytes) -> str:
    """The name in a query line; ``domain NAME`` and ``-T TYPE NAME`` count as the name.

    Raises `MalformedQuestion`. The name is not checked here.
    """
    try:
        words = line.decode("utf-8").split()
    except UnicodeDecodeError:
        raise MalformedQuestion("expected UTF-8") from None
    match [word.lower() for word in words]:
        case [name] | ["domain", name] | ["-t", _, name]:
            return name
    raise MalformedQuestion("expected one domain name")
