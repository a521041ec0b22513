"""The HTTP exit, request by request, straight into the application."""

import asyncio
import json
import logging
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.conftest import NOW, PURPOSE
from tests.identity.tokens import ATTACKS, claims, token
from tests.servers.conftest import (
    BASE_URL,
    LEGAL_ACTIONS_ALONE,
    OTHER_OFFICER,
    PENDING,
    REFUSED,
    RELEASED,
    TOKEN,
    WHY,
    asking,
    with_token,
)

from whoisgate import errors
from whoisgate.audit.draft import Draft, Grant
from whoisgate.audit.verify import verify_answer
from whoisgate.gate import Gate
from whoisgate.records import Contact, Record
from whoisgate.servers.faults import FAULTS
from whoisgate.sources.memory import MemorySource

RDAP = "application/rdap+json"
CHALLENGE = 'Bearer realm="whoisgate", DPoP algs="ES256 EdDSA Ed25519"'
SECRETS = (b"Ada", b"ada@person", b"Sampletown", b"Sample Street", b"5555550100", b"Tom Tech")


def private(reply):
    return reply.fields["cache-control"] == "no-store" and "vary" not in reply.fields


# --- the table of outcomes -------------------------------------------------------------------


def test_gives_anybody_the_public_view(service):
    before = service.entries()
    reply = service.ask("/domain/example.com")
    assert reply.status == 200
    assert reply.lines == [
        ("content-type", RDAP),
        ("access-control-allow-origin", "*"),
        ("access-control-expose-headers", "Disclosure-Policy"),
        ("cache-control", "public, max-age=60"),
        ("vary", "Authorization, Disclosure-Request"),
        ("disclosure-policy", service.policy.digest),
        ("content-length", str(len(reply.body))),
    ]
    assert reply.json["ldhName"] == "example.com"
    assert not any(secret in reply.body for secret in SECRETS)
    assert service.entries() == before


def test_asks_a_stranger_with_a_question_for_a_credential(service):
    before = service.entries()
    reply = service.ask("/domain/example.com", [("Disclosure-Request", RELEASED)])
    assert (reply.status, reply.code) == (401, "WG105")
    assert reply.fields["www-authenticate"] == CHALLENGE
    assert private(reply)
    assert service.entries() == before


@pytest.mark.parametrize("question", [(), (("Disclosure-Request", RELEASED),)])
def test_refuses_a_bad_credential_with_or_without_a_question(service, question):
    before = service.entries()
    expired = token(body=claims(exp=int(NOW.timestamp()) - 1))
    reply = service.ask("/domain/example.com", with_token(*question, bearer=expired))
    assert (reply.status, reply.code) == (401, "WG106")
    assert reply.fields["www-authenticate"] == (
        'Bearer realm="whoisgate", error="invalid_token", DPoP algs="ES256 EdDSA Ed25519"'
    )
    assert reply.json["description"] == ["WG106: the token has expired"]
    assert private(reply)
    assert service.entries() == before


def test_releases_what_is_granted_with_entry_and_receipt(service):
    before = service.entries()
    reply = service.ask("/domain/example.com", asking(RELEASED))
    assert reply.status == 200
    assert private(reply)
    assert b"Ada Example" in reply.body
    assert b"ada@person" not in reply.body
    assert service.entries() == before + 1
    assert reply.fields["disclosure-entry"] == str(before)
    assert reply.fields["disclosure-receipt"].startswith(f"{BASE_URL}receipt/{before}/")
    assert reply.fields["content-type"] == RDAP
    assert reply.fields["access-control-allow-origin"] == "*"


def test_refuses_with_an_entry_when_nothing_is_granted(service):
    before = service.entries()
    reply = service.ask("/domain/example.com", asking(REFUSED))
    assert reply.status == 403
    assert private(reply)
    assert reply.json["errorCode"] == 403
    assert "tech.name" in str(reply.json["description"])
    assert reply.fields["disclosure-entry"] == str(before)
    assert service.entries() == before + 1


