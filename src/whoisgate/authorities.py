"""What an operator does to the directory of authorities: list, suspend, revoke, bar, exchange.

Each leaves an entry, in the transaction that does it, so that an answer in flight is released
before the change or not at all. To let somebody ask takes as many people as `[directory]` says,
their signatures where `[staff]` lists anybody, and the ``gateway`` extra where there are keys to
check; to stop somebody takes one person, no signature and no extra.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from hashlib import sha256
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from whoisgate import app
from whoisgate.app import Folder
from whoisgate.audit.draft import (
    JSON,
    Barred,
    Confirmed,
    Imported,
    Listed,
    Proposed,
)
from whoisgate.audit.question import QuestionSigner
from whoisgate.audit.receipt import Receipt
from whoisgate.errors import (
    DirectoryChanged,
    ExtraMissing,
    MalformedAuthority,
    UnknownEntry,
)
from whoisgate.operations import logged
from whoisgate.queries import Requester
from whoisgate.staff import Signs
from whoisgate.stores.settle import ACTIVE, RESTORED
from whoisgate.stores.sqlite import Listings, SQLiteLog
from whoisgate.stores.tables import Listing

if TYPE_CHECKING:
    from whoisgate.identity.authority import Record

SUSPENDED: Final = "suspended"
REVOKED: Final = "revoked"
STALE_DAYS: Final = 365
"""How long after its vetting an authority wants to be vetted again."""

SOON_DAYS: Final = 30
"""How long before its end an authority's listing is called stale."""

FILE_VERSION: Final = 1
_VERSIONS: Final = 1 << 53
"""What a version of a directory is below: an entry holds no larger integer."""

_ENTRIES: Final = 10**9
"""More than one year's log has; versions of different years are as far apart."""

_OWN: Final = frozenset({"budget", "jurisdiction", "standing"})
"""What a record says for one operator alone, beside a proof `application`."""


class State(NamedTuple):
    """One authority as it is listed."""

    record: Record
    state: str
    entry: int
    stale: tuple[str, ...]


def read(said: Mapping[str, Any], where: str) -> Record:
    """The checked record of an authority; as `Record.of`."""
    from whoisgate.identity.authority import Record  # noqa: PLC0415  models: slow to import

    return Record.of(said, where)


def listed(log: SQLiteLog) -> list[State]:
    """All authorities, by name, with what is stale about them."""
    today = app.utc_now().date()
    found = []
    for name, held in log.directory().authorities.items():
        record = read(json.loads(held.record), name)
        found.append(State(record, held.state, held.entry, _stale(record, today)))
    return found


def state(log: SQLiteLog, name: str) -> str | None:
    """The state of an authority, None where none of this name is listed."""
    held = log.directory().authorities.get(name)
    return held and held.state


def _stale(record: Record, today: date) -> tuple[str, ...]:
    said = []
    if record.vetted.on < today - timedelta(days=STALE_DAYS):
        said.append(f"vetted {record.vetted.on}")
    end = record.valid_until and record.valid_until.date()
    if end is not None and end < today + timedelta(days=SOON_DAYS):
        said.append(f"ends {end}")
    said += [f"standing approval ends {s.expires.date()}" for s in record.standing
             if s.expires.date() < today + timedelta(days=SOON_DAYS)]  # fmt: skip
    return tuple(said)


def add(
    folder: Folder, log: SQLiteLog, record: Record, *,
    by: str, reason: str = "", signer: QuestionSigner | None = None,
) -> Receipt:  # fmt: skip
    """List an authority, or list it anew; proposes it where two people decide.

    One that is suspended stays so: see `restore`. Raises `MalformedAuthority` for keys that cannot
    be used, for a proof that is another's, and where there is none; as all that takes a ``signer``
    `MissingKey`, where `[staff]` wants a signature of ``by``; and as all changes but stops
    `DirectoryChanged`, when somebody else was faster.
    """
    if not record.proof:
        raise MalformedAuthority("`proof`: expected one or more ways in which its people are known")
    before = log.directory()
    held = before.authorities.get(record.authority)
    state = SUSPENDED if held is not None and held.state == SUSPENDED else ACTIVE
    change = Listed(record.authority, record.text(), state, before.entry)
    _check(folder, before, [change])
    return _changed(folder, log, change, Signs(by, signer), reason=reason)


