"""How the commands print: for a person by default, one JSON document with ``--json``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from whoisgate.audit.draft import JSON
from whoisgate.errors import Finding, WhoisgateError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

AsJSON = Annotated[bool, typer.Option("--json", help="One JSON document for a program.")]


# rich is slow to import, and most commands show nothing with it.


def console() -> Console:
    """Standard output for a person; honours NO_COLOR and the terminal's width."""
    from rich.console import Console  # noqa: PLC0415  as above

    return Console(highlight=False, soft_wrap=False)


def grid(*columns: str, pad_edge: bool = True) -> Table:
    """Rows under these columns, without lines, for `console`."""
    from rich.table import Table  # noqa: PLC0415  as above

    return Table(*columns, box=None, pad_edge=pad_edge)


def escape(text: str) -> str:
    """``text`` as it stands, where `console` would read markup."""
    from rich.markup import escape  # noqa: PLC0415  as above

    return escape(text)


def print_json(value: JSON) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_findings(findings: Iterable[Finding]) -> None:
    """What was found in a policy or a suite, one a line."""
    for f in findings:
        hint = f" ({f.hint})" if f.hint else ""
        typer.echo(f"{f.position or '-'}: {f.severity} {f.code}: {f.message}{hint}")


def listed(findings: Iterable[Finding]) -> list[JSON]:
    """The same for a program."""
    return [
        {
            "code": f.code,
            "severity": f.severity,
            "message": f.message,
            "position": str(f.position) if f.position else None,
            "hint": f.hint,
        }
        for f in findings
    ]


def fail(error: WhoisgateError, *, as_json: bool) -> None:
    """One line on standard error, or an error object on standard output."""
    if as_json:
        print_json({"error": {"code": error.code, "message": str(error)}})
    else:
        sys.stderr.write(f"whoisgate: {error.code}: {printable(str(error))}\n")


def printable(text: str) -> str:
    """``text`` without control characters, so that nobody's value can move the cursor."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
