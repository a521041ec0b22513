"""What the append keeps accounts of: persons disclosed, and how somebody asks.

`settle` reads a `Book` and says what one draft changes in it, or that it may not be logged; the log
writes that in the draft's own transaction. Works alike for a log on disk, whose book knows keys as
HMACs alone, and one in memory. Counts belong to windows that end; only a stop lasts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, cast

from whoisgate.audit.draft import JSON, Asking, Draft
from whoisgate.budgets import HOUR_US, Account, Holder, Quota, charged
from whoisgate.conduct import (
    Counts,
    Habit,
    Judgement,
    Thresholds,
    Verdict,
    judge,
    pattern,
)
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

    def counted_us(self, shelf: Key, keys: Sequence[Key]) -> Mapping[Key, int]:
        """When each was last counted this month; those that never were are left out.

        All that is counted for one `shelf_of` a draft is kept together.
        """

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
    names = _names(book, draft, asking)
    holders: tuple[tuple[Holder, str, Limits], ...] = (
        ("person", draft.requester, asking.person_limits),
        ("authority", draft.authority, asking.authority_limits),
    )
    limited = {(h, name): (h, limits) for h, name, limits in holders if limits != NO_LIMITS}
    persons = tuple((draft.domain, role) for role in asking.roles)
    noted = _noted(book, draft, {**names, **dict.fromkeys(limited, persons)}, now_us)
    settled = Settled(draft)
    if asking.thresholds is not None and names:
        breadth = [noted[key].after for key in names]
        settled = _judged(book, draft, asking, asking.thresholds, breadth)
    quotas = [
        quota
        for key, (holder, limits) in limited.items()
        for quota in charged(holder, limits, noted[key].before, noted[key].after)
    ]
    changed = tuple(one for one in noted.values() if one.counted)
    return replace(settled, noted=changed, quotas=tuple(quotas))


def _names(book: Book, draft: Draft, asking: Asking) -> dict[Key, tuple[Key, ...]]:
    """The accounts in which the name is counted: of all, then of its run; none while stopped."""
    if asking.thresholds is None:
        return {}
    stop = book.stop(draft.requester)
    if stop is not None and stop.lifted_by is None:
        if draft.kind != "refusal":
            raise ConductStopped("expected an operator to lift the stop first; write to them")
        return {}
    # A lifted stop begins other accounts, so that what led to it does not stop anew.
    since = (draft.requester, str(stop.lifted_by) if stop else "")
    shape, name = pattern(draft.domain), ((draft.domain,),)
    names: dict[Key, tuple[Key, ...]] = {("names", *since): name}
    if shape != draft.domain:
        names["run", *since, shape] = name
    return names


def shelf_of(draft: Draft) -> Key:
    """What an authority asked about one domain: few things, read and written at once."""
    return ("asked", draft.authority, draft.domain)


def _noted(
    book: Book, draft: Draft, wanted: Mapping[Key, tuple[Key, ...]], now_us: int
) -> dict[Key, Noted]:
    counted = {key: tuple((*key, *one) for one in each) for key, each in wanted.items()}
    keys = [one for each in counted.values() for one in each]
    seen_us = book.counted_us(shelf_of(draft), keys) if keys else {}
    noted = {}
    for key, each in counted.items():
        before = book.account(key, now_us).at(now_us)
        after = before.counted(map(seen_us.get, each), now_us) if each else before
        noted[key] = Noted(key, before, after, each)
    return noted


def _judged(
    book: Book, draft: Draft, asking: Asking, thresholds: Thresholds, breadth: Sequence[Account]
) -> Settled:
    """The draft with what is to be said of its requester's conduct; ``breadth`` as `_names`."""
    all_names = breadth[0]
    before = book.habit(draft.requester)
    habit = before.asked(all_names.at_us // HOUR_US, thresholds)
    run = breadth[1].day if len(breadth) > 1 else 0
    judgement = judge(Counts(all_names.hour, all_names.day, run, habit.unusual), thresholds)
    _allow(draft, asking, judgement)
    stops = judgement.verdict is Verdict.STOPPED
    changed = None if habit is before else habit
    return Settled(_flagged(draft, judgement), habit=changed, stops=stops)


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
    if not judgement.reasons:
        return draft
    detail = cast("dict[str, JSON]", draft.fields.get("detail") or {})
    said = {**detail, "flagged": list(judgement.reasons)}
    return replace(draft, fields={**draft.fields, "detail": said})
