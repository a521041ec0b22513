"""``whoisgate verify``: the same program as ``audit/verify.py`` alone."""

from __future__ import annotations

from typing import Annotated

import typer

from whoisgate.audit.verify import main
from whoisgate.cli.output import AsJSON


def verify(
    target: Annotated[str, typer.Argument(help="An evidence zip, a proof, a log folder or URL.")],
    key: Annotated[str, typer.Option(help="The log's public key (vkey), or a file holding it.")],
    as_json: AsJSON = False,
) -> None:
    """Check an evidence zip, a receipt or a whole log.

    Exit 1 names the first bad entry.
    """
    raise typer.Exit(main([target, "--key", key, *(["--json"] if as_json else [])]))
