"""``whoisgate signer``: the public half of a key that signs, for the directory or `[staff]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from whoisgate.audit.question import QuestionSigner
from whoisgate.cli.output import print_json
from whoisgate.errors import MissingKey


def signer(
    key: Annotated[Path, typer.Argument(help="A PEM with your private key; it stays with you.")],
    person: Annotated[str, typer.Option(help="Your pseudonym at your authority.")],
) -> None:
    """Show the public key to give to your authority, and the thumbprint that signatures name.

    Each is JSON: a member of ``keys`` in the directory's proof, and the name of the key, which is
    all that `[staff]` of an operator lists.
    """
    read = read_signer(key)
    jwk = {**json.loads(read.jwk), "kid": person}
    print_json({"key": jwk, "signer": read.signer})


def read_signer(key: Path) -> QuestionSigner:
    """The key in a PEM file, whose passphrase is asked for; raises `MissingKey`."""
    try:
        pem = key.read_bytes()
    except OSError as error:
        raise MissingKey(f"the signing key cannot be read: {type(error).__name__}") from None
    if b"ENCRYPTED" not in pem:
        return QuestionSigner.from_pem(pem)
    hidden = sys.stdin.isatty()
    said = typer.prompt(f"passphrase of {key.name}", hide_input=hidden, err=True)
    return QuestionSigner.from_pem(pem, said.encode())


def at_hand(key: Path | None) -> QuestionSigner | None:
    """The key that `--sign-with` names, if it names one; raises `MissingKey`."""
    return None if key is None else read_signer(key)
