"""Verifies receipts, evidence zips and whole logs; runs alone as a program.

``python verify.py FILE|DIR|URL --key VKEY [--state FILE] [--head FILE]`` needs this one file, the
standard library and ``cryptography``. It never imports the package, but the rest of `audit` this
file, so that what writes the log and what verifies it agree on every byte. The formats are
C2SP signed-note, tlog-checkpoint, tlog-proof and tlog-tiles over RFC 6962 trees; the entries are
specified in the docstring of `whoisgate.audit`.

Rules: nothing is trusted but the pinned key. Every parser takes exactly one spelling of what it
reads (base64 without slack, canonical JSON, zips packed in one way), so no byte can change
unseen. Whatever does not hold raises `VerificationFailed`; nothing returns False. Sizes are
bounded before anything is read. Messages name entries, files and fields, never a field's value.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import html
import json
import re
import struct
import sys
import urllib.error
import urllib.request
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from http.client import HTTPException
from itertools import islice
from pathlib import Path
from typing import Final, Union, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA512

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
    "WG422": "the log does not begin with what was verified before",
    "WG423": "a change of the log's key is not signed by both keys, or a retired key signed",
    "WG424": "a row of the vault is not what its entry names",
    "WG425": "a sealed entry is past its date without being unsealed or extended",
    "WG427": "the retention policy is malformed, or prunes what it may not",
    "WG428": "a requester's signature of a question is malformed or does not hold",
    "WG429": "the question that the requester signed is not the one that the entry records",
    "WG430": "the question is not signed by the expected key",
    "WG431": "the signature of one of the operator's staff is malformed or does not hold",
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


Keys = VerifierKey | tuple[VerifierKey, ...]
"""What is trusted: a key, or several of one log that changed its key."""


def ring_of(keys: Keys) -> tuple[VerifierKey, ...]:
    """The trusted keys, one or more."""
    return (keys,) if isinstance(keys, VerifierKey) else keys


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


def open_note(note: str, keys: Keys) -> str:
    """The signed text, LF at its end. Unknown keys are ignored; one trusted key suffices.

    Raises when a signature of a trusted key fails, and when there is none.
    """
    text, blank, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if len(note) > NOTE_LIMIT_BYTES or len(lines) > SIGNATURES_LIMIT:
        raise VerificationFailed("WG402", "the note is too large")
    if not blank or lines.pop() or not lines or _NOT_IN_NOTES.search(note):
        raise VerificationFailed("WG402", "expected a text, a blank line and signatures")
    message, trusted, ring = f"{text}\n", False, ring_of(keys)
    for line in lines:
        name, key_id, signature = _signature(line)
        for key in ring:
            if name == key.name and key_id == key.key_id:
                key.verify(signature, message.encode())
                trusted = True
    if not trusted:
        raise VerificationFailed("WG404", f"`{ring[0].name}` with the pinned key did not sign")
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


def open_checkpoint(note: str, keys: Keys) -> Checkpoint:
    """The checkpoint that a trusted key signed for the log of its own name."""
    checkpoint, name = parse_checkpoint(open_note(note, keys)), ring_of(keys)[0].name
    if checkpoint.origin != name:
        raise VerificationFailed("WG405", f"expected a checkpoint of `{name}`")
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


# --- Signed questions (RFC 9421) ------------------------------------------------------------

QUESTION_TAG: Final = "whoisgate-question"
QUESTION_LIFETIME_S: Final = 120
QUESTION_LEEWAY_S: Final = 5
QUESTION_COMPONENTS: Final = (
    *("@method", "@target-uri", "disclosure-request", "authorization-digest"),
)
"""What may be covered; the first two must be. Everything covered is kept, so no credential is."""
QuestionKey = Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_BASE = re.compile(r"[\x20-\x7e\n]{1,16384}")
_RSA_BITS: Final = (2048, 4096)
_POINT_BYTES: Final = 32
_PARAMETER: Final = r';(?:(created|expires)=([1-9][0-9]{9})|(nonce|keyid|alg|tag)="([\w-]{1,64})")'
_PARAMETERS = re.compile(rf'\(("[a-z@-]+"(?: "[a-z@-]+")*)\)((?:{_PARAMETER})+)', re.ASCII)
_EACH_PARAMETER = re.compile(_PARAMETER, re.ASCII)
_STRING: Final = r'"(?:[ !#-\[\]-~]|\\["\\])*"'
_WORD = re.compile(
    rf"(?:(purpose|basis|case|urgency|sealed_until)=({_STRING})"
    rf"|(elements)=\(((?:{_STRING}(?: {_STRING})*)?)\))(?:, (?=[a-z])|\Z)"
)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_AUTHORIZATION = re.compile(r"sha-256=:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=:")


@dataclass(frozen=True, slots=True)
class SignedQuestion:
    """What stands in a signature base: ``words`` as `Disclosure-Request` says them.

    ``signer`` is the key's thumbprint (RFC 7638, SHA-256), the times are seconds since 1970, and
    ``authorization`` is what the base says of another credential, a digest.
    """

    url: str
    words: Mapping[str, JSON]
    signer: str
    algorithm: str
    created: int
    expires: int
    nonce: str
    authorization: str | None = None

    def sentence(self) -> str:
        """Whose key signed what, in words."""
        begin, end = (
            datetime.fromtimestamp(at, UTC).isoformat() for at in (self.created, self.expires)
        )
        return (
            f"The question was signed by the key {self.signer} ({self.algorithm}), for {self.url} "
            f"and the time from {begin} to {end}."
        )


def read_signature_base(base: str) -> SignedQuestion:
    """The question in a signature base (RFC 9421 §2.5), in the one form that is taken.

    Not checked: any signature, and that the times have come and not passed.
    """
    *lines, last = base.split("\n")
    head, _, text = last.partition(": ")
    match = _PARAMETERS.fullmatch(text)
    if not _BASE.fullmatch(base) or head != '"@signature-params"' or match is None:
        raise VerificationFailed("WG428", "expected the base of a signed question (RFC 9421)")
    names = [name.strip('"') for name in match[1].split(" ")]
    covered = dict(zip(names, (line.partition(": ")[2] for line in lines), strict=False))
    told = [f'"{name}": {covered.get(name)}' for name in names]
    if lines != told or len(covered) != len(names):
        raise VerificationFailed("WG428", "expected a line for each covered component, once")
    if not set(QUESTION_COMPONENTS[:2]) <= covered.keys() <= set(QUESTION_COMPONENTS):
        what = ", ".join(QUESTION_COMPONENTS)
        raise VerificationFailed("WG428", f"expected to be covered, if sent, and alone: `{what}`")
    if covered["@method"] != "GET" or not re.fullmatch(r"https?://[^ ?#]+", covered["@target-uri"]):
        raise VerificationFailed("WG428", "expected a signed GET of a URL without a query")
    digest = covered.get("authorization-digest")
    if digest is not None and not _AUTHORIZATION.fullmatch(digest):
        raise VerificationFailed("WG428", "expected `authorization-digest` of one SHA-256")
    said = covered.get("disclosure-request")
    words = {} if said is None else _words(said)
    at, texts = _parameters(match[2])
    return SignedQuestion(
        *(covered["@target-uri"], words, texts["keyid"], texts["alg"]),
        *(at["created"], at["expires"], texts["nonce"]),
        digest,
    )


def _parameters(text: str) -> tuple[dict[str, int], dict[str, str]]:
    """Times and texts by name."""
    found = _EACH_PARAMETER.findall(text)
    at = {name: int(value) for name, value, _, _ in found if name}
    told = {name: value for _, _, name, value in found if name}
    if len(found) != 6 or len(at) + len(told) != 6:  # noqa: PLR2004 (the parameters)
        what = "expected `created`, `expires`, `nonce`, `keyid`, `alg` and `tag`, each once"
        raise VerificationFailed("WG428", what)
    if told["tag"] != QUESTION_TAG:
        raise VerificationFailed("WG428", f"expected the tag `{QUESTION_TAG}`")
    if not 0 < at["expires"] - at["created"] <= QUESTION_LIFETIME_S:
        what = f"expected a signature that lives at most `{QUESTION_LIFETIME_S}` s"
        raise VerificationFailed("WG428", what)
    if len(told["nonce"]) < 22:  # noqa: PLR2004 (16 bytes)
        raise VerificationFailed("WG428", "expected a nonce of 22 to 64 characters of base64url")
    return at, told


def _words(field: str) -> dict[str, JSON]:
    """The members of a `Disclosure-Request`, as RFC 9651 §4.1 spells a dictionary."""
    said: dict[str, JSON] = {}
    at = 0
    while at < len(field) or not said:
        match = _WORD.match(field, at)
        name = match and (match[1] or match[3])
        if match is None or name is None or name in said:
            raise VerificationFailed("WG428", "expected each word once, as RFC 9651 spells it")
        strings = [
            re.sub(r'\\(["\\])', r"\1", each[1:-1])
            for each in re.findall(_STRING, match[2] or match[4] or "")
        ]
        said[name], at = strings[0] if match[1] else strings, match.end()
    return said


def thumbprint(jwk: Mapping[str, JSON]) -> str:
    """The name of a key: SHA-256 of the members that RFC 7638 §3.2 requires, base64url."""
    return b64url(hashlib.sha256(canonical_json(dict(jwk))).digest())


def question_key(jwk: Mapping[str, JSON]) -> QuestionKey:
    """The public key of a JWK of the required members alone (RFC 7638 §3.2), in one spelling.

    Ed25519, P-256, and RSA of 2,048 to 4,096 bits with the exponent 65,537.
    """
    try:
        match jwk:
            case {"kty": "OKP", "crv": "Ed25519", "x": str(x), **more} if not more:
                return Ed25519PublicKey.from_public_bytes(unb64url(x))
            case {"kty": "EC", "crv": "P-256", "x": str(x), "y": str(y), **more} if not more:
                point = unb64url(x) + unb64url(y)
                if len(point) == 2 * _POINT_BYTES == 2 * len(unb64url(x)):
                    point = b"\x04" + point
                    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
            case {"kty": "RSA", "n": str(n), "e": "AQAB", **more} if not more:
                number = unb64url(n)
                modulus = int.from_bytes(number, "big")
                if number[:1] != b"\0" and _RSA_BITS[0] <= modulus.bit_length() <= _RSA_BITS[1]:
                    return rsa.RSAPublicNumbers(65_537, modulus).public_key()
    except ValueError:
        pass
    raise VerificationFailed("WG428", "expected a public Ed25519, P-256 or RSA key as a JWK")


def verify_question(key: QuestionKey, algorithm: str, signature: bytes, base: bytes) -> None:
    """Raises unless the key signed the base with its own algorithm (RFC 9421 §3.3)."""
    try:
        if algorithm == "ed25519" and isinstance(key, Ed25519PublicKey):
            return key.verify(signature, base)
        if algorithm == "ecdsa-p256-sha256" and isinstance(key, ec.EllipticCurvePublicKey):
            r, s = signature[:_POINT_BYTES], signature[_POINT_BYTES:]
            if len(s) == _POINT_BYTES:
                der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
                return key.verify(der, base, ec.ECDSA(SHA256()))
        if algorithm == "rsa-pss-sha512" and isinstance(key, rsa.RSAPublicKey):
            pss = padding.PSS(padding.MGF1(SHA512()), SHA512.digest_size)
            return key.verify(signature, base, pss, SHA512())
    except InvalidSignature:
        pass
    raise VerificationFailed("WG428", "the requester's signature of the question does not hold")


def signed_question(fields: Mapping[str, JSON], index: int | None = None) -> SignedQuestion | None:
    """What the requester signed, None where the opened fields hold no signature.

    Raises unless it holds and is the question that the opened fields record. Not checked: whose
    the key is.
    """
    match fields.get("detail"):
        case {"signed": signed}:
            pass
        case _:
            return None
    try:
        question = _opened_question(signed)
        _same_question(question, fields)
    except VerificationFailed as failure:
        raise VerificationFailed(failure.code, str(failure), index) from None
    return question


def _opened_question(signed: JSON) -> SignedQuestion:
    match signed:
        case {
            "base": str(base), "signature": str(encoded), "algorithm": str(algorithm),
            "key": dict(jwk), **more,
        } if not more:  # fmt: skip
            question, key = read_signature_base(base), question_key(jwk)
            try:
                signature = unb64url(encoded)
            except ValueError:
                signature = b""
            if (thumbprint(jwk), algorithm) != (question.signer, question.algorithm):
                raise VerificationFailed("WG428", "the base names another key or algorithm")
            verify_question(key, algorithm, signature, base.encode())
            return question
    raise VerificationFailed("WG428", "expected base, signature, algorithm and key")


def _same_question(question: SignedQuestion, fields: Mapping[str, JSON]) -> None:
    """Raises unless the opened fields record what was signed, and when."""
    said, name = question.words, question.url.rpartition("/domain/")[2]
    elements = sorted({str(each) for each in cast("Sequence[JSON]", said.get("elements", ()))})
    until = {"sealed_until": said["sealed_until"]} if "sealed_until" in said else {}
    words = {word: said.get(word) for word in ("purpose", "basis", "case")}
    whole = {"name": name, "elements": elements, "urgency": said.get("urgency", "none")}
    digest = hashlib.sha256(canonical_json({**words, **whole, **until})).hexdigest()
    recorded = {**words, "domain": name, "question": digest}
    recorded |= {"asked": elements} if elements else {}
    detail = cast("Mapping[str, JSON]", fields["detail"])
    for field, value in recorded.items():
        if field in fields and canonical_json(fields[field]) != canonical_json(value):
            raise VerificationFailed("WG429", f"`{field}` is not what the requester signed")
    if detail.get("sealed_until") != said.get("sealed_until"):
        raise VerificationFailed("WG429", "`sealed_until` is not what the requester signed")
    if "decided_at" in fields and not _in_time(question, fields["decided_at"]):
        raise VerificationFailed("WG429", "`decided_at` is not in the time of the signature")


def _in_time(question: SignedQuestion, moment: JSON) -> bool:
    if not isinstance(moment, str) or not _MOMENT.fullmatch(moment):
        return False
    try:
        at = datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return False
    return question.created - QUESTION_LEEWAY_S <= at < question.expires


# --- What the operator's staff signed -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SignedAct:
    """Whose signature an operator's entry holds: a name, and the key's thumbprint (RFC 7638)."""

    by: str
    signer: str


def act_text(origin: str, by: str, fields: Mapping[str, JSON]) -> bytes:
    """What is signed: in which log, by whom, what, when, of which authority, all of `detail`."""
    names = ("kind", "decided_at", "outcome", "authority", "detail")
    said = {"log": origin, "by": by, **{name: fields[name] for name in names}}
    return b"whoisgate/v1 act\n" + canonical_json(said)


def signed_act(origin: str, fields: Mapping[str, JSON]) -> SignedAct | None:
    """Who of the operator's staff signed this, None where the opened fields hold no signature.

    Raises unless it holds. Not checked: whose the key is.
    """
    detail = fields["detail"]
    if not isinstance(detail, Mapping) or "signature" not in detail:
        return None
    said = {**fields, "detail": {n: v for n, v in detail.items() if n != "signature"}}
    match detail["signature"]:
        case {
            "by": str(by), "signature": str(encoded), "algorithm": str(algorithm),
            "key": dict(jwk), **more,
        } if not more:  # fmt: skip
            try:
                text = act_text(origin, by, said)
                verify_question(question_key(jwk), algorithm, unb64url(encoded), text)
            except (VerificationFailed, ValueError):
                raise VerificationFailed("WG431", "the signature does not hold") from None
            return SignedAct(by, thumbprint(jwk))
    raise VerificationFailed("WG431", "expected by whom, signature, algorithm and key")


# --- Receipts and answers -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """Entry ``index`` is in the log ``origin``, signed at ``size``; ``fields`` are opened.

    ``signed`` is the question as its requester signed it, where the opened fields hold that.
    """

    origin: str
    index: int
    size: int
    leaf: Leaf
    fields: Mapping[str, JSON]
    signed: SignedQuestion | None = None

    def sentences(self) -> list[str]:
        """What was shown, one sentence per check."""
        return [
            f"The pinned key signed the log `{self.origin}` of {self.size} entries.",
            f"Entry {self.index}, logged in the hour {self.leaf.hour}, is in that log.",
            f"The entry commits to these {len(self.fields)} fields:",
            *(f"  {name}: {json.dumps(value)}" for name, value in self.fields.items()),
            *([self.signed.sentence()] if self.signed else []),
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


def verify_receipt(proof_text: str, keys: Keys) -> VerifiedReceipt:
    """What a receipt proves: its entry is in the log of ``keys``, and opens to these fields."""
    proof = parse_proof(proof_text)
    checkpoint = open_checkpoint(proof.checkpoint, keys)
    entry, openings = _read_extra(proof.extra)
    size, root = checkpoint.size, checkpoint.root
    verify_inclusion(leaf_hash(entry), proof.index, size, proof.hashes, root)
    leaf = parse_leaf(entry, proof.index)
    origin, fields = checkpoint.origin, open_fields(leaf, openings)
    signed = signed_question(fields, proof.index)
    return VerifiedReceipt(origin, proof.index, size, leaf, fields, signed)


def verify_answer(
    body: bytes, proof_text: str, keys: Keys, *, expected: Mapping[str, JSON] | None = None
) -> VerifiedReceipt:
    """The receipt, verified, and that it commits to exactly these bytes.

    Every field of ``expected`` must be opened with just that value, so that a receipt for another
    question is refused.
    """
    receipt = verify_receipt(proof_text, keys)
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
    "evidence.html": 1 << 24,
    "statement.txt": 1 << 14,
    "SHA256SUMS": 1 << 10,
}
"""The members of an evidence zip in order, each with its largest size."""
EVIDENCE_LAYOUTS: Final[Mapping[tuple[str, ...], int]] = {
    tuple(EVIDENCE_LIMITS_BYTES)[:6]: 1,
    tuple(EVIDENCE_LIMITS_BYTES): 2,
    tuple(EVIDENCE_LIMITS_BYTES)[1:]: 2,
}
"""What may stand in a zip, and the format that it has; in format 2 the answer may be left out."""
_GIVEN: Final = tuple(EVIDENCE_LIMITS_BYTES)[:4]

EVIDENCE_READMES: Final[Mapping[int, str]] = {
    1: """\
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
    2: """\
Evidence of one answer to a question for registration data

Read evidence.html first. It says what this file shows and what it does not.

evidence.html       a page to read and to print, computed from the files below
answer.json         the answer, byte for byte as it was given; it may have been left out
receipt.tlog-proof  proof that the audit log holds an entry about this answer (C2SP tlog-proof)
opened.json         the fields of that entry that this copy opens
policy.yaml         the policy that decided
log.vkey            the public key of the log, for comparison
statement.txt       a statement for the log's custodian to fill in and sign, on a copy
SHA256SUMS          for "sha256sum -c SHA256SUMS": compares the files with each other, no more

To verify, get the log's public key from somebody you trust, not from this file, and run

    whoisgate verify THIS.zip --key KEY

or, with nothing but Python and its package "cryptography", the file audit/verify.py of whoisgate:

    python verify.py THIS.zip --key KEY

It shows that the log signed a tree that holds the entry, that the entry commits to exactly this
answer, these fields and this policy, that page, statement and sums say what follows from them,
and that nothing in this file was changed or repacked.
""",
}
"""README.txt of each format; never edited, or old evidence would fail."""

