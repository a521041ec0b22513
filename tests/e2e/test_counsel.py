"""As a registrar's counsel would: one word of the shipped policy changed, so that it leaks."""

import json
import shutil

import pytest

from whoisgate.policy.files import shipped_folder

WITNESS = (
    "requester=cybersecurity assurance=substantial purpose=technicalIssueResolution "
    "basis=nis2_article_28 case=given"
)
PERSONAL = {"registrant.name", "registrant.street", "registrant.phone", "registrant.email"}


@pytest.fixture
def edited(tmp_path):
    """icann-gtld with its suite; security teams need no approval any more."""
    (tmp_path / "suites").mkdir()
    shutil.copy(shipped_folder() / "suites" / "icann-gtld.yaml", tmp_path / "suites")
    text = (shipped_folder() / "icann-gtld.yaml").read_text()
    before, rule, after = text.partition("  - id: SECURITY\n")
    file = tmp_path / "icann-gtld.yaml"
    file.write_text(
        before + rule + after.replace("approval: granted", "approval: [none, granted]", 1)
    )
    return file


def test_check_refuses_it_with_a_witness(edited, run):
    done = run("policy", "check", edited, "--json")
    found = [f for f in json.loads(done.stdout) if f["severity"] == "error"]
    assert done.returncode == 1
    assert {f["code"] for f in found} == {"WG207"}
    (named,) = [f for f in found if "`NOTHING-WITHOUT-APPROVAL`" in f["message"]
                and "`registrant.name`" in f["message"]]  # fmt: skip
    assert "rule `SECURITY`" in named["message"]
    assert WITNESS in named["message"]
    line = int(named["position"].rsplit(":", 2)[1])
    assert "NOTHING-WITHOUT-APPROVAL" in edited.read_text().splitlines()[line - 1]


def test_diff_names_it(edited, run):
    done = run("policy", "diff", "icann-gtld", edited, "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert not told["public_gains"]
    changes = told["changes"]
    assert {e for c in changes for e in c["elements"]} >= PERSONAL
    assert all(c["opens"] and not c["public"] and c["contexts"] for c in changes)
    assert all(f"{WITNESS} approval=none" in c["witness"] for c in changes)
    assert any("NOTHING-WITHOUT-APPROVAL" in f["message"] for f in told["broken"])


def test_its_suite_fails(edited, run):
    done = run("policy", "test", edited)
    assert done.returncode == 1
    said = done.stdout.decode()
    assert "failed: SECURITY does not hold without approval" in said
    assert "registrant.name: expected `withhold`, got `release`\n    granted by SECURITY" in said
    assert "WG207" in said


def test_nothing_else_takes_it(edited, run):
    for command in (["show", edited], ["show", edited, "--views"]):
        done = run("policy", *command)
        assert done.returncode == 1
        assert b"WG207" in done.stdout + done.stderr
