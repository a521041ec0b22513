"""``whoisgate policy``: the group, and `check`, every finding at once, with positions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whoisgate.cli import policy_diff, policy_show, policy_test
from whoisgate.cli.output import AsJSON, listed, print_findings, print_json
from whoisgate.policy.check import check_file

app = typer.Typer(help="Read policies as the gate reads them.", no_args_is_help=True)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Policies in YAML.")],
    as_json: AsJSON = False,
) -> None:
    """Show all findings with their positions.

    Exit 1 if one of them is an error.
    """
    findings = [finding for file in files for finding in check_file(file)]
    if as_json:
        print_json(listed(findings))
    else:
        print_findings(findings)
        if not findings:
            typer.echo(f"{len(files)} checked, nothing found")
    if any(f.severity == "error" for f in findings):
        raise typer.Exit(1)


app.command("diff")(policy_diff.diff)
app.command("test")(policy_test.run_suite)
app.command("show")(policy_show.show)
