"""The page for a court: only what is proved, in words, with nothing hidden. And smaller zips.

Run as a program (``python -m tests.audit.test_evidence_page``) it writes the vectors of format 2.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import unicodedata
import zipfile
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from tests.audit.conftest import entry, receipt

from whoisgate.audit.evidence import evidence_zip, select
from whoisgate.audit.note import Signer
from whoisgate.audit.question import QuestionSigner, as_kept
from whoisgate.audit.verify import (
    COMMITTED,
    VerificationFailed,
    VerifierKey,
    canonical_json,
    parse_vkey,
    verify_evidence,
)
from whoisgate.errors import Unselectable
from whoisgate.formats.disclosure_request import DisclosureRequest, serialise

FORMAT_2 = Path(__file__).parent / "vectors" / "format-2"
HOSTILE = (
    "<script>document.title='x'</script>&\"' \x1b[31m\x00\u202egnp.exe\u200b\u2066\U000e0041\n\x85"
)
POLICY = """\
whoisgate: 1
policy: made-up
include: [{policy: other}]
rules:
  - id: LEA-ORDER # granted on an order
    grant: release
    elements: [registrant.name]

    law:
      - instrument: made-up
        article: 7(1) <b>

  # of the next
  - {id: FLOW, grant: release, elements: [registrant.email], law: [{instrument: flow}]}
  - id: LEA-ORDER-2
    grant: withhold
---
policy: "other" # included
rules:
- id: 'LEA-ORDER'
  law: [{instrument: of the other}]
"""
ANSWER = {
    "objectClassName": "domain",
    "ldhName": "example.com",
    "status": ["active", HOSTILE],
    "events": [{"eventAction": "registration", "eventDate": "2020-01-02T03:04:05Z"}],
    "links": [{"href": "https://left-out.example/"}],
    "secureDNS": {"delegationSigned": False, "maxSigLife": 1.50},
    "entities": [
        {
            "objectClassName": "entity",
            "roles": ["registrant"],
            "handle": "C-1",
            "vcardArray": [
                "vcard",
                [
                    ["version", {}, "text", "4.0"],
                    ["fn", {}, "text", f"Ada {HOSTILE}"],
                    ["org", {}, "text", ["Example Works", "Legal"]],
                    [
                        "adr",
                        {"cc": "NL"},
                        "text",
                        ["", "", ["1 Sample Street", "Rear"], "Sampletown", "", "00000", ""],
                    ],
                    ["tel", {"type": ["voice"]}, "uri", "tel:+1.5555550100"],
                    ["tel", {"type": "fax"}, "uri", "tel:+1.5555550101"],
                    ["email", {}, "text", "ada@person.example"],
                    "no property",
                ],
            ],
            "entities": [{"roles": ["technical", "abuse"], "handle": "\ud800"}],
        },
        "no entity",
    ],
    "redacted": [{"name": {"type": "Registry Registrant ID"}}, {"name": {"description": "Fax"}}, 1],
}
BODY = json.dumps(ANSWER).encode()
FIELDS = {
    "kind": "disclosure",
    "decided_at": "2026-11-23T22:59:59.000000Z",
    "logged_at": "2026-11-23T22:59:59.000001Z",
    "node": "node-canary",
    "sequence": 8_675_309,
    "authority": f"Police of Exampleland {HOSTILE}",
    "person": "officer-7-canary",
    "requester_class": "class-canary",
    "domain": "canary-domain.example",
    "purpose": "purpose-canary",
    "basis": "basis-canary",
    "case": "case-canary-2026-114",
    "asked": ["registrant.asked-canary"],
    "released": {"registrant.name": ["LEA-ORDER", "other/LEA-ORDER"], "registrant.email": ["FLOW"]},
    "outcome": "released",
    "question": "c0" * 32,
    "view": "c1" * 32,
    "body": hashlib.sha256(BODY).hexdigest(),
    "source": "source-canary",
    "record_version": "version-canary",
    "context": {"word": "context-canary", "none": None, "list": ["a", "b"], "deep": {"x": [1]}},
    "approval": ["approval-canary"],
    "detail": None,
}


def zipped(signer: Signer, body: bytes | None = BODY, policy: str = POLICY, **changed) -> bytes:
    """The evidence of one entry; ``changed`` replaces fields, ``...`` leaves one out."""
    digest = {} if body is None else {"body": hashlib.sha256(body).hexdigest()}
    fields = {n: v for n, v in {**FIELDS, **digest, **changed}.items() if v is not ...}
    made = entry(3, fields, policy=hashlib.sha256(policy.encode()).hexdigest())
    return evidence_zip(body, receipt(made, signer), policy, signer.vkey)


def members(packed: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def page(packed: bytes) -> str:
    return members(packed)["evidence.html"].decode()


class Read(HTMLParser):
    """A page's elements and its text, refusing elements that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.text, self._open = set(), set(), "", []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in {"meta", "br"}:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data


