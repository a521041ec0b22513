"""Officers who sign in at an identity provider that nobody here wrote (``oidc-provider``).

The client is told of the provider by `/help`, and finds everything else as OpenID Connect has it.
"""

import base64
import hashlib
import json
import os
import re
import secrets
import shutil
import ssl
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
import pytest
from tests.e2e.conftest import PURPOSE, WHOISGATE, make_folder, serving
from tests.e2e.proxies import WHY
from tests.identity.bound import ED_HOLDER, HOLDER, THIEF, pem, proof, proof_header
from tests.identity.tokens import record
from tests.servers.conftest import until
from tests.sources.upstream.conftest import Authority

from whoisgate import authorities
from whoisgate.app import Folder, entropy, utc_now
from whoisgate.audit.verify import parse_vkey
from whoisgate.cli import demo_folder
from whoisgate.client import Client, GatewayRefused, Holder
from whoisgate.policy.decide import Outcome
from whoisgate.queries import Question

pytestmark = pytest.mark.interop

OFFICER = "officer-7"
REDIRECT = "http://127.0.0.1/signed-in"
SECRET = "a secret: of %the+gateway &"
ELSEWHERE = "https://rdap.elsewhere.example/"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
SCOPE = "openid offline_access rdap"
CLAIMS = {
    OFFICER: {"rdap_allowed_purposes": [PURPOSE, "unheardOf"], "rdap_dnt_allowed": False},
    "plain": {},
    "lawyer": {"rdap_allowed_purposes": ["legalActions"]},
    "shy": {"rdap_dnt_allowed": True},
}


def program() -> Path:
    """Where `make interop` put our program and the provider that it runs."""
    place = Path(os.environ.get("OIDC_PROVIDER", ".venv/interop/oidc")).absolute()
    assert (place / "node_modules/oidc-provider").is_dir(), "no oidc-provider: run make interop"
    return place / "provider.mjs"


@dataclass
class Served:
    """A gateway, the provider of one of its authorities, and a browser for both."""

    gateway: object
    audience: str
    trust: ssl.SSLContext
    signing_in: object

    @property
    def address(self) -> str:
        """The address of a domain of the gateway."""
        name = (self.gateway.folder / "demo" / "domains.txt").read_text().split()[0]
        return f"{self.gateway.base_url}domain/{name}"

    def browser(self):
        return httpx2.Client(timeout=20, verify=self.trust)

    def found(self, web):
        """What the default provider of `/help` publishes about itself."""
        told = web.get(f"{self.gateway.base_url}help").json()
        assert "farv1" in told["rdapConformance"]
        listed = told["farv1_openidcConfiguration"]["openidcProviders"]
        (iss,) = (each["iss"] for each in listed if each["default"])
        published = web.get(f"{iss}/.well-known/openid-configuration").json()
        assert published["issuer"] == iss
        return published

    def ask(self, token, key=None, **more):
        """The officer's question, as `lookup` asks it."""
        holder = Holder(token, pem(key), utc_now, entropy) if key else None
        vkey = parse_vkey(self.gateway.vkey)
        with Client(
            self.gateway.base_url, token=None if key else token, holder=holder, key=vkey
        ) as client:
            question = {
                "purpose": PURPOSE, "basis": "national_order", "case": "2026-114",
                "elements": ["registrant.name"], **more,
            }  # fmt: skip
            return client.ask(Question.of(self.address.rpartition("/")[2], **question))

    def refused(self, token, key=None):
        """Status and number of the refusal."""
        with pytest.raises(GatewayRefused) as caught:
            self.ask(token, key)
        return caught.value.status, caught.value.code


