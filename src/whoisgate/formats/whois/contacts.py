"""The contacts of an answer: links by handle resolved, values in the shapes of their elements.

`Private` holds what the text gives as a person's, to keep it from the public elements.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Final

from whoisgate.elements import ROLES, Element, contact_elements
from whoisgate.formats.placeholders import withheld
from whoisgate.formats.whois import shapes
from whoisgate.formats.whois.labels import folded, plainly, rows
from whoisgate.formats.whois.sheet import Person, Sheet
from whoisgate.records import Contact, Facts, RegistrantKind, Value

_COLUMNS: Final = re.compile(r" ?\t\s*|  +")
_CODE: Final = re.compile(r"(?=[^0-9]{0,40}[0-9])[A-Z0-9]+(?:-[A-Z0-9]+)*")
_NOTHING: Final = frozenset({"", "-", "--", "none", "n/a", "null", "nil", ".", "not.defined."})
_SPELLED: Final = re.compile(r"\S{1,64}(?: ?\[at\] ?| ?\(at\) ?| at )\S{1,253}", re.IGNORECASE)
_STATE: Final = re.compile(r"[^\W\d_](?:[^\W_]|[ .'’()/&-]){0,39}")
_KINDS: Final = {
    label: RegistrantKind(value)
    for value, label in rows("""
legal: organization | organisation | legal person | legal entity | company | corporation | org
legal: juridical person | legal person entity | body corporate
natural: person | individual | natural person | private person | private individual
""")
}
_MAX_OF_A_ROLE: Final = 32
_MIN_DIGITS: Final = 7
_MIN_PART: Final = 3


_FIRMS: Final = frozenset(
    label
    for _, label in rows("""
firm: ab | ag | aps | as | asa | bhd | bv | bvba | co | coop | corp | corporation | company | doo
firm: dba | eood | ev | foundation | gmbh | group | hosting | inc | incorporated | internet | kft
firm: kg | lda | limited | llc | llp | ltd | ltda | nv | ooo | oy | oyj | plc | pte | pty | pvt
firm: registrar | registry | sa | sarl | sas | sdn | sia | sl | sp | spa | sprl | srl | sro | zoo
""")
)
"""Words, without dots, that no person's name has: legal forms and the like."""


class Private:
    """What the text gives as people's: values that no public free text may repeat.

    A firm's name is no person's, even where it stands for one; nor is a single word, which tells
    nobody from a brand.
    """

    __slots__ = ("_all", "_digits", "_names", "_values", "handles")

    def __init__(self, people: Iterable[Person]) -> None:
        self._all = set[str]()
        self._values = set[str]()
        self._names = set[str]()
        self._digits = set[str]()
        self.handles = set[str]()
        for person in people:
            self._note(person)

    def _note(self, person: Person) -> None:
        firms = {plainly(v) for v in person.values.get("organization", ())}
        for field, values in person.values.items():
            said = {plainly(v) for v in values}
            if field not in ("state", "country", "kind"):
                self._all |= {v for v in said if len(v) >= _MIN_PART}
            if field == "handle":
                self.handles |= said
            elif field in ("phone", "fax"):
                self._digits |= {digits for v in values if (digits := _digits(v))}
            elif field == "name":
                self._names |= {name for name in said - firms if _of_a_person(name)}
            elif field not in ("organization", "role", "state", "country", "kind"):
                self._values |= said
        for text in person.loose:
            self._values |= {
                plainly(word) for word in text.split() if shapes.email(word.strip("()<>"))
            }
            self._digits |= {digits for digits in [_digits(text)] if digits}

    def holds(self, text: str) -> bool:
        """Whether ``text`` is what is a person's, or contains a person's name."""
        said = plainly(text)
        return (
            (said in self._values and not _of_a_firm(said))
            or bool((digits := _digits(text)) and digits in self._digits)
            or any(name in said for name in self._names)
        )

    def within(self, text: str) -> bool:
        """Whether ``text`` contains any value of a contact's: a city, a firm, a postal code."""
        said = plainly(text)
        return self.holds(text) or any(value in said for value in self._all)


def _of_a_person(name: str) -> bool:
    return " " in name and not _of_a_firm(name)


def _of_a_firm(name: str) -> bool:
    return any(word.strip(",") in _FIRMS for word in name.replace(".", "").split())


def _digits(text: str) -> str:
    digits = "".join([c for c in text if c.isdigit()])
    return digits if len(digits) >= _MIN_DIGITS else ""


