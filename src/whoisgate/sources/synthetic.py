"""A made-up registrar: invented people, some fifty domains, and a SQLite database of its own.

Names, companies and addresses are invented; domains stand under reserved suffixes (RFC 2606, and
the IDN test labels that IANA reserves), telephone numbers under +1.555 and the unassigned +99,
addresses of hosts in the documentation ranges. The schema is a registrar's own, on purpose not
whoisgate's: `STATEMENTS` are what its operator would write.

The same seed gives the same registrar on every machine; nothing here is drawn from the system.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar

from whoisgate.elements import ELEMENTS, Element, element
from whoisgate.errors import FolderExists
from whoisgate.queries import canonical_name
from whoisgate.records import (
    Contact,
    Facts,
    Nameserver,
    Record,
    Region,
    RegistrantKind,
    Value,
)
from whoisgate.sources.invented import DOMAINS, PLACES, Place
from whoisgate.sources.statements import Statements

T = TypeVar("T")


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """One invented person and how to reach them."""

    name: str
    email: str
    phone: str
    street: tuple[str, ...]
    place: Place


_EEA: Final = frozenset({"DE", "SE", "FR", "PL", "ES", "GR", "BG", "IE", "IS"})
_BY_COUNTRY: Final = {place.country: place for place in PLACES}
_STATUS: Final = (
    ("active",),
    ("clientTransferProhibited",),
    ("clientDeleteProhibited", "clientTransferProhibited", "clientUpdateProhibited"),
    ("clientTransferProhibited", "serverTransferProhibited"),
    ("clientHold", "clientTransferProhibited"),
)
_REGISTRAR: Final = {
    "registrar.name": "Example Registrar, Inc.",
    "registrar.iana_id": "9999",
    "registrar.url": "https://registrar.example/",
    "registrar.whois_server": "whois.registrar.example",
    "registrar.rdap_url": "https://rdap.registrar.example/",
    "registrar.abuse_email": "abuse@registrar.example",
    "registrar.abuse_phone": "+1.5555550100",
}


class _Dice:
    """A stream of small numbers from a seed: SHA-256 in counter mode."""

    def __init__(self, seed: int) -> None:
        self._seed, self._thrown = seed, 0

    def below(self, limit: int) -> int:
        self._thrown += 1
        digest = hashlib.sha256(f"{self._seed}:{self._thrown}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % limit

    def pick(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]


def people(seed: int = 1) -> Iterator[Person]:
    """Invented people without end, from every place in turn."""
    dice = _Dice(seed)
    for number in itertools.count():
        yield _person(dice, PLACES[number % len(PLACES)])


def _person(dice: _Dice, place: Place) -> Person:
    given, latin = dice.pick(place.given)
    number = dice.below(9000) + 1000
    prefix = "+1.555555" if place.country in {"US", "CA"} else "+99.555555"
    floor = (f"{dice.below(6) + 1}/{dice.below(9) + 1}",) if dice.below(3) == 0 else ()
    return Person(
        f"{given} {dice.pick(place.family)}",
        f"{latin}.{number}@mail.example",
        f"{prefix}{number}",
        (f"{place.street} {dice.below(98) + 1}", *floor),
        place,
    )


def records(count: int = 50, seed: int = 1) -> Iterator[Record]:
    """``count`` made-up domains; the first fifty or so have names in many scripts."""
    dice = _Dice(seed)
    for number in range(count):
        name, country, company = DOMAINS[number % len(DOMAINS)]
        again = number // len(DOMAINS)
        text = f"{name.partition('.')[0]}-{again}.{name.partition('.')[2]}" if again else name
        yield _record(dice, number, canonical_name(text), _BY_COUNTRY[country], company)


def _record(dice: _Dice, number: int, name: str, place: Place, company: str | None) -> Record:
    private = number % 12 == 11  # noqa: PLR2004  one in twelve registers through the service
    values = {element(k): v for k, v in {**_REGISTRAR, **_plain(dice, number)}.items()}
    contacts = [
        _contact(dice, "registrant", number, place, company)
        if not private
        else _privacy_service(number),
        *(_contact(dice, role, number, place, None) for role in _other_roles(number)),
    ]
    return Record(
        name,
        MappingProxyType({e: values[e] for e in ELEMENTS.values() if e in values}),
        tuple(contacts),
        _nameservers(dice, number, name),
        _facts(number, place, company, contacts, private=private),
        "synthetic",
        str(dice.below(40) + 1),
    )


def _plain(dice: _Dice, number: int) -> dict[str, Value]:
    month, day = dice.below(12) + 1, dice.below(28) + 1
    year = 2009 + dice.below(16)
    values: dict[str, Value] = {
        "domain.handle": f"D{number + 1:06}-EX",
        "domain.created": f"{year}-{month:02}-{day:02}T09:{dice.below(60):02}:00Z",
        "domain.updated": f"2025-{dice.below(12) + 1:02}-{day:02}T14:{dice.below(60):02}:30Z",
        "domain.expires": f"{2028 + dice.below(4)}-{month:02}-{day:02}T09:00:00Z",
        "domain.registrar_expires": f"2028-{month:02}-{day:02}T09:00:00Z",
        "domain.status": dice.pick(_STATUS),
        "dnssec.signed": "unsigned",
    }
    if number % 6 == 2:  # noqa: PLR2004  one in six came from another registrar
        values["domain.transferred"] = f"2024-{month:02}-{day:02}T11:00:00Z"
    if number % 5 == 3:  # noqa: PLR2004  one in five came through a reseller
        values["reseller.name"] = "Sample Reseller Cooperative"
    if number % 3 == 1:
        values["dnssec.signed"] = "signedDelegation"
        values["dnssec.ds"] = tuple(
            f"{dice.below(65535)} 13 2 {hashlib.sha256(f'{number}.{key}'.encode()).hexdigest()}"
            for key in range(1 + number % 2)
        )
    return values


def _other_roles(number: int) -> tuple[str, ...]:
    return (
        *(("admin",) if number % 2 == 0 else ()),
        *(("tech",) if number % 3 != 2 else ()),  # noqa: PLR2004  two in three
        *(("tech",) if number % 17 == 9 else ()),  # noqa: PLR2004  a second one for some
        *(("billing",) if number % 7 == 3 else ()),  # noqa: PLR2004  one in seven
    )


def _contact(dice: _Dice, role: str, number: int, place: Place, company: str | None) -> Contact:
    person = _person(dice, place)
    values: dict[str, Value] = {
        "handle": f"C{number + 1:06}-{dice.below(900) + 100}",
        "name": person.name,
        "organization": company or "",
        "street": person.street,
        "city": place.city,
        "state": place.state,
        "postal_code": place.postal_code,
        "country": place.country,
        "phone": (person.phone,),
        "phone_ext": str(dice.below(90) + 10) if company else "",
        "fax": (person.phone[:-1] + "0",) if company and number % 4 == 0 else (),
        "email": (person.email,),
    }
    return Contact(role, MappingProxyType({k: v for k, v in values.items() if v}))


def _privacy_service(number: int) -> Contact:
    values: dict[str, Value] = {
        "handle": f"P{number + 1:06}",
        "name": "Domain Privacy",
        "organization": "Example Privacy Service",
        "street": ("1 Placeholder Plaza",),
        "city": "Exampleton",
        "state": "OR",
        "postal_code": "99998",
        "country": "US",
        "phone": ("+1.5555550199",),
        "email": (f"{number + 1:06}@privacy.example",),
    }
    return Contact("registrant", MappingProxyType(values))


def _nameservers(dice: _Dice, number: int, name: str) -> tuple[Nameserver, ...]:
    if number % 4 == 0:  # its own, with glue
        network = f"2001:db8:{number // 65535:x}:{number % 65535 + 1:x}"
        return tuple(
            Nameserver(f"ns{h}.{name}", (f"192.0.2.{dice.below(250) + 1}",), (f"{network}::{h}",))
            for h in (1, 2)
        )
    return tuple(Nameserver(f"ns{h}.dns.example") for h in range(1, 3 + number % 3))


def _facts(
    number: int, place: Place, company: str | None, contacts: Sequence[Contact], *, private: bool
) -> Facts:
    if company:
        kind = RegistrantKind.UNSPECIFIED if number % 10 == 4 else RegistrantKind.LEGAL  # noqa: PLR2004  one in ten never said
    else:
        kind = RegistrantKind.UNSPECIFIED if number % 6 == 5 else RegistrantKind.NATURAL  # noqa: PLR2004  one in six never said
    flags = {c.role for c in contacts} & {"registrant", "tech"} if number % 5 == 1 else set()
    return Facts(
        kind,
        publish_consent=number % 8 == 7 if number % 9 else None,  # noqa: PLR2004  one in eight
        organization_consent=number % 4 == 0 if company else None,
        region=Region.EEA if place.country in _EEA else Region.OTHER,
        privacy_service=private,
        disclose_allow=frozenset({element(f"{role}.organization") for role in flags}),
        disclose_deny=frozenset(
            {element(f"{role}.{field}") for role in flags for field in ("email", "phone")}
        ),
    )


SCHEMA: Final = """
CREATE TABLE registrars (
    registrar_no INTEGER PRIMARY KEY, title TEXT, iana TEXT, home TEXT, whois TEXT, rdap TEXT,
    abuse_mail TEXT, abuse_call TEXT);
