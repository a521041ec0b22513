"""Somebody with a policeman's mailbox, or with his stolen token, and an emergency that is none."""

import json
import time
from dataclasses import dataclass

import httpx2
import pytest
from tests.e2e.conftest import make_folder, serving
from tests.identity.tokens import ED, by_token, claims, ed_jwk, header, jwks, record, token

from whoisgate import app, authorities
from whoisgate.sources import synthetic

PURPOSE = "criminalInvestigationAndDNSAbuseMitigation"
WORDS = f'purpose="{PURPOSE}", case="2026-114", elements=("registrant.name")'
ORDER = f'{WORDS}, basis="national_order"'
EMERGENCY = f'{WORDS}, basis="emergency", urgency="life"'
KEYS = jwks(ed_jwk(ED, kid="2026"))
LAG_S = 5.0


@dataclass
class Scene:
    """A gateway that knows two polices, one of which binds its tokens; and who asks it."""

    served: object
    name: str
    secret: str

    def ask(self, why, bearer=None):
        headers = {"Disclosure-Request": why}
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        reply = httpx2.get(f"{self.served.base_url}domain/{self.name}", headers=headers, timeout=30)
        assert reply.status_code == 200 or self.secret not in reply.text
        return reply

    def code(self, why, bearer=None):
        reply = self.ask(why, bearer)
        number = json.loads(reply.content).get("description", [""])[0].partition(":")[0]
        return reply.status_code, number


def stolen(iss, **more):
    now = int(time.time())
    return token(header(), claims(iss=iss, iat=now - 5, exp=now + 600, **more))


PLAIN, BOUND = "https://id.plain.example", "https://id.bound.example"


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = make_folder(tmp_path_factory.mktemp("emergency") / "gate")
    config = folder / "whoisgate.toml"
    # The rule for emergencies lies dormant; here it is in force.
    on = '\n[gate]\nswitches = ["icann-urgent-requests"]\n'
    switched = config.read_text().replace("\n[gate]\n", on)
    config.write_text(f"{switched}\n[conduct]\nnames_per_hour = [5, 10, 20]\n")
    gate = app.Folder.at(folder)
    allowed = {"bases": ["national_order", "emergency"]}
    standing = {"basis": "national_order", "elements": ["registrant.name"],
                "expires": "2099-01-01T00:00:00Z"}  # fmt: skip
    with gate.opened() as log:
        for name, proof in (
            ("Plain police", by_token(PLAIN, "EdDSA", KEYS)),
            ("Careful police", by_token(BOUND, "EdDSA", KEYS, bound=True)),
        ):
            listed = record(name, "police", proof, standing=[standing], **allowed)
            authorities.add(gate, log, listed, by="Ann Operator")
    one = next(iter(synthetic.records()))
    with serving(folder) as served:
        yield Scene(served, one.name, one.contacts[0].values["name"])


def test_a_mailbox_is_no_credential(scene):
    assert scene.code(EMERGENCY) == (401, "WG105")


def test_a_token_that_its_issuer_binds_is_no_use_to_a_thief(scene):
    assert scene.code(ORDER, stolen(BOUND)) == (401, "WG106")
    thumbprint = {"jkt": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"}
    assert scene.code(ORDER, stolen(BOUND, cnf=thumbprint)) == (401, "WG106")


def test_an_emergency_opens_nothing_without_another_person(scene):
    reply = scene.ask(EMERGENCY, stolen(PLAIN))
    assert reply.status_code == 202
    assert "disclosure-entry" in reply.headers


def test_a_run_of_names_is_noticed_and_ends(scene):
    """What a thief does with a token that works: he asks for all there is."""
    names = (scene.served.folder / "demo" / "domains.txt").read_text().split()
    bearer = stolen(PLAIN, sub="officer-8")
    seen = []
    with httpx2.Client(base_url=scene.served.base_url, timeout=30) as http:
        headers = {"Authorization": f"Bearer {bearer}", "Disclosure-Request": ORDER}
        for name in names:
            reply = http.get(f"domain/{name}", headers=headers)
            seen.append(reply.status_code)
            assert "disclosure-entry" in reply.headers
    released, waiting, stopped = seen[:9], seen[9:19], seen[19:]
    # Of some names there is nothing to release: 403, as to everybody.
    assert {200} <= set(released) <= {200, 403}
    assert {202} <= set(waiting) <= {202, 403}
    assert set(stopped) == {403}


def test_the_whole_agency_is_stopped_at_once(scene, run):
    mine, colleague = stolen(PLAIN), stolen(PLAIN, sub="officer-9")
    assert scene.ask(ORDER, mine).status_code == 200
    folder = ("--dir", scene.served.folder)
    who = ("--by", "Ann Operator", "--reason", "their mail was taken over")
    assert run("authority", "suspend", "Plain police", *who, *folder).returncode == 0
    for bearer in (mine, colleague):
        assert scene.code(ORDER, bearer) == (401, "WG106")
    time.sleep(LAG_S)
    assert scene.code(ORDER, mine) == (401, "WG106")
    # Nobody else is touched.
    assert httpx2.get(f"{scene.served.base_url}domain/{scene.name}").status_code == 200
