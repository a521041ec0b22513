"""Accepts connections that begin with TLS: each takes its place before its first byte is read.

An event loop tells a protocol of such a connection once the handshake is done, so that one whose
handshake never ends would be counted by nobody. Here it is accepted by hand: without a place it is
closed unheard, and with one it has a deadline for the handshake. Clear text needs no such door, for
there the loop tells at once.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Final

from whoisgate.servers.listener import BoundedProtocol

REST_S: Final = 0.1
"""How long nothing is accepted after the kernel refused to, most of all for want of files: who
waits stays in the kernel's queue, and the loop answers others meanwhile instead of trying on."""

_Admission = asyncio.Task[tuple[asyncio.Transport, asyncio.Protocol]]
_LOG = logging.getLogger("whoisgate")


class Door:
    """Accepts on a bound socket until `close`; a handshake has ``handshake_s``.

    ``protocol`` makes what a connection is handed to after its handshake.
    """

    def __init__(
        self,
        bound: socket.socket,
        context: ssl.SSLContext,
        handshake_s: float,
        protocol: Callable[[], BoundedProtocol],
    ) -> None:
        self._bound, self._context = bound, context
        self._handshake_s, self._protocol = handshake_s, protocol
        self._loop = asyncio.get_running_loop()
        self._unfinished: set[_Admission] = set()
        self._resting: asyncio.TimerHandle | None = None
        self._refused = False
        bound.setblocking(False)
        self._open()

    def close(self) -> None:
        """Accept no more, and drop those whose handshake is not finished."""
        self._loop.remove_reader(self._bound)
        if self._resting is not None:
            self._resting.cancel()
        for admission in self._unfinished:
            admission.cancel()

    async def wait_closed(self) -> None:
        """Wait until every handshake has ended; after `close`."""
        await asyncio.gather(*self._unfinished, return_exceptions=True)

    def _open(self) -> None:
        self._loop.add_reader(self._bound, self._accept)

    def _accept(self) -> None:
        """One connection at a time, as the loop itself does, so that others have their turn."""
        try:
            accepted, peer = self._bound.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            self._rest(error)
            return
        self._refused = False
        protocol = self._protocol()
        if not protocol.take(peer[0]):
            accepted.close()
            return
        accepted.setblocking(False)
        admission = self._loop.create_task(
            self._loop.connect_accepted_socket(
                lambda: protocol,
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=self._handshake_s,
            )
        )
        self._unfinished.add(admission)
        admission.add_done_callback(partial(self._admitted, protocol, accepted))

    def _rest(self, error: OSError) -> None:
        if not self._refused:
            _LOG.error("no connection can be accepted: %s; tried again", error.strerror)
        self._refused = True
        self._loop.remove_reader(self._bound)
        self._resting = self._loop.call_later(REST_S, self._open)

    def _admitted(
        self, protocol: BoundedProtocol, accepted: socket.socket, admission: _Admission
    ) -> None:
        """The handshake has ended; where it failed, nobody else gives the place back."""
        self._unfinished.discard(admission)
        if protocol.transport is None:
            protocol.leave()
            accepted.close()
        # That a client left, was late or broke TLS is no event.
        error = None if admission.cancelled() else admission.exception()
        if error is not None and not isinstance(error, OSError):
            _LOG.error("%s in a TLS handshake", type(error).__name__)
