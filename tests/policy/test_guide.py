"""The guide's examples are policies, and its commands say what it says that they say."""

import doctest
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from whoisgate.cli import app
from whoisgate.policy import check_file, check_text, load, load_text
from whoisgate.policy.coverage import coverage
from whoisgate.policy.files import shipped_folder
from whoisgate.policy.findings import Report
from whoisgate.policy.mutate import Verdict, attempt
from whoisgate.policy.suite import read_suite, run

GUIDE = Path(__file__).parents[2] / "docs" / "policy-language.md"
PAGES = sorted((GUIDE.parent / "policies").glob("*.md"))
SHIPPED = [*shipped_folder().glob("*.yaml"), *shipped_folder().glob("drafts/*.yaml")]


def examples(page):
    return re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


WRITTEN = examples(GUIDE)
SUITES = [text for text in WRITTEN if "\nsuite: " in text]
EXAMPLES = [text for text in WRITTEN if text not in SUITES]
COMMANDS = re.findall(
    r"```console\n\$ whoisgate (.*)\n((?:.*\n)*?)```", GUIDE.read_text(encoding="utf-8")
)
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


@pytest.mark.parametrize(("command", "output"), COMMANDS, ids=[c for c, _ in COMMANDS])
def test_shows_what_its_commands_print(command, output, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    smallest = next(e for e in EXAMPLES if e.startswith("whoisgate: 1 "))
    rule = next(e for e in EXAMPLES if "id: LEA-ORDER" in e)
    Path("example.yaml").write_text(smallest + rule, encoding="utf-8")
    done = CliRunner().invoke(app, shlex.split(command))
    assert done.exit_code == 0
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.OutputChecker().check_output(output, done.output, flags), done.output


def test_shows_commands():
    assert len(COMMANDS) == 2


def test_shows_python_that_runs():
    failed, tried = doctest.testfile(
        str(GUIDE), module_relative=False, optionflags=doctest.ELLIPSIS
    )
    assert (failed, tried > 5) == (0, True)


@pytest.mark.parametrize("text", SUITES)
def test_shows_suites_that_let_no_mutant_survive(text):
    name = re.search(r"^suite: ([a-z-]+)", text, re.MULTILINE)[1]
    policy = load_text(next(e for e in EXAMPLES if f"\npolicy: {name}\n" in e))
    suite = read_suite(text, "suite.yaml", policy, Report())
    assert run(policy, suite) == []
    assert coverage(policy, suite).untried == ()
    assert Verdict.SURVIVED not in {t.verdict for t in attempt(policy, suite)}


def test_shows_a_suite():
    assert SUITES


def test_has_a_page_for_every_shipped_policy_that_names_its_switches():
    assert [p.stem for p in PAGES] == sorted(p.stem for p in SHIPPED)
    for path in SHIPPED:
        page = (GUIDE.parent / "policies" / f"{path.stem}.md").read_text(encoding="utf-8")
        switches = {p.switch for r in load(path).rules for p in r.in_force} - {None}
        said = page if path.stem != "registrar-default" else "".join(p.read_text() for p in PAGES)
        assert [s for s in switches if f"`{s}`" not in said] == []


@pytest.mark.parametrize(
    ("page", "example"),
    [(p, e) for p in PAGES for e in examples(p)],
    ids=lambda v: v.stem if isinstance(v, Path) else "",
)
def test_shows_policies_of_ones_own_that_load(page, example, tmp_path):
    folder = tmp_path / "drafts" if page.stem == "cets224-art6" else tmp_path
    folder.mkdir(exist_ok=True)
    (folder / "mine.yaml").write_text(example, encoding="utf-8")
    assert [f for f in check_file(folder / "mine.yaml") if f.severity == "error"] == []
