"""Views as RDAP answers: golden bytes, shape, conformance."""

import json
from pathlib import Path

import pytest
from tests.formats.conftest import (
    ALIAS,
    SETTINGS,
    edition_of,
    everything,
    full_record,
    gated,
    of,
    opened,
    public,
    rule,
)

from whoisgate.elements import Kind
from whoisgate.errors import MalformedConfig, MalformedDocument
from whoisgate.formats import rdap, whois
from whoisgate.formats.rdap import writing
from whoisgate.policy.model import RELEASE, Treatment
from whoisgate.records import Contact, Facts, Record
from whoisgate.redact import PublicBytes, Sealed

GOLDEN = Path(__file__).parent / "golden"
IDN = "bücher.example"

CASES = {
    "public-web-form.json": lambda: rdap.encode(public(full_record()), SETTINGS),
    "public-alias.json": lambda: rdap.encode(public(full_record(), ALIAS), SETTINGS),
    "public-organization.json": lambda: rdap.encode(
        public(full_record(facts=Facts(organization_consent=True))), SETTINGS
    ),
    "public-bare-idn.json": lambda: rdap.encode(
        public(Record.of(IDN, {"registrant.city": "Sampletown"})), SETTINGS
    ),
    "public-cctld.json": lambda: rdap.encode(public(full_record("example.nl")), SETTINGS),
    "gated-name-and-email.json": lambda: opened(
        rdap.encode(gated(full_record(), ["registrant.name", "registrant.email"]), SETTINGS)
    ),
    "gated-everything.json": lambda: opened(rdap.encode(everything(full_record()), SETTINGS)),
    "public.txt": lambda: whois.encode(public(full_record())),
    "public-bare-idn.txt": lambda: whois.encode(
        public(Record.of(IDN, {"registrant.city": "Sampletown"}))
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_writes_the_golden_bytes(name):
    assert bytes(CASES[name]()) == (GOLDEN / name).read_bytes()


def body(view, settings=SETTINGS):
    encoded = rdap.encode(view, settings)
    return json.loads(opened(encoded) if isinstance(encoded, Sealed) else encoded)


def entity(document, role):
    return next(e for e in document["entities"] if e["roles"] == [role])


def test_seals_what_is_gated_and_gives_bytes_to_the_public():
    record = full_record()
    assert type(rdap.encode(public(record), SETTINGS)) is PublicBytes
    assert type(rdap.encode(everything(record), SETTINGS)) is Sealed


def test_gives_each_entity_one_role_registrant_first():
    roles = [e["roles"] for e in body(everything(full_record()))["entities"]]
    assert roles == [
        ["registrant"], ["administrative"], ["technical"], ["billing"], ["registrar"], ["reseller"],
    ]  # fmt: skip


def test_has_no_entity_for_a_role_that_is_withheld_whole():
    roles = [e["roles"][0] for e in body(public(full_record()))["entities"]]
    assert roles == ["registrant", "technical", "registrar", "reseller"]


def test_keeps_the_skeleton_of_a_card_whose_values_are_withheld():
    card = entity(body(public(Record.of("example.com", {"tech.name": "Tom"}))), "technical")
    assert card["vcardArray"] == [
        "vcard",
        [
            ["version", {}, "text", "4.0"],
            ["fn", {}, "text", ""],
            ["contact-uri", {}, "uri",
             "https://registrar.example/contact?domain=example.com&role=tech"],
        ],
    ]  # fmt: skip


def test_puts_the_country_in_its_parameter_and_never_in_the_address():
    card = entity(body(public(full_record())), "registrant")["vcardArray"][1]
    address = next(p for p in card if p[0] == "adr")
    assert address == ["adr", {"cc": "NL"}, "text", ["", "", "", "", "Sample State", "", ""]]


def test_states_the_extension_of_the_first_number_alone():
    card = entity(body(everything(full_record())), "registrant")["vcardArray"][1]
    assert [p[1:] for p in card if p[0] == "tel"] == [
        [{"type": "voice"}, "uri", "tel:+1.5555550100;ext=40"],
        [{"type": "voice"}, "uri", "tel:+1.5555550110"],
        [{"type": "fax"}, "uri", "tel:+1.5555550120;ext=50"],
    ]


def test_never_has_both_an_address_and_a_web_form():
    for view in (public(full_record()), public(full_record(), ALIAS), everything(full_record())):
        for contact in body(view)["entities"][:4]:
            names = {p[0] for p in contact["vcardArray"][1]}
            assert not {"email", "contact-uri"} <= names


def test_shows_an_address_that_looks_like_a_web_form_as_the_address_it_is():
    record = Record.of("example.com", {"registrant.email": "https://p.example/", "tech.name": "T"})
    card = entity(body(gated(record, ["registrant.email"])), "registrant")["vcardArray"][1]
    assert card[-1] == ["email", {}, "text", "https://p.example/"]


@pytest.mark.parametrize(
    ("name", "settings", "profiled"),
    [
        ("example.com", SETTINGS, True),
        ("example.nl", SETTINGS, False),
        ("example.com", rdap.Settings("https://r.example/", "https://r.example/t",
                                      icann_profile=False), False),
    ],
)  # fmt: skip
def test_follows_icanns_profile_where_it_holds(name, settings, profiled):
    document = body(public(full_record(name)), settings)
    assert document["rdapConformance"] == ["rdap_level_0", "redacted"] + profiled * [
        "icann_rdap_response_profile_1",
        "icann_rdap_technical_implementation_guide_1",
    ]
    titles = [n["title"] for n in document["notices"]]
    assert titles == ["Terms of Service"] + profiled * [
        "Status Codes",
        "RDDS Inaccuracy Complaint Form",
    ]


def test_gives_every_link_the_requests_address_as_its_value():
    document = body(everything(full_record()))
    links = [*document["links"], *entity(document, "registrar")["links"]]
    links += [link for n in document["notices"] for link in n["links"]]
    assert {link["value"] for link in links} == {
        "https://rdap.registrar.example/domain/example.com"
    }
    assert [(link["rel"], link["href"]) for link in links] == [
        ("self", "https://rdap.registrar.example/domain/example.com"),
        ("about", "https://rdap.registrar.example/"),
        ("related", "https://registrar.example/"),
        ("terms-of-service", "https://registrar.example/terms"),
        ("glossary", "https://icann.org/epp"),
        ("help", "https://icann.org/wicf"),
    ]


def test_declares_no_redaction_when_nothing_is_withheld():
    document = body(everything(full_record()))
    assert "redacted" not in document
    assert "redacted" not in document["rdapConformance"]


def test_takes_values_that_look_like_its_own_templates():
    record = Record.of(
        "example.com", {"registrar.name": "\\u0000 \x00 %s {}", "registrar.url": "\x00"}
    )
    document = body(public(record))
    assert entity(document, "registrar")["vcardArray"][1][1][3] == "\\u0000 \x00 %s {}"


def test_escapes_every_control_that_a_terminal_obeys():
    controls = "".join(map(chr, [*range(32), *range(127, 160)]))
    record = Record.of("example.com", {"registrant.state": f"A{controls}B\u00a0C\u00bf"})
    raw = bytes(rdap.encode(public(record), SETTINGS))
    assert not [c for c in raw.decode() if c in controls]
    card = body(public(record))["entities"][0]["vcardArray"][1]
    assert card[2][3][4] == f"A{controls}B\u00a0C\u00bf"


def test_keeps_a_registrars_words_unless_they_are_long():
    for name, kept in (("A made-up registrar", 1), ("x" * 2000, 0)):
        before = writing._registrar.cache_info().currsize
        record = Record.of("example.com", {"registrar.name": name})
        first = rdap.encode(public(record), SETTINGS)
        assert name.encode() in first
        assert rdap.encode(public(record), SETTINGS) == first
        assert writing._registrar.cache_info().currsize == before + kept


def test_refuses_text_that_is_no_unicode():
    with pytest.raises(MalformedDocument):
        rdap.encode(public(Record.of("example.com", {"registrant.state": "\ud800"})), SETTINGS)


@pytest.mark.parametrize("text", ["", "12345 13 2", "a b c d", "123456 13 2 AB", "1 2 3 A B"])
def test_leaves_out_a_delegation_that_is_none(text):
    record = Record.of("example.com", {"dnssec.ds": ["12345 13 2 AB", text]})
    assert body(public(record))["secureDNS"] == {
        "dsData": [{"keyTag": 12345, "algorithm": 13, "digestType": 2, "digest": "AB"}]
    }


def test_writes_a_stand_in_where_a_list_was():
    rules = edition_of(
        rule(1, Treatment(Kind.PSEUDONYM, "domain"), of("registrant.email", "registrant.handle")),
        rule(2, Treatment(Kind.GENERALISE, "year"), of("domain.created")),
    )
    document = body(public(full_record(), rules=rules))
    contact = entity(document, "registrant")
    assert document["events"] == [
        {"eventAction": "registration", "eventDate": "2001-01-01T00:00:00Z"}
    ]
    (email,) = [p[3] for p in contact["vcardArray"][1] if p[0] == "email"]
    assert len(email) == len(contact["handle"]) == 24
    assert email != contact["handle"]


def test_shows_further_contacts_of_a_role_where_they_have_something_to_show():
    record = Record(
        "example.com",
        contacts=(
            Contact("registrant", {"name": "Hidden"}),
            Contact("registrant", {"state": "Sample State"}),
            Contact("registrant", {"country": "NL"}),
        ),
    )
    cards = [e["vcardArray"][1] for e in body(public(record))["entities"]]
    assert [c[2][1:] for c in cards] == [
        [{}, "text", ["", "", "", "", "Sample State", "", ""]],
        [{"cc": "NL"}, "text", ["", "", "", "", "", "", ""]],
    ]
    assert [len(c) for c in cards] == [4, 3]  # the web form stands once


@pytest.mark.parametrize(
    ("base_url", "terms_url"),
    [
        ("https://rdap.example", "https://rdap.example/t"),
        ("ftp://rdap.example/", "https://rdap.example/t"),
        ("https://rdap.example/", "javascript:alert(1)"),
        ("https://rdap.example/\x00/", "https://rdap.example/t"),
    ],
)
def test_refuses_settings_that_make_no_links(base_url, terms_url):
    with pytest.raises(MalformedConfig):
        rdap.Settings(base_url, terms_url)


def test_shows_nothing_that_no_rule_grants():
    view = public(full_record(), rules=edition_of(rule(1, RELEASE, of("domain.created"))))
    document = body(view)
    assert {"objectClassName", "ldhName", "events"} == document.keys() - {
        "links", "notices", "rdapConformance", "redacted", "port43",
    }  # fmt: skip
