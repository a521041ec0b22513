"""Client certificates as servers meet them: over real TLS, and told by proxies and by liars."""

import asyncio
import datetime as dt
import ssl
from dataclasses import replace
from ipaddress import ip_network

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import PURPOSE
from tests.identity.certificates import COMMON_NAME, DAY, SERVER, authority, make, pem, vouched
from tests.servers.conftest import RELEASED, called, serving, with_token
from tests.servers.tls import (
    ALONE,
    ASKING,
    BEGIN,
    BELOW,
    BETWEEN,
    COLLEAGUE,
    FOREIGN,
    GOOD,
    HOST,
    OFFICER,
    OTHER,
    ROOT,
    TRUSTED,
    Port,
    both_versions,
    ended,
    field,
    said,
    told,
)

from whoisgate.client import Client, GatewayRefused
from whoisgate.errors import CredentialRefused, EvidenceError, GatewayUnreachable, MissingKey
from whoisgate.identity.directory import Directory
from whoisgate.queries import Question, Requester
from whoisgate.servers import request

AUDIENCE = "https://rdap.example/"
PROXY = "192.0.2.1"
STRANGER = "192.0.2.2"

SOME_PATHS = ["/domain/example.com", "/domain/none.example", "/help", "/receipt/0/00",
              "/log/checkpoint", "/health/live"]  # fmt: skip


def now():
    return dt.datetime.now(dt.UTC)


def directory(**proof):
    return Directory([vouched(**proof)[0]], AUDIENCE)


class State:
    """A directory that a test changes while the servers run."""

    def __init__(self, held):
        self.held = held
        self.read = lambda: self.held.certificates.anchors

    def __call__(self):
        return self.held

    def anchors(self):
        return self.read()


@pytest.fixture
def listed():
    return State(directory(issuers=ROOT.pem))


@pytest.fixture
def tls(make, listed, tmp_path):
    """The port of a server over TLS that asks as ``listed`` has it at the time."""
    files = HOST.write(tmp_path, "host")
    service = make(clock=now, directory=listed)
    with serving(service, tls=files, anchors=listed.anchors) as addresses:
        yield Port(int(addresses.rdap.rstrip("/").rpartition(":")[2]), tmp_path)


@both_versions
@pytest.mark.parametrize(
    ("holder", "proof"),
    [(OFFICER, {"issuers": ROOT.pem}), (BELOW, {"issuers": ROOT.pem}),
     (BELOW, {"issuers": BETWEEN.pem}), (ALONE, {"pinned": ALONE.pem}),
     (OFFICER, {"pinned": pem(ALONE, OFFICER)}),
     (COLLEAGUE, {"issuers": TRUSTED, "person": "email"})],
)  # fmt: skip
def test_releases_to_the_holder_of_a_certificate(tls, listed, holder, proof, version):
    listed.held = directory(**proof)
    reply = tls.ask(holder, version=version)
    assert reply.status == 200
    assert b"Ada Example" in reply.body
    assert reply.fields["cache-control"] == "no-store"
    assert "disclosure-entry" in reply.fields
    receipt = reply.fields["disclosure-receipt"].removeprefix(AUDIENCE.rstrip("/"))
    assert tls.ask(holder, (), version, receipt).body.startswith(b"c2sp.org/tlog-proof@v1")
    assert tls.ask(None, (), version, receipt).status == 401


def test_refuses_a_person_whom_the_operator_barred(tls, listed):
    barred = Requester.identity_of("Police of Exampleland", "officer-7")
    listed.held = Directory(listed.held.authorities, AUDIENCE, barred.__eq__)
    reply = tls.ask(OFFICER)
    assert (reply.status, reply.code) == (401, "WG106")
    assert tls.ask(make(ROOT, ((COMMON_NAME, "officer-8"),), **GOOD)).status == 200


