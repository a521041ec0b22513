"""Signed notes, verifier keys and checkpoints."""

from __future__ import annotations

from base64 import b64decode, b64encode
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from whoisgate.audit.note import Signer, checkpoint
from whoisgate.audit.verify import (
    Checkpoint,
    VerificationFailed,
    VerifierKey,
    open_checkpoint,
    open_note,
    parse_checkpoint,
    parse_vkey,
)
from whoisgate.errors import MissingKey

ROOT = bytes(range(32))
GOOD_ROOT = b64encode(ROOT).decode()


def code_of(action, *args) -> str:
    with pytest.raises(VerificationFailed) as caught:
        action(*args)
    return caught.value.code


def test_opens_the_specifications_note(vectors):
    example = vectors("signed-note.json")
    key = parse_vkey(example["vkey"])
    assert key.text == example["vkey"]
    assert open_note(example["note"], key) == example["text"]
    assert code_of(open_note, example["stranger"], key) == "WG404"


def test_reads_the_specifications_checkpoint(vectors):
    head = parse_checkpoint(vectors("signed-note.json")["checkpoint"])
    assert (head.origin, head.size) == ("example.com/behind-the-sofa", 20852163)
    assert (
        checkpoint(head.origin, head.size, head.root) == vectors("signed-note.json")["checkpoint"]
    )


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]) | st.just("\n")))
def test_opens_what_it_signed(text):
    signer = Signer.generate("a.example", Random(1).randbytes)
    assert open_note(signer.sign(text + "\n"), signer.verifier) == text + "\n"


def test_refuses_every_changed_or_missing_byte(signer):
    note = signer.sign(checkpoint(signer.name, 7, ROOT))
    raw = note.encode()
    for at in range(len(raw)):
        assert code_of(open_checkpoint, raw[:at].decode(errors="replace"), signer.verifier)
        for bit in range(8):
            changed = bytearray(raw)
            changed[at] ^= 1 << bit
            text = bytes(changed).decode(errors="surrogateescape")
            assert code_of(open_checkpoint, text, signer.verifier) in {"WG402", "WG403", "WG404"}


def test_ignores_strangers_and_refuses_a_known_key_that_fails(signer):
    note = signer.sign("text\n")
    others = [Signer.generate(n, Random(n).randbytes) for n in (signer.name, "b.example")]
    lines = [each.sign("text\n").split("\n")[2] for each in others]
    strangers = "text\n\n" + "\n".join(lines) + "\n"
    assert code_of(open_note, strangers, signer.verifier) == "WG404"
    assert open_note(note + "\n".join(lines) + "\n", signer.verifier) == "text\n"
    forged = signer.sign("other\n").split("\n")[2]
    assert code_of(open_note, f"{note}{forged}\n", signer.verifier) == "WG403"
    assert code_of(open_note, f"text\n\n{forged}\n", signer.verifier) == "WG403"


def test_takes_sixteen_large_signatures(signer):
    large = "".join(f"— w{i}.example {b64encode(bytes(5000)).decode()}\n" for i in range(16))
    assert open_note(signer.sign("text\n") + large, signer.verifier) == "text\n"


def test_splits_at_the_last_blank_line(signer):
    assert open_note(signer.sign("a\n\nb\n"), signer.verifier) == "a\n\nb\n"


@pytest.mark.parametrize(
    ("change", "by"),
    [
        (" ", "\u00a0"),
        ("\n", "\r\n"),
        ("\n", "\u2028"),
        ("— ", "- "),
        ("— ", "—  "),
        ("text", "te\x00xt"),
        ("text", "te\ud800xt"),
        ("=\n", "\n"),
        ("=\n", "=\n\n"),
        ("=\n", "= \n"),
        ("=\n", "=\n\nleft over\n"),
        ("\n\n", "\n"),
        ("log.example", "log.example+"),
        ("log.example", "log .example"),
    ],
)
def test_refuses_a_malformed_note(signer, change, by):
    note = signer.sign("text\n")
    assert change in note
    assert code_of(open_note, note.replace(change, by), signer.verifier) == "WG402"


