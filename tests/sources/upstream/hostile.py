"""Hostile RDAP and WHOIS servers by chance: what one does follows from a seed and a number.

The number stands in the name that is asked (``h7.whois.test``), so a failure is made again from
its seed alone. Run as a program this is those servers on loopback, in a process of its own, whose
memory is not the gate's: ``python -m tests.sources.upstream.hostile SEED``. It prints its ports,
answers each line of its input with its counts, and ends with its input. Behind `TRAP` and ``::1``
nobody may ever be asked. Nothing here knows whoisgate.
"""

import asyncio
import functools
import gzip
import itertools
import json
import random
import re
import socket
import struct
import sys
import zlib
from dataclasses import dataclass, field

BIRD = "kanarievogel"
"""Stands in every personal value and in every name that a hostile link leads to."""

OWN_BIRD = "nachtegaaltje"
"""Stands in a registrant's name, which one kind of gated question may see."""

NUMBER = "70707071"
"""Stands in every telephone number of a person."""

FORGED = "forged"
"""Begins what a line break would bring to the beginning of a line."""

OWN = "upstream.example"
"""The servers' own domain, to which no answer may lead."""

SERVER, REGISTRAR, TRAP = "127.0.0.1", "127.0.0.2", "127.0.0.66"
ZONES = {"rdap": 45, "whois": 33, "both": 18, "busy": 4}
GIGABYTE = 1_000_000_000
HANG_S = 20.0
_ASKED = re.compile(rb"(?:/hop(\d+)/domain/)?(?:/domain/)?h(\d+)\.(\w+)\.test", re.IGNORECASE)


def zone(seed, number):
    """Which servers are asked about a number: RDAP, WHOIS, one after the other, or a busy one."""
    return random.Random(f"{seed}:{number}").choices([*ZONES], [*ZONES.values()])[0]


def name(seed, number):
    return f"h{number}.{zone(seed, number)}.test"


@dataclass(frozen=True)
class Flow:
    """A part said again and again, up to a gigabyte."""

    part: bytes
    pause_s: float = 0.0


@dataclass
class Speech:
    """What a server says: bytes, pauses in seconds, flows; then it closes, resets or hangs."""

    traits: list[str] = field(default_factory=list)
    parts: list = field(default_factory=list)
    end: str = "close"


class Maker:
    """Chance, the name that is asked, and words that must not come out."""

    def __init__(self, seed, number, what, ports):
        self.chance = random.Random(f"{seed}:{number}:{what}")
        self.number, self.name, self.ports = number, name(seed, number), ports
        self.speech, self.raw, self._words = Speech(), {}, itertools.count()

    def word(self, bird=BIRD):
        return f"{bird}{self.number}x{next(self._words)}ë"

    def host(self):
        return f"{BIRD}{self.number}x{next(self._words)}.example"

    def link(self):
        return f"https://{self.host()}/domain/{self.name}"

    def in_text(self, text):
        """A leaf of a document for which ``text`` will stand as it is."""
        leaf = f"@raw{len(self.raw)}@"
        self.raw[leaf] = text
        return leaf

    def some(self, items, most):
        items = list(items)
        return self.chance.sample(items, min(len(items), self.chance.randint(1, most)))

    def plan(self, readable, *stages):
        """The traits of each stage, which is all there are and how many at most.

        Some that leave the answer ``readable``, or a single one, or any together.
        """
        how = self.chance.choices(["readable", "single", "any"], [45, 25, 30])[0]
        if how == "readable":
            some = self.chance.sample(readable, self.chance.randint(0, 4))
        elif how == "single":
            some = [self.chance.choice([trait for traits, _ in stages for trait in traits])]
        else:
            counted = [(traits, self.chance.randint(0, most)) for traits, most in stages]
            some = [trait for traits, n in counted for trait in self.chance.sample(traits, n)]
        return [[trait for trait in traits if trait in some] for traits, _ in stages]

    def apply(self, traits, *given):
        """These traits, one after the other; each may give what the next one takes."""
        for trait in traits:
            self.speech.traits.append(trait.__name__)
            given = (*given[:-1], made) if (made := trait(self, *given)) is not None else given
        return given[-1]


# --- a made-up person, as RDAP and as WHOIS


def entity(make, role, **more):
    voice, fax = f"tel:+99.{NUMBER}01;ext={NUMBER}", f"+99.{NUMBER}02"
    street = make.word()
    card = [
        ["version", {}, "text", "4.0"],
        ["fn", {}, "text", make.word(OWN_BIRD if role == "registrant" else BIRD)],
        ["org", {"x-note": make.word()}, "text", make.word()],
        [
            "adr",
            {"cc": "NL", "label": make.word()},
            "text",
            ["", "", [street, make.word()], make.word(), "Sample State", make.word(), ""],
        ],
        ["tel", {"type": "voice"}, "uri", voice],
        ["tel", {"type": "fax"}, "text", fax],
        ["email", {}, "text", f"{make.word()}@person.example"],
        ["note", {}, "text", make.word()],
    ]
    return {
        "objectClassName": "entity",
        "handle": make.word(),
        "roles": [role],
        "vcardArray": ["vcard", card],
        **more,
    }


