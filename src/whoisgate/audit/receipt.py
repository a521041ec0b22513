"""The receipt of one durable log entry: what a gated answer needs before it may leave."""

from __future__ import annotations

from dataclasses import dataclass

from whoisgate.budgets import Quota


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that entry ``index`` is in the log and commits to a body.

    Made only by a log, after its transaction is durable and its checkpoint signed.
    ``body_sha256`` is the committed digest (hex; empty for entries without a body). ``proof`` is
    the whole ``.tlog-proof`` text, openings included: it names requester and domain, so it is for
    the requester alone. ``token`` opens the stored copy of ``proof`` under the receipt's address.
    ``quotas`` are what was left of the requester's limits after this entry.
    """

    index: int
    body_sha256: str
    proof: str
    token: str
    quotas: tuple[Quota, ...] = ()

    def __repr__(self) -> str:
        return f"<Receipt of entry {self.index}>"
