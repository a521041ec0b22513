"""``whoisgate doctor --against``: a shadow run before switching over.

Each name is asked of the old server and of our gate, both as the public; what differs is told
element by element. Of a person's elements only which side shows them is ever told.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Final

import typer

from whoisgate import app
from whoisgate.audit.draft import JSON
from whoisgate.cli.output import AsJSON, print_json, printable
from whoisgate.cli.shadow import Row, Shown, Verdict, compare
from whoisgate.errors import ExtraMissing, NameNotFound, WhoisgateError
from whoisgate.queries import Question, canonical_name

MAX_VALUE: Final = 60
"""Characters of a value that a line shows."""

MANY: Final = 20
"""From so many names on, a terminal is told how far it is."""

Ask = Callable[[str], Awaitable[Shown | None]]
"""What one side shows of a name, None when it knows none. Raises `WhoisgateError`."""

Side = AbstractAsyncContextManager[Ask]

_WORDS: Final = {
    Verdict.DIFFERS: "differs",
    Verdict.ONLY_OLD: "only the old server shows it",
    Verdict.ONLY_OURS: "only our gate shows it",
    Verdict.WITHHELD: "the old server shows it, ours withholds it",
}


@dataclass(frozen=True, slots=True, repr=False)
class Compared:
    """One name. ``presence`` says who alone knows it; ``problem`` why it could not be asked.

    ``partial``: the old server's answer broke off.
    """

    name: str
    rows: tuple[Row, ...] = ()
    partial: bool = False
    presence: Verdict = Verdict.SAME
    problem: str = ""

    def of(self, verdict: Verdict) -> list[Row]:
        """The elements with this verdict."""
        return [row for row in self.rows if row.verdict is verdict]

    @property
    def differs(self) -> bool:
        """Whether the public would see anything else; names that only one side knows count."""
        return self.presence.public or any(row.verdict.public for row in self.rows)


def doctor(
    names: Annotated[list[str], typer.Argument(help="Domains to ask; `-`: from standard input.")],
    against: Annotated[
        str, typer.Option(help="The old server: HOST[:PORT] for WHOIS, or an RDAP base URL.")
    ],
    folder: Annotated[Path, typer.Option("--dir", help="The gate's folder.")] = Path(),
    server: Annotated[
        str | None, typer.Option(help="A running gateway's base URL, instead of the folder.")
    ] = None,
    query: Annotated[
        str, typer.Option(help="The line that the old WHOIS server wants, around {name}.")
    ] = "{name}",
    pause: Annotated[float, typer.Option(help="Seconds between two names.", min=0, max=60)] = 0,
    allow_draft: Annotated[
        bool, typer.Option(help="Take a policy with unchecked citations.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Compare what the public sees at an old server and at ours.

    Exit 0 when nothing differs.
    """
    ours = _gateway(server) if server else _gate(folder, allow_draft=allow_draft)
    wanted = list(_names(names))
    if not wanted:
        raise typer.BadParameter("expected a domain on a line of standard input")
    results = asyncio.run(_run(_old(against, query), ours, wanted, pause, quiet=as_json))
    if as_json:
        print_json({"names": [_as_json(r) for r in results], "summary": _summary(results)})
    else:
        _print_summary(results)
    raise typer.Exit(int(any(r.differs or r.problem for r in results)))


