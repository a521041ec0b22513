"""Credentials of a request in, `Requester` out: looks at what was presented, asks its method."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from whoisgate.errors import CredentialRefused, CredentialRequired
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

    def authenticate(self, presented: Presented, now: datetime) -> Requester:
        """Who presents this, as proved at ``now``.

        Raises `CredentialRefused`, or `CredentialRequired` where nothing was presented.
        """
        directory = self._directory()
        if directory is not self._held:
            self._held, self._bearer = directory, Bearer(directory.issuers.values())
        authorization = presented.one(b"authorization")
        if authorization is None:
            raise CredentialRequired("expected `Authorization: Bearer`")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise CredentialRefused("expected `Authorization: Bearer`")
        return directory.admit(self._bearer.authenticate(token.strip(" "), now))
