"""What the columns of a registrar's SQL mean: column names in, a `Plan` out; rows in, a `Record`.

A column is named after an element (``registrant.email``), a fact (``fact.region``) or
``record.version``. A contacts statement has either such columns or ``role`` with
``contact.email`` and ``fact.disclose.contact.email``; its other facts are then those of the
registrant's rows alone. Names are checked once, all of them; the rows then run through compiled
readers.

Rules: NULL and the empty text are absent. Several values in one text stand one per line; status
and addresses may stand between any white space. Two rows that state a fact differently are
refused; of EPP's disclose flags the 0 wins. No error tells a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from difflib import get_close_matches
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType
from typing import Final, TypeVar, cast
from uuid import UUID

from whoisgate.elements import CONTACT_FIELDS, ELEMENTS, ROLES, Element, contact_elements
from whoisgate.errors import AmbiguousRecord, SourceFailed, UnknownColumn
from whoisgate.records import Contact, Facts, Nameserver, Record, Region, RegistrantKind, Value

Row = Sequence[object]
Fact = str | Element
"""A field of `Facts`, or the element that a disclose flag belongs to."""

Key = TypeVar("Key")
Content = TypeVar("Content")
Reader = Callable[[object], Content | None]
Columns = tuple[tuple[int, Key, Reader[Content]], ...]

_DATES = frozenset(
    f"domain.{d}"
    for d in ("created", "updated", "expires", "registrar_expires", "transferred", "rdds_updated")
)
_SPACED = frozenset({"domain.status", "nameserver.ipv4", "nameserver.ipv6"})
_TEXTUAL = (str, int, UUID, IPv4Address, IPv6Address)


def _wrong(column: str, expected: str, raw: object) -> SourceFailed:
    got = type(raw).__name__
    return SourceFailed(f"column `{column}`: expected {expected}, got another value (`{got}`)")


def _text(column: str) -> Callable[[object], str]:
    def read(raw: object) -> str:
        if type(raw) is str:
            return raw
        if isinstance(raw, _TEXTUAL) and not isinstance(raw, bool):
            return str(raw)
        raise _wrong(column, "text", raw)

    return read


def _many(column: str, element: str) -> Reader[tuple[str, ...]]:
    one, spaced = _text(column), element in _SPACED

    def read(raw: object) -> tuple[str, ...] | None:
        if type(raw) is str:
            parts = raw.split() if spaced else raw.replace("\r\n", "\n").split("\n")
            return tuple([part for part in parts if part]) or None
        if isinstance(raw, (list, tuple)):
            return tuple([one(part) for part in raw if part is not None and part != ""]) or None
        return (one(raw),)

    return read


def _moment(column: str) -> Reader[str]:
    def read(raw: object) -> str:
        try:
            moment = datetime.fromisoformat(raw) if isinstance(raw, str) else raw
            if isinstance(moment, date) and not isinstance(moment, datetime):
                moment = datetime.combine(moment, time())
            if isinstance(moment, datetime):
                aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
                return aware.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
        except (ValueError, OverflowError):
            pass
        raise _wrong(column, "a date (RFC 3339)", raw)

    return read


_FLAGS: Final[Mapping[object, bool]] = {"true": True, "false": False, 1: True, 0: False}


def _flag(column: str) -> Reader[bool]:
    def read(raw: object) -> bool:
        if isinstance(raw, (str, int)) and raw in _FLAGS:
            return _FLAGS[raw]
        raise _wrong(column, "`true`, `false` or null", raw)

    return read


def _signed(column: str) -> Reader[str]:
    words = {"signedDelegation": True, "unsigned": False, **_FLAGS}

    def read(raw: object) -> str:
        if isinstance(raw, (str, int)) and raw in words:
            return "signedDelegation" if words[raw] else "unsigned"
        raise _wrong(column, "`signedDelegation`, `unsigned`, `true` or `false`", raw)

    return read


Word = TypeVar("Word", bound=StrEnum)


def _word(column: str, kind: type[Word]) -> Reader[Word]:
    words = {word.value: word for word in kind}

    def read(raw: object) -> Word:
        if isinstance(raw, str) and raw in words:
            return words[raw]
        raise _wrong(column, f"one of `{', '.join(words)}`", raw)

    return read


def _of_element(column: str, element: Element) -> Reader[Value]:
    if element.many:
        return _many(column, element.name)
    if element.name in _DATES:
        return _moment(column)
    return _signed(column) if element.name == "dnssec.signed" else _text(column)


_FACTS: Final[Mapping[str, Callable[[str], Reader[object]]]] = {
    "registrant_kind": lambda column: _word(column, RegistrantKind),
    "publish_consent": _flag,
    "organization_consent": _flag,
    "region": lambda column: _word(column, Region),
    "privacy_service": _flag,
}
_FACT_NAMES: Final = {f"fact.{fact}": fact for fact in _FACTS}
_DISCLOSE: Final = {
    f"fact.disclose.{e.name}": e for role in ROLES for e in contact_elements(role).values()
}
_CONTACT_NAMES: Final = {e.name: e for e in ELEMENTS.values() if e.role}
_NAMESERVER_NAMES: Final = {n: e for n, e in ELEMENTS.items() if e.group == "nameserver"}
_VALUE_NAMES: Final = {n: e for n, e in ELEMENTS.items() if not e.role and e.group != "nameserver"}
_BY_ROLE_NAMES: Final = {f"contact.{f}": f for f in CONTACT_FIELDS}
_BY_ROLE_FLAGS: Final = {f"fact.disclose.contact.{f}": f for f in CONTACT_FIELDS}


def _vocabulary(statement: str, given: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """Every column name that this statement may have, given the others."""
    if statement == "nameservers":
        return frozenset(_NAMESERVER_NAMES)
    if statement == "domain":
        contacts = () if "contacts" in given else _CONTACT_NAMES
        return frozenset({*_VALUE_NAMES, *contacts, *_FACT_NAMES, *_DISCLOSE, "record.version"})
    if "role" in given[statement]:
        return frozenset({"role", *_BY_ROLE_NAMES, *_BY_ROLE_FLAGS, *_FACT_NAMES})
    return frozenset({*_CONTACT_NAMES, *_FACT_NAMES, *_DISCLOSE})


def _findings(given: Mapping[str, Sequence[str]]) -> Iterable[str]:
    for statement, names in given.items():
        known = _vocabulary(statement, given)
        for position, name in enumerate(names):
            if name in names[:position]:
                yield f"{statement}: column `{name}` stands twice"
            elif name not in known:
                near = _nearest(name, known)
                hint = f", did you mean `{near}`?" if near else ""
                yield f"{statement}: unknown column `{name}`{hint}"
    if "nameserver.name" not in given.get("nameservers", ("nameserver.name",)):
        yield "nameservers: expected a column `nameserver.name`"


def _nearest(name: str, known: frozenset[str]) -> str | None:
    if name in _CONTACT_NAMES and "role" in known:
        return f"contact.{_CONTACT_NAMES[name].field}"
    return next(iter(get_close_matches(name, sorted(known), 1)), None)


@dataclass(frozen=True, slots=True)
class _Form:
    """How to read the contacts and facts of one row."""

    contacts: tuple[tuple[str, Columns[str, Value]], ...]
    facts: Columns[Fact, object]


def _form(names: Sequence[str]) -> _Form:
    """The form of a row whose columns name contact elements in full."""
    contacts = (
        (
            role,
            tuple(
                (i, _CONTACT_NAMES[n].field, _of_element(n, _CONTACT_NAMES[n]))
                for i, n in enumerate(names)
                if n in _CONTACT_NAMES and _CONTACT_NAMES[n].role == role
            ),
        )
        for role in ROLES
    )
    flags = tuple((i, _DISCLOSE[n], _flag(n)) for i, n in enumerate(names) if n in _DISCLOSE)
    return _Form(
        tuple((role, columns) for role, columns in contacts if columns),
        (*_registrant_facts(names), *flags),
    )


def _form_of_role(role: str, names: Sequence[str]) -> _Form:
    """The form of a row of this role in a statement with a ``role`` column."""
    elements = contact_elements(role)
    columns = tuple(
        (i, _BY_ROLE_NAMES[n], _of_element(n, elements[_BY_ROLE_NAMES[n]]))
        for i, n in enumerate(names)
        if n in _BY_ROLE_NAMES
    )
    flags = tuple(
        (i, elements[_BY_ROLE_FLAGS[n]], _flag(n))
        for i, n in enumerate(names)
        if n in _BY_ROLE_FLAGS
    )
    own = _registrant_facts(names) if role == "registrant" else ()
    return _Form(((role, columns),), (*own, *flags))


def _registrant_facts(names: Sequence[str]) -> Columns[Fact, object]:
    return tuple(
        (index, _FACT_NAMES[name], _FACTS[_FACT_NAMES[name]](name))
        for index, name in enumerate(names)
        if name in _FACT_NAMES
    )


def _taken(row: Row, columns: Columns[Key, Content]) -> dict[Key, Content]:
    """The values of a row that are not absent."""
    found: dict[Key, Content] = {}
    for index, key, read in columns:
        raw = row[index]
        if raw is not None and raw != "" and (value := read(raw)) is not None:
            found[key] = value
    return found


class Plan:
    """How rows become records, compiled from the column names of each statement.

    Raises `UnknownColumn` with every name that is wrong and the nearest that is right.
    """

    def __init__(self, given: Mapping[str, Sequence[str]], source: str) -> None:
        findings = list(_findings(given))
        if findings:
            raise UnknownColumn("; ".join(findings))
        self._source = source
        domain, people = given["domain"], given.get("contacts", ())
        self._values: Columns[Element, Value] = tuple(
            (i, _VALUE_NAMES[n], _of_element(n, _VALUE_NAMES[n]))
            for i, n in enumerate(domain)
            if n in _VALUE_NAMES
        )
        self._version = _version(domain)
        self._of_domain = _form(domain)
        self._role = people.index("role") if "role" in people else None
        self._by_role = {role: _form_of_role(role, people) for role in ROLES}
        self._of_contacts = _form(people)
        self._hosts: Columns[str, Value] = tuple(
            (i, n.partition(".")[2], _of_element(n, _NAMESERVER_NAMES[n]))
            for i, n in enumerate(given.get("nameservers", ()))
        )

    def record(
        self,
        name: str,
        domain: Sequence[Row],
        contacts: Sequence[Row] = (),
        nameservers: Sequence[Row] = (),
    ) -> Record | None:
        """The record of ``name`` from the rows of each statement; None without a domain row.

        Raises `AmbiguousRecord` on a second domain row or contradicting facts, and `SourceFailed`
        with the column's name on a value of a wrong type.
        """
        if not domain:
            return None
        if len(domain) > 1:
            raise AmbiguousRecord(f"domain: expected one row for `{name}`, got `{len(domain)}`")
        row = domain[0]
        facts: dict[Fact, object] = {}
        people: list[Contact] = []
        _contacts(row, self._of_domain, people, facts)
        for other in contacts:
            _contacts(other, self._form(other), people, facts)
        people.sort(key=_in_order)
        return Record(
            name,
            MappingProxyType(_taken(row, self._values)),
            tuple(people),
            self._nameservers(nameservers),
            _facts(facts),
            self._source,
            _taken(row, self._version).get("version", ""),
        )

    def _form(self, row: Row) -> _Form:
        if self._role is None:
            return self._of_contacts
        role = row[self._role]
        if isinstance(role, str) and role in self._by_role:
            return self._by_role[role]
        raise _wrong("role", f"one of `{', '.join(ROLES)}`", role)

    def _nameservers(self, rows: Sequence[Row]) -> tuple[Nameserver, ...]:
        found: dict[str, Nameserver] = {}
        for row in rows:
            host: dict[str, Value] = _taken(row, self._hosts)
            name = host.get("name")
            if not isinstance(name, str):
                raise _wrong("nameserver.name", "a name", name)
            known = found.get(name) or Nameserver(name)
            found[name] = Nameserver(
                name,
                _joined(known.ipv4, host.get("ipv4", ())),
                _joined(known.ipv6, host.get("ipv6", ())),
            )
        return tuple(found.values())


def _version(names: Sequence[str]) -> Columns[str, str]:
    text, moment = _text("record.version"), _moment("record.version")

    def read(raw: object) -> str | None:
        return moment(raw) if isinstance(raw, date) else text(raw)

    return tuple((i, "version", read) for i, n in enumerate(names) if n == "record.version")


_ORDER: Final = {role: place for place, role in enumerate(ROLES)}


def _in_order(contact: Contact) -> int:
    return _ORDER[contact.role]


def _contacts(row: Row, form: _Form, people: list[Contact], facts: dict[Fact, object]) -> None:
    """Add what one row says of contacts and facts."""
    for role, columns in form.contacts:
        values: dict[str, Value] = _taken(row, columns)
        if values:
            people.append(Contact(role, MappingProxyType(values)))
    for fact, value in _taken(row, form.facts).items():
        known = facts.setdefault(fact, value)
        if known == value:
            continue
        if isinstance(fact, str):
            raise AmbiguousRecord(f"column `fact.{fact}`: expected one value for a domain")
        facts[fact] = False


_NO_FACTS: Final = Facts()


def _facts(found: Mapping[Fact, object]) -> Facts:
    if not found:
        return _NO_FACTS
    flags = [(e, shown) for e, shown in found.items() if isinstance(e, Element)]
    # INVARIANT: each fact's reader in `_FACTS` gives the type that `Facts` wants.
    return Facts(
        cast("RegistrantKind", found.get("registrant_kind", RegistrantKind.UNSPECIFIED)),
        cast("bool | None", found.get("publish_consent")),
        cast("bool | None", found.get("organization_consent")),
        cast("Region | None", found.get("region")),
        cast("bool | None", found.get("privacy_service")),
        frozenset([e for e, shown in flags if shown]),
        frozenset([e for e, shown in flags if not shown]),
    )


def _joined(known: tuple[str, ...], more: Value) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*known, *more)))
