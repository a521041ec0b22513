"""For which hosts the HTTP server answers (RFC 9110 §7.2, §7.4): `Hosts`.

Those are the host of the configured base URL, the hosts that the operator lists, and the address
that took the connection, on loopback also as ``localhost``. Rules: one `Host` line says which is
meant, and no other line is believed; a port that is said must be the right one, while none fits
any, since proxies leave it out (nginx's ``$host``). Nothing is made of what the line says.
"""

from __future__ import annotations

import re
from functools import lru_cache
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from whoisgate.errors import MalformedConfig
from whoisgate.servers import request
from whoisgate.servers.places import parsed
from whoisgate.servers.request import Scope
from whoisgate.servers.settings import ServerSettings

MAX_HOST: Final = 320
REMEMBERED: Final = 256
"""Lines whose judgement is kept, the latest used."""

_HOST = re.compile(
    r"(?:\[(?P<ipv6>[0-9a-f]{0,4}:[0-9a-f:.]{1,40})\]|(?P<name>[a-z0-9!$%&'()*+,;=._~-]{1,255}))"
    r"(?::(?P<port>[0-9]{0,5}))?",
    re.ASCII,
)
_PORTS: Final = {"http": "80", "https": "443"}

Server = tuple[str, int | None]
_NO_SERVER: Final[Server] = ("", None)


class Hosts:
    """Judges the `Host` line of requests; raises `MalformedConfig` for what is none itself."""

    def __init__(self, settings: ServerSettings) -> None:
        self._own = frozenset(_own(settings))
        self.judged = lru_cache(REMEMBERED)(self._judged)

    def wrong(self, scope: Scope) -> HTTPStatus | None:
        """400 unless one host is named, 421 for a host that is another's; None if all is well."""
        named = request.lines(scope, b"host")
        if not named and scope.get("http_version") == "1.0":
            return None  # it could not say
        if len(named) != 1 or len(named[0]) > MAX_HOST:
            return HTTPStatus.BAD_REQUEST
        return self.judged(named[0], _server(scope.get("server")))

    def ours(self, line: bytes | None, server: object) -> bool:
        """Whether the only `Host` line names one of them; quick for a line that was seen.

        ``server`` is what the ASGI scope says of the address that took the connection.
        """
        if line is None or len(line) > MAX_HOST:
            return False
        return self.judged(line, _server(server)) is None

    def _judged(self, line: bytes, server: Server) -> HTTPStatus | None:
        named = _split(line.decode("latin-1"))
        if named is None:
            return HTTPStatus.BAD_REQUEST
        host, port = named
        address = parsed(server[0])
        own = {*self._own, *_taken_by(str(address), server[1])} if address else self._own
        if address is not None and address.is_loopback:
            own = {*own, *_taken_by("localhost", server[1])}
        return None if (host, port) in own else HTTPStatus.MISDIRECTED_REQUEST


def _server(said: object) -> Server:
    """Address and port that took the connection; not every ASGI server has them as a tuple."""
    if isinstance(said, tuple):
        return said
    return tuple(said) if isinstance(said, list) else _NO_SERVER


def _own(settings: ServerSettings) -> list[tuple[str, str]]:
    """What is configured, as host and port."""
    try:
        base = urlsplit(settings.base_url)
        port = str(base.port or _PORTS[base.scheme])
        named = _split(base.netloc.rpartition("@")[2])
    except (ValueError, KeyError):
        named, port = None, ""
    if named is None:
        raise MalformedConfig(f"base_url: expected a URL with a host, got `{settings.base_url}`")
    found = [*_taken_by(named[0], port)]
    for text in settings.hosts:
        listed = _split(text)
        if listed is None:
            raise MalformedConfig(f"hosts: expected HOST or HOST:PORT, got `{text}`")
        found += _taken_by(listed[0], listed[1] or port)
    return found


def _taken_by(host: str, port: int | str | None) -> tuple[tuple[str, str], ...]:
    """A host with its port, and without one."""
    return (host, ""), (host, "" if port is None else str(port))


def _split(text: str) -> tuple[str, str] | None:
    """Host, as it is compared, and port, "" without; None unless RFC 9110 §7.2 has it so."""
    said = _HOST.fullmatch(text.lower())
    if said is None:
        return None
    host, address = said["name"], parsed(said["ipv6"] or said["name"])
    if host is None and address is None:
        return None
    # `example.com.` is the same host, from the root on (RFC 1034 §3.1).
    return str(address) if address else host.removesuffix("."), said["port"] or ""
