"""Where a line of an answer stands: sections and blocks, and whose a label in them is.

Pure rules over the lines; `gather` walks with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from whoisgate.elements import ROLES
from whoisgate.formats.whois.labels import Meaning
from whoisgate.formats.whois.lines import Line
from whoisgate.formats.whois.sheet import Person, Seller

SELLERS: Final = ("registrar", "reseller")
SOLD: Final = ("registrar.name", "registrar.provider", "reseller.name")
"""Where free text that anybody may see is told."""

_ANYBODYS: Final = frozenset(
    {"domain.created", "domain.updated", "domain.transferred", "domain.status", "domain.handle"}
)
"""What a contact, a host or a registrar has as well: not the domain's in their place."""

_DOMAINS: Final = frozenset(
    {"domain.expires", "domain.nameserver", "dnssec.signed", "registrar.name"}
)
"""What only a domain has."""


@dataclass(slots=True)
class Section:
    """Where the walk is.

    ``kind``: top, person, registrar, reseller, abuse, nameservers, domain, value, other or skip.
    ``how`` it was opened: by a ``head``, ``inline`` after a label's value, or as a ``block``.
    ``indent`` is the head's, ``body`` that of the first line below it. ``personal``: a contact's
    label stood in it. ``keyed``: any label did. ``tight``: the head stands right below a line.
    """

    kind: str = "top"
    how: str = "head"
    indent: int = 0
    body: int | None = None
    target: str = ""
    person: Person = field(default_factory=Person)
    seller: Seller = field(default_factory=lambda: Seller(""))
    keyed: bool = False
    personal: bool = False
    tight: bool = False

    @property
    def sells(self) -> bool:
        """Whether the line below the head is a registrar's or reseller's name."""
        return self.kind in SELLERS or self.target in SOLD


def block_at(lines: Sequence[Line], number: int) -> tuple[list[Line], str]:
    """The lines of a block, and the section that a comment in it announces."""
    run: list[Line] = []
    announced = ""
    for line in lines[number:]:
        if not line.text:
            break
        if not line.comment:
            run.append(line)
        announced = (line.means.place if line.comment else "") or announced
    return run, announced


def about(first: Line, run: Sequence[Line]) -> str:
    """What a block that names no domain is about; nothing where it does not say."""
    means = first.means
    targets = {line.means.target for line in run}
    if means.block:
        return {"hosts": "nameservers", "other": "skip"}.get(means.block, means.block)
    if means.target in ("registrar.name", "registrar.provider"):
        people = {f"{role}.name" for role in ROLES}
        described = any(line.means.field for line in run)
        return (
            "registrar" if described and not targets & (_DOMAINS - {means.target} | people) else ""
        )
    lone = first is run[0] and means.field and not means.target
    return "person" if lone and not targets & _DOMAINS else ""


def wanted(section: Section, line: Line) -> bool:
    """Whether the first line under a head, no deeper than it, may be the head's content.

    A registrar's label without a value in the middle of other lines heads nothing.
    """
    means = line.means
    if section.tight and section.sells:
        return False
    if not line.keyed or not means.target:
        return True
    if section.kind == "person":
        return bool(means.field)
    if section.kind == "registrar":
        return bool(means.own) or means.target.startswith("registrar.")
    if section.kind == "nameservers":
        return means.server
    return section.kind in ("domain", "other")


def theirs(section: Section, means: Meaning, *, inside: bool) -> bool:
    """Whether an absolute label under a head still belongs to what the head names."""
    anybodys = means.target in _ANYBODYS and not means.sure
    if section.kind == "other":
        return anybodys or section.personal
    if section.kind == "person" and means.target.partition(".")[0] not in ROLES:
        return inside or anybodys or means.target.startswith(SELLERS)
    return anybodys and (inside or section.kind != "nameservers" or section.keyed)
