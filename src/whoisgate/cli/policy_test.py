"""``whoisgate policy test``: a policy's suite, what it covers, and the mutants that it misses."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Annotated, Final

import typer

from whoisgate.audit.draft import JSON
from whoisgate.cli.output import AsJSON, listed, print_findings, print_json
from whoisgate.errors import Finding, PolicyError, Position
from whoisgate.policy.coverage import Coverage, coverage
from whoisgate.policy.explain import clause
from whoisgate.policy.files import read_file, shipped_folder
from whoisgate.policy.findings import Report, refusal
from whoisgate.policy.load import unsafe_load_any
from whoisgate.policy.model import Obligation, Policy
from whoisgate.policy.mutate import Mutant, Tried, Verdict, attempt, mutants
from whoisgate.policy.suite import Failure, Suite, Wrong, read_suite, run

_STEP: Final = 10


def run_suite(
    policy: Annotated[str, typer.Argument(help="A policy's file, or the name of one that ships.")],
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
    """Run a policy's suite.

    Exit 1 if a case fails, if the policy breaks its own promises or, with --mutate, if a mutant
    survives.
    """
    try:
        whole, broken, tests = _read(policy, suite)
    except PolicyError as error:
        if not error.findings:
            raise
        if as_json:
            print_json({"findings": listed(error.findings)})
        else:
            print_findings(error.findings)
        raise typer.Exit(1) from None
    failures = run(whole, tests)
    found = coverage(whole, tests) if covered else None
    tried = _mutate(whole, tests) if mutate and not (failures or broken) else []
    if as_json:
        print_json(
            {
                "policy": whole.name,
                "cases": len(tests.cases),
                "broken": listed(broken),
                "failed": [_failure(f) for f in failures],
                "coverage": _coverage(found) if found else None,
                "mutants": _mutants(tried) if tried else None,
            }
        )
    else:
        _print_failures(failures, tests)
        print_findings(broken)
        if found:
            _print_coverage(found)
        if mutate:
            _print_mutants(tried)
    raise typer.Exit(
        int(bool(failures or broken) or any(t.verdict is Verdict.SURVIVED for t in tried))
    )


def _read(policy: str, suite: Path | None) -> tuple[Policy, Sequence[Finding], Suite]:
    (whole, broken), report = unsafe_load_any(policy), Report()
    beside = Path(policy).parent if policy.endswith((".yaml", ".yml")) else shipped_folder()
    path = suite or beside / "suites" / f"{Path(policy).stem}.yaml"
    text = read_file(path, report)
    tests = None if text is None else read_suite(text, str(path), whole, report)
    if tests is None:
        raise refusal(path.name, report.findings)
    return whole, broken, tests


def _mutate(policy: Policy, suite: Suite) -> list[Tried]:
    return list(attempt(policy, suite, _telling(list(mutants(policy.rules)))))


def _telling(every: Sequence[Mutant]) -> Iterator[Mutant]:
    """The mutants, and for a person how far it is; the line is empty again at the end."""
    told = sys.stderr.isatty()
    line = f"\r{{}} of {len(every)} mutants\r"
    for done, mutant in enumerate(every):
        if told and done % _STEP == 0:
            typer.echo(line.format(done), err=True, nl=False)
        yield mutant
    if told:
        typer.echo(f"\r{' ' * len(line)}\r", err=True, nl=False)


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
    hours = (duty.after or timedelta()) // timedelta(hours=1)
    return f"{duty.do} after {f'{hours}h' if hours % 24 else f'{hours // 24}d'}"


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


def _print_mutants(tried: Sequence[Tried]) -> None:
    if not tried:
        typer.echo("no mutant tried, because the suite fails for the policy itself")
        return
    survivors = [t for t in tried if t.verdict is Verdict.SURVIVED]
    for (rule, case), some in groupby(survivors, lambda t: (t.mutant.rule, _flow(t.case))):
        typer.echo(f"{rule.position}: rule `{rule.id}`: what survives for want of a case like")
        typer.echo(f"  {case or 'when: the public asks'}")
        for one in some:
            more = len(one.elements) - 1
            which = f"{one.elements[0]}{f' and {more} more' if more else ''}"
            change = f"`{one.before}` becomes `{one.after}`"
            if one.before == one.after:
                change = "other obligations"
            typer.echo(f"    {one.mutant.what} ({which}: {change})")
    ends = ", ".join(f"{n} {end}" for end, n in _ends(tried).items())
    typer.echo(f"{len(tried)} mutants: {ends}")


def _ends(tried: Iterable[Tried]) -> dict[str, int]:
    """How many mutants met which end."""
    counts = Counter(t.verdict for t in tried)
    return {verdict.value: counts[verdict] for verdict in Verdict}


def _flow(value: object) -> str:
    """Words of a suite in YAML's short form; the outermost table without braces."""
    if not isinstance(value, Mapping):
        return f"[{', '.join(value)}]" if isinstance(value, tuple) else str(value)
    parts = (
        f"{key}: {{{_flow(v)}}}" if isinstance(v, Mapping) else f"{key}: {_flow(v)}"
        for key, v in value.items()
    )
    return ", ".join(parts)


def _mutants(tried: Sequence[Tried]) -> JSON:
    return {
        "made": len(tried),
        **_ends(tried),
        "survivors": [
            {
                "rule": t.mutant.rule.id,
                "position": _place(t.mutant.rule.position),
                "what": t.mutant.what,
                "elements": [e.name for e in t.elements],
                "before": str(t.before),
                "after": str(t.after),
                "case": {k: list(v) if isinstance(v, tuple) else v for k, v in t.case.items()},
            }
            for t in tried
            if t.verdict is Verdict.SURVIVED
        ],
    }


def _place(position: Position | None) -> str | None:
    return str(position) if position else None
