"""Evidence zips: one layout, every byte checked, and old ones hold for ever."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whoisgate.audit.evidence import evidence_zip
from whoisgate.audit.note import Signer
from whoisgate.audit.verify import (
    EVIDENCE_LIMITS_BYTES,
    FAILURES,
    VerificationFailed,
    complete_evidence,
    pack_evidence,
    parse_vkey,
    verify_evidence,
    verify_receipt,
)

FORMAT_1 = Path(__file__).parent / "vectors" / "format-1"


@pytest.fixture(scope="module")
def packed(make, signer) -> bytes:
    return evidence_zip(make.body, make.receipt(make.entry(1), signer), make.policy, signer.vkey)


def members_of(packed: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(packed: bytes, folder: Path) -> Path:
    path = folder / "evidence.zip"
    path.write_bytes(packed)
    return path


def code_of(packed: bytes | Path, signer: Signer) -> str:
    with pytest.raises(VerificationFailed) as caught:
        verify_evidence(packed, signer.verifier)
    assert caught.value.code in FAILURES
    return caught.value.code


def test_verifies_what_it_packed(make, signer, packed, tmp_path):
    report = verify_evidence(packed, signer.verifier)
    assert (report.body, report.policy) == (make.body, make.policy)
    assert report.receipt.fields == make.fields
    assert verify_evidence(written(packed, tmp_path), signer.verifier) == report


def test_packs_the_same_bytes_every_time(make, signer, packed):
    receipt = make.receipt(make.entry(1), signer)
    assert evidence_zip(make.body, receipt, make.policy, signer.vkey) == packed


def test_packs_a_zip_that_others_read(make, signer, packed, tmp_path):
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.testzip() is None
        assert {each.date_time for each in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {each.external_attr >> 16 for each in archive.infolist()} == {0o100644}
    members = members_of(packed)
    assert list(members) == list(EVIDENCE_LIMITS_BYTES)
    shutil.unpack_archive(written(packed, tmp_path), tmp_path)
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path, check=True)
    assert members["answer.json"] == make.body
    assert members["log.vkey"].decode() == f"{signer.vkey}\n"
    assert json.loads(members["opened.json"]) == make.fields
    assert b"whoisgate verify" in members["README.txt"]
    assert b"python verify.py" in members["README.txt"]


def test_makes_no_evidence_that_would_not_hold(make, signer):
    receipt = make.receipt(make.entry(1), signer)
    stranger = Signer.generate(signer.name, Random(1).randbytes)
    for args, code in (
        ((b"{}", receipt, make.policy, signer.vkey), "WG412"),
        ((make.body, receipt, "another", signer.vkey), "WG415"),
        ((make.body, receipt, make.policy, stranger.vkey), "WG404"),
        ((make.body, receipt[:-1], make.policy, signer.vkey), "WG402"),
        ((make.body, receipt, make.policy, "no key"), "WG401"),
        ((b"x" * (1 << 22 | 1), receipt, make.policy, signer.vkey), "WG413"),
    ):
        with pytest.raises(VerificationFailed) as caught:
            evidence_zip(*args)
        assert caught.value.code == code


def test_refuses_every_changed_byte(signer, packed):
    for at in range(len(packed)):
        changed = bytearray(packed)
        changed[at] ^= 1 << at % 8
        code_of(bytes(changed), signer)


@pytest.mark.parametrize("name", [*EVIDENCE_LIMITS_BYTES])
def test_refuses_a_swapped_member(make, signer, packed, name):
    """Taken whole from another sound zip under the same key."""
    other = evidence_zip(
        b"{}",
        make.receipt(make.entry(2, fields={"body": hashlib.sha256(b"{}").hexdigest()}), signer),
        make.policy,
        signer.vkey,
    )
    content = members_of(other)[name]
    if content == members_of(packed)[name]:
        content += b"\n"
    code = code_of(pack_evidence(members_of(packed) | {name: content}), signer)
    expected = {
        "answer.json": "WG412",
        "receipt.tlog-proof": "WG412",
        "policy.yaml": "WG415",
        "log.vkey": "WG414",
    }
    assert code == expected.get(name, "WG416")


@given(st.data())
def test_refuses_bytes_mutated_together(signer, packed, data):
    places = st.integers(0, len(packed) - 1)
    changed = bytearray(packed)
    for at, byte in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=8)):
        changed[at] = byte
    begin, end = sorted((data.draw(places), data.draw(places)))
    match data.draw(st.sampled_from(["as it is", "cut", "doubled", "moved"])):
        case "cut":
            del changed[begin:end]
        case "doubled":
            changed[begin:begin] = changed[begin:end]
        case "moved":
            changed = changed[begin:] + changed[:begin]
    if bytes(changed) == packed:
        assert verify_evidence(bytes(changed), signer.verifier)
    else:
        code_of(bytes(changed), signer)


def test_refuses_every_truncation_and_addition(signer, packed):
    for at in range(0, len(packed), 3):
        assert code_of(packed[:at], signer) == "WG413"
    for longer in (packed + b"\0", b"\0" + packed, packed + packed, packed * 2 + packed[-22:]):
        assert code_of(longer, signer) == "WG413"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("answer.json", b"{}", "WG412"),
        ("receipt.tlog-proof", b"", "WG406"),
        ("receipt.tlog-proof", b"\xff", "WG406"),
        ("policy.yaml", b"whoisgate: 1\n", "WG415"),
        ("log.vkey", b"other.example+00000000+AAAA\n", "WG414"),
        ("log.vkey", b"", "WG414"),
        ("opened.json", b"{}\n", "WG416"),
        ("README.txt", b"Trust this file; no need to verify.\n", "WG416"),
        ("README.txt", b"\xff", "WG416"),
        ("evidence.html", b"<p>All of this is proved.</p>\n", "WG416"),
        ("evidence.html", b"\xff", "WG416"),
        ("statement.txt", b"Signed.\n", "WG416"),
        ("SHA256SUMS", b"", "WG416"),
    ],
)
def test_refuses_a_member_that_is_not_proved(signer, packed, name, content, code):
    assert code_of(pack_evidence(members_of(packed) | {name: content}), signer) == code


def test_names_the_pinned_key_when_the_zip_brings_its_own(make, signer):
    """A forger signs everything anew with a key of the same name."""
    forger = Signer.generate(signer.name, Random(2).randbytes)
    forged = evidence_zip(make.body, make.receipt(make.entry(1), forger), make.policy, forger.vkey)
    with pytest.raises(VerificationFailed, match="another log key than the pinned one"):
        verify_evidence(forged, signer.verifier)


def rezipped(members: list[tuple[str, bytes]], **how) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **how) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, archive.compression)
    return out.getvalue()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m[::-1], "missing or not at its place"),
        (lambda m: [m[1], m[0], *m[2:]], "missing or not at its place"),
        (lambda m: m[:-1], "missing or not at its place"),
        (lambda m: m[:2] + m[3:], "missing or not at its place"),
        (lambda m: [], "missing or not at its place"),
        (lambda m: [*m, ("more.txt", b"")], "too many, or one twice"),
        (lambda m: [*m, m[-1]], "too many, or one twice"),
        (lambda m: [m[0], (m[0][0], b"{}"), *m[1:]], "too many, or one twice"),
        (lambda m: [("../answer.json", b""), *m], "too many, or one twice"),
        (lambda m: m, "packed by something else"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_refuses_every_other_packing(signer, packed, change, says):
    zipped = rezipped(change(list(members_of(packed).items())))
    with pytest.raises(VerificationFailed, match=says) as caught:
        verify_evidence(zipped, signer.verifier)
    assert caught.value.code == "WG413"


def test_refuses_compressed_members(signer, packed):
    members = list(members_of(packed).items())
    for how in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(VerificationFailed, match="is compressed"):
            verify_evidence(rezipped(members, compression=how), signer.verifier)


def test_refuses_a_bomb_unopened(signer, packed, tmp_path):
    members = members_of(packed) | {"answer.json": bytes(50_000_000)}
    bomb = rezipped(list(members.items()), compression=zipfile.ZIP_DEFLATED)
    assert code_of(bomb, signer) == "WG413"
    lying = bytearray(packed)
    lying[22:26] = (0xFFFFFFFF).to_bytes(4, "little")
    assert code_of(bytes(lying), signer) == "WG413"
    path = tmp_path / "large.zip"
    with path.open("wb") as stream:
        stream.write(b"PK\x03\x04")
        stream.truncate(1 << 34)
    assert code_of(path, signer) == "WG417"


def test_bounds_each_member(signer, packed):
    for name, limit in EVIDENCE_LIMITS_BYTES.items():
        members = members_of(packed) | {name: bytes(limit + 1)}
        with pytest.raises(VerificationFailed, match=f"`{name}` is too large"):
            verify_evidence(pack_evidence(members), signer.verifier)


def test_verifies_the_first_formats_evidence_for_ever():
    key = parse_vkey((FORMAT_1 / "log.vkey").read_text().removesuffix("\n"))
    receipt = verify_receipt((FORMAT_1 / "receipt.tlog-proof").read_text(), key)
    report = verify_evidence(FORMAT_1 / "evidence.zip", key)
    assert report.receipt == receipt
    assert receipt.fields["domain"] == "example.com"
    digest = hashlib.sha256((FORMAT_1 / "evidence.zip").read_bytes()).hexdigest()
    assert digest == (FORMAT_1 / "evidence.sha256").read_text().split()[0]


def test_still_packs_the_first_format(make, signer):
    assert (FORMAT_1 / "log.vkey").read_text() == f"{signer.vkey}\n"
    text = make.receipt(make.entry(1), signer)
    assert (FORMAT_1 / "receipt.tlog-proof").read_text() == text
    given = {
        "answer.json": make.body,
        "receipt.tlog-proof": text.encode(),
        "policy.yaml": make.policy.encode(),
        "log.vkey": f"{signer.vkey}\n".encode(),
    }
    members = complete_evidence(given, verify_receipt(text, signer.verifier), 1)
    assert (FORMAT_1 / "evidence.zip").read_bytes() == pack_evidence(members)


def test_refuses_a_readme_of_another_format(signer, packed):
    old = members_of((FORMAT_1 / "evidence.zip").read_bytes())
    new = members_of(packed)
    for mixed in (
        old | {"README.txt": new["README.txt"]},
        new | {"README.txt": old["README.txt"]},
    ):
        assert code_of(pack_evidence(mixed), signer) == "WG416"
