"""Client certificates (RFC 5280): what TLS or a trusted proxy showed in, a `Requester` out.

Whoever shows a certificate has its key; everything else is decided here, the same for a direct
connection and one through a proxy: the chain, the time, the use, and whose certificate it is. The
directory says which issuers and which single certificates are believed and is the one place to
revoke: neither CRLs nor OCSP are asked. A refusal tells an honest holder what to mend, and nothing
of the certificate or of other authorities.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import (
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from whoisgate.errors import CredentialRefused, MalformedAuthority
from whoisgate.identity.authority import Authority, CertificateProof
from whoisgate.queries import Requester

MAX_CERTIFICATES: Final = 5
MAX_BYTES: Final = 16 * 1024
MAX_BETWEEN: Final = 3
"""Certificates between the client's own and the issuer that the directory lists."""

MAX_PERSON: Final = 255
CACHE_S: Final = 60
CACHE_CHAINS: Final = 4096

_Name = x509.RFC822Name | x509.UniformResourceIdentifier
_ATTRIBUTES: Final = {
    "common_name": (NameOID.COMMON_NAME, "common name in its subject"),
    "serial_number": (NameOID.SERIAL_NUMBER, "serial number in its subject"),
}
_NAMES: Final[Mapping[str, tuple[type[_Name], str]]] = {
    "email": (x509.RFC822Name, "e-mail address among its alternative names"),
    "uri": (x509.UniformResourceIdentifier, "URI among its alternative names"),
}
_ABOVE: Final = ExtensionPolicy.webpki_defaults_ca()
# The web's rules want host names in it; what a person's must be stands in `_check_use`.
_OWN: Final = ExtensionPolicy.permit_all()
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    Warning,  # raised where warnings are errors
)
_UNKNOWN: Final = "expected a certificate that this server believes"


class _Held(NamedTuple):
    since: datetime
    until: datetime
    requester: Requester


class _Listed(NamedTuple):
    authority: Authority
    proof: CertificateProof


@dataclass(frozen=True, slots=True)
class _Issuers:
    """The proofs that name exactly these issuers."""

    certificates: tuple[x509.Certificate, ...]
    store: Store
    listed: list[_Listed] = field(default_factory=list)

    def end(self, chain: Sequence[x509.Certificate], now: datetime) -> datetime:
        """When the chain, once verified, ends; raises `VerificationError`."""
        builder = PolicyBuilder().store(self.store).time(now).max_chain_depth(MAX_BETWEEN)
        verifier = builder.extension_policies(ca_policy=_ABOVE, ee_policy=_OWN)
        found = verifier.build_client_verifier().verify(chain[0], list(chain[1:])).chain
        # The library holds them against alternative names alone, and we read the subject too.
        if any(map(_constrains_subjects, found[1:])):
            raise VerificationError("a constraint on subjects")
        return min(each.not_valid_after_utc for each in found)


