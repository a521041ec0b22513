"""The tree of errors, split by whose fault it is.

Each class has a stable ``WGnnn`` number where somebody can act on it. Ranges: WG1xx the
requester's question or credential, WG2xx the policy's author, WG3xx a source, WG4xx evidence
that does not hold (the tamperer), WG5xx the operator's configuration, keys or disk. A message is
one lower-case line, expected and got in backticks, and never a registrant's value.

A denial is a `Decision`, not an exception. ``audit/verify.py`` runs alone and therefore has its
own `VerificationFailed`, with numbers of the WG4xx range.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal


class WhoisgateError(Exception):
    """Anything that whoisgate raises on purpose; ``code`` is the stable number."""

    code = "WG000"


class RequesterError(WhoisgateError):
    """The question or the credential cannot be used as it came."""

    code = "WG100"


class MalformedName(RequesterError):
    """Not a domain name (RFC 1035 lengths, UTS 46 mapping)."""

    code = "WG101"


class SuffixNotServed(RequesterError):
    """A well-formed name under a suffix that this gate does not answer for."""

    code = "WG102"


class NameNotFound(RequesterError):
    """The source has no record of this name."""

    code = "WG103"

    def __init__(self, name: str | None) -> None:
        super().__init__(f"no record of `{name}`" if name else "no record of the name asked for")
        self.name = name


class MalformedQuestion(RequesterError):
    """A `Disclosure-Request` or its library form that does not parse."""

    code = "WG104"


class CredentialRequired(RequesterError):
    """A question beyond the public view from somebody unknown."""

    code = "WG105"


class CredentialRefused(RequesterError):
    """A credential that does not hold: expired, wrongly signed, for somebody else."""

    code = "WG106"


class ProofRefused(CredentialRefused):
    """A DPoP proof that does not hold, was used before, or is for another request (RFC 9449)."""

    code = "WG119"


class NonceExpected(ProofRefused):
    """A DPoP proof without the server's nonce, or with an old one: `DPoP-Nonce` says which."""

    code = "WG120"


class ClearText(RequesterError):
    """A credential or `Disclosure-Request` over clear text from a distance; refused unread."""

    code = "WG107"


class BudgetSpent(RequesterError):
    """This requester's refusals and pending questions for the day are used up."""

    code = "WG108"


class UnsupportedQuery(RequesterError):
    """A query type that this server does not support (RFC 9082 §1: 501)."""

    code = "WG109"


class ApprovalSpent(RequesterError):
    """The approval was used, or ran out, between the decision and the append."""

    code = "WG110"


class ReceiptNotFound(RequesterError):
    """No receipt at this address for this requester."""

    code = "WG111"


class TooManyRequests(RequesterError):
    """More at once than the server takes from one place."""

    code = "WG112"


class DoNotTrackRefused(RequesterError):
    """A parameter or a token asks for what the duty to log forbids (RFC 9560 §3.1.5.2, §4.2.2)."""

    code = "WG113"


class ReleaseHeld(RequesterError):
    """The log lets this question release nothing now; that becomes an entry. ``word`` says why."""

    code = "WG114"
    word = "held"


class PersonsSpent(ReleaseHeld):
    """As many persons were disclosed as may be before ``ends``, the end of a window."""

    code = "WG115"
    word = "persons_spent"

    def __init__(self, holder: str, window: str, limit: int, ends: datetime) -> None:
        super().__init__(
            f"expected at most `{limit}` persons disclosed to this {holder} in a UTC {window}; "
            f"the next begins at `{ends:%Y-%m-%dT%H:%M:%SZ}`"
        )
        self.holder, self.window, self.limit, self.ends = holder, window, limit, ends


class SecondApproverNeeded(ReleaseHeld):
    """Somebody has to approve this very question, whatever standing approval there is."""

    code = "WG116"
    word = "second_approver"


class ConductStopped(ReleaseHeld):
    """The way this requester asks has stopped it, until an operator lifts that."""

    code = "WG117"
    word = "stopped"


class TooOften(RequesterError):
    """More public look-ups in a minute, which ends at ``ends``, than one network may have."""

    code = "WG118"

    def __init__(self, ends: datetime) -> None:
        super().__init__("too many look-ups in this minute")
        self.ends = ends


class PurposeNotAllowed(RequesterError):
    """``farv1_qp`` says no purpose that anybody may have here (RFC 9560 §4.2.1)."""

    code = "WG121"


class SessionConflict(RequesterError):
    """A login within a session, something else without one, or too many (RFC 9560 §5)."""

    code = "WG122"


class SessionEnded(RequesterError):
    """The session of this cookie is over, or never was (RFC 9560 §5.6)."""

    code = "WG123"


class ProviderUnsupported(RequesterError):
    """An identity provider at which this server cannot sign anybody in (RFC 9560 §4.2.3)."""

    code = "WG124"


class SignInFailed(RequesterError):
    """The identity provider did not say who it is, or not so that it can be believed."""

    code = "WG125"


class Misdirected(RequesterError):
    """A request for a host that this server does not answer for: not of `base_url` or `hosts`."""

    code = "WG126"


@dataclass(frozen=True, slots=True)
class Position:
    """Where something stands: file name, line and column, both from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a policy, or worth a look; ``code`` is a stable WG2xx number."""

    code: str
    severity: Literal["error", "warning", "note"]
    message: str
    position: Position | None
    hint: str = ""

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.position or '-'}: {self.severity} {self.code}: {self.message}{hint}"