def linked(sheet: Sheet) -> list[Person]:
    """Everybody in the text, each with the roles that a label or a link gives."""
    blocks = {plainly(key): person for person in sheet.people for key in person.keys}
    resolved = set[Person]()
    for role, value, said in sheet.links:
        block = blocks.get(plainly(value))
        if block is None:
            if value.casefold() not in _NOTHING:
                said.add("handle" if shapes.handle(value) else "name", value)
            continue
        if role not in block.roles:
            block.roles.append(role)
        if value in (names := block.values.get("name", [])) and len(block.keys) == 1:
            names.remove(value)
            block.add("handle", value)
        if not said.values and not said.loose:
            resolved.add(said)
    people = [person for person in sheet.people if person not in resolved]
    return _merged(people, {said for _, _, said in sheet.links})


def _merged(people: Sequence[Person], links: set[Person]) -> list[Person]:
    """A line that alone tells a role's name or handle adds to the role's person who has none."""
    described: dict[str, Person] = {}
    for person in people:
        if person not in links and len(person.roles) == 1:
            described.setdefault(person.roles[0], person)
    kept: list[Person] = []
    for person in people:
        known = described.get(person.roles[0]) if person in links and not person.loose else None
        fields = list(person.values)
        if known and len(fields) == 1 and fields[0] not in known.values:
            known.values[fields[0]] = person.values[fields[0]]
        else:
            kept.append(person)
    return kept


def contacts(people: Sequence[Person], private: Private) -> tuple[list[Contact], set[Element]]:
    """One contact per person and role, in the order of the roles; and what the source withholds."""
    found: list[Contact] = []
    missing = set[Element]()
    for role in ROLES:
        for person in [p for p in people if role in p.roles][:_MAX_OF_A_ROLE]:
            values, hidden = _values(person, private)
            missing |= {contact_elements(role)[field] for field in hidden}
            if values:
                found.append(Contact(role, MappingProxyType(values)))
    return found, missing


def kind(people: Iterable[Person]) -> Facts:
    """The registrant's kind where a label of its own says it in words of a closed table."""
    said = [
        known
        for person in people
        if "registrant" in person.roles
        for text in person.values.get("kind", ())
        if (known := _KINDS.get(folded(text)))
    ]
    return Facts(registrant_kind=said[0]) if len(set(said)) == 1 else Facts()


def _values(person: Person, private: Private) -> tuple[dict[str, Value], set[str]]:
    values: dict[str, Value] = {}
    hidden = set[str]()
    held = _with_loose(person)
    for field, element in contact_elements("registrant").items():
        said = held.get(field, ())
        kept = [text for text in said if not withheld(text) and not _elsewhere(field, text)]
        if len(kept) < len(said):
            hidden.add(field)
        shaped = [text for t in kept if (text := _shaped(field, t, private))]
        if shaped:
            values[field] = tuple(shaped) if element.many else shaped[0]
    return values, hidden - values.keys()


def _elsewhere(field: str, text: str) -> bool:
    """Whether the text says, in place of an e-mail address, where one may ask for it."""
    return field == "email" and "@" not in text and not _SPELLED.fullmatch(text)


def _with_loose(person: Person) -> dict[str, list[str]]:
    """The person's fields, with what is certain of the lines without a label.

    An address or a number alone on its line is what its shape says; the first line under the head
    is the name, unless it says more.
    """
    held = {field: list(values) for field, values in person.values.items()}
    names = [*held.get("first_name", ()), *held.get("last_name", ())]
    if names:
        held.setdefault("name", [" ".join(names)])
    if "role" in held:
        held.setdefault("name", held["role"])
    named = True
    for number, line in enumerate(person.loose):
        for text in _COLUMNS.split(line):
            if email := shapes.email(text.strip("()<>")):
                held.setdefault("email", []).append(email)
            elif text.startswith("+") and shapes.phone(text):
                held.setdefault("phone", []).append(text)
            elif number == 0 and _CODE.fullmatch(text):
                held.setdefault("handle", [text])
                named = False
            elif number == 0 or (number == 1 and not named):
                held.setdefault("name", [text])
    return held


def _shaped(field: str, text: str, private: Private) -> str:
    """The value as its element wants it. State and country may be public: shape decides."""
    if text.casefold() in _NOTHING:
        return ""
    if field == "country":
        return shapes.country(text)
    if field == "state":
        return text if _STATE.fullmatch(text) and not private.within(text) else ""
    return text