def test_shows_a_holder_who_asks_nothing_what_everybody_sees(tls):
    mine, everybodys = tls.ask(OFFICER, ()), tls.ask(None, ())
    assert mine.body == everybodys.body
    assert (
        mine.fields["cache-control"] == everybodys.fields["cache-control"] == "public, max-age=60"
    )
    assert "Disclosure-Request" in mine.fields["vary"]


def test_knows_a_holder_who_says_the_purpose_in_the_address(tls):
    path = "/domain/example.com?farv1_qp=legalActions"
    reply = tls.ask(OFFICER, (), path=path)
    assert (reply.status, "disclosure-entry" in reply.fields) == (403, True)
    assert tls.ask(None, (), path=path).status == 401


def test_wants_a_certificate_of_nobody_in_particular_only_for_a_question(tls):
    reply = tls.ask(None)
    assert (reply.status, reply.code) == (401, "WG105")


@both_versions
def test_resumes_with_the_certificate_and_those_above_it(tls, version):
    context = tls.context(BELOW, version)
    with tls.connection(context) as connection:
        first = said(connection)
        session = ended(connection)
    with tls.connection(context, session) as connection:
        again = said(connection)
        assert connection.session_reused
    assert (first.status, again.status) == (200, 200)
    assert b"Ada Example" in again.body


@both_versions
def test_resumes_nothing_once_other_issuers_are_listed(tls, listed, version):
    context = tls.context(OFFICER, version)
    with tls.connection(context) as connection:
        assert said(connection).status == 200
        session = ended(connection)
    listed.held = directory(issuers=pem(ROOT, OTHER))
    with tls.connection(context, session) as connection:
        assert said(connection).status == 200
        assert not connection.session_reused


@both_versions
@pytest.mark.parametrize(
    ("holder", "alert"),
    [(FOREIGN, "unknown ca"), (make(OTHER, end=BEGIN, begin=BEGIN - DAY), "unknown ca"),
     (make(ROOT, begin=BEGIN - DAY, end=BEGIN), "certificate expired"),
     (make(ROOT, eku=(SERVER,), **GOOD), "unsupported certificate"),
     (ALONE, "unknown ca"), (replace(BELOW, above=()), "unknown ca")],
)  # fmt: skip
def test_ends_the_handshake_of_others_with_an_alert(tls, holder, alert, version):
    # With TLS 1.3 the client learns of it when it reads (RFC 8446 §4.4.2.4).
    with pytest.raises(ssl.SSLError, match=alert):
        tls.ask(holder, (), version)
    assert tls.ask(None, (), version).status == 200


@both_versions
def test_follows_the_directory_with_every_new_connection(tls, listed, version):
    context = tls.context(OFFICER, version)
    with tls.connection(context) as before:
        assert said(before).status == 200
        listed.held = directory(issuers=OTHER.pem)
        # The connection goes on, and is nobody's now.
        refused = said(before)
        assert (refused.status, refused.code) == (401, "WG106")
        assert said(before, ()).status == 200
    assert tls.ask(FOREIGN, version=version).status == 200
    with pytest.raises(ssl.SSLError, match="unknown ca"):
        tls.ask(OFFICER, version=version)
    listed.held = Directory([], AUDIENCE)
    with tls.connection(context) as unasked:
        assert said(unasked).code == "WG105"


def test_asks_as_before_while_the_directory_cannot_be_read(tls, listed, caplog):
    assert tls.ask(OFFICER).status == 200
    for broken in (lambda: "no certificate", lambda: 1 / 0):
        listed.read = broken
        assert tls.ask(OFFICER).status == 200
        assert tls.ask(None, ()).status == 200
    assert sum("as before" in line for line in caplog.messages) == 1
    listed.read = str
    assert tls.ask(OFFICER).code == "WG105"


@pytest.fixture
def behind(make, listed):
    """A service behind a proxy."""
    return make(clock=now, directory=listed, trusted_proxies=[PROXY, "2001:db8::/64"])


