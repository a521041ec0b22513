"""Keys of entries, epochs wrapped for recipients, and the stored copy of a receipt."""

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from whoisgate.audit.envelope import (
    Unopened,
    entry_keys,
    open_envelope,
    open_receipt,
    salts_of,
    seal_envelope,
    seal_receipt,
    unwrap_epoch,
    wrap_epoch,
)

AUDITOR = X25519PrivateKey.from_private_bytes(b"\x05" * 32)
EPOCH = "2026-11-23T23Z/abcdef0123456789"
KEYS = entry_keys(b"e" * 32, b"s" * 32, b"n" * 16)


def hkdf(ikm, salt, info, length):
    """RFC 5869 with SHA-256, from the standard library alone."""
    key = hmac.digest(salt or bytes(32), ikm, "sha256")
    block, out, count = b"", b"", 0
    while len(out) < length:
        count += 1
        block = hmac.digest(key, block + info + bytes([count]), "sha256")
        out += block
    return out[:length]


def test_derives_keys_as_rfc_5869_says():
    expected = hkdf(b"e" * 32 + b"s" * 32, b"n" * 16, b"whoisgate/v1 entry", 416)
    assert expected == KEYS
    assert b"".join(salts_of(KEYS)) == KEYS[32:]
    assert len(set(salts_of(KEYS))) == 24


def test_unwraps_an_epoch_for_its_recipient_alone():
    wrapped = wrap_epoch(b"k" * 32, EPOCH, AUDITOR.public_key())
    assert unwrap_epoch(wrapped, EPOCH, AUDITOR) == b"k" * 32
    with pytest.raises(Unopened):
        unwrap_epoch(wrapped, EPOCH, X25519PrivateKey.from_private_bytes(b"\x06" * 32))
    with pytest.raises(Unopened):
        unwrap_epoch(wrapped, EPOCH + "0", AUDITOR)


@given(st.integers(0, 79), st.integers(0, 7))
def test_refuses_a_wrapped_epoch_with_any_bit_flipped(at, bit):
    wrapped = bytearray(wrap_epoch(b"k" * 32, EPOCH, AUDITOR.public_key()))
    wrapped[at] ^= 1 << bit
    # X25519 ignores the top bit of the encapsulated key; HPKE's context does not.
    with pytest.raises(Unopened):
        unwrap_epoch(bytes(wrapped), EPOCH, AUDITOR)


@given(st.binary(max_size=3))
def test_refuses_a_wrapped_epoch_cut_short(rest):
    with pytest.raises(Unopened):
        unwrap_epoch(rest, EPOCH, AUDITOR)


@given(st.integers(0, 9000))
def test_seals_any_length_into_whole_steps(length):
    text = b'{"fields":{"case":"' + b"x" * length + b'"},"sealed":{}}'
    envelope = seal_envelope(text, b"n" * 16, KEYS)
    assert len(envelope) % 4096 == 0
    assert len(envelope) - len(text) - 20 < 4096
    fields, sealed = open_envelope(envelope, b"n" * 16, b"s" * 32, b"e" * 32)
    assert (fields, sealed) == ({"case": "x" * length}, {})


@given(st.integers(0, 4095), st.integers(0, 7))
def test_refuses_an_envelope_with_any_bit_flipped(at, bit):
    envelope = bytearray(seal_envelope(b'{"fields":{},"sealed":{}}', b"n" * 16, KEYS))
    envelope[at] ^= 1 << bit
    with pytest.raises(Unopened):
        open_envelope(bytes(envelope), b"n" * 16, b"s" * 32, b"e" * 32)


@given(st.integers(0, 40))
def test_gives_back_what_a_receipt_is_made_of(depth):
    hashes = [hashlib.sha256(bytes([n])).digest() for n in range(depth)]
    stored = seal_receipt(KEYS, hashes, b"t" * 16, b"s" * 32)
    assert open_receipt(stored, b"t" * 16, b"s" * 32) == (KEYS, hashes)
    assert len(stored) == 416 + 32 * depth + 16


@pytest.mark.parametrize(("token", "shred"), [(b"u" * 16, b"s" * 32), (b"t" * 16, bytes(32))])
def test_opens_a_stored_receipt_with_token_and_shred_secret_alone(token, shred):
    stored = seal_receipt(KEYS, [b"h" * 32], b"t" * 16, b"s" * 32)
    with pytest.raises(Unopened):
        open_receipt(stored, token, shred)
