"""The gate: one question in, one `Answer` out, and an entry for all that is beyond the public view.

A gate has two waits, `find` and `append`. `Gate` and `AsyncGate` are the same few steps over one
pure middle (`_Middle`); the asynchronous one runs a synchronous source in a bounded thread pool.
Only this module makes an `Answer`, and an `Answer` to a gated question needs the `Receipt` of a
durable entry. If the log cannot be written nothing gated leaves; public answers go on.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import NamedTuple, Protocol, cast

import orjson

from whoisgate.audit.draft import JSON, Draft, Due
from whoisgate.audit.receipt import Receipt
from whoisgate.elements import Element
from whoisgate.errors import (
    CredentialRefused,
    CredentialRequired,
    NameNotFound,
    SourceError,
    SourceFailed,
    SourceTooSlow,
    SuffixNotServed,
)
from whoisgate.formats import rdap, whois
from whoisgate.policy.decide import Approved, Decision, Edition, Outcome, edition
from whoisgate.policy.explain import Reason, explain
from whoisgate.policy.model import Policy
from whoisgate.queries import PUBLIC, Question, Requester
from whoisgate.records import Facts, Record
from whoisgate.redact import (
    GatedView,
    PublicBytes,
    PublicView,
    Sealed,
    Substitutes,
    digest,
    redact,
)

REFUSALS_PER_DAY = 1000
"""Default of a requester's entries per UTC day that released nothing."""


class Source(Protocol):
    """Anything that finds records. Called from several threads at once."""

    def find(self, name: str) -> Record | None:
        """The record of this canonical name, or None when there is none."""


class AsyncSource(Protocol):
    """A source whose `find` is a coroutine."""

    def find(self, name: str) -> Awaitable[Record | None]:
        """The record of this canonical name, or None when there is none."""


class Granted(NamedTuple):
    """A granted, unspent approval of one question."""

    entry: int
    elements: frozenset[Element]


