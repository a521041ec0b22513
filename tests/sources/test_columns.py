from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from ipaddress import ip_address
from uuid import UUID

import pytest

from whoisgate.elements import element
from whoisgate.errors import AmbiguousRecord, SourceFailed, UnknownColumn
from whoisgate.records import Facts, Nameserver, Region, RegistrantKind
from whoisgate.sources.columns import Plan

NAME = "bicycle-repair.example"
SECRET = "Aoife O'Sample"


def read(column, raw):
    """The record of a domain statement with this one column and value."""
    return Plan({"domain": [column]}, "sql").record(NAME, [(raw,)])


@pytest.mark.parametrize(
    ("column", "raw", "expected"),
    [
        ("registrar.name", "Example Registrar", "Example Registrar"),
        ("registrar.iana_id", 9999, "9999"),
        ("domain.handle", UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        ("domain.created", "2020-01-02T03:04:05Z", "2020-01-02T03:04:05Z"),
        ("domain.created", "2020-01-02 03:04:05", "2020-01-02T03:04:05Z"),
        ("domain.created", "2020-01-02T03:04:05+02:00", "2020-01-02T01:04:05Z"),
        ("domain.created", "2020-01-02", "2020-01-02T00:00:00Z"),
        ("domain.created", date(2020, 1, 2), "2020-01-02T00:00:00Z"),
        ("domain.created", datetime(2020, 1, 2, 3, 4, 5), "2020-01-02T03:04:05Z"),  # noqa: DTZ001  as a column without zone comes
        ("domain.created", datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC), "2020-01-02T03:04:05Z"),
        (
            "domain.created",
            datetime(2020, 1, 2, 3, tzinfo=timezone(timedelta(hours=-5))),
            "2020-01-02T08:00:00Z",
        ),
        ("domain.status", "ok", ("ok",)),
        ("domain.status", " clientHold\tclientTransferProhibited\n", None),
        ("domain.status", ["ok", None, ""], ("ok",)),
        ("dnssec.signed", True, "signedDelegation"),
        ("dnssec.signed", 0, "unsigned"),
        ("dnssec.signed", "signedDelegation", "signedDelegation"),
        ("dnssec.ds", "1 13 2 AB\r\n2 13 2 CD", ("1 13 2 AB", "2 13 2 CD")),
    ],
)
def test_reads_what_databases_give(column, raw, expected):
    wanted = expected or ("clientHold", "clientTransferProhibited")
    assert dict(read(column, raw).values) == {element(column): wanted}


@pytest.mark.parametrize("raw", [None, ""])
@pytest.mark.parametrize("column", ["registrar.name", "domain.created", "domain.status"])
def test_takes_null_and_empty_text_as_absent(column, raw):
    assert not read(column, raw).values


@pytest.mark.parametrize("raw", ["\n\n", [], [None, ""], ()])
def test_takes_a_list_of_nothing_as_absent(raw):
    assert not read("registrant.street", raw).contacts
    assert not read("domain.status", raw).values


def test_keeps_lines_of_a_street_and_several_addresses():
    record = Plan({"domain": ["registrant.street", "registrant.email"]}, "sql").record(
        NAME, [("Linden Row 4\nFloor 2", ["a@mail.example", "b@mail.example"])]
    )
    assert dict(record.contacts[0].values) == {
        "street": ("Linden Row 4", "Floor 2"),
        "email": ("a@mail.example", "b@mail.example"),
    }


