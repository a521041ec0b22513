"""The one way in which this verifier says no."""

from __future__ import annotations


class Refused(Exception):
    """Something is not as the specification has it; ``index`` is the first bad entry of a log."""

    def __init__(self, reason: str, index: int | None = None) -> None:
        super().__init__(reason if index is None else f"entry {index}: {reason}")
        self.index = index


def require(holds: object, reason: str, index: int | None = None) -> None:
    if not holds:
        raise Refused(reason, index)