def test_holds_a_question_for_approval_and_releases_it_once(service):
    held = service.ask("/domain/example.com", asking(PENDING))
    assert held.status == 202
    assert private(held)
    assert b"5555550100" not in held.body
    entry = int(held.fields["disclosure-entry"])
    grant = Grant(entry, ("registrant.phone",), "Duty Officer", NOW + timedelta(days=1))
    service.log.append(Draft("approval", service.policy.digest, NOW, settles=grant)).result()
    elsewhere = asking(PENDING, OTHER_OFFICER)
    assert service.ask("/domain/example.com", elsewhere).status == 202
    given = service.ask("/domain/example.com", asking(PENDING))
    assert given.status == 200
    assert b"5555550100" in given.body
    assert int(given.fields["disclosure-entry"]) > entry
    assert service.ask("/domain/example.com", asking(PENDING)).status == 202


def test_gives_a_credential_without_a_question_the_public_view_unstored(service):
    before = service.entries()
    public = service.ask("/domain/example.com")
    reply = service.ask("/domain/example.com", with_token())
    assert (reply.status, reply.body) == (200, public.body)
    assert private(reply)
    assert "disclosure-entry" not in reply.fields
    assert service.entries() == before


# --- the question ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "why",
    [
        "purpose=",
        'purpose="x',
        "purpose=1",
        'purpose="unheardOf"',
        'basis="national order"',
        'elements=("registrant.emale")',
        'elements="registrant.name"',
        'case=""',
        'urgency="very"',
        f'{WHY}, purpose="{PURPOSE}"',
        'extra="x"',
        'purpose="a"\u00e9',
        "(" * 400,
        '"' + "x" * 5000,
    ],
)
def test_answers_a_malformed_question_with_its_number(service, why):
    before = service.entries()
    reply = service.ask("/domain/example.com", asking(why))
    assert (reply.status, reply.code) == (400, "WG104")
    assert private(reply)
    assert "emale" not in str(reply.json)
    assert service.entries() == before


def test_combines_the_lines_of_one_question(service):
    first, _, second = RELEASED.partition(", elements")
    lines = [("Disclosure-Request", first), ("Disclosure-Request", f"elements{second}")]
    assert service.ask("/domain/example.com", with_token(*lines)).status == 200


def test_refuses_a_member_that_two_lines_say(service):
    lines = [("Disclosure-Request", RELEASED), ("Disclosure-Request", 'case="other"')]
    assert service.ask("/domain/example.com", with_token(*lines)).code == "WG104"


def test_refuses_a_purpose_that_the_token_does_not_have(service):
    reply = service.ask("/domain/example.com", asking(WHY, LEGAL_ACTIONS_ALONE))
    assert reply.status == 403
    assert b"Ada" not in reply.body


# --- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["eXaMpLe.CoM", "example.com.", "EXAMPLE.COM"])
def test_gives_one_answer_for_every_spelling_of_a_name(service, name):
    assert service.ask(f"/domain/{name}").body == service.ask("/domain/example.com").body


def test_answers_internationalised_names_in_either_form(make):
    service = make(records=[Record.of("xn--bcher-kva.example", {"registrar.name": "R"})])
    for name in (
        "bücher.example",
        "BÜCHER.example",
        "xn--bcher-kva.example",
        "XN--BCHER-KVA.example",
    ):
        reply = service.ask(f"/domain/{name}")
        assert (reply.status, reply.json["ldhName"]) == (200, "xn--bcher-kva.example")


@pytest.mark.parametrize(
    "name",
    ["", "com", "a b.example", "-a.example", "a..example", "\x00.example", "example.com/x",
     "a\r\nb.example", "x" * 300, "%2e%2e", "\ufffd.example", "<script>.example", "../help"],
)  # fmt: skip
def test_answers_what_is_no_name_with_its_number_and_no_echo(service, name):
    reply = service.ask(f"/domain/{name}")
    assert (reply.status, reply.code) == (400, "WG101")
    assert private(reply)
    assert not name or name not in ("<script>.example", "-a.example") or name not in str(reply.json)


def test_knows_no_absent_name(service):
    reply = service.ask("/domain/absent.example")
    assert (reply.status, reply.code) == (404, "WG103")
    assert private(reply)


def test_serves_its_own_suffixes_alone(make):
    service = make(gate={"suffixes": frozenset({"com"})})
    assert service.ask("/domain/example.com").status == 200
    assert service.ask("/domain/example.net").code == "WG102"


