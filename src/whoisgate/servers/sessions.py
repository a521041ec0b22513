"""The paths of clients with sessions (RFC 9560 §5): login, status, refresh, logout, device.

The secret of a session is in a cookie that scripts cannot read, that goes to this host over TLS
alone, and never with a request that another site brought about: a link elsewhere must not ask in
somebody's name. `SameSite=Strict` and `Sec-Fetch-Site` both say so. Nor does another site begin,
renew or end a session; the provider's answer alone comes from one, bound to the browser that began.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple, Protocol, cast

from whoisgate.errors import CredentialRefused, MalformedQuestion, SessionConflict, UnsupportedQuery
from whoisgate.formats import rdap
from whoisgate.servers import request
from whoisgate.servers.request import Scope

SESSION: Final = "__Host-farv1_session"
SIGN_IN: Final = "__Host-farv1_login"
CALLBACK: Final = "callback"
"""The last part of the path to which providers send people back."""

MAX_COOKIE: Final = 4096
SIGN_IN_S: Final = 600

_SECRET = re.compile(r"[\w-]{43}", re.ASCII)
_FLAGS: Final = "Path=/; Secure; HttpOnly"
_END_SIGN_IN: Final = (
    b"set-cookie", f"{SIGN_IN}=; {_FLAGS}; SameSite=Lax; Max-Age=0".encode()
)  # fmt: skip
END_SESSION: Final = (
    b"set-cookie", f"{SESSION}=; {_FLAGS}; SameSite=Strict; Max-Age=0".encode()
)  # fmt: skip

_SLOWER: Final = (b"retry-after", b"10")
"""Five seconds more than a device waits whose provider names no interval (RFC 8628 §3.2, §3.5)."""

_PROVIDER_TOLD: Final[Mapping[bool | None, str]] = {
    True: "The identity provider was told to revoke its tokens.",
    False: "The identity provider could not be told to revoke its tokens, which end by themselves.",
    None: "The identity provider revokes no tokens; they end by themselves.",
}


class Told(NamedTuple):
    """Status, header lines and body of an answer about a session."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class SessionKeeper(Protocol):
    """Signs people in at identity providers, and keeps their sessions by secret."""

    def supported(self, now: datetime) -> bool:
        """Whether anybody can sign in."""

    async def begin(self, iss: str | None, hint: str | None, now: datetime) -> tuple[str, str]:
        """Where the browser goes, and what it keeps meanwhile."""

    async def finish(self, kept: str, said: Mapping[str, str], now: datetime) -> str:
        """The secret of a new session."""

    async def device(self, iss: str | None, now: datetime) -> Mapping[str, object]:
        """What a device shows."""

    async def poll(self, iss: str | None, code: str, now: datetime) -> tuple[str | None, bool]:
        """The secret of a new session, None while nobody has signed in; whether to ask slower."""

    def token(self, secret: str, now: datetime) -> str:
        """The access token."""

    def told(self, secret: str, now: datetime) -> Mapping[str, object]:
        """``farv1_session``."""

    async def refresh(self, secret: str, now: datetime) -> None:
        """Renew the token."""

    async def end(self, secret: str, now: datetime) -> bool | None:
        """Forget the session; whether the provider was told, None where it cannot be."""


async def answered(keeper: SessionKeeper, page: str, scope: Scope, now: datetime) -> Told:
    """The answer to ``farv1_session/PAGE``.

    Raises `CredentialRefused`, `SessionConflict`, `SessionEnded`, `ProviderUnsupported`,
    `SignInFailed`, or `UnsupportedQuery` for another page.
    """
    # INVARIANT: no other site has a browser sign in, with a code of a device that it began itself.
    if page != CALLBACK:
        refuse_other_sites(scope)
    # Nor does a link that stands on no site, in a mail for one.
    if page == "devicepoll" and b"navigate" in request.lines(scope, b"sec-fetch-mode"):
        raise CredentialRefused("expected a device that asks, got an address that was opened")
    said, secret = _said(scope), session(scope)
    if page in {"login", "device", "devicepoll"}:
        if secret is not None:
            keeper.told(secret, now)  # who is over may sign in again, once the cookie is gone
            raise SessionConflict("expected no session: log out of this one first")
        return await _entered(keeper, page, said, now)
    if page == CALLBACK:
        kept = cookie(scope, SIGN_IN) or ""
        new = await keeper.finish(kept, said, now)
        return _begun(keeper, new, now, _END_SIGN_IN)
    if page not in {"status", "refresh", "logout"}:
        raise UnsupportedQuery("expected a query about a domain")
    if secret is None:
        raise SessionConflict("expected a session: log in first")
    if page == "logout":
        lines = ["The session is over.", _PROVIDER_TOLD[await keeper.end(secret, now)]]
        return Told(200, (END_SESSION,), rdap.encode_session("Logout", lines))
    if page == "refresh":
        await keeper.refresh(secret, now)
        title, lines = "Session refresh", ["The session goes on."]
    else:
        title, lines = "Session status", ["There is a session."]
    told = keeper.told(secret, now)
    return Told(200, (), rdap.encode_session(title, lines, farv1_session=told))


