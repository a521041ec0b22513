"""RDAP over HTTP as an ASGI application (RFC 7480, 9082, 9083).

A public look-up that is at hand is answered by a few lines of raw ASGI; `Pages` has everything
that is not about a domain. Rules: only GET and HEAD, and for a host of its own; whatever is gated,
authenticated or wrong is `no-store`; nothing that a client sends (`Host`, query, names) shapes a
link, a log line or a header; no exception's text leaves unless it is about the requester's own
question; the log tells method, status, number and duration and no name, token or value.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from whoisgate.errors import (
    ClearText,
    CredentialRefused,
    CredentialRequired,
    DoNotTrackRefused,
    LogUnavailable,
    Misdirected,
    NonceExpected,
    PersonsSpent,
    PurposeNotAllowed,
    RequesterError,
    SessionEnded,
    SignInFailed,
    TooOften,
    UnsupportedQuery,
    WhoisgateError,
)
from whoisgate.formats import disclosure_request, rdap
from whoisgate.gate import Answer, AsyncGate
from whoisgate.policy.decide import Outcome
from whoisgate.presented import Presented
from whoisgate.queries import PUBLIC, Purpose, Question, Requester
from whoisgate.servers import limits, request, sessions
from whoisgate.servers.faults import FAULTS, code, fault, refused
from whoisgate.servers.hosts import Hosts
from whoisgate.servers.pages import KINDS, Pages, Policies, Receipts
from whoisgate.servers.sessions import SessionKeeper
from whoisgate.servers.settings import ServerSettings
from whoisgate.servers.visitors import Visitors

PUBLIC_MAX_AGE_S: Final = 60
"""How long anybody may keep a public answer; it depends on nothing of the record."""

NOT_READY_S: Final = 30
"""How long after a failed append the server calls itself not ready for gated questions."""

HELP_S: Final = timedelta(seconds=1)

UNSUPPORTED: Final = frozenset(
    {
        "autnum", "autnums", "domains", "entities", "entity", "farv1_session", "ip", "ips",
        "nameserver", "nameservers",
    }
)  # fmt: skip
"""Query types of RFC 9082, 9536, 9560 and 9910 that end in 501 (RFC 9082 §1)."""

Headers = tuple[tuple[bytes, bytes], ...]

_NO_STORE: Final = (b"cache-control", b"no-store")
_LOG = logging.getLogger("whoisgate")
_RDAP: Final[Headers] = (
    (b"content-type", b"application/rdap+json"),
    (b"access-control-allow-origin", b"*"),
)
_PUBLIC: Final[Headers] = (
    *_RDAP,
    (b"access-control-expose-headers", b"Disclosure-Policy"),
    (b"cache-control", b"public, max-age=%d" % PUBLIC_MAX_AGE_S),
    (b"vary", b"Authorization, Disclosure-Request"),
)
_PRIVATE: Final[Headers] = (
    *_RDAP,
    (
        b"access-control-expose-headers",
        b", ".join([
            b"Disclosure-Entry", b"Disclosure-Receipt", b"DPoP-Nonce", b"RateLimit",
            b"RateLimit-Policy", b"Retry-After", b"WWW-Authenticate",
        ]),
    ),
    _NO_STORE,
)  # fmt: skip
# A page elsewhere may send what its own script holds: a token, a proof, a signature. It never gets
# `Access-Control-Allow-Credentials`, so a browser sends and shows it nothing in its user's name,
# neither by cookie nor by certificate.
_PREFLIGHT: Final[Headers] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, HEAD"),
    (
        b"access-control-allow-headers",
        b", ".join([
            b"Authorization", b"Authorization-Digest", b"Disclosure-Request", b"DPoP",
            b"Signature", b"Signature-Input",
        ]),
    ),
    (b"access-control-max-age", b"7200"),
    _NO_STORE,
)  # fmt: skip
_SLOW: Final = frozenset(
    {
        b"authorization", b"disclosure-request", b"content-length", b"transfer-encoding",
        request.CLIENT_CERT, request.CLIENT_CERT_CHAIN,
    }
)  # fmt: skip
_STATUS: Final = {Outcome.RELEASED: 200, Outcome.NEEDS_APPROVAL: 202, Outcome.REFUSED: 403}
_PURPOSES: Final = frozenset(purpose.value for purpose in Purpose)
_CLOSE: Final[Headers] = ((b"connection", b"close"),)
"""Ends the connection after the answer, so that no unread body stays behind."""


class Authenticator(Protocol):
    """Whatever tells who presents a request's credentials."""

    async def prepare(self, presented: Presented, now: datetime) -> None:
        """Fetch what `authenticate` will want."""

    def authenticate(self, presented: Presented, now: datetime) -> Requester:
        """The requester; raises `CredentialRefused` or `CredentialRequired`."""

    def providers(self, now: datetime) -> Iterable[tuple[str, str]]:
        """`iss` and authority of each identity provider; raises `LogUnavailable`."""

    def nonce(self, now: datetime) -> str | None:
        """What the next DPoP proof must carry; None where none is taken."""


