"""What a sealed entry shows, hides and commits to."""

import hashlib
import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whoisgate.audit import COMMITTED, HIDDEN_KINDS, OPEN_KINDS, SLOTS
from whoisgate.audit.draft import Draft
from whoisgate.audit.entry import openings_of, rfc3339, seal
from whoisgate.audit.envelope import entry_keys, open_envelope, salts_of
from whoisgate.audit.verify import (
    b64url,
    canonical_json,
    open_fields,
    opening,
    opening_digest,
    parse_leaf,
    unb64url,
)

NOW = datetime(2026, 11, 23, 23, 4, 5, 6, tzinfo=UTC)
SECRETS = {"nonce": b"n" * 16, "shred": b"s" * 32, "epoch_key": b"e" * 32}
PLACE = {"logged_at": NOW, "node": "ab" * 8, "sequence": 17}
FIELDS = {
    "authority": "Police of Example",
    "person": "officer-7",
    "requester_class": "law_enforcement",
    "domain": "example.com",
    "purpose": "criminalInvestigationAndDNSAbuseMitigation",
    "basis": "national_order",
    "case": "2026-114",
    "asked": ["registrant.email", "registrant.name"],
    "released": {"registrant.name": ["LEA-ORDER"]},
    "outcome": "released",
    "question": "a" * 64,
    "view": "b" * 64,
    "body": "c" * 64,
    "source": "sql",
    "record_version": "7",
    "context": {"assurance": "high", "standing": []},
    "approval": None,
    "detail": None,
}
DRAFT = Draft("disclosure", "d" * 64, NOW, FIELDS, {"decision": {"registrant.name": ["release"]}})

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="ascii"), max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def sealed(draft=DRAFT, **more):
    return seal(draft, **PLACE, **(SECRETS | more))


def hidden(kind, fields):
    return sealed(Draft(kind, "d" * 64, NOW, fields))


def test_commits_every_field_in_slot_order():
    entry = sealed()
    fields = open_fields(parse_leaf(entry.leaf), entry.openings)
    assert tuple(fields) == COMMITTED
    assert {name: fields[name] for name in FIELDS} == FIELDS
    assert fields["kind"] == "disclosure"
    assert (fields["node"], fields["sequence"]) == ("ab" * 8, 17)
    assert fields["logged_at"] == fields["decided_at"] == "2026-11-23T23:04:05.000006Z"


def test_names_hour_policy_nonce_and_envelope_in_clear():
    entry = sealed()
    leaf = parse_leaf(entry.leaf)
    assert (leaf.hour, leaf.policy, leaf.nonce) == ("2026-11-23T23Z", "d" * 64, b"n" * 16)
    assert unb64url(leaf.envelope) == hashlib.sha256(entry.envelope).digest()
    assert leaf.kind is leaf.open is None


def test_follows_the_specification_step_by_step():
    """Digests built the slow way, from the key schedule alone."""
    salts = salts_of(entry_keys(SECRETS["epoch_key"], SECRETS["shred"], SECRETS["nonce"]))
    said = FIELDS | {
        "kind": "disclosure", "decided_at": rfc3339(NOW), "logged_at": rfc3339(NOW),
        "node": "ab" * 8, "sequence": 17,
    }  # fmt: skip
    openings = [
        opening(salt, name, said[name]) for salt, name in zip(salts, COMMITTED, strict=False)
    ]
    digests = [opening_digest(text) for text in openings]
    digests += [b64url(hashlib.sha256(salt).digest()) for salt in salts[len(COMMITTED) : SLOTS]]
    entry = sealed()
    assert entry.openings == tuple(openings)
    assert list(parse_leaf(entry.leaf).digests) == sorted(digests)


def test_keeps_fields_and_sealed_in_an_envelope_that_gives_the_openings_again():
    entry = sealed()
    fields, beside = open_envelope(entry.envelope, **SECRETS)
    assert set(fields) == set(COMMITTED)
    assert beside == DRAFT.sealed
    assert openings_of(fields, entry.keys) == entry.openings


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), json_values, max_size=4), json_values)
def test_writes_any_value_canonically(fields, beside):
    entry = sealed(replace(DRAFT, fields=fields, sealed={"value": beside}))
    opened = open_fields(parse_leaf(entry.leaf), entry.openings)
    kept, sealed_beside = open_envelope(entry.envelope, **SECRETS)
    assert {name: opened[name] for name in fields} == fields
    assert kept == opened
    assert sealed_beside == {"value": beside}
    for text in entry.openings:
        raw = unb64url(text)
        assert canonical_json(json.loads(raw)) == raw


@given(
    kind=st.sampled_from(HIDDEN_KINDS),
    fields=st.dictionaries(st.sampled_from(sorted(FIELDS)), json_values, max_size=6),
)
def test_gives_every_hidden_entry_the_same_length(kind, fields):
    assert len(hidden(kind, fields).leaf) == len(sealed().leaf)


