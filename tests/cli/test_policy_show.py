"""`policy show`: each form for a person and for a program, and what is wrong with a command."""

import json

import pytest
from typer.testing import CliRunner

from whoisgate.cli import app
from whoisgate.elements import ELEMENTS
from whoisgate.policy import load_text

LAW = """[{instrument: gdpr, article: 6(1)(c), status: in_force, source: a reprint,
           checked: 2026-11-23}]"""
POLICY = f"""\
whoisgate: 1
policy: small
version: "1"
elements: 1
description: Made up for a test.
reveals: {{public: [contact_roles, publish_consent], court: [region]}}
defaults: {{legalActions: [registrant.name]}}
rules:
  - {{id: OPEN, grant: release, elements: ["domain.*", "!domain.handle"]}}
  - id: CONSENT
    grant: release
    elements: [registrant.email]
    when: {{publish_consent: true}}
    law: {LAW}
  - id: ORDER
    grant: release
    elements: [registrant.email, registrant.name]
    when: {{requester: court, assurance: high, approval: [standing, granted]}}
    obligations: [{{do: notify_registrant, after: 90d}}]
    in_force: {{from: 2027-01-01}}
    law: {LAW}
  - id: URGENT
    grant: release
    elements: [registrant.email]
    when: {{requester: law_enforcement, urgency: life}}
    in_force: {{switch: pilot}}
    law: {LAW}
  - id: NEVER
    cap: withhold
    elements: [registrant.name]
    when: {{requester: court, region: eea}}
invariants:
  - {{id: I1, never: release, elements: [registrant.name], when: {{requester: public}}}}
"""
COURT = "requester=court, assurance=high, approval=granted"


@pytest.fixture
def show(tmp_path):
    file = tmp_path / "small.yaml"
    file.write_text(POLICY)

    def run(*options, code=0):
        done = CliRunner().invoke(app, ["policy", "show", str(file), *options])
        assert done.exit_code == code, done.output
        return json.loads(done.output) if "--json" in options else done.output.splitlines()

    return run


def test_shows_a_policy_in_short(show):
    lines = show()
    assert lines[:4] == ["small 1, at any time", "Made up for a test.", "", "Rules: 5"]
    start = lines.index("  ORDER: grant release")
    assert lines[start + 1 : start + 6] == [
        "    elements: registrant.name, registrant.email",
        "    for: a court, proved with high assurance, after approval,",
        "    in force: from 2027-01-01",
        "    then: The registrant is told after 90 days.",
        "    law: GDPR 6(1)(c), in force, checked 2026-11-23 in: a reprint",
    ]
    assert "  I1: the public: never release or more of registrant.name" in lines
    assert "  to a court: where the registrant is" in lines
    assert "  legalActions: registrant.name" in lines


def test_shows_a_policy_in_short_to_a_program(show):
    said = show("--json")
    assert [r["id"] for r in said["rules"]] == ["OPEN", "CONSENT", "ORDER", "URGENT", "NEVER"]
    assert said["rules"][0]["elements"] == ["domain.*", "!domain.handle"]
    assert said["rules"][3]["in_force"] == 'only while the operator has "pilot" switched on'
    assert said["rules"][2]["law"][0]["checked"] == "2026-11-23"
    assert said["invariants"][0]["never"] == "release"
    assert said["reveals"] == {"public": ["contact_roles", "publish_consent"], "court": ["region"]}
    assert said["defaults"] == {"legalActions": ["registrant.name"]}
    assert len(said["digest"]) == 64


def test_shows_the_rules_of_a_day(show):
    rules = {
        options: [r["id"] for r in show(*options, "--json")["rules"]]
        for options in [("--at", "2026-11-25"), ("--at", "2027-01-01"), ("--switch", "pilot")]
    }
    assert list(rules.values()) == [
        ["OPEN", "CONSENT", "NEVER"],
        ["OPEN", "CONSENT", "ORDER", "NEVER"],
        ["OPEN", "CONSENT", "ORDER", "URGENT", "NEVER"],
    ]
    assert show("--at", "2026-11-25")[0] == "small 1, at 2026-11-25 with nothing switched on"
    assert show("--switch", "pilot", "--json")["rules"][3]["in_force"] is None