# --- HTTP ------------------------------------------------------------------------------------

GETS = [
    ("/domain/example.com", ()),
    ("/domain/absent.example", ()),
    ("/domain/example.com", asking(REFUSED)),
    ("/help", ()),
    ("/nothing", ()),
    ("/ip/192.0.2.1", ()),
    ("/health/live", ()),
    ("/log/checkpoint", ()),
]


@pytest.mark.parametrize(("path", "headers"), GETS)
def test_answers_head_as_get_without_the_body(service, path, headers):
    get, head = (service.ask(path, headers, method=m) for m in ("GET", "HEAD"))
    assert head.body == b""
    assert head.status == get.status
    assert head.fields["content-length"] == str(len(get.body))
    varying = {"disclosure-entry", "disclosure-receipt"}
    assert {n: v for n, v in head.lines if n not in varying} == {
        n: v for n, v in get.lines if n not in varying
    }


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "X"])
@pytest.mark.parametrize("path", ["/domain/example.com", "/help", "/receipt/1/x", "/nothing"])
def test_allows_get_and_head_alone(service, method, path):
    reply = service.ask(path, method=method)
    assert (reply.status, reply.fields["allow"]) == (405, "GET, HEAD")
    assert reply.json["errorCode"] == 405


@pytest.mark.parametrize(
    "path",
    [
        "/domains", "/domains/", "/domains/reverse_search/entity", "/nameserver/ns1.example",
        "/nameservers", "/entity/X-1", "/entities", "/ip/192.0.2.0/24", "/ip/2001:db8::",
        "/autnum/64496", "/autnums/rirSearch1/up/1", "/ips/rirSearch1/up/x", "/farv1_session/login",
    ],
)  # fmt: skip
def test_says_which_queries_it_does_not_support(service, path):
    reply = service.ask(path, query="name=exam*")
    assert (reply.status, reply.code) == (501, "WG109")
    assert reply.json["errorCode"] == 501
    assert reply.fields["content-type"] == RDAP
    assert reply.fields["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "path",
    ["", "/", "/x", "//domain/example.com", "/Domain/example.com", "/help/", "/help/x", "/help\n",
     "/receipt", "/receipt/1", "/receipt/1/a/b", "/policy", "/policy/abc", "/log", "/health",
     "/robots.txt"],
)  # fmt: skip
def test_knows_no_other_page(service, path):
    headers = with_token() if path.startswith("/receipt") else ()
    reply = service.ask(path, headers)
    assert reply.status == 404
    assert reply.json["errorCode"] == 404
    assert private(reply)


def test_helps(service):
    reply = service.ask("/help")
    assert reply.status == 200
    assert reply.fields["content-type"] == RDAP
    assert reply.fields["access-control-allow-origin"] == "*"
    assert "rdap_level_0" in reply.json["rdapConformance"]
    assert "Disclosure-Request" in str(reply.json["notices"])


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([("Content-Length", "0")], 200),
        ([("Content-Length", "100")], 200),
        ([("Content-Length", "4096")], 200),
        ([("Content-Length", "4097")], 413),
        ([("Content-Length", "9" * 30)], 413),
        ([("Content-Length", "-1")], 413),
        ([("Content-Length", "5"), ("Content-Length", "50000")], 413),
        ([("Transfer-Encoding", "chunked")], 413),
        ([("Transfer-Encoding", "chunked"), ("Content-Length", "5")], 413),
    ],
)
def test_ignores_small_bodies_and_closes_and_refuses_others(service, lines, status):
    service.ask("/domain/example.com")
    for path in ("/domain/example.com", "/help"):
        reply = service.ask(path, lines)
        assert reply.status == status
        assert reply.fields.get("connection") == (None if lines[0][1] == "0" else "close")


@pytest.mark.parametrize("named", ["127.0.0.1", "localhost", "rdap.example.", "RDAP.EXAMPLE:443"])
def test_links_to_its_configured_address_whatever_the_request_says(service, named):
    foreign = "evil.example"
    lines = [("Host", named), ("X-Forwarded-Host", foreign), ("Forwarded", f"host={foreign}")]
    for path in ("/domain/example.com", "/help", "/nothing"):
        assert service.ask(path, lines) == service.ask(path)
    reply = service.ask("/domain/example.com", [*lines, *asking(RELEASED)])
    assert reply.fields["disclosure-receipt"].startswith(BASE_URL)
    assert foreign.encode() not in reply.body


