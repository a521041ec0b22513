"""What our writer makes, both verifiers accept; and the second one shares nothing with ours."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import sys
from pathlib import Path

import pytest
from tests.audit.test_tampering import NOT_SIGNED
from tests.independent_verifier import entry as second_entry
from tests.independent_verifier.evidence import pack, unpack
from tests.two_verifiers import of_evidence, of_log, of_receipt, of_tree

from whoisgate.audit.evidence import evidence_zip
from whoisgate.audit.verify import (
    open_fields,
    opened_json,
    parse_leaf,
)

TESTS = Path(__file__).parents[1]
SECOND = TESTS / "independent_verifier"
ALLOWED = {"cryptography", "__future__", "refusal", "spelling", "merkle", "note", "proof", "entry",
           "receipt", "keys", "question"}  # fmt: skip
"""What the second verifier may import beside the standard library: nothing of the project."""


def imported(source: Path) -> set[str]:
    """The top names that a module imports, wherever in it; its own package's modules by name."""
    found = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= 1, f"{source.name} looks outside its package"
            found.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Name):
            assert node.id not in {"__import__", "exec", "eval"}, source.name
    return found


def test_shares_no_code_with_what_it_judges():
    modules = sorted(SECOND.glob("*.py"))
    assert len(modules) > 8
    for module in modules:
        names = imported(module)
        assert "importlib" not in names, module.name
        assert names - sys.stdlib_module_names <= ALLOWED, module.name
        assert not names & {"whoisgate", "tests", "src"}


@pytest.mark.parametrize("size", [0, 1, 2, 3, 255, 256, 257, 300])
def test_accept_every_size_of_log(make, signer, size):
    entries = [make.entry(n, hour=f"2026-11-{23 + n // 200}T22Z").entry for n in range(size)]
    verdict = of_log(make.log(entries, signer), signer.vkey)
    assert (verdict.holds, verdict.shown) == (True, size)


@pytest.mark.slow
def test_accept_and_refuse_a_log_of_three_levels(make, signer):
    size = 65_536 + 257
    files = make.log([make.entry(1).entry] * size, signer)
    assert of_tree(files, signer.vkey).shown == size
    for path, at, bad in (
        ("tile/2/000.p/1", 0, 0),
        ("tile/1/000", 255 * 32, 255 * 256),
        ("tile/1/001.p/1", 31, 65_536),
    ):
        data = bytearray(files[path])
        data[at] ^= 1
        verdict = of_tree(files | {path: bytes(data)}, signer.vkey)
        assert (verdict.holds, verdict.index) == (False, bad)


def test_accept_what_the_real_writer_makes(write, make):
    for disclosures in (6, 262):
        written = write(disclosures)
        vkey = written.signer.vkey
        assert of_log(written.files, vkey).shown == disclosures + 1
        for receipt in written.receipts[::20]:
            shown = of_receipt(receipt.proof.encode(), vkey)
            assert shown.holds
            assert shown.shown[0] == receipt.index
            assert shown.shown[1]["body"] == receipt.body_sha256
            packed = evidence_zip(make.body, receipt.proof, make.policy, vkey)
            assert of_evidence(packed, vkey) == shown


def test_accept_what_was_handed_out_long_ago():
    vectors = Path(__file__).parent / "vectors" / "format-1"
    vkey = (vectors / "log.vkey").read_text().strip()
    assert of_receipt((vectors / "receipt.tlog-proof").read_bytes(), vkey).holds
    assert of_evidence((vectors / "evidence.zip").read_bytes(), vkey).holds
    folders = sorted((TESTS / "e2e" / "golden").iterdir())
    assert folders
    for folder in folders:
        base = folder / "log"
        files = {str(p.relative_to(base)): p.read_bytes() for p in base.rglob("*") if p.is_file()}
        key = (folder / "keys" / "log.vkey").read_text().strip()
        sizes = {"folder-1": 4, "folder-2": 8, "folder-3": 11, "folder-4": 11}
        assert of_log(files, key).shown == sizes[folder.name]