def confirm(
    folder: Folder, log: SQLiteLog, entry: int, *, by: str, signer: QuestionSigner | None = None
) -> Receipt:
    """Put a proposed change in force. Raises `UnknownEntry`, also for whoever proposed it."""
    before = log.directory()
    waiting = [p for p in before.proposals if p.entry == entry]
    changes = [p for p in waiting if p.state != RESTORED]
    _check(folder, before, [Listed(*p[1:4], before.entry) for p in changes])
    names = [p.name for p in waiting]
    detail: dict[str, JSON] = {
        "by": by, "confirms": entry, "authorities": names,
        "records": [_digest(p.record) for p in waiting],
    }  # fmt: skip
    outcome = waiting[0].state if waiting else ACTIVE
    return logged(
        *(folder, log, "authority", outcome, detail),
        settles=Confirmed(entry, by, before.entry),
        authority=names[0] if len(names) == 1 else None,
        signs=Signs(by, signer),
    )


def restore(
    folder: Folder, log: SQLiteLog, name: str, *,
    by: str, reason: str, signer: QuestionSigner | None = None,
) -> Receipt:  # fmt: skip
    """Let a suspended authority ask again; takes as many people as listing it."""
    before = log.directory()
    held = _held(before, name)
    if held.state != SUSPENDED:
        raise UnknownEntry(f"expected a suspended authority, got one that is {held.state}")
    change = Listed(name, held.record, ACTIVE, before.entry)
    _check(folder, before, [change])
    return _changed(folder, log, change, Signs(by, signer), reason=reason)


def stop(folder: Folder, log: SQLiteLog, name: str, state: str, *, by: str, reason: str) -> Receipt:
    """Suspend or revoke an authority: from the entry on nothing is released to it.

    Raises `UnknownEntry` for one that is not listed, and for suspending one that is revoked.
    """
    while True:
        before = log.directory()
        held = _held(before, name)
        if held.state == REVOKED and state != REVOKED:
            raise UnknownEntry("expected an authority that can ask again; this one is revoked")
        change = Listed(name, held.record, state, before.entry)
        try:
            return logged(*(folder, log, "authority", state), _detail(change, by, reason),
                          settles=change, sealed={"record": change.record},
                          authority=name)  # fmt: skip
        except DirectoryChanged:
            continue  # whatever the other change was, this one is to follow it


def bar(
    folder: Folder, log: SQLiteLog, name: str, person: str, *,
    barred: bool, by: str, reason: str, signer: QuestionSigner | None = None,
) -> Receipt:  # fmt: skip
    """Stop one person of an authority, or let that person ask again, which two may decide.

    Raises `UnknownEntry` for letting somebody ask who is not stopped.
    """
    identity = Requester.identity_of(name, person)
    if not barred and not log.directory().barred(identity):
        raise UnknownEntry("expected a person who is stopped, named as when that was done")
    waits = not barred and folder.config.directory.approvers > 1
    detail: dict[str, JSON] = {"by": by, "reason": reason, "person": person}
    outcome = "barred" if barred else "proposed" if waits else RESTORED
    return logged(
        *(folder, log, "authority", outcome, detail),
        settles=Barred(name, identity, barred, by if waits else None),
        authority=name,
        signs=None if barred else Signs(by, signer),
    )


def _held(before: Listings, name: str) -> Listing:
    held = before.authorities.get(name)
    if held is None:
        raise UnknownEntry("expected the name of a listed authority: `whoisgate authority list`")
    return held


def _changed(
    folder: Folder, log: SQLiteLog, change: Listed, signs: Signs, *, reason: str
) -> Receipt:
    """Let an authority ask, or propose it where two people decide."""
    alone = folder.config.directory.approvers == 1
    return logged(
        *(folder, log, "authority", change.state if alone else "proposed"),
        _detail(change, signs.by, reason),
        settles=change if alone else Proposed(change, signs.by),
        sealed={"record": change.record},
        authority=change.name,
        signs=signs,
    )


def _detail(change: Listed, by: str, reason: str) -> dict[str, JSON]:
    return {"by": by, "reason": reason, "state": change.state, "record": _digest(change.record)}