async def _entered(
    keeper: SessionKeeper, page: str, said: Mapping[str, str], now: datetime
) -> Told:
    iss = said.get("farv1_iss")
    if page == "device":
        shown = await keeper.device(iss, now)
        lines = ["Sign in at the address given, with the code given."]
        return Told(200, (), rdap.encode_session("Device login", lines, farv1_deviceInfo=shown))
    if page == "devicepoll":
        code = said.get("farv1_dc")
        if not code:
            raise MalformedQuestion("expected `farv1_dc`")
        new, slower = await keeper.poll(iss, code, now)
        return _pending(slower=slower) if new is None else _begun(keeper, new, now)
    address, kept = await keeper.begin(iss, said.get("farv1_id"), now)
    keeping = f"{SIGN_IN}={kept}; {_FLAGS}; SameSite=Lax; Max-Age={SIGN_IN_S}"
    body = rdap.encode_session("Login", ["Sign in at the identity provider."])
    headers = ((b"location", address.encode("ascii")), (b"set-cookie", keeping.encode("ascii")))
    return Told(302, headers, body)


def _pending(*, slower: bool) -> Told:
    """Nobody has signed in; ``slower``: who polls must leave more time from now on."""
    lines = ["Nobody has signed in yet: ask again."]
    if slower:
        lines.append("That was too soon: wait five seconds longer than so far, each time.")
    body = rdap.encode_session("Device login", lines, farv1_session={})
    return Told(200, (_SLOWER,) if slower else (), body)


def _begun(keeper: SessionKeeper, secret: str, now: datetime, *more: tuple[bytes, bytes]) -> Told:
    own = f"{SESSION}={secret}; {_FLAGS}; SameSite=Strict"
    told = keeper.told(secret, now)
    body = rdap.encode_session("Login", ["There is a session now."], farv1_session=told)
    return Told(200, ((b"set-cookie", own.encode("ascii")), *more), body)


def session(scope: Scope) -> str | None:
    """The secret that the request's cookie brings, None without one.

    Raises `CredentialRefused` when another site brought the request about.
    """
    secret = cookie(scope, SESSION)
    if secret is None:
        return None
    refuse_other_sites(scope)
    # What cannot be a secret is one that no session has.
    return secret if _SECRET.fullmatch(secret) else ""


def refuse_other_sites(scope: Scope) -> None:
    """Raise `CredentialRefused` for what a browser says another site brought about.

    A site beside this one is another one. Machines send no such line.
    """
    if not set(request.lines(scope, b"sec-fetch-site")) <= {b"none", b"same-origin"}:
        raise CredentialRefused(
            "expected a request that no other site brought about: open the address yourself"
        )


def cookie(scope: Scope, name: str) -> str | None:
    """The value of a cookie, None without it; "" when it is there twice."""
    found = [
        value
        for line in request.lines(scope, b"cookie")
        for held, _, value in (each.strip().partition("=") for each in _pairs(line))
        if held == name
    ]
    return None if not found else found[0] if len(found) == 1 else ""


def _pairs(line: bytes) -> Iterable[str]:
    return line.decode("latin-1")[: 2 * MAX_COOKIE].split(";")


def _said(scope: Scope) -> Mapping[str, str]:
    """The parameters, each once; raises `MalformedQuestion`."""
    pairs = request.parameters(cast("bytes", scope["query_string"]))
    said = dict(pairs)
    if len(said) != len(pairs):
        raise MalformedQuestion("expected each parameter once")
    if not all(value.isprintable() and len(value) < MAX_COOKIE for value in said.values()):
        raise MalformedQuestion("expected printable parameters")
    return said