@pytest.mark.parametrize(
    ("column", "raw"),
    [
        ("registrar.name", 1.5),
        ("registrar.name", True),
        ("registrar.name", b"bytes"),
        ("registrar.name", Decimal(1)),
        ("registrant.name", [SECRET]),
        ("registrant.email", {"mail": SECRET}),
        ("registrant.email", [["nested"]]),
        ("domain.created", SECRET),
        ("domain.created", 1577934245),
        ("domain.created", "0001-01-01T00:00:00+05:00"),
        ("dnssec.signed", SECRET),
        ("dnssec.signed", 2),
        ("fact.registrant_kind", SECRET),
        ("fact.registrant_kind", 1),
        ("fact.region", "EEA"),
        ("fact.publish_consent", "yes"),
        ("fact.publish_consent", 2),
        ("fact.disclose.tech.email", SECRET),
        ("record.version", 1.5),
    ],
)
def test_names_the_column_and_never_the_value_of_a_wrong_type(column, raw):
    with pytest.raises(SourceFailed) as caught:
        read(column, raw)
    assert f"`{column}`" in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("column", "raw", "facts"),
    [
        ("fact.registrant_kind", "legal", Facts(RegistrantKind.LEGAL)),
        ("fact.registrant_kind", None, Facts()),
        ("fact.publish_consent", 1, Facts(publish_consent=True)),
        ("fact.publish_consent", "false", Facts(publish_consent=False)),
        ("fact.publish_consent", None, Facts()),
        ("fact.organization_consent", True, Facts(organization_consent=True)),
        ("fact.region", "eea", Facts(region=Region.EEA)),
        ("fact.privacy_service", 0, Facts(privacy_service=False)),
        (
            "fact.disclose.tech.email",
            True,
            Facts(disclose_allow=frozenset({element("tech.email")})),
        ),
        (
            "fact.disclose.registrant.phone",
            0,
            Facts(disclose_deny=frozenset({element("registrant.phone")})),
        ),
        ("fact.disclose.registrant.phone", None, Facts()),
    ],
)
def test_reads_facts(column, raw, facts):
    assert read(column, raw).facts == facts


@pytest.mark.parametrize(
    ("raw", "version"),
    [
        (7, "7"),
        ("r-7", "r-7"),
        (None, ""),
        (datetime(2020, 1, 2, tzinfo=UTC), "2020-01-02T00:00:00Z"),
    ],
)
def test_reads_the_version(raw, version):
    assert read("record.version", raw).version == version


def plan(contacts, domain=("domain.handle",)):
    return Plan({"domain": domain, "contacts": contacts}, "sql")


def test_reads_several_contacts_of_a_role_in_order_of_roles_then_rows():
    rows = [("tech", "T1"), ("registrant", "R"), ("tech", "T2"), ("billing", None)]
    record = plan(["role", "contact.name"]).record(NAME, [("D1",)], rows)
    assert [(c.role, c.values["name"]) for c in record.contacts] == [
        ("registrant", "R"),
        ("tech", "T1"),
        ("tech", "T2"),
    ]


def test_reads_contacts_named_in_full():
    columns = ["registrant.name", "admin.email", "admin.name"]
    record = plan(columns).record(NAME, [("D1",)], [("R", "a@mail.example", None)])
    assert [(c.role, dict(c.values)) for c in record.contacts] == [
        ("registrant", {"name": "R"}),
        ("admin", {"email": ("a@mail.example",)}),
    ]


def test_takes_facts_of_a_row_with_a_role_from_the_registrant_alone():
    rows = [("tech", "natural", False), ("registrant", "legal", True), ("admin", "natural", None)]
    columns = ["role", "fact.registrant_kind", "fact.disclose.contact.email"]
    facts = plan(columns).record(NAME, [("D1",)], rows).facts
    assert facts.registrant_kind is RegistrantKind.LEGAL
    assert facts.disclose_allow == {element("registrant.email")}
    assert facts.disclose_deny == {element("tech.email")}


@pytest.mark.parametrize("rows", [[(True,), (False,)], [(False,), (True,)]])
def test_lets_the_flag_that_hides_win(rows):
    facts = plan(["fact.disclose.tech.email"]).record(NAME, [("D1",)], rows).facts
    assert facts.disclose_deny == {element("tech.email")}
    assert not facts.disclose_allow


