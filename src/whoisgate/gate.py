"""The gate: one question in, one `Answer` out, and an entry for all that is beyond the public view.

A gate has two waits, `find` and `append`. `Gate` and `AsyncGate` are the same few steps over one
pure `Middle`; the asynchronous one runs a synchronous source in a bounded thread pool.
Only this module makes an `Answer`, and an `Answer` to a gated question needs the `Receipt` of a
durable entry. If the log cannot be written nothing gated leaves; public answers go on.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Executor, Future
from datetime import datetime
from functools import cached_property
from typing import Protocol, TypeAlias, cast

from whoisgate.audit.draft import Draft
from whoisgate.audit.evidence import evidence_zip
from whoisgate.audit.receipt import Receipt
from whoisgate.audit.verify import VerificationFailed
from whoisgate.elements import Element
from whoisgate.entries import question_key
from whoisgate.errors import (
    CredentialRefused,
    EvidenceError,
    NameNotFound,
    ReleaseHeld,
    SecondApproverNeeded,
    SourceError,
    SourceFailed,
    SourceTooSlow,
)
from whoisgate.formats import whois
from whoisgate.middle import Cached, Granted, Middle, Settings
from whoisgate.policy.decide import Decision, Outcome
from whoisgate.policy.explain import Reason, explain
from whoisgate.policy.model import Policy
from whoisgate.queries import PUBLIC, Assurance, Question, Requester
from whoisgate.records import Record
from whoisgate.redact import (
    PublicBytes,
    Sealed,
)


class Source(Protocol):
    """Anything that finds records. Called from several threads at once.

    A source that holds answers back, or lets equal questions share one, also has ``find_fresh``
    of the same form, which does neither: gated questions use it.
    """

    def find(self, name: str) -> Record | None:
        """The record of this canonical name, or None when there is none."""


class AsyncSource(Protocol):
    """A source whose `find` is a coroutine. The gate closes it, if its ``close`` is one too."""

    def find(self, name: str) -> Awaitable[Record | None]:
        """The record of this canonical name, or None when there is none."""


Find: TypeAlias = Callable[[str], Record | None]
AsyncFind: TypeAlias = Callable[[str], Awaitable[Record | None]]


class Log(Protocol):
    """The audit log as the gate needs it."""

    def append(self, draft: Draft) -> Future[Receipt]:
        """Log ``draft``; the future resolves after commit and signature.

        It raises `LogUnavailable`, `ApprovalSpent`, `BudgetSpent`, `ReleaseHeld` or
        `CredentialRefused`.
        """

    def granted(self, question: bytes) -> Granted | None:
        """The unspent, unexpired approval of this question, if there is one."""

    def close(self) -> None:
        """Publish what is committed and release all handles."""


Vouch: TypeAlias = Callable[[str, str, Assurance | None, datetime], Requester]
"""Gives a person of an authority, under the directory's record; raises `CredentialRefused`."""


def _nobody(*_: object) -> Requester:
    raise CredentialRefused("expected a gate with a directory of authorities")


