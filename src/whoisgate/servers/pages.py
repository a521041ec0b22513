"""What the HTTP server has beside domains: help, receipts, policies, the public log, health.

Paths are matched against exact grammars, so that no file but checkpoint, retention policy and tiles
is ever opened. A receipt that is not there and one that is somebody else's end in the same 404.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from whoisgate.errors import ReceiptNotFound, WhoisgateError
from whoisgate.formats import rdap

Receipts = Callable[[int, str, str], str]
"""Proof text for an entry, a token and a requester's identity, or `ReceiptNotFound`."""

Policies = Callable[[str], str | None]
"""An archived policy bundle by its SHA-256 (hex)."""

KINDS: Final = frozenset({"help", "receipt", "policy", "log", "health"})
"""The first words of the paths that are pages."""

_ENTRY = re.compile(r"0|[1-9][0-9]{0,14}", re.ASCII)
_TOKEN = re.compile(r"[\w-]{1,64}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TILE = re.compile(
    r"tile/(?:entries|[0-9]|[1-5][0-9]|6[0-3])/(?:x[0-9]{3}/){0,6}[0-9]{3}"
    r"(?:\.p/(?:[1-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?"
)
"""C2SP tlog-tiles: ``tile/<level>/<index>[.p/<width>]`` and ``tile/entries/…``."""

_OPEN: Final = {"Access-Control-Allow-Origin": "*"}
_NEVER: Final = {"Cache-Control": "no-store"}
_SHOWN: Final = {**_OPEN, "Access-Control-Expose-Headers": "DPoP-Nonce"}
"""A script elsewhere has no receipt but with a credential that it holds itself."""

_FOREVER: Final = {**_OPEN, "Cache-Control": "public, max-age=31536000, immutable"}


class Pages:
    """The pages as one ASGI application; errors are raised, for the caller to put in words."""

    def __init__(  # noqa: PLR0917  the parts that `application` was given
        self,
        help_text: Callable[[], bytes],
        receipts: Receipts,
        policies: Policies,
        log_folder: Path,
        identified: Callable[[Scope], Awaitable[str]],
        ready_for_gated: Callable[[], bool],
    ) -> None:
        self._receipts, self._policies, self._log_folder = receipts, policies, log_folder
        self._identified, self._ready_for_gated = identified, ready_for_gated
        self._help_text = help_text
        self._router = Router(
            [
                Route("/help", self._help_page),
                Route("/receipt/{entry}/{token}", self._receipt),
                Route("/policy/{digest}", self._policy),
                Route("/log/{path:path}", self._log),
                Route("/health/live", self._live),
                Route("/health/ready", self._ready),
                Route("/health/ready/gated", self._ready),
            ],
            redirect_slashes=False,
            default=_nothing,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request for a page."""
        await self._router(scope, receive, send)

    async def _help_page(self, _: Request) -> Response:
        headers = {**_OPEN, "Cache-Control": "public, max-age=60"}
        return Response(self._help_text(), 200, headers, "application/rdap+json")

    async def _receipt(self, request: Request) -> Response:
        identity = await self._identified(request.scope)
        entry, token = request.path_params["entry"], request.path_params["token"]
        if not _ENTRY.fullmatch(entry) or not _TOKEN.fullmatch(token):
            raise ReceiptNotFound("expected the address of a receipt")
        proof = await asyncio.to_thread(self._receipts, int(entry), token, identity)
        return Response(proof, 200, {**_SHOWN, **_NEVER}, "text/plain")

    async def _policy(self, request: Request) -> Response:
        digest = request.path_params["digest"]
        if not _DIGEST.fullmatch(digest):
            return not_found()
        text = await asyncio.to_thread(self._policies, digest)
        return not_found() if text is None else Response(text, 200, _FOREVER, "text/yaml")

    async def _log(self, request: Request) -> Response:
        path = request.path_params["path"]
        if path in {"checkpoint", "retention"}:
            headers, kind = {**_OPEN, "Cache-Control": "no-cache"}, "text/plain"
        elif _TILE.fullmatch(path):
            headers, kind = _FOREVER, "application/octet-stream"
        else:
            return not_found()
        try:
            content = await asyncio.to_thread((self._log_folder / path).read_bytes)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return not_found()
        return Response(content, 200, headers, kind)

    async def _live(self, _: Request) -> Response:
        return JSONResponse({"live": True}, 200, _NEVER)

    async def _ready(self, request: Request) -> Response:
        """Ready for the public whenever it answers; for gated questions while the log works.

        ``/health/ready`` is 200 for the public's sake; ``/health/ready/gated`` is 503 without
        the log.
        """
        try:
            gated = await asyncio.to_thread(self._ready_for_gated)
        except WhoisgateError:
            gated = False
        status = 503 if request.url.path.endswith("/gated") and not gated else 200
        return JSONResponse({"public": True, "gated": gated}, status, _NEVER)


def not_found() -> Response:
    """The 404 of everything that is no page."""
    body = rdap.encode_error(404, "Not Found", "WG100", ["no such page"])
    return Response(body, 404, {**_OPEN, **_NEVER}, "application/rdap+json")


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await not_found()(scope, receive, send)
