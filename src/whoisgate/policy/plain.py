"""Rules in plain sentences, for counsel and for the person whom the data is about.

Puts the phrases of `phrases` together; decides nothing and reads no record.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

from whoisgate.elements import ELEMENTS, Element, Kind
from whoisgate.policy import phrases
from whoisgate.policy.compiled import EVERYTHING
from whoisgate.policy.model import (
    ATTRIBUTES,
    QUESTION_ATTRIBUTES,
    Atom,
    Citation,
    InForce,
    Obligation,
    Rule,
    Treatment,
)
from whoisgate.policy.reach import Seen

ANYBODY = "any known requester"
EVERYBODY = "everybody"
UNSURE = ", also where that is not known"
LOGGED = "Whoever sees more than the public has asked for it, and leaves a signed entry in the log."
_REGISTRANT = "the registrant "
_DAY = timedelta(days=1)
_SPELLED = 3


def folded(elements: Collection[Element]) -> list[str]:
    """Elements as a policy names them: a group by its glob where most of it is there."""
    groups: dict[str, list[Element]] = {}
    for element in ELEMENTS.values():
        groups.setdefault(element.group, []).append(element)
    names, excluded = [], []
    for group, members in groups.items():
        there = [e.name for e in members if e in elements]
        absent = [f"!{e.name}" for e in members if e not in elements]
        if len(there) > len(absent) and len(members) > 1:
            names.append(f"{group}.*")
            excluded += absent
        else:
            names += there
    return names + excluded


def grant(rule: Rule, treatment: Treatment, *, public: bool = False) -> str:
    """What a grant lets somebody see, when, under which law, and what follows.

    ``public``: as the anonymous public has it, and so everybody.
    """
    who = "the public, and so everybody," if public else requester(rule.when)
    said = f"{who} {verb(treatment)}{facts(rule.when)}{exception(rule.unless, 'grant')}"
    duties = "".join(f" {duty(o)}" for o in rule.obligations)
    return f"{_first(period(rule.in_force) + said)} ({_basis(rule)}).{duties}"


def cap(rule: Rule, treatment: Treatment) -> str:
    """What a cap keeps from somebody, and when."""
    who, withheld = requester(rule.when), treatment.kind is Kind.WITHHOLD
    if who == EVERYBODY and withheld:
        said = "nobody sees it"
    else:
        said = f"{who} {'' if withheld else 'at most '}{verb(treatment)}"
    unknown = UNSURE if _unsure(rule.when) else ""
    end = f"{facts(rule.when)}{unknown}{exception(rule.unless, 'cap')}"
    whole = f"whatever else holds, {said}{end}"
    return f"{_first(period(rule.in_force) + whole)} ({_basis(rule)})."


def told(seen: Seen, *, hidden: bool = True) -> list[str]:
    """Who can see an element, one sentence for each way, the public's first; then what limits it.

    ``hidden``: say too where the public does not see it.
    """
    ways = [(w.public, grant(w.rule, w.treatment, public=w.public)) for w in seen.ways]
    public = [said for open_to_all, said in ways if open_to_all]
    known = [said for open_to_all, said in ways if not open_to_all]
    if seen.hidden and hidden:
        public.append(f"{'Otherwise t' if public else 'T'}he public does not see it.")
    return [*public, *known, *(cap(rule, treatment) for rule, treatment in seen.caps)]


def conditions(
    when: Sequence[Atom], unless: Sequence[Atom] = (), action: Literal["grant", "cap"] = "grant"
) -> str:
    """All conditions in one phrase: who must ask and how, for which record, and exceptions."""
    unknown = UNSURE if action == "cap" and _unsure(when) else ""
    return f"{requester(when)}{facts(when)}{unknown}{exception(unless, action)}"


def requester(when: Iterable[Atom]) -> str:
    """Who must ask, and how: the conditions that question and credential meet."""
    atoms = {a.attribute: a for a in when}
    said = {name: clause(atoms[name]) for name in QUESTION_ATTRIBUTES if name in atoms}
    who = said.pop("requester", ANYBODY if said else EVERYBODY)
    return f"{', '.join([who, *said.values()])}," if said else who


def facts(when: Iterable[Atom]) -> str:
    """The conditions on the record, as the end of a sentence; empty for none."""
    found = [clause(a) for a in when if a.attribute not in QUESTION_ATTRIBUTES]
    return f" if {_joined(found)}" if found else ""


def exception(unless: Sequence[Atom], action: Literal["grant", "cap"]) -> str:
    """The exception, as the end of a sentence; empty for none."""
    if not unless:
        return ""
    said = _joined([_excepted(a) for a in unless])
    unknown = ", or when that is not known" if action == "grant" and _unsure(unless) else ""
    return f", except when {said}{unknown}"


def clause(atom: Atom) -> str:
    """One condition in plain words."""
    attribute = atom.attribute
    whole = phrases.TOGETHER.get((attribute, atom.words))
    if whole:
        return whole
    known, but = phrases.WORD[attribute], phrases.BUT.get(attribute)
    vocabulary = [str(w) for w in ATTRIBUTES[attribute]]
    there = [w for w in vocabulary if w in atom.words]
    absent = [w for w in vocabulary if w not in atom.words]
    if attribute == "requester" and "public" in absent and absent[1:]:
        absent.remove("public")
    elif attribute == "requester":
        but = "everybody but {}"
    if but and absent and len(absent) < len(there) > _SPELLED:
        return but.format(listed([known[w] for w in absent]))
    return phrases.ATTRIBUTE[attribute].format(listed([known[w] for w in there]))


def verb(treatment: Treatment) -> str:
    """What somebody who gets this treatment does, as in ``sees it whole``."""
    return phrases.TREATMENT[treatment.kind, treatment.parameter]


def duty(obligation: Obligation) -> str:
    """What a disclosure brings, as a sentence."""
    after = "an unknown time" if obligation.after is None else _delay(obligation.after)
    return phrases.DUTY[obligation.do].format(after)


def period(periods: Iterable[InForce]) -> str:
    """When a rule is active, as the beginning of a sentence; empty for always."""
    parts = []
    for active in periods:
        parts += [f"from {date(active.since)}"] if active.since else []
        parts += [f"before {date(active.until)}"] if active.until else []
        if active.switch:
            parts.append(f'only while the operator has "{active.switch}" switched on')
    return f"{' and '.join(dict.fromkeys(parts))}: " if parts else ""


def cited(citation: Citation) -> str:
    """A law by its name and article; its status too, unless it is in force."""
    status = "" if citation.status == "in_force" else f", {phrases.STATUS[citation.status]}"
    return f"{law(citation)}{status}"


def law(citation: Citation) -> str:
    """A law by its name and article."""
    name = phrases.INSTRUMENT.get(citation.instrument, citation.instrument)
    return f"{name} {citation.article}"


def listed(words: Sequence[str], last: str = "or") -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    *first, end = words
    return f"{', '.join(first)} {last} {end}" if first else end


def _basis(rule: Rule) -> str:
    return "; ".join([rule.id, *dict.fromkeys(map(cited, rule.law))])


def _joined(clauses: Sequence[str]) -> str:
    """All of these; a subject that stands twice in a row is said once."""
    said = clauses[:1]
    for before, now in pairwise(clauses):
        again = all(c.startswith(_REGISTRANT) for c in (before, now))
        said = [*said, now.removeprefix(_REGISTRANT) if again else now]
    return " and ".join(said)


def _unsure(atoms: Iterable[Atom]) -> bool:
    """Whether one of these may be unknown."""
    return any(None in EVERYTHING[a.attribute] for a in atoms)


def _excepted(atom: Atom) -> str:
    said = clause(atom)
    return f"the requester is {said}" if atom.attribute == "requester" else said


def _delay(after: timedelta) -> str:
    days, rest = divmod(after, _DAY)
    number, unit = (after // timedelta(hours=1), "hour") if rest or days == 1 else (days, "day")
    return f"{number} {unit}{'s' * (number != 1)}"


def date(moment: datetime) -> str:
    """A moment in UTC; a day alone at its first moment."""
    return f"{moment:%Y-%m-%d %H:%M} UTC".removesuffix(" 00:00 UTC")


def _first(text: str) -> str:
    return text[:1].upper() + text[1:]
