"""What is left, as header lines: draft-ietf-httpapi-ratelimit-headers-10, and `Retry-After`.

A policy is named by holder and window, ``person-day`` or ``authority-month``. Its unit is not
requests but persons, which the draft's registry does not have; so the unit is said by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from whoisgate.budgets import Quota

Line = tuple[bytes, bytes]
_SECOND = timedelta(seconds=1)


def fields(quotas: Sequence[Quota], now: datetime) -> tuple[Line, ...]:
    """`RateLimit-Policy` with every limit, and `RateLimit` with the tightest; none without any.

    The tightest has the least left, and of those with as little ends last.
    """
    if not quotas:
        return ()
    policies = ", ".join(
        f'"{_name(q)}";q={q.limit};w={(q.ends - q.begins) // _SECOND};qu="persons"' for q in quotas
    )
    tightest = min(quotas, key=lambda q: (q.left, now - q.ends))
    left = f'"{_name(tightest)}";r={tightest.left};t={_seconds(tightest.ends, now)}'
    return ((b"ratelimit-policy", policies.encode()), (b"ratelimit", left.encode()))


def retry_after(ends: datetime, now: datetime) -> Line:
    """The line that says when to ask again (RFC 9110 §10.2.3)."""
    return (b"retry-after", b"%d" % _seconds(ends, now))


def _name(quota: Quota) -> str:
    return f"{quota.holder}-{quota.window}"


def _seconds(ends: datetime, now: datetime) -> int:
    """Whole seconds until then, rounded up; at least one."""
    return max(-((now - ends) // _SECOND), 1)
