"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

InFolder = Annotated[Path, typer.Option("--dir", help="The gate's folder.")]


def _said(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise typer.BadParameter("expected printable words")
    return text


By = Annotated[str, typer.Option(help="Who does it.", callback=_said)]
Reason = Annotated[str, typer.Option(help="Why; committed, never shown.", callback=_said)]
MaybeReason = Annotated[str, typer.Option(help="Why; committed, never shown.")]
SignWith = Annotated[
    Path | None,
    typer.Option(help="A PEM with your private key: where `[staff]` lists people, you sign."),
]
