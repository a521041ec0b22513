"""One domain through Debian's whois, curl and python-whois, on the real port 43. Needs root."""

import json
import shutil
import subprocess

import pytest
from tests.e2e.conftest import PURPOSE, make_folder, serving
from whois import NICClient
from whois.parser import WhoisEntry

pytestmark = pytest.mark.system
HOST = "127.0.0.43"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    folder = make_folder(tmp_path_factory.mktemp("system") / "gate")
    with serving(folder, whois=f"{HOST}:43") as served:
        yield served


@pytest.fixture(scope="module")
def domain(gateway) -> str:
    return (gateway.folder / "demo" / "domains.txt").read_text().split()[0]


def called(*command: str) -> str:
    assert shutil.which(command[0]), f"{command[0]} is not installed"
    return subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=30
    ).stdout  # fmt: skip


def test_debians_whois_shows_the_public_view(gateway, domain):
    text = called("whois", "-h", HOST, domain)
    assert f"Domain Name: {domain}".casefold() in text.casefold()
    assert "Registrant Country:" in text
    assert "Registrant Name:" not in text


def test_curl_gets_public_and_gated_answers(gateway, domain):
    url = f"{gateway.base_url}domain/{domain}"
    public = json.loads(called("curl", "-s", "-f", url))
    assert public["ldhName"].casefold() == domain
    request = f'purpose="{PURPOSE}", basis="national_order", case="1", elements=("registrant.name")'
    gated = called(
        "curl", "-s", "-i", url, "-H", f"Authorization: Bearer {gateway.token}",
        "-H", f"Disclosure-Request: {request}",
    )  # fmt: skip
    head, _, body = gated.replace("\r\n", "\n").partition("\n\n")
    status, *lines = head.splitlines()
    headers = {k.casefold(): v for k, v in (line.split(": ", 1) for line in lines)}
    assert status.split()[1] == "200"
    assert json.loads(body)["ldhName"].casefold() == domain
    credential = f"Authorization: Bearer {gateway.token}"
    proof = called("curl", "-s", "-f", headers["disclosure-receipt"], "-H", credential)
    assert proof.startswith("c2sp.org/tlog-proof@v1\n")


def test_python_whois_reads_port_43(gateway, domain):
    text = NICClient().whois(domain, HOST, 0)
    entry = WhoisEntry.load(f"{domain.rpartition('.')[0]}.com", text)
    assert entry["registrar"]
    assert entry["creation_date"]
    assert entry["name_servers"]