class Reply(NamedTuple):
    """One finished HTTP answer, without its length; ``said`` is the number for the log."""

    status: int
    headers: Headers
    body: bytes
    said: str = "-"


def application(  # noqa: PLR0917  wiring, done once
    gate: AsyncGate,
    settings: ServerSettings,
    authenticator: Authenticator,
    receipts: Receipts,
    policies: Policies,
    log_folder: Path,
    clock: Callable[[], datetime],
    *,
    visitors: Visitors | None = None,
    sessions: SessionKeeper | None = None,
) -> ASGIApp:
    """The whole HTTP side of a gate, as one ASGI application.

    ``receipts`` gives the proof text for an entry, a token and a requester's identity, or raises
    `ReceiptNotFound`; ``policies`` gives an archived bundle by its digest. Both run in threads.
    Without ``visitors`` the public may ask as often as it likes; without ``sessions`` nobody signs
    in here, and cookies are not looked at.
    """
    visitors = visitors or Visitors(settings, 0, clock, bytes)
    return _Application(
        gate, settings, authenticator, receipts, policies, log_folder, clock, visitors, sessions
    )


class _Application:
    def __init__(  # noqa: PLR0917  as `application`
        self,
        gate: AsyncGate,
        settings: ServerSettings,
        authenticator: Authenticator,
        receipts: Receipts,
        policies: Policies,
        log_folder: Path,
        clock: Callable[[], datetime],
        visitors: Visitors,
        sessions: SessionKeeper | None,
    ) -> None:
        self._gate, self._settings, self._clock = gate, settings, clock
        self._sessions, self._slow = sessions, _SLOW | ({b"cookie"} if sessions else set())
        self._authenticator = authenticator
        self._visitors, self._hosts = visitors, Hosts(settings)
        self._not_ready_until: datetime | None = None
        self._help: tuple[datetime, bytes] | None = None
        self._pages = Pages(
            self._help_text, receipts, policies, log_folder, self._identified, self._ready_for_gated
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; the quick half of a public look-up stands here in one piece."""
        if scope["type"] != "http":
            raise TypeError("expected an HTTP request")
        path = scope["path"]
        # Only a canonical name without question, credential or body is ever found at hand.
        if path[:8] == "/domain/" and scope["method"] == "GET" and not scope["query_string"]:
            host = None
            for name, value in scope["headers"]:
                if name in self._slow or (name == b"host" and host is not None):
                    break
                if name == b"host":
                    host = value
            else:
                place = self._visitors.place(request.client(scope, self._settings.networks))
                fit = self._hosts.ours(host, scope.get("server")) and not self._visitors.full(place)
                held = self._gate.at_hand(path[8:]) if fit else None
                if held is not None:
                    self._visitors.add(place)
                    length = b"%d" % len(held.body)
                    headers = [*_public(held.decision.policy), (b"content-length", length)]
                    await send({"type": "http.response.start", "status": 200, "headers": headers})
                    await send({"type": "http.response.body", "body": held.body})
                    _LOG.info("GET 200 - at hand")
                    return
        await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = self._clock()
        out = _Recorder(
            send,
            bodiless=scope["method"] == "HEAD",
            more=_CLOSE if request.carries_body(scope) else (),
            unkept=self._next_nonce(scope, started),
        )
        try:
            reply = await self._reply(scope)
            if reply is None:
                await self._pages(scope, receive, out)
        except Exception as error:  # noqa: BLE001  the last line before the socket
            reply = self._failed(error, scope)
        if reply is not None and not out.status:
            await _send(reply, out)
        _LOG.info(
            "%s %d %s %.1f ms",
            scope["method"] if scope["method"] in {"GET", "HEAD"} else "other",
            out.status,
            reply.said if reply else "-",
            (self._clock() - started) / timedelta(milliseconds=1),
        )

    async def _reply(self, scope: Scope) -> Reply | None:
        """The answer to everything but a page, for which it is None."""
        path: str = scope["path"]
        kind, _, rest = path.removeprefix("/").partition("/")
        unfit = self._unfit(scope, kind)
        if unfit is not None:
            return unfit
        if kind == "domain":
            return await self._domain(scope, rest)
        if kind == "farv1_session" and self._sessions is not None:
            return await self._session(self._sessions, scope, rest)
        if kind in UNSUPPORTED:
            raise UnsupportedQuery("expected a query about a domain")
        # Starlette's patterns end in `$`, which overlooks a line break at the end.
        if kind in KINDS and path.isprintable():
            return None
        return _error(HTTPStatus.NOT_FOUND, "no such page")

    def _unfit(self, scope: Scope, kind: str) -> Reply | None:
        """The answer to a request of which no more is read; None for any other."""
        wrong = self._hosts.wrong(scope)
        if wrong == HTTPStatus.BAD_REQUEST:
            return _error(wrong, "expected one `Host` line, HOST or HOST:PORT")
        # A probe asks whether a machine works, and often cannot choose what it calls it.
        if wrong is not None and kind != "health":
            raise Misdirected("expected a host that this server answers for")
        if request.is_preflight(scope) and kind in {"domain", "receipt"}:
            return Reply(200, _PREFLIGHT, b"")
        if scope["method"] not in {"GET", "HEAD"}:
            allow = ((b"allow", b"GET, HEAD"),)
            return _error(HTTPStatus.METHOD_NOT_ALLOWED, "expected GET or HEAD", allow)
        if request.body_too_large(scope):
            limit = f"expected no body, or at most `{request.MAX_BODY}` bytes"
            return _error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, limit)
        if request.speaks_for_another(scope, self._settings.networks):
            self._gate.count("credential_refused")
            raise CredentialRefused("expected no `Client-Cert` line but from a trusted proxy")
        return None

    async def _domain(self, scope: Scope, name: str) -> Reply:
        arrived, said = self._clock(), request.read(scope)
        if said.do_not_track:
            self._gate.count("do_not_track")
            raise DoNotTrackRefused("expected no `farv1_dnt`")
        try:
            requester = await self._requester(scope, said, arrived)
        except RequesterError:
            self._visit(scope)
            raise
        if requester is PUBLIC:
            self._visit(scope)
            answer = await self._gate.answer(Question.of(name), PUBLIC, arrived)
            return Reply(200, _public(answer.decision.policy), answer.body)
        question = _question(name, said)
        try:
            answer = await self._gate.answer(question, requester, arrived)
        except LogUnavailable:
            self._not_ready_until = arrived + timedelta(seconds=NOT_READY_S)
            raise
        return self._answered(answer)

    def _answered(self, answer: Answer) -> Reply:
        """The reply that an authenticated requester gets."""
        receipt = answer.receipt
        if receipt is None:
            return Reply(200, _PRIVATE, answer.body)
        self._not_ready_until = None
        address = f"{self._settings.base_url}receipt/{receipt.index}/{receipt.token}"
        headers = (
            *_PRIVATE,
            (b"disclosure-entry", b"%d" % receipt.index),
            (b"disclosure-receipt", address.encode("ascii")),
            *limits.fields(receipt.quotas, self._clock()),
        )
        if answer.held is None:
            return Reply(_STATUS[answer.outcome], headers, answer.body)
        if isinstance(answer.held, PersonsSpent):
            headers = (*headers, limits.retry_after(answer.held.ends, self._clock()))
        return Reply(fault(answer.held).status, headers, answer.body, code(answer.held))

    def _visit(self, scope: Scope) -> None:
        """Count the look-up of somebody unknown; raises `TooOften`."""
        place = self._visitors.place(request.client(scope, self._settings.networks))
        if self._visitors.full(place):
            self._gate.count("too_often")
            raise TooOften(self._visitors.ends)
        self._visitors.add(place)

    async def _requester(self, scope: Scope, said: request.Said, now: datetime) -> Requester:
        """Who asks; the public, if nothing is said that only somebody known may say."""
        in_session = self._sessions and sessions.cookie(scope, sessions.SESSION) is not None
        return await self._known(scope, now) if said.beyond_public or in_session else PUBLIC

    async def _session(self, keeper: SessionKeeper, scope: Scope, page: str) -> Reply:
        """The answer about a session."""
        if scope["method"] != "GET":
            allow = ((b"allow", b"GET"),)
            return _error(HTTPStatus.METHOD_NOT_ALLOWED, "expected GET", allow)
        if not request.confidential(scope, self._settings.networks):
            self._gate.count("clear_text")
            raise ClearText("expected TLS, a trusted proxy, or loopback")
        self._visit(scope)
        try:
            told = await sessions.answered(keeper, page, scope, self._clock())
        except (CredentialRefused, DoNotTrackRefused, SignInFailed, SessionEnded) as error:
            untracked = isinstance(error, DoNotTrackRefused)
            self._gate.count("do_not_track" if untracked else "credential_refused")
            raise
        return Reply(told.status, (*_PRIVATE, *told.headers), told.body)

    async def _known(self, scope: Scope, now: datetime) -> Requester:
        """Who holds the credential, read only where nobody could read along."""
        if not request.confidential(scope, self._settings.networks):
            self._gate.count("clear_text")
            raise ClearText("expected TLS, a trusted proxy, or loopback")
        try:
            settings = self._settings
            presented = request.presented(scope, settings.base_url, settings.networks)
            # A browser adds a certificate by itself, as it does a cookie.
            if presented.certificates and not request.lines(scope, b"authorization"):
                sessions.refuse_other_sites(scope)
            presented = replace(presented, session=self._token(scope, now))
            await self._authenticator.prepare(presented, now)
            return self._authenticator.authenticate(presented, now)
        except NonceExpected:
            raise  # how every conversation begins
        except DoNotTrackRefused:
            self._gate.count("do_not_track")
            raise
        except (CredentialRefused, CredentialRequired, SessionEnded) as error:
            refused = not isinstance(error, CredentialRequired)
            self._gate.count("credential_refused" if refused else "credential_required")
            raise

    def _token(self, scope: Scope, now: datetime) -> str | None:
        """The token of the request's session, None without one; raises `SessionEnded`."""
        secret = sessions.session(scope) if self._sessions else None
        if self._sessions is None or secret is None:
            return None
        return self._sessions.token(secret, now)

    async def _identified(self, scope: Scope) -> str:
        """The identity of who asks for a page that needs one."""
        return (await self._known(scope, self._clock())).identity

    def _next_nonce(self, scope: Scope, now: datetime) -> Headers:
        """For who uses DPoP, in what no cache keeps, for a kept one is old (RFC 9449 §8.2)."""
        if not request.lines(scope, b"dpop") or not request.lines(scope, b"authorization"):
            return ()
        nonce = self._authenticator.nonce(now)
        return ((b"dpop-nonce", nonce.encode("ascii")),) if nonce else ()

    def _help_text(self) -> bytes:
        """The help answer, made at most `HELP_S` ago; who may sign in changes."""
        now = self._clock()
        if self._help is None or not timedelta() <= now - self._help[0] < HELP_S:
            try:
                listed = list(self._authenticator.providers(now))
                signs_in = self._sessions is not None and self._sessions.supported(now)
            except LogUnavailable:
                listed, signs_in = [], False  # help is for everybody
            default = self._settings.default_issuer
            if default is None and len(listed) == 1:
                default = listed[0][0]
            told = [rdap.Provider(iss, name, iss == default) for iss, name in listed]
            self._help = now, rdap.encode_help(self._settings.rdap, told, sessions=signs_in)
        return self._help[1]

    def _ready_for_gated(self) -> bool:
        """Whether no append has failed lately; reads the log as well."""
        self._gate.log.granted(b"")
        return self._not_ready_until is None or self._not_ready_until <= self._clock()

    def _failed(self, error: Exception, scope: Scope) -> Reply:
        row, number = fault(error), code(error)
        headers = row.headers
        if row is FAULTS[CredentialRefused]:
            headers = refused(request.lines(scope, b"authorization"))
        if not isinstance(error, RequesterError):
            # Where it happened helps the operator; the error's text might hold a value.
            _LOG.error("%s %s at %s", number, type(error).__name__, _place(error))
        text = str(error) if row.own and isinstance(error, WhoisgateError) else row.sentence
        body = rdap.encode_error(row.status, row.title, row.code or number, [text])
        headers = (*_PRIVATE, *headers)
        if isinstance(error, TooOften):
            headers = (*headers, limits.retry_after(error.ends, self._clock()))
        return Reply(row.status, headers, body, number)


class _Recorder:
    """Passes messages on and keeps the status; for HEAD it leaves bodies out.

    ``more`` are header lines for whatever the answer is, ``unkept`` those for a `no-store` alone.
    """

    def __init__(self, send: Send, *, bodiless: bool, more: Headers, unkept: Headers) -> None:
        self.status = 0
        self._send, self._bodiless, self._more, self._unkept = send, bodiless, more, unkept

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message["headers"], *self._more]
            # INVARIANT: what a cache may keep and give to others holds no nonce.
            if _NO_STORE in headers:
                headers += self._unkept
            message = {**message, "headers": headers}
        elif self._bodiless:
            message = {**message, "body": b""}
        await self._send(message)