TAGS = set(
    re.findall(
        r"\w+",
        "html head meta title style body main h1 h2 h3 p a ul ol li table caption thead tbody "
        "tr th td code pre b i bdi br",
    )
)


@pytest.fixture(scope="module")
def packed(signer) -> bytes:
    return zipped(signer)


@pytest.fixture(scope="module")
def read(packed) -> Read:
    return Read(page(packed))


def test_opens_with_what_is_shown_and_what_is_not(packed):
    text = page(packed)
    heads = re.findall(r"<h[12][^>]*>(.*?)</h", text)
    assert heads == [
        "Evidence of a disclosure of registration data",
        "What this shows",
        "What this does not show",
        "The entry",
        "The rules and their law",
        "The answer",
        "Digests and key",
        "How to verify",
    ]
    shown = text.partition("What this does not show")[0]
    rows = re.findall(r'<th scope="row">Th(?:is|ese) (.*?)</th>', shown)
    assert rows == ["bytes", "rule", "time", "authority", "question", "source", "log"]
    assert FIELDS["body"] in shown
    assert "2026-11-23T22:59:59.000001Z" in shown


def test_says_every_opened_field(read, packed):
    told = Read(page(packed)).text
    for name in COMMITTED:
        assert name in told
    for value in ("node-canary", "8675309", "context-canary", "approval-canary", "nothing stated"):
        assert value in told
    assert "does not open" not in told


def test_shows_the_values_of_the_answer_with_their_rules(packed):
    answer = page(packed).partition("<h2>The answer</h2>")[2].partition("<h2>")[0]
    rows = {
        name: (value, rule)
        for name, value, rule in (
            re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)
            for row in re.findall(r"<tr>(.*?)</tr>", answer)
        )
    }
    rows = {Read(n).text: tuple(Read(each).text for each in cells) for n, cells in rows.items()}
    assert rows["registrant.email"] == ("ada@person.example", "FLOW")
    assert rows["registrant.name"][1] == "LEA-ORDER, other/LEA-ORDER"
    assert rows["registrant.street"] == ("1 Sample Street, Rear", "")
    assert rows["registrant.country"] == ("NL", "")
    assert rows["registrant.organization"] == ("Example Works, Legal", "")
    assert rows["registrant.phone"] == ("tel:+1.5555550100", "")
    assert rows["registrant.fax"] == ("tel:+1.5555550101", "")
    assert rows["registrant.?"] == ("no property", "")
    assert rows["registrant.tech, abuse.handle"] == ("[U+D800]", "")
    assert rows["events 1.eventDate"] == ("2020-01-02T03:04:05Z", "")
    assert rows["secureDNS.delegationSigned"] == ("false", "")
    assert rows["secureDNS.maxSigLife"] == ("1.5", "")
    assert rows["withheld"] == ("Registry Registrant ID, Fax, ?", "")
    assert "left-out" not in answer


def test_shows_hidden_characters_and_runs_nothing(packed, read):
    text = page(packed)
    assert read.tags <= TAGS
    assert not any(name.startswith("on") or name in {"src", "action"} for name in read.attributes)
    assert re.findall(r'(?:href|url)[=(]"?([^">]*)', text) == ["#verify"]
    assert not re.search(r"[^\n\x20-\x7e]", text.replace("\u00a0", ""))
    boxes = ("001B", "0000", "202E", "200B", "2066", "E0041", "000A", "0085")
    for box in boxes:
        assert text.count(f"<b>[U+{box}]</b>") >= 3
    assert "gnp.exe" in read.text
    assert "<script>document.title='x'</script>&\"' " in read.text