CREATE TABLE domains (
    domain_no INTEGER PRIMARY KEY, ace_name TEXT NOT NULL UNIQUE, roid TEXT,
    registered_at TEXT, changed_at TEXT, paid_until TEXT, billed_until TEXT, moved_in_at TEXT,
    sold_by TEXT, zone_signed INTEGER, holder_agrees INTEGER, company_agrees INTEGER,
    area TEXT, through_proxy INTEGER, revision TEXT, registrar_no INTEGER REFERENCES registrars);
CREATE TABLE domain_states (domain_no INTEGER, place INTEGER, state TEXT);
CREATE TABLE domain_keys (
    domain_no INTEGER, place INTEGER, tag INTEGER, algorithm INTEGER, digest_kind INTEGER,
    digest TEXT);
CREATE TABLE persons (
    person_no INTEGER PRIMARY KEY, ref TEXT, legal_form TEXT, full_name TEXT, company TEXT,
    phones TEXT, phone_ext TEXT, faxes TEXT, fax_ext TEXT, mails TEXT,
    show_name INTEGER, show_company INTEGER, show_phone INTEGER, show_mail INTEGER);
CREATE TABLE addresses (
    person_no INTEGER PRIMARY KEY REFERENCES persons, lines TEXT, town TEXT, province TEXT,
    postcode TEXT, iso_country TEXT);
