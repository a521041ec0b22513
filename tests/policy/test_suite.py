"""A suite in its format: what is read, what is refused and where, and which cases hold."""

import random
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from whoisgate.elements import ELEMENTS, Kind
from whoisgate.errors import Position
from whoisgate.policy import load_text
from whoisgate.policy.coverage import coverage
from whoisgate.policy.files import read_file
from whoisgate.policy.findings import Report
from whoisgate.policy.model import (
    ANONYMOUS_ATTRIBUTES,
    ATTRIBUTES,
    RELEASE,
    Atom,
    Obligation,
    Treatment,
)
from whoisgate.policy.suite import USUAL, Case, Suite, read_suite, run

NOON, START = datetime(2026, 11, 25, 12, tzinfo=UTC), Position("s.yaml", 1, 1)
LAW = "law: [{instrument: a, article: '1', status: in_force, source: b, checked: 2026-11-23}]"
POLICY = load_text(
    f"""\
whoisgate: 1
policy: small
version: "1"
elements: 1
reveals: {{public: [contact_roles, disclose]}}
rules:
  - {{id: OPEN, grant: release, elements: ["domain.*", "!domain.handle"]}}
  - {{id: FORM, grant: replace, elements: [registrant.email], {LAW}}}
  - id: ORDER
    grant: release
    elements: [registrant.email, registrant.name]
    when: {{requester: law_enforcement, approval: [standing, granted]}}
    unless: {{region: eea, registrant_kind: natural}}
    obligations: [{{do: notify_registrant, after: 90d}}]
    {LAW}
  - id: LINK
    grant: pseudonym
    elements: [registrant.handle]
    when: {{requester: csirt}}
    in_force: {{from: 2027-01-01, switch: pilot}}
    {LAW}
  - id: FLAG
    cap: withhold
    elements: ["registrant.*"]
    when: {{disclose: deny}}
""",
    "small.yaml",
)
PUBLIC = (
    "  - {name: the public, release: [domain.*, '!domain.handle'], replace: [registrant.email]}\n"
)
OFFICER = """\
  - name: an officer
    when: {requester: law_enforcement, approval: granted, region: other}
    release: ["domain.*", "!domain.handle", registrant.email, registrant.name]
    obligations: [{do: notify_registrant, after: 90d}]
"""
FLAGGED = """\
  - name: the registrant said no
    when: {requester: law_enforcement, approval: granted, region: other}
    disclose: {"registrant.e*": deny, registrant.phone: allow}
    release: ["domain.*", "!domain.handle", registrant.name]
    obligations: [{do: notify_registrant, after: 90d}]
"""
PILOT = """\
  - name: the pilot
    at: 2027-01-01
    switches: pilot
    when: {requester: csirt}
    release: ["domain.*", "!domain.handle"]
    replace: [registrant.email]
    pseudonym: {domain: registrant.handle}
"""
ALL = PUBLIC + OFFICER + FLAGGED + PILOT

LACKING = (
    "no grant holds; nearest is ORDER, which lacks approval: granted or standing; "
    "not (region: eea and registrant_kind: natural)"
)


def text(cases=PUBLIC, *, suite="small", at="2026-11-25"):
    return f"whoisgate: 1\nsuite: {suite}\nat: {at}\ncases:\n{cases}"


def read(written, policy=POLICY):
    report = Report()
    return read_suite(written, "s.yaml", policy, report), report.findings


def suite(cases, policy=POLICY):
    found, findings = read(text(cases), policy)
    assert findings == []
    return found


def failures(cases, policy=POLICY):
    return run(policy, suite(cases, policy))


def test_reads_a_case():
    *_, flagged, pilot = suite(ALL).cases
    email, phone = ELEMENTS["registrant.email"], ELEMENTS["registrant.phone"]
    assert flagged.name == "the registrant said no"
    assert flagged.disclose == {email: "deny", phone: "allow"}
    assert (flagged.facts.disclose_deny, flagged.facts.disclose_allow) == ({email}, {phone})
    assert flagged.words(email)["disclose"] == "deny"
    assert flagged.words(ELEMENTS["registrant.name"])["disclose"] == "absent"
    assert flagged.obligations == {Obligation("notify_registrant", timedelta(days=90))}
    assert flagged.treatments.keys() == {
        e for e in ELEMENTS.values() if e.group == "domain" and e.field != "handle"
    } | {ELEMENTS["registrant.name"]}
    assert (pilot.at, pilot.switches) == (datetime(2027, 1, 1, tzinfo=UTC), {"pilot"})
    handle = ELEMENTS["registrant.handle"]
    assert pilot.treatments[handle] == Treatment(Kind.PSEUDONYM, "domain")
    assert (pilot.position.line, pilot.position.column) == (15, 5)