def test_pads_the_envelope_to_steps_of_4_kib():
    sizes = {len(hidden("refusal", {"case": "x" * n}).envelope) for n in range(0, 9000, 500)}
    assert sizes == {4096, 8192, 12288}


@pytest.mark.parametrize("kind", HIDDEN_KINDS)
def test_shows_nothing_of_a_hidden_entry(kind):
    leaf = hidden(kind, FIELDS).leaf
    for value in (kind, "example.com", "officer-7", "2026-114", "registrant", "released", ":04:05"):
        assert value.encode() not in leaf
        assert b64url(value.encode())[:-2].encode() not in leaf
    assert set(json.loads(leaf)) == {"_sd", "envelope", "hour", "nonce", "policy", "v"}


@pytest.mark.parametrize("kind", OPEN_KINDS)
def test_shows_an_entry_that_is_public_by_nature(kind):
    entry = sealed(Draft(kind, "d" * 64, NOW, open={"counts": {"public": 3}}))
    leaf = parse_leaf(entry.leaf)
    assert (leaf.kind, leaf.open) == (kind, {"counts": {"public": 3}})
    assert open_fields(leaf, entry.openings)["kind"] == kind


def test_tells_a_registrant_who_knows_every_value_nothing():
    """Knowing all values, he tries each digest that needs no salt that he has not."""
    random = Random(1)
    secrets = {name: random.randbytes(len(value)) for name, value in SECRETS.items()}
    entry = sealed(**secrets)
    leaf = parse_leaf(entry.leaf)
    fields = open_fields(leaf, entry.openings)
    known = [b"", bytes(16), secrets["nonce"], hashlib.sha256(entry.leaf).digest()[:16]]
    # The nonce is public: what it gives without the keys must open nothing.
    known += salts_of(entry_keys(bytes(32), bytes(32), secrets["nonce"]))
    guesses = {
        opening_digest(opening(salt, name, value))
        for salt, (name, value) in itertools.product(known, fields.items())
    }
    guesses |= {opening_digest(b64url(canonical_json([n, v]))) for n, v in fields.items()}
    guesses |= {b64url(hashlib.sha256(canonical_json(v)).digest()) for v in fields.values()}
    assert not guesses & set(leaf.digests)
    # With the right salts the same guesses hit, so the attempt is not vacuous.
    salts = salts_of(entry.keys)
    right = {
        opening_digest(opening(salt, name, value))
        for salt, (name, value) in zip(salts, fields.items(), strict=False)
    }
    assert right <= set(leaf.digests)


def test_shares_no_digest_between_two_entries_about_the_same():
    once, again = parse_leaf(sealed().leaf), parse_leaf(sealed(nonce=b"m" * 16).leaf)
    assert not set(once.digests) & set(again.digests)
    third = parse_leaf(sealed(shred=b"t" * 32).leaf)
    assert not set(once.digests) & set(third.digests)


@pytest.mark.parametrize("secret", sorted(SECRETS))
def test_does_not_open_without_each_of_its_secrets(secret):
    entry = sealed()
    wrong = SECRETS | {secret: b"x" * len(SECRETS[secret])}
    with pytest.raises(ValueError, match="expected bytes sealed under this key"):
        open_envelope(entry.envelope, **wrong)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"kind": "gossip"}, ValueError),
        ({"kind": "tally"}, ValueError),
        ({"open": {"domain": "example.com"}}, ValueError),
        ({"policy": "short"}, ValueError),
        ({"policy": '"' * 64}, ValueError),
        ({"fields": {"node": "mine"}}, ValueError),
        ({"fields": {"surname": "x"}}, ValueError),
        ({"fields": {"case": 1.5}}, TypeError),
        ({"fields": {"case": float("nan")}}, TypeError),
        ({"fields": {"context": {"deep": [{"er": 0.0}]}}}, TypeError),
        ({"fields": {"context": {1: "x"}}}, TypeError),
        ({"fields": {"context": {"ü": "x"}}}, TypeError),
        ({"fields": {"case": "\ud800"}}, TypeError),
        ({"fields": {"detail": 2**53}}, TypeError),
        ({"sealed": {"x": b"bytes"}}, TypeError),
        ({"sealed": {"x": NOW}}, TypeError),
        ({"sealed": {"x": {1, 2}}}, TypeError),
    ],
)
def test_refuses_what_the_format_cannot_hold(change, error):
    with pytest.raises(error) as caught:
        sealed(replace(DRAFT, **change))
    assert "example.com" not in str(caught.value)


def test_refuses_a_leaf_that_no_bundle_can_hold():
    with pytest.raises(ValueError, match="at most `65535` bytes"):
        sealed(Draft("tally", "d" * 64, NOW, open={"x": "y" * 65_000}))


def test_writes_times_in_utc_with_microseconds():
    west = NOW.astimezone(tz=None) - timedelta(microseconds=6)
    assert rfc3339(west) == "2026-11-23T23:04:05.000000Z"
