"""What the operator says about the servers: `ServerSettings`. Nothing here opens a socket."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network

from whoisgate.errors import MalformedConfig
from whoisgate.formats import rdap

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How both servers behave.

    ``trusted_proxies`` are addresses or networks whose ``X-Forwarded-Proto``, ``X-Forwarded-For``
    and ``Client-Cert`` are believed.
    ``connections`` bounds each server's open connections, ``connections_each`` those of one IPv4
    address or IPv6 /64 (loopback and trusted proxies speak for many and are exempt there); a
    connection counts from when it is accepted, before TLS.
    ``request_s`` is the time to send a request line and head, and before that the time for a TLS
    handshake; ``drain_s`` the time to read an answer, and the time in which the servers finish when
    stopped. ``default_issuer`` is the identity provider that clients are told to use; without it
    the only one, if there is only one.
    ``hosts`` are answered for beside the base URL's, with a port of their own or with that one's.
    Raises `MalformedConfig`.
    """

    rdap: rdap.Settings
    trusted_proxies: tuple[str, ...] = ()
    connections: int = 2048
    connections_each: int = 64
    request_s: float = 10.0
    drain_s: float = 30.0
    default_issuer: str | None = None
    hosts: tuple[str, ...] = ()
    networks: tuple[Network, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            networks = tuple(ip_network(text) for text in self.trusted_proxies)
        except ValueError:
            raise MalformedConfig("trusted_proxies: expected IP addresses or networks") from None
        object.__setattr__(self, "networks", networks)

    @property
    def base_url(self) -> str:
        """What every link begins with; ends in a slash."""
        return self.rdap.base_url
