"""What an upstream says that it withholds: recognised, never served as a value."""

import json

import pytest
from tests.formats.conftest import SETTINGS, everything, full_record, opened, public

from whoisgate.elements import ELEMENTS, contact_elements
from whoisgate.formats import rdap, whois
from whoisgate.formats.rdap import withheld


def document(record=None, **members):
    """Everything that a record says, as an upstream would send it, with more members."""
    said = json.loads(opened(rdap.encode(everything(record or full_record()), SETTINGS)))
    said.pop("redacted", None)
    return json.dumps(said | members)


def entry(method, *, path=None, key="postPath", **name):
    return {"name": name, "method": method} | ({key: path} if path else {})


def names(elements):
    return {element.name for element in elements}


def held(record):
    return {f"{c.role}.{field}" for c in record.contacts for field in c.values}


CARD = "$.entities[?(@.roles[0]=='registrant')].vcardArray[1]"
DECLARED = [
    (entry("emptyValue", type="Registrant Name"), {"registrant.name"}),
    (entry("removal", type="Tech Phone"), {"tech.phone"}),
    (entry("removal", type="Registry Domain ID"), {"domain.handle"}),
    (entry("removal", type="Registry Registrant ID"), {"registrant.handle"}),
    (entry("replacementValue", description="Administrative Email"), {"admin.email"}),
    (entry("replacementValue", description="  technical EMAIL "), {"tech.email"}),
    (entry("partialValue", description="street", path=f"{CARD}[?(@[0]=='adr')][3][:3]"),
     {"registrant.street"}),
    (entry("emptyValue", description="zip", path=f"{CARD}[?(@[0]=='adr')][3][5]"),
     {"registrant.postal_code"}),
    (entry("emptyValue", description="who", path=f"{CARD}[?(@[0]=='fn')][3]"),
     {"registrant.name"}),
    (entry("removal", description="mail", key="prePath", path=f'{CARD}[?(@[0]=="email")]'),
     {"registrant.email"}),
    (entry("removal", description="Technical Contact"),
     names(contact_elements("tech").values())),
    (entry("removal", description="mails", key="prePath",
           path="$.entities[*].vcardArray[1][?(@[0]=='email')]"),
     {f"{role}.email" for role in ("registrant", "admin", "tech", "billing")}),
    (entry("removal", description="something else"), set()),
    (entry("removal", description="x", path="$.entities[" * 100), set()),
]  # fmt: skip


@pytest.mark.parametrize(("said", "expected"), DECLARED)
def test_serves_no_value_that_the_source_declares_redacted(said, expected):
    record = rdap.decode(document(redacted=[said]))
    assert names(record.withheld) == expected
    assert not held(record) & expected
    plain = {e.name for e in record.values}
    assert not plain & expected
    everything_else = held(rdap.decode(document())) - expected
    assert everything_else <= held(record)


@pytest.mark.parametrize("broken", [None, 7, "x", {}, [7], [{}], [{"name": 7}], [{"name": {}}]])
def test_passes_over_a_redaction_list_that_says_nothing(broken):
    assert withheld.declared(broken) == frozenset()


def contact(*properties, role="registrant", **members):
    card = ["vcard", [["version", {}, "text", "4.0"], *properties]]
    return {"objectClassName": "entity", "roles": [role], "vcardArray": card} | members


def read(*entities):
    return rdap.decode(
        json.dumps({"objectClassName": "domain", "ldhName": "example.com", "entities": entities})
    )


def test_takes_a_placeholder_for_withheld_and_for_no_value():
    record = read(contact(["fn", {}, "text", "REDACTED FOR PRIVACY"], ["org", {}, "text", "X"]))
    assert names(record.withheld) == {"registrant.name"}
    assert held(record) == {"registrant.organization"}


def test_takes_an_element_for_present_when_another_contact_of_the_role_has_it():
    record = read(
        contact(["fn", {}, "text", "Private Person"]), contact(["fn", {}, "text", "Ada Example"])
    )
    assert record.withheld == frozenset()


@pytest.mark.parametrize("word", ["authorization", "AUTHORIZATION"])
def test_takes_what_is_missing_for_withheld_where_a_remark_says_so(word):
    remark = {"type": f"object redacted due to {word}", "description": ["x"]}
    record = read(contact(["fn", {}, "text", "Ada Example"], remarks=[remark]))
    assert "registrant.email" in names(record.withheld)
    assert "registrant.name" not in names(record.withheld)


def test_takes_a_contact_for_no_registrar():
    both = contact(["fn", {}, "text", "Ada Example"])
    both["roles"] = ["registrant", "registrar", "reseller"]
    record = read(both)
    assert record.values == {}
    assert held(record) == {"registrant.name"}


@pytest.mark.parametrize("other", ["regis\0trant", "Registrant", "proxy", "made up", "", 5, None])
def test_takes_nobody_for_a_registrar_who_may_be_a_contact(other):
    both = contact(["fn", {}, "text", "Ada Example"])
    both["roles"] = ["registrar", "reseller", other]
    assert read(both).values == {}
    both["roles"] = ["registrar", "sponsor", "abuse"]
    assert names(read(both).values) == {"registrar.name"}


def redacted(body):
    return json.loads(body)["redacted"]


def of_source(body):
    return [e for e in redacted(body) if e["reason"]["description"] == "Withheld by the source"]


NAME = [entry("emptyValue", type="Registrant Name")]


def test_tells_who_may_see_an_element_that_the_source_withholds_it():
    record = rdap.decode(document(redacted=NAME))
    (said,) = of_source(opened(rdap.encode(everything(record), SETTINGS)))
    assert said["name"] == {"type": "Registrant Name"}
    assert said["method"] == "emptyValue"
    assert said["postPath"] == f"{CARD}[?(@[0]=='fn')][3]"


def test_tells_the_public_nothing_of_what_the_source_withholds_beyond_its_view():
    plain, withholding = rdap.decode(document()), rdap.decode(document(redacted=NAME))
    assert rdap.encode(public(plain), SETTINGS) == rdap.encode(public(withholding), SETTINGS)
    assert whois.encode(public(plain)) == whois.encode(public(withholding))


def test_says_that_an_answer_is_partial_through_both_exits():
    whole = full_record()
    cut = type(whole)(
        whole.name, whole.values, whole.contacts, whole.nameservers, whole.facts, partial=True
    )
    (remark,) = json.loads(rdap.encode(public(cut), SETTINGS))["remarks"]
    assert remark["type"] == "object truncated due to unexplainable reasons"
    assert b"% The source's answer broke off" in whois.encode(public(cut))
    assert "remarks" not in json.loads(rdap.encode(public(whole), SETTINGS))


@pytest.mark.parametrize(
    "url",
    [
        "https://a:b@registrar.example/",
        "https://registrar.example/?name=Ada",
        "https://x.example/#a",
    ],
)
def test_takes_no_registrar_page_that_may_speak_of_one_domain(url):
    link = {"rel": "about", "href": url, "value": url}
    record = read(contact(["fn", {}, "text", "Example"], role="registrar", links=[link]))
    assert ELEMENTS["registrar.rdap_url"] not in record.values
