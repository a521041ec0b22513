"""What each treatment leaves of a value, and that nothing else of it leaves by any exit."""

import base64
import hashlib
import hmac
import json
import string
from datetime import UTC, datetime, timedelta, timezone

import phonenumbers
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.conftest import NOW
from tests.formats.canaries import Canaries, found
from tests.formats.conftest import (
    ALIAS,
    OFFICER,
    SETTINGS,
    WEB_FORM,
    edition_of,
    of,
    opened,
    public,
    rule,
)

from whoisgate.elements import ELEMENTS, Kind
from whoisgate.formats import rdap, whois
from whoisgate.generalise import area, year
from whoisgate.policy import edition, load_text
from whoisgate.policy.decide import Approved, Outcome
from whoisgate.policy.evaluate import effect
from whoisgate.policy.model import COUNTRY, PARAMETERS, RELEASE, STABLE, WITHHOLD, Rule, Treatment
from whoisgate.queries import Question
from whoisgate.records import Contact, Record
from whoisgate.redact import Substitutes, redact

DOMAIN, YEAR, AREA = (
    Treatment(Kind.PSEUDONYM, "domain"),
    Treatment(Kind.GENERALISE, "year"),
    Treatment(Kind.GENERALISE, "area"),
)
ADDRESS = ("street", "city", "state", "postal_code")
STAND_IN = set(string.ascii_lowercase + "234567")


@pytest.mark.parametrize(
    ("date", "left"),
    [
        ("2001-02-03T04:05:06Z", "2001"),
        ("2001-02-03t04:05:06.789z", "2001"),
        ("2001-01-01T00:30:00+01:00", "2000"),
        ("2000-12-31T23:30:00-01:00", "2001"),
        ("1990-12-31T23:59:60Z", "1990"),
        ("1990-12-31T15:59:60-08:00", "1990"),
        ("0099-05-05T00:00:00Z", "0099"),
        ("2001-02-03", "2001"),
        ("9999-12-31T23:59:59-01:00", None),
        ("2001-02-30T00:00:00Z", None),
        ("2001", None),
        ("1999 called", None),
        ("Ada Person", None),
        ("", None),
    ],
)
def test_leaves_the_year_of_a_date(date, left):
    assert year(date) == (f"{left}-01-01T00:00:00Z" if left else None)


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)),  # noqa: DTZ001  the zone is drawn
    st.integers(-1439, 1439),
    st.text("0123456789", max_size=9),
)
def test_leaves_the_year_of_any_rfc_3339_date(moment, minutes, fraction):
    zone = timezone(timedelta(minutes=minutes))
    written = moment.replace(microsecond=0, tzinfo=zone).isoformat()
    dotted = f"{written[:19]}.{fraction}{written[19:]}" if fraction else written
    utc = moment.replace(tzinfo=zone).astimezone(UTC)
    assert year(dotted) == f"{utc.year:04}-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("number", "left"),
    [
        ("+1.2025550100", "+1.202"),
        ("+1 (202) 555-0100", "+1.202"),
        ("+1.2025550100;ext=4", "+1.202"),
        ("+1.5555550100", "+1"),  # no such area
        ("+1.8005550100", "+1"),  # free of charge
        ("+31.201234567", "+31.20"),
        ("+31612345678", "+31"),  # a mobile
        ("+39.0612345678", "+39.06"),
        ("+3120", "+31"),  # too short to be a number
        ("+47.22123456", "+47"),  # no area codes
        ("+883.5100012345", "+883"),  # of no country
        ("020 1234567", None),
        ("+999.1234567", None),
        ("+", None),
        ("+" + "1" * 300, None),
        ("call Ada", None),
        ("", None),
    ],
)
def test_leaves_the_area_of_a_phone_number(number, left):
    assert area(number) == left


NUMBERS = [
    phonenumbers.example_number_for_type(region, kind)
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    for kind in (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE)
]


