"""The shred file: 32 bytes per entry in fixed slots, without which an envelope never opens.

A file of its own, so that it can be kept out of long backups: overwriting a slot then erases the
entry from every old copy of the database too. Slots are written before the entry is committed; a
slot beyond the log's end means nothing and is overwritten by the next entry of that number.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from whoisgate.audit.envelope import SHRED_BYTES
from whoisgate.errors import DiskFull


def create(path: Path) -> None:
    """An empty shred file; raises `FileExistsError`."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def write(path: Path, first: int, secrets: Sequence[bytes]) -> None:
    """Fill consecutive slots from ``first``; durable on return. Raises `DiskFull` or `OSError`.

    `DiskFull` is for a write alone: an ``fsync`` without room may have lost what it was to keep.
    The caller holds the log's write lock.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        content, at = b"".join(secrets), first * SHRED_BYTES
        while content:
            try:
                written = os.pwrite(handle, content, at)
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    raise DiskFull(f"no room in `{path}`") from None
                raise
            content, at = content[written:], at + written
        os.fsync(handle)
    finally:
        os.close(handle)


def read(path: Path, index: int) -> bytes:
    """The secret of one entry; shorter than 32 bytes where the file ends before it."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(handle, SHRED_BYTES, index * SHRED_BYTES)
    finally:
        os.close(handle)
