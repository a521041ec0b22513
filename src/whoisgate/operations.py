"""What an operator does to the audit log: approve, open, erase, prune, recover, change the key.

Each leaves an entry of its own, in the transaction that does it. Who does it, why and to which
entries is committed and not shown: an entry in clear would tell a registrant that there was
something to open or erase.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from whoisgate import app
from whoisgate.app import Folder
from whoisgate.audit import COMMITTED
from whoisgate.audit.draft import (
    JSON,
    Done,
    Draft,
    Erased,
    Grant,
    Lifted,
    NewKey,
    RetiredKey,
    Settlement,
    Unsealed,
)
from whoisgate.audit.entry import rfc3339
from whoisgate.audit.note import key_change
from whoisgate.audit.question import QuestionSigner
from whoisgate.audit.receipt import Receipt
from whoisgate.audit.verify import TILE_WIDTH, Retention, VerifierKey, parse_vkey
from whoisgate.elements import element
from whoisgate.errors import EntryHeld, UnknownEntry
from whoisgate.queries import canonical_name
from whoisgate.staff import Signs, signature
from whoisgate.stores.sqlite import Opened, Pending, SQLiteLog

ERASURE_REASONS: Final = ("request", "retention", "order", "mistake")
"""Why entries are erased: all that the public log says of it."""


def logged(
    folder: Folder, log: SQLiteLog, kind: str, outcome: str, detail: Mapping[str, JSON], *,
    settles: Settlement | None = None, said: Mapping[str, JSON] | None = None,
    sealed: Mapping[str, JSON] | None = None, authority: str | None = None,
    signs: Signs | None = None,
) -> Receipt:  # fmt: skip
    """An operator's entry: what was done is committed, ``said`` stands in clear.

    ``sealed`` is in the envelope alone. What ``signs`` stand under needs a signature where
    `[staff]` lists anybody: raises `MissingKey`.
    """
    now = app.utc_now()
    fields: dict[str, JSON] = {"outcome": outcome, "detail": detail, "authority": authority}
    if signs is not None:
        whole = {**fields, "kind": kind, "decided_at": rfc3339(now)}
        config = folder.config
        fields["detail"] = {
            **detail,
            **signature(config.staff.signers, signs, config.gate.origin, whole),
        }
    draft = Draft(
        *(kind, folder.policy.digest, now, fields, sealed or {}),
        open=said,
        settles=settles,
    )
    return log.append(draft).result()


# --- What waits for an operator -------------------------------------------------------------


class Queue(NamedTuple):
    """What waits for an operator, each entry with its opened fields: questions, and stops."""

    questions: list[tuple[Pending, Mapping[str, JSON]]]
    stops: list[tuple[int, Mapping[str, JSON]]]


def queue(folder: Folder, log: SQLiteLog) -> Queue:
    """The questions that wait for approval, and the entries that stopped somebody.

    Opening is logged first, in an entry of its own that names the entries opened.
    """
    key = folder.operator_key()
    waiting, stopped = log.pending(), log.stopped()
    if waiting or stopped:
        entries = sorted({*(p.entry for p in waiting), *stopped})
        logged(folder, log, "opened", "opened", {"entries": entries})
    return Queue(
        [(p, log.open_entry(p.entry, key).fields) for p in waiting],
        [(entry, _fields(log, entry, key)) for entry in stopped],
    )


def _fields(log: SQLiteLog, entry: int, key: X25519PrivateKey) -> Mapping[str, JSON]:
    """The opened fields of an entry; all unknown if it was erased meanwhile."""
    try:
        return log.open_entry(entry, key).fields
    except UnknownEntry:
        return dict.fromkeys(COMMITTED)


def approve(
    folder: Folder, log: SQLiteLog, entry: int, elements: Iterable[str], *,
    by: str, expires: datetime, signer: QuestionSigner | None = None,
) -> Receipt:  # fmt: skip
    """Grant a pending question for ``elements`` until ``expires``: an entry of its own.

    ``signer`` signs it, here and below, where `[staff]` lists anybody; else raises `MissingKey`.
    """
    names = tuple(sorted({element(e).name for e in elements}))
    detail: dict[str, JSON] = {"entry": entry, "elements": names, "by": by}
    grant = Grant(entry, names, by, expires)
    signs = Signs(by, signer)
    return logged(folder, log, "approval", "granted", detail, settles=grant, signs=signs)


def lift(
    folder: Folder, log: SQLiteLog, entry: int, *,
    by: str, reason: str, signer: QuestionSigner | None = None,
) -> Receipt:  # fmt: skip
    """Let somebody ask again whom ``entry`` stopped: an entry of its own."""
    detail: dict[str, JSON] = {"entry": entry, "by": by, "reason": reason}
    settles, signs = Lifted(entry), Signs(by, signer)
    return logged(folder, log, "approval", "lifted", detail, settles=settles, signs=signs)


def done(folder: Folder, log: SQLiteLog, obligation: int) -> Receipt:
    """Mark an obligation as done: an entry of its own."""
    detail: dict[str, JSON] = {"obligation": obligation}
    return logged(folder, log, "obligation", "done", detail, settles=Done(obligation))


# --- Opening --------------------------------------------------------------------------------


def open_entries(
    folder: Folder, log: SQLiteLog, entries: Sequence[int], *, by: str, reason: str,
    key_file: Path | None = None,
) -> list[Opened]:  # fmt: skip
    """What the envelopes of these entries hold, after an entry that says so.

    Raises `MissingKey` before anything is logged, and `UnknownEntry` for one that does not open.
    """
    key = folder.operator_key(key_file)
    if entries:
        detail: dict[str, JSON] = {"entries": list(entries), "by": by, "reason": reason}
        logged(folder, log, "opened", "opened", detail)
    return [log.open_entry(entry, key) for entry in entries]


# --- Erasing --------------------------------------------------------------------------------


def erase(
    folder: Folder, log: SQLiteLog, entries: Sequence[int], *,
    reason: str, by: str, approved_by: str, note: str = "", signer: QuestionSigner | None = None,
) -> Receipt:  # fmt: skip
    """Erase the envelopes of these entries, each once, for good; the entry that says so.

    ``signer`` signs for ``approved_by`` where `[staff]` lists anybody; what is older than the
    configuration keeps needs none.

    There is an entry also where there was nothing to erase, and where a hold or a seal keeps
    something, for its absence would tell. Erasing an erasure, it names again what that one named,
    for nothing else would. Returns once the shred secrets are overwritten. Raises `EntryHeld` and
    `UnknownEntry`, and then nothing is erased.
    """
    if reason not in ERASURE_REASONS:
        raise ValueError(f"expected one of {', '.join(ERASURE_REASONS)}")
    entries = tuple(dict.fromkeys(entries))
    who: dict[str, JSON] = {"by": by, "approved_by": approved_by, "note": note}
    said = {"reason": reason}
    aged = signer is None and set(entries) <= set(outlived(folder, log))
    signs = None if aged else Signs(approved_by, signer)
    sealed = {seal.entry for seal in log.sealed()}
    if kept := sorted((held(folder, log) | sealed) & set(entries)):
        detail = {**who, "entries": [], "held": kept}
        logged(folder, log, "erasure", "refused", detail, said=said, signs=signs)
        why = "sealed: unseal it first" if kept[0] in sealed else "held: see [[hold]]"
        raise EntryHeld(f"entry `{kept[0]}` is {why}; nothing was erased")
    detail = {**who, "entries": [*entries, *log.erased_by(entries)]}
    erased = Erased(entries)
    receipt = logged(
        folder, log, "erasure", "erased", detail, settles=erased, said=said, signs=signs
    )
    log.publish()  # overwrites the secrets
    return receipt


def held(folder: Folder, log: SQLiteLog) -> set[int]:
    """The entries that a hold keeps now."""
    now, kept = app.utc_now(), set[int]()
    for hold in folder.config.hold:
        if now < hold.until:
            kept.update(hold.entries)
            kept.update(about(log, domain=hold.domain, requester=hold.requester))
    return kept


def about(log: SQLiteLog, *, domain: str | None = None, requester: str | None = None) -> list[int]:
    """The entries about a domain, in any spelling, and those of a requester, ``AUTHORITY/PERSON``.

    A slash may stand in either part; `Requester.identity` is taken too. Raises `MalformedName`.
    """
    found = set[int]()
    if domain is not None:
        found.update(log.about("domain", canonical_name(domain)))
    if requester is not None:
        slashes = [at for at, letter in enumerate(requester) if letter == "/"]
        for identity in (requester, *(f"{at}:{requester}" for at in slashes)):
            found.update(log.about("requester", identity))
    return sorted(found)


def outlived(folder: Folder, log: SQLiteLog) -> list[int]:
    """The entries older than the configuration keeps them, none of them held.

    What came after an entry that is still sealed waits for its unsealing: it may extend that seal.
    """
    days = folder.config.log.keep_envelopes_days
    old, kept = log.logged_before(app.utc_now() - timedelta(days=days)), held(folder, log)
    sealed = min((seal.entry for seal in log.sealed()), default=log.size())
    return [entry for entry in old if entry < sealed and entry not in kept]


def prune(folder: Folder, log: SQLiteLog) -> Retention:
    """Publish the retention policy, and prune the entries that it no longer keeps; the policy.

    No entry is pruned that can still be opened. Raises `LogUnavailable`.
    """
    settings, before = folder.config.log, log.promised()
    minimum = before.minimum if before else 0
    days = settings.keep_entries_days
    if days is not None:
        end = log.size_before(app.utc_now() - timedelta(days=days))
        unerased = log.logged_before(app.utc_now())
        end = min([end, *unerased[:1]])
        minimum = max(minimum, end - end % TILE_WIDTH)
    promised = Retention(
        folder.config.gate.origin,
        minimum,
        "always" if days is None else f"{days} days",
        f"{settings.keep_envelopes_days} days",
    )
    log.publish()
    log.retain(promised)
    return promised


# --- Seals ----------------------------------------------------------------------------------


def unseal(
    folder: Folder, log: SQLiteLog, entry: int, *,
    by: str, reason: str, until: datetime | None = None,
) -> Receipt:  # fmt: skip
    """Unseal an entry, or seal it further ``until`` a later date: an entry of its own.

    Raises `UnknownEntry` for one that is not sealed, and for a date that is not later or further
    away than `seal_at_most_days`.
    """
    most = folder.config.log.seal_at_most_days
    if until is not None and until > end_of(app.utc_now().date() + timedelta(days=most)):
        raise UnknownEntry(f"expected a date within the next `{most}` days")
    kind, outcome = ("unseal", "unsealed") if until is None else ("extend", "extended")
    detail: dict[str, JSON] = {
        "entry": entry, "by": by, "reason": reason,
        "sealed_until": until.isoformat() if until else None,
    }  # fmt: skip
    return logged(folder, log, kind, outcome, detail, settles=Unsealed(entry, until))


def end_of(day: date) -> datetime:
    """The last moment of a date in UTC."""
    return datetime.combine(day, time.max, UTC)


# --- Recovering -----------------------------------------------------------------------------


def recover(folder: Folder, *, by: str, reason: str) -> tuple[int, int]:
    """Bring an old database up to the published log: the sizes before and after.

    Where they differ, an entry says so. Raises `StaleLog` for a fork, and for a published log that
    is itself older than the copy of its checkpoint.
    """
    log = folder.log()
    try:
        before, after = log.recover()
        if before != after:
            said = {"from": before, "to": after}
            detail: dict[str, JSON] = {"by": by, "reason": reason}
            logged(folder, log, "recovery", "recovered", detail, said=said)
    finally:
        log.close()
    return before, after


# --- The signing key ------------------------------------------------------------------------


def rotate(folder: Folder, log: SQLiteLog) -> VerifierKey:
    """Put a new signing key beside the one in force, signed by both; the new key.

    From here on both sign. `retire` ends that. Raises `UnknownEntry` while there are two already.
    """
    signing = log.signing()
    if len(signing) > 1:
        raise UnknownEntry(f"expected one signing key: retire `{signing[-1]}` first")
    old = next(s for s in folder.signing_keys().values() if s.vkey == signing[0])
    new = folder.add_signing_key()
    logged(folder, log, "key", "added", {}, settles=NewKey(new.vkey), said=key_change(old, new))
    (folder.path / "keys" / "log.vkey").write_text(new.vkey + "\n")
    if promised := log.promised():
        log.retain(promised)  # the same, under the new key too
    return new.verifier


def retire(folder: Folder, log: SQLiteLog) -> VerifierKey:
    """End the overlap: the older key signs no more, and its private half is deleted."""
    signing = log.signing()
    if len(signing) < 2:  # noqa: PLR2004  the old one and the new
        raise UnknownEntry("expected two signing keys: `whoisgate log rotate` adds one")
    old = parse_vkey(signing[-1])
    said = {"retired": old.text}
    logged(folder, log, "key", "retired", {}, settles=RetiredKey(old.text), said=said)
    for file, signer in folder.signing_keys().items():
        if signer.vkey == old.text:
            file.unlink()
    return old
