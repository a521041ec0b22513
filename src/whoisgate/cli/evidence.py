"""``whoisgate evidence``: the group, and `select`, which shows some fields without the others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whoisgate.audit.evidence import select as selected
from whoisgate.audit.verify import VerificationFailed, verify_evidence
from whoisgate.cli.lookup import absent, read_vkey
from whoisgate.cli.output import AsJSON, print_json
from whoisgate.errors import EvidenceError

app = typer.Typer(help="Work with evidence zips.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Work with evidence zips."""


@app.command()
def select(
    evidence: Annotated[Path, typer.Argument(help="An evidence zip.", exists=True, dir_okay=False)],
    key: Annotated[str, typer.Option(help="The log's public key (vkey), or a file holding it.")],
    fields: Annotated[str, typer.Option(help="Fields to keep open, separated by commas.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The smaller zip; never overwritten.")],
    without_answer: Annotated[
        bool, typer.Option("--without-answer", help="Leave the answer out.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Make a smaller zip that opens some fields and not the others.

    It verifies under the same key. What is dropped stands nowhere in it.
    """
    absent(out)
    pinned, names = read_vkey(key), [each.strip() for each in fields.split(",") if each.strip()]
    try:
        packed = selected(evidence, pinned, names, answer=not without_answer)
        opened = verify_evidence(packed, pinned).receipt.fields
    except VerificationFailed as failure:
        raise EvidenceError(f"the evidence does not hold: {failure} ({failure.code})") from None
    with out.open("xb") as file:
        file.write(packed)
    if as_json:
        print_json({"evidence": str(out), "opened": list(opened), "answer": not without_answer})
    else:
        typer.echo(f"{out} opens {', '.join(opened)}")
        typer.echo("the answer is left out" if without_answer else "the answer is enclosed")
