"""What an entry changes beside itself, in its transaction: budgets, approvals, duties, keys, seals.

Reads, and gives the writes: a draft that must not be logged leaves no trace. Nothing here
commits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import singledispatch
from typing import Final

from whoisgate import accounts
from whoisgate.accounts import Settled
from whoisgate.audit.draft import (
    Barred,
    Carried,
    CarriedStop,
    Confirmed,
    Done,
    Draft,
    Erased,
    Grant,
    Imported,
    Lifted,
    Listed,
    NewKey,
    Proposed,
    RetiredKey,
    Settlement,
    Unsealed,
)
from whoisgate.errors import (
    ApprovalSpent,
    BudgetSpent,
    CredentialRefused,
    DirectoryChanged,
    MalformedAuthority,
    UnknownEntry,
)
from whoisgate.queries import Once
from whoisgate.stores.book import Rows
from whoisgate.stores.tables import Tags, directory_entry, to_us

_DAY_US: Final = 86_400_000_000

Statement = tuple[str, Sequence[object]]
Duty = tuple[int, str, int]
"""The entry, what to do, and when it is due."""


def settlements(
    book: Rows, draft: Draft, index: int, now: datetime
) -> tuple[Settled, list[Statement]]:
    """What a draft settles in the accounts, and the other writes beside entry ``index``.

    Neither is done yet.

    Raises what forbids this draft: `CredentialRefused`, `BudgetSpent`, `ApprovalSpent`,
    `ReleaseHeld` or `UnknownEntry`.
    """
    database, tags = book.database, book.tags
    if draft.valid_until is not None and draft.valid_until <= now:
        raise CredentialRefused("the credential ended before the entry was logged")
    if draft.requester:
        _admit(book, draft)
    statements = [_use_up(database, proof, now) for proof in draft.once]
    settled = accounts.settle(book, draft, to_us(now))
    # What stops somebody is logged even where the refusals of the day are used up.
    if draft.budget is not None and not settled.stops:
        statements += _debit(database, tags, draft, draft.budget, now)
    if draft.uses is not None:
        approval = (draft.uses, tags.tag("question", draft.question))
        statements.append(_use(database, approval, index, now))
    if draft.settles is not None:
        statements += _settle(draft.settles, _At(database, tags, index, now))
    if draft.kind == "pending":
        question = tags.tag("question", draft.question)
        statements.append((
            "INSERT INTO pending (idx, question, logged_at) VALUES (?, ?, ?)",
            (index, question, to_us(now)),
        ))  # fmt: skip
    sealed = draft.sealed_until and to_us(draft.sealed_until)
    if sealed:
        statements.append(("INSERT INTO sealed (idx, until) VALUES (?, ?)", (index, sealed)))
    return settled, statements


def duties(draft: Draft, index: int, now: datetime) -> list[Duty]:
    """What entry ``index`` obliges to."""
    waits = draft.sealed_until
    return [
        (
            index,
            str(due.do),
            to_us(max(now + due.after, waits) if waits and due.do == NOTICE else now + due.after),
        )
        for due in draft.dues
    ]


NOTICE: Final = "notify_registrant"
"""The duty that waits for a seal's end."""


def _admit(book: Rows, draft: Draft) -> None:
    """Refuse whoever may not ask any more; an authority that is not listed has nobody to revoke."""
    listed = book.listed(draft.authority)
    if listed is not None and listed.state != ACTIVE:
        raise CredentialRefused(f"the authority is {listed.state}")
    if draft.listed is not None and (listed is None or listed.entry != draft.listed):
        raise CredentialRefused("what the directory says of the authority has changed; ask again")
    if book.barred(draft.requester):
        raise CredentialRefused("this person may not ask at present")


