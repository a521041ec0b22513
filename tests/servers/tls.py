"""Certificates that hold today, and a client that shows them over real TLS."""

import base64
import datetime as dt
import socket
import ssl
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.identity.certificates import COMMON_NAME, DAY, SERVER, Holder, authority, make
from tests.servers.conftest import RELEASED, Reply

BEGIN = dt.datetime.now(dt.UTC).replace(microsecond=0) - DAY
"""OpenSSL reads the machine's clock, and so do the servers here."""
GOOD = {"begin": BEGIN, "end": BEGIN + 30 * DAY}
ASKING = (("Disclosure-Request", RELEASED),)
ROOT = authority(**GOOD)
OTHER = authority("Another Root", **GOOD)
BETWEEN = authority("Issuing CA", ROOT, **GOOD)
OFFICER = make(ROOT, **GOOD)
BELOW = make(BETWEEN, **GOOD)
ALONE = make(eku=None, **GOOD)
FOREIGN = make(OTHER, **GOOD)
HOST = make(
    subject=((COMMON_NAME, "rdap.example"),), eku=(SERVER,),
    names=[x509.DNSName("localhost")], **GOOD,
)  # fmt: skip
TRUSTME = trustme.CA(organization_name="Another maker's CA")


def by_trustme(person):
    """What trustme issues to this e-mail address."""
    made = TRUSTME.issue_cert(person, common_name=person)
    (own,) = (x509.load_pem_x509_certificate(blob.bytes()) for blob in made.cert_chain_pems)
    key = load_pem_private_key(made.private_key_pem.bytes(), None)
    return Holder(own, key, x509.load_pem_x509_certificates(TRUSTME.cert_pem.bytes()))


TRUSTED = TRUSTME.cert_pem.bytes().decode()
COLLEAGUE = by_trustme("officer-9@police.example")
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

both_versions = pytest.mark.parametrize("version", VERSIONS)


@dataclass
class Port:
    """One client's view of a server on loopback; ``folder`` is for the client's files."""

    number: int
    folder: Path

    def context(self, holder=None, version=None):
        context = ssl.create_default_context(cadata=HOST.pem)
        if version is not None:
            context.minimum_version = context.maximum_version = VERSIONS[version]
        if holder is not None:
            context.load_cert_chain(*holder.write(self.folder))
        return context

    @contextmanager
    def connection(self, context, session=None):
        with (
            socket.create_connection(("127.0.0.1", self.number), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="localhost", session=session) as secure,
        ):
            yield secure

    def ask(self, holder=None, headers=ASKING, version=None, path="/domain/example.com"):
        with self.connection(self.context(holder, version)) as connection:
            return said(connection, headers, path)


def said(connection, headers=ASKING, path="/domain/example.com"):
    """One answer over a connection, which stays open."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())
    received = b""
    while b"\r\n\r\n" not in received:
        received += some(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    fields = [tuple(line.split(": ", 1)) for line in rest]
    length = next(int(value) for name, value in fields if name.lower() == "content-length")
    while len(body) < length:
        body += some(connection)
    return Reply(int(first.split()[1]), fields, body)


def ended(connection):
    """The session of a connection that is closed as it should be, else the server forgets it."""
    session = connection.session
    with suppress(ssl.SSLEOFError):
        connection.unwrap()
    return session


def some(connection):
    part = connection.recv(65536)
    if not part:
        raise AssertionError("the server closed without an answer")
    return part


def field(der):
    return f":{base64.b64encode(der).decode()}:"


def told(holder=OFFICER):
    """What a proxy says of a client (RFC 9440 §2)."""
    own, *above = holder.chain
    lines = [("Client-Cert", field(own)), ("X-Forwarded-Proto", "https")]
    return [*lines, ("Client-Cert-Chain", ", ".join(map(field, above)))] if above else lines
