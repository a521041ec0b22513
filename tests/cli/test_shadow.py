"""Two public answers about one name, compared element by element."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.formats.conftest import ICANN, SETTINGS, full_record, public

from whoisgate.cli.shadow import Shown, Verdict, compare
from whoisgate.elements import ELEMENTS
from whoisgate.formats import rdap
from whoisgate.queries import PUBLIC, Question


def shown(withheld=(), **values):
    by_element = {
        ELEMENTS[name.replace("_", ".", 1)]: [text] if isinstance(text, str) else text
        for name, text in values.items()
    }
    return Shown(by_element, frozenset(ELEMENTS[name] for name in withheld))


def only(old, ours):
    (row,) = compare(old, ours)
    return row


@pytest.mark.parametrize(
    ("name", "old", "ours", "verdict"),
    [
        ("domain_created", "2020-01-02T03:04:05Z", "2020-01-02T03:04:05.000Z", Verdict.SAME),
        ("domain_created", "2020-01-02T00:00:00Z", "2020-01-02T03:04:05Z", Verdict.SAME),
        ("domain_created", "2020-01-02T03:04:05Z", "2020-01-02T00:00:00Z", Verdict.SAME),
        ("domain_created", "2020-01-02T03:04:05Z", "2020-01-02T03:04:06Z", Verdict.DIFFERS),
        ("domain_expires", "2030-01-02T00:00:00Z", "2030-01-03T00:00:00Z", Verdict.DIFFERS),
        ("domain_status", ["ok", "clientHold"], ["clientHold", "ok"], Verdict.SAME),
        ("domain_status", ["ok", "clientHold"], ["clientHold"], Verdict.DIFFERS),
        ("nameserver_name", ["NS1.example.net."], ["ns1.example.net"], Verdict.SAME),
        ("nameserver_name", ["ns1.example.net"], ["ns2.example.net"], Verdict.DIFFERS),
        ("nameserver_ipv6", ["2001:DB8:0::1"], ["2001:db8::1"], Verdict.SAME),
        ("nameserver_ipv6", ["2001:db8::1"], ["not an address"], Verdict.DIFFERS),
        ("registrar_name", "Example  Registrar", "EXAMPLE REGISTRAR", Verdict.SAME),
        ("registrar_name", "Example Registrar", "Other Registrar", Verdict.DIFFERS),
        ("registrar_url", "https://registrar.example", "https://registrar.example/", Verdict.SAME),
        ("registrar_abuse_phone", "+1.5555550100", "tel:+1 555 555 0100", Verdict.SAME),
        ("registrar_abuse_phone", "+1.5555550100", "+1.5555550199", Verdict.DIFFERS),
        ("registrant_country", "NL", "nl", Verdict.SAME),
        ("registrant_country", "NL", "DE", Verdict.DIFFERS),
    ],
)
def test_compares_what_is_said_and_not_how_it_is_spelled(name, old, ours, verdict):
    assert only(shown(**{name: old}), shown(**{name: ours})).verdict is verdict


def test_tells_who_alone_shows_an_element():
    assert only(shown(domain_created="x"), shown()).verdict is Verdict.ONLY_OLD
    assert only(shown(), shown(domain_created="x")).verdict is Verdict.ONLY_OURS
    assert only(shown(registrant_name="x"), shown()).verdict is Verdict.ONLY_OLD
    assert compare(shown(), shown()) == ()


def test_leaves_out_when_the_answers_were_made():
    assert compare(shown(domain_rdds_updated="a"), shown(domain_rdds_updated="b")) == ()


@pytest.mark.parametrize("name", ["registrant.name", "registrant.email", "domain.handle"])
def test_takes_what_is_declared_for_withheld_and_a_stand_in_for_nothing(name):
    said = {name.replace(".", "_", 1): "x"}
    assert only(shown(**said), shown([name])).verdict is Verdict.WITHHELD
    assert only(shown(**said), shown([name], **said)).verdict is Verdict.WITHHELD
    assert compare(shown(), shown([name], **said)) == ()


@given(st.lists(st.tuples(st.sampled_from(sorted(ELEMENTS)), st.booleans(), st.booleans())))
def test_holds_no_value_of_a_person_and_none_that_is_withheld(places):
    old = shown(**{name.replace(".", "_", 1): "canary" for name, there, _ in places if there})
    ours = shown(
        [name for name, _, withheld in places if withheld],
        **{name.replace(".", "_", 1): "canary" for name, _, there in places if there},
    )
    for row in compare(old, ours):
        quiet = row.element.personal or row.verdict is Verdict.WITHHELD
        assert (row.old, row.ours) == ((), ()) if quiet else row.old or row.ours
        assert "canary" not in repr(row)


def test_knows_what_an_answer_of_ours_withholds():
    whole = full_record()
    ours = Shown.of_answer(bytes(rdap.encode(public(whole), SETTINGS)))
    rows = {row.element: row.verdict for row in compare(Shown.of_record(whole), ours)}
    decision = ICANN.decide(Question(whole.name), PUBLIC, whole.facts)
    for element, verdict in rows.items():
        assert verdict is (Verdict.SAME if decision.releases(element) else Verdict.WITHHELD)
    assert {e.name for e in ELEMENTS.values()} - {e.name for e in rows} == {"domain.rdds_updated"}
