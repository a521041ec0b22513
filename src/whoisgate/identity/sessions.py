"""Sessions of people who sign in at an identity provider (RFC 9560 §5, OpenID Connect).

A session holds the access token that the provider gave for this server, and is worth what that
token is worth at this moment: each question is authenticated by it anew. Sessions live in memory,
under the hash of their secret, and end with their token. Nothing is kept of a sign-in that has
begun: its state is in a cookie that is authenticated here. Code flow with PKCE, state and nonce
(RFC 9700 §2.1), and the device flow (RFC 8628). What the provider says beyond what is read stays
unread, and no word of it stands in an error.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol
from urllib.parse import quote_plus, urlencode

from whoisgate.errors import (
    CredentialRefused,
    DoNotTrackRefused,
    ProviderUnsupported,
    SessionConflict,
    SessionEnded,
    SignInFailed,
    WhoisgateError,
)
from whoisgate.identity import jws
from whoisgate.identity.published import Fetch
from whoisgate.identity.strict_json import Claim, strict_object
from whoisgate.presented import Presented
from whoisgate.queries import Requester

Post = Callable[[str, bytes, str | None], Awaitable[tuple[int, bytes]]]
"""Sends a form to an https address with an `Authorization`; gives status and body."""

MAX_SESSIONS: Final = 4096
MAX_EACH: Final = 8
SIGN_IN_S: Final = 600
METADATA_S: Final = 300
DEADLINE_S: Final = 5.0
AT_ONCE: Final = 8
"""Conversations with providers at one time."""

_LOG = logging.getLogger("whoisgate")
_HTTPS = re.compile(r"https://[!-~]{1,1000}", re.ASCII)
_DEVICE: Final = "urn:ietf:params:oauth:grant-type:device_code"
_DEVICE_MEMBERS: Final[Mapping[str, type]] = {
    "device_code": str, "user_code": str, "verification_uri": str,
    "verification_uri_complete": str, "expires_in": int, "interval": int,
}  # fmt: skip


class Registration(NamedTuple):
    """This server as a client of an issuer; without ``secret`` a public one."""

    iss: str
    client: str
    secret: str | None = None
    scope: str = "openid rdap"


class Authenticates(Protocol):
    """What of `Authenticator` is needed."""

    async def prepare(self, presented: Presented, now: datetime) -> None:
        """Fetch keys."""

    def authenticate(self, presented: Presented, now: datetime) -> Requester:
        """Who presents a token."""

    def signed_in(
        self, token: str, iss: str, client: str, nonce: str | None, now: datetime
    ) -> tuple[str, str]:
        """Authority and person of an ID token."""

    def providers(self, now: datetime) -> list[tuple[str, str]]:
        """`iss` and authority of who may sign."""


@dataclass(slots=True)
class _Session:
    registration: Registration
    identity: str
    person: str
    purposes: tuple[str, ...]
    token: str
    refresh: str | None
    until: datetime
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class _Signed(NamedTuple):
    """What a provider gave, verified."""

    requester: Requester
    token: str
    refresh: str | None
    until: datetime


class Sessions:
    """Signs people in and keeps their sessions. Meant for one event loop.

    ``redirect`` is where the provider sends people back to, ``resource`` this server as audience;
    ``key`` authenticates what a sign-in keeps at the browser. ``default`` is the issuer where
    nobody names one.
    """

    def __init__(  # noqa: PLR0917  wiring, done once
        self,
        registrations: Iterable[Registration],
        authenticator: Authenticates,
        fetch: Fetch,
        post: Post,
        redirect: str,
        resource: str,
        key: bytes,
        entropy: Callable[[int], bytes],
        default: str | None = None,
    ) -> None:
        self._registrations = {each.iss: each for each in registrations}
        self._authenticator, self._fetch, self._post = authenticator, fetch, post
        self._redirect, self._resource, self._key = redirect, resource, key
        self._entropy, self._default = entropy, default
        self._held: dict[bytes, _Session] = {}
        self._metadata: dict[str, tuple[datetime, Mapping[str, Claim]]] = {}
        self._busy = asyncio.Semaphore(AT_ONCE)

    def supported(self, now: datetime) -> bool:
        """Whether anybody can sign in; raises `LogUnavailable`."""
        return any(iss in self._registrations for iss, _ in self._authenticator.providers(now))

    # --- signing in

    async def begin(self, iss: str | None, hint: str | None, now: datetime) -> tuple[str, str]:
        """Where the browser goes to sign in, and what it keeps meanwhile.

        Raises `ProviderUnsupported` or `SignInFailed`.
        """
        registration = self._registration(iss, now)
        address = await self._endpoint(registration, "authorization_endpoint", now)
        state = jws.encoded(self._entropy(32))
        until = int(now.timestamp()) + SIGN_IN_S
        kept = jws.encoded(json.dumps([state, registration.iss, until]).encode())
        verifier = self._derived("verifier", state)
        asked = {
            "response_type": "code",
            "client_id": registration.client,
            "redirect_uri": self._redirect,
            "scope": registration.scope,
            "state": state,
            "nonce": self._derived("nonce", state),
            "code_challenge": jws.encoded(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
            "resource": self._resource,
        }
        if hint:
            asked["login_hint"] = hint
        if "offline_access" in registration.scope.split():
            asked["prompt"] = "consent"  # OpenID Connect Core §11
        sign = "&" if "?" in address else "?"
        return f"{address}{sign}{urlencode(asked)}", f"{kept}.{self._derived('kept', kept)}"

    async def finish(self, kept: str, said: Mapping[str, str], now: datetime) -> str:
        """The secret of a new session, from what the browser kept and what it brings back.

        Raises `SignInFailed` or `SessionConflict`.
        """
        state, registration = self._began(kept, now)
        # INVARIANT: nobody is signed in by an answer to a question that this browser did not ask.
        if not hmac.compare_digest(said.get("state", "").encode(), state.encode()):
            raise SignInFailed("expected the answer to the sign-in that this browser began")
        metadata = await self._described(registration, now)
        named = metadata.get("authorization_response_iss_parameter_supported") is True
        if said.get("iss", None if named else registration.iss) != registration.iss:  # RFC 9207
            raise SignInFailed("expected the answer of the provider that was asked")
        if "error" in said or not said.get("code"):
            raise SignInFailed("the identity provider did not sign anybody in")
        form = {
            "grant_type": "authorization_code",
            "code": said["code"],
            "redirect_uri": self._redirect,
            "code_verifier": self._derived("verifier", state),
        }
        given = await self._granted(registration, form, now)
        return self._opened(
            registration,
            await self._signed(registration, given, self._derived("nonce", state), now),
            now,
        )

    async def device(self, iss: str | None, now: datetime) -> Mapping[str, object]:
        """What a device shows to whoever is to sign in elsewhere (RFC 8628 §3.2)."""
        registration = self._registration(iss, now)
        status, given = await self._asked(
            registration, "device_authorization_endpoint", {"scope": registration.scope}, now
        )
        told = {
            name: value
            for name, kind in _DEVICE_MEMBERS.items()
            if isinstance(value := given.get(name), kind) and not isinstance(value, bool)
        }
        if status != 200 or not {"device_code", "user_code", "verification_uri"} <= told.keys():  # noqa: PLR2004  HTTP
            raise SignInFailed("the identity provider has no sign-in for devices")
        return told

    async def poll(self, iss: str | None, code: str, now: datetime) -> tuple[str | None, bool]:
        """The secret of a new session, None while nobody has signed in (RFC 8628 §3.5).

        Then whether the provider wants five more seconds between this and all later questions.
        """
        registration = self._registration(iss, now)
        form = {"grant_type": _DEVICE, "device_code": code}
        status, given = await self._asked(registration, "token_endpoint", form, now)
        if status == 400 and given.get("error") in {"authorization_pending", "slow_down"}:  # noqa: PLR2004  HTTP
            return None, given["error"] == "slow_down"
        signed = await self._signed(registration, _taken(status, given), None, now)
        return self._opened(registration, signed, now), False

    # --- sessions

    def token(self, secret: str, now: datetime) -> str:
        """The access token of a session; raises `SessionEnded`."""
        return self._session(secret, now).token

    def told(self, secret: str, now: datetime) -> Mapping[str, object]:
        """``farv1_session`` (RFC 9560 §5.1.1); raises `SessionEnded`."""
        session = self._session(secret, now)
        return {
            "userID": session.person,
            "iss": session.registration.iss,
            "userClaims": {"sub": session.person, "rdap_allowed_purposes": session.purposes},
            "sessionInfo": {
                "tokenExpiration": int((session.until - now).total_seconds()),
                "tokenRefresh": session.refresh is not None,
            },
        }

    async def refresh(self, secret: str, now: datetime) -> None:
        """Have the session's token renewed; raises `SessionEnded` or `SignInFailed`."""
        session = self._session(secret, now)
        if session.refresh is None:
            raise SignInFailed("expected a session that can be refreshed")
        async with session.turn:  # a refresh token that is used twice ends them all
            self._session(secret, now)  # who logged out meanwhile gets no new tokens
            form = {"grant_type": "refresh_token", "refresh_token": session.refresh}
            given = await self._granted(session.registration, form, now)
            signed = await self._signed(session.registration, given, None, now, again=True)
            if signed.requester.identity != session.identity:
                raise SignInFailed("the renewed token is somebody else's")
            session.token, session.until = signed.token, signed.until
            session.purposes = tuple(sorted(signed.requester.purposes))
            session.refresh = signed.refresh or session.refresh

    async def end(self, secret: str, now: datetime) -> bool | None:
        """Forget a session, and have the provider forget its tokens; raises `SessionEnded`.

        Says whether the provider was told, None where it takes no such word.
        """
        session = self._session(secret, now)
        # INVARIANT: it is over here before the provider is asked, and whatever that says.
        del self._held[_mark(secret)]
        try:
            async with asyncio.timeout(DEADLINE_S), session.turn:
                return await self._revoked(session, now)
        except (SignInFailed, TimeoutError):
            return False

    # --- inside

    def _session(self, secret: str, now: datetime) -> _Session:
        session = self._held.get(_mark(secret))
        if session is None or session.until <= now:
            raise SessionEnded("this session is over: sign in again")
        return session

    def _opened(self, registration: Registration, signed: _Signed, now: datetime) -> str:
        self._held = {mark: each for mark, each in self._held.items() if now < each.until}
        own = sum(each.identity == signed.requester.identity for each in self._held.values())
        if own >= MAX_EACH or len(self._held) >= MAX_SESSIONS:
            raise SessionConflict("too many sessions: end one, or wait for its end")
        secret, requester = jws.encoded(self._entropy(32)), signed.requester
        self._held[_mark(secret)] = _Session(
            registration,
            requester.identity,
            requester.person,
            tuple(sorted(requester.purposes)),
            signed.token,
            signed.refresh,
            signed.until,
        )
        return secret

    def _registration(self, iss: str | None, now: datetime) -> Registration:
        listed = {each for each, _ in self._authenticator.providers(now)}
        usable = {i: r for i, r in self._registrations.items() if i in listed}
        wanted = iss or self._default
        if wanted is None and len(usable) == 1:
            return next(iter(usable.values()))
        if wanted not in usable:
            raise ProviderUnsupported("expected an `farv1_iss` at which people can sign in here")
        return usable[wanted]

    def _began(self, kept: str, now: datetime) -> tuple[str, Registration]:
        text, _, seal = kept.partition(".")
        if not hmac.compare_digest(seal.encode(), self._derived("kept", text).encode()):
            raise SignInFailed("expected a browser that began to sign in here")
        state, iss, until = json.loads(jws.decoded(text))
        if until <= now.timestamp():
            raise SignInFailed("the sign-in took too long: begin again")
        return state, self._registration(iss, now)

    def _derived(self, what: str, text: str) -> str:
        said = f"whoisgate sign-in {what}\0{text}".encode()
        return jws.encoded(hmac.digest(self._key, said, hashlib.sha256))

    async def _signed(
        self,
        registration: Registration,
        given: Mapping[str, Claim],
        nonce: str | None,
        now: datetime,
        *,
        again: bool = False,
    ) -> _Signed:
        """Who the tokens say it is: ID token and access token name the same person.

        ``again``: the answer to a refresh, which may leave the ID token out.
        """
        token, identity = given.get("access_token"), given.get("id_token")
        kind, refresh = given.get("token_type"), given.get("refresh_token")
        if not isinstance(token, str) or not isinstance(kind, str) or kind.lower() != "bearer":
            raise SignInFailed("expected a bearer's access token of the identity provider")
        if not isinstance(identity, str) and not again:
            raise SignInFailed("expected an ID token of the identity provider")
        try:
            own = bearing(token)
            await self._authenticator.prepare(own, now)
            requester = self._authenticator.authenticate(own, now)
            if isinstance(identity, str):
                await self._authenticator.prepare(bearing(identity), now)
                named = self._authenticator.signed_in(
                    identity, registration.iss, registration.client, nonce, now
                )
                if named != (requester.authority, requester.person):
                    raise SignInFailed("ID token and access token are of two persons")
        except DoNotTrackRefused:
            raise
        except CredentialRefused as error:
            raise SignInFailed(f"the identity provider's token was refused: {error}") from None
        until = requester.valid_until
        if until is None:
            raise SignInFailed("expected a token that ends")
        return _Signed(requester, token, refresh if isinstance(refresh, str) else None, until)

    async def _revoked(self, session: _Session, now: datetime) -> bool | None:
        """Have tokens revoked (RFC 7009 §2): with a refresh token go those that came of it."""
        registration, endpoint = session.registration, "revocation_endpoint"
        if endpoint not in await self._described(registration, now):
            return None
        form = {"token": session.token, "token_type_hint": "access_token"}
        if session.refresh is not None:
            form = {"token": session.refresh, "token_type_hint": "refresh_token"}
        address = await self._endpoint(registration, endpoint, now)
        async with self._talk(registration):
            status, _ = await self._post(address, *_form(registration, form))
        if status != 200:  # noqa: PLR2004  HTTP
            _LOG.warning("`%s` revoked no token: status `%d`", registration.iss, status)
        return status == 200  # noqa: PLR2004  HTTP

    async def _granted(
        self, registration: Registration, form: Mapping[str, str], now: datetime
    ) -> Mapping[str, Claim]:
        return _taken(*await self._asked(registration, "token_endpoint", form, now))

    async def _asked(
        self, registration: Registration, endpoint: str, form: Mapping[str, str], now: datetime
    ) -> tuple[int, Mapping[str, Claim]]:
        """Status and members of the provider's answer to a form of this client."""
        address = await self._endpoint(registration, endpoint, now)
        sent = _form(registration, {**form, "resource": self._resource})
        async with self._talk(registration):
            status, body = await self._post(address, *sent)
            return status, strict_object(body)

    async def _endpoint(self, registration: Registration, name: str, now: datetime) -> str:
        """An address of the provider's metadata."""
        address = (await self._described(registration, now)).get(name)
        if not isinstance(address, str) or not _HTTPS.fullmatch(address):
            raise SignInFailed(f"expected `{name}` in the provider's metadata")
        return address

    async def _described(self, registration: Registration, now: datetime) -> Mapping[str, Claim]:
        """The provider's metadata (OpenID Connect Discovery §3, §4)."""
        since, metadata = self._metadata.get(registration.iss, (None, {}))
        if since is None or not abs(now - since) < timedelta(seconds=METADATA_S):
            address = registration.iss.removesuffix("/") + "/.well-known/openid-configuration"
            async with self._talk(registration):
                metadata = strict_object(await self._fetch(address))
                if metadata.get("issuer") != registration.iss:
                    raise ValueError("expected metadata that names the issuer")
            self._metadata[registration.iss] = now, metadata
        return metadata

    @asynccontextmanager
    async def _talk(self, registration: Registration) -> AsyncIterator[None]:
        """One conversation with a provider, of few at once; what fails is a `SignInFailed`."""
        try:
            async with asyncio.timeout(DEADLINE_S), self._busy:
                yield
        except (WhoisgateError, OSError, ValueError) as error:
            said = str(error) if isinstance(error, WhoisgateError | ValueError) else "no answer"
            _LOG.warning("no usable answer of `%s`: %s", registration.iss, said)
            raise SignInFailed("the identity provider gave no usable answer") from None


def bearing(token: str) -> Presented:
    """A token as a request would present it."""
    return Presented("GET", "", ((b"authorization", f"Bearer {token}".encode()),))


def _form(registration: Registration, form: Mapping[str, str]) -> tuple[bytes, str | None]:
    """A form of this client and its `Authorization` (RFC 6749 §2.3.1)."""
    if registration.secret is None:
        return urlencode({**form, "client_id": registration.client}).encode(), None
    pair = ":".join(map(quote_plus, (registration.client, registration.secret)))
    return urlencode(form).encode(), f"Basic {b64encode(pair.encode()).decode()}"


def _taken(status: int, given: Mapping[str, Claim]) -> Mapping[str, Claim]:
    if status != 200:  # noqa: PLR2004  HTTP
        raise SignInFailed("the identity provider gave no token")
    return given


def _mark(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
