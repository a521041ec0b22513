"""Recompute a decision from what the log committed: the promise that decisions replay.

`replay` needs the policy bundle that the entry names and the opened fields of the entry, nothing
else; it gives the same `Decision` that the gate made, or raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from whoisgate.audit.draft import JSON
from whoisgate.elements import Element, element
from whoisgate.errors import EvidenceError
from whoisgate.policy.decide import Approved, Decision, edition, withheld
from whoisgate.policy.model import Policy
from whoisgate.queries import Assurance, Jurisdiction, Question, Requester, RequesterClass
from whoisgate.records import Facts, Region, RegistrantKind


def replay(policy: Policy, fields: Mapping[str, JSON]) -> Decision:
    """The decision that ``fields`` (committed values of one entry, by name) describe.

    Raises `EvidenceError` if a field is missing or is not what an entry holds, or if the replayed
    outcome or released rules differ from the committed ones. Does not check digests or proofs.
    """
    try:
        decision = _decide(policy, fields)
        released = {
            e.name: list(decision.rulings[e].granted_by)
            for e in sorted(decision.beyond, key=lambda e: e.name)
        }
        committed = (fields["outcome"], fields["released"])
    except (KeyError, ValueError, TypeError) as error:
        raise EvidenceError(f"the entry does not replay: {type(error).__name__}") from None
    if committed != (decision.outcome.value, released):
        raise EvidenceError("the replayed decision differs from the committed one")
    return decision


def _decide(policy: Policy, fields: Mapping[str, JSON]) -> Decision:
    context = fields["context"]
    if not isinstance(context, Mapping):
        raise TypeError("context")
    asked = _elements(fields["asked"])
    question = Question.of(
        _text(fields["domain"]),
        purpose=_maybe(context["purpose"]),
        basis=_maybe(context["basis"]),
        case=_maybe(fields["case"]),
        elements=[e.name for e in asked],
        urgency=_text(context["urgency"]),
    )
    jurisdiction = _maybe(context["jurisdiction"])
    requester = Requester(
        _text(fields["authority"]),
        _text(fields["person"]),
        RequesterClass(_text(fields["requester_class"])),
        Assurance(_text(context["assurance"])),
        jurisdiction=Jurisdiction(jurisdiction) if jurisdiction else None,
    )
    when = datetime.fromisoformat(_text(fields["decided_at"]))
    now = edition(policy, when, frozenset(map(_text, _sequence(context["switches"]))))
    approved = Approved(_elements(context["standing"]), _elements(context["granted"]))
    permitted = all(fields[word] == context[word] for word in ("purpose", "basis"))
    detail = fields["detail"]
    held = detail.get("held") if isinstance(detail, Mapping) else None
    decision = now.decide(
        replace(question, gated=True),
        requester,
        _facts(context),
        approved,
        permitted=permitted and held is None,
    )
    return decision if held is None else withheld(decision, _text(held))


def _facts(context: Mapping[str, JSON]) -> Facts:
    region = _maybe(context["region"])
    return Facts(
        RegistrantKind(_text(context["registrant_kind"])),
        _flag(context["publish_consent"]),
        _flag(context["organization_consent"]),
        Region(region) if region else None,
        _flag(context["privacy_service"]),
        _elements(context["disclose_allow"]),
        _elements(context["disclose_deny"]),
    )


def _text(value: JSON) -> str:
    if not isinstance(value, str):
        raise TypeError("text")
    return value


def _maybe(value: JSON) -> str | None:
    return None if value is None else _text(value)


def _flag(value: JSON) -> bool | None:
    return None if value is None else {"true": True, "false": False}[_text(value)]


def _sequence(value: JSON) -> Sequence[JSON]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError("list")
    return value


def _elements(value: JSON) -> frozenset[Element]:
    return frozenset(element(_text(name)) for name in _sequence(value))
