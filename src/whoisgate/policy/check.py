"""Check a policy: every finding at once, by position, and the policy itself if none is an error.

Shape, words and globs come from `read`, composition from `compose`, the proofs from `prove`; here
each becomes a finding with its number. Rules are proved only once everything could be read: a
rule with a hole in it proves nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from whoisgate.elements import Element
from whoisgate.errors import Finding, Position
from whoisgate.policy.compiled import Compiled
from whoisgate.policy.compose import Bundle, Find, Whole, compose, find_nothing, gather
from whoisgate.policy.diagram import TooManyCases
from whoisgate.policy.evaluate import effect
from whoisgate.policy.files import finder, is_draft, read_file
from whoisgate.policy.findings import PROMISES, Report, TooManyFindings
from whoisgate.policy.model import RELEASE, STABLE, Policy, Rule
from whoisgate.policy.prove import breaches, conflicts, idle, linked, revealed, widened
from whoisgate.policy.read import CONTACT_ROLES, Document

_SHOWN = 3


def check_text(text: str, name: str = "policy.yaml", *, draft: bool | None = None) -> list[Finding]:
    """All findings in one text; empty when it is a policy without fault.

    ``draft`` says whether unchecked citations are allowed; None warns of them.
    """
    report = Report()
    examine(text, name, find_nothing, report, draft=draft)
    return report.findings


def check_file(path: str | Path) -> list[Finding]:
    """All findings in one file and in the policies that it includes; never raises."""
    where, report = Path(path), Report()
    text = read_file(where, report)
    if text is not None:
        examine(text, str(where), finder(where, report), report, draft=is_draft(where))
    return report.findings


def examine(
    text: str,
    file: str,
    find: Find,
    report: Report,
    *,
    draft: bool | None,
    kept: bool = True,
) -> Policy | None:
    """The policy in ``text``, unless the report has an error; its findings go into the report.

    ``draft`` None: the policy is a draft exactly if a citation is unchecked. Not ``kept``: one
    that breaks its promises is given too.
    """
    try:
        bundle = gather(text, file, find, report)
        if bundle is None:
            return None
        whole = compose(bundle, report)
        _citations(bundle, report, draft=draft)
        _rules(whole.rules, report)
        if not report.broken:
            _proofs(bundle.main, whole, report)
    except TooManyFindings:
        return None
    errors = {f.code for f in report.findings if f.severity == "error"}
    return (
        None
        if errors - (frozenset() if kept else PROMISES)
        else _policy(bundle, whole, draft=draft)
    )


def _policy(bundle: Bundle, whole: Whole, *, draft: bool | None) -> Policy:
    main = bundle.main
    unchecked = any(d.unchecked for d in bundle.documents.values())
    return Policy(
        main.name,
        main.version,
        bundle.text,
        hashlib.sha256(bundle.text.encode()).hexdigest(),
        whole.rules,
        whole.invariants,
        main.reveals,
        whole.defaults,
        unchecked if draft is None else draft,
        main.description,
    )


def _citations(bundle: Bundle, report: Report, *, draft: bool | None) -> None:
    for document in bundle.documents.values():
        for at in document.unchecked:
            message = "citation without `checked`, the day on which somebody read the text"
            if draft is False:
                hint = "a policy with unchecked citations belongs in `drafts/`"
                report.error("WG210", message, at, hint)
            else:
                report.warning("WG210", message, at)


def _rules(rules: Iterable[Rule], report: Report) -> None:
    """What can be said of each rule alone."""
    for rule in rules:
        personal = [e for e in rule.elements if e.personal]
        if rule.action == "grant" and personal and not rule.law:
            message = f"rule `{rule.id}` grants personal {_named(personal)} without `law`"
            report.error("WG208", message, rule.position)
        names_requester = any(a.attribute == "requester" for a in (*rule.when, *rule.unless))
        if rule.action == "cap" and personal and not names_requester:
            message = f"cap `{rule.id}` on personal {_named(personal)} names no `requester`"
            hint = "to withhold from the public, leave out the grant"
            report.warning("WG211", message, rule.position, hint)
        lower = [e for e in rule.elements if effect(rule, e).kind < rule.treatment.kind]
        if lower:
            message = f"rule `{rule.id}`: {_named(lower)} does not support `{rule.treatment}`"
            report.warning("WG213", message, rule.position, "a lower treatment applies")


def _proofs(main: Document, whole: Whole, report: Report) -> None:
    """What can be said of all rules together."""
    try:
        policy = Compiled(whole.rules)
        _idle(whole, report, idle(policy))
        _conflicts(report, policy)
        _invariants(whole, report, policy)
        _reveals(main, report, policy)
        _linked(whole, report, policy)
        _widening(main, whole, report, policy)
    except TooManyCases as bound:
        hint = "fewer conditions in caps and `unless` need fewer cases"
        report.error("WG215", str(bound), main.position, hint)


def _idle(whole: Whole, report: Report, never: frozenset[str]) -> None:
    for rule in whole.rules:
        if rule.action == "grant" and any(o.after is None for o in rule.obligations):
            message = f"rule `{rule.id}` grants nothing: an obligation has no `after`"
            hint = "an obligation that cannot be scheduled means withhold"
            report.warning("WG212", message, rule.position, hint)
        elif rule.id in never:
            message = f"rule `{rule.id}` can never matter"
            hint = "no question meets its conditions, or other rules always outdo it"
            report.warning("WG212", message, rule.position, hint)


def _conflicts(report: Report, policy: Compiled) -> None:
    for element, first, second in conflicts(policy):
        message = (
            f"rules `{first.id}` and `{second.id}` give `{element}` "
            f"`{first.treatment}` and `{second.treatment}`"
        )
        report.error("WG206", message, second.position, "let one exclude the other")


def _invariants(whole: Whole, report: Report, policy: Compiled) -> None:
    for invariant in whole.invariants:
        for element, treatment, rule, witness in breaches(policy, invariant):
            message = (
                f"invariant `{invariant.id}` does not hold: rule `{rule}` gives "
                f"`{element}` `{treatment}` when `{witness}`"
            )
            report.error("WG207", message, invariant.position)


def _reveals(main: Document, report: Report, policy: Compiled) -> None:
    public = main.reveals.get("public", frozenset())
    for requester in dict.fromkeys(("public", *main.reveals)):
        at: Position = main.reveals_at.get(requester, main.position)
        named = main.reveals.get(requester, frozenset()) | public
        for fact, element in revealed(policy, requester, named):
            how = "can be shown" if fact == CONTACT_ROLES else "depends on it"
            message = f"`{requester}` can infer `{fact}`: `{element}` {how}"
            report.error("WG209", message, at, f"name `{fact}` under `reveals`, or change the rule")


def _linked(whole: Whole, report: Report, policy: Compiled) -> None:
    places = {rule.id: rule.position for rule in whole.rules}
    for element, rule in linked(policy):
        message = f"rule `{rule}` gives the public `{STABLE}` of `{element}`, which links domains"
        report.error("WG218", message, places[rule], "the public may have `pseudonym: domain`")


def _widening(main: Document, whole: Whole, report: Report, policy: Compiled) -> None:
    """What each included policy's elements gain by the rest: meant, perhaps, but to be seen."""
    for include in main.includes:
        part = [r for r in whole.rules if r.id.startswith(f"{include.name}/")]
        periods = (include.in_force,) if include.in_force else ()
        holds = Rule("", "grant", RELEASE, frozenset(), include.when, in_force=periods)
        inside = policy.space.condition(holds).when
        for elements, before, after, witness in widened(policy, part, inside):
            message = (
                f"beside `{include.name}`, other rules give {_named(elements)} "
                f"`{after}` where it gives `{before}`, as when `{witness}`"
            )
            report.note("WG217", message, include.position)


def _named(elements: Iterable[Element]) -> str:
    names = sorted(e.name for e in elements)
    more = f" and {len(names) - _SHOWN} more" if names[_SHOWN:] else ""
    return f"`{', '.join(names[:_SHOWN])}`{more}"
