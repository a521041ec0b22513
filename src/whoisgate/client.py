"""A gateway's client: asks over HTTP, and believes a gated answer only with its proof.

The receipt is fetched with the same credential and checked against the pinned key of the log
before anything gated is handed on. Where questions are signed (RFC 9421), the entry must keep the
very signature that was sent. The credential goes to the configured server alone: a receipt
address elsewhere is refused. No redirect is followed. A client certificate is shown to whoever
proves to be that server. A token that is bound to a key goes with a proof of that key (RFC 9449),
made anew for each request.
"""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import httpx2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from whoisgate.audit.question import SignedRequest, as_kept, public_jwk, signed_with
from whoisgate.audit.verify import (
    VerificationFailed,
    VerifiedReceipt,
    VerifierKey,
    b64url,
    verify_answer,
)
from whoisgate.errors import (
    EvidenceError,
    GatewayUnreachable,
    MalformedConfig,
    MissingKey,
    WhoisgateError,
)
from whoisgate.formats.disclosure_request import DisclosureRequest, serialise
from whoisgate.policy.decide import Outcome
from whoisgate.queries import Question, Signed, Urgency

LIMIT_BYTES: Final = 4 * 1024 * 1024
TIMEOUT_S: Final = 30.0
_OUTCOMES: Final = {
    200: Outcome.RELEASED,
    202: Outcome.NEEDS_APPROVAL,
    403: Outcome.REFUSED,
    429: Outcome.REFUSED,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a gateway answered. ``receipt`` is None for the public view alone.

    ``policy`` is the digest of the policy that decided: committed in the entry, or, for the public
    view, as the gateway says.
    """

    outcome: Outcome
    body: bytes
    policy: str | None
    receipt: VerifiedReceipt | None = None
    proof: str | None = None


class Signing(Protocol):
    """Signs a GET; `audit.question.QuestionSigner.sign` with the time and a nonce given."""

    def __call__(
        self, url: str, *, disclosure: str | None, authorization: str | None
    ) -> SignedRequest:
        """The signature of a GET of ``url`` with these two header lines."""


class GatewayRefused(WhoisgateError):
    """The gateway answered with an error of its own; ``code`` is the gateway's."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(f"the gateway answered `{status}`: {sentence}")
        self.status, self.code = status, code


class Holder:
    """Holds a token and the private key that it is bound to; proves it (RFC 9449 §4.2).

    ``pem`` is a P-256 or Ed25519 key without a passphrase, else `MissingKey` is raised.
    """

    def __init__(
        self,
        token: str,
        pem: bytes,
        clock: Callable[[], datetime],
        entropy: Callable[[int], bytes],
    ) -> None:
        self.token, self._clock, self._entropy = token, clock, entropy
        self._nonce: str | None = None
        try:
            key = load_pem_private_key(pem, None)
        except (ValueError, TypeError):
            key = None
        if isinstance(key, Ed25519PrivateKey):
            self._alg = "EdDSA"
        elif isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
            self._alg = "ES256"
        else:
            raise MissingKey("expected a P-256 or Ed25519 private key as PEM, without a passphrase")
        self._key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey = key

    def headers(self, url: str) -> dict[str, str]:
        """What a GET of ``url`` must carry beside the token."""
        claims = {
            "jti": b64url(self._entropy(16)),
            "htm": "GET",
            "htu": url.partition("#")[0].partition("?")[0],
            "iat": int(self._clock().timestamp()),
            "ath": b64url(hashlib.sha256(self.token.encode()).digest()),
        }
        if self._nonce is not None:
            claims["nonce"] = self._nonce
        header = {"typ": "dpop+jwt", "alg": self._alg, "jwk": public_jwk(self._key.public_key())}
        message = ".".join(b64url(json.dumps(part).encode()) for part in (header, claims))
        return {"DPoP": f"{message}.{b64url(signed_with(self._key, message.encode()))}"}

    def challenged(self, response: httpx2.Response) -> bool:
        """Take the nonce that the server gives; whether it asks for the same again with it (§9)."""
        nonce = response.headers.get("DPoP-Nonce")
        if nonce is None:
            return False
        self._nonce = nonce
        said = response.headers.get("WWW-Authenticate", "")
        return response.status_code == httpx2.codes.UNAUTHORIZED and "use_dpop_nonce" in said


class Client:
    """Asks one gateway. ``key`` is the pinned key of its log; without it nothing gated is read.

    The token is a bearer's, ``token``, or ``holder``'s, who proves that it is his.
    ``certificate`` is a client certificate with those above it, and its key (PEM, no passphrase).
    ``signing`` signs whatever is asked beyond the public view, and ``keep`` gets each signed
    question before it is sent, to prove later what was asked. Raises `MalformedConfig` when
    ``server`` is no http or https URL, and `MissingKey`.
    """

    def __init__(
        self,
        server: str,
        *,
        token: str | None = None,
        holder: Holder | None = None,
        certificate: tuple[Path, Path] | None = None,
        key: VerifierKey | None = None,
        signing: Signing | None = None,
        keep: Callable[[Signed], None] = lambda _: None,
    ) -> None:
        if not _is_web(server):
            raise MalformedConfig("expected an http or https URL of a gateway (--server)")
        self._server = server.rstrip("/") + "/"
        self._key, self._holder, self._signing, self._keep = key, holder, signing, keep
        headers = {"Accept": "application/rdap+json", "User-Agent": "whoisgate"}
        if holder is not None:
            headers["Authorization"] = f"DPoP {holder.token}"
        elif token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self._http = httpx2.Client(
            headers=headers, timeout=TIMEOUT_S, follow_redirects=False, verify=_tls(certificate)
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ask(self, question: Question) -> Reply:
        """The answer, its proof checked.

        Raises `GatewayUnreachable`, `GatewayRefused`, or `EvidenceError` when the proof does not
        hold; then nothing of the answer is handed on.
        """
        url = f"{self._server}domain/{question.name}"
        headers = {"Disclosure-Request": _said(question)} if question.gated else {}
        signed = self._signed(url, headers) if question.gated else None
        if signed is not None:
            self._keep(signed)
        response = self._get(url, headers)
        entry = response.headers.get("Disclosure-Entry")
        if entry is None:
            if response.status_code != httpx2.codes.OK or question.gated:
                raise _refusal(response)
            told = response.headers.get("Disclosure-Policy")
            return Reply(Outcome.RELEASED, response.content, told)
        if self._key is None:
            raise EvidenceError("expected the pinned key of the log (--key); nothing is shown")
        proof = self._proof(response.headers.get("Disclosure-Receipt", ""))
        try:
            receipt = verify_answer(
                response.content, proof, self._key, expected={"domain": question.name}
            )
        except VerificationFailed as error:
            raise EvidenceError(f"the answer's proof does not hold: {error}") from None
        detail = receipt.fields.get("detail")
        if signed is not None and (
            not isinstance(detail, Mapping) or detail.get("signed") != as_kept(signed)
        ):
            raise EvidenceError("expected an entry that keeps the signature of the question")
        outcome = _OUTCOMES.get(response.status_code)
        if str(receipt.index) != entry or outcome is None or receipt.fields["outcome"] != outcome:
            raise EvidenceError("the answer's proof is for another answer")
        return Reply(outcome, response.content, receipt.leaf.policy, receipt, proof)

    def policy(self, digest: str) -> str:
        """The text of an archived policy bundle; the digest is not checked here."""
        return self._get(f"{self._server}policy/{digest}", {}).text

    def _proof(self, address: str) -> str:
        wanted, got = urlsplit(self._server), urlsplit(address)
        if (wanted.scheme, wanted.netloc) != (got.scheme, got.netloc):
            raise EvidenceError("expected a receipt address on the server that was asked")
        headers = {"Accept": "text/plain"}
        self._signed(address, headers)
        response = self._get(address, headers)
        if response.status_code != httpx2.codes.OK:
            raise _refusal(response)
        return response.text

    def _signed(self, url: str, headers: dict[str, str]) -> Signed | None:
        """Sign a request, if that is to be done: its further lines go into ``headers``."""
        if self._signing is None:
            return None
        request = self._signing(
            url,
            disclosure=headers.get("Disclosure-Request"),
            authorization=self._http.headers.get("Authorization"),
        )
        headers.update(request.headers)
        return request.signed

    def _get(self, url: str, headers: dict[str, str]) -> httpx2.Response:
        if self._holder is None:
            return self._sent(url, headers)
        response = self._sent(url, headers | self._holder.headers(url))
        if self._holder.challenged(response):  # once: a server that goes on so is refused
            response = self._sent(url, headers | self._holder.headers(url))
            self._holder.challenged(response)
        return response

    def _sent(self, url: str, headers: dict[str, str]) -> httpx2.Response:
        try:
            with self._http.stream("GET", url, headers=headers) as response:
                content = bytearray()
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) > LIMIT_BYTES:
                        raise GatewayUnreachable(f"expected at most `{LIMIT_BYTES}` bytes")
                return httpx2.Response(
                    response.status_code,
                    headers=[
                        (k, v)
                        for k, v in response.headers.items()
                        if k.lower() not in {"content-encoding", "content-length"}
                    ],
                    content=bytes(content),
                )
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise GatewayUnreachable(
                f"no answer from `{urlsplit(url).netloc}`: {_why(error)}"
            ) from None


def _tls(certificate: tuple[Path, Path] | None) -> ssl.SSLContext | bool:
    if certificate is None:
        return True
    context = httpx2.create_ssl_context()
    try:
        # Without a passphrase at hand OpenSSL would ask for one at the terminal.
        context.load_cert_chain(*certificate, password="")
    except (OSError, ssl.SSLError) as error:
        raise MissingKey(
            f"expected a client certificate and its key (PEM): {type(error).__name__}"
        ) from None
    return context


def _why(error: BaseException) -> str:
    """The kind of a failure; what TLS said, where it was TLS."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError) and cause.reason:
            return cause.reason.replace("_", " ").lower()
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _said(question: Question) -> str:
    return serialise(
        DisclosureRequest(
            question.purpose and question.purpose.value,
            question.basis and question.basis.value,
            question.case,
            tuple(sorted(e.name for e in question.elements)) or None,
            None if question.urgency is Urgency.NONE else question.urgency.value,
            question.sealed_until.isoformat() if question.sealed_until else None,
        )
    )


def _refusal(response: httpx2.Response) -> GatewayRefused:
    code, sentence = "WG513", "no RDAP error object"
    try:
        said = response.json()
        sentence = "; ".join(map(str, said.get("description", []))) or str(said.get("title", ""))
        code = next((w for w in sentence.replace(":", " ").split() if w.startswith("WG")), code)
    except (ValueError, AttributeError, TypeError):
        pass
    return GatewayRefused(response.status_code, code, sentence)
