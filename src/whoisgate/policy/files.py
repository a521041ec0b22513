"""Where policies lie: bounded reading of a policy's file, and the policies that ship.

Shipped policies are `policies/NAME.yaml` beside the package, or at the root of a source checkout.
Nothing else is ever opened: an included name is looked for beside the including file, then among
the shipped ones. Shipped drafts are found by a file in a drafts folder alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from whoisgate.errors import Position
from whoisgate.policy.compose import Find
from whoisgate.policy.fields import NAME
from whoisgate.policy.findings import Report
from whoisgate.policy.text import MAX_BYTES

_PACKAGE: Final = Path(__file__).resolve().parents[1]
DRAFTS: Final = "drafts"
"""The folder in which a policy may have unchecked citations."""


def shipped_folder() -> Path:
    """The folder of the policies that ship."""
    installed = _PACKAGE / "policies"
    return installed if installed.is_dir() else _PACKAGE.parents[1] / "policies"


def shipped() -> list[str]:
    """The names of the policies that ship, drafts left out."""
    return sorted(path.stem for path in shipped_folder().glob("*.yaml"))


def read_file(path: Path, report: Report) -> str | None:
    """The text of a file of at most `MAX_BYTES`; None, with a finding, for any other."""
    start = Position(str(path), 1, 1)
    try:
        with path.open("rb") as file:
            read = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        report.error("WG214", f"the file cannot be read: {reason}", start)
        return None
    if len(read) > MAX_BYTES:
        report.error("WG215", f"expected at most `{MAX_BYTES}` bytes, got more", start)
        return None
    try:
        return read.decode()
    except UnicodeDecodeError as error:
        line = read.count(b"\n", 0, error.start) + 1
        report.error("WG201", "expected text in UTF-8", Position(str(path), line, 1))
        return None


def finder(path: Path, report: Report) -> Find:
    """Looks for included policies beside ``path``, then among the shipped ones.

    For a draft also among the shipped drafts, so that nothing else includes one unawares.
    """
    folders = [path.parent, shipped_folder()]
    if is_draft(path):
        folders.append(shipped_folder() / DRAFTS)

    def find(name: str) -> tuple[str, str] | None:
        if not NAME.fullmatch(name):
            return None
        for folder in folders:
            candidate = folder / f"{name}.yaml"
            if candidate.is_file():
                text = read_file(candidate, report)
                return None if text is None else (text, str(candidate))
        return None

    return find


def is_draft(path: Path) -> bool:
    """Whether a policy of this path lies in a drafts folder."""
    return path.absolute().parent.name == DRAFTS
