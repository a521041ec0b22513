"""Whatever is altered is noticed: by both verifiers, and at the first bad entry.

`MUTATIONS` says how many alterations are tried; one depends on its kind and number alone, and the
failure names both. What may change because nobody signed it is listed in `NOT_SIGNED`, and an
altered thing is accepted only if it is one of these (each is shown in `test_two_verifiers`).
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from random import Random

import pytest
from tests import tampering
from tests.conftest import MUTATIONS
from tests.independent_verifier import evidence as layout
from tests.two_verifiers import of_evidence, of_inclusion, of_log, of_receipt, of_subtree

from whoisgate.audit.evidence import evidence_zip
from whoisgate.audit.note import Signer
from whoisgate.audit.tree import (
    Edge,
    grow,
    subtree_inclusion_proof,
    subtree_proof,
    subtree_root,
)
from whoisgate.audit.verify import split_bundle

NOT_SIGNED = {
    "stranger": "a signature line under a key that nobody pinned: signed-note has it ignored",
    "again": "the pinned key's own signature line a second time: it still signs this text",
    "dropped": "openings that a holder leaves out: what he shows is what was committed",
    "surplus": "files that the signed size does not need, and hashes or entries of a full tile "
    "beyond it, where a full tile replaced a partial one: they are no part of the signed tree",
    "earlier": "a whole earlier log in the place of a later one: it was signed too, and who kept "
    "the later checkpoint, or a receipt, notices",
}
"""What both verifiers accept although it was altered, and why."""

PARTS = 8
SHARES = {"log": 40, "long log": 2, "receipt": 20, "evidence": 16, "proof": 12, "form": 10}


def portion(kind: str, part: int):
    """A generator of chance per alteration of this kind that falls to this part."""
    for number in range(part, MUTATIONS * SHARES[kind] // 100, PARTS):
        yield number, Random(f"{kind} {number}")


def tampered(kind):
    return pytest.mark.parametrize(("kind", "part"), [(kind, part) for part in range(PARTS)])


# --- What nobody signed -----------------------------------------------------------------------


def same_note(before: bytes, after: bytes) -> bool:
    """The same text; the same signature at least once, and beside it only strangers'."""
    text, _, line = before.rpartition(b"\n\n")
    other, _, lines = after.rpartition(b"\n\n")
    own = line.rstrip(b"\n")
    mark = base64.b64decode(own.rsplit(b" ", 1)[1])[:4]

    def strange(each: bytes) -> bool:
        try:
            dash, name, text = each.split(b" ")
            signature = base64.b64decode(text, validate=True)
        except ValueError:
            return False
        line = dash == "—".encode() and name and b"+" not in name and len(signature) > 4
        spelled = base64.b64encode(signature) == text
        return bool(line and spelled and (name, signature[:4]) != (own.split(b" ")[1], mark))

    rest = lines[:-1].split(b"\n") if lines.endswith(b"\n") else []
    return text == other and own in rest and all(each == own or strange(each) for each in rest)


def same_receipt(before: bytes, after: bytes, *, whole: bool = False) -> bool:
    """The same but for the note's strangers and, unless `whole`, for openings left out."""
    head, _, note = before.partition(b"\n\n")
    other, _, noted = after.partition(b"\n\n")
    first, *rest = head.split(b"\nindex ")
    second, *others = other.split(b"\nindex ")
    if rest != others or not same_note(note, noted):
        return False
    if first == second:
        return True
    magic, extra = first.split(b"\nextra ")
    said = json.loads(base64.b64decode(extra))
    if whole or not second.startswith(magic + b"\nextra "):
        return False
    try:
        left = json.loads(base64.b64decode(second.split(b"\nextra ")[1]))
        openings = left["openings"]
    except (ValueError, TypeError, KeyError):
        return False
    kept = [each for each in said["openings"] if each in openings]
    text = json.dumps({"leaf": said["leaf"], "openings": kept}, separators=(",", ":")).encode()
    return second == magic + b"\nextra " + base64.b64encode(text)


def _found(files: Mapping[str, bytes], path: str, before: bytes) -> tuple[bytes | None, bool]:
    """What stands in a file's place, and whether more may follow it."""
    full, partial, _ = path.partition(".p/")
    if path in files:
        return files[path], False
    return files.get(full) if partial else None, True


