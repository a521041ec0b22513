"""An officer who signs in through a real gateway at a provider of ours, over real sockets."""

import asyncio
import json
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit

import httpx2
import pytest
from tests.e2e.conftest import make_folder, serving
from tests.e2e.proxies import WHY
from tests.identity.provider import KEYS, SECRET, Provider
from tests.identity.tokens import AUDIENCE, record
from tests.servers.conftest import until
from tests.sources.upstream.conftest import Authority, http, speaking

from whoisgate import authorities
from whoisgate.app import Folder


def speaking_for(provider):
    """A ``speak`` that answers as this provider does."""

    def speak(connection, question):
        head, _, body = question.partition(b"\r\n\r\n")
        line, *fields = head.decode().split("\r\n")
        path = line.split()[1]
        said = dict(field.split(": ", 1) for field in fields)
        if path == "/keys":
            status, answer = 200, KEYS.encode()
        elif path == "/.well-known/openid-configuration":
            status, answer = 200, json.dumps(provider.metadata).encode()
        else:
            while len(body) < int(said["Content-Length"]):
                body += connection.recv(65536)
            asked = provider.post(f"{provider.iss}{path}", body, said.get("Authorization"))
            status, answer = asyncio.run(asked)
        connection.sendall(http(answer, status=f"{status} x"))
        return True

    return speak


@pytest.fixture
def desk(tmp_path):
    """A gateway whose operator is a client of the provider."""
    (tmp_path / "ca").mkdir()
    signer, provider = Authority(tmp_path / "ca"), Provider()
    now = int(datetime.now(UTC).timestamp())
    provider.access = provider.identity = {"iat": now, "exp": now + 600}
    with speaking(speaking_for(provider), tls=signer.server("127.0.0.1")) as server:
        provider.iss = f"https://{server.place}"
        provider.metadata = Provider(provider.iss).metadata
        path = make_folder(tmp_path / "gate")
        config = path / "whoisgate.toml"
        text = config.read_text()
        assert text.count("\n[directory]\n") == 1
        table = f'\n[directory]\nkeys_allow = ["127.0.0.1/32"]\nkeys_ca = "{signer.ca}"\n'
        config.write_text(
            text.replace("\n[directory]\n", table)
            + f'\n[[directory.client]]\niss = "{provider.iss}"\nclient_id = "gateway"\n'
            'secret_file = "keys/provider.secret"\n'
        )
        (path / "keys" / "provider.secret").write_text(SECRET + "\n", encoding="utf-8")
        proof = {
            "method": "token", "iss": provider.iss, "algorithm": "EdDSA", "assurance": "high",
            "keys_url": f"{provider.iss}/keys",
        }  # fmt: skip
        standing = {
            "basis": "national_order", "elements": ["registrant.name"],
            "expires": "2100-01-01T00:00:00Z",
        }  # fmt: skip
        folder = Folder.at(path)
        assert folder.audience == AUDIENCE
        listed = record("Customs of Example", "police", proof, standing=[standing])
        with folder.opened() as log:
            authorities.add(folder, log, listed, by="Ann Operator")
        yield path, provider


def test_signs_in_asks_refreshes_and_is_stopped_with_the_authority(desk, run):
    path, provider = desk
    name = (path / "demo" / "domains.txt").read_text().split()[0]
    why = {"Disclosure-Request": f'{WHY}, elements=("registrant.name")'}

    def get(where, cookie="", **headers):
        if cookie:
            headers["Cookie"] = cookie
        return httpx2.get(f"{gateway.base_url}{where}", headers=headers, timeout=20)

    with serving(path) as gateway:
        led = get("farv1_session/login", **{"Sec-Fetch-Site": "cross-site"})
        assert (led.status_code, "Set-Cookie" in led.headers) == (401, False)
        begun = get(f"farv1_session/login?{urlencode({'farv1_iss': provider.iss})}")
        assert begun.status_code == 302
        redirect, back = provider.authorize(begun.headers["Location"])
        assert redirect == f"{gateway.base_url}farv1_session/callback"
        kept = begun.headers["Set-Cookie"].partition(";")[0]
        done = get(f"{urlsplit(redirect).path[1:]}?{urlencode(back)}", kept)
        assert done.status_code == 200, done.text
        cookie = done.headers.get_list("Set-Cookie")[0].partition(";")[0]
        told = get(f"domain/{name}", cookie, **why)
        assert (told.status_code, "Disclosure-Receipt" in told.headers) == (200, True)
        assert get(f"domain/{name}", **why).status_code == 401
        assert get("farv1_session/refresh", cookie).status_code == 200
        who = ["Customs of Example", "--by", "Ann Operator", "--reason", "a test", "--dir", path]
        assert run("authority", "suspend", *who).returncode == 0
        until(lambda: get(f"domain/{name}", cookie, **why).status_code == 401)


def test_starts_with_no_secret_that_cannot_be_read(desk, run):
    path, _ = desk
    (path / "keys" / "provider.secret").unlink()
    told = run("serve", path)
    assert told.returncode == 1
    assert b"provider.secret" in told.stderr