# --- scripts in a page of another origin (Fetch) ---------------------------------------------

READABLE = {"cache-control", "content-length", "content-type"}
"""What a script reads without being told so, of what is sent here."""

PLUMBING = {
    "access-control-allow-origin", "access-control-expose-headers", "allow", "connection", "vary",
}  # fmt: skip
ORIGIN = ("Origin", "https://client.example")
ASKS_LEAVE = [ORIGIN, ("Access-Control-Request-Method", "GET")]
SENT = {
    "authorization", "authorization-digest", "disclosure-request", "dpop", "signature",
    "signature-input",
}  # fmt: skip


def words(reply, name):
    return {word.strip().lower() for word in reply.fields[name].split(",")}


def test_lets_a_page_elsewhere_read_every_line_that_it_needs(make):
    service = make(per_minute=1)
    dpop = ("DPoP", "x")
    replies = [
        service.ask("/domain/example.com", [ORIGIN]),
        service.ask("/domain/example.com", [ORIGIN]),
        service.ask("/domain/example.com", [ORIGIN], client="192.0.2.9", scheme="https"),
        service.ask("/domain/example.com", [ORIGIN], client="192.0.2.9", scheme="https"),
        *(service.ask("/domain/example.com", [ORIGIN, dpop, *asking(why)])
          for why in (RELEASED, REFUSED, PENDING)),
        *(service.ask("/domain/example.com", [ORIGIN, *asking(why)])
          for why in (RELEASED, REFUSED, PENDING)),
        service.ask("/domain/example.com", [ORIGIN, ("Disclosure-Request", RELEASED)]),
        service.ask("/domain/example.com", [ORIGIN, ("Authorization", "DPoP x"), dpop]),
    ]  # fmt: skip
    path = replies[-3].fields["disclosure-receipt"].removeprefix(BASE_URL.rstrip("/"))
    replies.append(service.ask(path, with_token(ORIGIN)))
    assert replies[-1].status == 200
    for reply in replies:
        assert reply.fields["access-control-allow-origin"] == "*"
        shown = words(reply, "access-control-expose-headers")
        assert reply.fields.keys() - READABLE - PLUMBING <= shown
        assert not {"access-control-allow-credentials", "set-cookie"} & reply.fields.keys()
    seen = {name for reply in replies for name in reply.fields}
    limits = {"ratelimit", "ratelimit-policy"}  # where the requester has any
    assert limits <= words(replies[-2], "access-control-expose-headers")
    assert {
        "disclosure-entry", "disclosure-receipt", "disclosure-policy", "retry-after",
        "www-authenticate", "dpop-nonce",
    } <= seen  # fmt: skip


@pytest.mark.parametrize("path", ["/domain/example.com", "/receipt/0/x"])
@pytest.mark.parametrize("more", [[], [("Access-Control-Request-Headers", "authorization,dpop")]])
def test_lets_a_page_elsewhere_send_what_its_script_holds(service, path, more):
    reply = service.ask(path, [*ASKS_LEAVE, *more], method="OPTIONS")
    assert (reply.status, reply.body) == (200, b"")
    assert reply.fields["access-control-allow-origin"] == "*"
    assert words(reply, "access-control-allow-methods") == {"get", "head"}
    assert words(reply, "access-control-allow-headers") == SENT
    assert "access-control-allow-credentials" not in reply.fields
    assert "access-control-allow-private-network" not in reply.fields
    assert service.entries() == 0
    assert service.gate._middle.counts.take() == {}


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("/domain/example.com", []),
        ("/domain/example.com", [ORIGIN]),
        ("/domain/example.com", ASKS_LEAVE[1:]),
        ("/farv1_session/login", ASKS_LEAVE),
        ("/farv1_session/logout", ASKS_LEAVE),
        ("/help", ASKS_LEAVE),
        ("/nothing", ASKS_LEAVE),
    ],
)
def test_gives_leave_for_nothing_else(service, path, lines):
    reply = service.ask(path, lines, method="OPTIONS")
    assert reply.status == 405
    assert "access-control-allow-headers" not in reply.fields


