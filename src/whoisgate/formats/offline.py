"""The public view of answers that somebody captured: the pure core of ``whoisgate redact``.

A captured answer goes through the same decide, redact and encode as a question to a gate. No
line of input can stop the next one: what cannot be read becomes an error object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import orjson

from whoisgate.elements import ELEMENTS
from whoisgate.errors import MalformedDocument, MalformedName, WhoisgateError
from whoisgate.formats import rdap, whois
from whoisgate.formats.rdap import strict
from whoisgate.formats.whois import Reading, State
from whoisgate.policy.decide import Edition
from whoisgate.queries import PUBLIC, Question, canonical_name
from whoisgate.records import Record
from whoisgate.redact import PublicView, Substitutes, redact

Form = Literal["rdap", "whois", "auto"]

Amend = Callable[[str, Record], Record]
"""Another reader of a WHOIS text: the record, with what it may fill in."""

_FORMS: Final[Mapping[str, Form]] = {"rdap": "rdap", "whois": "whois", "auto": "auto"}

MAX_LINE_BYTES: Final = 2 * strict.MAX_BYTES
"""A line holds its answer as a JSON string, which escapes."""


@dataclass(frozen=True, slots=True)
class Redacted:
    """The public view of one captured answer, as RDAP and as WHOIS text.

    ``released`` are the names of the elements that are shown with the answer's own value;
    ``withheld`` those that the answer had and the view does not show so: withheld, or replaced.
    Both are in registry order.
    """

    rdap: bytes
    whois: bytes
    released: tuple[str, ...]
    withheld: tuple[str, ...]


def read_answer(
    raw: bytes | str, *, form: Form, name: str | None = None, amend: Amend | None = None
) -> Reading:
    """What an answer says, and its record where it has one.

    ``name`` is the canonical name that WHOIS text answers about. Raises `MalformedDocument` or
    `NotADomain`.
    """
    if form == "rdap" or (form == "auto" and _looks_like_json(raw)):
        return Reading(State.REGISTERED, rdap.decode(raw))
    reading = whois.read(raw, name)
    if amend is None or reading.record is None:
        return reading
    return replace(reading, record=amend(whois.decoded(raw), reading.record))


def redact_record(
    record: Record, *, edition: Edition, substitutes: Substitutes, settings: rdap.Settings
) -> Redacted:
    """What the public may see of a record under a policy's edition."""
    decision = edition.decide(Question(record.name), PUBLIC, record.facts)
    view = redact(record, decision, substitutes)
    if not isinstance(view, PublicView):
        raise TypeError("the public's own decision is never gated")
    present = _present(record)
    return Redacted(
        bytes(rdap.encode(view, settings)),
        bytes(whois.encode(view)),
        tuple(n for n, e in ELEMENTS.items() if n in present and decision.releases(e)),
        tuple(n for n, e in ELEMENTS.items() if n in present and not decision.releases(e)),
    )


def redact_answer(
    raw: bytes | str,
    *,
    form: Form,
    name: str | None = None,
    amend: Amend | None = None,
    edition: Edition,
    substitutes: Substitutes,
    settings: rdap.Settings,
) -> Redacted:
    """What the public may see of ``raw`` under a policy's edition.

    Raises `MalformedDocument` or `NotADomain`; for WHOIS text that gives no record `NameNotFound`,
    `UpstreamThrottled` or `UpstreamRefused`.
    """
    reading = read_answer(raw, form=form, name=name, amend=amend)
    if reading.record is None:
        raise _refusal(reading.state, form, name)
    return redact_record(
        reading.record, edition=edition, substitutes=substitutes, settings=settings
    )


def redact_lines(
    lines: Iterable[bytes],
    *,
    edition: Edition,
    substitutes: Substitutes,
    settings: rdap.Settings,
    amend: Amend | None = None,
) -> Iterator[bytes]:
    """One line of JSON out for each line in, in order.

    In: ``{"id", "domain", "format", "raw"}``. Out: ``{"id", "state", "rdap", "whois", "released",
    "withheld", "error"}``, where ``state`` is what the answer is (`State`), ``rdap`` the public
    answer's JSON text and ``error`` null or ``{"code", "message"}``. ``id`` and ``state`` are null
    where the line itself, or its answer, could not be read.
    """
    for line in lines:
        identity: strict.JSON = None
        answer, problem, state = None, None, None
        try:
            asked = _asked(line)
            identity = _identity(asked)
            name, form = _name(asked), _form(asked)
            reading = read_answer(_text(asked, "raw"), form=form, name=name, amend=amend)
            state = reading.state
            if reading.record is None:
                raise _refusal(state, form, name)
            answer = redact_record(
                reading.record, edition=edition, substitutes=substitutes, settings=settings
            )
        except WhoisgateError as error:
            problem = error
        yield _line(identity, state, answer, problem)


def _refusal(state: State, form: Form, name: str | None) -> WhoisgateError:
    if state is State.UNREAD and form == "auto":
        return MalformedDocument("expected an RDAP answer or WHOIS text about a domain")
    return whois.refusal(state, name)


def _asked(line: bytes) -> Mapping[str, strict.JSON]:
    if len(line) > MAX_LINE_BYTES:
        raise MalformedDocument(f"expected at most `{MAX_LINE_BYTES}` bytes, got `{len(line)}`")
    asked = strict.loads(line, limit_bytes=MAX_LINE_BYTES)
    if not isinstance(asked, dict):
        raise MalformedDocument("expected a JSON object in each line")
    return asked


def _identity(asked: Mapping[str, strict.JSON]) -> str | int | None:
    identity = asked.get("id")
    if identity is None or isinstance(identity, str | int):
        return identity
    raise MalformedDocument("id: expected a text or a number")


def _text(asked: Mapping[str, strict.JSON], member: str) -> str:
    said = asked.get(member)
    if isinstance(said, str):
        return said
    raise MalformedDocument(f"{member}: expected a text")


def _name(asked: Mapping[str, strict.JSON]) -> str | None:
    """The name that was asked, where the line says it and it is one."""
    said = asked.get("domain")
    try:
        return canonical_name(said) if isinstance(said, str) else None
    except MalformedName:
        return None


def _form(asked: Mapping[str, strict.JSON]) -> Form:
    form = _FORMS.get(_text(asked, "format") if "format" in asked else "auto")
    if form is None:
        raise MalformedDocument("format: expected `rdap`, `whois` or `auto`")
    return form


def _line(
    identity: strict.JSON,
    state: State | None,
    answer: Redacted | None,
    problem: WhoisgateError | None,
) -> bytes:
    return orjson.dumps(
        {
            "id": identity,
            "state": state,
            "rdap": answer and answer.rdap.decode(),
            "whois": answer and answer.whois.decode(),
            "released": answer.released if answer else (),
            "withheld": answer.withheld if answer else (),
            "error": problem and {"code": problem.code, "message": str(problem)},
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


def _present(record: Record) -> set[str]:
    names = {element.name for element in record.values}
    names.update(f"{c.role}.{field}" for c in record.contacts for field in c.values)
    for nameserver in record.nameservers:
        names.add("nameserver.name")
        names.update(f"nameserver.{f}" for f in ("ipv4", "ipv6") if getattr(nameserver, f))
    return names


def _looks_like_json(raw: bytes | str) -> bool:
    start = raw.lstrip()
    return start.startswith("{") if isinstance(start, str) else start.startswith(b"{")
