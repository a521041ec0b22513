"""Verifies receipts, evidence zips and whole logs; runs alone as a program.

``python verify.py FILE|DIR|URL --key VKEY [--json]`` needs this one file, the standard library
and ``cryptography``. It never imports the package; the rest of `audit` imports from here, so that
what writes the log and what verifies it agree on every byte. The formats are C2SP signed-note,
tlog-checkpoint, tlog-proof and tlog-tiles over RFC 6962 trees; the entries are specified in the
docstring of `whoisgate.audit`.

Rules: nothing is trusted but the pinned key. Every parser takes exactly one spelling of what it
reads (base64 without slack, canonical JSON, zips packed in one way), so no byte can change
unseen. Whatever does not hold raises `VerificationFailed`; nothing returns False. Sizes are
bounded before anything is read. Messages name entries, files and fields, never a field's value.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import struct
import sys
import urllib.error
import urllib.request
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from http.client import HTTPException
from itertools import islice
from pathlib import Path
from typing import Final, Union, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

JSON = Union[None, bool, int, str, Sequence["JSON"], Mapping[str, "JSON"]]  # noqa: UP007 (recursive)
Read = Callable[[str], bytes]
"""Reads one file of a log by its path; raises `OSError` or `LookupError` when there is none."""

FAILURES: Final[Mapping[str, str]] = {
    "WG401": "the key is not an Ed25519 verifier key",
    "WG402": "a note or checkpoint is malformed",
    "WG403": "a signature under the pinned key's name does not hold",
    "WG404": "the pinned key did not sign",
    "WG405": "the checkpoint is another log's",
    "WG406": "a proof is malformed",
    "WG407": "an inclusion proof does not lead to the root",
    "WG408": "a consistency proof does not lead to both roots",
    "WG409": "an entry is malformed",
    "WG410": "an opening is malformed or not committed by the entry",
    "WG411": "the entry is about something else than what was asked",
    "WG412": "the entry commits to another body",
    "WG413": "the evidence is not packed as specified",
    "WG414": "the evidence names another log key than the pinned one",
    "WG415": "the policy is not the one that the entry names",
    "WG416": "the evidence's readable parts differ from what is proved",
    "WG417": "a file of the log cannot be read or is too large",
    "WG418": "an entry or tile is not what the tree holds",
    "WG419": "the entries do not hash to the signed root",
    "WG420": "the hours of the entries go back",
    "WG421": "this is no evidence zip, proof or log",
}
"""Every cause of failure by its stable number."""

SLOTS: Final = 24
COMMITTED: Final = (
    *("kind", "decided_at", "logged_at", "node", "sequence", "authority", "person"),
    *("requester_class", "domain", "purpose", "basis", "case", "asked", "released", "outcome"),
    *("question", "view", "body", "source", "record_version", "context", "approval", "detail"),
)
"""Names of committed fields in slot order; openings come in this order."""
OPEN_KINDS: Final = ("inception", "policy", "key", "tally", "erasure", "recovery")

TILE_WIDTH: Final = 256
ENTRY_LIMIT_BYTES: Final = 65_535
NOTE_LIMIT_BYTES: Final = 1 << 18
PROOF_LIMIT_BYTES: Final = 1 << 20
SIGNATURES_LIMIT: Final = 100
PROOF_LIMIT_HASHES: Final = 63
READ_TIMEOUT_S: Final = 30.0
ED25519: Final = b"\x01"
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
_HASH_BYTES: Final = 32
_SAFE_INTEGER: Final = (1 << 53) - 1
_BUNDLE_LIMIT_BYTES: Final = TILE_WIDTH * (2 + ENTRY_LIMIT_BYTES)


class VerificationFailed(Exception):
    """Something does not hold; ``code`` is a key of `FAILURES`, ``index`` the entry's number."""

    def __init__(self, code: str, message: str, index: int | None = None) -> None:
        super().__init__(message)
        self.code, self.index = code, index


# --- Encodings ------------------------------------------------------------------------------