@pytest.mark.parametrize("form", [
    phonenumbers.PhoneNumberFormat.E164, phonenumbers.PhoneNumberFormat.INTERNATIONAL,
    phonenumbers.PhoneNumberFormat.RFC3966,
])  # fmt: skip
def test_leaves_no_digit_beyond_the_area_in_any_country(form):
    left = set()
    for number in filter(None, NUMBERS):
        shown = area(phonenumbers.format_number(number, form))
        local = phonenumbers.national_significant_number(number)
        code, _, geographic = shown.removeprefix("+").partition(".")
        assert code == str(number.country_code)
        assert local.startswith(geographic)
        assert len(local) - len(geographic) >= 3, shown
        left.add(shown)
    assert len(left) > 300


@given(st.from_regex(r"\+[1-9][0-9]{1,3}[ .-]?[1-9][0-9]{4,10}", fullmatch=True))
def test_leaves_nothing_but_the_beginning_of_a_number(number):
    shown = area(number)
    assume(shown)
    # As it is dialled from abroad: without a trunk prefix, which people write all the same.
    dialled = phonenumbers.format_number(
        phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.E164
    )
    digits, left = ("".join(c for c in text if c.isdigit()) for text in (dialled, shown))
    assert digits.startswith(left)
    assert len(digits) - len(left) >= 2


@pytest.mark.parametrize("element", ELEMENTS.values(), ids=str)
def test_generalises_each_element_in_its_own_way_alone(element):
    own = element.generalises
    for parameter in PARAMETERS[Kind.GENERALISE]:
        wanted = Treatment(Kind.GENERALISE, parameter)
        got = effect(Rule("R", "grant", wanted, frozenset({element})), element)
        if parameter != own:
            assert got.kind < Kind.GENERALISE
        elif element.field == "country":
            assert got == RELEASE
        else:
            assert got == wanted
    assert (Kind.GENERALISE in element.supports) == (bool(own) and element.field != "country")


def views(treatment, values, *names, domain="example.com", substitutes=WEB_FORM):
    """The public view's values of one registrant under one grant."""
    rules = edition_of(rule(1, treatment, of(*names)))
    view = public(Record.of(domain, values), substitutes, rules)
    return dict(view.contacts[0].values)


def test_leaves_each_area_once_whatever_the_order():
    numbers = ["+31.201234567", "+1.2025550100", "nonsense", "+31.207654321"]
    for held in (numbers, numbers[::-1]):
        shown = views(AREA, {"registrant.phone": held}, "registrant.phone")
        assert shown == {"phone": ("+1.202", "+31.20")}


@pytest.mark.parametrize("number", ["020 1234567", "CANARY"])
def test_withholds_a_number_that_is_none(number):
    assert views(AREA, {"registrant.phone": number}, "registrant.phone") == {}


def test_withholds_a_date_that_is_none():
    rules = edition_of(rule(1, YEAR, of("domain.created")))
    assert public(Record.of("example.com", {"domain.created": "2001"}), rules=rules).values == {}


persons = st.text(min_size=1).filter(lambda t: not any("\ud800" <= c <= "\udfff" for c in t))


@given(persons, st.sampled_from(["registrant.name", "registrant.email", "registrant.handle"]))
def test_scopes_and_keys_a_pseudonym(value, name):
    def shown(treatment, domain, key=b"k"):
        held = views(treatment, {name: value}, name, domain=domain, substitutes=Substitutes(key))
        (text,) = held.values()
        return text if isinstance(text, str) else text[0]

    narrow = [shown(DOMAIN, d) for d in ("example.com", "example.net")]
    wide = [shown(STABLE, d) for d in ("example.com", "example.net")]
    assert len({*narrow}) == 2
    assert len({*wide}) == 1
    assert not {*narrow} & {*wide}
    assert shown(DOMAIN, "example.com") == narrow[0]
    assert shown(DOMAIN, "example.com", b"other") not in narrow
    assert shown(STABLE, "example.com", b"other") not in wide
    assert all(len(text) == 24 and {*text} <= STAND_IN for text in narrow + wide)


@pytest.mark.parametrize("treatment", [DOMAIN, STABLE], ids=str)
def test_makes_a_pseudonym_that_nobody_without_the_key_can(treatment):
    value = "ada@person.example"
    (text,) = views(treatment, {"registrant.email": value}, "registrant.email")["email"]
    raw = base64.b32decode(text.upper())
    guesses = [value, f"{value}example.com", f"example.com{value}", f"pseudonym{value}"]
    for name in ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b"):
        for guess in map(str.encode, guesses):
            assert raw not in hashlib.new(name, guess).digest()
            assert raw not in hmac.digest(b"", guess, name)


