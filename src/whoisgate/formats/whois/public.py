"""What of an answer belongs to no person: elements of the domain, the registrar, the reseller.

Each is an exit. A closed shape goes out as it is; free text goes out only from a label or section
of its own, and only if it is nothing that the text gives as a person's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from whoisgate.elements import ELEMENTS, Element
from whoisgate.formats.placeholders import withheld
from whoisgate.formats.whois import shapes
from whoisgate.formats.whois.contacts import Private
from whoisgate.formats.whois.labels import folded, plainly
from whoisgate.formats.whois.sheet import Seller, Sheet
from whoisgate.records import Value

_MAX_NAME: Final = 160
_NOBODY: Final = ("no registrar", "not applicable", "none", "unknown", "not available", "n a")
_CODE: Final = re.compile(r"(?=.*[0-9_-])[A-Z0-9]+(?:[-_.][A-Z0-9]+)*")
_PART: Final = re.compile(r"[0-9._-]")
_ID: Final = re.compile(r"(?=[^0-9]*[0-9])[A-Za-z0-9][A-Za-z0-9_.-]{1,79}")
_AT: Final = re.compile(r"@|[\[( ]at[\]) ]", re.IGNORECASE)
_NUMBER: Final = re.compile(r"[0-9]{1,10}")
_SIGNED: Final = {
    **dict.fromkeys(
        ("signed", "signeddelegation", "signed delegation", "yes", "y", "active"), True
    ),
    **dict.fromkeys(
        ("unsigned", "unsigned delegation", "no", "n", "inactive", "not signed"), False
    ),
}


def public_values(sheet: Sheet, private: Private) -> dict[Element, Value]:
    """The elements that belong to no contact and no name server."""
    found: dict[str, Value] = {}
    for name, moments in sheet.when.items():
        found[name] = max(moments) if name in _LATEST else moments[0]
    found["domain.status"] = tuple(dict.fromkeys(sheet.statuses))
    plain = {name: list(texts) for name, texts in sheet.plain.items()}
    for seller in sheet.registrars:
        for field, text in seller.values.items():
            plain.setdefault(f"registrar.{field}", []).append(text)
    for name, shape in _SHAPES.items():
        found[name] = next(
            (v for text in plain.get(name, ()) if (v := shape(text)) and not _personal(v, private)),
            "",
        )
    found["dnssec.ds"] = tuple(v for text in plain.get("dnssec.ds", ()) if (v := shapes.ds(text)))
    found["registrar.name"] = _seller(sheet.registrars, private)
    found["reseller.name"] = _seller(sheet.resellers, private)
    return {e: value for n, e in ELEMENTS.items() if (value := found.get(n))}


_LATEST: Final = ("domain.updated", "domain.rdds_updated")


def _signed(text: str) -> str:
    said = _SIGNED.get(text.strip().lower())
    return "" if said is None else "signedDelegation" if said else "unsigned"


def _matching(shape: re.Pattern[str]) -> Callable[[str], str]:
    return lambda text: text if shape.fullmatch(text) else ""


_SHAPES: Final[dict[str, Callable[[str], str]]] = {
    "domain.handle": _matching(_ID),
    "registrar.iana_id": _matching(_NUMBER),
    "registrar.url": shapes.web,
    "registrar.whois_server": shapes.host,
    "registrar.abuse_email": shapes.email,
    "registrar.abuse_phone": shapes.phone,
    "dnssec.signed": _signed,
}


def _personal(text: str, private: Private) -> bool:
    return private.holds(text) or plainly(text) in private.handles


def _seller(sellers: Iterable[Seller], private: Private) -> str:
    """The name of the first registrar that has one which may leave."""
    ranked = sorted(_merged(sellers), key=lambda seller: seller.rank)
    texts = [t for seller in ranked for t in _names(seller) if _acceptable(t, private)]
    return next((t for t in texts if not _CODE.fullmatch(t)), texts[0] if texts else "")


def _names(seller: Seller) -> Iterable[str]:
    """What a registrar is called; where it is described too, what looks like a code comes last.

    Where its section has labels, a line without one beside them tells nothing.
    """
    said, name, firm = seller.said, *(seller.values.get(f, "") for f in ("name", "organization"))
    if (name or firm) and seller.below:
        return (name, firm)
    coded = (name or firm) and " " not in said and _PART.search(said)
    return (name, firm, said) if coded else (said, name, firm)


def _merged(sellers: Iterable[Seller]) -> list[Seller]:
    """A registrar that one line names and a block describes is one."""
    merged: dict[str, Seller] = {}
    for number, seller in enumerate(sellers):
        known = merged.setdefault(plainly(seller.said) or str(number), seller)
        for field, text in seller.values.items():
            known.values.setdefault(field, text)
    return list(merged.values())


def _acceptable(text: str, private: Private) -> bool:
    """Whether a registrar's or reseller's name may leave."""
    return (
        0 < len(text) <= _MAX_NAME
        and text.isprintable()
        and any(map(str.isalpha, text))
        and not _AT.search(text)
        and not withheld(text)
        and not folded(text).startswith(_NOBODY)
        and not _personal(text, private)
    )
