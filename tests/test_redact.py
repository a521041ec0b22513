"""The one door: what a view holds, that nothing else makes one, and what stays sealed."""

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.formats.conftest import (
    ALIAS,
    NAMESERVERS,
    OFFICER,
    PLAIN,
    WEB_FORM,
    edition_of,
    everything,
    full_record,
    gated,
    of,
    public,
    rule,
)

from whoisgate.audit.receipt import Receipt
from whoisgate.elements import CONTACT_FIELDS, ELEMENTS, ROLES, Kind
from whoisgate.errors import ReceiptMismatch, ReplacementMissing
from whoisgate.policy.model import RELEASE, Treatment
from whoisgate.queries import Question
from whoisgate.records import Contact, Record
from whoisgate.redact import (
    GatedView,
    PublicView,
    Sealed,
    Substitutes,
    View,
    digest,
)

NOTHING = edition_of()


def values(view, role):
    return [dict(c.values) for c in view.contacts if c.role == role]


@pytest.mark.parametrize("kind", [View, PublicView, GatedView])
def test_makes_no_view_without_the_door(kind):
    decision = NOTHING.decide(Question("example.com"), OFFICER, full_record().facts)
    for door in ((), (None,), (object(),), (True,)):
        with pytest.raises(TypeError, match="only redact"):
            kind("example.com", decision, {}, (), (), *door)


def test_shows_nothing_under_an_empty_policy():
    view = public(full_record(), rules=NOTHING)
    assert type(view) is PublicView
    assert (view.values, view.contacts, view.nameservers) == ({}, (), ())
    assert view.name == "example.com"


@given(st.sets(st.sampled_from([*ELEMENTS.values()])))
def test_shows_exactly_what_is_released(released):
    record = full_record()
    view = public(record, rules=edition_of(rule(1, RELEASE, frozenset(released))))
    assert view.values == {e: v for e, v in record.values.items() if e in released}
    for contact in record.contacts:
        shown = {
            f: v for f, v in contact.values.items() if ELEMENTS[f"{contact.role}.{f}"] in released
        }
        assert values(view, contact.role) == ([shown] if shown else [])
    assert bool(view.nameservers) == (ELEMENTS["nameserver.name"] in released)
    for n, own in zip(view.nameservers, NAMESERVERS, strict=False):
        assert n.ipv4 == (own.ipv4 if ELEMENTS["nameserver.ipv4"] in released else ())
        assert n.ipv6 == (own.ipv6 if ELEMENTS["nameserver.ipv6"] in released else ())


def test_tells_what_is_gated_from_what_is_public():
    record = full_record()
    assert type(public(record)) is PublicView
    assert type(gated(record, ["registrant.name"])) is GatedView
    assert type(gated(record, ["domain.created"])) is PublicView


def test_replaces_whether_or_not_there_is_an_address():
    with_address, without = (
        Record.of("example.com", {"registrant.name": "Ada"} | more)
        for more in ({"registrant.email": "ada@person.example"}, {})
    )
    for substitutes in (WEB_FORM, ALIAS):
        one, other = public(with_address, substitutes), public(without, substitutes)
        assert values(one, "registrant") == values(other, "registrant")
        assert values(one, "registrant")[0].keys() == {"email"}


def test_keys_an_alias_by_domain_and_role_and_by_nothing_else():
    made = {
        (domain, role): ALIAS.address(domain, role)
        for domain in ("example.com", "example.net")
        for role in ("registrant", "tech")
    }
    assert len(set(made.values())) == 4
    assert (
        Substitutes(b"x" * 32, alias=ALIAS.alias).address("example.com", "tech")
        not in made.values()
    )
    assert WEB_FORM.address("example.com", "tech").endswith("?domain=example.com&role=tech")


def test_refuses_to_replace_without_a_template():
    with pytest.raises(ReplacementMissing):
        public(full_record(), Substitutes(b"k" * 32))


def test_shows_one_bare_contact_of_a_role_however_many_there_are():
    for count in (1, 2, 5):
        contacts = tuple(Contact("tech", {"name": f"Tom {n}"}) for n in range(count))
        assert values(public(Record("example.com", contacts=contacts)), "tech") == [
            {"email": WEB_FORM.address("example.com", "tech")}
        ]


