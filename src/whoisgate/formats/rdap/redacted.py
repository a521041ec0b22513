"""The ``redacted`` array (RFC 9537): what a view withholds, constant for its decision.

Every withheld element of what can appear is declared, present or not: the list tells what the
policy hides and never what the record holds. An entry for an element that may be absent has no
``prePath``. A role that the decision withholds whole has one entry and no entity.

Names and methods are those of ICANN's profile (§2.7.7, §2.7.8, appendix E) where it has any.
Paths hold in RFC 9535 and in Jayway json-path alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from whoisgate.elements import ELEMENTS, ROLES, Element, Kind, contact_elements
from whoisgate.formats.rdap import words
from whoisgate.formats.rdap.strict import JSON
from whoisgate.policy.decide import Decision
from whoisgate.policy.model import COUNTRY

Entry = Mapping[str, object]

ADDRESS: Final = ("street", "city", "state", "postal_code", "country")
"""The fields that one ``adr`` property holds."""

BY_SOURCE: Final = {"description": "Withheld by the source"}
"""The reason of what a decision shows and the source of the record withholds."""

_EMPTIED: Final = {
    "name": "[?(@[0]=='fn')][3]",
    "street": "[?(@[0]=='adr')][3][:3]",
    "city": "[?(@[0]=='adr')][3][3]",
    "state": "[?(@[0]=='adr')][3][4]",
    "postal_code": "[?(@[0]=='adr')][3][5]",
}
"""What stays in its place, empty. A country stands in a parameter, which is removed."""

_EMAIL: Final = "[?(@[0]=='email')]"
_WEB_FORM: Final = "[?(@[0]=='contact-uri')]"


def shows_address(decision: Decision, role: str) -> bool:
    """Whether contacts of this role have an ``adr``: when some part of it may be seen."""
    known = contact_elements(role)
    return any(decision.treatment(known[field]).kind is not Kind.WITHHOLD for field in ADDRESS)


def entries(decision: Decision, roles: frozenset[str], *, web_form: bool) -> list[Entry]:
    """The entries of a view in which contacts of ``roles`` appear, in registry order.

    ``web_form``: addresses are replaced by ``contact-uri``, else in place by another address.
    """
    found = [
        _entry(e, "removal" if kind is Kind.WITHHOLD else "replacementValue")
        for e in ELEMENTS.values()
        if e.role is None and (kind := decision.treatment(e).kind) is not Kind.RELEASE
    ]
    for role in ROLES:
        known = contact_elements(role)
        if all(decision.treatment(e).kind is Kind.WITHHOLD for e in known.values()):
            found.append({"name": {"description": _whole(role)}, **_HOW["removal"]})
        elif role in roles:
            found += _of_contact(decision, role, web_form=web_form)
    return found


def source_entries(withheld: frozenset[Element], roles: frozenset[str]) -> list[Entry]:
    """The entries of what a view would show and its source withholds, in registry order."""
    found: list[Entry] = []
    for element in ELEMENTS.values():
        if element not in withheld:
            continue
        entry = _entry(element, "removal")
        if element.field == "name" and element.role in roles:
            entry = _entry(element, "emptyValue", postPath=_card(element.role) + _EMPTIED["name"])
        found.append({**entry, "reason": BY_SOURCE})
    return found


def declared(document: JSON) -> frozenset[Element]:
    """The elements that an answer of ours withholds or replaces; of a role withheld whole, all."""
    listed = document.get("redacted") if isinstance(document, dict) else None
    entries = listed if isinstance(listed, list) else []
    said = [entry.get("name") for entry in entries if isinstance(entry, dict)]
    names = {text for name in said if isinstance(name, dict) for text in map(str, name.values())}
    return frozenset(element for name in names for element in _DECLARED.get(name, ()))


def _card(role: str) -> str:
    return f"$.entities[?(@.roles[0]=='{words.ROLES[role]}')].vcardArray[1]"


def _of_contact(decision: Decision, role: str, *, web_form: bool) -> Iterator[Entry]:
    card = _card(role)
    has_address = shows_address(decision, role)
    for field, element in contact_elements(role).items():
        treatment = decision.treatment(element)
        kind = treatment.kind
        if kind is Kind.WITHHOLD or treatment == COUNTRY:
            if field in _EMPTIED and (field == "name" or has_address):
                yield _entry(element, "emptyValue", postPath=card + _EMPTIED[field])
            else:
                yield _entry(element, "removal")
        elif kind is Kind.REPLACE and web_form:
            yield _entry(
                element,
                "replacementValue",
                prePath=card + _EMAIL,
                replacementPath=card + _WEB_FORM,
            )
        elif kind is Kind.REPLACE:
            yield _entry(element, "replacementValue", postPath=f"{card}{_EMAIL}[3]")
        elif kind is not Kind.RELEASE:
            # A stand-in for a value that may be absent: declared, but without a path.
            yield _entry(element, "replacementValue")


def _whole(role: str) -> str:
    """The name of what a role withheld whole is declared as."""
    return contact_elements(role)["name"].label.removesuffix(" Name") + " Contact"


_DECLARED: Final = {
    **{e.redacted_as or e.label: (e,) for e in ELEMENTS.values()},
    **{_whole(role): tuple(contact_elements(role).values()) for role in ROLES},
}

_HOW: Final = {
    method: {"method": method, "reason": {"description": "Server policy"}}
    for method in ("removal", "emptyValue", "replacementValue")
}


def _entry(element: Element, method: str, **paths: str) -> Entry:
    key = "type" if element.redacted_as else "description"
    name = {key: element.redacted_as or element.label}
    language = {"pathLang": "jsonpath"} if paths else {}
    return {"name": name, **paths, **language, **_HOW[method]}