class Log(Protocol):
    """The audit log as the gate needs it."""

    def append(self, draft: Draft) -> Future[Receipt]:
        """Log ``draft``; the future resolves after commit and signature.

        It raises `LogUnavailable`, `ApprovalSpent`, `BudgetSpent` or `CredentialRefused`.
        """

    def granted(self, question: bytes) -> Granted | None:
        """The unspent, unexpired approval of this question, if there is one."""

    def close(self) -> None:
        """Publish what is committed and release all handles."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A standing approval from the operator's configuration."""

    authority: str
    basis: str
    elements: frozenset[Element]
    expires: datetime

    def covers(self, question: Question, requester: Requester, now: datetime) -> bool:
        """Whether it is for this authority and basis, and still valid."""
        return (
            requester.authority == self.authority
            and question.basis is not None
            and question.basis.value == self.basis
            and now < self.expires
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator decided about answering, handed in by `app`."""

    policy: Policy
    substitutes: Substitutes
    rdap: rdap.Settings
    switches: frozenset[str] = frozenset()
    standing: tuple[Standing, ...] = ()
    suffixes: frozenset[str] | None = None
    refusals_per_day: int = REFUSALS_PER_DAY
    cache_s: float = 60.0
    cache_names: int = 10_000


class Answer:
    """What the gate lets out. Made by a gate alone.

    ``outcome`` is ``released``, ``refused`` or ``needs_approval``; the public view counts as
    released. ``body`` is the RDAP answer (an RDAP error object for a refusal). ``receipt`` is
    None for the public view.
    """

    __slots__ = ("__dict__", "_policy", "body", "decision", "name", "receipt")

    def __init__(
        self,
        name: str,
        decision: Decision,
        body: PublicBytes | Sealed,
        receipt: Receipt | None,
        policy: Policy,
    ) -> None:
        if isinstance(body, Sealed):
            if receipt is None:
                raise TypeError("a gated answer needs a receipt")
            self.body = body.open(receipt)
        elif isinstance(body, PublicBytes):
            self.body = bytes(body)
        else:
            raise TypeError("an answer is public bytes or sealed")
        self.name, self.decision, self.receipt, self._policy = name, decision, receipt, policy

    @property
    def outcome(self) -> Outcome:
        """``released``, ``refused`` or ``needs_approval``."""
        outcome = self.decision.outcome
        return Outcome.RELEASED if outcome is Outcome.PUBLIC else outcome

    @cached_property
    def reasons(self) -> Mapping[Element, Reason]:
        """By element: treatment, rules, their law, and the nearest clause that was missing."""
        return explain(self._policy, self.decision)

    @property
    def released(self) -> Mapping[Element, Reason]:
        """The elements that this answer does not withhold."""
        return {e: r for e, r in self.reasons.items() if e in self.decision.rulings}

    @property
    def withheld(self) -> Mapping[Element, Reason]:
        """The elements that it does, with what was missing."""
        return {e: r for e, r in self.reasons.items() if e not in self.decision.rulings}

    def whois(self) -> str:
        """The same answer as WHOIS text, rendered from ``body``."""
        return whois.from_rdap(self.body)


@dataclass(frozen=True, slots=True)
class _Step:
    """Where the pure middle stands: a decision, its finished body, and the draft it needs."""

    decision: Decision
    body: Sealed
    draft: Draft


class _Cached(NamedTuple):
    until: datetime
    body: PublicBytes
    decision: Decision


class _Middle:
    """The pure part of a gate: everything between the two waits. Holds the public cache."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._edition: Edition | None = None
        self._cache: dict[tuple[str, str], _Cached] = {}
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()  # guards _counts

    def edition(self, now: datetime) -> Edition:
        """The policy's rules in force now."""
        held = self._edition
        if held is None or (held.until is not None and held.until <= now):
            held = self._edition = edition(self.settings.policy, now, self.settings.switches)
            self._cache.clear()
        return held

    def count(self, what: str) -> None:
        """Count something that gets no entry of its own."""
        with self._lock:
            self._counts[what] += 1

    def tally(self, now: datetime) -> Draft | None:
        """The counts since the last tally as a draft, or None when nothing was counted."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return None
        return Draft("tally", self.settings.policy.digest, now, open={"counts": dict(counts)})

    def cached(self, name: str, form: str, now: datetime) -> _Cached | None:
        """A finished public body that is still fresh."""
        held = self._cache.get((name, form))
        return held if held is not None and now < held.until else None

    def invalidate(self, name: str) -> None:
        """Forget a name."""
        for form in ("rdap", "whois"):
            self._cache.pop((name, form), None)

    def admit(self, question: Question, requester: Requester, now: datetime) -> None:
        """Refuse what needs no record: a stranger's gated question, a foreign suffix."""
        suffixes = self.settings.suffixes
        if suffixes is not None and not _under(question.name, suffixes):
            self.count("suffix_not_served")
            raise SuffixNotServed("expected a name under a suffix that this gate serves")
        if question.gated and requester.public:
            self.count("credential_required")
            raise CredentialRequired("a `Disclosure-Request` needs a credential")
        if requester.valid_until is not None and requester.valid_until <= now:
            self.count("credential_refused")
            raise CredentialRefused("the credential has expired")

    def public(self, record: Record, form: str, now: datetime) -> _Cached:
        """The public body of a record, finished and cached."""
        held = self.edition(now)
        decision = held.decide(Question(record.name), PUBLIC, record.facts)
        view = redact(record, decision, self.settings.substitutes)
        if not isinstance(view, PublicView):
            raise TypeError("the public's own decision is never gated")
        body = rdap.encode(view, self.settings.rdap) if form == "rdap" else whois.encode(view)
        until = now + timedelta(seconds=min(self.settings.cache_s, 60.0))
        fresh = _Cached(until if held.until is None else min(until, held.until), body, decision)
        if len(self._cache) >= self.settings.cache_names:
            self._cache.pop(next(iter(self._cache)), None)
        if self.settings.cache_s > 0:
            self._cache[record.name, form] = fresh
        return fresh

    def settle(
        self,
        record: Record,
        question: Question,
        requester: Requester,
        now: datetime,
        granted: Granted | None = None,
    ) -> _Step:
        """Decide a gated question and finish its body and its draft."""
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
                for s in self.settings.standing
                if s.covers(allowed, requester, now)
                for e in s.elements
            ),
            granted.elements if granted else frozenset(),
        )
        permitted = (allowed.purpose, allowed.basis) == (question.purpose, question.basis)
        decision = self.edition(now).decide(
            allowed, requester, record.facts, approved, permitted=permitted
        )
        if decision.outcome is not Outcome.RELEASED:
            # A refusal is finished from the decision alone: no contact value is read.
            body = Sealed(decision, rdap.encode_refusal(decision, self._reasons(decision)))
            view_digest = ""
        else:
            view = redact(record, decision, self.settings.substitutes)
            if not isinstance(view, GatedView):
                raise TypeError("a release beyond the public view is gated")
            body, view_digest = rdap.encode(view, self.settings.rdap), digest(view)
        draft = self._draft(record, question, requester, now, decision, body, view_digest)
        if granted and decision.outcome is Outcome.RELEASED:
            draft = replace(draft, uses=granted.entry)
        return _Step(decision, body, draft)

    def _reasons(self, decision: Decision) -> Mapping[Element, Reason]:
        return explain(self.settings.policy, decision)

    def _draft(  # noqa: PLR0917  the parts of one entry, in the order in which they came to be
        self,
        record: Record,
        question: Question,
        requester: Requester,
        now: datetime,
        decision: Decision,
        body: Sealed,
        view_digest: str,
    ) -> Draft:
        released = decision.outcome is Outcome.RELEASED
        told = _told(decision)
        said: dict[str, JSON] = {
            "name": question.name,
            "purpose": question.purpose and question.purpose.value,
            "basis": question.basis and question.basis.value,
            "case": question.case,
            "elements": sorted(e.name for e in question.elements),
            "urgency": question.urgency.value,
        }
        fields: dict[str, JSON] = {
            "authority": requester.authority,
            "person": requester.person,
            "requester_class": requester.requester_class.value,
            "domain": question.name,
            "purpose": said["purpose"],
            "basis": said["basis"],
            "case": question.case,
            "asked": told.asked,
            "released": told.released,
            "outcome": decision.outcome.value,
            "question": hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest(),
            "view": view_digest,
            "body": body.digest,
            "source": record.source,
            "record_version": record.version,
            "context": {
                **_context(decision, record.facts),
                "switches": sorted(self.settings.switches),
            },
            "approval": _approval(decision),
            "detail": None,
        }
        sealed: dict[str, JSON] = {
            "question": said,
            "requester": {
                "assurance": requester.assurance.value,
                "country": requester.country,
                "jurisdiction": requester.jurisdiction and requester.jurisdiction.value,
                "proved_by": requester.proved_by,
            },
            "decision": told.rulings,
        }
        return Draft(
            _KINDS[decision.outcome],
            decision.policy,
            now,
            fields,
            sealed,
            requester=requester.identity,
            domain=question.name,
            question=question_key(question, requester),
            dues=tuple(Due(o.do, o.after) for o in decision.obligations if o.after is not None)
            if released
            else (),
            budget=None if released else self.settings.refusals_per_day,
            valid_until=requester.valid_until,
        )


