"""The directory of authorities as it stands: which proof speaks for whom, and who is barred.

A `Directory` never changes; a change of an authority makes another. The log's database keeps it,
so that an append sees every change that was logged before it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from whoisgate.errors import CredentialRefused, MalformedAuthority
from whoisgate.identity.authority import (
    Authority,
    CertificateProof,
    Proof,
    Record,
    SignatureProof,
    TokenProof,
)
from whoisgate.identity.certificate import Certificates
from whoisgate.identity.issuer import Issuer
from whoisgate.identity.signature import Signer
from whoisgate.queries import Requester


class Directory:
    """The authorities in force, for a server whose tokens are for ``audience``.

    ``barred`` tells whether the person of this `Requester.identity` is. Raises `MalformedAuthority`
    when two proofs claim one issuer or one key.
    """

    def __init__(
        self,
        authorities: Iterable[Authority],
        audience: str,
        barred: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self.authorities = tuple(authorities)
        self.audience, self._barred = audience, barred
        self.issuers: dict[str, Issuer] = {}
        self.signers: dict[str, Signer] = {}
        """Keys that may sign questions, by their thumbprint."""
        for authority in self.authorities:
            for proof in authority.record.proof:
                self._take(authority, proof)
        self.certificates = Certificates(
            (authority, proof)
            for authority in self.authorities
            for proof in authority.record.proof
            if isinstance(proof, CertificateProof)
        )

    @classmethod
    def of(
        cls,
        records: Mapping[str, tuple[str, int]],
        audience: str,
        barred: Callable[[str], bool] = lambda _: False,
    ) -> Directory:
        """From the records' texts and the entries that put them in force, by name."""
        authorities = (
            Authority(Record.of(json.loads(text), name), entry)
            for name, (text, entry) in records.items()
        )
        return cls(authorities, audience, barred)

    def providers(self, now: datetime) -> list[tuple[str, str]]:
        """`iss` and authority of each identity provider (OIDC) that may sign at ``now``, by name.

        An issuer that is named otherwise than OpenID Connect Core §2 has it is none.
        """
        return sorted(
            (
                (iss, issuer.authority.record.authority)
                for iss, issuer in self.issuers.items()
                if iss.startswith("https://") and issuer.authority.in_force(now)
            ),
            key=lambda each: each[::-1],
        )

    def admit(self, requester: Requester) -> Requester:
        """The requester, if not barred; raises `CredentialRefused`."""
        if self._barred(requester.identity):
            raise CredentialRefused("this person may not ask at present")
        return requester

    def _take(self, authority: Authority, proof: Proof) -> None:
        if isinstance(proof, TokenProof):
            if proof.iss in self.issuers:
                raise MalformedAuthority(f"expected `{proof.iss}` to speak for one authority")
            self.issuers[proof.iss] = Issuer.listed(authority, proof, self.audience)
        elif isinstance(proof, SignatureProof):
            for signer, key in proof.by_thumbprint().items():
                if signer in self.signers:
                    raise MalformedAuthority(f"expected the key `{signer}` to be of one person")
                self.signers[signer] = authority, proof, key