@pytest.mark.parametrize("client", [PROXY, "::ffff:192.0.2.1", "2001:db8::7"])
@pytest.mark.parametrize("holder", [OFFICER, BELOW])
def test_believes_a_trusted_proxy(behind, holder, client):
    reply = behind.ask("/domain/example.com", [*ASKING, *told(holder)], client=client)
    assert reply.status == 200
    assert b"Ada Example" in reply.body
    assert reply.fields["cache-control"] == "no-store"
    public = behind.ask("/domain/example.com", told(holder), client=client)
    assert public.fields["cache-control"] == "public, max-age=60"


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "same-origin"])
def test_a_page_elsewhere_asks_nothing_with_a_browser_s_certificate(behind, site):
    own, before = site in {"none", "same-origin"}, behind.entries()
    asking = {"query": f"farv1_qp={PURPOSE}", "client": PROXY}
    said = [("Sec-Fetch-Site", site), *told()]
    reply = behind.ask("/domain/example.com", said, **asking)
    assert (reply.code == "WG106") is not own
    assert (behind.entries() == before) is not own
    # What a browser does not add by itself, a script elsewhere may send.
    assert (
        b"no other site"
        not in behind.ask("/domain/example.com", [*with_token(), *said], **asking).body
    )


def test_joins_the_lines_of_a_chain(behind):
    deep = make(authority("Third", BETWEEN, **GOOD), **GOOD)
    own, *above = deep.chain
    lines = [*told(), *(("Client-Cert-Chain", field(each)) for each in above)]
    lines[0] = ("Client-Cert", field(own))
    assert behind.ask("/domain/example.com", [*ASKING, *lines], client=PROXY).status == 200


@pytest.mark.parametrize("client", [STRANGER, "127.0.0.1", "::1", "2001:db8:1::7", None])
@pytest.mark.parametrize(
    "lines", [told(), told(BELOW), [("Client-Cert", "")], [("Client-Cert", "x")],
              [("client-cert-chain", field(BETWEEN.der))]],
)  # fmt: skip
def test_refuses_and_counts_anybody_else_who_tells_of_a_certificate(behind, lines, client):
    before = behind.entries()
    for path in SOME_PATHS:
        for more in ((), ASKING, (*with_token(), *ASKING)):
            # What is at hand for everybody stays in place, so that the quick way is tried as well.
            assert behind.ask("/domain/example.com").status == 200
            behind.gate._middle.counts.take()
            reply = behind.ask(path, [*more, *lines], client=client, scheme="https")
            assert (reply.status, reply.code) == (401, "WG106")
            assert b"Ada Example" not in reply.body
            assert reply.fields["cache-control"] == "no-store"
            assert behind.gate._middle.counts.take() == {"credential_refused": 1}
    assert behind.entries() == before


def test_refuses_a_spoofed_line_over_tls_beside_a_real_certificate(tls):
    for holder in (None, OFFICER):
        reply = tls.ask(holder, [*ASKING, *told()])
        assert (reply.status, reply.code) == (401, "WG106")


TWO = [("Client-Cert", field(OFFICER.der)), ("Client-Cert", field(OFFICER.der))]


@pytest.mark.parametrize(
    "lines",
    [TWO, [*TWO[:1], ("Client-Cert-Chain", "x y")], [("Client-Cert-Chain", field(OFFICER.der))],
     [("Client-Cert", "")], [("Client-Cert", "::")], [("Client-Cert", '"text"')],
     [("Client-Cert", OFFICER.pem.replace("\n", "%0A"))], [("Client-Cert", "1")],
     [("Client-Cert", f"{field(OFFICER.der)};a=1")], [("Client-Cert", field(OFFICER.der)[:-1])],
     [("Client-Cert", f"{field(OFFICER.der)}, {field(OFFICER.der)}")],
     [("Client-Cert", field(OFFICER.der[:-1]))], [("Client-Cert", f"({field(OFFICER.der)})")],
     [*TWO[:1], ("Client-Cert-Chain", f"({field(BETWEEN.der)})")],
     [*TWO[:1], ("Client-Cert-Chain", f"{field(BETWEEN.der)};a")],
     [*TWO[:1], ("Client-Cert-Chain", "a")], [("Client-Cert", field(FOREIGN.der))],
     [("Client-Cert", "é")]],
)  # fmt: skip
def test_refuses_a_proxys_word_that_is_not_as_it_must_be(behind, lines):
    lines = [*ASKING, ("X-Forwarded-Proto", "https"), *lines]
    reply = behind.ask("/domain/example.com", lines, client=PROXY)
    assert (reply.status, reply.code) == (401, "WG106")
    assert behind.gate._middle.counts.take() == {"credential_refused": 1}


