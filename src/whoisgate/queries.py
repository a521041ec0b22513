"""What is asked and by whom: `Question`, `Requester` and their closed vocabularies.

The credential says who, the question says why. What is not said is unknown (None) and grants
nothing. Nothing here decides anything.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple, Self, TypeVar

import idna

from whoisgate.elements import ELEMENTS, Element
from whoisgate.errors import MalformedName, MalformedQuestion

MAX_NAME: Final = 253
_MEMO: Final = 16_384
MAX_CASE: Final = 128
_LDH = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)
_CASE = re.compile(r"[\x20-\x7e]{1,128}", re.ASCII)

Word = TypeVar("Word", bound=StrEnum)


class RequesterClass(StrEnum):
    """Who asks, as a class; ICANN's RDRS groups and the kinds that law names beside them."""

    PUBLIC = "public"
    LAW_ENFORCEMENT = "law_enforcement"
    GOVERNMENT_OTHER = "government_other"
    CYBERSECURITY = "cybersecurity"
    IP_RIGHTS = "ip_rights"
    CONSUMER_PROTECTION = "consumer_protection"
    CSIRT = "csirt"
    COURT = "court"
    DISPUTE_PROVIDER = "dispute_provider"
    DATA_PROTECTION_AUTHORITY = "data_protection_authority"
    REGISTRANT_SELF = "registrant_self"
    OTHER = "other"


class Assurance(StrEnum):
    """How well the requester's identity is proved (levels of Regulation (EU) 910/2014 Art. 8)."""

    NONE = "none"
    LOW = "low"
    SUBSTANTIAL = "substantial"
    HIGH = "high"


class Purpose(StrEnum):
    """The purposes that RFC 9560 §9.3 registers."""

    DOMAIN_NAME_CONTROL = "domainNameControl"
    PERSONAL_DATA_PROTECTION = "personalDataProtection"
    TECHNICAL_ISSUE_RESOLUTION = "technicalIssueResolution"
    DOMAIN_NAME_CERTIFICATION = "domainNameCertification"
    INDIVIDUAL_INTERNET_USE = "individualInternetUse"
    BUSINESS_DOMAIN_NAME_PURCHASE_OR_SALE = "businessDomainNamePurchaseOrSale"
    ACADEMIC_PUBLIC_INTEREST_DNS_RESEARCH = "academicPublicInterestDNSResearch"
    LEGAL_ACTIONS = "legalActions"
    REGULATORY_AND_CONTRACT_ENFORCEMENT = "regulatoryAndContractEnforcement"
    CRIMINAL_INVESTIGATION = "criminalInvestigationAndDNSAbuseMitigation"
    DNS_TRANSPARENCY = "dnsTransparency"


class LegalBasis(StrEnum):
    """What the requester says entitles it to ask; the policy decides what that is worth."""

    NATIONAL_ORDER = "national_order"
    COURT_ORDER = "court_order"
    CONVENTION_ARTICLE_18 = "convention_article_18"
    SECOND_PROTOCOL_ARTICLE_6 = "second_protocol_article_6"
    E_EVIDENCE_ORDER = "e_evidence_order"
    EMERGENCY = "emergency"
    NIS2_ARTICLE_28 = "nis2_article_28"
    ICANN_RDP_10 = "icann_rdp_10"
    STATUTORY_TASK = "statutory_task"
    DISPUTE_PROCEEDING = "dispute_proceeding"
    LEGITIMATE_INTEREST = "legitimate_interest"
    DATA_SUBJECT = "data_subject"


class Jurisdiction(StrEnum):
    """How the requester's jurisdiction stands to the operator's."""

    SAME_COUNTRY = "same_country"
    EU = "eu"
    CONVENTION_PARTY = "convention_party"
    OTHER = "other"


class Urgency(StrEnum):
    """ICANN's four grounds of an urgent request (Registration Data Policy §3.8), or none."""

    NONE = "none"
    LIFE = "life"
    BODILY_INJURY = "bodily_injury"
    CRITICAL_INFRASTRUCTURE = "critical_infrastructure"
    CHILD_EXPLOITATION = "child_exploitation"


@dataclass(frozen=True, slots=True)
class Limits:
    """At most so many persons disclosed in one UTC hour, day and month; None sets no limit."""

    hour: int | None = None
    day: int | None = None
    month: int | None = None


NO_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Standing:
    """A standing approval: for every question of an authority on one basis, until it expires."""

    authority: str
    basis: LegalBasis
    elements: frozenset[Element]
    expires: datetime

    def covers(self, question: Question, requester: Requester, now: datetime) -> bool:
        """Whether it is for this authority and basis, and still valid."""
        return (
            requester.authority == self.authority
            and question.basis is self.basis
            and now < self.expires
        )


@dataclass(frozen=True, slots=True)
class Signed:
    """The requester's own signature over a question (RFC 9421): ``base`` is what was signed.

    ``key`` is the public key as canonical JSON of its JWK (RFC 7638 §3).
    """

    base: str
    signature: bytes
    algorithm: str
    key: str