_KINDS = {
    Outcome.RELEASED: "disclosure",
    Outcome.REFUSED: "refusal",
    Outcome.NEEDS_APPROVAL: "pending",
}


class Gate:
    """The synchronous gate; safe to share between threads, and across a fork before first use."""

    def __init__(
        self, settings: Settings, source: Source, log: Log, clock: Callable[[], datetime]
    ) -> None:
        self._middle, self._source, self.log, self._clock = _Middle(settings), source, log, clock

    def ask(
        self,
        name: str,
        *,
        requester: Requester = PUBLIC,
        purpose: str | None = None,
        basis: str | None = None,
        case: str | None = None,
        elements: Iterable[str] | None = None,
        urgency: str | None = None,
    ) -> Answer:
        """Answer one question; without a purpose, basis, case or elements the public view.

        Raises `RequesterError` (a malformed word, no record), `SourceError`, or `LogUnavailable`.
        """
        now = self._clock()
        question = Question.of(
            name, purpose=purpose, basis=basis, case=case, elements=elements, urgency=urgency
        )
        return self.answer(question, requester, now)

    def answer(self, question: Question, requester: Requester, arrived: datetime) -> Answer:
        """Answer a parsed question that arrived at ``arrived``."""
        middle = self._middle
        middle.admit(question, requester, arrived)
        policy = middle.settings.policy
        if not question.gated:
            held = middle.cached(question.name, "rdap", arrived) or middle.public(
                self._find(question.name), "rdap", arrived
            )
            middle.count("public")
            return Answer(question.name, held.decision, held.body, None, policy)
        record = self._find(question.name)
        step = middle.settle(record, question, requester, arrived)
        if step.decision.outcome is Outcome.NEEDS_APPROVAL:
            granted = self.log.granted(question_key(question, requester))
            if granted:
                step = middle.settle(record, question, requester, arrived, granted)
        receipt = self.log.append(step.draft).result()
        return Answer(question.name, step.decision, step.body, receipt, policy)

    def public(self, name: str, form: str = "rdap") -> PublicBytes:
        """The finished public body of a name, as ``rdap`` or ``whois``."""
        now = self._clock()
        middle = self._middle
        if at_hand := middle.cached(name, form, now):
            middle.count("public")
            return at_hand.body
        question = Question.of(name)
        middle.admit(question, PUBLIC, now)
        held = middle.cached(question.name, form, now) or middle.public(
            self._find(question.name), form, now
        )
        middle.count("public")
        return held.body

    def invalidate(self, name: str) -> None:
        """Forget the cached public body of a canonical name."""
        self._middle.invalidate(name)

    def count(self, what: str) -> None:
        """Count something that gets no entry of its own (a stranger's failure)."""
        self._middle.count(what)

    def tally(self) -> Receipt | None:
        """Log the counts since the last tally; None when nothing was counted."""
        draft = self._middle.tally(self._clock())
        return self.log.append(draft).result() if draft else None

    def close(self) -> None:
        """Log the last counts and close the log."""
        try:
            self.tally()
        finally:
            self.log.close()

    def _find(self, name: str) -> Record:
        try:
            record = self._source.find(name)
        except Exception as error:  # noqa: BLE001  a registrar's own code: anything may come
            raise _source_error(error) from None
        return _present(record, name, self._middle)


