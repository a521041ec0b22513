"""The gateway wired: both servers over one folder. Needs the ``gateway`` extra."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from whoisgate import app
from whoisgate.config import ClientSettings, Config
from whoisgate.errors import LogUnavailable, MalformedConfig, WhoisgateError
from whoisgate.gate import AsyncSource, Source
from whoisgate.identity.authenticator import Authenticator
from whoisgate.identity.directory import Directory
from whoisgate.identity.dpop import Proofs
from whoisgate.identity.published import Fetch, Published
from whoisgate.identity.sessions import Registration, Sessions
from whoisgate.servers.descriptors import afforded
from whoisgate.servers.rdap import application
from whoisgate.servers.run import serve as run
from whoisgate.servers.sessions import CALLBACK
from whoisgate.servers.settings import ServerSettings
from whoisgate.servers.visitors import Visitors
from whoisgate.servers.whois import WhoisServer
from whoisgate.sources.upstream.keys import fetcher, poster
from whoisgate.stores.settle import ACTIVE
from whoisgate.stores.sqlite import SQLiteLog

Address = tuple[str, int]

REREAD_S: Final = 1.0
"""How often the directory is read again."""

STALE_S: Final = 5.0
"""How old the directory may be that tells who asks."""

_LOG = logging.getLogger("whoisgate")


def serve(
    folder: app.Folder,
    rdap: Address | None = None,
    whois: Address | None = None,
    *,
    source: Source | AsyncSource | None = None,
    allow_draft: bool = False,
    ready: Callable[[dict[str, str]], None] = lambda _: None,
) -> None:
    """Answer until SIGTERM or SIGINT, then drain; addresses default to the configuration's.

    SIGHUP reads the policy, and what else decides answers, again: see `app.reread`. ``ready`` is
    called with the addresses once both servers accept. Raises `OperatorError` or `PolicyError`
    before anything is answered.
    """
    config = folder.config
    gate = app.open_async(folder.path, source=source, allow_draft=allow_draft)
    settings = afforded(
        ServerSettings(
            folder.settings().rdap,
            config.rdap.trusted_proxies,
            default_issuer=config.directory.default_issuer,
            hosts=config.rdap.hosts,
        ),
        _upstream(config),
    )
    visitors = Visitors(settings, config.rdap.public_per_minute, app.utc_now, app.entropy)
    with folder.opened() as log:
        directory = KeptDirectory(log, folder.audience, app.utc_now)
        directory.read()
        authenticator = Authenticator(
            directory, proofs=Proofs(folder.nonce_key()), published=Published(_fetcher(folder))
        )
        answers = application(
            gate,
            settings,
            authenticator,
            log.receipt,
            log.archived,
            folder.log_folder,
            app.utc_now,
            visitors=visitors,
            sessions=_sessions(folder, authenticator),
        )
        run(
            answers,
            WhoisServer(gate, settings, visitors),
            rdap or address(config.rdap.listen),
            whois or address(config.whois.listen),
            gate=gate,
            ready=ready,
            tls=folder.tls,
            anchors=lambda: directory().certificates.anchors,
            reread=lambda: app.reread(
                folder.path, gate.log, gate.settings, allow_draft=allow_draft
            ),
            beside=[directory.keep],
        )


class KeptDirectory:
    """The directory as it stood at most `STALE_S` ago; nobody is known by an older one."""

    def __init__(self, log: SQLiteLog, audience: str, clock: Callable[[], datetime]) -> None:
        self._log, self._audience, self._clock = log, audience, clock
        self._directory: Directory | None = None
        self._entry: int | None = None
        self._read_at = clock()

    def __call__(self) -> Directory:
        """The directory; raises `LogUnavailable` when it could not be read for too long."""
        age = self._clock() - self._read_at
        if self._directory is None or not abs(age) < timedelta(seconds=STALE_S):
            raise LogUnavailable("the directory of authorities could not be read lately")
        return self._directory

    def read(self) -> None:
        """Read what changed; blocks. Raises `LogUnavailable` or `MalformedAuthority`."""
        now = self._clock()
        if self._log.directory_entry() != self._entry:
            listed = self._log.directory()
            active = {
                name: (held.record, held.entry)
                for name, held in listed.authorities.items()
                if held.state == ACTIVE
            }
            self._directory = Directory.of(active, self._audience, listed.barred)
            self._entry = listed.entry
        self._read_at = now

    async def keep(self) -> None:
        """Read it again and again; what fails is told and tried again."""
        while True:
            await asyncio.sleep(REREAD_S)
            try:
                await asyncio.to_thread(self.read)
            except WhoisgateError as error:
                _LOG.error("%s %s", error.code, error)


def _upstream(config: Config) -> int:
    """How many connections to upstream servers there may be, a server's RDAP and WHOIS apart."""
    servers = config.upstream.server if config.upstream else ()
    return sum(2 * server.in_flight for server in servers)


def _fetcher(folder: app.Folder) -> Fetch:
    return fetcher(*_providers(folder))


def _providers(folder: app.Folder) -> tuple[tuple[str, ...], Path | None]:
    """Which networks identity providers may be in, and who signs for their servers."""
    settings = folder.config.directory
    return settings.keys_allow, settings.keys_ca and folder.path / settings.keys_ca


def _sessions(folder: app.Folder, authenticator: Authenticator) -> Sessions | None:
    """Who signs people in, None where the configuration has no client; raises `MissingKey`."""
    settings = folder.config.directory
    if not settings.client:
        return None
    return Sessions(
        (Registration(c.iss, c.client_id, _secret(folder, c), c.scope) for c in settings.client),
        authenticator,
        _fetcher(folder),
        poster(*_providers(folder)),
        redirect=f"{folder.config.gate.base_url}farv1_session/{CALLBACK}",
        resource=folder.audience,
        key=app.entropy(32),
        entropy=app.entropy,
        default=settings.default_issuer,
    )


def _secret(folder: app.Folder, client: ClientSettings) -> str | None:
    said = app.read_passphrase(client.secret_file and folder.path / client.secret_file)
    return None if said is None else said.decode()


def address(text: str) -> Address:
    """HOST:PORT; an IPv6 host stands in brackets. Raises `MalformedConfig`."""
    host, _, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not bare or not port.isdecimal() or int(port) > 65535 or (":" in bare) is (bare == host):  # noqa: PLR2004  the highest TCP port
        raise MalformedConfig(f"expected HOST:PORT, got `{text}`")
    return bare, int(port)
