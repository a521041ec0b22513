"""Credentials of a request in, `Requester` out: looks at what was presented, asks its method."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import reduce

from whoisgate.errors import CredentialRequired
from whoisgate.identity import signature
from whoisgate.identity.bearer import Bearer
from whoisgate.identity.directory import Directory
from whoisgate.identity.dpop import Proofs
from whoisgate.identity.published import Published
from whoisgate.presented import Presented
from whoisgate.queries import Requester


class Authenticator:
    """Tells who asks, under the directory that ``directory`` gives: the same one until it changes.

    ``proofs`` and ``published`` are as in `Bearer`, and outlive a directory. Meant for one event
    loop.
    """

    def __init__(
        self,
        directory: Callable[[], Directory],
        *,
        proofs: Proofs | None = None,
        published: Published | None = None,
    ) -> None:
        self._directory, self._proofs, self._published = directory, proofs, published
        self._held: Directory | None = None
        self._bearer = Bearer(())
        self._nonces = signature.Nonces()

    async def prepare(self, presented: Presented, now: datetime) -> None:
        """Fetch what `authenticate` will want and only others have: an issuer's published keys.

        Raises `LogUnavailable` where there is no directory; what cannot be fetched it leaves.
        """
        self._adopt()
        await self._bearer.prepare(_in_session(presented), now)

    def authenticate(self, presented: Presented, now: datetime) -> Requester:
        """Who presents this, as proved at ``now``.

        Raises `CredentialRefused`, `DoNotTrackRefused` for a credential that forbids logging, or
        `CredentialRequired` where nothing was presented.
        """
        directory = self._adopt()
        proved = [*self._proved(directory, presented, now)]
        if not proved:
            raise CredentialRequired(
                "expected `Authorization: Bearer`, a client certificate or a signature"
            )
        # Whatever was presented must hold, and all of it must name the same person.
        return directory.admit(reduce(signature.together, proved))

    def signed_in(
        self, token: str, iss: str, client: str, nonce: str | None, now: datetime
    ) -> tuple[str, str]:
        """As `Bearer.signed_in`."""
        self._adopt()
        return self._bearer.signed_in(token, iss, client, nonce, now)

    def providers(self, now: datetime) -> list[tuple[str, str]]:
        """As `Directory.providers`; raises `LogUnavailable` where there is no directory."""
        return self._directory().providers(now)

    def nonce(self, now: datetime) -> str | None:
        """What the next DPoP proof must carry; None where none is taken."""
        return self._proofs.nonce(now) if self._proofs else None

    def _adopt(self) -> Directory:
        directory = self._directory()
        if directory is not self._held:
            issuers = directory.issuers.values()
            self._bearer = Bearer(issuers, self._proofs, self._published)
            self._held = directory
        return directory

    def _proved(
        self, directory: Directory, presented: Presented, now: datetime
    ) -> Iterator[Requester]:
        if presented.session is not None:
            held = self._bearer.authenticate(_in_session(presented), now)
            yield replace(held, proved_by="session")
        elif any(True for _ in presented.lines(b"authorization")):
            yield self._bearer.authenticate(presented, now)
        elif presented.certificates:
            yield directory.certificates.authenticate(presented.certificates, now)
        # INVARIANT: a nonce is used up last, when everything else that was presented holds.
        if signature.presents_signature(presented):
            yield signature.authenticate(presented, directory.signers, self._nonces, now)


def _in_session(presented: Presented) -> Presented:
    """The request with its session's token, which beside one of its own is a line too many."""
    if presented.session is None:
        return presented
    own = (b"authorization", f"Bearer {presented.session}".encode())
    return replace(presented, headers=(*presented.headers, own))
