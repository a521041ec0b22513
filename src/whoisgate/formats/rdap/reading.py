"""A captured RDAP domain answer as a record (RFC 9083, RFC 7095).

Reads what the element registry knows, at the places where RDAP puts it, and nothing else. A
member of the wrong JSON type is refused with its place; a single value that cannot be what it
should be (a template marker where a date belongs, a placeholder where a name belongs) is left
out. Errors name what was expected and echo no value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from whoisgate.elements import ELEMENTS, Element, contact_elements
from whoisgate.errors import MalformedDocument, MalformedName, NotADomain
from whoisgate.formats.rdap import card, strict, withheld, words
from whoisgate.formats.rdap.strict import JSON
from whoisgate.queries import canonical_name
from whoisgate.records import Contact, Facts, Nameserver, Record, RegistrantKind, Value

Object = Mapping[str, JSON]

_CLASSES: Final = ("entity", "nameserver", "ip network", "autnum")
_INSTANT = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
    r"T(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d{1,9})?Z",
    re.ASCII,
)
_HOST = re.compile(r"(?:[a-z0-9_][a-z0-9_-]{0,62}\.)*[a-z0-9_][a-z0-9_-]{0,62}", re.ASCII)
_MAX_HOST: Final = 253
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)", re.ASCII)
_IPV6 = re.compile(r"(?=.*:)[0-9A-Fa-f:]{2,39}(?:(?:\d{1,3}\.){3}\d{1,3})?", re.ASCII)
_WEB = re.compile(
    r"https?://[A-Za-z0-9][A-Za-z0-9.-]{0,252}(?::\d{1,5})?(?:/[A-Za-z0-9._~/-]{0,256})?", re.ASCII
)
"""A registrar's own page: without user, query or fragment, which may speak of one domain."""
_DIGITS = re.compile(r"\d{1,10}", re.ASCII)
_HEX = re.compile(r"[0-9A-Fa-f ]{1,256}", re.ASCII)

_KINDS: Final = MappingProxyType(
    {
        "individual": Facts(registrant_kind=RegistrantKind.NATURAL),
        "org": Facts(registrant_kind=RegistrantKind.LEGAL),
    }
)
_UNKNOWN: Final = Facts()

_HANDLE = ELEMENTS["domain.handle"]
_STATUS = ELEMENTS["domain.status"]
_SIGNED = ELEMENTS["dnssec.signed"]
_DS = ELEMENTS["dnssec.ds"]
_REGISTRAR_NAME = ELEMENTS["registrar.name"]
_IANA_ID = ELEMENTS["registrar.iana_id"]
_WHOIS_SERVER = ELEMENTS["registrar.whois_server"]
_URL = ELEMENTS["registrar.url"]
_RDAP_URL = ELEMENTS["registrar.rdap_url"]
_ABUSE_EMAIL = ELEMENTS["registrar.abuse_email"]
_ABUSE_PHONE = ELEMENTS["registrar.abuse_phone"]
_RESELLER = ELEMENTS["reseller.name"]


def decode(raw: bytes | str) -> Record:
    """The record that a domain answer tells of.

    Raises `MalformedDocument` or `NotADomain`. Dates become UTC, statuses EPP names. The only
    fact that RDAP states is the registrant's kind (vCard ``kind``).
    """
    return read(strict.loads(raw))