def test_is_accessible_and_stands_alone(packed, read):
    text = page(packed)
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">\n')
    assert text.count("<table>") == text.count("<caption>") == text.count("<thead>")
    assert text.count("<th ") == text.count('<th scope="')
    assert "default-src 'none'" in text
    colours = set(re.findall(r"#[0-9a-f]{3,6}\b", text.partition("</style>")[0]))
    assert colours == {"#000", "#fff"}


VISIBLE_FORMATS = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
"""Marks that Unicode counts as formatting, but that have a shape."""


def test_hides_no_character_of_any_category(signer):
    hidden = "".join(
        chr(each)
        for each in range(0x110000)
        if unicodedata.category(chr(each)) in {"Cc", "Cf", "Zl", "Zp"}
        and each not in VISIBLE_FORMATS
    )
    text = page(zipped(signer, None, detail=hidden))
    for each in hidden:
        assert f"[U+{ord(each):04X}]" in text
    assert not set(text) & (set(hidden) - {"\n"})


def test_quotes_the_law_of_each_rule(packed):
    rules = page(packed).partition("their law</h2>")[2].partition("<h2>")[0]
    quotes = [Read(each).text for each in re.findall(r"<pre>(.*?)</pre>", rules, re.DOTALL)]
    granted = POLICY.split("\n")
    assert quotes == [
        "\n".join(granted[13:14]),
        "\n".join(granted[4:11]),
        "\n".join(granted[19:21]),
    ]


@pytest.mark.parametrize("policy", ["", "rules:\n  -\n    id: LEA-ORDER\n", "- id: LEA\n", "\x00"])
def test_says_so_when_a_rule_is_not_found(signer, policy):
    text = page(zipped(signer, policy=policy))
    assert text.count("The rule was not found by its id") == 3


def test_quotes_a_rule_up_to_the_end_of_the_policy(signer):
    policy = "- id: FLOW\r\n  law: it\r\n\r\n"
    text = page(zipped(signer, policy=policy, released={"x": ["FLOW"]}))
    assert "<pre><bdi>- id: FLOW</bdi>\n<bdi>  law: it</bdi></pre>" in text


@pytest.mark.parametrize(
    ("outcome", "title", "says"),
    [
        ("refused", "registration data was refused", "the question was refused"),
        ("needs_approval", "waits for approval", "needs an approval first"),
        ("else", "an entry in an audit log", ""),
        (["list"], "an entry in an audit log", ""),
    ],
)
def test_words_follow_the_outcome(signer, outcome, title, says):
    text = page(zipped(signer, b'{"errorCode":403}', outcome=outcome, released={}))
    assert title in text.partition("</title>")[0]
    assert says in text
    assert "The entry names no rule that granted more than the public sees." in text
    assert "this was released beyond what the public sees" not in text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no JSON",
        b"\xff",
        b'{"a":1,"a":2}',
        b"[" * 100_000,
        b"[" * 65 + b"]" * 65,
        b'"' + b"\\" * 99_999,
        b"1" * 10_000 + b"x",
    ],
)
def test_says_so_when_it_cannot_read_the_answer(signer, body):
    assert "cannot read the answer as JSON" in page(zipped(signer, body))


def test_reads_numbers_as_they_are_written(signer):
    text = page(zipped(signer, b'{"a":%s,"b":1.10e400}' % (b"7" * 9_000)))
    assert "7" * 9_000 in text
    assert "1.10e400" in text


def test_bounds_the_table_and_counts_what_it_leaves(signer):
    many = json.dumps({f"k{i}": "v" for i in range(1_007)}).encode()
    assert ">7 more values stand in" in page(zipped(signer, many)).replace("<p>", ">")
    large = json.dumps({"a": "x", "b": "\x7f" * 4_000_000, "c": "y"}, ensure_ascii=False).encode()
    text = page(zipped(signer, large))
    assert "2 more values stand in" in text
    assert len(text) < 20_000


MEMBERS = st.sampled_from(["entities", "roles", "vcardArray", "redacted", "name"]) | st.text()
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.lists(st.tuples(MEMBERS, inner)).map(dict),
    max_leaves=10,
)
CARDS = st.fixed_dictionaries(
    {"vcardArray": st.lists(st.lists(st.lists(st.sampled_from(["adr", "tel", "fn"]) | JSONS)))}
)


