"""WHOIS text: labels, order, no forged lines, and the same text from the RDAP answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.formats.conftest import (
    ALIAS,
    ICANN,
    SETTINGS,
    edition_of,
    everything,
    full_elements,
    full_record,
    gated,
    of,
    opened,
    public,
    rule,
)

from whoisgate.elements import ELEMENTS, ROLES
from whoisgate.errors import NotADomain, SourceError
from whoisgate.formats import rdap, whois
from whoisgate.policy.model import RELEASE
from whoisgate.records import Contact, Nameserver, Record
from whoisgate.redact import PublicBytes

OPEN = edition_of(rule(1, RELEASE, frozenset(ELEMENTS.values())))
"""A policy under which the public sees everything, so that every element has its line."""


def text(view):
    return whois.encode(view).decode()


def lines(view):
    return text(view).split("\r\n")


def values(view, label):
    return [v for line in lines(view) for k, _, v in [line.partition(": ")] if k == label]


def test_gives_public_bytes():
    assert type(whois.encode(public(full_record()))) is PublicBytes


def test_refuses_a_gated_view():
    with pytest.raises(TypeError):
        whois.encode(everything(full_record()))


def test_has_a_line_for_every_element_that_is_shown():
    labels = {line.partition(": ")[0] for line in lines(public(full_record(), rules=OPEN))}
    assert {e.label for e in ELEMENTS.values()} - {"Last Update of RDDS"} <= labels
    assert ">>> Last update of RDDS: 2026-11-23T00:00:00Z <<<" in text(public(full_record()))


def test_keeps_icanns_order():
    order = [line.partition(": ")[0] for line in lines(public(full_record(), rules=OPEN))]
    expected = [
        "Domain Name", "Registry Domain ID", "Registrar WHOIS Server", "Registrar URL",
        "Updated Date", "Creation Date", "Registry Expiry Date",
        "Registrar Registration Expiration Date", "Registrar", "Registrar IANA ID",
        "Registrar Abuse Contact Email", "Registrar Abuse Contact Phone", "Reseller",
        "Domain Status", "Registry Registrant ID", "Registrant Name", "Registrant Organization",
        "Registrant Street", "Registrant City", "Registrant State/Province",
        "Registrant Postal Code", "Registrant Country", "Registrant Phone",
        "Registrant Phone Ext", "Registrant Fax", "Registrant Fax Ext", "Registrant Email",
        "Registry Admin ID", "Registry Tech ID", "Registry Billing ID", "Name Server", "DNSSEC",
        "URL of the ICANN RDDS Inaccuracy Complaint Form",
    ]  # fmt: skip
    assert sorted(expected, key=order.index) == expected


def test_says_nothing_of_what_is_withheld():
    shown = text(public(full_record(mark="CANARY")))
    assert "CANARY" not in shown
    assert "REDACTED" not in shown.upper()
    assert not [line for line in shown.split("\r\n") if line.endswith(":")]


@pytest.mark.parametrize("role", ["registrant", "tech"])
def test_shows_what_stands_in_for_an_address(role):
    label = f"{role.title()} Email"
    form = f"https://registrar.example/contact?domain=example.com&role={role}"
    assert values(public(full_record()), label) == [form]
    (alias,) = values(public(full_record(), ALIAS), label)
    assert alias.endswith("@relay.example")


@pytest.mark.parametrize("name", ["example.nl", "example.com"])
def test_speaks_of_icann_under_gtlds_alone(name):
    assert ("icann.org/wicf" in text(public(full_record(name)))) == name.endswith(".com")


@pytest.mark.parametrize(
    ("status", "line"),
    [
        ("clientHold", "clientHold https://icann.org/epp#clientHold"),
        ("ok", "ok https://icann.org/epp#ok"),
        ("transfer prohibited", "transfer prohibited"),
        ("locked", "locked"),
        ("Reserved by registry", "Reserved by registry"),
    ],
)
def test_explains_epp_statuses(status, line):
    view = public(Record.of("example.com", {"domain.status": [status]}))
    assert values(view, "Domain Status") == [line]


def test_shows_no_extension_without_its_number():
    record = Record.of(
        "example.com", {"registrant.phone": "+1.5555550100", "registrant.phone_ext": "7"}
    )
    rules = edition_of(rule(1, RELEASE, of("registrant.phone_ext")))
    assert "Registrant Phone Ext" not in text(public(record, rules=rules))


FORGING = ["\r\n", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029",
           "\x00", "\x1b[2K", "\u202e", "\u2066"]  # fmt: skip


@pytest.mark.parametrize("separator", FORGING, ids=ascii)
def test_lets_no_value_forge_a_line(separator):
    evil = f"x{separator}Registrar: Forged"
    elements = {
        name: [evil] if ELEMENTS[name].many else evil
        for name in full_elements()
        if "ds" not in name
    }
    record = Record.of("example.com", elements, nameservers=[Nameserver(evil, (evil,), (evil,))])
    shown = text(public(record, rules=OPEN))
    assert separator not in shown.replace("\r\n", "")
    assert all("\r" not in line and "\n" not in line for line in shown.split("\r\n"))
    plain = {name: ["x"] if ELEMENTS[name].many else "x" for name in elements}
    honest = text(
        public(
            Record.of("example.com", plain, nameservers=[Nameserver("x", ("x",), ("x",))]),
            rules=OPEN,
        )
    )
    assert len(shown.splitlines()) == len(honest.splitlines())


def test_writes_utf_8():
    record = Record.of(
        "example.com", {"registrant.state": "Île-de-Françe", "registrant.country": "FR"}
    )
    assert "Registrant State/Province: Île-de-Françe\r\n".encode() in whois.encode(public(record))
    lone = Record.of("example.com", {"registrant.state": "a\ud800b"})
    assert b"Registrant State/Province: a b\r\n" in whois.encode(public(lone))


sayable = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
instants = st.datetimes().map(lambda d: d.replace(microsecond=0).isoformat() + "Z")
hosts = st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8}){1,3}", fullmatch=True)
records = st.builds(
    lambda elements, contacts, nameservers: Record(
        "example.com",
        {ELEMENTS[k]: v for k, v in elements.items()},
        tuple(Contact(role, values) for role, values in contacts),
        tuple(nameservers),
    ),
    st.fixed_dictionaries(
        {},
        optional={
            **{f"domain.{f}": instants for f in ("created", "updated", "expires", "rdds_updated")},
            "domain.status": st.lists(
                st.sampled_from(["ok", "clientHold", "locked"]), unique=True
            ).map(tuple),
            "domain.handle": sayable,
            "registrar.name": sayable,
            "registrar.iana_id": st.from_regex(r"[0-9]{1,5}", fullmatch=True),
            "registrar.url": hosts.map("https://{}/".format),
            "registrar.rdap_url": hosts.map("https://{}/rdap/".format),
            "registrar.whois_server": hosts,
            "registrar.abuse_email": sayable,
            "registrar.abuse_phone": sayable,
            "reseller.name": sayable,
            "dnssec.signed": st.sampled_from(["signedDelegation", "unsigned"]),
            "dnssec.ds": st.just(("1 13 2 ABCD",)),
        },
    ),
    st.lists(
        st.tuples(
            st.sampled_from(ROLES),
            st.fixed_dictionaries(
                {},
                optional={
                    "handle": sayable, "name": sayable, "organization": sayable, "city": sayable,
                    "state": sayable, "postal_code": sayable,
                    "country": st.from_regex(r"[A-Z]{2}", fullmatch=True),
                    "street": st.lists(sayable, max_size=3).map(tuple),
                    "phone": st.lists(sayable, max_size=2).map(tuple), "phone_ext": sayable,
                    "fax": st.lists(sayable, max_size=2).map(tuple), "fax_ext": sayable,
                    "email": st.lists(sayable, max_size=2).map(tuple),
                },
            ),
        ),
        max_size=4,
    ),
    st.lists(
        st.builds(Nameserver, hosts, st.sampled_from([("192.0.2.1",), ()]),
                  st.just(("2001:db8::1",))),
        max_size=2,
    ),
)  # fmt: skip


@given(records, st.sampled_from([OPEN, ICANN]), st.booleans())
def test_renders_the_same_text_from_the_rdap_answer(record, rules, alias):
    view = public(record, ALIAS, rules) if alias else public(record, rules=rules)
    assert whois.from_rdap(rdap.encode(view, SETTINGS)) == text(view)


def test_renders_a_gated_answer():
    body = opened(rdap.encode(gated(full_record(), ["registrant.name"]), SETTINGS))
    shown = whois.from_rdap(body)
    assert "Registrant Name: Ada Registrant\r\n" in shown
    assert "Tech Name" not in shown


def test_renders_an_error_as_comments():
    body = rdap.encode_error(404, "Not Found", "WG103", ["no record of `x.example`\nRegistrar: X"])
    assert whois.from_rdap(body) == (
        "% 404 Not Found\r\n% WG103: no record of `x.example` Registrar: X\r\n"
    )


def test_refuses_what_is_no_answer():
    with pytest.raises(NotADomain):
        whois.from_rdap(b"{}")
    for body in (b"", b"[]", b"\xff", b'{"notices":7}', b'{"errorCode":"x"}'):
        with pytest.raises(SourceError):
            whois.from_rdap(body)