def _digest(record: str) -> str:
    return sha256(record.encode()).hexdigest()


def _check(folder: Folder, before: Listings, changes: Sequence[Listed]) -> None:
    """Whether the directory would stand with these changes; raises `MalformedAuthority`."""
    after = {n: (a.record, a.entry) for n, a in before.authorities.items() if a.state == ACTIVE}
    for change in changes:
        after.pop(change.name, None)
        if change.state == ACTIVE:
            after[change.name] = change.record, 0
            try:
                _stands(folder, {change.name: after[change.name]})
            except MalformedAuthority as error:
                raise MalformedAuthority(f"`{change.name}`: {error}") from None
    _stands(folder, after)


def _stands(folder: Folder, after: Mapping[str, tuple[str, int]]) -> None:
    """Whether a directory of these records stands; raises `MalformedAuthority`."""
    records = [read(json.loads(text), name) for name, (text, _) in after.items()]
    if all(proof.method == "application" for record in records for proof in record.proof):
        return
    try:
        from whoisgate.identity.directory import Directory  # noqa: PLC0415  needs the extra
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    Directory.of(after, folder.audience)


def _missing(error: ModuleNotFoundError) -> ExtraMissing:
    return ExtraMissing(f'expected `pip install "whoisgate[gateway]"`: {error.name}')


# --- Exchange between operators -------------------------------------------------------------


def export(folder: Folder, log: SQLiteLog) -> str:
    """The directory as a JWS that other operators can import (RFC 7515, compact).

    Its key is ``keys/directory.key``, made when it is missing; others need ``directory.jwk``.
    """
    exchange, held = _exchange(), log.directory()
    file = folder.path / "keys" / "directory.key"
    if not file.exists():
        private, public = exchange.new_key(app.entropy(32))
        file.with_suffix(".jwk").write_bytes(public)
        app.write_secret(file, private)
    content = {
        "whoisgate_directory": FILE_VERSION,
        "operator": folder.config.gate.origin.partition("/")[0],
        "version": _version(folder.config.gate.origin, held.entry),
        "issued_at": app.utc_now().isoformat(timespec="seconds"),
        "authorities": [
            {"state": each.state, "record": _shared(json.loads(each.record))}
            for each in held.authorities.values()
        ],
    }  # fmt: skip
    body = json.dumps(content, sort_keys=True, ensure_ascii=False).encode()
    return str(exchange.signed(body, exchange.read_key(app.read_key(file))))


def _version(origin: str, entry: int) -> int:
    """What grows with each change, from one year's log to the next too."""
    year = re.fullmatch(r".*/([0-9]{4})", origin, re.ASCII | re.DOTALL)
    return (int(year[1]) if year else 0) * _ENTRIES + max(entry, 0)


def _exchange() -> ModuleType:
    try:
        from whoisgate.identity import exchange  # noqa: PLC0415  needs the extra
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    return exchange


class Taken(NamedTuple):
    """What an import changed, and by name why something was left as it is here."""

    receipt: Receipt
    left: Mapping[str, str]


def take(
    folder: Folder, log: SQLiteLog, text: str, *,
    by: str, reason: str = "", only: Sequence[str] = (), widen: bool = False,
    signer: QuestionSigner | None = None,
) -> Taken:  # fmt: skip
    """Import another operator's directory, or ``only`` some authorities of it.

    What a record says for one operator alone (budget, jurisdiction, standing approvals) stays as it
    is here, and so does a record that would be allowed more than here, unless told to ``widen``;
    stops are taken over. Whom this operator has stopped does not come in under another name. Raises
    `MalformedAuthority` for a file whose signer `[directory]` does not name, for one that was
    altered, and for an older version than was imported before.
    """
    operator, content = _opened(folder, text.strip())
    version, before = content["version"], log.directory()
    found = {str(each["record"].get("authority")): each for each in content["authorities"]}
    if len(found) < len(content["authorities"]):
        raise MalformedAuthority("expected each authority once")
    if missing := set(only) - found.keys():
        raise UnknownEntry(f"expected authorities of that directory, got `{len(missing)}` others")
    importing = _Importing(folder, before, operator, widen=widen)
    wanted = [(name, each) for name, each in found.items() if not only or name in only]
    taken = [importing.change(name, each) for name, each in wanted]
    changes = [change for change in taken if change is not None]
    _check(folder, before, changes)
    propose = by if folder.config.directory.approvers > 1 else None
    detail: dict[str, JSON] = {
        "by": by, "reason": reason, "signer": operator, "version": version,
        "authorities": [change.name for change in changes],
        "records": [_digest(change.record) for change in changes],
    }  # fmt: skip
    receipt = logged(
        *(folder, log, "authority", "proposed" if propose else "imported", detail),
        settles=Imported(operator, version, tuple(changes), propose, before.entry),
        sealed={"records": [change.record for change in changes]},
        signs=Signs(by, signer),
    )
    return Taken(receipt, importing.left)


