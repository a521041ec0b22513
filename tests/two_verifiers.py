"""Both verifiers behind one question: what does each say of this?

`Verdict.holds` is whether it was accepted, `index` the first bad entry where one is named, `shown`
what both can tell of an accepted thing. Anything that either verifier raises beyond its own
refusal is a fault and passes through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.independent_verifier import evidence, log, merkle, note, receipt
from tests.independent_verifier.refusal import Refused

from whoisgate.audit import verify


@dataclass(frozen=True)
class Verdict:
    holds: bool
    index: int | None = None
    shown: object = None


def _verdict(check, tell=lambda _: None, *, named=True) -> Verdict:
    try:
        return Verdict(True, shown=tell(check()))
    except (verify.VerificationFailed, Refused) as failure:
        return Verdict(False, failure.index if named else None)


def agreed(first: Verdict, second: Verdict) -> Verdict:
    assert first == second, f"verify.py says {first}, the second verifier {second}"
    return first


def of_log(files: Mapping[str, bytes], vkey: str) -> Verdict:
    read = files.__getitem__
    return agreed(
        _verdict(lambda: verify.verify_log(read, verify.parse_vkey(vkey)), lambda r: r.size),
        _verdict(lambda: log.check_log(read, note.read_key(vkey)), lambda head: head.size),
    )


def of_tree(files: Mapping[str, bytes], vkey: str) -> Verdict:
    """As `of_log`, but the second verifier, which is slow, does not look into the entries."""
    read = files.__getitem__
    return agreed(
        _verdict(lambda: verify.verify_log(read, verify.parse_vkey(vkey)), lambda r: r.size),
        _verdict(lambda: log.check_tree(read, note.read_key(vkey)), lambda head: head.size),
    )


def of_receipt(proof: bytes, vkey: str) -> Verdict:
    def first() -> verify.VerifiedReceipt:
        return verify.verify_receipt(verify._text(proof, "WG406"), verify.parse_vkey(vkey))

    return agreed(
        _verdict(first, lambda r: (r.index, dict(r.fields)), named=False),
        _verdict(
            lambda: receipt.check_receipt(proof, note.read_key(vkey)),
            lambda r: (r.index, r.fields),
            named=False,
        ),
    )


def of_evidence(packed: bytes, vkey: str) -> Verdict:
    return agreed(
        _verdict(
            lambda: verify.verify_evidence(packed, verify.parse_vkey(vkey)).receipt,
            lambda r: (r.index, dict(r.fields)),
            named=False,
        ),
        _verdict(
            lambda: evidence.check_evidence(packed, note.read_key(vkey)),
            lambda r: (r.index, r.fields),
            named=False,
        ),
    )


def of_inclusion(leaf, index, start, end, proof, root) -> Verdict:
    args = (leaf, index, start, end, proof, root)
    return agreed(
        _verdict(lambda: verify.verify_subtree_inclusion(*args), named=False),
        _verdict(lambda: merkle.check_inclusion(*args), named=False),
    )


def of_subtree(start, end, part, size, root, proof) -> Verdict:
    args = (start, end, part, size, root, proof)
    return agreed(
        _verdict(lambda: verify.verify_subtree(*args), named=False),
        _verdict(lambda: merkle.check_consistency(*args), named=False),
    )
