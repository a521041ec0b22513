"""Records that nobody may tell apart: equal facts and equal treated values, other secrets.

`record` draws a record, `Law` says what of it a decision lets out, `twin` draws another record
with the same of that and anything else in the rest: values, their presence, order and number,
contacts that show nothing, whole roles that are withheld, what only the log keeps.
"""

import random
from collections.abc import Mapping
from dataclasses import replace

from whoisgate.elements import CONTACT_FIELDS, ELEMENTS, ROLES, Element, Kind, contact_elements
from whoisgate.policy.decide import Decision, Outcome
from whoisgate.records import Contact, Facts, Nameserver, Record, Value

SECRETS = (
    "Ada Example", "B", "", " ", "\t", "0", "null", "x" * 5000, "Zoë Ærøskøbing", "李小明 測試",
    "عربي مثال", "e\u0301 \u200b\u200d\u202e\u2028\x85", "🐦" * 40, "\x00\x1b[31m", "\ud7ff\ue000",
    "a\r\nRegistrant Country: XX\r\nb", '"],["adr",{"cc":"XX"}', "\\\\\"'{}[]", "<b>&amp;</b>",
    "ada@person.example", "+1.5555550100", "tel:+1.5555550100;ext=9", "https://person.example/?a=b",
    "REDACTED FOR PRIVACY", "Data Protected", "n/a", "GDPR Masked", "Registrant", "Name Server:",
    "% comment", ">>> Last update <<<", "No match for", "2001-01-01", "NL", "1 Sample Street",
)  # fmt: skip
"""What stands in withheld places: from empty to long, other scripts, other formats' syntax."""

_DATES = ("2019-02-03T04:05:06Z", "2019-12-31T23:59:59Z", "2024-06-01T00:00:00Z")
_HOSTS = ("ns1.example.net", "ns2.example.net", "ns3.example.org")
_PLAIN: Mapping[str, tuple[str | tuple[str, ...], ...]] = {
    "domain.handle": ("D1-EXAMPLE", "D2-EXAMPLE"),
    **{f"domain.{d}": _DATES for d in ("created", "updated", "expires", "rdds_updated")},
    "domain.status": (("ok",), ("clientHold", "clientTransferProhibited")),
    "registrar.name": ("Example Registrar, Inc.",),
    "registrar.iana_id": ("9999",),
    "registrar.abuse_email": ("abuse@registrar.example",),
    "dnssec.signed": ("unsigned", "signedDelegation"),
}
_PLACES: Mapping[str, tuple[str, ...]] = {
    "country": ("NL", "NO", "DE", ""),
    "state": ("Sample State", "", "Ærø"),
}
_ORDINARY: Mapping[str, str | tuple[str, ...]] = {
    "handle": "C1-EXAMPLE",
    "name": "Ada Example",
    "city": "Sampletown",
    "phone": ("+1.5555550100",),
    "email": ("ada@person.example",),
}
_FREE = frozenset({Kind.WITHHOLD, Kind.REPLACE})
_ORDERS = tuple(tuple(random.Random(n).sample(CONTACT_FIELDS, 13)) for n in range(40))
_VALUES = {
    field: tuple(
        value
        for n, text in enumerate(_PLACES.get(field, SECRETS))
        for value in (
            [(text,), (text, SECRETS[n - 7]), (), ("",)]
            if contact_elements("tech")[field].many
            else [text]
        )
    )
    for field in CONTACT_FIELDS
}


class Law:
    """What of a record a decision lets out; a refusal lets out nothing."""

    def __init__(self, decision: Decision) -> None:
        silent = decision.outcome in {Outcome.REFUSED, Outcome.NEEDS_APPROVAL}
        kinds = {
            e: Kind.WITHHOLD if silent else decision.treatment(e).kind for e in ELEMENTS.values()
        }
        self.free = {e: None for e, kind in kinds.items() if kind in _FREE}
        self.by_year = frozenset(e for e, kind in kinds.items() if kind is Kind.GENERALISE)
        self.shown = {
            role: frozenset(f for f, e in contact_elements(role).items() if e not in self.free)
            for role in ROLES
        }
        self.appears = frozenset(
            role
            for role in ROLES
            if any(kinds[e] is not Kind.WITHHOLD for e in contact_elements(role).values())
        )


def record(chance: random.Random, name: str, facts: Facts, *, single: bool = False) -> Record:
    """A record with any number of contacts, values and name servers.

    ``single``: at most one contact of a role.
    """
    values: dict[Element, Value] = {
        ELEMENTS[n]: chance.choice(pool) for n, pool in _PLAIN.items() if chance.random() < 0.8
    }
    roles = chance.choices(ROLES, k=chance.randint(0, 6))
    if single:
        roles = [*dict.fromkeys(roles)]
    return Record(
        name,
        values,
        tuple(_contact(chance, role, dict.fromkeys(CONTACT_FIELDS)) for role in roles),
        _nameservers(chance),
        facts,
        version=str(chance.random()),
        withheld=_withheld(chance, ELEMENTS.values()),
        partial=chance.random() < 0.05,
    )


