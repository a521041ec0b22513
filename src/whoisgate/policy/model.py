"""The policy language as data: attributes, atoms, rules, `Policy`.

Every attribute is a closed enumeration of words, so that a policy can be compiled, proved and
compared exactly. An attribute's value is one of its words, or None for unknown. Nothing here
evaluates; `decide` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal, Self

from whoisgate.elements import Element, Kind
from whoisgate.errors import Position
from whoisgate.queries import (
    Assurance,
    Jurisdiction,
    LegalBasis,
    Purpose,
    RequesterClass,
    Urgency,
)
from whoisgate.records import Region, RegistrantKind

LANGUAGE_VERSION: Final = 1

_BOOLEAN = ("true", "false")
ATTRIBUTES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "requester": tuple(RequesterClass),
        "assurance": tuple(Assurance),
        "purpose": tuple(Purpose),
        "basis": tuple(LegalBasis),
        "jurisdiction": tuple(Jurisdiction),
        "urgency": tuple(Urgency),
        "case": ("given", "absent"),
        "approval": ("none", "standing", "granted"),
        "registrant_kind": tuple(RegistrantKind),
        "publish_consent": _BOOLEAN,
        "organization_consent": _BOOLEAN,
        "disclose": ("absent", "allow", "deny"),
        "region": tuple(Region),
        "privacy_service": _BOOLEAN,
        "tld_group": ("gtld", "cctld"),
    }
)
"""Every attribute and its words, in the order of a context.

``requester`` to ``approval`` come from question and credential, the rest are facts.
``disclose`` is the EPP flag of the element being decided: it belongs to that element alone.
"""

QUESTION_ATTRIBUTES: Final = tuple(ATTRIBUTES)[:8]
FACT_ATTRIBUTES: Final = tuple(ATTRIBUTES)[8:]
ANONYMOUS_ATTRIBUTES: Final[Mapping[str, str | None]] = MappingProxyType(
    {
        "requester": "public",
        "assurance": "none",
        "purpose": None,
        "basis": None,
        "jurisdiction": None,
        "urgency": "none",
        "case": "absent",
        "approval": "none",
    }
)
"""What the anonymous public, asking for a name alone, is known to be."""

DUTIES: Final = ("notify_registrant", "review_disclosure", "notify_authority")
"""What an obligation can demand; each is discharged by being scheduled."""

STATUSES: Final = ("in_force", "adopted", "dormant", "draft", "not_in_force", "unchecked")


@dataclass(frozen=True, slots=True)
class Treatment:
    """What happens to one element; ``parameter`` says how (``year``, ``domain`` …)."""

    kind: Kind
    parameter: str = ""
    strength: tuple[int, int] = field(init=False, repr=False, compare=False)
    """The total order of treatments, least disclosing first; no parameter is the default."""

    def __post_init__(self) -> None:
        known = PARAMETERS.get(self.kind, ())
        place = known.index(self.parameter) if self.parameter in known else 0
        object.__setattr__(self, "strength", (int(self.kind), place))

    @classmethod
    def plain(cls, kind: Kind) -> Self:
        """The treatment of this kind with its default parameter."""
        return cls(kind, PARAMETERS.get(kind, ("",))[0])

    def __str__(self) -> str:
        name = self.kind.name.lower()
        return f"{name}({self.parameter})" if self.parameter else name


PARAMETERS: Final[Mapping[Kind, tuple[str, ...]]] = MappingProxyType(
    {Kind.PSEUDONYM: ("domain", "stable"), Kind.GENERALISE: ("year", "country", "area")}
)
"""Parameters by treatment, the default first.

Of pseudonyms it is also the least disclosing; of generalisations, each fits elements of its own.
`replace` takes its form from the operator.
"""

WITHHOLD: Final = Treatment(Kind.WITHHOLD)
RELEASE: Final = Treatment(Kind.RELEASE)
STABLE: Final = Treatment(Kind.PSEUDONYM, "stable")
COUNTRY: Final = Treatment(Kind.GENERALISE, "country")
"""Leaves nothing of an address part: a rule that grants it grants the same contact's country."""


@dataclass(frozen=True, slots=True)
class Atom:
    """``attribute`` is one of ``words``; a written ``not`` is already its complement."""

    attribute: str
    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class Citation:
    """A law that a rule rests on; ``checked`` is the day on which somebody read the text."""

    instrument: str
    article: str
    status: str
    source: str
    checked: str | None


@dataclass(frozen=True, slots=True)
class Obligation:
    """A duty that a release brings. Without a delay the gate cannot discharge it."""

    do: str
    after: timedelta | None


@dataclass(frozen=True, slots=True)
class InForce:
    """When a rule is active: from (inclusive) until (exclusive), and only if its switch is on."""

    since: datetime | None = None
    until: datetime | None = None
    switch: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One grant or cap. ``in_force`` may hold several periods: all must be active (composition)."""

    id: str
    action: Literal["grant", "cap"]
    treatment: Treatment
    elements: frozenset[Element]
    when: tuple[Atom, ...] = ()
    unless: tuple[Atom, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    in_force: tuple[InForce, ...] = ()
    law: tuple[Citation, ...] = ()
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Invariant:
    """A question pattern under which ``elements`` must never get ``never`` or more."""

    id: str
    never: Kind
    elements: frozenset[Element]
    when: tuple[Atom, ...]
    position: Position | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """A loaded, checked policy. ``text`` is the whole bundle and ``digest`` its SHA-256 (hex).

    ``reveals`` names, by class of requester, the facts that its views let that class infer.
    ``defaults`` gives by purpose the elements meant when a question names none.
    """

    name: str
    version: str
    text: str
    digest: str
    rules: tuple[Rule, ...]
    invariants: tuple[Invariant, ...] = ()
    reveals: Mapping[str, frozenset[str]] = field(default_factory=dict)
    defaults: Mapping[str, frozenset[Element]] = field(default_factory=dict)
    draft: bool = False
    description: str = ""

    @property
    def replaces(self) -> bool:
        """Whether some rule replaces, so that the operator's template is needed."""
        return any(rule.treatment.kind is Kind.REPLACE for rule in self.rules)

    def rule(self, rule_id: str) -> Rule:
        """The rule of this id; KeyError when there is none."""
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        raise KeyError(rule_id)