@contextmanager
def provider(folder, signer, gateway, *audiences):
    """The provider as a process of its own; gives its issuer. ``gateway`` signs people in."""
    port = demo_folder.free_port()
    certificate, key = signer.issue("127.0.0.1")
    settings = folder / "provider.json"
    settings.write_text(
        json.dumps({
            "port": port, "certificate": str(certificate), "key": str(key),
            "audiences": [*audiences, ELSEWHERE], "redirect": REDIRECT, "claims": CLAIMS,
            "gateway": {"redirect": f"{gateway}farv1_session/callback", "secret": SECRET},
        })
    )  # fmt: skip
    node = shutil.which("node")
    assert node, "expected Node.js"
    with (folder / "provider.log").open("wb") as said:
        process = subprocess.Popen(
            [node, program(), settings], stdout=subprocess.PIPE, stderr=said, text=True
        )
        try:
            assert process.stdout.readline() == "ready\n", (folder / "provider.log").read_text()
            yield f"https://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait(10)
            process.stdout.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    tmp = tmp_path_factory.mktemp("oidc")
    (tmp / "ca").mkdir()
    signer = Authority(tmp / "ca")
    path, other = make_folder(tmp / "gate"), tmp / "other"
    base_url = f"https://127.0.0.1:{demo_folder.free_port()}/"
    demo_folder.make(other, base_url=base_url)
    audience = Folder.at(path).audience
    with provider(tmp, signer, base_url, audience, Folder.at(other).audience) as iss:
        (other / "secret").write_text(SECRET + "\n")
        configure(other, signer, iss, client=True)
        enlist(other, iss)
        configure(path, signer, iss)
        enlist(path, iss)
        with serving(path) as gateway, serving(other) as signing_in:
            trust = ssl.create_default_context(cafile=signer.ca)
            yield Served(gateway, audience, trust, signing_in)


def configure(path, signer, iss, *, client=False):
    """Say where the provider is; with ``client`` also that people sign in over TLS here."""
    config = path / "whoisgate.toml"
    table = (
        f'\n[directory]\nkeys_allow = ["127.0.0.1/32"]\nkeys_ca = "{signer.ca}"\n'
        f'default_issuer = "{iss}"\n'
    )
    text = config.read_text()
    assert (text.count("\n[directory]\n"), text.count("\n[rdap]\n")) == (1, 1)
    text = text.replace("\n[directory]\n", table)
    if client:
        certificate, key = signer.issue("127.0.0.1")
        tls = f'\n[rdap]\ntls_certificate = "{certificate}"\ntls_key = "{key}"\n'
        text = text.replace("\n[rdap]\n", tls)
        text += (
            f'\n[[directory.client]]\niss = "{iss}"\nclient_id = "gateway"\n'
            'secret_file = "secret"\nscope = "openid rdap offline_access"\n'
        )
    config.write_text(text)


def enlist(path, iss):
    """List the authority whose officers the provider knows."""
    folder = Folder.at(path)
    listed = record(
        "Customs of Example",
        "police",
        {
            "method": "token", "iss": iss, "algorithm": "ES256", "keys_url": f"{iss}/jwks",
            "assurance": "high",
        },
        standing=[{
            "basis": "national_order", "elements": ["registrant.name"],
            "expires": "2100-01-01T00:00:00Z",
        }],
    )  # fmt: skip
    with folder.opened() as log:
        authorities.add(folder, log, listed, by="Ann Operator")


# --- signing in ------------------------------------------------------------------------------


class Form(HTMLParser):
    """The first form of a page."""

    def __init__(self, page):
        super().__init__()
        self.action, self.fields = None, {}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        if tag == "form" and self.action is None:
            self.action = said.get("action", "")
        elif tag in {"input", "button"} and said.get("name"):
            self.fields[said["name"]] = said.get("value", "")


def sign_in(web, url, person):
    """Go where the pages lead, as ``person``; the address that one is sent back to, or None."""
    reply = walked(web, url, person)
    assert reply.is_redirect or reply.status_code == 200, reply.text
    return reply.headers["Location"] if reply.is_redirect else None


