"""Where a connection may go: a host is resolved, every address checked, and a checked one used.

Name and address are never looked up twice: whoever connects is handed the very address that was
checked, so that a name which changes its mind in between gains nothing. One forbidden address
among several forbids the host. Rules: only public unicast addresses; loopback, private, shared,
link-local, multicast, reserved and documentation ones only where the operator lists the network;
an IPv4 address inside an IPv6 one counts as itself; tunnels (6to4, Teredo) lead nowhere.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeVar

from whoisgate.errors import UpstreamForbidden, UpstreamUnreachable

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Awaitable[Iterable[str]]]
"""Addresses (as text) of a host and port; raises `OSError` where there are none."""

T = TypeVar("T")

ATTEMPT_S: Final = 1.0
"""How long one address may take to accept while another is left to try."""

ATTEMPTS: Final = 4
UNREAD: Final = (socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
"""A socket option: what the kernel keeps of an answer that nobody read, else up to 32 MiB each."""
MAX_HOST: Final = 253

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*", re.ASCII)
_PORT = re.compile(r"[1-9]\d{0,4}", re.ASCII)
_MAX_PORT: Final = 65535
_NAT64 = IPv6Network("64:ff9b::/96")
_PUBLIC = (IPv4Network("0.0.0.0/0"), IPv6Network("2000::/3"))
_LOW_32_BITS: Final = 0xFFFFFFFF
_NOWHERE: Final = (
    IPv6Network("2001::/32"),  # Teredo
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("3fff::/20"),  # documentation (RFC 9637)
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
)
"""Networks that the standard library's tables call public, or not yet private."""


@dataclass(frozen=True, slots=True)
class Place:
    """A host and a port. ``host`` is a lower-case DNS name or a canonical IP address."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, port: int) -> Place:
        """HOST or HOST:PORT, IPv6 in brackets; ``port`` is the default.

        Raises `ValueError` on anything else, such as an IPv4 address in an odd spelling.
        """
        host, colon, number = text.lower().rpartition(":")
        if not colon or number.endswith("]"):
            host, number = text.lower(), str(port)
        if not _PORT.fullmatch(number) or int(number) > _MAX_PORT:
            raise ValueError("expected a port from 1 to 65535")
        return cls(_host(host), int(number))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _host(text: str) -> str:
    if text.startswith("[") and text.endswith("]") and "%" not in text:
        return str(IPv6Address(text[1:-1]))
    # Resolvers read 2130706433, 0x7f.1 and 0177.0.0.1 as addresses; the last label tells.
    if _NUMBER.fullmatch(text.rpartition(".")[2]):
        return str(IPv4Address(text))
    if len(text) > MAX_HOST or not _NAME.fullmatch(text):
        raise ValueError("expected a host name of letters, digits and hyphens")
    return text


async def resolve(host: str, port: int) -> list[str]:
    """The system's resolver."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in found]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Which addresses may be connected to: public ones, and what ``allow`` lists."""

    allow: tuple[Network, ...] = ()
    resolver: Resolver = resolve

    @classmethod
    def of(cls, allow: Iterable[str], resolver: Resolver = resolve) -> Addresses:
        """From networks as text, which `whoisgate.config` has checked."""
        return cls(tuple(map(ip_network, allow)), resolver)

    async def checked(self, place: Place) -> list[Address]:
        """Every address of a place, all of them permitted.

        Raises `UpstreamUnreachable` where there is none, `UpstreamForbidden` where one is not.
        """
        try:
            found = [_plain(ip_address(text)) for text in await self._resolved(place)]
        except (OSError, ValueError):
            found = []
        if not found:
            raise UpstreamUnreachable("expected the host name to resolve")
        if not all(map(self.permits, found)):
            raise UpstreamForbidden("expected public addresses alone, or networks under `allow`")
        return list(dict.fromkeys(found))

    async def connect(self, place: Place, connect: Callable[[str], Awaitable[T]]) -> T:
        """What ``connect`` gives for the first checked address that accepts.

        ``connect`` takes an address, never a name. Raises as `checked` does, and
        `UpstreamUnreachable` when none accepts. The caller bounds the time in all.
        """
        found = (await self.checked(place))[:ATTEMPTS]
        for left, address in enumerate(found, 1 - len(found)):
            try:
                async with asyncio.timeout(ATTEMPT_S if left else None):
                    return await connect(str(address))
            except OSError:  # TimeoutError is one
                continue
        tried = f"`{len(found)}` of its addresses" if len(found) > 1 else "its address"
        raise UpstreamUnreachable(f"expected a server that accepts a connection at {tried}")

    def permits(self, address: Address) -> bool:
        """Whether an address may be connected to."""
        address = _plain(address)
        if any(address in network for network in self.allow):
            return True
        if isinstance(address, IPv6Address) and address in _NAT64:
            return self.permits(IPv4Address(int(address) & _LOW_32_BITS))
        return (
            address.is_global
            and not address.is_multicast
            and not address.is_reserved
            and any(address in network for network in _PUBLIC)
            and not any(address in network for network in _NOWHERE)
        )

    async def _resolved(self, place: Place) -> Iterable[str]:
        try:
            return [str(ip_address(place.host))]
        except ValueError:
            return await self.resolver(place.host, place.port)


def _plain(address: Address) -> Address:
    """An IPv4-mapped IPv6 address as the IPv4 address that the kernel would connect to."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