_LOCAL, _CENTRAL, _END = "<4s5H3L2H", "<4s4B4H3L5H2L", "<4s4H2LH"
_DAY_ONE: Final = 1 << 5 | 1
"""1980-01-01, the first date a zip knows."""


def pack_evidence(members: Mapping[str, bytes]) -> bytes:
    """The one zip of these members: stored, dated 1980-01-01, in the order of the limits."""
    body, directory, count = b"", b"", 0
    for name in EVIDENCE_LIMITS_BYTES:
        if name not in members:
            continue
        raw, content, count = name.encode(), members[name], count + 1
        sums = (zlib.crc32(content), len(content), len(content), len(raw))
        directory += struct.pack(
            *(_CENTRAL, b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, _DAY_ONE, *sums),
            *(0, 0, 0, 0, 0o100644 << 16, len(body)),
        )
        directory += raw
        body += struct.pack(_LOCAL, b"PK\x03\x04", 20, 0, 0, 0, _DAY_ONE, *sums, 0)
        body += raw + content
    sizes = (len(directory), len(body))
    return body + directory + struct.pack(_END, b"PK\x05\x06", 0, 0, count, count, *sizes, 0)


def _unpack_evidence(data: bytes) -> dict[str, bytes]:
    """The members of exactly what `pack_evidence` makes; nothing is ever decompressed."""
    members: dict[str, bytes] = {}
    at, header = 0, struct.calcsize(_LOCAL)
    while data.startswith(b"PK\x03\x04", at):
        begin = at + header + int.from_bytes(data[at + 26 : at + 28], "little")
        name = data[at + header : begin].decode("ascii", "replace")
        size = int.from_bytes(data[at + 22 : at + 26], "little")
        if name not in EVIDENCE_LIMITS_BYTES or name in members:
            raise VerificationFailed("WG413", "the zip has a member too many, or one twice")
        if size > EVIDENCE_LIMITS_BYTES[name]:
            raise VerificationFailed("WG413", f"`{name}` is too large")
        if data[at + 8 : at + 10] != b"\0\0":
            raise VerificationFailed("WG413", f"`{name}` is compressed, expected it stored")
        at = begin + size
        members[name] = data[begin:at]
    if tuple(members) not in EVIDENCE_LAYOUTS:
        raise VerificationFailed("WG413", "a member is missing or not at its place")
    if pack_evidence(members) != data:
        raise VerificationFailed("WG413", "the zip was altered, or packed by something else")
    return members


