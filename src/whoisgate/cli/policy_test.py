"""``whoisgate policy test``: a policy's suite, what it covers, and the mutants that it misses."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from time import monotonic
from typing import Annotated, Final

import typer

from whoisgate.audit.draft import JSON
from whoisgate.cli.output import AsJSON, print_findings, print_json
from whoisgate.errors import PolicyError, Position
from whoisgate.policy.coverage import Coverage, coverage
from whoisgate.policy.explain import clause
from whoisgate.policy.files import read_file
from whoisgate.policy.findings import Report, refusal
from whoisgate.policy.load import load
from whoisgate.policy.model import Obligation, Policy
from whoisgate.policy.mutate import Mutant, Tried, Verdict, attempt, mutants
from whoisgate.policy.suite import Failure, Suite, Wrong, read_suite, run

_TOLD_AFTER_S: Final = 1.0


def run_suite(
    file: Annotated[Path, typer.Argument(help="A policy in YAML.")],
    suite: Annotated[
        Path | None, typer.Option(help="Its suite. [default: suites/NAME.yaml beside it]")
    ] = None,
    covered: Annotated[
        bool, typer.Option("--coverage", help="Name the rules and atoms that no case tries.")
    ] = False,
    mutate: Annotated[
        bool, typer.Option("--mutate", help="Change each rule a little; some case must fail.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Run a policy's suite; exit 1 if a case fails or, with --mutate, a mutant survives."""
    try:
        policy = load(file)
        tests = _suite(suite or file.parent / "suites" / file.name, policy)
    except PolicyError as error:
        print_findings(error.findings, as_json=as_json)
        raise typer.Exit(1) from None
    failures = run(policy, tests)
    said: dict[str, JSON] = {
        "policy": policy.name,
        "cases": len(tests.cases),
        "failed": [_failure(f) for f in failures],
    }
    if not as_json:
        _print_failures(failures, tests)
    if covered:
        found = coverage(policy, tests)
        said["coverage"] = _coverage(found)
        if not as_json:
            _print_coverage(found)
    survived = 0
    if mutate and not failures:
        counts, survivors = _mutate(policy, tests)
        survived = len(survivors)
        said["mutants"] = {**counts, "survivors": [_survivor(t) for t in survivors]}
        if not as_json:
            _print_mutants(counts, survivors)
    elif mutate and not as_json:
        typer.echo("mutants: none tried, because the suite fails for the policy itself")
    if as_json:
        print_json(said)
    raise typer.Exit(int(bool(failures or survived)))


def _suite(path: Path, policy: Policy) -> Suite:
    report = Report()
    text = read_file(path, report)
    suite = None if text is None else read_suite(text, str(path), policy, report)
    if suite is None:
        raise refusal(path.name, report.findings)
    return suite


def _mutate(policy: Policy, suite: Suite) -> tuple[dict[str, int], list[Tried]]:
    """How many mutants met which end, and those that survived."""
    every = list(mutants(policy.rules))
    counts = {"made": len(every), **dict.fromkeys(map(str, Verdict), 0)}
    survivors = []
    for tried in attempt(policy, suite, _telling(every)):
        counts[tried.verdict] += 1
        if tried.verdict is Verdict.SURVIVED:
            survivors.append(tried)
    return counts, survivors


def _telling(every: list[Mutant]) -> Iterator[Mutant]:
    """The mutants; how far it is, for a person who has waited a second."""
    start = last = monotonic()
    for done, mutant in enumerate(every):
        yield mutant
        now = monotonic()
        if sys.stderr.isatty() and now - start > _TOLD_AFTER_S and now - last > _TOLD_AFTER_S / 10:
            last = now
            typer.echo(f"\r{done + 1} of {len(every)} mutants\r", err=True, nl=False)


def _print_failures(failures: Sequence[Failure], suite: Suite) -> None:
    for failure in failures:
        typer.echo(f"{failure.case.position}: failed: {failure.case.name}")
        for wrong in failure.wrong:
            typer.echo(f"  {wrong.element}: expected `{wrong.expected}`, got `{wrong.got}`")
            typer.echo(f"    {wrong.why}{_places(wrong)}")
        if failure.owes_otherwise:
            expected, got = (_duties(d) for d in (failure.case.obligations, failure.owed))
            typer.echo(f"  obligations: expected `{expected}`, got `{got}`")
    typer.echo(f"{len(suite.cases)} cases, {len(failures)} failed")


