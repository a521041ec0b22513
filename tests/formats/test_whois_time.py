"""The WHOIS reader's time stays linear: 64 KB of any shape in under 50 ms of CPU time."""

import re
import time

import pytest

from whois_cases import CASES
from whoisgate.formats import whois

SIZE = 65_536
BOUND_S = 0.050


def filled(piece: str, head: str = "", tail: str = "") -> bytes:
    """64 KB of one piece again and again."""
    whole = head.encode() + piece.encode() * (SIZE // len(piece.encode()) + 1)
    return whole[: SIZE - len(tail.encode())] + tail.encode()


def counted(line: str, head: str = "") -> bytes:
    """64 KB of numbered lines."""
    lines = "".join(line.format(n, n + 1) for n in range(10_000))
    return (head + lines).encode()[:SIZE]


SHAPES = {
    "one huge line": filled("x"),
    "one huge value": filled("x", "Registrar: "),
    "one huge label": filled("x", tail=": y\n"),
    "newlines": filled("\n"),
    "carriage returns": filled("\r"),
    "mixed ends": filled("\r\n\n\r"),
    "labels alone": filled("a:"),
    "labels on lines": filled("a:\n"),
    "spaces": filled(" "),
    "tabs": filled("\t"),
    "spaces then text": filled(" ", "Registrar:", "x\n"),
    "spaces inside": filled("a" + " " * 1000 + "\n"),
    "colons": filled(":"),
    "opening brackets": filled("["),
    "closing brackets": filled("]"),
    "bracket pairs": filled("[]"),
    "brackets open on lines": filled("[a\n"),
    "parentheses": filled("("),
    "dots": filled("."),
    "dots then a colon": filled("." * 500 + ":\n"),
    "dots without a colon": filled("created....... \n"),
    "dashes": filled("-"),
    "slashes": filled("/"),
    "quotes": filled('"'),
    "quotes on lines": filled("\"'\n"),
    "commas": filled(","),
    "ats": filled("@"),
    "half addresses": filled("a@b.", "Registrar Abuse Contact Email: "),
    "half addresses on lines": filled("changed: a@@b@c.\n"),
    "an address of labels": filled("a.", "nserver: "),
    "an address of hyphens": filled("a-", "nserver: "),
    "colons of an address": filled("1:", "nserver: ns1.example.net "),
    "numbers": filled("1", "created: "),
    "one label": filled("Registrar: x\n"),
    "one date label": filled("created: 2001-02-03\n"),
    "one bad date": filled("created: 99.99.9999 99:99:99 +99:99\n"),
    "dates in one line": filled("2001-02-03 ", "created: "),
    "months in one line": filled("Feb ", "created: "),
    "many dates": counted("changed: x{}@a.example 2001-02-03\n"),
    "many name servers": counted("nserver: ns{}.example.net 192.0.2.1\n"),
    "name servers in one line": filled("ns1.example.net, ", "Name Servers: "),
    "many statuses": filled("status: clientTransferProhibited\n"),
    "statuses in one line": filled("clientHold ", "status: "),
    "handles in a cycle": counted("nic-hdl: A{0}\nadmin-c: A{1}\n\n", "domain: example.com\n"),
    "handles to one block": counted("admin-c: A{}\n", "domain: example.com\n\nnic-hdl: A1\n\n"),
    "one handle in many blocks": filled("nic-hdl: A\nperson: x\n\n", "admin-c: A\n\n"),
    "every handle by every role": counted(
        "admin-c: A{0}\ntech-c: A{0}\n\nnic-hdl: A{0}\nperson: x\n\n", "domain: example.com\n"
    ),
    "a list of handles": filled("A1, ", "admin-c: "),
    "many blocks": counted("x{}: y\n\n"),
    "many labels": counted("label {}: y\n"),
    "many sections": counted("Section {}:\n  x\n\n"),
    "deeper and deeper": b"".join(b" " * n + b"a:\n" for n in range(360))[:SIZE],
    "deeper and back": filled("a:\n  b:\n    c:\n      d\n"),
    "endless section": filled("   x\n", "Registrant:\n"),
    "endless address": filled("address: x\n", "person: y\n"),
    "comments": filled("% limit exceeded\n"),
    "hashes": filled("#"),
    "words of other states": filled("no match not found available reserved limit refused "),
    "no match in one line": filled("no "),
    "combining marks": filled("\N{COMBINING ACUTE ACCENT}", "Registrar: a"),
    "combining marks in labels": filled("a\N{COMBINING ACUTE ACCENT}: x\n"),
    "marks out of order": filled("\u0316\u0301", "Registrar: a"),
    "ligatures that grow": filled("\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}"),
    "growing labels": filled("\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}: x\n"),
    "full width colons": filled("名\N{FULLWIDTH COLON}"),
    "Arabic digits": filled("\u0661", "created: "),
    "NULs": filled("\x00"),
    "bad UTF-8": b"\xff" * SIZE,
    "half a character": b"\xe2\x80" * (SIZE // 2),
    "UTF-16": filled("Registrar: x\n").decode().encode("utf-16-le")[:SIZE],
    "escapes": filled("\x1b[31m"),
    "regular expression": filled("(.*)*[^)]{1,9}+?$|", "Domain Name: "),
    "punycode": filled("xn--", "Domain Name: "),
    "leaders between words": filled("a.. ", "x"),
    "arrows": filled(">>> <<< "),
    "JSON": filled('{"a":'),
    "all fixtures in one": b"\n".join([case.raw for case in CASES] * 3)[:SIZE],
}


def seconds(read, raw: bytes) -> float:
    """CPU time of the quickest of three."""
    took = []
    for _ in range(3):
        start = time.process_time()
        read(raw)
        took.append(time.process_time() - start)
    return min(took)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("complete", [True, False])
def test_reads_64_kb_of_any_shape_in_bounded_time(shape, complete):
    raw = SHAPES[shape]
    assert SIZE // 2 <= len(raw) <= SIZE
    took = seconds(lambda text: whois.read(text, "example.com", complete=complete), raw)
    assert took < BOUND_S, f"{shape}: {took * 1000:.0f} ms"


@pytest.mark.parametrize(
    "name", ["a.b.c.example", "xn--" + "a" * 50 + ".example", "a" * 63 + ".com"]
)
def test_takes_a_name_for_what_it_is_in_no_pattern(name):
    text = re.sub(r"(?m)$", f" {name} (((", "\n".join(["No match for"] * 2000)).encode()[:SIZE]
    assert seconds(lambda raw: whois.read(raw, name, complete=True), text) < BOUND_S