@given(persons, persons)
def test_gives_two_values_two_pseudonyms(one, other):
    assume(one != other)
    for treatment in (DOMAIN, STABLE):
        a, b = (views(treatment, {"registrant.name": v}, "registrant.name") for v in (one, other))
        assert a != b


@given(st.lists(persons, max_size=3), st.sampled_from([WEB_FORM, ALIAS]))
def test_replaces_by_domain_and_role_whatever_the_value(emails, substitutes):
    names = ("registrant.email", "tech.email")
    rules = edition_of(rule(1, Treatment(Kind.REPLACE), of(*names)))

    def shown(domain, held):
        values = {"registrant.name": "Ada", "tech.name": "Tom", **dict.fromkeys(names, held)}
        view = public(Record.of(domain, values), substitutes, rules)
        return [c.values["email"] for c in view.contacts]

    assert shown("example.com", emails) == shown("example.com", ())
    assert len({*shown("example.com", emails), *shown("example.net", emails)}) == 4


# The country of an address

POLICY = """\
whoisgate: 1
policy: places
version: "1"
elements: 1
reveals: {public: [contact_roles]}
rules:
  - id: OPEN
    grant: release
    elements: [domain.*]
  - id: PLACE
    grant: {generalise: country}
    elements: ELEMENTS
    when: WHEN
    law: [{instrument: a, article: '1', status: in_force, source: b, checked: 2026-11-23}]
MORE
"""
ANYBODY = "{case: [given, absent]}"
OFFICERS = "{requester: law_enforcement}"
HELD = {
    "registrant.name": "Ada",
    "registrant.street": ["1 Sample Street", "Rear"],
    "registrant.city": "Sampletown",
    "registrant.state": "Sample State",
    "registrant.postal_code": "1234 AB",
    "registrant.country": "NL",
    "tech.country": "SE",
}


def places(elements, when=ANYBODY, more=""):
    text = POLICY.replace("ELEMENTS", elements).replace("WHEN", when).replace("MORE", more)
    return edition(load_text(text), NOW)


def contacts(view):
    return [(c.role, dict(c.values)) for c in view.contacts]


@pytest.mark.parametrize("elements", [
    "[registrant.street]", "[registrant.city, registrant.postal_code]",
    "[registrant.street, registrant.country]", '["registrant.*", "!registrant.name"]',
])  # fmt: skip
def test_leaves_the_country_of_an_address(elements):
    view = public(Record.of("example.com", HELD), rules=places(elements))
    assert contacts(view) == [("registrant", {"country": "NL"})]


def test_leaves_no_country_that_the_rule_leaves_out_or_a_cap_withholds():
    rules = places('[registrant.street, "!registrant.country"]')
    assert contacts(public(Record.of("example.com", HELD), rules=rules)) == [("registrant", {})]
    cap = "  - {id: CAP, cap: withhold, elements: [registrant.country], when: {region: other}}"
    rules = places("[registrant.street]", more=cap.replace("region: other", "requester: public"))
    assert contacts(public(Record.of("example.com", HELD), rules=rules)) == [("registrant", {})]


def test_gives_the_country_to_whoever_asks_for_a_part_and_to_nobody_else():
    rules, record = places("[registrant.street]", OFFICERS), Record.of("example.com", HELD)

    def asked(*names):
        question = Question.of(record.name, elements=names)
        decision = rules.decide(question, OFFICER, record.facts)
        return decision.outcome, contacts(redact(record, decision, WEB_FORM))

    shown = [("registrant", {"country": "NL"})]
    assert asked("registrant.street") == (Outcome.RELEASED, shown)
    assert asked("registrant.country") == (Outcome.RELEASED, shown)
    assert asked("registrant.name") == (Outcome.REFUSED, [])


