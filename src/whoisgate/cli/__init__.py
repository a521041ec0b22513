"""The command line: ``whoisgate``. Each command is a module; `main` turns errors into one line.

Exit codes: 0 done (lookup: released), 1 an error or a finding, 2 wrong usage, 3 refused,
4 needs approval. With ``--json`` a program gets one JSON document, errors included.
"""

from __future__ import annotations

import sys

import typer

from whoisgate.cli import (
    authority,
    demo,
    doctor,
    evidence,
    log,
    lookup,
    operate,
    policy,
    redact,
    signer,
    verify,
)
from whoisgate.cli.output import fail
from whoisgate.errors import WhoisgateError

app = typer.Typer(
    name="whoisgate",
    help="The gate in front of registration data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
app.command("init")(operate.init)
app.command("serve")(operate.serve)
app.command("lookup")(lookup.lookup)
app.command("signer")(signer.signer)
app.add_typer(authority.app, name="authority")
app.command("approve")(operate.approve)
app.command("obligations")(operate.obligations)
app.command("redact")(redact.redact)
app.command("doctor")(doctor.doctor)
app.add_typer(policy.app, name="policy")
app.add_typer(evidence.app, name="evidence")
app.command("verify")(verify.verify)
app.add_typer(log.app, name="log")
app.command("demo")(demo.demo)


def main() -> None:
    """Run the command line; never shows a traceback for an error of ours."""
    try:
        app()
    except WhoisgateError as error:
        fail(error, as_json="--json" in sys.argv)
        raise SystemExit(1) from None
    except BrokenPipeError:
        # The reader of our output went away; there is nobody left to tell.
        sys.stderr.close()
        raise SystemExit(1) from None