class Answer:
    """What the gate lets out. Made by a gate alone.

    ``outcome`` is ``released``, ``refused`` or ``needs_approval``; the public view counts as
    released. ``body`` is the RDAP answer (an RDAP error object for a refusal). ``receipt`` is
    None for the public view. ``held`` is why nothing was released that the policy would release:
    a budget that is spent, a second approver that is missing, a stop.
    """

    __slots__ = ("__dict__", "_policy", "body", "decision", "held", "name", "receipt")

    def __init__(  # noqa: PLR0917  made at two places
        self,
        name: str,
        decision: Decision,
        body: PublicBytes | Sealed,
        receipt: Receipt | None,
        policy: Policy,
        held: ReleaseHeld | None = None,
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
        self.held = held

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

    def evidence(self, vkey: str) -> bytes:
        """The evidence zip: answer, receipt, policy, and a page for a court.

        ``vkey`` is the public key of the log, from ``keys/log.vkey``. Raises `EvidenceError` for
        the public view, which leaves no entry, and when the log signs with another key.
        """
        if self.receipt is None:
            raise EvidenceError("expected a gated answer: the public view leaves no evidence")
        try:
            return evidence_zip(self.body, self.receipt.proof, self._policy.text, vkey)
        except VerificationFailed as failure:
            raise EvidenceError(f"the evidence would not hold: {failure}") from None

    def whois(self) -> str:
        """The same answer as WHOIS text, rendered from ``body``."""
        return whois.from_rdap(self.body)


class Gate:
    """The synchronous gate; safe to share between threads, and across a fork before first use."""

    def __init__(
        self,
        settings: Settings,
        source: Source,
        log: Log,
        clock: Callable[[], datetime],
        vouch: Vouch = _nobody,
    ) -> None:
        self._middle, self._source, self.log, self._clock = Middle(settings), source, log, clock
        self._vouch = vouch

    def requester(
        self, authority: str, person: str, *, assurance: Assurance | None = None
    ) -> Requester:
        """Somebody of a listed authority, whom your own application has made sure of.

        The directory's record says all else, also the most that ``assurance`` may be; without one,
        that. Make one for each question: after a change of the record `ask` refuses it. Raises
        `CredentialRefused` or `LogUnavailable`.
        """
        try:
            return self._vouch(authority, person, assurance, self._clock())
        except CredentialRefused:
            self.count("credential_refused")
            raise

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
        sealed_until: str | None = None,
    ) -> Answer:
        """Answer one question; without a purpose, basis, case or elements the public view.

        Raises `RequesterError` (a malformed word, no record), `SourceError`, or `LogUnavailable`.
        """
        now = self._clock()
        question = Question.of(
            name,
            purpose=purpose,
            basis=basis,
            case=case,
            elements=elements,
            urgency=urgency,
            sealed_until=sealed_until,
        )
        return self.answer(question, requester, now)

    def answer(self, question: Question, requester: Requester, arrived: datetime) -> Answer:
        """Answer a parsed question that arrived at ``arrived``."""
        middle = self._middle
        _tally_hourly(middle, self.log, arrived)
        middle.admit(question, requester, arrived)
        policy = middle.settings.policy
        if not question.gated:
            held = middle.cached(question.name, "rdap", arrived) or middle.public(
                self._find(question.name), "rdap", arrived
            )
            middle.counts.add("public")
            return Answer(question.name, held.decision, held.body, None, policy)
        record = self._find(question.name, fresh=True)
        step = middle.settle(record, question, requester, arrived)
        if step.decision.outcome is Outcome.NEEDS_APPROVAL:
            granted = self.log.granted(question_key(question, requester))
            if granted:
                step = middle.settle(record, question, requester, arrived, granted)
        while True:
            try:
                receipt = self.log.append(step.draft).result()
            except ReleaseHeld as held:
                if step.draft.kind == "refusal":
                    raise
                granted = None
                if isinstance(held, SecondApproverNeeded):
                    granted = self.log.granted(question_key(question, requester))
                step = middle.hold(record, question, requester, arrived, held, granted)
                continue
            return Answer(question.name, step.decision, step.body, receipt, policy, step.held)

    def public(self, name: str, form: str = "rdap") -> PublicBytes:
        """The finished public body of a name, as ``rdap`` or ``whois``."""
        now = self._clock()
        middle = self._middle
        _tally_hourly(middle, self.log, now)
        if at_hand := middle.cached(name, form, now):
            middle.counts.add("public")
            return at_hand.body
        question = Question.of(name)
        middle.admit(question, PUBLIC, now)
        held = middle.cached(question.name, form, now) or middle.public(
            self._find(question.name), form, now
        )
        middle.counts.add("public")
        return held.body

    def adopt(self, settings: Settings) -> None:
        """Answer later questions under other settings; what is being answered ends as it began."""
        self._middle = Middle(settings, self._middle.counts)

    def invalidate(self, name: str) -> None:
        """Forget the cached public body of a canonical name."""
        self._middle.invalidate(name)

    def count(self, what: str) -> None:
        """Count something that gets no entry of its own (a stranger's failure)."""
        self._middle.counts.add(what)

    def tally(self) -> Receipt | None:
        """Log the counts since the last tally; None when nothing was counted.

        The gate does so by itself once an hour and when it closes. What could not be logged is
        counted on.
        """
        logged = _tallied(self._middle, self.log, self._clock())
        return logged.result() if logged else None

    def close(self) -> None:
        """Log the last counts and close the log."""
        try:
            self.tally()
        finally:
            self.log.close()

    def _find(self, name: str, *, fresh: bool = False) -> Record:
        try:
            find = _fresh(self._source) if fresh else self._source.find
            record = cast("Find", find)(name)
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
        vouch: Vouch = _nobody,
    ) -> None:
        self._middle, self._source, self.log, self._clock = Middle(settings), source, log, clock
        self._executor, self._find_timeout_s = executor, find_timeout_s
        self._asynchronous = inspect.iscoroutinefunction(source.find)
        self._vouch = vouch

    async def requester(
        self, authority: str, person: str, *, assurance: Assurance | None = None
    ) -> Requester:
        """As `Gate.requester`."""
        ask, now = (authority, person, assurance), self._clock()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, self._vouch, *ask, now)
        except CredentialRefused:
            self.count("credential_refused")
            raise

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
        sealed_until: str | None = None,
    ) -> Answer:
        """As `Gate.ask`."""
        now = self._clock()
        question = Question.of(
            name,
            purpose=purpose,
            basis=basis,
            case=case,
            elements=elements,
            urgency=urgency,
            sealed_until=sealed_until,
        )
        return await self.answer(question, requester, now)

    async def answer(self, question: Question, requester: Requester, arrived: datetime) -> Answer:
        """As `Gate.answer`."""
        middle = self._middle
        _tally_hourly(middle, self.log, arrived)
        middle.admit(question, requester, arrived)
        policy = middle.settings.policy
        if not question.gated:
            held = middle.cached(question.name, "rdap", arrived) or middle.public(
                await self._find(question.name), "rdap", arrived
            )
            middle.counts.add("public")
            return Answer(question.name, held.decision, held.body, None, policy)
        record = await self._find(question.name, fresh=True)
        step = middle.settle(record, question, requester, arrived)
        if step.decision.outcome is Outcome.NEEDS_APPROVAL:
            granted = await self._granted(question, requester)
            if granted:
                step = middle.settle(record, question, requester, arrived, granted)
        while True:
            try:
                receipt = await asyncio.wrap_future(self.log.append(step.draft))
            except ReleaseHeld as held:
                if step.draft.kind == "refusal":
                    raise
                granted = None
                if isinstance(held, SecondApproverNeeded):
                    granted = await self._granted(question, requester)
                step = middle.hold(record, question, requester, arrived, held, granted)
                continue
            return Answer(question.name, step.decision, step.body, receipt, policy, step.held)

    async def _granted(self, question: Question, requester: Requester) -> Granted | None:
        key = question_key(question, requester)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self.log.granted, key)

    def at_hand(self, name: str, form: str = "rdap") -> Cached | None:
        """A public body, and its decision, that needs no waiting; counted as answered."""
        middle, now = self._middle, self._clock()
        _tally_hourly(middle, self.log, now)
        held = middle.cached(name, form, now)
        if held is not None:
            middle.counts.add("public")
        return held

    async def public(self, name: str, form: str = "rdap") -> PublicBytes:
        """As `Gate.public`."""
        middle, now = self._middle, self._clock()
        _tally_hourly(middle, self.log, now)
        question = Question.of(name)
        middle.admit(question, PUBLIC, now)
        held = middle.cached(question.name, form, now) or middle.public(
            await self._find(question.name), form, now
        )
        middle.counts.add("public")
        return held.body

    @property
    def settings(self) -> Settings:
        """What answers are given under now."""
        return self._middle.settings

    def adopt(self, settings: Settings) -> None:
        """As `Gate.adopt`."""
        self._middle = Middle(settings, self._middle.counts)

    def invalidate(self, name: str) -> None:
        """As `Gate.invalidate`."""
        self._middle.invalidate(name)

    def count(self, what: str) -> None:
        """As `Gate.count`."""
        self._middle.counts.add(what)

    async def tally(self) -> Receipt | None:
        """As `Gate.tally`."""
        logged = _tallied(self._middle, self.log, self._clock())
        if logged is None:
            return None
        return await asyncio.wrap_future(logged)

    async def close(self) -> None:
        """As `Gate.close`; an asynchronous source is closed as well."""
        try:
            close = getattr(self._source, "close", None)
            if inspect.iscoroutinefunction(close):
                await close()
            await self.tally()
        finally:
            await asyncio.to_thread(self.log.close)

    async def _find(self, name: str, *, fresh: bool = False) -> Record:
        find = _fresh(self._source) if fresh else self._source.find
        try:
            async with asyncio.timeout(self._find_timeout_s):
                if self._asynchronous:
                    record = await cast("AsyncFind", find)(name)
                else:
                    record = await asyncio.get_running_loop().run_in_executor(
                        self._executor, cast("Find", find), name
                    )
        except TimeoutError:
            raise SourceTooSlow(f"expected a record within `{self._find_timeout_s:g}` s") from None
        except Exception as error:  # noqa: BLE001  a registrar's own code: anything may come
            raise _source_error(error) from None
        return _present(record, name, self._middle)


def _tally_hourly(middle: Middle, log: Log, now: datetime) -> None:
    """Once an hour that questions come; nobody waits for it."""
    if middle.counts.due(now):
        _tallied(middle, log, now)


def _tallied(middle: Middle, log: Log, now: datetime) -> Future[Receipt] | None:
    draft = middle.tally(now)
    if draft is None:
        return None
    logged = log.append(draft)
    logged.add_done_callback(lambda done: middle.count_on(draft) if done.exception() else None)
    return logged


def _fresh(source: Source | AsyncSource) -> Find | AsyncFind:
    find: Find | AsyncFind = getattr(source, "find_fresh", source.find)
    return find


def _source_error(error: Exception) -> SourceError:
    if isinstance(error, SourceError):
        return error
    # The cause's text may hold a registrant's value, so only its type is told.
    return SourceFailed(f"the source failed with `{type(error).__name__}`")


def _present(record: Record | None, name: str, middle: Middle) -> Record:
    if record is None:
        middle.counts.add("not_found")
        raise NameNotFound(name)
    if record.name != name:
        raise SourceFailed(f"expected the record of `{name}`, got another")
    return record
