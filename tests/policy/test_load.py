"""Reading: every trap is a positioned error, all come at once, and nothing costs much."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from whoisgate.elements import ELEMENTS, Element, Kind
from whoisgate.errors import PolicyError
from whoisgate.policy import check_file, check_text, load, load_named, load_text, read
from whoisgate.policy.files import shipped, shipped_folder
from whoisgate.policy.findings import Report
from whoisgate.policy.model import Atom, InForce, Obligation, Treatment
from whoisgate.policy.text import read_nodes

HEAD = """\
whoisgate: 1
policy: small
version: "1"
elements: 1
"""
LAW = "law: [{instrument: a, article: '1', status: in_force, source: b, checked: 2026-11-23}]"
OPEN = "rules:\n  - {id: OPEN, grant: release, elements: [domain.*]}\n"


def found(text):
    return [(f.code, f.position.line, f.position.column) for f in check_text(text, "p.yaml")]


def only(text):
    (finding,) = [f for f in check_text(text, "p.yaml") if f.severity == "error"]
    return finding


def rule(body):
    return f"{HEAD}rules:\n  - id: R\n    {body}\n"


def test_loads_the_smallest_policy():
    policy = load_text(HEAD + OPEN, "p.yaml")
    assert (policy.name, policy.version, policy.draft) == ("small", "1", False)
    assert policy.digest == hashlib.sha256((HEAD + OPEN).encode()).hexdigest()
    (only_rule,) = policy.rules
    assert (only_rule.position.line, only_rule.position.column) == (6, 5)
    assert {e.group for e in only_rule.elements} == {"domain"}


def test_reads_every_part_of_a_rule():
    policy = load_text(f"""{HEAD}
reveals:
  public: []
  court: [contact_roles, publish_consent]
defaults: {{legalActions: [registrant.name]}}
description: a policy with everything
rules:
  - id: ALL
    grant: {{pseudonym: stable}}
    elements: ["registrant.*", "!registrant.fax*", "!registrant.country"]
    when: {{requester: court, case: given, basis: {{not: [emergency, data_subject]}}}}
    unless: {{publish_consent: true}}
    obligations: [{{do: notify_registrant, after: 90d}}, {{do: review_disclosure, after: 24h}}]
    in_force: {{from: 2026-01-01, until: 2027-01-01T12:00:00Z, switch: trial}}
    {LAW}
invariants:
  - {{id: I, never: release, elements: [registrant.name]}}
