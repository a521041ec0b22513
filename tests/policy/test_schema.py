"""The schemas for editors: they take what the checker takes, and mark what one mistypes."""

import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from tests.policy.test_load import HEAD, LAW, OPEN, TRAPS, rule

from whoisgate.elements import ELEMENTS
from whoisgate.policy import check_text, load, load_text, schema, suite_schema
from whoisgate.policy.files import shipped_folder
from whoisgate.policy.findings import Report
from whoisgate.policy.model import ATTRIBUTES, PARAMETERS
from whoisgate.policy.read import GLOBS, KINDS
from whoisgate.policy.suite import read_suite

POLICIES = sorted([*shipped_folder().glob("*.yaml"), *shipped_folder().glob("drafts/*.yaml")])
SUITES = sorted(shipped_folder().rglob("suites/*.yaml"))


class Core(yaml.SafeLoader):
    """YAML 1.2's core schema, as an editor reads it: numbers and `true` are no text, dates are."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  as its base class has it


Core.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(true|false)$"), None)
Core.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+$"), None)
Core.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]*\.[0-9]+$"), None)

LOADERS = [Core, yaml.BaseLoader]
"""As editors read a file, and with every word a text."""


def faults(text, made=schema, loader=Core):
    """Where a schema finds fault, as paths."""
    document = yaml.load(text, loader)  # noqa: S506  both make plain values
    errors = Draft202012Validator(made()).iter_errors(document)
    return ["/".join(map(str, e.absolute_path)) for e in errors]


@pytest.mark.parametrize("made", [schema, suite_schema])
def test_is_a_schema(made):
    Draft202012Validator.check_schema(made())
    assert made()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    known = made()["$defs"]
    text = str(made())
    assert {*re.findall(r"#/\$defs/(\w+)", text)} == {*known}


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_takes_every_shipped_policy(path, loader):
    assert faults(path.read_text(encoding="utf-8"), loader=loader) == []


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_takes_every_shipped_suite(path, loader):
    assert faults(path.read_text(encoding="utf-8"), suite_schema, loader) == []


def test_takes_every_word():
    rules = [
        f"when: {{{attribute}: {form.format(word)}}}"
        for attribute, words in ATTRIBUTES.items()
        for word in map(str, words)
        for form in ("{}", "'{}'", "[{}]", "{{not: {}}}", "{{not: [{}]}}")
    ]
    treatments = [*KINDS, *(f"{{{k.name.lower()}: {p}}}" for k, known in PARAMETERS.items()
                            for p in known)]  # fmt: skip
    texts = [
        *(rule(f"grant: release\n    elements: [domain.status]\n    {r}") for r in rules),
        *(rule(f"cap: {t}\n    elements: [domain.status]") for t in treatments),
        *(rule(f"cap: release\n    elements: ['{e}']") for e in (*ELEMENTS, *GLOBS)),
        rule("cap: release\n    elements: domain.status"),
        rule("cap: release\n    elements: ['d*.*s', '!domain.st*']"),
    ]
    for text in texts:
        assert [f for f in check_text(text) if f.severity == "error" and f.code < "WG206"] == []
        assert [faults(text, loader=loader) for loader in LOADERS] == [[], []], text


UNSEEN = {
    "a duplicate key", "an anchor", "a tag", "an exclusion without quotes", "a glob without quotes",
    "a glob that matches nothing", "an exclusion of nothing", "everything excluded",
    "a day that is none", "a period that ends before it begins",
}  # fmt: skip
"""What no schema can say; the checker does."""


@pytest.mark.parametrize("name", TRAPS)
def test_marks_what_the_checker_refuses(name):
    try:
        found = faults(rule(TRAPS[name][0]))
    except yaml.YAMLError:
        found = []
    assert bool(found) is (name not in UNSEEN)


BROKEN = {
    "a misspelt key": ("policy:", "polcy:"),
    "another language": ("whoisgate: 1", "whoisgate: 2"),
    "another registry": ("elements: 1", "elements: 99"),
    "a name that is no file's": ("policy: small", "policy: Small Policy"),
    "no rules": ("rules:", "ruless:"),
    "a rule that is a word": ("{id: OPEN, grant: release, elements: [domain.*]}", "OPEN"),
    "a rule without an id": ("id: OPEN, ", ""),
    "a rule without elements": (", elements: [domain.*]", ""),
    "a fact that is none": ("rules:", "reveals: {public: [shoe_size]}\nrules:"),
    "a purpose that is none": ("rules:", "defaults: {fun: [domain.*]}\nrules:"),
    "an include on a question": (
        "rules:", "includes: [{policy: a, when: {requester: public}}]\nrules:",
    ),
    "an invariant that forbids nothing": (
        "rules:", "invariants: [{id: I, never: withhold, elements: [domain.*]}]\nrules:",
    ),
    "a word of another language": ("[domain.*]", "[domain.*], when: {region: [eea, NO]}"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), BROKEN.values(), ids=BROKEN)
def test_marks_a_broken_policy(old, new):
    text = HEAD + OPEN
    assert faults(text) == []
    broken = text.replace(old, new, 1)
    assert broken != text
    assert faults(broken)
    assert [f for f in check_text(broken) if f.severity == "error"]


def test_takes_a_policy_with_everything():
    text = f"""{HEAD}
