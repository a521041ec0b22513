"""Alterations of bytes, lines and JSON, drawn by seed: what a tamperer might try, or a bad disk.

Every alteration gives other bytes than it was given. Blind ones know nothing of what they alter;
`respell` writes the same value in another way.
"""

import re
from collections.abc import Callable
from random import Random

Alter = Callable[[Random, bytes], bytes]


def _span(random: Random, data: bytes, longest: int = 64) -> tuple[int, int]:
    begin = random.randrange(len(data) + 1)
    return begin, min(len(data), begin + random.randint(1, longest))


def flip(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def put_in(random: Random, data: bytes) -> bytes:
    at, _ = _span(random, data)
    return data[:at] + random.randbytes(random.choice((1, 1, 2, 32, 100))) + data[at:]


def take_out(random: Random, data: bytes) -> bytes:
    begin, end = _span(random, data)
    return data[:begin] + data[end:]


def cut(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data))]


def double(random: Random, data: bytes) -> bytes:
    begin, end = _span(random, data)
    return data[:end] + data[begin:]


def swap(random: Random, data: bytes) -> bytes:
    (a, b), (c, d) = sorted((_span(random, data), _span(random, data)))
    b = min(b, c)
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def append(random: Random, data: bytes) -> bytes:
    return data + random.choice((b"\0", data, random.randbytes(random.choice((1, 2, 32)))))


def zero(random: Random, data: bytes) -> bytes:
    begin, end = _span(random, data)
    return data[:begin] + bytes(end - begin) + data[end:]


BLIND: tuple[Alter, ...] = (flip, flip, put_in, append, take_out, cut, double, swap, zero)


def rows(random: Random, data: list[bytes]) -> list[bytes]:
    """Lines, hashes or entries: one swapped, doubled, dropped, moved, or another's."""
    data = list(data)
    a, b = (random.randrange(len(data)) for _ in range(2))
    what = random.randrange(5)
    if what == 0:
        data[a], data[b] = data[b], data[a]
    elif what == 1:
        data.insert(random.choice((a, len(data))), data[b])
    elif what == 2:
        del data[a]
    elif what == 3:
        data.insert(b, data.pop(a))
    else:
        data[a] = blind(random, data[a] or b"\0")
    return data


def lines(random: Random, data: bytes) -> bytes:
    return b"\n".join(rows(random, data.split(b"\n")))


def _slack(random: Random, found: bytes) -> bytes:
    """The same base64 with spare bits set, without padding, or with too much of it."""
    body = found.rstrip(b"=")
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = alphabet.find(body[-1].to_bytes(1, "big").translate(bytes.maketrans(b"-_", b"+/")))
    return random.choice(
        (
            body[:-1] + alphabet[last ^ 1 : (last ^ 1) + 1] + found[len(body) :],
            body,
            found + b"=",
            body[:4] + b" " + found[4:],
        )
    )


def _number(random: Random, found: bytes) -> bytes:
    """The same number, or what some parsers take for it."""
    other = (b"0%b", b"+%b", b"%b.0", b"%be0", b" %b", b"-%b", b"%b_0", "%b\u0663".encode())
    return random.choice(other) % found


_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{20,}={0,2}")
RESPELLINGS: tuple[tuple[re.Pattern[bytes], Callable[[Random, bytes], bytes]], ...] = (
    (_BASE64, _slack),
    (_BASE64, lambda _, found: found.translate(bytes.maketrans(b"+/-_", b"-_+/"))),
    (re.compile(rb"\b[0-9]+\b"), _number),
    (re.compile(rb"[0-9a-f]*[a-f][0-9a-f]*"), lambda _, found: found.upper()),
    (
        re.compile(rb"[\[\]{},:]"),
        lambda random, found: random.choice((b" %b", b"%b ", b"%b\n", b"%b\t")) % found,
    ),
    (re.compile(rb"[a-z]"), lambda _, found: rb"\u%04x" % found[0]),
    (re.compile(rb"\n"), lambda random, _: random.choice((b"\r\n", b"\n\n", b" \n", b"\r", b""))),
    (re.compile(rb" "), lambda random, _: random.choice((b"  ", b"\t", b"\xc2\xa0"))),
    (re.compile(rb"^"), lambda random, _: random.choice((b"\xef\xbb\xbf", b" ", b"\n"))),
    (re.compile(rb"\Z"), lambda random, _: random.choice((b"\n", b" ", b"\0", b"\r\n"))),
)
"""What in a text has another spelling, and one of them."""


def respell(random: Random, data: bytes) -> bytes:
    """The same text with one thing in it written otherwise."""
    pattern, other = random.choice(RESPELLINGS)
    found = list(pattern.finditer(data))
    if not found:
        return data
    match = random.choice(found)
    return data[: match.start()] + other(random, match[0]) + data[match.end() :]


def _until_other(random: Random, data: bytes, choices: tuple[Alter, ...]) -> bytes:
    while True:
        altered = random.choice(choices)(random, data)
        if altered != data:
            return altered


def blind(random: Random, data: bytes) -> bytes:
    """Other bytes than these; empty bytes get some."""
    return _until_other(random, data, BLIND if data else (put_in,))


def text(random: Random, data: bytes) -> bytes:
    """As `blind`, of a text: lines and spellings too."""
    return _until_other(random, data, (*BLIND, lines, lines, respell, respell, respell))
