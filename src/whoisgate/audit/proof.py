"""From a sealed entry and its place in the tree to the receipt that leaves with an answer.

Signs only the heads that it is given: that a head is committed is the caller's duty. The same
head always gives the same note, so a receipt can be made again later.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from whoisgate.audit.draft import Draft
from whoisgate.audit.entry import SealedEntry
from whoisgate.audit.note import Signer, checkpoint
from whoisgate.audit.receipt import Receipt
from whoisgate.audit.verify import Proof, b64url, format_proof
from whoisgate.budgets import Quota


def signed_checkpoint(signer: Signer, size: int, root: bytes) -> str:
    """The note over a committed head."""
    return signer.sign(checkpoint(signer.name, size, root))


def proof_text(
    leaf: bytes, openings: Sequence[str], index: int, hashes: Sequence[bytes], note: str
) -> str:
    """The whole ``.tlog-proof`` of an entry; ``hashes`` from leaf to root."""
    # The bytes of `verify.receipt_extra`, which is slower: both parts are ASCII.
    extra = orjson.dumps({"leaf": leaf.decode("ascii"), "openings": openings})
    return format_proof(Proof(extra, index, tuple(hashes), note))


def receipt(  # noqa: PLR0917  one constructor call
    draft: Draft,
    sealed: SealedEntry,
    place: tuple[int, Sequence[bytes]],
    note: str,
    token: bytes,
    quotas: tuple[Quota, ...] = (),
) -> Receipt:
    """The receipt of a durable entry at ``place``: its number and its inclusion proof."""
    index, hashes = place
    body = draft.fields.get("body")
    return Receipt(
        index,
        body if isinstance(body, str) else "",
        proof_text(sealed.leaf, sealed.openings, index, hashes, note),
        b64url(token),
        quotas,
    )
