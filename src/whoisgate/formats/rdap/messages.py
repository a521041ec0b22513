"""RDAP answers that hold no record: refusals, questions that wait for approval, errors, help.

Equal decisions give equal bytes: nothing here ever sees a record or a view.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import orjson

from whoisgate.elements import ELEMENTS, Element, Kind
from whoisgate.formats.rdap.frame import (
    BASE_CONFORMANCE,
    ICANN_CONFORMANCE,
    REDACTED_CONFORMANCE,
    Notice,
    Settings,
    notice,
    notices,
)
from whoisgate.policy.decide import Decision, Outcome
from whoisgate.policy.explain import Reason, sentence

_DISCLOSURE: Final = (
    "A domain's answer is the public view. A question beyond it needs a credential and a "
    "Disclosure-Request header with purpose, basis, case and elements; every answer to one is "
    "logged, with who asked. A token or a parameter that forbids that is refused."
)
FARV1_CONFORMANCE: Final = "farv1"
"""Federated login (RFC 9560), in answers that have its members."""

_FARV1: Final = {
    "tokenClientSupported": True,
    "dntSupported": False,
    "providerDiscoverySupported": False,
    "implicitTokenRefreshSupported": False,
}
"""What of RFC 9560 is supported; members that are left out would say something else (§4.1)."""


class Provider(NamedTuple):
    """An identity provider whose tokens are believed; ``name`` is the authority's."""

    iss: str
    name: str
    default: bool = False


def encode_refusal(decision: Decision, reasons: Mapping[Element, Reason]) -> bytes:
    """The answer to a question that releases nothing: 403, or 202 when approval would do.

    One line for each element that was asked for, in registry order (RFC 9083 §6).
    """
    asked = [e for e in ELEMENTS.values() if e in decision.asked]
    lines = [_why_not(reasons[element]) for element in asked]
    if decision.outcome is Outcome.NEEDS_APPROVAL:
        told = notice("Approval needed", ["These elements need approval before release.", *lines])
        return orjson.dumps({"rdapConformance": BASE_CONFORMANCE, "notices": [told]})
    return _error(403, "Disclosure refused", lines or ["The question names no elements."])


def _why_not(reason: Reason) -> str:
    """Why a question releases no more of an element than it does."""
    if reason.treatment.kind is Kind.WITHHOLD:
        return sentence(reason)
    return f"{sentence(reason)}: no more than the public view shows"


def encode_error(status: int, title: str, code: str, description: list[str]) -> bytes:
    """An error answer (RFC 9083 §6); ``code`` is the stable number that its text begins with."""
    first, *rest = description or [title]
    return _error(status, title, [f"{code}: {first}", *rest])


def encode_help(
    settings: Settings,
    providers: Sequence[Provider] = (),
    more: Sequence[Notice] = (),
    *,
    sessions: bool = False,
) -> bytes:
    """The help answer (RFC 9083 §7): everything supported, and the operator's notices.

    ``providers``, at most one of them the default, are who signs tokens in (RFC 9560 §4.1);
    without any, nobody can be, and no word of it stands there. ``sessions``: people can sign in
    here, at a provider that they name.
    """
    value = f"{settings.base_url}help"
    profile = ICANN_CONFORMANCE if settings.icann_profile else ()
    federated = (FARV1_CONFORMANCE,) if providers else ()
    said: dict[str, object] = {
        "rdapConformance": [*BASE_CONFORMANCE, REDACTED_CONFORMANCE, *profile, *federated],
        "notices": [
            *notices(settings, value, profiled=settings.icann_profile),
            notice("Disclosure", [_DISCLOSURE]),
            *more,
        ],
    }
    if providers:
        said["farv1_openidcConfiguration"] = {
            **_FARV1,
            "sessionClientSupported": sessions,
            "issuerIdentifierSupported": sessions,
            "openidcProviders": [each._asdict() for each in providers],
        }
    return orjson.dumps(said)


def encode_session(title: str, lines: Sequence[str], **members: Mapping[str, object]) -> bytes:
    """The answer about a session (RFC 9560 §5.1); ``members`` are ``farv1_session`` and others."""
    federated = (FARV1_CONFORMANCE,) if members else ()
    told = {"rdapConformance": [*BASE_CONFORMANCE, *federated], "notices": [notice(title, lines)]}
    return orjson.dumps(told | members)


def _error(status: int, title: str, lines: Sequence[str]) -> bytes:
    return orjson.dumps(
        {
            "rdapConformance": BASE_CONFORMANCE,
            "errorCode": status,
            "title": title,
            "description": lines,
        }
    )