def document(make):
    """An RDAP answer that is sound and has a word in every personal place."""
    roles = ["registrant", *make.some(["administrative", "technical", "billing"], 3)]
    registrar = {
        "objectClassName": "entity",
        "roles": ["registrar"],
        "vcardArray": ["vcard", [["fn", {}, "text", "Example Registrar"]]],
        "publicIds": [{"type": "IANA Registrar ID", "identifier": "9999"}],
        "port43": "whois.registrar.example",
        "links": [{"rel": "about", "href": "https://rdap.registrar.example/"}],
    }
    return {
        "objectClassName": "domain",
        "rdapConformance": ["rdap_level_0"],
        "handle": "D-1",
        "ldhName": make.name,
        "status": ["active"],
        "events": [{"eventAction": "registration", "eventDate": "2020-01-02T03:04:05Z"}],
        "nameservers": [{"objectClassName": "nameserver", "ldhName": "ns1.example.net"}],
        "secureDNS": {"delegationSigned": False},
        "entities": [*(entity(make, role) for role in roles), registrar],
    }


def labelled(make):
    """A WHOIS answer with a label before each value."""
    lines = [
        f"Domain Name: {make.name.upper()}",
        "Registry Domain ID: D-1",
        "Creation Date: 2020-01-02T03:04:05Z",
        "Registrar: Example Registrar",
        "Registrar IANA ID: 9999",
        "Domain Status: ok",
    ]
    for role in ("Registrant", *make.some(["Admin", "Tech", "Billing"], 3)):
        bird = OWN_BIRD if role == "Registrant" else BIRD
        lines += [
            f"Registry {role} ID: {make.word()}",
            f"{role} Name: {make.word(bird)}",
            f"{role} Organization: {make.word()}",
            f"{role} Street: {make.word()}",
            f"{role} City: {make.word()}",
            f"{role} State/Province: Sample State",
            f"{role} Postal Code: {make.word()}",
            f"{role} Country: NL",
            f"{role} Phone: +99.{NUMBER}01",
            f"{role} Fax: +99.{NUMBER}02",
            f"{role} Email: {make.word()}@person.example",
        ]
    return [*lines, "Name Server: ns1.example.net", "DNSSEC: unsigned", ">>> Last update: x <<<"]


def in_objects(make):
    """A WHOIS answer of objects that refer to each other."""
    handle = f"{OWN_BIRD.upper()}-{make.number}"  # a mangled one is read as the holder's name
    return [
        f"% see {make.link()}",
        f"domain:       {make.name}",
        "nserver:      ns1.example.net",
        "created:      2020-01-02",
        "registrar:    Example Registrar",
        f"holder-c:     {handle}",
        f"remarks:      {make.word()}",
        "",
        f"nic-hdl:      {handle}",
        "type:         PERSON",
        f"contact:      {make.word(OWN_BIRD)}",
        f"address:      {make.word()}",
        f"address:      {make.word()}",
        "country:      NL",
        f"phone:        +99 {NUMBER}",
        f"e-mail:       {make.word()}@person.example",
        f"changed:      2020-01-02 {make.word()}@person.example",
    ]


def in_sections(make):
    """A WHOIS answer of headings with indented values."""
    return [
        "Domain name:",
        f"    {make.name}",
        "",
        "Registrant:",
        f"    {make.word(OWN_BIRD)}",
        f"    {make.word()}",
        f"    {make.word()}@person.example",
        "",
        "Administrative contact:",
        f"    {make.word()}",
        f"    Phone: +99.{NUMBER}",
        "",
        "Registrar:",
        "    Example Registrar",
        "",
        "Relevant dates:",
        "    Registered on: 02-Jan-2020",
        "Name servers:",
        "    ns1.example.net",
    ]


# --- traits of a document


def boxes(tree):
    """Every place of a tree: the object or array, and the key or index in it."""
    for key in tree if isinstance(tree, dict) else range(len(tree)):
        yield tree, key
        if isinstance(tree[key], (dict, list)):
            yield from boxes(tree[key])


def objects(tree):
    return [tree, *(box[key] for box, key in boxes(tree) if isinstance(box[key], dict))]


def texts(tree):
    return [(box, key) for box, key in boxes(tree) if isinstance(box[key], str)]


CONTROLS = [
    "\x1b[2J\x1b]0;forged\x07", f"\r\n{FORGED}: 1", f"\n{FORGED}: 1\n", f"\r{FORGED}: 1", "\0",
    "\x9b31m", f"\u2028{FORGED}", f"\x85{FORGED}", "\x7f", "\x0b", "\x0c", "\u202e", "\ufeff",
    "\r\n\r\n% WG103: forged\r\n", "\b\b\b", "\t",
]  # fmt: skip