""")
    (read,) = policy.rules
    assert read.treatment == Treatment(Kind.PSEUDONYM, "stable")
    assert len(read.elements) == 10
    assert ELEMENTS["registrant.fax_ext"] not in read.elements
    assert read.when[0] == Atom("requester", frozenset({"court"}))
    assert "emergency" not in read.when[2].words
    assert len(read.when[2].words) == 10
    assert read.unless == (Atom("publish_consent", frozenset({"true"})),)
    assert read.obligations[1] == Obligation("review_disclosure", timedelta(hours=24))
    assert read.in_force == (
        InForce(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, 12, tzinfo=UTC), "trial"),
    )
    assert read.law[0].checked == "2026-11-23"
    assert policy.defaults == {"legalActions": frozenset({ELEMENTS["registrant.name"]})}
    assert policy.reveals["court"] == {"contact_roles", "publish_consent"}
    assert policy.description == "a policy with everything"


def test_gives_a_bare_pseudonym_its_default_parameter():
    policy = load_text(rule("grant: pseudonym\n    elements: [domain.handle]"))
    assert policy.rules[0].treatment == Treatment(Kind.PSEUDONYM, "domain")


DOMAIN = "grant: release\n    elements: [domain.*]\n"
TRAPS = {
    "a misspelt attribute": (
        "grant: release\n    elements: [domain.*]\n    when: {requestor: public}",
        ("WG202", 9, 12), "did you mean `requester`?",
    ),
    "a misspelt value": (
        "grant: release\n    elements: [domain.*]\n    when: {registrant_kind: naturall}",
        ("WG202", 9, 29), "did you mean `natural`?",
    ),
    "a misspelt attribute in an exception": (
        "cap: withhold\n    elements: [domain.*]\n    unless: {requestor: public}",
        ("WG202", 9, 14), "did you mean `requester`?",
    ),
    "a misspelt value that is negated": (
        "grant: release\n    elements: [domain.*]\n    when: {registrant_kind: {not: naturall}}",
        ("WG202", 9, 35), "did you mean `natural`?",
    ),
    "yes for true": (
        "grant: release\n    elements: [domain.*]\n    when: {publish_consent: yes}",
        ("WG202", 9, 29), "expected one of `true, false`",
    ),
    "a misspelt element": (
        "grant: release\n    elements: [registrant.emial]",
        ("WG203", 8, 16), "did you mean `registrant.email`?",
    ),
    "a glob that matches nothing": (
        "grant: release\n    elements: [regstrant.*]", ("WG203", 8, 16),
        "did you mean `registrant.*`?",
    ),
    "a pattern that is more than a glob": (
        "grant: release\n    elements: ['domain.[a-z]*']", ("WG203", 8, 16),
        "did you mean `domain.*`?",
    ),
    "an exclusion of nothing": (
        "grant: release\n    elements: [domain.*, '!registrar.name']", ("WG203", 8, 26), "",
    ),
    "everything excluded": (
        "grant: release\n    elements: [domain.status, '!domain.*']", ("WG203", 8, 15), "",
    ),
    "a misspelt treatment": (
        "grant: realease\n    elements: [domain.*]", ("WG202", 7, 12), "did you mean `release`?",
    ),
    "a misspelt parameter": (
        "grant: {generalise: yaer}\n    elements: [domain.created]",
        ("WG202", 7, 25), "did you mean `year`?",
    ),
    "a parameter that a treatment has not": (
        "grant: {release: year}\n    elements: [domain.created]", ("WG202", 7, 13),
        "expected one of `pseudonym, generalise`",
    ),
    "a misspelt key": (
        "grant: release\n    elements: [domain.*]\n    wen: {case: given}",
        ("WG202", 9, 5), "did you mean `when`?",
    ),
    "a duplicate key": (
        "grant: release\n    elements: [domain.*]\n    grant: replace",
        ("WG204", 9, 5), "the first stands in line 7",
    ),
    "an anchor": (
        "grant: release\n    elements: &all [domain.*]", ("WG205", 8, 15), None,
    ),
    "a tag": (
        "grant: release\n    elements: !!set [domain.*]", ("WG205", 8, 15), None,
    ),
    "an exclusion without quotes": (
        "grant: release\n    elements: [domain.*, !x domain.status]", ("WG205", 8, 26), None,
    ),
    "a glob without quotes": (
        "grant: release\n    elements: [*.handle]", ("WG201", 8, 17), None,
    ),
    "both actions": (
        "grant: release\n    cap: release\n    elements: [domain.*]", ("WG201", 6, 5), None,
    ),
    "a delay in weeks": (
        f"{DOMAIN}    obligations: [{{do: notify_registrant, after: 2w}}]", ("WG201", 9, 50), "",
    ),
    "a duty that is none": (
        f"{DOMAIN}    obligations: [{{do: notify_registrar, after: 2d}}]",
        ("WG202", 9, 24), "did you mean `notify_registrant`?",
    ),
    "a day that is none": (
        "grant: release\n    elements: [domain.*]\n    in_force: {from: 2026-02-30}",
        ("WG201", 9, 22), "",
    ),
    "a period that ends before it begins": (
        f"{DOMAIN}    in_force: {{from: 2026-02-03, until: 2026-02-03}}", ("WG201", 9, 34), "",
    ),
    "an empty period": (
        "grant: release\n    elements: [domain.*]\n    in_force: {}", ("WG201", 9, 15), "",
    ),
    "an empty condition": (
        "grant: release\n    elements: [domain.*]\n    when: {}", ("WG201", 9, 11), "",
    ),
    "no elements": ("grant: release\n    elements: []", ("WG201", 8, 15), ""),
    "a list as a word": (
        "grant: release\n    elements: [domain.*]\n    when: {case: [[given]]}",
        ("WG201", 9, 19), "",
    ),
    "a status that is none": (
        f"{DOMAIN}    {LAW.replace('in_force', 'inforce')}",
        ("WG202", 9, 49), "did you mean `in_force`?",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("body", "place", "hint"), TRAPS.values(), ids=TRAPS)
def test_refuses_with_position(body, place, hint):
    text = rule(body)
    first = next(f for f in check_text(text, "p.yaml") if f.severity == "error")
    assert (first.code, first.position.line, first.position.column) == place
    if hint is not None:
        assert first.hint == hint
    with pytest.raises(PolicyError):
        load_text(text)


def test_reads_norway_as_a_word_and_refuses_it_where_it_stands():
    body = "grant: release\n    elements: [domain.*]\n    when: {region: [DE, NO, SE]}"
    findings = check_text(rule(body), "p.yaml")
    assert [(f.code, f.position.line, f.position.column) for f in findings] == [
        ("WG202", 9, 21), ("WG202", 9, 25), ("WG202", 9, 29),
    ]  # fmt: skip
    assert "`NO`" in findings[1].message


def test_reads_quoted_and_plain_words_alike():
    plain, quoted = (
        load_text(rule(f"grant: release\n    elements: [domain.*]\n    when: {{case: {word}}}"))
        for word in ("given", "'given'")
    )
    assert plain.rules[0].when == quoted.rules[0].when


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: &x 1\nb: *x\n", ("WG205", 1, 4)),
        ("x: {<<: {a: 1}}\n", ("WG205", 1, 5)),
        ("%YAML 1.1\n---\na: 1\n", ("WG205", 1, 1)),
        ("a: 1\na: 2\n", ("WG204", 2, 1)),
        ("? [a]\n: b\n", ("WG201", 1, 3)),
        ("a: [b\n", ("WG201", 2, 1)),
        ("a: b: c\n", ("WG201", 1, 5)),
        ("just a sentence\n", ("WG201", 1, 1)),
        ("- a\n- b\n", ("WG201", 1, 1)),
        ("", ("WG201", 1, 1)),
        ("# nothing but a comment\n", ("WG201", 1, 1)),
        ("a: \x00\n", ("WG201", 1, 1)),
        ("a: \udc80\n", ("WG201", 1, 1)),
        ("%PDF-1.7\n\x93\n", ("WG201", 1, 1)),
    ],
)
def test_refuses_what_is_no_policy(text, place):
    assert place in found(text)
    with pytest.raises(PolicyError):
        load_text(text)


@pytest.mark.parametrize(
    ("old", "new"), [("whoisgate: 1", "whoisgate: 2"), ("elements: 1", "elements: 2"),
                     ("whoisgate: 1", "whoisgate: 1.0"), ("elements: 1", "elements: 0")]
)  # fmt: skip
def test_refuses_versions_that_it_does_not_know(old, new):
    finding = only((HEAD + OPEN).replace(old, new))
    assert (finding.code, finding.position.column) == ("WG216", 1)


@pytest.mark.parametrize("pattern", ["domain.*", "*.shoe_size", "domain.shoe_size", "domain.shoe*"])
def test_matches_no_element_that_is_newer_than_its_registry(monkeypatch, pattern):
    newer = Element("domain.shoe_size", "Shoe Size", since=2)
    monkeypatch.setattr(read, "ELEMENTS", {**ELEMENTS, newer.name: newer})
    monkeypatch.setattr(read, "REGISTRY_VERSION", 2)
    matched = []
    for pin in (1, 2):
        report = Report()
        text = rule(f"grant: release\n    elements: ['{pattern}']")
        (root,) = read_nodes(text.replace("elements: 1", f"elements: {pin}"), "p.yaml", report)
        (found,) = read.read_document(root, report).rules
        matched.append(newer in found.elements)
        assert report.broken is (not found.elements)
    assert matched == [False, True]


@pytest.mark.parametrize("key", ["whoisgate", "policy", "version", "elements", "rules"])
def test_refuses_a_policy_without(key):
    lines = (HEAD + "rules: [{id: OPEN, grant: release, elements: [domain.*]}]\n").splitlines()
    finding = only("\n".join(line for line in lines if not line.startswith(key)))
    assert (finding.code, finding.message) == ("WG201", f"expected `{key}`")


def test_finds_everything_at_once_in_file_order():
    text = """\
