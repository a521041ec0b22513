"""What an upstream says of a registrar never leads around the gate."""

from dataclasses import replace

import pytest
from tests.conftest import NOW
from tests.sources.upstream.conftest import NAME, ask, document, http, says, speaking

from whoisgate.elements import element
from whoisgate.records import Fetched, Record
from whoisgate.sources.upstream.inward import inward

OWN = "rdap.old.example"
KEPT = ["https://www.registrar.example/", "whois.registrar.example", "https://rdap.example/x/"]
AROUND = [
    [f"https://{OWN}/", OWN, f"https://{OWN}/rdap/"],
    [f"http://{OWN.upper()}:8080/contact", OWN, f"https://{OWN}./domain/{NAME}"],
    ["https://2130706433/", "whois.old.example", "https://0x7f.0.0.1/"],
]
FIELDS = ["registrar.url", "registrar.whois_server", "registrar.rdap_url"]


async def resolver(host, port):
    return ["127.0.0.1"]


def described(addresses, **more):
    """An answer that gives a registrar these three addresses."""
    page, whois, rdap = addresses
    registrar = {
        "objectClassName": "entity",
        "roles": ["registrar"],
        "vcardArray": ["vcard", [["fn", {}, "text", "Example Registrar"]]],
        "port43": whois,
        "links": [
            {"rel": "about", "href": rdap, "type": "application/rdap+json"},
            {"rel": "related", "href": page, "type": "text/html"},
        ],
    }
    return http(document(entities=[registrar], **more))


def addresses(record):
    return [record.values.get(element(field)) for field in FIELDS]


def asked(source, answer, *more, fresh=False):
    with speaking(says(answer)) as server:
        own = {"rdap": f"http://{OWN}:{server.port}/", "clear_text": True}
        return ask(source(own, *more, resolver=resolver), fresh=fresh)


WHOIS = {"suffixes": ["test"], "whois": "whois.old.example"}


def test_keeps_a_registrars_addresses_elsewhere(source):
    assert addresses(asked(source, described(KEPT), WHOIS)) == KEPT


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("around", AROUND)
def test_leaves_out_addresses_at_a_server_that_it_stands_before(source, around, fresh):
    record = asked(source, described(around), WHOIS, fresh=fresh)
    assert addresses(record) == [None] * 3
    assert record.values[element("registrar.name")] == "Example Registrar"


@pytest.mark.parametrize("field", FIELDS)
def test_leaves_out_one_and_keeps_the_others(source, field):
    mixed = [a if f == field else k for f, a, k in zip(FIELDS, AROUND[0], KEPT, strict=True)]
    wanted = [None if f == field else k for f, k in zip(FIELDS, KEPT, strict=True)]
    assert addresses(asked(source, described(mixed))) == wanted


def test_leaves_out_addresses_at_the_server_to_which_a_redirect_led(source):
    new = [a.replace(OWN, "new.old.example") for a in AROUND[0]]

    def speak(connection, question):
        place = f"http://new.old.example:{server.port}/domain/{NAME}"
        moved = http(status="302 Found", Location=place)
        connection.sendall(described(new) if b"new.old" in question else moved)

    with speaking(speak) as server:
        own = {"rdap": f"http://{OWN}:{server.port}/", "clear_text": True}
        record = ask(source(own, resolver=resolver))
    assert "new.old.example" in record.fetched[0].upstream
    assert addresses(record) == [None] * 3


def test_leaves_out_the_whois_server_that_answered(source):
    text = f"Domain Name: {NAME}\r\nRegistrar WHOIS Server: WHOIS.old.example\r\nRegistrar: R X\r\n"
    with speaking(says(text.encode()), end=b"\r\n") as server:
        record = ask(source({"whois": f"whois.old.example:{server.port}"}, resolver=resolver))
    assert record.values[element("registrar.name")] == "R X"
    assert addresses(record) == [None] * 3


def test_keeps_the_registrars_server_to_which_a_referral_led():
    values = {"registrar.whois_server": "whois.registrar.example"}
    places = ("whois://whois.old.example:43", "whois://whois.registrar.example:43")
    record = replace(
        Record.of(NAME, values, source="whois:whois.old.example"),
        fetched=tuple(Fetched(place, NOW, "") for place in places),
    )
    assert inward(record, {"rdap.old.example"}) is record
    assert addresses(inward(record, {"whois.registrar.example"})) == [None] * 3