class Certificates:
    """Verifies the certificates of these authorities.

    Verified chains are remembered by SHA-256 for at most 60 s and never past their end; a change of
    the directory makes another one of these. Meant for one event loop. Raises `MalformedAuthority`
    on text that is no certificate, and when two authorities claim the same holders.
    """

    def __init__(self, listed: Iterable[tuple[Authority, CertificateProof]]) -> None:
        self._pinned: dict[str, _Listed] = {}
        self._issuers: dict[bytes, _Issuers] = {}
        self._held: dict[bytes, _Held] = {}
        trusted: dict[str, None] = {}
        for authority, proof in listed:
            if proof.issuers is not None:
                self._take_issuers(_Listed(authority, proof))
            for pin in pins(proof):
                holder = self._pinned.setdefault(pin, _Listed(authority, proof))
                if holder.authority is not authority:
                    raise MalformedAuthority("expected each `pinned` certificate at one authority")
            for certificate in (*_loaded(proof.issuers), *_loaded(proof.pinned)):
                trusted[certificate.public_bytes(Encoding.PEM).decode("ascii")] = None
        self._by_subject: dict[bytes, list[_Issuers]] = {}
        for issuers in self._issuers.values():
            for subject in {each.subject.public_bytes() for each in issuers.certificates}:
                self._by_subject.setdefault(subject, []).append(issuers)
        self.anchors: Final = "".join(trusted)
        """Issuers and pinned certificates (PEM), for a TLS server to ask for; empty without any."""

    def authenticate(self, certificates: Sequence[bytes], now: datetime) -> Requester:
        """Whose ``certificates`` (DER, the client's own first) these are, as proved at ``now``.

        Raises `CredentialRefused`.
        """
        mark = hashlib.sha256(
            b"".join(hashlib.sha256(each).digest() for each in certificates)
        ).digest()
        held = self._held.get(mark)
        if held is not None and held.since <= now < held.until:
            return held.requester
        requester = self._verified(certificates, now)
        if len(self._held) >= CACHE_CHAINS:
            self._held.pop(next(iter(self._held)), None)
        until = now + timedelta(seconds=CACHE_S)
        self._held[mark] = _Held(now, min(until, requester.valid_until or until), requester)
        return requester

    def _take_issuers(self, listed: _Listed) -> None:
        certificates = _loaded(listed.proof.issuers)
        if not all(map(_is_authority, certificates)):
            raise MalformedAuthority("expected certification authorities as `issuers`")
        mark = b"".join(
            sorted(hashlib.sha256(c.public_bytes(Encoding.DER)).digest() for c in certificates)
        )
        issuers = self._issuers.setdefault(mark, _Issuers(certificates, Store(list(certificates))))
        for other in issuers.listed:
            both = {listed.proof.organization, other.proof.organization}
            if other.authority is not listed.authority and (None in both or len(both) == 1):
                raise MalformedAuthority(
                    "expected an `organization` of its own for each authority with these `issuers`"
                )
        issuers.listed.append(listed)

    def _verified(self, certificates: Sequence[bytes], now: datetime) -> Requester:
        chain = _parsed(certificates)
        own = chain[0]
        if own.not_valid_after_utc <= now:
            raise CredentialRefused("the certificate has expired")
        if own.not_valid_before_utc > now:
            raise CredentialRefused("the certificate is not valid yet")
        pinned = self._pinned.get(hashlib.sha256(certificates[0]).hexdigest())
        if pinned is not None:
            _check_use(own, required=False)
            return _requester([pinned], own, own.not_valid_after_utc, now)
        groups = {
            id(issuers): issuers
            for each in chain
            for issuers in self._by_subject.get(each.issuer.public_bytes(), ())
        }
        if not groups:
            raise CredentialRefused(_UNKNOWN)
        _check_use(own, required=True)
        ends = [(issuers, _end(issuers, chain, now)) for issuers in groups.values()]
        found = [(one, end) for issuers, end in ends if end is not None for one in issuers.listed]
        if not found:
            raise CredentialRefused(
                f"{_UNKNOWN}, with every certificate between it and its issuer, "
                f"at most `{MAX_BETWEEN}`, each good for this at present"
            )
        return _requester([one for one, _ in found], own, min(end for _, end in found), now)


def pins(proof: CertificateProof) -> frozenset[str]:
    """SHA-256 of each pinned certificate; raises `MalformedAuthority`."""
    given = (each.public_bytes(Encoding.DER) for each in _loaded(proof.pinned))
    return frozenset({*proof.sha256, *(hashlib.sha256(der).hexdigest() for der in given)})


def _loaded(pem: str | None) -> tuple[x509.Certificate, ...]:
    """The certificates of a record; none without text."""
    if pem is None:
        return ()
    try:
        # Other blocks would be overlooked, and a record is no place for a key.
        if "PRIVATE KEY" in pem:
            raise MalformedAuthority("expected certificates (PEM) and no private key")
        return tuple(_read(each) for each in x509.load_pem_x509_certificates(pem.encode("ascii")))
    except _UNREADABLE:
        raise MalformedAuthority("expected certificates (PEM)") from None