whoisgate: 1
policy: Small Policy
version: "1"
elements: 9
reveals: {publik: [shoe_size]}
rules:
  - {id: A, grant: realease, elements: [registrant.emial]}
  - {id: A, cap: release, elements: [domain.*], when: {case: givn}}
invariants:
  - {id: I, never: withhold, elements: ["nothing.*"]}
"""
    assert found(text) == [
        ("WG201", 2, 9), ("WG216", 4, 1), ("WG202", 5, 11), ("WG202", 5, 20),
        ("WG202", 7, 20), ("WG203", 7, 41), ("WG204", 8, 5), ("WG202", 8, 62),
        ("WG202", 10, 20), ("WG203", 10, 41),
    ]  # fmt: skip
    with pytest.raises(PolicyError) as caught:
        load_text(text, "p.yaml")
    assert len(caught.value.findings) == 10
    assert "p.yaml:2:9" in str(caught.value)
    assert "and `9` more" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_refuses_files_that_cannot_be_read(tmp_path):
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"whoisgate: 1\n\xff\xfe\n")
    (finding,) = check_file(binary)
    assert (finding.code, finding.position.line) == ("WG201", 2)
    for path in (tmp_path / "missing.yaml", tmp_path):
        assert [f.code for f in check_file(path)] == ["WG214"]
        with pytest.raises(PolicyError):
            load(path)


def test_keeps_the_bytes_of_the_file(tmp_path):
    path = tmp_path / "small.yaml"
    text = (HEAD + OPEN).replace("\n", "\r\n")
    path.write_bytes(text.encode())
    policy = load(path)
    assert policy.digest == hashlib.sha256(text.encode()).hexdigest()
    assert load_text(policy.text).digest == policy.digest


UNCHECKED = f"""{HEAD}
reveals: {{public: [contact_roles]}}
rules:
  - id: A
    grant: release
    elements: [registrant.country]
    law: [{{instrument: a, article: '1', status: unchecked, source: b}}]