def walked(web, url, person):
    """The last page, or the one that sends the browser to `REDIRECT`."""
    reply = web.get(url)
    for _ in range(20):
        if reply.is_redirect:
            target = urljoin(str(reply.url), reply.headers["Location"])
            if target.startswith(REDIRECT):
                return reply
            reply = web.get(target)
            continue
        form = Form(reply.text)
        if form.action is None:
            return reply
        own = {"login": person, "password": "any"}
        fields = form.fields | {k: v for k, v in own.items() if k in form.fields}
        fields.pop("abort", None)
        reply = web.post(urljoin(str(reply.url), form.action), data=fields)
    raise AssertionError("the pages lead nowhere")


def key_proof(key, url, nonce):
    """The proof of ``key`` that the token endpoint wants (RFC 9449 §5)."""
    now = int(datetime.now(UTC).timestamp())
    said = {"htm": "POST", "htu": url, "iat": now, "ath": ..., "nonce": nonce}
    return {"DPoP": proof(proof_header(key), key=key, **said)}


def tokens(web, published, key, **asked):
    """What the token endpoint gives; asked again with the nonce that it wants (§8)."""
    url, asked = published["token_endpoint"], {"client_id": "lookup", **asked}
    reply = web.post(url, data=asked, headers=key_proof(key, url, ...) if key else {})
    if key:
        assert reply.json()["error"] == "use_dpop_nonce"
        reply = web.post(url, data=asked, headers=key_proof(key, url, reply.headers["DPoP-Nonce"]))
    assert reply.status_code == 200, reply.text
    given = reply.json()
    assert given["token_type"] == ("DPoP" if key else "Bearer")
    return given


def by_code(served, key=None, person=OFFICER, resource=...):
    """Authorization code with PKCE (RFC 7636)."""
    resource = served.audience if resource is ... else resource
    wanted = {"resource": resource} if resource else {}
    verifier, state, nonce = (secrets.token_urlsafe(32) for _ in range(3))
    challenge = hashlib.sha256(verifier.encode()).digest()
    with served.browser() as web:
        published = served.found(web)
        query = httpx2.QueryParams({
            "response_type": "code", "client_id": "lookup", "redirect_uri": REDIRECT,
            "scope": SCOPE, "prompt": "consent", "state": state, "nonce": nonce,
            "code_challenge_method": "S256",
            "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(), **wanted,
        })  # fmt: skip
        back = sign_in(web, f"{published['authorization_endpoint']}?{query}", person)
        said = parse_qs(urlsplit(back).query)
        assert (said["state"], said["iss"]) == ([state], [published["issuer"]])
        return tokens(
            web, published, key, grant_type="authorization_code", code=said["code"][0],
            redirect_uri=REDIRECT, code_verifier=verifier, **wanted,
        )  # fmt: skip


def by_device(served, key=None, person=OFFICER):
    """The device flow (RFC 8628): the officer signs in on another machine."""
    with served.browser() as device, served.browser() as elsewhere:
        published = served.found(device)
        asked = {"client_id": "lookup", "scope": SCOPE, "resource": served.audience}
        told = device.post(published["device_authorization_endpoint"], data=asked).json()
        assert sign_in(elsewhere, told["verification_uri_complete"], person) is None
        return tokens(
            device, published, key, grant_type=DEVICE, device_code=told["device_code"],
            resource=served.audience,
        )  # fmt: skip


def by_refresh(served, key=None, person=OFFICER):
    """Signed in once; the token is a later one."""
    first = by_code(served, key, person)
    with served.browser() as web:
        later = tokens(
            web, served.found(web), key, grant_type="refresh_token",
            refresh_token=first["refresh_token"], resource=served.audience,
        )  # fmt: skip
    assert later["access_token"] != first["access_token"]
    return later


def part(token, number):
    """Header or claims of a JWT."""
    text = token.split(".")[number]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def whoisgate(*arguments):
    command = [WHOISGATE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False)


