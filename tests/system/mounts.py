"""Small file systems of a test's own, and what befalls real ones. Needs root and e2fsprogs."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

EXT4_IOC_SHUTDOWN = 0x8004587D
"""``_IOR('X', 125, __u32)`` of Linux's ``fs/ext4/ext4.h``."""

FLUSHED, LOG_FLUSHED, NOTHING_FLUSHED = 0, 1, 2
"""What reaches the disk at a shutdown beside what was synced: all; the journal; nothing."""


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}{done.stdout}"
    return done.stdout


@dataclass(frozen=True)
class Disk:
    """An ext4 file system in a file, mounted through a loop device."""

    image: Path
    place: Path

    @classmethod
    def make(cls, folder: Path, mebibytes: int) -> Disk:
        disk = cls(folder / "disk", folder / "mounted")
        with disk.image.open("wb") as file:
            file.truncate(mebibytes << 20)
        run("mkfs.ext4", "-q", "-e", "remount-ro", "-m", "0", disk.image)
        disk.place.mkdir()
        disk.mount()
        return disk

    def mount(self, options: str = "loop") -> None:
        run("mount", "-o", options, self.image, self.place)

    def unmount(self) -> None:
        run("umount", self.place)

    def mend(self) -> None:
        """As an operator does after an error; e2fsck says 1 when it mended something."""
        done = subprocess.run(["e2fsck", "-fy", self.image], capture_output=True, check=False)
        assert done.returncode in {0, 1}, done.stdout

    def cut_power(self, flushed: int) -> None:
        """From now on nothing reaches the disk; memory is lost when it is unmounted."""
        handle = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, EXT4_IOC_SHUTDOWN, struct.pack("I", flushed))
        finally:
            os.close(handle)

    def restore_power(self) -> None:
        """Mount again, which replays the journal."""
        self.unmount()
        self.mount()

    def report_error(self) -> None:
        """As the kernel does when it meets a broken block: the file system turns read-only."""
        device = Path(run("findmnt", "-n", "-o", "SOURCE", self.place).strip()).name
        Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("a test")


@contextmanager
def ext4(folder: Path, mebibytes: int) -> Iterator[Disk]:
    disk = Disk.make(folder, mebibytes)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk.place], check=False, capture_output=True)


@contextmanager
def tmpfs(folder: Path, mebibytes: int) -> Iterator[Path]:
    place = folder / "mounted"
    place.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "none", place)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=False, capture_output=True)


def fill(place: Path) -> Path:
    """A file that takes all the room that there is."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return filler