def test_gives_no_leave_by_a_foreign_name(service):
    reply = service.ask("/domain/example.com", ASKS_LEAVE, method="OPTIONS", host="evil.example")
    assert (reply.status, "access-control-allow-headers" in reply.fields) == (421, False)


# --- who may read along ----------------------------------------------------------------------

FAR = "192.0.2.1"
SECRET_LINES = [
    with_token(),
    asking(RELEASED),
    [("Disclosure-Request", RELEASED)],
    [("Authorization", "Basic YTpi")],
    with_token(bearer="nonsense"),
    asking("((("),
]


@pytest.mark.parametrize("client", [FAR, "2001:db8::1", "::ffff:192.0.2.1", "10.0.0.1", None, "x"])
@pytest.mark.parametrize("lines", SECRET_LINES)
def test_refuses_unread_what_came_in_clear_text(service, caplog, client, lines):
    caplog.set_level(logging.DEBUG)
    reply = service.ask("/domain/example.com", lines, client=client)
    assert (reply.status, reply.code) == (400, "WG107")
    assert private(reply)
    assert not service.app._authenticator._held
    assert TOKEN[:20] not in caplog.text
    assert "2026-114" not in caplog.text


def test_answers_the_public_in_clear_text(service):
    assert service.ask("/domain/example.com", client=FAR).status == 200


def test_refuses_a_purpose_and_a_receipt_in_clear_text(service):
    reply = service.ask("/domain/example.com", client=FAR, query=f"farv1_qp={PURPOSE}")
    assert reply.code == "WG107"
    for lines in ((), with_token()):
        assert service.ask("/receipt/1/x", lines, client=FAR).code == "WG107"


@pytest.mark.parametrize(
    ("client", "scheme", "forwarded", "taken"),
    [
        (FAR, "https", [], True),
        ("127.0.0.1", "http", [], True),
        ("127.9.9.9", "http", [], True),
        ("::1", "http", [], True),
        ("::ffff:127.0.0.1", "http", [], True),
        ("127.0.0.1", "http", ["https"], True),
        ("127.0.0.1", "http", ["http"], False),
        ("127.0.0.1", "http", ["https", "http"], False),
        (FAR, "http", ["https"], False),
        ("198.51.100.7", "http", ["https"], True),
        ("::ffff:198.51.100.7", "http", ["https"], True),
        ("2001:db8:aa::7", "http", ["https"], True),
        ("198.51.100.7", "http", [], False),
        ("198.51.100.7", "http", ["http"], False),
        ("198.51.100.7", "http", ["HTTPS"], False),
        ("198.51.100.7", "http", ["https, http"], False),
        ("198.51.100.7", "http", ["http", "https"], False),
        ("198.51.100.7", "https", [], True),
        ("198.51.100.7", "https", ["https"], True),
        ("198.51.100.7", "https", ["http"], False),
        ("198.51.100.7", "https", [""], False),
        ("198.51.100.7", "https", ["https, http"], False),
        ("198.51.100.7", "https", ["http", "https"], False),
        ("2001:db8:aa::7", "https", ["http"], False),
        ("127.0.0.1", "https", [], True),
        ("127.0.0.1", "https", ["https"], True),
        ("127.0.0.1", "https", ["http"], False),
        (FAR, "https", ["http"], True),
        ("198.51.100.8", "http", ["https"], False),
    ],
)
def test_takes_credentials_over_tls_from_proxies_and_on_loopback(
    make, client, scheme, forwarded, taken
):
    service = make(trusted_proxies=("198.51.100.7", "2001:db8:aa::/48"))
    lines = [*asking(RELEASED), *(("X-Forwarded-Proto", word) for word in forwarded)]
    reply = service.ask("/domain/example.com", lines, client=client, scheme=scheme)
    assert reply.status == (200 if taken else 400)


