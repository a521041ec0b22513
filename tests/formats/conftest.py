"""One policy of the usual shape, one full record, and views of it."""

from tests.conftest import NOW

from whoisgate.elements import CONTACT_FIELDS, ELEMENTS, ROLES, Kind
from whoisgate.errors import WhoisgateError
from whoisgate.formats import rdap
from whoisgate.policy.decide import edition
from whoisgate.policy.model import RELEASE, Atom, Policy, Rule, Treatment
from whoisgate.queries import PUBLIC, Assurance, Question, Requester, RequesterClass
from whoisgate.records import Facts, Nameserver, Record
from whoisgate.redact import Substitutes, redact

SETTINGS = rdap.Settings(
    "https://rdap.registrar.example/", "https://registrar.example/terms", "whois.registrar.example"
)
WEB_FORM = Substitutes(
    b"k" * 32, web_form="https://registrar.example/contact?domain={domain}&role={role}"
)
ALIAS = Substitutes(b"k" * 32, alias="{token}@relay.example")

PLAIN = frozenset(e for e in ELEMENTS.values() if e.role is None and e.name != "domain.handle")
OFFICER = Requester("Police of Example", "7", RequesterClass.LAW_ENFORCEMENT, Assurance.HIGH)


def of(*names):
    return frozenset(ELEMENTS[name] for name in names)


def rule(number, treatment, elements, *when):
    return Rule(f"R{number}", "grant", treatment, elements, when)


def edition_of(*rules):
    return edition(Policy("made-up", "1", "", "d" * 64, rules), NOW)


ICANN = edition_of(
    rule(1, RELEASE, PLAIN),
    rule(2, RELEASE, of("registrant.country", "registrant.state")),
    rule(3, Treatment(Kind.REPLACE), of("registrant.email", "tech.email")),
    rule(
        4,
        RELEASE,
        of("registrant.organization"),
        Atom("organization_consent", frozenset({"true"})),
    ),
    rule(
        5,
        RELEASE,
        frozenset(ELEMENTS.values()),
        Atom("requester", frozenset({"law_enforcement"})),
    ),
)
"""The usual shape: registrant and tech appear, admin and billing are withheld whole."""


def full_elements(mark=""):
    """A value for every element that has one; ``mark`` stands in each withheld contact value."""
    values = {
        "domain.handle": f"D1{mark}-EXAMPLE",
        "domain.created": "2001-02-03T04:05:06Z",
        "domain.updated": "2025-01-01T00:00:00Z",
        "domain.expires": "2030-02-03T04:05:06Z",
        "domain.registrar_expires": "2030-02-03T04:05:07Z",
        "domain.transferred": "2010-10-10T10:10:10Z",
        "domain.rdds_updated": "2026-11-23T00:00:00Z",
        "domain.status": ["clientTransferProhibited", "ok"],
        "registrar.name": "Example Registrar, Inc.",
        "registrar.iana_id": "9999",
        "registrar.url": "https://registrar.example/",
        "registrar.whois_server": "whois.registrar.example",
        "registrar.rdap_url": "https://rdap.registrar.example/",
        "registrar.abuse_email": "abuse@registrar.example",
        "registrar.abuse_phone": "+1.5555550199",
        "reseller.name": "Example Reseller",
        "dnssec.signed": "signedDelegation",
        "dnssec.ds": ["12345 13 2 " + "AB" * 32],
    }
    for number, role in enumerate(ROLES):
        values |= {
            f"{role}.handle": f"C{number}{mark}-EXAMPLE",
            f"{role}.name": f"Ada {role.title()}{mark}",
            f"{role}.organization": f"Works of {role.title()}{mark}",
            f"{role}.street": [f"1 Sample Street{mark}", f"Rear Building {role}"],
            f"{role}.city": f"Sampletown{mark}",
            f"{role}.state": "Sample State",
            f"{role}.postal_code": f"00000{mark}",
            f"{role}.country": "NL",
            f"{role}.phone": [f"+1.555555010{number}", f"+1.555555011{number}"],
            f"{role}.phone_ext": f"4{number}",
            f"{role}.fax": [f"+1.555555012{number}"],
            f"{role}.fax_ext": f"5{number}",
            f"{role}.email": [f"{role}{mark}@person.example", f"second-{role}@person.example"],
        }
    return values


NAMESERVERS = (
    Nameserver("ns1.example.com", ("192.0.2.1", "192.0.2.2"), ("2001:db8::1",)),
    Nameserver("ns2.example.net"),
)


def full_record(name="example.com", *, mark="", facts=None):
    return Record.of(name, full_elements(mark), nameservers=NAMESERVERS, facts=facts or Facts())


def public(record, substitutes=WEB_FORM, rules=ICANN):
    """The public view."""
    return redact(record, rules.decide(Question(record.name), PUBLIC, record.facts), substitutes)


def gated(record, names, substitutes=WEB_FORM, rules=ICANN):
    """The view of an officer who asks for ``names``."""
    question = Question.of(record.name, elements=names)
    return redact(record, rules.decide(question, OFFICER, record.facts), substitutes)


def everything(record):
    """The view that withholds nothing."""
    return gated(record, list(ELEMENTS))


def complaint(read, text):
    """What ``read`` says against ``text``, or nothing; any error but ours is raised."""
    try:
        read(text)
    except WhoisgateError as error:
        return str(error)
    return ""


def opened(sealed):
    """The bytes of a sealed body, read past its seal."""
    return sealed._body


assert set(full_elements()) | {"nameserver.name", "nameserver.ipv4", "nameserver.ipv6"} == set(
    ELEMENTS
)
assert set(CONTACT_FIELDS) == {e.field for e in ELEMENTS.values() if e.role == "registrant"}
