"""Proofs, receipts and answers."""

from __future__ import annotations

import base64
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whoisgate.audit.note import Signer
from whoisgate.audit.verify import (
    FAILURES,
    Proof,
    VerificationFailed,
    format_proof,
    parse_proof,
    verify_answer,
    verify_receipt,
)


def code_of(action, *args, **kwargs) -> str:
    with pytest.raises(VerificationFailed) as caught:
        action(*args, **kwargs)
    assert caught.value.code in FAILURES
    return caught.value.code


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def with_extra(text: str, extra: bytes) -> str:
    proof = parse_proof(text)
    return format_proof(Proof(extra, proof.index, proof.hashes, proof.checkpoint))


def test_reads_and_writes_the_published_proofs(vectors):
    published = vectors("tlog-proof.json")
    for case in published["sound"]:
        proof = parse_proof(case["text"])
        assert proof.index == case["index"]
        assert [b64(each) for each in proof.hashes] == case["hashes"]
        assert (proof.extra and b64(proof.extra)) == case["extra"]
        assert proof.checkpoint == case["checkpoint"]
        assert format_proof(proof) == case["text"]
    assert format_proof(parse_proof(published["specification"])) == published["specification"]


def test_refuses_the_published_bad_proofs(vectors):
    for text in vectors("tlog-proof.json")["refused"].values():
        assert code_of(parse_proof, text) == "WG406"


HEAD = "c2sp.org/tlog-proof@v1\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEAD,
        f"{HEAD}index 0\n",
        f"{HEAD}index 0\n\n",
        f"{HEAD}index 00\n\nc\n",
        f"{HEAD}index +1\n\nc\n",
        f"{HEAD}index \u0661\n\nc\n",
        f"{HEAD}index 1{'0' * 5000}\n\nc\n",
        f"{HEAD}index 1 \n\nc\n",
        f"{HEAD}extra \nindex 1\n\nc\n",
        f"{HEAD}extra AB==\nindex 1\n\nc\n",
        f"{HEAD}index 1\nextra AA==\n\nc\n",
        f"{HEAD}extra AA==\nextra AA==\nindex 1\n\nc\n",
        f"{HEAD}index 1\n{b64(bytes(31))}\n\nc\n",
        f"{HEAD}index 1\n{b64(bytes(32))[:-2]}B=\n\nc\n",
        HEAD + "index 1\n" + f"{b64(bytes(32))}\n" * 64 + "\nc\n",
        HEAD.replace("\n", "\r\n") + "index 1\r\n\r\nc\n",
        f"{HEAD}index 1\n\n" + "c" * (1 << 20),
    ],
)
def test_refuses_a_malformed_proof(text):
    assert code_of(parse_proof, text) == "WG406"


@given(
    st.none() | st.binary(min_size=1),
    st.integers(0, 10**17),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    st.text(min_size=1),
)
def test_reads_the_proof_that_it_wrote(extra, index, hashes, checkpoint):
    proof = Proof(extra, index, tuple(hashes), checkpoint)
    assert parse_proof(format_proof(proof)) == proof


@pytest.mark.parametrize(("size", "index"), [(1, 0), (7, 4), (7, 6), (300, 299)])
def test_verifies_a_receipt(make, signer, size, index):
    made = make.entry(1)
    text = make.receipt(made, signer, size=size, index=index)
    receipt = verify_receipt(text, signer.verifier)
    assert (receipt.origin, receipt.index, receipt.size) == (signer.name, index, size)
    assert receipt.fields == make.fields
    assert receipt.leaf.hour == "2026-11-23T22Z"


def test_refuses_every_changed_byte_of_a_receipt(make, signer):
    raw = make.receipt(make.entry(1), signer).encode()
    for at in range(len(raw)):
        for byte in {raw[at] ^ 1, raw[at] ^ 32, raw[at] ^ 128, 10, 65}:
            if byte != raw[at]:
                text = (raw[:at] + bytes([byte]) + raw[at + 1 :]).decode(errors="surrogateescape")
                code_of(verify_receipt, text, signer.verifier)


def test_refuses_every_truncated_or_longer_receipt(make, signer):
    raw = make.receipt(make.entry(1), signer).encode()
    for at in range(len(raw)):
        code_of(verify_receipt, raw[:at].decode(errors="replace"), signer.verifier)
        text = (raw[:at] + raw[at : at + 1] + raw[at:]).decode(errors="replace")
        code_of(verify_receipt, text, signer.verifier)
        text = (raw[:at] + raw[at + 1 :]).decode(errors="replace")
        code_of(verify_receipt, text, signer.verifier)