class Once(NamedTuple):
    """A proof that is good for one question: its digest, and until when it could be sent again."""

    mark: bytes
    until: datetime

    @classmethod
    def of(cls, what: str, key: str, nonce: str, until: datetime) -> Once:
        """Of a proof of some sort, by a key's thumbprint and the name that its holder gave it."""
        said = f"{what}\0{key}\0{nonce}".encode("utf-8", "surrogatepass")
        return cls(hashlib.sha256(said).digest()[:16], until)


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks, as proved by a credential.

    ``person`` is a pseudonym that is stable within ``authority``. Empty ``purposes`` or ``bases``
    allow none. ``proved_by`` names the method (``bearer``, ``library`` …), never the credential.
    ``listed`` is the log entry under which the directory vouches for the authority, None where it
    does not; ``standing`` approves on its behalf. ``signed`` is there when the question was signed.
    ``once`` are the proofs that one entry uses up.
    """

    authority: str
    person: str
    requester_class: RequesterClass
    assurance: Assurance
    purposes: frozenset[Purpose] = frozenset()
    bases: frozenset[LegalBasis] = frozenset()
    jurisdiction: Jurisdiction | None = None
    country: str | None = None
    proved_by: str = "library"
    valid_until: datetime | None = None
    listed: int | None = None
    standing: tuple[Standing, ...] = ()
    person_limits: Limits | None = None
    authority_limits: Limits | None = None
    signed: Signed | None = None
    once: tuple[Once, ...] = ()

    @property
    def public(self) -> bool:
        """Whether this is the anonymous public."""
        return self.requester_class is RequesterClass.PUBLIC

    @property
    def identity(self) -> str:
        """Authority and person in one unambiguous string, for keyed look-ups and digests."""
        return self.identity_of(self.authority, self.person)

    @staticmethod
    def identity_of(authority: str, person: str) -> str:
        """The identity of a person of an authority."""
        return f"{len(authority)}:{authority}/{person}"


PUBLIC: Final = Requester("", "", RequesterClass.PUBLIC, Assurance.NONE, proved_by="nothing")
"""The anonymous public."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question about one domain; ``name`` is the canonical A-label form.

    ``sealed_until`` is the date before which the registrant is not to be told of it.
    """

    name: str
    purpose: Purpose | None = None
    basis: LegalBasis | None = None
    case: str | None = None
    elements: frozenset[Element] = field(default_factory=frozenset)
    urgency: Urgency = Urgency.NONE
    gated: bool = False
    sealed_until: date | None = None

    @classmethod
    def of(
        cls,
        name: str,
        *,
        purpose: str | None = None,
        basis: str | None = None,
        case: str | None = None,
        elements: Iterable[str] | None = None,
        urgency: str | None = None,
        sealed_until: str | None = None,
    ) -> Self:
        """Parse the words of a question.

        Raises `MalformedName` or `MalformedQuestion`. A question is ``gated`` when it says
        anything beyond the name. No elements: the policy's defaults for the purpose apply.
        """
        said = (purpose, basis, case, elements, urgency, sealed_until)
        return cls(
            canonical_name(name),
            _word(Purpose, "purpose", purpose),
            _word(LegalBasis, "basis", basis),
            _case(case),
            frozenset(_element(e) for e in elements or ()),
            _word(Urgency, "urgency", urgency) or Urgency.NONE,
            gated=any(word is not None for word in said),
            sealed_until=_date("sealed_until", sealed_until),
        )


def canonical_name(name: str) -> str:
    """The lower-case A-label form without the root dot (RFC 5891, UTS 46 mapping).

    Raises `MalformedName`; at least two labels are expected.
    """
    # INVARIANT: what is kept for later is as short as a name, whatever white space came around it.
    return _canonical(name if len(name) <= MAX_NAME else name.strip())


@lru_cache(_MEMO)
def _canonical(name: str) -> str:
    text = name.strip().removesuffix(".")
    if not text or len(text) > MAX_NAME:
        raise MalformedName(f"expected a name of 1 to `{MAX_NAME}` characters, got `{len(text)}`")
    if text.isascii():
        text = text.lower()
        # INVARIANT: an ASCII name without A-labels needs no mapping; only the shape is checked.
        if "xn--" not in text:
            return _ldh(text)
    try:
        text = idna.encode(text, uts46=True, std3_rules=False).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise MalformedName("expected a valid internationalised name (UTS 46)") from None
    return _ldh(text)


def _ldh(text: str) -> str:
    labels = text.split(".")
    if len(text) > MAX_NAME or len(labels) < 2 or not all(map(_LDH.fullmatch, labels)):  # noqa: PLR2004  a name has two labels or more
        raise MalformedName("expected labels of letters, digits and hyphens, as in `example.com`")
    return text


def _word(kind: type[Word], member: str, text: str | None) -> Word | None:
    if text is None:
        return None
    try:
        return kind(text)
    except ValueError:
        known = ", ".join(kind)
        raise MalformedQuestion(f"{member}: expected one of `{known}`") from None


def _case(text: str | None) -> str | None:
    if text is None:
        return None
    if not _CASE.fullmatch(text) or not text.strip():
        raise MalformedQuestion(f"case: expected 1 to `{MAX_CASE}` printable ASCII characters")
    return text


def _date(member: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise MalformedQuestion(f"{member}: expected a date, as in `2027-02-01`")
    return day


def _element(name: str) -> Element:
    try:
        return ELEMENTS[name]
    except KeyError:
        raise MalformedQuestion(
            "elements: expected names of elements, as in `registrant.email`"
        ) from None