def test_what_a_case_leaves_out_is_the_public_and_a_record_of_which_little_is_known():
    (case,) = suite(PUBLIC).cases
    assert case.at == datetime(2026, 11, 25, tzinfo=UTC)
    assert case.context == {
        **ANONYMOUS_ATTRIBUTES, "registrant_kind": "unspecified", "publish_consent": None,
        "organization_consent": None, "region": None, "privacy_service": None, "tld_group": "gtld",
    }  # fmt: skip
    assert case.words(ELEMENTS["domain.status"]) == USUAL
    assert USUAL.keys() == ATTRIBUTES.keys()


def test_unknown_is_a_word_of_every_attribute():
    (case,) = suite(PUBLIC.replace("release", "when: {tld_group: unknown}, release")).cases
    assert case.context["tld_group"] is None


def test_a_case_about_several_words_is_about_each_of_them():
    several = PUBLIC.replace(
        "release",
        "when: {case: [given, absent], region: {not: eea}, tld_group: [unknown, gtld]}, release",
        1,
    )
    assert [c.name for c in suite(several).cases] == [
        "the public (case: given, tld_group: gtld)",
        "the public (case: given, tld_group: unknown)",
        "the public (case: absent, tld_group: gtld)",
        "the public (case: absent, tld_group: unknown)",
    ]
    assert {(c.context["region"], c.position.line) for c in suite(several).cases} == {("other", 5)}
    some = failures(
        OFFICER.replace("approval: granted", "approval: {not: none}, case: absent").replace(
            "other", "unknown, registrant_kind: natural"
        )
    )
    assert len(some) == 2


def test_more_contexts_than_are_tried_are_refused():
    whole = ", ".join(f"{a}: {{not: unknown}}" for a in ATTRIBUTES if a != "disclose")
    found, findings = read(text(f"  - {{name: a, when: {{{whole}}}}}\n"))
    assert found is None
    assert [(f.code, f.position.line) for f in findings] == [("WG215", 5)]


def test_obligations_are_those_of_what_is_asked():
    asked = OFFICER + "    ask: registrant.name\n"
    assert failures(asked) == []
    assert failures(asked.replace("ask: registrant.name", "ask: [domain.status, tech.name]"))
    free = asked.split("    obligations")[0]
    assert failures(free + "    ask: domain.status\n") == []


def test_all_cases_hold():
    assert failures(ALL) == []


@pytest.mark.parametrize(
    ("cases", "element", "expected", "got", "why", "rules"),
    [
        (
            PUBLIC.replace(", replace: [registrant.email]", ""),
            "registrant.email",
            "withhold",
            "replace",
            "granted by FORM",
            ["FORM"],
        ),
        (
            OFFICER.replace("approval: granted", "approval: none")
            .replace("region: other", "region: eea, registrant_kind: natural")
            .replace("    obligations: [{do: notify_registrant, after: 90d}]\n", "")
            .replace("registrant.email, ", ""),
            "registrant.name",
            "release",
            "withhold",
            LACKING,
            ["ORDER"],
        ),
        (
            FLAGGED.replace(", registrant.name]", ", registrant.name, registrant.email]"),
            "registrant.email",
            "release",
            "withhold",
            "granted by ORDER, capped by FLAG",
            ["ORDER", "FLAG"],
        ),
        (
            PILOT.replace("domain: registrant.h", "stable: registrant.h"),
            "registrant.handle",
            "pseudonym(stable)",
            "pseudonym(domain)",
            "granted by LINK",
            ["LINK"],
        ),
        (
            PILOT.replace("pilot\n", "[pilot]\n").replace("at: 2027-01-01", "at: 2026-12-31"),
            "registrant.handle",
            "pseudonym(domain)",
            "withhold",
            "no grant holds",
            [],
        ),
    ],
)
def test_a_failing_case_names_element_treatments_and_rules(
    cases, element, expected, got, why, rules
):
    (failure,) = failures(cases)
    wrong = next(w for w in failure.wrong if w.element.name == element)
    assert (str(wrong.expected), str(wrong.got)) == (expected, got)
    assert wrong.why == why
    assert [r.id for r in wrong.rules] == rules
    assert all(r.position.file == "small.yaml" for r in wrong.rules)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    obligations: [{do: notify_registrant, after: 90d}]\n", ""),
        ("after: 90d", "after: 91d"),
        ("do: notify_registrant", "do: notify_authority"),
        ("[{do:", "[{do: review_disclosure, after: 1d}, {do:"),
    ],
)
def test_a_case_names_the_obligations_of_all_that_is_shown(old, new):
    (failure,) = failures(OFFICER.replace(old, new))
    assert failure.wrong == ()
    assert failure.owes_otherwise


