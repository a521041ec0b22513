"""The words that RDAP uses for what the registry of elements names otherwise.

Roles (RFC 9083 §10.2.4), event actions (§10.2.3) and statuses (RFC 8056, RFC 9083 §10.2.2).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from whoisgate.elements import ELEMENTS

ROLES: Final = MappingProxyType(
    {
        "registrant": "registrant",
        "admin": "administrative",
        "tech": "technical",
        "billing": "billing",
    }
)
"""Our contact roles in RDAP's words."""

CONTACT_ROLES: Final = MappingProxyType({word: role for role, word in ROLES.items()})
"""RDAP's words for our contact roles."""

FIRM_ROLES: Final = frozenset({"registrar", "reseller", "sponsor", "abuse", "notifications", "noc"})
"""Roles beside which nobody is a person of the domain; the others, and unknown ones, may be."""

EVENTS: Final = MappingProxyType(
    {
        ELEMENTS["domain.created"]: "registration",
        ELEMENTS["domain.updated"]: "last changed",
        ELEMENTS["domain.expires"]: "expiration",
        ELEMENTS["domain.registrar_expires"]: "registrar expiration",
        ELEMENTS["domain.transferred"]: "transfer",
        ELEMENTS["domain.rdds_updated"]: "last update of RDAP database",
    }
)
"""Our dates as event actions, in output order."""

EVENT_ELEMENTS: Final = MappingProxyType(
    {word.lower(): element for element, word in EVENTS.items()}
)
"""The element that an event action dates; actions in lower case."""

STATUSES: Final = MappingProxyType(
    {
        "addPeriod": "add period",
        "autoRenewPeriod": "auto renew period",
        "clientDeleteProhibited": "client delete prohibited",
        "clientHold": "client hold",
        "clientRenewProhibited": "client renew prohibited",
        "clientTransferProhibited": "client transfer prohibited",
        "clientUpdateProhibited": "client update prohibited",
        "inactive": "inactive",
        "linked": "associated",
        "ok": "active",
        "pendingCreate": "pending create",
        "pendingDelete": "pending delete",
        "pendingRenew": "pending renew",
        "pendingRestore": "pending restore",
        "pendingTransfer": "pending transfer",
        "pendingUpdate": "pending update",
        "redemptionPeriod": "redemption period",
        "renewPeriod": "renew period",
        "serverDeleteProhibited": "server delete prohibited",
        "serverHold": "server hold",
        "serverRenewProhibited": "server renew prohibited",
        "serverTransferProhibited": "server transfer prohibited",
        "serverUpdateProhibited": "server update prohibited",
        "transferPeriod": "transfer period",
    }
)
"""EPP statuses as RDAP statuses (RFC 8056 §2)."""

_RDAP_ALONE = (
    "administrative",
    "delete prohibited",
    "locked",
    "obscured",
    "private",
    "proxy",
    "removed",
    "renew prohibited",
    "reserved",
    "transfer prohibited",
    "update prohibited",
    "validated",
)

STATUS_NAMES: Final = MappingProxyType(
    {word: name for name, word in STATUSES.items()} | {word: word for word in _RDAP_ALONE}
)
"""Registered RDAP statuses as EPP names; those that EPP has no word for stay as they are."""
