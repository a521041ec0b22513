"""Servers that say whatever a test wants, over real sockets, and sources that ask them."""

import datetime as dt
import gzip
import ipaddress
import json
import socket
import ssl
import threading
import time
from contextlib import contextmanager

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.conftest import NOW

from whoisgate.config import UpstreamSettings
from whoisgate.sources.upstream import UpstreamSource

NAME = "bicycle-repair.example"
LOOPBACK = ["127.0.0.0/8"]


class Speaker:
    """Listens on loopback and lets ``speak(connection, question)`` answer each question.

    A question ends at ``end``. ``speak`` returns true to be asked again on the same connection.
    """

    def __init__(self, speak, *, end=b"\r\n\r\n", tls=None, host="127.0.0.1", port=0):
        self.asked, self.connections, self._tls, self._end, self._speak = [], 0, tls, end, speak
        self._open, self._threads = set(), []
        self._listener = socket.create_server((host, port))
        self.host, self.port = self._listener.getsockname()[:2]
        self.place = f"{self.host}:{self.port}"
        self._start(self._accept)

    def _start(self, run, *arguments):
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            self._start(self._serve, connection)

    def _serve(self, plain):
        connection = plain
        try:
            if self._tls:
                connection = self._tls.wrap_socket(plain, server_side=True)
                self._open.add(connection)
            while (question := self._question(connection)) is not None:
                self.asked.append(question)
                if not self._speak(connection, question):
                    break
        except OSError:
            pass  # whoever asked has gone
        finally:
            connection.close()
            plain.close()

    def _question(self, connection):
        question = b""
        while self._end not in question:
            part = connection.recv(65536)
            if not part:
                return None
            question += part
        return question

    def close(self):
        if self._listener.fileno() < 0:
            return
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()


@contextmanager
def speaking(speak, **how):
    speaker = Speaker(speak, **how)
    try:
        yield speaker
    finally:
        speaker.close()


def says(content):
    """A ``speak`` that says these bytes and ends."""

    def speak(connection, question):
        connection.sendall(content)

    return speak


def drip(connection, content):
    """Says it, a byte each tenth of a second."""
    for byte in content:
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


def http(body=b"", status="200 OK", **fields):
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    head += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([*head, "", ""]).encode() + body


def document(name=NAME, registrant="Ada Example", **more):
    """An RDAP answer about a made-up person's domain."""
    card = [
        ["version", {}, "text", "4.0"],
        ["fn", {}, "text", registrant],
        ["email", {}, "text", "ada@person.example"],
        ["adr", {"cc": "NL"}, "text", ["", "", "1 Sample Street", "Sampletown", "", "00000", ""]],
    ]
    return json.dumps(
        {
            "objectClassName": "domain",
            "ldhName": name,
            "handle": "D-1",
            "status": ["active"],
            "events": [{"eventAction": "registration", "eventDate": "2020-01-02T03:04:05Z"}],
            "nameservers": [{"objectClassName": "nameserver", "ldhName": "ns1.example.net"}],
            "entities": [
                {
                    "objectClassName": "entity",
                    "roles": ["registrant"],
                    "vcardArray": ["vcard", card],
                }
            ],
            **more,
        }
    ).encode()


def gzipped(body):
    return gzip.compress(body)


@pytest.fixture
def source(tmp_path):
    """Makes a source over servers given as tables; keyword arguments are ``[upstream]``'s."""

    def source(*servers, resolver=None, clock=lambda: NOW, **upstream):
        settings = UpstreamSettings.model_validate(
            {"allow": LOOPBACK, "deadline_s": 2, "server": servers, **upstream}
        )
        given = {"resolver": resolver} if resolver else {}
        return UpstreamSource(settings, tmp_path, clock, **given)

    return source


@pytest.fixture
def rdap(source):
    """Makes a source over one clear-text RDAP server at a place of loopback."""

    def rdap(place, *, path="/", resolver=None, server=(), **upstream):
        table = {"rdap": f"http://{place}{path}", "clear_text": True, **dict(server)}
        return source(table, resolver=resolver, **upstream)

    return rdap


def ask(source, *names, fresh=False):
    """The record of the last of these names, asked one after the other."""

    async def main():
        try:
            for name in names or (NAME,):
                record = await (source.find_fresh if fresh else source.find)(name)
            return record
        finally:
            await source.close()

    return uvloop.run(main())


class Authority:
    """A certificate authority of this test run."""

    def __init__(self, folder):
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test Authority")])
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self._signed(self.name, self.key, ca=True))

    def issue(self, host):
        """Certificate and key files for a host."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate, private = self.folder / f"{host}.crt", self.folder / f"{host}.key"
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
        certificate.write_bytes(self._signed(name, key, host=host))
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate, private

    def server(self, host, *, asks_for_certificate=False):
        """The TLS context of a server."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.ca)
        context.load_cert_chain(*self.issue(host))
        if asks_for_certificate:
            context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def _signed(self, name, key, *, ca=False, host=None):
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if host:
            try:
                other = x509.IPAddress(ipaddress.ip_address(host))
            except ValueError:
                other = x509.DNSName(host)
            builder = builder.add_extension(x509.SubjectAlternativeName([other]), critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))