def test_refuses_rows_that_state_a_fact_differently():
    with pytest.raises(AmbiguousRecord, match=r"`fact\.registrant_kind`"):
        plan(["fact.registrant_kind"]).record(NAME, [("D1",)], [("legal",), ("natural",)])
    with pytest.raises(AmbiguousRecord, match=r"`fact\.publish_consent`"):
        plan(["fact.publish_consent"], ["fact.publish_consent"]).record(NAME, [(1,)], [(0,)])


@pytest.mark.parametrize("role", [None, "owner", 1, ["tech"]])
def test_refuses_an_unknown_role_without_telling_it(role):
    with pytest.raises(
        SourceFailed, match="column `role`: expected one of `registrant, "
    ) as caught:
        plan(["role", "contact.name"]).record(NAME, [("D1",)], [(role, SECRET)])
    assert "owner" not in str(caught.value)


def test_finds_nothing_without_a_row_and_refuses_two():
    assert Plan({"domain": ["domain.handle"]}, "sql").record(NAME, []) is None
    with pytest.raises(AmbiguousRecord, match="expected one row"):
        Plan({"domain": ["domain.handle"]}, "sql").record(NAME, [("D1",), ("D2",)])


def test_gathers_the_addresses_of_a_name_server_over_rows():
    given = {
        "domain": ["domain.handle"],
        "nameservers": ["nameserver.name", "nameserver.ipv4", "nameserver.ipv6"],
    }
    rows = [
        ("ns1.example", "192.0.2.1 192.0.2.2", None),
        ("ns2.example", None, None),
        ("ns1.example", ip_address("192.0.2.3"), ["2001:db8::1"]),
    ]
    record = Plan(given, "sql").record(NAME, [("D1",)], (), rows)
    assert record.nameservers == (
        Nameserver("ns1.example", ("192.0.2.1", "192.0.2.2", "192.0.2.3"), ("2001:db8::1",)),
        Nameserver("ns2.example"),
    )
    with pytest.raises(SourceFailed, match=r"`nameserver\.name`"):
        Plan(given, "sql").record(NAME, [("D1",)], (), [(None, "192.0.2.1", None)])


@pytest.mark.parametrize(
    ("given", "findings"),
    [
        (
            {"domain": ["domain.creatd", "registrant.emial"], "nameservers": ["nameserver.nam"]},
            [
                "domain: unknown column `domain.creatd`, did you mean `domain.created`?",
                "domain: unknown column `registrant.emial`, did you mean `registrant.email`?",
                "nameservers: unknown column `nameserver.nam`, did you mean `nameserver.name`?",
                "nameservers: expected a column `nameserver.name`",
            ],
        ),
        (
            {"domain": ["domain.handle", "domain.handle"]},
            ["domain: column `domain.handle` stands twice"],
        ),
        ({"domain": ["qqqq"]}, ["domain: unknown column `qqqq`"]),
        ({"domain": ["nameserver.name"]}, ["domain: unknown column `nameserver.name`"]),
        (
            {"domain": ["domain.handle"], "contacts": ["domain.handle"]},
            ["contacts: unknown column"],
        ),
        ({"domain": ["registrant.name"], "contacts": ["admin.name"]}, ["domain: unknown column"]),
        ({"domain": [], "contacts": ["role", "tech.name"]}, ["did you mean `contact.name`?"]),
        ({"domain": [], "contacts": ["contact.name"]}, ["contacts: unknown column `contact.name`"]),
        ({"domain": [], "contacts": ["record.version"]}, ["contacts: unknown column"]),
        ({"domain": ["fact.disclose.domain.created"]}, ["domain: unknown column"]),
    ],
)
def test_refuses_unknown_columns_all_at_once_with_the_nearest_name(given, findings):
    with pytest.raises(UnknownColumn) as caught:
        Plan(given, "sql")
    assert all(finding in str(caught.value) for finding in findings)
    assert len(str(caught.value).split("; ")) == len(findings)
