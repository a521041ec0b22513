"""RDAP documents as records: what is read, what never is, what is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.formats.conftest import (
    NAMESERVERS,
    SETTINGS,
    complaint,
    everything,
    full_record,
    opened,
)

from whoisgate.elements import ELEMENTS, ROLES
from whoisgate.errors import MalformedDocument, NotADomain, SourceError
from whoisgate.formats import rdap
from whoisgate.formats.rdap import reading, strict
from whoisgate.records import Record, RegistrantKind


def domain(**members):
    return json.dumps({"objectClassName": "domain", "ldhName": "example.com"} | members)


def contact(*properties, role="registrant", **members):
    card = ["vcard", [["version", {}, "text", "4.0"], *properties]]
    return {"objectClassName": "entity", "roles": [role], "vcardArray": card} | members


def read(*properties, **members):
    record = rdap.decode(domain(entities=[contact(*properties, **members)]))
    return dict(record.contacts[0].values)


def plain(**members):
    return {e.name: v for e, v in rdap.decode(domain(**members)).values.items()}


def registrar(**members):
    return plain(entities=[contact(["fn", {}, "text", "Example"], role="registrar", **members)])


def test_reads_back_everything_that_was_written():
    record = full_record()
    again = rdap.decode(opened(rdap.encode(everything(record), SETTINGS)))
    assert again.name == record.name
    assert again.values == record.values
    assert [(c.role, dict(c.values)) for c in again.contacts] == [
        (c.role, dict(c.values)) for c in record.contacts
    ]
    assert again.nameservers == NAMESERVERS


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
sayable = words.filter(lambda s: s == s.strip() and s)
contacts = st.fixed_dictionaries(
    {},
    optional={
        f"{role}.{field}": (
            st.lists(sayable, min_size=1, max_size=3)
            if ELEMENTS[f"{role}.{field}"].many
            else st.from_regex(r"[A-Z]{2}", fullmatch=True)
            if field == "country"
            else sayable
        )
        for role in ROLES
        for field in ("handle", "name", "organization", "street", "city", "state", "country",
                      "postal_code", "phone", "fax", "email")
    },
)  # fmt: skip


@given(contacts)
def test_reads_back_any_contact_of_its_own(elements):
    record = Record.of("example.com", elements)
    body = opened(rdap.encode(everything(record), SETTINGS))
    again = reading.read(strict.loads(body), own=True)
    assert [(c.role, dict(c.values)) for c in again.contacts] == [
        (c.role, dict(c.values)) for c in record.contacts
    ]


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ([["fn", {}, "text", " Ada "]], {"name": "Ada"}),
        ([["fn", {}, "text", ""]], {}),
        ([["fn", {}, "text", None]], {}),
        ([["fn", {}, "text", "Ada"], ["fn", {}, "text", "Second"]], {"name": "Ada"}),
        ([["fn", {}, "text", "REDACTED FOR PRIVACY"]], {}),
        ([["org", {"type": "work"}, "text", "Works"]], {"organization": "Works"}),
        ([["org", {}, "text", ["Works", "Sales"]]], {"organization": "Works, Sales"}),
        ([["tel", {"type": "voice"}, "uri", "tel:+1.5555550100"]], {"phone": ("+1.5555550100",)}),
        (
            [["tel", {"type": ["work", "voice"]}, "uri", "tel:+1-555-555-0100;ext=102"]],
            {"phone": ("+1-555-555-0100",), "phone_ext": "102"},
        ),
        ([["tel", {}, "text", "+1.5555550100"]], {"phone": ("+1.5555550100",)}),
        ([["tel", {"type": "cell"}, "uri", "tel:+1"]], {"phone": ("+1",)}),
        ([["tel", {"type": "Fax"}, "uri", "tel:+1;ext=7"]], {"fax": ("+1",), "fax_ext": "7"}),
        ([["tel", {"type": ["fax", "voice"]}, "uri", "tel:+1"]], {"fax": ("+1",)}),
        ([["tel", {"type": "pager"}, "uri", "tel:+1"]], {}),
        ([["tel", {"type": 7}, "uri", "tel:+1"]], {"phone": ("+1",)}),
        ([["tel", {"type": "voice"}, "uri", "tel:+1;phone-context=x"]], {"phone": ("+1",)}),
        (
            [["tel", {}, "uri", "tel:+1"], ["tel", {}, "uri", "tel:+2;ext=9"]],
            {"phone": ("+1", "+2")},
        ),
        (
            [["email", {}, "text", "a@person.example"], ["email", {}, "text", "b@person.example"]],
            {"email": ("a@person.example", "b@person.example")},
        ),
        ([["contact-uri", {}, "uri", "https://form.example/"]], {}),
        (
            [["adr", {"cc": "nl"}, "text", ["", "Suite 1", "1 Way", "Town", "State", "0", "BE"]]],
            {"street": ("Suite 1", "1 Way"), "city": "Town", "state": "State",
             "postal_code": "0", "country": "NL"},
        ),
        ([["adr", {}, "text", ["", "", ["a", "b"], "", "", "", "be"]]],
         {"street": ("a", "b"), "country": "BE"}),
        ([["adr", {"cc": "Canada"}, "text", ["", "", "", "", "", "", "Canada"]]], {}),
        ([["adr", {"label": "1 Way\nTown"}, "text", ["", "", "", "", "", "", ""]]], {}),
        ([["adr", {}, "text", "1 Way, Town"]], {}),
        ([["adr", {}, "text", [None, None, "street 1", None, None, None, None]]],
         {"street": ("street 1",)}),
        ([["adr", {}, "text", ["", "", "", "", ""]]], {}),
        ([["note", {}, "text", "x"], ["x-vendor", {}, "text", "x"], ["bday", {}, "date", "x"]], {}),
    ],
)  # fmt: skip
def test_reads_a_card(properties, expected):
    assert read(*properties) == expected


def test_reads_the_handle_and_tolerates_a_contact_without_a_card():
    entity = {"objectClassName": "entity", "roles": ["registrant"], "handle": "C-1"}
    record = rdap.decode(domain(entities=[entity]))
    assert dict(record.contacts[0].values) == {"handle": "C-1"}


def test_reads_one_contact_for_each_role_of_an_entity():
    entity = contact(["fn", {}, "text", "Ada"])
    entity["roles"] = ["registrant", "administrative", "technical", "billing", "sponsor", "noc"]
    record = rdap.decode(domain(entities=[entity]))
    assert [c.role for c in record.contacts] == list(ROLES)


def test_never_reads_an_entity_within_a_contact():
    nested = contact(["fn", {}, "text", "Nested"])
    record = rdap.decode(domain(entities=[contact(entities=[nested])]))
    assert [dict(c.values) for c in record.contacts] == [{}]


@pytest.mark.parametrize(
    ("kind", "fact"),
    [
        ("individual", RegistrantKind.NATURAL),
        ("Org", RegistrantKind.LEGAL),
        ("group", RegistrantKind.UNSPECIFIED),
        (None, RegistrantKind.UNSPECIFIED),
    ],
)
def test_takes_the_registrants_kind_and_nobody_elses(kind, fact):
    said = ["kind", {}, "text", kind]
    assert rdap.decode(domain(entities=[contact(said)])).facts.registrant_kind is fact
    other = rdap.decode(domain(entities=[contact(said, role="technical")])).facts
    assert other.registrant_kind is RegistrantKind.UNSPECIFIED


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05Z"),
        ("2020-01-02T03:04:05.123Z", "2020-01-02T03:04:05.123Z"),
        ("2020-01-02T03:04:05+03:00", "2020-01-02T00:04:05Z"),
        ("2020-01-02T03:04:05", "2020-01-02T03:04:05Z"),
        ("2020-01-02", "2020-01-02T00:00:00Z"),
        ("createTime", None),
        ("2020-13-02T03:04:05Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("", None),
        (None, None),
        (20200102, None),
    ],
)
def test_reads_a_date_as_an_instant_in_utc(date, expected):
    event = {"eventAction": "Registration", "eventDate": date, "eventActor": "never read"}
    assert plain(events=[event]).get("domain.created") == expected


def test_reads_every_event_that_has_an_element():
    actions = ["registration", "last changed", "expiration", "registrar expiration", "transfer",
               "last update of RDAP database", "reregistration", "locked"]  # fmt: skip
    events = [{"eventAction": a, "eventDate": "2020-01-02T03:04:05Z"} for a in actions]
    assert plain(events=events).keys() == {
        "domain.created", "domain.updated", "domain.expires", "domain.registrar_expires",
        "domain.transferred", "domain.rdds_updated",
    }  # fmt: skip


def test_reads_registered_statuses_alone():
    told = ["Active", "client hold", "locked", "client hold", "ask Ada", "associated", 7]
    assert plain(status=told) == {"domain.status": ("ok", "clientHold", "locked", "linked")}


@pytest.mark.parametrize(
    ("secure", "expected"),
    [
        ({"delegationSigned": True}, {"dnssec.signed": "signedDelegation"}),
        ({"delegationSigned": False}, {"dnssec.signed": "unsigned"}),
        ({"delegationSigned": "yes"}, {}),
        (
            {"dsData": [{"keyTag": 1, "algorithm": 13, "digestType": "2", "digest": "AB cd"}]},
            {"dnssec.ds": ("1 13 2 ABcd",)},
        ),
        ({"dsData": [{"keyTag": 1, "algorithm": 13, "digest": "AB"}]}, {}),
        ({"dsData": [{"keyTag": True, "algorithm": 1, "digestType": 1, "digest": "AB"}]}, {}),
        ({"dsData": [{"keyTag": 1, "algorithm": 1, "digestType": 1, "digest": "Ada Example"}]}, {}),
        ({"keyData": [{"flags": 257, "publicKey": "never read"}]}, {}),
    ],
)
def test_reads_the_delegation(secure, expected):
    assert plain(secureDNS=secure) == expected


@pytest.mark.parametrize(
    ("nameserver", "expected"),
    [
        ({"ldhName": "NS1.Example.NET."}, ("ns1.example.net", (), ())),
        ({"ldhName": "%NAMESERVER%"}, None),
        ({"unicodeName": "ns1.example.net"}, None),
        (
            {"ldhName": "ns1.example.net", "ipAddresses": {"v4": ["192.0.2.1", "Ada", "1.2.3.999"],
                                                            "v6": ["2001:db8::1", "Ada", "1"]}},
            ("ns1.example.net", ("192.0.2.1",), ("2001:db8::1",)),
        ),
    ],
)  # fmt: skip
def test_reads_name_servers(nameserver, expected):
    found = rdap.decode(domain(nameservers=[nameserver])).nameservers
    assert [(n.name, n.ipv4, n.ipv6) for n in found] == ([expected] if expected else [])


def test_reads_the_registrar():
    abuse = contact(
        ["fn", {}, "text", "never read"],
        ["tel", {"type": "voice"}, "uri", "tel:+1.5555550199"],
        ["email", {}, "text", "abuse@registrar.example"],
        role="abuse",
    )
    assert registrar(
        handle="never read",
        publicIds=[{"type": "iana registrar id", "identifier": "9999"}],
        port43="WHOIS.registrar.example",
        links=[
            {
                "rel": "about",
                "href": "https://rdap.registrar.example/",
                "type": "application/rdap+json",
            },
            {"rel": "about", "href": "https://registrar.example/", "type": "text/html"},
            {"rel": "self", "href": "https://never.example/"},
        ],
        entities=[contact(["email", {}, "text", "never@read.example"], role="technical"), abuse],
    ) == {
        "registrar.name": "Example",
        "registrar.iana_id": "9999",
        "registrar.whois_server": "whois.registrar.example",
        "registrar.rdap_url": "https://rdap.registrar.example/",
        "registrar.url": "https://registrar.example/",
        "registrar.abuse_email": "abuse@registrar.example",
        "registrar.abuse_phone": "+1.5555550199",
    }


@pytest.mark.parametrize(
    "members",
    [
        {"publicIds": [{"type": "national id", "identifier": "123"}]},
        {"publicIds": [{"type": "IANA Registrar ID", "identifier": "Ada"}]},
        {"links": [{"rel": "about", "href": "javascript:alert(1)"}]},
        {"links": [{"rel": "about", "href": 7}]},
        {"port43": "Ada Example"},
        {"entities": [contact(["email", {}, "text", "x@person.example"])]},
    ],
)
def test_reads_nothing_of_a_registrar_that_is_not_what_it_should_be(members):
    assert registrar(**members) == {"registrar.name": "Example"}


def test_never_reads_names_of_records_elsewhere():
    assert plain(
        port43="whois.example", remarks=[{"description": ["x"]}], notices=[{"title": "x"}],
        links=[{"rel": "self", "href": "https://x.example/"}], lang="en", publicIds=[{"type": "x"}],
        variants=[{"variantNames": [{"ldhName": "x.example"}]}], redacted=[{"name": {"type": "x"}}],
        x_vendor={"entities": [contact(["fn", {}, "text", "x"])]},
    ) == {}  # fmt: skip


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"objectClassName": "entity"}, "`entity`"),
        ({"objectClassName": "Ada Example"}, "something else"),
        ({"objectClassName": ["domain"]}, "something else"),
        ({"errorCode": 404, "title": "Ada"}, "error answer"),
        ({"domainSearchResults": []}, "search results"),
        ({"notices": []}, "something else"),
        ({}, "something else"),
    ],
)
def test_tells_what_is_no_domain(document, said):
    with pytest.raises(NotADomain, match=said) as caught:
        rdap.decode(json.dumps(document))
    assert "Ada" not in str(caught.value)


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({"ldhName": "%DOMAIN_PUNYCODE_NAME_1%"}, "ldhName"),
        ({"ldhName": None}, "ldhName"),
        ({"ldhName": "com"}, "ldhName"),
        ({"entities": {}}, "entities"),
        ({"entities": ["Ada"]}, "entities"),
        ({"entities": [{"roles": "registrant"}]}, r"entities\[0\].roles"),
        ({"entities": [contact(), {"roles": ["registrant"], "vcardArray": "Ada"}]},
         r"entities\[1\].vcardArray"),
        ({"entities": [contact("Ada Example")]}, r"entities\[0\].vcardArray"),
        ({"entities": [contact(["fn", {}, "Ada"])]}, r"entities\[0\].vcardArray"),
        ({"entities": [{"roles": [], "vcardArray": ["vcard"]}]}, r"entities\[0\].vcardArray"),
        ({"entities": [contact(role="registrar", entities=[{"roles": 1}])]},
         r"entities\[0\].entities\[0\].roles"),
        ({"events": "Ada"}, "events"),
        ({"status": "Ada"}, "status"),
        ({"nameservers": [1]}, "nameservers"),
        ({"nameservers": [{"ldhName": "ns1.example", "ipAddresses": []}]}, r"nameservers\[0\]"),
        ({"secureDNS": []}, "secureDNS"),
        ({"secureDNS": {"dsData": {}}}, "secureDNS.dsData"),
    ],
)  # fmt: skip
def test_refuses_what_is_broken_by_its_place(members, place):
    with pytest.raises(MalformedDocument, match=place) as caught:
        rdap.decode(domain(**members))
    assert "Ada" not in str(caught.value)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"nonsense Ada", b"[]", b'"Ada"', b"null", b"\xff", b'{"a":NaN}', b'{"a":1,}',
        b'\xef\xbb\xbf{"objectClassName":"domain"}', "\ud800", b'{"a":"\\ud800"}', b"{}{}",
    ],
)  # fmt: skip
def test_refuses_what_is_no_json(raw):
    with pytest.raises(SourceError) as caught:
        rdap.decode(raw)
    assert "Ada" not in str(caught.value)


@pytest.mark.parametrize(
    "raw",
    [
        '{"a":1,"a":1}',
        '{"a":1,"b":2,"a":3}',
        '{ "a" : 1 , "a" : 1 }',
        '{"a":1,"\\u0061":2}',
        '[{"b":[{"a":1,"a":2}]}]',
        '{"a b":1,"a b":2}',
        '{"a":1e2,"a":1.0}',
        '{"a":1e5,"a":1}',
        '{"a":100.0,"a":1e2}',
        '{"\\"":1,"\\u0022":1,"x":"\\":"}',
        '{"":1,"":"\\u003a"}',
    ],
)
def test_refuses_a_member_said_twice(raw):
    with pytest.raises(MalformedDocument, match="once"):
        strict.loads(raw)
    with pytest.raises(MalformedDocument, match="once"):
        rdap.decode(domain()[:-1] + f',"x":{raw}}}')


finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | finite | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)  # fmt: skip


@given(json_values, st.sampled_from([None, 1]), st.booleans())
def test_reads_all_other_json(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert strict.loads(text) == strict.loads(text.encode()) == json.loads(text)


def test_bounds_the_depth():
    deepest = "[" * strict.MAX_DEPTH + "]" * strict.MAX_DEPTH
    assert strict.loads(deepest)
    for deep in (f"[{deepest}]", "[" * 500 + "]" * 500, "[" * 100_000):
        with pytest.raises(MalformedDocument):
            strict.loads(deep)


def test_bounds_the_number_of_values():
    most = f"[{'0,' * strict.MAX_COMMAS}0]"
    assert len(strict.loads(most)) == strict.MAX_COMMAS + 1
    with pytest.raises(MalformedDocument, match="commas"):
        strict.loads(most.replace("[", "[0,"))


def test_bounds_the_size():
    with pytest.raises(MalformedDocument, match="bytes"):
        rdap.decode(b" " * (strict.MAX_BYTES + 1))
    with pytest.raises(MalformedDocument, match="bytes"):
        rdap.decode("é" * (strict.MAX_BYTES // 2 + 1))
    assert strict.loads(b"1" + b" " * (strict.MAX_BYTES - 1)) == 1


def test_refuses_every_truncation_with_its_own_errors():
    whole = opened(rdap.encode(everything(full_record()), SETTINGS))
    for end in range(len(whole)):
        with pytest.raises(SourceError):
            rdap.decode(whole[:end])


def test_reads_any_change_of_a_byte_or_refuses_it_with_its_own_errors():
    whole = bytearray(opened(rdap.encode(everything(full_record()), SETTINGS)))
    for at in range(len(whole)):
        kept, whole[at] = whole[at], whole[at] ^ 0x04
        assert "Ada" not in complaint(rdap.decode, bytes(whole))
        whole[at] = kept


junk = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from(["", "Ada", "tel:+1;ext=1"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["roles", "vcardArray", "type", "cc", "ldhName", "v4", "entities"]),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(
    st.sampled_from(["entities", "events", "status", "nameservers", "secureDNS", "handle"]), junk
), st.lists(st.lists(junk, max_size=5), max_size=4))  # fmt: skip
def test_reads_any_shape_or_refuses_it_with_its_own_errors(members, card):
    entities = [{"roles": ["registrant", "registrar"], "vcardArray": ["vcard", card]}]
    for document in (members, {"entities": entities}):
        assert "Ada" not in complaint(rdap.decode, domain(**document))
