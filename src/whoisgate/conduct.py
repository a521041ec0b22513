"""Whether somebody who may ask asks as an investigator does: a judgement on counts alone.

What is counted is breadth: names that were not asked for before in the hour or the day, names that
differ in their digits alone, and an hour of the day at which this requester never asked. Asking
often about the same names is no breadth. Nothing here knows a name, a person or a clock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

_HOURS: Final = 24
_DIGITS = re.compile(r"[0-9]+")


class Verdict(IntEnum):
    """What a question meets, mildest first."""

    CALM = 0
    FLAGGED = 1
    SECOND_APPROVER = 2
    STOPPED = 3


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From how many on a question is flagged, needs a second approver, and is stopped.

    ``hour`` and ``day`` count distinct names in the UTC hour and day, ``run`` those in the day
    that differ in their digits alone. An hour of the day is unusual once somebody has asked on
    ``habit_days`` days, never in it or in the hours beside it; that flags and no more.
    """

    hour: tuple[int, int, int] = (30, 100, 300)
    day: tuple[int, int, int] = (100, 300, 1000)
    run: tuple[int, int, int] = (5, 20, 100)
    habit_days: int = 10


class Counts(NamedTuple):
    """What one requester asked so far, the question judged included."""

    hour: int = 0
    day: int = 0
    run: int = 0
    unusual: bool = False


class Judgement(NamedTuple):
    """A verdict, and each count that is not calm."""

    verdict: Verdict
    reasons: tuple[str, ...]


class Habit(NamedTuple):
    """At which hours of the day somebody asks.

    ``hours`` has a bit for each; ``days`` counts the days; ``hour``, from 1970, is the last in
    which there was a question, and ``unusual`` whether that one was.
    """

    hours: int = 0
    days: int = 0
    hour: int = -1
    unusual: bool = False

    def asked(self, hour: int, thresholds: Thresholds) -> Habit:
        """The habit after a question in an hour, counted from 1970."""
        if hour == self.hour:
            return self
        now = hour % _HOURS
        beside = sum(1 << (now + step) % _HOURS for step in (-1, 0, 1))
        known = self.days >= thresholds.habit_days
        new_day = hour // _HOURS != self.hour // _HOURS
        unusual = known and not self.hours & beside
        return Habit(self.hours | 1 << now, self.days + new_day, hour, unusual)


def judge(counts: Counts, thresholds: Thresholds) -> Judgement:
    """The verdict on a question; more counts never make it milder."""
    found = {
        "many names in an hour": _level(counts.hour, thresholds.hour),
        "many names in a day": _level(counts.day, thresholds.day),
        "a run of names": _level(counts.run, thresholds.run),
        "an unusual hour": Verdict.FLAGGED if counts.unusual else Verdict.CALM,
    }
    reasons = tuple(reason for reason, level in found.items() if level)
    return Judgement(max(found.values()), reasons)


def pattern(name: str) -> str:
    """What names of one run have in common: the name with each number collapsed."""
    return _DIGITS.sub("#", name)


def _level(count: int, thresholds: tuple[int, int, int]) -> Verdict:
    if count < thresholds[0]:
        return Verdict.CALM
    return Verdict(sum(count >= threshold for threshold in thresholds))