# --- credentials -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        ["Basic YTpi"],
        ["Bearer"],
        ["Bearer "],
        [""],
        ["bearer"],
        [f"Bearer {TOKEN}", f"Bearer {TOKEN}"],
        [f"Bearer {TOKEN}, Bearer {TOKEN}"],
        [f"Bearer {TOKEN} x"],
        [f"Bearer\t{TOKEN}"],
        [f"Token {TOKEN}"],
        [TOKEN],
        [f"Bearer {TOKEN}\x00"],
        [f'Bearer "{TOKEN}"'],
    ],
)
def test_refuses_every_other_shape_of_credential(service, lines):
    reply = service.ask("/domain/example.com", [("Authorization", line) for line in lines])
    assert (reply.status, reply.code) == (401, "WG106")
    assert TOKEN not in str(reply.json)


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer"])
def test_reads_the_scheme_in_any_case(service, scheme):
    assert (
        service.ask("/domain/example.com", [("Authorization", f"{scheme} {TOKEN}")]).status == 200
    )


@pytest.mark.parametrize("name", [n for n in ATTACKS if ATTACKS[n].isascii()])
def test_refuses_every_forgery(service, name):
    before = service.entries()
    forged = ATTACKS[name]
    reply = service.ask("/domain/example.com", asking(RELEASED, forged.strip()))
    if forged.strip() == TOKEN:
        assert reply.status == 200  # white space around a header's value is no part of it
        return
    assert (reply.status, reply.code) == (401, "WG106")
    assert not any(secret in reply.body for secret in SECRETS)
    assert service.entries() == before


@pytest.mark.parametrize(
    "name", ["X-Authorization", "Proxy-Authorization", "Authorization_", "Disclosure_Request",
             "X-Disclosure-Request", "Cookie", "X-Forwarded-User", "Client_Cert"],
)  # fmt: skip
def test_takes_nothing_from_other_lines(service, name):
    reply = service.ask("/domain/example.com", [(name, f"Bearer {TOKEN}")])
    assert reply == service.ask("/domain/example.com")


def test_counts_what_strangers_get_wrong(service):
    service.ask("/domain/example.com", [("Disclosure-Request", RELEASED)])
    service.ask("/domain/example.com", with_token(bearer="x"))
    service.ask("/domain/example.com", with_token(), client=FAR)
    service.ask("/domain/example.com")
    service.ask("/domain/example.com")
    counted = service.gate._middle.counts.take()
    assert counted == {
        "credential_required": 1, "credential_refused": 1, "clear_text": 1, "public": 2,
    }  # fmt: skip


# --- receipts, policies, the log, health -----------------------------------------------------


def receipt_path(reply):
    return reply.fields["disclosure-receipt"].removeprefix(BASE_URL.rstrip("/"))


def test_gives_the_proof_to_the_same_credential(service):
    reply = service.ask("/domain/example.com", asking(RELEASED))
    proof = service.ask(receipt_path(reply), with_token())
    assert proof.status == 200
    assert proof.fields["content-type"] == "text/plain; charset=utf-8"
    assert private(proof)
    verified = verify_answer(reply.body, proof.body.decode(), service.log.key)
    assert str(verified.index) == reply.fields["disclosure-entry"]


def test_hides_whether_a_receipt_is_absent_or_somebody_elses(service):
    reply = service.ask("/domain/example.com", asking(RELEASED))
    path = receipt_path(reply)
    entry, wrong = reply.fields["disclosure-entry"], "A" * 22
    answers = [
        service.ask(path, with_token(bearer=OTHER_OFFICER)),
        service.ask(f"/receipt/{entry}/{wrong}", with_token()),
        service.ask(path.replace(f"/{entry}/", "/4711/"), with_token()),
        service.ask(path.replace(f"/{entry}/", f"/0{entry}/"), with_token()),
        service.ask(f"/receipt/{'9' * 5000}/{wrong}", with_token()),
        service.ask(f"/receipt/-1/{wrong}", with_token()),
        service.ask(f"/receipt/x/{wrong}", with_token()),
        service.ask(path + "x", with_token()),
        service.ask(f"/receipt/{entry}/..%2f", with_token()),
    ]
    for answer in answers:
        assert (answer.status, answer.code) == (404, "WG111")
        assert answer == answers[0]


def test_asks_for_the_credential_before_a_receipt(service):
    path = receipt_path(service.ask("/domain/example.com", asking(RELEASED)))
    assert service.ask(path).status == 401
    assert service.ask(path).fields["www-authenticate"] == CHALLENGE
    assert service.ask(path, with_token(bearer="x")).code == "WG106"