def test_decides_in_a_context_element_by_element(show):
    lines = show("--context", f"{COURT},region=other", "--at", "2027-01-01")
    assert lines[1].startswith("requester=court, assurance=high, purpose=unknown, ")
    assert [line.partition(":")[0] for line in lines[3:]] == list(ELEMENTS)
    assert "registrant.name: release under ORDER (gdpr 6(1)(c))" in lines
    assert "domain.handle: withheld, no rule grants it" in lines


def test_decides_in_a_context_for_a_program(show):
    elements = show("--context", COURT, "--at", "2027-01-01", "--json")["elements"]
    assert elements["registrant.email"]["treatment"] == "release"
    assert elements["registrant.email"]["law"][0]["instrument"] == "gdpr"
    assert elements["registrant.name"]["treatment"] == "withhold"
    assert elements["registrant.name"]["capped_by"] == ["NEVER"]


def test_tells_the_nearest_clause_that_was_missing(show):
    today = ("--at", "2027-01-01", "--json")
    elements = show("--context", "requester=court,assurance=high", *today)["elements"]
    assert elements["registrant.email"]["missing"] == ["approval: granted or standing"]
    elements = show("--context", "publish_consent=false", *today)["elements"]
    assert elements["registrant.email"]["missing"] == ["publish_consent: true"]


def test_decides_with_switches_and_dates(show):
    urgent = ("--context", "requester=law_enforcement,urgency=life", "--json")
    for options, treatment in [((), "withhold"), (("--switch", "pilot"), "release")]:
        elements = show(*urgent, *options)["elements"]
        assert elements["registrant.email"]["treatment"] == treatment
    before = show("--context", COURT, "--at", "2026-12-31T23:59:59Z", "--json")["elements"]
    assert before["registrant.email"]["treatment"] == "withhold"


@pytest.mark.parametrize("flag", ["allow", "deny", "absent"])
def test_takes_every_word_of_every_attribute(show, flag):
    words = (
        "requester=csirt, assurance=low, purpose=legalActions, basis=emergency, jurisdiction=eu, "
        "urgency=life, case=given, approval=standing, registrant_kind=legal, publish_consent=true, "
        "organization_consent=false, region=eea, privacy_service=unknown, tld_group=cctld"
    )
    context = show("--context", f"{words}, disclose={flag}", "--json")["context"]
    said = dict(part.split("=") for part in words.split(", "))
    assert context == {**said, "disclose": flag}


def test_answers_who_can_see_an_element(show):
    lines = show("--who-can-see", "registrant.email")
    assert lines[2:] == [
        "Who can see registrant.email (Registrant Email)?",
        "",
        (
            "  The public, and so everybody, sees it whole if the registrant agreed to publication "
            "(CONSENT; GDPR 6(1)(c))."
        ),
        "  Otherwise the public does not see it.",
        (
            "  From 2027-01-01: a court, proved with high assurance, after approval, sees it whole "
            "(ORDER; GDPR 6(1)(c)). The registrant is told after 90 days."
        ),
        (
            '  Only while the operator has "pilot" switched on: law enforcement, stating a threat '
            "to life, sees it whole (URGENT; GDPR 6(1)(c))."
        ),
        "",
        (
            "  Whoever sees more than the public has asked for it, and leaves a signed entry in "
            "the log."
        ),
    ]


def test_answers_who_can_see_what_a_cap_limits(show):
    lines = show("--who-can-see", "registrant.name")
    assert lines[4] == "  The public does not see it."
    assert lines[6] == (
        "  Whatever else holds, a court does not see it if the registrant is in the European "
        "Economic Area, also where that is not known (NEVER)."
    )