@given(JSONS | CARDS, st.text(), st.text())
def test_makes_a_sound_page_of_anything(signer, answer, word, policy):
    body = json.dumps(answer).encode()
    case = word if word.isprintable() else ascii(word)
    packed = zipped(signer, body, policy.replace("\ud800", ""), case=case, source=[case, {}])
    assert verify_evidence(packed, signer.verifier).body == body
    assert Read(page(packed)).tags <= TAGS


def test_states_the_digests_for_the_custodian_to_sign(packed, signer):
    inside = members(packed)
    statement = inside["statement.txt"].decode()
    for name, content in inside.items():
        line = f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        assert (line in statement) is (name not in {"statement.txt", "SHA256SUMS"})
        assert (line in inside["SHA256SUMS"].decode()) is (name != "SHA256SUMS")
    assert signer.vkey in statement
    assert "Entry 4 of the audit log log.example/2026" in statement
    assert all(len(line) <= 100 for line in statement.splitlines() if "+" not in line)


# --- Selected fields ------------------------------------------------------------------------


def unfolded(data: bytes, depth: int = 3) -> bytes:
    """``data``, and whatever base64 in it, at any offset and however often folded, holds."""
    found = [data]
    if depth:
        for token in set(re.findall(rb"[\w+/-]{12,}", data)):
            for skip in range(4):
                part = token[skip : len(token) - (len(token) - skip) % 4]
                plain = base64.b64decode(part, altchars=b"-_" if b"+" not in part else None)
                found.append(unfolded(plain, depth - 1) if skip == 0 else plain)
    return b"\n".join(found)


def canaries(value: object) -> list[str]:
    if isinstance(value, dict):
        return [each for item in value.values() for each in canaries(item)]
    if isinstance(value, list):
        return [each for item in value for each in canaries(item)]
    return [str(value)[:30]] if len(str(value)) > 4 and value is not None else []


def standing(data: bytes) -> set[str]:
    """The fields of which a value stands in these bytes, plain or folded."""
    whole = unfolded(data)
    spelt = {
        name: [f(each) for each in canaries(value) for f in (str.encode, ascii_inside)]
        for name, value in FIELDS.items()
        if name not in {"released", "outcome", "kind", "body"}
    }
    return {name for name, words in spelt.items() if any(word in whole for word in words)}


def ascii_inside(text: str) -> bytes:
    return json.dumps(text)[1:-1].encode()


def test_drops_values_in_every_encoding(packed, signer):
    everything = set(FIELDS) - {"released", "outcome", "kind", "body", "detail"}
    assert standing(packed) == everything
    assert standing(members(packed)["receipt.tlog-proof"]) == everything
    kept = {"domain", "logged_at", "released"}
    smaller = select(packed, signer.verifier, kept, answer=False)
    assert standing(smaller) == {"domain", "logged_at"}
    report = verify_evidence(smaller, signer.verifier)
    assert report.body is None
    assert set(report.receipt.fields) == kept
    assert b"Ada" not in unfolded(smaller)
    assert FIELDS["body"].encode() not in unfolded(smaller)
    for name in everything:
        alone = select(packed, signer.verifier, {name}, answer=False)
        assert standing(alone) == {name}


def test_says_what_a_smaller_zip_leaves_out(packed, signer):
    smaller = select(packed, signer.verifier, {"domain", "logged_at", "body"}, answer=False)
    text = Read(page(smaller)).text
    assert "Fields that this copy does not open: Kind of entry; Question received;" in text
    assert "This copy leaves the answer out." in text
    assert f"The answer is left out; its SHA-256 was {FIELDS['body']}." in text
    assert "does not open which rules granted what" in text
    assert "answer.json" not in members(smaller)
    assert "The answer was left out." in verify_evidence(smaller, signer.verifier).sentences()
    assert "SHA-256 was" not in page(select(smaller, signer.verifier, ["domain"], answer=False))


def test_keeps_the_digest_with_the_answer(packed, signer):
    smaller = select(packed, signer.verifier, ["domain"])
    report = verify_evidence(smaller, signer.verifier)
    assert list(report.receipt.fields) == ["domain", "body"]
    assert report.body == BODY


