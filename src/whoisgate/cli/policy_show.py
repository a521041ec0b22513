"""``whoisgate policy show``: a policy for reading, in five forms.

In short; decided in one context; who can see an element; every view; and the atlas, a page for a
browser and for paper. Nothing here decides or explains: `explain`, `reach`, `plain` and `differ`
do.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from whoisgate import app
from whoisgate.audit.draft import JSON
from whoisgate.cli import atlas
from whoisgate.cli.output import AsJSON, fail, print_json, printable
from whoisgate.cli.policy_context import (
    UNKNOWN,
    UnknownWord,
    decided,
    known_element,
    known_word,
    read_context,
)
from whoisgate.elements import ELEMENTS, Element
from whoisgate.errors import MalformedQuestion
from whoisgate.policy import phrases, plain
from whoisgate.policy.decide import in_force
from whoisgate.policy.differ import views
from whoisgate.policy.explain import explain, sentence
from whoisgate.policy.load import load_any
from whoisgate.policy.model import Citation, InForce, Policy, Rule, Treatment
from whoisgate.policy.reach import seen

_WIDTH: Final = 100
_DATES: Final = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]

Form = tuple[JSON, list[str]]
"""One form of a policy: for a program, and as lines for a person."""


def show(
    file: Annotated[str, typer.Argument(help="A policy in YAML, or the name of one that ships.")],
    context: Annotated[
        str | None, typer.Option(help="Decide in this context: attribute=word,….")
    ] = None,
    who_can_see: Annotated[
        str | None, typer.Option(metavar="ELEMENT", help="Who can see this element, and when.")
    ] = None,
    all_views: Annotated[
        bool, typer.Option("--views", help="Every view that the policy can produce.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write the atlas: one page of who can see what.")
    ] = None,
    at: Annotated[
        datetime | None,
        typer.Option(formats=_DATES, help="With the rules in force then, instead of all."),
    ] = None,
    switch: Annotated[
        list[str] | None, typer.Option(help="With this switch on, and those not named off.")
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Show a policy for reading.

    In short, in one context, by element, by view, or as a page.
    """
    if sum((context is not None, who_can_see is not None, all_views, html is not None)) > 1:
        raise typer.BadParameter("expected one of --context, --who-can-see, --views and --html")
    policy = load_any(file)
    moment, switches = at.replace(tzinfo=UTC) if at else None, frozenset(switch or ())
    try:
        known = {p.switch for r in policy.rules for p in r.in_force if p.switch}
        for name in switches:
            known_word("switch", name, sorted(known))
        if context is not None:
            form = _context(policy, context, moment or app.utc_now(), switches)
        else:
            form = _form(policy, moment, switches, who_can_see, html, all_views=all_views)
    except (UnknownWord, MalformedQuestion) as error:
        fail(error, as_json=as_json)
        raise typer.Exit(2) from None
    if as_json:
        print_json(form[0])
        return
    width = min(shutil.get_terminal_size().columns, _WIDTH) if sys.stdout.isatty() else None
    for line in form[1]:
        typer.echo(_wrapped(printable(line), width))


def _form(
    policy: Policy,
    at: datetime | None,
    switches: frozenset[str],
    element: str | None,
    html: Path | None,
    *,
    all_views: bool,
) -> Form:
    """One of the forms that do not decide, of the rules that can be in force then."""
    when = _when(at, switches) if at or switches else "at any time"
    part = _within(policy, at, switches) if at or switches else policy
    if html is not None:
        atlas.write(html, atlas.page(part, when))
        return {**_head(policy, when), "written": str(html)}, [f"written: {html}"]
    if element is not None:
        said, lines = _who(part, known_element(element))
    elif all_views:
        said, lines = _views(part)
    else:
        said, lines = _short(part)
    title = f"{policy.name} {policy.version}, {when}"
    return {**_head(policy, when), **said}, [title, *lines]


def _within(policy: Policy, at: datetime | None, switches: frozenset[str]) -> Policy:
    """The policy with the rules alone that are in force then; no time: at any."""
    if at is not None:
        now = (replace(r, in_force=()) for r in policy.rules if in_force(r, at, switches))
        return replace(policy, rules=tuple(now))
    on = {None, *switches}
    return replace(
        policy,
        rules=tuple(
            replace(r, in_force=tuple(replace(p, switch=None) for p in r.in_force if _dated(p)))
            for r in policy.rules
            if all(p.switch in on for p in r.in_force)
        ),
    )


def _short(policy: Policy) -> tuple[dict[str, JSON], list[str]]:
    """What stands in the policy, rule by rule."""
    lines = [policy.description] if policy.description else []
    lines += ["draft: a citation is not checked"] * policy.draft
    lines += ["", f"Rules: {len(policy.rules)}"]
    for rule in policy.rules:
        lines += ["", f"  {rule.id}: {rule.action} {rule.treatment}", *_rule(rule)]
    lines += ["", f"Invariants, proved: {len(policy.invariants)}"]
    for promise in policy.invariants:
        who = plain.conditions(promise.when)
        named = ", ".join(plain.folded(promise.elements))
        lines.append(
            f"  {promise.id}: {who}: never {promise.never.name.lower()} or more of {named}"
        )
    lines += ["", "An answer reveals besides its values:"]
    for requester, facts in policy.reveals.items():
        said = ", ".join(phrases.FACT[f] for f in sorted(facts)) or "nothing more"
        lines.append(f"  to {phrases.WORD['requester'][requester]}: {said}")
    lines += ["", "Elements meant when a question names none:"]
    for purpose, elements in policy.defaults.items():
        lines.append(f"  {purpose}: {', '.join(plain.folded(elements))}")
    return {
        "description": policy.description,
        "draft": policy.draft,
        "rules": [_rule_json(r) for r in policy.rules],
        "invariants": [
            {
                "id": i.id,
                "never": i.never.name.lower(),
                "elements": [*plain.folded(i.elements)],
                "when": plain.conditions(i.when),
            }
            for i in policy.invariants
        ],
        "reveals": {who: sorted(facts) for who, facts in policy.reveals.items()},
        "defaults": {p: [*plain.folded(e)] for p, e in policy.defaults.items()},
    }, lines


