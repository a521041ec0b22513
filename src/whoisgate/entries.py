"""The entry that a decided question leaves: what it commits to, and what its envelope keeps.

Names of elements and rules, digests, and the words of question and credential; never a value of
the record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import lru_cache
from typing import Final, NamedTuple

import orjson

from whoisgate.audit.draft import JSON, Asking, Draft, Due
from whoisgate.audit.question import as_kept
from whoisgate.conduct import Thresholds
from whoisgate.errors import PersonsSpent, ReleaseHeld
from whoisgate.policy.decide import Decision, Outcome
from whoisgate.queries import NO_LIMITS, Limits, Question, Requester
from whoisgate.records import Facts, Fetched, Record
from whoisgate.redact import Sealed

_KINDS = {
    Outcome.RELEASED: "disclosure",
    Outcome.REFUSED: "refusal",
    Outcome.NEEDS_APPROVAL: "pending",
}


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the operator allows a requester of whom the directory says nothing else.

    ``refusals_per_day`` are entries that released nothing. Without ``conduct`` none is judged.
    """

    refusals_per_day: int = 1000
    person_limits: Limits = NO_LIMITS
    authority_limits: Limits = NO_LIMITS
    conduct: Thresholds | None = None


ALLOWANCE: Final = Allowance()
"""What holds where nothing is configured."""


def drafted(
    record: Record,
    question: Question,
    requester: Requester,
    arrived: datetime,
    decision: Decision,
    *,
    body: Sealed,
    view: str,
    switches: frozenset[str],
    allowance: Allowance,
    uses: int | None,
    held: ReleaseHeld | None = None,
) -> Draft:
    """The draft for one decided question.

    ``view`` is the view's digest, empty where there is none; ``uses`` is the pending entry whose
    grant a release spends; ``held`` is why the log let nothing be released.
    """
    released = decision.outcome is Outcome.RELEASED
    said = _said(question)
    fields: dict[str, JSON] = {
        "authority": requester.authority,
        "person": requester.person,
        "requester_class": requester.requester_class.value,
        "domain": question.name,
        "purpose": said["purpose"],
        "basis": said["basis"],
        "case": question.case,
        **_told(decision).fields,
        "question": hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest(),
        "view": view,
        "body": body.digest,
        "source": record.source,
        "record_version": record.version,
        "context": {**_context(decision, record.facts), "switches": sorted(switches)},
    }
    until, signed = question.sealed_until, requester.signed
    detail: dict[str, JSON] = {"sealed_until": until.isoformat()} if until else {}
    if signed:
        detail["signed"] = as_kept(signed)
    if held is not None:
        detail |= _held(held)
    if detail:
        fields["detail"] = detail
    return Draft(
        _KINDS[decision.outcome],
        decision.policy,
        arrived,
        fields,
        _enclosed(said, requester, decision, record.fetched),
        requester=requester.identity,
        domain=question.name,
        question=question_key(question, requester),
        uses=uses if released else None,
        dues=tuple(Due(o.do, o.after) for o in decision.obligations if o.after is not None)
        if released
        else (),
        budget=None if released else allowance.refusals_per_day,
        authority=requester.authority,
        listed=requester.listed,
        valid_until=requester.valid_until,
        once=requester.once,
        sealed_until=datetime.combine(until, time.max, UTC) if until else None,
        asking=Asking(
            _roles(decision) if released else (),
            _limits(requester.person_limits, allowance.person_limits),
            _limits(requester.authority_limits, allowance.authority_limits),
            released and uses is not None and _approved(decision),
            allowance.conduct,
        ),
    )


def _roles(decision: Decision) -> tuple[str, ...]:
    """The contact roles that a release discloses, whether or not the record has them."""
    return tuple(sorted({e.role for e in decision.beyond if e.role}))


def _approved(decision: Decision) -> bool:
    """Whether somebody approved all that is released of what was asked for."""
    return decision.beyond & decision.asked <= decision.approved.granted


@lru_cache(1024)
def _limits(own: Limits | None, default: Limits) -> Limits:
    """The directory's limits, and the operator's where it has none."""
    if own is None:
        return default
    return Limits(
        default.hour if own.hour is None else own.hour,
        default.day if own.day is None else own.day,
        default.month if own.month is None else own.month,
    )


def _held(held: ReleaseHeld) -> dict[str, JSON]:
    if isinstance(held, PersonsSpent):
        said = {"of": held.holder, "window": held.window}
        return {"held": held.word, **said, "limit": held.limit}
    return {"held": held.word}


def question_key(question: Question, requester: Requester) -> bytes:
    """What makes two questions the same for an approval: person, domain, purpose, basis, case."""
    said = _said(question)
    same: dict[str, JSON] = {word: said[word] for word in ("name", "purpose", "basis", "case")}
    same["requester"] = requester.identity
    return hashlib.sha256(orjson.dumps(same, option=orjson.OPT_SORT_KEYS)).digest()


def _said(question: Question) -> dict[str, JSON]:
    until = question.sealed_until
    return {
        "name": question.name,
        "purpose": question.purpose and question.purpose.value,
        "basis": question.basis and question.basis.value,
        "case": question.case,
        "elements": sorted(e.name for e in question.elements),
        "urgency": question.urgency.value,
        **({"sealed_until": until.isoformat()} if until else {}),
    }


def _enclosed(
    said: dict[str, JSON],
    requester: Requester,
    decision: Decision,
    fetched: Sequence[Fetched],
) -> dict[str, JSON]:
    """What only the envelope keeps."""
    enclosed: dict[str, JSON] = {
        "question": said,
        "requester": {
            "assurance": requester.assurance.value,
            "country": requester.country,
            "jurisdiction": requester.jurisdiction and requester.jurisdiction.value,
            "proved_by": requester.proved_by,
        },
        "decision": _told(decision).rulings,
    }
    if fetched:
        enclosed["fetched"] = [
            {"upstream": f.upstream, "at": f.at.isoformat(), "sha256": f.sha256} for f in fetched
        ]
    return enclosed


class _Told(NamedTuple):
    """What an entry says of a decision; the same for every question that it answers."""

    fields: dict[str, JSON]
    rulings: dict[str, JSON]


@lru_cache(4096)
def _told(decision: Decision) -> _Told:
    beyond = sorted(decision.beyond, key=lambda e: e.name)
    fields: dict[str, JSON] = {
        "asked": [*sorted(e.name for e in decision.asked)],
        "released": {e.name: list(decision.rulings[e].granted_by) for e in beyond},
        "outcome": decision.outcome.value,
        "approval": _approval(decision),
        "detail": None,
    }
    return _Told(
        fields,
        {
            e.name: [str(r.treatment), list(r.granted_by), list(r.capped_by)]
            for e, r in decision.rulings.items()
        },
    )


def _context(decision: Decision, facts: Facts) -> dict[str, JSON]:
    return {
        **decision.context,
        "disclose_allow": sorted(e.name for e in facts.disclose_allow),
        "disclose_deny": sorted(e.name for e in facts.disclose_deny),
        "standing": sorted(e.name for e in decision.approved.standing),
        "granted": sorted(e.name for e in decision.approved.granted),
    }


def _approval(decision: Decision) -> JSON:
    approved = decision.approved
    used = [
        kind
        for kind, elements in (("standing", approved.standing), ("granted", approved.granted))
        if elements & decision.beyond
    ]
    return used or None
