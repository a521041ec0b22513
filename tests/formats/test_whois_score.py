"""A corpus of WHOIS answers through ``redact --jsonl``: nothing personal out, public data kept.

``WHOISGATE_WHOIS_CORPUS`` names a file of JSON lines (`tests.formats.whois_score`); without it
the made-up answers of ``fixtures/whois-text`` are the corpus.
"""

import json
import os
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from tests.formats.conftest import SETTINGS, WEB_FORM
from tests.formats.whois_score import DATES, Score, Tally, folded, read_days, score

from whois_cases import CASES, Case
from whoisgate.formats.offline import redact_lines
from whoisgate.policy.decide import edition
from whoisgate.policy.load import load_named

ENOUGH = 0.9
LABELS = {
    "registrar.name": "registrar",
    "domain.created": "created",
    "domain.updated": "updated",
    "domain.expires": "expires",
    "domain.registrar_expires": "expires",
    "domain.status": "status",
    "nameserver.name": "nameservers",
}


def as_line(case: Case) -> bytes:
    """A case in the form of a corpus."""
    labels = {
        LABELS[name]: [value] if isinstance(value, str) else value
        for name, value in case.expected.items()
        if name in LABELS
    }
    return json.dumps(
        {
            "id": case.title,
            "domain": case.name,
            "format": "whois",
            "status": case.state,
            "raw": case.raw.decode(case.encoding),
            "labels": labels,
            "personal": {"marked": case.personal},
        }
    ).encode()


def corpus() -> list[bytes]:
    named = os.environ.get("WHOISGATE_WHOIS_CORPUS")
    return Path(named).read_bytes().splitlines() if named else [as_line(case) for case in CASES]


def redacted(lines: list[bytes]) -> list[bytes]:
    rules = edition(load_named("icann-gtld"), datetime(2026, 11, 24, tzinfo=UTC))
    return list(redact_lines(lines, edition=rules, substitutes=WEB_FORM, settings=SETTINGS))


@pytest.fixture(scope="module")
def scored() -> Score:
    lines = corpus()
    found = score(lines, redacted(lines))
    print(f"\n{found.table()}")  # noqa: T201  the figures are what one runs it for
    return found


def test_answers_every_line(scored):
    assert scored.unanswered == []
    assert scored.lines > 0


def test_tells_answers_apart(scored):
    assert scored.told_apart >= ENOUGH, scored.mistaken


def test_lets_no_personal_value_out(scored):
    assert scored.leaks == []
    assert scored.personal > 0


@pytest.mark.parametrize("rule", ["registrar", "nameservers", "status"])
def test_keeps_what_is_public(scored, rule):
    assert scored.tallies[rule].total > 0
    assert scored.tallies[rule].share >= ENOUGH, scored.tallies[rule].missed


def test_keeps_dates(scored):
    assert scored.dates >= ENOUGH, [scored.tallies[rule].missed for rule in DATES]


# --- the scorer itself

ANSWER = {
    "id": 1,
    "state": "registered",
    "error": None,
    "whois": "Domain Name: example.com\r\nRegistrar: Example Registrar\r\n",
    "rdap": json.dumps(
        {
            "objectClassName": "domain",
            "ldhName": "example.com",
            "status": ["active", "client hold"],
            "events": [{"eventAction": "registration", "eventDate": "2020-01-02T23:30:00Z"}],
            "nameservers": [{"objectClassName": "nameserver", "ldhName": "ns1.example.net"}],
            "entities": [
                {
                    "objectClassName": "entity",
                    "roles": ["registrar"],
                    "vcardArray": [
                        "vcard",
                        [["version", {}, "text", "4.0"], ["fn", {}, "text", "Example Registrar"]],
                    ],
                },
            ],
            "remarks": [{"description": ["tél. +1 (555) 555-0101, Straße 1"]}],
        }
    ),
}


def judged(labels=None, personal=None, **changed) -> Score:
    line = {"id": 1, "domain": "example.com", "labels": labels or {}, "personal": personal or {}}
    return score([json.dumps(line).encode()], [json.dumps(ANSWER | changed).encode()])


