"""What an operator does: ``init``, ``serve``, ``approve``, ``obligations``."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from whoisgate import app, operations
from whoisgate.audit.draft import JSON
from whoisgate.cli import demo_folder
from whoisgate.cli.options import InFolder, SignWith
from whoisgate.cli.output import AsJSON, console, grid, print_json
from whoisgate.cli.signer import at_hand
from whoisgate.elements import ELEMENTS
from whoisgate.errors import ExtraMissing, UnknownEntry

FolderArgument = Annotated[Path, typer.Argument(help="The folder that `whoisgate init` made.")]


def init(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist, or is empty.")],
    auditor: Annotated[
        list[Path] | None,
        typer.Option(help="An auditor's X25519 public key (PEM); may be given several times."),
    ] = None,
    host: Annotated[str, typer.Option(help="The host in the log's name.")] = "localhost",
    base_url: Annotated[
        str, typer.Option(help="What links and receipts begin with.")
    ] = "http://127.0.0.1:8043/",
    web_form: Annotated[
        str | None, typer.Option(help="The web form that stands in for e-mail addresses.")
    ] = None,
    operator: Annotated[
        Path | None,
        typer.Option(help="The operator's X25519 public key (PEM), made on another machine."),
    ] = None,
    operator_passphrase_file: Annotated[
        Path | None, typer.Option(help="A file whose line encrypts the operator's new key.")
    ] = None,
    after: Annotated[
        Path | None,
        typer.Option(help="The folder with the log of an earlier year, which this one follows."),
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Add a made-up registrar and an investigator's token.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Make the folder of a new gate.

    It holds configuration, keys, database and an empty log.
    """
    if demo:
        made = demo_folder.make(folder, base_url=base_url, auditors=auditor or [])
    else:
        made = app.init(
            folder,
            host=host,
            base_url=base_url,
            auditors=auditor or [],
            operator=operator,
            operator_passphrase=app.read_passphrase(operator_passphrase_file),
            web_form=web_form,
            tables=_passphrase_table(operator_passphrase_file),
            after=after,
        )
    vkey = (folder / "keys" / "log.vkey").read_text().strip()
    if as_json:
        print_json({"folder": str(folder), "origin": made.config.gate.origin, "vkey": vkey})
        return
    typer.echo(f"made {folder}/")
    typer.echo("  whoisgate.toml   configuration: name your [source] here")
    typer.echo("  whoisgate.db     the log and its vault; shred.slots holds the shred secrets")
    private = "log.key" if operator else "log.key, operator.key"
    typer.echo(f"  keys/            private: {private}; public: log.vkey")
    typer.echo("  head             another copy of the log's checkpoint, once there is one")
    typer.echo("  log/             what the world may read: checkpoint and tiles")
    typer.echo(f"the log's public key, for everybody who verifies:\n  {vkey}")
    if not operator and not operator_passphrase_file:
        typer.echo("operator.key opens every entry and has no passphrase: keep it elsewhere")
    typer.echo(f"next: whoisgate serve {folder}")


def _passphrase_table(file: Path | None) -> str:
    if file is None:
        return ""
    return f"\n[keys]\noperator_passphrase_file = {json.dumps(str(file.absolute()))}\n"


