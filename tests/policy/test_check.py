"""What the checker finds in policies that can be read: one made-up policy for each number."""

import random

import pytest

from whoisgate.errors import PolicyError
from whoisgate.policy import check_text, load_text
from whoisgate.policy.findings import CODES
from whoisgate.policy.model import ATTRIBUTES

HEAD = """\
whoisgate: 1
policy: small
version: "1"
elements: 1
reveals: {public: [contact_roles]}
rules:
"""
LAW = "law: [{instrument: a, article: '1', status: in_force, source: b, checked: 2026-11-23}]"


def findings(rules, more=""):
    return check_text(f"{HEAD}{rules}{more}", "p.yaml")


def one(rules, more=""):
    (finding,) = findings(rules, more)
    return finding


PSEUDONYMS = """\
  - {id: NARROW, grant: {pseudonym: domain}, elements: [domain.handle], when: {assurance: high}}
  - {id: WIDE, grant: {pseudonym: stable}, elements: [domain.handle], when: {approval: granted}}
"""


def test_refuses_parameters_that_can_meet():
    finding = one(PSEUDONYMS)
    assert (finding.code, finding.severity, finding.position.line) == ("WG206", "error", 8)
    assert "`NARROW` and `WIDE`" in finding.message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("when: {approval: granted}", "when: {assurance: low}"),
        ("when: {approval: granted}", "when: {approval: granted}, unless: {assurance: high}"),
        ("when: {approval: granted}", "when: {requester: public, publish_consent: true}"),
        ("{pseudonym: stable}", "pseudonym"),
        ("domain.handle], when: {approval", "tech.handle], LAW, when: {approval"),
    ],
)
def test_takes_parameters_that_never_meet(old, new):
    rules = PSEUDONYMS.replace(old, new.replace("LAW", LAW))
    known = [f for f in findings(rules) if f.code == "WG206"]
    # The third pair meets after all: what the public has, everybody has.
    assert bool(known) is ("requester: public" in new)


def test_takes_parameters_that_follow_each_other_in_time():
    rules = (
        PSEUDONYMS.replace("when: {assurance: high}", "in_force: {until: 2027-01-01}")
        .replace("when: {approval: granted}", "in_force: {from: 2027-01-01}")
    )  # fmt: skip
    assert findings(rules) == []
    assert [f.code for f in findings(rules.replace("until: 2027-01-01", "until: 2027-01-02"))] == [
        "WG206"
    ]


@pytest.mark.parametrize(
    ("when", "code"),
    [
        ("", "WG218"),
        (", when: {registrant_kind: legal}", "WG218"),
        (", when: {assurance: [none, high]}", "WG218"),
        (", when: {requester: law_enforcement}", None),
        (", unless: {requester: public}", None),
    ],
)
def test_refuses_to_link_domains_for_the_public(when, code):
    rule = f"  - {{id: A, grant: {{pseudonym: stable}}, elements: [tech.handle], {LAW}{when}}}\n"
    codes = [(f.code, f.severity, f.position.line) for f in findings(rule) if f.code != "WG209"]
    assert codes == ([(code, "error", 7)] if code else [])
    for other in (rule.replace("stable", "domain"), rule.replace("tech.", "domain.")):
        assert "WG218" not in {f.code for f in findings(other)}


def test_lets_a_cap_keep_domains_apart():
    rules = f"""\
  - {{id: A, grant: {{pseudonym: stable}}, elements: [tech.handle], {LAW}}}
  - {{id: C, cap: {{pseudonym: domain}}, elements: [tech.handle], when: {{requester: public}}}}
"""
    assert findings(rules) == []


def test_warns_of_a_generalisation_that_fits_other_values():
    finding = one(
        f"  - {{id: A, grant: {{generalise: area}}, elements: [tech.phone, tech.city], {LAW}}}\n"
    )
    assert (finding.code, finding.severity) == ("WG213", "warning")
    assert "`tech.city` does not support `generalise(area)`" in finding.message