CREATE TABLE domain_contacts (domain_no INTEGER, place INTEGER, person_no INTEGER, role TEXT);
CREATE TABLE hosts (host_no INTEGER PRIMARY KEY, host_name TEXT NOT NULL);
CREATE TABLE host_addresses (host_no INTEGER, place INTEGER, family INTEGER, address TEXT);
CREATE TABLE domain_hosts (domain_no INTEGER, place INTEGER, host_no INTEGER);
CREATE INDEX domain_states_of ON domain_states (domain_no, place);
CREATE INDEX domain_keys_of ON domain_keys (domain_no, place);
CREATE INDEX domain_contacts_of ON domain_contacts (domain_no, place);
CREATE INDEX host_addresses_of ON host_addresses (host_no, family, place);
CREATE INDEX domain_hosts_of ON domain_hosts (domain_no, place);
"""
"""The made-up registrar's own schema."""

STATEMENTS: Final = Statements(
    domain="""
SELECT d.roid AS "domain.handle", d.registered_at AS "domain.created",
       d.changed_at AS "domain.updated", d.paid_until AS "domain.expires",
       d.billed_until AS "domain.registrar_expires", d.moved_in_at AS "domain.transferred",
       (SELECT group_concat(state, ' ') FROM (SELECT state FROM domain_states s
         WHERE s.domain_no = d.domain_no ORDER BY s.place)) AS "domain.status",
       r.title AS "registrar.name", r.iana AS "registrar.iana_id", r.home AS "registrar.url",
       r.whois AS "registrar.whois_server", r.rdap AS "registrar.rdap_url",
       r.abuse_mail AS "registrar.abuse_email", r.abuse_call AS "registrar.abuse_phone",
       d.sold_by AS "reseller.name", d.zone_signed AS "dnssec.signed",
       (SELECT group_concat(line, char(10)) FROM (SELECT tag || ' ' || algorithm || ' ' ||
         digest_kind || ' ' || digest AS line FROM domain_keys k
         WHERE k.domain_no = d.domain_no ORDER BY k.place)) AS "dnssec.ds",
       d.holder_agrees AS "fact.publish_consent",
       d.company_agrees AS "fact.organization_consent",
       CASE d.area WHEN 'EEA' THEN 'eea' WHEN 'ROW' THEN 'other' END AS "fact.region",
       d.through_proxy AS "fact.privacy_service", d.revision AS "record.version"
FROM domains d LEFT JOIN registrars r USING (registrar_no)
WHERE d.ace_name = :name
""",
    contacts="""
SELECT CASE dc.role WHEN 'holder' THEN 'registrant' WHEN 'office' THEN 'admin'
         WHEN 'zone' THEN 'tech' WHEN 'bill' THEN 'billing' END AS role,
       p.ref AS "contact.handle", p.full_name AS "contact.name",
       p.company AS "contact.organization", a.lines AS "contact.street",
       a.town AS "contact.city", a.province AS "contact.state",
       a.postcode AS "contact.postal_code", a.iso_country AS "contact.country",
       p.phones AS "contact.phone", p.phone_ext AS "contact.phone_ext",
       p.faxes AS "contact.fax", p.fax_ext AS "contact.fax_ext", p.mails AS "contact.email",
       CASE p.legal_form WHEN 'P' THEN 'natural' WHEN 'C' THEN 'legal' END
         AS "fact.registrant_kind",
       p.show_name AS "fact.disclose.contact.name",
       p.show_company AS "fact.disclose.contact.organization",
       p.show_phone AS "fact.disclose.contact.phone", p.show_mail AS "fact.disclose.contact.email"
FROM domains d JOIN domain_contacts dc USING (domain_no) JOIN persons p USING (person_no)
     LEFT JOIN addresses a USING (person_no)
WHERE d.ace_name = :name ORDER BY dc.place
""",
    nameservers="""
SELECT h.host_name AS "nameserver.name",
       (SELECT group_concat(address, ' ') FROM (SELECT address FROM host_addresses a
         WHERE a.host_no = h.host_no AND family = 4 ORDER BY a.place)) AS "nameserver.ipv4",
       (SELECT group_concat(address, ' ') FROM (SELECT address FROM host_addresses a
         WHERE a.host_no = h.host_no AND family = 6 ORDER BY a.place)) AS "nameserver.ipv6"
FROM domains d JOIN domain_hosts dh USING (domain_no) JOIN hosts h USING (host_no)
WHERE d.ace_name = :name ORDER BY dh.place
""",
)
"""What the made-up registrar's operator writes into ``[source]``."""

