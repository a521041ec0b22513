"""Made-up people and one small policy, shared by all tests."""

import os
from datetime import UTC, datetime

import pytest
from hypothesis import settings

import whoisgate as wg
from whoisgate.policy.load import load_text

settings.register_profile("default", deadline=None)
settings.register_profile("soak", deadline=None, max_examples=100_000)
SOAK = bool(os.environ.get("WHOISGATE_SOAK"))
settings.load_profile("soak" if SOAK else "default")
PAIRS = int(os.environ.get("WHOISGATE_PAIRS", "1000000" if SOAK else "2000"))
"""Pairs of records that each exit answers alike."""
MUTATIONS = int(os.environ.get("WHOISGATE_MUTATIONS", "100000" if SOAK else "2000"))
"""Alterations of logs, receipts, evidence, proofs and vaults, each of which is noticed."""

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PURPOSE = "criminalInvestigationAndDNSAbuseMitigation"

POLICY = """\
whoisgate: 1
policy: small
version: "1"
elements: 1
reveals:
  public: [contact_roles, organization_consent]
  law_enforcement: [contact_roles, organization_consent]
defaults:
  criminalInvestigationAndDNSAbuseMitigation: [registrant.name]
rules:
  - id: OPEN
    grant: release
    elements: [domain.*, registrar.*, nameserver.*, dnssec.*, reseller.*]
  - id: PLACE
    grant: release
    elements: [registrant.country, registrant.state]
    law: LAW
  - id: RELAY
    grant: replace
    elements: [registrant.email]
    law: LAW
  - id: ORG
    grant: release
    elements: [registrant.organization]
    when: {organization_consent: true}
    law: LAW
  - id: ORDER
    grant: release
    elements: [registrant.name, registrant.email]
    when: {requester: law_enforcement, assurance: high, basis: national_order, case: given}
    obligations: [{do: notify_registrant, after: 90d}]
    law: LAW
  - id: APPROVED
    grant: release
    elements: [registrant.*]
    when: {requester: law_enforcement, assurance: high, basis: national_order, case: given,
           approval: granted}
    law: LAW
invariants:
  - id: I1
    never: release
    elements: [registrant.email]
    when: {requester: public}
""".replace(
    "LAW",
    "[{instrument: made-up, article: '1', status: in_force, source: a test, checked: 2026-11-23}]",
)


@pytest.fixture(scope="session")
def policy():
    return load_text(POLICY, "small.yaml")


@pytest.fixture
def officer() -> wg.Requester:
    return wg.Requester(
        "Police of Example",
        "officer-7",
        wg.RequesterClass.LAW_ENFORCEMENT,
        wg.Assurance.HIGH,
        purposes=frozenset(wg.Purpose),
        bases=frozenset(wg.LegalBasis),
        jurisdiction=wg.Jurisdiction.SAME_COUNTRY,
    )


@pytest.fixture
def record() -> wg.Record:
    return wg.Record.of(
        "example.com",
        {
            "domain.created": "2020-01-02T03:04:05Z",
            "domain.status": ["clientTransferProhibited"],
            "registrar.name": "Example Registrar",
            "registrant.handle": "C-1",
            "registrant.name": "Ada Example",
            "registrant.organization": "Example Works",
            "registrant.street": ["1 Sample Street", "Rear Building"],
            "registrant.city": "Sampletown",
            "registrant.state": "Sample State",
            "registrant.postal_code": "00000",
            "registrant.country": "NL",
            "registrant.phone": "+1.5555550100",
            "registrant.email": "ada@person.example",
            "tech.name": "Tom Technician",
        },
        nameservers=["ns1.example.net", "ns2.example.net"],
        source="test",
        version="7",
    )
