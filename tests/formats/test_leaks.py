"""Nothing withheld leaves in a public body, in any encoding, order, presence or length."""

import base64
import json
import random
import unicodedata
import urllib.parse
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.formats.canaries import Canaries, found
from tests.formats.conftest import (
    ALIAS,
    ICANN,
    NAMESERVERS,
    SETTINGS,
    WEB_FORM,
    edition_of,
    everything,
    gated,
    of,
    opened,
    public,
    rule,
)

from whoisgate.elements import CONTACT_FIELDS, ELEMENTS, ROLES, Kind
from whoisgate.formats import rdap, whois
from whoisgate.formats.offline import redact_answer
from whoisgate.policy.model import RELEASE, Atom, Treatment
from whoisgate.records import Contact, Facts, Record
from whoisgate.redact import GatedView

WITHHELD = {
    role: [f for f in CONTACT_FIELDS if role != "registrant" or f not in {"state", "country"}]
    for role in ROLES
}


def link(canary):
    return {
        "value": canary("link value", "https://{}.example/"),
        "rel": "self",
        "href": canary("link href", "https://{}.example/"),
        "title": canary("link title"),
        "hreflang": [canary("link hreflang")],
        "media": canary("link media"),
        canary("link member"): canary("link member's value"),
    }


def remark(canary):
    return {
        "title": canary("remark title"),
        "type": canary("remark type"),
        "description": [canary("remark")],
        "links": [link(canary)],
    }


def extras(canary):
    """Members that any object may have and that are never read."""
    return {
        "remarks": [remark(canary)],
        "lang": canary("lang"),
        "asEventActor": [{"eventAction": canary("action"), "eventDate": canary("date")}],
        "publicIds": [{"type": canary("id type"), "identifier": canary("id")}],
        canary("member"): {canary("inner member"): [canary("value"), {"deep": canary("deep")}]},
    }


def event(canary, action):
    return {
        "eventAction": action,
        "eventDate": "2020-01-02T03:04:05Z",
        "eventActor": canary("eventActor"),
        "links": [link(canary)],
        **extras(canary),
    }


def entity(canary, roles, *, depth=0):
    parameter = {"x-note": canary("parameter"), "altid": canary("altid")}
    card = [
        ["version", parameter, "text", "4.0"],
        ["fn", parameter, "text", canary("fn")],
        ["n", parameter, "text", [canary("n"), canary("n"), "", "", ""]],
        ["org", parameter, "text", [canary("org"), canary("unit")]],
        ["adr", {**parameter, "label": canary("label"), "geo": canary("geo")}, "text",
         [canary("box"), canary("extended"), [canary("street"), canary("street")], canary("city"),
          "Sample State", canary("code"), canary("country name")]],
        ["tel", {**parameter, "type": "voice"}, "uri",
         canary("tel", "tel:{}") + canary("ext", ";ext={}")],
        ["tel", {**parameter, "type": ["fax"]}, "text", canary("fax")],
        ["tel", {**parameter, "type": "pager"}, "text", canary("pager")],
        ["email", parameter, "text", canary("email", "{}@person.example")],
        ["email", parameter, "text", canary("second email", "{}@person.example")],
        ["contact-uri", parameter, "uri", canary("contact-uri", "https://{}.example/")],
        ["url", parameter, "uri", canary("url", "https://{}.example/")],
        *([name, parameter, "text", canary(name)] for name in
          ("note", "title", "role", "bday", "nickname", "x-vendor", "tz", "geo", "key", "impp")),
    ]  # fmt: skip
    if "registrar" in roles or "abuse" in roles:
        card = [["version", parameter, "text", "4.0"], ["fn", parameter, "text", "Example"]]
    return {
        "objectClassName": "entity",
        "handle": canary("handle"),
        "roles": roles,
        "vcardArray": ["vcard", card, canary("after the card")],
        "events": [event(canary, "registration")],
        "status": [canary("entity status")],
        "links": [link(canary)],
        "networks": [{"handle": canary("network")}],
        "autnums": [{"handle": canary("autnum")}],
        "entities": [entity(canary, roles, depth=depth + 1),
                     entity(canary, ["technical"], depth=depth + 1)] if depth < 2 else [],
        **extras(canary),
    }  # fmt: skip


