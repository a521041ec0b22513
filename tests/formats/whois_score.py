"""How much of a corpus of WHOIS answers comes out of ``redact --jsonl``: public data and leaks.

A line of the corpus: ``id``, ``domain``, ``format``, ``raw``; ``status`` (what kind of answer it
is: ``registered``, ``available``, ``throttled`` …, or null); ``labels`` (what a parser should
find: ``registrar``, ``created``, ``updated``, ``expires``, ``nameservers``, ``status`` …, each a
list) and ``personal`` (contact values that stand in ``raw``, by role and field, each a list).

What is compared, and how leniently, stands with each rule. What cannot be told apart from public
data (a registrant's value that the asked name or a labelled public value also holds) is counted
as ambiguous, never as a leak.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from whoisgate.elements import ELEMENTS
from whoisgate.formats import rdap
from whoisgate.formats.rdap import words
from whoisgate.records import Record

DATES = {
    "created": ("domain.created",),
    "updated": ("domain.updated",),
    "expires": ("domain.expires", "domain.registrar_expires"),
}
RULES = ("registrar", "created", "updated", "expires", "nameservers", "status")
_OPEN_FIELDS = ("state", "province", "country")


@dataclass
class Tally:
    """Label values of one kind: how many a public answer holds, and which it lacks."""

    kept: int = 0
    missed: list[str] = field(default_factory=list)

    def count(self, where: str, value: str, *, kept: bool) -> None:
        self.kept += kept
        if not kept:
            self.missed.append(f"{where}: {value}")

    @property
    def total(self) -> int:
        return self.kept + len(self.missed)

    @property
    def share(self) -> float:
        return self.kept / self.total if self.total else 1.0


@dataclass
class Score:
    """The figures of a corpus."""

    lines: int = 0
    states: Counter[tuple[str, str]] = field(default_factory=Counter)
    mistaken: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    personal: int = 0
    leaks: list[str] = field(default_factory=list)
    ambiguous: list[str] = field(default_factory=list)
    unregistered: list[str] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=lambda: {rule: Tally() for rule in RULES})

    @property
    def told_apart(self) -> float:
        """The share of answers that are taken for what they are."""
        known = sum(n for (said, _), n in self.states.items() if said != "None")
        return 1 - len(self.mistaken) / (known or 1)

    @property
    def dates(self) -> float:
        """The share of all three dates together."""
        kept = sum(self.tallies[rule].kept for rule in DATES)
        return kept / (sum(self.tallies[rule].total for rule in DATES) or 1)

    def table(self) -> str:
        rows = [f"{'kept':<12} {'of':>6} {'kept':>6} {'share':>8}"]
        for rule, tally in self.tallies.items():
            rows.append(f"{rule:<12} {tally.total:>6} {tally.kept:>6} {tally.share:>8.1%}")
        rows.append(f"{'all dates':<28}{self.dates:>7.1%}")
        rows.append(f"{'told apart':<28}{self.told_apart:>7.1%}")
        rows.append(f"lines {self.lines}, unanswered {len(self.unanswered)}")
        rows += [f"  {said} taken for {got}: {n}" for (said, got), n in self.states.most_common()]
        rows.append(f"personal values {self.personal}, leaks {len(self.leaks)}")
        for title, items in (
            ("unanswered", self.unanswered),
            ("mistaken", self.mistaken),
            ("leak", self.leaks),
            ("ambiguous", self.ambiguous),
            ("no registered status", self.unregistered),
            *((f"missed {rule}", tally.missed) for rule, tally in self.tallies.items()),
        ):
            rows += [f"  {title}: {item}" for item in items]
        return "\n".join(rows)


def score(corpus: Iterable[bytes], answers: Iterable[bytes]) -> Score:
    """The figures of a corpus and of what ``redact_lines`` gave for it, line by line."""
    found = Score()
    for asked, answered in zip(map(json.loads, corpus), map(json.loads, answers), strict=True):
        found.lines += 1
        where = str(asked["id"])
        said, state = asked.get("status"), answered["state"] or "nothing"
        found.states[str(said), state] += 1
        if said and said != state:
            found.mistaken.append(f"{where}: {said} taken for {state}")
        if answered["id"] != asked["id"] or not (answered["rdap"] or answered["error"]):
            found.unanswered.append(where)
        _leaks(found, where, asked, answered)
        record = rdap.decode(answered["rdap"]) if answered["rdap"] else Record(asked["domain"])
        _kept(found, where, asked["labels"], record)
    return found


def folded(text: str) -> str:
    """As NFKC, casefold and one space for any white space have it."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _leaks(found: Score, where: str, asked: dict, answered: dict) -> None:
    known = [folded(asked["domain"]), *(folded(v) for v in _public(asked["labels"]))]
    bodies = [folded(body) for body in _bodies(answered)]
    numbers = [run for body in bodies for run in _numbers(body)]
    for key, value in _personal(asked["personal"]):
        found.personal += 1
        plain = folded(value)
        shown = bool(plain) and any(plain in body for body in bodies)
        if not shown and (number := _as_number(plain)):
            shown = any(number in run for run in numbers)
        if shown:
            told_apart = not any(plain in said for said in known)
            (found.leaks if told_apart else found.ambiguous).append(f"{where}: {key}: {value}")


def _bodies(answered: dict) -> Iterator[str]:
    """Both answers, and the RDAP one without JSON's escapes; an error too."""
    yield answered["whois"] or ""
    yield answered["rdap"] or ""
    yield json.dumps(json.loads(answered["rdap"] or '""'), ensure_ascii=False)
    yield json.dumps(answered["error"], ensure_ascii=False)