def spliced(make, text):
    at = make.chance.randint(0, len(text))
    return text[:at] + make.chance.choice(CONTROLS) + text[at:]


def control_characters(make, tree):
    public = [
        (b, k) for b, k in texts(tree) if b[k] in {"D-1", "Sample State", "Example Registrar"}
    ]
    for box, key in [*make.some(public, 2), *make.some(texts(tree), 6)]:
        box[key] = spliced(make, box[key])


def unknown_members(make, tree):
    for box in make.some(objects(tree), 4):
        box[make.word()] = make.chance.choice(
            [make.word(), [make.link()], {"deep": [{"er": make.word()}]}]
        )


def links_and_notices(make, tree):
    for box in [tree, *make.some(objects(tree), 4)]:
        link = {"rel": make.chance.choice(["self", "related", "about", "alternate"])}
        link |= {"href": make.link(), "value": make.link(), "title": make.word()}
        if "registrar" not in box.get("roles", ()):
            box["links"] = [link]
            box["port43"] = make.host()
        box["notices"] = [{"title": make.word(), "description": [make.link()], "links": [link]}]
        box["remarks"] = box["notices"]
        box["lang"] = make.word()


def nested_people(make, tree):
    for box in make.some(tree["entities"], 2):
        role = make.chance.choice(["registrant", "technical", "abuse", "sponsor", make.word()])
        if "registrar" not in box["roles"]:
            box["entities"] = [entity(make, role, entities=[entity(make, "registrant")])]


def several_roles(make, tree):
    box = make.chance.choice(tree["entities"][:-1])
    box["roles"] += make.some(["registrar", "reseller", "abuse", "REGISTRAR", "sponsor"], 5)
    make.chance.shuffle(box["roles"])
    make.chance.shuffle(tree["entities"])


def own_addresses(make, tree):
    """The registrar's addresses are those of the servers themselves."""
    host = make.chance.choice([f"rdap.{OWN}", f"RDAP.{OWN}", f"whois.{OWN}", f"rdap.{OWN}."])
    for box in tree["entities"]:
        if box["roles"] == ["registrar"]:
            box["port43"] = host
            box["links"] = [
                {"rel": "about", "href": f"http://{host}:{make.ports[0]}/domain/{make.name}"},
                {"rel": "related", "href": f"https://{host}/", "type": "text/html"},
            ]


def lone_surrogates(make, tree):
    for box, key in make.some(texts(tree), 2):
        if make.chance.random() < 0.5 or isinstance(key, int):
            box[key] += make.chance.choice(["\ud800", "\udfff", "\udc00\ud800"])
        else:
            box[f"{key}\udbff"] = make.word()


def huge_numbers(make, tree):
    digits = make.chance.choice([20, 400, 5000, 100_000])
    numbers = [
        "1" * digits,
        "-" + "9" * digits,
        "1e400",
        "-1e-400",
        f"1.{'3' * digits}",
        "1E+99999",
    ]
    for box, key in make.some(boxes(tree), 2):
        box[key] = make.in_text(make.chance.choice(numbers))


def wrong_types(make, tree):
    for box, key in make.some(boxes(tree), 3):
        box[key] = make.chance.choice(
            [None, True, 5, -1.5, "", [], {}, [[]], [None], {"a": 1}, ["x"], "x" * 9999]
        )


def mangled_keys(make, tree):
    """Members whose keys only look as they should; each holds a word."""
    for box, key in make.some([(b, k) for b, k in boxes(tree) if isinstance(b, dict)], 4):
        mangled = make.chance.choice(
            [key.upper(), key.title(), f"{key}\u200b", f"\ufeff{key}", f"{key}\0", f" {key}",
             key.replace("e", "е"), key.replace("a", "а"), key.replace("o", "ο"), f"{key}\u0301",
             key.swapcase(), f"{key}\r\n", key.replace("i", "ı"), "__proto__", ""]
        )  # fmt: skip
        if mangled != key:
            box[mangled] = make.chance.choice([make.word(), [make.word()], {key: make.word()}])


def deep_nesting(make, tree):
    depth = make.chance.choices([40, 65, 300, 10_000, 100_000], [3, 3, 2, 1, 1])[0]
    start, end = make.chance.choice(["[]", ('{"a":', "}"), ('[{"entities":', "}]")])
    box, key = make.chance.choice(list(boxes(tree)))
    box[key] = make.in_text(start * depth + "1" + end * depth)


