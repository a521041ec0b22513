"""One context in words, as ``attribute=word,…``, and what a policy decides in it.

What is not said: of question and requester what the anonymous public is known to be, a registrant
of unspecified kind without flags under a generic TLD, every other fact unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

from whoisgate.elements import ELEMENTS, Element
from whoisgate.errors import MalformedQuestion, PolicyError
from whoisgate.policy.compiled import EVERYTHING
from whoisgate.policy.decide import Approved, Decision, edition
from whoisgate.policy.findings import nearest, quoted
from whoisgate.policy.model import ANONYMOUS_ATTRIBUTES, ATTRIBUTES, QUESTION_ATTRIBUTES, Policy
from whoisgate.queries import (
    Assurance,
    Jurisdiction,
    LegalBasis,
    Purpose,
    Question,
    Requester,
    RequesterClass,
    Urgency,
)
from whoisgate.records import Facts, Region, RegistrantKind

UNKNOWN: Final = "unknown"
UNSAID: Final[Mapping[str, str | None]] = {
    **dict.fromkeys(ATTRIBUTES),
    **ANONYMOUS_ATTRIBUTES,
    "registrant_kind": "unspecified",
    "disclose": "absent",
    "tld_group": "gtld",
}
"""What an attribute is that nobody names."""
_NAMES: Final = {"gtld": "name.example", "cctld": "name.xx"}
_TRUTH: Final = {"true": True, "false": False, None: None}


class UnknownWord(PolicyError):
    """A word that the language or the policy does not have."""

    code = "WG202"


class UnknownElement(UnknownWord):
    """A name that matches no element."""

    code = "WG203"


def read_context(text: str) -> dict[str, str | None]:
    """Every attribute with its word; None for unknown.

    Raises `UnknownWord`, and `MalformedQuestion` for what nobody can be: a word said twice, or one
    of the public that only a known requester says.
    """
    said: dict[str, str | None] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        attribute, _, word = (piece.strip() for piece in part.partition("="))
        known_word("attribute", attribute, ATTRIBUTES)
        words = [str(w) for w in ATTRIBUTES[attribute]]
        known_word(attribute, word, words + [UNKNOWN] * (None in EVERYTHING[attribute]))
        if attribute in said:
            raise MalformedQuestion(f"`{attribute}`: expected one word, got two")
        said[attribute] = None if word == UNKNOWN else word
    context = {**UNSAID, **said}
    if context["requester"] == "public":
        for attribute in QUESTION_ATTRIBUTES:
            if context[attribute] != ANONYMOUS_ATTRIBUTES[attribute]:
                raise MalformedQuestion(
                    f"`{attribute}={said[attribute]}`: the public says nothing of itself, "
                    "expected a `requester` too"
                )
    return context


def known_word(what: str, word: str, known: Collection[str]) -> None:
    """Raises `UnknownWord`, with the nearest one, unless the word is known."""
    if word not in known:
        raise UnknownWord(_unknown(f"{what}: unknown word {quoted(word)}", word, known))


def known_element(name: str) -> Element:
    """The element of this name; raises `UnknownElement` with the nearest one."""
    if name not in ELEMENTS:
        raise UnknownElement(_unknown(f"name {quoted(name)} matches no element", name, ELEMENTS))
    return ELEMENTS[name]


def decided(
    policy: Policy, context: Mapping[str, str | None], at: datetime, switches: frozenset[str]
) -> tuple[Decision, Facts]:
    """What the policy decides when every element is asked for, and the facts that it saw."""
    everything = frozenset(ELEMENTS.values())
    word = {attribute: said or "" for attribute, said in context.items()}
    question = Question(
        _NAMES[word["tld_group"]],
        Purpose(word["purpose"]) if word["purpose"] else None,
        LegalBasis(word["basis"]) if word["basis"] else None,
        word["case"] if word["case"] == "given" else None,
        everything,
        Urgency(word["urgency"]),
        gated=True,
    )
    requester = Requester(
        "",
        "",
        RequesterClass(word["requester"]),
        Assurance(word["assurance"]),
        jurisdiction=Jurisdiction(word["jurisdiction"]) if word["jurisdiction"] else None,
    )
    facts = Facts(
        RegistrantKind(word["registrant_kind"]),
        _TRUTH[context["publish_consent"]],
        _TRUTH[context["organization_consent"]],
        Region(word["region"]) if word["region"] else None,
        _TRUTH[context["privacy_service"]],
        everything if word["disclose"] == "allow" else frozenset(),
        everything if word["disclose"] == "deny" else frozenset(),
    )
    approved = Approved(**{way: everything for way in Approved._fields if way == word["approval"]})
    return edition(policy, at, switches).decide(question, requester, facts, approved), facts


def _unknown(message: str, word: str, known: Collection[str]) -> str:
    hint = nearest(word, known)
    return f"{message}: {hint}" if hint else message
