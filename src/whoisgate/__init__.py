"""whoisgate: the gate in front of registration data.

It takes a question about a domain, knows who asks and why, finds the record, decides element by
element what may leave, releases exactly that, and leaves a signed entry that anybody with the
public key can verify.
"""

from whoisgate.app import init, open, open_async  # noqa: A004  the library's front door
from whoisgate.elements import ELEMENTS, Element, Kind
from whoisgate.errors import WhoisgateError
from whoisgate.gate import Answer, AsyncGate, AsyncSource, Gate, Log, Source
from whoisgate.policy.decide import Decision, Outcome
from whoisgate.queries import (
    PUBLIC,
    Assurance,
    Jurisdiction,
    LegalBasis,
    Purpose,
    Question,
    Requester,
    RequesterClass,
)
from whoisgate.records import Contact, Facts, Nameserver, Record, Region, RegistrantKind

__all__ = [
    "ELEMENTS",
    "PUBLIC",
    "Answer",
    "Assurance",
    "AsyncGate",
    "AsyncSource",
    "Contact",
    "Decision",
    "Element",
    "Facts",
    "Gate",
    "Jurisdiction",
    "Kind",
    "LegalBasis",
    "Log",
    "Nameserver",
    "Outcome",
    "Purpose",
    "Question",
    "Record",
    "Region",
    "RegistrantKind",
    "Requester",
    "RequesterClass",
    "Source",
    "WhoisgateError",
    "init",
    "open",
    "open_async",
]