def test_answers_that_nobody_can_see_an_element(show):
    assert show("--who-can-see", "tech.fax")[4:] == ["  The public does not see it."]


def test_answers_who_can_see_an_element_to_a_program(show):
    said = show("--who-can-see", "registrant.email", "--at", "2026-11-25", "--json")
    assert said["element"] == "registrant.email"
    assert [(w["rule"], w["public"]) for w in said["ways"]] == [("CONSENT", True)]
    assert len(said["answer"]) == 2
    assert said["caps"] == []


def test_shows_every_view_once(show):
    views = show("--views", "--json")["views"]
    assert [v["number"] for v in views] == list(range(1, len(views) + 1))
    shown = [json.dumps(v["elements"]) for v in views]
    assert sorted(set(shown)) == sorted(shown)
    open_to_all = {"release": ["domain.*", "!domain.handle"]}
    assert {"public": True, "elements": open_to_all}.items() <= views[0].items()
    most = max(views, key=lambda v: len(v["elements"]["release"]))
    assert most["elements"]["release"][1:3] == ["registrant.name", "registrant.email"]
    assert "requester=court" in most["context"]


def test_shows_every_view_with_its_elements_by_treatment(show):
    lines = show("--views")
    count = int(lines[1].removesuffix(" views"))
    assert sum(line.startswith(f"{n}. ") for n in range(1, count + 1) for line in lines) == count
    assert "   release: domain.*, !domain.handle" in lines


def test_says_where_a_view_is_empty(tmp_path):
    file = tmp_path / "shut.yaml"
    rule = "{id: R, grant: release, elements: [domain.status], when: {requester: court}}"
    file.write_text(f'whoisgate: 1\npolicy: shut\nversion: "1"\nelements: 1\nrules: [{rule}]\n')
    said = CliRunner().invoke(app, ["policy", "show", str(file), "--views"]).output
    assert "everything withheld" in said


@pytest.mark.parametrize(
    ("options", "code", "hint"),
    [
        (["--context", "requestr=court"], "WG202", "did you mean `requester`?"),
        (["--context", "requester=curt"], "WG202", "did you mean `court`?"),
        (["--context", "case=unknown"], "WG202", "expected one of `given, absent`"),
        (["--context", "requester"], "WG202", "requester: unknown word ``"),
        (["--context", "purpose=legalActions"], "WG104", "expected a `requester` too"),
        (["--context", "requester=court,requester=csirt"], "WG104", "expected one word"),
        (["--who-can-see", "registrant.emial"], "WG203", "did you mean `registrant.email`?"),
        (["--switch", "pilots"], "WG202", "did you mean `pilot`?"),
        (["--context", "requester=court", "--switch", "pilots"], "WG202", "`pilot`"),
    ],
)
def test_refuses_words_that_it_does_not_know(show, options, code, hint):
    (line,) = show(*options, code=2)
    assert line.startswith(f"whoisgate: {code}: ")
    assert hint in line
    assert show(*options, "--json", code=2)["error"]["code"] == code


@pytest.mark.parametrize(
    "options",
    [
        ["--views", "--who-can-see", "registrant.email"],
        ["--at", "tomorrow"],
        ["--html", "x", "--views"],
    ],
)
def test_refuses_wrong_usage(show, options):
    show(*options, code=2)


def test_shows_a_policy_that_ships_by_its_name():
    done = CliRunner().invoke(app, ["policy", "show", "icann-gtld"])
    assert done.output.startswith("icann-gtld ")


def test_prints_no_control_characters(tmp_path):
    file = tmp_path / "odd.yaml"
    file.write_text(POLICY.replace("Made up for a test.", '"Odd\\e[2J text."'))
    assert load_text(file.read_text()).description == "Odd\x1b[2J text."
    assert "\x1b" not in CliRunner().invoke(app, ["policy", "show", str(file)]).output
