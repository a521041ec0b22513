"""What one request brings along to prove who asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from whoisgate.errors import CredentialRefused


@dataclass(frozen=True, slots=True)
class Presented:
    """One request as the requester sent it, read only where nobody could read along.

    ``url`` is the address that was meant: the configured base URL with the raw path and query.
    ``headers`` are all header lines, names in lower case. ``certificates`` are DER, the client's
    own first, and come from the TLS connection itself or from a trusted proxy (RFC 9440); nothing
    but that its holder has the key is known of them. ``session`` is the access token of the session
    whose cookie the request brings; its sender never had that token, so nothing of his covers it.
    """

    method: str
    url: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    certificates: tuple[bytes, ...] = ()
    session: str | None = field(default=None, repr=False)

    def lines(self, name: bytes) -> Iterator[bytes]:
        """The values of every header line of this lower-case name."""
        return (value for held, value in self.headers if held == name)

    def one(self, name: bytes) -> str | None:
        """The value of the only line of this name, None without any; raises `CredentialRefused`."""
        values = tuple(self.lines(name))
        if len(values) > 1:
            raise CredentialRefused(f"expected one `{name.decode().title()}` line")
        return values[0].decode("latin-1").strip(" \t") if values else None
