"""What an old server shows the public and our gate does not, or the other way round.

Pure: two answers about one name in, a verdict per element out. A `Row` about a person holds no
value, so that nothing which prints one can show any. What the gate withholds or replaces, as its
answer declares, is no difference: that is what it is for.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Final

from whoisgate.cli.show import by_element
from whoisgate.elements import ELEMENTS, Element
from whoisgate.formats import rdap
from whoisgate.formats.rdap import strict, words
from whoisgate.formats.rdap.redacted import declared
from whoisgate.records import Record

Texts = Sequence[str]

_ASKED_AT: Final = ELEMENTS["domain.rdds_updated"]
"""It dates the answer, not the domain."""

_MIDNIGHT: Final = "T00:00:00Z"
_NUMBERS: Final = frozenset({"phone", "fax", "abuse_phone"})


class Verdict(StrEnum):
    """How one element of two answers compares."""

    SAME = "same"
    DIFFERS = "differs"
    ONLY_OLD = "only_old"
    ONLY_OURS = "only_ours"
    WITHHELD = "withheld_by_us"

    @property
    def public(self) -> bool:
        """Whether the public loses, gains or sees otherwise what the gate means to show."""
        return self in {Verdict.DIFFERS, Verdict.ONLY_OLD, Verdict.ONLY_OURS}


@dataclass(frozen=True, slots=True, repr=False)
class Row:
    """One element; of a person's, and of what is withheld, both values are empty."""

    element: Element
    verdict: Verdict
    old: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Shown:
    """What one answer shows by element, and what it declares that it does not.

    ``partial``: it broke off, so that there may be more.
    """

    values: Mapping[Element, Texts]
    withheld: frozenset[Element] = frozenset()
    partial: bool = False

    @classmethod
    def of_record(cls, record: Record) -> Shown:
        """What the old server's answer, as read, shows to whoever asks."""
        return cls(by_element(record), partial=record.partial)

    @classmethod
    def of_answer(cls, body: bytes) -> Shown:
        """What our RDAP answer shows; raises `MalformedDocument` or `NotADomain`."""
        return cls(by_element(rdap.decode(body)), declared(strict.loads(body)))


def compare(old: Shown, ours: Shown) -> tuple[Row, ...]:
    """A row for each element that the old server or we show, in registry order."""
    return tuple(
        _row(element, old.values.get(element, ()), ours.values.get(element, ()), ours.withheld)
        for element in ELEMENTS.values()
        if element is not _ASKED_AT
        and (element in old.values or (element in ours.values and element not in ours.withheld))
    )


def _row(element: Element, old: Texts, ours: Texts, withheld: frozenset[Element]) -> Row:
    if element in withheld:
        return Row(element, Verdict.WITHHELD)
    verdict = _verdict(element, old, ours)
    if element.personal:
        return Row(element, verdict)
    return Row(element, verdict, tuple(old), tuple(ours))


def _verdict(element: Element, old: Texts, ours: Texts) -> Verdict:
    if not ours:
        return Verdict.ONLY_OLD
    if not old:
        return Verdict.ONLY_OURS
    return Verdict.SAME if _alike(element, old, ours) else Verdict.DIFFERS


def _alike(element: Element, old: Texts, ours: Texts) -> bool:
    """As sets, in any spelling; a date without a time of day is the whole day."""
    if element in words.EVENTS:
        one, other = (_second(texts[0]) for texts in (old, ours))
        whole_day = one.endswith(_MIDNIGHT) or other.endswith(_MIDNIGHT)
        return one[:10] == other[:10] if whole_day else one == other
    return {_folded(element, t) for t in old} == {_folded(element, t) for t in ours}


def _second(instant: str) -> str:
    return re.sub(r"\.\d+Z$", "Z", instant)


def _folded(element: Element, text: str) -> str:
    if element.field in _NUMBERS:
        return re.sub(r"\D", "", text)
    if element.name == "nameserver.ipv6":
        return _address(text)
    plain = "".join(unicodedata.normalize("NFKC", text).casefold().split())
    return plain.rstrip("./")


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return text
