"""RFC 9537: every path holds against the unredacted and the redacted answer, as its method says."""

import itertools
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.formats.conftest import (
    ALIAS,
    PLAIN,
    SETTINGS,
    WEB_FORM,
    edition_of,
    everything,
    full_elements,
    full_record,
    gated,
    of,
    opened,
    public,
    rule,
)

from whoisgate.elements import ELEMENTS, Kind
from whoisgate.formats import rdap
from whoisgate.policy.model import RELEASE, Treatment
from whoisgate.records import Record
from whoisgate.redact import Sealed

REGISTERED = {
    "Registry Domain ID", "Registry Registrant ID", "Registrant Name", "Registrant Organization",
    "Registrant Street", "Registrant City", "Registrant Postal Code", "Registrant Phone",
    "Registrant Phone Ext", "Registrant Fax", "Registrant Fax Ext", "Registrant Email",
    "Registry Tech ID", "Tech Name", "Tech Phone", "Tech Phone Ext", "Tech Email",
}  # fmt: skip
"""IANA rdap-json-values, type "redacted name"."""

STEP = re.compile(
    r"\.(?P<member>\w+)"
    r"|\[(?P<index>\d+)\]"
    r"|\[:(?P<end>\d+)\]"
    r"|\[\?\(@\.(?P<list>\w+)\[(?P<at>\d+)\]=='(?P<word>[^']*)'\)\]"
    r"|\[\?\(@\[(?P<first>\d+)\]=='(?P<name>[^']*)'\)\]"
)


def select(document, path):
    """The values at ``path``: as much of RFC 9535 as the paths use; anything else fails."""
    assert path.startswith("$")
    nodes, at = [document], 1
    while at < len(path):
        step = STEP.match(path, at)
        assert step, path[at:]
        nodes = list(itertools.chain.from_iterable(children(n, step) for n in nodes))
        at = step.end()
    return nodes


def children(node, step):
    if step["member"] is not None:
        return [node[step["member"]]] if isinstance(node, dict) and step["member"] in node else []
    if not isinstance(node, list):
        return []
    if step["index"] is not None:
        return node[int(step["index"]) :][:1]
    if step["end"] is not None:
        return node[: int(step["end"])]
    if step["list"] is not None:
        return [n for n in node if n.get(step["list"], [])[int(step["at"]) :][:1] == [step["word"]]]
    return [n for n in node if n[int(step["first"]) :][:1] == [step["name"]]]


def body(view):
    encoded = rdap.encode(view, SETTINGS)
    return json.loads(opened(encoded) if isinstance(encoded, Sealed) else encoded)


def check(entry, before, after):
    """What RFC 9537 §3 and §5.2 say of one entry."""
    pre, post, new = (entry.get(p) for p in ("prePath", "postPath", "replacementPath"))
    assert not (pre and post)
    assert ("pathLang" in entry) == bool(pre or post)
    match entry["method"]:
        case "removal":
            assert (pre, post, new) == (None, None, None)
        case "emptyValue":
            assert pre is None
            assert {*select(after, post)} == {""}
            assert select(before, post) != select(after, post)
        case "replacementValue" if post:
            assert new is None
            assert select(after, post)
            assert not {*select(before, post)} & {*select(after, post)}
        case "replacementValue" if new:
            assert select(before, pre)
            assert not select(after, pre)
            assert select(after, new)
        case "replacementValue":
            assert (pre, post, new) == (None, None, None)
        case method:
            pytest.fail(method)


@pytest.mark.parametrize("substitutes", [WEB_FORM, ALIAS], ids=["web form", "alias"])
def test_holds_in_the_public_answer(substitutes):
    before, after = body(everything(full_record())), body(public(full_record(), substitutes))
    assert len(after["redacted"]) == 27
    for entry in after["redacted"]:
        check(entry, before, after)


@given(asked=st.sets(st.sampled_from([n for n, e in ELEMENTS.items() if e not in PLAIN])))
def test_holds_in_every_gated_answer(asked):
    record = full_record()
    before, after = (
        body(everything(record)),
        body(gated(record, sorted(asked) or ["domain.handle"])),
    )
    for entry in after.get("redacted", []):
        check(entry, before, after)


@given(asked=st.sets(st.sampled_from([n for n, e in ELEMENTS.items() if e not in PLAIN])))
def test_declares_exactly_what_is_withheld_or_replaced(asked):
    view = gated(full_record(), sorted(asked) or ["domain.handle"])
    declared = {
        *(e["name"].get("type") or e["name"]["description"] for e in body(view).get("redacted", []))
    }
    treatments = {e: view.decision.treatment(e).kind for e in ELEMENTS.values()}
    hidden = {
        role
        for role in ("registrant", "admin", "tech", "billing")
        if all(k is Kind.WITHHOLD for e, k in treatments.items() if e.role == role)
    }
    expected = {e.label for e, k in treatments.items() if k < Kind.RELEASE and e.role not in hidden}
    assert declared == expected | {f"{role.title()} Contact" for role in hidden}


def test_names_by_type_only_what_is_registered():
    entries = body(public(full_record()))["redacted"]
    assert {e["name"]["type"] for e in entries if "type" in e["name"]} == REGISTERED
    assert not {e["name"].get("description") for e in entries} & REGISTERED
    assert all(len(e["name"]) == 1 for e in entries)


def test_registers_the_names_that_iana_has():
    assert {e.redacted_as for e in ELEMENTS.values()} - {None} == REGISTERED


def test_names_each_redaction_once():
    names = [json.dumps(e["name"]) for e in body(public(full_record()))["redacted"]]
    assert len(names) == len(set(names))


def test_declares_the_same_whatever_the_record_holds():
    full, bare = full_record(), Record.of("example.com", {"registrant.fax": "+1", "tech.city": "X"})
    assert body(public(full))["redacted"] == body(public(bare))["redacted"]


def test_declares_a_role_that_is_withheld_whole_whether_or_not_it_exists():
    without = {k: v for k, v in full_elements().items() if not k.startswith(("admin.", "billing."))}
    entries = body(public(Record.of("example.com", without)))["redacted"]
    told = [e for e in entries if e["name"].get("description", "").endswith(" Contact")]
    assert [e["name"]["description"] for e in told] == ["Admin Contact", "Billing Contact"]
    assert all(e["method"] == "removal" and "prePath" not in e for e in told)


def test_declares_nothing_of_a_role_that_may_be_seen_and_does_not_exist():
    entries = body(public(Record.of("example.com", {"registrant.name": "Ada"})))["redacted"]
    assert not [e for e in entries if "Tech" in str(e["name"])]


def test_removes_an_address_of_which_nothing_may_be_seen():
    rules = edition_of(rule(1, RELEASE, of("registrant.name")))
    entries = {
        e["name"].get("type"): e for e in body(public(full_record(), rules=rules))["redacted"]
    }
    assert entries["Registrant Street"]["method"] == "removal"
    assert entries["Registrant Email"]["method"] == "removal"
    assert "Registrant Name" not in entries


def test_declares_a_stand_in():
    rules = edition_of(rule(1, Treatment(Kind.PSEUDONYM, "domain"), of("registrant.email")))
    entries = {
        e["name"].get("type"): e for e in body(public(full_record(), rules=rules))["redacted"]
    }
    check(entries["Registrant Email"], {}, {})
    assert entries["Registrant Email"]["method"] == "replacementValue"


def test_says_nothing_of_values():
    marked = full_record(mark="CANARY")
    assert "CANARY" not in json.dumps(body(public(marked)))
    assert "CANARY" in json.dumps(body(everything(marked)))