def serve(
    folder: FolderArgument,
    rdap: Annotated[str | None, typer.Option(help="HOST:PORT for RDAP over HTTP.")] = None,
    whois: Annotated[str | None, typer.Option(help="HOST:PORT for WHOIS.")] = None,
    allow_draft: Annotated[
        bool, typer.Option(help="Take a policy with unchecked citations.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Answer RDAP and WHOIS until stopped; drains on SIGTERM."""
    try:
        from whoisgate import gateway  # noqa: PLC0415  needs the gateway extra
    except ModuleNotFoundError as error:
        raise ExtraMissing(f'expected `pip install "whoisgate[gateway]"`: {error.name}') from None

    def ready(addresses: dict[str, str]) -> None:
        if as_json:
            print_json(dict(addresses))
        else:
            for name, address in addresses.items():
                typer.echo(f"{name:5} {address}")
        sys.stdout.flush()

    gateway.serve(
        app.Folder.at(folder),
        gateway.address(rdap) if rdap else None,
        gateway.address(whois) if whois else None,
        allow_draft=allow_draft,
        ready=ready,
    )


def approve(
    entry: Annotated[int | None, typer.Argument(help="The number of a pending question.")] = None,
    elements: Annotated[
        str | None, typer.Option(help="Elements to approve, separated by commas.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who approves.")] = None,
    valid: Annotated[str, typer.Option(help="How long it may be used, as in 72h or 30d.")] = "72h",
    lift: Annotated[
        int | None, typer.Option(help="The entry that stopped somebody who may ask again.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why a stop is lifted.")] = None,
    sign_with: SignWith = None,
    folder: InFolder = Path(),
    as_json: AsJSON = False,
) -> None:
    """Grant a pending question, lift a stop, or list both."""
    gate = app.Folder.at(folder)
    if lift is not None:
        if entry is not None or elements:
            raise typer.BadParameter("expected --lift alone: it approves no question")
        if not by or not reason:
            raise typer.BadParameter("lifting a stop needs --by and --reason")
        with gate.opened() as log:
            receipt = operations.lift(
                gate, log, lift, by=by, reason=reason, signer=at_hand(sign_with)
            )
        if as_json:
            print_json({"entry": receipt.index, "lifts": lift})
        else:
            typer.echo(f"stop of entry {lift} lifted; logged as entry {receipt.index}")
        return
    if entry is None:
        _list_waiting(gate, as_json=as_json)
        return
    if not elements or not by:
        raise typer.BadParameter("an approval needs --elements and --by")
    names = [name.strip() for name in elements.split(",") if name.strip()]
    unknown = [name for name in names if name not in ELEMENTS]
    if unknown:
        raise typer.BadParameter(f"no such element: {', '.join(unknown)}")
    expires = app.utc_now() + _delay(valid)
    with gate.opened() as log:
        receipt = operations.approve(
            gate, log, entry, names, by=by, expires=expires, signer=at_hand(sign_with)
        )
    if as_json:
        print_json({"entry": receipt.index, "approves": entry, "expires": expires.isoformat()})
    else:
        typer.echo(
            f"question {entry} approved until {expires:%Y-%m-%d %H:%M} UTC; "
            f"logged as entry {receipt.index}"
        )


def obligations(
    done: Annotated[int | None, typer.Option(help="Mark this one as done.")] = None,
    folder: InFolder = Path(),
    as_json: AsJSON = False,
) -> None:
    """Show what is due and what is overdue, or mark one as done."""
    gate = app.Folder.at(folder)
    if done is not None:
        with gate.opened() as log:
            receipt = operations.done(gate, log, done)
        if as_json:
            print_json({"done": done, "entry": receipt.index})
        else:
            typer.echo(f"obligation {done} done; logged as entry {receipt.index}")
        return
    now = app.utc_now()
    with gate.opened() as log:
        due = [o for o in log.obligations() if o.done_at is None]
    rows: list[dict[str, JSON]] = [
        {
            "id": o.id,
            "do": o.do,
            "entry": o.entry,
            "due": o.due_at.isoformat(),
            "overdue": o.due_at <= now,
        }
        for o in due
    ]
    if as_json:
        print_json(rows)
        return
    shown = grid("id", "duty", "entry", "due (UTC)", "")
    for o in due:
        mark = "[red]OVERDUE[/red]" if o.due_at <= now else ""
        shown.add_row(str(o.id), o.do, str(o.entry), f"{o.due_at:%Y-%m-%d %H:%M}", mark)
    console().print(shown if due else "nothing is due")


def _list_waiting(gate: app.Folder, *, as_json: bool) -> None:
    with gate.opened() as log:
        queue = operations.queue(gate, log)
    rows: list[dict[str, JSON]] = [
        {
            "id": p.entry,
            "asked_at": p.logged_at.isoformat(),
            **{name: fields[name] for name in (*_WHO, "purpose", "basis", "case", "asked")},
            "flagged": _flagged(fields),
        }
        for p, fields in queue.questions
    ]
    stops: list[dict[str, JSON]] = [
        {"stop": entry, **{name: fields[name] for name in _WHO}, "flagged": _flagged(fields)}
        | ({"earlier": earlier} if (earlier := _earlier(fields)) else {})
        for entry, fields in queue.stops
    ]
    if as_json:
        print_json([*rows, *stops])
        return
    if not rows:
        typer.echo("no question is pending")
    for (p, fields), row in zip(queue.questions, rows, strict=True):
        typer.echo(
            f"{row['id']}  {fields['domain']}  asked {p.logged_at:%Y-%m-%d %H:%M} UTC by "
            f"{fields['person']} of {fields['authority']}\n"
            f"   purpose {fields['purpose']}, basis {fields['basis']}, case {fields['case']}\n"
            f"   elements {', '.join(map(str, _names(fields['asked'])))}"
        )
        if why := _names(row["flagged"]):
            typer.echo(f"   FLAGGED for {', '.join(map(str, why))}")
    for stop, (_, fields) in zip(stops, queue.stops, strict=True):
        if earlier := _earlier(fields):
            typer.echo(
                f"{stop['stop']}  STOPPED by entry {earlier['entry']} of {earlier['log']}, the log "
                f"before; --lift {stop['stop']} lets them ask again"
            )
            continue
        typer.echo(
            f"{stop['stop']}  STOPPED for {', '.join(map(str, _names(stop['flagged'])))}: "
            f"{stop['person']} of {stop['authority']}; --lift {stop['stop']} lets them ask again"
        )


_WHO = ("domain", "authority", "person")


def _flagged(fields: Mapping[str, JSON]) -> JSON:
    detail = fields["detail"]
    return detail.get("flagged", []) if isinstance(detail, Mapping) else []


def _earlier(fields: Mapping[str, JSON]) -> Mapping[str, JSON] | None:
    """The earlier log, and the entry of it, that a carried stop came from."""
    detail = fields["detail"]
    stopped = detail.get("stopped") if isinstance(detail, Mapping) else None
    return stopped if isinstance(stopped, Mapping) else None


def _names(value: JSON) -> list[JSON]:
    if not isinstance(value, list):
        raise UnknownEntry("expected a list of elements in the envelope")
    return value


def _delay(text: str) -> timedelta:
    match = re.fullmatch(r"([1-9]\d{0,3})([hd])", text)
    if not match:
        raise typer.BadParameter("--valid: expected a time such as 72h or 30d")
    return timedelta(**{{"h": "hours", "d": "days"}[match[2]]: int(match[1])})