def complete_evidence(
    given: Mapping[str, bytes], receipt: VerifiedReceipt, version: int = 2
) -> dict[str, bytes]:
    """The members of a zip: those given, and those that follow from them alone.

    ``given`` are the receipt of which ``receipt`` is the reading, policy, key and perhaps the
    answer; other members in it count for nothing. Whatever a page, a statement or a sum says can
    therefore be checked by making it anew. Each version is fixed: another wording is another
    version, or old evidence would fail.
    """
    members = {name: given[name] for name in _GIVEN if name in given}
    members["opened.json"] = opened_json(receipt.fields)
    members["README.txt"] = EVIDENCE_READMES[version].encode()
    if version > 1:
        members["evidence.html"] = _page(members, receipt).encode()
        members["statement.txt"] = _statement(members, receipt).encode()
        members["SHA256SUMS"] = _sums(members).encode()
    return members


def opened_json(fields: Mapping[str, JSON]) -> bytes:
    """The bytes of ``opened.json``: indented ASCII, in slot order."""
    return json.dumps(fields, indent=2).encode() + b"\n"


def _sums(members: Mapping[str, bytes]) -> str:
    """Lines as coreutils' ``sha256sum`` writes and checks them."""
    named = ((name, members[name]) for name in EVIDENCE_LIMITS_BYTES if name in members)
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in named)


