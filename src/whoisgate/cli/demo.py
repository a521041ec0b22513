"""``whoisgate demo``: the whole walk on made-up people, in one screen."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whoisgate import app
from whoisgate.audit.evidence import evidence_zip
from whoisgate.audit.verify import VerificationFailed, parse_vkey, verify_evidence
from whoisgate.cli import demo_folder, show
from whoisgate.cli.output import console, escape, grid
from whoisgate.elements import ELEMENTS, Element, Kind
from whoisgate.errors import ExtraMissing, OperatorError
from whoisgate.formats import rdap
from whoisgate.policy.decide import Decision
from whoisgate.policy.explain import explain
from whoisgate.policy.model import Policy
from whoisgate.queries import Question
from whoisgate.replay import replay

if TYPE_CHECKING:
    from rich.console import Console

    from whoisgate.client import Client, Reply

SHOWN = ("registrar.name", "domain.created", "registrant.name", "registrant.organization",
         "registrant.street", "registrant.country", "registrant.phone",
         "registrant.email")  # fmt: skip
ASKED = (*demo_folder.STANDING, "registrant.street")
CASE = "2026-114"
WIDTH = 80


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the gateway serving.")] = False,
) -> None:
    """Show one domain to the public and to an investigator.

    With proof, on made-up people.
    """
    try:
        from whoisgate.client import Client  # noqa: PLC0415  needs the gateway extra
    except ModuleNotFoundError as error:
        raise ExtraMissing(f'expected `pip install "whoisgate[gateway]"`: {error.name}') from None
    with tempfile.TemporaryDirectory(prefix="whoisgate-demo-") as place:
        base_url = f"http://127.0.0.1:{demo_folder.free_port()}/"
        made = demo_folder.make(Path(place) / "gate", base_url=base_url)
        token = (made.path / "demo" / "investigator.token").read_text().strip()
        vkey = (made.path / "keys" / "log.vkey").read_text().strip()
        with _served(made.path) as addresses, Client(
            base_url, token=token, key=parse_vkey(vkey)
        ) as officer, Client(base_url) as anybody:  # fmt: skip
            _walk(made, addresses, anybody, officer, vkey)
            _next(made.path, base_url, keep=keep)
            if keep:
                _wait()


def _walk(
    made: app.Folder, addresses: dict[str, str], anybody: Client, officer: Client, vkey: str
) -> None:
    out = console()
    out.width = min(out.width, WIDTH)
    names = (made.path / "demo" / "domains.txt").read_text(encoding="utf-8").split()
    out.print(
        f"A made-up registrar with {len(names)} domains now answers on this machine:\n"
        f"RDAP at {addresses['rdap']}, WHOIS at {addresses['whois']}\n\n"
        f"Who is behind [bold]{names[0]}[/bold]? The same question, asked by two:\n"
    )
    public = anybody.ask(Question.of(names[0]))
    gated = officer.ask(
        Question.of(
            names[0], purpose=demo_folder.PURPOSE, basis="national_order", case=CASE, elements=ASKED
        )
    )
    if gated.receipt is None or gated.proof is None:
        raise OperatorError("expected a gated answer in the demo")
    decision = replay(made.policy, gated.receipt.fields)
    rules = _side_by_side(out, made, public, gated, decision)
    _laws(out, made.policy, rules)
    _prove(out, evidence_zip(gated.body, gated.proof, made.policy.text, vkey), gated, vkey)


def _side_by_side(
    out: Console, made: app.Folder, public: Reply, gated: Reply, decision: Decision
) -> list[str]:
    """Print the two views; gives the rules named beside them."""
    left, right = (show.shown(rdap.decode(reply.body)) for reply in (public, gated))
    open_to_all = _public_decision(made, rdap.decode(public.body).name)
    reasons = explain(made.policy, decision)
    rows = grid("", "the public", "an investigator", "rule", pad_edge=False)
    rows.columns[0].no_wrap = True
    rows.columns[2].overflow = "fold"
    named: dict[str, None] = {}
    for name in SHOWN:
        reason = reasons[ELEMENTS[name]]
        rule = reason.rules[0] if reason.rules else ""
        named[rule] = None
        rows.add_row(
            name,
            _cell(left, reason.element, open_to_all),
            _cell(right, reason.element, decision),
            escape(rule) if reason.element in decision.rulings else "[dim]needs approval[/dim]",
        )
    out.print(rows)
    return [rule for rule in named if rule]


def _cell(values: dict[Element, str], element: Element, decision: Decision) -> str:
    kind = decision.treatment(element).kind
    if kind is Kind.REPLACE:
        return "[cyan]a contact form[/cyan]"
    if kind is Kind.WITHHOLD:
        return "[dim]withheld[/dim]"
    value = values.get(element, "none on record")
    return escape(value[:10] if element.field == "created" else value)


def _public_decision(made: app.Folder, name: str) -> Decision:
    gate = app.open(made.path)
    try:
        return gate.ask(name).decision
    finally:
        gate.close()


def _laws(out: Console, policy: Policy, rules: list[str]) -> None:
    out.print()
    for rule in rules:
        cited = "; ".join(f"{c.instrument} {c.article}" for c in policy.rule(rule).law)
        out.print(f"{escape(rule):10} rests on {escape(cited)}", no_wrap=True, overflow="ellipsis")


def _prove(out: Console, packed: bytes, gated: Reply, vkey: str) -> None:
    key = parse_vkey(vkey)
    verify_evidence(packed, key)
    if gated.receipt is None:
        raise OperatorError("expected a receipt")
    out.print(
        f"\n[green]verified[/green]   the investigator's receipt: entry {gated.receipt.index} of a "
        "signed log holds\n           these bytes, this rule, this case; to the world it names "
        "nobody"
    )
    try:
        verify_evidence(_altered(packed), key)
    except VerificationFailed as failure:
        out.print(f"[red]refused[/red]    one byte altered: {failure.code}, {failure}")
    else:
        raise OperatorError("an altered copy was accepted")


def _altered(packed: bytes) -> bytes:
    """The same zip with one byte of the answer changed, sound as a zip."""
    copy = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as old, zipfile.ZipFile(copy, "w") as new:
        for member in old.infolist():
            content = bytearray(old.read(member))
            if member.filename == "answer.json":
                content[len(content) // 2] ^= 1
            new.writestr(member, bytes(content))
    return copy.getvalue()


def _next(folder: Path, base_url: str, *, keep: bool) -> None:
    commands = (
        (
            f"lookup {_first(folder)} --server {base_url}",
            f"approve --dir {folder}",
            f"verify {folder}/log --key {folder}/keys/log.vkey",
        )
        if keep
        else (
            "demo --keep",
            "init my-gate --demo",
            "serve my-gate",
        )
    )
    typer.echo("\nTry next:" if not keep else "\nTry next, in another terminal:")
    program = "whoisgate" if shutil.which("whoisgate") else os.path.relpath(sys.argv[0])
    for command in commands:
        typer.echo(f"  {program} {command}")


def _first(folder: Path) -> str:
    return (folder / "demo" / "domains.txt").read_text(encoding="utf-8").split()[0]


def _wait() -> None:
    typer.echo("\nserving until you press Ctrl-C …")
    with suppress(KeyboardInterrupt):
        signal.pause()


@contextmanager
def _served(folder: Path) -> Iterator[dict[str, str]]:
    code = "from whoisgate.cli import main; main()"
    with subprocess.Popen(  # noqa: S603  our own command
        [sys.executable, "-c", code, "serve", str(folder), "--whois", "127.0.0.1:0", "--json"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            if process.stdout is None:
                raise OperatorError("expected the gateway's output")
            said = "".join(iter(process.stdout.readline, "}\n")) + "}"
            yield json.loads(said)
        finally:
            process.terminate()
