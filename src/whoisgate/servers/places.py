"""Who may hold a connection: one bounded count in all, and one for each network.

IPv6 addresses count by their /64, which one customer has to himself (RFC 6177); IPv4 addresses
that are written as IPv6 count as IPv4. Counts live as long as connections; the last 1,024 addresses
stay parsed.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from whoisgate.servers.settings import Network, ServerSettings

Address = IPv4Address | IPv6Address


@lru_cache(1024)
def parsed(host: str) -> Address | None:
    """The address that ``host`` is, IPv4 where it is mapped; None for anything else."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def among(address: Address | None, networks: tuple[Network, ...]) -> bool:
    """Whether the address is in one of these networks."""
    return address is not None and any(address in network for network in networks)


class Networks:
    """One word for each network that is counted; the last 1,024 addresses are remembered."""

    def __init__(self, trusted: tuple[Network, ...]) -> None:
        self._trusted = trusted
        self.of = lru_cache(1024)(self._of)

    def _of(self, host: str) -> int | str:
        """The network of an address; the empty text for loopback and trusted proxies."""
        address = parsed(host)
        if address is None:
            return host
        if address.is_loopback or among(address, self._trusted):
            return ""
        # A /64 has its low half cut off, so it never meets an IPv4 address' number.
        return int(address) if address.version == 4 else ~(int(address) >> 64)  # noqa: PLR2004  IPv4


class Places:
    """The connections that one server holds, counted."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._each: Counter[int | str] = Counter()
        self._taken = 0
        self._key = Networks(settings.networks).of

    def take(self, host: str) -> int | str | None:
        """A place for a connection from ``host``, to be given back with `leave`; None if full."""
        settings = self._settings
        if self._taken >= settings.connections:
            return None
        key = self._key(host)
        if key and self._each[key] >= settings.connections_each:
            return None
        self._taken += 1
        if key:
            self._each[key] += 1
        return key

    def leave(self, key: int | str) -> None:
        """Give a place back."""
        self._taken -= 1
        if key:
            self._each[key] -= 1
            if not self._each[key]:
                del self._each[key]
