"""What the log of another year begins with: whom the one before knew as stopped, barred or listed.

A log ends with its year, and a stop does not. Nobody is let ask by what is carried: authorities
stand suspended until somebody restores them, and revoked ones stay so. Persons are known here by
their tags alone, which both logs make under one index key. Neither commits nor opens envelopes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple

from whoisgate.audit.draft import JSON, Carried, CarriedStop, Draft, Listed
from whoisgate.stores.tables import authorities

NO_POLICY: Final = "0" * 64
"""The policy digest of the first entries, which no policy was in force for."""

EMPTY: Final = -1
"""The newest entry of a directory that nothing was done to, as `tables.directory_entry` says it."""

_STOPPED: Final = frozenset({"suspended", "revoked"})


class Kept(NamedTuple):
    """What a log hands on, and the entries of its own that stopped somebody, in their order."""

    carried: Carried
    stops: tuple[int, ...]


def kept(database: sqlite3.Connection) -> Kept:
    """What this log hands on to the next."""
    listed = tuple(
        Listed(name, held.record, held.state if held.state in _STOPPED else "suspended", EMPTY)
        for name, held in authorities(database).items()
    )
    barred = database.execute("SELECT requester FROM barred WHERE barred ORDER BY requester")
    stopped = database.execute(
        "SELECT requester, idx FROM stopped WHERE lifted_by IS NULL ORDER BY idx, requester"
    ).fetchall()
    imported = database.execute("SELECT signer, version FROM imported ORDER BY signer")
    carried = Carried(
        listed,
        tuple(tag for (tag,) in barred),
        tuple(tag for tag, _ in stopped),
        tuple((signer, version) for signer, version in imported),
    )
    return Kept(carried, tuple(entry for _, entry in stopped))


def drafts(kept: Kept, ended: Mapping[str, JSON], now: datetime) -> list[Draft]:
    """The entries that follow the inception, to be logged in order: one of all, one of each stop.

    The first puts everything in force. Those of stops name the earlier log's entry, and are what is
    lifted.
    """
    carried = kept.carried
    all_of_it: dict[str, JSON] = {
        "log": ended["origin"],
        "authorities": [listed.name for listed in carried.authorities],
        "states": [listed.state for listed in carried.authorities],
        "records": [sha256(listed.record.encode()).hexdigest() for listed in carried.authorities],
        "barred": len(carried.barred),
        "stopped": list(kept.stops),
        "imported": [{"signer": name, "version": version} for name, version in carried.imported],
    }
    sealed: dict[str, JSON] = {
        "records": [listed.record for listed in carried.authorities],
        "barred": [tag.hex() for tag in carried.barred],
        "stopped": [tag.hex() for tag in carried.stopped],
    }
    fields: dict[str, JSON] = {"outcome": "carried", "detail": all_of_it}
    first = Draft("authority", NO_POLICY, now, fields, sealed, settles=carried)
    stops = zip(carried.stopped, kept.stops, strict=True)
    return [first, *(_stop(tag, {"log": ended["origin"], "entry": at}, now) for tag, at in stops)]


def _stop(tag: bytes, stopped: Mapping[str, JSON], now: datetime) -> Draft:
    fields: dict[str, JSON] = {"outcome": "carried", "detail": {"stopped": stopped}}
    return Draft("authority", NO_POLICY, now, fields, settles=CarriedStop(tag))
