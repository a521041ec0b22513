"""Writes the pages of ``docs/reference`` and the schemas beside the policies from the code.

``python docs/generate.py`` writes them; a test compares them with what stands there.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from whoisgate import errors
from whoisgate.audit.verify import FAILURES
from whoisgate.config import Config
from whoisgate.elements import ELEMENTS, REGISTRY_VERSION, Kind
from whoisgate.identity.authority import Record
from whoisgate.policy import schema, suite_schema
from whoisgate.policy.findings import CODES
from whoisgate.policy.model import (
    ATTRIBUTES,
    DUTIES,
    FACT_ATTRIBUTES,
    LANGUAGE_VERSION,
    PARAMETERS,
    STATUSES,
)

ROOT = Path(__file__).parent.parent

FAMILIES = {
    errors.RequesterError: "WG1xx: the requester's question or credential",
    errors.PolicyError: "WG2xx: the policy's author",
    errors.SourceError: "WG3xx: a source of records",
    errors.EvidenceError: "WG4xx: evidence that does not hold",
    errors.OperatorError: "WG5xx: the operator's configuration, keys or disk",
}
"""Each family of errors with its range."""

LISTED: Mapping[type[errors.WhoisgateError], tuple[str, Mapping[str, str]]] = {
    errors.PolicyError: ("Finding", CODES),
    errors.EvidenceError: ("VerificationFailed", FAILURES),
}
"""Numbers that no class of ``errors.py`` has, and what carries them."""


def error_numbers() -> str:
    """Every stable number, by whose fault it is."""
    lines = ["# Error numbers", "", *_note(), *_prose(inspect.getdoc(errors) or "")]
    for family, title in FAMILIES.items():
        numbers = {c.code: (c.__name__, _said(c)) for c in _family(family)}
        name, listed = LISTED.get(family, ("", {}))
        for code, text in listed.items():
            numbers.setdefault(code, (name, f"{text[0].upper()}{text[1:]}."))
        rows = [(code, f"`{who}`", text) for code, (who, text) in sorted(numbers.items())]
        lines += ["", f"## {title}", "", *_table(("Number", "Class", "Meaning"), rows)]
    return "\n".join(lines) + "\n"


def elements() -> str:
    """Every data element with what the registry says of it."""
    rows = [
        (
            f"`{e.name}`",
            e.label,
            "yes" if e.personal else "",
            "list" if e.many else "",
            ", ".join(
                f"{_word(kind)}: {e.generalises}" if kind is Kind.GENERALISE else _word(kind)
                for kind in e.supports
                if kind is not Kind.WITHHOLD
            ),
            f"{e.redacted_as}: {e.method}" if e.redacted_as else "",
            str(e.since),
        )
        for e in ELEMENTS.values()
    ]
    head = ("Element", "In WHOIS text", "Personal", "Many", "Treatments", "Redaction", "Since")
    return "\n".join(
        [
            "# Data elements",
            "",
            *_note(),
            f"Registry {REGISTRY_VERSION}. Every element can be withheld; the treatments are what",
            "else it supports, least disclosing first. A redaction is the name and the RFC 9537",
            "method under which a withheld element is declared. `Since` is the registry in which",
            "the element first stood.",
            "",
            *_table(head, rows),
            "",
        ]
    )


def settings() -> str:
    """Every key of ``whoisgate.toml``."""
    lines = ["# Settings", "", *_note(), "The keys of `whoisgate.toml`; an unknown key is refused."]
    for title, about, fields in _config_tables():
        rows = [(f"`{key}`", *_setting(field)) for key, field in fields.items()]
        lines += ["", f"## {title}", "", about, ""]
        lines += _table(("Key", "Takes", "Default"), rows)
    return "\n".join(lines) + "\n"


def policy_words() -> str:
    """Every word that a policy may use."""
    attributes = [
        (
            f"`{name}`",
            "fact" if name in FACT_ATTRIBUTES else "question",
            ", ".join(f"`{word}`" for word in words),
        )
        for name, words in ATTRIBUTES.items()
    ]
    treatments = [
        (f"`{_word(kind)}`", ", ".join(f"`{word}`" for word in PARAMETERS.get(kind, ())))
        for kind in Kind
    ]
    return "\n".join(
        [
            "# Words of a policy",
            "",
            *_note(),
            f"Language {LANGUAGE_VERSION}. The vocabulary is closed: any other word is refused.",
            "",
            "## Attributes, for `when` and `unless`",
            "",
            *_table(("Attribute", "Comes from the", "Words"), attributes),
            "",
            "## Treatments, least disclosing first",
            "",
            *_table(("Treatment", "Parameters, the default first"), treatments),
            "",
            f"Duties of an obligation: {_list(DUTIES)}.",
            "",
            f"Status of a citation: {_list(STATUSES)}.",
            "",
        ]
    )


PAGES: Mapping[str, Callable[[], str]] = {
    "docs/reference/errors.md": error_numbers,
    "docs/reference/elements.md": elements,
    "docs/reference/settings.md": settings,
    "docs/reference/policy-words.md": policy_words,
    "policies/policy.schema.json": lambda: _json(schema()),
    "docs/reference/authority.schema.json": lambda: _json(Record.model_json_schema()),
    "policies/suite.schema.json": lambda: _json(suite_schema()),
}
"""What each generated file holds."""


def _json(document: Mapping[str, object]) -> str:
    return json.dumps(document, indent=1) + "\n"


def _note() -> list[str]:
    return ["<!-- Written by docs/generate.py from the code: change it there. -->", ""]


def _prose(text: str) -> list[str]:
    return [line.replace("``", "`") for line in text.split("\n\n", 1)[1].splitlines()]


def _said(thing: object) -> str:
    return " ".join((inspect.getdoc(thing) or "").split()).replace("``", "`")


def _family(family: type[errors.WhoisgateError]) -> Iterator[type[errors.WhoisgateError]]:
    yield family
    for child in family.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _family(child)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = chain([head, tuple("---" for _ in head)], rows)
    return ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]


def _config_tables() -> Iterator[tuple[str, str, Mapping[str, FieldInfo]]]:
    yield from _tables_of(Config, "", "Top level", "Before any table.")


def _tables_of(
    model: type[BaseModel], path: str, title: str, about: str
) -> Iterator[tuple[str, str, Mapping[str, FieldInfo]]]:
    inner = {key: _model(field.annotation) for key, field in model.model_fields.items()}
    yield title, about, {k: f for k, f in model.model_fields.items() if inner[k] is None}
    for key, table in inner.items():
        if table is not None:
            many = get_origin(model.model_fields[key].annotation) is tuple
            said = _said(table).partition(": ")[2]
            name = f"`[[{path}{key}]]`" if many else f"`[{path}{key}]`"
            yield from _tables_of(table, f"{path}{key}.", name, said[0].upper() + said[1:])


def _model(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model, get_args(annotation))), None)


def _setting(field: FieldInfo) -> tuple[str, str]:
    bounds = [
        f"{sign} {getattr(bound, name)}"
        for bound in field.metadata
        for name, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
        if hasattr(bound, name)
    ]
    takes = ", ".join([_takes(field.annotation), *bounds])
    if field.is_required():
        return takes, "required"
    return takes, "none" if field.default in (
        None,
        (),
    ) else f"`{json.dumps(field.default, default=str)}`"


def _takes(annotation: object) -> str:
    """What one setting takes, in words; fails on a type that it has no words for."""
    arguments = [a for a in get_args(annotation) if a not in (type(None), Ellipsis)]
    origin = get_origin(annotation)
    if origin in (tuple, frozenset):
        return f"list of {_takes(arguments[0])}"
    if origin is Literal:
        return " or ".join(f"`{word}`" for word in arguments)
    if arguments:
        return _takes(arguments[0])
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        attribute = next(name for name, words in ATTRIBUTES.items() if words == tuple(annotation))
        return f"a [word](policy-words.md) of `{attribute}`"
    return _PLAIN_WORDS[annotation]


_PLAIN_WORDS: Mapping[object, str] = {
    bool: "`true` or `false`",
    datetime: "date and time",
    float: "number",
    int: "whole number",
    Path: "path",
    str: "text",
}


def _word(kind: Kind) -> str:
    return kind.name.lower()


def _list(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def main() -> None:
    """Write every file."""
    for name, page in PAGES.items():
        (ROOT / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