def test_refuses_a_note_without_end(signer):
    note = signer.sign("text\n")
    assert code_of(open_note, "x" * (1 << 18) + note, signer.verifier) == "WG402"
    assert code_of(open_note, note + "— a AAAAAAA=\n" * 100, signer.verifier) == "WG402"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n",
        f"a\n1\n{GOOD_ROOT}",
        f"\n1\n{GOOD_ROOT}\n",
        f"a\n\n{GOOD_ROOT}\n",
        f"a\n01\n{GOOD_ROOT}\n",
        f"a\n+1\n{GOOD_ROOT}\n",
        f"a\n-1\n{GOOD_ROOT}\n",
        f"a\n1_0\n{GOOD_ROOT}\n",
        f"a\n\u0661\n{GOOD_ROOT}\n",
        f"a\n1{'0' * 5000}\n{GOOD_ROOT}\n",
        f"a\n1\n{GOOD_ROOT[:-1]}\n",
        f"a\n1\n{GOOD_ROOT[:-2]}9=\n",
        f"a\n1\n{b64encode(ROOT[:31]).decode()}\n",
        f"a\n1\n{GOOD_ROOT}\n\nx\n",
    ],
)
def test_refuses_a_malformed_checkpoint(text):
    assert code_of(parse_checkpoint, text) == "WG402"


def test_allows_extension_lines():
    assert parse_checkpoint(f"a\n0\n{GOOD_ROOT}\nmore\n") == Checkpoint("a", 0, ROOT)


def test_refuses_a_checkpoint_of_another_log(signer):
    note = signer.sign(checkpoint("other.example/2026", 7, ROOT))
    assert code_of(open_checkpoint, note, signer.verifier) == "WG405"


def test_refuses_every_vkey_that_is_none(signer):
    vkey = signer.vkey
    name, key_id, key = vkey.split("+", 2)
    cosigner = b64encode(b"\x04" + b64decode(key)[1:]).decode()
    bad = [vkey[:n] for n in range(len(vkey))]
    bad += [f"{vkey}\n", f" {vkey}", f"{vkey}+", f"{name}+{key_id.upper()}x+{key}"]
    bad += [f"+{key_id}+{key}", f"{name}x+{key_id}+{key}", f"{name}+00000000+{key}"]
    bad += [f"{name}+{key_id}+{cosigner}", f"{name}+{key_id}+{key[:-1]}", f"{name}++{key}"]
    assert {code_of(parse_vkey, text) for text in bad} == {"WG401"}


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\nb", "a\x00b"])
def test_refuses_a_name_that_no_signature_line_can_bear(name):
    assert code_of(VerifierKey, name, bytes(32)) == "WG401"


@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
def test_keeps_a_key_as_pem(signer, passphrase):
    pem = signer.to_pem(passphrase)
    assert (b"ENCRYPTED" in pem) is (passphrase is not None)
    again = Signer.from_pem(signer.name, pem, passphrase)
    assert again.sign("text\n") == signer.sign("text\n")


def test_refuses_a_pem_that_it_cannot_use(signer):
    other = generate_private_key(SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    for pem, passphrase in (
        (b"", None),
        (signer.to_pem()[:60], None),
        (signer.to_pem(b"right"), None),
        (signer.to_pem(b"right"), b"wrong"),
        (signer.to_pem(), b"needless"),
        (other, None),
    ):
        with pytest.raises(MissingKey):
            Signer.from_pem(signer.name, pem, passphrase)


@pytest.mark.parametrize("text", ["", "no end", "tab\t\n", "cr\r\n", "nul\0\n"])
def test_signs_no_text_that_cannot_be_opened(signer, text):
    with pytest.raises(ValueError, match="ends in LF"):
        signer.sign(text)


def test_shows_no_private_key(signer):
    assert repr(signer) == f"<Signer {signer.vkey}>"
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    assert "0000000" not in repr(Signer("a", key))
