"""What the gate hands to the log: a `Draft`, still without number, time of logging and salts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from whoisgate.conduct import Thresholds
from whoisgate.queries import NO_LIMITS, Limits, Once

JSON: TypeAlias = "bool | int | str | Sequence[JSON] | Mapping[str, JSON] | None"
"""What an entry may hold: no floats, so that canonical JSON is unambiguous."""


@dataclass(frozen=True, slots=True)
class Due:
    """A duty to be done ``after`` the entry's time of logging."""

    do: str
    after: timedelta


@dataclass(frozen=True, slots=True)
class Grant:
    """A granted approval: the pending entry it answers, for which elements, until when."""

    entry: int
    elements: tuple[str, ...]
    by: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that signs the log from this entry on, beside those that do."""

    vkey: str


@dataclass(frozen=True, slots=True)
class RetiredKey:
    """A key that signs the log no more from this entry on."""

    vkey: str


@dataclass(frozen=True, slots=True)
class Erased:
    """Entries whose envelopes, receipts and shred secrets go for good."""

    entries: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unsealed:
    """A sealed entry, open from now on; sealed until another date where there is one."""

    entry: int
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """An obligation that was discharged."""

    obligation: int


@dataclass(frozen=True, slots=True)
class Listed:
    """What the directory says of an authority from this entry on.

    ``state`` is ``active``, ``suspended`` or ``revoked``; nobody asks for one that is not active.
    ``seen`` is the newest entry of the directory that this was decided on: it must be the newest
    still.
    """

    name: str
    record: str
    state: str
    seen: int


@dataclass(frozen=True, slots=True)
class Proposed:
    """A change of the directory that waits for somebody else than ``by`` to confirm it."""

    change: Listed
    by: str


@dataclass(frozen=True, slots=True)
class Imported:
    """Changes from another operator's directory, of a ``version`` that its ``signer`` gave it.

    They are in force at once; what lets somebody ask waits as a proposal where that is said.
    ``seen`` is as in `Listed`.
    """

    signer: str
    version: int
    changes: tuple[Listed, ...]
    proposed_by: str | None
    seen: int


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A proposed change, in force from this entry on; ``by`` is not who proposed it.

    ``seen`` is as in `Listed`.
    """

    entry: int
    by: str
    seen: int


@dataclass(frozen=True, slots=True)
class Barred:
    """A requester's identity that may not ask from this entry on, or again may.

    That it again may waits for somebody else than ``proposed_by``, where somebody is named.
    """

    authority: str
    identity: str
    barred: bool
    proposed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Lifted:
    """The stop that an entry put to somebody's asking, lifted."""

    entry: int


@dataclass(frozen=True, slots=True)
class Carried:
    """Who may not ask, as the log of an earlier year knew it; in force from this entry on.

    Persons are the tags of the keyed index, whose key both logs have. ``imported`` are signers of
    exchanged directories, each with the version that was taken last.
    """

    authorities: tuple[Listed, ...] = ()
    barred: tuple[bytes, ...] = ()
    stopped: tuple[bytes, ...] = ()
    imported: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        """Refuse to let anybody ask."""
        if any(listed.state not in {"suspended", "revoked"} for listed in self.authorities):
            raise ValueError("expected suspended or revoked authorities")


@dataclass(frozen=True, slots=True)
class CarriedStop:
    """One of the stops that were `Carried`, which from now on is this entry's: it can be lifted."""

    tag: bytes


Settlement: TypeAlias = (
    Grant
    | NewKey
    | RetiredKey
    | Erased
    | Unsealed
    | Done
    | Listed
    | Proposed
    | Confirmed
    | Imported
    | Barred
    | Lifted
    | Carried
    | CarriedStop
)
"""What an operator's entry changes beside itself."""


@dataclass(frozen=True, slots=True)
class Asking:
    """What a question counts as in the accounts of its requester and authority.

    ``roles`` are the contact roles of the domain that a release discloses beyond the public view;
    each is a person, counted within the limits. ``approved``: all of the release was approved by
    somebody for this very question. Without ``thresholds`` no conduct is judged.
    """

    roles: tuple[str, ...] = ()
    person_limits: Limits = NO_LIMITS
    authority_limits: Limits = NO_LIMITS
    approved: bool = False
    thresholds: Thresholds | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """One entry to append, with everything that must happen in the same transaction.

    ``fields`` are committed values by name (without kind and the times, node and sequence, which
    the append adds). ``sealed`` goes into the envelope alone. ``open`` is published and belongs
    to public kinds. ``settles`` is what the entry changes beside itself. ``sealed_until`` is the
    date before which the registrant is not told. ``requester`` and ``domain`` feed the keyed
    index. ``question`` identifies the question for approvals (see `gate.question_key`). ``uses``
    is the pending entry whose grant this disclosure spends: the append fails with `ApprovalSpent`
    if it was used or ran out. ``budget`` is how many entries with a budget this requester may
    leave per UTC day: `BudgetSpent` beyond. ``valid_until`` is the credential's end, checked
    again at the append, like the ``authority`` and what the directory ``listed`` of it
    and like proofs that are good ``once`` (`CredentialRefused`). ``asking`` is counted and judged:
    `ReleaseHeld` where nothing may be released.
    """

    kind: str
    policy: str
    decided_at: datetime
    fields: Mapping[str, JSON] = field(default_factory=dict)
    sealed: Mapping[str, JSON] = field(default_factory=dict)
    open: Mapping[str, JSON] | None = None
    requester: str = ""
    domain: str = ""
    question: bytes = b""
    uses: int | None = None
    settles: Settlement | None = None
    dues: tuple[Due, ...] = ()
    sealed_until: datetime | None = None
    budget: int | None = None
    authority: str = ""
    listed: int | None = None
    valid_until: datetime | None = None
    once: tuple[Once, ...] = ()
    asking: Asking | None = None
