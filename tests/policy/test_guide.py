"""The guide's examples are policies."""

import doctest
import re
from pathlib import Path

import pytest

from whoisgate.policy import check_text

GUIDE = Path(__file__).parents[2] / "docs" / "policy-language.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
HEAD = 'whoisgate: 1\npolicy: example\nversion: "1"\nelements: 1\n'
ALL = "contact_roles, registrant_kind, disclose, region, publish_consent, organization_consent"
OPEN = "  - {id: OPEN, grant: release, elements: [domain.status]}\n"
INNER = f"---\n{HEAD}rules:\n{OPEN}"


def whole(example):
    """An example with what the guide leaves out around it."""
    if example.startswith("whoisgate:"):
        return example
    if example.startswith("  - "):
        return f"{HEAD}reveals: {{public: [{ALL}]}}\nrules:\n{example}"
    rules = "" if "rules:" in example else f"rules:\n{OPEN}"
    bundle = "".join(
        INNER.replace("policy: example", f"policy: {name}")
        for name in re.findall(r"\{policy: ([a-z-]+)", example)
    )
    return f"{HEAD}{example}{rules}{bundle}"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split("\n")[0].strip())
def test_shows_only_what_loads(example):
    assert [f for f in check_text(whole(example)) if f.severity == "error"] == []


def test_shows_examples():
    assert len(EXAMPLES) >= 8


def test_shows_python_that_runs():
    failed, tried = doctest.testfile(
        str(GUIDE), module_relative=False, optionflags=doctest.ELLIPSIS
    )
    assert (failed, tried > 5) == (0, True)
