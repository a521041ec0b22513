"""The words of the policy language in phrases that a registrant understands. Data, no logic.

`ATTRIBUTE` has for each attribute how a condition on it reads, `BUT` how a condition reads that
names only what is excluded, `WORD` each word, and `TOGETHER` sets of words that have a phrase of
their own. `plain` puts sentences together from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from whoisgate.elements import Kind

ATTRIBUTE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "requester": "{}",
        "assurance": "proved with {} assurance",
        "purpose": "asking in order to {}",
        "basis": "relying on {}",
        "jurisdiction": "from {}",
        "urgency": "stating {}",
        "case": "{}",
        "approval": "{}",
        "registrant_kind": "the registrant is {}",
        "publish_consent": "the registrant {} to publication",
        "organization_consent": "the registrant {} to the organization being shown",
        "disclose": "the registrant's own flag {}",
        "region": "the registrant is {}",
        "privacy_service": "the registrant is {} a privacy service",
        "tld_group": "the domain is under a {} TLD",
    }
)
BUT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "requester": "any known requester but {}",
        "assurance": "proved with any assurance but {}",
        "purpose": "asking for any purpose but to {}",
        "basis": "relying on any basis but {}",
        "jurisdiction": "from anywhere but {}",
        "urgency": "stating any ground but {}",
    }
)
WORD: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "requester": {
            "public": "the public",
            "law_enforcement": "law enforcement",
            "government_other": "another public authority",
            "cybersecurity": "a security researcher or firm",
            "ip_rights": "a holder of trademarks or other rights",
            "consumer_protection": "a consumer protection body",
            "csirt": "a computer emergency team (CSIRT)",
            "court": "a court",
            "dispute_provider": "a provider of domain dispute resolution",
            "data_protection_authority": "a data protection authority",
            "registrant_self": "the registrant",
            "other": "a requester of no listed kind",
        },
        "assurance": {"none": "no", "low": "low", "substantial": "substantial", "high": "high"},
        "purpose": {
            "domainNameControl": "manage a domain of one's own",
            "personalDataProtection": "protect personal data",
            "technicalIssueResolution": "solve a technical problem",
            "domainNameCertification": "certify a domain",
            "individualInternetUse": "know whom one deals with on the Internet",
            "businessDomainNamePurchaseOrSale": "buy or sell a domain",
            "academicPublicInterestDNSResearch": "do research in the public interest",
            "legalActions": "take legal action",
            "regulatoryAndContractEnforcement": "enforce regulation or a contract",
            "criminalInvestigationAndDNSAbuseMitigation": "investigate crime or stop abuse",
            "dnsTransparency": "learn who is behind a domain",
        },
        "basis": {
            "national_order": "an order under national law",
            "court_order": "a court order",
            "convention_article_18": "Article 18 of the Convention on Cybercrime",
            "second_protocol_article_6": "Article 6 of the Second Protocol to that Convention",
            "e_evidence_order": "a European order for electronic evidence",
            "emergency": "an emergency",
            "nis2_article_28": "Article 28 of the NIS 2 Directive",
            "icann_rdp_10": "section 10 of ICANN's Registration Data Policy",
            "statutory_task": "a task given by statute",
            "dispute_proceeding": "a dispute proceeding",
            "legitimate_interest": "a legitimate interest",
            "data_subject": "the rights of the person concerned",
        },
        "jurisdiction": {
            "same_country": "the operator's own country",
            "eu": "the European Union",
            "convention_party": "a party to the Convention on Cybercrime",
            "other": "any other country",
        },
        "urgency": {
            "none": "no urgency",
            "life": "a threat to life",
            "bodily_injury": "a threat of serious injury",
            "critical_infrastructure": "a threat to critical infrastructure",
            "child_exploitation": "the exploitation of a child",
        },
        "case": {"given": "with a case number", "absent": "without a case number"},
        "approval": {
            "none": "without approval",
            "standing": "approved in advance by the operator",
            "granted": "after a person approved this very request",
        },
        "registrant_kind": {
            "natural": "a natural person",
            "legal": "a company or other legal person",
            "unspecified": "of a kind that nobody recorded",
        },
        "publish_consent": {"true": "agreed", "false": "did not agree"},
        "organization_consent": {"true": "agreed", "false": "did not agree"},
        "disclose": {"absent": "says nothing", "allow": "allows it", "deny": "forbids it"},
        "region": {"eea": "in the European Economic Area", "other": "outside the EEA"},
        "privacy_service": {"true": "behind", "false": "not behind"},
        "tld_group": {"gtld": "generic", "cctld": "country-code"},
    }
)
TOGETHER: Final[Mapping[tuple[str, frozenset[str]], str]] = MappingProxyType(
    {
        ("approval", frozenset({"standing", "granted"})): "after approval",
        ("requester", frozenset(WORD["requester"])): "everybody",
        ("requester", frozenset(WORD["requester"]) - {"public"}): "any known requester",
        ("assurance", frozenset({"low", "substantial", "high"})): "whose identity is proved",
        ("urgency", frozenset(WORD["urgency"]) - {"none"}): "stating an urgent ground",
    }
)

REQUESTER: Final[Mapping[str, str]] = MappingProxyType(
    {
        "public": "The public",
        "law_enforcement": "Law enforcement",
        "government_other": "Other authority",
        "cybersecurity": "Security researcher",
        "ip_rights": "Rights holder",
        "consumer_protection": "Consumer protection",
        "csirt": "CSIRT",
        "court": "Court",
        "dispute_provider": "Dispute provider",
        "data_protection_authority": "Data protection authority",
        "registrant_self": "The registrant",
        "other": "Any other",
    }
)
"""Classes of requesters as headings."""

GROUP: Final[Mapping[str, str]] = MappingProxyType(
    {
        "domain": "Domain",
        "registrar": "Registrar",
        "reseller": "Reseller",
        "nameserver": "Name servers",
        "dnssec": "DNSSEC",
        "registrant": "Registrant",
        "admin": "Administrative contact",
        "tech": "Technical contact",
        "billing": "Billing contact",
    }
)
"""Groups of elements as headings."""

FACT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "contact_roles": "which contacts there are",
        "registrant_kind": "whether the registrant is a person or a company",
        "publish_consent": "whether the registrant agreed to publication",
        "organization_consent": "whether the registrant agreed to the organization being shown",
        "disclose": "what the registrant's own flags say",
        "region": "where the registrant is",
        "privacy_service": "whether a privacy service stands in",
    }
)
"""What an answer can give away besides its values."""

TREATMENT: Final[Mapping[tuple[Kind, str], str]] = MappingProxyType(
    {
        (Kind.WITHHOLD, ""): "does not see it",
        (Kind.REPLACE, ""): "sees a contact form or a forwarding address in its place",
        (Kind.PSEUDONYM, "domain"): "sees a stand-in for it, another one for each domain",
        (Kind.PSEUDONYM, "stable"): "sees a stand-in for it, the same one for all domains",
        (Kind.GENERALISE, "year"): "sees its year alone",
        (Kind.GENERALISE, "country"): "sees its country alone",
        (Kind.GENERALISE, "area"): "sees its area code alone",
        (Kind.RELEASE, ""): "sees it whole",
    }
)
SEEN: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        Kind.WITHHOLD: "withheld",
        Kind.REPLACE: "replaced by a contact form or a forwarding address",
        Kind.PSEUDONYM: "replaced by a stand-in",
        Kind.GENERALISE: "shown less exactly",
        Kind.RELEASE: "shown whole",
    }
)
DUTY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "notify_registrant": "The registrant is told after {}.",
        "review_disclosure": "The disclosure is reviewed after {}.",
        "notify_authority": "The authority is told after {}.",
    }
)
INSTRUMENT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "icann-rdp": "ICANN Registration Data Policy",
        "gdpr": "GDPR",
        "nis2": "NIS 2 Directive",
        "ets-185": "Convention on Cybercrime",
        "cets-224": "Second Protocol to the Convention on Cybercrime",
        "e-evidence": "e-Evidence Regulation",
    }
)
"""Names of laws; one that is not here is shown as the policy names it."""
STATUS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "in_force": "in force",
        "adopted": "adopted, not yet in force",
        "dormant": "dormant",
        "draft": "a draft",
        "not_in_force": "not in force",
        "unchecked": "not checked",
    }
)