"""


def test_takes_unchecked_citations_in_drafts_alone(tmp_path):
    for folder, draft in (("drafts", True), ("policies", False)):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "small.yaml"
        path.write_text(UNCHECKED, encoding="utf-8")
        codes = [(f.code, f.severity, f.position.line) for f in check_file(path)]
        assert codes == [("WG210", "warning" if draft else "error", 11)]
        if draft:
            assert load(path).draft
        else:
            with pytest.raises(PolicyError):
                load(path)
    assert load_text(UNCHECKED).draft


def test_calls_everything_in_drafts_a_draft(tmp_path):
    (tmp_path / "drafts").mkdir()
    path = tmp_path / "drafts" / "small.yaml"
    path.write_text(HEAD + OPEN, encoding="utf-8")
    assert load(path).draft
    assert check_file(path) == []


# Composition


INNER = """\
whoisgate: 1
policy: inner
version: "1"
elements: 1
defaults: {legalActions: [registrant.country], dnsTransparency: [domain.status]}
rules:
  - id: PLACE
    grant: release
    elements: [registrant.country]
    when: {registrant_kind: [legal, natural]}
    LAW
  - {id: OPEN, grant: release, elements: [domain.*]}
invariants:
  - {id: NO-NAME, never: replace, elements: [registrant.name], when: {requester: public}}
""".replace("LAW", LAW)
OUTER = """\
whoisgate: 1
policy: outer
version: "1"
elements: 1
reveals: {public: [contact_roles, registrant_kind]}
defaults: {legalActions: [registrant.name]}
includes:
  - policy: inner
    when: {tld_group: gtld, registrant_kind: {not: natural}}
    in_force: {switch: inner}
rules:
  - {id: OPEN, grant: release, elements: [registrar.*]}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "inner.yaml").write_text(INNER, encoding="utf-8")
    (tmp_path / "outer.yaml").write_text(OUTER, encoding="utf-8")
    return tmp_path


def same(one, other):
    def bare(policy):
        rules = [(r.id, r.action, r.treatment, r.elements, r.when, r.unless, r.obligations,
                  r.in_force, r.law) for r in policy.rules]  # fmt: skip
        invariants = [(i.id, i.never, i.elements, i.when) for i in policy.invariants]
        return (policy.name, policy.version, policy.text, policy.digest, rules, invariants,
                policy.reveals, policy.defaults, policy.draft)  # fmt: skip

    return bare(one) == bare(other)


