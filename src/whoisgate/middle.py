"""The pure middle of a gate: everything between its two waits, and the public cache.

No I/O and no clock: times are handed in. `Gate` and `AsyncGate` walk through it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple, cast

from whoisgate.audit.draft import Draft
from whoisgate.elements import Element
from whoisgate.entries import ALLOWANCE, Allowance, drafted
from whoisgate.errors import (
    CredentialRefused,
    CredentialRequired,
    MalformedQuestion,
    PersonsSpent,
    ReleaseHeld,
    SecondApproverNeeded,
    SuffixNotServed,
)
from whoisgate.formats import rdap, whois
from whoisgate.policy.decide import Approved, Decision, Edition, Outcome, edition, withheld
from whoisgate.policy.explain import explain
from whoisgate.policy.model import Policy
from whoisgate.queries import PUBLIC, Question, Requester, Standing
from whoisgate.records import Record
from whoisgate.redact import (
    GatedView,
    PublicBytes,
    PublicView,
    Sealed,
    Substitutes,
    digest,
    redact,
)

_REFUSALS: Final = 256

MAX_CACHED: Final = 16 * 1024
"""Bytes of a public body that is kept; a sound one has a third, and a hostile source makes many."""

TALLY_S: Final = 3600
"""How long a process counts before its counts become an entry: no flood makes that more often."""


class Granted(NamedTuple):
    """A granted, unspent approval of one question."""

    entry: int
    elements: frozenset[Element]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator decided about answering, handed in by `app`."""

    policy: Policy
    substitutes: Substitutes
    rdap: rdap.Settings
    switches: frozenset[str] = frozenset()
    standing: tuple[Standing, ...] = ()
    suffixes: frozenset[str] | None = None
    allowance: Allowance = ALLOWANCE
    cache_s: float = 60.0
    cache_names: int = 10_000
    seal_at_most_days: int = 366


@dataclass(frozen=True, slots=True)
class Step:
    """Where the pure middle stands: a decision, its finished body, and the draft it needs.

    ``held`` is why the log let nothing be released.
    """

    decision: Decision
    body: Sealed
    draft: Draft
    held: ReleaseHeld | None = None


class Cached(NamedTuple):
    """A finished public body, good until a moment."""

    until: datetime
    body: PublicBytes
    decision: Decision