def read(document: JSON, *, own: bool = False) -> Record:
    """As `decode`, from parsed JSON.

    ``own``: an answer of ours, in which a ``contact-uri`` stands in for an e-mail address and
    no text is another server's placeholder.
    """
    domain = _domain(document)
    values: dict[Element, Value] = {}
    _read_plain(domain, values)
    contacts: list[Contact] = []
    facts = _UNKNOWN
    declared = frozenset[Element]() if own else withheld.declared(domain.get("redacted"))
    missing: set[Element] = set()
    for number, entity in enumerate(_objects(domain, "entities", "")):
        where = f"entities[{number}]"
        roles = _texts(entity, "roles", where)
        known = card.read(entity.get("vcardArray"), where, own=own)
        if found := [role for word in roles if (role := words.CONTACT_ROLES.get(word))]:
            if handle := card.text(entity.get("handle")):
                known.values["handle"] = handle
            held, emptied = (known.values, ()) if own else _own_words(known.values, entity)
            for role in dict.fromkeys(found):
                contacts.append(withheld.cleared_contact(Contact(role, held), declared))
                missing |= {contact_elements(role)[field] for field in emptied}
            if facts is _UNKNOWN and "registrant" in found:
                facts = _KINDS.get(known.kind, _UNKNOWN)
        # Whoever is or may be a contact of the domain is that first, its registrar or not.
        if entity.get("roles") != roles or not words.FIRM_ROLES.issuperset(roles):
            continue
        if "registrar" in roles and _REGISTRAR_NAME not in values:
            _read_registrar(entity, known, where, values)
        if "reseller" in roles:
            _put(values, _RESELLER, known.values.get("name"))
    withheld.cleared(values, declared)
    if missing:
        missing -= {contact_elements(c.role)[field] for c in contacts for field in c.values}
    return Record(
        _name(domain),
        MappingProxyType(values),
        tuple(contacts),
        tuple(_nameservers(domain)),
        facts,
        source="rdap",
        withheld=declared | missing,
    )


def _own_words(values: Mapping[str, Value], entity: Object) -> tuple[dict[str, Value], set[str]]:
    """The values of a contact, and the fields that it says are withheld."""
    kept, emptied = withheld.without_placeholders(values)
    return kept, {*emptied, *withheld.left_out(entity.get("remarks"), values)}


def _domain(document: JSON) -> Object:
    if not isinstance(document, dict):
        raise MalformedDocument("expected a JSON object")
    kind = document.get("objectClassName")
    if kind == "domain":
        return document
    if "errorCode" in document:
        raise NotADomain("expected a domain, got an error answer")
    if any(key.endswith("SearchResults") for key in document):
        raise NotADomain("expected a domain, got search results")
    got = f"`{kind}`" if kind in _CLASSES else "something else"
    raise NotADomain(f"expected objectClassName `domain`, got {got}")


def _name(domain: Object) -> str:
    name = domain.get("ldhName")
    if not isinstance(name, str):
        name = domain.get("unicodeName")
    if not isinstance(name, str):
        raise MalformedDocument("ldhName: expected a domain name")
    try:
        return canonical_name(name)
    except MalformedName:
        raise MalformedDocument("ldhName: expected a domain name") from None


def _read_plain(domain: Object, values: dict[Element, Value]) -> None:
    _put(values, _HANDLE, card.text(domain.get("handle")))
    for event in _objects(domain, "events", ""):
        element = words.EVENT_ELEMENTS.get(_word(event.get("eventAction")))
        if element is not None:
            _put(values, element, _instant(event.get("eventDate")))
    known = [
        words.STATUS_NAMES[word]
        for status in _texts(domain, "status", "")
        if (word := status.lower()) in words.STATUS_NAMES
    ]
    _put(values, _STATUS, tuple(dict.fromkeys(known)))
    secure = domain.get("secureDNS")
    if secure is None:
        return
    if not isinstance(secure, dict):
        raise MalformedDocument("secureDNS: expected an object")
    signed = secure.get("delegationSigned")
    if isinstance(signed, bool):
        values[_SIGNED] = "signedDelegation" if signed else "unsigned"
    records = [ds for item in _objects(secure, "dsData", "secureDNS") if (ds := _ds(item))]
    _put(values, _DS, tuple(records))