_STATEMENT = """\
STATEMENT OF A RECORD'S CUSTODIAN

A form to fill in and sign, on paper or in a copy of this text; the copy in the zip stays as it is.
It is no legal advice: who may sign, and in which words, is for the law of the court to say.

1. Who states this

   Name:          ____________________________________________________________
   Organisation:  ____________________________________________________________
   Capacity:      ____________________________________________________________
   I know how this system works and how its records are kept because:
   ___________________________________________________________________________

2. The record

   Entry {index} of the audit log {origin},
   logged in the hour {hour} (UTC), proved against a signed log of {size} entries, and kept
   under the public key
   {vkey}

   The files of this record and the SHA-256 digests of their bytes:

{sums}
3. What I state (strike out what does not apply)

   a) My organisation runs the gate that made this record. It answers questions for registration
      data, and as a regular practice it writes an entry for each answer beyond the public view,
      and for each refusal and each question that waits for approval, by itself, when it answers.
   b) The receipt, the policy, the key and, where it is enclosed, the answer come from that gate,
      made in the ordinary course of its work. The other files are computed from these. Nobody
      changed any by hand. Fields or the answer may be left out; evidence.html then says so.
   c) To my knowledge the gate, its clock and its log worked as they should at that time. I base
      this on: __________________________________________________________________
   d) The digests above are those of the files that I hold. I computed them, and verified the zip
      that holds them, with: ________________________  on (date): ________________
   e) The public key above is that of our log; its private half is in our control alone.

   I do not state that what the registrant told is true, nor anything else that evidence.html
   lists under "What this does not show".

4. Signature (choose the words that the court needs)

   [ ] I declare that the foregoing is true to the best of my knowledge. I know that a false
       statement can be punished under the law of (country): ______________________
   [ ] Signed in the United States: I declare under penalty of perjury that the foregoing is
       true and correct.
   [ ] Signed elsewhere, for a court of the United States: I declare under penalty of perjury
       under the laws of the United States of America that the foregoing is true and correct.

   Date:  ______________________     Place:  ______________________

   Signature:  ________________________________________________________________

Notes for counsel. Federal Rules of Evidence 902(13) (records of an electronic process or system)
and 902(14) (copies identified by their digest) want the certification of a qualified person in the
form of 902(11) or, from abroad, 902(12), and written notice to the other side; the words above
follow 28 U.S.C. 1746. In the European Union an electronic document is not refused as evidence for
being electronic (Regulation (EU) No 910/2014, Article 46), and how it is weighed is national law; a
qualified electronic seal and time stamp on the zip would add what the gate's own clock cannot.
"""


def _statement(members: Mapping[str, bytes], receipt: VerifiedReceipt) -> str:
    """The custodian's statement, with blanks where only the custodian can know."""
    return _STATEMENT.format(
        index=receipt.index,
        origin=receipt.origin,
        hour=receipt.leaf.hour,
        size=receipt.size,
        vkey=_text(members["log.vkey"], "WG414").strip(),
        sums="".join(f"   {line}\n" for line in _sums(members).splitlines()),
    )


# The page of an evidence zip. What it says of values must not depend on the Python that runs:
# nothing here asks Unicode's tables or the recursion limit.

_WORDS: Final[Mapping[str, str]] = {
    "kind": "Kind of entry",
    "decided_at": "Question received",
    "logged_at": "Entry logged",
    "node": "Node of the gate",
    "sequence": "Number at that node",
    "authority": "Authority that asked",
    "person": "Person that asked",
    "requester_class": "Class of requester",
    "domain": "Domain asked about",
    "purpose": "Purpose, as stated",
    "basis": "Legal basis, as stated",
    "case": "Case, as stated",
    "asked": "Data asked for",
    "released": "Data released, with rules",
    "outcome": "Outcome",
    "question": "SHA-256 of the question",
    "view": "SHA-256 of the view",
    "body": "SHA-256 of the answer",
    "source": "Source of the record",
    "record_version": "Version of the record",
    "context": "What the decision knew",
    "approval": "Approval",
    "detail": "Detail",
}
"""Each committed field in plain words."""
_TITLES: Final[Mapping[str, str]] = {
    "released": "Evidence of a disclosure of registration data",
    "refused": "Evidence that registration data was refused",
    "needs_approval": "Evidence of a question that waits for approval",
}
_GRANTED: Final = "The entry records that this was released beyond what the public sees:"
_GRANTED_NOT: Final[Mapping[str, str]] = {
    "refused": "The entry records that the question was refused: nothing beyond what the public "
    "sees was released.",
    "needs_approval": "The entry records that the question needs an approval first: nothing beyond "
    "what the public sees was released.",
}
_AUTHORITY: Final = {"authority": " of", "person": " for the person"}
_QUESTION: Final = {"domain": " about", "case": ", its case stated as"}
_SOURCE: Final = {"source": " from the source", "record_version": ", its version"}
_SHOWN_NOT: Final = (
    "That the registrant told the truth. The values are those that the source held.",
    "Who sat at the keyboard. Authority and person are named as their credential named them.",
    "That purpose, legal basis and case were right. They are the requester's own words.",
    "That nobody read the database another way. The log holds what went through the gate.",
    "That this was all. Other entries may be about the same domain or the same person.",
    "An independent time. All times are those of the gate's own clock.",
    "That the log showed everybody the same: compare its signed heads with those others kept.",
    "What was withheld, or whether it exists.",
    "What was erased. An erased entry keeps its place; only copies made before can open it.",
)
_SIGNED: Final = (
    "Only the holder of that key can have signed this, and the opened fields record what was "
    "signed. Whose key it is, this page does not show: compare it with the one that the authority "
    "names."
)
_CARD: Final[Mapping[str, str]] = {"fn": "name", "org": "organization"}
_ADDRESS: Final = ("po_box", "extended", "street", "city", "state", "postal_code", "country")
_ROLES: Final[Mapping[str, str]] = {"technical": "tech", "administrative": "admin"}
_SKIPPED: Final = frozenset({"links", "rdapConformance", "objectClassName"})
_ROWS_LIMIT: Final = 1_000
_ROWS_LIMIT_CHARACTERS: Final = 100_000
_DEPTH_LIMIT: Final = 64

_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202f\u205f-\u206f\u3164\ud800-\uf8ff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff"
    "\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U0010ffff]"
)
"""What cannot be seen, moves what stands beside it, or is no character."""

_STYLE = """\
@page{size:A4;margin:18mm}
body{font:11pt/1.45 Georgia,"Times New Roman",serif;color:#000;background:#fff;margin:0}
main{max-width:48rem;margin:0 auto;padding:1rem}
h1{font-size:1.6em;line-height:1.2}
h2{font-size:1.2em;border-bottom:1px solid #000;margin-top:1.6em}
h3{font-size:1em;margin-bottom:.3em}
h1,h2,h3,caption{break-after:avoid}
table{border-collapse:collapse;width:100%;margin:.6em 0}
caption{text-align:left;font-style:italic;padding-bottom:.3em}
th,td{border:1px solid #000;padding:.25em .5em;text-align:left;vertical-align:top}
th{font-weight:bold}
tr,pre,ol{break-inside:avoid}
@media print{body{font-size:10pt}main{max-width:none;padding:0}}
td,pre,code{overflow-wrap:anywhere}
td{white-space:pre-wrap}
td code{white-space:nowrap}
a{color:#000}
pre{white-space:pre-wrap;border:1px solid #000;padding:.5em;font-size:.85em}
code{font-size:.9em}
b{border:1px solid #000;font:.8em monospace;padding:0 .15em}
"""


def _visible(text: str) -> str:
    """``text`` as HTML in which every hidden character shows, boxed, by its number."""
    boxed = _HIDDEN.sub(lambda found: f"<b>[U+{ord(found[0]):04X}]</b>", html.escape(text))
    return f"<bdi>{boxed}</bdi>"


