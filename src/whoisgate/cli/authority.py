"""``whoisgate authority``: who may ask, kept as entries of the log."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from whoisgate import authorities
from whoisgate.app import Folder
from whoisgate.audit.draft import JSON
from whoisgate.audit.receipt import Receipt
from whoisgate.cli.lookup import absent
from whoisgate.cli.options import By, InFolder, MaybeReason, Reason, SignWith
from whoisgate.cli.output import AsJSON, console, escape, grid, print_json
from whoisgate.cli.signer import at_hand
from whoisgate.errors import MalformedAuthority

app = typer.Typer(help="Keep the directory of authorities.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The authority, as it is listed.")]
Person = Annotated[
    str | None, typer.Option(help="This person of it alone, by the pseudonym in the entries.")
]
MAX_FILE = 4 * 1024 * 1024


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="The authority's record, as TOML or JSON.")],
    by: By,
    reason: MaybeReason = "",
    sign_with: SignWith = None,
    folder: InFolder = Path(),
    as_json: AsJSON = False,
) -> None:
    """List an authority, or list it anew with another record."""
    record = authorities.read(_read(file), str(file))
    gate = Folder.at(folder)
    with gate.opened() as log:
        receipt = authorities.add(
            gate, log, record, by=by, reason=reason, signer=at_hand(sign_with)
        )
        listed = authorities.state(log, record.authority)
    what = "listed" if listed != authorities.SUSPENDED else "listed; it is suspended still"
    _changed(gate, receipt, record.authority, what, as_json=as_json)


@app.command("list")
def list_(
    stale: Annotated[
        bool, typer.Option("--stale", help="Only what wants somebody's attention soon.")
    ] = False,
    folder: InFolder = Path(),
    as_json: AsJSON = False,
) -> None:
    """Show who may ask, and which changes wait for a second person.

    With ``--stale`` exit code 1 says that there is something to do.
    """
    with Folder.at(folder).opened() as log:
        held = [s for s in authorities.listed(log) if s.stale or not stale]
        waiting, barred = log.directory().proposals, log.barred()
    rows: list[dict[str, JSON]] = [
        {
            "authority": s.record.authority, "kind": s.record.kind.value,
            "country": s.record.country, "state": s.state, "entry": s.entry,
            "proof": [proof.method for proof in s.record.proof],
            "vetted": {"by": s.record.vetted.by, "on": s.record.vetted.on.isoformat()},
            "stale": list(s.stale),
        }
        for s in held
    ]  # fmt: skip
    proposed: list[dict[str, JSON]] = [
        {"entry": p.entry, "authority": p.name, "state": p.state, "by": p.by} for p in waiting
    ]
    if as_json:
        print_json({"authorities": rows, "proposed": proposed, "stopped": barred})
    else:
        _show(rows, proposed)
        if barred:
            typer.echo(f"persons are stopped by the entries {', '.join(map(str, barred))}")
    if stale and (rows or proposed):
        raise typer.Exit(1)


def _show(rows: list[dict[str, JSON]], proposed: list[dict[str, JSON]]) -> None:
    shown = grid("authority", "kind", "country", "state", "proves itself by", "")
    for row in rows:
        proof, stale = row["proof"], row["stale"]
        cells = (
            str(row["authority"]), str(row["kind"]), str(row["country"] or ""), str(row["state"]),
            ", ".join(map(str, proof if isinstance(proof, list) else ())),
            "; ".join(map(str, stale if isinstance(stale, list) else ())),
        )  # fmt: skip
        shown.add_row(*map(escape, cells))
    console().print(shown if rows else "no authority")
    for change in proposed:
        typer.echo(
            f"proposed by {change['by']}: {change['authority']} {change['state']}; "
            f"confirm with `whoisgate authority confirm {change['entry']}`"
        )


@app.command()
def confirm(
    entry: Annotated[int, typer.Argument(help="The entry that proposes the change.")],
    by: By,
    sign_with: SignWith = None,
    folder: InFolder = Path(),
    as_json: AsJSON = False,
) -> None:
    """Put a proposed change in force; takes somebody else than who proposed it."""
    gate = Folder.at(folder)
    with gate.opened() as log:
        receipt = authorities.confirm(gate, log, entry, by=by, signer=at_hand(sign_with))
    _told({"confirmed": entry, "entry": receipt.index}, "confirmed", receipt, as_json=as_json)


@app.command()
def suspend(
    name: Name,
    by: By,
    reason: Reason,
    person: Person = None,
    folder: InFolder = Path(),
    as_json: AsJSON = False,
) -> None:
    """Stop an authority, or one person of it, until `restore`; at once."""
    _stop(authorities.SUSPENDED, name, person, by, reason, folder, as_json=as_json)


@app.command()
def revoke(
    name: Name,
    by: By,
    reason: Reason,
    person: Person = None,
    folder: InFolder = Path(),
    as_json: AsJSON = False,
) -> None:
    """Stop an authority for good, or one person of it; at once."""
    _stop(authorities.REVOKED, name, person, by, reason, folder, as_json=as_json)


@app.command()
def restore(
    name: Name,
    by: By,
    reason: Reason,
    person: Person = None,
    sign_with: SignWith = None,
    folder: InFolder = Path(),
    as_json: AsJSON = False,
) -> None:
    """Let a suspended authority, or a stopped person of it, ask again."""
    gate, signer = Folder.at(folder), at_hand(sign_with)
    with gate.opened() as log:
        if person is None:
            receipt = authorities.restore(gate, log, name, by=by, reason=reason, signer=signer)
        else:
            receipt = authorities.bar(
                gate, log, name, person, barred=False, by=by, reason=reason, signer=signer
            )
    _changed(gate, receipt, name, "restored", as_json=as_json)


@app.command()
def export(
    out: Annotated[Path | None, typer.Argument(help="A file; without it to the output.")] = None,
    folder: InFolder = Path(),
) -> None:
    """Write the directory, signed, for other operators.

    They also need ``keys/directory.jwk``, by a way that they trust. No file is overwritten.
    """
    if out is not None:
        absent(out)
    gate = Folder.at(folder)
    with gate.opened() as log:
        text = authorities.export(gate, log)
    if out is None:
        typer.echo(text)
    else:
        out.write_text(text + "\n", encoding="ascii")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="What another operator exported.")],
    by: By,
    reason: MaybeReason = "",
    only: Annotated[
        list[str] | None, typer.Option(help="This authority alone; may be given several times.")
    ] = None,
    widen: Annotated[
        bool, typer.Option("--widen", help="Also what allows an authority more than here.")
    ] = False,
    sign_with: SignWith = None,
    folder: InFolder = Path(),
    as_json: AsJSON = False,
) -> None:
    """Take over another operator's directory, or some authorities of it.

    Whoever would be allowed more than here stays as listed here, without --widen.
    """
    gate = Folder.at(folder)
    with gate.opened() as log:
        receipt, left = authorities.take(
            *(gate, log, _text(file)),
            by=by, reason=reason, only=only or (), widen=widen, signer=at_hand(sign_with),
        )  # fmt: skip
    said: dict[str, JSON] = {"entry": receipt.index, "proposed": _waits(gate), "left": left}
    _told(said, _outcome(gate, "imported"), receipt, as_json=as_json)
    if not as_json:
        for name, why in left.items():
            typer.echo(f"left as it is: {name}: {why}")


def _stop(
    state: str, name: str, person: str | None, by: str, reason: str, folder: Path, *, as_json: bool
) -> None:
    gate = Folder.at(folder)
    with gate.opened() as log:
        if person is None:
            receipt = authorities.stop(gate, log, name, state, by=by, reason=reason)
        else:
            receipt = authorities.bar(gate, log, name, person, barred=True, by=by, reason=reason)
        known = authorities.state(log, name) is not None
    _told(
        {"authority": name, "person": person, "state": state, "entry": receipt.index,
         "listed": known},
        state, receipt, as_json=as_json,
    )  # fmt: skip
    if not known and not as_json:
        typer.echo(f"the directory lists no `{name}`: see `whoisgate authority list`", err=True)


def _changed(gate: Folder, receipt: Receipt, name: str, what: str, *, as_json: bool) -> None:
    said: dict[str, JSON] = {
        "authority": name, "proposed": _waits(gate), "entry": receipt.index,
    }  # fmt: skip
    _told(said, _outcome(gate, what), receipt, as_json=as_json)


def _waits(gate: Folder) -> bool:
    return gate.config.directory.approvers > 1


def _outcome(gate: Folder, what: str) -> str:
    return "proposed; somebody else confirms it" if _waits(gate) else what


def _told(said: dict[str, JSON], what: str, receipt: Receipt, *, as_json: bool) -> None:
    if as_json:
        print_json(said)
    else:
        typer.echo(f"{what}; logged as entry {receipt.index}")


def _read(file: Path) -> dict[str, Any]:
    text = _text(file)
    if file.suffix not in {".json", ".toml"}:
        raise MalformedAuthority(f"`{file}`: expected a file `.toml` or `.json`")
    try:
        if file.suffix == ".toml":
            return tomllib.loads(text)
        said = json.loads(text)
    except ValueError as error:
        raise MalformedAuthority(f"`{file}`: {error}") from None
    if not isinstance(said, dict):
        raise MalformedAuthority(f"`{file}`: expected an object")
    return said


def _text(file: Path) -> str:
    try:
        raw = file.read_bytes()
        if len(raw) > MAX_FILE:
            raise MalformedAuthority(f"`{file}`: expected at most `{MAX_FILE}` bytes")
        return raw.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedAuthority(f"`{file}` cannot be read: {type(error).__name__}") from None
