"""Credentials of a request in, `Requester` out: looks at what was presented, asks its method."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import reduce

from whoisgate.errors import CredentialRefused, CredentialRequired
from whoisgate.identity import signature
from whoisgate.identity.bearer import Bearer
from whoisgate.identity.directory import Directory
from whoisgate.presented import Presented
from whoisgate.queries import Requester


class Authenticator:
    """Tells who asks, under the directory that ``directory`` gives: the same one until it changes.

    Meant for one event loop.
    """

    def __init__(self, directory: Callable[[], Directory]) -> None:
        self._directory = directory
        self._held: Directory | None = None
        self._bearer = Bearer(())
        self._nonces = signature.Nonces()

    def authenticate(self, presented: Presented, now: datetime) -> Requester:
        """Who presents this, as proved at ``now``.

        Raises `CredentialRefused`, or `CredentialRequired` where nothing was presented.
        """
        directory = self._directory()
        if directory is not self._held:
            self._held, self._bearer = directory, Bearer(directory.issuers.values())
        proved = [*self._proved(directory, presented, now)]
        if not proved:
            raise CredentialRequired(
                "expected `Authorization: Bearer`, a client certificate or a signature"
            )
        # Whatever was presented must hold, and all of it must name the same person.
        return directory.admit(reduce(signature.together, proved))

    def _proved(
        self, directory: Directory, presented: Presented, now: datetime
    ) -> Iterator[Requester]:
        authorization = presented.one(b"authorization")
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            if scheme.lower() != "bearer":
                raise CredentialRefused("expected `Authorization: Bearer`")
            yield self._bearer.authenticate(token.strip(" "), now)
        elif presented.certificates:
            yield directory.certificates.authenticate(presented.certificates, now)
        # INVARIANT: a nonce is used up last, when everything else that was presented holds.
        if signature.presents_signature(presented):
            yield signature.authenticate(presented, directory.signers, self._nonces, now)
