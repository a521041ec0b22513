"""``policy test`` as an author would use it, with the guide's own policy and suite."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from whoisgate.cli import app

GUIDE = (Path(__file__).parents[2] / "docs" / "policy-language.md").read_text(encoding="utf-8")
WRITTEN = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
POLICY = next(t for t in WRITTEN if "\npolicy: names\n" in t)
SUITE = next(t for t in WRITTEN if "\nsuite: names " in t)
FORGOTTEN = SUITE.replace("approval: [none, standing]", "approval: none")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "suites").mkdir()
    (tmp_path / "names.yaml").write_text(POLICY)
    (tmp_path / "suites" / "names.yaml").write_text(SUITE)
    return tmp_path


def run(*arguments):
    done = CliRunner().invoke(app, ["policy", "test", *map(str, arguments)])
    return done.exit_code, done.stdout


def test_all_is_well(folder):
    code, said = run(folder / "names.yaml", "--coverage", "--mutate")
    assert code == 0
    assert said.splitlines() == [
        "16 cases, 0 failed",
        "covered: 2 of 2 rules, 3 of 3 atoms",
        "50 mutants: 49 caught, 0 survived, 1 equivalent",
    ]


def test_a_survivor_is_shown_as_the_guide_shows_it(folder):
    (folder / "suites" / "names.yaml").write_text(FORGOTTEN)
    assert run(folder / "names.yaml")[0] == 0
    code, said = run(folder / "names.yaml", "--mutate")
    assert code == 1
    assert said.replace(str(folder), "policies").partition("\n")[2].rpartition("50 mut")[0] in GUIDE
    assert "what survives for want of a case like" in said
    assert said.endswith("50 mutants: 48 caught, 1 survived, 1 equivalent\n")
    code, said = run(folder / "names.yaml", "--mutate", "--coverage", "--json")
    (survivor,) = json.loads(said)["mutants"].pop("survivors")
    assert code == 1
    assert survivor == {
        "rule": "ORDER",
        "position": f"{folder}/names.yaml:12:5",
        "what": "when: `approval: standing` added",
        "elements": ["registrant.name"],
        "before": "withhold",
        "after": "release",
        "case": {
            "when": {
                "requester": "law_enforcement",
                "approval": "standing",
                "registrant_kind": "natural",
            }
        },
    }


def test_a_failing_case_is_shown_with_its_rule(folder):
    wrong = SUITE.replace(
        "release: [registrant.name, registrant.email]", "release: registrant.name", 1
    )
    other = folder / "other.yaml"
    other.write_text(wrong.replace("after: 90d", "after: 36h"))
    code, said = run(folder / "names.yaml", "--suite", other, "--mutate")
    assert code == 1
    assert said.startswith(
        f"{other}:10:5: failed: an approved order opens name and e-mail address "
        "(requester: law_enforcement)\n"
        "  registrant.email: expected `withhold`, got `release`\n"
        "    granted by ORDER\n"
        f"    {folder}/names.yaml:12:5: ORDER\n"
        "  obligations: expected `notify_registrant after 36h`, got `notify_registrant after 90d`\n"
    )
    assert said.endswith(
        "16 cases, 2 failed\nno mutant tried, because the suite fails for the policy itself\n"
    )
    code, said = run(folder / "names.yaml", "--suite", other, "--json")
    first = json.loads(said)["failed"][0]
    assert code == 1
    assert (first["position"], first["elements"][0]["rules"][0]["id"]) == (f"{other}:10:5", "ORDER")
    assert first["obligations"]["got"] == ["notify_registrant after 90d"]


def test_what_no_case_covers_is_named(folder):
    (folder / "suites" / "names.yaml").write_text(SUITE.partition("  - name: an approved")[0])
    code, said = run(folder / "names.yaml", "--coverage")
    assert code == 0
    assert f"{folder}/names.yaml:12:5: rule `ORDER` neither grants nor caps in any case\n" in said
    assert "rule `ORDER`: when `approval: granted` never decides by being met\n" in said
    assert said.endswith("covered: 1 of 2 rules, 1 of 3 atoms\n")
    covered = json.loads(run(folder / "names.yaml", "--coverage", "--json")[1])["coverage"]
    assert [r["id"] for r in covered["untried_rules"]] == ["ORDER"]
    assert {"rule": "ORDER", "atom": "approval: granted", "never": "met"}.items() <= covered[
        "untried_atoms"
    ][2].items()


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        (
            "names.yaml",
            "registrant_kind: legal}",
            "registrant_kind: leagl}",
            "did you mean `legal`?",
        ),
        (
            "suites/names.yaml",
            "registrant.email]",
            "registrant.emial]",
            "did you mean `registrant.email`",
        ),
    ],
)
def test_mistakes_are_shown_with_their_positions(folder, path, old, new, said):
    text = (folder / path).read_text()
    assert old in text
    (folder / path).write_text(text.replace(old, new))
    code, shown = run(folder / "names.yaml", "--mutate")
    assert code == 1
    assert re.match(rf"{folder / path}:[0-9]+:[0-9]+: error WG20[23]: ", shown)
    assert said in shown
    code, shown = run(folder / "names.yaml", "--json")
    assert code == 1
    assert json.loads(shown)["findings"][0]["position"].startswith(f"{folder / path}:")


def test_a_policy_without_a_suite_says_where_it_was_looked_for(folder):
    (folder / "suites" / "names.yaml").unlink()
    code, said = run(folder / "names.yaml")
    assert code == 1
    assert said.startswith(f"{folder}/suites/names.yaml:1:1: error WG214: the file cannot be read")


def test_a_name_that_does_not_ship_is_an_error():
    done = CliRunner().invoke(app, ["policy", "test", "icann-gtdl"])
    assert "did you mean `icann-gtld`?" in str(done.exception)


def test_a_person_at_a_terminal_is_told_how_far_it_is(folder):
    ours, theirs = pty.openpty()
    command = [Path(sys.executable).with_name("whoisgate"), "policy", "test", "--mutate"]
    done = subprocess.run([*command, folder / "names.yaml"], stderr=theirs,
                          stdout=subprocess.PIPE, timeout=60, check=False)  # fmt: skip
    os.close(theirs)
    told = os.read(ours, 10_000)
    os.close(ours)
    assert done.returncode == 0
    assert told.startswith(b"\r0 of 50 mutants\r\r10 of 50 mutants\r")
    assert told.split(b"\r")[-2].strip() == b""
