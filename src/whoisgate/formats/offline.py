"""The public view of answers that somebody captured: the pure core of ``whoisgate redact``.

A captured answer goes through the same decide, redact and encode as a question to a gate. No
line of input can stop the next one: what cannot be read becomes an error object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import orjson

from whoisgate.elements import ELEMENTS
from whoisgate.errors import FormatNotRead, MalformedDocument, WhoisgateError
from whoisgate.formats import rdap, whois
from whoisgate.formats.rdap import strict
from whoisgate.policy.decide import Edition
from whoisgate.queries import PUBLIC, Question
from whoisgate.records import Record
from whoisgate.redact import PublicView, Substitutes, redact

Form = Literal["rdap", "auto"]

_FORMS: Final[Mapping[str, Form]] = {"rdap": "rdap", "auto": "auto"}

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


def redact_answer(
    raw: bytes | str,
    *,
    form: Form,
    edition: Edition,
    substitutes: Substitutes,
    settings: rdap.Settings,
) -> Redacted:
    """What the public may see of ``raw`` under a policy's edition.

    Raises `SourceError`: `MalformedDocument`, `NotADomain`, or `FormatNotRead` for WHOIS text.
    """
    if form == "auto" and not _looks_like_json(raw):
        raise FormatNotRead("expected RDAP JSON, got something else")
    record = rdap.decode(raw)
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


def redact_lines(
    lines: Iterable[bytes],
    *,
    edition: Edition,
    substitutes: Substitutes,
    settings: rdap.Settings,
) -> Iterator[bytes]:
    """One line of JSON out for each line in, in order.

    In: ``{"id", "domain", "format", "raw"}``. Out: ``{"id", "rdap", "whois", "released",
    "withheld", "error"}``, where ``rdap`` is the answer's JSON text and ``error`` is null or
    ``{"code", "message"}``. ``id`` is null where the line itself could not be read.
    """
    for line in lines:
        identity: strict.JSON = None
        answer, problem = None, None
        try:
            asked = _asked(line)
            identity = _identity(asked)
            answer = redact_answer(
                _text(asked, "raw"),
                form=_form(asked),
                edition=edition,
                substitutes=substitutes,
                settings=settings,
            )
        except WhoisgateError as error:
            problem = error
        yield _line(identity, answer, problem)


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


def _form(asked: Mapping[str, strict.JSON]) -> Form:
    form = _FORMS.get(_text(asked, "format") if "format" in asked else "auto")
    if form is None:
        raise FormatNotRead("format: expected `rdap` or `auto`")
    return form


def _line(identity: strict.JSON, answer: Redacted | None, problem: WhoisgateError | None) -> bytes:
    return orjson.dumps(
        {
            "id": identity,
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