def _places(wrong: Wrong) -> str:
    return "".join(f"\n    {rule.position}: {rule.id}" for rule in wrong.rules)


def _duties(duties: Iterable[Obligation]) -> str:
    return ", ".join(sorted(map(_duty, duties))) or "none"


def _duty(duty: Obligation) -> str:
    return f"{duty.do} after {duty.after}".removesuffix(", 0:00:00")


def _failure(failure: Failure) -> JSON:
    return {
        "case": failure.case.name,
        "position": _place(failure.case.position),
        "elements": [
            {
                "element": w.element.name,
                "expected": str(w.expected),
                "got": str(w.got),
                "why": w.why,
                "rules": [{"id": r.id, "position": _place(r.position)} for r in w.rules],
            }
            for w in failure.wrong
        ],
        "obligations": {
            "expected": sorted(map(_duty, failure.case.obligations)),
            "got": sorted(map(_duty, failure.owed)),
        }
        if failure.owes_otherwise
        else None,
    }


def _print_coverage(found: Coverage) -> None:
    for rule in found.untried_rules:
        typer.echo(f"{rule.position}: rule `{rule.id}` neither grants nor caps in any case")
    for rule, atom, excepting, met in found.untried:
        part, how = "unless" if excepting else "when", "met" if met else "not met"
        never = f"{part} `{clause(atom)}` never decides by being {how}"
        typer.echo(f"{rule.position}: rule `{rule.id}`: {never}")
    rules, atoms = found.rules - len(found.untried_rules), found.atoms - found.untried_atoms
    typer.echo(f"covered: {rules} of {found.rules} rules, {atoms} of {found.atoms} atoms")


def _coverage(found: Coverage) -> JSON:
    return {
        "rules": found.rules,
        "atoms": found.atoms,
        "untried_rules": [
            {"id": r.id, "position": _place(r.position)} for r in found.untried_rules
        ],
        "untried_atoms": [
            {
                "rule": rule.id,
                "position": _place(rule.position),
                "in": "unless" if excepting else "when",
                "atom": clause(atom),
                "never": "met" if met else "not met",
            }
            for rule, atom, excepting, met in found.untried
        ],
    }


def _print_mutants(counts: dict[str, int], survivors: Iterable[Tried]) -> None:
    for (rule, case), some in groupby(survivors, lambda t: (t.mutant.rule, _flow(t.case))):
        typer.echo(f"{rule.position}: rule `{rule.id}`: what survives for want of a case like")
        typer.echo(f"  {case or 'when: the public asks'}")
        for tried in some:
            more = len(tried.elements) - 1
            which = f"{tried.elements[0]}{f' and {more} more' if more else ''}"
            change = f"`{tried.before}` becomes `{tried.after}`"
            if tried.before == tried.after:
                change = "other obligations"
            typer.echo(f"    {tried.mutant.what} ({which}: {change})")
    typer.echo(
        f"{counts['made']} mutants: {counts['caught']} caught, {counts['survived']} survived, "
        f"{counts['equivalent']} equivalent"
    )


def _flow(value: object) -> str:
    """Words of a suite in YAML's short form; the outermost table without braces."""
    if not isinstance(value, Mapping):
        return f"[{', '.join(value)}]" if isinstance(value, tuple) else str(value)
    parts = (
        f"{key}: {{{_flow(v)}}}" if isinstance(v, Mapping) else f"{key}: {_flow(v)}"
        for key, v in value.items()
    )
    return ", ".join(parts)


def _survivor(tried: Tried) -> JSON:
    return {
        "rule": tried.mutant.rule.id,
        "position": _place(tried.mutant.rule.position),
        "what": tried.mutant.what,
        "elements": [e.name for e in tried.elements],
        "before": str(tried.before),
        "after": str(tried.after),
        "case": {k: list(v) if isinstance(v, tuple) else v for k, v in tried.case.items()},
    }


def _place(position: Position | None) -> str | None:
    return str(position) if position else None
