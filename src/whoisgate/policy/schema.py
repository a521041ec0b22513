"""JSON Schema (draft 2020-12) of policies and of suites, for editors: made from the vocabulary.

A schema helps while one writes: it completes words and marks misspelt ones. It promises less than
`check`, which alone knows positions, duplicates, globs that match nothing, and proofs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from whoisgate.elements import ELEMENTS, REGISTRY_VERSION, Kind
from whoisgate.policy.fields import DAY, DELAY, ID, MOMENT, NAME
from whoisgate.policy.model import (
    ATTRIBUTES,
    DUTIES,
    FACT_ATTRIBUTES,
    LANGUAGE_VERSION,
    PARAMETERS,
    STATUSES,
)
from whoisgate.policy.read import GLOBS, KINDS, REVEALABLE
from whoisgate.policy.suite import UNKNOWN
from whoisgate.queries import Purpose, RequesterClass

Schema = dict[str, object]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_GLOB: Final = r"!?[a-z0-9_.]*\*[a-z0-9_.]*(\*[a-z0-9_.]*)?"


def schema() -> Schema:
    """What a policy looks like; one document of a bundle."""
    return _whole(
        "A whoisgate policy",
        ("whoisgate", "policy", "version", "elements", "rules"),
        {
            "whoisgate": _version("the version of the language", LANGUAGE_VERSION),
            "policy": _name("the policy's name, and its file's", NAME),
            "version": _text("the policy's own version, any text"),
            "elements": _version("the version of the element registry", REGISTRY_VERSION),
            "description": _text("a sentence"),
            "reveals": _table(
                {str(w): _ref("facts") for w in RequesterClass},
                about="by class of requester, the facts that its answers give away",
            ),
            "defaults": _table(
                {str(w): _ref("elements") for w in Purpose},
                about="by purpose, the elements meant when a question names none",
            ),
            "includes": _list(_ref("include"), "other policies, each with a condition"),
            "rules": _list(_ref("rule"), "grants and caps, in no order"),
            "invariants": _list(_ref("invariant"), "promises, proved when the policy is loaded"),
        },
        {
            **_shared(),
            **_words(ATTRIBUTES),
            "condition": _condition(ATTRIBUTES),
            "fact_condition": _condition(FACT_ATTRIBUTES),
            "facts": {
                "anyOf": [
                    _one_of(REVEALABLE),
                    {"type": "array", "items": _one_of(REVEALABLE), "uniqueItems": True},
                ]
            },
            "treatment": {
                "description": "a treatment, or one with a parameter: `{generalise: year}`",
                "anyOf": [
                    _one_of(KINDS),
                    *(
                        _table({_word(k): _one_of(known)}, (_word(k),))
                        for k, known in PARAMETERS.items()
                    ),
                ],
            },
            "in_force": {
                **_table(
                    {
                        "from": _ref("moment"),
                        "until": _ref("moment"),
                        "switch": _name("dormant until the operator turns it on", NAME),
                    },
                    about="when it is active: from (inclusive) until (exclusive)",
                ),
                "minProperties": 1,
            },
            "rule": {
                **_table(
                    {
                        "id": _name("what explanations call the rule", ID),
                        "grant": _ref("treatment"),
                        "cap": _ref("treatment"),
                        "elements": _ref("elements"),
                        "when": {"description": "all of these must hold", **_ref("condition")},
                        "unless": {"description": "the exception", **_ref("condition")},
                        "obligations": _list(_ref("obligation"), "what a release brings"),
                        "in_force": _ref("in_force"),
                        "law": _list(_ref("citation"), "what the rule rests on"),
                    },
                    ("id", "elements"),
                ),
                "oneOf": [{"required": ["grant"]}, {"required": ["cap"]}],
            },
            "invariant": _table(
                {
                    "id": _name("what findings call the promise", ID),
                    "never": _one_of(w for w, kind in KINDS.items() if kind is not Kind.WITHHOLD),
                    "elements": _ref("elements"),
                    "when": _ref("condition"),
                },
                ("id", "never", "elements"),
            ),
            "include": _table(
                {
                    "policy": _name("beside this file, or shipped", NAME),
                    "when": _ref("fact_condition"),
                    "in_force": _ref("in_force"),
                },
                ("policy",),
            ),
            "citation": _table(
                {
                    "instrument": _text("the law, by a short name"),
                    "article": _text("where in the law"),
                    "status": _one_of(STATUSES),
                    "source": _text("the document that somebody read"),
                    "checked": _date("the day of reading", DAY),
                },
                ("instrument", "article", "status", "source"),
            ),
        },
    )


def suite_schema() -> Schema:
    """What a suite of tests looks like."""
    words = {a: (*words, UNKNOWN) for a, words in ATTRIBUTES.items() if a != "disclose"}
    treated = {
        name: _table({p: _ref("elements") for p in PARAMETERS[kind]})
        if kind in PARAMETERS
        else _ref("elements")
        for name, kind in KINDS.items()
        if kind is not Kind.WITHHOLD
    }
    return _whole(
        "Tests of a whoisgate policy",
        ("whoisgate", "suite", "at", "cases"),
        {
            "whoisgate": _version("the version of the language", LANGUAGE_VERSION),
            "suite": _name("the policy that it tests", NAME),
            "at": {"description": "the time of cases that name none", **_ref("moment")},
            "cases": {**_list(_ref("case"), "each a context and what it shows"), "minItems": 1},
        },
        {
            **_shared(),
            **_words(words),
            "case": _table(
                {
                    "name": _text("a sentence that the case proves"),
                    "at": _ref("moment"),
                    "switches": {
                        "description": "the switches that are on",
                        "anyOf": [
                            _name("a switch", NAME),
                            {"type": "array", "items": _name("a switch", NAME)},
                        ],
                    },
                    "when": _condition(words),
                    "disclose": {
                        "description": "flags by element",
                        "type": "object",
                        "propertyNames": _ref("element"),
                        "additionalProperties": _one_of(ATTRIBUTES["disclose"]),
                    },
                    "ask": _ref("elements"),
                    **treated,
                    "obligations": _list(_ref("obligation"), "what is owed together"),
                },
                ("name",),
            ),
        },
    )


def _shared() -> Schema:
    """What policies and suites have in common."""
    return {
        "element": {
            "anyOf": [
                _one_of(
                    [*ELEMENTS, *GLOBS, *(f"!{e}" for e in ELEMENTS), *(f"!{g}" for g in GLOBS)]
                ),
                {"type": "string", "pattern": f"^({_GLOB})$"},
            ]
        },
        "elements": {
            "description": "names, globs with `*`, exclusions with `!`",
            "anyOf": [
                _ref("element"),
                {"type": "array", "items": _ref("element"), "minItems": 1},
            ],
        },
        "moment": _date("a day, or a moment in UTC", DAY, MOMENT),
        "obligation": _table(
            {"do": _one_of(DUTIES), "after": _date("`90d`, `24h`", DELAY)}, ("do",)
        ),
    }


def _whole(title: str, required: Iterable[str], known: Schema, defined: Schema) -> Schema:
    table = _table(known, required)
    return {"$schema": DIALECT, "title": title, **table, "$defs": defined}


def _table(known: Mapping[str, object], required: Iterable[str] = (), about: str = "") -> Schema:
    said: Schema = {"description": about} if about else {}
    said |= {"type": "object", "properties": dict(known), "additionalProperties": False}
    return {**said, "required": [*required]} if required else said


def _words(attributes: Mapping[str, Iterable[str]]) -> Schema:
    """The words of each attribute."""
    return {f"word_of_{name}": _one_of(words) for name, words in attributes.items()}


def _condition(attributes: Iterable[str]) -> Schema:
    said = {}
    for name in attributes:
        word = _ref(f"word_of_{name}")
        several = [word, {"type": "array", "items": word, "minItems": 1}]
        said[name] = {"anyOf": [*several, _table({"not": {"anyOf": several}}, ("not",))]}
    return {**_table(said), "minProperties": 1}


def _one_of(words: Iterable[str]) -> Schema:
    """One of these words; plain `true` and `false` are no text to an editor."""
    known: list[object] = [str(word) for word in words]
    return {"enum": [*known, *(b for b in (True, False) if str(b).lower() in known)]}


def _text(about: str) -> Schema:
    """Any text; an editor takes some for a number or a truth value."""
    return {"description": about, "type": ["string", "number", "boolean"]}


def _name(about: str, pattern: re.Pattern[str]) -> Schema:
    """A name, which an editor may take for a number."""
    return {"description": about, "type": ["string", "number"], "pattern": f"^({pattern.pattern})$"}


def _date(about: str, *patterns: re.Pattern[str]) -> Schema:
    either = "|".join(p.pattern for p in patterns)
    return {"description": about, "type": "string", "pattern": f"^({either})$"}


def _version(about: str, newest: int) -> Schema:
    numbers = range(1, newest + 1)
    return {"description": about, "enum": [*numbers, *map(str, numbers)]}


def _list(item: Schema, about: str) -> Schema:
    return {"description": about, "type": "array", "items": item}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _word(kind: Kind) -> str:
    return kind.name.lower()
