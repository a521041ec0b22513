"""Client certificates through a real nginx, configured as the guide for registrars has it."""

import json
import os
import re
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.e2e.conftest import PURPOSE, WHOISGATE, Gateway, serving
from tests.identity.certificates import COMMON_NAME, authority, make
from tests.servers.tls import (
    COLLEAGUE,
    FOREIGN,
    GOOD,
    HOST,
    OFFICER,
    ROOT,
    TRUSTED,
    Port,
    both_versions,
    ended,
    field,
    said,
)

from whoisgate import app, authorities
from whoisgate.cli import demo_folder
from whoisgate.identity.authority import Record

pytestmark = pytest.mark.system
GUIDE = Path(__file__).parents[2] / "docs" / "for-registrars.md"
MODULE = "/usr/lib/nginx/modules/ngx_http_js_module.so"
WHY = f'purpose="{PURPOSE}", basis="national_order", case="2026-114"'
ASKING = (("Disclosure-Request", f'{WHY}, elements=("registrant.name")'),)
PROSECUTOR = make(
    authority("Prosecutors' CA", **GOOD), ((COMMON_NAME, "prosecutor-1"),), **GOOD
)  # fmt: skip
CONF = """
load_module {module};
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{guide}
}}
"""


@dataclass
class Proxied(Port):
    """A gateway behind nginx, and how to reach both."""

    gateway: Gateway
    name: str

    def ask(self, holder=None, headers=ASKING, version=None, path=None):
        return super().ask(holder, headers, version, path or f"/domain/{self.name}")


def guide(language):
    """The block of this language in the guide."""
    (block,) = re.findall(
        rf"^```{language}\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL
    )
    return block


@contextmanager
def nginx(folder, port, backend):
    """nginx as the guide has it, with the names of this machine."""
    certificate, key = HOST.write(folder, "host")
    block = guide("nginx")
    for theirs, here in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("/etc/ssl/rdap.pem", str(certificate)),
        ("/etc/ssl/private/rdap.key", str(key)),
        ("http://127.0.0.1:8043", f"http://127.0.0.1:{backend}"),
    ):
        assert block.count(theirs) == 1
        block = block.replace(theirs, here)
    (folder / "client_cert.js").write_text(guide("js"))
    (folder / "nginx.conf").write_text(CONF.format(module=MODULE, folder=folder, guide=block))
    process = subprocess.Popen(
        ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"]
    )
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, (folder / "error.log").read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)


def listed(name, **proof):
    return Record.of(
        {
            "authority": name,
            "country": "XX",
            "kind": "police",
            "jurisdiction": "same_country",
            "purposes": [PURPOSE],
            "bases": ["national_order"],
            "proof": [{"method": "certificate", "assurance": "high", **proof}],
            "standing": [{"basis": "national_order", "elements": list(demo_folder.STANDING),
                          "expires": "2099-01-01T00:00:00Z"}],
            "vetted": {"by": "operator", "how": "by telephone", "on": "2026-11-01"},
        },
        name,
    )  # fmt: skip


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
    path = tmp_path_factory.mktemp("proxied")
    port, backend = demo_folder.free_port(), demo_folder.free_port()
    folder = path / "gate"
    made = demo_folder.make(folder, base_url=f"https://localhost:{port}/")
    config = folder / "whoisgate.toml"
    text = config.read_text()
    listen = f'listen = "localhost:{port}"'
    assert text.count(listen) == 1
    # All of loopback but this one address is a stranger's.
    more = f'listen = "127.0.0.1:{backend}"\ntrusted_proxies = ["127.0.0.1"]'
    config.write_text(text.replace(listen, more))
    with made.opened() as log:
        for record in (
            listed("Certified police", issuers=ROOT.pem),
            listed("Prosecutors", sha256=[PROSECUTOR.sha256]),
            listed("Police next door", issuers=TRUSTED, person="email"),
        ):
            authorities.add(made, log, record, by="operator")
    name = (folder / "demo" / "domains.txt").read_text().split()[0]
    with serving(folder) as gateway, nginx(path, port, backend):
        yield Proxied(port, path, gateway, name)


@both_versions
@pytest.mark.parametrize("holder", [OFFICER, PROSECUTOR, COLLEAGUE])
def test_releases_to_the_holder_of_a_listed_certificate(proxied, holder, version):
    reply = proxied.ask(holder, version=version)
    assert (reply.status, "disclosure-entry" in reply.fields) == (200, True)
    path = reply.fields["disclosure-receipt"].partition(f":{proxied.number}")[2]
    assert proxied.ask(holder, (), version, path).body.startswith(b"c2sp.org/tlog-proof@v1")
    assert proxied.ask(FOREIGN, (), version, path).status == 401