_ROLES: Final = {"registrant": "holder", "admin": "office", "tech": "zone", "billing": "bill"}
_FORMS: Final = {RegistrantKind.NATURAL: "P", RegistrantKind.LEGAL: "C"}
_AREAS: Final = {Region.EEA: "EEA", Region.OTHER: "ROW"}
_SHOWN: Final = ("name", "organization", "phone", "email")
"""The fields for which this schema keeps a disclose flag."""


def write_sqlite(path: str | os.PathLike[str], count: int = 50, seed: int = 1) -> Sequence[str]:
    """Make the registrar's database at ``path`` and give the names of its domains.

    Raises `FolderExists` where something stands.
    """
    file = Path(path)
    if file.exists():
        raise FolderExists(f"expected nothing at `{file}`")
    names = []
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executescript(SCHEMA)
        for record in records(count, seed):
            store(connection, record)
            names.append(record.name)
    return names


def store(connection: sqlite3.Connection, record: Record) -> None:
    """Write one record into the schema. Of disclose flags only those in the schema are kept."""
    number = _insert(connection, "domains", (None, *_domain_row(connection, record)))
    status, keys = (record.values.get(element(e), ()) for e in ("domain.status", "dnssec.ds"))
    for place, state in enumerate(status):
        _insert(connection, "domain_states", (number, place, state))
    for place, key in enumerate(keys):
        _insert(connection, "domain_keys", (number, place, *key.split(" ")))
    flagged: set[str] = set()
    for place, contact in enumerate(record.contacts):
        person = _store_person(connection, contact, record.facts, first=contact.role not in flagged)
        flagged.add(contact.role)
        _insert(connection, "domain_contacts", (number, place, person, _ROLES[contact.role]))
    for place, host in enumerate(record.nameservers):
        host_number = _insert(connection, "hosts", (None, host.name))
        _insert(connection, "domain_hosts", (number, place, host_number))
        for family, addresses in ((4, host.ipv4), (6, host.ipv6)):
            for order, address in enumerate(addresses):
                _insert(connection, "host_addresses", (host_number, order, family, address))


