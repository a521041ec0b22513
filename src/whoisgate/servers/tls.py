"""TLS that asks clients for a certificate, and follows the directory while it serves.

The ssl module ends a handshake whose certificate leads to no anchor (alert `unknown_ca`), is out of
date or not for clients; what it lets pass is handed on as it came, and `identity` alone decides.
Without a certificate, or without anchors, the connection is the public's.
"""

from __future__ import annotations

import _ssl
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

CERTIFICATES: Final = "whoisgate.certificates"
"""The key of an ASGI scope that holds what `presented` gives of the connection."""

CIPHERS: Final = "ECDHE+AESGCM"
"""For TLS 1.2, as ICANN's profile wants; TLS 1.3 has its own."""

_LOG = logging.getLogger("whoisgate")


class ServerContext(ssl.SSLContext):
    """A server's context, behind which stands another one for each state of the anchors.

    ``anchors`` gives certificates (PEM), no text where nobody is to be asked. It is called for
    every connection, so it should be quick; while it fails, or what it gives cannot be used, what
    was goes on. Nothing is resumed across a change of it. Raises OSError or `ssl.SSLError` when
    certificate chain and key (PEM) cannot be used.
    """

    def __new__(cls, *_: object) -> ServerContext:  # noqa: D102  not for callers
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, certificate: Path, key: Path, anchors: Callable[[], str]) -> None:
        self._files, self._anchors = (certificate, key), anchors
        self._failed = False
        self._asked_for = ""
        self._behind = _context(*self._files, "")

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002  as the class above has it
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """A new connection, under the anchors of this moment."""
        try:
            anchors = self._anchors()
            if anchors != self._asked_for:
                self._behind, self._asked_for = _context(*self._files, anchors), anchors
            self._failed = False
        except Exception as error:  # noqa: BLE001  the public is answered whatever happens
            if not self._failed:
                _LOG.error("%s: certificates are asked for as before", type(error).__name__)
            self._failed = True
        return self._behind.wrap_bio(
            incoming, outgoing, server_side, cast("str | None", server_hostname), session
        )


class _Connection(ssl.SSLObject):
    """Lets the alert out that says why a certificate is refused; event loops drop it."""

    _refused: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        """Asks for more from the client once refused, so that what is to be sent is sent."""
        if self._refused is not None:
            raise self._refused
        try:
            super().do_handshake()
        except ssl.SSLCertVerificationError as error:
            self._refused = error
            raise ssl.SSLWantReadError from None


def _context(certificate: Path, key: Path, anchors: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_ciphers(CIPHERS)
    # Who proved to have a certificate stays who it was for the whole connection.
    context.options |= ssl.OP_NO_RENEGOTIATION
    if anchors:
        context.sslobject_class = _Connection
        context.load_verify_locations(cadata=anchors)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        # A ticket would carry the client's own certificate alone; a session that is kept here has
        # the certificates between it and its issuer as well.
        context.options |= ssl.OP_NO_TICKET
    return context


def presented(connection: ssl.SSLObject | None) -> tuple[bytes, ...]:
    """The certificates that the client showed (DER), its own first; () without any."""
    if connection is None or connection.getpeercert(binary_form=True) is None:
        return ()
    if hasattr(connection, "get_unverified_chain"):  # since Python 3.13
        return tuple(connection.get_unverified_chain())
    chain = connection._sslobj.get_unverified_chain()  # type: ignore[attr-defined]  # noqa: SLF001
    return tuple(each.public_bytes(_ssl.ENCODING_DER) for each in chain)