@both_versions
def test_shows_everybody_the_same_without_a_question(proxied, version):
    replies = [proxied.ask(holder, (), version) for holder in (None, OFFICER, FOREIGN)]
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body for reply in replies}) == 1


@both_versions
def test_keeps_the_certificate_when_a_session_is_resumed(proxied, version):
    context, path = proxied.context(OFFICER, version), f"/domain/{proxied.name}"
    with proxied.connection(context) as connection:
        assert said(connection, ASKING, path).status == 200
        session = ended(connection)
    with proxied.connection(context, session) as connection:
        assert said(connection, ASKING, path).status == 200
        assert connection.session_reused


SPOOFED = [
    [("Client-Cert", field(OFFICER.der))],
    [("client-cert", field(OFFICER.der)), ("Client-Cert", field(OFFICER.der))],
    [("Client-Cert", field(OFFICER.der)), ("Client-Cert-Chain", field(ROOT.der))],
    [("Client-Cert-Chain", field(OFFICER.der))],
    [("Client_Cert", field(OFFICER.der))],
    [("Connection", "close, Client-Cert"), ("Client-Cert", field(OFFICER.der))],
]


@pytest.mark.parametrize("lines", SPOOFED)
def test_lets_no_line_of_a_client_through(proxied, lines):
    for holder, number in ((None, "WG105"), (FOREIGN, "WG106")):
        reply = proxied.ask(holder, [*ASKING, *lines])
        assert (reply.status, reply.code) == (401, number)
    # Nor does another's line change who a holder is.
    mine = field(PROSECUTOR.der)
    told = [*ASKING, *((n, mine if v.startswith(":") else v) for n, v in lines)]
    assert proxied.ask(OFFICER, told).status == 200
    fields = opened(proxied)
    assert fields["authority"] == "Certified police"
    assert fields["person"] == "officer-7"


def opened(proxied):
    folder = app.Folder.at(proxied.gateway.folder)
    with folder.opened() as log:
        return log.open_entry(log.size() - 1, folder.operator_key())[0]


@pytest.mark.parametrize("lines", [*SPOOFED[:4], []])
def test_refuses_who_comes_past_the_proxy(proxied, lines):
    _, _, backend = proxied.gateway.base_url.rstrip("/").rpartition(":")
    with socket.create_connection(
        ("127.0.0.1", int(backend)), timeout=10, source_address=("127.0.0.2", 0)
    ) as plain:
        reply = said(plain, [*ASKING, *lines], f"/domain/{proxied.name}")
    assert (reply.status, reply.code) == (401, "WG106" if lines else "WG105")


def test_shows_lookup_what_is_released(proxied, tmp_path):
    certificate, key = OFFICER.write(tmp_path)
    (tmp_path / "ca.pem").write_text(HOST.pem)
    command = [
        WHOISGATE, "lookup", proxied.name, "--server", f"https://localhost:{proxied.number}/",
        "--key", proxied.gateway.vkey, "--purpose", PURPOSE, "--basis", "national_order",
        "--case", "2026-114", "--elements", "registrant.name", "--json",
    ]  # fmt: skip
    known = {**os.environ, "SSL_CERT_FILE": str(tmp_path / "ca.pem")}
    shown = ["--certificate", certificate, "--certificate-key", key]
    for more, outcome in ((shown, 0), ([], 1)):
        done = subprocess.run(
            [*command, *more], env=known,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == outcome, done.stderr
        assert ("registrant.name" in json.loads(done.stdout).get("released", ())) is not outcome
    for wrong in (shown[:2], ["--certificate", key, "--certificate-key", key]):
        done = subprocess.run([*command, *wrong], capture_output=True, timeout=60, check=False)
        assert done.returncode in {1, 2}


def test_refuses_whom_the_operator_stopped_within_a_moment(proxied):
    folder = app.Folder.at(proxied.gateway.folder)
    with folder.opened() as log:
        for barred in (True, False):
            authorities.bar(
                folder, log, "Certified police", "officer-7", barred=barred, by="operator",
                reason="a test",
            )  # fmt: skip
            wanted = 401 if barred else 200
            deadline = time.monotonic() + 5
            while proxied.ask(OFFICER).status != wanted:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        authorities.stop(
            folder, log, "Certified police", authorities.REVOKED, by="operator", reason="a test"
        )
    time.sleep(2)
    reply = proxied.ask(OFFICER)
    assert (reply.status, reply.code) == (401, "WG106")
    assert proxied.ask(PROSECUTOR).status == 200