@lru_cache(8)
def _public(policy: str) -> Headers:
    """The header lines of a public answer that the policy of this digest decided."""
    return (*_PUBLIC, (b"disclosure-policy", policy.encode()))


def _question(name: str, said: request.Said) -> Question:
    """The question of a request by somebody known; ``farv1_qp`` counts where nothing else is."""
    if not said.disclosure:
        if said.purpose is not None and said.purpose not in _PURPOSES:
            # A claim allows no purpose that is not registered, whatever it says (§3.1.5.1).
            raise PurposeNotAllowed("`farv1_qp`: expected a purpose of RFC 9560 §9.3")
        return Question.of(name, purpose=said.purpose)
    words = disclosure_request.parse(request.combined(said.disclosure))
    return Question.of(
        name,
        purpose=words.purpose,
        basis=words.basis,
        case=words.case,
        elements=words.elements,
        urgency=words.urgency,
        sealed_until=words.sealed_until,
    )


def _place(error: Exception) -> str:
    """File and line at which ``error`` was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def _error(status: HTTPStatus, text: str, more: Headers = ()) -> Reply:
    """An error of HTTP itself, in RDAP's form."""
    body = rdap.encode_error(status, status.phrase, "WG100", [text])
    return Reply(status, (*_PRIVATE, *more), body, "WG100")


async def _send(reply: Reply, send: Send) -> None:
    headers = [*reply.headers, (b"content-length", b"%d" % len(reply.body))]
    await send({"type": "http.response.start", "status": int(reply.status), "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