def many_members(make, tree):
    key = make.chance.choice(["status", "nameservers", "events", "entities"])
    if isinstance(tree.get(key), list) and tree[key]:
        item = json.dumps(tree[key][0])
        times = min(make.chance.choice([50, 1000, 9000]), 1_500_000 // len(item))
        tree[key] = make.in_text(f"[{', '.join([item] * times)}]")


def long_texts(make, tree):
    for box, key in make.some(texts(tree), 2):
        word = make.word() if BIRD in box[key] else "x"
        box[key] = f"{word} " * make.chance.choice([20, 2000, 20_000])


def other_name(make, tree):
    names = [
        make.host(), make.host(), "other.test", f"{make.name}.", f"x.{make.name}", "", "\0",
        f"{make.name}\r\n", "xn--a.test", make.name.replace("e", "е"), make.name.upper(),
        " " + make.name, "a" * 300, ".", "*",
    ]  # fmt: skip
    tree["ldhName"] = make.chance.choice(names)
    if make.chance.random() < 0.3:
        tree["unicodeName"] = make.chance.choice(names)


def missing_members(make, tree):
    for box, key in make.some([(b, k) for b, k in boxes(tree) if isinstance(b, dict)], 3):
        box.pop(key, None)


TREE = [
    links_and_notices, nested_people, several_roles, own_addresses, unknown_members, mangled_keys,
    long_texts, control_characters, other_name, lone_surrogates, huge_numbers, wrong_types,
    deep_nesting, missing_members, many_members,
]  # fmt: skip
READABLE = TREE[:8]
"""What leaves a document one that can be read."""


# --- traits of the bytes


def duplicate_keys(make, raw):
    found = list(re.finditer(rb'"(\w+)": ', raw))
    for match in make.some(found, 2) if found else ():
        said = make.chance.choice([make.word(), "other.test", "registrar"])
        raw = raw.replace(match[0], match[0] + json.dumps(said).encode() + b", " + match[0], 1)
    return raw


def truncated(make, raw):
    return raw[: make.chance.randint(0, max(0, len(raw) - 1))]


def flipped(make, raw):
    """A few bytes are others; a line stays a line, for what two become is not theirs."""
    changed = bytearray(raw)
    for at in make.some(range(len(changed)), 4) if raw else ():
        other = make.chance.randrange(256)
        if changed[at] not in b"\r\n" and other not in b"\r\n":
            changed[at] = other
    return bytes(changed)


def another_encoding(make, raw):
    text = raw.decode("utf-8", "surrogateescape")
    how = make.chance.choice(
        ["utf-16", "utf-16-be", "utf-32", "utf-8-sig", "latin-1", "cp037", "utf-7", "shift_jis"]
    )
    return text.encode(how, "replace")


def mixed_encodings(make, raw):
    """Bytes that no one encoding holds: overlong, halves of characters, lone surrogates."""
    pieces = [b"\xc0\xaf", b"\xed\xa0\x80", b"\xff\xfe", b"\xe6\x97", b"\xf4\x90\x80\x80", b"\x80"]
    for _ in range(make.chance.randint(1, 4)):
        at = raw.find(BIRD.encode(), make.chance.randint(0, len(raw)))
        if at >= 0:
            raw = raw[:at] + make.chance.choice(pieces) + raw[at:]
    return raw + make.chance.choice(pieces)


def nul_bytes(make, raw):
    return make.chance.choice([b"\0" + raw, raw + b"\0" * 5000, raw.replace(b" ", b"\0")])


def said_twice(make, raw):
    return raw + make.chance.choice([b"", b"\n", b"\0"]) + raw


def something_else(make, raw):
    word = make.word().encode()
    return make.chance.choice(
        [b"", b"{}", b"[]", b"null", b'"' + word + b'"', b"NaN", b"<html>" + word + b"</html>",
         word * 50, b"[" * 100_000, b'{"a":' * 100_000, b"\x1b[2J" + word, b" " * 500_000,
         b'{"errorCode": 404, "title": "' + word + b'"}', b"[" + b"{}," * 200_000 + b"{}]",
         make.chance.randbytes(3000), b"/*" + word + b"*/" + raw, b"%PDF-1.4", b"\x16\x03\x01"]
    )  # fmt: skip


BYTES = [
    truncated, flipped, another_encoding, mixed_encodings, nul_bytes, said_twice, something_else,
]  # fmt: skip


# --- traits of an HTTP head


@dataclass
class Head:
    """An HTTP answer's head; ``framing`` is its field of length, or None where it gives none."""

    status: bytes = b"HTTP/1.1 200 OK"
    fields: list = field(default_factory=lambda: [b"Content-Type: application/rdap+json"])
    framing: bytes | None = b"Content-Length: %d"


def lying_length(make, head, body):
    size = len(body)
    head.framing = make.chance.choice(
        [b"%d" % (size + 50), b"%d" % (size // 2), b"-1", b"9" * 5000, b"+%d" % size, b"0x10", b"",
         b"%d, %d" % (size, size), b"%d\r\nContent-Length: %d" % (size, size + 1), b"1e3", b"0",
         "١٢".encode(), b"%d\r\nTransfer-Encoding: chunked" % size, b"1000000000"]
    )  # fmt: skip
    head.framing = b"Content-Length: " + head.framing


def lying_chunks(make, head, body):
    head.framing = b"Transfer-Encoding: " + make.chance.choice(
        [b"chunked"] * 8 + [b"chunked, chunked", b"gzip, chunked", b"identity", b"\x0bchunked"]
    )
    size = make.chance.choice(
        [b"%x" % len(body)] * 3 + [b"%x" % (len(body) + 9), b"1", b"-1", b"zz", b"f" * 40, b"0x5",
         b"%x;%s=%s" % (len(body), make.word().encode(), b"y" * 20_000), b"", b"%x\0" % len(body)]
    )  # fmt: skip
    trailer = make.chance.choice([b"", f"{FORGED}: {make.word()}\r\n".encode(), b"X: y\r\n" * 9999])
    return size + b"\r\n" + body + b"\r\n0\r\n" + trailer + b"\r\n"


def compressed(make, head, body):
    how, made = make.chance.choice(
        [(b"gzip", gzip.compress), (b"deflate", zlib.compress), (b"x-gzip", gzip.compress),
         (b"gzip, gzip", lambda b: gzip.compress(gzip.compress(b))), (b"br", bytes),
         (b"identity, gzip", gzip.compress), (b"zstd\0", bytes), (b"gzip", bytes)]
    )  # fmt: skip
    head.fields.append(b"Content-Encoding: " + how)
    return made(body) if make.chance.random() < 0.5 else bomb()


@functools.cache
def bomb():
    """Fifty megabytes in fifty kilobytes."""
    return gzip.compress(b" " * 50_000_000)


def other_status(make, head, body):
    status = make.chance.choice(
        [b"401", b"403"] * 5
        + [b"201", b"204", b"206", b"300", b"302", b"304", b"400", b"404", b"410", b"418", b"451",
           b"500", b"502", b"503", b"599", b"600", b"999", b"000", b"99", b"-200", b"2000", b"2OO",
           "٢٠٠".encode(), b""]
    )  # fmt: skip
    head.status = b"HTTP/1.1 " + status + b" " + make.word().encode("latin-1")


def absent(make, head, body):
    head.status = b"HTTP/1.1 404 Not Found"
    word = make.word().encode()
    return make.chance.choice(
        [b"", b"{}", b'{"errorCode": 404, "description": ["' + word + b'"]}', body]
        + [b"<p>" + word, b"[" + word] * 2
    )


def other_protocol(make, head, body):
    head.status = make.chance.choice(
        [b"HTTP/1.0 200 OK", b"HTTP/2 200", b"HTTP/9.9 200 OK", b"http/1.1 200 OK", b"ICY 200 OK",
         b"200 OK", b"", b"HTTP/1.1 200", b"HTTP/1.1\t200\tOK", b"\x1b[2JHTTP/1.1 200 OK",
         b"HTTP/1.1 200 \x1b[2J" + make.word().encode(), b"\r\n\r\nHTTP/1.1 200 OK", b"SSH-2.0-x"]
    )  # fmt: skip


def fields_with_words(make, head, body):
    word = make.word().encode()
    head.fields += make.some(
        [b"Set-Cookie: " + word, b"Link: <" + make.link().encode() + b">; rel=related",
         b"Server: " + word, word + b": x", b"Retry-After: " + word, b"ETag: " + word,
         b"Location: " + make.link().encode(), b"WWW-Authenticate: Bearer realm=" + word,
         b"Refresh: 0;url=" + make.link().encode(), b'Alt-Svc: h2="' + word + b'"',
         b"Strict-Transport-Security: max-age=9", b"Connection: upgrade", b"Upgrade: h2c"], 6
    )  # fmt: skip


def broken_fields(make, head, body):
    head.fields += make.some(
        [b"X: a\x1b[2Jb", b"X: a\0b", b"X: a\rb", b"no colon", b": empty", b"X : y", b" folded: y",
         b"X: y\r\n folded", "Ж: ж".encode(), b"X: " + b"\xff" * 50, b"\x1b: y", b"X: y\nZ: y",
         b"X" * 5000 + b": y", b"X: y\x0bz"], 3
    )  # fmt: skip


def many_fields(make, head, body):
    head.fields += [b"X-%d: y" % n for n in range(make.chance.choice([50, 1000, 20_000]))]


def huge_field(make, head, body):
    head.fields.append(b"X: " + b"y" * make.chance.choice([20_000, 40_000, 90_000, 500_000]))


HEAD = [
    lying_length, lying_chunks, compressed, other_status, absent, other_protocol,
    fields_with_words, broken_fields, many_fields, huge_field,
]  # fmt: skip


# --- traits of a WHOIS answer's lines


def strange_lines(make, lines):
    for _ in range(make.chance.randint(1, 5)):
        line = make.chance.choice(
            [f"% {make.link()}", f"remarks: {make.word()}", f"x-{make.word()}: {make.word()}",
             f"{make.word()}: x", f"NOTICE: see {make.link()}",
             f"URL of the ICANN Complaint Form: {make.link()}", f"\x1b[2J{make.word(OWN_BIRD)}",
             f"Registrant Tax Number: {make.word()}", f"[{make.word()}] {make.word()}"]
        )  # fmt: skip
        lines.insert(make.chance.randint(0, len(lines)), line)


def controls_in_lines(make, lines):
    for at in make.some(range(len(lines)), 6):
        lines[at] = spliced(make, lines[at])


def mangled_labels(make, lines):
    """A person's labels that only look as they should; each has a word."""
    personal = [n for n, line in enumerate(lines) if ": " in line and BIRD in line]
    for at in sorted(make.some(personal, 4), reverse=True):
        label = lines[at].partition(":")[0]
        mangled = make.chance.choice(
            [label.replace("e", "е"), label.replace("a", "а"), f"{label}\u200b", f"\ufeff{label}",
             f"{label}\0", label.replace("o", "ο"), f"x{label}", f"{label}\u0301", f"\u202e{label}"]
        )  # fmt: skip
        if mangled != label:
            lines.insert(at, f"{mangled}: {make.word()}")


def repeated_labels(make, lines):
    personal = [n for n, line in enumerate(lines) if BIRD in line]
    for at in sorted(make.some(personal, 3), reverse=True):
        label = lines[at].partition(":")[0]
        lines.insert(at, f"{label}: {make.word()}")


def endless_lists(make, lines):
    lines += [make.chance.choice(lines)] * make.chance.choice([500, 2000, 20_000])


def long_line(make, lines):
    at = make.chance.randrange(len(lines))
    lines[at] += make.chance.choice([" ", ".", ":", "a ", "-", "\t"]) * 200_000 + make.word()


def another_name(make, lines):
    lines[:] = [line.replace(make.name, "other.test") for line in lines]
    lines[:] = [line.replace(make.name.upper(), "OTHER.TEST") for line in lines]


def another_domain_too(make, lines):
    lines += ["", f"Domain Name: {make.word()}.test", f"Registrant Name: {make.word(OWN_BIRD)}"]


def not_found_within(make, lines):
    said = make.chance.choice(["No match", "NOT FOUND", "Status: AVAILABLE", "No entries found."])
    lines.insert(make.chance.randint(0, len(lines)), f"remarks: {said} {make.word()}")


def other_line_ends(make, lines):
    end = make.chance.choice(["\n", "\r", "\n\r", "\r\r\n", "\u2028", "\x85", "\x0b", "\n\n"])
    lines[:] = [end.join(lines)]


_PEOPLE = re.compile(
    r"(?i)\s*(registr|admin|tech|billing|holder|nic-hdl|contact|address|phone|e-mail|changed|type"
    rf"|country|.*@|.*{BIRD}|.*{OWN_BIRD})"
)


def referral(make, lines):
    """A thin answer that refers to friends, circles, traps and nonsense."""
    lines[:] = [line for line in lines if not _PEOPLE.match(line)]
    n = make.chance.randrange(10**6)
    host = make.chance.choice(
        [f"w{n}.friend.test"] * 6
        + ["trap.test", f"rebind{n}.friend.test"] * 3
        + [f"whois.{OWN}", "both.test", "mapped.test", TRAP,
           "127.0.0.66:43", "registrar.example", "slow.test", "2130706498", "127.66", "localhost",
           "inside.test", "meta.test", "x y.test", "\x1b[2J.test", "w.friend.test/../", "a" * 300,
           "::1"]
    )  # fmt: skip
    lines.append(f"Registrar WHOIS Server: {host}")


def own_server(make, lines):
    lines.append(f"Registrar WHOIS Server: whois.{OWN}")


LINES = [
    strange_lines, controls_in_lines, mangled_labels, repeated_labels, not_found_within, own_server,
    referral, endless_lists, long_line, another_name, another_domain_too, other_line_ends,
]  # fmt: skip
READABLE_LINES = LINES[:7]


# --- traits of the transport


def dripping(make, raw):
    make.speech.parts = [p for byte in raw[:3000] for p in (bytes([byte]), 0.02)]


def in_pieces(make, raw):
    cuts = sorted(make.chance.randint(0, len(raw)) for _ in range(8))
    ends = zip([0, *cuts], [*cuts, len(raw)], strict=True)
    make.speech.parts = [p for start, end in ends for p in (raw[start:end], 0.005)]


def cut_off(make, raw):
    make.speech.parts = [raw[: make.chance.randint(0, len(raw))]]


def reset(make, raw):
    make.speech.parts = [raw[: make.chance.randint(0, len(raw))], make.chance.choice([0.0, 0.05])]
    make.speech.end = "reset"


def stalling(make, raw):
    make.speech.parts, make.speech.end = [raw[: make.chance.randint(0, len(raw))]], "hang"


def never_closing(make, raw):
    make.speech.parts, make.speech.end = [raw], "hang"


def silent(make, raw):
    make.speech.parts, make.speech.end = [], "hang"


def endless(make, raw):
    part = make.chance.choice([b" ", b"a: b\r\n", b"\0", raw or b"x", b"[", b"\r\n", b"%"])
    make.speech.parts.append(Flow(part * (65536 // len(part) + 1)))


def endless_drip(make, raw):
    make.speech.parts.append(Flow(make.chance.choice([b" ", b"x", b"a: b\r\n"]), 0.05))


def endless_line(make, raw):
    make.speech.parts = [raw.rstrip() or b"HTTP/1.1 200 OK\r\nX: y", Flow(b"x" * 65536, 0.001)]


TRANSPORT = [
    dripping, in_pieces, cut_off, reset, stalling, never_closing, silent, endless, endless_drip,
    endless_line,
]  # fmt: skip


def a_gigabyte(make, raw):
    size = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % GIGABYTE
    make.speech.parts = [size, Flow(b" " * 65536)]


def endless_chunks(make, raw):
    start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    make.speech.parts = [start, Flow(make.chance.choice([b"1\r\nx\r\n" * 5000, b"0" * 65536]))]


def interim_answers(make, raw):
    kind = make.chance.choice([b"100 Continue", b"103 Early Hints", b"102 Processing"])
    part = b"HTTP/1.1 " + kind + b"\r\nLink: <" + make.link().encode() + b">\r\n\r\n"
    make.speech.parts = make.chance.choice([[part * 20, raw], [Flow(part, 0.02)], [part * 5000]])


def two_answers(make, raw):
    make.speech.parts = [raw + raw]


HTTP_TRANSPORT = [*TRANSPORT, a_gigabyte, endless_chunks, interim_answers, two_answers]


# --- whole answers


def trap(make):
    """Where a redirect must not lead, spelled in whatever way."""
    host = make.chance.choice(
        [TRAP, "trap.test", "mapped.test", "[::1]", f"rebind{make.number}.test"] * 4
        + ["[::ffff:127.0.0.66]", "[::ffff:7f00:42]", "[64:ff9b::7f00:42]", "2130706498",
           "0x7f.0.0.66", "0177.0.0.66", "127.66", f"{TRAP}.", "localhost", "both.test",
           "meta.test", "inside.test",
           f"user@{TRAP}", f"rdap.{OWN}@{TRAP}", f"rdap.{OWN}\\@{TRAP}", "169.254.169.254",
           "[fd00:ec2::254]", "0", f"{TRAP}#.{OWN}", "%31%32%37.0.0.66", "１２７.0.0.66",
           make.host(), "slow.test", ""]
    )  # fmt: skip
    port = make.chance.choice([make.ports[0]] * 30 + [make.ports[1], 80, 443, 22, 0, 99999])
    scheme = make.chance.choice(
        ["http"] * 30 + ["https", "ftp", "file", "gopher", "HTTP", "jar:http"]
    )
    path = make.chance.choice(
        [f"/domain/{make.name}"] * 30
        + ["/latest/meta-data/", "/domain/other.test", f"/domain/{make.name}\r\n{FORGED}: 1", "",
           f"/\x1b[2J/domain/{make.name}", f"/?/domain/{make.name}", f"/{'a' * 3000}{make.name}"]
    )  # fmt: skip
    slashes = make.chance.choice(["://"] * 30 + [":", ":/", ":\\\\", "//"])
    return f"{scheme}{slashes}{host}:{port}{path}"


def redirects(make):
    """Where the first questions are sent: on within the rules, in a circle, or into a trap."""
    if make.chance.random() > 0.2:
        return []
    friends = make.chance.choice([0, 0, 0, 1, 2, 3, 4, 9])
    base = ["", f"http://rdap.{OWN}:{make.ports[0]}", f"http://friend.test:{make.ports[0]}"]
    chain = [f"{make.chance.choice(base)}/hop{n + 1}/domain/{make.name}" for n in range(friends)]
    if make.chance.random() < 0.7 or not chain:
        chain.append(trap(make))
    make.speech.traits.append("redirects")
    return chain


def rdap(seed, number, ports, hop=0):
    """What the RDAP server says of a number, after so many redirects."""
    make = Maker(seed, number, "rdap", ports)
    chain = redirects(make)
    if hop < len(chain):
        status = make.chance.choice([b"301", b"302", b"303", b"307", b"308"])
        head = Head(b"HTTP/1.1 " + status + b" Go", [b"Location: " + chain[hop].encode()])
        make.speech.parts = [wire(head, b"")]
        return make.speech
    if zone(seed, number) == "busy":
        after = make.chance.choice([b"0", b"1", b"9" * 5000, b"-1", b"soon", b"\x1b[2J"])
        make.speech.traits.append("throttling")
        make.speech.parts = [wire(Head(b"HTTP/1.1 429 No", [b"Retry-After: " + after]), b"")]
        return make.speech
    tree = document(make)
    of_tree, of_bytes, of_head, of_transport = make.plan(
        READABLE, (TREE, 3), ([duplicate_keys, *BYTES], 1), (HEAD, 2), (HTTP_TRANSPORT, 1)
    )
    make.apply(of_tree, tree)
    text = json.dumps(tree, ensure_ascii=make.chance.random() < 0.7)
    for leaf, raw in reversed(make.raw.items()):
        text = text.replace(f'"{leaf}"', raw)
    head = Head()
    body = make.apply(of_bytes, text.encode("utf-8", "surrogatepass"))
    body = make.apply(of_head, head, body)
    raw = wire(head, body)
    make.speech.parts = [raw]
    make.apply(of_transport, raw)
    return make.speech


def wire(head, body):
    framing = head.framing or b""
    framing = framing % len(body) if b"%" in framing else framing
    return b"\r\n".join([head.status, *head.fields, framing, b"", b""]) + body


def whois(seed, number, ports, where="whois"):
    """What the WHOIS server says of a number, or the registrar's to which it refers."""
    make = Maker(seed, number, where, ports)
    if zone(seed, number) == "busy":
        make.speech.traits.append("throttling")
        make.speech.parts = [f"% Query rate exceeded, {make.word()}\r\n".encode()]
        return make.speech
    layout = make.chance.choice([labelled, labelled, in_objects, in_sections])
    make.speech.traits.append(layout.__name__)
    lines = layout(make)
    if make.chance.random() < 0.05:
        make.speech.traits.append("absent")
        lines = [f"No match for {make.name}", f"% {make.link()}"]
    of_lines, of_bytes, of_transport = make.plan(
        READABLE_LINES, (LINES, 3), (BYTES, 1), (TRANSPORT, 1)
    )
    make.apply(of_lines, lines)
    if where == "registrar" and make.chance.random() < 0.3:
        referral(make, lines)
    end = make.chance.choice(["\r\n", "\n"])
    raw = (end.join(lines) + end).encode("utf-8", "surrogatepass")
    raw = make.apply(of_bytes, raw)
    make.speech.parts = [raw]
    make.apply(of_transport, raw)
    return make.speech


def traits(seed, number, ports):
    """What is hostile about a number, for reports."""
    kind = zone(seed, number)
    said = []
    if kind != "whois":
        said += [f"rdap:{t}" for hop in (0, 99) for t in rdap(seed, number, ports, hop).traits]
    if kind != "rdap":
        said += [f"whois:{t}" for t in whois(seed, number, ports).traits]
        said += [f"registrar:{t}" for t in whois(seed, number, ports, "registrar").traits]
    return list(dict.fromkeys(said))


# --- the servers


class Servers:
    """All of them over one seed, and what they count."""

    def __init__(self, seed):
        self.seed, self.ports = seed, (0, 0)
        self.counts = {"asked": 0, "trapped": 0, "most_sent": 0, "failed": 0}
        self.traits = set()

    async def start(self):
        first = await asyncio.start_server(self._rdap, SERVER, 0)
        second = await asyncio.start_server(self._whois, SERVER, 0)
        self.ports = tuple(s.sockets[0].getsockname()[1] for s in (first, second))
        await asyncio.start_server(self._whois, REGISTRAR, self.ports[1])
        for host in (TRAP, "::1"):
            for port in self.ports:
                try:
                    await asyncio.start_server(self._trapped, host, port)
                except OSError:
                    if host == TRAP:
                        raise  # a machine may do without IPv6

    async def _trapped(self, reader, writer):
        self.counts["trapped"] += 1
        writer.close()

    async def _rdap(self, reader, writer):
        await self._served(reader, writer, b"\r\n\r\n")

    async def _whois(self, reader, writer):
        await self._served(reader, writer, b"\r\n")

    async def _served(self, reader, writer, end):
        try:
            question = await reader.readuntil(end)
            self.counts["asked"] += 1
            found = _ASKED.search(question)
            hop, number = int(found[1] or 0), int(found[2])
            if end == b"\r\n":
                here = writer.get_extra_info("sockname")[0]
                where = "registrar" if here == REGISTRAR else "whois"
                speech = whois(self.seed, number, self.ports, where)
            else:
                speech = rdap(self.seed, number, self.ports, hop)
            self.traits.update(speech.traits)
            await self._said(speech, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # whoever asked has gone
        except Exception:
            self.counts["failed"] += 1
            raise
        finally:
            writer.close()

    async def _said(self, speech, reader, writer):
        sent = 0
        try:
            for part in speech.parts:
                if isinstance(part, float):
                    await asyncio.sleep(part)
                    continue
                flow = part if isinstance(part, Flow) else Flow(part)
                while flow.part:
                    writer.write(flow.part)
                    await writer.drain()
                    sent += len(flow.part)
                    if flow is not part or sent >= GIGABYTE:
                        break
                    await asyncio.sleep(flow.pause_s)
            if speech.end == "hang":
                async with asyncio.timeout(HANG_S):
                    await reader.read()
        finally:
            self.counts["most_sent"] = max(self.counts["most_sent"], sent)
            if speech.end == "reset":
                connection = writer.get_extra_info("socket")
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()


async def main(seed):
    servers = Servers(seed)
    await servers.start()
    sys.stdout.write(json.dumps(servers.ports) + "\n")
    sys.stdout.flush()
    while await asyncio.to_thread(sys.stdin.readline):
        counts = {**servers.counts, "traits": sorted(servers.traits)}
        sys.stdout.write(json.dumps(counts) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
