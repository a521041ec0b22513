"""Captured answers: one line out for each line in, whatever the line."""

import json

import pytest
from tests.formats.conftest import (
    ICANN,
    SETTINGS,
    WEB_FORM,
    everything,
    full_record,
    opened,
    public,
)

from whoisgate.elements import ELEMENTS
from whoisgate.errors import MalformedDocument, NameNotFound, NotADomain, UpstreamThrottled
from whoisgate.formats import rdap, whois
from whoisgate.formats.offline import MAX_LINE_BYTES, redact_answer, redact_lines
from whoisgate.queries import PUBLIC, Question

PARTS = {"edition": ICANN, "substitutes": WEB_FORM, "settings": SETTINGS}
RAW = opened(rdap.encode(everything(full_record(mark="CANARY")), SETTINGS)).decode()
RELEASED = {
    name
    for name, e in ELEMENTS.items()
    if ICANN.decide(Question("example.com"), PUBLIC, full_record().facts).releases(e)
}


def ask(*lines):
    return [json.loads(line) for line in redact_lines(lines, **PARTS)]


def line(**members):
    return json.dumps(
        {"id": "1", "domain": "example.com", "format": "rdap", "raw": RAW} | members
    ).encode()


@pytest.mark.parametrize("form", ["rdap", "auto"])
@pytest.mark.parametrize("raw", [RAW, RAW.encode(), f" \n{RAW}\n"])
def test_gives_the_public_view(form, raw):
    answer = redact_answer(raw, form=form, **PARTS)
    view = public(full_record())
    assert answer.rdap == rdap.encode(view, SETTINGS)
    assert answer.whois == whois.encode(view)
    assert set(answer.released) == RELEASED
    assert set(answer.withheld) == set(ELEMENTS) - RELEASED
    assert list(answer.released) == [n for n in ELEMENTS if n in RELEASED]


def test_names_only_what_the_answer_had():
    raw = json.dumps(
        {
            "objectClassName": "domain",
            "ldhName": "example.com",
            "status": ["active"],
            "entities": [{"roles": ["registrant"], "handle": "C-1"}],
        }
    )
    answer = redact_answer(raw, form="rdap", **PARTS)
    assert answer.released == ("domain.status",)
    assert answer.withheld == ("registrant.handle",)


@pytest.mark.parametrize(
    ("raw", "form", "error"),
    [
        ("Nothing of a domain\r\n", "auto", MalformedDocument),
        ("", "auto", MalformedDocument),
        ("No match for EXAMPLE.COM\r\n", "whois", NameNotFound),
        ("Query limit exceeded\r\n", "auto", UpstreamThrottled),
        ("Domain Name: example.com\r\n", "rdap", MalformedDocument),
        ('{"objectClassName":"entity"}', "auto", NotADomain),
    ],
)
def test_tells_why_it_cannot_read(raw, form, error):
    with pytest.raises(error):
        redact_answer(raw, form=form, **PARTS)


def test_answers_every_line_in_order():
    lines = [
        line(id=1),
        line(id="whois", format="whois"),
        b"not JSON CANARY",
        line(id="entity", raw='{"objectClassName":"entity"}'),
        b"",
        line(id="last", unknown="CANARY"),
    ]
    answers = ask(*lines)
    assert [a["id"] for a in answers] == [1, "whois", None, "entity", None, "last"]
    codes = [a["error"] and a["error"]["code"] for a in answers]
    assert codes == [None, "WG303", "WG303", "WG304", "WG303", None]
    assert "CANARY" not in json.dumps(answers)


def test_gives_rdap_and_whois_as_text():
    (answer,) = ask(line())
    assert answer.keys() == {"id", "state", "rdap", "whois", "released", "withheld", "error"}
    assert answer["state"] == "registered"
    assert json.loads(answer["rdap"])["ldhName"] == "example.com"
    assert answer["whois"].startswith("Domain Name: example.com\r\n")


def test_gives_nothing_but_the_error_of_a_line_that_failed():
    (answer,) = ask(line(raw="{"))
    assert answer.pop("error")["code"] == "WG303"
    assert answer == {
        "id": "1", "state": None, "rdap": None, "whois": None, "released": [], "withheld": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    "broken",
    [
        b"[]", b"null", b"7", b'"x"', b"{}", b'{"id":"1"}', line(raw=None), line(raw={}),
        line(format=7), line(format=None), line(format="xml"), line(id=["CANARY"]),
        line(id={"a": 1}), b'{"id":"1","id":"2","raw":"{}"}', b"\xff\xfe", b"{" * 200,
        b" " * (MAX_LINE_BYTES + 1), line(raw=" " * (4 * 1024 * 1024 + 1)),
    ],
    ids=range(18),
)  # fmt: skip
def test_survives_a_broken_line(broken):
    first, second = ask(broken, line(id="next"))
    assert first["error"]["code"].startswith("WG3")
    assert first["rdap"] is None
    assert second["id"] == "next"
    assert second["error"] is None


def test_survives_every_truncation_of_a_line():
    whole = line()
    ends = range(0, len(whole), 7)
    answers = ask(*(whole[:end] for end in ends))
    assert [a["error"]["code"] for a in answers] == ["WG303"] * len(ends)


def test_takes_lines_one_at_a_time():
    def endless():
        while True:
            yield line()

    assert json.loads(next(redact_lines(endless(), **PARTS)))["error"] is None