def test_sees_that_a_generalised_address_shows_its_country():
    finding = one(
        f"  - {{id: A, grant: {{generalise: country}}, elements: [tech.city], {LAW}}}\n",
        "invariants:\n  - {id: I, never: release, elements: [tech.country]}\n",
    )
    assert (finding.code, finding.position.line) == ("WG207", 9)
    assert "rule `A` gives `tech.country` `release`" in finding.message


def test_takes_two_generalisations_of_unlike_values():
    rules = f"""\
  - {{id: A, grant: {{generalise: year}}, elements: [domain.created]}}
  - {{id: B, grant: {{generalise: area}}, elements: [tech.phone], {LAW}}}
"""
    assert findings(rules) == []


def test_refuses_a_broken_invariant_with_a_question_that_breaks_it():
    finding = one(
        f"  - {{id: A, grant: release, elements: [registrant.email], {LAW},\n"
        "     when: {assurance: [none, high]}}\n",
        "invariants:\n"
        "  - {id: I, never: release, elements: [registrant.email], when: {requester: public}}\n",
    )
    assert (finding.code, finding.position.line, finding.position.column) == ("WG207", 10, 5)
    assert "rule `A` gives `registrant.email` `release`" in finding.message
    assert "requester=public" in finding.message


def test_proves_an_invariant_that_a_cap_keeps():
    rules = f"""\
  - {{id: A, grant: release, elements: [registrant.email], {LAW}}}
  - {{id: C, cap: replace, elements: [registrant.email], when: {{requester: public}}}}
"""
    invariant = """\
invariants:
  - {id: I, never: pseudonym, elements: [registrant.email], when: {requester: public}}
"""
    assert findings(rules, invariant) == []
    dated = rules.replace(
        "when: {requester: public}", "when: {requester: public}, in_force: {switch: s}"
    )
    assert one(dated, invariant).code == "WG207"


def test_refuses_a_personal_element_without_law():
    finding = one("  - {id: A, grant: release, elements: [domain.status, registrant.email]}\n")
    assert (finding.code, finding.position.line) == ("WG208", 7)
    assert "`registrant.email`" in finding.message


def test_refuses_a_policy_that_reveals_more_than_it_says():
    rules = f"""\
  - id: A
    grant: release
    elements: [registrant.organization]
    when: {{organization_consent: true}}
    {LAW}
"""
    finding = one(rules)
    assert (finding.code, finding.position.line, finding.position.column) == ("WG209", 5, 11)
    assert "`organization_consent`: `registrant.organization`" in finding.message
    silent = check_text((HEAD + rules).replace("reveals: {public: [contact_roles]}\n", ""))
    assert [f.code for f in silent] == ["WG209", "WG209"]
    told = (HEAD + rules).replace("contact_roles]", "contact_roles, organization_consent]")
    assert check_text(told) == []


def test_checks_what_other_classes_can_infer_where_they_are_named():
    rules = f"""\
  - id: A
    grant: release
    elements: [registrant.organization]
    when: {{requester: court, registrant_kind: legal}}
    {LAW}
"""
    assert findings(rules) == []
    named = (HEAD + rules).replace("contact_roles]}", "contact_roles], court: []}")
    (finding,) = check_text(named)
    assert finding.message.startswith("`court` can infer `registrant_kind`")


def test_does_not_call_a_fact_revealed_that_changes_nothing():
    rules = f"""\
  - {{id: A, grant: release, elements: [registrant.country], {LAW}}}
  - {{id: B, grant: release, elements: [registrant.country], when: {{region: eea}}, {LAW}}}
"""
    assert findings(rules) == []


def test_warns_of_a_cap_on_the_public():
    email = "elements: [registrant.email]"
    grant = f"  - {{id: A, grant: release, {email}, when: {{case: given}}, {LAW}}}\n"
    rules = f"{grant}  - {{id: B, cap: withhold, {email}, when: {{region: eea}}}}\n"
    (finding,) = findings(rules)
    assert (finding.code, finding.severity) == ("WG211", "warning")
    assert load_text(f"{HEAD}{rules}")


