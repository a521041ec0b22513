"""Entries and their openings, as strict as the specification."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from whoisgate import audit
from whoisgate.audit import verify
from whoisgate.audit.verify import (
    VerificationFailed,
    b64url,
    canonical_json,
    open_fields,
    opening,
    opening_digest,
    parse_leaf,
    unb64url,
)

PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126))
SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1)


def tree_of(text):
    return st.recursive(
        SCALARS | text,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PRINTABLE, inner, max_size=4),
        max_leaves=12,
    )


def refused(action, *args) -> VerificationFailed:
    with pytest.raises(VerificationFailed) as caught:
        action(*args)
    return caught.value


def test_speaks_of_the_same_format_as_the_package():
    assert verify.COMMITTED == audit.COMMITTED
    assert verify.OPEN_KINDS == audit.OPEN_KINDS
    assert verify.SLOTS == audit.SLOTS


@given(tree_of(PRINTABLE))
def test_writes_json_like_rfc_8785(value):
    assert canonical_json(value) == rfc8785.dumps(value)


@given(tree_of(st.text(st.characters(exclude_categories=["Cs"]))))
def test_writes_any_text_as_ascii_that_reads_back(value):
    text = canonical_json(value)
    assert text.isascii()
    assert json.loads(text) == value


@pytest.mark.parametrize(
    "value",
    [1.0, float("nan"), [1.5], {"a": [{"b": 0.1}]}, {"é": 1}, {1: 2}, {None: 1}, b"", {1, 2}, 1j],
)
def test_writes_no_json_with_two_readings(value):
    with pytest.raises(TypeError):
        canonical_json(value)


@pytest.mark.parametrize("value", [2**53, -(2**53), ["\ud800"], {"a": "x\udc00"}])
def test_writes_nothing_that_other_readers_lose(value):
    with pytest.raises(ValueError, match=r"2\*\*53|surrogates"):
        canonical_json(value)


@given(st.binary())
def test_reads_base64url_in_its_one_spelling(data):
    text = b64url(data)
    assert unb64url(text) == data
    for other in (text + "=", text + "\n", " " + text, text + "A" * (len(text) % 4 == 0)):
        if other != text:
            with pytest.raises(ValueError, match=r".+"):
                unb64url(other)


@pytest.mark.parametrize(
    "text", ["A", "AB", "AAB", "AA+A", "AA/A", "A A", "AAé", "AA==", "AAA=AAAA"]
)
def test_refuses_other_spellings_of_base64url(text):
    with pytest.raises(ValueError, match=r".+"):
        unb64url(text)


def test_reads_an_entry(make):
    made = make.entry(1)
    leaf = parse_leaf(made.entry)
    assert (leaf.hour, leaf.kind, leaf.open) == ("2026-11-23T22Z", None, None)
    assert len(leaf.nonce) == 16
    assert list(leaf.digests) == sorted(leaf.digests)
    assert leaf.policy == hashlib.sha256(make.policy.encode()).hexdigest()
    shown = {"from": 3, "list": [None, True, "ä"]}
    public = parse_leaf(make.entry(1, kind="tally", open=shown).entry)
    assert (public.kind, public.open) == ("tally", shown)


DIGEST = "A" * 43
BAD_MEMBERS = {
    "another version": {"v": 2},
    "a version as text": {"v": "1"},
    "an unknown member": {"zone": 1},
    "no nonce": {"nonce": None},
    "a short nonce": {"nonce": "A" * 20},
    "a nonce with slack bits": {"nonce": "A" * 21 + "B"},
    "an hour with minutes": {"hour": "2026-11-23T22:00Z"},
    "an hour of no day": {"hour": "2026-02-30T22Z"},
    "an hour of no clock": {"hour": "2026-11-23T24Z"},
    "the year 0": {"hour": "0000-11-23T22Z"},
    "an upper-case policy": {"policy": "A" * 64},
    "a short policy": {"policy": "a" * 63},
    "an envelope in hexadecimal": {"envelope": "a" * 64},
    "an envelope with slack bits": {"envelope": "A" * 42 + "B"},
    "too few digests": {"_sd": [DIGEST]},
    "equal digests": {"_sd": [DIGEST] * 24},
    "unsorted digests": {"_sd": [c + "A" * 42 for c in "BACDEFGHIJKLMNOPQRSTUVWX"]},
    "a digest with slack bits": {"_sd": [c + "A" * 41 + "B" for c in "ABCDEFGHIJKLMNOPQRSTUVWX"]},
    "a digest that is a number": {"_sd": list(range(24))},
    "a kind without clear text": {"kind": "tally"},
    "clear text without a kind": {"open": {}},
    "clear text of a hidden kind": {"kind": "disclosure", "open": {}},
    "clear text that is a list": {"kind": "tally", "open": []},
    "a float in clear text": {"kind": "tally", "open": {"n": 1.0}},
    "an integer too large": {"kind": "tally", "open": {"n": 2**53}},
    "more than a bundle holds": {"kind": "tally", "open": {"n": "x" * 65_000}},
    "half a surrogate": {"kind": "tally", "open": {"n": "\ud800"}},
}


@pytest.mark.parametrize("change", BAD_MEMBERS.values(), ids=BAD_MEMBERS)
def test_refuses_an_entry_with(make, change):
    failure = refused(parse_leaf, make.entry(1, **change).entry, 17)
    assert (failure.code, failure.index) == ("WG409", 17)


OPEN = b'"open":{"a":1,"b":[2]}'
BAD_SPELLINGS = {
    "a space": (b'":1}', b'": 1}'),
    "a line end": (b'"v":1}', b'"v":1}\n'),
    "a member twice": (b'"v":1}', b'"v":1,"v":1}'),
    "another order": (OPEN, b'"open":{"b":[2],"a":1}'),
    "a space inside": (OPEN, b'"open":{"a":1, "b":[2]}'),
    "a key twice": (OPEN, b'"open":{"a":1,"a":1,"b":[2]}'),
    "a number with exponent": (OPEN, b'"open":{"a":1e0,"b":[2]}'),
    "minus zero": (OPEN, b'"open":{"a":-0,"b":[2]}'),
    "not a number": (OPEN, b'"open":{"a":NaN,"b":[2]}'),
    "a needless escape": (OPEN, b'"open":{"\\u0061":1,"b":[2]}'),
    "bytes beyond ASCII": (OPEN, '"open":{"a":"é","b":[2]}'.encode()),
    "bytes that are no text": (OPEN, b'"open":{"a":"\xff","b":[2]}'),
    "deep nesting": (OPEN, b'"open":{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}"),
    "a huge integer": (OPEN, b'"open":{"a":' + b"1" * 5000 + b"}"),
    "two entries in one": (OPEN, OPEN + b',"policy":"' + b"0" * 64 + b'","v":1},"x":{}'),
    "no end": (b"}", b""),
}


@pytest.mark.parametrize("change", BAD_SPELLINGS.values(), ids=BAD_SPELLINGS)
def test_refuses_an_entry_spelt_with(make, change):
    entry = make.entry(1, kind="tally", open={"a": 1, "b": [2]}).entry
    parse_leaf(entry)
    assert change[0] in entry
    assert refused(parse_leaf, entry.replace(*change)).code == "WG409"


@pytest.mark.parametrize("more", [{}, {"kind": "erasure", "open": {"entry": 3}}])
def test_reads_only_what_writes_back_to_the_same_bytes(make, more):
    """Whatever one byte becomes, it is refused or another entry, never another spelling."""
    entry = make.entry(2, **more).entry
    for at in range(len(entry)):
        for byte in (0, 32, 48, 65, 95, entry[at] ^ 1, entry[at] ^ 32, 255):
            changed = entry[:at] + bytes([byte]) + entry[at + 1 :]
            try:
                parse_leaf(changed)
            except VerificationFailed:
                continue
            assert make.dumps(json.loads(changed)) == changed
        assert refused(parse_leaf, entry[:at]).code == "WG409"


@given(st.binary(max_size=80))
def test_reads_noise_as_no_entry(noise):
    assert refused(parse_leaf, noise).code == "WG409"


def test_opens_the_fields_that_a_holder_kept(make):
    made = make.entry(3)
    leaf = parse_leaf(made.entry)
    assert open_fields(leaf, made.openings) == make.fields
    assert list(open_fields(leaf, made.openings)) == list(make.fields)
    assert open_fields(leaf, made.openings[1::2]) == dict(list(make.fields.items())[1::2])
    assert open_fields(leaf, []) == {}


@given(st.binary(min_size=16, max_size=16), st.sampled_from(audit.COMMITTED), tree_of(st.text()))
def test_makes_openings_and_digests_like_rfc_9901(salt, name, value):
    try:
        text = opening(salt, name, value)
    except ValueError:
        assert "\\ud" in json.dumps(value)
        return
    padded = text + "=" * (-len(text) % 4)
    said = json.loads(base64.urlsafe_b64decode(padded))
    assert said == [base64.urlsafe_b64encode(salt).decode().rstrip("="), name, value]
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
    assert opening_digest(text) == digest.decode().rstrip("=")


def test_agrees_with_the_digest_published_in_rfc_9901():
    disclosure = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"
    assert opening_digest(disclosure) == "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0"


def test_refuses_a_field_twice_or_out_of_order(make):
    made = make.entry(4)
    leaf = parse_leaf(made.entry)
    first, second, *_ = made.openings
    for openings in ([first, first], [second, first], [first, second, first]):
        assert refused(open_fields, leaf, openings).code == "WG410"


def spelt(value: object, **how) -> str:
    text = json.dumps(value, **({"separators": (",", ":")} | how))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


SALT = "A" * 22
BAD_OPENINGS = {
    "nothing": "",
    "noise": "!!",
    "padding": spelt([SALT, "domain", "x"]) + "==",
    "no JSON": base64.urlsafe_b64encode(b"domain.").decode().rstrip("="),
    "an object": spelt({"domain": "x"}),
    "two members": spelt([SALT, "domain"]),
    "four members": spelt([SALT, "domain", "x", 1]),
    "a salt of 15 bytes": spelt([SALT[:20], "domain", "x"]),
    "a salt with slack bits": spelt([SALT[:21] + "B", "domain", "x"]),
    "a salt that is a number": spelt([1, "domain", "x"]),
    "an unknown name": spelt([SALT, "colour", "x"]),
    "a name that is a list": spelt([SALT, ["domain"], "x"]),
    "white space": spelt([SALT, "domain", "x"], separators=(", ", ": ")),
    "text beyond ASCII": spelt([SALT, "domain", "é"], ensure_ascii=False),
    "a float": spelt([SALT, "domain", 1.5]),
    "deep nesting": base64.urlsafe_b64encode(b"[" * 9000).decode(),
}


@pytest.mark.parametrize("text", BAD_OPENINGS.values(), ids=BAD_OPENINGS)
def test_refuses_an_opening_with(make, text):
    """Even one that the entry commits to."""
    digest = make.b64url(hashlib.sha256(text.encode()).digest())
    entry = make.entry(5)
    digests = sorted([digest, *json.loads(entry.entry)["_sd"][1:]])
    leaf = parse_leaf(make.entry(5, _sd=digests).entry)
    assert refused(open_fields, leaf, [text]).code == "WG410"


def test_refuses_an_opening_of_another_entry(make):
    leaf = parse_leaf(make.entry(6).entry)
    failure = refused(open_fields, leaf, make.entry(7).openings)
    assert failure.code == "WG410"
    assert "example.com" not in str(failure)
