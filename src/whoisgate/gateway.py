"""The gateway wired: both servers over one folder. Needs the ``gateway`` extra."""

from __future__ import annotations

from collections.abc import Callable

from whoisgate import app
from whoisgate.config import IssuerSettings
from whoisgate.errors import MalformedConfig, MissingKey
from whoisgate.gate import AsyncSource, Source
from whoisgate.identity.bearer import Bearer
from whoisgate.identity.issuer import Issuer
from whoisgate.servers.rdap import application
from whoisgate.servers.run import serve as run
from whoisgate.servers.settings import ServerSettings
from whoisgate.servers.whois import WhoisServer

Address = tuple[str, int]


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
    settings = ServerSettings(folder.settings().rdap, config.rdap.trusted_proxies)
    log = folder.log()
    answers = application(
        gate,
        settings,
        Bearer(issuer(folder, each) for each in config.issuer),
        log.receipt,
        log.archived,
        folder.log_folder,
        app.utc_now,
    )
    run(
        answers,
        WhoisServer(gate, settings),
        rdap or address(config.rdap.listen),
        whois or address(config.whois.listen),
        gate=gate,
        ready=ready,
        tls=folder.tls,
        reread=lambda: app.reread(folder.path, gate.log, gate.settings, allow_draft=allow_draft),
    )


def issuer(folder: app.Folder, settings: IssuerSettings) -> Issuer:
    """An issuer with its keys read; raises `MissingKey` or `MalformedConfig`."""
    try:
        keys = (folder.path / settings.keys).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MissingKey(
            f"expected the keys of `{settings.iss}` in `{settings.keys}`: {type(error).__name__}"
        ) from None
    return Issuer(
        settings.authority,
        settings.iss,
        settings.audience,
        settings.algorithm,
        keys,
        settings.requester,
        settings.assurance,
        settings.purposes,
        settings.bases,
        settings.jurisdiction,
        settings.country,
        settings.leeway_s,
        settings.max_lifetime_s,
    )


def address(text: str) -> Address:
    """HOST:PORT; an IPv6 host stands in brackets. Raises `MalformedConfig`."""
    host, _, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not bare or not port.isdecimal() or int(port) > 65535 or (":" in bare) is (bare == host):  # noqa: PLR2004  the highest TCP port
        raise MalformedConfig(f"expected HOST:PORT, got `{text}`")
    return bare, int(port)
