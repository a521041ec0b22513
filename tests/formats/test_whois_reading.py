"""WHOIS text read into records: the rules of place, the refusals, the states."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.formats.conftest import ICANN, SETTINGS, WEB_FORM, public

from whoisgate.elements import ELEMENTS
from whoisgate.errors import (
    MalformedDocument,
    NameNotFound,
    UpstreamRefused,
    UpstreamThrottled,
    WhoisgateError,
)
from whoisgate.formats import rdap, whois
from whoisgate.formats.offline import redact_answer, redact_lines
from whoisgate.formats.whois.lines import MAX_BYTES, MAX_LINES
from whoisgate.records import RegistrantKind

NAME = "example.com"
THICK = """\
Domain Name: EXAMPLE.COM
Registry Domain ID: D1-EXAMPLE
Registrar WHOIS Server: whois.registrar.example
Registrar URL: https://registrar.example
Updated Date: 2025-01-02T03:04:05Z
Creation Date: 2001-02-03T04:05:06Z
Registry Expiry Date: 2030-02-03T04:05:06Z
Registrar: Example Registrar, Inc.
Registrar IANA ID: 9999
Registrar Abuse Contact Email: abuse@registrar.example
Registrar Abuse Contact Phone: +1.5555550199
Domain Status: clientTransferProhibited https://icann.org/epp#clientTransferProhibited
Registry Registrant ID: C1-EXAMPLE
Registrant Name: Ada Example
Registrant Organization: REDACTED FOR PRIVACY
Registrant Street: 1 Sample Street
Registrant City: Sampletown
Registrant State/Province: Sample State
Registrant Postal Code: 00000
Registrant Country: NL
Registrant Phone: +1.5555550100
Registrant Email: ada@person.example
Tech Name: Tom Technician
Tech Email: Please query the RDDS service of the Registrar of Record
Name Server: NS1.EXAMPLE.NET
Name Server: NS2.EXAMPLE.NET
DNSSEC: unsigned
>>> Last update of WHOIS database: 2026-11-24T00:00:00Z <<<
"""


def record(text, name=NAME, **how):
    found = whois.read(text, name, **how).record
    assert found is not None
    return found


def plain(text, element):
    return record(text).values.get(ELEMENTS[element], "")


def servers(text):
    return [server.name for server in record(text).nameservers]


def people(text, role):
    return [dict(c.values) for c in record(text).contacts if c.role == role]


# --- what is read


def test_reads_every_element_of_the_common_layout():
    found = record(THICK)
    assert {e.name: value for e, value in found.values.items()} == {
        "domain.handle": "D1-EXAMPLE",
        "domain.created": "2001-02-03T04:05:06Z",
        "domain.updated": "2025-01-02T03:04:05Z",
        "domain.expires": "2030-02-03T04:05:06Z",
        "domain.rdds_updated": "2026-11-24T00:00:00Z",
        "domain.status": ("clientTransferProhibited",),
        "registrar.name": "Example Registrar, Inc.",
        "registrar.iana_id": "9999",
        "registrar.url": "https://registrar.example",
        "registrar.whois_server": "whois.registrar.example",
        "registrar.abuse_email": "abuse@registrar.example",
        "registrar.abuse_phone": "+1.5555550199",
        "dnssec.signed": "unsigned",
    }
    registrant, tech = found.contacts
    assert dict(registrant.values) == {
        "handle": "C1-EXAMPLE",
        "name": "Ada Example",
        "street": ("1 Sample Street",),
        "city": "Sampletown",
        "state": "Sample State",
        "postal_code": "00000",
        "country": "NL",
        "phone": ("+1.5555550100",),
        "email": ("ada@person.example",),
    }
    assert dict(tech.values) == {"name": "Tom Technician"}
    assert found.withheld == {ELEMENTS["registrant.organization"], ELEMENTS["tech.email"]}
    assert [server.name for server in found.nameservers] == ["ns1.example.net", "ns2.example.net"]
    assert (found.source, found.partial) == ("whois", False)


LAYOUTS = {
    "values right below their labels": (
        "Domain name:\nexample.com\n\nRegistrar:\nExample Registrar\n\nRegistration Date:\n"
        "3 February 2001\n\nName Servers:\nns1.example.net\n\nRegistrant:\nAda Example\n"
    ),
    "indented sections": (
        "    Domain name:\n        example.com\n\n    Registrant:\n        Ada Example\n\n"
        "    Registrar:\n        Example Registrar\n        1 Registrar Road\n\n"
        "    Relevant dates:\n        Registered on: 03-Feb-2001\n\n"
        "    Name servers:\n        ns1.example.net  192.0.2.1  2001:db8::1\n"
    ),
    "sections with labels": (
        "Domain: example.com\nRegistered: Sat Feb 3 2001\n\nRegistrant:\n\tName: Ada Example\n\n"
        "Registrar:\n\tName: Example Registrar\n\tWebsite: https://registrar.example\n\n"
        "Nameservers:\n\tns1.example.net (192.0.2.1)\n"
    ),
    "blocks linked by handles": (
        "domain: example.com\nregistrant: AE1-EX\nregistrar: Example Registrar\n"
        "nserver: ns1.example.net\ncreated: 20010203\n\n"
        "nic-hdl: AE1-EX\nperson: Ada Example\ncreated: 20100101\n"
        "changed: ada@person.example 20200101\n"
    ),
    "a registrar's block": (
        "domain: example.com\nholder-c: AE1-EX\nregistrar: REG-EXAMPLE\nnserver: ns1.example.net\n"
        "created: 03/02/2001\n\nregistrar: REG-EXAMPLE\norganization: Example Registrar\n"
        "e-mail: clerk@registrar.example\nregistered: 01/01/1999\n\n"
        "nic-hdl: AE1-EX\ncontact: Ada Example\n"
    ),
    "brackets": (
        "Domain Information:\na. [Domain Name]     EXAMPLE.COM\n[Registrant]       Ada Example\n"
        "p. [Name Server]     ns1.example.net\n[Created on]       2001/02/03\n\n"
        "[Registrar]\nName: Example Registrar\n"
    ),
    "dot leaders": (
        "domain...........: example.com\ncreated..........: 3.2.2001\n\nNameservers\n\n"
        "nserver..........: ns1.example.net [OK]\n\nHolder\n\nname.............: Ada Example\n\n"
        "Registrar\n\nregistrar........: Example Registrar\n"
    ),
    "dot leaders without a colon": (
        "Domain Name.......... example.com\nCreation Date........ 2001-02-03\n"
        "Registrar Name....... Example Registrar\nRegistrant Name...... Ada Example\n"
        "Name Server.......... ns1.example.net\n"
    ),
    "columns": (
        "Domain-name       example.com\nRegistrar         Example Registrar\n"
        "Registrant-name   Ada Example\ndns_name          ns1.example.net\n"
        "created           2001-02-03\n"
    ).replace("   ", "     "),
    "stars": (
        "** Domain Name: example.com\n\n** Registrant:\n   Ada Example\n\n** Registrar:\n"
        "   Organization Name : Example Registrar\n\n** Domain Servers:\nns1.example.net\n\n"
        "** Additional Info:\nCreated on..............: 2001-Feb-03.\n"
    ),
    "sentences": (
        "Registrant:\n Ada Example\n 1 Sample Street\n\n Domain name: EXAMPLE.COM\n\n"
        " Registrar of Record: Example Registrar\n Record created on 03-Feb-2001.\n\n"
        " Domain servers in listed order:\n    NS1.EXAMPLE.NET\n"
    ),
    "full width": (
        "域名\uff1a example.com\n注册商\uff1a Example Registrar\n注册人\uff1a Ada Example\n"
        "域名服务器\uff1a ns1.example.net\n注册时间\uff1a 2001年2月3日\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_reads_the_same_of_every_layout(layout):
    text = LAYOUTS[layout]
    assert plain(text, "domain.created")[:10] == "2001-02-03"
    assert plain(text, "registrar.name") == "Example Registrar"
    assert servers(text) == ["ns1.example.net"]
    assert [person.get("name") for person in people(text, "registrant")] == ["Ada Example"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_reads_bytes_with_any_line_end(layout, encoding, end):
    text = LAYOUTS[layout]
    raw = text.replace("\n", end).encode(encoding)
    assert record(raw).values == record(text).values


def test_reads_several_persons_of_a_role():
    text = (
        "domain: example.com\ntech-c: TT1-EX, TT2-EX\n\nnic-hdl: TT1-EX\nperson: Tom One\n\n"
        "nic-hdl: TT2-EX\nrole: Tech Two\n\nnic-hdl: XX9-EX\nperson: Nobody Linked\n"
    )
    assert [person["name"] for person in people(text, "tech")] == ["Tom One", "Tech Two"]
    assert len(record(text).contacts) == 2


def test_keeps_dates_of_contacts_from_the_domain():
    text = (
        "domain: example.com\ncreated: 2001-02-03\n\n[Holder]\nName: Ada Example\n"
        "Changed: 2022-02-02\n\ncontact: AE1-EX\ncreated: 2011-01-01\nchanged: 2012-01-01\n"
    )
    assert plain(text, "domain.created") == "2001-02-03T00:00:00Z"
    assert plain(text, "domain.updated") == ""


def test_takes_the_last_of_many_changes():
    text = (
        "domain: example.com\nchanged: ada@person.example 20200102 (Changed)\n"
        "changed: bob@person.example 20240506 (Transferred)\nchanged: 20230101\n"
    )
    assert plain(text, "domain.updated") == "2024-05-06T00:00:00Z"


def test_prefers_the_registry_where_two_answers_stand_in_one_text():
    text = THICK + "\nDomain Name: example.com\nRegistrar: Other\nUpdated Date: 2024-01-01\n"
    assert plain(text, "registrar.name") == "Example Registrar, Inc."
    assert plain(text, "domain.updated") == "2025-01-02T03:04:05Z"


def test_names_the_registrars_server_of_a_thin_answer():
    thin = "Domain Name: EXAMPLE.COM\nRegistrar: R\nWhois Server: whois.registrar.example\n"
    assert whois.read(thin, NAME).referral is None
    old = whois.read(f"{thin}Referral URL: https://registrar.example\n", NAME)
    assert old.referral == "whois.registrar.example"
    new = whois.read("Domain Name: EXAMPLE.COM\nRegistrar WHOIS Server: WHOIS.REGISTRAR.EXAMPLE.\n"
                     "Registrar: R\nRegistrant Country: NL\n", NAME)  # fmt: skip
    assert new.referral == "whois.registrar.example"
    assert whois.read(THICK, NAME).referral is None
    hostile = whois.read(thin.replace("whois.registrar.example", "169.254.169.254 x"), NAME)
    assert hostile.referral is None


@pytest.mark.parametrize(
    ("label", "kind"),
    [("type: ORGANIZATION", "legal"), ("type: PERSON", "natural"), ("type: Legal person", "legal"),
     ("type: ROLE", "unspecified"), ("type: Ada", "unspecified"), ("", "unspecified")],
)  # fmt: skip
def test_takes_the_kind_of_registrant_only_from_a_closed_table(label, kind):
    text = f"domain: example.com\nholder-c: AE1-EX\n\nnic-hdl: AE1-EX\n{label}\ncontact: Ada\n"
    facts = record(text).facts
    assert facts.registrant_kind is RegistrantKind(kind)
    assert facts.organization_consent is None
    assert facts.publish_consent is None


# --- what is refused


@pytest.mark.parametrize(
    "line",
    [
        "Registrar: ada@person.example",
        "Registrar: Ada [at] person.example",
        "Registrar: +1.5555550100",
        "Registrar: REDACTED FOR PRIVACY",
        "Registrar: Ada Example",
        "Registrar: Ada  EXAMPLE",
        "Registrar: Ada Example Hosting",
        "Registrar: " + "x" * 300,
        "Registrar: No registrar listed.",
        "Registrar: None",
        "Registrar: 12345",
        "Registrar: Ada\x07",
        "Registrar:",
        "Reseller: Ada Example",
        "Registrar Customer Service Contact: Ada Clerk",
        "Created by Registrar: Ada Clerk",
    ],
)
def test_gives_no_registrars_name_that_may_be_a_persons(line):
    text = (
        f"Domain Name: example.com\nCreation Date: 2001-02-03\n{line}\n"
        "Registrant Name: Ada Example\nRegistrant Phone: +1.5555550100\n"
    )
    assert plain(text, "registrar.name") == ""
    assert plain(text, "reseller.name") == ""


@pytest.mark.parametrize(
    "text",
    [
        "domain: example.com\nadmin-c: A1-EX\n\nnic-hdl: A1-EX\nperson: Ada E\nregistrar: Eve\n",
        "domain: example.com\n\nRegistrant:\n  Name: Ada Example\n  Registrar: Eve\n",
        "domain: example.com\n\n[Holder]\nName: Ada Example\nRegistrar: Eve\n",
        "domain: example.com\nRegistrar:\nOrganization: Eve\nPerson: Ada Example\n",
        "domain: example.com\ncreated: 2001-02-03\n\nRegistrar:\n\nEve\n",
        "domain: example.com\ncreated: 2001-02-03\n\nRegistrar Name:\n\nEve\n",
        "domain: example.com\ncreated: 2001-02-03\nRegistrar Name:\nEve\n",
        "domain: example.com\ncreated: 2001-02-03\nReseller:\nEve\n",
        "domain: example.com\n\nPayer:\n  Name: Ada Example\n  Registrar: Eve\n",
        "domain: example.com\n\nRegistrar Technical Contacts:\n  Name: Eve\n",
        "domain: example.com\ncreated: 2001-02-03\nthe registrar.    Eve\n",
    ],
)
def test_takes_no_registrar_from_a_persons_place(text):
    assert plain(text, "registrar.name") == ""
    assert plain(text, "reseller.name") == ""


def test_lets_a_firm_be_registrar_and_contact():
    text = (
        "Domain Name: example.com\nRegistrar: Example Names Ltd.\nTech Name: Example Names Ltd.\n"
        "Tech Organization: Example Names Ltd.\n"
    )
    assert plain(text, "registrar.name") == "Example Names Ltd."


@pytest.mark.parametrize(
    "line",
    [
        "Registrar Abuse Contact Email: ada@person.example",
        "Registrar Abuse Contact Phone: 1 (555) 555-0100",
        "Registry Domain ID: C1-EXAMPLE",
        "Registrar URL: https://registrar.example/?who=ada",
        "Registrar WHOIS Server: Ada Example",
        "Abuse Contact Email: eve@person.example",
        "DNSSEC: Ada Example",
        "Domain Status: Ada Example",
        "Name Server: Ada Example",
        "Updated Date: Ada Example",
    ],
)
def test_gives_nothing_public_that_is_a_persons_or_not_of_its_shape(line):
    text = THICK.replace("abuse@registrar.example", "").replace("+1.5555550199", "")
    text = text.replace("D1-EXAMPLE", "").replace("https://registrar.example", "")
    text = text.replace("whois.registrar.example", "").replace("DNSSEC: unsigned\n", "")
    assert record(text + line).values == record(text).values
    assert servers(text + line) == servers(text)


@pytest.mark.parametrize(
    ("state", "kept"),
    [("Sample State", "Sample State"), ("CA", "CA"), ("Île-de-France", "Île-de-France"),
     ("Ada Example", None), ("ada@person.example", None), ("Sampletown", None),
     ("Sampletown 1", None), ("CA 00000", None), ("+1.5555550100", None), ("x" * 60, None),
     ("REDACTED FOR PRIVACY", None), ("<b>", None)],
)  # fmt: skip
def test_keeps_a_state_only_where_it_holds_no_other_value(state, kept):
    (registrant,) = people(THICK.replace("Sample State", state), "registrant")
    assert registrant.get("state") == kept


def test_reads_nothing_from_a_block_about_another_name():
    text = (
        "Domain Name: EXAMPLE.COM.EVIL.TEST\nRegistrar: Eve\nName Server: ns.evil.test\n\n" + THICK
    )
    assert plain(text, "registrar.name") == "Example Registrar, Inc."
    assert servers(text) == ["ns1.example.net", "ns2.example.net"]


def test_refuses_a_text_about_another_name():
    with pytest.raises(MalformedDocument):
        whois.read(THICK, "example.net")


def test_takes_the_name_in_the_text_where_none_was_asked():
    assert whois.read(THICK).record.name == NAME
    idn = "Domain Name: Bücher.example\nRegistrar: R\n"
    assert whois.read(idn).record.name == "xn--bcher-kva.example"
    assert whois.read(idn, "xn--bcher-kva.example").record.values


def test_refuses_a_text_that_is_too_long():
    with pytest.raises(MalformedDocument):
        whois.read(b" " * (MAX_BYTES + 1), NAME)


# --- partial


def test_trusts_no_line_that_broke_off():
    cut = THICK[: THICK.index("Name Server: NS2") + 18]
    found = record(cut, complete=False)
    assert found.partial
    assert [server.name for server in found.nameservers] == ["ns1.example.net"]
    assert not record(cut).partial


@pytest.mark.parametrize(
    ("raw", "partial"),
    [
        (THICK.encode(), False),
        (THICK.encode() + "Remarks: ü".encode()[:-1], True),
        (THICK.encode() + "Remarks: ü".encode("latin-1") + b"x", False),
        ((THICK + "remarks: x\n" * MAX_LINES).encode(), True),
    ],
)
def test_sees_that_a_text_broke_off(raw, partial):
    assert record(raw).partial is partial


@pytest.mark.parametrize("layout", [THICK, *LAYOUTS.values()], ids=["thick", *LAYOUTS])
def test_reads_no_more_of_any_truncation_than_of_the_whole(layout):
    whole = {server.name for server in record(layout).nameservers}
    for end in range(0, len(layout), 3):
        found = whois.read(layout[:end], NAME, complete=False).record
        if found is not None:
            assert found.partial
            assert found.values.get(ELEMENTS["registrar.name"], "") in layout
            assert {server.name for server in found.nameservers} <= whole


# --- states


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (
            'No match for "EXAMPLE.COM".\n>>> Last update of whois database: 2026-11-24 <<<',
            "available",
        ),
        ("% Copyright\n%\n% No entries found.\n", "available"),
        ("Domain Name: example.com\nDomain Status: No Object Found\n", "available"),
        ("Domain: example.com\nStatus: free\n", "available"),
        ("example.com is available for registration", "available"),
        ("El dominio no se encuentra registrado", "available"),
        ("% Query rate limit exceeded. Reduced answer.\n% No match for example.com", "available"),
        ("Domain: example.com\nStatus: AVAILABLE\n% limit exceeded", "available"),
        ("You have exceeded your quota of queries.", "throttled"),
        ("%% Too many requests...\n%% No entries found.", "throttled"),
        ("WHOIS LIMIT EXCEEDED - SEE THE TERMS", "throttled"),
        ("% Error 2: Connection refused; access control limit reached.", "throttled"),
        ("% Access denied\n% Sorry, access from your host has been denied", "throttled"),
        ("Access denied.", "refused"),
        ("Requests of this client are not permitted.", "refused"),
        ("Invalid query", "invalid"),
        ("Domain: example.com\nStatus: invalid", "invalid"),
        ("", "unread"),
        ("Domain Name: example.com\n", "unread"),
        (
            "This service tells facts. Queries above the limit are refused; free of charge.",
            "unread",
        ),
    ],
)
def test_tells_answers_without_a_record_apart(text, state):
    reading = whois.read(text, NAME)
    assert (reading.state, reading.record, reading.referral) == (state, None, None)


@pytest.mark.parametrize(
    "text",
    [
        "Reserved by the registry",
        "Domain: example.com\nStatus: Reserved\nRegistered: 2001-02-03",
        "Domain Name: example.com\nDomain Status: RESERVED\n",
        "The domain example.com is reserved.",
    ],
)
def test_gives_a_reserved_name_a_record_of_its_own(text):
    reading = whois.read(text, NAME)
    assert reading.state is whois.State.RESERVED
    assert reading.record is not None
    assert reading.record.values[ELEMENTS["domain.status"]] == ("reserved",)
    assert reading.record.contacts == ()


def test_is_not_misled_by_the_terms_of_use():
    terms = """\
