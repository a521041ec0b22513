"""The one door: `redact` makes a view from a record and a decision, and nothing else does.

A view is built from the allow-list that the decision is; what the decision does not name does
not exist in it. A `PublicView` may be encoded to bytes by anybody. A `GatedView` encodes to
`Sealed`, which opens only with the receipt of a durable log entry that commits to its bytes.

Non-interference: a view depends on nothing but the name, the decision, the facts, the treated
values (that the source withholds one is such a value), and whether the record is partial. A
contact role appears when the decision shows some element of it and the record has the role; a
further contact of the same role appears only where it has a visible value.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b32encode
from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass
from functools import lru_cache
from typing import Final

import orjson

from whoisgate import generalise
from whoisgate.audit.receipt import Receipt
from whoisgate.elements import ELEMENTS, ROLES, Element, Kind, contact_elements
from whoisgate.errors import ReceiptMismatch, ReplacementMissing
from whoisgate.policy.decide import Decision
from whoisgate.policy.model import COUNTRY, Treatment
from whoisgate.records import Record, Value

_DOOR: Final = object()
_MEMO: Final = 4096


@dataclass(frozen=True, slots=True)
class Substitutes:
    """What stands in for a withheld value: the operator's templates and key.

    ``web_form`` or ``alias``, never both, may hold ``{domain}``, ``{role}`` and ``{token}``; the
    token is keyed per domain and role, never per value. Pseudonyms are HMAC-SHA-256 under ``key``.
    """

    key: bytes
    web_form: str | None = None
    alias: str | None = None

    def address(self, name: str, role: str) -> str:
        """The web form's or alias' address; raises `ReplacementMissing` without a template."""
        template = self.web_form or self.alias
        if template is None:
            raise ReplacementMissing("expected a `web_form` or `alias` template under [replace]")
        token = self._token("address", name, role) if "{token}" in template else ""
        return template.format(domain=name, role=role, token=token)

    def pseudonym(self, scope: str, name: str, element: Element, value: str) -> str:
        """A stable stand-in for ``value``: the same within one domain, or everywhere."""
        where = "" if scope == "stable" else name
        return self._token("pseudonym", where, element.field, value)

    def _token(self, *parts: str) -> str:
        message = b"".join(len(p.encode()).to_bytes(4) + p.encode() for p in parts)
        digest = hmac.digest(self.key, message, hashlib.sha256)
        return b32encode(digest[:15]).decode().lower()


@dataclass(frozen=True, slots=True, repr=False)
class ContactView:
    """One contact as it may leave: treated values by field."""

    role: str
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True, repr=False)
class NameserverView:
    """One name server as it may leave."""

    name: str
    ipv4: tuple[str, ...]
    ipv6: tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class View:
    """What may leave of one record. Made by `redact` alone; ``values`` are treated already.

    ``decision`` tells each element's treatment: a withheld element has no value here.
    ``source_withholds`` are elements that the decision shows and the source itself withheld;
    ``partial`` says that the source's answer broke off.
    """

    name: str
    decision: Decision
    values: Mapping[Element, Value]
    contacts: tuple[ContactView, ...]
    nameservers: tuple[NameserverView, ...]
    source_withholds: frozenset[Element] = frozenset()
    partial: bool = False
    door: InitVar[object] = None

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("only redact makes a view")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class PublicView(View):
    """The view that anybody may have."""

    __slots__ = ()


class GatedView(View):
    """A view that differs from the public one; it leaves only with a receipt."""

    __slots__ = ()


class PublicBytes(bytes):
    """A finished public body, made from a `PublicView` alone; the only thing that is cached."""

    __slots__ = ()


class Sealed:
    """A finished body that stays closed until the log has committed to it.

    Made from a gated view, or from a decision alone (a refusal, a pending question), which holds
    no values.
    """

    __slots__ = ("_body", "digest")

    def __init__(self, origin: GatedView | Decision, body: bytes) -> None:
        if not isinstance(origin, GatedView | Decision):
            raise TypeError("only a gated view or a decision is sealed")
        self._body, self.digest = body, hashlib.sha256(body).hexdigest()

    def open(self, receipt: Receipt) -> bytes:
        """The bytes, if ``receipt`` commits to exactly these; raises `ReceiptMismatch`."""
        if not hmac.compare_digest(receipt.body_sha256, self.digest):
            raise ReceiptMismatch(self.digest, receipt.body_sha256)
        return self._body


def redact(record: Record, decision: Decision, substitutes: Substitutes) -> PublicView | GatedView:
    """The view of ``record`` that ``decision`` allows; the only function that makes one.

    Raises `ReplacementMissing` where an address is replaced and no template is configured.
    """
    plan = _plan(decision)
    name, held = record.name, record.values
    values = {e: value for e in plan.released if (value := held.get(e)) is not None}
    for element, treatment in plan.treated:
        raw = held.get(element)
        if raw and (shown := _treat(raw, element, treatment, name, substitutes)):
            values[element] = shown
    contacts: list[ContactView] = []
    for role_plan in plan.roles:
        contacts += _contacts(record, role_plan, substitutes)
    nameservers: tuple[NameserverView, ...] = ()
    if plan.nameservers:
        nameservers = tuple(
            [
                NameserverView(n.name, n.ipv4 if plan.ipv4 else (), n.ipv6 if plan.ipv6 else ())
                for n in record.nameservers
            ]
        )
    kind = GatedView if decision.gated else PublicView
    withheld = record.withheld
    if withheld:
        withheld = frozenset(
            e for e in withheld if decision.releases(e) or _treated(decision.treatment(e))
        )
    return kind(
        name, decision, values, tuple(contacts), nameservers, withheld, record.partial, _DOOR
    )


@dataclass(frozen=True, slots=True)
class _RolePlan:
    """What leaves of the contacts of one role; ``replaced`` names the fields that are replaced."""

    role: str
    released: tuple[str, ...]
    treated: tuple[tuple[str, Element, Treatment], ...]
    replaced: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Plan:
    """A decision in the order in which `redact` walks a record."""

    released: tuple[Element, ...]
    treated: tuple[tuple[Element, Treatment], ...]
    roles: tuple[_RolePlan, ...]
    nameservers: bool
    ipv4: bool
    ipv6: bool


@lru_cache(_MEMO)
def _plan(decision: Decision) -> _Plan:
    plain = {
        e: decision.treatment(e)
        for e in ELEMENTS.values()
        if e.role is None and e.group != "nameserver"
    }
    return _Plan(
        tuple(e for e, t in plain.items() if t.kind is Kind.RELEASE),
        tuple((e, t) for e, t in plain.items() if _treated(t)),
        tuple(plan for role in ROLES if (plan := _role_plan(decision, role))),
        *(decision.releases(ELEMENTS[f"nameserver.{f}"]) for f in ("name", "ipv4", "ipv6")),
    )


def _treated(treatment: Treatment) -> bool:
    """Whether something leaves that is made of the value; of an address part, nothing is."""
    return treatment.kind in {Kind.PSEUDONYM, Kind.GENERALISE} and treatment != COUNTRY


def _role_plan(decision: Decision, role: str) -> _RolePlan | None:
    known = {f: (e, decision.treatment(e)) for f, e in contact_elements(role).items()}
    if all(t.kind is Kind.WITHHOLD for _, t in known.values()):
        return None
    return _RolePlan(
        role,
        tuple(f for f, (_, t) in known.items() if t.kind is Kind.RELEASE),
        tuple((f, e, t) for f, (e, t) in known.items() if _treated(t)),
        tuple(f for f, (_, t) in known.items() if t.kind is Kind.REPLACE),
    )


def _contacts(record: Record, plan: _RolePlan, substitutes: Substitutes) -> list[ContactView]:
    """The contacts of a role with a visible value; one bare contact when none has any.

    Which contacts have nothing to show is as invisible as what they hold.
    """
    role, name = plan.role, record.name
    held = [c.values for c in record.contacts if c.role == role]
    if not held:
        return []
    shown = [v for values in held if (v := _visible(values, plan, name, substitutes))] or [{}]
    for field in plan.replaced:
        # Constant per domain and role, whether or not the record has an address.
        shown[0][field] = substitutes.address(name, role)
    return [ContactView(role, values) for values in shown]


def _visible(
    held: Mapping[str, Value], plan: _RolePlan, name: str, substitutes: Substitutes
) -> dict[str, Value]:
    values = {field: value for field in plan.released if (value := held.get(field))}
    for field, element, treatment in plan.treated:
        value = held.get(field)
        if value and (shown := _treat(value, element, treatment, name, substitutes)):
            values[field] = shown
    return values


def _treat(
    value: Value, element: Element, treatment: Treatment, name: str, substitutes: Substitutes
) -> Value | None:
    """What leaves of one value, or None for nothing."""
    parts = value if isinstance(value, tuple) else (value,)
    if treatment.kind is Kind.PSEUDONYM:
        # A list has a length; its stand-in is one text, so that the length stays unknown.
        whole = "\x1f".join(parts)
        texts = [substitutes.pseudonym(treatment.parameter, name, element, whole)]
    elif generalised := _GENERALISED.get(treatment):
        texts = sorted({text for part in parts if (text := generalised(part))})
    else:
        raise TypeError(f"no treatment {treatment} for {element}")
    return tuple(texts) if element.many else next(iter(texts), None)


_GENERALISED: Final[Mapping[Treatment, Callable[[str], str | None]]] = {
    Treatment(Kind.GENERALISE, "year"): generalise.year,
    Treatment(Kind.GENERALISE, "area"): generalise.area,
}


def digest(view: View) -> str:
    """SHA-256 (hex) over the name and every treated value of a view, in one canonical form."""
    parts: list[object] = [
        view.name,
        {e.name: v for e, v in view.values.items()},
        [[c.role, dict(c.values)] for c in view.contacts],
        [[n.name, n.ipv4, n.ipv6] for n in view.nameservers],
    ]
    if view.source_withholds or view.partial:
        parts.append([sorted(e.name for e in view.source_withholds), view.partial])
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()
