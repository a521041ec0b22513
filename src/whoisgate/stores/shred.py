"""The shred file: 32 bytes per entry in fixed slots, without which an envelope never opens.

A file of its own, so that it can be kept out of long backups: overwriting a slot then erases the
entry from every old copy of the database too. Slots are written before the entry is committed; a
slot beyond the log's end means nothing and is overwritten by the next entry of that number.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from whoisgate.audit.envelope import SHRED_BYTES
from whoisgate.errors import DiskFull, FilesSpent

_SPENT = (errno.EMFILE, errno.ENFILE)


def create(path: Path) -> None:
    """An empty shred file; raises `FileExistsError`."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """The file, to `write` to. Raises `FilesSpent` or `OSError`.

    `FilesSpent` is for this call alone: who makes it before all else has written nothing.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _SPENT:
            raise FilesSpent("too many open files: nothing was logged") from None
        raise
    try:
        yield handle
    finally:
        os.close(handle)


def write(handle: int, first: int, secrets: Sequence[bytes]) -> None:
    """Fill consecutive slots from ``first``; durable on return. Raises `DiskFull` or `OSError`.

    `DiskFull` is for a write alone: an ``fsync`` without room may have lost what it was to keep.
    The caller holds the log's write lock.
    """
    _fill(handle, first, b"".join(secrets))
    os.fsync(handle)


def _fill(handle: int, first: int, content: bytes) -> None:
    at = first * SHRED_BYTES
    while content:
        try:
            written = os.pwrite(handle, content, at)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise DiskFull("no room in the shred file") from None
            raise
        content, at = content[written:], at + written


def erase(path: Path, entries: Iterable[int]) -> None:
    """Overwrite the slots of these entries with zeros; durable on return.

    Raises `OSError`, `DiskFull` or `FilesSpent`.
    """
    with opened(path) as handle:
        for entry in entries:
            _fill(handle, entry, bytes(SHRED_BYTES))
        os.fsync(handle)


def standing(path: Path, entries: Sequence[int]) -> list[int]:
    """Those of these entries whose secrets are not overwritten. Raises `OSError`."""
    if not entries:
        return []
    content = path.read_bytes()
    return [e for e in entries if any(content[e * SHRED_BYTES : (e + 1) * SHRED_BYTES])]


def read(path: Path, index: int) -> bytes:
    """The secret of one entry; shorter than 32 bytes where the file ends before it."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(handle, SHRED_BYTES, index * SHRED_BYTES)
    finally:
        os.close(handle)