def _insert(connection: sqlite3.Connection, table: str, row: Sequence[object]) -> int:
    marks = ", ".join("?" * len(row))
    cursor = connection.execute(f"INSERT INTO {table} VALUES ({marks})", row)  # noqa: S608  this module's own table names
    return cursor.lastrowid or 0


def _domain_row(connection: sqlite3.Connection, record: Record) -> tuple[object, ...]:
    def value(name: str) -> Value | None:
        return record.values.get(element(name))

    facts = record.facts
    signed = value("dnssec.signed")
    dates = ("created", "updated", "expires", "registrar_expires", "transferred")
    return (
        record.name,
        value("domain.handle"),
        *(value(f"domain.{date}") for date in dates),
        value("reseller.name"),
        None if signed is None else signed == "signedDelegation",
        facts.publish_consent,
        facts.organization_consent,
        facts.region and _AREAS[facts.region],
        facts.privacy_service,
        record.version,
        _registrar(connection, [value(name) for name in _REGISTRAR]),
    )


def _registrar(connection: sqlite3.Connection, row: Sequence[Value | None]) -> int:
    known = connection.execute(
        "SELECT registrar_no FROM registrars WHERE (title, iana, home, whois, rdap, abuse_mail,"
        " abuse_call) IS (?, ?, ?, ?, ?, ?, ?)",
        row,
    ).fetchone()
    return known[0] if known else _insert(connection, "registrars", (None, *row))


def _store_person(
    connection: sqlite3.Connection, contact: Contact, facts: Facts, *, first: bool
) -> int:
    get = contact.values.get
    holder = contact.role == "registrant"
    row = (
        None,
        get("handle"),
        _FORMS.get(facts.registrant_kind) if holder else None,
        get("name"),
        get("organization"),
        _lines(get("phone")),
        get("phone_ext"),
        _lines(get("fax")),
        get("fax_ext"),
        _lines(get("email")),
        *(_flag(facts, element(f"{contact.role}.{f}")) if first else None for f in _SHOWN),
    )
    number = _insert(connection, "persons", row)
    place = (get("city"), get("state"), get("postal_code"), get("country"))
    _insert(connection, "addresses", (number, _lines(get("street")), *place))
    return number


def _lines(value: Value | None) -> str | None:
    return None if value is None else "\n".join(value)


def _flag(facts: Facts, known: Element) -> bool | None:
    if known in facts.disclose_allow:
        return True
    return False if known in facts.disclose_deny else None


def source_table(database: str) -> str:
    """The ``[source]`` table (TOML) that reads the database at ``database``."""
    statements = "".join(f"{name} = '''{sql}'''\n" for name, sql in STATEMENTS.given.items())
    return f'\n[source]\nkind = "sqlite"\ndatabase = "{database}"\n{statements}'