description: a policy with everything
reveals: {{public: [], court: [contact_roles, publish_consent], csirt: contact_roles}}
defaults: {{legalActions: registrant.name}}
rules:
  - id: 9.2
    grant: {{pseudonym: stable}}
    elements: ["registrant.*", "!registrant.fax*"]
    when: {{requester: court, publish_consent: true, basis: {{not: [emergency]}}}}
    unless: {{publish_consent: 'false'}}
    obligations: [{{do: notify_registrant, after: 90d}}, {{do: review_disclosure, after: 24h}}]
    in_force: {{from: 2026-01-01, until: 2027-01-01T12:00:00Z, switch: trial}}
    {LAW.replace("'1'", "9.2")}
"""
    assert load_text(text)
    assert [faults(text, loader=loader) for loader in LOADERS] == [[], []]


CASE = """\
whoisgate: 1
suite: icann-gtld
at: 2026-11-25
cases:
  - name: everything that a case can say
    at: 2027-01-01T00:00:00Z
    switches: [icann-urgent-requests]
    when: {requester: law_enforcement, publish_consent: true, region: [eea, unknown],
           basis: {not: emergency}}
    disclose: {registrant.email: allow, "tech.*": deny}
    ask: [registrant.name]
    release: ["domain.*", "!domain.created"]
    replace: registrant.email
    pseudonym: {domain: [tech.email], stable: [tech.handle]}
    generalise: {year: [domain.created], area: registrant.phone, country: registrant.city}
    obligations: [{do: notify_registrant, after: 90d}]
"""


def test_takes_a_case_that_says_everything():
    report = Report()
    policy = load(shipped_folder() / "icann-gtld.yaml")
    read_suite(CASE, "s.yaml", policy, report)
    assert report.findings == []
    assert [faults(CASE, suite_schema, loader) for loader in LOADERS] == [[], []]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("suite:", "policy:"),
        ("name: everything that a case can say", "nom: x"),
        ("registrant.email: allow", "registrant.email: yes"),
        ("registrant.email: allow", "registrant.emial: allow"),
        ("law_enforcement", "police"),
        ("when: {", "when: {disclose: allow, "),
        ("year:", "yaer:"),
        ("replace:", "withhold:"),
        ("after: 90d", "after: 90"),
        ("at: 2026-11-25", "at: today"),
    ],
)
def test_marks_a_broken_case(old, new):
    assert old in CASE
    assert faults(CASE.replace(old, new, 1), suite_schema)


def test_stands_beside_the_policies_for_an_editor():
    guide = (Path(__file__).parents[2] / "docs" / "policy-language.md").read_text(encoding="utf-8")
    policy, suite = re.findall(r"^# yaml-language-server: \$schema=(\S+)", guide, re.MULTILINE)
    assert (shipped_folder() / policy).is_file()
    assert (shipped_folder() / "suites" / suite).is_file()
