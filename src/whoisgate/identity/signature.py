"""Signed questions (RFC 9421): a request that its requester signed in, a `Requester` out.

The signature says which key (`keyid`, its RFC 7638 thumbprint), and the directory whose that is and
how it signs. What is signed is the whole question and nothing else, for all of it goes into the
log: `@method`, `@target-uri` (the configured address, no query), `disclosure-request`, and of an
`Authorization` beside it the SHA-256 (`Authorization-Digest`), never the token. The token of a
session is not covered, since its sender does not have it. Rules: one
signature, one spelling (that of `audit.verify`, which a court's verifier reads again), brief life,
each nonce once. Nonces are remembered by the process and, of what is logged, by the log.
"""

from __future__ import annotations

import heapq
import re
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from whoisgate.audit.question import authorization_digest, signature_base
from whoisgate.audit.verify import (
    QUESTION_LEEWAY_S,
    SignedQuestion,
    VerificationFailed,
    read_signature_base,
    verify_question,
)
from whoisgate.errors import CredentialRefused, MalformedName
from whoisgate.identity.authority import Authority, SignatureProof, SigningKey
from whoisgate.presented import Presented
from whoisgate.queries import Assurance, Once, Requester, Signed, canonical_name

MAX_ALIVE: Final = 131_072
MAX_ALIVE_OF_ONE: Final = 16_384

_INPUT = re.compile(r'([a-z*][a-z0-9_.*-]{0,63})=(\(("[a-z@-]+"(?: "[a-z@-]+")*)\);.*)')
_SIGNATURE = re.compile(r"([a-z*][a-z0-9_.*-]{0,63})=:([A-Za-z0-9+/]{1,1024}={0,2}):")
_ASSURANCES: Final = tuple(Assurance)

Signer = tuple[Authority, SignatureProof, SigningKey]


class Nonces:
    """The nonces of signatures that are still alive; each is taken once.

    When 131,072 are alive, or 16,384 of one key, no more is taken: to forget one early would let
    it be used again.
    """

    def __init__(self) -> None:
        self._alive: set[bytes] = set()
        self._ends: list[tuple[int, bytes, str]] = []
        self._of: Counter[str] = Counter()
        self._latest = 0.0

    def take(self, question: SignedQuestion, now: datetime) -> Once:
        """Remember the nonce until its signature ends; raises `CredentialRefused`."""
        # INVARIANT: what was forgotten stays refused, also when the clock steps back.
        self._latest = latest = max(self._latest, now.timestamp())
        while self._ends and self._ends[0][0] <= latest:
            _, mark, signer = heapq.heappop(self._ends)
            self._alive.discard(mark)
            self._of[signer] -= 1
            if not self._of[signer]:
                del self._of[signer]
        ends = datetime.fromtimestamp(question.expires, UTC)
        once = Once.of("signature", question.signer, question.nonce, ends)
        if once.mark in self._alive or question.expires <= latest:
            raise CredentialRefused("expected a nonce that was not used before: sign anew")
        if len(self._ends) >= MAX_ALIVE or self._of[question.signer] >= MAX_ALIVE_OF_ONE:
            raise CredentialRefused("too many signed questions at a time: sign anew, and later")
        self._alive.add(once.mark)
        self._of[question.signer] += 1
        heapq.heappush(self._ends, (question.expires, once.mark, question.signer))
        return once


def presents_signature(presented: Presented) -> bool:
    """Whether the request claims to be signed."""
    return any(name in {b"signature", b"signature-input"} for name, _ in presented.headers)


