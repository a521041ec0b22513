"""An answer on the screen: each element with its value, or why it is withheld, and the law."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import orjson

from whoisgate import app
from whoisgate.audit.draft import JSON
from whoisgate.cli.output import console, escape, grid, printable
from whoisgate.elements import ELEMENTS, Element, Kind
from whoisgate.formats import rdap
from whoisgate.formats.rdap.redacted import BY_SOURCE
from whoisgate.policy.decide import Decision, Outcome, edition
from whoisgate.policy.explain import Reason, explain
from whoisgate.policy.model import Policy
from whoisgate.queries import PUBLIC, Question
from whoisgate.records import Facts, Record
from whoisgate.replay import replay

if TYPE_CHECKING:
    from whoisgate.client import Reply


def by_element(record: Record) -> dict[Element, list[str]]:
    """The values of an answer that has left a server, in registry order."""
    found: dict[Element, list[str]] = {e: [] for e in ELEMENTS.values()}
    for element, value in record.values.items():
        found[element] += [value] if isinstance(value, str) else value
    for contact in record.contacts:
        for field, value in contact.values.items():
            known = ELEMENTS[f"{contact.role}.{field}"]
            found[known] += [value] if isinstance(value, str) else value
    for server in record.nameservers:
        found[ELEMENTS["nameserver.name"]].append(server.name)
        found[ELEMENTS["nameserver.ipv4"]] += server.ipv4
        found[ELEMENTS["nameserver.ipv6"]] += server.ipv6
    return {e: v for e, v in found.items() if v}


def shown(record: Record) -> dict[Element, str]:
    """The values of an answer that has left a gate, one line each, in registry order."""
    return {e: printable(", ".join(v)) for e, v in by_element(record).items()}


def declared(body: bytes, *, by_source: bool = False) -> list[str]:
    """The names of what an RDAP answer declares as redacted (RFC 9537 §4.2).

    ``by_source``: what the gate would show and its source withholds; else what the gate withholds.
    """
    entries = orjson.loads(body).get("redacted", [])
    names = (e.get("name", {}) for e in entries if (e.get("reason") == BY_SOURCE) is by_source)
    return [printable(str(n.get("type") or n.get("description"))) for n in names]


def law(reason: Reason) -> str:
    """Rule and law of one element in a few words."""
    cited = "; ".join(f"{c.instrument} {c.article}" for c in reason.law)
    return f"{', '.join(reason.rules)} ({cited})" if cited else ", ".join(reason.rules)


def table(name: str, reply: Reply, policy: Policy | None) -> None:
    """Print an answer as a table for a person."""
    out = console()
    decision = _decision(name, reply, policy)
    out.print(f"[bold]{name}[/bold]: {reply.outcome.value.replace('_', ' ')}")
    for line in _proved(reply):
        out.print(line)
    reasons = explain(policy, decision) if policy and decision else {}
    if reply.outcome is Outcome.RELEASED:
        rows = grid("element", "value", "rule (law)", pad_edge=False)
        for column in rows.columns:
            column.overflow = "fold"
        for element, value in shown(rdap.decode(reply.body)).items():
            reason = reasons.get(element)
            rows.add_row(element.name, escape(value), escape(law(reason)) if reason else "")
        out.print(rows)
    for line in _told(reply, reasons, decision):
        out.print(escape(line))


def _told(
    reply: Reply, reasons: Mapping[Element, Reason], decision: Decision | None
) -> Iterator[str]:
    """What is not shown as it stands, and why, in a line each."""
    for reason in _replaced(reply, reasons):
        yield f"replaced {reason.element.name}: {law(reason)}"
    for reason in _public(reply, reasons, decision):
        yield f"the public sees as much of {reason.element.name}: {law(reason)}"
    held = _held(reply)
    yield from (f"held back: {line}" for line in held)
    for reason in _missing(reply, reasons, decision) if not held else ():
        yield f"withheld {reason.element.name}: {'; '.join(reason.missing)}"
    if by_source := declared(reply.body, by_source=True):
        yield f"withheld by the source itself: {', '.join(by_source)}"
    if reply.receipt is None:
        yield f"withheld: {', '.join(declared(reply.body)) or 'nothing declared'}"


def _proved(reply: Reply) -> Iterator[str]:
    """What the receipt proves, in a line each."""
    receipt = reply.receipt
    if receipt is not None:
        where = f"entry {receipt.index} of a log of {receipt.size}"
        yield f"{where}: receipt verified against the pinned key"
        if receipt.signed is not None:
            yield f"the entry keeps your signature, by the key {receipt.signed.signer}"


def as_json(name: str, reply: Reply, policy: Policy | None) -> JSON:
    """An answer as one document for a program."""
    decision = _decision(name, reply, policy)
    reasons = explain(policy, decision) if policy and decision else {}
    values = shown(rdap.decode(reply.body)) if reply.outcome is Outcome.RELEASED else {}
    return {
        "name": name,
        "outcome": reply.outcome.value,
        "entry": reply.receipt.index if reply.receipt else None,
        "receipt": "verified" if reply.receipt else None,
        "signer": reply.receipt.signed.signer if reply.receipt and reply.receipt.signed else None,
        "policy": reply.policy,
        "released": {
            e.name: {"value": value, "rules": list(reasons[e].rules) if e in reasons else None}
            for e, value in values.items()
        },
        "replaced": {r.element.name: {"rules": list(r.rules)} for r in _replaced(reply, reasons)},
        "withheld": {
            r.element.name: {"missing": list(r.missing)} for r in _missing(reply, reasons, decision)
        },
        "public": {
            r.element.name: {"rules": list(r.rules)} for r in _public(reply, reasons, decision)
        },
        "held": list(_held(reply)),
        "declared": list(declared(reply.body)),
        "withheld_by_source": list(declared(reply.body, by_source=True)),
    }


def _decision(name: str, reply: Reply, policy: Policy | None) -> Decision | None:
    """The decision replayed from the entry; for the public view, with no facts known."""
    if policy is None:
        return None
    if reply.receipt is not None:
        return replay(policy, reply.receipt.fields)
    return edition(policy, app.utc_now()).decide(Question(name), PUBLIC, Facts())


def _replaced(reply: Reply, reasons: Mapping[Element, Reason]) -> list[Reason]:
    replaced = [r for r in reasons.values() if r.treatment.kind is Kind.REPLACE]
    return replaced if reply.outcome is Outcome.RELEASED else []


def _public(
    reply: Reply, reasons: Mapping[Element, Reason], decision: Decision | None
) -> list[Reason]:
    """What was asked for and not released, since the public view shows as much of it."""
    if decision is None or reply.receipt is None or reply.outcome is Outcome.RELEASED:
        return []
    return [r for r in reasons.values() if r.asked and r.element in decision.rulings]


def _missing(
    reply: Reply, reasons: Mapping[Element, Reason], decision: Decision | None
) -> list[Reason]:
    """What was asked for and not released."""
    released = decision.rulings if decision else {}
    asked = [r for r in reasons.values() if r.asked and r.element not in released]
    return asked if reply.receipt else []


def _held(reply: Reply) -> list[str]:
    """Why nothing was released that the policy would release."""
    detail = reply.receipt.fields.get("detail") if reply.receipt else None
    if not isinstance(detail, dict) or "held" not in detail:
        return []
    said = json.loads(reply.body).get("description", [_APPROVE])
    return [str(line) for line in said]


_APPROVE = "WG116: somebody has to approve this very question, whatever standing approval there is"
