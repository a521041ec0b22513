"""jCards (RFC 7095) of contacts, registrars and abuse contacts, both ways.

Written in one constant skeleton: ``version``, ``fn`` (perhaps empty), ``org``, ``adr`` with seven
components and the country in its ``cc`` parameter, ``tel`` with a single-string ``type``, then
``email`` or ``contact-uri``. Read by an allow-list of the same properties; the ``label`` of an
address, and every other property, is never looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import quote, unquote

import orjson

from whoisgate.errors import MalformedDocument
from whoisgate.formats.rdap.strict import JSON
from whoisgate.records import Value

_VERSION: Final = orjson.Fragment(b'["version",{},"text","4.0"]')
_NO_PARAMETERS: Final = orjson.Fragment(b"{}")
_VOICE: Final = orjson.Fragment(b'{"type":"voice"}')
_FAX: Final = orjson.Fragment(b'{"type":"fax"}')
_PLAIN_NUMBER = re.compile(r"[+0-9.()-]+", re.ASCII)


def many(value: Value) -> tuple[str, ...]:
    """The texts of a value."""
    return (value,) if isinstance(value, str) else value


def named(name: str) -> list[object]:
    """A card that holds nothing but a name."""
    return ["vcard", [_VERSION, ["fn", _NO_PARAMETERS, "text", name]]]


def written(values: Mapping[str, Value], *, address: bool, web_form: bool) -> list[object]:
    """The card of a contact; ``address`` says whether it has an ``adr`` at all."""
    get = values.get
    properties: list[object] = [_VERSION, ["fn", _NO_PARAMETERS, "text", get("name") or ""]]
    if organization := get("organization"):
        properties.append(["org", _NO_PARAMETERS, "text", organization])
    if address:
        properties.append(_address(values))
    if phones := get("phone"):
        properties += _numbers(phones, get("phone_ext"), _VOICE)
    if faxes := get("fax"):
        properties += _numbers(faxes, get("fax_ext"), _FAX)
    if emails := get("email"):
        for email in many(emails):
            if web_form and "://" in email:
                properties.append(["contact-uri", _NO_PARAMETERS, "uri", email])
            else:
                properties.append(["email", _NO_PARAMETERS, "text", email])
    return ["vcard", properties]


def reachable(name: str, phone: Value | None, email: Value | None) -> list[object]:
    """The card of somebody known by a name, a number and an address alone."""
    found: dict[str, Value] = {"name": name}
    if phone:
        found["phone"] = phone
    if email:
        found["email"] = email
    return written(found, address=False, web_form=False)


def _address(values: Mapping[str, Value]) -> list[object]:
    get = values.get
    street: Value = get("street") or ""
    if not isinstance(street, str) and len(street) == 1:
        street = street[0]
    country = get("country")
    return [
        "adr",
        {"cc": country} if country else _NO_PARAMETERS,
        "text",
        ["", "", street, get("city") or "", get("state") or "", get("postal_code") or "", ""],
    ]


def _numbers(numbers: Value, extension: Value | None, kind: orjson.Fragment) -> Iterator[object]:
    """``tel`` properties; the extension belongs to the first number."""
    suffix = f";ext={quote(''.join(many(extension)), safe='')}" if extension else ""
    for number in many(numbers):
        if not number.strip():
            continue
        plain = number if _PLAIN_NUMBER.fullmatch(number) else quote(number, safe="+()")
        yield ["tel", kind, "uri", f"tel:{plain}{suffix}"]
        suffix = ""


class Card(NamedTuple):
    """What a ``vcardArray`` says: contact fields, its ``kind`` in lower case, its ``url``."""

    values: dict[str, Value]
    kind: str = ""
    url: str = ""


def read(document: JSON, where: str, *, own: bool = False) -> Card:
    """The card of a ``vcardArray``; an absent one is empty.

    ``own``: as in our own answers, a ``contact-uri`` stands in for the e-mail address. Raises
    `MalformedDocument` naming ``where`` when it is no jCard.
    """
    values: dict[str, Value] = {}
    kind = url = ""
    for name, parameters, value in _properties(document, where):
        if name == "tel":
            _read_number(values, parameters, value)
        elif name == "adr":
            _read_address(values, parameters, value)
        elif name == "fn":
            _set(values, "name", text(value))
        elif name == "email" or (own and name == "contact-uri"):
            _add(values, "email", text(value))
        elif name == "org":
            # A structured `org` goes from the organisation down to its units.
            _set(values, "organization", ", ".join(_texts(value)))
        elif name == "kind":
            kind = kind or text(value).lower()
        elif name == "url":
            url = url or text(value)
    return Card(values, kind, url)


def text(value: JSON) -> str:
    """``value`` without white space around it, or nothing if it is no text."""
    return value.strip() if isinstance(value, str) else ""


def _properties(document: JSON, where: str) -> list[Property]:
    """Name, parameters and first value of each property, unread."""
    if document is None:
        return []
    card = document[1] if isinstance(document, list) and len(document) > 1 else None
    if not isinstance(card, list):
        raise MalformedDocument(f'{where}.vcardArray: expected `["vcard", [...]]`')
    properties = [(p[0], p[1], p[3]) for p in card if isinstance(p, list) and len(p) >= _MEMBERS]
    if len(properties) != len(card):
        raise MalformedDocument(f"{where}.vcardArray: expected properties of four members")
    return properties


_MEMBERS: Final = 4
"""Name, parameters, type, and at least one value."""

Property: TypeAlias = "tuple[JSON, JSON, JSON]"


def _read_address(found: dict[str, Value], parameters: JSON, value: JSON) -> None:
    if not isinstance(value, list) or not found.keys().isdisjoint(_ADDRESS_FIELDS):
        return
    street: list[str] = []
    for part in value[:3]:
        if part:
            street += _texts(part)
    if street:
        found["street"] = tuple(street)
    city, state, postal_code, country = (*value[3:7], *_ABSENT)[:4]
    _set(found, "city", _joined(city))
    _set(found, "state", _joined(state))
    _set(found, "postal_code", _joined(postal_code))
    code = parameters.get("cc") if isinstance(parameters, dict) else None
    for candidate in (text(code), _joined(country)):
        if len(candidate) == 2 and candidate.isascii() and candidate.isalpha():  # noqa: PLR2004  ISO 3166-1 alpha-2
            found["country"] = candidate.upper()
            break


_ABSENT: Final = ("", "", "", "")
_ADDRESS_FIELDS: Final = ("street", "city", "state", "postal_code", "country")


def _read_number(found: dict[str, Value], parameters: JSON, value: JSON) -> None:
    field = _number_field(parameters)
    number, _, rest = text(value).removeprefix("tel:").partition(";")
    if field is None or not number:
        return
    for parameter in rest.split(";") if rest and field not in found else ():
        key, _, extension = parameter.partition("=")
        if key.lower() == "ext":
            _set(found, f"{field}_ext", unquote(extension).strip())
    _add(found, field, unquote(number).strip())


_OTHER_NUMBERS: Final = frozenset({"text", "textphone", "video", "pager"})
"""Kinds of ``tel`` (RFC 6350 §6.4.1) that are neither voice nor fax."""


def _number_field(parameters: JSON) -> str | None:
    kinds = parameters.get("type") if isinstance(parameters, dict) else None
    if kinds is None or kinds == "voice":
        return "phone"
    words = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
    lowered = {word.lower() for word in words if isinstance(word, str)}
    if "fax" in lowered:
        return "fax"
    return "phone" if "voice" in lowered or lowered.isdisjoint(_OTHER_NUMBERS) else None


def _set(found: dict[str, Value], field: str, value: str) -> None:
    if value and field not in found:
        found[field] = value


def _add(found: dict[str, Value], field: str, value: str) -> None:
    if value:
        held = found.get(field)
        found[field] = (*held, value) if held else (value,)


def _joined(value: JSON) -> str:
    return text(value) if isinstance(value, str) else " ".join(_texts(value))


def _texts(value: JSON) -> list[str]:
    parts = value if isinstance(value, list) else [value]
    return [said for part in parts if (said := text(part))]
