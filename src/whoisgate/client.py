"""A gateway's client: asks over HTTP, and believes a gated answer only with its proof.

The receipt is fetched with the same credential and checked against the pinned key of the log
before anything gated is handed on. The credential goes to the configured server alone: a receipt
address elsewhere is refused. No redirect is followed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import httpx2

from whoisgate.audit.verify import (
    VerificationFailed,
    VerifiedReceipt,
    VerifierKey,
    verify_answer,
)
from whoisgate.errors import EvidenceError, GatewayUnreachable, MalformedConfig, WhoisgateError
from whoisgate.formats.disclosure_request import DisclosureRequest, serialise
from whoisgate.policy.decide import Outcome
from whoisgate.queries import Question, Urgency

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


class GatewayRefused(WhoisgateError):
    """The gateway answered with an error of its own; ``code`` is the gateway's."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(f"the gateway answered `{status}`: {sentence}")
        self.status, self.code = status, code


class Client:
    """Asks one gateway. ``key`` is the pinned key of its log; without it nothing gated is read.

    Raises `MalformedConfig` when ``server`` is no http or https URL.
    """

    def __init__(
        self, server: str, *, token: str | None = None, key: VerifierKey | None = None
    ) -> None:
        if not _is_web(server):
            raise MalformedConfig("expected an http or https URL of a gateway (--server)")
        self._server = server.rstrip("/") + "/"
        self._key = key
        headers = {"Accept": "application/rdap+json", "User-Agent": "whoisgate"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self._http = httpx2.Client(headers=headers, timeout=TIMEOUT_S, follow_redirects=False)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ask(self, question: Question) -> Reply:
        """The answer, its proof checked.

        Raises `GatewayUnreachable`, `GatewayRefused`, or `EvidenceError` when the proof does not
        hold; then nothing of the answer is handed on.
        """
        headers = {"Disclosure-Request": _said(question)} if question.gated else {}
        response = self._get(f"{self._server}domain/{question.name}", headers)
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
        response = self._get(address, {"Accept": "text/plain"})
        if response.status_code != httpx2.codes.OK:
            raise _refusal(response)
        return response.text

    def _get(self, url: str, headers: dict[str, str]) -> httpx2.Response:
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
                f"no answer from `{urlsplit(url).netloc}`: {type(error).__name__}"
            ) from None


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
