"""Counting persons within hours, days and months, against a plain list of what was disclosed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whoisgate.budgets import HOUR_US, Account, charged, spans
from whoisgate.errors import PersonsSpent
from whoisgate.queries import Limits

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def us(moment):
    return (moment - EPOCH) // timedelta(microseconds=1)


def at(text):
    return us(datetime.fromisoformat(text + "+00:00"))


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        ("2026-11-23T12:00:00", "2026-11-23T12:59:59.999999", (1, 1, 1)),
        ("2026-11-23T12:59:59.999999", "2026-11-23T13:00:00", (0, 1, 1)),
        ("2026-11-23T23:59:59.999999", "2026-11-24T00:00:00", (0, 0, 1)),
        ("2026-11-30T23:59:59.999999", "2026-12-01T00:00:00", (0, 0, 0)),
        ("2026-12-31T23:59:59.999999", "2027-01-01T00:00:00", (0, 0, 0)),
        ("2028-02-29T23:59:59.999999", "2028-03-01T00:00:00", (0, 0, 0)),
        ("2026-11-23T12:00:00", "2027-11-23T12:00:00", (0, 0, 0)),
    ],
)
def test_forgets_at_the_end_of_each_window(before, after, kept):
    spent = Account().counted([None], at(before))
    assert spent.at(at(after))[1:] == kept
    assert spent.counted([at(before)], at(after))[1:] == (1, 1, 1)


MOMENTS = st.datetimes(datetime(2026, 1, 30), datetime(2026, 3, 2)).map(  # noqa: DTZ001
    lambda moment: us(moment.replace(tzinfo=UTC))
)


@given(st.lists(st.tuples(MOMENTS, st.sets(st.integers(0, 6), max_size=3)), max_size=30))
def test_counts_each_person_once_in_each_window(disclosed):
    account, last, told = Account(), {}, []
    for moment, persons in sorted(disclosed, key=lambda one: one[0]):
        account = account.counted([last.get(p) for p in persons], moment)
        last |= dict.fromkeys(persons, moment)
        told += [(moment, p) for p in persons]
        for span, count in zip(spans(moment // HOUR_US), account[1:], strict=True):
            within = {p for when, p in told if span.begin_us <= when < us(span.ends)}
            assert count == len(within)


def test_tells_the_window_that_ends_last():
    now = at("2026-11-30T23:30:00")
    spent = Account().counted([None] * 3, now)
    with pytest.raises(PersonsSpent, match=r"`2` persons .* person in a UTC day; .*12-01T00") as it:
        charged("person", Limits(hour=1, day=2), Account(now), spent)
    assert (it.value.window, it.value.ends) == ("day", datetime(2026, 12, 1, tzinfo=UTC))


def test_refuses_nobody_who_discloses_nobody_new():
    now = at("2026-11-30T23:30:00")
    spent = Account().counted([None] * 3, now)
    again = spent.counted([now] * 3, now)
    (quota,) = charged("authority", Limits(day=2), spent, again)
    assert (quota.left, quota.limit, quota.holder) == (0, 2, "authority")
    assert quota.ends - quota.begins == timedelta(days=1)


@given(st.integers(0, 5), st.integers(0, 8), st.integers(0, 8))
def test_lets_a_limit_be_reached_and_never_passed(limit, had, new):
    now = at("2026-11-23T12:00:00")
    before = Account().counted([None] * had, now)
    after = before.counted([None] * new, now)
    try:
        (quota,) = charged("person", Limits(month=limit), before, after)
    except PersonsSpent:
        assert new
        assert had + new > limit
    else:
        assert new == 0 or had + new <= limit
        assert quota.left == max(limit - had - new, 0)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 3))
def test_tells_of_an_authority_no_more_than_tenths(limit, had, new):
    now = at("2026-11-23T12:00:00")
    before = Account().counted([None] * had, now)
    after = before.counted([None] * new, now)
    step = max(1, limit // 10)
    try:
        (quota,) = charged("authority", Limits(day=limit), before, after)
    except PersonsSpent:
        assert had + new > limit, "refused at the limit itself"
    else:
        assert new == 0 or had + new <= limit
        exact = max(limit - had - new, 0)
        assert quota.left % step == 0
        assert exact - step < quota.left <= exact
