"""What rules come to for one element in one context, evaluated plainly, rule by rule.

``result = min(caps, max(grants))``, each as far as the element supports it; no grant means
withhold. An unknown attribute never satisfies a grant and always satisfies a cap; with ``unless``
it is the other way round. What is granted to the anonymous public is granted to everybody. This
is the meaning of the language; `compiled` answers faster and must agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from whoisgate.elements import Element, Kind
from whoisgate.policy.model import (
    ANONYMOUS_ATTRIBUTES,
    RELEASE,
    WITHHOLD,
    Atom,
    Obligation,
    Rule,
    Treatment,
)

Context = Mapping[str, str | None]
"""Attribute to word, or None for unknown."""


Effect = tuple[Rule, Treatment]
"""A rule, and what it comes to for the element in question."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the policy says of one element: the treatment and the rules that made it."""

    treatment: Treatment = WITHHOLD
    granted_by: tuple[str, ...] = ()
    capped_by: tuple[str, ...] = ()
    obligations: tuple[Obligation, ...] = ()


SILENCE: Final = Ruling()


def evaluate(rules: Iterable[Rule], element: Element, words: Context) -> Ruling:
    """The ruling of these rules; ``words`` has every attribute."""
    touching = [(r, effect(r, element)) for r in rules if element in r.elements]
    return settle(
        [(r, t) for r, t in touching if any(grants_in(form, words) for form in granting_forms(r))],
        [(r, t) for r, t in touching if r.action == "cap" and caps_in(r, words)],
    )


def settle(grants: Sequence[Effect], caps: Iterable[Effect]) -> Ruling:
    """The ruling where these grants and caps hold, each named once."""
    if not grants:
        return SILENCE
    best = max(t.strength for _, t in grants)
    used = [(r, t) for r, t in grants if t.strength == best]
    low = [(r, t) for r, t in caps if t.strength < best]
    _, lowest = min((*used, *low), key=lambda pair: pair[1].strength)
    return Ruling(
        lowest,
        tuple([r.id for r, _ in used]),
        tuple([r.id for r, _ in low]),
        tuple(dict.fromkeys([o for r, _ in used for o in r.obligations])),
    )


def effect(rule: Rule, element: Element) -> Treatment:
    """What a rule comes to for one element."""
    return supported(rule.treatment, element)


def supported(wanted: Treatment, element: Element) -> Treatment:
    """A treatment as far as the element supports it: an unsupported one falls to the next lower.

    So does a generalisation that fits other values; the country of a country is the whole of it.
    """
    kind = element.supported(wanted.kind)
    if wanted.kind is Kind.GENERALISE:
        if wanted.parameter != element.generalises:
            kind = element.supported(Kind.PSEUDONYM)
        elif kind is not Kind.GENERALISE:
            return RELEASE
    return wanted if kind is wanted.kind else Treatment.plain(kind)


def grants_in(rule: Rule, words: Context) -> bool:
    """Whether a grant holds: every atom surely true, and its exception surely false."""
    return all(words[a.attribute] in a.words for a in rule.when) and not (
        rule.unless and all(_maybe(a, words) for a in rule.unless)
    )


def caps_in(rule: Rule, words: Context) -> bool:
    """Whether a cap holds: no atom surely false, and its exception not surely true."""
    return all(_maybe(a, words) for a in rule.when) and not (
        rule.unless and all(words[a.attribute] in a.words for a in rule.unless)
    )


def _maybe(atom: Atom, words: Context) -> bool:
    word = words[atom.attribute]
    return word is None or word in atom.words


def granting_forms(rule: Rule) -> tuple[Rule, ...]:
    """A rule in the forms in which it grants: as written, and as the public has it, for everybody.

    None for a cap, and none for an obligation that nobody can discharge: that means withhold.
    """
    if rule.action != "grant" or any(o.after is None for o in rule.obligations):
        return ()
    public = _for_everybody(rule)
    return (rule,) if public is None or public == rule else (rule, public)


def _for_everybody(rule: Rule) -> Rule | None:
    """The grant with the anonymous public's words filled in; None where the public has it never."""
    if not all(ANONYMOUS_ATTRIBUTES[a.attribute] in a.words for a in rule.when if _said(a)):
        return None
    unless: tuple[Atom, ...] = ()
    if all(_maybe(a, ANONYMOUS_ATTRIBUTES) for a in rule.unless if _said(a)):
        unless = tuple(a for a in rule.unless if not _said(a))
        if rule.unless and not unless:
            return None
    return replace(rule, when=tuple(a for a in rule.when if not _said(a)), unless=unless)


def _said(atom: Atom) -> bool:
    return atom.attribute in ANONYMOUS_ATTRIBUTES
