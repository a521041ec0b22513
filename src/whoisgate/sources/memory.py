"""`MemorySource`: records that are already at hand, for tests and small fixed sets."""

from __future__ import annotations

from collections.abc import Iterable

from whoisgate.errors import AmbiguousRecord
from whoisgate.records import Record


class MemorySource:
    """A source over ``records``, held for as long as it lives; one record per name."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._records: dict[str, Record] = {}
        for record in records:
            if self._records.setdefault(record.name, record) is not record:
                raise AmbiguousRecord(f"expected one record for `{record.name}`")

    def find(self, name: str) -> Record | None:
        """The record of this canonical name, or None."""
        return self._records.get(name)