def test_composes_with_an_activation_condition(folder):
    policy = load(folder / "outer.yaml")
    assert [r.id for r in policy.rules] == ["OPEN", "inner/PLACE", "inner/OPEN"]
    place = policy.rule("inner/PLACE")
    assert set(place.when) == {
        Atom("registrant_kind", frozenset({"legal"})),
        Atom("tld_group", frozenset({"gtld"})),
    }
    assert place.in_force == (InForce(switch="inner"),)
    (invariant,) = policy.invariants
    assert invariant.id == "inner/NO-NAME"
    assert Atom("tld_group", frozenset({"gtld"})) in invariant.when
    assert policy.defaults["legalActions"] == {ELEMENTS["registrant.name"]}
    assert policy.defaults["dnsTransparency"] == {ELEMENTS["domain.status"]}


def test_bundles_what_it_includes(folder):
    policy = load(folder / "outer.yaml")
    assert policy.text == f"{OUTER}---\n{INNER}"
    assert policy.digest == hashlib.sha256(policy.text.encode()).hexdigest()
    assert same(policy, load_text(policy.text, "archive"))
    (folder / "bundle.yaml").write_text(policy.text, encoding="utf-8")
    assert same(policy, load(folder / "bundle.yaml"))


@pytest.mark.parametrize("name", shipped())
def test_loads_a_shipped_bundle_from_its_text_alone(name):
    policy = load_named(name)
    assert policy.name == name
    assert not policy.draft
    assert same(policy, load_text(policy.text))
    assert check_file(shipped_folder() / f"{name}.yaml") == []


def test_composes_at_every_depth(folder):
    top = OUTER.replace("policy: outer", "policy: top").replace("policy: inner", "policy: outer")
    (folder / "top.yaml").write_text(top, encoding="utf-8")
    policy = load(folder / "top.yaml")
    assert [r.id for r in policy.rules] == [
        "OPEN", "outer/OPEN", "outer/inner/PLACE", "outer/inner/OPEN",
    ]  # fmt: skip
    assert same(policy, load_text(policy.text))


@pytest.mark.parametrize(
    ("name", "old", "new", "place"),
    [
        ("outer", "policy: inner", "policy: iner", ("WG214", 8, 5)),
        ("outer", "policy: inner", "policy: ../inner", ("WG201", 8, 13)),
        ("outer", "policy: inner", "policy: outer", ("WG214", 8, 5)),
        ("outer", "tld_group: gtld", "requester: public", ("WG202", 9, 12)),
        ("inner", "policy: inner", "policy: other", ("WG214", 8, 5)),
        ("inner", "rules:", "includes: [{policy: outer}]\nrules:", ("WG214", 6, 12)),
        ("inner", "domain.*", "domian.*", ("WG203", 12, 43)),
    ],
)
def test_refuses_a_composition(folder, name, old, new, place):
    path = folder / f"{name}.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    findings = check_file(folder / "outer.yaml")
    assert place in [(f.code, f.position.line, f.position.column) for f in findings]


def test_names_the_file_of_a_finding_in_an_included_policy(folder):
    broken = INNER.replace("domain.*", "domian.*")
    (folder / "inner.yaml").write_text(broken, encoding="utf-8")
    (finding,) = check_file(folder / "outer.yaml")
    assert finding.position.file == str(folder / "inner.yaml")


def test_refuses_a_document_that_nothing_includes():
    (finding,) = check_text(f"{HEAD}{OPEN}---\n{INNER}")
    assert (finding.code, finding.position.line) == ("WG214", 8)


def test_includes_nothing_from_outside_a_text():
    assert [f.code for f in check_text(OUTER)] == ["WG214"]


def test_refuses_policies_that_include_each_other_without_end(tmp_path):
    names = [f"p{n}" for n in range(12)]
    for n, name in enumerate(names):
        later = "".join(f"{{policy: {other}}}, " for other in names[n + 1 :])
        text = f"{HEAD}{OPEN}".replace("policy: small", f"policy: {name}")
        (tmp_path / f"{name}.yaml").write_text(f"{text}includes: [{later}]\n", encoding="utf-8")
    assert {f.code for f in check_file(tmp_path / "p0.yaml")} == {"WG215"}


@pytest.mark.parametrize("name", ["nothing", "../secrets", "icann-gtld.yaml", ""])
def test_ships_no_policy_of_another_name(name):
    with pytest.raises(PolicyError):
        load_named(name)


def test_hints_at_the_shipped_policy_that_was_meant():
    with pytest.raises(PolicyError, match="did you mean `icann-gtld`"):
        load_named("icann-gltd")