No match for what you seek means nothing.
Query limit exceeded means refusal.
Access denied
Not found
Reserved
Invalid query"""
    assert whois.read(f"{terms}\n\n{THICK}\n{terms}", NAME).state is whois.State.REGISTERED


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("No match for example.com", NameNotFound),
        ("Quota exceeded", UpstreamThrottled),
        ("Access denied", UpstreamRefused),
        ("Invalid query", UpstreamRefused),
        ("", MalformedDocument),
    ],
)
def test_raises_what_stands_for_a_state(text, error):
    with pytest.raises(error):
        whois.decode(text, NAME)
    assert whois.decode(THICK, NAME).name == NAME


def test_shows_no_value_in_its_repr():
    assert repr(whois.read(THICK, NAME)) == "<Reading registered>"


# --- joined


def test_joins_the_registrys_answer_with_the_registrars():
    thin = record(
        "Domain Name: EXAMPLE.COM\nRegistrar: Example Registrar\nCreation Date: 2001-02-03\n"
        "Name Server: ns1.example.net\nRegistrant Country: NL\nAdmin Name: REDACTED FOR PRIVACY\n"
        "Billing Name: Bill Payer\n"
    )
    thick = record(
        "Domain Name: EXAMPLE.COM\nRegistrar: EXAMPLE REGISTRAR LTD\nCreation Date: 1999-01-01\n"
        "Registrar Registration Expiration Date: 2030-01-01\nName Server: ns9.example.net\n"
        "Registrant Name: Ada Example\nAdmin Name: Adam Admin\n",
        complete=False,
    )
    both = whois.joined(thin, thick)
    assert both.values[ELEMENTS["registrar.name"]] == "Example Registrar"
    assert both.values[ELEMENTS["domain.created"]] == "2001-02-03T00:00:00Z"
    assert both.values[ELEMENTS["domain.registrar_expires"]] == "2030-01-01T00:00:00Z"
    assert [server.name for server in both.nameservers] == ["ns1.example.net"]
    assert [(c.role, c.values["name"]) for c in both.contacts] == [
        ("registrant", "Ada Example"), ("admin", "Adam Admin"), ("billing", "Bill Payer"),
    ]  # fmt: skip
    assert both.withheld == frozenset()
    assert both.partial
    for answer in (rdap.encode(public(both), SETTINGS), whois.encode(public(both))):
        assert b"Example Registrar" in answer


def test_joins_no_answers_about_two_names():
    with pytest.raises(MalformedDocument):
        whois.joined(record(THICK), record("Domain Name: example.net\nRegistrar: R", "example.net"))


# --- redact


def redacted(text, **more):
    answer = redact_answer(
        text,
        form="whois",
        name=NAME,
        edition=ICANN,
        substitutes=WEB_FORM,
        settings=SETTINGS,
        **more,
    )
    return answer.rdap.decode() + answer.whois.decode()


def lines_of(*members):
    lines = [
        json.dumps({"id": n, "format": "whois"} | line).encode() for n, line in enumerate(members)
    ]
    parts = {"edition": ICANN, "substitutes": WEB_FORM, "settings": SETTINGS}
    return [json.loads(line) for line in redact_lines(lines, **parts)]


def test_redacts_text_line_by_line_with_its_state():
    answers = lines_of(
        {"domain": NAME, "raw": THICK},
        {"domain": "EXAMPLE.com.", "raw": THICK, "format": "auto"},
        {"domain": "not a name", "raw": THICK},
        {"domain": "example.net", "raw": THICK},
        {"domain": NAME, "raw": "No match for example.com"},
        {"domain": NAME, "raw": "Quota exceeded"},
        {"domain": NAME, "raw": "Access denied"},
        {"domain": NAME, "raw": "Invalid query"},
        {"domain": NAME, "raw": "Reserved"},
        {"domain": NAME, "raw": "what"},
    )
    assert [(a["state"], a["error"] and a["error"]["code"]) for a in answers] == [
        ("registered", None),
        ("registered", None),
        ("registered", None),
        (None, "WG303"),
        ("available", "WG103"),
        ("throttled", "WG316"),
        ("refused", "WG317"),
        ("invalid", "WG317"),
        ("reserved", None),
        ("unread", "WG303"),
    ]
    assert json.loads(answers[8]["rdap"])["status"] == ["reserved"]
    assert all((a["rdap"] is None) is (a["error"] is not None) for a in answers)
    assert "Ada" not in json.dumps(answers)


def test_lets_another_reader_fill_the_record():
    seen = []

    def amend(text, found):
        seen.append((text, found.name))
        return found

    assert redacted(THICK.encode(), amend=amend) == redacted(THICK)
    assert seen == [(THICK, NAME)]


CANARIES = (
    "{}", "{} {}", "remarks: {}", "X-Unknown: {}", "    {}", "\t{}, {}", "% {}", "[{}]", "{}:",
    "{}:\n    {}", "notify: {}@person.example", "Unknown.....: {}", "mnt-by: {}",
    "Registrant Hobby: {}", "Admin Name: {}", "person: {}", "{}@person.example",
)  # fmt: skip


@pytest.mark.parametrize("shape", CANARIES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_withholds_lines_that_it_does_not_understand(layout, shape):
    line = shape.replace("{}", "Kanari")
    lines = LAYOUTS[layout].split("\n")
    labelled = [
        n
        for n, text in enumerate(lines)
        if text.rstrip().endswith((":", "Registrar", "[Registrar]"))
    ]
    for gap in range(len(lines) + 1):
        # Right below "Registrar:" a bare line is what the layout says the registrar is.
        if gap - 1 in labelled or (gap - 2 in labelled and not lines[gap - 1]):
            continue
        text = "\n".join([*lines[:gap], line, *lines[gap:]])
        assert "kanari" not in redacted(text).lower(), (gap, text)


TEXTS = st.text(max_size=400) | st.lists(
    st.sampled_from([line for text in [THICK, *LAYOUTS.values()] for line in text.split("\n")]),
    max_size=30,
).map("\n".join)


@given(TEXTS, st.sampled_from([NAME, None, "example.net"]), st.booleans())
def test_raises_nothing_but_our_errors(text, name, complete):
    for raw in (text, text.encode("utf-8", "replace"), text.encode("utf-16", "replace")):
        with suppress(WhoisgateError):
            reading = whois.read(raw, name, complete=complete)
            has_record = reading.state in {whois.State.REGISTERED, whois.State.RESERVED}
            assert (reading.record is not None) is has_record


@given(st.binary(max_size=600))
def test_reads_any_bytes(raw):
    with suppress(MalformedDocument):
        assert whois.read(raw, NAME).state in whois.State
