"""What surrounds the data of an RDAP answer: settings, conformance, links and notices.

All of it is constant for the settings, but for the request's own address, which ICANN's profile
wants as the ``value`` of every link.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from whoisgate.errors import MalformedConfig
from whoisgate.policy.decide import tld_group

BASE_CONFORMANCE: Final = ("rdap_level_0",)
REDACTED_CONFORMANCE: Final = "redacted"
ICANN_CONFORMANCE: Final = (
    "icann_rdap_response_profile_1",
    "icann_rdap_technical_implementation_guide_1",
)
"""ICANN's profile of February 2024 (v2.2), for names under gTLDs."""

Notice = Mapping[str, object]
Link = Mapping[str, object]
Address = str | orjson.Fragment
"""A web address, or the place in a template where one goes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator says about RDAP answers.

    ``base_url`` ends in a slash; links are built from it and never from a request. ``port43`` is
    the operator's own WHOIS host. ``icann_profile`` adds ICANN's conformance and notices to
    answers about names under gTLDs.
    """

    base_url: str
    terms_url: str
    port43: str | None = None
    icann_profile: bool = True

    def __post_init__(self) -> None:
        for url in (self.base_url, self.terms_url):
            if not url.startswith(("https://", "http://")) or not url.isprintable():
                raise MalformedConfig("expected an http or https URL for RDAP links")
        if not self.base_url.endswith("/"):
            raise MalformedConfig("expected a base URL that ends in `/`")

    def address(self, name: str) -> str:
        """The address of a domain's answer."""
        return f"{self.base_url}domain/{name}"

    def profiled(self, name: str) -> bool:
        """Whether ICANN's profile holds for this name."""
        return self.icann_profile and tld_group(name) == "gtld"


def notice(title: str, lines: Sequence[str], *links: Link) -> Notice:
    """One notice (RFC 9083 §4.3)."""
    said: dict[str, object] = {"title": title, "description": list(lines)}
    if links:
        said["links"] = list(links)
    return said


def link(value: Address, rel: str, href: Address, media_type: str = "text/html") -> Link:
    """One link (RFC 9083 §4.2); ``value`` is the request's address."""
    return {"value": value, "rel": rel, "href": href, "type": media_type}


def notices(settings: Settings, value: Address, *, profiled: bool) -> list[Notice]:
    """The notices of an answer, as ICANN's profile words them (§2.6.3, §2.10; guide §3.3)."""
    found = [
        notice(
            "Terms of Service",
            ["This service is subject to terms of service."],
            link(value, "terms-of-service", settings.terms_url),
        )
    ]
    if profiled:
        found += [
            notice(
                "Status Codes",
                ["For more information on domain status codes, please visit https://icann.org/epp"],
                link(value, "glossary", "https://icann.org/epp"),
            ),
            notice(
                "RDDS Inaccuracy Complaint Form",
                ["URL of the ICANN RDDS Inaccuracy Complaint Form: https://icann.org/wicf"],
                link(value, "help", "https://icann.org/wicf"),
            ),
        ]
    return found


def frame(
    settings: Settings, conformance: Sequence[str], value: Address, *, profiled: bool
) -> dict[str, object]:
    """The members of a domain's answer that are no data: links, notices, conformance.

    ``profiled``: the answer is under ICANN's profile.
    """
    said: dict[str, object] = {
        "links": [link(value, "self", value, "application/rdap+json")],
        "notices": notices(settings, value, profiled=profiled),
        "rdapConformance": [*conformance, *(ICANN_CONFORMANCE if profiled else ())],
    }
    if settings.port43 is not None:
        said["port43"] = settings.port43
    return said
