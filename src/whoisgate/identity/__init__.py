"""Who is asking: credentials in, `Requester` out. Nothing here decides what a requester may see."""

from __future__ import annotations

from whoisgate.identity.authenticator import Authenticator
from whoisgate.identity.authority import Authority, Record
from whoisgate.identity.directory import Directory
from whoisgate.presented import Presented

__all__ = ["Authenticator", "Authority", "Directory", "Presented", "Record"]
