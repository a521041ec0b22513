"""The judgement on conduct: tables, and that breadth never makes it milder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whoisgate.conduct import Counts, Habit, Thresholds, Verdict, judge, pattern

STEPS = Thresholds(hour=(10, 20, 30), day=(40, 50, 60), run=(3, 6, 9), habit_days=5)


@pytest.mark.parametrize(
    ("counts", "verdict", "reasons"),
    [
        (Counts(9, 39, 2), Verdict.CALM, ()),
        (Counts(hour=10), Verdict.FLAGGED, ("many names in an hour",)),
        (
            Counts(hour=19, day=49),
            Verdict.FLAGGED,
            ("many names in an hour", "many names in a day"),
        ),
        (Counts(day=50), Verdict.SECOND_APPROVER, ("many names in a day",)),
        (Counts(run=3), Verdict.FLAGGED, ("a run of names",)),
        (Counts(run=6), Verdict.SECOND_APPROVER, ("a run of names",)),
        (Counts(run=9), Verdict.STOPPED, ("a run of names",)),
        (Counts(hour=30, run=3), Verdict.STOPPED, ("many names in an hour", "a run of names")),
        (Counts(day=60), Verdict.STOPPED, ("many names in a day",)),
        (Counts(unusual=True), Verdict.FLAGGED, ("an unusual hour",)),
    ],
)
def test_judges(counts, verdict, reasons):
    assert judge(counts, STEPS) == (verdict, reasons)


NUMBERS = st.integers(0, 80)
COUNTS = st.builds(Counts, NUMBERS, NUMBERS, NUMBERS, st.booleans())


@given(COUNTS, COUNTS)
def test_is_never_milder_for_more(one, other):
    more = Counts(*(max(a, b) for a, b in zip(one, other, strict=True)))
    assert judge(more, STEPS).verdict == max(judge(c, STEPS).verdict for c in (one, other))
    assert {*judge(more, STEPS).reasons} == {*judge(one, STEPS).reasons} | {
        *judge(other, STEPS).reasons
    }


@pytest.mark.parametrize(
    ("names", "shape"),
    [
        (("example1.com", "example2.com", "example17.com"), "example#.com"),
        (("a1b2.example", "a33b44.example"), "a#b#.example"),
        (("xn--1-abc.example", "xn--2-abc.example"), "xn--#-abc.example"),
        (("plain.example",), "plain.example"),
    ],
)
def test_collapses_numbers(names, shape):
    assert {pattern(name) for name in names} == {shape}


def asked(habit, *hours):
    for hour in hours:
        habit = habit.asked(hour, STEPS)
    return habit


OFFICE = [day * 24 + hour for day in range(5) for hour in (9, 12, 16)]


@pytest.mark.parametrize(
    ("hour", "unusual"),
    [(9, False), (8, False), (10, False), (17, False), (3, True), (22, True), (14, True)],
)
def test_knows_an_unusual_hour_once_there_is_a_habit(hour, unusual):
    assert asked(Habit(), *OFFICE, 5 * 24 + hour).unusual is unusual
    assert not asked(Habit(), *OFFICE[:-3], 4 * 24 + hour).unusual


def test_flags_all_of_an_unusual_hour_and_then_knows_it():
    habit = asked(Habit(), *OFFICE, 5 * 24 + 3, 5 * 24 + 3)
    assert habit.unusual
    assert not asked(habit, 6 * 24 + 3).unusual
    assert not asked(habit, 5 * 24 + 9).unusual


def test_closes_the_day_at_midnight():
    habit = asked(Habit(), *[day * 24 + 23 for day in range(5)])
    assert not habit.asked(5 * 24, STEPS).unusual
    assert habit.asked(5 * 24 + 1, STEPS).unusual