def test_lets_a_holder_drop_openings_alone(make, signer):
    made = make.entry(1)
    text = make.receipt(made, signer, made.openings[2:4])
    assert verify_receipt(text, signer.verifier).fields == {
        "domain": "example.com",
        "case": "2026-114",
    }
    for openings in (made.openings[::-1], made.openings[:1] * 2, make.entry(2).openings):
        text = make.receipt(made, signer, openings)
        assert code_of(verify_receipt, text, signer.verifier) == "WG410"


def test_refuses_extra_data_that_is_no_entry_with_openings(make, signer):
    made = make.entry(1)
    sound = {"leaf": made.entry.decode(), "openings": []}
    text = make.receipt(made, signer)
    assert verify_receipt(with_extra(text, make.dumps(sound)), signer.verifier).fields == {}
    for extra in (
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"\xff\xfe{\x00}\x00",
        made.entry,
        make.dumps(sound) + b"\n",
        make.dumps(sound | {"more": 1}),
        make.dumps(sound | {"openings": [1]}),
        make.dumps(sound | {"openings": "x"}),
        make.dumps(sound | {"openings": {"a": "b"}}),
        make.dumps(sound | {"leaf": "é"}),
        make.dumps(sound | {"leaf": None}),
    ):
        assert code_of(verify_receipt, with_extra(text, extra), signer.verifier) == "WG406"


def test_refuses_a_receipt_of_another_log(make, signer):
    text = make.receipt(make.entry(1), signer)
    stranger = Signer.generate(signer.name, Random(1).randbytes)
    assert code_of(verify_receipt, text, stranger.verifier) == "WG404"


def test_refuses_an_entry_that_is_not_in_the_tree(make, signer):
    text = make.receipt(make.entry(1), signer)
    other = make.dumps({"leaf": make.entry(2).entry.decode(), "openings": []})
    assert code_of(verify_receipt, with_extra(text, other), signer.verifier) == "WG407"
    for index in (0, 3, 5, 7, 10**17):
        moved = text.replace("\nindex 4\n", f"\nindex {index}\n")
        assert code_of(verify_receipt, moved, signer.verifier) == "WG407"


def test_refuses_a_logged_entry_of_no_format(make, signer):
    class Odd:
        entry, openings = b'{"v":9}', ()

    assert code_of(verify_receipt, make.receipt(Odd, signer), signer.verifier) == "WG409"


def test_binds_the_answer_to_its_entry(make, signer):
    text = make.receipt(make.entry(1), signer)
    receipt = verify_answer(make.body, text, signer.verifier, expected={"domain": "example.com"})
    assert receipt.fields["outcome"] == "released"
    for body in (make.body + b" ", make.body[:-1], b""):
        assert code_of(verify_answer, body, text, signer.verifier) == "WG412"
    made = make.entry(1)
    unopened = make.receipt(made, signer, made.openings[:3])
    assert code_of(verify_answer, make.body, unopened, signer.verifier) == "WG412"


@pytest.mark.parametrize(
    "expected",
    [
        {"domain": "example.org"},
        {"domain": ["example.com"]},
        {"domain": None},
        {"case": "2026-114", "outcome": "refused"},
        {"person": None},
        {"approval": False},
        {"released": {"registrant.name": []}},
    ],
)
def test_refuses_an_answer_to_another_question(make, signer, expected):
    text = make.receipt(make.entry(1), signer)
    with pytest.raises(VerificationFailed) as caught:
        verify_answer(make.body, text, signer.verifier, expected=expected)
    assert caught.value.code == "WG411"
    assert "example" not in str(caught.value)
    assert "114" not in str(caught.value)


def test_takes_an_opened_null_for_null(make, signer):
    text = make.receipt(make.entry(1), signer)
    assert verify_answer(make.body, text, signer.verifier, expected={"approval": None})


def test_tells_true_from_one(make, signer):
    fields = {"sequence": 1, "body": make.fields["body"]}
    text = make.receipt(make.entry(1, fields=fields), signer)
    assert verify_answer(make.body, text, signer.verifier, expected={"sequence": 1})
    wrong = {"sequence": True}
    assert code_of(verify_answer, make.body, text, signer.verifier, expected=wrong) == "WG411"