class Counts:
    """What gets no entry of its own, counted until the next tally; safe between threads."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()  # guards _held
        self._until: datetime | None = None

    def due(self, now: datetime) -> bool:
        """Whether an hour of counting is over; then the next begins."""
        until = self._until
        if until is not None and now < until:
            return False
        self._until = now + timedelta(seconds=TALLY_S)
        return until is not None

    def add(self, what: str) -> None:
        """Count one more."""
        with self._lock:
            self._held[what] += 1

    def put_back(self, counts: Mapping[str, int]) -> None:
        """Count again what was taken."""
        with self._lock:
            self._held.update(counts)

    def take(self) -> Counter[str]:
        """All counts, which begin anew."""
        with self._lock:
            taken, self._held = self._held, Counter()
        return taken


class Middle:
    """The pure part of a gate: everything between the two waits. Holds the public cache.

    One `Middle` answers under one policy alone: for other settings a gate takes another.
    """

    def __init__(self, settings: Settings, counts: Counts | None = None) -> None:
        self.settings, self.counts = settings, counts or Counts()
        self._edition: Edition | None = None
        self._cache: dict[tuple[str, str], Cached] = {}
        self._lock = threading.Lock()  # guards changes of _cache

    def edition(self, now: datetime) -> Edition:
        """The policy's rules in force now."""
        held = self._edition
        if held is None or (held.until is not None and held.until <= now):
            held = self._edition = edition(self.settings.policy, now, self.settings.switches)
            with self._lock:
                self._cache.clear()
        return held

    def tally(self, now: datetime) -> Draft | None:
        """The counts since the last tally as a draft, or None when nothing was counted."""
        counts = self.counts.take()
        if not counts:
            return None
        return Draft("tally", self.settings.policy.digest, now, open={"counts": dict(counts)})

    def count_on(self, tally: Draft) -> None:
        """Count again what a tally held that could not be logged."""
        self.counts.put_back(cast("Mapping[str, int]", (tally.open or {})["counts"]))

    def cached(self, name: str, form: str, now: datetime) -> Cached | None:
        """A finished public body that is still fresh."""
        held = self._cache.get((name, form))
        return held if held is not None and now < held.until else None

    def invalidate(self, name: str) -> None:
        """Forget a name."""
        with self._lock:
            for form in ("rdap", "whois"):
                self._cache.pop((name, form), None)

    def admit(self, question: Question, requester: Requester, now: datetime) -> None:
        """Refuse what needs no record: a stranger's gated question, a foreign suffix."""
        suffixes = self.settings.suffixes
        if suffixes is not None and not _under(question.name, suffixes):
            self.counts.add("suffix_not_served")
            raise SuffixNotServed("expected a name under a suffix that this gate serves")
        if question.gated and requester.public:
            self.counts.add("credential_required")
            raise CredentialRequired("a `Disclosure-Request` needs a credential")
        today, most = now.date(), self.settings.seal_at_most_days
        if question.sealed_until and not 0 < (question.sealed_until - today).days <= most:
            raise MalformedQuestion(
                f"sealed_until: expected a date to come, at most `{most}` days ahead"
            )
        if requester.valid_until is not None and requester.valid_until <= now:
            self.counts.add("credential_refused")
            raise CredentialRefused("the credential has expired")

    def public(self, record: Record, form: str, now: datetime) -> Cached:
        """The public body of a record, finished and cached."""
        held = self.edition(now)
        decision = held.decide(Question(record.name), PUBLIC, record.facts)
        view = redact(record, decision, self.settings.substitutes)
        if not isinstance(view, PublicView):
            raise TypeError("the public's own decision is never gated")
        body = rdap.encode(view, self.settings.rdap) if form == "rdap" else whois.encode(view)
        until = now + timedelta(seconds=min(self.settings.cache_s, 60.0))
        fresh = Cached(until if held.until is None else min(until, held.until), body, decision)
        if self.settings.cache_s > 0 and len(body) <= MAX_CACHED:
            with self._lock:
                if len(self._cache) >= self.settings.cache_names:
                    del self._cache[next(iter(self._cache))]
                self._cache[record.name, form] = fresh
        return fresh

    def settle(  # noqa: PLR0917  one question, whole
        self,
        record: Record,
        question: Question,
        requester: Requester,
        now: datetime,
        granted: Granted | None = None,
        held: ReleaseHeld | None = None,
    ) -> Step:
        """Decide a gated question and finish its body and its draft; ``held`` releases nothing."""
        allowed = Question(
            question.name,
            question.purpose if question.purpose in requester.purposes else None,
            question.basis if question.basis in requester.bases else None,
            question.case,
            question.elements,
            question.urgency,
            question.gated,
        )
        approved = Approved(
            frozenset(
                e
                for s in (*self.settings.standing, *requester.standing)
                if s.covers(allowed, requester, now)
                for e in s.elements
            ),
            granted.elements if granted else frozenset(),
        )
        permitted = (allowed.purpose, allowed.basis) == (question.purpose, question.basis)
        decision = self.edition(now).decide(
            allowed, requester, record.facts, approved, permitted=permitted and held is None
        )
        if held is not None:
            decision = withheld(decision, held.word)
            body, view_digest = Sealed(decision, _held(self.settings.policy, decision, held)), ""
        elif decision.outcome is not Outcome.RELEASED:
            # A refusal is finished from the decision alone: no contact value is read.
            body, view_digest = Sealed(decision, _refusal(self.settings.policy, decision)), ""
        else:
            view = redact(record, decision, self.settings.substitutes)
            if not isinstance(view, GatedView):
                raise TypeError("a release beyond the public view is gated")
            body, view_digest = rdap.encode(view, self.settings.rdap), digest(view)
        draft = drafted(
            record,
            question,
            requester,
            now,
            decision,
            body=body,
            view=view_digest,
            switches=self.settings.switches,
            allowance=self.settings.allowance,
            uses=granted.entry if granted else None,
            held=held,
        )
        return Step(decision, body, draft, held)

    def hold(  # noqa: PLR0917  as `settle`
        self,
        record: Record,
        question: Question,
        requester: Requester,
        now: datetime,
        held: ReleaseHeld,
        granted: Granted | None = None,
    ) -> Step:
        """What becomes of a question that the log would not let release anything.

        ``granted`` releases after all where it approves all of the release.
        """
        if granted is not None:
            step = self.settle(record, question, requester, now, granted)
            if step.draft.asking and step.draft.asking.approved:
                return step
        return self.settle(record, question, requester, now, held=held)


def _held(policy: Policy, decision: Decision, held: ReleaseHeld) -> bytes:
    """The body of an answer that the log let release nothing."""
    if isinstance(held, SecondApproverNeeded):
        return _refusal(policy, decision)
    spent = isinstance(held, PersonsSpent)
    status, title = (429, "Budget spent") if spent else (403, "Stopped")
    return rdap.encode_error(status, title, held.code, [str(held)])


@lru_cache(_REFUSALS)
def _refusal(policy: Policy, decision: Decision) -> bytes:
    """The body of a refusal; telling the reasons takes longer than all the rest."""
    return rdap.encode_refusal(decision, explain(policy, decision))


def _under(name: str, suffixes: frozenset[str]) -> bool:
    rest = name
    while rest:
        _, _, rest = rest.partition(".")
        if rest in suffixes:
            return True
    return False
