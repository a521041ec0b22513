"""Dates as WHOIS answers write them, in closed shapes, as instants in UTC (RFC 3339).

A date is found wherever it stands in the first characters of a value, so that a user's name
before it or a serial number behind it is neither read nor kept. An instant without a zone counts
as UTC. Order of day and month where both could be either: day first, unless the text itself says
or shows that it writes the month first.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from whoisgate.formats.whois.labels import folded, rows

_WITHIN: Final = 120
"""Characters of a value that are looked at."""

_MONTHS: Final = {
    label: int(number)
    for number, label in rows("""
1: jan | january | janvier | janv | januar | enero | ene | janeiro | gennaio | gen | stycznia
1: января
2: feb | february | fevrier | fevr | februar | febrero | fevereiro | fev | febbraio | lutego
2: февраля
3: mar | march | mars | marz | marzo | marco | marca | марта | maerz
4: apr | april | avril | avr | abril | abr | aprile | kwietnia | апреля
5: may | mai | mayo | maio | maggio | mag | maja | мая
6: jun | june | juin | juni | junio | junho | giugno | giu | czerwca | июня
7: jul | july | juillet | juil | juli | julio | julho | luglio | lug | lipca
7: июля
8: aug | august | aout | agosto | ago | sierpnia | августа
9: sep | sept | september | septembre | septiembre | setembro | set | settembre | wrzesnia
9: сентября
10: oct | october | octobre | oktober | okt | octubre | outubro | out | ottobre | ott
10: октября
11: nov | november | novembre | noviembre | novembro | listopada | ноября
12: dec | december | decembre | dezember | dez | diciembre | dic | dezembro | dicembre | grudnia
12: декабря
""")
}
_ZONES: Final = {
    name: hours
    for names, hours in (
        ("UTC GMT WET Z", 0.0),
        ("CET MET BST WEST IST", 1.0),
        ("CEST MEST EET CAT SAST", 2.0),
        ("EEST MSK EAT TRT", 3.0),
        ("MSD GST", 4.0),
        ("PKT UZT", 5.0),
        ("ALMT", 6.0),
        ("ICT WIB", 7.0),
        ("SGT HKT AWST MYT", 8.0),
        ("JST KST", 9.0),
        ("AEST", 10.0),
        ("AEDT", 11.0),
        ("NZST", 12.0),
        ("NZDT", 13.0),
        ("BRT ART UYT CLST", -3.0),
        ("CLT AST EDT VET", -4.0),
        ("EST CDT COT PET", -5.0),
        ("CST MDT", -6.0),
        ("MST PDT", -7.0),
        ("PST", -8.0),
    )
    for name in names.split()
}

_YMD = re.compile(
    r"(?<!\d)(\d{4})(?:([-./]) ?|年 ?|년 ?)(\d\d?)(?:\2 ?|月 ?|월 ?)(\d\d?)(?!\d)[日일.]?"
)
_YMD_RUN = re.compile(r"(?<!\d)(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d))?(?!\d)")
_DMY = re.compile(r"(?<!\d)(\d\d?)([-./]) ?(\d\d?)\2 ?(\d{4})(?!\d)")
_D_MONTH_Y = re.compile(
    r"(?<!\d)(\d\d?)(?:st|nd|rd|th)?[-./ ]{1,3}(?:de )?"
    r"([^\W\d_]{3,12})[-.,/ ]{1,3}(?:de )?(\d{4})(?!\d)",
    re.IGNORECASE,
)
_MONTH_D_Y = re.compile(r"([^\W\d_]{3,12})\.? {1,2}(\d\d?)(?:st|nd|rd|th)?,? {1,2}(\d{4})(?!\d)")
_MONTH_D_TIME_Y = re.compile(
    r"([^\W\d_]{3,12}) {1,2}(\d\d?) (\d\d?):(\d\d):(\d\d) (?:([A-Z]{3,4}) )?(\d{4})(?!\d)"
)
_Y_MONTH_D = re.compile(r"(?<!\d)(\d{4})[-./ ]([^\W\d_]{3,12})[-./ ](\d\d?)(?!\d)")
_TIME = re.compile(r"[T ,-]{0,3}(?:at )?(\d\d?):(\d\d)(?::(\d\d)(?:\.\d{1,9})?)?")
_ZONE = re.compile(
    r" ?\(?(?:GMT|UTC)?([+-]\d\d?)(?::?(\d\d))?(?!\d)|[ (]{0,2}([A-Z]{1,4})(?![A-Za-z])"
)
_SLASHED = re.compile(r"(?<![\d/])(\d\d?)/(\d\d?)/\d{4}(?!\d)")

Parts = tuple[int, int, int]


class Dates:
    """Reads the dates of one text, which knows whether it writes the month first."""

    __slots__ = ("_text", "_us")

    def __init__(self, text: str) -> None:
        self._text = text
        self._us: bool | None = None

    def instant(self, value: str) -> str:
        """The first date in ``value``; empty when it holds none, or one that no calendar has."""
        text = value[:_WITHIN]
        if not any(map(str.isdigit, text)):
            return ""
        for read in (self._ymd, self._dmy, _named, _named_first, _run):
            if found := read(text):
                return found
        return ""

    def _ymd(self, text: str) -> str:
        if not (found := _YMD.search(text)):
            return ""
        return _timed((int(found[1]), int(found[3]), int(found[4])), text, found.end())

    def _dmy(self, text: str) -> str:
        if not (found := _DMY.search(text)):
            return ""
        day, month, year = int(found[1]), int(found[3]), int(found[4])
        if month > 12 or (day <= 12 and found[2] == "/" and self._month_first()):  # noqa: PLR2004  months
            day, month = month, day
        return _timed((year, month, day), text, found.end())

    def _month_first(self) -> bool:
        """Whether the text's note says so, or a date of its own can be read in no other way."""
        if self._us is None:
            said = self._text.casefold()
            pairs = [(int(a), int(b)) for a, b in _SLASHED.findall(self._text)]
            self._us = "mm/dd/yyyy" in said or (
                "dd/mm/yyyy" not in said
                and any(b > 12 for _, b in pairs)  # noqa: PLR2004  months
                and all(a <= 12 for a, _ in pairs)  # noqa: PLR2004  months
            )
        return self._us