def _first_unlike(before: bytes, found: tuple[bytes | None, bool], ends: list[int]) -> int | None:
    """Which part of a file, each of which ends at its place in `ends`, is the first to differ."""
    after, more = found
    if after == before or (more and after[: len(before)] == before):
        return None
    shorter = min(len(before), len(after))
    alike = next((at for at in range(shorter) if before[at] != after[at]), shorter)
    return sum(end <= alike for end in ends)


def first_bad(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> tuple[bool, int | None]:
    """Whether a log is altered, and its first bad entry: found by comparing bytes alone."""
    if "checkpoint" not in after or not same_note(before["checkpoint"], after["checkpoint"]):
        return True, None

    def place(path: str) -> tuple[int, bool, str]:
        level = 0 if "/entries/" in path else int(path.split("/")[1])
        return level, int(path.split("/")[2].partition(".")[0]), "/entries/" in path

    rows: dict = {}
    for path in sorted((p for p in before if p != "checkpoint"), key=place):
        level, number, _ = place(path)
        rows.setdefault((level, number), []).append(path)
    for (level, number), paths in rows.items():
        found = [_found(after, path, before[path]) for path in paths]
        if any(data is None for data, _ in found):
            return True, None
        unlike = []
        for path, each in zip(paths, found, strict=True):
            data = before[path]
            ends = list(range(32, len(data) + 1, 32))
            if "/entries/" in path:
                ends, at = [], 0
                for entry in split_bundle(data):
                    at += 2 + len(entry)
                    ends.append(at)
            unlike.append(_first_unlike(data, each, ends))
        named = [number * 256 + n for n in unlike if n is not None]
        if named:
            return True, min(named) << 8 * level
    return False, None


# --- Logs -------------------------------------------------------------------------------------


def entries_altered(random: Random, bundle: bytes) -> bytes:
    rows = tampering.rows(random, split_bundle(bundle))
    return b"".join(len(each).to_bytes(2, "big") + each for each in rows if len(each) < 1 << 16)


def hashes_altered(random: Random, tile: bytes) -> bytes:
    return b"".join(tampering.rows(random, [tile[at : at + 32] for at in range(0, len(tile), 32)]))


def rewritten(random: Random, files: dict[str, bytes], make, signer: Signer):
    """Entries, and all or only the lowest tiles to match; with the first bad entry, if named."""
    paths = sorted(p for p in files if "/entries/" in p)
    entries = [each for path in paths for each in split_bundle(files[path])]
    others = entries
    while others == entries:
        sound = make.entry(random.randrange(1 << 30)).entry
        altered = tampering.rows(random, entries)
        others = [each if each in entries else sound for each in altered]
    forged = make.log(others, signer) | {"checkpoint": files["checkpoint"]}
    if random.random() < 0.5:
        return forged, None
    upper = {path: data for path, data in files.items() if path.startswith("tile/1/")}
    pairs = zip(entries, others, strict=False)
    bad = next((n for n, (one, other) in enumerate(pairs) if one != other), len(others))
    named = upper and len(others) == len(entries) and bad < 256
    return forged | upper, 0 if named else None


def alter_log(random: Random, written, make) -> tuple[dict[str, bytes], bool, int | None]:
    """The log altered, whether that is to be noticed, and the first bad entry."""
    files = written.files
    if random.random() < 0.1:
        forged, bad = rewritten(random, files, make, written.signer)
        return forged, True, bad
    after = files
    while after == files:
        after = alter_files(random, files, make, written.signer)
    return after, *first_bad(files, after)


def alter_files(random: Random, files: dict[str, bytes], make, signer: Signer) -> dict[str, bytes]:
    after = dict(files)
    path, other = (random.choice(sorted(files)) for _ in range(2))
    what = random.randrange(12)
    if what == 0:
        del after[path]
    elif what == 1:
        after[path], after[other] = after[other], after[path]
    elif what == 2:  # the same origin, another key
        entries = [make.entry(number).entry for number in range(3)]
        return files | make.log(entries, Signer.generate(signer.name, random.randbytes))
    elif what == 3:
        after["tile/0/009" if path == "checkpoint" else f"{path}.old"] = b"more"
    elif what == 4 and ".p/" in path:
        beyond = tampering.blind(random, files[path])
        del after[path]
        full = random.choice((files[path] + beyond, beyond, files[path]))
        after[path.partition(".p/")[0]] = full
    elif path == "checkpoint":
        after[path] = tampering.text(random, files[path])
        if what == 5:
            after[path] = stranger(random, random.choice((files[path], after[path])))
    elif what < 8:
        altered = entries_altered if "/entries/" in path else hashes_altered
        after[path] = altered(random, files[path])
    else:
        after[path] = tampering.blind(random, files[path])
    if what == 11:  # a second place
        after[other] = tampering.blind(random, after[other])
    return after


def stranger(random: Random, note: bytes) -> bytes:
    """A signature line more."""
    line = base64.b64encode(random.randbytes(random.choice((5, 68, 76)))).decode()
    return note + f"— {random.choice(('w.example', 'log.example/2026'))} {line}\n".encode()


@pytest.fixture(scope="session")
def short(write):
    return write(12)


@pytest.fixture(scope="session")
def long(write):
    return write(300)


@tampered("log")
def test_notices_what_is_altered_in_a_log(kind, part, short, make):
    check_logs(kind, part, short, make)


@tampered("long log")
def test_notices_what_is_altered_in_a_log_of_two_levels(kind, part, long, make):
    check_logs(kind, part, long, make)


def check_logs(kind, part, written, make):
    for number, random in portion(kind, part):
        after, altered, index = alter_log(random, written, make)
        verdict = of_log(after, written.signer.vkey)
        assert (kind, number, verdict.holds, verdict.index) == (kind, number, not altered, index)


# --- Receipts ---------------------------------------------------------------------------------


def alter_receipt(random: Random, proofs: list[bytes]) -> bytes:
    """Of the first of these; the others are from the same log."""
    before, other = proofs[0], random.choice(proofs[1:])
    what = random.randrange(10)
    if what < 3:
        return tampering.text(random, before)
    head, _, note = before.partition(b"\n\n")
    magic, extra, index, *hashes = head.split(b"\n")
    if what == 3:
        return stranger(random, before)
    if what == 4:
        hashes = tampering.rows(random, hashes)
    elif what == 5:
        parts = [before, other]
        cut = random.choice((b"\n\n", b"\nindex "))
        return parts[0].partition(cut)[0] + cut + parts[1].partition(cut)[2]
    elif what == 6:
        note = tampering.text(random, note)
    else:
        extra = b"extra " + base64.b64encode(
            alter_extra(
                random, base64.b64decode(extra[6:]), base64.b64decode(other.split(b"\n")[1][6:])
            )
        )
    return b"\n".join([magic, extra, index, *hashes]) + b"\n\n" + note


def alter_extra(random: Random, extra: bytes, other: bytes) -> bytes:
    said, foreign = json.loads(extra), json.loads(other)
    what = random.randrange(6)
    if what == 0:
        return tampering.text(random, extra)
    if what == 1:
        said["openings"] = [o for o in said["openings"] if random.random() < 0.8]
    elif what == 2:
        said["openings"] = [
            each.decode("latin-1")
            for each in tampering.rows(random, [o.encode() for o in said["openings"]])
        ]
    elif what == 3:
        at = random.randrange(len(said["openings"]))
        said["openings"][at] = foreign["openings"][at]
    elif what == 4:
        said["leaf"] = tampering.text(random, said["leaf"].encode()).decode("latin-1")
    else:
        at = random.randrange(len(said["openings"]))
        opening = said["openings"][at]
        raw = tampering.text(random, base64.urlsafe_b64decode(opening + "=" * (-len(opening) % 4)))
        said["openings"][at] = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    return json.dumps(said, separators=(",", ":")).encode()


@tampered("receipt")
def test_notices_what_is_altered_in_a_receipt(kind, part, short):
    proofs = [each.proof.encode() for each in short.receipts]
    vkey = short.signer.vkey
    for number, random in portion(kind, part):
        random.shuffle(chosen := list(proofs))
        after = chosen[0]
        while after == chosen[0]:
            after = alter_receipt(random, chosen)
        verdict, same = of_receipt(after, vkey), same_receipt(chosen[0], after)
        assert (kind, number, verdict.holds) == (kind, number, same)
        if verdict.holds:
            index, fields = of_receipt(chosen[0], vkey).shown
            assert verdict.shown[0] == index
            assert verdict.shown[1].items() <= fields.items()


# --- Evidence ---------------------------------------------------------------------------------


def zipped(members: list[tuple[str, bytes]], random: Random) -> bytes:
    """The same members by another packer, or in another way."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, data in members:
            info = zipfile.ZipInfo(
                name, random.choice(((1980, 1, 1, 0, 0, 0), (2026, 1, 2, 3, 4, 6)))
            )
            info.compress_type = random.choice(
                (zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            )
            info.external_attr = random.choice((0o100644, 0o100644, 0o100755)) << 16
            packed.writestr(info, data)
        packed.comment = random.choice((b"", b"", b"x"))
    return out.getvalue()


def alter_evidence(random: Random, before: bytes, proofs: list[bytes]) -> bytes:
    files = layout.unpack(before)
    what = random.randrange(8)
    if what < 3:
        return tampering.blind(random, before)
    if what == 3:
        members = [*files.items()]
        change = random.randrange(5)
        if change == 0:
            random.shuffle(members)
        elif change == 1:
            members.insert(random.randrange(10), ("more.txt", b"more"))
        elif change == 2:
            del members[random.randrange(9)]
        elif change == 3:
            name, data = random.choice(members)
            members.append((f"./{name}", data))
        return zipped(members, random)
    name = random.choice(layout.NAMES)
    if name == "receipt.tlog-proof" and what < 6:
        files[name] = alter_receipt(random, proofs)
    elif (
        name in {"opened.json", "log.vkey", "README.txt", "policy.yaml", "SHA256SUMS"} and what == 4
    ):
        files[name] = tampering.respell(random, files[name])
    else:
        files[name] = tampering.text(random, files[name])
    return layout.pack(files)


def same_evidence(before: bytes, after: bytes) -> bool:
    try:
        files, others = layout.unpack(before), layout.unpack(after)
    except layout.Refused:
        return False
    return files == others


@tampered("evidence")
def test_notices_what_is_altered_in_evidence(kind, part, short, make):
    proofs = [each.proof for each in short.receipts]
    before = evidence_zip(make.body, proofs[0], make.policy, short.signer.vkey)
    for number, random in portion(kind, part):
        after = before
        while after == before:
            after = alter_evidence(random, before, [each.encode() for each in proofs])
        verdict, same = of_evidence(after, short.signer.vkey), same_evidence(before, after)
        assert (kind, number, verdict.holds) == (kind, number, same)


# --- Proofs -----------------------------------------------------------------------------------


def nodes(hashes: list[bytes]):
    return lambda level, index: grow(Edge(), hashes[index << level : (index + 1) << level]).root


@tampered("proof")
def test_notices_what_is_altered_in_a_proof(kind, part):
    hashes = [hashlib.sha256(b"%d" % n).digest() for n in range(80)]
    node = nodes(hashes)
    for number, random in portion(kind, part):
        size = random.randint(2, len(hashes))
        height = random.randrange(size.bit_length() + 1)
        start = random.randrange(-(-size >> height)) << height
        end = random.randint(start + 1, min(size, start + (1 << height)))
        if random.random() < 0.5:  # as much a whole tree as a part of one
            start = 0
        root, within = subtree_root(0, size, node), subtree_root(start, end, node)
        index = random.randrange(start, end)
        inclusion = [
            hashes[index],
            index,
            start,
            end,
            subtree_inclusion_proof(index, start, end, node),
            within,
        ]
        subtree = [start, end, within, size, root, subtree_proof(start, end, size, node)]
        for check, sound, numbers, of in (
            (of_inclusion, inclusion, (1,), "inclusion"),
            (of_subtree, subtree, (0, 1), "subtree"),
        ):
            assert check(*sound).holds, (kind, number, of)
            altered = list(sound)
            at = random.randrange(len(altered))
            value = altered[at]
            if isinstance(value, bytes):
                altered[at] = random.choice(
                    (tampering.blind(random, value), random.choice(hashes), bytes(32))
                )
            elif isinstance(value, list):
                altered[at] = tampering.rows(random, value) if value else [random.choice(hashes)]
            elif at in numbers:
                altered[at] = value + random.choice((-size, -2, -1, 1, 2, size, 1 << 40))
            else:
                # Nobody reads a size out of a proof: it is signed with the root. Both agree.
                altered[at] = max(0, value + random.choice((-1, 1, 2, size)))
                check(*altered)
                continue
            assert check(*altered).holds == (altered == sound), (kind, number, of)


# --- The form of entries ----------------------------------------------------------------------


def reformed(random: Random, leaf: dict) -> dict:
    """An entry in canonical JSON with one member that the format does not allow."""
    digests, other = leaf["_sd"], random.choice(leaf["_sd"])
    return (
        leaf
        | random.choice(
            (
                {"_sd": digests[::-1]},
                {"_sd": sorted([*digests[1:], digests[1]])},
                {"_sd": digests[1:]},
                {"_sd": sorted([*digests, "A" * 43])},
                {"_sd": [*digests[:-1], "-" * 43]},
                {"_sd": sorted([*digests[1:], "A" * 42])},
                {"envelope": other[:-1]},
                {"envelope": None},
                {"nonce": "A" * 23},
                {"nonce": "A" * 21 + "B"},
                {"hour": "2026-11-23T20Z"},  # before the entry before
                {"hour": "2026-11-23T24Z"},
                {"hour": "2026-02-29T22Z"},
                {"hour": "2026-11-23t22z"},
                {"v": 2},
                {"v": True},
                {"v": "1"},
                {"policy": leaf["policy"].upper()},
                {"policy": leaf["policy"][1:]},
                {"more": 1},
                {"kind": "tally"},
                {"open": {}},
                {"kind": "disclosure", "open": {}},
                {"kind": "tally", "open": []},
                {"kind": "tally", "open": {"\u00e9": 1}},
                {"kind": "tally", "open": {"a": 1 << 53}},
                {"kind": "tally", "open": {"a": 0.5}},
                {"kind": "tally", "open": {"a": "\ud800"}},
            )
        )
    )


def one_spelling(raw: bytes) -> bool:
    return json.dumps(json.loads(raw), sort_keys=True, separators=(",", ":")).encode() == raw


@tampered("form")
def test_takes_one_spelling_of_an_entry_even_from_the_log_itself(kind, part, make, signer):
    """Both verifiers hold the log's own key to the format: what it signs in another is refused."""
    for number, random in portion(kind, part):
        made = make.entry(number, hour="2026-11-23T22Z")
        if random.random() < 0.4:
            said = {"a": [1, "\u00e9\u2028", None, True], "b": {"c": -5}}
            made = make.entry(number, kind="tally", open=said, hour="2026-11-23T22Z")
        altered, spelled = tampering.text(random, made.entry)[:65_535], True
        if random.random() < 0.5:
            altered, spelled = (
                make.dumps(reformed(random, json.loads(make.entry(number).entry))),
                False,
            )
        first, last = (make.entry(number, hour=f"2026-11-23T{hour}Z").entry for hour in (21, 23))
        verdict = of_log(make.log([first, altered, last], signer), signer.vkey)
        may = {(False, 1), *({(True, None), (False, 2)} if spelled else ())}
        assert (verdict.holds, verdict.index) in may, number
        assert verdict.index == 1 or one_spelling(altered), number
        opening = random.choice(made.openings)
        raw = tampering.text(random, base64.urlsafe_b64decode(opening + "=="))
        text = make.b64url(raw)
        leaf = json.loads(made.entry)
        digest = make.b64url(hashlib.sha256(text.encode()).digest())
        leaf["_sd"] = sorted([digest, *leaf["_sd"][1:]])
        receipt = make.receipt(type(made)(make.dumps(leaf), [text]), signer).encode()
        shown = of_receipt(receipt, signer.vkey)
        assert not shown.holds or one_spelling(raw), number