def test_the_obligations_of_what_is_withheld_are_not_owed():
    capped = FLAGGED.replace('"registrant.e*": deny', '"registrant.*": deny').replace(
        ", registrant.phone: allow", ""
    )
    capped = capped.replace(", registrant.name]", "]").split("    obligations")[0]
    assert failures(capped) == []


BAD = [
    # What stands in the file, `^` before the place that the finding names; its number; its words.
    ("^", "WG201", "got `0` documents"),
    ("^" + text() + "---\n" + text(), "WG201", "got `2` documents"),
    ("^- a\n", "WG201", "expected a table"),
    (text("").replace("cases:\n", "^cases: []\n"), "WG201", "expected at least one case"),
    (text("  ^a: b\n"), "WG201", "`cases`: expected a list"),
    (text(suite="^other"), "WG202", "expected one of `small`"),
    (text(suite="^smalll"), "WG202", "did you mean `small`?"),
    (text().replace("whoisgate: 1", "whoisgate: ^2"), "WG216", "expected version `1`"),
    ("^" + text().replace("suite: small\n", ""), "WG201", "expected `suite`"),
    ("^" + text().replace("at: 2026-11-25\n", ""), "WG201", "expected `at`"),
    (text(at="^2026-11-31"), "WG201", "expected a date"),
    (text().replace("at:", "^att:"), "WG202", "did you mean `at`?"),
    (text("  - ^{nam: a}\n"), "WG201", "expected `name`"),
    (text("  - name: ^[]\n"), "WG201", "expected a word or a text"),
    (text("  - name: a\n  - ^name: a\n"), "WG204", "case `a` twice"),
    (text("  - {name: a, ^releas: domain.status}\n"), "WG202", "did you mean `release`?"),
    (text("  - {name: a, ^withhold: domain.status}\n"), "WG202", "unknown key `withhold`"),
    (text("  - {name: a, release: ^[]}\n"), "WG201", "expected at least one word"),
    (text("  - {name: a, ^name: b}\n"), "WG204", "key `name` twice"),
    (text("  - {name: a, at: ^tomorrow}\n"), "WG201", "got `tomorrow`"),
    (text("  - {name: a, switches: [^pilto]}\n"), "WG202", "did you mean `pilot`?"),
    (text("  - {name: a, when: ^x}\n"), "WG201", "expected a table"),
    (text("  - {name: a, when: {^requestr: csirt}}\n"), "WG202", "did you mean `requester`?"),
    (text("  - {name: a, when: {requester: ^csrit}}\n"), "WG202", "did you mean `csirt`?"),
    (text("  - {name: a, when: {requester: ^[]}}\n"), "WG201", "expected at least one word"),
    (
        text("  - {name: a, when: {requester: [public, ^csrit]}}\n"),
        "WG202",
        "did you mean `csirt`?",
    ),
    (text("  - {name: a, when: {requester: {^no: csirt}}}\n"), "WG202", "did you mean `not`?"),
    (text("  - {name: a, when: {requester: {not: ^x}}}\n"), "WG202", "unknown word `x`"),
    (text("  - {name: a, when: {case: ^17}}\n"), "WG202", "case: unknown word `17`"),
    (text("  - {name: a, when: {^disclose: deny}}\n"), "WG201", "beside `when`"),
    (text("  - {name: a, disclose: {^tech.fux: deny}}\n"), "WG203", "did you mean `tech.fax`?"),
    (text("  - {name: a, disclose: {tech.fax: ^denied}}\n"), "WG202", "did you mean `deny`?"),
    (text('  - {name: a, disclose: {"tech.*": deny, ^tech.fax: allow}}\n'), "WG204", "twice"),
    (text("  - {name: a, release: [^domain.stats]}\n"), "WG203", "did you mean `domain.status`?"),
    (text('  - {name: a, release: [^"*.nmae"]}\n'), "WG203", "did you mean `*.name`?"),
    (text("  - {name: a, release: [*domain^.x]}\n"), "WG201", "quote what starts"),
    (text("  - {name: a, release: [^&a domain.status]}\n"), "WG205", "no anchor"),
    (text("  - {name: a, release: ^!!str domain.status}\n"), "WG205", "no tag"),
    (text("  - {name: a, replace: ^[tech.fax]}\n"), "WG213", "does not support `replace`"),
    (
        text('  - {name: a, replace: tech.email, release: ^"tech.*"}\n'),
        "WG204",
        "`tech.email` twice",
    ),
    (text("  - {name: a, generalise: ^[domain.created]}\n"), "WG201", "expected a table"),
    (text("  - {name: a, generalise: {^yaer: domain.created}}\n"), "WG202", "did you mean `year`?"),
    (text("  - {name: a, obligations: ^{}}\n"), "WG201", "expected a list"),
    (text("  - {name: a, obligations: [{do: ^x, after: 1d}]}\n"), "WG202", "notify_registrant"),
    (text("  - {name: a, obligations: [{do: notify_authority, after: ^x}]}\n"), "WG201", "`90d`"),
    (text("  - {name: a, obligations: [^{do: notify_authority}]}\n"), "WG201", "expected `after`"),
]


