"""Who is asking: credentials in, `Requester` out. Nothing here decides what a requester may see."""

from __future__ import annotations

from whoisgate.identity.bearer import Bearer
from whoisgate.identity.issuer import Issuer

__all__ = ["Bearer", "Issuer"]
