"""Starting and stopping both servers."""

import asyncio
import datetime as dt
import signal
import socket
import ssl
import subprocess
import sys
import textwrap

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.servers.conftest import RELEASED, TOKEN, everything, serving

from whoisgate.errors import LogUnavailable, MissingKey, PortTaken
from whoisgate.servers.run import bind, run
from whoisgate.servers.whois import WhoisServer


def begin(service, rdap=("127.0.0.1", 0), whois=("127.0.0.1", 0), tls=None, use=None):
    """Run both servers, use them once they are ready, and stop them."""

    async def main():
        stopping, spoken = asyncio.Event(), {}

        def ready(addresses):
            spoken.update(addresses)
            loop = asyncio.get_running_loop()
            task = loop.run_in_executor(None, use or dict, addresses)
            task.add_done_callback(lambda _: stopping.set())
            used.append(task)

        used = []
        await run(
            service.app, WhoisServer(service.gate, service.settings), rdap, whois,
            gate=service.gate, ready=ready, tls=tls, stopping=stopping,
        )  # fmt: skip
        return await used[0]

    return asyncio.run(main())


@pytest.mark.parametrize("which", ["rdap", "whois"])
def test_names_the_address_that_is_taken(make, which):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"`127.0.0.1:{port}`: address already in use"):
            begin(make(), **{which: ("127.0.0.1", port)})


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_names_the_address_that_is_not_its_own(host):
    with pytest.raises(PortTaken, match=host):
        bind((host, 0))


def test_listens_on_ipv6(make):
    def use(addresses):
        assert addresses["rdap"].startswith("http://[::1]:")
        return httpx2.get(f"{addresses['rdap']}health/live").json()

    assert begin(make(), rdap=("::1", 0), whois=("::1", 0), use=use) == {"live": True}


@pytest.fixture
def certificate(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rdap.example")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, SHA256())
    )
    paths = tmp_path / "chain.pem", tmp_path / "key.pem"
    paths[0].write_bytes(made.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


def test_answers_over_tls_with_forward_secrecy_alone(make, certificate):
    def use(addresses):
        host, _, port = addresses["rdap"].removeprefix("https://").rstrip("/").rpartition(":")
        context = ssl.create_default_context(cafile=str(certificate[0]))
        with httpx2.Client(verify=context, base_url=f"https://localhost:{port}") as client:
            headers = {"Authorization": f"Bearer {TOKEN}", "Disclosure-Request": RELEASED}
            reply = client.get("/domain/example.com", headers=headers)
        assert b"Ada Example" in reply.content
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE+AESGCM")
        with (
            socket.create_connection((host, int(port))) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            assert secure.version() == "TLSv1.2"
        context.set_ciphers("ECDHE+CHACHA20")
        with socket.create_connection((host, int(port))) as plain, pytest.raises(ssl.SSLError):
            context.wrap_socket(plain, server_hostname="localhost")
        return True

    assert begin(make(), tls=certificate, use=use)


def test_refuses_to_start_without_its_certificate(make, certificate):
    chain, key = certificate
    for wrong in ((chain, key.with_name("none")), (key, key), (chain, chain)):
        with pytest.raises(MissingKey, match="TLS certificate and key"):
            begin(make(), tls=wrong)


def test_logs_its_counts_when_it_ends(service):
    before = service.entries()
    with serving(service) as addresses:
        for _ in range(3):
            addresses.raw("whois", b"example.com\r\n")
    assert service.entries() == before + 1


def test_tells_when_the_last_counts_cannot_be_logged(make):
    service = make()
    service.gate.count("public")

    def append(_):
        raise LogUnavailable("the disk is full")

    service.gate.log.append = append
    with pytest.raises(LogUnavailable):
        begin(service)


PROGRAM = textwrap.dedent(
    """
    import sys, time
    from concurrent.futures import ThreadPoolExecutor
    from datetime import UTC, datetime
    from pathlib import Path
    from secrets import token_bytes
    from tests.conftest import POLICY
    from whoisgate.formats import rdap
    from whoisgate.gate import AsyncGate
    from whoisgate.middle import Settings
    from whoisgate.identity.authenticator import Authenticator
    from whoisgate.identity.directory import Directory
    from whoisgate.policy.load import load_text
    from whoisgate.records import Record
    from whoisgate.redact import Substitutes
    from whoisgate.servers.rdap import application
    from whoisgate.servers.run import serve
    from whoisgate.servers.settings import ServerSettings
    from whoisgate.servers.whois import WhoisServer
    from whoisgate.testing import MemoryLog

    class Slow:
        def find(self, name):
            time.sleep(0.5)
            return Record.of(name, {"registrar.name": "Example Registrar"})

    clock = lambda: datetime.now(UTC)
    shown = rdap.Settings(base_url="https://rdap.example/", terms_url="https://rdap.example/t")
    settings = ServerSettings(shown)
    gate = AsyncGate(
        Settings(load_text(POLICY, "small.yaml"), Substitutes(b"k" * 32, alias="{token}@a.example"),
                 shown),
        Slow(), MemoryLog(clock=clock, entropy=token_bytes), clock, executor=ThreadPoolExecutor(2),
    )
    nobody = Authenticator(lambda: Directory([], ""))
    app = application(gate, settings, nobody, None, {}.get, Path("."), clock)
    def ready(addresses):
        print(addresses["rdap"], addresses["whois"], flush=True)
    free = ("127.0.0.1", 0)
    serve(app, WhoisServer(gate, settings), free, free, gate=gate, ready=ready)
    print("closed", flush=True)
    """
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_answers_what_came_and_ends_quietly_on_a_signal(number):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        rdap, whois = process.stdout.readline().split()
        http = socket.create_connection(_address(rdap.removeprefix("http://").rstrip("/")))
        line = socket.create_connection(_address(whois))
        idle = socket.create_connection(_address(whois))
        http.sendall(b"GET /domain/example.com HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        line.sendall(b"example.com\r\n")
        assert httpx2.get(f"{rdap}health/live").status_code == 200
        process.send_signal(number)
        assert everything(http).startswith(b"HTTP/1.1 200")
        assert everything(line).startswith(b"Domain Name")
        assert everything(idle) == b""
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out, err) == (0, "closed\n", "")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(_address(whois))
        for connection in (http, line, idle):
            connection.close()
    finally:
        process.kill()
        process.communicate()


def _address(text):
    host, _, port = text.rpartition(":")
    return host, int(port)
