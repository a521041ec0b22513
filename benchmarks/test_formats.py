"""The formats' budgets: record to public body, captured RDAP to public body, WHOIS text.

``times_dumps`` is the ratio to `orjson` on the same object, measured in the same run; the budgets
are 2 for a parsed record and 1.5 (of loads and dumps) for captured bytes.
"""

import timeit
from datetime import UTC, datetime

import orjson
import pytest

from whoisgate.elements import ELEMENTS
from whoisgate.formats import rdap, whois
from whoisgate.formats.rdap import strict
from whoisgate.policy.decide import edition
from whoisgate.policy.load import load_named
from whoisgate.policy.model import RELEASE, Policy, Rule
from whoisgate.queries import PUBLIC, Question
from whoisgate.records import Nameserver, Record
from whoisgate.redact import Substitutes, redact

NOW = datetime(2026, 11, 23, tzinfo=UTC)
QUESTION = Question("example.com")
SUBSTITUTES = Substitutes(b"k" * 32, web_form="https://registrar.example/?d={domain}&r={role}")
SETTINGS = rdap.Settings("https://rdap.registrar.example/", "https://registrar.example/terms")
OPEN = Policy(
    "open", "1", "", "0" * 64, (Rule("ALL", "grant", RELEASE, frozenset(ELEMENTS.values())),)
)
CONTACT = {
    "handle": "C1-EXAMPLE",
    "name": "Ada Example",
    "organization": "Example Works",
    "street": ["1 Sample Street", "Rear Building"],
    "city": "Sampletown",
    "state": "Sample State",
    "postal_code": "00000",
    "country": "NL",
    "phone": ["+1.5555550100"],
    "phone_ext": "42",
    "fax": ["+1.5555550101"],
    "email": ["ada@person.example"],
}
RECORD = Record.of(
    "example.com",
    {
        "domain.handle": "D1-EXAMPLE",
        "domain.created": "2001-02-03T04:05:06Z",
        "domain.updated": "2025-01-01T00:00:00Z",
        "domain.expires": "2030-02-03T04:05:06Z",
        "domain.rdds_updated": "2026-11-23T00:00:00Z",
        "domain.status": ["clientTransferProhibited", "clientDeleteProhibited"],
        "registrar.name": "Example Registrar, Inc.",
        "registrar.iana_id": "9999",
        "registrar.rdap_url": "https://rdap.registrar.example/",
        "registrar.abuse_email": "abuse@registrar.example",
        "registrar.abuse_phone": "+1.5555550199",
        "dnssec.signed": "unsigned",
        **{
            f"{role}.{f}": v for role in ("registrant", "admin", "tech") for f, v in CONTACT.items()
        },
    },
    nameservers=[Nameserver("ns1.example.com", ("192.0.2.1",)), Nameserver("ns2.example.net")],
)


def public(record, rules):
    return redact(record, rules.decide(QUESTION, PUBLIC, record.facts), SUBSTITUTES)


@pytest.fixture(scope="module")
def rules():
    return edition(load_named("icann-gtld"), NOW)


@pytest.fixture(scope="module")
def captured():
    """A compact RDAP document that holds the whole record."""
    body = rdap.encode(public(RECORD, edition(OPEN, NOW)), SETTINGS)
    return orjson.dumps(orjson.loads(bytes(body)))


def fastest(action):
    return min(timeit.repeat(action, number=1000, repeat=9)) / 1000


def compare(benchmark, action, yardstick):
    """Benchmark ``action``, and note how many times as long as ``yardstick`` it takes."""
    benchmark(action)
    times = [fastest(action) / fastest(yardstick) for _ in range(3)]
    benchmark.extra_info["times_dumps"] = round(min(times), 2)
    print(f"{benchmark.name}: {min(times):.2f} times orjson")


def test_parsed_record_to_public_body(benchmark, rules):
    parsed = orjson.loads(bytes(rdap.encode(public(RECORD, rules), SETTINGS)))
    compare(
        benchmark,
        lambda: rdap.encode(public(RECORD, rules), SETTINGS),
        lambda: orjson.dumps(parsed),
    )


def test_captured_bytes_to_public_body(benchmark, rules, captured):
    parsed = orjson.loads(captured)
    compare(
        benchmark,
        lambda: rdap.encode(public(rdap.decode(captured), rules), SETTINGS),
        lambda: (orjson.loads(captured), orjson.dumps(parsed)),
    )


def test_strict_json(benchmark, captured):
    compare(benchmark, lambda: strict.loads(captured), lambda: orjson.loads(captured))


def test_strict_json_that_is_indented(benchmark, captured):
    indented = orjson.dumps(orjson.loads(captured), option=orjson.OPT_INDENT_2)
    compare(benchmark, lambda: strict.loads(indented), lambda: orjson.loads(indented))


def test_redact(benchmark, rules):
    benchmark(public, RECORD, rules)


def test_rdap_encode(benchmark, rules):
    benchmark(rdap.encode, public(RECORD, rules), SETTINGS)


def test_rdap_decode(benchmark, captured):
    benchmark(rdap.decode, captured)


def test_whois_encode(benchmark, rules):
    benchmark(whois.encode, public(RECORD, rules))


def test_whois_from_rdap(benchmark, rules):
    benchmark(whois.from_rdap, bytes(rdap.encode(public(RECORD, rules), SETTINGS)))