# --- what the gateway says -------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, HOLDER, ED_HOLDER], ids=["bearer", "P-256", "Ed25519"])
@pytest.mark.parametrize("flow", [by_code, by_device, by_refresh])
def test_releases_to_an_officer_who_signed_in(served, flow, key):
    token = flow(served, key)["access_token"]
    assert part(token, 0)["typ"] == "at+jwt"
    reply = served.ask(token, key)
    assert reply.outcome is Outcome.RELEASED
    assert reply.receipt.fields["authority"] == "Customs of Example"
    assert reply.receipt.fields["person"] == OFFICER
    assert "registrant.name" in reply.receipt.fields["released"]


def test_releases_on_the_command_line(served, tmp_path):
    (tmp_path / "token").write_text(by_device(served, HOLDER)["access_token"])
    (tmp_path / "key.pem").write_bytes(pem(HOLDER))
    told = whoisgate(
        "lookup", served.address.rpartition("/")[2], "--server", served.gateway.base_url,
        "--token", tmp_path / "token", "--dpop-key", tmp_path / "key.pem",
        "--key", served.gateway.vkey, "--purpose", PURPOSE, "--basis", "national_order",
        "--case", "1", "--elements", "registrant.name", "--evidence", tmp_path / "evidence.zip",
    )  # fmt: skip
    assert (told.returncode, told.stderr) == (0, b"")
    assert (tmp_path / "evidence.zip").exists()


def test_refuses_a_token_for_another_server(served):
    token = by_code(served, resource=ELSEWHERE)["access_token"]
    assert part(token, 1)["aud"] == ELSEWHERE
    assert served.refused(token) == (401, "WG106")


def test_refuses_an_opaque_token(served):
    token = by_code(served, resource=None)["access_token"]
    assert "." not in token
    assert served.refused(token) == (401, "WG106")


def test_refuses_an_id_token(served):
    token = by_code(served)["id_token"]
    assert part(token, 1)["sub"] == OFFICER
    assert served.refused(token) == (401, "WG106")


def test_refuses_a_refresh_token(served):
    assert served.refused(by_code(served)["refresh_token"]) == (401, "WG106")


@pytest.mark.parametrize("key", [None, THIEF])
def test_refuses_a_bound_token_from_a_thief(served, key):
    token = by_code(served, HOLDER)["access_token"]
    assert served.refused(token, key) == (401, "WG119" if key else "WG106")


def test_refuses_a_proof_that_was_used(served):
    token = by_code(served, HOLDER)["access_token"]
    holder = Holder(token, pem(HOLDER), utc_now, entropy)
    why = {
        "Disclosure-Request": f'{WHY}, elements=("registrant.name")',
        "Authorization": f"DPoP {token}",
    }
    with served.browser() as web:
        first = web.get(served.address, headers=why | holder.headers(served.address))
        assert holder.challenged(first)
        made = why | holder.headers(served.address)
        assert web.get(served.address, headers=made).status_code == 200
        again = web.get(served.address, headers=made)
        assert again.status_code == 401
        assert "WG119" in again.text
        assert 'error="invalid_dpop_proof"' in again.headers["WWW-Authenticate"]


def test_refuses_what_the_token_does_not_allow(served):
    plain, lawyer = (by_code(served, person=who)["access_token"] for who in ("plain", "lawyer"))
    assert served.ask(plain).outcome is Outcome.RELEASED
    assert served.ask(lawyer).outcome is Outcome.REFUSED


def test_refuses_a_person_who_may_ask_not_to_be_tracked(served):
    assert served.refused(by_code(served, person="shy")["access_token"]) == (403, "WG113")


@pytest.mark.parametrize(("purpose", "status"), [(PURPOSE, 403), ("legalActions", 403), ("", 403)])
def test_takes_the_purpose_of_a_client_that_can_say_no_more(served, purpose, status):
    token = by_code(served)["access_token"]
    with served.browser() as web:
        reply = web.get(
            f"{served.address}?farv1_qp={purpose}&farv1_iss=https://127.0.0.1",
            headers={"Authorization": f"Bearer {token}"},
        )
    assert reply.status_code == status
    assert ("Disclosure-Entry" in reply.headers) == bool(purpose)
    assert bool(re.search("WG121", reply.text)) != bool(purpose)


