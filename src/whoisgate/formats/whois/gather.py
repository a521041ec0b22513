"""One walk over the lines of an answer: which value stands under which label, in which place.

The rules are general and know no server. A section is opened by its head, by a label with a value
that further lines explain, or by the first label of a block; it ends with a blank line after its
content, with its indentation, or with another head. What stands in a person's place is the
person's, whatever its label; what stands nowhere is nobody's. The walk decides nothing about what
is public: it puts every value where the text puts it, or drops it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from whoisgate.elements import ROLES
from whoisgate.formats.whois import shapes, vocabulary
from whoisgate.formats.whois.dates import Dates
from whoisgate.formats.whois.labels import Meaning, folded, meaning, rows
from whoisgate.formats.whois.lines import Line
from whoisgate.formats.whois.places import SELLERS, SOLD, Section, about, block_at, theirs, wanted
from whoisgate.formats.whois.sheet import Person, Sheet, called

_MANY: Final = ("domain.status", "domain.nameserver", "dnssec.ds")
_MAX_PHRASE: Final = 120
_MAX_HANDLES: Final = 16

_PHRASES: Final = {
    label: target
    for target, label in sorted(rows(vocabulary.PHRASES), key=lambda row: -len(row[1]))
}
_STARTS: Final = tuple(_PHRASES)


def gather(lines: Sequence[Line], text: str, asked: str | None) -> Sheet:
    """Walk over the lines once."""
    walk = _Walk(Sheet(asked, Dates(text)))
    for number, line in enumerate(lines):
        walk.step(lines, number, line)
    return walk.sheet


class _Walk:
    __slots__ = ("_after_blank", "_domain", "_flat", "_last", "_section", "_stranger", "sheet")

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self._section = Section()
        self._after_blank = True
        self._last: tuple[str, int, Person | None] = ("", 0, None)
        self._flat: dict[str, Person] = {}
        self._domain = False
        self._stranger = sheet.person()

    def step(self, lines: Sequence[Line], number: int, line: Line) -> None:
        """Take one more line."""
        if not line.text:
            self._blank()
            return
        if self._after_blank:
            self._after_blank = False
            self._block(lines, number)
        if line.comment:
            return
        if line.text.startswith(">>>"):
            self._footer(line.text)
        elif self._section.how == "block":
            self._in_block(line)
        elif not self._head(lines, number, line):
            self._leave(line)
            if not line.keyed:
                self._bare(line)
            elif line.means.target or line.means.field or not self._phrase(line):
                self._keyed(line)

    def _footer(self, text: str) -> None:
        """``>>> Last update of WHOIS database: … <<<`` dates the service, not the domain."""
        if "last update" in text[:_MAX_PHRASE].lower():
            self.sheet.put("domain.rdds_updated", text)

    def _blank(self) -> None:
        self._after_blank, self._domain = True, False
        self._last = ("", 0, None)
        section = self._section
        if section.body is not None or section.how != "head" or section.sells:
            self._section = Section()

    # --- Blocks: runs of lines between blank ones ------------------------------------------------

    def _block(self, lines: Sequence[Line], number: int) -> None:
        """What the block that begins here is about, told by its first label."""
        run, announced = block_at(lines, number)
        first = next((line for line in run if line.keyed), None)
        if first is None or self._section.kind != "top" or not first.value:
            return
        subject = self._about_domain(run) or (about(first, run) if first is run[0] else "")
        self._domain = subject == "domain"
        section = Section(subject, "block")
        if subject == "person":
            section.person = self.sheet.person(*(role for role in ROLES if role == announced))
            section.person.keys.append(first.value)
        elif subject == "registrar":
            section.seller = self.sheet.seller("registrar", first.value)
        if subject not in ("", "domain"):
            self._section = section

    def _about_domain(self, run: Sequence[Line]) -> str:
        """Whether the block names a domain; one that names another than asked is passed over."""
        for line in run:
            if line.means.target == "domain.name" and (name := called(line.value)):
                if self.sheet.asked in (None, name):
                    return "domain"
                self.sheet.others = True
                return "skip"
        return ""

    def _in_block(self, line: Line) -> None:
        section, means = self._section, line.means
        if section.kind == "person":
            if line.keyed and means.field:
                self._personal(section.person, line)
            elif not line.keyed:
                self._continued(line)
        elif section.kind == "registrar":
            if line.keyed and means.own:
                section.seller.values.setdefault(means.own, line.value)
        elif section.kind == "nameservers" and line.keyed:
            if means.target == "domain.nameserver":
                self.sheet.serve(line.value)
            elif means.place in ROLES:
                self.sheet.link(means.place, line.value)

    def _personal(self, person: Person, line: Line) -> None:
        """A contact's label in a person's place; "contact: technical" gives the role."""
        name, value = line.means.field, line.value
        if name == "handle" and value:
            person.keys.append(value)
        elif name == "name" and not person.roles and (role := meaning(value).place) in ROLES:
            person.roles.append(role)
            return
        person.add(name, value)
        self._last = (name, line.indent, person)

    # --- Sections --------------------------------------------------------------------------------

    def _head(self, lines: Sequence[Line], number: int, line: Line) -> bool:
        """Whether the line heads a section; it is open then."""
        means, before = line.means, lines[number - 1] if number else None
        if line.value or (self._section.kind == "person" and means.field and not means.place):
            return False
        if not line.keyed:
            same = before and before.text and not before.keyed and before.indent == line.indent
            if same or not means.place:
                return False
        elif not means.place and not means.target:
            after = next((n for n in lines[number + 1 : number + 3] if n.text), line)
            alone = line.bracketed and not (before and before.text)
            if not alone and after.indent <= line.indent:
                return False
        self._open(means, line.indent, tight=before is not None and bool(before.text))
        return True

    def _open(self, means: Meaning, indent: int, *, tight: bool) -> None:
        place = means.place or ("value" if means.target else "other")
        section = Section(place, "head", indent, target=means.target, tight=tight)
        self._section = section
        self._last = ("", 0, None)
        if place in ROLES:
            section.kind, section.person = "person", self.sheet.person(place)
        elif place in SELLERS:
            rank = int(means.target == "registrar.provider")
            section.seller = self.sheet.seller(place, "", rank=rank)

    def _leave(self, line: Line) -> None:
        """Leave a section whose indentation the line does not have, or that has no content."""
        section = self._section
        if section.kind == "top" or section.how == "inline":
            return
        if section.body is None:
            section.body = line.indent
            if line.indent <= section.indent and not wanted(section, line):
                self._section = Section()
        elif section.body > section.indent >= line.indent:
            self._section = Section()

    def _keyed(self, line: Line) -> None:
        section, target = self._section, line.means.target
        inside = line.indent > section.indent
        kept = self._relative(section, line)
        section.keyed = True
        if kept:
            return
        if section.kind not in ("top", "domain", "value"):
            others = section.how == "head" and theirs(section, line.means, inside=inside)
            if not target or others:
                return
        if section.kind == "value" or not inside or section.how == "inline":
            self._section = Section() if section.kind != "domain" else section
        self._absolute(line)

    def _relative(self, section: Section, line: Line) -> bool:
        """Take a relative label in its place; False leaves the line to its absolute meaning."""
        kind, means = section.kind, line.means
        if kind == "person" and means.field:
            self._personal(section.person, line)
        elif kind in SELLERS and section.how == "inline" and not means.target:
            self._beside_seller(section, line)
        elif kind in SELLERS and section.how == "head" and means.own:
            section.seller.values.setdefault(means.own, line.value)
        elif kind == "nameservers" and means.server:
            self.sheet.serve(line.value)
        elif kind == "domain" and means.field == "name":
            self.sheet.name(line.value)
        elif kind == "nameservers" and not (means.target or means.field):
            self.sheet.serve(line.text)
        elif kind in ("top", "domain", "other") and means.field and not means.target:
            section.personal = True
            self._somebody(section, means.field, line)
        else:
            return False
        return True

    def _beside_seller(self, section: Section, line: Line) -> None:
        """A relative label after a registrar's value: only a web page is surely the registrar's."""
        if line.means.own == "url":
            section.seller.values.setdefault("url", line.value)
        elif line.means.field:
            self._section = Section()
            self._somebody(self._section, line.means.field, line)

    def _somebody(self, section: Section, name: str, line: Line) -> None:
        """A contact's label among the domain's is the registrant's; elsewhere it is nobody's."""
        ours = section.kind == "domain" or (self._domain and section.kind == "top")
        if ours and name not in ("state", "country"):
            self._flat_person("registrant", name, line.value).add(name, line.value)
        else:
            self._stranger.add(name, line.value)

    def _bare(self, line: Line) -> None:
        section, text = self._section, line.text
        if self._continued(line):
            return
        if section.kind == "person" and section.how == "head":
            section.person.loose.append(text)
        elif section.kind in SELLERS and section.how == "head":
            if not section.seller.said and not section.keyed:
                section.seller.said, section.seller.below = text, True
                section.keyed = True
        elif section.kind == "nameservers":
            if not self.sheet.serve(text) and any(map(str.isalnum, text)):
                self._section = Section()
        elif section.kind == "value":
            self._value(section, text)
        elif section.kind == "abuse":
            kind = "email" if shapes.email(text) else "phone"
            self.sheet.put(f"registrar.abuse_{kind}", text)
        elif section.kind == "domain" and shapes.host(text.split()[0]):
            self.sheet.name(text)
        else:
            self._phrase(line)

    def _value(self, section: Section, text: str) -> None:
        """A line below a label without a value; only lists and streets have more than one."""
        role, _, name = section.target.partition(".")
        if role in ROLES:
            self._flat_person(role, name, text).add(name, text)
        elif section.target in SOLD:
            self.sheet.seller(role, text, rank=int(name == "provider"))
        else:
            self.sheet.put(section.target, text)
        if name != "street" and section.target not in _MANY:
            section.target = ""

    def _continued(self, line: Line) -> bool:
        """Whether the line goes on with the value of the label above it."""
        target, indent, person = self._last
        if not target or line.indent <= indent:
            return False
        if person is None:
            if target in _MANY:
                self.sheet.put(target, line.text)
        elif target == "street":
            person.add("street", line.text)
        else:
            person.loose.append(line.text)
        return True

    def _phrase(self, line: Line) -> bool:
        """Whether the line is a sentence that ends with a date of the domain's.

        A label outweighs it: where two answers stand in one text, the registry's comes first.
        """
        section = self._section
        open_ = section.kind in ("top", "domain") or (
            section.kind in SELLERS and section.how == "inline"
        )
        if not open_ or len(line.text) > _MAX_PHRASE:
            return False
        words = folded(line.text)
        if not words.startswith(_STARTS):
            return False
        target = next(t for s, t in _PHRASES.items() if words.startswith(s))
        if target not in self.sheet.when:
            self.sheet.put(target, line.text)
        return True

    # --- Absolute labels -------------------------------------------------------------------------

    def _absolute(self, line: Line) -> None:
        target, value = line.means.target, line.value
        group, _, name = target.partition(".")
        if not value or not target:
            return
        if group in ROLES:
            self._contact(group, name, line)
            return
        self._last = (target, line.indent, None)
        if target in SOLD:
            seller = self.sheet.seller(group, value, rank=int(name == "provider"))
            self._section = Section(group, "inline", line.indent, seller=seller)
        elif target == "registrar.organization":
            self.sheet.seller("registrar", value, rank=1)
        else:
            self.sheet.put(target, value)

    def _contact(self, role: str, name: str, line: Line) -> None:
        if name == "name" and line.means.place in ROLES:
            parts = [part.strip() for part in line.value.split(",", _MAX_HANDLES)]
            linked = parts if all(map(shapes.handle, parts)) else [line.value]
            person = [self.sheet.link(role, part) for part in linked][-1]
            self._section = Section("person", "inline", line.indent, person=person)
        else:
            person = self._flat_person(role, name, line.value)
            person.add(name, line.value)
        self._last = (name, line.indent, person)

    def _flat_person(self, role: str, name: str, value: str) -> Person:
        """The person whose labels carry the role; another one begins with another name."""
        person = self._flat.get(role)
        held = person.values.get(name) if person else None
        if person is None or (held and value not in held and name in ("handle", "name")):
            person = self._flat[role] = self.sheet.person(role)
        return person
