"""Budgets and conduct on the command line: what an officer is told, and what an operator does."""

import json

import pytest
from tests.e2e.conftest import PURPOSE, make_folder, serving

OFFICER = ["--purpose", PURPOSE, "--basis", "national_order", "--case", "2026-114"]
TABLES = """
[budget]
person = {month = 3}

[conduct]
names_per_hour = [2, 3, 5]
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    folder = make_folder(tmp_path_factory.mktemp("budgets") / "gate")
    with (folder / "whoisgate.toml").open("a") as file:
        file.write(TABLES)
    with serving(folder) as gateway:
        yield gateway


def test_holds_an_officer_back_and_lets_an_operator_decide(run, gateway):
    def ask(name, elements="registrant.name"):
        done = run(
            "lookup", name, "--server", gateway.base_url, "--key", gateway.vkey, "--token",
            gateway.folder / "demo" / "investigator.token", *OFFICER, "--elements", elements,
        )  # fmt: skip
        return done.returncode, " ".join(done.stdout.decode().split())

    def operate(*words):
        done = run("approve", *words, "--dir", gateway.folder)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    names = iter((gateway.folder / "demo" / "domains.txt").read_text().split())
    assert ask(next(names))[0] == 0
    assert ask(next(names))[0] == 0
    third = next(names)
    assert ask(third)[0] == 4
    queue = operate()
    assert f"{third}  asked" in queue
    assert "FLAGGED for many names in an hour" in queue
    (waiting,) = json.loads(operate("--json"))
    assert waiting["flagged"] == ["many names in an hour"]
    operate(waiting["id"], "--elements", "registrant.name", "--by", "Bo Second")
    assert ask(third)[0] == 0
    assert ask(next(names))[0] == 4
    stopped, told = ask(next(names))
    assert stopped == 3
    assert "WG117" in told
    queue = operate()
    assert "STOPPED for many names in an hour" in queue
    (stop,) = [row["stop"] for row in json.loads(operate("--json")) if "stop" in row]
    assert f"stop of entry {stop} lifted" in operate(
        "--lift", stop, "--by", "Bo Second", "--reason", "spoke with their head"
    )
    assert run("approve", "--lift", stop, "--by", "B", "--reason", "r", "--dir",
               gateway.folder).returncode != 0  # fmt: skip
    spent, told = ask(next(names))
    assert spent == 3
    assert "WG115" in told
    assert "persons disclosed to this person in a UTC month" in told