def document(canary):
    """A domain in which every place that no rule releases holds a canary of its own."""
    return {
        "rdapConformance": ["rdap_level_0", canary("conformance")],
        "objectClassName": "domain",
        "handle": canary("domain handle"),
        "ldhName": "example.com",
        "unicodeName": canary("unicodeName", "{}.com"),
        "status": ["active", canary("status")],
        "events": [event(canary, "registration"), event(canary, canary("action"))],
        "nameservers": [
            {"objectClassName": "nameserver", "ldhName": "ns1.example.net",
             "handle": canary("ns handle"), "unicodeName": canary("ns unicodeName"),
             "ipAddresses": {"v4": ["192.0.2.1", canary("v4")], "v6": [canary("v6")]},
             "entities": [entity(canary, ["registrant"])], **extras(canary)},
            {"ldhName": canary("ns name", "{}.example.net")},
        ],
        "secureDNS": {"delegationSigned": True, "maxSigLife": canary("maxSigLife"),
                      "dsData": [{"keyTag": 1, "algorithm": 13, "digestType": 2, "digest": "ABCD",
                                  "events": [event(canary, "registration")], **extras(canary)},
                                 {"keyTag": 1, "algorithm": 1, "digestType": 1,
                                  "digest": canary("digest")}],
                      "keyData": [{"publicKey": canary("key")}], **extras(canary)},
        "entities": [
            entity(canary, ["registrant"]), entity(canary, ["administrative", "billing"]),
            entity(canary, ["technical"]), entity(canary, ["technical"]),
            entity(canary, ["registrar", "sponsor"]), entity(canary, ["noc", "proxy"]),
            entity(canary, [canary("role")]),
        ],
        "network": {"name": canary("network"), "handle": canary("network")},
        "variants": [{"relation": [canary("relation")],
                      "variantNames": [{"ldhName": canary("variant", "{}.com")}]}],
        "port43": canary("port43"),
        "links": [link(canary)],
        "notices": [remark(canary)],
        "redacted": [{"name": {"description": canary("redacted")}, "prePath": canary("path"),
                      "reason": {"description": canary("reason")}}],
        **extras(canary),
    }  # fmt: skip


@pytest.mark.parametrize("substitutes", [WEB_FORM, ALIAS], ids=["web form", "alias"])
def test_lets_no_canary_out_of_a_captured_answer(substitutes):
    canary = Canaries()
    raw = json.dumps(document(canary))
    answer = redact_answer(
        raw, form="rdap", edition=ICANN, substitutes=substitutes, settings=SETTINGS
    )
    assert len(canary.made) > 1000
    assert {canary.made[c] for c in found(canary.made, answer.rdap + answer.whois)} == set()
    assert "Sample State" in answer.whois.decode()
    assert b"Example" in answer.rdap


def test_sees_the_canaries_that_an_officer_is_shown():
    canary = Canaries()
    record = rdap.decode(json.dumps(document(canary)))
    body = opened(rdap.encode(everything(record), SETTINGS))
    assert {canary.made[c] for c in found(canary.made, body)} == {
        "domain handle", "handle", "fn", "org", "unit", "box", "extended", "street", "city",
        "code", "tel", "ext", "fax", "email", "second email",
    }  # fmt: skip


@pytest.mark.parametrize(
    "encode",
    [
        str.encode,
        lambda c: base64.b64encode(b"x" + c.encode() + b"y"),
        lambda c: base64.urlsafe_b64encode(b"xy" + c.encode()),
        lambda c: urllib.parse.quote(c).encode(),
        lambda c: json.dumps(c).encode(),
        lambda c: c.upper().encode(),
        lambda c: unicodedata.normalize("NFD", c).encode(),
        lambda c: c.encode("punycode"),
        lambda c: c.encode().hex().encode(),
    ],
)
def test_would_see_a_canary_in_every_encoding(encode):
    canary = Canaries()("x")
    assert found({canary}, b"{" + encode(canary) + b"}")


