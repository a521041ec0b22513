"""How each error ends at an exit: one table, from class to status, title and sentence.

Only errors of the requester's own question may be told in their own words; everything else is
told by number and a constant sentence, so that no cause, path or value leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from whoisgate import errors
from whoisgate.errors import WhoisgateError
from whoisgate.servers.sessions import END_SESSION


class Fault(NamedTuple):
    """One row: HTTP status, RDAP title, the constant sentence, and more HTTP headers.

    ``own`` rows tell RDAP clients the error's own message, which says what was expected. ``code``
    stands for the number of every error of the row where the difference is the operator's alone.
    """

    status: int
    title: str
    sentence: str
    own: bool = False
    headers: tuple[tuple[bytes, bytes], ...] = ()
    code: str | None = None


_RETRY = ((b"retry-after", b"10"),)
_BEARER: Final = b'Bearer realm="whoisgate"'
_DPOP: Final = b'algs="ES256 EdDSA Ed25519"'


def _challenge(bearer: bytes = b"", dpop: bytes = b"") -> tuple[tuple[bytes, bytes], ...]:
    """Both schemes, each with its own error (RFC 6750 §3, RFC 9449 §7.1)."""
    first = b'%s, error="%s"' % (_BEARER, bearer) if bearer else _BEARER
    second = b'DPoP error="%s", %s' % (dpop, _DPOP) if dpop else b"DPoP " + _DPOP
    return ((b"www-authenticate", first + b", " + second),)


FAULTS: Final[Mapping[type[WhoisgateError], Fault]] = MappingProxyType(
    {
        WhoisgateError: Fault(500, "Internal error", "the server failed"),
        errors.RequesterError: Fault(400, "Bad request", "the query cannot be used"),
        errors.MalformedName: Fault(400, "Malformed name", "not a domain name", own=True),
        errors.SuffixNotServed: Fault(404, "Not served", "this server has no such suffix"),
        errors.NameNotFound: Fault(404, "Not found", "no record of this domain", own=True),
        errors.MalformedQuestion: Fault(400, "Malformed question", "not a question", own=True),
        errors.CredentialRequired: Fault(
            401,
            "Credential required",
            "a question beyond the public view needs a credential",
            headers=_challenge(),
        ),
        errors.CredentialRefused: Fault(
            401,
            "Credential refused",
            "the credential does not hold",
            own=True,
            headers=_challenge(),
        ),
        errors.ProofRefused: Fault(
            401,
            "Proof refused",
            "the proof does not hold",
            own=True,
            headers=_challenge(dpop=b"invalid_dpop_proof"),
        ),
        errors.NonceExpected: Fault(
            401,
            "Nonce expected",
            "the proof needs the nonce that this answer gives",
            own=True,
            headers=_challenge(dpop=b"use_dpop_nonce"),
        ),
        errors.ClearText: Fault(
            400,
            "Clear text",
            "credentials and questions beyond the public view are taken over TLS alone; "
            "what came was not read, and should not be used again",
        ),
        errors.BudgetSpent: Fault(
            429, "Budget spent", "today's budget of unanswered questions is used up"
        ),
        errors.ReleaseHeld: Fault(403, "Held", "nothing is released now", own=True),
        errors.PersonsSpent: Fault(429, "Budget spent", "the budget is used up", own=True),
        errors.SecondApproverNeeded: Fault(
            202, "Approval needed", "somebody has to approve this question", own=True
        ),
        errors.ConductStopped: Fault(403, "Stopped", "an operator has to lift a stop", own=True),
        errors.UnsupportedQuery: Fault(
            501, "Not implemented", "this server answers queries about domains alone"
        ),
        errors.ApprovalSpent: Fault(
            409, "Approval spent", "the approval was used or ran out; ask again"
        ),
        errors.ReceiptNotFound: Fault(404, "Not found", "no receipt at this address"),
        errors.TooManyRequests: Fault(
            429, "Too many requests", "too many connections at once; try again later"
        ),
        errors.TooOften: Fault(429, "Too many requests", "too many look-ups; try again later"),
        errors.DoNotTrackRefused: Fault(
            403,
            "Do-not-track refused",
            "every answer beyond the public view is logged, with who asked: expected no "
            "`farv1_dnt`, and no token with `rdap_dnt_allowed`",
        ),
        errors.PurposeNotAllowed: Fault(
            403, "Purpose not allowed", "the purpose is not allowed", own=True
        ),
        errors.SessionConflict: Fault(409, "Session conflict", "not in this state", own=True),
        errors.SessionEnded: Fault(
            401,
            "Session ended",
            "sign in again",
            own=True,
            headers=(*_challenge(), END_SESSION),
        ),
        errors.ProviderUnsupported: Fault(
            400, "Provider unsupported", "nobody signs in there", own=True
        ),
        errors.Misdirected: Fault(
            421, "Misdirected request", "this server does not answer for the host of the request"
        ),
        errors.SignInFailed: Fault(403, "Sign-in failed", "the sign-in failed", own=True),
        errors.SourceError: Fault(502, "Source failed", "registration data could not be read"),
        errors.SourceTooSlow: Fault(504, "Source too slow", "registration data took too long"),
        errors.UpstreamError: Fault(
            502,
            "Source failed",
            "registration data could not be read",
            code=errors.UpstreamError.code,
        ),
        errors.LogUnavailable: Fault(
            503,
            "Log unavailable",
            "answers beyond the public view wait until the log can be written",
            headers=_RETRY,
        ),
    }
)
"""Every row; an error without a row of its own has its nearest ancestor's."""


def fault(error: Exception) -> Fault:
    """The row for ``error``; one that is not ours counts as a failure of the server."""
    for kind in type(error).__mro__:
        if kind in FAULTS:
            return FAULTS[kind]
    return FAULTS[WhoisgateError]


def refused(authorization: Iterable[bytes]) -> tuple[tuple[bytes, bytes], ...]:
    """The challenge to these `Authorization` lines: each scheme is told of its own token alone."""
    schemes = {line.partition(b" ")[0].lower() for line in authorization}
    told = (b"invalid_token" if scheme in schemes else b"" for scheme in (b"bearer", b"dpop"))
    return _challenge(*told)


def code(error: Exception) -> str:
    """The stable number of ``error``."""
    return error.code if isinstance(error, WhoisgateError) else WhoisgateError.code
