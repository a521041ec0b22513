"""The policy language, and what it decides.

`model` is the language as data, `decide` evaluates it and `explain` says why. `load` reads YAML
from files, bundles and the shipped policies; `check` finds everything wrong at once, with
positions, and proves invariants and `reveals`. `text`, `fields`, `read` and `compose` are the
steps of reading, `search` and `prove` those of proving.
"""

from whoisgate.policy.check import check_file, check_text
from whoisgate.policy.decide import Decision, Edition, Outcome, edition
from whoisgate.policy.explain import Reason, explain, sentence
from whoisgate.policy.load import load, load_named, load_text
from whoisgate.policy.model import Policy

__all__ = [
    "Decision",
    "Edition",
    "Outcome",
    "Policy",
    "Reason",
    "check_file",
    "check_text",
    "edition",
    "explain",
    "load",
    "load_named",
    "load_text",
    "sentence",
]
