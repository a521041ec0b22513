"""``whoisgate log``: open, erase, prune, unseal, rotate, recover.

All but pruning, which the published retention policy tells, leave an entry that says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from whoisgate import operations
from whoisgate.app import Folder
from whoisgate.audit.draft import JSON
from whoisgate.audit.verify import VerificationFailed, signed_act
from whoisgate.cli.options import By, InFolder, Reason, SignWith
from whoisgate.cli.output import AsJSON, print_json
from whoisgate.cli.signer import at_hand
from whoisgate.stores.sqlite import SQLiteLog

app = typer.Typer(help="Care for the audit log.", no_args_is_help=True)

Entries = Annotated[list[int] | None, typer.Argument(help="Numbers of entries.")]
Domain = Annotated[str | None, typer.Option(help="Every entry about this domain.")]
Requester = Annotated[
    str | None, typer.Option(help="Every entry of this requester, as AUTHORITY/PERSON.")
]


@app.command("open")
def open_(
    by: By,
    reason: Reason,
    entries: Entries = None,
    domain: Domain = None,
    requester: Requester = None,
    key: Annotated[
        Path | None, typer.Option(help="The operator's private key, if it is not in the folder.")
    ] = None,
    folder: InFolder = Path(),
    as_json: AsJSON = False,
) -> None:
    """Show what entries hold, once an entry says who looked.

    Where one of the operator's staff signed, the signature is verified; exit code 1 says that one
    does not hold.
    """
    gate = Folder.at(folder)
    with gate.opened() as log:
        chosen = _chosen(log, entries, domain, requester)
        opened = operations.open_entries(gate, log, chosen, by=by, reason=reason, key_file=key)
    origin = gate.config.gate.origin
    rows: list[dict[str, JSON]] = [
        {"entry": entry, "fields": content.fields, "sealed": content.sealed,
         "staff": _signed(origin, content.fields)}
        for entry, content in zip(chosen, opened, strict=True)
    ]  # fmt: skip
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            _show(row)
        if not rows:
            typer.echo("no entry")
    if any(isinstance(row["staff"], dict) and not row["staff"]["holds"] for row in rows):
        raise typer.Exit(1)


def _signed(origin: str, fields: Mapping[str, JSON]) -> JSON:
    """Who of the staff signed an entry, None where nobody did."""
    try:
        act = signed_act(origin, fields)
    except VerificationFailed as failure:
        return {"holds": False, "error": f"{failure.code}: {failure}"}
    return None if act is None else {"holds": True, "by": act.by, "signer": act.signer}


def _show(row: Mapping[str, JSON]) -> None:
    typer.echo(f"entry {row['entry']}")
    fields, staff = row["fields"], row["staff"]
    if isinstance(fields, Mapping):
        for name, value in fields.items():
            if value is not None:
                typer.echo(f"  {name}: {ascii(value) if isinstance(value, str) else value}")
    if isinstance(staff, Mapping):
        told = staff.get("error") or f"{staff['by']!a} by the key {staff['signer']}: it holds"
        typer.echo(f"  signed: {told}")


@app.command()
def erase(
    by: By,
    approved_by: Annotated[str, typer.Option(help="Who approved it, and signs.")],
    why: Annotated[
        str, typer.Option(help=f"One of {', '.join(operations.ERASURE_REASONS)}; shown in clear.")
    ],
    entries: Entries = None,
    domain: Domain = None,
    requester: Requester = None,
    retention: Annotated[
        bool, typer.Option("--retention", help="Every entry older than the configuration keeps.")
    ] = False,
    note: Annotated[str, typer.Option(help="More on why; committed, never shown.")] = "",
    sign_with: SignWith = None,
    folder: InFolder = Path(),
    as_json: AsJSON = False,
) -> None:
    """Make entries unreadable for good, in old copies too.

    Their place in the log and every proof stay. What is held or sealed is refused.
    """
    gate = Folder.at(folder)
    if why not in operations.ERASURE_REASONS:
        raise typer.BadParameter(f"--why: expected {', '.join(operations.ERASURE_REASONS)}")
    if retention and (entries or domain is not None or requester is not None):
        raise typer.BadParameter("expected --retention alone: it chooses by age")
    with gate.opened() as log:
        chosen = (
            operations.outlived(gate, log)
            if retention
            else _chosen(log, entries, domain, requester)
        )
        receipt = operations.erase(
            *(gate, log, chosen),
            reason=why, by=by, approved_by=approved_by, note=note, signer=at_hand(sign_with),
        )  # fmt: skip
    if as_json:
        print_json({"erased": chosen, "entry": receipt.index})
    else:
        what = "1 entry" if len(chosen) == 1 else f"{len(chosen)} entries"
        typer.echo(f"{what} erased; logged as entry {receipt.index}")


@app.command()
def prune(folder: InFolder = Path(), as_json: AsJSON = False) -> None:
    """Publish what the log promises to keep, and prune what it no longer does.

    The configuration says how long entries are kept. Pruned files move to `pruned/`.
    """
    gate = Folder.at(folder)
    with gate.opened() as log:
        promised = operations.prune(gate, log)
    if as_json:
        print_json({"minimum": promised.minimum, "entries": promised.entries,
                    "envelopes": promised.envelopes})  # fmt: skip
    else:
        typer.echo(
            f"entries are kept {promised.entries}, envelopes {promised.envelopes}; "
            f"{promised.minimum} entries are pruned"
        )


@app.command()
def unseal(
    entry: Annotated[int | None, typer.Argument(help="The number of a sealed entry.")] = None,
    by: Annotated[str, typer.Option(help="Who does it.")] = "",
    reason: Annotated[str, typer.Option(help="Why; committed, never shown.")] = "",
    until: Annotated[
        datetime | None, typer.Option(help="Seal it further, until this date (UTC).")
    ] = None,
    folder: InFolder = Path(),
    as_json: AsJSON = False,
) -> None:
    """Unseal an entry, seal it further, or list the sealed ones."""
    gate = Folder.at(folder)
    with gate.opened() as log:
        if entry is None:
            _list_sealed(log, as_json=as_json)
            return
        if not by or not reason:
            raise typer.BadParameter("expected --by and --reason")
        end = until and operations.end_of(until.date())
        receipt = operations.unseal(gate, log, entry, by=by, reason=reason, until=end)
    if as_json:
        print_json({"unsealed" if end is None else "extended": entry, "entry": receipt.index})
    else:
        done = "unsealed" if end is None else f"sealed until {end:%Y-%m-%d}"
        typer.echo(f"entry {entry} {done}; logged as entry {receipt.index}")


@app.command()
def rotate(
    finish: Annotated[
        bool, typer.Option("--finish", help="End the overlap: the older key signs no more.")
    ] = False,
    folder: InFolder = Path(),
    as_json: AsJSON = False,
) -> None:
    """Put a new signing key beside the old one, signed by both."""
    gate = Folder.at(folder)
    with gate.opened() as log:
        key = operations.retire(gate, log) if finish else operations.rotate(gate, log)
    if as_json:
        print_json({"retired" if finish else "added": key.text})
    elif finish:
        typer.echo(f"this key signs no more, and its private half is deleted:\n  {key.text}")
    else:
        typer.echo(f"both keys sign from now on; publish the new one, for everybody:\n  {key.text}")
        typer.echo("when they have it: whoisgate log rotate --finish")


@app.command()
def recover(
    by: By,
    reason: Reason,
    folder: InFolder = Path(),
    as_json: AsJSON = False,
) -> None:
    """Go on from an old database; stop every gateway first.

    What was published since is taken back from the tiles. Envelopes written since are lost, and
    approvals are void.
    """
    before, after = operations.recover(Folder.at(folder), by=by, reason=reason)
    if as_json:
        print_json({"from": before, "to": after})
    elif before == after:
        typer.echo(f"nothing to recover: the database holds all {after} published entries")
    else:
        typer.echo(
            f"{after - before} entries taken back from the published log, without their envelopes;"
            "\nall approvals are void"
        )


def _chosen(
    log: SQLiteLog, entries: Sequence[int] | None, domain: str | None, requester: str | None
) -> list[int]:
    if sum((bool(entries), domain is not None, requester is not None)) != 1:
        raise typer.BadParameter("expected numbers of entries, --domain or --requester")
    if requester is not None and "/" not in requester:
        raise typer.BadParameter("--requester: expected AUTHORITY/PERSON")
    return list(dict.fromkeys(entries or ())) or operations.about(
        log, domain=domain, requester=requester
    )


def _list_sealed(log: SQLiteLog, *, as_json: bool) -> None:
    seals = log.sealed()
    if as_json:
        print_json([{"entry": s.entry, "until": s.until.isoformat()} for s in seals])
        return
    for seal in seals:
        typer.echo(f"{seal.entry}  until {seal.until:%Y-%m-%d}")
    if not seals:
        typer.echo("no entry is sealed")
