"""Readers of strangers' bytes: only our errors come out.

Hypothesis for structure; then seeded mutations, a few thousand as a rule and a million of each
kind in a soak (``WHOISGATE_SOAK=1``).
"""

import json

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.conftest import SOAK
from tests.formats import mutations
from tests.formats.conftest import SETTINGS, WEB_FORM, everything, full_record, opened
from tests.formats.test_whois_layouts import RULES

from whois_cases import CASES
from whoisgate.errors import MalformedDocument, WhoisgateError
from whoisgate.formats import rdap, whois
from whoisgate.formats.offline import redact_answer

SLICES = 20
INPUTS = 1_000_000 // SLICES if SOAK else 100
TEXTS = [case.raw for case in CASES]
DOCUMENTS = [
    *[opened(rdap.encode(everything(full_record()), SETTINGS))] * 3,
    opened(rdap.encode(everything(full_record("example.net", mark="\N{SNOWMAN}")), SETTINGS)),
    orjson.dumps({"objectClassName": "domain", "ldhName": "example.org", "status": ["active"]}),
    orjson.dumps({"errorCode": 404, "title": "Not Found", "description": ["no such name"]}),
]


def survives(raw: bytes | str, form: str, name: str = "example.com") -> None:
    """Reads, redacts and writes; any error but ours is raised."""
    try:
        answer = redact_answer(
            raw, form=form, name=name, edition=RULES, substitutes=WEB_FORM, settings=SETTINGS
        )
    except WhoisgateError as error:
        said = str(error)
        assert "\n" not in said
        assert len(said) < 300
    else:
        orjson.loads(answer.rdap)
        answer.whois.decode()


# --- hypothesis

WORDS = [
    "Registrar", "Registrant", "Domain Name", "nserver", "created", "person", "status", "admin-c",
    "Registrant Name", "nic-hdl", "DNSSEC", "[Holder]", "名前", "Name Servers",
]  # fmt: skip
VALUES = st.sampled_from(
    [
        "example.com",
        "ns1.example.net",
        "2001-02-03",
        "03/02/2001",
        "AE1-EX",
        "ok",
        "",
        "a@b.example",
    ]
) | st.text(max_size=20)
LABELS = st.sampled_from(WORDS) | st.text(max_size=12)
INDENTS = st.sampled_from(["", " ", "   ", "\t", "\t\t", "            "])
SEPARATORS = st.sampled_from([":", ": ", " : ", "....: ", "\t", "   ", " - ", "", "：", "\n", "] "])
LINES = st.builds("{}{}{}{}".format, INDENTS, LABELS, SEPARATORS, VALUES) | st.sampled_from(
    ["", "% note", "---", "** x **", "\x00", "No match for x"]
)
ENDS = st.sampled_from(["\n", "\r\n", "\r", "\u2028", "\x0b"])
SOUPS = st.builds(lambda end, lines: end.join(lines), ENDS, st.lists(LINES, max_size=40))
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=5)
    | st.dictionaries(
        st.sampled_from(["objectClassName", "ldhName", "entities", "roles", "vcardArray", "events",
                         "nameservers", "secureDNS", "dsData", "status", "publicIds", "links"])
        | st.text(max_size=5), inner, max_size=6),
    max_leaves=30,
)  # fmt: skip


@given(SOUPS, st.booleans())
@example(text="Registrar: A\nRegistrar: B\nDomain Name: ns1.example.net", complete=True)
def test_survives_a_soup_of_lines(text, complete):
    raw = text.encode("utf-8", "replace")
    try:
        reading = whois.read(raw, "example.com", complete=complete)
    except MalformedDocument:
        other = whois.read(raw, complete=complete).record
        # Refused for a name that it tells, and for nothing else.
        assert other is None or other.name != "example.com"
        return
    assert (reading.record is None) is (reading.state != "registered")


@given(st.binary(max_size=2000))
def test_survives_any_bytes(raw):
    survives(raw, "whois")


@given(st.text(max_size=2000))
def test_survives_any_text(text):
    survives(text, "whois")


@given(TREES)
def test_survives_any_json(tree):
    survives(json.dumps(tree), "rdap")
    survives(json.dumps({"objectClassName": "domain", "ldhName": "example.com", "entities": tree}),
             "rdap")  # fmt: skip


# --- mutations


@pytest.mark.parametrize("part", range(SLICES))
def test_survives_mutated_texts(part):
    for number in range(part * INPUTS, (part + 1) * INPUTS):
        survives(mutations.text(number, TEXTS), "whois", "alder.example")


@pytest.mark.parametrize("part", range(SLICES))
def test_survives_mutated_documents(part):
    for number in range(part * INPUTS, (part + 1) * INPUTS):
        survives(mutations.document(number, DOCUMENTS), "rdap")


def test_makes_the_same_mutations_again():
    assert mutations.text(7, TEXTS) == mutations.text(7, TEXTS)
    assert mutations.document(7, DOCUMENTS) == mutations.document(7, DOCUMENTS)
    assert len({mutations.text(number, TEXTS) for number in range(200)}) > 190