def _names(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if name == "-":
            yield from filter(None, map(str.strip, sys.stdin))
        else:
            yield name


async def _run(
    old: Side, ours: Side, names: Sequence[str], pause_s: float, *, quiet: bool
) -> list[Compared]:
    results: list[Compared] = []
    told = len(names) >= MANY and sys.stderr.isatty()
    async with old as ask_old, ours as ask_ours:
        for name in names:
            if results:
                await asyncio.sleep(pause_s)
            results.append(await _compared(name, ask_old, ask_ours))
            if told:
                typer.echo(f"\r{len(results)} of {len(names)}\r", err=True, nl=False)
            if not quiet:
                _print(results[-1])
    return results


async def _compared(asked: str, ask_old: Ask, ask_ours: Ask) -> Compared:
    side = "the name"
    try:
        name = canonical_name(asked)
        side = "the old server"
        old = await ask_old(name)
        side = "our gate"
        ours = await ask_ours(name)
    except WhoisgateError as error:
        return Compared(asked, problem=f"{side}: {error.code}: {error}")
    if old is None or ours is None:
        known = Verdict.ONLY_OLD if old else Verdict.ONLY_OURS if ours else Verdict.SAME
        return Compared(name, presence=known)
    return Compared(name, compare(old, ours), old.partial)


@asynccontextmanager
async def _old(against: str, query: str) -> AsyncIterator[Ask]:
    try:
        from whoisgate.cli.old_server import old_server  # noqa: PLC0415  needs the upstream extra
    except ModuleNotFoundError as error:
        raise ExtraMissing(f'expected `pip install "whoisgate[upstream]"`: {error.name}') from None
    async with old_server(against, query) as find:

        async def ask(name: str) -> Shown | None:
            record = await find(name)
            return None if record is None else Shown.of_record(record)

        yield ask


@asynccontextmanager
async def _gate(folder: Path, *, allow_draft: bool) -> AsyncIterator[Ask]:
    gate = app.open_async(folder, allow_draft=allow_draft)

    async def ask(name: str) -> Shown | None:
        try:
            answer = await gate.ask(name)
        except NameNotFound:
            return None
        return Shown.of_answer(answer.body)

    try:
        yield ask
    finally:
        await gate.close()


@asynccontextmanager
async def _gateway(server: str) -> AsyncIterator[Ask]:
    try:
        from whoisgate.client import Client, GatewayRefused  # noqa: PLC0415  the gateway extra
    except ModuleNotFoundError as error:
        raise ExtraMissing(f'expected `pip install "whoisgate[gateway]"`: {error.name}') from None
    with Client(server) as client:

        async def ask(name: str) -> Shown | None:
            try:
                reply = await asyncio.to_thread(client.ask, Question.of(name))
            except GatewayRefused as error:
                if error.status == HTTPStatus.NOT_FOUND:
                    return None
                raise
            return Shown.of_answer(reply.body)

        yield ask


def _print(result: Compared) -> None:
    name = printable(result.name)
    if result.problem:
        typer.echo(f"{name}: not compared: {printable(result.problem)}")
        return
    if result.presence.public:
        typer.echo(f"{name}: {_WORDS[result.presence]}")
        return
    same = len(result.of(Verdict.SAME))
    broken = ", the old answer broke off" if result.partial else ""
    verdict = "differs" if result.differs else "alike"
    typer.echo(f"{name}: {verdict}, {same} elements the same{broken}")
    for row in result.rows:
        if row.verdict.public:
            typer.echo(f"  {row.element.name}: {_WORDS[row.verdict]}{_values(row)}")
    if withheld := result.of(Verdict.WITHHELD):
        names = ", ".join(row.element.name for row in withheld)
        typer.echo(f"  {names}: {_WORDS[Verdict.WITHHELD]}")


def _values(row: Row) -> str:
    """Both values, cut and without control characters; nothing for a person's element."""
    sides = {"old": row.old, "ours": row.ours}
    said = [f"{side} `{_cut(', '.join(texts))}`" for side, texts in sides.items() if texts]
    return f": {'; '.join(said)}" if said else ""


def _cut(text: str) -> str:
    shown = text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return printable(shown)


def _as_json(result: Compared) -> JSON:
    return {
        "name": printable(result.name),
        "differs": result.differs,
        "presence": result.presence,
        "old_answer_partial": result.partial,
        "problem": printable(result.problem) or None,
        "elements": {
            row.element.name: {
                "verdict": row.verdict,
                "old": [printable(text) for text in row.old],
                "ours": [printable(text) for text in row.ours],
            }
            for row in result.rows
        },
    }


def _summary(results: Sequence[Compared]) -> dict[str, JSON]:
    failed = sum(bool(r.problem) for r in results)
    differing = sum(r.differs for r in results)
    return {
        "names": len(results),
        "alike": len(results) - failed - differing,
        "differing": differing,
        "not_compared": failed,
        "elements": {
            verdict.value: dict(
                Counter(row.element.name for r in results for row in r.of(verdict)).most_common()
            )
            for verdict in Verdict
        },
    }


def _print_summary(results: Sequence[Compared]) -> None:
    said = _summary(results)
    typer.echo(
        f"in all: {said['alike']} alike, {said['differing']} differ, "
        f"{said['not_compared']} not compared"
    )
    for verdict, words in _WORDS.items():
        counts = Counter(row.element.name for r in results for row in r.of(verdict))
        if counts:
            typer.echo(f"  {words}: {', '.join(f'{n} {c}' for n, c in counts.most_common())}")