def test_publishes_archived_policies(service):
    reply = service.ask(f"/policy/{service.policy.digest}")
    assert (reply.status, reply.body.decode()) == (200, service.policy.text)
    assert reply.fields["content-type"] == "text/yaml; charset=utf-8"
    assert service.ask("/policy/" + "0" * 64).status == 404
    assert service.ask("/policy/" + service.policy.digest.upper()).status == 404


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "checkpoint").write_text("rdap.example/log\n1\n")
    (tmp_path / "secret").write_text("secret")
    for path in ("tile/0/000", "tile/0/x001/067", "tile/entries/000.p/5", "tile/63/000"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(path.encode())
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_publishes_the_checkpoint_uncached(service):
    reply = service.ask("/log/checkpoint")
    assert reply.body == b"rdap.example/log\n1\n"
    assert reply.fields["cache-control"] == "no-cache"
    assert reply.fields["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("path", ["0/000", "0/x001/067", "entries/000.p/5", "63/000"])
@pytest.mark.usefixtures("folder")
def test_publishes_tiles_for_ever(service, path):
    reply = service.ask(f"/log/tile/{path}")
    assert reply.body == f"tile/{path}".encode()
    assert "immutable" in reply.fields["cache-control"]


@pytest.mark.parametrize(
    "path",
    ["secret", "../secret", "tile/../secret", "tile/0/../../secret", "tile/0", "tile", "",
     "tile/64/000", "tile/00/000", "tile/0/1", "tile/0/x01/000", "tile/0/000.p/0",
     "tile/0/000.p/256", "tile/0/000.p/05", "tile/entries/000.p/6", "tile/0/000\n",
     "/etc/passwd", "checkpoint/", "Checkpoint", "tile/0/\uff10\uff10\uff10", "tile//0/000",
     "tile/0/x001", "checkpoint\x00", "tile/0/" + "x000/" * 9 + "000"],
)  # fmt: skip
@pytest.mark.usefixtures("folder")
def test_publishes_no_other_file(service, path):
    reply = service.ask(f"/log/{path}")
    assert reply.status == 404
    assert b"secret" not in reply.body


def test_is_alive_and_ready(service):
    assert service.ask("/health/live").json == {"live": True}
    for path in ("/health/ready", "/health/ready/gated"):
        reply = service.ask(path)
        assert (reply.status, reply.json) == (200, {"public": True, "gated": True})
        assert private(reply)


# --- what fails ------------------------------------------------------------------------------


class Failing:
    """A source that fails in one way, with a registrant's value in its words."""

    def __init__(self, error):
        self._error = error

    async def find(self, _):
        if self._error is None:
            await asyncio.sleep(60)
        raise self._error


@pytest.mark.parametrize(
    ("error", "status", "number"),
    [
        (RuntimeError("Ada Example"), 502, "WG301"),
        (errors.MalformedDocument("Ada Example"), 502, "WG303"),
        (None, 504, "WG302"),
    ],
)
@pytest.mark.parametrize("headers", [(), asking(RELEASED)])
def test_tells_of_a_failing_source_without_its_words(
    make, caplog, capfd, error, status, number, headers
):
    caplog.set_level(logging.DEBUG)
    reply = make(source=Failing(error)).ask("/domain/example.com", headers)
    assert (reply.status, reply.code) == (status, number)
    assert private(reply)
    assert b"Ada" not in reply.body
    assert "Ada" not in caplog.text
    assert "Ada" not in "".join(capfd.readouterr())


UPSTREAM = [e for e in vars(errors).values() if isinstance(e, type)
            and issubclass(e, errors.UpstreamError)]  # fmt: skip


@pytest.mark.parametrize("error", UPSTREAM)
def test_tells_every_failure_of_an_upstream_alike_and_the_operator_which(make, caplog, error):
    caplog.set_level(logging.DEBUG)
    reply = make(source=Failing(error("Ada Example"))).ask("/domain/example.com")
    plain = make(source=Failing(errors.UpstreamError("x"))).ask("/domain/example.com")
    assert reply == plain
    assert reply.code == "WG310"
    assert f"{error.code} {error.__name__}" in caplog.text
    assert "Ada" not in caplog.text


class Shut:
    """A log that can be read and not written; or not even read."""

    def __init__(self, error, *, readable=True):
        self._error, self._readable = error, readable

    def append(self, _):
        future = Future()
        future.set_exception(self._error)
        return future

    def granted(self, _):
        if not self._readable:
            raise self._error

    def size(self):
        return 0

    def close(self):
        pass


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.LogUnavailable("the disk is full of Ada"), 503),
        (errors.ClockBehind("Ada's clock"), 503),
        (errors.BudgetSpent("Ada's budget"), 429),
        (errors.ApprovalSpent("Ada's approval"), 409),
        (errors.CredentialRefused("the credential ended"), 401),
        (OSError("/home/ada/whoisgate.db"), 500),
        (errors.StaleLog("Ada"), 500),
    ],
)
def test_releases_nothing_when_the_log_refuses(make, caplog, error, status):
    caplog.set_level(logging.DEBUG)
    service = make(log=Shut(error))
    reply = service.ask("/domain/example.com", asking(RELEASED))
    assert reply.status == status
    assert private(reply)
    assert b"Ada" not in reply.body
    assert b"/home" not in reply.body
    assert "Ada" not in caplog.text.replace("LogUnavailable", "")
    assert "disclosure-entry" not in reply.fields
    assert (status == 503) == ("retry-after" in reply.fields)
    assert service.ask("/domain/example.com").status == 200