def test_selecting_all_changes_nothing(packed, signer):
    assert select(packed, signer.verifier, FIELDS) == packed


def test_selects_from_the_first_format():
    folder = FORMAT_2.parent / "format-1"
    key = parse_vkey((folder / "log.vkey").read_text().removesuffix("\n"))
    smaller = select(folder / "evidence.zip", key, ["domain"], answer=False)
    assert dict(verify_evidence(smaller, key).receipt.fields) == {"domain": "example.com"}


def test_drops_nothing_that_the_kept_answer_tells(signer):
    told = b'{"ldhName":"canary-domain.example"}'
    packed = zipped(signer, told)
    with pytest.raises(Unselectable, match="expected `domain` too, or no answer"):
        select(packed, signer.verifier, ["case"])
    assert select(packed, signer.verifier, ["domain"])
    assert select(packed, signer.verifier, ["case"], answer=False)


def test_selects_no_field_that_is_not_opened(packed, signer):
    smaller = select(packed, signer.verifier, ["domain"], answer=False)
    for fields in (["case"], ["domain", "doman"], ["body"]):
        with pytest.raises(Unselectable, match="expected fields of `domain`"):
            select(smaller, signer.verifier, fields, answer=False)
    with pytest.raises(VerificationFailed):
        select(smaller[:-1], signer.verifier, ["domain"])
    with pytest.raises(VerificationFailed):
        select(smaller, VerifierKey(signer.name, bytes(32)), ["domain"])


# --- Vectors --------------------------------------------------------------------------------


def signed(signer: Signer) -> bytes:
    """The evidence of a question that its requester signed."""
    key = QuestionSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    words = {
        "purpose": "legalActions", "basis": "court_order", "case": '2026-"114"',
        "elements": ["registrant.email", "registrant.name"],
    }  # fmt: skip
    made = key.sign(
        "https://rdap.registrar.example/domain/canary-domain.example",
        at=datetime(2026, 11, 23, 22, 59, 58, tzinfo=UTC),
        nonce=bytes(range(16)),
        disclosure=serialise(DisclosureRequest(**words)),
    )
    asked = words | {"name": FIELDS["domain"], "urgency": "none"}
    return zipped(
        signer,
        **{name: words[name] for name in ("purpose", "basis", "case")},
        asked=words["elements"],
        question=hashlib.sha256(canonical_json(asked)).hexdigest(),
        detail={"signed": as_kept(made.signed)},
    )


def vectors() -> dict[str, bytes]:
    signer = Signer.generate("log.example/2026", Random(6962).randbytes)
    packed = zipped(signer)
    zips = {
        "disclosure.zip": packed,
        "refusal.zip": zipped(
            signer,
            b'{"rdapConformance":["rdap_level_0"],"errorCode":403,"title":"Disclosure refused"}',
            kind="refusal",
            outcome="refused",
            released={},
            view="",
        ),
        "signed.zip": signed(signer),
        "selected.zip": select(
            packed, signer.verifier, ["logged_at", "domain", "released"], answer=False
        ),
    }
    sums = "".join(f"{hashlib.sha256(each).hexdigest()}  {name}\n" for name, each in zips.items())
    return {**zips, "log.vkey": f"{signer.vkey}\n".encode(), "zips.sha256": sums.encode()}


@pytest.mark.parametrize("name", ["disclosure.zip", "refusal.zip", "selected.zip", "signed.zip"])
def test_verifies_the_second_formats_evidence_for_ever(name):
    key = parse_vkey((FORMAT_2 / "log.vkey").read_text().removesuffix("\n"))
    report = verify_evidence(FORMAT_2 / name, key)
    assert report.receipt.fields["domain"] == "canary-domain.example"
    digest = hashlib.sha256((FORMAT_2 / name).read_bytes()).hexdigest()
    assert f"{digest}  {name}\n" in (FORMAT_2 / "zips.sha256").read_text()


def test_still_writes_the_second_format():
    made = vectors()
    assert set(made) == {file.name for file in FORMAT_2.iterdir()}
    for name, content in made.items():
        assert (FORMAT_2 / name).read_bytes() == content


if __name__ == "__main__":
    FORMAT_2.mkdir(exist_ok=True)
    for name, content in vectors().items():
        (FORMAT_2 / name).write_bytes(content)
