"""The numbers of everything that can be wrong with a policy, and the `Report` that collects them.

Numbers are stable: one is never reused or given another meaning, new ones are appended. A report
collects all findings of one policy; it stops at a bound, so that a hostile file costs little.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from whoisgate.errors import Finding, PolicyError, Position

CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "WG201": "not YAML, or not the shape that the language has",
        "WG202": "a word that the language does not have",
        "WG203": "a name or glob that matches no element",
        "WG204": "a key or an id that stands twice",
        "WG205": "an anchor, alias, tag, merge key or directive",
        "WG206": "two grants of one treatment with different parameters can hold together",
        "WG207": "an invariant does not hold",
        "WG208": "a personal element is granted without a citation",
        "WG209": "the views reveal a fact that `reveals` does not name",
        "WG210": "a citation that nobody has checked, outside `drafts/`",
        "WG211": "a cap on a personal element names no requester",
        "WG212": "a rule that can never matter",
        "WG213": "a treatment that an element does not support, so that a lower one applies",
        "WG214": "a policy that cannot be found or read, or that includes itself",
        "WG215": "more than is read or proved: size, nesting, number of findings, number of cases",
        "WG216": "a version of the language or of the registry that this code does not know",
        "WG217": "a composition shows more than an included policy alone would",
        "WG218": "the public gets a stable pseudonym of a person, which links domains",
    }
)
"""Every finding's number and what it means."""

PROMISES: Final = frozenset({"WG207", "WG209", "WG217"})
"""What a policy promises and does not keep: its rules can be read and compared, never used."""

MAX_FINDINGS: Final = 500
_LONGEST_WORD: Final = 64
_SHORT_LIST: Final = 12


class TooManyFindings(PolicyError):
    """The bound of a report is reached; `Report.findings` holds what was found."""

    code = "WG215"


class Report:
    """Everything found so far, in the order of finding."""

    def __init__(self) -> None:
        self._found: dict[Finding, None] = {}

    @property
    def findings(self) -> list[Finding]:
        """All findings by file, line and column, each once."""
        return sorted(self._found, key=_place)

    @property
    def broken(self) -> bool:
        """Whether there is an error among them."""
        return any(f.severity == "error" for f in self._found)

    def error(self, code: str, message: str, position: Position | None, hint: str = "") -> None:
        """Add an error; raises `TooManyFindings` at the bound."""
        self._add(Finding(code, "error", message, position, hint))

    def warning(self, code: str, message: str, position: Position | None, hint: str = "") -> None:
        """Add a warning; raises `TooManyFindings` at the bound."""
        self._add(Finding(code, "warning", message, position, hint))

    def note(self, code: str, message: str, position: Position | None) -> None:
        """Add what is no fault but should be seen; raises `TooManyFindings` at the bound."""
        self._add(Finding(code, "note", message, position))

    def _add(self, finding: Finding) -> None:
        self._found[finding] = None
        if len(self._found) >= MAX_FINDINGS:
            message = f"more than `{MAX_FINDINGS}` findings: the rest is not shown"
            self._found[Finding("WG215", "error", message, finding.position)] = None
            raise TooManyFindings(message)


def refusal(name: str, findings: Iterable[Finding]) -> PolicyError:
    """The error that says why policy ``name`` is refused: its first error, and how many more."""
    found = tuple(findings)
    errors = [f for f in found if f.severity == "error"]
    more = f", and `{len(errors) - 1}` more" if errors[1:] else ""
    return PolicyError(f"policy `{name}` is refused: {errors[0]}{more}", found)


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint at the word that was meant: the nearest one, or all where they are few."""
    words = list(known)
    close = get_close_matches(word, words, n=1) if len(word) <= _LONGEST_WORD else []
    if close:
        return f"did you mean `{close[0]}`?"
    return f"expected one of `{', '.join(words)}`" if 0 < len(words) <= _SHORT_LIST else ""


def quoted(text: str) -> str:
    """A piece of the author's text for a message: in backticks, printable, cut short."""
    shown = "".join(c if c.isprintable() else "?" for c in text[:_LONGEST_WORD])
    return f"`{shown}…`" if len(text) > _LONGEST_WORD else f"`{shown}`"


def _place(finding: Finding) -> tuple[str, int, int, str, str]:
    at = finding.position
    where = (at.file, at.line, at.column) if at else ("", 0, 0)
    return (*where, finding.code, finding.message)