def _plain(value: object, *, inside: bool = False) -> str:
    """A field's value as HTML."""
    if value is None:
        return "<i>nothing stated</i>"
    if value in ("", [], {}):
        return "<i>empty</i>"
    if isinstance(value, str):
        return _visible(value)
    if isinstance(value, dict) and not inside:
        return "<br>".join(f"{_visible(k)}: {_plain(v, inside=True)}" for k, v in value.items())
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(map(_visible, value))
    return _visible(json.dumps(value))


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of HTML cells; the first of each row names it."""
    top = "".join(f'<th scope="col">{each}</th>' for each in head)
    lines = (
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{each}</td>" for each in rest)}</tr>\n'
        for first, *rest in rows
    )
    return (
        f"<table>\n<caption>{caption}</caption>\n<thead><tr>{top}</tr></thead>\n<tbody>\n"
        f"{''.join(lines)}</tbody>\n</table>\n"
    )


def _grants(receipt: VerifiedReceipt) -> dict[str, list[str]]:
    """The rules of each released element, as far as they are opened."""
    released = receipt.fields.get("released")
    grants = released.items() if isinstance(released, dict) else ()
    return {name: list(map(str, rules)) for name, rules in grants if isinstance(rules, list)}


def _page(given: Mapping[str, bytes], receipt: VerifiedReceipt) -> str:
    """``evidence.html``: one page for a court, without scripts, that prints in black and white."""
    fields, body = receipt.fields, given.get("answer.json")
    vkey, policy = _text(given["log.vkey"], "WG414").strip(), _text(given["policy.yaml"], "WG415")
    title = _TITLES.get(str(fields.get("outcome")), "Evidence of an entry in an audit log")
    opened = ((_WORDS[name], f"<code>{name}</code>", _plain(fields[name])) for name in fields)
    closed = [_WORDS[name] for name in COMMITTED if name not in fields]
    missing = [f"Fields that this copy does not open: {'; '.join(closed)}."] if closed else []
    missing += ["The answer. This copy leaves it out."] if body is None else []
    rows = _shows(receipt, body)
    digests = [
        ("Answer", "<i>left out</i>" if body is None else hashlib.sha256(body).hexdigest()),
        ("Policy", receipt.leaf.policy),
        ("Public key of the log", _visible(vkey)),
    ]
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
{_STYLE}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>Entry {receipt.index} of the audit log {_visible(receipt.origin)}, logged in the hour \
{receipt.leaf.hour} (UTC). This page says what follows from the files beside it. By itself it \
proves nothing: <a href="#verify">verify the zip</a> first.</p>
<h2>What this shows</h2>
{_table("Each holds once the zip is verified", ("What", "How far"), rows)}\
<h2>What this does not show</h2>
<ul>
{"".join(f"<li>{each}</li>" + chr(10) for each in (*missing, *_SHOWN_NOT))}</ul>
<h2>The entry</h2>
{_table("The opened fields, as the entry commits to them", ("Field", "Name", "Value"), opened)}\
<h2>The rules and their law</h2>
{_rules(receipt, policy)}\
<h2>The answer</h2>
{_answer(receipt, body)}\
<h2>Digests and key</h2>
{_table("SHA-256, and the key to compare with yours", ("Of", "Value"), digests)}\
<h2 id="verify">How to verify</h2>
<ol>
<li>Get the log's public key from somebody you trust, not from this file.</li>
<li>Run <code>whoisgate verify THIS.zip --key KEY</code> or \
<code>python verify.py THIS.zip --key KEY</code>.</li>
<li>It must end with <code>Verified.</code> It does so only if every byte of the zip, this page \
included, is as it must be.</li>
</ol>
</main>
</body>
</html>
"""


def _shows(receipt: VerifiedReceipt, body: bytes | None) -> Iterator[tuple[str, str]]:
    """What is shown, as far as the opened fields go."""
    fields = receipt.fields
    digest = fields.get("body")
    if body is not None:
        size = f"exactly the {len(body)} bytes of <code>answer.json</code>"
        yield "These bytes", f"The entry commits to {size}, SHA-256 {_plain(digest)}."
    elif digest:
        yield "These bytes", f"The answer is left out; its SHA-256 was {_plain(digest)}."
    granted = "; ".join(
        f"{_visible(name)} under {', '.join(map(_visible, rules))}"
        for name, rules in _grants(receipt).items()
    )
    rule = f"The policy with SHA-256 {receipt.leaf.policy}, enclosed, was in force."
    said = _GRANTED if granted else _GRANTED_NOT.get(str(fields.get("outcome")), "")
    yield "This rule", " ".join(filter(None, (rule, said, granted and f"{granted}.")))
    when = {"decided_at": "the question came", "logged_at": "the entry was logged"}
    told = [f"{word} at {_plain(fields[n])}" for n, word in when.items() if n in fields]
    hour = f"the log shows the hour {receipt.leaf.hour} to everybody"
    yield "This time", f"By the gate's own clock, {'; '.join([*told, hour])}."
    for title, says, parts in (
        ("This authority", "The question came under a credential", _AUTHORITY),
        ("This question", "The question was", _QUESTION),
        ("This source", "The record came", _SOURCE),
    ):
        known = "".join(f"{word} {_plain(fields[n])}" for n, word in parts.items() if n in fields)
        if known:
            yield title, f"{says}{known}."
    if receipt.signed:
        yield "This signature", f"{_visible(receipt.signed.sentence())} {_SIGNED}"
    signed = f"The holder of the log's key signed a log of {receipt.size} entries"
    yield "This log", f"{signed} in which this is entry {receipt.index}, counted from 0."


def _rules(receipt: VerifiedReceipt, policy: str) -> str:
    """Each rule that granted something, quoted from the policy."""
    if "released" not in receipt.fields:
        return "<p>This copy does not open which rules granted what.</p>\n"
    grants = _grants(receipt)
    if not grants:
        return "<p>The entry names no rule that granted more than the public sees.</p>\n"
    told = ["<p>Quoted from <code>policy.yaml</code>, whose digest the entry names.</p>\n"]
    for rule in sorted({rule for rules in grants.values() for rule in rules}):
        names = ", ".join(_visible(name) for name, rules in grants.items() if rule in rules)
        lines = _quoted_rule(policy, rule) or ["The rule was not found by its id: read the policy."]
        quote = "\n".join(map(_visible, lines))
        told.append(f"<h3>{_visible(rule)}: {names}</h3>\n<pre>{quote}</pre>\n")
    return "".join(told)


def _quoted_rule(policy: str, rule: str) -> list[str]:
    """The lines of a rule: from its id to the next line that stands no deeper.

    Reads no YAML: quotes. ``name/ID`` is the rule ``ID`` of the included policy ``name``.
    """
    *_, document, name = ("", *rule.split("/"))
    within, lines = not document, iter(policy.replace("\r\n", "\n").split("\n"))
    for line in lines:
        heading = re.fullmatch(r"policy: *[\"']?([^\"'# ]+)[\"']? *(?:#.*)?", line)
        if heading and document:
            within = heading[1] == document
        begin = re.match(r"( *)- +\{?id: *[\"']?([^\"'#,} ]+)", line)
        if within and begin and begin[2] == name:
            deeper, quote = len(begin[1]) + 1, [line]
            for each in lines:
                if each.strip() and not each.startswith(" " * deeper):
                    break
                quote.append(each)
            while quote[-1].strip()[:1] in {"", "#"}:
                quote.pop()
            return quote
    return []


def _answer(receipt: VerifiedReceipt, body: bytes | None) -> str:
    """The answer's values in a table, with the rule behind each that the entry names."""
    if body is None:
        return "<p>This copy leaves the answer out.</p>\n"
    try:
        found = [(name, text) for name, text in _values(_read_json(body)) if text]
    except ValueError:
        return "<p>This page cannot read the answer as JSON; it is <code>answer.json</code>.</p>\n"
    grants, shown, left = _grants(receipt), list[Sequence[str]](), _ROWS_LIMIT_CHARACTERS
    for name, text in found[:_ROWS_LIMIT]:
        left -= len(name) + len(text)
        if left < 0:
            break
        rules = ", ".join(map(_visible, grants.get(name, ())))
        shown.append((_visible(name), _visible(text), rules))
    more = f"<p>{len(found) - len(shown)} more values stand in <code>answer.json</code>.</p>\n"
    head = ("Where", "Value", "Released under")
    note = "The names in the first column are this page's; the answer itself is"
    return (
        f"<p>{note} <code>answer.json</code>. Links and format labels are left out here.</p>\n"
        + _table("The values of the answer", head, shown)
        + (more if len(shown) < len(found) else "")
    )


def _read_json(body: bytes) -> object:
    """The answer's JSON; raises `ValueError`, also for what can be read in two ways."""
    depth = 0
    for bracket in re.findall(rb"[\[\]{}]", re.sub(rb'"(?:[^"\\]|\\.)*"', b"", body)):
        depth += 1 if bracket in b"[{" else -1
        if depth > _DEPTH_LIMIT:
            raise ValueError("expected less nesting")

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("expected each member once")
        return dict(pairs)

    return json.loads(body.decode(), object_pairs_hook=once, parse_float=str, parse_int=str)


