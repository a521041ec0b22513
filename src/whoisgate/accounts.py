"""What the append keeps accounts of: persons disclosed, and how somebody asks.

`settle` reads a `Book` and says what one draft changes in it, or that it may not be logged; the log
writes that in the draft's own transaction. Works alike for a log on disk, whose book knows keys as
HMACs alone, and one in memory. Counts belong to windows that end; only a stop lasts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, cast

from whoisgate.audit.draft import JSON, Asking, Draft
from whoisgate.budgets import HOUR_US, Account, Holder, Quota, charged
from whoisgate.conduct import CALM, Counts, Habit, Judgement, Verdict, judge, pattern
from whoisgate.errors import ConductStopped, SecondApproverNeeded
from whoisgate.queries import NO_LIMITS, Limits

Key = tuple[str, ...]
"""What an account is about: names, which never stand in a book on disk."""


class Stop(NamedTuple):
    """The entry that stopped a requester, and the one that lifted it, None while it holds."""

    entry: int
    lifted_by: int | None


class Book(Protocol):
    """The accounts as they stand within one transaction."""

    def account(self, key: Key, now_us: int) -> Account:
        """The account in the calendar month of a moment; an empty one if there is none."""

    def counted_us(self, key: Key, now_us: int) -> int | None:
        """When this was last counted in that month."""

    def habit(self, requester: str) -> Habit:
        """When somebody asks."""

    def stop(self, requester: str) -> Stop | None:
        """The last stop of a requester."""


class Noted(NamedTuple):
    """An account before and after a draft, and what was counted in it."""

    key: Key
    before: Account
    after: Account
    counted: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """A draft as it is to be logged, and what it changes in the book.

    ``habit`` is a new one; ``stops``: its entry stops the requester. ``quotas`` are what is left.
    """

    draft: Draft
    noted: tuple[Noted, ...] = ()
    habit: Habit | None = None
    stops: bool = False
    quotas: tuple[Quota, ...] = ()


def settle(book: Book, draft: Draft, now_us: int) -> Settled:
    """What a draft changes if it is logged now.

    Raises `ReleaseHeld`: `PersonsSpent` for a disclosure of more persons than are left,
    `SecondApproverNeeded` for one that somebody has to approve, and `ConductStopped` for all but a
    refusal. A refusal never raises.
    """
    asking = draft.asking
    if asking is None:
        return Settled(draft)
    conduct = _judged(book, draft, asking, now_us)
    noted, quotas = [*conduct.noted], list[Quota]()
    holders: tuple[tuple[Holder, str, Limits], ...] = (
        ("person", draft.requester, asking.person_limits),
        ("authority", draft.authority, asking.authority_limits),
    )
    for holder, name, limits in holders:
        if limits != NO_LIMITS:
            entry = _note(book, (holder, name), ((draft.domain, r) for r in asking.roles), now_us)
            quotas += charged(holder, limits, entry.before, entry.after)
            noted.append(entry)
    return replace(conduct, noted=tuple(n for n in noted if n.counted), quotas=tuple(quotas))


def _judged(book: Book, draft: Draft, asking: Asking, now_us: int) -> Settled:
    """The draft with what is to be said of its requester's conduct."""
    thresholds, requester = asking.thresholds, draft.requester
    if thresholds is None:
        return Settled(draft)
    stop = book.stop(requester)
    if stop is not None and stop.lifted_by is None:
        if draft.kind != "refusal":
            raise ConductStopped("expected an operator to lift the stop first; write to them")
        return Settled(draft)
    # A lifted stop begins other accounts, so that what led to it does not stop anew.
    since = (requester, str(stop.lifted_by) if stop else "")
    names = _note(book, ("names", *since), [(draft.domain,)], now_us)
    run, shape = None, pattern(draft.domain)
    if shape != draft.domain:
        run = _note(book, ("run", *since, shape), [(draft.domain,)], now_us)
    before = book.habit(requester)
    habit = before.asked(now_us // HOUR_US, thresholds)
    counts = Counts(names.after.hour, names.after.day, run.after.day if run else 0, habit.unusual)
    judgement = judge(counts, thresholds)
    _allow(draft, asking, judgement)
    return Settled(
        _flagged(draft, judgement),
        (names, run) if run else (names,),
        None if habit is before else habit,
        stops=judgement.verdict is Verdict.STOPPED,
    )


def _allow(draft: Draft, asking: Asking, judgement: Judgement) -> None:
    reasons = ", ".join(judgement.reasons)
    if draft.kind == "refusal":
        return
    if judgement.verdict is Verdict.STOPPED:
        raise ConductStopped(f"stopped for {reasons}: expected an operator to lift that first")
    if (
        judgement.verdict is Verdict.SECOND_APPROVER
        and draft.kind == "disclosure"
        and not asking.approved
    ):
        raise SecondApproverNeeded(f"expected an approval of this question: {reasons}")


def _flagged(draft: Draft, judgement: Judgement) -> Draft:
    """The draft whose committed ``detail`` says what its requester was flagged for."""
    if judgement == CALM:
        return draft
    detail = cast("dict[str, JSON]", draft.fields.get("detail") or {})
    said = {**detail, "flagged": list(judgement.reasons)}
    return replace(draft, fields={**draft.fields, "detail": said})


def _note(book: Book, key: Key, counted: Iterable[Key], now_us: int) -> Noted:
    before = book.account(key, now_us).at(now_us)
    each = tuple((*key, *one) for one in counted)
    after = before.counted([book.counted_us(one, now_us) for one in each], now_us)
    return Noted(key, before, after, each)
