"""The policy language, and what it decides.

`model` is the language as data and `evaluate` its meaning; `compiled` turns a policy into decision
diagrams (`diagram`), from which `decide` answers, `prove` proves and `diff` compares; `explain`
says why. `load` reads YAML from files, bundles and the shipped policies; `check` finds everything
wrong at once, with positions. `text`, `fields`, `read` and `compose` are the steps of reading.
`suite` reads and runs tests, `coverage` and `mutate` say how much they test; `schema` helps an
editor with both kinds of file.
"""

from whoisgate.policy.check import check_file, check_text
from whoisgate.policy.decide import Decision, Edition, Outcome, edition
from whoisgate.policy.differ import Change, Difference, diff, views
from whoisgate.policy.explain import Reason, explain, sentence
from whoisgate.policy.load import load, load_any, load_named, load_text
from whoisgate.policy.model import Policy
from whoisgate.policy.prove import Breach, prove
from whoisgate.policy.schema import schema, suite_schema

__all__ = [
    "Breach",
    "Change",
    "Decision",
    "Difference",
    "Edition",
    "Outcome",
    "Policy",
    "Reason",
    "check_file",
    "check_text",
    "diff",
    "edition",
    "explain",
    "load",
    "load_any",
    "load_named",
    "load_text",
    "prove",
    "schema",
    "sentence",
    "suite_schema",
    "views",
]
