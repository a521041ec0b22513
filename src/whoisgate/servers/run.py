"""Runs both servers in one event loop until they are told to stop.

Sockets are bound before anything else, so that a taken port ends the start; a signal ends
accepting, lets what came be answered for a bounded time, and closes the gate last.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, cast

import uvicorn
import uvloop
from starlette.types import ASGIApp

from whoisgate.errors import MissingKey, PolicyError, PortTaken, WhoisgateError
from whoisgate.gate import AsyncGate
from whoisgate.middle import Settings
from whoisgate.servers.door import Door
from whoisgate.servers.faults import code
from whoisgate.servers.listener import BoundedProtocol, bounded_protocol
from whoisgate.servers.settings import ServerSettings
from whoisgate.servers.tls import ServerContext
from whoisgate.servers.whois import BACKLOG, WhoisServer

Address = tuple[str, int]
"""Host and port; port 0 takes a free one."""

SWITCH_S: Final = 0.0005
_LOG = logging.getLogger("whoisgate")


class _HTTPServer(uvicorn.Server):
    """uvicorn's server that says when it accepts, TLS by a `Door`; leaves signals to `run`."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        context, bound = self.config.ssl, sockets or []
        await super().startup([] if context else bound)
        if context:
            kind = cast("type[BoundedProtocol]", self.config.http_protocol_class)
            make = partial(kind, self.config, self.server_state, self.lifespan.state)
            doors = [Door(each, context, kind.settings.request_s, make) for each in bound]
            # uvicorn closes them, and waits for them, when it shuts down.
            self.servers = cast("list[asyncio.Server]", doors)
        self.accepting.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(
    app: ASGIApp,
    whois: WhoisServer,
    rdap_address: Address,
    whois_address: Address,
    *,
    gate: AsyncGate,
    ready: Callable[[dict[str, str]], None],
    tls: tuple[Path, Path] | None = None,
    anchors: Callable[[], str] = str,
    reread: Callable[[], Settings] | None = None,
    beside: Sequence[Callable[[], Coroutine[None, None, None]]] = (),
) -> None:
    """Serve until SIGTERM or SIGINT, then drain and close the gate.

    At SIGHUP the gate adopts what ``reread`` gives, which runs in a thread; if it raises, all stays
    as it is. Either is told to the operator's log. Each of ``beside`` runs as long as the servers.
    ``ready`` gets the addresses, ``rdap`` as a URL and ``whois`` as HOST:PORT, when both accept.
    ``tls`` is certificate chain and key (PEM), ``anchors`` as `ServerContext` takes it. Raises
    `PortTaken` or `MissingKey`.
    """
    # The log's thread waits for the interpreter lock after each call into SQLite; at the default
    # of 5 ms it waits behind the loop, and a batch of gated answers with it.
    sys.setswitchinterval(SWITCH_S)
    # What start made stays: a full collection would walk it all, some 45 ms in which nobody is
    # answered.
    gc.collect()
    gc.freeze()
    uvloop.run(
        run(
            app,
            whois,
            rdap_address,
            whois_address,
            gate=gate,
            ready=ready,
            tls=tls,
            anchors=anchors,
            reread=reread,
            beside=beside,
            signals=True,
        )
    )


async def run(
    app: ASGIApp,
    whois: WhoisServer,
    rdap_address: Address,
    whois_address: Address,
    *,
    gate: AsyncGate,
    ready: Callable[[dict[str, str]], None],
    tls: tuple[Path, Path] | None = None,
    anchors: Callable[[], str] = str,
    reread: Callable[[], Settings] | None = None,
    beside: Sequence[Callable[[], Coroutine[None, None, None]]] = (),
    signals: bool = False,
    stopping: asyncio.Event | None = None,
) -> None:
    """As `serve`, inside a running loop; ``stopping`` ends it as a signal would."""
    try:
        with bind(rdap_address) as rdap_socket, bind(whois_address) as whois_socket:
            addresses = {
                "rdap": f"{'https' if tls else 'http'}://{_spoken(rdap_socket)}/",
                "whois": _spoken(whois_socket),
            }
            http = _HTTPServer(_config(app, whois.settings, tls, anchors))
            await whois.start(whois_socket)
            serving = asyncio.create_task(http.serve([rdap_socket]))
            tasks = [asyncio.create_task(each()) for each in beside]
            stop, again = stopping or asyncio.Event(), asyncio.Event()
            caught = {signal.SIGTERM: stop, signal.SIGINT: stop}
            if reread is not None:
                caught[signal.SIGHUP] = again
                tasks.append(asyncio.create_task(_adopt(gate, reread, again)))
            await _first(serving, http.accepting)
            with _set_by_signals(caught if signals else {}):
                ready(addresses)
                await _first(serving, stop)
                for task in tasks:
                    task.cancel()
                http.should_exit = True
                await asyncio.gather(serving, whois.stop())
    finally:
        await gate.close()


async def _first(task: asyncio.Task[None], event: asyncio.Event) -> None:
    """Wait until the event is set, or the task has ended by itself."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


def bind(address: Address) -> socket.socket:
    """A socket bound to ``address``; raises `PortTaken` naming it."""
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise PortTaken(f"cannot listen on `{host}:{port}`: {reason.lower()}") from None


def _config(
    app: ASGIApp,
    settings: ServerSettings,
    tls: tuple[Path, Path] | None,
    anchors: Callable[[], str],
) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=bounded_protocol(settings),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # Who speaks for whom is decided in `request`, from the operator's list alone.
        proxy_headers=False,
        timeout_keep_alive=max(1, round(settings.request_s)),
        timeout_graceful_shutdown=max(1, round(settings.drain_s)),
        ssl_context_factory=tls and (lambda *_: ServerContext(*tls, anchors)),
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise MissingKey(
            f"expected a readable TLS certificate and key: {type(error).__name__}"
        ) from None
    return config


def _spoken(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextlib.contextmanager
def _set_by_signals(caught: Mapping[signal.Signals, asyncio.Event]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number, event in caught.items():
        loop.add_signal_handler(number, event.set)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)


async def _adopt(gate: AsyncGate, reread: Callable[[], Settings], wanted: asyncio.Event) -> None:
    """Let the gate adopt other settings whenever they are wanted."""
    while True:
        await wanted.wait()
        wanted.clear()
        before = gate.settings.policy
        try:
            settings = await asyncio.to_thread(reread)
        except Exception as error:  # noqa: BLE001  whatever is wrong, answering goes on
            _LOG.error("%s; policy %s stays in force", _wrong(error), before.digest)
            continue
        gate.adopt(settings)
        policy = settings.policy
        _LOG.warning("policy `%s` %s in force: %s", policy.name, policy.version, policy.digest)


def _wrong(error: Exception) -> str:
    """What is wrong with settings, with every finding about the policy on a line of its own."""
    text = str(error) if isinstance(error, WhoisgateError) else type(error).__name__
    findings = error.findings if isinstance(error, PolicyError) else ()
    return "\n".join([f"{code(error)}: {text}", *(f"  {finding}" for finding in findings)])
