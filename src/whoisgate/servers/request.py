"""What an HTTP request says beyond its path, and whether it may say it.

Credentials and questions beyond the public view are read only where nobody on the way can read
them: over TLS, from a trusted proxy that says `https`, or on loopback; never when a proxy there
says that it took them in clear text, however it passed them on. Everything arrives as
bytes and is refused rather than repaired; what a request says is never part of an error. A proxy's
word about the client's certificate (RFC 9440) is taken from a trusted proxy alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, cast
from urllib.parse import parse_qsl

from http_sfv.item import Item
from http_sfv.list import List

from whoisgate.errors import CredentialRefused, MalformedQuestion
from whoisgate.presented import Presented
from whoisgate.servers.places import Address, among, parsed
from whoisgate.servers.settings import Network
from whoisgate.servers.tls import CERTIFICATES

Scope = Mapping[str, object]
"""An ASGI HTTP scope."""

Headers = Iterable[tuple[bytes, bytes]]
MAX_PARAMETERS = 32
MAX_BODY = 4096

CLIENT_CERT: Final = b"client-cert"
CLIENT_CERT_CHAIN: Final = b"client-cert-chain"


class Said(NamedTuple):
    """The lines that matter, unread, and the parameters of RFC 9560."""

    authorization: tuple[bytes, ...]
    disclosure: tuple[bytes, ...]
    purpose: str | None = None
    do_not_track: bool = False

    @property
    def beyond_public(self) -> bool:
        """Whether anything is said that the public does not say."""
        return bool(self.authorization or self.disclosure or self.purpose is not None)


def read(scope: Scope) -> Said:
    """What the request says; raises `MalformedQuestion` on a purpose given twice."""
    query = cast("bytes", scope["query_string"])
    authorization, disclosure = lines(scope, b"authorization"), lines(scope, b"disclosure-request")
    if not query:
        return Said(authorization, disclosure)
    pairs = parameters(query)
    purposes = [value for name, value in pairs if name == "farv1_qp"]
    if len(purposes) > 1:
        raise MalformedQuestion("expected `farv1_qp` once")
    # Whatever is not clearly a no asks not to be tracked.
    track = any(name == "farv1_dnt" and value.lower() != "false" for name, value in pairs)
    return Said(authorization, disclosure, purposes[0] if purposes else None, track)


def parameters(query: bytes) -> list[tuple[str, str]]:
    """Names and values of a query in its order; raises `MalformedQuestion` on too many."""
    try:
        return parse_qsl(query.decode("latin-1"), True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise MalformedQuestion(f"expected at most `{MAX_PARAMETERS}` parameters") from None


def lines(scope: Scope, name: bytes) -> tuple[bytes, ...]:
    """The values of every header line of this lower-case name."""
    return tuple(v for n, v in cast("Headers", scope["headers"]) if n == name)


def is_preflight(scope: Scope) -> bool:
    """Whether a browser asks what a page elsewhere may send (Fetch §3.3.2)."""
    asked = {name for name, _ in cast("Headers", scope["headers"])}
    return scope["method"] == "OPTIONS" and {b"origin", b"access-control-request-method"} <= asked


def confidential(scope: Scope, proxies: tuple[Network, ...]) -> bool:
    """Whether nobody between requester and server could read along."""
    tls, address = scope.get("scheme") == "https", _peer(scope)
    said = lines(scope, b"x-forwarded-proto")
    if among(address, proxies):
        # INVARIANT: that the proxy came by TLS does not say how it was come to itself.
        return said == (b"https",) or (tls and not said)
    local = address is not None and address.is_loopback
    # A local proxy that nobody configured still tells that it took the request in clear text.
    if local and said:
        return said == (b"https",)
    return tls or local


def speaks_for_another(scope: Scope, proxies: tuple[Network, ...]) -> bool:
    """Whether somebody who is no trusted proxy says what only such a one may say (RFC 9440 §4)."""
    named = any(n in {CLIENT_CERT, CLIENT_CERT_CHAIN} for n, _ in cast("Headers", scope["headers"]))
    return named and not among(_peer(scope), proxies)


def client(scope: Scope, proxies: tuple[Network, ...]) -> str:
    """The address that asks; empty where a trusted proxy does not say for whom it asks.

    `X-Forwarded-For` is believed from trusted proxies alone, from its end up to the first address
    that is none of theirs: what stands before that, the client may have written.
    """
    peer = cast("tuple[str, int] | None", scope.get("client"))
    if peer is None:
        return ""
    if not proxies or not among(parsed(peer[0]), proxies):
        return peer[0]
    said = b",".join(lines(scope, b"x-forwarded-for")).decode("latin-1")
    for text in reversed(said.split(",")):
        address = parsed(text.strip())
        if not among(address, proxies):
            return str(address) if address is not None else ""
    return ""


def presented(scope: Scope, base_url: str, proxies: tuple[Network, ...]) -> Presented:
    """What the request brings along to prove who asks; raises `CredentialRefused`."""
    raw, query = cast("bytes", scope["raw_path"]), cast("bytes", scope["query_string"])
    target = raw + b"?" + query if query else raw
    return Presented(
        cast("str", scope["method"]),
        base_url.rstrip("/") + target.decode("latin-1"),
        tuple(cast("Headers", scope["headers"])),
        certificates(scope, proxies),
    )


def certificates(scope: Scope, proxies: tuple[Network, ...]) -> tuple[bytes, ...]:
    """The client's certificates (DER), its own first; () without any.

    Behind a trusted proxy they are what it says, since the connection is its own. Raises
    `CredentialRefused` when that is not as RFC 9440 §2 has it.
    """
    # INVARIANT: nobody else's word is looked at, and the proxy's own certificate is nobody's.
    if not among(_peer(scope), proxies):
        return cast("tuple[bytes, ...]", scope.get(CERTIFICATES, ()))
    own, above = lines(scope, CLIENT_CERT), lines(scope, CLIENT_CERT_CHAIN)
    if not own and not above:
        return ()
    item, listed = Item(), List()
    try:
        item.parse(b", ".join(own))
        if above:
            listed.parse(b", ".join(above))
    except ValueError:
        listed.append(Item())
    said = (item, *listed)
    if not all(isinstance(each, Item) and _plain_bytes(each) for each in said):
        raise CredentialRefused("expected the proxy's `Client-Cert` as in RFC 9440")
    return tuple(each.value for each in said)


def _plain_bytes(item: Item) -> bool:
    return isinstance(item.value, bytes) and not item.params


def _peer(scope: Scope) -> Address | None:
    """The other end of the connection."""
    client = cast("tuple[str, int] | None", scope.get("client"))
    return parsed(client[0]) if client else None


def combined(disclosure: tuple[bytes, ...]) -> str:
    """The lines of one structured field as one text (RFC 9651 §4.2)."""
    try:
        return ", ".join(line.decode("ascii") for line in disclosure)
    except UnicodeDecodeError:
        raise MalformedQuestion("`Disclosure-Request`: expected ASCII") from None


def carries_body(scope: Scope) -> bool:
    """Whether content follows the head."""
    lengths = lines(scope, b"content-length")
    return bool(lines(scope, b"transfer-encoding")) or any(length != b"0" for length in lengths)


def body_too_large(scope: Scope) -> bool:
    """Whether that content is more than is read over, or of unknown length."""
    lengths = lines(scope, b"content-length")
    return bool(lines(scope, b"transfer-encoding")) or not all(
        length.isdigit() and len(length) < 10 and int(length) <= MAX_BODY  # noqa: PLR2004  digits
        for length in lengths
    )