def _personal(values: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    for key, listed in values.items():
        if not key.endswith(_OPEN_FIELDS):
            yield from ((key, value) for value in listed)


def _public(labels: dict[str, list[str]]) -> Iterator[str]:
    for key, listed in labels.items():
        if key.startswith("registrar") or key in RULES:
            yield from listed


_RUN = re.compile(r"\+?\d[\d ().\-/]*\d")
_LEAST_DIGITS = 7


def _numbers(text: str) -> Iterator[str]:
    """The digits of whatever may be a telephone number."""
    for run in _RUN.findall(text):
        yield re.sub(r"\D", "", run)


def _as_number(text: str) -> str:
    digits = re.sub(r"\D", "", text)
    spelled = any(c.isalpha() or c == "@" for c in re.sub(r"(ext|fax|tel|phone|x)\.?", "", text))
    return digits if len(digits) >= _LEAST_DIGITS and not spelled else ""


def _kept(found: Score, where: str, labels: dict[str, list[str]], record: Record) -> None:
    tallies = found.tallies
    for value in labels.get("registrar", ())[:1]:
        alike = any(_alike(v, _one(record, "registrar.name")) for v in labels["registrar"])
        tallies["registrar"].count(where, value, kept=alike)
    for rule, elements in DATES.items():
        if listed := labels.get(rule):
            days = {_day(_one(record, element)) for element in elements}
            kept = any(_near(days, label) for value in listed for label in read_days(value))
            tallies[rule].count(where, " | ".join(listed), kept=kept)
    hosts = {folded(server.name) for server in record.nameservers}
    for value in labels.get("nameservers", ()):
        host = (folded(value).split() or [""])[0].strip("[](),;").rstrip(".")
        tallies["nameservers"].count(where, value, kept=host in hosts)
    _statuses(found, where, labels.get("status", ()), record)


def _one(record: Record, element: str) -> str:
    value = record.values.get(ELEMENTS[element], "")
    assert isinstance(value, str)
    return value


def _alike(label: str, name: str) -> bool:
    """Equal or one within the other, punctuation aside."""
    one, other = (re.sub(r"[\W_]+", " ", folded(text)).strip() for text in (label, name))
    return bool(one and other) and (one in other or other in one)


# --- statuses

_EPP = {name.casefold(): name for name in words.STATUSES} | {
    re.sub(r"\W", "", word): name for word, name in words.STATUS_NAMES.items()
}
_OTHERWISE = {
    "connect": "ok",
    "connected": "ok",
    "published": "ok",
    "registered": "ok",
    "linked": "ok",
    "associated": "ok",
    "200active": "ok",
    "transferlocked": "clientTransferProhibited",
    "locked": "clientTransferProhibited",
    "updateprohibitedbyregistrar": "clientUpdateProhibited",
    "deleteprohibitedbyregistrar": "clientDeleteProhibited",
    "transferprohibitedbyregistrar": "clientTransferProhibited",
}
"""Words of registries, and the EPP status that each comes nearest to."""


def _statuses(found: Score, where: str, labels: Iterable[str], record: Record) -> None:
    shown = record.values.get(ELEMENTS["domain.status"], ())
    held = {_bare(status) for status in shown}
    for label in labels:
        word = _bare(label)
        meant = _EPP.get(word) or _OTHERWISE.get(word)
        kept = word in held or (meant is not None and _bare(meant) in held)
        if kept or meant:
            found.tallies["status"].count(where, label, kept=kept)
        else:
            found.unregistered.append(f"{where}: {label}")


def _bare(status: str) -> str:
    """A status without the address that explains it, a date, spaces and punctuation."""
    words_alone = re.sub(r"https?://\S+|\([^)]*\)", "", folded(status))
    return re.sub(r"[\W_]", "", words_alone)


# --- dates

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_YMD = re.compile(r"(\d{4})\W{0,3}(\d{1,2})\W{0,3}(\d{1,2})(?!\d{3})")
_DMY = re.compile(r"(?<!\d)(\d{1,2})\W{1,3}(\d{1,2})\W{1,3}(\d{4})")
_D_MONTH_Y = re.compile(
    r"(?<!\d)(\d{1,2})(?:st|nd|rd|th)?\W{0,3}(?:of )?([a-z]{3})[a-z]*\W{0,3}(\d{4})"
)
_Y_MONTH_D = re.compile(r"(\d{4})\W{0,3}([a-z]{3})[a-z]*\W{0,3}(\d{1,2})(?!\d)")
_MONTH_D_Y = re.compile(r"([a-z]{3})[a-z]*\W{1,3}(\d{1,2})(?!\d)(?:st|nd|rd|th)?.{0,20}?(\d{4})")


def read_days(text: str) -> set[date]:
    """Every calendar day that a label may mean; 3/4/2020 may be two of them."""
    said = folded(text)
    found = set()
    for year, month, day in _YMD.findall(said):
        found |= _days(year, month, day)
    for one, other, year in _DMY.findall(said):
        found |= _days(year, other, one) | _days(year, one, other)
    for day, name, year in _D_MONTH_Y.findall(said):
        found |= _days(year, _month(name), day)
    for year, name, day in _Y_MONTH_D.findall(said):
        found |= _days(year, _month(name), day)
    for name, day, year in _MONTH_D_Y.findall(said):
        found |= _days(year, _month(name), day)
    return found


def _month(name: str) -> int:
    return _MONTHS.index(name) + 1 if name in _MONTHS else 0


def _days(year: str, month: str | int, day: str) -> set[date]:
    try:
        return {date(int(year), int(month), int(day))}
    except ValueError:
        return set()


def _day(instant: str) -> date | None:
    return date.fromisoformat(instant[:10]) if instant else None


def _near(days: set[date | None], label: date) -> bool:
    """The same day, or the next or the last one: an offset may lie between."""
    return any(day and abs(day - label) <= timedelta(days=1) for day in days)