@given(st.text(':=",();ab0 AQID', max_size=12), st.none() | st.text(':=",();ab0 AQID', max_size=12))
def test_reads_any_word_of_a_proxy_or_refuses_it(own, above):
    headers = [(b"client-cert", own.encode())]
    headers += [(b"client-cert-chain", above.encode())] if above is not None else []
    scope = {"client": (PROXY, 5), "headers": headers}
    try:
        found = request.certificates(scope, (ip_network(PROXY),))
    except CredentialRefused:
        return
    assert found
    assert all(isinstance(each, bytes) for each in found)


def test_believes_no_proxy_that_took_the_question_in_clear_text(behind):
    in_clear = [("X-Forwarded-Proto", "http")]
    for said_so, scheme in (([], "http"), (in_clear, "http"), (in_clear, "https")):
        lines = [*ASKING, told()[0], *said_so]
        reply = behind.ask("/domain/example.com", lines, client=PROXY, scheme=scheme)
        assert (reply.status, reply.code) == (400, "WG107")


def test_takes_a_proxys_own_certificate_for_nobodys(behind):
    lines = [("disclosure-request", RELEASED), ("x-forwarded-proto", "https")]
    scope = {
        "type": "http", "method": "GET", "path": "/domain/example.com", "query_string": b"",
        "raw_path": b"/domain/example.com", "scheme": "https", "client": (PROXY, 50000),
        "headers": [(b"host", b"rdap.example"),
                    *((name.encode(), value.encode()) for name, value in lines)],
        "whoisgate.certificates": OFFICER.chain,
    }  # fmt: skip
    assert asyncio.run(called(behind.app, scope)).code == "WG105"
    assert asyncio.run(called(behind.app, {**scope, "client": (STRANGER, 5)})).status == 200


@pytest.fixture
def asked(tls, tmp_path, monkeypatch):
    """A client of the gateway, with this certificate."""
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(HOST.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))

    def asked(holder, question):
        files = holder and holder.write(tmp_path)
        with Client(f"https://localhost:{tls.number}/", certificate=files) as client:
            return client.ask(question)

    return asked


def test_lets_the_client_show_its_certificate(asked):
    question = Question.of("example.com", purpose=PURPOSE)
    # It is believed, and then the proof is wanted, for which no key is pinned here.
    with pytest.raises(EvidenceError, match="pinned key"):
        asked(OFFICER, question)
    with pytest.raises(GatewayRefused, match="`401`"):
        asked(None, question)
    assert asked(OFFICER, Question.of("example.com")).receipt is None


def test_tells_the_client_what_tls_said(asked):
    with pytest.raises(GatewayUnreachable, match="alert unknown ca"):
        asked(FOREIGN, Question.of("example.com"))


def test_wants_certificate_and_key_that_belong_together(tmp_path):
    certificate, key = OFFICER.write(tmp_path)
    _, other = FOREIGN.write(tmp_path, "other")
    sealed = tmp_path / "sealed.key"
    sealed.write_bytes(
        OFFICER.key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a passphrase")
        )
    )
    for files in (
        (certificate, other), (key, key), (certificate, sealed), (certificate, tmp_path / "none"),
    ):  # fmt: skip
        with pytest.raises(MissingKey, match="client certificate and its key"):
            Client("https://localhost/", certificate=files)