def test_open_the_same_fields(vectors):
    for case in vectors("entry-1.json")["entries"].values():
        openings = case["openings"]
        leaf = case["leaf"].encode()
        for shown in (openings, openings[::3], []):
            first = open_fields(parse_leaf(leaf), shown)
            assert first == second_entry.read_openings(second_entry.read_entry(leaf), shown)
            assert len(first) == len(shown)


# --- What may change, because nobody signed it ------------------------------------------------


def with_stranger(note: bytes) -> bytes:
    line = base64.b64encode(b"strange" * 10).decode()
    return note + f"— witness.example {line}\n".encode()


def with_signature_again(note: bytes) -> bytes:
    return note + note.rpartition(b"\n\n")[2]


def unsigned_changes(write, make):
    written = write(4)
    files, vkey = written.files, written.signer.vkey
    proof = written.receipts[0].proof
    full = of_receipt(proof.encode(), vkey)

    def noted(change):
        assert of_log(files | {"checkpoint": change(files["checkpoint"])}, vkey).holds
        head, blank, note = proof.encode().partition(b"\n\n")
        assert of_receipt(head + blank + change(note), vkey) == full

    yield "stranger", lambda: noted(with_stranger)
    yield "again", lambda: noted(with_signature_again)

    def dropped():
        lines = proof.split("\n")
        said = json.loads(base64.b64decode(lines[1].removeprefix("extra ")))
        said["openings"] = [
            o for o in said["openings"] if b'"case"' not in base64.urlsafe_b64decode(o + "==")
        ]
        lines[1] = "extra " + base64.b64encode(make.dumps(said)).decode()
        less = "\n".join(lines)
        verdict = of_receipt(less.encode(), vkey)
        fields = dict(full.shown[1])
        assert fields.pop("case")
        assert verdict.shown == (full.shown[0], fields)
        packed = evidence_zip(make.body, less, make.policy, vkey)
        assert of_evidence(packed, vkey) == verdict

    yield "dropped", dropped

    def surplus():
        assert of_log(files | {"tile/0/000.p/2": b"old", "tile/0/009": b"more"}, vkey).holds
        after = dict(files)
        for path in ("tile/0/000.p/5", "tile/entries/000.p/5"):
            after[path.partition(".p/")[0]] = after.pop(path) + b"\0anything"
        assert of_log(after, vkey).holds

    yield "surplus", surplus

    def earlier():
        entries = [make.entry(n).entry for n in range(9)]
        for size in (3, 9):
            assert of_log(make.log(entries[:size], written.signer), vkey).shown == size

    yield "earlier", earlier


def test_list_all_that_may_change_unnoticed(write, make):
    checks = dict(unsigned_changes(write, make))
    assert checks.keys() == NOT_SIGNED.keys()
    for check in checks.values():
        check()


def summed(parts):
    """The same parts under sums of their own, so that no other check stands before theirs."""
    named = [name for name in parts if name != "SHA256SUMS"]
    sums = "".join(f"{hashlib.sha256(parts[name]).hexdigest()}  {name}\n" for name in named)
    return parts | {"SHA256SUMS": sums.encode()}


def test_refuse_a_readable_part_that_says_more_than_is_proved(write, make):
    """Evidence whose parts all are well-formed, packed as specified, and do not belong together."""
    written = write(5)
    one, other = (receipt.proof for receipt in written.receipts[:2])
    vkey = written.signer.vkey
    fields = of_receipt(one.encode(), vkey).shown[1]
    parts = unpack(evidence_zip(make.body, one, make.policy, vkey))
    assert of_evidence(pack(parts), vkey).holds
    for name, content in (
        ("answer.json", make.body + b" "),
        ("receipt.tlog-proof", other.encode()),
        ("policy.yaml", make.policy.encode() + b"\n"),
        ("log.vkey", f"{vkey}\n\n".encode()),
        ("opened.json", opened_json({**fields, "case": "2026-115"})),
        ("opened.json", json.dumps(fields).encode()),
        ("README.txt", b"See answer.json\n"),
    ):
        assert not of_evidence(pack(summed(parts | {name: content})), vkey).holds, name