def _rule(rule: Rule) -> Iterable[str]:
    yield f"    elements: {', '.join(plain.folded(rule.elements))}"
    yield f"    for: {plain.conditions(rule.when, rule.unless, rule.action)}"
    if period := plain.period(rule.in_force):
        yield f"    in force: {period.removesuffix(': ')}"
    for obligation in rule.obligations:
        yield f"    then: {plain.duty(obligation)}"
    for citation in rule.law:
        status = phrases.STATUS[citation.status]
        checked = f"checked {citation.checked}" if citation.checked else "not checked"
        yield f"    law: {plain.law(citation)}, {status}, {checked} in: {citation.source}"


def _rule_json(rule: Rule) -> JSON:
    return {
        "id": rule.id,
        "action": rule.action,
        "treatment": str(rule.treatment),
        "elements": [*plain.folded(rule.elements)],
        "for": plain.conditions(rule.when, rule.unless, rule.action),
        "in_force": plain.period(rule.in_force).removesuffix(": ") or None,
        "obligations": [plain.duty(o) for o in rule.obligations],
        "law": [_citation(c) for c in rule.law],
    }


def _context(policy: Policy, text: str, at: datetime, switches: frozenset[str]) -> Form:
    """Element by element the treatment, the rules and their law, and what was missing."""
    words = read_context(text)
    decision, facts = decided(policy, words, at, switches)
    reasons = explain(policy, decision, facts).values()
    said = {a: UNKNOWN if w is None else w for a, w in words.items()}
    when = _when(at, switches)
    lines = [
        f"{policy.name} {policy.version}, {when}",
        ", ".join(f"{attribute}={word}" for attribute, word in said.items()),
        "",
        *map(sentence, reasons),
    ]
    return {
        **_head(policy, when),
        "context": {**said},
        "elements": {
            r.element.name: {
                "treatment": str(r.treatment),
                "rules": [*r.rules],
                "law": [_citation(c) for c in r.law],
                "capped_by": [*r.capped_by],
                "missing": [*r.missing],
            }
            for r in reasons
        },
    }, lines


def _who(policy: Policy, element: Element) -> tuple[dict[str, JSON], list[str]]:
    """The question of the person concerned, answered in sentences."""
    found = seen(policy, element)
    told = plain.told(found)
    lines = ["", f"Who can see {element.name} ({element.label})?", ""]
    lines += [f"  {said}" for said in told]
    lines += ["", f"  {plain.LOGGED}"] * any(not way.public for way in found.ways)
    return {
        "element": element.name,
        "answer": [*told],
        "ways": [
            {"rule": w.rule.id, "treatment": str(w.treatment), "public": w.public,
             "law": [_citation(c) for c in w.rule.law]}
            for w in found.ways
        ],
        "caps": [{"rule": r.id, "treatment": str(t)} for r, t in found.caps],
    }, lines  # fmt: skip


def _views(policy: Policy) -> tuple[dict[str, JSON], list[str]]:
    """Every view, with one context and its elements by treatment."""
    lines: list[str] = []
    said: list[JSON] = []
    for number, view in enumerate(views(policy), 1):
        groups = _by_treatment(view.treatments)
        lines += ["", f"{number}. {view.witness}"]
        lines += [f"   {name}: {', '.join(named)}" for name, named in groups.items()]
        lines += ["   everything withheld"] * (not groups)
        said.append(
            {"number": number, "public": view.public, "context": view.witness,
             "elements": {name: [*named] for name, named in groups.items()}}
        )  # fmt: skip
    return {"views": said}, [f"{len(said)} views", *lines]


def _by_treatment(treatments: Mapping[Element, Treatment]) -> dict[str, list[str]]:
    alike: dict[Treatment, list[Element]] = {}
    for element in ELEMENTS.values():
        if element in treatments:
            alike.setdefault(treatments[element], []).append(element)
    order = sorted(alike, key=lambda t: t.strength, reverse=True)
    return {str(t): plain.folded(alike[t]) for t in order}


def _head(policy: Policy, when: str) -> dict[str, JSON]:
    return {
        "policy": policy.name,
        "version": policy.version,
        "digest": policy.digest,
        "when": when,
    }


def _citation(citation: Citation) -> JSON:
    return {
        "instrument": citation.instrument,
        "article": citation.article,
        "status": citation.status,
        "source": citation.source,
        "checked": citation.checked,
    }


def _when(at: datetime | None, switches: frozenset[str]) -> str:
    moment = f"at {plain.date(at)}" if at else "at any time"
    on = plain.listed([f'"{name}"' for name in sorted(switches)], "and") if switches else "nothing"
    return f"{moment} with {on} switched on"


def _dated(period: InForce) -> bool:
    return period.since is not None or period.until is not None


def _wrapped(line: str, width: int | None) -> str:
    """The line, broken for a terminal; whole for a file or another program."""
    if width is None:
        return line
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