class _Importing:
    """What an exchanged directory changes, authority by authority."""

    def __init__(self, folder: Folder, before: Listings, operator: str, *, widen: bool) -> None:
        self._folder, self._before, self._operator = folder, before, operator
        self._widen = widen
        self.left: dict[str, str] = {}

    def change(self, name: str, each: Mapping[str, Any]) -> Listed | None:
        """What changes of one authority, None where that is nothing."""
        here = self._before.authorities.get(name)
        record, state = self._record(name, each["record"], here), str(each["state"])
        # Whom this operator has stopped, no other operator lets ask again.
        if here is not None and here.state != ACTIVE and state != REVOKED:
            state = here.state
        if state == ACTIVE and here is None and (stopped := self._stopped(name, record)):
            self.left[name] = f"it proves itself as `{stopped}` does, which is stopped here"
            return None
        if here is not None:
            more = read(json.loads(record), name).beyond(read(json.loads(here.record), name))
            kept = bool(more) and not self._widen
            if kept:
                self.left[name] = f"it would be allowed more than here: {', '.join(more)}"
            # Nor does one person's import arm a stopped authority, for whoever restores it.
            if kept or (state != ACTIVE and self._folder.config.directory.approvers > 1):
                record = here.record
        if here is not None and here[:2] == (record, state):
            return None
        return Listed(name, record, state, self._before.entry)

    def _record(self, name: str, said: Mapping[str, Any], here: Listing | None) -> str:
        """Their record, with what is this operator's own."""
        own = json.loads(here.record) if here is not None else {}
        theirs = read(said, f"{self._operator}: {name}")
        whole = _shared(json.loads(theirs.text())) | {n: own[n] for n in _OWN & own.keys()}
        whole["proof"] += [proof for proof in own.get("proof", ()) if _is_application(proof)]
        return read(whole, name).text()

    def _stopped(self, name: str, record: str) -> str | None:
        """The stopped authority whose proofs these are too, None where there is none."""
        for other, held in self._before.authorities.items():
            if held.state != ACTIVE and other != name:
                try:
                    _stands(self._folder, {name: (record, 0), other: (held.record, 0)})
                except MalformedAuthority:
                    return other
        return None


def _shared(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a checked record says for all operators."""
    said = {name: value for name, value in record.items() if name not in _OWN}
    return {**said, "proof": [proof for proof in record["proof"] if not _is_application(proof)]}


def _is_application(proof: Mapping[str, Any]) -> bool:
    return bool(proof["method"] == "application")


def _opened(folder: Folder, text: str) -> tuple[str, Mapping[str, Any]]:
    """Who signed an exchanged directory, and what it says."""
    exchange = _exchange()
    signers = {
        name: exchange.read_key(app.read_key(folder.path / file))
        for name, file in folder.config.directory.signers.items()
    }
    name, payload = exchange.opened(text, signers)
    return name, _content(payload)


def _content(payload: bytes) -> Mapping[str, Any]:
    try:
        content: Any = json.loads(payload)
        sound = (
            content["whoisgate_directory"] == FILE_VERSION
            and type(content["version"]) is int
            and 0 <= content["version"] < _VERSIONS
            and all(
                each["state"] in {ACTIVE, SUSPENDED, REVOKED} and isinstance(each["record"], dict)
                for each in content["authorities"]
            )
        )
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        raise MalformedAuthority(f"expected a directory of version `{FILE_VERSION}`")
    return dict(content)
