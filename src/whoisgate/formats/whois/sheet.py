"""What a walk over an answer collects, by what it is about; closed shapes are read on the way in.

Nothing here leaves as it is: `contacts` and `public` decide what becomes an element.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from whoisgate.errors import MalformedName
from whoisgate.formats.whois import shapes
from whoisgate.formats.whois.dates import Dates
from whoisgate.queries import canonical_name
from whoisgate.records import Nameserver

_DATED: Final = frozenset(
    f"domain.{name}"
    for name in (
        "created",
        "updated",
        "expires",
        "registrar_expires",
        "transferred",
        "rdds_updated",
    )
)


_MAX_LINKS: Final = 256
_MAX_EACH: Final = 64
"""Values of one kind that are read; no domain has as many."""


@dataclass(slots=True, eq=False)
class Person:
    """A contact as the text gives it.

    ``keys``: by what other lines may link to it. ``loose``: lines without a label.
    """

    roles: list[str] = field(default_factory=list)
    values: dict[str, list[str]] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)

    def add(self, name: str, value: str) -> None:
        """One more value of a field; empty and repeated ones are left out."""
        held = self.values.setdefault(name, [])
        if value and len(held) < _MAX_EACH and value not in held:
            held.append(value)


@dataclass(slots=True, eq=False)
class Seller:
    """A registrar or reseller as the text gives it.

    ``said`` is the value of its own label, or the line below its head (``below``).
    """

    said: str
    rank: int = 0
    below: bool = False
    values: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Sheet:
    """Everything that the walk found.

    ``asked``: the name that was asked, or else the first in the text; ``named``: the text names
    it; ``others``: the text names another.
    """

    asked: str | None
    dates: Dates
    named: bool = False
    others: bool = False
    when: dict[str, list[str]] = field(default_factory=dict)
    statuses: list[str] = field(default_factory=list)
    status_texts: list[str] = field(default_factory=list)
    servers: dict[str, Nameserver] = field(default_factory=dict)
    server: str = ""
    plain: dict[str, list[str]] = field(default_factory=dict)
    registrars: list[Seller] = field(default_factory=list)
    resellers: list[Seller] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    links: list[tuple[str, str, Person]] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)

    def person(self, *roles: str) -> Person:
        """One more person."""
        person = Person(list(roles))
        self.people.append(person)
        return person

    def link(self, role: str, value: str) -> Person:
        """One more person, of whom a role's label gives a handle or a name."""
        person = self.person(role)
        if len(self.links) < _MAX_LINKS:
            self.links.append((role, value, person))
        else:
            person.add("name", value)
        return person

    def seller(self, group: str, said: str, *, rank: int = 0) -> Seller:
        """One more registrar or reseller."""
        seller = Seller(said, rank)
        sellers = self.resellers if group == "reseller" else self.registrars
        if len(sellers) < _MAX_EACH:
            sellers.append(seller)
        return seller

    def put(self, target: str, value: str) -> None:
        """A value of the domain's or the registrar's own label."""
        self.seen[target] += 1
        if self.seen[target] > _MAX_EACH:
            return
        if target == "domain.name":
            self.name(value)
        elif target == "domain.nameserver":
            self.serve(value)
        elif target == "domain.status":
            self.status_texts.append(value)
            self.statuses += shapes.statuses(value)
        elif target == "nameserver.address":
            if self.server:
                self.serve(f"{self.server} {value}")
        elif target in _DATED:
            if moment := self.dates.instant(value):
                self.when.setdefault(target, []).append(moment)
        elif target:
            self.plain.setdefault(target, []).append(value)

    def name(self, value: str) -> None:
        """The text names a domain."""
        if name := called(value):
            self.named = self.named or self.asked in (None, name)
            self.others = self.others or self.asked not in (None, name)
            self.asked = self.asked or name

    def serve(self, value: str) -> bool:
        """Take the name servers in one value, if it holds any; addresses of one server add up."""
        found = False
        for server in shapes.servers(value) if len(self.servers) < _MAX_EACH else ():
            found, self.server = True, server.name
            held = self.servers.get(server.name, server)
            self.servers[server.name] = Nameserver(
                server.name,
                tuple(dict.fromkeys((*held.ipv4, *server.ipv4))),
                tuple(dict.fromkeys((*held.ipv6, *server.ipv6))),
            )
        return found


def called(value: str) -> str:
    """The canonical name that a value begins with, or nothing."""
    words = value.split(maxsplit=1)
    try:
        return canonical_name(words[0].strip("\"'")) if words else ""
    except MalformedName:
        return ""
