"""Endless bad input, the same on every machine: mutated texts and mutated RDAP documents.

Input ``number`` of a run depends on nothing but that number, so a failing one can be made again.
"""

import json
import random
from collections.abc import Callable, Sequence

TOKENS = (
    b"\r\n", b"\n", b"\r", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xc2\x85", b"\xe2\x80\xa8", b":",
    b": ", b"::", b"\t", b"  ", b"        ", b"....", b"[", b"]", b"[x] ", b"a. [x] ", b"% ", b"# ",
    b">>> ", b"{", b"}", b'"', b"@", b"a@b.example", b"Registrar:", b"Registrant:\n", b"nic-hdl: ",
    b"person: ", b"contact: ", b"domain: ", b"nserver: ", b"Name Server: ns1.example.net\n",
    b"changed: ", b"created: ", b"Creation Date: ", b"2001-02-03", b"31.02.2001", b"9999-99-99",
    b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:59-23:59", b"99999999999999999999",
    b"status: ", b"ok", b"DNSSEC: ", b"DS Data: 1 2 3 ", b"No match", b"limit exceeded",
    b"\xcc\x81" * 9, b"\xd9\xa1\xd9\xa2", b"\xf0\x9f\x90\xa6", b"xn--", b"xn--\xff", b"-" * 70,
    b"=" * 70, b"\\", b"(", b")", b"/", b"://", b"+1.5555550100", b"\x1b[31m", b"\xed\xa0\x80",
)  # fmt: skip


def text(number: int, originals: Sequence[bytes]) -> bytes:
    """One of the originals after one to eight changes."""
    chance = random.Random(number)
    raw = chance.choice(originals)
    for _ in range(chance.randint(1, 8)):
        raw = chance.choice(_CHANGES)(chance, raw, originals)
    return raw[:65536]


def _span(chance: random.Random, raw: bytes) -> tuple[int, int]:
    start = chance.randint(0, len(raw))
    return start, min(len(raw), start + chance.randint(0, 200))


def _flip(chance: random.Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    place = chance.randint(0, len(raw))
    return raw[:place] + bytes([chance.randrange(256)]) + raw[place + 1 :]


def _delete(chance: random.Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    start, end = _span(chance, raw)
    return raw[:start] + raw[end:]


def _repeat(chance: random.Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    start, end = _span(chance, raw)
    return raw[:end] + raw[start:end] * chance.randint(1, 5) + raw[end:]


def _insert(chance: random.Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    place = chance.randint(0, len(raw))
    return raw[:place] + chance.choice(TOKENS) * chance.randint(1, 3) + raw[place:]


def _replace(chance: random.Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    return raw.replace(chance.choice(TOKENS), chance.choice(TOKENS), chance.randint(1, 9))


def _truncate(chance: random.Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    return raw[: chance.randint(0, len(raw))]


def _shuffle(chance: random.Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    lines = raw.splitlines(keepends=True)
    one, other = (chance.randrange(len(lines) + 1) for _ in range(2))
    part = lines[min(one, other) : max(one, other)]
    chance.shuffle(part)
    lines[min(one, other) : max(one, other)] = part
    return b"".join(lines)


def _splice(chance: random.Random, raw: bytes, originals: Sequence[bytes]) -> bytes:
    other = chance.choice(originals)
    return raw[: chance.randint(0, len(raw))] + other[chance.randint(0, len(other)) :]


def _indent(chance: random.Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    lines = raw.splitlines(keepends=True)
    for _ in range(chance.randint(1, 5)):
        if lines:
            place = chance.randrange(len(lines))
            lines[place] = chance.choice([b"", b" ", b"   ", b"\t"]) + lines[place].lstrip(b" \t")
    return b"".join(lines)


_CHANGES: tuple[Callable[[random.Random, bytes, Sequence[bytes]], bytes], ...] = (
    _flip, _delete, _repeat, _insert, _insert, _replace, _truncate, _shuffle, _splice, _indent,
)  # fmt: skip


# --- RDAP

_ODD_VALUES: tuple[Callable[[random.Random], object], ...] = (
    lambda _: None,
    lambda c: c.choice([True, False]),
    lambda c: c.choice([0, -1, 2**63, 2**64, 10**400, -(10**30), 1e308, -0.0, 1e-320]),
    lambda c: c.choice(["", " ", "a", "\ud800", "\udfff x", "\x00", "é" * 50, "x" * 3000]),
    lambda c: c.choice(["2001-02-03", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+14:00"]),
    lambda c: c.choice(["registrant", "registrar", "domain", "entity", "active", "xn--\ud801"]),
    lambda _: [],
    lambda _: {},
    lambda c: _nested(c.randint(1, 400), c.choice([True, False])),
    lambda c: [None] * c.randint(1, 50),
)


def _nested(depth: int, lists: bool) -> object:  # noqa: FBT001  one of two shapes
    inner: object = "x"
    for _ in range(depth):
        inner = [inner] if lists else {"entities": inner}
    return inner


def document(number: int, originals: Sequence[bytes]) -> bytes:
    """One of the RDAP originals, changed as JSON, as text, or as both."""
    chance = random.Random(number)
    tree = json.loads(chance.choice(originals))
    for _ in range(chance.randint(0, 3)):
        places = [*_places(tree)]
        holder, key = chance.choice(places)
        _change(chance, holder, key, chance.choice(places))
    # JSON's escapes let lone surrogates through, as a hostile server would.
    raw = json.dumps(tree, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    if chance.random() < 0.1:
        raw = _duplicated(chance, raw)
    if chance.random() < 0.1:
        raw = chance.choice(_CHANGES)(chance, raw, originals)
    return raw


Place = tuple[dict[str, object], str] | tuple[list[object], int]


def _places(tree: object) -> list[Place]:
    """Every member and item of a tree; of deep nesting only the top."""
    found: list[Place] = []
    level = [tree]
    for _ in range(12):
        below: list[object] = []
        for node in level:
            if isinstance(node, dict):
                found += [(node, key) for key in node]
                below += node.values()
            elif isinstance(node, list):
                found += [(node, index) for index in range(len(node))]
                below += node
        level = below
    return found or [({"": ""}, "")]


def _change(chance: random.Random, holder: dict | list, key: str | int, other: Place) -> None:
    kind = chance.randrange(4)
    if kind == 0 and isinstance(holder, dict):
        holder[f"{key}x"] = holder.pop(key)
    elif kind == 1:
        del holder[key]
    elif kind == 2:
        # A copy: a tree that holds itself is no JSON.
        holder[key] = json.loads(json.dumps(other[0][other[1]]))
    else:
        holder[key] = chance.choice(_ODD_VALUES)(chance)


def _duplicated(chance: random.Random, raw: bytes) -> bytes:
    """Some member twice."""
    ends = [place for place, byte in enumerate(raw) if byte == ord("{")]
    place = chance.choice(ends) + 1 if ends else 0
    return (
        raw[:place]
        + chance.choice([b'"roles":[],', b'"ldhName":"a",', b'"":0,"":1,'])
        + raw[place:]
    )
