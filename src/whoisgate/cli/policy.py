"""``whoisgate policy``: the group, and `check`, every finding at once, with positions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whoisgate.cli import policy_diff
from whoisgate.cli.output import AsJSON, print_json
from whoisgate.policy.check import check_file

app = typer.Typer(help="Read policies as the gate reads them.", no_args_is_help=True)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Policies in YAML.")],
    as_json: AsJSON = False,
) -> None:
    """Show all findings with their positions; exit 1 if one of them is an error."""
    findings = [finding for file in files for finding in check_file(file)]
    if as_json:
        print_json(
            [
                {
                    "code": f.code,
                    "severity": f.severity,
                    "message": f.message,
                    "position": str(f.position) if f.position else None,
                    "hint": f.hint,
                }
                for f in findings
            ]
        )
    else:
        for f in findings:
            hint = f" ({f.hint})" if f.hint else ""
            typer.echo(f"{f.position or '-'}: {f.severity} {f.code}: {f.message}{hint}")
        if not findings:
            typer.echo(f"{len(files)} checked, nothing found")
    if any(f.severity == "error" for f in findings):
        raise typer.Exit(1)


app.command("diff")(policy_diff.diff)
