"""Packing evidence: one zip that proves one answer to whoever holds the log's key.

The zip is laid out by `verify`, in one way only; it holds what the requester received and nothing
that he did not. `select` makes a smaller zip from one: fewer fields, perhaps no answer. Evidence
that would not verify is never made.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from whoisgate.audit.draft import JSON
from whoisgate.audit.verify import (
    COMMITTED,
    VerifierKey,
    complete_evidence,
    format_proof,
    pack_evidence,
    parse_proof,
    parse_vkey,
    read_evidence,
    receipt_extra,
    unb64url,
    verify_evidence,
    verify_receipt,
)
from whoisgate.errors import Unselectable

TELLING_CHARACTERS: Final = 4
"""A dropped value at least so long must not stand in the answer that is kept."""
_SIGNED: Final = frozenset({"domain", "purpose", "basis", "case", "asked", "decided_at"})
"""What a requester's signature tells, together with the time of the question."""


def evidence_zip(body: bytes | None, proof_text: str, policy_text: str, vkey: str) -> bytes:
    """The evidence zip of one answer, the same bytes for the same input; without it for None.

    Raises `verify.VerificationFailed` when receipt, body, policy and key do not belong together.
    """
    key = parse_vkey(vkey)
    given = {} if body is None else {"answer.json": body}
    given |= {
        "receipt.tlog-proof": proof_text.encode(),
        "policy.yaml": policy_text.encode(),
        "log.vkey": f"{vkey}\n".encode(),
    }
    packed = pack_evidence(complete_evidence(given, verify_receipt(proof_text, key)))
    verify_evidence(packed, key)
    return packed


def select(
    evidence: bytes | Path, key: VerifierKey, fields: Collection[str], *, answer: bool = True
) -> bytes:
    """A zip that opens these fields alone; without ``answer`` it leaves that out.

    A kept answer keeps its digest, the field `body`. Raises `verify.VerificationFailed` when the
    zip does not hold, `Unselectable` when it does not open a field, or when a field would be
    dropped whose value is told by a kept answer, or by a requester's signature in `detail`. Not
    looked for there: the words of `context`, which the policy shares. The policy stays whole. Not
    checked: that `body`, `view` and `question`, digests without a salt, are for a reader who may
    try guesses on them.
    """
    members = read_evidence(evidence)
    report = verify_evidence(pack_evidence(members), key)
    body, opened = (report.body if answer else None), report.receipt.fields
    kept = {*fields, "body"} if body is not None else {*fields}
    unknown = [name for name in sorted(kept) if name not in opened]
    if unknown:
        known = ", ".join(name for name in COMMITTED if name in opened)
        raise Unselectable(f"expected fields of `{known}`, which the evidence opens")
    for name in opened.keys() - kept - {"context"}:
        if body is not None and any(each.encode() in body for each in _telling(opened[name])):
            raise Unselectable(f"expected `{name}` too, or no answer: the answer tells it")
    if report.receipt.signed is not None and "detail" in kept:
        for name in sorted(_SIGNED & opened.keys() - kept):
            raise Unselectable(f"expected `{name}` too, or no `detail`: the signature tells it")
    proof = _narrowed(members["receipt.tlog-proof"].decode(), kept)
    return evidence_zip(body, proof, report.policy, key.text)


def _narrowed(proof_text: str, kept: Collection[str]) -> str:
    """The same receipt with the openings of these fields alone."""
    proof = parse_proof(proof_text)
    extra = json.loads(proof.extra or b"{}")
    openings = [each for each in extra["openings"] if json.loads(unb64url(each))[1] in kept]
    return format_proof(replace(proof, extra=receipt_extra(extra["leaf"].encode(), openings)))


def _telling(value: JSON) -> Iterator[str]:
    if isinstance(value, str):
        if len(value) >= TELLING_CHARACTERS:
            yield value
    elif isinstance(value, dict):
        yield from value
    elif isinstance(value, list):
        for each in value:
            yield from _telling(each)