def test_gives_the_country_under_the_approval_of_the_part():
    rules = places(
        "[registrant.street]", "{requester: law_enforcement, approval: [standing, granted]}"
    )
    record, street, city = (
        Record.of("example.com", HELD),
        *of("registrant.street"),
        "registrant.city",
    )
    question = Question.of(record.name, elements=[street.name, city])
    for approved, outcome, shown in (
        (Approved(), Outcome.NEEDS_APPROVAL, []),
        (Approved(granted=of(city)), Outcome.NEEDS_APPROVAL, []),
        (Approved(granted=of(street.name)), Outcome.RELEASED, ["NL"]),
        (Approved(standing=of(street.name)), Outcome.RELEASED, ["NL"]),
    ):
        decision = rules.decide(question, OFFICER, record.facts, approved)
        view = redact(record, decision, WEB_FORM)
        assert decision.outcome is outcome
        assert [c.values["country"] for c in view.contacts if c.values] == shown


def test_caps_an_address_to_its_country():
    rules = edition_of(
        rule(1, RELEASE, of(*(f"registrant.{f}" for f in (*ADDRESS, "country", "name")))),
        Rule("C", "cap", COUNTRY, of("registrant.street", "registrant.city", "registrant.country")),
    )
    view = public(Record.of("example.com", HELD), rules=rules)
    assert view.contacts[0].values == {
        "name": "Ada", "state": "Sample State", "postal_code": "1234 AB", "country": "NL",
    }  # fmt: skip


def test_says_the_country_in_rdap_and_whois():
    rules, record = places("[registrant.street, registrant.city]"), Record.of("example.com", HELD)
    view = public(record, rules=rules)
    document = json.loads(rdap.encode(view, SETTINGS))
    (entity,) = document["entities"]
    assert entity["vcardArray"][1][2] == ["adr", {"cc": "NL"}, "text", ["", "", "", "", "", "", ""]]
    methods = {next(iter(e["name"].values())): e["method"] for e in document["redacted"]}
    assert methods["Registrant Street"] == methods["Registrant City"] == "emptyValue"
    assert "Registrant Country" not in methods
    text = whois.encode(view).decode()
    assert [line for line in text.splitlines() if line.startswith("Registrant")] == [
        "Registrant Country: NL"
    ]


def test_declares_what_stands_in_for_a_value():
    rules = edition_of(
        rule(1, YEAR, of("domain.created")),
        rule(2, AREA, of("registrant.phone")),
        rule(3, DOMAIN, of("domain.handle", "registrant.handle")),
    )
    document = json.loads(
        rdap.encode(public(Record.of("example.com", HELD), rules=rules), SETTINGS)
    )
    methods = {next(iter(e["name"].values())): e for e in document["redacted"]}
    for name in (
        "Creation Date",
        "Registrant Phone",
        "Registry Domain ID",
        "Registry Registrant ID",
    ):
        assert methods[name]["method"] == "replacementValue"
        assert "prePath" not in methods[name]
    assert methods["Updated Date"]["method"] == "removal"


# Nothing else of the value leaves

FIELDS = {
    "pseudonym(domain)": (DOMAIN, ("handle", "name", "email")),
    "pseudonym(stable)": (STABLE, ("handle", "name", "email")),
    "replace": (Treatment(Kind.REPLACE), ("email",)),
    "generalise(country)": (COUNTRY, ADDRESS),
    "generalise(area)": (AREA, ("phone", "fax")),
}


def exits(record, rules, substitutes=WEB_FORM):
    """The public answer by every exit."""
    view = public(record, substitutes, rules)
    return rdap.encode(view, SETTINGS), whois.encode(view)


@pytest.mark.parametrize("role", ["registrant", "admin", "tech", "billing"])
@pytest.mark.parametrize(("treatment", "fields"), FIELDS.values(), ids=FIELDS)
def test_lets_no_canary_out(treatment, fields, role):
    canary = Canaries()
    names = [f"{role}.{f}" for f in fields]
    form = "+1.2025550{}" if treatment == AREA else "{}"
    held = {n: [canary(n, form)] * 2 if ELEMENTS[n].many else canary(n, form) for n in names}
    rules = edition_of(rule(1, treatment, of(*names, f"{role}.country")))
    record = Record.of("example.com", {**held, f"{role}.country": "NL"})
    for substitutes in (WEB_FORM, ALIAS):
        assert found(canary.made, b"".join(exits(record, rules, substitutes))) == set()
    open_to_all = edition_of(rule(1, RELEASE, of(*names)))
    assert found(canary.made, b"".join(exits(record, open_to_all))) == {*canary.made}


