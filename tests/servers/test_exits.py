"""One corpus of record, requester and expected view through library, HTTP and port 43."""

from dataclasses import replace

import httpx2
import pytest
from tests.conftest import NOW, PURPOSE
from tests.identity.tokens import ISSUERS, bearing
from tests.servers.conftest import TOKEN, serving

from whoisgate.errors import CredentialRequired
from whoisgate.formats.disclosure_request import DisclosureRequest, serialise
from whoisgate.gate import Gate
from whoisgate.identity.bearer import Bearer
from whoisgate.policy.decide import Outcome
from whoisgate.queries import PUBLIC
from whoisgate.records import Facts, Record
from whoisgate.sources.memory import MemorySource

CONTACT = {
    "registrant.name": "Ada Example",
    "registrant.organization": "Example Works",
    "registrant.country": "NL",
    "registrant.email": "ada@person.example",
    "registrant.phone": "+1.5555550100",
}
RECORDS = {
    "closed.example": Record.of("closed.example", CONTACT),
    "open.example": Record.of("open.example", CONTACT, facts=Facts(organization_consent=True)),
    "bare.example": Record.of("bare.example", {"domain.created": "2020-01-02T03:04:05Z"}),
}
PUBLICLY = {
    "closed.example": {"NL"},
    "open.example": {"NL", "Example Works"},
    "bare.example": set(),
}
WHY = DisclosureRequest(PURPOSE, "national_order", "2026-114")
STATUS = {Outcome.RELEASED: 200, Outcome.REFUSED: 403, Outcome.NEEDS_APPROVAL: 202}

# (domain, question or None, outcome, the contact values that are seen)
CORPUS = [
    *((name, None, Outcome.RELEASED, seen) for name, seen in PUBLICLY.items()),
    ("closed.example", WHY, Outcome.RELEASED, {"NL", "Ada Example"}),
    ("open.example", WHY, Outcome.RELEASED, {"NL", "Example Works", "Ada Example"}),
    ("closed.example", replace(WHY, elements=("registrant.email",)), Outcome.RELEASED,
     {"NL", "ada@person.example"}),
    ("closed.example", replace(WHY, elements=("registrant.name", "registrant.phone")),
     Outcome.RELEASED, {"NL", "Ada Example"}),
    ("closed.example", replace(WHY, case=None), Outcome.REFUSED, set()),
    ("closed.example", replace(WHY, basis="court_order"), Outcome.REFUSED, set()),
    ("closed.example", replace(WHY, elements=("tech.email",)), Outcome.REFUSED, set()),
    ("closed.example", replace(WHY, elements=("registrant.phone",)), Outcome.NEEDS_APPROVAL, set()),
]  # fmt: skip


@pytest.fixture
def exits(make):
    service = make(source=MemorySource(RECORDS.values()))
    library = Gate(service.gate._middle.settings, service.source, service.log, lambda: NOW)
    with serving(service) as addresses, httpx2.Client(base_url=addresses.rdap) as http:
        yield library, http, addresses


def seen(body):
    return {value for value in CONTACT.values() if value.encode() in body}


def told(words):
    members = {n: getattr(words, n) for n in ("purpose", "basis", "case", "elements", "urgency")}
    return {name: value for name, value in members.items() if value is not None}


def test_shows_the_same_view_through_every_exit(exits):
    library, http, addresses = exits
    officer = Bearer(ISSUERS).authenticate(bearing(TOKEN), NOW)
    for name, words, outcome, expected in CORPUS:
        if words is None:
            answer = library.ask(name)
            reply = http.get(f"/domain/{name}")
            line = addresses.raw("whois", f"{name}\r\n".encode())
            assert line == library.public(name, "whois")
            assert seen(line) == expected, name
        else:
            answer = library.ask(name, requester=officer, **told(words))
            headers = {"Authorization": f"Bearer {TOKEN}", "Disclosure-Request": serialise(words)}
            reply = http.get(f"/domain/{name}", headers=headers)
        assert answer.outcome is outcome
        assert reply.status_code == STATUS[outcome]
        assert reply.content == answer.body
        assert seen(reply.content) == expected, (name, words)


def test_asks_strangers_for_a_credential_through_every_exit(exits):
    library, http, _ = exits
    with pytest.raises(CredentialRequired):
        library.ask("closed.example", requester=PUBLIC, **told(WHY))
    reply = http.get("/domain/closed.example", headers={"Disclosure-Request": serialise(WHY)})
    assert reply.status_code == 401
