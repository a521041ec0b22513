"""``policy diff`` as counsel would use it: one rule of a shipped policy changed."""

import json

import pytest
from typer.testing import CliRunner

from whoisgate.cli import app
from whoisgate.policy.files import shipped_folder

RARE = "elements: [registrant.state, registrant.country]"


@pytest.fixture
def edited(tmp_path):
    """`icann-gtld` with one edit, and without invariants that would refuse it."""

    def edit(old, new):
        text = (shipped_folder() / "icann-gtld.yaml").read_text().partition("\ninvariants:")[0]
        assert old in text
        path = tmp_path / "icann-gtld.yaml"
        path.write_text(text.replace(old, new, 1))
        return str(path)

    return edit


def run(*arguments):
    done = CliRunner().invoke(app, ["policy", "diff", *arguments])
    return done.exit_code, done.stdout


def test_says_that_an_edit_has_no_effect(edited):
    code, said = run("icann-gtld", edited("ICANN's Registration Data Policy as", "The policy as"))
    assert (code, said) == (0, "no effect: every question gets the same answer from both\n")


def test_refuses_what_the_public_gains(edited):
    path = edited(RARE, RARE.replace("]", ", registrant.city]"))
    code, said = run("icann-gtld", path)
    assert code == 1
    assert "the public: registrant.city\n  newly shown: withhold before, release after" in said
    assert said.endswith("the public gains personal data\n")
    code, said = run("icann-gtld", path, "--json")
    first = json.loads(said)["changes"][0]
    assert (first["elements"], first["direction"], first["public"]) == (
        ["registrant.city"],
        "released",
        True,
    )
    assert first["witness"].startswith("requester=public ")


def test_tells_what_known_requesters_gain_and_lose(edited):
    path = edited("assurance: high", "assurance: [substantial, high]")
    code, said = run("icann-gtld", path)
    assert code == 0
    assert "known requesters" in said
    assert "newly shown: withhold before, release after" in said
    assert "assurance=substantial" in said
    code, said = run(path, "icann-gtld")
    assert code == 0
    assert "newly withheld: release before, withhold after" in said
