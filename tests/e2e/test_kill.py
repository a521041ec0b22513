"""The gateway killed under load: every gated answer that a client received is in the log."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from tests.e2e.conftest import PURPOSE, make_folder, serving

from whoisgate import app, operations
from whoisgate.audit.verify import parse_vkey, verify_log, verify_receipt
from whoisgate.client import Client
from whoisgate.errors import WhoisgateError
from whoisgate.policy.decide import Outcome
from whoisgate.queries import Question

ROUNDS = int(os.environ.get("WHOISGATE_KILLS", "4"))


@pytest.mark.slow
def test_keeps_every_answer_that_a_client_received(tmp_path):
    folder = make_folder(tmp_path / "gate")
    config = folder / "whoisgate.toml"
    config.write_text(
        config.read_text().replace("[gate]\n", "[gate]\nrefusals_per_day = 1000000\n")
    )
    names = (folder / "demo" / "domains.txt").read_text().split()
    key = parse_vkey((folder / "keys" / "log.vkey").read_text().strip())
    proofs: list[str] = []
    spent: list[int] = []
    for turn in range(ROUNDS):
        with serving(folder) as gateway:
            pending = _question(names[0], case=f"once-{turn}", elements=["registrant.fax"])
            with Client(gateway.base_url, token=gateway.token, key=key) as client:
                asked = client.ask(pending)
            gate = app.Folder.at(folder)
            with gate.opened() as log:
                operations.approve(
                    gate, log, asked.receipt.index, ["registrant.fax"], by="Duty Officer",
                    expires=app.utc_now().replace(year=2099),
                )  # fmt: skip
            stop = threading.Event()
            spent.clear()
            with ThreadPoolExecutor(8) as pool:
                jobs = [pool.submit(_load, gateway, key, names, n, stop, proofs) for n in range(6)]
                jobs += [pool.submit(_spend, gateway, key, pending, stop, spent) for _ in range(2)]
                time.sleep(0.7)
                gateway.process.send_signal(signal.SIGKILL)
                stop.set()
                for job in jobs:
                    job.result()
            assert len(spent) <= 1
    assert len(proofs) > ROUNDS
    with app.Folder.at(folder).opened() as log:
        log.publish()
    report = verify_log(lambda path: (folder / "log" / path).read_bytes(), key)
    received = {verify_receipt(proof, key).index for proof in proofs}
    assert len(received) == len(proofs)
    assert max(received) < report.size


def test_says_what_to_do_when_an_old_backup_is_restored(folder, run):
    database = folder / "whoisgate.db"
    backup = database.read_bytes()
    with serving(folder):
        pass
    database.write_bytes(backup)
    tried = run("serve", folder, "--whois", "127.0.0.1:0")
    assert tried.returncode != 0
    (said,) = tried.stderr.decode().splitlines()
    assert said.startswith("whoisgate: WG506: ")
    assert "restore the newest database" in said


def _question(name: str, case: str, elements: list[str]) -> Question:
    return Question.of(name, purpose=PURPOSE, basis="national_order", case=case, elements=elements)


def _load(gateway, key, names, n, stop, proofs) -> None:
    with suppress(WhoisgateError), Client(gateway.base_url, token=gateway.token, key=key) as client:
        while not stop.is_set():
            n += 1
            reply = client.ask(_question(names[n % len(names)], f"c{n}", ["registrant.name"]))
            if reply.outcome is Outcome.RELEASED:
                proofs.append(reply.proof)


def _spend(gateway, key, question, stop, spent) -> None:
    with suppress(WhoisgateError), Client(gateway.base_url, token=gateway.token, key=key) as client:
        while not stop.is_set():
            reply = client.ask(question)
            if reply.outcome is Outcome.RELEASED:
                spent.append(reply.receipt.index)