def authenticate(
    presented: Presented, signers: Mapping[str, Signer], nonces: Nonces, now: datetime
) -> Requester:
    """Who signed this request, as proved at ``now``; ``signers`` are keys by their thumbprint.

    Raises `CredentialRefused`. A nonce is used up only by a signature that holds.
    """
    params, names, signature = _carried(presented)
    base = signature_base(_covered(presented, names), params)
    try:
        question = read_signature_base(base)
        _check_time(question, now)
        if question.signer not in signers:
            raise CredentialRefused("expected the `keyid` of a key that the directory lists")
        authority, proof, key = signers[question.signer]
        verify_question(key.public, question.algorithm, signature, base.encode("ascii"))
    except VerificationFailed as failure:
        raise CredentialRefused(str(failure)) from None
    _check_name(question.url)
    once = nonces.take(question, now)
    requester = authority.requester(
        key.person,
        proof.assurance,
        "signature",
        now,
        valid_until=once.until,
    )
    signed = Signed(base, signature, question.algorithm, key.jwk)
    return replace(requester, signed=signed, once=(once,))


def together(first: Requester, second: Requester) -> Requester:
    """Who two credentials of one request prove, both of which hold.

    The better assurance counts, and of purposes and legal bases those that both allow. Raises
    `CredentialRefused` unless both name the same person of the same authority.
    """
    if (first.identity, first.listed) != (second.identity, second.listed):
        raise CredentialRefused("expected all credentials to be of one person")
    ends = [end for end in (first.valid_until, second.valid_until) if end is not None]
    return replace(
        first,
        assurance=max(first.assurance, second.assurance, key=_ASSURANCES.index),
        purposes=first.purposes & second.purposes,
        bases=first.bases & second.bases,
        proved_by=f"{first.proved_by}+{second.proved_by}",
        valid_until=min(ends, default=None),
        signed=first.signed or second.signed,
        once=first.once + second.once,
    )


def _carried(presented: Presented) -> tuple[str, list[str], bytes]:
    """Parameters as they were sent, names of covered components, and the signature."""
    said = _INPUT.fullmatch(presented.one(b"signature-input") or "")
    made = _SIGNATURE.fullmatch(presented.one(b"signature") or "")
    if said is None or made is None or said[1] != made[1]:
        raise CredentialRefused("expected one `Signature-Input` and its `Signature` (RFC 9421 §4)")
    try:
        signature = b64decode(made[2], validate=True)
    except ValueError:
        signature = b""
    if b64encode(signature).decode() != made[2]:
        raise CredentialRefused("expected a `Signature` in base64")
    return said[2], [name.strip('"') for name in said[3].split(" ")], signature


def _covered(presented: Presented, names: list[str]) -> dict[str, str]:
    """Each covered component with what the request has for it; what must be covered is."""
    authorization = presented.one(b"authorization")
    digest = presented.one(b"authorization-digest")
    disclosure = [
        line.decode("latin-1").strip(" \t") for line in presented.lines(b"disclosure-request")
    ]
    sent = {"@method": presented.method, "@target-uri": presented.url}
    if disclosure:
        sent["disclosure-request"] = ", ".join(disclosure)
    if authorization is not None:
        sent["authorization-digest"] = authorization_digest(authorization)
    if digest != sent.get("authorization-digest"):
        raise CredentialRefused("expected `Authorization-Digest` of the `Authorization` line")
    if sorted(names) != sorted(sent):
        expected = " ".join(f'"{name}"' for name in sent)
        raise CredentialRefused(f"expected to be covered, each once and nothing else: `{expected}`")
    return {name: sent[name] for name in names}


def _check_time(question: SignedQuestion, now: datetime) -> None:
    at = now.timestamp()
    if question.expires <= at:
        raise CredentialRefused("the signature has expired")
    if question.created - QUESTION_LEEWAY_S > at:
        raise CredentialRefused("the signature is not valid yet")


def _check_name(url: str) -> None:
    """An entry names the domain in one spelling, so a signed question does."""
    _, domain, name = url.rpartition("/domain/")
    try:
        spelled = canonical_name(name) if domain else name
    except MalformedName:
        spelled = None
    if spelled != name:
        what = "expected a signed question to spell the domain as `example.com`, lower case"
        raise CredentialRefused(what)