@pytest.mark.parametrize(("marked", "code", "said"), BAD, ids=[said for _, _, said in BAD])
def test_every_mistake_has_number_and_position(marked, code, said):
    before, _, after = marked.partition("^")
    found, findings = read(before + after)
    place = f"s.yaml:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
    assert found is None
    assert [(f.code, f.severity) for f in findings if str(f.position) == place] == [(code, "error")]
    assert said in str(next(f for f in findings if str(f.position) == place))


def test_shows_all_mistakes_at_once():
    cases = PUBLIC.replace("[registrant.email]", "[registrant.emial]") + OFFICER.replace(
        "granted", "grantd"
    )
    findings = read(text(cases, at="never"))[1]
    assert [(f.code, f.position.line) for f in findings] == [
        ("WG201", 3),
        ("WG203", 5),
        ("WG202", 7),
    ]


def test_a_policy_without_switches_has_no_word_for_one():
    plain = load_text(
        'whoisgate: 1\npolicy: small\nversion: "1"\nelements: 1\n'
        "rules: [{id: A, grant: release, elements: [domain.status]}]\n"
    )
    findings = read(text("  - {name: a, switches: pilot}\n"), plain)[1]
    assert [(f.code, f.hint) for f in findings] == [("WG202", "")]


def test_a_file_of_100_megabytes_is_refused_at_once(tmp_path):
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    report, start = Report(), time.process_time()
    assert read_file(path, report) is None
    assert time.process_time() - start < 1
    assert [f.code for f in report.findings] == ["WG215"]


@pytest.mark.parametrize(
    "bomb",
    [
        text("  - " + "[" * 500_000),
        text("  - " + "{a: " * 100_000),
        text("  - {name: a, release: [" + "x," * 400_000),
        text("  - x\n" * 100_000),
        text("  - {}\n" * 45_000),
        "a" * (2 << 20),
    ],
    ids=["lists", "tables", "words", "cases", "findings", "bytes"],
)
def test_a_bomb_is_refused_quickly(bomb):
    start = time.process_time()
    found, findings = read(bomb)
    assert time.process_time() - start < 5
    assert found is None
    assert "WG215" in {f.code for f in findings}
    assert len(findings) <= 501


