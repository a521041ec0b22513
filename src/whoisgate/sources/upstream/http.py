"""HTTP for strangers' answers: bounded, to checked addresses, and with nothing automatic.

httpx2's core does the protocol; what its client adds (cookies, proxies of the environment,
decompression, redirects, log lines with the server's words) does not exist here. The caller bounds
the time in all. Rules: HTTPS unless the operator's own entry says clear text; port 443 (80), or
the one that the operator's entry names; at most ``hops`` redirects, each checked as the first
address was and still about the same name; credentials for the operator's own origin alone.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpcore2

from whoisgate.errors import (
    MissingKey,
    UpstreamForbidden,
    UpstreamMalformed,
    UpstreamRefused,
    UpstreamTooLarge,
    UpstreamUnreachable,
)
from whoisgate.sources.upstream.addresses import UNREAD, Addresses, Place

MAX_HEAD: Final = 32 * 1024
"""Bytes of header fields; the protocol's own cap on an unfinished head is 100 KiB."""

PART_BYTES: Final = 256
"""A body has one part for so many bytes of its cap: a byte in its own chunk costs time too."""

MAX_URL: Final = 2048
KEEPALIVE_S: Final = 3.0
"""Shorter than servers keep an idle connection, so that none ends while it is taken up again."""

_PORTS: Final = {"https": 443, "http": 80}
_URL = re.compile(r"(https?)://([^/?#@\\]+)(/[!-~]*)", re.ASCII)
_TOKEN = re.compile(r"[!-~]{1,8192}", re.ASCII)
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

# At the level of debugging, its lines quote headers: credentials, and an upstream's text.
logging.getLogger("httpcore2").setLevel(logging.INFO)