def test_lets_no_canary_out_of_a_record():
    canary = Canaries()
    held = {
        ELEMENTS[f"{role}.{f}"]: (canary(f),) if ELEMENTS[f"{role}.{f}"].many else canary(f)
        for role, fields in WITHHELD.items()
        for f in fields
    }
    record = Record.of("example.com", {e.name: v for e, v in held.items()})
    for substitutes in (WEB_FORM, ALIAS):
        view = public(record, substitutes)
        assert found(canary.made, rdap.encode(view, SETTINGS) + whois.encode(view)) == set()
    asked = [e.name for e in held]
    assert found(canary.made, opened(rdap.encode(gated(record, asked), SETTINGS))) == {*canary.made}


words = st.text(max_size=30)
values = {f: st.lists(words, max_size=4).map(tuple) if ELEMENTS[f"tech.{f}"].many else words
          for f in CONTACT_FIELDS}  # fmt: skip


def withheld(role):
    """Any values of what no rule releases of a role."""
    return st.fixed_dictionaries({}, optional={f: values[f] for f in WITHHELD[role]})


@st.composite
def alike(draw):
    """Two records that agree in facts and in all that is released, and in nothing else."""
    name = draw(st.sampled_from(["example.com", "example.nl", "xn--bcher-kva.example"]))
    roles = draw(st.lists(st.sampled_from(ROLES), unique=True))
    shown = draw(st.fixed_dictionaries({}, optional={
        "state": st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
        "country": st.just("NL")}))  # fmt: skip
    plain = draw(st.fixed_dictionaries({}, optional={
        ELEMENTS["domain.created"]: st.just("2020-01-02T03:04:05Z"),
        ELEMENTS["registrar.name"]: st.just("Example Registrar"),
        ELEMENTS["domain.status"]: st.just(("ok",))}))  # fmt: skip
    facts = Facts(publish_consent=draw(st.none() | st.booleans()))

    def record():
        contacts = []
        for role in roles:
            own = [draw(withheld(role)) for _ in range(draw(st.integers(1, 3)))]
            if role == "registrant":
                own[draw(st.integers(0, len(own) - 1))] |= shown
            contacts += [Contact(role, dict(draw(st.permutations([*v.items()])))) for v in own]
        more = draw(st.fixed_dictionaries({}, optional={ELEMENTS["domain.handle"]: words}))
        mixed = [*plain.items(), *more.items()]
        return Record(
            name, dict(draw(st.permutations(mixed))), tuple(draw(st.permutations(contacts))),
            NAMESERVERS, facts, draw(words), draw(words),
        )  # fmt: skip

    return record(), record()


@given(alike(), st.sampled_from([WEB_FORM, ALIAS]))
def test_gives_records_that_agree_in_what_is_released_the_same_bytes(pair, substitutes):
    one, other = (public(record, substitutes) for record in pair)
    assert rdap.encode(one, SETTINGS) == rdap.encode(other, SETTINGS)
    assert whois.encode(one) == whois.encode(other)


@given(alike(), st.sets(st.sampled_from(["domain.created", "registrant.state"])))
def test_gives_a_requester_the_same_bytes_whatever_is_not_released(pair, asked):
    rules = edition_of(
        rule(1, Treatment(Kind.REPLACE), of("registrant.email")),
        rule(2, RELEASE, of(*asked, "tech.name"), Atom("assurance", frozenset({"high"}))),
    )
    alike_in_names = [
        replace(
            record,
            contacts=tuple(
                Contact(c.role, {f: v for f, v in c.values.items() if f != "name"})
                for c in record.contacts
            ),
        )
        for record in pair
    ]
    views = [gated(record, [*asked, "tech.name"], rules=rules) for record in alike_in_names]
    assert {type(view) for view in views} == {GatedView}
    assert len({opened(rdap.encode(view, SETTINGS)) for view in views}) == 1


def test_keeps_nothing_of_one_record_in_the_next():
    shuffled = random.Random(7)
    records = [
        Record.of(
            "example.com", {"registrant.name": f"Ada {n}", "registrant.state": "Sample State"}
        )
        for n in range(20)
    ]
    shuffled.shuffle(records)
    assert len({rdap.encode(public(record), SETTINGS) for record in records}) == 1