def _read(certificate: x509.Certificate) -> x509.Certificate:
    """The certificate, once everything that is looked at later was read."""
    _ = certificate.subject, certificate.issuer, certificate.extensions
    _ = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    return certificate


def _parsed(certificates: Sequence[bytes]) -> list[x509.Certificate]:
    """The certificates; only their form is checked."""
    if len(certificates) > MAX_CERTIFICATES or sum(map(len, certificates)) > MAX_BYTES:
        raise CredentialRefused(
            f"expected at most `{MAX_CERTIFICATES}` certificates of `{MAX_BYTES}` bytes in all"
        )
    try:
        chain = [_read(x509.load_der_x509_certificate(each)) for each in certificates]
    except _UNREADABLE:
        chain = []
    if not chain:
        raise CredentialRefused("expected X.509 certificates in DER")
    return chain


def _end(issuers: _Issuers, chain: Sequence[x509.Certificate], now: datetime) -> datetime | None:
    """When the chain ends; None where it does not hold at ``now``."""
    try:
        end = issuers.end(chain, now)
    except VerificationError:
        return None  # its words may hold the subject
    return end if end > now else None


def _requester(
    listed: Sequence[_Listed], own: x509.Certificate, end: datetime, now: datetime
) -> Requester:
    said = own.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    organization = said[0].value if len(said) == 1 else None
    fitting = [one for one in listed if one.proof.organization in {None, organization}]
    # INVARIANT: a certificate never chooses between authorities; it speaks for one or for none.
    if len({one.authority.record.authority for one in fitting}) != 1:
        raise CredentialRefused(
            "expected one organization in the certificate's subject, as the operator has listed it"
        )
    authority, proof = fitting[0]
    person = _person(own, proof)
    return authority.requester(person, proof.assurance, "certificate", now, valid_until=end)


def _person(own: x509.Certificate, proof: CertificateProof) -> str:
    values: Sequence[str | bytes] = ()
    if proof.person in _ATTRIBUTES:
        oid, words = _ATTRIBUTES[proof.person]
        values = [attribute.value for attribute in own.subject.get_attributes_for_oid(oid)]
    else:
        kind, words = _NAMES[proof.person]
        with contextlib.suppress(x509.ExtensionNotFound):
            names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            values = names.get_values_for_type(kind)
    if len(values) != 1:
        raise CredentialRefused(f"expected a certificate with one {words}")
    (person,) = values
    if not isinstance(person, str) or not 0 < len(person) <= MAX_PERSON or not person.isprintable():
        raise CredentialRefused(
            f"expected a certificate with a {words} of 1 to `{MAX_PERSON}` printable characters"
        )
    return person


def _check_use(own: x509.Certificate, *, required: bool) -> None:
    """For clients' authentication, and no authority itself (RFC 5280 §4.2.1.3, .9, .12)."""
    extensions = {each.oid: each.value for each in own.extensions}
    uses = extensions.get(x509.ExtendedKeyUsage.oid)
    usage = extensions.get(x509.KeyUsage.oid)
    if (
        (required if uses is None else ExtendedKeyUsageOID.CLIENT_AUTH not in uses)
        or (isinstance(usage, x509.KeyUsage) and not usage.digital_signature)
        or (required and _is_authority(own))
    ):
        raise CredentialRefused("expected a certificate for client authentication")


def _constrains_subjects(certificate: x509.Certificate) -> bool:
    """Whether it says what the subjects below it may be (RFC 5280 §4.2.1.10)."""
    return any(
        isinstance(name, x509.DirectoryName)
        for each in certificate.extensions
        if isinstance(each.value, x509.NameConstraints)
        for name in (*(each.value.permitted_subtrees or ()), *(each.value.excluded_subtrees or ()))
    )


def _is_authority(certificate: x509.Certificate) -> bool:
    return any(
        isinstance(each.value, x509.BasicConstraints) and each.value.ca
        for each in certificate.extensions
    )
