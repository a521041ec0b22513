"""``whoisgate redact``: the public view of captured answers, offline."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from pydantic import ValidationError

from whoisgate import app
from whoisgate.config import ReplaceSettings, places
from whoisgate.formats import offline, rdap
from whoisgate.policy.decide import edition
from whoisgate.policy.load import load_any
from whoisgate.redact import Substitutes
from whoisgate.sources.opinion import SecondOpinion

OFFLINE_URL = "https://rdap.invalid/"
"""What links begin with where no gateway answers."""


class Input(StrEnum):
    """What a captured answer is."""

    AUTO = "auto"
    RDAP = "rdap"
    WHOIS = "whois"


class Output(StrEnum):
    """What the public view is printed as."""

    RDAP = "rdap"
    WHOIS = "whois"


def _template(text: str) -> str:
    """A web form's address, checked before an answer needs it."""
    try:
        ReplaceSettings(web_form=text)
    except ValidationError as error:
        raise typer.BadParameter(places(error)) from None
    if not text:
        raise typer.BadParameter("expected an address")
    return text


def redact(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A captured answer; default: stdin.", exists=True, dir_okay=False, readable=True
        ),
    ] = None,
    policy: Annotated[str, typer.Option(help="A shipped policy's name, or a file.")] = "icann-gtld",
    source: Annotated[Input, typer.Option("--from", help="The captured format.")] = Input.AUTO,
    to: Annotated[Output, typer.Option("--to", help="The printed format.")] = Output.RDAP,
    web_form: Annotated[
        str,
        typer.Option(help="The web form that stands in for an e-mail address.", callback=_template),
    ] = "https://contact.invalid/?domain={domain}&role={role}",
    jsonl: Annotated[
        bool,
        typer.Option(
            "--jsonl",
            help="Many: one JSON object a line, in and out; a line's error stands in its answer.",
        ),
    ] = False,
    second_opinion: Annotated[
        bool,
        typer.Option(
            "--second-opinion",
            help="Fill dates, name servers, statuses and DNSSEC that python-whois alone reads.",
        ),
    ] = False,
) -> None:
    """Print what the public may see of a captured answer.

    The answer is RDAP or WHOIS text.
    """
    with SecondOpinion() if second_opinion else nullcontext() as second:
        _redact(
            file, policy, source, to, web_form, jsonl=jsonl, amend=second.fill if second else None
        )
    if second:
        typer.echo(f"second opinion: {second.counted}", err=True)


def _redact(
    file: Path | None,
    policy: str,
    source: Input,
    to: Output,
    web_form: str,
    *,
    jsonl: bool,
    amend: offline.Amend | None,
) -> None:
    now = edition(load_any(policy), app.utc_now())
    substitutes = Substitutes(app.entropy(32), web_form=web_form)
    settings = rdap.Settings(base_url=OFFLINE_URL, terms_url=f"{OFFLINE_URL}help")
    with file.open("rb") if file else nullcontext(sys.stdin.buffer) as captured:
        if jsonl:
            for line in offline.redact_lines(
                _lines(captured),
                edition=now,
                substitutes=substitutes,
                settings=settings,
                amend=amend,
            ):
                sys.stdout.buffer.write(line)
            return
        raw = captured.read(offline.MAX_LINE_BYTES)
    redacted = offline.redact_answer(
        raw,
        form=source.value,
        amend=amend,
        edition=now,
        substitutes=substitutes,
        settings=settings,
    )
    sys.stdout.buffer.write(redacted.rdap + b"\n" if to is Output.RDAP else redacted.whois)


def _lines(captured: BinaryIO) -> Iterator[bytes]:
    """Lines of bounded memory: of one that is too long, enough to tell so."""
    limit = offline.MAX_LINE_BYTES + 1
    while line := captured.readline(limit):
        yield line
        while len(line) == limit and not line.endswith(b"\n"):
            line = captured.readline(limit)