def test_lets_no_canary_of_a_date_out():
    canary = Canaries()
    dates = [e for e in ELEMENTS.values() if e.generalises == "year"]
    rules = edition_of(rule(1, YEAR, frozenset(dates)))
    record = Record.of("example.com", {e.name: canary(e.name, "2001-{}") for e in dates})
    assert found(canary.made, b"".join(exits(record, rules))) == set()
    precise = Record.of("example.com", {e.name: "2001-11-22T13:14:15Z" for e in dates})
    for out in exits(precise, rules):
        assert b"2001-01-01T00:00:00Z" in out
        assert not any(part in out for part in (b"-11-22", b"13:14", b":15Z"))


local = st.integers(0, 99).map(lambda n: f"+1.20255501{n:02}")
HIDDEN = {
    "country": (COUNTRY, {f: st.lists(persons, max_size=2).map(tuple) if f == "street" else persons
                          for f in ADDRESS}),
    "area": (AREA, {"phone": st.lists(local, min_size=1, max_size=3).map(tuple)}),
    "replace": (Treatment(Kind.REPLACE), {"email": st.lists(persons, max_size=3).map(tuple)}),
}  # fmt: skip


@pytest.mark.parametrize(("treatment", "hidden"), HIDDEN.values(), ids=HIDDEN)
@given(data=st.data())
def test_answers_alike_for_records_that_differ_in_what_is_hidden(treatment, hidden, data):
    rules = edition_of(
        rule(1, treatment, of(*(f"registrant.{f}" for f in hidden))),
        rule(2, RELEASE, of("registrant.country")),
    )

    def record():
        required = {f: s for f, s in hidden.items() if treatment == AREA}
        rest = {f: s for f, s in hidden.items() if f not in required}
        values = data.draw(st.fixed_dictionaries(required, optional=rest))
        values |= {"country": "NL"} | data.draw(
            st.fixed_dictionaries({}, optional={"name": persons})
        )
        withheld = data.draw(st.sets(st.sampled_from(ADDRESS))) if treatment == COUNTRY else ()
        return Record(
            "example.com",
            contacts=(Contact("registrant", dict(data.draw(st.permutations([*values.items()])))),),
            withheld=of(*(f"registrant.{f}" for f in withheld)),
        )

    one, other = record(), record()
    assert exits(one, rules) == exits(other, rules)


@given(st.sampled_from(["2001", "2014"]), st.data())
def test_answers_alike_for_dates_of_one_year(written, data):
    rules = edition_of(rule(1, YEAR, of("domain.created", "domain.expires")))
    moments = st.datetimes(datetime(int(written), 1, 1), datetime(int(written), 12, 31)).map(  # noqa: DTZ001  written as UTC
        lambda moment: f"{moment.replace(microsecond=0).isoformat()}Z"
    )
    seen = {
        exits(Record.of("example.com", dict.fromkeys(
            ["domain.created", "domain.expires"], data.draw(moments))), rules)
        for _ in range(3)
    }  # fmt: skip
    assert len(seen) == 1


@given(persons, persons)
def test_tells_an_officer_nothing_but_the_country_of_an_address(street, city):
    rules = places('["registrant.*", "!registrant.name"]', OFFICERS)

    def body(**more):
        record = Record.of(
            "example.com", {**HELD, **{f"registrant.{f}": v for f, v in more.items()}}
        )
        decision = rules.decide(
            Question.of(record.name, elements=["registrant.street"]), OFFICER, record.facts
        )
        return opened(rdap.encode(redact(record, decision, WEB_FORM), SETTINGS))

    assert body() == body(street=street, city=city) != body(country="SE")


def test_withholds_what_nobody_grants_under_every_treatment():
    assert {Treatment.plain(kind).kind for kind in Kind} == {*Kind}
    record = Record.of("example.com", HELD)
    for treatment in (WITHHOLD, DOMAIN, YEAR, AREA, COUNTRY):
        view = public(record, rules=edition_of(rule(1, treatment, of("domain.status"))))
        assert (contacts(view), view.values) == ([], {})