class PolicyError(WhoisgateError):
    """A policy that cannot be loaded; ``findings`` lists everything wrong, in file order."""

    code = "WG200"

    def __init__(self, message: str, findings: Iterable[Finding] = ()) -> None:
        super().__init__(message)
        self.findings = tuple(findings)


class SourceError(WhoisgateError):
    """Registration data could not be read."""

    code = "WG300"


class SourceFailed(SourceError):
    """The source raised; the cause is for the operator's log and never echoed."""

    code = "WG301"


class SourceTooSlow(SourceError):
    """The source gave no answer within the deadline."""

    code = "WG302"


class MalformedDocument(SourceError):
    """A captured answer that is not what its format says."""

    code = "WG303"


class NotADomain(SourceError):
    """A sound document about something other than a domain."""

    code = "WG304"


class UnknownColumn(SourceError):
    """A SQL column that is neither element nor fact."""

    code = "WG305"


class AmbiguousRecord(SourceError):
    """More than one row where a domain has one."""

    code = "WG306"


class UpstreamError(SourceError):
    """An upstream server gave no answer that can be used; the public is told this number alone."""

    code = "WG310"


class UpstreamUnreachable(UpstreamError):
    """No connection: the name does not resolve, nobody listens, TLS fails, a server's 5xx."""

    code = "WG311"


class UpstreamTimedOut(UpstreamError):
    """No whole answer within the total deadline."""

    code = "WG312"


class UpstreamTooLarge(UpstreamError):
    """More bytes than the cap allows, or a body in too many chunks."""

    code = "WG313"


class UpstreamMalformed(UpstreamError):
    """An answer that is not what its protocol says, or not about the name that was asked."""

    code = "WG314"


class UpstreamForbidden(UpstreamError):
    """The way to the answer breaks a rule: a private address, a redirect, a hop too many."""

    code = "WG315"


class UpstreamThrottled(UpstreamError):
    """The upstream says that it was asked too much; ``after_s`` is when to ask again, if said."""

    code = "WG316"

    def __init__(self, message: str, after_s: int | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class UpstreamRefused(UpstreamError):
    """The upstream refuses to answer us: no access, wrong credential, a query it rejects."""

    code = "WG317"


class UpstreamResting(UpstreamError):
    """Not asked: its budget is spent, or it failed so often that it is left alone for a while."""

    code = "WG318"


class NoUpstream(UpstreamError):
    """No upstream is known for this suffix."""

    code = "WG319"


class BootstrapStale(UpstreamError):
    """The bootstrap file is missing, unreadable or older than the operator allows."""

    code = "WG320"


class EvidenceError(WhoisgateError):
    """Bytes and proof that do not belong together."""

    code = "WG400"


class ReceiptMismatch(EvidenceError):
    """The receipt is for other bytes, so these bytes must not be sent."""

    code = "WG412"

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(f"receipt commits to `{got[:12]}`, expected `{expected[:12]}`")
        self.expected, self.got = expected, got


class Unselectable(EvidenceError):
    """A field that the evidence does not open, or that the answer would tell without it."""

    code = "WG426"


class OperatorError(WhoisgateError):
    """Configuration, keys, disk or ports are not as they must be."""

    code = "WG500"


class MalformedConfig(OperatorError):
    """``whoisgate.toml`` or a file that it names cannot be used."""

    code = "WG501"


class MissingKey(OperatorError):
    """A key file is missing or unreadable, or holds another key than is needed."""

    code = "WG502"


class PortTaken(OperatorError):
    """The address to listen on is in use."""

    code = "WG503"


class LogUnavailable(OperatorError):
    """The log cannot be written; nothing gated leaves, public answers go on."""

    code = "WG504"


class ClockBehind(LogUnavailable):
    """The clock is more than 5 s behind the last entry."""

    code = "WG505"


class DiskFull(LogUnavailable):
    """No room for an entry, of which nothing was kept; the log goes on once space is free."""

    code = "WG516"


class FilesSpent(LogUnavailable):
    """Too many open files for an entry, of which nothing was kept; the log goes on by itself."""

    code = "WG518"


class StaleLog(OperatorError):
    """The database is older than, or differs from, what was already published."""

    code = "WG506"


class ReplacementMissing(OperatorError):
    """The policy replaces e-mail addresses, but no web form or alias is configured."""

    code = "WG507"


class FolderExists(OperatorError):
    """`init` never overwrites."""

    code = "WG508"


class MalformedAuthority(OperatorError):
    """A record of the directory of authorities, or a file of them, that cannot be used."""

    code = "WG517"


class DirectoryChanged(OperatorError):
    """The directory of authorities changed while this change of it was being decided."""

    code = "WG519"


class FormatTooNew(OperatorError):
    """The folder was written by newer code."""

    code = "WG509"


class ExtraMissing(OperatorError):
    """The command needs an extra that is not installed."""

    code = "WG510"


class DraftPolicy(OperatorError):
    """A policy with unchecked citations; `serve` takes it only with ``--allow-draft``."""

    code = "WG511"


class UnknownEntry(OperatorError):
    """No such pending question, obligation or entry."""

    code = "WG512"


class EntryHeld(OperatorError):
    """An entry that a hold or a seal keeps was to be erased."""

    code = "WG514"


class GatewayUnreachable(OperatorError):
    """The gateway asked by `lookup` gave no usable answer."""

    code = "WG513"
