"""``whoisgate verify``: what ``audit/verify.py`` does alone, and beyond it the gate's database."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from whoisgate import app
from whoisgate.audit.verify import (
    VerificationFailed,
    VerifierKey,
    key_of,
    main,
    shown_progress,
    told_failure,
)
from whoisgate.cli.output import AsJSON
from whoisgate.errors import MissingKey
from whoisgate.stores.inspection import Recipient, inspect


def verify(
    target: Annotated[
        str, typer.Argument(help="An evidence zip, a proof, a log's folder, URL or database.")
    ],
    key: Annotated[
        list[str], typer.Option(help="The log's public key (vkey), or a file holding it.")
    ],
    state: Annotated[
        Path | None, typer.Option(help="Where runs over a log keep how far they came.")
    ] = None,
    head: Annotated[
        list[Path] | None,
        typer.Option(help="A checkpoint or proof that somebody else was shown; the log holds it."),
    ] = None,
    signer: Annotated[
        str | None,
        typer.Option(help="With evidence: the thumbprint of the key that must have asked."),
    ] = None,
    recipient: Annotated[
        Path | None, typer.Option(help="With a database: your private key, to check envelopes.")
    ] = None,
    opens_from: Annotated[
        int | None,
        typer.Option(min=0, help="With --recipient: the entry from which on all must open."),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="With a database: the signed checkpoint, if elsewhere.")
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Check an evidence zip, a receipt or a whole log.

    Exit 1 names the first bad entry.
    """
    if opens_from is not None and not recipient:
        raise typer.BadParameter("expected --recipient with --opens-from")
    if _is_database(Path(target)) and not signer:
        reader = _reader(recipient, Path(target), opens_from) if recipient else None
        raise typer.Exit(_database(Path(target), key, checkpoint, reader, as_json=as_json))
    if recipient or checkpoint:
        raise typer.BadParameter("expected a database with --recipient and --checkpoint")
    keys = [word for each in key for word in ("--key", each)]
    more = [word for each in head or () for word in ("--head", str(each))]
    more += [*(["--state", str(state)] if state else []), *(["--json"] if as_json else [])]
    more += ["--signer", signer] if signer else []
    raise typer.Exit(main([target, *keys, *more]))


def _is_database(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as stream:
        return stream.read(16) == b"SQLite format 3\0"


def _database(
    file: Path, key: list[str], checkpoint: Path | None, reader: Recipient | None, *, as_json: bool
) -> int:
    note = checkpoint or file.with_name("log") / "checkpoint"
    try:
        keys: tuple[VerifierKey, ...] = tuple(map(key_of, key))
        signed = note.read_text(encoding="utf-8", errors="replace")
    except VerificationFailed as failure:
        return _wrong(failure, as_json=as_json)
    except OSError as error:
        return _wrong(VerificationFailed("WG417", str(error)), as_json=as_json)
    try:
        found = inspect(file, signed, keys, shown_progress(), reader)
    except sqlite3.Error as error:
        what = f"`{file}` cannot be read: {error}"
        return _wrong(VerificationFailed("WG417", what), as_json=as_json)
    except VerificationFailed as failure:
        typer.echo(told_failure(failure, as_json=as_json), nl=False)
        return 1
    if as_json:
        typer.echo(json.dumps({"verified": "database", **asdict(found)}, default=bytes.hex))
    else:
        typer.echo("\n".join([*found.sentences(), "Verified."]))
    return 0


def _wrong(failure: VerificationFailed, *, as_json: bool) -> int:
    """As the program ends for wrong usage: nothing was verified, and nothing found."""
    if not as_json:
        raise typer.BadParameter(f"{failure} ({failure.code})")
    typer.echo(told_failure(failure, as_json=True), nl=False)
    return 2


def _reader(key: Path, file: Path, opens_from: int | None) -> Recipient:
    return Recipient(_private(key), file.with_name("shred.slots"), app.utc_now(), opens_from)


def _private(file: Path) -> X25519PrivateKey:
    try:
        key = load_pem_private_key(file.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise MissingKey(f"expected an X25519 PEM in `{file}`: {type(error).__name__}") from None
    if not isinstance(key, X25519PrivateKey):
        raise MissingKey(f"expected an X25519 private key in `{file}`")
    return key