def _values(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Names and texts of an RDAP answer (RFC 9083), contacts under the names of elements."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "entities" and isinstance(item, list):
                for each in item:
                    yield from _values(each, _joined(name, _role(each)))
            elif key == "vcardArray" and isinstance(item, list):
                yield from _card(item, name)
            elif key == "redacted" and isinstance(item, list):
                yield _joined(name, "withheld"), ", ".join(_named(each) for each in item)
            elif key not in _SKIPPED and not (key == "roles" and name):
                yield from _values(item, _joined(name, key))
    elif isinstance(value, list) and any(isinstance(each, (dict, list)) for each in value):
        for number, each in enumerate(value, 1):
            yield from _values(each, f"{name} {number}")
    else:
        yield name, ", ".join(map(_word, value)) if isinstance(value, list) else _word(value)


def _joined(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _role(entity: object) -> str:
    roles = entity.get("roles") if isinstance(entity, dict) else None
    return ", ".join(_ROLES.get(str(role), str(role)) for role in _listed(roles)) or "?"


def _named(redacted: object) -> str:
    match redacted:
        case {"name": {"type": str(name)} | {"description": str(name)}}:
            return name
    return "?"


def _card(card: list[object], name: str) -> Iterator[tuple[str, str]]:
    """The properties of a jCard (RFC 7095)."""
    properties = card[1] if len(card) > 1 and isinstance(card[1], list) else []
    for each in properties:
        match each:
            case ["version", *_]:
                pass
            case ["adr", dict(about), _, [*parts]] if len(parts) == len(_ADDRESS):
                for part, field in zip(parts, _ADDRESS, strict=True):
                    yield from _values(part, _joined(name, field))
                yield _joined(name, "country"), _word(about.get("cc", ""))
            case ["tel", dict(about), _, value]:
                fax = "fax" in (about.get("type"), *_listed(about.get("type")))
                yield from _values(value, _joined(name, "fax" if fax else "phone"))
            case [str(kind), _, _, *values]:
                for value in values:
                    yield from _values(value, _joined(name, _CARD.get(kind, kind)))
            case _:
                yield _joined(name, "?"), _word(each)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


@dataclass(frozen=True, slots=True)
class EvidenceReport:
    """What an evidence zip proves: the receipt, the bytes that were given, and the policy.

    ``body`` is None where the answer was left out.
    """

    receipt: VerifiedReceipt
    body: bytes | None
    policy: str

    def sentences(self) -> list[str]:
        """What was shown, one sentence per check."""
        answer = (
            "The answer was left out."
            if self.body is None
            else f"The entry commits to the answer ({len(self.body)} bytes), byte for byte."
        )
        return [
            *self.receipt.sentences(),
            answer,
            "The entry names the enclosed policy by its digest.",
            "The log's key, the readable parts and the packing are as they must be.",
        ]


def read_evidence(evidence: bytes | Path) -> dict[str, bytes]:
    """The members of a zip that is packed as specified, nothing of them verified yet."""
    limit = sum(EVIDENCE_LIMITS_BYTES.values()) + (1 << 12)
    return _unpack_evidence(
        evidence if isinstance(evidence, bytes) else _read_bounded(evidence, limit)
    )


def verify_evidence(evidence: bytes | Path, keys: Keys) -> EvidenceReport:
    """What the zip proves under the pinned key that it names; every byte of it is checked."""
    members = read_evidence(evidence)
    key = {each.text.encode() + b"\n": each for each in ring_of(keys)}.get(members["log.vkey"])
    if key is None:
        raise VerificationFailed("WG414", "the evidence names another log key than the pinned one")
    proof, body = _text(members["receipt.tlog-proof"], "WG406"), members.get("answer.json")
    receipt = verify_receipt(proof, key) if body is None else verify_answer(body, proof, key)
    if hashlib.sha256(members["policy.yaml"]).hexdigest() != receipt.leaf.policy:
        raise VerificationFailed("WG415", "the policy is not the one in force", receipt.index)
    policy = _text(members["policy.yaml"], "WG415")
    version = EVIDENCE_LAYOUTS[tuple(members)]
    for name, content in complete_evidence(members, receipt, version).items():
        if members[name] != content:
            raise VerificationFailed("WG416", f"`{name}` is not what is proved", receipt.index)
    return EvidenceReport(receipt, body, policy)


def _text(data: bytes, code: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise VerificationFailed(code, "expected UTF-8") from None


# --- Whole logs -----------------------------------------------------------------------------


def key_change_message(old: str, new: str) -> bytes:
    """What the old and the new key sign when a log changes its key; both are vkeys."""
    return f"whoisgate/v1 key change\n{old}\n{new}\n".encode()


class Entries:
    """What the entries of a log say, one after the other, beyond their place in the tree.

    ``known`` are the keys by their vkey: those that are pinned, and those that entries put beside
    them, ``retired`` those that entries put away.
    """

    def __init__(self, keys: Keys) -> None:
        self.known = {key.text: key for key in ring_of(keys)}
        self.retired: set[str] = set()
        self.public: Counter[str] = Counter()
        self.first_hour = self.last_hour = b""
        self.after: JSON = None

    def read(self, entry: bytes, index: int) -> re.Match[bytes]:
        """Check one entry on its own and against those before; gives the parts of `Leaf`."""
        match = _match(entry, index)
        hour, kind = match[3], match[4]
        if hour < self.last_hour:
            raise VerificationFailed("WG420", "the hour is before that of the last entry", index)
        self.first_hour, self.last_hour = self.first_hour or hour, hour
        if kind:
            self.public[kind.decode()] += 1
            if kind == b"key":
                self._key(_public(match[6], index), index)
            elif kind == b"inception":
                self.after = _public(match[6], index).get("after")
        return match

    def _key(self, said: Mapping[str, JSON], index: int) -> None:
        try:
            match said:
                case {"retired": str(vkey), **more} if not more:
                    self.retired.add(parse_vkey(vkey).text)
                    return
                case {"old": str(old), "new": str(new), "by_old": str(a), "by_new": str(b), **more}:
                    pair = {old: (parse_vkey(old), a), new: (parse_vkey(new), b)}
                    if not more and len({key.name for key, _ in pair.values()}) == 1:
                        self._beside(pair, key_change_message(old, new))
                        return
        except (ValueError, VerificationFailed):
            pass
        what = "the change of key is malformed or not signed by both keys"
        raise VerificationFailed("WG423", what, index)

    def _beside(self, pair: Mapping[str, tuple[VerifierKey, str]], message: bytes) -> None:
        if self.known.keys() & pair:  # both are foreign before the pinned key came to be
            for key, signature in pair.values():
                key.verify(unb64url(signature), message)
            self.known |= {vkey: key for vkey, (key, _) in pair.items()}

    def valid(self) -> tuple[VerifierKey, ...]:
        """The keys that may sign the tree in which all these entries stand."""
        return tuple(key for vkey, key in self.known.items() if vkey not in self.retired)

    def signed(self, note: str) -> Checkpoint:
        """The note's checkpoint; raises unless a key signed it that is valid after the entries."""
        if not self.retired.isdisjoint(self.known):
            try:
                return open_checkpoint(note, self.valid() or tuple(self.known.values()))
            except VerificationFailed:
                open_checkpoint(note, tuple(self.known.values()))
            raise VerificationFailed("WG423", "the tree is signed by a retired key alone")
        return open_checkpoint(note, tuple(self.known.values()))


@dataclass(frozen=True, slots=True)
class LogReport:
    """A log in which every entry, tile and the signed root agree.

    Kept as JSON it is where the next verification goes on. ``keys`` are the vkeys that may sign
    later trees, ``retired`` those that may no more, ``pinned`` those that were given. The first
    ``since`` entries were verified before; ``unsigned`` ones of a database are not published yet.
    """

    origin: str
    size: int
    root: bytes
    public: Mapping[str, int]
    first_hour: str
    last_hour: str
    keys: tuple[str, ...]
    retired: tuple[str, ...]
    pinned: tuple[str, ...]
    since: int = 0
    unsigned: int = 0
    pruned: int = 0
    heads: tuple[int, ...] = ()
    after: JSON = None

    def to_json(self) -> bytes:
        """One JSON object that `from_json` reads; it says nothing about anybody."""
        return json.dumps(asdict(self), default=bytes.hex, indent=2).encode() + b"\n"

    @classmethod
    def from_json(cls, text: bytes) -> LogReport:
        """What `to_json` wrote; raises `VerificationFailed`."""
        try:
            said = json.loads(text)
            said |= {"root": bytes.fromhex(said["root"]), "size": int(said["size"])}
            said |= {each: tuple(map(str, said[each])) for each in ("keys", "retired", "pinned")}
            said["heads"] = ()
            known = cls(**said)
            known.ring()
        except (ValueError, KeyError, TypeError, VerificationFailed):
            raise VerificationFailed("WG422", "expected what an earlier run wrote") from None
        return known

    def ring(self) -> tuple[VerifierKey, ...]:
        """The keys that may sign later trees."""
        return tuple(map(parse_vkey, self.keys))

    def sentences(self) -> list[str]:
        """What was shown, one sentence per check."""
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(self.public.items()))
        signer = "The pinned key" if set(self.keys) <= set(self.pinned) else "A key of the log"
        told = [
            f"{signer} signed the log `{self.origin}` of {self.size} entries.",
            "Every entry is well-formed.",
            f"The hours never go back: {self.first_hour or 'none'} to {self.last_hour or 'none'}.",
            f"Entries public by nature: {counts or 'none'}.",
            f"All tiles hold what the entries hash to, up to the signed root {self.root.hex()}.",
        ]
        if self.since:
            told.append(f"It begins with the {self.since} entries that were verified before.")
        if self.after:
            told.append(f"It says that it follows another log: {json.dumps(self.after)}.")
        told += [
            f"It begins with the {size} entries of the other checkpoint." for size in self.heads
        ]
        if self.pruned:
            told.append(
                f"The first {self.pruned} entries are pruned, as the log's signed retention policy "
                "says: of them the hashes are there, and nothing else was checked."
            )
        if self.unsigned:
            told.append(f"{self.unsigned} more entries of the database are not published yet.")
        return [
            *told,
            *(
                f"The log has another key, signed by the one before; pin it: {vkey}"
                for vkey in self.keys
                if vkey not in self.pinned
            ),
            *(f"This key may sign no more: {vkey}" for vkey in self.retired),
        ]


_FORKED = "the log does not begin with the `{}` entries of another tree that its key signed"

_BEYOND = (
    "the other checkpoint, of `{}` entries, is beyond this log of `{}`: nothing was shown either "
    "way; have the other compare, or wait for a longer log"
)


class _Walk:
    """One pass over a log: hashes entries, compares tiles, keeps one unfinished tile per level."""

    def __init__(self, read: Read, size: int, keys: Keys, since: LogReport | None = None) -> None:
        self.read, self.size = read, size
        self.rows: list[list[bytes]] = [[]]
        self.done = [0]
        self.entries, self.since, self.pruned = Entries(keys), 0, 0
        self.heads: dict[int, bytes] = {}
        if since is not None:
            self.go_on(since)

    def go_on(self, since: LogReport) -> None:
        """Take up where an earlier verification ended; its unfinished tiles are read again."""
        what = f"the log does not begin with the `{since.size}` entries verified before"
        if since.size > self.size:
            raise VerificationFailed("WG422", f"{what}: it has `{self.size}`")
        self._take(since.size)
        if self._root() != since.root:
            raise VerificationFailed("WG422", what)
        self.rows[0].clear()  # its entries are read again
        entries = Entries(since.ring())
        entries.retired, entries.public = set(since.retired), Counter(since.public)
        entries.after, entries.first_hour = since.after, since.first_hour.encode()
        entries.last_hour = since.last_hour.encode()
        self.entries, self.since = entries, since.size

    def skip(self, pruned: int) -> None:
        """Begin after a pruned beginning, whose hashes stand in the tiles above the entries."""
        if pruned % TILE_WIDTH or not 0 <= pruned <= self.size:
            raise VerificationFailed("WG427", "expected whole tiles of the log to be pruned")
        self.pruned = pruned
        self._take(pruned)

    def _take(self, size: int) -> None:
        """The rows of the tree of this size, as the published tiles have them."""
        levels = range(max(1, -(-size.bit_length() // 8)))
        self.done = [size >> 8 * level >> 8 for level in levels]
        self.rows = [self._known(level, size >> 8 * level) for level in levels]

    def _known(self, level: int, count: int) -> list[bytes]:
        number, width = divmod(count, TILE_WIDTH)
        if not width:
            return []
        now = min(TILE_WIDTH, (self.size >> 8 * level) - number * TILE_WIDTH)
        tile = self.tile(level, number, now)
        return [tile[at : at + 32] for at in range(0, 32 * width, 32)]

    def run(self, progress: Callable[[int, int], None] | None) -> bytes:
        """Every bundle, then the root over all."""
        first = max(self.since - self.since % TILE_WIDTH, self.pruned)
        for start in range(first, self.size, TILE_WIDTH):
            self.bundle(start)
            if progress:
                progress(min(start + TILE_WIDTH, self.size), self.size)
        return self.root()

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
            if index >= self.since:
                self.entries.read(entry, index)
            row.append(digest)
            at += 32
            if index + 1 in self.heads and self._root() != self.heads[index + 1]:
                raise VerificationFailed("WG422", _FORKED.format(index + 1))
        if len(row) != width or (whole and next(frames, None) is not None):
            at_fault = start + len(row)
            raise VerificationFailed("WG418", f"expected a bundle of `{width}` entries", at_fault)
        self.compare(0, tile)
        if width == TILE_WIDTH:
            self.climb(0)

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
        for level, row in enumerate(self.rows):
            if level and row:
                self.upper(level)
        return self._root()

    def _root(self) -> bytes:
        tail: list[bytes] = []
        for row in self.rows:
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


def _head(read: Read, keys: Keys) -> tuple[str, Checkpoint]:
    """The signed note and its checkpoint, both still to be trusted: the log may change its key."""
    try:
        note = _text(read("checkpoint"), "WG402")
    except (OSError, LookupError):
        raise VerificationFailed("WG417", "`checkpoint` cannot be read") from None
    try:
        return note, open_checkpoint(note, keys)
    except VerificationFailed as failure:
        checkpoint = parse_checkpoint(note.rpartition("\n\n")[0] + "\n")
        if failure.code != "WG404" or checkpoint.origin != ring_of(keys)[0].name:
            raise
        return note, checkpoint


# --- Retention (C2SP tlog-tiles, Pruning) ---------------------------------------------------

RETENTION_HEADER: Final = "whoisgate/v1 retention"
_RETENTION = re.compile(
    re.escape(RETENTION_HEADER)
    + r"\n([^\n]+)\nminimum (0|[1-9][0-9]{0,17})\nentries (always|[1-9][0-9]{0,5} days)\n"
    r"envelopes ([1-9][0-9]{0,5} days)\n"
)


@dataclass(frozen=True, slots=True)
class Retention:
    """What a log promises to keep; entries before ``minimum`` are pruned."""

    origin: str
    minimum: int
    entries: str
    envelopes: str

    def text(self) -> str:
        """The text of the note, to be signed and published as ``retention``."""
        return (
            f"{RETENTION_HEADER}\n{self.origin}\nminimum {self.minimum}\n"
            f"entries {self.entries}\nenvelopes {self.envelopes}\n"
        )


def parse_retention(text: str) -> Retention:
    """What a note's text promises."""
    match = _RETENTION.fullmatch(text)
    if match is None:
        raise VerificationFailed("WG427", "the retention policy is malformed")
    return Retention(match[1], int(match[2]), match[3], match[4])


def _retention(read: Read) -> tuple[str, Retention] | None:
    """The published note and what it says, still to be trusted; None for a log without one."""
    try:
        note = _text(read("retention"), "WG427")
    except (OSError, LookupError):
        return None
    return note, parse_retention(note.rpartition("\n\n")[0] + "\n")


def verify_log(
    read: Read,
    keys: Keys,
    progress: Callable[[int, int], None] | None = None,
    *,
    since: LogReport | None = None,
    heads: Sequence[str] = (),
) -> LogReport:
    """Reads the whole log and checks every entry, every tile and the signed root.

    With ``since``, what an earlier run verified, only what came after; raises when the log does
    not begin with it. ``heads`` are notes of checkpoints that others were shown: the log must
    begin with each of these trees too, so that two logs under one key are told apart. A log that
    changed its key is followed from the pinned key to the new one. A beginning that the log
    pruned, as its signed retention policy says, is left out. The failure names the first bad
    entry. Memory stays flat. ``progress`` gets the entries done and the size. Not checked: that
    the log shows everybody the same (witnesses do that, and heads compared).
    """
    ring = ring_of(keys)
    if since is not None:
        if {*since.keys, *since.retired, *since.pinned}.isdisjoint(key.text for key in ring):
            raise VerificationFailed("WG422", "what was verified before is not of the pinned key")
        ring = (*ring, *since.ring())
    note, checkpoint = _head(read, ring)
    walk, promised = _Walk(read, checkpoint.size, keys, since), _retention(read)
    if promised and since is None:
        walk.skip(promised[1].minimum)
    walk.heads = _heads(heads, max(walk.since, walk.pruned), walk.size)
    if walk.run(progress) != checkpoint.root:
        raise VerificationFailed("WG419", "the entries do not hash to the signed root")
    found = report(walk.entries, walk.entries.signed(note), keys, since=walk.since)
    known = tuple(walk.entries.known.values())
    for head in heads:
        open_checkpoint(head, known)
    if promised:
        open_note(promised[0], known)
        if promised[1].origin != checkpoint.origin:
            raise VerificationFailed("WG405", "the retention policy is another log's")
    return replace(found, pruned=walk.pruned, heads=tuple(sorted(walk.heads)))


def _heads(notes: Sequence[str], first: int, size: int) -> dict[int, bytes]:
    """The roots of other checkpoints by their sizes, their signatures still to be verified."""
    roots: dict[int, bytes] = {}
    for note in notes:
        head = parse_checkpoint(note.rpartition("\n\n")[0] + "\n")
        if head.size > size:
            raise VerificationFailed("WG422", _BEYOND.format(head.size, size))
        if head.size <= first:
            what = f"expected a checkpoint of more than `{first}` and up to `{size}` entries"
            raise VerificationFailed("WG422", what)
        if roots.setdefault(head.size, head.root) != head.root:
            raise VerificationFailed("WG422", _FORKED.format(head.size))
    return roots


def report(
    entries: Entries, checkpoint: Checkpoint, keys: Keys, *, since: int = 0, unsigned: int = 0
) -> LogReport:
    """What a walk over all entries of a signed tree found."""
    return LogReport(
        *(checkpoint.origin, checkpoint.size, checkpoint.root, dict(entries.public)),
        *(entries.first_hour.decode(), entries.last_hour.decode()),
        tuple(key.text for key in entries.valid()),
        tuple(sorted(entries.retired)),
        tuple(key.text for key in ring_of(keys)),
        *(since, unsigned),
        after=entries.after,
    )


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


Progress = Callable[[int, int], None]
"""Called with the entries done and the size of the log."""


def recognise(
    target: str,
    keys: Keys,
    progress: Progress | None = None,
    since: LogReport | None = None,
    heads: Sequence[str] = (),
) -> Report:
    """Verifies what ``target`` is: a URL or folder of a log, a gate's folder, a zip, a proof.

    Raises `FileNotFoundError` when there is nothing of that name.
    """
    if re.match(r"(https?|file)://", target):
        return verify_log(url_reader(target), keys, progress, since=since, heads=heads)
    path = Path(target)
    if path.is_dir():
        folder = path if (path / "checkpoint").exists() else path / "log"
        return verify_log(directory_reader(folder), keys, progress, since=since, heads=heads)
    with path.open("rb") as stream:
        head = stream.read(len(PROOF_HEADER))
    if head.startswith(b"PK\x03\x04"):
        return verify_evidence(path, keys)
    if head == PROOF_HEADER.encode():
        return verify_receipt(_text(_read_bounded(path, PROOF_LIMIT_BYTES), "WG406"), keys)
    raise VerificationFailed("WG421", "expected an evidence zip, a proof or a log")


def signed_by(report: Report, signer: str) -> None:
    """Raises unless the question of this evidence or receipt was signed by that key."""
    receipt = report.receipt if isinstance(report, EvidenceReport) else report
    signed = receipt.signed if isinstance(receipt, VerifiedReceipt) else None
    if signed is None:
        raise VerificationFailed("WG430", "this shows no question that its requester signed")
    if signed.signer != signer:
        raise VerificationFailed("WG430", "another key than the expected one signed the question")


def key_of(text: str) -> VerifierKey:
    """The key that ``text`` is, or that stands in the file of that name."""
    if text.count("+") > 1:
        return parse_vkey(text)
    return parse_vkey(_text(_read_bounded(Path(text), 1 << 10), "WG401").removesuffix("\n"))


def head_of(file: Path) -> str:
    """The signed note of a checkpoint, or of the one in a proof."""
    text = _text(_read_bounded(file, PROOF_LIMIT_BYTES), "WG402")
    return parse_proof(text).checkpoint if text.startswith(PROOF_HEADER) else text


def earlier(state: Path | None) -> LogReport | None:
    """What an earlier run kept in this file, None before the first."""
    if state is None or not state.exists():
        return None
    return LogReport.from_json(_read_bounded(state, 1 << 16))


def keep(state: Path, report: LogReport) -> None:
    """Write what the next run goes on from; the file is whole or as it was."""
    new = state.with_name(f".{state.name}.new")
    new.write_bytes(report.to_json())
    new.replace(state)


def shown_progress() -> Progress | None:
    """Shows the progress of a long run on a terminal; None where there is none."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, size: int) -> None:
        sys.stderr.write(f"\r{done:,} of {size:,} entries" + "\n" * (done == size))

    return show


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program: 0 verified, 1 not verified, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="verify", description="Verify a log or evidence from it.")
    parser.add_argument("target", help="evidence zip, .tlog-proof, folder or URL of a log")
    parser.add_argument(
        "--key", required=True, action="append", help="a pinned public key of the log, or its file"
    )
    parser.add_argument("--state", type=Path, help="where runs over a log keep how far they came")
    parser.add_argument(
        "--head", type=Path, action="append", default=[],
        help="a checkpoint or proof that somebody else was shown, which the log must hold",
    )  # fmt: skip
    parser.add_argument("--signer", help="the thumbprint of the key that must have asked")
    parser.add_argument("--json", action="store_true", help="one JSON object for programs")
    args = parser.parse_args(argv)
    try:
        keys = tuple(map(key_of, args.key))
    except (VerificationFailed, OSError) as error:
        code = error.code if isinstance(error, VerificationFailed) else "WG417"
        return _wrong(parser, VerificationFailed(code, f"--key: {error}"), as_json=args.json)
    try:
        heads = tuple(map(head_of, args.head))
        found = recognise(args.target, keys, shown_progress(), earlier(args.state), heads)
        if args.signer:
            signed_by(found, args.signer)
        if args.state and isinstance(found, LogReport):
            keep(args.state, found)
    except OSError as error:
        what = f"cannot read `{error.filename or args.target}`: {error.strerror}"
        return _wrong(parser, VerificationFailed("WG417", what), as_json=args.json)
    except VerificationFailed as failure:
        sys.stdout.write(told_failure(failure, as_json=args.json))
        return 1
    sys.stdout.write(told(found, as_json=args.json))
    return 0


def _wrong(parser: argparse.ArgumentParser, failure: VerificationFailed, *, as_json: bool) -> int:
    """Ends the program as for wrong usage; a program that asked for JSON gets it."""
    if not as_json:
        parser.error(f"{failure} ({failure.code})")
    sys.stdout.write(told_failure(failure, as_json=True))
    return 2


def told(found: Report, *, as_json: bool) -> str:
    """What was verified, as text for a person or one JSON object."""
    return f"{_as_json(found)}\n" if as_json else "\n".join([*found.sentences(), "Verified.\n"])


def _as_json(report: Report) -> str:
    what = {LogReport: "log", EvidenceReport: "evidence", VerifiedReceipt: "receipt"}
    facts = asdict(report.receipt if isinstance(report, EvidenceReport) else report)
    if isinstance(report, EvidenceReport):
        facts["answer"] = "left out" if report.body is None else "enclosed"
    return json.dumps({"verified": what[type(report)], **facts}, default=bytes.hex)


def told_failure(failure: VerificationFailed, *, as_json: bool) -> str:
    """What did not hold, likewise."""
    if as_json:
        facts = {"verified": False, "code": failure.code, "index": failure.index}
        return json.dumps({**facts, "message": str(failure)}) + "\n"
    entry = "" if failure.index is None else f"entry {failure.index}: "
    return f"Not verified: {entry}{failure} ({failure.code}).\n"


if __name__ == "__main__":
    sys.exit(main())