class AsyncGate:
    """The asynchronous gate: the same answers, awaited.

    A synchronous source runs in ``executor``, which bounds its concurrency; ``find_timeout_s``
    bounds the wait for either kind.
    """

    def __init__(
        self,
        settings: Settings,
        source: Source | AsyncSource,
        log: Log,
        clock: Callable[[], datetime],
        *,
        executor: Executor,
        find_timeout_s: float = 5.0,
    ) -> None:
        self._middle, self._source, self.log, self._clock = _Middle(settings), source, log, clock
        self._executor, self._find_timeout_s = executor, find_timeout_s
        self._asynchronous = inspect.iscoroutinefunction(source.find)

    async def ask(
        self,
        name: str,
        *,
        requester: Requester = PUBLIC,
        purpose: str | None = None,
        basis: str | None = None,
        case: str | None = None,
        elements: Iterable[str] | None = None,
        urgency: str | None = None,
    ) -> Answer:
        """As `Gate.ask`."""
        now = self._clock()
        question = Question.of(
            name, purpose=purpose, basis=basis, case=case, elements=elements, urgency=urgency
        )
        return await self.answer(question, requester, now)

    async def answer(self, question: Question, requester: Requester, arrived: datetime) -> Answer:
        """As `Gate.answer`."""
        middle = self._middle
        middle.admit(question, requester, arrived)
        policy = middle.settings.policy
        if not question.gated:
            held = middle.cached(question.name, "rdap", arrived) or middle.public(
                await self._find(question.name), "rdap", arrived
            )
            middle.count("public")
            return Answer(question.name, held.decision, held.body, None, policy)
        record = await self._find(question.name)
        step = middle.settle(record, question, requester, arrived)
        if step.decision.outcome is Outcome.NEEDS_APPROVAL:
            key = question_key(question, requester)
            granted = await asyncio.get_running_loop().run_in_executor(
                self._executor, self.log.granted, key
            )
            if granted:
                step = middle.settle(record, question, requester, arrived, granted)
        receipt = await asyncio.wrap_future(self.log.append(step.draft))
        return Answer(question.name, step.decision, step.body, receipt, policy)

    def cached_public(self, name: str, form: str = "rdap") -> PublicBytes | None:
        """A finished public body that is at hand without waiting, counted as answered."""
        held = self._middle.cached(name, form, self._clock())
        if held is None:
            return None
        self._middle.count("public")
        return held.body

    async def public(self, name: str, form: str = "rdap") -> PublicBytes:
        """As `Gate.public`."""
        now = self._clock()
        question = Question.of(name)
        middle = self._middle
        middle.admit(question, PUBLIC, now)
        held = middle.cached(question.name, form, now) or middle.public(
            await self._find(question.name), form, now
        )
        middle.count("public")
        return held.body

    def invalidate(self, name: str) -> None:
        """As `Gate.invalidate`."""
        self._middle.invalidate(name)

    def count(self, what: str) -> None:
        """As `Gate.count`."""
        self._middle.count(what)

    async def tally(self) -> Receipt | None:
        """As `Gate.tally`."""
        draft = self._middle.tally(self._clock())
        if draft is None:
            return None
        return await asyncio.wrap_future(self.log.append(draft))

    async def close(self) -> None:
        """As `Gate.close`."""
        try:
            await self.tally()
        finally:
            await asyncio.to_thread(self.log.close)

    async def _find(self, name: str) -> Record:
        try:
            async with asyncio.timeout(self._find_timeout_s):
                if self._asynchronous:
                    record = await cast("AsyncSource", self._source).find(name)
                else:
                    find = cast("Source", self._source).find
                    record = await asyncio.get_running_loop().run_in_executor(
                        self._executor, find, name
                    )
        except TimeoutError:
            raise SourceTooSlow(f"expected a record within `{self._find_timeout_s:g}` s") from None
        except Exception as error:  # noqa: BLE001  a registrar's own code: anything may come
            raise _source_error(error) from None
        return _present(record, name, self._middle)


