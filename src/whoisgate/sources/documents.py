"""`DocumentSource`: records out of RDAP JSON documents (RFC 9083), one per domain.

A folder holds ``NAME.json`` with the canonical (lower-case A-label) name. Documents are read at
each question and never kept. A document that is no sound RDAP domain is an error of the source.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from whoisgate.errors import SourceFailed
from whoisgate.formats import rdap
from whoisgate.queries import canonical_name
from whoisgate.records import Record


class DocumentSource:
    """A source over a folder of ``NAME.json``, or over a mapping from name to document.

    A file's time of change is the record's version; a digest would let a reader of the evidence
    confirm guesses at withheld values. Raises `SourceFailed` where there is no such folder.
    """

    def __init__(self, documents: str | os.PathLike[str] | Mapping[str, bytes]) -> None:
        self._documents = documents if isinstance(documents, Mapping) else Path(documents)
        if isinstance(self._documents, Path) and not self._documents.is_dir():
            raise SourceFailed(f"expected a folder of documents at `{self._documents}`")

    def find(self, name: str) -> Record | None:
        """The record of this name, or None. Raises `MalformedDocument` or `NotADomain`."""
        if isinstance(self._documents, Path):
            return _read(self._documents, canonical_name(name))
        raw = self._documents.get(name)
        return None if raw is None else _record(name, raw, "")


def _read(folder: Path, name: str) -> Record | None:
    # INVARIANT: a canonical name holds letters, digits, hyphens and dots between them alone.
    try:
        with (folder / f"{name}.json").open("rb") as file:
            changed = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
            raw = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return None
        raise SourceFailed(f"a document cannot be read: `{type(error).__name__}`") from None
    return _record(name, raw, changed.isoformat().removesuffix("+00:00") + "Z")


def _record(name: str, raw: bytes, version: str) -> Record:
    record = rdap.decode(raw)
    if record.name != name:
        raise SourceFailed(f"expected a document about `{name}`, got one about another name")
    return replace(record, source="documents", version=version)
