"""What tests of whoisgate, and of code around it, are made of: a log without a disk.

`MemoryLog` makes real entries, proofs and signatures under a key of its own, and refuses what the
log on disk refuses; an authority that was never listed in it counts as listed. It keeps nothing
beyond its own life: never put it behind real data.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from whoisgate import accounts
from whoisgate.accounts import Key, Settled, Stop
from whoisgate.audit.draft import Barred, Done, Draft, Grant, Lifted, Listed
from whoisgate.audit.entry import seal
from whoisgate.audit.envelope import KEY_BYTES, NONCE_BYTES, SHRED_BYTES, TOKEN_BYTES
from whoisgate.audit.note import Signer
from whoisgate.audit.proof import receipt, signed_checkpoint
from whoisgate.audit.receipt import Receipt
from whoisgate.audit.tree import Edge, grow
from whoisgate.audit.verify import VerifierKey, leaf_hash
from whoisgate.budgets import Account
from whoisgate.conduct import Habit
from whoisgate.elements import element
from whoisgate.errors import (
    ApprovalSpent,
    BudgetSpent,
    ClockBehind,
    CredentialRefused,
    LogUnavailable,
    ReceiptNotFound,
    UnknownEntry,
    WhoisgateError,
)
from whoisgate.middle import Granted
from whoisgate.queries import Once


@dataclass(slots=True)
class _Waiting:
    question: bytes
    grant: Grant | None = None
    used: bool = False

    def open(self, now: datetime) -> bool:
        return self.grant is not None and not self.used and now < self.grant.expires


@dataclass(slots=True)
class _Book:
    """The accounts of `accounts`, under their names; nothing is ever pruned."""

    accounts: dict[Key, Account] = field(default_factory=dict)
    counted: dict[Key, int] = field(default_factory=dict)
    habits: dict[str, Habit] = field(default_factory=dict)
    stops: dict[str, Stop] = field(default_factory=dict)

    def account(self, key: Key, now_us: int) -> Account:
        return self.accounts.get(key, Account()).at(now_us)

    def counted_us(self, _shelf: Key, keys: Sequence[Key]) -> Mapping[Key, int]:
        return {key: self.counted[key] for key in keys if key in self.counted}

    def habit(self, requester: str) -> Habit:
        return self.habits.get(requester, Habit())

    def stop(self, requester: str) -> Stop | None:
        return self.stops.get(requester)

    def write(self, settled: Settled, index: int) -> None:
        for noted in settled.noted:
            self.accounts[noted.key] = noted.after
            self.counted |= dict.fromkeys(noted.counted, noted.after.at_us)
        requester = settled.draft.requester
        if settled.habit is not None:
            self.habits[requester] = settled.habit
        if settled.stops:
            self.stops[requester] = Stop(index, None)

    def stopped(self, entry: int) -> str | None:
        """Whom this entry stopped, if that holds."""
        return next((who for who, s in self.stops.items() if s == (entry, None)), None)


class MemoryLog:
    """An audit log in memory, under the origin ``log.example/2026``; safe between threads."""

    def __init__(self, *, clock: Callable[[], datetime], entropy: Callable[[int], bytes]) -> None:
        self._clock, self._entropy = clock, entropy
        self._signer = Signer.generate("log.example/2026", entropy)
        self._epoch_key = entropy(KEY_BYTES)
        self._lock = threading.Lock()  # guards everything below
        self._edge, self._closed = Edge(), False
        self._last: datetime | None = None
        self._leaves: list[bytes] = []
        self._used: set[Once] = set()
        self._receipts: dict[tuple[int, str, str], str] = {}
        self._waiting: dict[int, _Waiting] = {}
        self._spent: Counter[tuple[str, str]] = Counter()
        self._due: list[bool] = []
        self._listed: dict[str, tuple[int, str]] = {}
        self._barred: set[str] = set()
        self._book = _Book()

    @property
    def key(self) -> VerifierKey:
        """The public key that receipts verify with."""
        return self._signer.verifier

    @property
    def leaves(self) -> tuple[bytes, ...]:
        """The published bytes of all entries, in order."""
        return tuple(self._leaves)

    def size(self) -> int:
        """How many entries there are."""
        return len(self._leaves)

    def append(self, draft: Draft) -> Future[Receipt]:
        """Log ``draft`` at once; the future is already resolved."""
        future: Future[Receipt] = Future()
        with self._lock:
            try:
                future.set_result(self._append(draft))
            except (WhoisgateError, ValueError, TypeError) as error:
                future.set_exception(error)
        return future

    def granted(self, question: bytes) -> Granted | None:
        """The unspent, unexpired approval of this question, if there is one: as the log on disk."""
        now = self._clock()
        found = (
            Granted(entry, frozenset(map(element, waiting.grant.elements)))
            for entry, waiting in self._waiting.items()
            if waiting.question == question and waiting.open(now) and waiting.grant
        )
        return max(found, key=lambda granted: len(granted.elements), default=None)

    def receipt(self, index: int, token: str, requester: str) -> str:
        """The proof of an entry again; raises `ReceiptNotFound`."""
        try:
            return self._receipts[index, token, requester]
        except KeyError:
            raise ReceiptNotFound("no receipt at this address for this requester") from None

    def close(self) -> None:
        """Later appends fail."""
        self._closed = True

    def _append(self, draft: Draft) -> Receipt:
        now = self._now()
        self._admit(draft, now)
        settled = accounts.settle(self._book, draft, _us(now))
        self._check(draft, now, stops=settled.stops)
        draft = settled.draft
        index, secret = len(self._leaves), self._entropy(SHRED_BYTES)
        sealed = seal(
            draft,
            logged_at=now,
            node="memory",
            sequence=index,
            nonce=self._entropy(NONCE_BYTES),
            shred=secret,
            epoch_key=self._epoch_key,
        )
        grown = grow(self._edge, [leaf_hash(sealed.leaf)])
        self._leaves.append(sealed.leaf)
        self._edge, self._last = grown.edge, now
        self._settle(draft, index, now, stops=settled.stops)
        self._book.write(settled, index)
        note = signed_checkpoint(self._signer, grown.edge.size, grown.root)
        token, place = self._entropy(TOKEN_BYTES), (index, grown.proofs[0])
        made = receipt(draft, sealed, place, note, token, settled.quotas)
        self._receipts[index, made.token, draft.requester] = made.proof
        return made

    def _now(self) -> datetime:
        if self._closed:
            raise LogUnavailable("the log is closed")
        now, last = self._clock(), self._last
        if last is not None and now < last - timedelta(seconds=5):
            raise ClockBehind("the clock is behind the last entry")
        return now if last is None else max(now, last)

    def _admit(self, draft: Draft, now: datetime) -> None:
        if not self._used.isdisjoint(draft.once) or any(p.until <= now for p in draft.once):
            raise CredentialRefused("expected a proof that was not used before: make another")
        if draft.valid_until is not None and draft.valid_until <= now:
            raise CredentialRefused("the credential ended before the entry was logged")
        entry, state = self._listed.get(draft.authority, (draft.listed, "active"))
        if (entry, state) != (draft.listed, "active") or draft.requester in self._barred:
            raise CredentialRefused("the directory says otherwise of this requester now")

    def _check(self, draft: Draft, now: datetime, *, stops: bool) -> None:
        spent = self._spent[_account(draft, now)]
        if draft.budget is not None and not stops and spent >= draft.budget:
            raise BudgetSpent("this requester's budget of the day is spent")
        if draft.uses is not None:
            used = self._waiting.get(draft.uses)
            if used is None or used.question != draft.question or not used.open(now):
                raise ApprovalSpent("the approval was used or ran out")
        if isinstance(draft.settles, Grant):
            waiting = self._waiting.get(draft.settles.entry)
            if waiting is None or waiting.grant is not None:
                raise UnknownEntry("expected a question that waits for approval")
        if isinstance(draft.settles, Done):
            done = draft.settles.obligation
            if not (0 < done <= len(self._due) and self._due[done - 1]):
                raise UnknownEntry("expected an obligation still to be done")
        if isinstance(draft.settles, Lifted) and not self._book.stopped(draft.settles.entry):
            raise UnknownEntry("expected an entry that stops somebody")

    def _settle(self, draft: Draft, index: int, now: datetime, *, stops: bool) -> None:
        self._used.update(draft.once)
        if draft.budget is not None and not stops:
            self._spent[_account(draft, now)] += 1
        if draft.uses is not None:
            self._waiting[draft.uses].used = True
        if isinstance(draft.settles, Grant):
            self._waiting[draft.settles.entry].grant = draft.settles
        if isinstance(draft.settles, Listed):
            self._listed[draft.settles.name] = index, draft.settles.state
        if isinstance(draft.settles, Barred):
            change = self._barred.add if draft.settles.barred else self._barred.discard
            change(draft.settles.identity)
        if draft.kind == "pending":
            self._waiting[index] = _Waiting(draft.question)
        self._due.extend(True for _ in draft.dues)
        if isinstance(draft.settles, Done):
            self._due[draft.settles.obligation - 1] = False
        if isinstance(draft.settles, Lifted):
            who = self._book.stopped(draft.settles.entry) or ""
            self._book.stops[who] = Stop(draft.settles.entry, index)


def _account(draft: Draft, now: datetime) -> tuple[str, str]:
    return f"{now:%Y-%m-%d}", draft.requester


def _us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