def question_key(question: Question, requester: Requester) -> bytes:
    """What makes two questions the same for an approval: person, domain, purpose, basis, case."""
    said: dict[str, JSON] = {
        "requester": requester.identity,
        "name": question.name,
        "purpose": question.purpose and question.purpose.value,
        "basis": question.basis and question.basis.value,
        "case": question.case,
    }
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).digest()


def _source_error(error: Exception) -> SourceError:
    if isinstance(error, SourceError):
        return error
    # The cause's text may hold a registrant's value, so only its type is told.
    return SourceFailed(f"the source failed with `{type(error).__name__}`")


def _present(record: Record | None, name: str, middle: _Middle) -> Record:
    if record is None:
        middle.count("not_found")
        raise NameNotFound(name)
    if record.name != name:
        raise SourceFailed(f"expected the record of `{name}`, got another")
    return record


def _under(name: str, suffixes: frozenset[str]) -> bool:
    rest = name
    while rest:
        _, _, rest = rest.partition(".")
        if rest in suffixes:
            return True
    return False


class _Told(NamedTuple):
    """What an entry says of a decision; the same for every question that it answers."""

    asked: list[JSON]
    released: dict[str, JSON]
    rulings: dict[str, JSON]


@lru_cache(4096)
def _told(decision: Decision) -> _Told:
    return _Told(
        [*sorted(e.name for e in decision.asked)],
        {
            e.name: list(decision.rulings[e].granted_by)
            for e in sorted(decision.beyond, key=lambda e: e.name)
        },
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
