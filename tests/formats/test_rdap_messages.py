"""Refusals, waits, errors and help: fixed by the decision, never by a record."""

import json

import pytest
from tests.conftest import NOW
from tests.formats.conftest import SETTINGS, full_record, public

from whoisgate.formats import rdap
from whoisgate.policy.decide import Outcome, edition
from whoisgate.policy.explain import explain
from whoisgate.queries import Question
from whoisgate.records import Facts, RegistrantKind

WHY = {
    "purpose": "criminalInvestigationAndDNSAbuseMitigation",
    "basis": "national_order",
    "case": "2026-114",
}


def refused(policy, officer, elements, facts=None, **why):
    question = Question.of("example.com", elements=elements, **why)
    decision = edition(policy, NOW).decide(question, officer, facts or Facts())
    return decision, rdap.encode_refusal(decision, explain(policy, decision))


def test_refuses_with_a_line_for_each_element_asked_for(policy, officer):
    decision, body = refused(policy, officer, ["tech.name", "registrant.name"], basis="emergency")
    assert decision.outcome is Outcome.REFUSED
    document = json.loads(body)
    assert document.keys() == {"rdapConformance", "errorCode", "title", "description"}
    assert document["errorCode"] == 403
    named = [line.partition(":")[0] for line in document["description"]]
    assert named == ["registrant.name", "tech.name"]
    assert "basis" in document["description"][0]


def test_tells_which_elements_wait_for_approval(policy, officer):
    decision, body = refused(policy, officer, ["registrant.phone"], **WHY)
    assert decision.outcome is Outcome.NEEDS_APPROVAL
    document = json.loads(body)
    assert document.keys() == {"rdapConformance", "notices"}
    (notice,) = document["notices"]
    assert notice["title"] == "Approval needed"
    assert notice["description"][1].startswith("registrant.phone:")
    assert "approval" in notice["description"][1]


@pytest.mark.parametrize("elements", [["tech.name"], ["registrant.phone"], ["registrant.email"]])
def test_says_the_same_of_every_record(policy, officer, elements):
    facts = [
        Facts(),
        Facts(registrant_kind=RegistrantKind.NATURAL),
        Facts(publish_consent=True, privacy_service=False),
    ]
    bodies = {refused(policy, officer, elements, f, basis="emergency")[1] for f in facts}
    assert len(bodies) == 1


def test_says_that_the_public_view_shows_as_much(policy, officer):
    facts = Facts(registrant_kind=RegistrantKind.LEGAL, organization_consent=True)
    _, body = refused(policy, officer, ["registrant.organization"], facts, basis="emergency")
    (line,) = json.loads(body)["description"]
    assert line.startswith("registrant.organization: release under ")
    assert line.endswith(": no more than the public view shows")


def test_refuses_a_question_that_names_nothing(policy, officer):
    decision, body = refused(policy, officer, None, case="1")
    assert decision.outcome is Outcome.REFUSED
    assert json.loads(body)["description"] == ["The question names no elements."]


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        (["no record"], ["WG103: no record"]),
        (["no record", "more"], ["WG103: no record", "more"]),
        ([], ["WG103: Not Found"]),
    ],
)
def test_writes_an_error_with_its_number(description, expected):
    assert json.loads(rdap.encode_error(404, "Not Found", "WG103", description)) == {
        "rdapConformance": ["rdap_level_0"],
        "errorCode": 404,
        "title": "Not Found",
        "description": expected,
    }


@pytest.mark.parametrize("profile", [True, False])
def test_lists_everything_supported_in_help(profile):
    settings = rdap.Settings(SETTINGS.base_url, SETTINGS.terms_url, icann_profile=profile)
    document = json.loads(rdap.encode_help(settings))
    assert document.keys() == {"rdapConformance", "notices"}
    assert document["rdapConformance"] == ["rdap_level_0", "redacted"] + profile * [
        "icann_rdap_response_profile_1",
        "icann_rdap_technical_implementation_guide_1",
    ]
    links = [link for n in document["notices"] for link in n.get("links", [])]
    assert {link["value"] for link in links} == {"https://rdap.registrar.example/help"}


def test_supports_in_help_what_its_answers_use():
    used = json.loads(rdap.encode(public(full_record()), SETTINGS))["rdapConformance"]
    assert set(used) <= set(json.loads(rdap.encode_help(SETTINGS))["rdapConformance"])