def test_refuses_at_once_when_the_authority_is_suspended(served):
    token = by_code(served)["access_token"]
    who = ("Customs of Example", "--by", "Ann Operator", "--reason", "a test")
    assert served.ask(token).outcome is Outcome.RELEASED
    done = whoisgate("authority", "suspend", *who, "--dir", served.gateway.folder)
    assert done.returncode == 0, done.stderr
    until(lambda: "Customs" not in httpx2.get(f"{served.gateway.base_url}help").text)
    assert served.refused(token) == (401, "WG106")


# --- people who sign in here -----------------------------------------------------------------


def page(served, web, name, **query):
    return web.get(f"{served.signing_in.base_url}farv1_session/{name}", params=query)


def released(served, web):
    """What an officer's browser gets who asks for a registrant's name."""
    name = (served.signing_in.folder / "demo" / "domains.txt").read_text().split()[0]
    why = {"Disclosure-Request": f'{WHY}, elements=("registrant.name")'}
    return web.get(f"{served.signing_in.base_url}domain/{name}", headers=why)


def revoked(served):
    """How many grants the provider was told to forget."""
    said = (served.signing_in.folder.parent / "provider.log").read_text()
    return said.splitlines().count("revoked")


def test_signs_officers_in_and_refreshes_and_logs_out(served):
    with served.browser() as web:
        assert page(served, web, "status").status_code == 409
        assert released(served, web).status_code == 401
        assert sign_in(web, f"{served.signing_in.base_url}farv1_session/login", OFFICER) is None
        told = page(served, web, "status").json()["farv1_session"]
        assert told["userID"] == OFFICER
        assert told["sessionInfo"]["tokenRefresh"]
        answer = released(served, web)
        assert answer.status_code == 200
        receipt = web.get(answer.headers["Disclosure-Receipt"]).text
        assert receipt.startswith("c2sp.org/tlog-proof@v1")
        assert page(served, web, "login").status_code == 409
        for _ in range(2):  # each refresh token is good once
            assert page(served, web, "refresh").status_code == 200
        assert released(served, web).status_code == 200
        secret = web.cookies["__Host-farv1_session"]
        assert revoked(served) == 0
        notice = page(served, web, "logout").json()["notices"][0]["description"]
        assert "was told to revoke" in notice[1]
        assert revoked(served) == 1
        assert "__Host-farv1_session" not in web.cookies
        assert page(served, web, "status").status_code == 409
        web.cookies.set("__Host-farv1_session", secret, "127.0.0.1")
        assert page(served, web, "status").status_code == 401


def test_signs_in_a_device_of_an_officer(served):
    with served.browser() as device, served.browser() as elsewhere:
        shown = page(served, device, "device").json()["farv1_deviceInfo"]
        code = shown["device_code"]
        pending = page(served, device, "devicepoll", farv1_dc=code).json()
        assert pending["farv1_session"] == {}
        assert sign_in(elsewhere, shown["verification_uri_complete"], OFFICER) is None
        until(lambda: page(served, device, "devicepoll", farv1_dc=code).json()["farv1_session"])
        assert released(served, device).status_code == 200
        before = revoked(served)
        assert "was told to revoke" in page(served, device, "logout").text
        assert revoked(served) == before + 1


@pytest.mark.parametrize(("person", "number"), [("shy", "WG113"), ("", "WG125")])
def test_signs_nobody_in_whom_the_provider_does_not_vouch_for(served, person, number):
    with served.browser() as web:
        place = f"{served.signing_in.base_url}farv1_session/"
        if person:
            reply = walked(web, f"{place}login", person)
        else:  # who gives up, or whose browser is led here by somebody else
            reply = web.get(f"{place}callback", params={"error": "access_denied", "state": "x"})
        assert reply.status_code == 403
        assert number in reply.text
        assert "__Host-farv1_session" not in web.cookies
