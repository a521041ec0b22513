"""Signed questions over HTTP: what a requester keeps, and what neither side can deny."""

import json
import subprocess
import urllib.request
from urllib.error import HTTPError

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.e2e.conftest import PURPOSE, WHOISGATE, make_folder, serving

from whoisgate import app
from whoisgate.audit.question import QuestionSigner
from whoisgate.audit.verify import parse_vkey, verify_receipt
from whoisgate.cli import demo_folder
from whoisgate.client import Client
from whoisgate.errors import EvidenceError
from whoisgate.queries import Question

PERSON = "inspector-9"
WHY = ["--purpose", PURPOSE, "--basis", "national_order", "--case", "2026-114",
       "--elements", "registrant.name"]  # fmt: skip


def pem(path, key):
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    return {
        "mine": pem(folder / "mine.pem", Ed25519PrivateKey.generate()),
        "second": pem(folder / "second.pem", ec.generate_private_key(ec.SECP256R1())),
        "strange": pem(folder / "strange.pem", Ed25519PrivateKey.generate()),
    }


def signer_of(file):
    return QuestionSigner.from_pem(file.read_bytes())


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, keys):
    """The made-up police, whose people may sign as well; the investigator has a key too."""
    folder = make_folder(tmp_path_factory.mktemp("signed") / "gate")
    record = json.loads((folder / "demo" / "police.json").read_text())
    listed = [
        json.loads(signer_of(keys[name]).jwk) | {"kid": person}
        for name, person in (("mine", PERSON), ("second", "investigator-7"))
    ]
    record["proof"].append({"method": "signature", "keys": {"keys": listed}, "assurance": "high"})
    (folder / "demo" / "police.json").write_text(json.dumps(record))
    more = [WHOISGATE, "authority", "add", folder / "demo" / "police.json"]
    subprocess.run([*more, "--by", "ops", "--dir", folder], check=True, timeout=60)
    with serving(folder) as served:
        yield served


@pytest.fixture(scope="module")
def domain(gateway):
    return (gateway.folder / "demo" / "domains.txt").read_text().split()[0]


def ask(run, gateway, domain, *more):
    return run("lookup", domain, "--server", gateway.base_url, "--key", gateway.vkey, *WHY, *more)


def test_keeps_question_and_receipt(run, gateway, domain, keys, tmp_path):
    kept, evidence = tmp_path / "q.json", tmp_path / "evidence.zip"
    done = ask(run, gateway, domain, "--sign-with", keys["mine"], "--keep", kept,
               "--evidence", evidence, "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    signer = signer_of(keys["mine"]).signer
    assert json.loads(done.stdout)["signer"] == signer
    shown = verify_receipt((tmp_path / "q.json.tlog-proof").read_text(), parse_vkey(gateway.vkey))
    assert json.loads(kept.read_text()) == shown.fields["detail"]["signed"]
    assert (shown.fields["authority"], shown.fields["person"]) == (demo_folder.AUTHORITY, PERSON)
    for file in (evidence, tmp_path / "q.json.tlog-proof"):
        done = run("verify", file, "--key", gateway.vkey, "--signer", signer)
        assert done.returncode == 0, done.stdout
        assert b"The question was signed by the key " + signer.encode() in done.stdout
        strange = run("verify", file, "--key", gateway.vkey, "--signer", "A" * 43)
        assert (strange.returncode, b"WG430" in strange.stdout) == (1, True)


def test_keeps_what_was_asked_of_a_server_that_does_not_answer(run, keys, tmp_path):
    kept = tmp_path / "q.json"
    done = run("lookup", "example.com", "--server", "http://127.0.0.1:1/", *WHY,
               "--sign-with", keys["mine"], "--keep", kept)  # fmt: skip
    assert done.returncode == 1
    assert (
        '"@target-uri": http://127.0.0.1:1/domain/example.com'
        in json.loads(kept.read_text())["base"]
    )
    assert not (tmp_path / "q.json.tlog-proof").exists()


def test_refuses_a_key_that_is_not_listed(run, gateway, domain, keys):
    done = ask(run, gateway, domain, "--sign-with", keys["strange"])
    assert done.returncode == 1
    assert b"WG106" in done.stderr


def test_takes_token_and_signature_of_one_person_alone(run, gateway, domain, keys):
    token = gateway.folder / "demo" / "investigator.token"
    done = ask(run, gateway, domain, "--token", token, "--sign-with", keys["second"], "--json")
    assert done.returncode == 0, done.stderr
    done = ask(run, gateway, domain, "--token", token, "--sign-with", keys["mine"])
    assert done.returncode == 1
    assert b"WG106" in done.stderr


def sent(url, headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as r:
            return r.status
    except HTTPError as error:
        return error.code


def test_answers_a_signed_question_once(gateway, domain, keys):
    url, said = f"{gateway.base_url}domain/{domain}", f'purpose="{PURPOSE}", case="1"'
    made = signer_of(keys["mine"]).sign(
        url, at=app.utc_now(), nonce=app.entropy(16), disclosure=said
    )
    headers = {"Disclosure-Request": said, **made.headers}
    altered = headers | {"Disclosure-Request": said.replace('"1"', '"2"')}
    elsewhere = f"{gateway.base_url}domain/other.example"
    host = headers | {"Host": "rdap.other.example"}
    assert [sent(url, altered), sent(elsewhere, headers)] == [401, 401]
    assert sent(url, host) == 421
    assert sent(url, headers) == 403  # and no stranger's host has used it up
    assert sent(url, headers) == 401


def test_believes_no_entry_without_the_signature(gateway, domain, keys):
    """A gate that took the question of the token and dropped the signature."""
    signer = signer_of(keys["second"])

    def signing(url, *, disclosure, authorization):
        made = signer.sign(
            url, at=app.utc_now(), nonce=app.entropy(16), disclosure=disclosure,
            authorization=authorization,
        )  # fmt: skip
        return type(made)(made.signed, {})

    with (
        Client(
            gateway.base_url, token=gateway.token, key=parse_vkey(gateway.vkey), signing=signing
        ) as client,
        pytest.raises(EvidenceError, match="signature"),
    ):
        client.ask(
            Question.of(
                domain, purpose=PURPOSE, basis="national_order", case="1",
                elements=["registrant.name"],
            )
        )  # fmt: skip


def test_shows_the_public_half_for_the_directory(run, keys):
    done = run("signer", keys["second"], "--person", "x")
    shown = json.loads(done.stdout)
    assert shown["key"]["kid"] == "x"
    assert shown["signer"] == signer_of(keys["second"]).signer
    assert "d" not in shown["key"]
    assert run("signer", keys["second"].with_name("none"), "--person", "x").returncode == 1


def test_holds_every_envelopes_signature_against_its_key(run, gateway):
    """An appointed auditor's walk over the database reads the signatures too."""
    database = gateway.folder / "whoisgate.db"
    done = run("verify", database, "--key", gateway.vkey,
               "--recipient", gateway.folder / "keys" / "operator.key")  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
