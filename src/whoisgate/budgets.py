"""How many persons were disclosed to somebody in an hour, a day and a month: counting, no names.

A person is a contact role of a domain, so that no count betrays that two domains have one
registrant. The same one within a window costs nothing. Windows are the UTC hour, day and calendar
month. Times are microseconds since 1970 and never go back: they are those of a log's entries.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from whoisgate.errors import PersonsSpent
from whoisgate.queries import Limits

Window = Literal["hour", "day", "month"]
Holder = Literal["person", "authority"]

WINDOWS: Final[tuple[Window, ...]] = ("hour", "day", "month")
HOUR_US: Final = 3_600_000_000
TOLD_STEPS: Final = 10
"""In how many steps an authority's people are told what is left of its limit."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Span(NamedTuple):
    """A half-open stretch of time."""

    begin_us: int
    begins: datetime
    ends: datetime


class Account(NamedTuple):
    """How many were counted up to ``at_us``, in the hour, the day and the month that hold it."""

    at_us: int = 0
    hour: int = 0
    day: int = 0
    month: int = 0

    def at(self, now_us: int) -> Account:
        """The same account at a moment: what belongs to a window that ended is gone."""
        last_us, hours, days, months = self
        hour, day, month = spans(now_us // HOUR_US)
        return Account(
            now_us,
            hours if hour.begin_us <= last_us else 0,
            days if day.begin_us <= last_us else 0,
            months if month.begin_us <= last_us else 0,
        )

    def counted(self, seen_us: Iterable[int | None], now_us: int) -> Account:
        """The account after some are counted now, each counted last when it says, or never."""
        _, hours, days, months = self.at(now_us)
        hour, day, month = spans(now_us // HOUR_US)
        for at_us in seen_us:
            last_us = -1 if at_us is None else at_us
            hours += last_us < hour.begin_us
            days += last_us < day.begin_us
            months += last_us < month.begin_us
        return Account(now_us, hours, days, months)


class Quota(NamedTuple):
    """What a requester is told of one limit: persons that may still be disclosed before ``ends``.

    Of the person's own the exact number is ``left``. Of an authority's it is rounded down to a
    tenth of the limit: a repetition costs nothing, so an exact number would tell each of its people
    which domains a colleague has asked about.
    """

    holder: Holder
    window: Window
    limit: int
    left: int
    begins: datetime
    ends: datetime


def charged(holder: Holder, limits: Limits, before: Account, after: Account) -> tuple[Quota, ...]:
    """What is left once the account is ``after``; raises `PersonsSpent` where that is too much.

    ``before`` is the account at the same moment. Who discloses nobody new is never refused,
    whatever the limit; of several windows the one that ends last is told. What is counted and
    refused is exact, whatever a quota tells.
    """
    quotas, spent = [], None
    told = zip(WINDOWS, spans(after.at_us // HOUR_US), before[1:], after[1:], strict=True)
    for window, span, had, has in told:
        limit: int | None = getattr(limits, window)
        if limit is None:
            continue
        if has > max(limit, had):
            spent = PersonsSpent(holder, window, limit, span.ends)
        left = max(limit - has, 0)
        if holder == "authority":
            left -= left % max(1, limit // TOLD_STEPS)
        quotas.append(Quota(holder, window, limit, left, span.begins, span.ends))
    if spent is not None:
        raise spent
    return tuple(quotas)


@lru_cache(8)
def spans(hour: int) -> tuple[Span, Span, Span]:
    """The hour, counted from 1970, with its day and its calendar month, in UTC."""
    begin = _EPOCH + timedelta(hours=hour)
    day = begin.replace(hour=0)
    month = day.replace(day=1)
    after = (month + timedelta(days=31)).replace(day=1)
    return (
        _span(begin, begin + timedelta(hours=1)),
        _span(day, day + timedelta(days=1)),
        _span(month, after),
    )


def _span(begins: datetime, ends: datetime) -> Span:
    return Span((begins - _EPOCH) // timedelta(microseconds=1), begins, ends)
