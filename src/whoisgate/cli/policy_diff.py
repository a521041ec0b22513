"""``whoisgate policy diff``: what an edit of a policy opens and closes."""

from __future__ import annotations

from typing import Annotated

import typer

from whoisgate.audit.draft import JSON
from whoisgate.cli.output import AsJSON, listed, print_findings, print_json
from whoisgate.policy.differ import Change, Difference
from whoisgate.policy.differ import diff as compare
from whoisgate.policy.load import unsafe_load_any
from whoisgate.policy.model import Obligation

_VERBS = {
    "released": "newly shown",
    "changed": "treated differently",
    "withheld": "newly withheld",
    "obligations": "other obligations",
}


def diff(
    old: Annotated[str, typer.Argument(help="A policy's file, or the name of one that ships.")],
    new: Annotated[str, typer.Argument(help="The policy after the edit.")],
    as_json: AsJSON = False,
) -> None:
    """Show what changes, for every question at once.

    Exit 1 if the public gains personal data, or if the new policy breaks its own promises.
    """
    (before, _), (after, broken) = unsafe_load_any(old), unsafe_load_any(new)
    found = compare(before, after)
    if as_json:
        print_json({**_document(found), "broken": listed(broken)})
    else:
        typer.echo("\n".join(_lines(found)))
        print_findings(broken)
    if found.public_gains or broken:
        raise typer.Exit(1)


def _lines(found: Difference) -> list[str]:
    if not found:
        return ["no effect: every question gets the same answer from both"]
    lines: list[str] = []
    for change in found.changes:
        who = "the public" if change.public else "known requesters"
        lines += [
            f"{who}: {', '.join(e.name for e in change.elements)}",
            f"  {_VERBS[change.direction]}: {_what(change)}",
            f"  in {change.contexts:,} contexts, as when {change.witness}",
        ]
    for purpose in found.defaults:
        lines.append(f"purpose {purpose}: other elements where a question names none")
    if found.public_gains:
        lines.append("the public gains personal data")
    return lines


def _what(change: Change) -> str:
    if change.direction == "obligations":
        return f"{_duties(change.duties_before)} before, {_duties(change.duties_after)} after"
    return f"{change.before} before, {change.after} after"


def _duties(duties: tuple[Obligation, ...]) -> str:
    return ", ".join(f"{d.do} after {d.after}" for d in duties) or "none"


def _document(found: Difference) -> dict[str, JSON]:
    return {
        "changes": [
            {
                "elements": [e.name for e in c.elements],
                "direction": c.direction,
                "before": str(c.before),
                "after": str(c.after),
                "obligations_before": _duties(c.duties_before),
                "obligations_after": _duties(c.duties_after),
                "opens": c.opens,
                "public": c.public,
                "contexts": c.contexts,
                "witness": c.witness,
            }
            for c in found.changes
        ],
        "defaults": list(found.defaults),
        "public_gains": found.public_gains,
    }