def _named(text: str) -> str:
    if found := _D_MONTH_Y.search(text):
        parts = _parts(found[3], found[2], found[1])
        return _timed(parts, text, found.end()) if parts else ""
    if found := _Y_MONTH_D.search(text):
        parts = _parts(found[1], found[2], found[3])
        return _timed(parts, text, found.end()) if parts else ""
    return ""


def _named_first(text: str) -> str:
    if found := _MONTH_D_TIME_Y.search(text):
        parts = _parts(found[7], found[1], found[2])
        clock = (int(found[3]), int(found[4]), int(found[5]))
        return _rfc3339(parts, clock, _ZONES.get(found[6] or "UTC", 0)) if parts else ""
    for found in _MONTH_D_Y.finditer(text):
        if parts := _parts(found[3], found[1], found[2]):
            return _timed(parts, text, found.end())
    return ""


def _run(text: str) -> str:
    found = _YMD_RUN.search(text)
    if not found:
        return ""
    parts = (int(found[1]), int(found[2]), int(found[3]))
    if found[4]:
        return _rfc3339(parts, (int(found[4]), int(found[5]), int(found[6])), 0)
    return _timed(parts, text, found.end())


def _parts(year: str, month: str, day: str) -> Parts | None:
    number = _MONTHS.get(folded(month))
    return (int(year), number, int(day)) if number else None


def _timed(parts: Parts, text: str, end: int) -> str:
    """The instant whose day is ``parts`` and whose time, if any, stands at ``end``."""
    if not (clock := _TIME.match(text, end)):
        return _rfc3339(parts, (0, 0, 0), 0)
    hours = 0.0
    if zone := _ZONE.match(text, clock.end()):
        if zone[1]:
            minutes = int(zone[2] or 0) / 60
            hours = int(zone[1]) + (-minutes if zone[1].startswith("-") else minutes)
        else:
            hours = _ZONES.get(zone[3], 0)
    return _rfc3339(parts, (int(clock[1]), int(clock[2]), int(clock[3] or 0)), hours)


def _rfc3339(parts: Parts, clock: tuple[int, int, int], offset_h: float) -> str:
    year, month, day = parts
    hour, minute, second = clock
    if not 1980 <= year <= 2200:  # noqa: PLR2004  before the first domain; a misprint after
        return ""
    try:
        moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
        return f"{moment - timedelta(hours=offset_h):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError):
        return ""
