"""Who may ask, changed on the command line beside a gateway that answers."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
from tests.e2e.conftest import serving

from whoisgate.cli import demo_folder

WHO = ("--by", "Ann Operator", "--reason", "a test")
WHY = (
    f'purpose="{demo_folder.PURPOSE}", basis="national_order", case="2026-114", '
    'elements=("registrant.name")'
)
QUESTIONS = 1000
LAG_S = 5.0


def asking(served):
    headers = {"Authorization": f"Bearer {served.token}", "Disclosure-Request": WHY}
    return httpx2.Client(base_url=served.base_url, headers=headers, timeout=60)


def names(served):
    return (served.folder / "demo" / "domains.txt").read_text().split()


def test_nothing_is_released_after_a_revocation(folder, run):
    with serving(folder) as served:
        released, refused, lock = [], [], threading.Lock()
        half, queue = threading.Event(), iter(range(QUESTIONS))

        def ask():
            with asking(served) as http:
                for _ in queue_of():
                    reply = http.get(f"domain/{names(served)[0]}")
                    with lock:
                        if reply.status_code == 200:
                            entry = int(reply.headers["disclosure-entry"])
                            released.append((entry, time.monotonic()))
                        else:
                            assert reply.status_code == 401, reply.text
                            refused.append(time.monotonic())
                        if len(released) + len(refused) >= QUESTIONS // 4:
                            half.set()

        def queue_of():
            while True:
                with lock:
                    number = next(queue, None)
                if number is None:
                    return
                yield number

        with ThreadPoolExecutor(8) as pool:
            jobs = [pool.submit(ask) for _ in range(8)]
            assert half.wait(60)
            said = run(
                "authority", "revoke", demo_folder.AUTHORITY, *WHO, "--dir", folder, "--json"
            )
            revoked, done = json.loads(said.stdout)["entry"], time.monotonic()
            for job in jobs:
                job.result()
        with asking(served) as http:
            until = time.monotonic() + LAG_S
            while time.monotonic() < until:
                assert http.get(f"domain/{names(served)[0]}").status_code == 401
                time.sleep(0.25)
            assert http.get(f"domain/{names(served)[0]}", headers={"Authorization": ""}).is_error
    assert released
    assert max(entry for entry, _ in released) < revoked
    assert max(at for _, at in released) < done + LAG_S
    assert len(released) + len(refused) == QUESTIONS


def test_a_suspended_person_is_refused_and_a_restored_one_answered(folder, run):
    with serving(folder) as served, asking(served) as http:
        name = f"domain/{names(served)[0]}"
        assert http.get(name).status_code == 200
        person = ("--person", "investigator-7")
        run("authority", "suspend", demo_folder.AUTHORITY, *person, *WHO, "--dir", folder)
        assert http.get(name).status_code == 401
        # Strangers and whoever was stopped still have the public view, and the reason has a number.
        assert http.get(name).json()["description"][0].startswith("WG106")
        assert httpx2.get(served.base_url + name).status_code == 200
        run("authority", "restore", demo_folder.AUTHORITY, *person, *WHO, "--dir", folder)
        status = 401
        until = time.monotonic() + LAG_S
        while status != 200 and time.monotonic() < until:
            status = http.get(name).status_code
            time.sleep(0.1)
        assert status == 200


def test_lists_what_is_there_and_what_waits(folder, run, tmp_path):
    listed = run("authority", "list", "--dir", folder)
    assert b"Police of Exampleland" in listed.stdout
    assert run("authority", "list", "--stale", "--dir", folder).returncode == 0
    config = folder / "whoisgate.toml"
    config.write_text(
        config.read_text().replace("\n[directory]\n", "\n[directory]\napprovers = 2\n")
    )
    record = tmp_path / "court.toml"
    record.write_text(COURT)
    said = run("authority", "add", record, *WHO, "--dir", folder)
    assert b"proposed" in said.stdout
    waiting = json.loads(run("authority", "list", "--stale", "--dir", folder, "--json").stdout)
    (change,) = waiting["proposed"]
    alone = run("authority", "confirm", change["entry"], "--by", "Ann Operator", "--dir", folder)
    assert (alone.returncode, b"WG512" in alone.stderr) == (1, True)
    assert run("authority", "confirm", change["entry"], "--by", "Bo", "--dir", folder).stdout
    assert b"Court of Exampleland" in run("authority", "list", "--dir", folder).stdout


COURT = """
authority = "Court of Exampleland"
kind = "court"
purposes = ["legalActions"]
bases = ["court_order"]
vetted = {by = "Ann Operator", how = "called back", on = 2026-11-01}

[[proof]]
method = "token"
iss = "https://court.example"
algorithm = "EdDSA"
assurance = "substantial"

[[proof.keys.keys]]
kty = "OKP"
crv = "Ed25519"
kid = "2026"
x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
"""


def test_exports_and_imports_files(folder, run, tmp_path):
    out = tmp_path / "directory.jws"
    assert run("authority", "export", out, "--dir", folder).returncode == 0
    other = tmp_path / "other"
    assert run("init", other, "--web-form", "https://r.example/?d={domain}").returncode == 0
    (other / "first.jwk").write_bytes((folder / "keys" / "directory.jwk").read_bytes())
    config = other / "whoisgate.toml"
    unknown = run("authority", "import", out, *WHO, "--dir", other)
    assert (unknown.returncode, b"WG517" in unknown.stderr) == (1, True)
    config.write_text(config.read_text() + '\n[directory]\nsigners = {first = "first.jwk"}\n')
    assert run("authority", "import", out, *WHO, "--dir", other).returncode == 0
    listed = json.loads(run("authority", "list", "--dir", other, "--json").stdout)
    assert [a["authority"] for a in listed["authorities"]] == [demo_folder.AUTHORITY]


def test_says_what_is_wrong_with_a_record_and_with_old_configuration(folder, run, tmp_path):
    record = tmp_path / "police.toml"
    record.write_text(COURT.replace('kind = "court"', 'kind = "sheriff"'))
    refused = run("authority", "add", record, *WHO, "--dir", folder)
    assert (refused.returncode, b"WG517" in refused.stderr, b"`kind`" in refused.stderr) == (
        1, True, True,
    )  # fmt: skip
    config = folder / "whoisgate.toml"
    config.write_text(config.read_text() + '\n[[issuer]]\niss = "https://id.example"\n')
    old = run("authority", "list", "--dir", folder)
    assert (old.returncode, b"authority add" in old.stderr) == (1, True)