@pytest.mark.parametrize(
    "body",
    [
        "grant: release, elements: [domain.status], obligations: [{do: notify_registrant}]",
        "grant: release, elements: [domain.status], when: {requester: public, approval: granted}",
        "grant: release, elements: [domain.status], unless: {case: [given, absent]}",
        "grant: release, elements: [domain.status], when: {case: {not: [given, absent]}}",
        "grant: withhold, elements: [domain.status]",
        "cap: release, elements: [domain.status]",
        "cap: withhold, elements: [domain.status], when: {case: {not: [given, absent]}}",
    ],
)
def test_warns_of_a_rule_that_can_never_matter(body):
    finding = one(f"  - {{id: A, {body}}}\n")
    assert (finding.code, finding.severity, finding.position.line) == ("WG212", "warning", 7)


def test_warns_where_a_lower_treatment_applies():
    finding = one(
        f"  - {{id: A, grant: pseudonym, elements: [registrant.name, registrant.city], {LAW}}}\n"
    )
    assert (finding.code, finding.severity) == ("WG213", "warning")
    assert "`registrant.city`" in finding.message
    assert "registrant.name" not in finding.message


def test_checks_every_rule_although_one_cannot_be_read():
    found = findings(
        "  - {id: A, grant: release, elements: [registrant.emial]}\n"
        "  - {id: B, grant: release, elements: [registrant.email]}\n"
    )
    assert [(f.code, f.position.line) for f in found] == [("WG203", 7), ("WG208", 8)]


def test_refuses_what_it_cannot_prove_in_bounded_time():
    rng = random.Random(1)

    def some():
        pairs = (f"{a}: [{', '.join(rng.sample(ATTRIBUTES[a], len(ATTRIBUTES[a]) // 2))}]"
                 for a in rng.sample(list(ATTRIBUTES), 3))  # fmt: skip
        return f"{{{', '.join(pairs)}}}"

    rules = "".join(
        f"  - {{id: A{n}, {what}, elements: [domain.status], when: {some()}, unless: {some()}}}\n"
        for n in range(20)
        for what in ("grant: release" if n % 2 else "cap: withhold",)
    )
    found = findings(rules)
    assert [f.code for f in found if f.severity == "error"] == ["WG215"]


def test_gives_each_finding_once_and_known_numbers_alone():
    text = f"{HEAD}  - {{id: A, grant: release, elements: [registrant.name, x.*, x.*]}}\n"
    found = check_text(text)
    assert len(set(found)) == len(found)
    assert {f.code for f in found} <= set(CODES)


def test_carries_all_findings_in_the_error():
    with pytest.raises(PolicyError) as caught:
        load_text(
            f"{HEAD}{PSEUDONYMS}  - {{id: A, cap: release, elements: [domain.status]}}\n", "p"
        )
    error = caught.value
    assert [f.code for f in error.findings] == ["WG206", "WG212"]
    assert error.code == "WG200"
    assert str(error) == (
        "policy `p` is refused: p:8:5: error WG206: rules `NARROW` and `WIDE` give "
        "`domain.handle` `pseudonym(domain)` and `pseudonym(stable)` (let one exclude the other)"
    )


PART = f"""---
whoisgate: 1
policy: part
version: "1"
elements: 1
rules:
  - {{id: A, grant: release, elements: [registrant.email], when: {{case: given}}, {LAW}}}
"""


def test_notes_what_a_composition_shows_beyond_a_part():
    includes = "includes: [{policy: part, when: {tld_group: cctld}}]\n"
    email = "elements: [registrant.email]"
    own = f"  - {{id: B, grant: release, {email}, when: {{assurance: high}}, {LAW}}}\n"
    (note,) = findings(own, includes + PART)
    assert (note.code, note.severity, note.position.line) == ("WG217", "note", 8)
    assert note.message == (
        "beside `part`, other rules give `registrant.email` `release` where it gives `withhold`, "
        "as when `requester=law_enforcement assurance=high case=absent`"
    )
    elsewhere = own.replace("assurance: high", "assurance: high, tld_group: gtld")
    assert findings(elsewhere, includes + PART) == []
    less = own.replace("release", "withhold")
    assert [f.code for f in findings(less, includes + PART)] == ["WG212"]
