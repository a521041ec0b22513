"""A registrar's prefork web server with the gate inside, under load of gated questions."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from whoisgate import app
from whoisgate.audit.verify import parse_vkey, verify_log, verify_receipt
from whoisgate.cli import demo_folder

APPLICATION = """
import os
import whoisgate as wg
from flask import Flask, jsonify

gate = wg.open(os.environ["GATE"])  # opened before the fork
officer = wg.Requester(
    "Police of Exampleland",
    "officer-7",
    wg.RequesterClass.LAW_ENFORCEMENT,
    wg.Assurance.HIGH,
    purposes=frozenset(wg.Purpose),
    bases=frozenset(wg.LegalBasis),
)
app = Flask(__name__)

@app.get("/<name>")
def ask(name):
    answer = gate.ask(name, requester=officer, case="2026-114", basis="national_order",
                      purpose="criminalInvestigationAndDNSAbuseMitigation",
                      elements=["registrant.name"])
    return jsonify(pid=os.getpid(), index=answer.receipt.index, proof=answer.receipt.proof,
                   outcome=answer.outcome)
"""


def test_keeps_one_log_without_gaps_under_four_workers(folder: Path, tmp_path: Path):
    (tmp_path / "registrar.py").write_text(APPLICATION)
    port = demo_folder.free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--workers", "4", "--threads", "4", "--preload",
         "--bind", f"127.0.0.1:{port}", "--log-level", "error", "registrar:app"],
        cwd=tmp_path, env={"GATE": str(folder), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    try:
        names = (folder / "demo" / "domains.txt").read_text().split()
        url = f"http://127.0.0.1:{port}/"
        _wait(url + names[0])
        with ThreadPoolExecutor(32) as pool:
            replies = list(pool.map(lambda n: _get(url + names[n % len(names)]), range(800)))
    finally:
        server.terminate()
        assert server.wait(30) == 0
    key = parse_vkey((folder / "keys" / "log.vkey").read_text().strip())
    indices = [verify_receipt(reply["proof"], key).index for reply in replies]
    assert len({reply["pid"] for reply in replies}) == 4
    assert len(set(indices)) == len(replies)
    with app.Folder.at(folder).opened() as log:
        log.publish()  # what the last second left
    report = verify_log(lambda path: (folder / "log" / path).read_bytes(), key)
    assert max(indices) < report.size
    assert report.size >= 801


def _get(url: str) -> dict:
    with urllib.request.urlopen(url, timeout=30) as response:
        return json.load(response)


def _wait(url: str) -> None:
    for _ in range(100):
        try:
            _get(url)
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the application did not start")