def twin(
    chance: random.Random,
    one: Record,
    law: Law,
    *,
    single: bool = False,
    fixed: frozenset[str] = frozenset(),
) -> Record:
    """Another record with the same facts and treated values under ``law``.

    The roles in ``fixed`` exist in it as they do in ``one``, be they shown or not; ``single`` as
    in `record`.
    """
    contacts: list[Contact] = []
    for role in ROLES:
        own = [c.values for c in one.contacts if c.role == role]
        told = role in law.appears or role in fixed
        if own if told else chance.random() < 0.5:
            contacts += _contacts(chance, own, role, law, single=single)
    if chance.random() < 0.5:
        contacts = _merged(chance, contacts)
    values = {
        e: _same_year(chance, v) if e in law.by_year else v
        for e, v in one.values.items()
        if e not in law.free
    }
    for element in law.free:
        if element.name in _PLAIN and chance.random() < 0.5:
            values[element] = chance.choice(_PLAIN[element.name])
    if chance.random() < 0.3:
        values = dict(reversed(values.items()))
    return replace(
        one,
        values=values,
        contacts=tuple(contacts),
        nameservers=_other_nameservers(chance, one, law),
        source=chance.choice(("memory", "sqlite", "rdap")),
        version=str(chance.random()),
        withheld=one.withheld.difference(law.free) | _withheld(chance, law.free),
    )


def _contacts(
    chance: random.Random,
    own: list[Mapping[str, Value]],
    role: str,
    law: Law,
    *,
    single: bool,
) -> list[Contact]:
    """Contacts that show what ``own`` show, at least one, and among them others with no more."""
    shown, free = law.shown[role], _free(law, role)
    kept = [k for c in own if (k := {f: v for f, v in c.items() if f in shown and v})]
    made = [_contact(chance, role, free, k) for k in kept]
    for _ in range(0 if single else chance.randint(0, 2)) if made else range(1):
        made.insert(chance.randint(0, len(made)), _contact(chance, role, free))
    return made


def _free(law: Law, role: str) -> dict[str, None]:
    return {f: None for f in CONTACT_FIELDS if f not in law.shown[role]}


def _contact(
    chance: random.Random, role: str, free: Mapping[str, None], kept: Mapping[str, Value] = {}
) -> Contact:
    """A contact with ``kept`` and anything in the fields ``free``, in any order.

    One of these has an ordinary value: a contact of which nothing can be read is none.
    """
    bits, values = chance.getrandbits(13), {}
    for n, field in enumerate(chance.choice(_ORDERS)):
        if field in kept:
            values[field] = kept[field]
        elif bits >> n & 1:
            # What is shown and not kept is absent, which an empty value is as well.
            values[field] = chance.choice(_VALUES[field]) if field in free else ""
    ordinary = [f for f in _ORDINARY if f in free]
    if ordinary:
        field = chance.choice(ordinary)
        values[field] = _ORDINARY[field]
    return Contact(role, values)


def _merged(chance: random.Random, contacts: list[Contact]) -> list[Contact]:
    """The same contacts in another order, in which each role keeps its own."""
    queues = {role: [c for c in contacts if c.role == role] for role in ROLES}
    order = chance.sample([c.role for c in contacts], len(contacts))
    return [queues[role].pop(0) for role in order]


def _nameservers(chance: random.Random) -> tuple[Nameserver, ...]:
    return tuple(
        Nameserver(
            host,
            ("192.0.2.1",) if chance.random() < 0.3 else (),
            ("2001:db8::1", "2001:db8::2") if chance.random() < 0.3 else (),
        )
        for host in _HOSTS[: chance.randint(0, 3)]
    )


def _other_nameservers(chance: random.Random, one: Record, law: Law) -> tuple[Nameserver, ...]:
    free = {f for f in ("name", "ipv4", "ipv6") if ELEMENTS[f"nameserver.{f}"] in law.free}
    if not free:
        return one.nameservers
    if "name" in free:
        return _nameservers(chance)
    return tuple(
        Nameserver(
            n.name,
            ("192.0.2.9",) if "ipv4" in free else n.ipv4,
            ("2001:db8::9",) if "ipv6" in free else n.ipv6,
        )
        for n in one.nameservers
    )


def _withheld(chance: random.Random, among) -> frozenset[Element]:
    """Elements that the source itself withholds, now and then."""
    some = [*among] if chance.random() < 0.1 else []
    return frozenset(chance.sample(some, min(len(some), chance.randint(1, 4))))


def _same_year(chance: random.Random, value: Value) -> Value:
    return f"{str(value)[:4]}-{chance.randint(1, 12):02}-17T08:09:{chance.randint(0, 59):02}Z"