def _read_registrar(
    entity: Object, known: card.Card, where: str, values: dict[Element, Value]
) -> None:
    _put(values, _REGISTRAR_NAME, known.values.get("name"))
    for public_id in _objects(entity, "publicIds", where):
        if _word(public_id.get("type")) == "iana registrar id":
            _put(values, _IANA_ID, _digits(public_id.get("identifier")))
    _put(values, _WHOIS_SERVER, _host(entity.get("port43")))
    _put(values, _URL, _matching(_WEB, known.url))
    for link in _objects(entity, "links", where):
        relation, web = link.get("rel"), link.get("type") == "text/html"
        if relation == "about" and not web:
            _put(values, _RDAP_URL, _matching(_WEB, link.get("href")))
        elif web and (relation in ("about", "related")):
            _put(values, _URL, _matching(_WEB, link.get("href")))
    for number, nested in enumerate(_objects(entity, "entities", where)):
        place = f"{where}.entities[{number}]"
        if "abuse" in _texts(nested, "roles", place):
            abuse = card.read(nested.get("vcardArray"), place).values
            _put(values, _ABUSE_EMAIL, _first(abuse.get("email")))
            _put(values, _ABUSE_PHONE, _first(abuse.get("phone")))


def _nameservers(domain: Object) -> Iterable[Nameserver]:
    for number, item in enumerate(_objects(domain, "nameservers", "")):
        where = f"nameservers[{number}]"
        name = _host(item.get("ldhName"))
        if not name:
            continue
        addresses = item.get("ipAddresses")
        if addresses is None:
            yield Nameserver(name)
            continue
        if not isinstance(addresses, dict):
            raise MalformedDocument(f"{where}.ipAddresses: expected an object")
        place = f"{where}.ipAddresses"
        yield Nameserver(
            name,
            tuple(a for a in _texts(addresses, "v4", place) if _IPV4.fullmatch(a)),
            tuple(a for a in _texts(addresses, "v6", place) if _IPV6.fullmatch(a)),
        )


def _ds(item: Object) -> str:
    numbers = [_digits(item.get(key)) for key in ("keyTag", "algorithm", "digestType")]
    digest = _matching(_HEX, item.get("digest")).replace(" ", "")
    return " ".join([*numbers, digest]) if digest and all(numbers) else ""


def _instant(value: JSON) -> str:
    """An instant in UTC (RFC 3339), or nothing; without an offset it counts as UTC."""
    said = value.strip() if isinstance(value, str) else ""
    if _INSTANT.fullmatch(said):
        return said
    try:
        moment = datetime.fromisoformat(said)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return ""
    return moment.isoformat().removesuffix("+00:00") + "Z"


def _put(values: dict[Element, Value], element: Element, value: Value | None) -> None:
    if value and element not in values:
        values[element] = value


def _first(value: Value | None) -> str:
    return value if isinstance(value, str) else value[0] if value else ""


def _word(value: JSON) -> str:
    return value.strip().lower() if isinstance(value, str) else ""


def _matching(shape: re.Pattern[str], value: JSON) -> str:
    said = value.strip() if isinstance(value, str) else ""
    return said if said and shape.fullmatch(said) else ""


def _host(value: JSON) -> str:
    said = _word(value).removesuffix(".")
    return said if said and len(said) <= _MAX_HOST and _HOST.fullmatch(said) else ""


def _digits(value: JSON) -> str:
    number = isinstance(value, int) and not isinstance(value, bool)
    return _matching(_DIGITS, str(value) if number else value)


def _objects(parent: Object, key: str, where: str) -> Sequence[Object]:
    items = parent.get(key)
    if items is None:
        return ()
    if isinstance(items, list):
        objects = [item for item in items if isinstance(item, dict)]
        if len(objects) == len(items):
            return objects
    raise MalformedDocument(f"{where and where + '.'}{key}: expected an array of objects")


def _texts(parent: Object, key: str, where: str) -> list[str]:
    items = parent.get(key)
    if items is None:
        return []
    if not isinstance(items, list):
        raise MalformedDocument(f"{where and where + '.'}{key}: expected an array of texts")
    return [item for item in items if isinstance(item, str)]