def test_is_not_ready_for_gated_questions_while_the_log_fails(make):
    now = [NOW]
    service = make(log=Shut(errors.LogUnavailable("full")), clock=lambda: now[0])
    assert service.ask("/health/ready/gated").status == 200
    service.ask("/domain/example.com", asking(RELEASED))
    gated = service.ask("/health/ready/gated")
    assert (gated.status, gated.json) == (503, {"public": True, "gated": False})
    assert service.ask("/health/ready").status == 200
    now[0] += timedelta(seconds=30)
    assert service.ask("/health/ready/gated").status == 200
    unreadable = make(log=Shut(errors.LogUnavailable("gone"), readable=False))
    assert unreadable.ask("/health/ready/gated").status == 503


def test_logs_no_name_token_or_value(service, caplog):
    caplog.set_level(logging.DEBUG)
    for headers in ((), asking(RELEASED), asking(REFUSED), with_token(bearer="x")):
        service.ask("/domain/example.com", headers)
    service.ask("/domain/absent.example")
    service.ask("/domain/<b>", method="GET\r\nforged")
    assert "GET 200" in caplog.text
    assert "GET 403" in caplog.text
    assert "GET 401 WG106" in caplog.text
    for word in ("example", "absent", "<b>", "Ada", TOKEN[:16], "officer", "2026-114", "forged"):
        assert word not in caplog.text


def test_has_a_row_for_every_kind_of_requesters_error():
    kinds = set(errors.RequesterError.__subclasses__())
    assert kinds <= FAULTS.keys()
    assert all(row.sentence.isprintable() and row.sentence.isascii() for row in FAULTS.values())


# --- non-interference at this exit -----------------------------------------------------------


def test_answers_two_people_of_equal_facts_alike(make, record):
    def other(contact):
        return Contact(contact.role, {
            field: value if field in {"country", "state"} else
            ("Zoë Otherwise",) * 3 if isinstance(value, tuple) else "Zoë Otherwise"
            for field, value in contact.values.items()
        })  # fmt: skip

    twin = replace(record, contacts=tuple(map(other, record.contacts)))
    one, two = make(), make(source=MemorySource([twin]))
    for method in ("GET", "HEAD"):
        for headers in ((), with_token(), asking(REFUSED), asking(PENDING)):
            first, second = (
                s.ask("/domain/example.com", headers, method=method) for s in (one, two)
            )
            varying = {"disclosure-receipt"}
            assert first.status == second.status
            assert first.body == second.body
            assert [x for x in first.lines if x[0] not in varying] == [
                x for x in second.lines if x[0] not in varying
            ]


def test_answers_as_the_library_does(service):
    gate = Gate(service.gate._middle.settings, service.source, service.log, lambda: NOW)
    assert service.ask("/domain/example.com").body == gate.ask("example.com").body
    assert json.loads(gate.public("example.com"))["ldhName"] == "example.com"
