"""Packing evidence: one zip that proves one disclosure to whoever holds the log's key.

The zip is laid out by `verify`, in one way only; it holds what the requester received and nothing
that he did not. Evidence that would not verify is never made.
"""

from __future__ import annotations

from whoisgate.audit.verify import (
    EVIDENCE_READMES,
    opened_json,
    pack_evidence,
    parse_vkey,
    verify_evidence,
    verify_receipt,
)


def evidence_zip(body: bytes, proof_text: str, policy_text: str, vkey: str) -> bytes:
    """The evidence zip of one answer, the same bytes for the same input.

    Raises `verify.VerificationFailed` when receipt, body, policy and key do not belong together.
    """
    key = parse_vkey(vkey)
    packed = pack_evidence(
        {
            "answer.json": body,
            "receipt.tlog-proof": proof_text.encode(),
            "policy.yaml": policy_text.encode(),
            "log.vkey": f"{vkey}\n".encode(),
            "opened.json": opened_json(verify_receipt(proof_text, key).fields),
            "README.txt": EVIDENCE_READMES[-1].encode(),
        }
    )
    verify_evidence(packed, key)
    return packed