@pytest.mark.parametrize(
    ("rule", "value", "kept"),
    [
        ("registrar", "EXAMPLE  REGISTRAR", True),
        ("registrar", "Example Registrar, Inc. (R7)", True),
        ("registrar", "Example", True),
        ("registrar", "Another", False),
        ("registrar", "", False),
        ("created", "2020-01-02", True),
        ("created", "3. Jan 2020", True),
        ("created", "2020-01-05", False),
        ("updated", "2020-01-02", False),
        ("expires", "2020-01-02", False),
        ("nameservers", "NS1.example.net.", True),
        ("nameservers", "ns1.example.net 192.0.2.1", True),
        ("nameservers", "ns1.example.ne", False),
        ("status", "ok", True),
        ("status", "ACTIVE", True),
        ("status", "connect", True),
        ("status", "Client-Hold https://icann.org/epp#clientHold", True),
        ("status", "serverHold", False),
    ],
)
def test_counts_a_label(rule, value, kept):
    tally = judged({rule: [value]}).tallies[rule]
    assert (tally.kept, tally.total) == (int(kept), 1)


def test_lists_a_status_that_no_registry_knows():
    found = judged({"status": ["in the mail"]})
    assert found.unregistered == ["1: in the mail"]
    assert found.tallies["status"].total == 0


@pytest.mark.parametrize(
    ("key", "value", "leaks"),
    [
        ("registrant_street", "STRASSE  1", 1),
        ("registrant_phone", "+1.5555550101", 1),
        ("registrant_phone", "5555550101", 1),
        ("registrant_phone", "+1.5555550102", 0),
        ("registrant_state", "Straße 1", 0),
        ("tech_country", "Straße 1", 0),
        ("registrant_name", "Ada", 0),
        ("registrant_name", "", 0),
    ],
)
def test_sees_a_leak(key, value, leaks):
    assert len(judged(personal={key: [value]}).leaks) == leaks


@pytest.mark.parametrize(
    ("labels", "value"), [({}, "example"), ({"registrar": ["Example Registrar"]}, "registrar")]
)
def test_tells_what_is_ambiguous_from_a_leak(labels, value):
    found = judged(labels, {"registrant_name": [value]})
    assert (found.leaks, len(found.ambiguous)) == ([], 1)


def test_counts_a_line_without_an_answer():
    missing = {"state": None, "rdap": None, "whois": None}
    found = judged({"registrar": ["Example Registrar"]}, **missing)
    assert found.unanswered == ["1"]
    assert found.tallies["registrar"].share == 0


def test_counts_an_error_as_an_answer_that_keeps_nothing():
    error = {"code": "WG303", "message": "expected JSON, not Ada"}
    missing = {"state": None, "rdap": None, "whois": None, "error": error}
    found = judged({"status": ["ok"]}, {"registrant_name": ["Ada"]}, **missing)
    assert found.unanswered == []
    assert found.tallies["status"].share == 0
    assert len(found.leaks) == 1


def test_tells_what_was_taken_for_something_else():
    line = {"id": 1, "domain": "example.com", "status": "available", "labels": {}, "personal": {}}
    found = score([json.dumps(line).encode()], [json.dumps(ANSWER).encode()])
    assert found.mistaken == ["1: available taken for registered"]
    assert found.told_apart == 0


@pytest.mark.parametrize(
    "text",
    [
        "2020-03-04", "2020-03-04T05:06:07Z", "20200304", "2020.03.04 05:06:07", "2020/3/4",
        "04-Mar-2020", "4 March 2020", "4th of March 2020", "Wed Mar  4 05:06:07 GMT 2020",
        "March 4, 2020", "04.03.2020", "4/3/2020", "2020-Mar-04.", "2020. 03. 04.",
    ],
)  # fmt: skip
def test_reads_a_day_in_many_shapes(text):
    assert date(2020, 3, 4) in read_days(text)


@pytest.mark.parametrize("text", ["", "never", "2020", "99.99.2020", "2020-13-01"])
def test_reads_no_day_where_there_is_none(text):
    assert read_days(text) == set()


def test_folds_alike_what_looks_alike():
    assert folded("ＡＤＡ \t\n Straße") == "ada strasse"
    assert Tally().share == 1
