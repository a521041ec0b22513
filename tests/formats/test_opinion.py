"""The second opinion: closed shapes that the text tells, and what of them fills a record."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whoisgate.elements import ELEMENTS
from whoisgate.formats.rdap import words
from whoisgate.formats.whois.opinion import Opinion, filled
from whoisgate.records import Record

TEXT = """\
% Terms of use, last changed 2011-11-11
Domain Name: EXAMPLE.COM
Creation Date: 2020-01-02T03:04:05+09:00
Updated Date: 4-Mar-2021
Expires on: 20300506
Domain Status: clientTransferProhibited https://icann.example/epp
Domain Status: server hold, pendingDelete
DNSSEC: signedDelegation

Registrant:
   Jane Doe
   www.janedoe.example
   jane@mail.janedoe.example
Registrant DNS name: home.janedoe.example
Registrant created: 2001-02-03
Registrant status: inactive
Owner's birth date, as registered: 1990-09-08

Name Servers:
   NS1.example.net. 192.0.2.1 2001:db8::1
   ns2.example.net
Technical contact: tom.technician.example

nserver: ns3.example.net [192.0.2.3]

Nameservers

ns4.example.net

remarks.example
"""
EVERYTHING = {
    "created": "2020-01-02T03:04:05+09:00",
    "updated": "2021-03-04T00:00:00+00:00",
    "expires": "2030-05-06T00:00:00+00:00",
    "nameservers": ["NS1.example.net", "ns2.example.net.", "ns3.example.net", "ns4.example.net"],
    "statuses": ["clientTransferProhibited https://icann.example/epp", "serverHold"],
    "signed": "signedDelegation",
    "contacts": ["registrant", "tech"],
}


def parsed(text=TEXT, **said):
    return Opinion.parse(json.dumps(said).encode(), text)


def values(opinion):
    return {element.name: value for element, value in opinion.values.items()}


def test_holds_what_both_the_reader_and_the_text_say():
    opinion = parsed(**EVERYTHING)
    assert values(opinion) == {
        "domain.created": "2020-01-01T18:04:05Z",
        "domain.updated": "2021-03-04T00:00:00Z",
        "domain.expires": "2030-05-06T00:00:00Z",
        "domain.status": ("clientTransferProhibited", "serverHold"),
        "dnssec.signed": "signedDelegation",
    }
    assert [n.name for n in opinion.nameservers] == [f"ns{n}.example.net" for n in range(1, 5)]
    assert (opinion.nameservers[0].ipv4, opinion.nameservers[0].ipv6) == (
        ("192.0.2.1",),
        ("2001:db8::1",),
    )
    assert opinion.contacts == {"registrant", "tech"}


@pytest.mark.parametrize(
    "host",
    [
        "www.janedoe.example",
        "mail.janedoe.example",
        "jane@mail.janedoe.example",
        "home.janedoe.example",
        "tom.technician.example",
        "remarks.example",
        "example.com",
        "ns9.example.net",
        "jane",
        "jane doe",
        "192.0.2.1",
        "",
    ],
)
def test_takes_no_host_from_a_line_that_is_not_a_name_servers(host):
    assert parsed(nameservers=[host]).nameservers == ()


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Name Server: jane", "jane"),
        ("Name Server: -jane.example", "-jane.example"),
        ("Name Server: jane@doe.example", "jane@doe.example"),
        ("Name Server: j\xe4ne.example", "j\xe4ne.example"),
        ("Name Server: 192.0.2.1", "192.0.2.1"),
        (f"Name Server: {'a' * 64}.example", f"{'a' * 64}.example"),
    ],
)
def test_takes_no_host_of_another_shape(text, host):
    assert parsed(text, nameservers=[host]).nameservers == ()


@pytest.mark.parametrize("word", ["created", "updated", "expires"])
@pytest.mark.parametrize(
    "moment",
    [
        "2001-02-03T00:00:00+00:00",  # a person's record was created then
        "1990-09-08T00:00:00+00:00",  # a person's birth
        "2020-13-02T03:04:05+00:00",
        "0001-01-01T00:00:00+14:00",
        "jane doe",
        20200102,
        ["2020-01-02T03:04:05+09:00"],
        "9999-12-31T23:59:59-14:00",
        None,
    ],
)
def test_takes_no_date_of_a_persons_or_of_another_shape(word, moment):
    assert parsed(**{word: moment}).values == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("created: 1970-01-01", "1970-01-01"),  # no domain is so old
        ("created: 2020-01", "2020-01-24"),  # a day made up
        ("created: 03/04/2020", "2020-03-04"),  # day first, unless the text says otherwise
        ("updated: 2020-01-02", "2020-01-02"),
        ("remarks: 2020-01-02", "2020-01-02"),
        ("created: soon\nremarks: x\n2020-01-02", "2020-01-02"),
    ],
)
def test_takes_no_date_that_the_text_does_not_tell(text, said):
    assert parsed(text, created=f"{said}T00:00:00+00:00").values == {}


@pytest.mark.parametrize(
    "text",
    [
        "created: 2020-01-02",
        "created: 2.1.2020",
        "Registered on Thu Jan 2 2020",
        "Relevant dates:\n  Registered on:\n  02 January 2020",
        "registered: 20200102",
        "registered:20200102 #123",
        "Created: 12.12.2012\nCreated: 02/01/2020",
    ],
)
def test_takes_a_date_in_many_spellings(text):
    said = values(parsed(text, created="2020-01-02T07:08:09+00:00"))
    assert said == {"domain.created": "2020-01-02T00:00:00Z"}


@pytest.mark.parametrize("said", ["2020-01-03T00:00:00+09:00", "2020-01-02T16:00:00+00:00"])
def test_takes_the_instant_from_the_text_for_the_day_that_is_said(said):
    text = "[Created on]     2020/01/03 01:30:00 (JST)"
    assert values(parsed(text, created=said)) == {"domain.created": "2020-01-02T16:30:00Z"}


@pytest.mark.parametrize("name", words.STATUSES)
def test_knows_every_status_by_its_name_and_by_rdaps_word(name):
    for said in (name, name.upper(), words.STATUSES[name]):
        text = f"x: y\nState: {said}\n"
        assert values(parsed(text, statuses=[said])) == {"domain.status": (name,)}


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Status: Jane Doe", "Jane Doe"),
        ("Status: ok", "inactive"),
        ("Registrant status: ok", "ok"),
        ("State/Province: OK", "ok"),
        ("Name: ok", "ok"),
    ],
)
def test_takes_no_status_that_is_none_or_is_not_told(text, status):
    assert parsed(text, statuses=[status]).values == {}


@pytest.mark.parametrize(
    ("text", "signed"),
    [("", "signedDelegation"), ("DNSSEC: x", "jane"), ("DNSSEC: x", True), ("DNSSEC: x", None)],
)
def test_takes_dnssec_only_as_one_of_two_words_and_where_told(text, signed):
    assert parsed(text, signed=signed).values == {}


@pytest.mark.parametrize(
    "reply", [b"", b"{", b"[]", b"null", b'"jane"', b"\xff", b"[" * 10_000, b'{"a":1,"a":2}']
)
def test_is_none_where_the_worker_spoke_nonsense(reply):
    assert Opinion.parse(reply, TEXT) is None


def test_shows_no_value_in_its_representation():
    assert "2020" not in repr(parsed(**EVERYTHING))
    assert "example.net" not in repr(parsed(**EVERYTHING))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(TEXT.split()),
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=10,
)
CLOSED = {*words.STATUSES, "signedDelegation", "unsigned"}


@given(
    st.dictionaries(st.sampled_from(sorted(EVERYTHING)), JSON),
    st.text(alphabet=string.printable) | st.just(TEXT),
)
def test_holds_closed_shapes_alone_whatever_the_worker_says(said, text):
    opinion = Opinion.parse(json.dumps(said).encode(), text)
    assert opinion.contacts <= {"registrant", "admin", "tech", "billing"}
    assert all(server.name in text.lower() for server in opinion.nameservers)
    for value in opinion.values.values():
        for word in (value,) if isinstance(value, str) else value:
            assert word in CLOSED or (len(word) == 20 and word[:4] in text)


def record(**elements):
    return Record.of("example.com", {k.replace("_", ".", 1): v for k, v in elements.items()})


def test_fills_what_is_empty():
    done = filled(record(registrar_name="Example Registrar"), parsed(**EVERYTHING))
    assert {e.name for e in done.record.values} == {
        "registrar.name", "domain.created", "domain.updated", "domain.expires", "domain.status",
        "dnssec.signed",
    }  # fmt: skip
    assert [n.name for n in done.record.nameservers] == [f"ns{n}.example.net" for n in range(1, 5)]
    assert {e.name for e in done.elements} == {
        "domain.created", "domain.updated", "domain.expires", "domain.status", "dnssec.signed",
        "nameserver.name",
    }  # fmt: skip
    assert done.record.contacts == ()


def test_overwrites_nothing_and_counts_what_differs():
    ours = Record.of(
        "example.com",
        {
            "domain.created": "2019-01-01T00:00:00Z",
            "domain.updated": "2021-03-04T23:00:00Z",
            "domain.status": ["serverHold", "clientTransferProhibited"],
            "dnssec.signed": "unsigned",
            "registrant.name": "Jane Doe",
            "admin.name": "Adam Doe",
        },
        nameservers=["ns.other.example"],
    )
    done = filled(ours, parsed(**EVERYTHING))
    assert [e.name for e in done.elements] == ["domain.expires"]
    assert {e.name: v for e, v in done.record.values.items()} == {
        **{e.name: v for e, v in ours.values.items()},
        "domain.expires": "2030-05-06T00:00:00Z",
    }
    assert (done.record.contacts, done.record.nameservers) == (ours.contacts, ours.nameservers)
    # created, signed, name servers; tech is theirs alone and admin ours alone
    assert done.disagreements == 5


@pytest.mark.parametrize("name", ["domain.created", "domain.status", "nameserver.name"])
def test_fills_nothing_that_the_source_withheld(name):
    whole = Record("example.com", withheld=frozenset({ELEMENTS[name], ELEMENTS["registrant.name"]}))
    done = filled(whole, parsed(**EVERYTHING))
    assert ELEMENTS[name] not in {*done.elements, *done.record.values}
    assert bool(done.record.nameservers) == (name != "nameserver.name")
    assert done.disagreements == 1  # the registrant is hidden, so tech alone counts


def test_takes_a_registrars_expiry_for_no_registrys():
    ours = record(domain_registrar_expires="2030-05-06T00:00:00Z")
    done = filled(ours, parsed(expires=EVERYTHING["expires"]))
    assert (done.record.values, done.elements, done.disagreements) == (ours.values, (), 0)


@given(st.sets(st.sampled_from(sorted(EVERYTHING))))
def test_never_touches_a_contact(said):
    ours = record(registrant_name="Jane Doe", tech_email="tom@example.org")
    done = filled(ours, parsed(**{word: EVERYTHING[word] for word in said}))
    assert done.record.contacts == ours.contacts
    assert not any(element.personal for element in done.elements)