def canonical_json(value: object) -> bytes:
    """One spelling per value: ASCII, keys sorted, no white space; RFC 8785 for printable ASCII.

    Takes null, booleans, integers within ±(2⁵³-1), strings, lists and objects with ASCII keys.
    Raises `TypeError` for anything else, `ValueError` for a larger integer or half a surrogate.
    """
    _refuse_ambiguous(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    if "\\ud" in text:
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    return text.encode("ascii")


def _refuse_ambiguous(value: object) -> None:
    if value is None or isinstance(value, (str, bool)):
        return
    if isinstance(value, int):
        if not -_SAFE_INTEGER <= value <= _SAFE_INTEGER:
            raise ValueError("expected an integer within 2**53 - 1")
    elif isinstance(value, dict):
        if not all(isinstance(key, str) and key.isascii() for key in value):
            raise TypeError("expected ASCII strings as keys")
        for item in value.values():
            _refuse_ambiguous(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _refuse_ambiguous(item)
    else:
        raise TypeError(f"expected JSON without floats, got `{type(value).__name__}`")


def b64url(data: bytes) -> str:
    """Base64url without padding (RFC 4648 §5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64url(text: str) -> bytes:
    """What `b64url` encoded; any other spelling raises `ValueError`."""
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if b64url(data) != text:
        raise ValueError("expected base64url without padding")
    return data


def _unb64(text: str) -> bytes:
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("expected base64 in its one spelling")
    return data


def _load_canonical(data: bytes) -> JSON:
    """The value whose canonical JSON is ``data``; raises `ValueError`."""
    try:
        value = json.loads(data)
        same = canonical_json(value) == data
    except (TypeError, RecursionError) as error:
        raise ValueError("expected canonical JSON") from error
    if not same:
        raise ValueError("expected canonical JSON")
    return cast("JSON", value)


def _number(text: str) -> int:
    if not re.fullmatch(r"0|[1-9][0-9]{0,17}", text):
        raise ValueError("expected a decimal number")
    return int(text)


# --- The tree (RFC 6962 §2.1) ---------------------------------------------------------------


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf; RFC 6962 §2.1."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node; RFC 6962 §2.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Root over leaf hashes (32 bytes each) in log order; RFC 6962 §2.1.

    Also right over the roots of equal complete subtrees, the last of which may be smaller. No
    hashes: the hash of the empty string.
    """
    if not hashes:
        return EMPTY_ROOT
    sha256, row = hashlib.sha256, list(hashes)
    while len(row) > 1:
        lone = row[-1:] if len(row) % 2 else []
        pairs = zip(row[::2], row[1::2], strict=False)
        row = [sha256(b"\x01" + left + right).digest() for left, right in pairs] + lone
    return row[0]


def _sized(hashes: Sequence[bytes], code: str) -> None:
    if any(len(each) != _HASH_BYTES for each in hashes):
        raise VerificationFailed(code, "expected hashes of `32` bytes")


def _left_size(size: int) -> int:
    """Leaves in the left half of a tree: the largest power of two below ``size``."""
    return 1 << ((size - 1).bit_length() - 1)


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Raises unless ``proof`` leads from the leaf hash at ``index`` to the root; RFC 6962 §2.1.1.

    An empty tree includes nothing.
    """
    if not 0 <= index < size:
        raise VerificationFailed("WG407", f"a tree of size `{size}` has no entry `{index}`")
    verify_subtree_inclusion(leaf, index, 0, size, proof, root)


def verify_consistency(
    old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> None:
    """Raises unless the tree of ``size`` begins with the older tree; RFC 6962 §2.1.2.

    Equal sizes need equal roots and no proof. An empty older tree is refused: every tree begins
    with it, so such a proof would show nothing.
    """
    verify_subtree(0, old_size, old_root, size, root, proof)


def is_subtree(start: int, end: int) -> bool:
    """Whether ``[start, end)`` is a subtree (draft-ietf-plants-merkle-tree-certs §4.1).

    ``start`` is a multiple of the least power of two that is no smaller than its size. The draft's
    empty subtrees are none here: a proof about no leaf would show nothing.
    """
    return 0 <= start < end and start % (1 << (end - start - 1).bit_length()) == 0


def verify_subtree_inclusion(  # noqa: PLR0917 (the parts of a proof)
    leaf: bytes, index: int, start: int, end: int, proof: Sequence[bytes], root: bytes
) -> None:
    """As `verify_inclusion`, of leaf ``index`` of the log in the subtree ``[start, end)``.

    draft-ietf-plants-merkle-tree-certs §4.3.
    """
    _sized((leaf, root, *proof), "WG407")
    if not is_subtree(start, end) or not start <= index < end:
        what = f"no subtree from `{start}` to `{end}` has an entry `{index}`"
        raise VerificationFailed("WG407", what)
    rest = list(reversed(proof))

    def climb(index: int, size: int) -> bytes:
        if size == 1:
            return leaf
        middle = _left_size(size)
        if index < middle:
            return node_hash(climb(index, middle), rest.pop())
        right = climb(index - middle, size - middle)
        return node_hash(rest.pop(), right)

    try:
        same = climb(index - start, end - start) == root
    except IndexError:
        raise VerificationFailed("WG407", "the inclusion proof is too short", index) from None
    if rest or not same:
        raise VerificationFailed("WG407", "the inclusion proof does not lead to the root", index)


def verify_subtree(  # noqa: PLR0917 (the parts of a proof)
    start: int, end: int, part: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> None:
    """Raises unless leaves ``[start, end)``, whose root is ``part``, are those of the tree.

    C2SP tlog-cosignature's subtrees, by draft-ietf-plants-merkle-tree-certs §4.4.
    """
    _sized((part, root, *proof), "WG408")
    if not is_subtree(start, end) or end > size:
        what = f"no consistency proof from `{start}` to `{end}` in size `{size}`"
        raise VerificationFailed("WG408", what)
    rest = list(reversed(proof))

    def climb(start: int, end: int, size: int, *, whole: bool) -> tuple[bytes, bytes]:
        """The roots that the proof gives to the subtree and to all of these ``size`` leaves."""
        if (start, end) == (0, size):
            known = part if whole else rest.pop()
            return known, known
        middle = _left_size(size)
        if end <= middle:
            within, all_ = climb(start, end, middle, whole=whole)
            return within, node_hash(all_, rest.pop())
        if start >= middle:
            within, all_ = climb(start - middle, end - middle, size - middle, whole=whole)
            return within, node_hash(rest.pop(), all_)
        within, all_ = climb(0, end - middle, size - middle, whole=False)
        left = rest.pop()
        return node_hash(left, within), node_hash(left, all_)

    try:
        same = climb(start, end, size, whole=True) == (part, root)
    except IndexError:
        raise VerificationFailed("WG408", "the consistency proof is too short") from None
    if rest or not same:
        raise VerificationFailed("WG408", "the consistency proof does not lead to both roots")


# --- Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint) -----------------------


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under a name; ``public`` is the Ed25519 key's 32 bytes."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not self.name.isprintable() or not re.fullmatch(r"[^\s+]+", self.name):
            raise VerificationFailed("WG401", "expected a key name without spaces and `+`")
        if len(self.public) != _HASH_BYTES:
            raise VerificationFailed("WG401", "expected an Ed25519 key of `32` bytes")

    @property
    def key_id(self) -> bytes:
        """Four bytes that stand before each signature."""
        head = self.name.encode() + b"\n" + ED25519
        return hashlib.sha256(head + self.public).digest()[:4]

    @property
    def text(self) -> str:
        """The vkey, as it is published."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raises when the signature is not this key's over ``message``."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            raise VerificationFailed("WG403", f"the signature of `{self.name}` fails") from None


def parse_vkey(text: str) -> VerifierKey:
    """The key of ``name+hex(id)+base64(01 ‖ key)``; only Ed25519, only the recommended id."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        material = _unb64(encoded)
    except ValueError:
        material = b""
    if material[:1] != ED25519:
        raise VerificationFailed("WG401", "expected `name+id+key`, an Ed25519 verifier key")
    key = VerifierKey(name, material[1:])
    if key_id != key.key_id.hex():
        raise VerificationFailed("WG401", "the key's id does not belong to name and key")
    return key


_SIGNATURE_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_NOT_IN_NOTES = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")


def open_note(note: str, key: VerifierKey) -> str:
    """The signed text, LF at its end. Unknown keys are ignored.

    Raises when a signature of ``key`` fails, and when there is none.
    """
    text, blank, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if len(note) > NOTE_LIMIT_BYTES or len(lines) > SIGNATURES_LIMIT:
        raise VerificationFailed("WG402", "the note is too large")
    if not blank or lines.pop() or not lines or _NOT_IN_NOTES.search(note):
        raise VerificationFailed("WG402", "expected a text, a blank line and signatures")
    message, trusted = f"{text}\n", False
    for line in lines:
        name, key_id, signature = _signature(line)
        if name == key.name and key_id == key.key_id:
            key.verify(signature, message.encode())
            trusted = True
    if not trusted:
        raise VerificationFailed("WG404", f"`{key.name}` with the pinned key did not sign")
    return message


def _signature(line: str) -> tuple[str, bytes, bytes]:
    match = _SIGNATURE_LINE.fullmatch(line)
    try:
        raw = _unb64(match[2]) if match else b""
    except ValueError:
        raw = b""
    if match is None or len(raw) <= len(b"name"):
        raise VerificationFailed("WG402", "a signature line is malformed")
    return match[1], raw[:4], raw[4:]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's tree head: ``root`` (32 bytes) over ``size`` entries."""

    origin: str
    size: int
    root: bytes


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint in a note's text. Extension lines are allowed and ignored."""
    lines = text.split("\n")
    if lines.pop() or len(lines) < len(Checkpoint.__slots__) or not all(lines):
        raise VerificationFailed("WG402", "expected origin, size and root on lines of their own")
    try:
        size, root = _number(lines[1]), _unb64(lines[2])
    except ValueError:
        raise VerificationFailed("WG402", "the checkpoint's size or root is malformed") from None
    _sized((root,), "WG402")
    return Checkpoint(lines[0], size, root)


def open_checkpoint(note: str, key: VerifierKey) -> Checkpoint:
    """The checkpoint that ``key`` signed for the log of its own name."""
    checkpoint = parse_checkpoint(open_note(note, key))
    if checkpoint.origin != key.name:
        raise VerificationFailed("WG405", f"expected a checkpoint of `{key.name}`")
    return checkpoint


# --- Proofs (C2SP tlog-proof) ---------------------------------------------------------------

PROOF_HEADER: Final = "c2sp.org/tlog-proof@v1"
_PROOF_HEAD = re.compile(
    re.escape(PROOF_HEADER) + r"(?:\nextra ([^\n]+))?\nindex ([0-9]+)((?:\n[^\n]+)*)"
)


@dataclass(frozen=True, slots=True)
class Proof:
    """A ``.tlog-proof``, parsed and not yet verified; ``hashes`` from leaf to root."""

    extra: bytes | None
    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str


def parse_proof(text: str) -> Proof:
    """The parts of a ``.tlog-proof``; the checkpoint is kept verbatim and unread."""
    head, blank, checkpoint = text.partition("\n\n")
    match = _PROOF_HEAD.fullmatch(head)
    if len(text) > PROOF_LIMIT_BYTES or not blank or not checkpoint or match is None:
        raise VerificationFailed("WG406", f"expected `{PROOF_HEADER}`, an index and a checkpoint")
    try:
        extra = _unb64(match[1]) if match[1] else None
        hashes = tuple(_unb64(line) for line in match[3].split("\n")[1:])
        proof = Proof(extra, _number(match[2]), hashes, checkpoint)
    except ValueError:
        raise VerificationFailed("WG406", "a line of the proof is malformed") from None
    _sized(proof.hashes, "WG406")
    if len(proof.hashes) > PROOF_LIMIT_HASHES:
        raise VerificationFailed("WG406", "the proof has too many hashes")
    return proof


def format_proof(proof: Proof) -> str:
    """The text that `parse_proof` reads; no extra line for empty ``extra``."""
    lines = [PROOF_HEADER]
    if proof.extra:
        lines.append("extra " + base64.b64encode(proof.extra).decode())
    lines.append(f"index {proof.index}")
    lines += [base64.b64encode(each).decode() for each in proof.hashes]
    return "\n".join(lines) + "\n\n" + proof.checkpoint


# --- Tiles (C2SP tlog-tiles) ----------------------------------------------------------------


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Where a tile of hashes lies: ``tile/0/x001/067``, and ``….p/5`` when partial."""
    return f"tile/{level}/{_tile_number(index, width)}"


def entries_path(index: int, width: int = TILE_WIDTH) -> str:
    """Where an entry bundle lies: ``tile/entries/x001/067``."""
    return f"tile/entries/{_tile_number(index, width)}"


def _tile_number(index: int, width: int) -> str:
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03}")
    return "/".join(reversed(groups)) + (f".p/{width}" if width < TILE_WIDTH else "")


def split_bundle(bundle: bytes) -> list[bytes]:
    """The entries of a bundle: uint16 lengths, and nothing left over."""
    return list(_frames(bundle, 0))


def _frames(bundle: bytes, start: int) -> Iterator[bytes]:
    at, index, end = 0, start, len(bundle)
    while at < end:
        begin = at + 2
        at = begin + int.from_bytes(bundle[at:begin], "big")
        if begin > end or at > end:
            raise VerificationFailed("WG409", "the bundle ends within an entry", index)
        yield bundle[begin:at]
        index += 1


# --- Entries and openings -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Leaf:
    """One entry as everybody can read it; ``kind`` and ``open`` only in public kinds."""

    nonce: bytes
    hour: str
    policy: str
    digests: tuple[str, ...]
    envelope: str
    kind: str | None = None
    open: Mapping[str, JSON] | None = None


_DIGEST = rb"[\w-]{42}[AEIMQUYcgkosw048]"
_LEAF = re.compile(
    rb'\{"_sd":\["(' + b'","'.join([_DIGEST] * SLOTS) + rb')"\],"envelope":"(' + _DIGEST + rb')",'
    rb'"hour":"(\d{4}-\d\d-\d\dT\d\dZ)",(?:"kind":"(' + "|".join(OPEN_KINDS).encode() + rb')",)?'
    rb'"nonce":"([\w-]{21}[AQgw])",(?:"open":(\{.*\}),)?"policy":"([0-9a-f]{64})","v":1\}'
)
"""The canonical JSON of an entry: fixed members in sorted order leave only one spelling."""


@lru_cache(maxsize=64)
def _is_hour(hour: bytes) -> bool:
    try:
        return bool(datetime.strptime(hour.decode() + "+0000", "%Y-%m-%dT%HZ%z"))
    except ValueError:
        return False


def _match(entry: bytes, index: int | None) -> re.Match[bytes]:
    """The entry's parts, after every check of the specification."""
    match = _LEAF.fullmatch(entry) if len(entry) <= ENTRY_LIMIT_BYTES else None
    if match is None:
        raise VerificationFailed("WG409", "not an entry of format 1", index)
    digests, _, hour, kind, _, public, _ = match.groups()
    listed = digests.split(b'","')
    if listed != sorted(set(listed)):
        raise VerificationFailed("WG409", "the digests are not sorted or not distinct", index)
    if not _is_hour(hour):
        raise VerificationFailed("WG409", "the hour does not exist", index)
    if (kind is None) != (public is None):
        raise VerificationFailed("WG409", "expected `kind` and `open` together", index)
    if public is not None:
        _public(public, index)
    return match


def _public(text: bytes, index: int | None) -> Mapping[str, JSON]:
    try:
        return cast("Mapping[str, JSON]", _load_canonical(text))
    except ValueError:
        raise VerificationFailed("WG409", "`open` is not canonical JSON", index) from None


def parse_leaf(entry: bytes, index: int | None = None) -> Leaf:
    """The entry, strictly as specified; ``index`` only names it in a failure."""
    match = _match(entry, index)
    digests, envelope, hour, kind, nonce, public, policy = match.groups()
    return Leaf(
        nonce=unb64url(nonce.decode()),
        hour=hour.decode(),
        policy=policy.decode(),
        digests=tuple(digests.decode().split('","')),
        envelope=envelope.decode(),
        kind=kind.decode() if kind else None,
        open=_public(public, index) if public else None,
    )


def opening(salt: bytes, name: str, value: object) -> str:
    """What opens one committed field (RFC 9901 §4.2.1); the salt has 16 bytes."""
    return b64url(canonical_json([b64url(salt), name, value]))


def opening_digest(text: str) -> str:
    """The digest in ``_sd`` of an opening (RFC 9901 §4.2.3)."""
    return b64url(hashlib.sha256(text.encode("ascii")).digest())


def open_fields(leaf: Leaf, openings: Sequence[str]) -> dict[str, JSON]:
    """Field values by name, in slot order, as the openings come.

    Raises unless every opening is committed by the entry, well-formed, and after the one before
    in slot order, so that no field can come twice.
    """
    fields: dict[str, JSON] = {}
    slot, committed = -1, frozenset(leaf.digests)
    for text in openings:
        name, value = _read_opening(text)
        if opening_digest(text) not in committed:
            raise VerificationFailed("WG410", f"the entry does not commit to this `{name}`")
        if COMMITTED.index(name) <= slot:
            raise VerificationFailed("WG410", f"`{name}` comes twice or out of order")
        slot, fields[name] = COMMITTED.index(name), value
    return fields


def _read_opening(text: str) -> tuple[str, JSON]:
    try:
        match _load_canonical(unb64url(text)):
            case [str(salt), str(name), value] if len(unb64url(salt)) == 16 and name in COMMITTED:  # noqa: PLR2004 (the specification's salt)
                return name, value
    except ValueError:
        pass
    raise VerificationFailed("WG410", "an opening is malformed")


# --- Receipts and answers -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """Entry ``index`` is in the log ``origin``, signed at ``size``; ``fields`` are opened."""

    origin: str
    index: int
    size: int
    leaf: Leaf
    fields: Mapping[str, JSON]

    def sentences(self) -> list[str]:
        """What was shown, one sentence per check."""
        return [
            f"The pinned key signed the log `{self.origin}` of {self.size} entries.",
            f"Entry {self.index}, logged in the hour {self.leaf.hour}, is in that log.",
            f"The entry commits to these {len(self.fields)} fields:",
            *(f"  {name}: {json.dumps(value)}" for name, value in self.fields.items()),
        ]


def receipt_extra(leaf: bytes, openings: Sequence[str]) -> bytes:
    """The ``extra`` of a receipt: the entry's text and what opens its fields, in slot order."""
    return canonical_json({"leaf": leaf.decode("ascii"), "openings": list(openings)})


def _read_extra(extra: bytes | None) -> tuple[bytes, list[str]]:
    try:
        match _load_canonical(extra or b""):
            case {"leaf": str(leaf), "openings": [*openings], **more} if not more:
                if all(isinstance(each, str) for each in openings):
                    return leaf.encode("ascii"), cast("list[str]", openings)
    except ValueError:
        pass
    raise VerificationFailed("WG406", "the proof's extra data is no entry with openings")


def verify_receipt(proof_text: str, key: VerifierKey) -> VerifiedReceipt:
    """What a receipt proves: its entry is in the log of ``key``, and opens to these fields."""
    proof = parse_proof(proof_text)
    checkpoint = open_checkpoint(proof.checkpoint, key)
    entry, openings = _read_extra(proof.extra)
    size, root = checkpoint.size, checkpoint.root
    verify_inclusion(leaf_hash(entry), proof.index, size, proof.hashes, root)
    leaf = parse_leaf(entry, proof.index)
    return VerifiedReceipt(key.name, proof.index, size, leaf, open_fields(leaf, openings))


def verify_answer(
    body: bytes, proof_text: str, key: VerifierKey, *, expected: Mapping[str, JSON] | None = None
) -> VerifiedReceipt:
    """The receipt, verified, and that it commits to exactly these bytes.

    Every field of ``expected`` must be opened with just that value, so that a receipt for another
    question is refused.
    """
    receipt = verify_receipt(proof_text, key)
    if receipt.fields.get("body") != hashlib.sha256(body).hexdigest():
        raise VerificationFailed("WG412", "the entry commits to another body", receipt.index)
    for name, value in (expected or {}).items():
        got = receipt.fields.get(name)
        if name not in receipt.fields or canonical_json(got) != canonical_json(value):
            raise VerificationFailed("WG411", f"`{name}` is not what was asked", receipt.index)
    return receipt


# --- Evidence zips --------------------------------------------------------------------------

EVIDENCE_LIMITS_BYTES: Final[Mapping[str, int]] = {
    "answer.json": 1 << 22,
    "receipt.tlog-proof": PROOF_LIMIT_BYTES,
    "policy.yaml": 1 << 22,
    "log.vkey": 1 << 10,
    "opened.json": PROOF_LIMIT_BYTES,
    "README.txt": 1 << 14,
}
"""The members of an evidence zip in order, each with its largest size."""

EVIDENCE_READMES: Final = (
    """\
Evidence of one disclosure of registration data

answer.json         the answer, byte for byte as it was given
receipt.tlog-proof  proof that the audit log holds an entry about this answer (C2SP tlog-proof)
opened.json         the fields of that entry: who asked, when, why, for what, what was released
policy.yaml         the policy that decided
log.vkey            the public key of the log, for comparison

To verify, get the log's public key from somebody you trust, not from this file, and run

    whoisgate verify THIS.zip --key KEY

or, with nothing but Python and its package "cryptography", the file audit/verify.py of whoisgate:

    python verify.py THIS.zip --key KEY

It shows that the log signed a tree that holds the entry, that the entry commits to exactly this
answer, these fields and this policy, and that nothing in this file was changed or repacked.
""",
)
"""Texts that README.txt may have, oldest first; never edited, or old evidence would fail."""

_LOCAL, _CENTRAL, _END = "<4s5H3L2H", "<4s4B4H3L5H2L", "<4s4H2LH"
_DAY_ONE: Final = 1 << 5 | 1
"""1980-01-01, the first date a zip knows."""


def pack_evidence(members: Mapping[str, bytes]) -> bytes:
    """The one zip of these members: stored, dated 1980-01-01, in the order of the limits."""
    body, directory = b"", b""
    for name in EVIDENCE_LIMITS_BYTES:
        raw, content = name.encode(), members[name]
        sums = (zlib.crc32(content), len(content), len(content), len(raw))
        directory += struct.pack(
            *(_CENTRAL, b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, _DAY_ONE, *sums),
            *(0, 0, 0, 0, 0o100644 << 16, len(body)),
        )
        directory += raw
        body += struct.pack(_LOCAL, b"PK\x03\x04", 20, 0, 0, 0, _DAY_ONE, *sums, 0)
        body += raw + content
    count = len(EVIDENCE_LIMITS_BYTES)
    sizes = (len(directory), len(body))
    return body + directory + struct.pack(_END, b"PK\x05\x06", 0, 0, count, count, *sizes, 0)


def _unpack_evidence(data: bytes) -> dict[str, bytes]:
    """The members of exactly what `pack_evidence` makes; nothing is ever decompressed."""
    members: dict[str, bytes] = {}
    at, header = 0, struct.calcsize(_LOCAL)
    for name, limit in EVIDENCE_LIMITS_BYTES.items():
        size = int.from_bytes(data[at + 22 : at + 26], "little")
        if data[at + header :][: len(name)] != name.encode() or size > limit:
            raise VerificationFailed("WG413", f"`{name}` is too large or not at its place")
        begin = at + header + len(name)
        at = begin + size
        members[name] = data[begin:at]
    if pack_evidence(members) != data:
        raise VerificationFailed("WG413", "the zip was altered, or packed by something else")
    return members


def opened_json(fields: Mapping[str, JSON]) -> bytes:
    """The bytes of ``opened.json``: indented ASCII, in slot order."""
    return json.dumps(fields, indent=2).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class EvidenceReport:
    """What an evidence zip proves: the receipt, the bytes that were given, and the policy."""

    receipt: VerifiedReceipt
    body: bytes
    policy: str

    def sentences(self) -> list[str]:
        """What was shown, one sentence per check."""
        return [
            *self.receipt.sentences(),
            f"The entry commits to the answer ({len(self.body)} bytes), byte for byte.",
            "The entry names the enclosed policy by its digest.",
            "The log's key, the readable fields and the packing are as they must be.",
        ]


def verify_evidence(evidence: bytes | Path, key: VerifierKey) -> EvidenceReport:
    """What the zip proves under the pinned key; every byte of it is checked."""
    limit = sum(EVIDENCE_LIMITS_BYTES.values()) + (1 << 12)
    data = evidence if isinstance(evidence, bytes) else _read_bounded(evidence, limit)
    members = _unpack_evidence(data)
    if members["log.vkey"] != key.text.encode() + b"\n":
        raise VerificationFailed("WG414", "the evidence names another log key than the pinned one")
    body = members["answer.json"]
    receipt = verify_answer(body, _text(members["receipt.tlog-proof"], "WG406"), key)
    if hashlib.sha256(members["policy.yaml"]).hexdigest() != receipt.leaf.policy:
        raise VerificationFailed("WG415", "the policy is not the one in force", receipt.index)
    if members["opened.json"] != opened_json(receipt.fields):
        raise VerificationFailed("WG416", "`opened.json` differs from the receipt", receipt.index)
    if _text(members["README.txt"], "WG416") not in EVIDENCE_READMES:
        raise VerificationFailed("WG416", "`README.txt` was altered", receipt.index)
    return EvidenceReport(receipt, body, _text(members["policy.yaml"], "WG415"))


def _text(data: bytes, code: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise VerificationFailed(code, "expected UTF-8") from None


# --- Whole logs -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogReport:
    """A log in which every entry, tile and the signed root agree."""

    origin: str
    size: int
    root: bytes
    public: Mapping[str, int]
    first_hour: str
    last_hour: str

    def sentences(self) -> list[str]:
        """What was shown, one sentence per check."""
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(self.public.items()))
        return [
            f"The pinned key signed the log `{self.origin}` of {self.size} entries.",
            "Every entry is well-formed.",
            f"The hours never go back: {self.first_hour or 'none'} to {self.last_hour or 'none'}.",
            f"Entries public by nature: {counts or 'none'}.",
            f"All tiles hold what the entries hash to, up to the signed root {self.root.hex()}.",
        ]


class _Walk:
    """One pass over a log: hashes entries, compares tiles, keeps one unfinished tile per level."""

    def __init__(self, read: Read, size: int) -> None:
        self.read, self.size = read, size
        self.rows: list[list[bytes]] = [[]]
        self.done = [0]
        self.public: Counter[str] = Counter()
        self.first_hour = self.last_hour = b""

    def bundle(self, start: int) -> None:
        """Check up to 256 entries from ``start`` against the format and their tile."""
        number, width = start // TILE_WIDTH, min(TILE_WIDTH, self.size - start)
        tile = self.tile(0, number, width)
        bundle, whole = _fetch(self.read, lambda w: entries_path(number, w), width)
        frames, row, sha256, at = _frames(bundle, start), self.rows[0], hashlib.sha256, 0
        for index, entry in enumerate(islice(frames, width), start):
            digest = sha256(b"\x00" + entry).digest()
            if digest != tile[at : at + 32]:
                raise VerificationFailed("WG418", "the entry is not what the tree holds", index)
            self.entry(entry, index)
            row.append(digest)
            at += 32
        if len(row) != width or (whole and next(frames, None) is not None):
            at_fault = start + len(row)
            raise VerificationFailed("WG418", f"expected a bundle of `{width}` entries", at_fault)
        self.compare(0, tile)
        if width == TILE_WIDTH:
            self.climb(0)

    def entry(self, entry: bytes, index: int) -> None:
        """Check one entry on its own and against the hour before."""
        match = _match(entry, index)
        hour, kind = match[3], match[4]
        if hour < self.last_hour:
            raise VerificationFailed("WG420", "the hour is before that of the last entry", index)
        self.first_hour, self.last_hour = self.first_hour or hour, hour
        if kind:
            self.public[kind.decode()] += 1

    def climb(self, level: int) -> None:
        """Put a finished tile's root into the level above, and compare that when it is full."""
        if level + 1 == len(self.rows):
            self.rows.append([])
            self.done.append(0)
        self.rows[level + 1].append(root_of(self.rows[level]))
        self.rows[level].clear()
        self.done[level] += 1
        if len(self.rows[level + 1]) == TILE_WIDTH:
            self.upper(level + 1)
            self.climb(level + 1)

    def upper(self, level: int) -> None:
        """Compare the current tile of a level above the leaves."""
        self.compare(level, self.tile(level, self.done[level], len(self.rows[level])))

    def tile(self, level: int, number: int, width: int) -> bytes:
        """The hashes that the log published at this place."""
        tile, whole = _fetch(self.read, lambda w: tile_path(level, number, w), width)
        return tile if whole else tile[: width * _HASH_BYTES]

    def compare(self, level: int, tile: bytes) -> None:
        """Raises, naming the first entry concerned, unless the tile is this level's row."""
        row, number = self.rows[level], self.done[level]
        if tile == b"".join(row):
            return
        same = (each == tile[32 * i : 32 * i + 32] for i, each in enumerate(row))
        wrong = next((i for i, ok in enumerate(same) if not ok), len(row))
        first = (number * TILE_WIDTH + wrong) * TILE_WIDTH**level
        path = tile_path(level, number, len(row))
        raise VerificationFailed("WG418", f"`{path}` is not what the entries hash to", first)

    def root(self) -> bytes:
        """Compare the unfinished tiles, then give the root over all rows."""
        tail: list[bytes] = []
        for level, row in enumerate(self.rows):
            if level and row:
                self.upper(level)
            tail = [root_of(row + tail)] if row or tail else []
        return root_of(tail)


def _fetch(read: Read, path: Callable[[int], str], width: int) -> tuple[bytes, bool]:
    """A tile or bundle, and whether it is no longer than ``width``.

    A partial tile may go once the full one exists; then the full one is taken in its place.
    """
    for each in dict.fromkeys((width, TILE_WIDTH)):
        try:
            return read(path(each)), each == width
        except (OSError, LookupError):
            continue
    raise VerificationFailed("WG417", f"`{path(width)}` cannot be read")


def verify_log(
    read: Read, key: VerifierKey, progress: Callable[[int, int], None] | None = None
) -> LogReport:
    """Reads the whole log and checks every entry, every tile and the signed root.

    The failure names the first bad entry. Memory stays flat. ``progress`` gets the entries done
    and the size. Not checked: that the log shows everybody the same (witnesses do that).
    """
    try:
        note = read("checkpoint")
    except (OSError, LookupError):
        raise VerificationFailed("WG417", "`checkpoint` cannot be read") from None
    checkpoint = open_checkpoint(_text(note, "WG402"), key)
    walk = _Walk(read, checkpoint.size)
    for start in range(0, checkpoint.size, TILE_WIDTH):
        walk.bundle(start)
        if progress:
            progress(min(start + TILE_WIDTH, checkpoint.size), checkpoint.size)
    if walk.root() != checkpoint.root:
        raise VerificationFailed("WG419", "the entries do not hash to the signed root")
    head = (checkpoint.origin, checkpoint.size, checkpoint.root)
    return LogReport(*head, dict(walk.public), walk.first_hour.decode(), walk.last_hour.decode())


def directory_reader(folder: Path) -> Read:
    """Reads the files of a log from a folder."""
    return lambda path: _read_bounded(folder / path, _BUNDLE_LIMIT_BYTES)


def url_reader(url: str) -> Read:
    """Reads the files of a log over http, https or file, bounded in size and time."""

    def read(path: str) -> bytes:
        address = f"{url.rstrip('/')}/{path}"
        try:
            with urllib.request.urlopen(address, timeout=READ_TIMEOUT_S) as answer:  # noqa: S310 (the scheme is checked by `recognise`)
                data = cast("bytes", answer.read(_BUNDLE_LIMIT_BYTES + 1))
        except urllib.error.HTTPError as error:
            error.close()
            raise
        except (HTTPException, ValueError) as error:
            raise OSError("the server gave no usable answer") from error
        return _bounded(data, _BUNDLE_LIMIT_BYTES, path)

    return read


def _read_bounded(file: Path, limit: int) -> bytes:
    with file.open("rb") as stream:
        return _bounded(stream.read(limit + 1), limit, file.name)


def _bounded(data: bytes, limit: int, name: str) -> bytes:
    if len(data) > limit:
        raise VerificationFailed("WG417", f"`{name}` is larger than `{limit}` bytes")
    return data


# --- The program ----------------------------------------------------------------------------

Report = LogReport | EvidenceReport | VerifiedReceipt


def recognise(target: str, key: VerifierKey) -> Report:
    """Verifies what ``target`` is: a URL or folder of a log, a gate's folder, a zip, a proof.

    Raises `FileNotFoundError` when there is nothing of that name.
    """
    if re.match(r"(https?|file)://", target):
        return verify_log(url_reader(target), key)
    path = Path(target)
    if path.is_dir():
        folder = path if (path / "checkpoint").exists() else path / "log"
        return verify_log(directory_reader(folder), key)
    with path.open("rb") as stream:
        head = stream.read(len(PROOF_HEADER))
    if head.startswith(b"PK\x03\x04"):
        return verify_evidence(path, key)
    if head == PROOF_HEADER.encode():
        return verify_receipt(_text(_read_bounded(path, PROOF_LIMIT_BYTES), "WG406"), key)
    raise VerificationFailed("WG421", "expected an evidence zip, a proof or a log")


def _key_of(text: str) -> VerifierKey:
    if text.count("+") > 1:
        return parse_vkey(text)
    return parse_vkey(_text(_read_bounded(Path(text), 1 << 10), "WG401").removesuffix("\n"))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program: 0 verified, 1 not verified, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="verify", description="Verify a log or evidence from it.")
    parser.add_argument("target", help="evidence zip, .tlog-proof, folder or URL of a log")
    parser.add_argument("--key", required=True, help="the log's pinned public key, or its file")
    parser.add_argument("--json", action="store_true", help="one JSON object for programs")
    args = parser.parse_args(argv)
    try:
        key = _key_of(args.key)
    except (VerificationFailed, OSError) as error:
        parser.error(f"--key: {error}")
    try:
        report = recognise(args.target, key)
    except OSError as error:
        parser.error(f"cannot read `{args.target}`: {error.strerror}")
    except VerificationFailed as failure:
        sys.stdout.write(_failure(failure, as_json=args.json))
        return 1
    shown = _as_json(report) if args.json else "\n".join([*report.sentences(), "Verified."])
    sys.stdout.write(f"{shown}\n")
    return 0


def _as_json(report: Report) -> str:
    what = {LogReport: "log", EvidenceReport: "evidence", VerifiedReceipt: "receipt"}
    facts = asdict(report.receipt if isinstance(report, EvidenceReport) else report)
    return json.dumps({"verified": what[type(report)], **facts}, default=bytes.hex)


def _failure(failure: VerificationFailed, *, as_json: bool) -> str:
    if as_json:
        facts = {"verified": False, "code": failure.code, "index": failure.index}
        return json.dumps({**facts, "message": str(failure)}) + "\n"
    entry = "" if failure.index is None else f"entry {failure.index}: "
    return f"Not verified: {entry}{failure} ({failure.code}).\n"


if __name__ == "__main__":
    sys.exit(main())