@dataclass(frozen=True, slots=True)
class URL:
    """An absolute http or https URL, without user, password or fragment."""

    scheme: str
    place: Place
    target: str

    @classmethod
    def parse(cls, text: str) -> URL:
        """Raises `ValueError`; what browsers would repair is refused."""
        match = _URL.fullmatch(text) if len(text) <= MAX_URL else None
        if match is None:
            raise ValueError("expected an absolute URL with a path")
        scheme, authority, target = match.groups()
        place = Place.parse(authority, _PORTS[scheme])
        return cls(scheme, place, target.partition("#")[0])

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def authority(self) -> str:
        """The host, with its port unless that is the usual one."""
        text = str(self.place)
        return text.rpartition(":")[0] if self.usual_port else text

    @property
    def origin(self) -> tuple[str, Place]:
        """What credentials are bound to."""
        return self.scheme, self.place

    @property
    def usual_port(self) -> bool:
        """Whether the port is its scheme's own."""
        return self.place.port == _PORTS[self.scheme]

    def joined(self, location: str) -> URL:
        """Where a ``Location`` leads: an absolute URL, or a path here. Raises `ValueError`."""
        if location.startswith("/") and not location.startswith("//"):
            return URL.parse(f"{self.scheme}://{self.place}{location}")
        return URL.parse(location)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came from ``url``, the last one of a row of redirects."""

    url: URL
    status: int
    body: bytes
    retry_after: str
    location: str


class Web:
    """Connections to checked addresses, under one TLS context; opened when first used."""

    def __init__(
        self, addresses: Addresses, limit_bytes: int, tls: ssl.SSLContext, connections: int
    ) -> None:
        self._limit_bytes = limit_bytes
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=connections,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=_CheckedBackend(addresses),
        )

    async def get(self, url: URL, accept: str, credential: str | None = None) -> Reply:
        """One answer; no redirect is followed. Only a body of status 200 or 404 is read.

        Raises `UpstreamUnreachable`, `UpstreamForbidden`, `UpstreamTooLarge`, `UpstreamMalformed`.
        """
        own = () if credential is None else (("Authorization", f"Bearer {credential}"),)
        return await self._ask("GET", url, accept, own, b"", frozenset({200, 404}))

    async def post(self, url: URL, accept: str, form: bytes, authorization: str | None) -> Reply:
        """As `get`, for a form that is sent there; a body of status 200, 400 or 401 is read.

        The connection ends with the answer.
        """
        own = [("Connection", "close"), ("Content-Type", "application/x-www-form-urlencoded")]
        own += [("Content-Length", str(len(form)))]
        if authorization is not None:
            own.append(("Authorization", authorization))
        return await self._ask("POST", url, accept, own, form, frozenset({200, 400, 401}))

    async def _ask(  # noqa: PLR0917  one request
        self,
        method: str,
        url: URL,
        accept: str,
        own: Iterable[tuple[str, str]],
        content: bytes,
        read: frozenset[int],
    ) -> Reply:
        place = url.place
        headers = [
            ("Host", url.authority),
            ("Accept", accept),
            ("Accept-Encoding", "identity"),
            ("User-Agent", "whoisgate"),
            *own,
        ]
        try:
            asked = httpcore2.URL(
                scheme=url.scheme, host=place.host, port=place.port, target=url.target
            )
            async with self._pool.stream(
                method, asked, headers=headers, content=content or None
            ) as response:
                return await self._read(url, response, read)
        except httpcore2.ProtocolError:
            raise UpstreamMalformed("expected HTTP") from None
        except (httpcore2.NetworkError, httpcore2.TimeoutException) as error:
            raise UpstreamUnreachable(f"no connection: `{type(error).__name__}`") from None

    async def _read(self, url: URL, response: httpcore2.Response, read: frozenset[int]) -> Reply:
        fields = _fields(response.headers)
        body = b""
        if response.status in read:
            if fields.get(b"content-encoding", b"identity").lower() not in {b"identity", b""}:
                raise UpstreamMalformed("expected no `Content-Encoding`")
            body = await self._body(response)
        text = {name: fields.get(name, b"").decode("latin-1") for name in _READ}
        return Reply(url, response.status, body, text[b"retry-after"], text[b"location"])

    async def _body(self, response: httpcore2.Response) -> bytes:
        body, parts, most = bytearray(), 0, self._limit_bytes // PART_BYTES
        async for part in response.aiter_stream():
            body += part
            parts += 1
            if len(body) > self._limit_bytes or parts > most:
                limits = f"`{self._limit_bytes}` bytes in `{most}` chunks"
                raise UpstreamTooLarge(f"expected at most {limits}")
            await asyncio.sleep(0)  # parts that came together wait for nothing: let others run
        return bytes(body)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


@dataclass(frozen=True, slots=True)
class Client:
    """Asks one server of the operator's, and follows where it sends us within the rules.

    ``own`` reaches that server and carries the operator's credentials; ``others`` reaches whoever
    else a redirect names. ``origin`` is None where the operator named no server at all.
    """

    own: Web
    others: Web
    origin: tuple[str, Place] | None = None
    bearer_file: Path | None = None
    clear_text: bool = False
    hops: int = 3

    async def get(self, url: URL, accept: str, tail: str) -> Reply:
        """The first answer that is no redirect. Every URL must end in ``tail``.

        Raises as `Web.get`, and `UpstreamRefused` where the bearer token cannot be read.
        """
        for _ in range(self.hops + 1):
            self._permit(url, tail)
            if url.origin == self.origin:
                answer = await self.own.get(url, accept, self._credential())
            else:
                answer = await self.others.get(url, accept)
            if answer.status not in _REDIRECTS:
                return answer
            try:
                url = url.joined(answer.location)
            except ValueError:
                raise UpstreamForbidden("expected a redirect to an absolute URL") from None
        raise UpstreamForbidden(f"expected at most `{self.hops}` redirects")

    def _permit(self, url: URL, tail: str) -> None:
        named = self.origin is not None and url.place.port == self.origin[1].port
        if url.scheme != "https" and not self.clear_text:
            raise UpstreamForbidden("expected no way out of HTTPS")
        if not url.usual_port and not named:
            raise UpstreamForbidden("expected port 443, 80 for clear text, or the configured one")
        if not url.target.lower().endswith(tail):
            raise UpstreamForbidden("expected a redirect about the same name")

    def _credential(self) -> str | None:
        if self.bearer_file is None:
            return None
        try:
            return bearer(self.bearer_file)  # read each time: whoever renews it just writes it
        except MissingKey as error:
            raise UpstreamRefused(str(error)) from None


def bearer(path: Path) -> str:
    """The token in a file; raises `MissingKey`."""
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise MissingKey(f"expected a token in `{path}`: {type(error).__name__}") from None
    if not _TOKEN.fullmatch(token):
        raise MissingKey(f"expected one line with a token in `{path}`")
    return token


def tls(ca: Path | None = None, own: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """A verifying TLS context; ``own`` is certificate and key (PEM). Raises `MissingKey`."""
    try:
        context = ssl.create_default_context(cafile=ca)
        if own is not None:
            context.load_cert_chain(*own)
    except (OSError, ssl.SSLError) as error:
        raise MissingKey(
            f"expected readable PEM files for an upstream's TLS: {type(error).__name__}"
        ) from None
    return context


_READ: Final = (b"retry-after", b"location")


def _fields(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    size = 0
    for name, value in headers:
        size += len(name) + len(value)
        fields.setdefault(name.lower(), value)
    if size > MAX_HEAD:
        raise UpstreamTooLarge(f"expected at most `{MAX_HEAD}` bytes of header fields")
    return fields


class _Connection(httpcore2.AsyncNetworkStream):
    """A connection that closes whatever ends it, and on which no answer is an interim one.

    We ask for none (RFC 9110 §15.2); each of thousands would cost time and end nothing.
    """

    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._stream, self._start = stream, b""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109  the signature is httpcore2's
        part = await self._stream.read(max_bytes, timeout)
        if len(self._start) < len(_INTERIM):
            self._start += part[: len(_INTERIM) - len(self._start)]
            if self._start[8:] == _INTERIM[8:]:
                raise UpstreamMalformed("expected no interim answer")
        return part

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109  same
        self._start = b""  # another question
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  same
    ) -> httpcore2.AsyncNetworkStream:
        try:
            secured = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            await self._stream.aclose()  # a deadline too, which httpcore2 leaves open
            raise
        return _Connection(secured)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


_INTERIM: Final = b"HTTP/1.1 1"


class _CheckedBackend(httpcore2.AsyncNetworkBackend):
    """Connects by name to a checked address; TLS above it still verifies the name."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses, self._plain = addresses, httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the signature is httpcore2's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        async def connect(address: str) -> httpcore2.AsyncNetworkStream:
            try:
                return _Connection(
                    await self._plain.connect_tcp(
                        address, port, timeout, local_address, [*(socket_options or ()), UNREAD]
                    )
                )
            except (httpcore2.NetworkError, httpcore2.TimeoutException) as error:
                raise OSError(type(error).__name__) from None

        return await self._addresses.connect(Place(host, port), connect)