def test_says_nothing_by_the_order_of_contacts():
    hidden, shown = Contact("registrant", {"name": "Ada"}), Contact("registrant", {"state": "S"})
    views = [
        values(public(Record("example.com", contacts=contacts)), "registrant")
        for contacts in ((shown,), (hidden, shown), (shown, hidden), (hidden, shown, hidden))
    ]
    assert all(view == views[0] for view in views)
    assert len(views[0]) == 1


def test_counts_an_empty_value_as_absent():
    contacts = (Contact("registrant", {"state": "", "street": ()}), Contact("registrant", {}))
    assert values(public(Record("example.com", contacts=contacts)), "registrant") == [
        {"email": WEB_FORM.address("example.com", "registrant")}
    ]


@pytest.mark.parametrize(
    ("parameter", "across"), [("domain", False), ("stable", True), ("", False)]
)
def test_scopes_a_pseudonym(parameter, across):
    rules = edition_of(
        rule(1, Treatment(Kind.PSEUDONYM, parameter), of("registrant.handle", "tech.handle"))
    )
    handles = {"registrant.handle": "C-1", "tech.handle": "C-1"}
    seen = [
        values(public(Record.of(name, handles), rules=rules), role)
        for name in ("example.com", "example.net")
        for role in ("registrant", "tech")
    ]
    assert seen[0] == seen[1]
    assert (seen[0] == seen[2]) is across
    assert "C-1" not in str(seen)


def test_gives_a_pseudonym_of_a_list_one_text_in_the_lists_shape():
    rules = edition_of(rule(1, Treatment(Kind.PSEUDONYM, "domain"), of("registrant.email")))
    (one,) = values(public(full_record(), rules=rules), "registrant")
    (text,) = one["email"]
    assert len(text) == 24


@pytest.mark.parametrize("date", ["2001-12-31T23:59:59Z", "2001-01-01T00:00:00Z"])
def test_generalises_a_date_to_its_year(date):
    rules = edition_of(rule(1, Treatment(Kind.GENERALISE, "year"), of("domain.created")))
    view = public(Record.of("example.com", {"domain.created": date}), rules=rules)
    assert view.values == {ELEMENTS["domain.created"]: "2001-01-01T00:00:00Z"}


@given(st.data())
def test_depends_on_nothing_that_is_withheld(data):
    role = data.draw(st.sampled_from(ROLES))
    field = data.draw(st.sampled_from([f for f in CONTACT_FIELDS if f not in {"state", "country"}]))
    known = ELEMENTS[f"{role}.{field}"]
    text = data.draw(st.text(min_size=1))
    changed = full_record()
    contacts = tuple(
        Contact(c.role, {**c.values, field: (text,) if known.many else text})
        if c.role == role
        else c
        for c in changed.contacts
    )
    other = Record(changed.name, changed.values, contacts, changed.nameservers, changed.facts)
    assert digest(public(changed)) == digest(public(other))
    assert digest(everything(other)) != digest(public(other))


def test_digests_what_is_shown():
    record = full_record()
    seen = {
        digest(view)
        for view in (
            public(record),
            public(record, ALIAS),
            everything(record),
            gated(record, ["registrant.name"]),
            public(full_record("example.net")),
            public(record, rules=edition_of(rule(1, RELEASE, PLAIN - of("domain.created")))),
        )
    }
    assert len(seen) == 6
    assert digest(public(record)) == digest(public(full_record()))


def test_opens_a_seal_with_the_receipt_of_its_bytes_alone():
    sealed = Sealed(everything(full_record()), b"body")
    assert sealed.open(Receipt(7, sealed.digest, "", "")) == b"body"
    for digested in ("0" * 64, "", digest(everything(full_record()))):
        with pytest.raises(ReceiptMismatch):
            sealed.open(Receipt(7, digested, "", ""))


@pytest.mark.parametrize("origin", [None, "decision", b""])
def test_seals_nothing_but_gated_views_and_decisions(origin):
    with pytest.raises(TypeError):
        Sealed(origin, b"body")
    with pytest.raises(TypeError):
        Sealed(public(full_record()), b"body")


def test_says_nothing_of_values_in_a_representation():
    view = everything(full_record())
    told = f"{view!r} {view.contacts!r} {view.nameservers!r} {Sealed(view, b'Ada')!r}"
    assert "Ada" not in told
    assert "ns1" not in told


def test_keeps_a_view_as_it_was_made():
    view = public(full_record())
    with pytest.raises(FrozenInstanceError):
        view.name = "example.net"
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        view.contacts[0].values = {}
