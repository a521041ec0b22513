"""WHOIS text (RFC 3912) of a view, with ICANN's labels in ICANN's order.

A withheld element has no line and no placeholder; a replaced e-mail address shows what stands in
for it. Control characters, line separators and bidirectional controls in a value become spaces,
so that no value can forge a line. Text is UTF-8, lines end in CRLF.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Protocol

from whoisgate.elements import CONTACT_FIELDS, ELEMENTS, ROLES, Element, contact_elements
from whoisgate.formats.rdap import reading, strict, words
from whoisgate.formats.rdap.strict import JSON
from whoisgate.policy.decide import tld_group
from whoisgate.records import Value
from whoisgate.redact import PublicBytes, PublicView

_STATUS = ELEMENTS["domain.status"]
_UPDATED = ELEMENTS["domain.rdds_updated"]
_NAMESERVER, _IPV4, _IPV6 = (ELEMENTS[f"nameserver.{f}"].label for f in ("name", "ipv4", "ipv6"))

_BEFORE: Final = tuple(
    (ELEMENTS[name], ELEMENTS[name].label)
    for name in (
        "domain.handle",
        "registrar.whois_server",
        "registrar.url",
        "registrar.rdap_url",
        "domain.updated",
        "domain.created",
        "domain.expires",
        "domain.registrar_expires",
        "domain.transferred",
        "registrar.name",
        "registrar.iana_id",
        "registrar.abuse_email",
        "registrar.abuse_phone",
        "reseller.name",
    )
)
"""What stands before the statuses and the contacts."""

_AFTER: Final = tuple((ELEMENTS[n], ELEMENTS[n].label) for n in ("dnssec.signed", "dnssec.ds"))
"""What stands after the name servers."""

_LABELS: Final = {
    role: tuple((field, contact_elements(role)[field].label) for field in CONTACT_FIELDS)
    for role in ROLES
}
_NEEDS: Final = {"phone_ext": "phone", "fax_ext": "fax"}
"""An extension without its number means nothing, and RDAP cannot say it."""

_PARTIAL: Final = "% The source's answer broke off; there may be more than is shown."
_ICANN_FOOTER: Final = "URL of the ICANN RDDS Inaccuracy Complaint Form: https://icann.org/wicf"
_STATUS_FOOTER: Final = (
    "For more information on domain status codes, please visit https://icann.org/epp"
)


class _Contact(Protocol):
    @property
    def role(self) -> str: ...
    @property
    def values(self) -> Mapping[str, Value]: ...


class _Nameserver(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def ipv4(self) -> tuple[str, ...]: ...
    @property
    def ipv6(self) -> tuple[str, ...]: ...


def encode(view: PublicView) -> PublicBytes:
    """The public view as text. Only the public's: port 43 is clear text."""
    if not isinstance(view, PublicView):
        raise TypeError("port 43 answers the public only")
    text = _text(view.name, view.values, view.contacts, view.nameservers, partial=view.partial)
    return PublicBytes(text.encode("utf-8", "replace"))


def from_rdap(body: bytes) -> str:
    """The text of an RDAP answer that already left a gate.

    An error or a notice becomes comment lines. Raises `MalformedDocument` or `NotADomain` when
    ``body`` is no such answer.
    """
    document = strict.loads(body)
    if isinstance(document, dict) and "objectClassName" not in document:
        comments = [*_comments(document)]
        if comments:
            return "\r\n".join(comments) + "\r\n"
    record = reading.read(document, own=True)
    return _text(record.name, record.values, record.contacts, record.nameservers)


def _text(
    name: str,
    values: Mapping[Element, Value],
    contacts: Iterable[_Contact],
    nameservers: Iterable[_Nameserver],
    *,
    partial: bool = False,
) -> str:
    get = values.get
    lines = [f"Domain Name: {name}"]
    lines += _lines(_BEFORE, values)
    lines += [f"{_STATUS.label}: {_explained(s)}" for s in _texts(get(_STATUS))]
    for contact in contacts:
        lines += _contact(contact)
    for nameserver in nameservers:
        lines += [f"{_NAMESERVER}: {s}" for s in _texts(nameserver.name)]
        lines += [f"{_IPV4}: {s}" for s in _texts(nameserver.ipv4)]
        lines += [f"{_IPV6}: {s}" for s in _texts(nameserver.ipv6)]
    lines += _lines(_AFTER, values)
    if partial:
        lines.append(_PARTIAL)
    lines += _footer(name, get(_UPDATED))
    lines.append("")
    return "\r\n".join(lines)


def _lines(labels: Iterable[tuple[Element, str]], values: Mapping[Element, Value]) -> Iterator[str]:
    for element, label in labels:
        if value := values.get(element):
            for text in _texts(value):
                yield f"{label}: {text}"


def _contact(contact: _Contact) -> Iterator[str]:
    held = contact.values
    for field, label in _LABELS[contact.role]:
        if value := held.get(field):
            if field in _NEEDS and not _texts(held.get(_NEEDS[field])):
                continue
            for text in _texts(value):
                yield f"{label}: {text}"


def _footer(name: str, updated: Value | None) -> Iterator[str]:
    gtld = tld_group(name) == "gtld"
    if gtld:
        yield _ICANN_FOOTER
    if isinstance(updated, str) and updated:
        yield f">>> Last update of RDDS: {_clean(updated)} <<<"
    if gtld:
        yield ""
        yield _STATUS_FOOTER


def _texts(value: Value | None) -> list[str]:
    """The texts of a value that a line can hold."""
    parts = (value,) if isinstance(value, str) else value or ()
    return [cleaned for part in parts if (cleaned := _clean(part))]


_FORGING: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Controls, line and paragraph separators, bidirectional controls, lone surrogates."""


def _clean(text: str) -> str:
    # A printable text holds none of them, and `isprintable` is ten times as fast.
    return (text if text.isprintable() else _FORGING.sub(" ", text)).strip()


def _explained(status: str) -> str:
    return f"{status} https://icann.org/epp#{status}" if status in words.STATUSES else status


def _comments(document: Mapping[str, JSON]) -> Iterator[str]:
    status = document.get("errorCode")
    if isinstance(status, int):
        yield f"% {status} {_said(document.get('title'))}"
        yield from _quoted(document.get("description"))
    notices = document.get("notices")
    for item in notices if isinstance(notices, list) else ():
        if isinstance(item, dict):
            yield f"% {_said(item.get('title'))}"
            yield from _quoted(item.get("description"))


def _quoted(lines: JSON) -> Iterator[str]:
    for line in lines if isinstance(lines, list) else ():
        yield f"% {_said(line)}"


def _said(text: JSON) -> str:
    return _clean(text) if isinstance(text, str) else ""