# --- Coverage ------------------------------------------------------------------------------------


def untried(cases):
    return {
        (u.rule.id, u.atom.attribute, "unless" if u.excepting else "when", u.met)
        for u in coverage(POLICY, suite(cases)).untried
    }


def test_a_rule_is_covered_if_it_grants_or_caps_something():
    found = coverage(POLICY, suite(PUBLIC))
    assert [r.id for r in found.untried_rules] == ["ORDER", "LINK", "FLAG"]
    assert coverage(POLICY, suite(ALL)).untried_rules == ()


def test_a_cap_is_covered_even_where_nothing_is_left_to_see():
    flagged = suite(FLAGGED)
    assert "FLAG" not in {r.id for r in coverage(POLICY, flagged).untried_rules}


def test_a_grant_is_not_covered_by_a_case_in_which_a_stronger_one_holds():
    assert "FORM" in {r.id for r in coverage(POLICY, suite(OFFICER)).untried_rules}


def test_an_atom_is_covered_when_both_of_its_sides_decide():
    # The officer outside the EEA has the order: `requester` and `approval` decide by being met,
    # `region` decides by not being met, for the kind is unspecified, which leaves the kind aside.
    found = untried(OFFICER)
    assert ("ORDER", "requester", "when", True) not in found
    assert ("ORDER", "requester", "when", False) in found
    # Unknown meets an exception: a natural person of unknown region is excepted, and both decide.
    natural = """\
  - name: perhaps within the EEA
    when: {requester: law_enforcement, approval: granted, registrant_kind: natural}
    release: ["domain.*", "!domain.handle"]
    replace: [registrant.email]
"""
    excepted = untried(natural)
    assert ("ORDER", "region", "unless", True) not in excepted
    assert ("ORDER", "registrant_kind", "unless", True) not in excepted
    assert ("ORDER", "region", "unless", False) in excepted
    outside = natural.replace("natural}", "natural, region: other}")
    assert ("ORDER", "region", "unless", False) not in untried(outside)
    refused = OFFICER.replace("approval: granted", "approval: none")
    assert ("ORDER", "approval", "when", False) not in untried(refused)
    assert ("ORDER", "requester", "when", False) in untried(refused)


def test_a_rule_that_is_not_in_force_decides_nothing():
    early = PILOT.replace("at: 2027-01-01", "at: 2026-12-31").split("    pseudonym")[0]
    assert {u for u in untried(early) if u[0] == "LINK"} == {
        ("LINK", "requester", "when", True),
        ("LINK", "requester", "when", False),
    }
    assert ("LINK", "requester", "when", True) not in untried(PILOT)


def test_counts_rules_and_atoms():
    found = coverage(POLICY, suite(ALL))
    assert (found.rules, found.atoms) == (5, 6)
    assert found.untried_atoms == len({(r, a, p) for r, a, p, _ in untried(ALL)})


def test_an_atom_decides_exactly_if_the_rule_holds_without_it(draw, policy_of, naive, pool):
    """Against the second evaluator, for grants of which the public has nothing."""
    rng, decided = random.Random(11), set()
    for rule in (r for _ in range(300) for r in draw(rng)):
        element = min(rule.elements, key=str)
        known = [a for a in rule.when if a.attribute != "requester"]
        atoms = (Atom("requester", frozenset({"csirt"})), *known)
        grant = replace(
            rule, action="grant", treatment=RELEASE, elements=frozenset({element}), when=atoms,
            obligations=(),
        )  # fmt: skip
        words = {**USUAL, **{a: rng.choice((*w, None)) for a, w in pool.items()}}
        case = Case(
            "",
            NOON,
            frozenset(),
            words,
            {element: words["disclose"]},
            {},
            frozenset(),
            frozenset(),
            START,
        )
        missing = coverage(policy_of([grant]), Suite((case,))).untried
        for atom in known:
            without = replace(grant, when=tuple(a for a in atoms if a is not atom))
            met = words[atom.attribute] in atom.words
            shown = all((u.atom, u.met, u.excepting) != (atom, met, False) for u in missing)
            assert shown is (naive([without], element, words) == RELEASE)
            decided.add((shown, met))
    assert len(decided) == 4