def _use_up(database: sqlite3.Connection, proof: Once, now: datetime) -> Statement:
    """Take a proof once, whichever process it was shown to first."""
    row = (to_us(proof.until), proof.mark)
    if proof.until <= now:
        raise CredentialRefused("the proof ended before the entry was logged; make another")
    if database.execute("SELECT 1 FROM used WHERE until = ? AND mark = ?", row).fetchone():
        raise CredentialRefused("expected a proof that was not used before: make another")
    return "INSERT INTO used (until, mark) VALUES (?, ?)", row


ACTIVE: Final = "active"
"""The state of an authority for which people may ask."""


def _debit(
    database: sqlite3.Connection, tags: Tags, draft: Draft, budget: int, now: datetime
) -> list[Statement]:
    account = (to_us(now) // _DAY_US, tags.tag("requester", draft.requester))
    row = database.execute(
        "SELECT spent FROM budget WHERE day = ? AND requester = ?", account
    ).fetchone()
    if (row[0] if row else 0) >= budget:
        raise BudgetSpent(f"expected at most `{budget}` questions a day that release nothing")
    spend = (
        "INSERT INTO budget (day, requester, spent) VALUES (?, ?, 1)"
        " ON CONFLICT (day, requester) DO UPDATE SET spent = spent + 1"
    )
    # Yesterday's accounts stay for a clock that steps back over midnight.
    return [(spend, account), ("DELETE FROM budget WHERE day < ?", (account[0] - 1,))]


def _use(
    database: sqlite3.Connection, approval: tuple[int, bytes], index: int, now: datetime
) -> Statement:
    if not database.execute(
        "SELECT 1 FROM pending WHERE idx = ? AND question = ? AND used_by IS NULL AND expires > ?",
        (*approval, to_us(now)),
    ).fetchone():
        raise ApprovalSpent(f"the approval of question `{approval[0]}` was used or ran out")
    return "UPDATE pending SET used_by = ? WHERE idx = ?", (index, approval[0])


@dataclass(frozen=True, slots=True)
class _At:
    """Where an entry stands."""

    database: sqlite3.Connection
    tags: Tags
    index: int
    now: datetime


@singledispatch
def _settle(settles: Settlement, _at: _At) -> list[Statement]:
    raise TypeError(f"expected what an entry settles, got `{type(settles).__name__}`")


@_settle.register
def _grant(grant: Grant, at: _At) -> list[Statement]:
    if not at.database.execute(
        "SELECT 1 FROM pending WHERE idx = ? AND granted_by IS NULL", (grant.entry,)
    ).fetchone():
        raise UnknownEntry(f"expected a question that waits for approval, got `{grant.entry}`")
    elements, expires = " ".join(grant.elements), to_us(grant.expires)
    return [(
        "UPDATE pending SET granted_by = ?, elements = ?, expires = ? WHERE idx = ?",
        (at.index, elements, expires, grant.entry),
    )]  # fmt: skip


@_settle.register
def _done(done: Done, at: _At) -> list[Statement]:
    if not at.database.execute(
        "SELECT 1 FROM obligation WHERE id = ? AND done_at IS NULL", (done.obligation,)
    ).fetchone():
        raise UnknownEntry(f"expected an obligation still to be done, got `{done.obligation}`")
    return [("UPDATE obligation SET done_at = ? WHERE id = ?", (to_us(at.now), done.obligation))]


@_settle.register
def _new_key(new: NewKey, at: _At) -> list[Statement]:
    if at.database.execute("SELECT 1 FROM signer WHERE vkey = ?", (new.vkey,)).fetchone():
        raise UnknownEntry(f"expected a key that never signed, got `{new.vkey}`")
    return [("INSERT INTO signer VALUES (?, ?, NULL)", (new.vkey, at.index))]


@_settle.register
def _retired_key(old: RetiredKey, at: _At) -> list[Statement]:
    signing = at.database.execute("SELECT vkey FROM signer WHERE retired_by IS NULL").fetchall()
    if (old.vkey,) not in signing or len(signing) == 1:
        raise UnknownEntry(f"expected a key beside another that signs, got `{old.vkey}`")
    return [("UPDATE signer SET retired_by = ? WHERE vkey = ?", (at.index, old.vkey))]


@_settle.register
def _erased(erased: Erased, at: _At) -> list[Statement]:
    for entry in erased.entries:
        if not at.database.execute("SELECT 1 FROM vault WHERE idx = ?", (entry,)).fetchone():
            raise UnknownEntry(f"no envelope of entry `{entry}`")
    tables = ("vault", "pending", "obligation", "sealed")
    return [
        statement
        for entry in dict.fromkeys(erased.entries)
        for statement in (
            ("INSERT INTO erased (idx, erased_by) VALUES (?, ?)", (entry, at.index)),
            *((f"DELETE FROM {table} WHERE idx = ?", (entry,)) for table in tables),  # noqa: S608  names of our own
        )
    ]


_WAIT: Final = (
    "UPDATE obligation SET due_at = max(due_at, ?) WHERE idx = ? AND do = ? AND done_at IS NULL"
)


@_settle.register
def _unsealed(unsealed: Unsealed, at: _At) -> list[Statement]:
    entry, until = unsealed.entry, unsealed.until
    row = at.database.execute(
        "SELECT until FROM sealed WHERE idx = ? AND opened_by IS NULL", (entry,)
    ).fetchone()
    if row is None:
        raise UnknownEntry(f"expected a sealed entry, got `{entry}`")
    if until is None:
        return [("UPDATE sealed SET opened_by = ? WHERE idx = ?", (at.index, entry))]
    if to_us(until) <= max(row[0], to_us(at.now)):
        raise UnknownEntry("expected a date to come, and after the one until which it is sealed")
    return [
        ("UPDATE sealed SET until = ? WHERE idx = ?", (to_us(until), entry)),
        (_WAIT, (to_us(until), entry, NOTICE)),
    ]


_LIST: Final = (
    "INSERT INTO authority (name, record, state, entry) VALUES (?, ?, ?, ?) ON CONFLICT (name)"
    " DO UPDATE SET record = excluded.record, state = excluded.state, entry = excluded.entry"
)


@_settle.register
def _listed(listed: Listed, at: _At) -> list[Statement]:
    _unchanged(listed.seen, at)
    return _put(listed.name, listed.record, listed.state, at)


def _unchanged(seen: int, at: _At) -> None:
    """Whether the directory is the one that a change of it was decided on."""
    if directory_entry(at.database) != seen:
        raise DirectoryChanged("the directory has changed meanwhile: look at it, and try again")


def _put(name: str, record: str, state: str, at: _At) -> list[Statement]:
    return [
        (_LIST, (name, record, state, at.index)),
        # What was proposed before this change would take it back.
        ("DELETE FROM proposal WHERE name = ?", (name,)),
    ]


@_settle.register
def _proposed(proposed: Proposed, at: _At) -> list[Statement]:
    _unchanged(proposed.change.seen, at)
    return _propose(proposed.change, proposed.by, at)


def _propose(change: Listed, by: str, at: _At) -> list[Statement]:
    """The newest proposal for a name is the one that somebody else may confirm."""
    return [
        ("DELETE FROM proposal WHERE name = ? AND state != ?", (change.name, RESTORED)),
        (_PROPOSE, (at.index, change.name, change.record, change.state, by)),
    ]


_PROPOSE: Final = "INSERT INTO proposal (idx, name, record, state, by) VALUES (?, ?, ?, ?, ?)"
RESTORED: Final = "restored"
"""The state that a proposal gives to a person alone, whose tag is its record."""


@_settle.register
def _confirmed(confirmed: Confirmed, at: _At) -> list[Statement]:
    _unchanged(confirmed.seen, at)
    rows = at.database.execute(
        "SELECT name, record, state, by FROM proposal WHERE idx = ?", (confirmed.entry,)
    ).fetchall()
    if not rows:
        raise UnknownEntry(f"expected a proposed change, got `{confirmed.entry}`")
    if any(by == confirmed.by for *_, by in rows):
        raise UnknownEntry(f"expected somebody else than `{confirmed.by}`, who proposed it")
    return [each for name, record, state, _ in rows for each in _confirm(name, record, state, at)]


def _confirm(name: str, record: str, state: str, at: _At) -> list[Statement]:
    if state == RESTORED:
        return _bar(bytes.fromhex(record), at, barred=False)
    return _put(name, record, state, at)


@_settle.register
def _imported(imported: Imported, at: _At) -> list[Statement]:
    _unchanged(imported.seen, at)
    row = at.database.execute(
        "SELECT version FROM imported WHERE signer = ?", (imported.signer,)
    ).fetchone()
    if row is not None and imported.version < row[0]:
        raise MalformedAuthority(
            f"expected version `{row[0]}` or a later one of this directory, got "
            f"`{imported.version}`"
        )
    statements: list[Statement] = [(_NOTE, (imported.signer, imported.version))]
    for change in imported.changes:
        by = imported.proposed_by
        if by is not None and change.state == ACTIVE:
            statements += _propose(change, by, at)
        else:
            statements += _put(change.name, change.record, change.state, at)
    return statements


_NOTE: Final = (
    "INSERT INTO imported VALUES (?, ?) ON CONFLICT (signer)"
    " DO UPDATE SET version = excluded.version"
)
_BAR: Final = (
    "INSERT INTO barred (requester, entry, barred) VALUES (?, ?, ?) ON CONFLICT (requester)"
    " DO UPDATE SET entry = excluded.entry, barred = excluded.barred"
)


@_settle.register
def _barred(person: Barred, at: _At) -> list[Statement]:
    tag, by = at.tags.tag("requester", person.identity), person.proposed_by
    if by is None:
        return _bar(tag, at, barred=person.barred)
    return [
        ("DELETE FROM proposal WHERE record = ?", (tag.hex(),)),
        (_PROPOSE, (at.index, person.authority, tag.hex(), RESTORED, by)),
    ]


def _bar(tag: bytes, at: _At, *, barred: bool) -> list[Statement]:
    return [
        (_BAR, (tag, at.index, barred)),
        ("DELETE FROM proposal WHERE record = ?", (tag.hex(),)),
    ]


@_settle.register
def _lifted(lifted: Lifted, at: _At) -> list[Statement]:
    if not at.database.execute(
        "SELECT 1 FROM stopped WHERE idx = ? AND lifted_by IS NULL", (lifted.entry,)
    ).fetchone():
        raise UnknownEntry(f"expected an entry that stops somebody, got `{lifted.entry}`")
    return [("UPDATE stopped SET lifted_by = ? WHERE idx = ?", (at.index, lifted.entry))]


@_settle.register
def _carried(carried: Carried, at: _At) -> list[Statement]:
    if at.index != 1:
        raise UnknownEntry("expected a log that has just begun, to carry an earlier one over to")
    return [
        *((_LIST, (each.name, each.record, each.state, at.index)) for each in carried.authorities),
        *((_BAR, (tag, at.index, True)) for tag in carried.barred),
        *(("INSERT INTO stopped VALUES (?, ?, NULL)", (tag, at.index)) for tag in carried.stopped),
        *((_NOTE, noted) for noted in carried.imported),
    ]


@_settle.register
def _carried_stop(stop: CarriedStop, at: _At) -> list[Statement]:
    if not at.database.execute(
        "SELECT 1 FROM stopped WHERE requester = ? AND idx = 1 AND lifted_by IS NULL", (stop.tag,)
    ).fetchone():
        raise UnknownEntry("expected a stop that an earlier log handed on")
    return [("UPDATE stopped SET idx = ? WHERE requester = ?", (at.index, stop.tag))]
