"""One authority of the directory: who may ask, how it proves itself, what it is allowed.

The record is what operators vet, log, sign and exchange, so it is strict: an unknown member is
refused with its place. It holds no private key, and nothing in it is followed before it is listed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from whoisgate.audit.verify import (
    QuestionKey,
    VerificationFailed,
    canonical_json,
    question_key,
    thumbprint,
)
from whoisgate.config import ElementName, HttpsURL, LimitsSettings, Moment, places
from whoisgate.elements import element
from whoisgate.errors import CredentialRefused, MalformedAuthority
from whoisgate.queries import (
    Assurance,
    Jurisdiction,
    LegalBasis,
    Purpose,
    Requester,
    RequesterClass,
    Standing,
)


class Kind(StrEnum):
    """What an authority is; each kind belongs to one class of requester."""

    POLICE = "police"
    PROSECUTOR = "prosecutor"
    COURT = "court"
    POINT_OF_CONTACT = "point_of_contact"
    CSIRT = "csirt"
    DATA_PROTECTION_AUTHORITY = "data_protection_authority"
    CONSUMER_PROTECTION = "consumer_protection"
    GOVERNMENT = "government"
    DISPUTE_PROVIDER = "dispute_provider"
    CYBERSECURITY = "cybersecurity"
    IP_RIGHTS = "ip_rights"
    OTHER = "other"


CLASSES: Final[Mapping[Kind, RequesterClass]] = {
    Kind.POLICE: RequesterClass.LAW_ENFORCEMENT,
    Kind.PROSECUTOR: RequesterClass.LAW_ENFORCEMENT,
    Kind.COURT: RequesterClass.COURT,
    # A 24/7 point of contact under Article 35 of the Convention on Cybercrime.
    Kind.POINT_OF_CONTACT: RequesterClass.LAW_ENFORCEMENT,
    Kind.CSIRT: RequesterClass.CSIRT,
    Kind.DATA_PROTECTION_AUTHORITY: RequesterClass.DATA_PROTECTION_AUTHORITY,
    Kind.CONSUMER_PROTECTION: RequesterClass.CONSUMER_PROTECTION,
    Kind.GOVERNMENT: RequesterClass.GOVERNMENT_OTHER,
    Kind.DISPUTE_PROVIDER: RequesterClass.DISPUTE_PROVIDER,
    Kind.CYBERSECURITY: RequesterClass.CYBERSECURITY,
    Kind.IP_RIGHTS: RequesterClass.IP_RIGHTS,
    Kind.OTHER: RequesterClass.OTHER,
}


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("expected printable characters")
    return text


Algorithm = Literal["EdDSA", "ES256", "RS256"]
"""How an issuer signs; ``EdDSA`` is Ed25519 alone (RFC 8037; ``Ed25519`` in RFC 9864)."""

MAX_SIGNING_KEYS: Final = 1_000
MAX_PERSON: Final = 255
_JOSE: Final = {"OKP": ("Ed25519", "EdDSA"), "EC": ("ES256",), "RSA": ("PS512",)}
"""The names in a JWK (RFC 7518, RFC 9864) of the algorithms that a key of its kind signs with."""

Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
Thumbprint = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TokenProof(_Part):
    """Signed tokens of an identity provider (RFC 9068, RFC 9560).

    ``keys`` is a JWKS, or ``keys_url`` where to fetch it. ``assurance`` is what a bearer token is
    worth, ``assurance_bound`` one that is bound to its sender's key (RFC 9449, RFC 8705); without
    it bound tokens are worth no more. With ``bound`` others are refused.
    """

    method: Literal["token"]
    iss: Line
    algorithm: Algorithm
    keys: dict[str, Any] | None = None
    keys_url: Annotated[HttpsURL, Field(max_length=200), AfterValidator(_printable)] | None = None
    assurance: Assurance
    assurance_bound: Assurance | None = None
    bound: bool = False
    leeway_s: int = Field(5, ge=0, le=300)
    max_lifetime_s: int = Field(86_400, ge=60, le=31 * 86_400)

    @model_validator(mode="after")
    def _keys_once(self) -> TokenProof:
        if (self.keys is None) == (self.keys_url is None):
            raise ValueError("expected `keys` or `keys_url`")
        return self


class CertificateProof(_Part):
    """Client certificates (RFC 5280): issued by ``issuers`` (PEM), or ``pinned`` (PEM).

    ``sha256`` pins as well, but only for clients that come through a proxy: a TLS server asks for
    certificates that it has. ``person`` says where in the certificate the person stands. With
    ``organization`` the subject's must be this one, as it must with ``issuers`` that serve others.
    """

    method: Literal["certificate"]
    issuers: str | None = None
    pinned: str | None = None
    sha256: tuple[Thumbprint, ...] = ()
    person: Literal["common_name", "serial_number", "email", "uri"] = "common_name"
    organization: Line | None = None
    assurance: Assurance

    @model_validator(mode="after")
    def _one(self) -> CertificateProof:
        if [self.issuers is None, self.pinned is None, not self.sha256].count(False) != 1:
            raise ValueError("expected `issuers`, `pinned` or `sha256`")
        return self


class SigningKey(NamedTuple):
    """Whose key it is, the canonical JSON of its JWK (RFC 7638 §3), and the key."""

    person: str
    jwk: str
    public: QuestionKey


class SignatureProof(_Part):
    """Signed questions (RFC 9421): ``keys`` is a JWKS whose `kid` is the person's pseudonym.

    Ed25519, P-256, or RSA of 2,048 to 4,096 bits; a person may have several keys.
    """

    method: Literal["signature"]
    keys: dict[str, Any]
    assurance: Assurance

    @model_validator(mode="after")
    def _usable(self) -> SignatureProof:
        self.by_thumbprint()
        return self

    def by_thumbprint(self) -> dict[str, SigningKey]:
        """The keys by their thumbprint (RFC 7638); raises ValueError on any that cannot be used."""
        listed = self.keys.get("keys")
        if not isinstance(listed, list) or not 0 < len(listed) <= MAX_SIGNING_KEYS:
            raise ValueError(f"expected a JWKS of 1 to {MAX_SIGNING_KEYS} keys")
        found = dict(map(_signing_key, listed))
        if len(found) != len(listed):
            raise ValueError("expected each key once")
        return found


def _signing_key(said: Any) -> tuple[str, SigningKey]:
    if not isinstance(said, dict):
        raise ValueError("expected keys as objects (RFC 7517)")  # noqa: TRY004  a fault of the text
    about = {name: said[name] for name in ("kid", "alg", "use", "key_ops") if name in said}
    jwk = {name: value for name, value in said.items() if name not in about}
    try:
        public = question_key(jwk)
    except VerificationFailed as failure:
        raise ValueError(str(failure)) from None
    kid, algorithms = about.get("kid"), _JOSE[str(jwk["kty"])]
    if not isinstance(kid, str) or not 0 < len(kid) <= MAX_PERSON or not kid.isprintable():
        raise ValueError(f"expected a kid of 1 to {MAX_PERSON} printable characters for each key")
    if about.get("alg", algorithms[0]) not in algorithms or about.get("use", "sig") != "sig":
        raise ValueError(f"expected a key for signatures, of the algorithm {algorithms[0]}")
    if about.get("key_ops", ["verify"]) != ["verify"]:
        raise ValueError("expected a key to verify with")
    return thumbprint(jwk), SigningKey(kid, canonical_json(jwk).decode("ascii"), public)


class ApplicationProof(_Part):
    """The operator's own application, which has made sure of the person: `Gate.requester`.

    ``assurance`` is what its word is worth at most. It is this operator's application alone, so no
    other operator is sent this proof, and none is taken from another.
    """

    method: Literal["application"]
    assurance: Assurance


Proof = TokenProof | CertificateProof | SignatureProof | ApplicationProof


def _one_application(proof: tuple[Proof, ...]) -> tuple[Proof, ...]:
    if sum(isinstance(one, ApplicationProof) for one in proof) > 1:
        raise ValueError("expected `application` once")
    return proof


class Contact(_Part):
    """Whom to call back before an urgent release; never whoever wrote the request."""

    role: Line
    phone: Line | None = None
    email: Line | None = None


class Vetted(_Part):
    """Who made sure that this is the authority, how, and when."""

    by: Line
    how: Line
    on: date


class Budget(_Part):
    """How many persons may be disclosed to one person, and to the whole authority."""

    person: LimitsSettings = LimitsSettings()
    authority: LimitsSettings = LimitsSettings()


class StandingOf(_Part):
    """An approval for every question of the authority on one basis."""

    basis: LegalBasis
    elements: tuple[ElementName, ...]
    expires: Moment


class Record(_Part):
    """What the directory says about one authority.

    ``jurisdiction`` is the relation to the operator, so it means nothing to another operator.
    Without a ``proof`` nobody of the authority can ask. Read without a clock: a record that is not
    valid yet, or no more, is a record, but one that is valid at no time is none.
    """

    authority: Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_printable)]
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    kind: Kind
    jurisdiction: Jurisdiction | None = None
    purposes: frozenset[Purpose]
    bases: frozenset[LegalBasis]
    proof: Annotated[
        tuple[Annotated[Proof, Field(discriminator="method")], ...],
        AfterValidator(_one_application),
    ]
    standing: tuple[StandingOf, ...] = ()
    contact: tuple[Contact, ...] = ()
    budget: Budget = Budget()
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    vetted: Vetted

    @model_validator(mode="after")
    def _ever_valid(self) -> Record:
        if self.valid_from and self.valid_until and self.valid_from >= self.valid_until:
            raise ValueError("expected `valid_from` before `valid_until`")
        return self

    @classmethod
    def of(cls, said: Mapping[str, Any], where: str) -> Record:
        """The checked record; raises `MalformedAuthority` naming every place that is wrong."""
        try:
            return cls.model_validate(said)
        except ValidationError as error:
            raise MalformedAuthority(f"`{where}`: {places(error)}") from None

    def text(self) -> str:
        """The record as JSON with sorted names; the same record always gives the same text."""
        said = self.model_dump(mode="json", exclude_defaults=True)
        for name in ("purposes", "bases"):
            said[name] = sorted(said[name])
        return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def beyond(self, other: Record) -> list[str]:
        """The members by which this record allows more than another; keys do not count."""
        more = [n for n in ("purposes", "bases") if not getattr(self, n) <= getattr(other, n)]
        since, until = other.valid_from, other.valid_until
        if until is not None and (self.valid_until is None or self.valid_until > until):
            more.append("valid_until")
        if since is not None and (self.valid_from is None or self.valid_from < since):
            more.append("valid_from")
        if CLASSES[self.kind] is not CLASSES[other.kind]:
            more.append("kind")
        if self.country != other.country:
            more.append("country")
        held = [_worth(proof) for proof in other.proof]
        for terms, worth in map(_worth, self.proof):
            if not any(terms == their and worth <= most for their, most in held):
                return [*more, "proof"]
        return more


def _worth(proof: Proof) -> tuple[dict[str, Any], int]:
    """The terms of a proof without what it is checked with, and its assurance as a number."""
    keys = {"keys", "keys_url", "issuers", "pinned", "sha256"}
    terms = proof.model_dump(exclude=keys | {"assurance"})
    return terms, list(Assurance).index(proof.assurance)


@dataclass(frozen=True, slots=True)
class Authority:
    """A record in force, and the log entry that put it there."""

    record: Record
    entry: int

    def in_force(self, now: datetime) -> bool:
        """Whether ``now`` is within the record's validity."""
        since, until = self.record.valid_from, self.record.valid_until
        return (since is None or since <= now) and (until is None or now < until)

    def requester(
        self,
        person: str,
        assurance: Assurance,
        proved_by: str,
        now: datetime,
        *,
        valid_until: datetime | None = None,
        purposes: frozenset[Purpose] | None = None,
    ) -> Requester:
        """Somebody of this authority; ``purposes`` narrows what the record allows.

        Raises `CredentialRefused` outside of the record's validity, at ``now``.
        """
        record = self.record
        if record.valid_from is not None and now < record.valid_from:
            raise CredentialRefused("the authority is not listed yet")
        if record.valid_until is not None and record.valid_until <= now:
            raise CredentialRefused("the authority is listed no more")
        ends = [end for end in (valid_until, record.valid_until) if end is not None]
        return Requester(
            record.authority,
            person,
            CLASSES[record.kind],
            assurance,
            record.purposes if purposes is None else record.purposes & purposes,
            record.bases,
            record.jurisdiction,
            record.country,
            proved_by,
            min(ends, default=None),
            self.entry,
            tuple(
                Standing(record.authority, s.basis, frozenset(map(element, s.elements)), s.expires)
                for s in record.standing
            ),
            record.budget.person.limits(),
            record.budget.authority.limits(),
        )
