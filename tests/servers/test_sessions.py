"""Clients with sessions (RFC 9560 §5): the provider signs for real, the browser is a few lines."""

import asyncio
import itertools
import json
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from tests.conftest import NOW, PURPOSE
from tests.identity.provider import ISS, KEYS, PROOF, SECRET, Provider
from tests.identity.questions import PRIVATE, SIGNERS, STRANGER, jwk
from tests.identity.tokens import AUDIENCE, ED_OTHER, by_token, ed_jwk, jwks, record
from tests.servers.conftest import BASE_URL, RELEASED, with_token

from whoisgate.errors import SessionEnded, UpstreamUnreachable
from whoisgate.identity.authority import Authority
from whoisgate.identity.directory import Directory
from whoisgate.identity.sessions import MAX_EACH, METADATA_S, SIGN_IN_S, Registration, Sessions
from whoisgate.servers.sessions import SESSION, SIGN_IN

REDIRECT = f"{BASE_URL}farv1_session/callback"
SECOND = "https://second.police.example"
OTHER = "https://id.court.example"
WHY = ("Disclosure-Request", RELEASED)
LISTED = Directory(
    [
        Authority(record("Police of Example", "police", PROOF, by_token(SECOND, "EdDSA", KEYS)), 1),
        Authority(
            record("Court", "court", by_token(OTHER, "EdDSA", jwks(ed_jwk(ED_OTHER, kid="1")))), 2
        ),
    ],
    AUDIENCE,
)


class Desk:
    """A gate that signs people in, its provider, and a clock."""

    def __init__(self, make, provider=None, directory=LISTED, per_minute=0, **more):
        self.now, self.directory = NOW, directory
        self.provider = provider or Provider()
        numbers = itertools.count(1)
        registered = [Registration(self.provider.iss, self.provider.client, self.provider.secret,
                                   more.pop("scope", "openid rdap"))]  # fmt: skip

        def sessions(authenticator):
            self.sessions = Sessions(
                registered, authenticator, self.provider.fetch, self.provider.post, REDIRECT,
                AUDIENCE, b"k" * 32, lambda size: next(numbers).to_bytes(size), **more,
            )  # fmt: skip
            return self.sessions

        self.service = make(
            directory=lambda: self.directory, sessions=sessions, clock=lambda: self.now,
            per_minute=per_minute,
        )  # fmt: skip

    def browser(self):
        return Browser(self.service)

    def signed_in(self, person="officer-7"):
        browser = self.browser()
        assert browser.sign_in(self.provider, person).status == 200
        return browser

    def later(self, seconds):
        self.now += timedelta(seconds=seconds)

    def renewed(self):
        """The provider's clock is this one."""
        now = int(self.now.timestamp())
        self.provider.access = self.provider.identity = {"iat": now, "exp": now + 600}


class Browser:
    """Keeps cookies, and sends what a browser sends."""

    def __init__(self, service):
        self.service, self.cookies, self.site = service, {}, "none"

    def ask(self, path, *headers, query="", **more):
        own = [("Sec-Fetch-Site", self.site)] if self.site else []
        if self.cookies:
            own.append(("Cookie", "; ".join(f"{k}={v}" for k, v in self.cookies.items())))
        if isinstance(query, dict):
            query = urlencode(query)
        reply = self.service.ask(path, [*own, *headers], query=query, **more)
        for name, value in reply.lines:
            if name == "set-cookie":
                self._take(value)
        return reply

    def _take(self, line):
        value, *flags = line.split("; ")
        assert {"Path=/", "Secure", "HttpOnly"} <= set(flags)
        name, _, secret = value.partition("=")
        assert f"SameSite={'Lax' if name == SIGN_IN else 'Strict'}" in flags
        assert not any(flag.startswith("Domain") for flag in flags)
        if "Max-Age=0" in flags:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = secret

    def page(self, name, **query):
        return self.ask(f"/farv1_session/{name}", query=query)

    def sign_in(self, provider, person="officer-7", **said):
        reply = self.page("login")
        assert reply.status == 302, reply.body
        redirect, back = provider.authorize(reply.fields["location"], person)
        assert redirect == REDIRECT
        self.site = "cross-site"  # the provider's page leads here
        try:
            return self.page("callback", **{k: v for k, v in (back | said).items() if v != ...})
        finally:
            self.site = "none"


@pytest.fixture
def desk(make):
    return Desk(make)


def told(reply):
    assert reply.fields["cache-control"] == "no-store"
    assert reply.json["rdapConformance"] == ["rdap_level_0", "farv1"]
    return reply.json["farv1_session"]


# --- the way in and out ----------------------------------------------------------------------


def test_signs_in_asks_and_logs_out(desk):
    browser = desk.browser()
    reply = browser.sign_in(desk.provider)
    assert told(reply) == {
        "userID": "officer-7",
        "iss": ISS,
        "userClaims": {
            "sub": "officer-7", "rdap_allowed_purposes": [PURPOSE, "legalActions"],
        },
        "sessionInfo": {"tokenExpiration": 600, "tokenRefresh": True},
    }  # fmt: skip
    assert SIGN_IN not in browser.cookies
    answer = browser.ask("/domain/example.com", WHY)
    assert answer.status == 200
    assert b"Ada Example" in answer.body
    receipt = answer.fields["disclosure-receipt"].removeprefix(BASE_URL.rstrip("/"))
    assert browser.ask(receipt).body.startswith(b"c2sp.org/tlog-proof@v1")
    assert desk.service.ask(receipt).status == 401
    assert told(browser.page("status")) == told(reply)
    bye = browser.page("logout")
    assert bye.status == 200
    assert bye.json.keys() == {"rdapConformance", "notices"}
    assert browser.cookies == {}
    assert browser.ask("/domain/example.com", WHY).status == 401


def test_says_in_the_entry_that_a_session_proved_it(desk):
    drafts, append = [], desk.service.log.append
    desk.service.log.append = lambda draft: drafts.append(draft) or append(draft)
    assert desk.signed_in().ask("/domain/example.com", WHY).status == 200
    (draft,) = drafts
    assert draft.sealed["requester"]["proved_by"] == "session"


SIGNING = {
    "method": "signature", "assurance": "high",
    "keys": {"keys": [jwk(PRIVATE["ed25519"], "officer-7")]},
}  # fmt: skip
WEAKER = {**PROOF, "assurance": "substantial"}
SIGNS_TOO = Directory(
    [Authority(record("Police of Example", "police", WEAKER, SIGNING), 1)], AUDIENCE
)


def signed_lines(signer, number, **more):
    made = signer.sign(
        f"{BASE_URL}domain/example.com", at=NOW, nonce=bytes([number] * 16), disclosure=RELEASED,
        **more,
    )  # fmt: skip
    return [WHY, *made.headers.items()]


def test_says_in_the_entry_that_session_and_signature_proved_it(make):
    desk = Desk(make, directory=SIGNS_TOO)
    drafts, append = [], desk.service.log.append
    desk.service.log.append = lambda draft: drafts.append(draft) or append(draft)
    browser, question = desk.signed_in(), signed_lines(SIGNERS["ed25519"], 1)
    assert browser.ask("/domain/example.com", *question).status == 200
    (draft,) = drafts
    assert draft.sealed["requester"]["proved_by"] == "session+signature"
    assert draft.sealed["requester"]["assurance"] == "high"
    assert "signed" in draft.fields["detail"]
    assert browser.ask("/domain/example.com", *question).code == "WG106"  # its nonce is used


def test_takes_no_signature_in_somebody_else_s_session(make):
    desk = Desk(make, directory=SIGNS_TOO)
    colleague, officer = desk.signed_in("officer-8"), desk.signed_in()
    for browser, signer in ((colleague, SIGNERS["ed25519"]), (officer, STRANGER)):
        assert browser.ask("/domain/example.com", *signed_lines(signer, 2)).code == "WG106"
    # What is signed never covers a token that its sender does not hold.
    guessed = signed_lines(SIGNERS["ed25519"], 3, authorization="Bearer x")
    assert officer.ask("/domain/example.com", *guessed).code == "WG106"
    assert desk.service.entries() == 0


def test_takes_the_purpose_of_a_session(desk):
    browser = desk.signed_in()
    reply = browser.ask("/domain/example.com", query={"farv1_qp": PURPOSE})
    assert (reply.status, "disclosure-entry" in reply.fields) == (403, True)
    assert browser.ask("/domain/example.com", query={"farv1_qp": "unheardOf"}).code == "WG121"


def test_gives_a_session_without_a_purpose_the_public_view(desk):
    browser, before = desk.signed_in(), desk.service.entries()
    public = desk.service.ask("/domain/example.com")
    reply = browser.ask("/domain/example.com")
    assert (reply.status, reply.body) == (200, public.body)
    assert reply.fields["cache-control"] == "no-store"
    assert desk.service.entries() == before


def test_tells_in_help_that_people_can_sign_in(desk, service):
    flags = desk.service.ask("/help").json["farv1_openidcConfiguration"]
    assert (flags["sessionClientSupported"], flags["issuerIdentifierSupported"]) == (True, True)
    assert flags["tokenClientSupported"]
    flags = service.ask("/help").json["farv1_openidcConfiguration"]
    assert (flags["sessionClientSupported"], flags["issuerIdentifierSupported"]) == (False, False)


def test_says_nothing_of_sessions_where_no_listed_issuer_has_them(make):
    desk = Desk(make, Provider("https://unlisted.example"))
    flags = desk.service.ask("/help").json["farv1_openidcConfiguration"]
    assert not flags["sessionClientSupported"]
    assert desk.browser().page("login").code == "WG124"


def test_asks_the_provider_what_the_standards_want(make):
    desk = Desk(make, scope="openid rdap offline_access")
    reply = desk.browser().page("login", farv1_id="ann@police.example")
    address = urlsplit(reply.fields["location"])
    asked = parse_qs(address.query, strict_parsing=True)
    assert asked.pop("state") != asked.pop("nonce")
    assert len(asked.pop("code_challenge")[0]) == 43
    assert asked == {
        "tenant": ["1"], "response_type": ["code"], "client_id": ["gateway"],
        "redirect_uri": [REDIRECT], "scope": ["openid rdap offline_access"],
        "code_challenge_method": ["S256"], "resource": [AUDIENCE], "prompt": ["consent"],
        "login_hint": ["ann@police.example"],
    }  # fmt: skip


def test_signs_in_as_a_public_client_too(make):
    desk = Desk(make, Provider(secret=None))
    assert desk.signed_in().page("status").status == 200


# --- the table of statuses -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "without", "within", "dead"),
    [
        ("login", 302, 409, 401),
        ("device", 200, 409, 401),
        ("devicepoll", 400, 409, 401),
        ("status", 409, 200, 401),
        ("refresh", 409, 200, 401),
        ("logout", 409, 200, 401),
    ],
)
def test_answers_with_the_status_of_the_table(desk, page, without, within, dead):
    assert desk.browser().page(page).status == without
    browser = desk.signed_in()
    assert browser.page(page).status == within
    old = desk.signed_in()
    desk.later(600)
    reply = old.page(page)
    assert (reply.status, reply.code) == (dead, "WG123")
    assert "www-authenticate" in reply.fields
    assert SESSION not in old.cookies
    assert old.page(page).status == without


@pytest.mark.parametrize("secret", ["", "x", "A" * 43, "A" * 44, "é" * 43, "../../x"])
def test_refuses_a_cookie_of_no_session(desk, secret):
    desk.signed_in()
    for path in ("/farv1_session/status", "/domain/example.com", "/receipt/0/x"):
        reply = desk.service.ask(path, [("Cookie", f"{SESSION}={secret}")])
        assert (reply.status, reply.code) == (401, "WG123")
    assert desk.service.gate._middle.counts.take() == {"credential_refused": 3}


@pytest.mark.parametrize("page", ["", "login/", "x", "Login", "callback/x", "status\n"])
def test_knows_no_other_page(desk, page):
    assert desk.browser().page(page).status == 501


@pytest.mark.parametrize("page", ["login", "callback", "status", "logout", "refresh", "device"])
def test_takes_get_alone(desk, page):
    browser = desk.signed_in()
    for method in ("HEAD", "POST"):
        reply = browser.ask(f"/farv1_session/{page}", method=method)
        assert reply.status == 405
    assert browser.page("status").status == 200


def test_is_not_there_without_a_client(service):
    reply = service.ask("/farv1_session/login")
    assert reply.status == 501
    cookie = [("Cookie", f"{SESSION}={'A' * 43}")]
    assert service.ask("/domain/example.com", cookie) == service.ask("/domain/example.com")


def test_takes_a_token_or_a_session_never_both(desk):
    browser = desk.signed_in()
    reply = browser.ask("/domain/example.com", *with_token(WHY))
    assert (reply.status, reply.code) == (401, "WG106")


def test_bounds_the_sessions_of_one_person(desk):
    for _ in range(MAX_EACH):
        first = desk.signed_in()
    reply = desk.browser().sign_in(desk.provider)
    assert (reply.status, reply.code) == (409, "WG122")
    assert desk.signed_in("officer-8").page("status").status == 200
    first.page("logout")
    assert desk.signed_in().page("status").status == 200
    desk.later(600)
    desk.renewed()
    assert desk.signed_in().page("status").status == 200
    assert len(desk.sessions._held) == 1


@pytest.mark.parametrize("iss", [OTHER, "https://unlisted.example", f"{ISS}/", "x"])
def test_signs_in_at_its_own_providers_alone(desk, iss):
    assert desk.browser().page("login", farv1_iss=ISS).status == 302
    for page in ("login", "device"):
        reply = desk.browser().page(page, farv1_iss=iss)
        assert (reply.status, reply.code) == (400, "WG124")


def test_goes_to_the_default_where_nobody_names_a_provider(make):
    desk = Desk(make, default=OTHER)  # is listed, and has no client of ours
    assert desk.browser().page("login").code == "WG124"
    assert desk.browser().page("login", farv1_iss=ISS).status == 302


# --- attacks ---------------------------------------------------------------------------------


def test_signs_nobody_in_by_an_answer_that_another_browser_asked_for(desk):
    victim, thief = desk.browser(), desk.browser()
    victim.page("login")
    _, back = desk.provider.authorize(thief.page("login").fields["location"], "thief")
    reply = victim.page("callback", **back)
    assert (reply.status, reply.code) == (403, "WG125")
    assert SESSION not in victim.cookies
    assert desk.browser().page("callback", **back).code == "WG125"
    assert desk.provider.forms == []
    assert thief.page("callback", **back).status == 200
    desk.service.gate._middle.counts.take()


@pytest.mark.parametrize(
    "said",
    [
        {"state": ...}, {"state": ""}, {"state": "x"}, {"state": "é"}, {"code": ...},
        {"code": ""}, {"iss": OTHER}, {"iss": ""}, {"error": "access_denied"},
        {"code": "code-of-nobody"},
    ],
)  # fmt: skip
def test_signs_nobody_in_by_a_wrong_answer(desk, said):
    browser = desk.browser()
    reply = browser.sign_in(desk.provider, **said)
    assert (reply.status, reply.code) == (403, "WG125")
    assert SESSION not in browser.cookies
    assert desk.service.gate._middle.counts.take() == {"credential_refused": 1}


@pytest.mark.parametrize(
    "cookie", ["", ".", "x.y", "{0}", "{0}.", "{0}.{1}x", "x{0}.{1}", "{1}.{0}"]
)
def test_takes_no_sign_in_that_it_did_not_begin(desk, cookie):
    browser = desk.browser()
    location = browser.page("login").fields["location"]
    _, back = desk.provider.authorize(location)
    browser.cookies[SIGN_IN] = cookie.format(*browser.cookies[SIGN_IN].split("."))
    assert browser.page("callback", **back).code == "WG125"
    assert desk.provider.forms == []


def test_takes_an_answer_for_ten_minutes_and_once(desk):
    browser = desk.browser()
    kept = browser.page("login")
    _, back = desk.provider.authorize(kept.fields["location"])
    cookie = dict(browser.cookies)
    assert browser.page("callback", **back).status == 200
    browser.cookies = cookie
    assert browser.page("callback", **back).code == "WG125"
    slow = desk.browser()
    _, back = desk.provider.authorize(slow.page("login").fields["location"])
    desk.later(SIGN_IN_S)
    desk.renewed()
    assert slow.page("callback", **back).code == "WG125"


@pytest.mark.parametrize(
    ("which", "more"),
    [
        ("access", {"aud": "https://else.example"}),
        ("access", {"aud": "gateway"}),
        ("access", {"exp": int(NOW.timestamp())}),
        ("access", {"nonce": "n"}),
        ("access", {"sub": "officer-8"}),
        ("access", {"cnf": {"jkt": "A" * 43}}),
        ("identity", {"aud": AUDIENCE}),
        ("identity", {"aud": ["gateway", "another"]}),
        ("identity", {"aud": ...}),
        ("identity", {"nonce": "another"}),
        ("identity", {"nonce": ...}),
        ("identity", {"sub": "officer-8"}),
        ("identity", {"sub": ...}),
        ("identity", {"iss": OTHER}),
        ("identity", {"iss": SECOND}),
        ("identity", {"exp": int(NOW.timestamp())}),
    ],
)
def test_believes_no_wrong_tokens(desk, which, more):
    setattr(desk.provider, which, more)
    browser = desk.browser()
    reply = browser.sign_in(desk.provider)
    assert (reply.status, reply.code) == (403, "WG125")
    assert SESSION not in browser.cookies


def test_refuses_somebody_whose_token_forbids_logging(desk):
    desk.provider.access = {"rdap_dnt_allowed": True}
    reply = desk.browser().sign_in(desk.provider)
    assert (reply.status, reply.code) == (403, "WG113")
    assert desk.service.gate._middle.counts.take() == {"do_not_track": 1}


@pytest.mark.parametrize(
    "says",
    [
        (200, b"{}"), (200, b"[]"), (200, b"<html>"), (200, b""), (302, b""), (400, b"{}"),
        (401, b'{"error": "invalid_client"}'), (500, b""),
        (200, b'{"access_token": 1, "token_type": "Bearer", "id_token": "x"}'),
        (200, b'{"access_token": "x", "token_type": "DPoP", "id_token": "x"}'),
        (200, b'{"access_token": "\\u00e4", "token_type": "Bearer", "id_token": "x"}'),
        (200, b'{"access_token": "x", "token_type": "Bearer"}'),
        (200, b'{"access_token": "x", "access_token": "x"}'),
        (200, b"[" * 100_000), UpstreamUnreachable("gone"), OSError("no canary"), TimeoutError(),
    ],
)  # fmt: skip
def test_fails_alike_whatever_the_provider_says(desk, says):
    desk.provider.says = says
    reply = desk.browser().sign_in(desk.provider)
    assert (reply.status, reply.code) == (403, "WG125")
    assert b"canary" not in reply.body


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": OTHER}, {"issuer": ISS + "/"}, {"authorization_endpoint": None},
        {"authorization_endpoint": "http://id.police.example/auth"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "https://id.police.example/\r\nSet-Cookie: x=y"},
        {"authorization_endpoint": "https://id.police.example/ä"},
    ],
)  # fmt: skip
def test_goes_nowhere_on_wrong_metadata(make, metadata):
    reply = Desk(make, Provider(**metadata)).browser().page("login")
    assert (reply.status, reply.code) == (403, "WG125")
    assert "location" not in reply.fields


def test_wants_the_provider_s_name_in_the_answer_of_one_that_gives_it(make):
    named = {"authorization_response_iss_parameter_supported": True}
    for provider, status in ((Provider(**named), 403), (Provider(), 200)):
        desk = Desk(make, provider)
        assert desk.browser().sign_in(provider, iss=...).status == status
        assert desk.browser().sign_in(provider).status == 200


def test_tells_the_operator_why_nobody_can_sign_in(desk, caplog):
    desk.provider.says = UpstreamUnreachable("no connection: `ConnectError`")
    desk.browser().sign_in(desk.provider)
    assert caplog.messages[0] == f"no usable answer of `{ISS}`: no connection: `ConnectError`"


def test_fetches_metadata_once_in_five_minutes(desk):
    for _ in range(3):
        desk.browser().page("login")
    assert desk.provider.fetched == [f"{ISS}/.well-known/openid-configuration"]
    desk.later(METADATA_S)
    desk.browser().page("login")
    assert len(desk.provider.fetched) == 2


@pytest.mark.parametrize("site", ["cross-site", "same-site", "other"])
def test_asks_nothing_in_somebody_s_name_for_another_site(desk, site):
    browser, before = desk.signed_in(), desk.service.entries()
    browser.site = site
    for path in ("/domain/example.com", "/farv1_session/logout", "/farv1_session/status"):
        reply = browser.ask(path, WHY)
        assert (reply.status, reply.code) == (401, "WG106")
    assert desk.service.entries() == before
    browser.site = "same-origin"
    assert browser.page("status").status == 200
    browser.site = None
    assert browser.page("status").status == 200


@pytest.mark.parametrize("sites", [["cross-site"], ["same-site"], ["x"], ["none", "cross-site"]])
def test_signs_nobody_in_for_another_site(desk, sites):
    thief, victim = desk.browser(), desk.browser()
    code = thief.page("device").json["farv1_deviceInfo"]["device_code"]
    desk.provider.devices[code] = "thief"
    asked, victim.site = len(desk.provider.forms), None
    lines = [("Sec-Fetch-Site", site) for site in sites]
    for page in ("devicepoll", "device", "login", "status", "refresh", "logout"):
        reply = victim.ask(f"/farv1_session/{page}", *lines, query={"farv1_dc": code})
        assert (reply.status, reply.code, victim.cookies) == (401, "WG106", {})
    assert (len(desk.provider.forms), len(desk.sessions._held)) == (asked, 0)
    assert desk.service.gate._middle.counts.take() == {"credential_refused": 6}
    for site in ("same-origin", None):
        browser = desk.browser()
        browser.site = site
        assert browser.page("login").status == 302
    assert told(browser.page("devicepoll", farv1_dc=code))["userID"] == "thief"


@pytest.mark.parametrize("site", ["none", "same-origin", None])
def test_signs_nobody_in_by_the_opening_of_a_device_s_address(desk, site):
    thief, victim = desk.browser(), desk.browser()
    code = thief.page("device").json["farv1_deviceInfo"]["device_code"]
    desk.provider.devices[code] = "thief"
    asked, victim.site, path = len(desk.provider.forms), site, "/farv1_session/devicepoll"
    reply = victim.ask(path, ("Sec-Fetch-Mode", "navigate"), query={"farv1_dc": code})
    assert (reply.status, reply.code, victim.cookies) == (401, "WG106", {})
    assert (len(desk.provider.forms), len(desk.sessions._held)) == (asked, 0)
    for mode in ("cors", "same-origin"):
        desk.provider.devices[code] = "officer-7"
        reply = desk.browser().ask(path, ("Sec-Fetch-Mode", mode), query={"farv1_dc": code})
        assert told(reply)["userID"] == "officer-7"


def test_reads_no_cookie_that_came_in_clear_text(desk):
    browser = desk.signed_in()
    for path in ("/domain/example.com", "/farv1_session/status", "/farv1_session/login"):
        assert browser.ask(path, client="198.51.100.7").code == "WG107"


def test_lets_nobody_keep_the_provider_busy(make):
    desk, far = Desk(make, per_minute=2), {"client": "198.51.100.7", "scheme": "https"}
    for status in (302, 302, 429):
        assert desk.browser().ask("/farv1_session/login", **far).status == status
    desk.later(60)
    assert desk.browser().ask("/farv1_session/login", **far).status == 302


def test_takes_one_cookie_of_a_name(desk):
    browser = desk.signed_in()
    good = f"{SESSION}={browser.cookies[SESSION]}"
    for line in (f"{good}; {SESSION}=x", f"{good}; {good}"):
        assert desk.service.ask("/farv1_session/status", [("Cookie", line)]).code == "WG123"
    line = f"a=b; {good}; c"
    assert desk.service.ask("/farv1_session/status", [("Cookie", line)]).status == 200


@pytest.mark.parametrize(
    "query", ["farv1_iss=a&farv1_iss=b", "farv1_id=%0d%0a", "&".join(["a=1"] * 40)]
)
def test_refuses_parameters_that_cannot_be_meant(desk, query):
    assert desk.browser().ask("/farv1_session/login", query=query).status == 400


def test_ends_with_the_authority(desk):
    browser, before = desk.signed_in(), desk.service.entries()
    desk.directory = Directory([LISTED.authorities[1]], AUDIENCE)
    assert browser.ask("/domain/example.com", WHY).status == 401
    desk.directory = Directory(LISTED.authorities, AUDIENCE, barred=lambda _: True)
    assert browser.ask("/domain/example.com", WHY).status == 401
    assert desk.service.entries() == before


# --- refresh and devices ---------------------------------------------------------------------


def test_refreshes(desk):
    browser = desk.signed_in()
    desk.later(500)
    assert told(browser.page("status"))["sessionInfo"]["tokenExpiration"] == 100
    desk.renewed()
    assert told(browser.page("refresh"))["sessionInfo"]["tokenExpiration"] == 600
    desk.later(500)
    assert browser.ask("/domain/example.com", WHY).status == 200


def test_tells_the_purposes_of_the_renewed_token(desk):
    browser = desk.signed_in()
    desk.provider.access = {"rdap_allowed_purposes": ["legalActions"]}
    renewed = told(browser.page("refresh"))
    assert renewed["userClaims"]["rdap_allowed_purposes"] == ["legalActions"]
    assert told(browser.page("status")) == renewed
    desk.provider.says = (400, b'{"error": "invalid_grant"}')
    assert browser.page("refresh").code == "WG125"
    assert told(browser.page("status")) == renewed


def test_goes_on_until_its_end_when_it_cannot_be_refreshed(desk):
    browser = desk.signed_in()
    desk.provider.says = (400, b'{"error": "invalid_grant"}')
    assert browser.page("refresh").code == "WG125"
    assert browser.page("status").status == 200


def test_gives_no_session_to_another_person_by_a_refresh(desk):
    browser = desk.signed_in()
    desk.provider.access = desk.provider.identity = {"sub": "officer-8"}
    assert browser.page("refresh").code == "WG125"
    assert told(browser.page("status"))["userID"] == "officer-7"


# --- logging out ------------------------------------------------------------------------------


def lines(reply):
    assert reply.json.keys() == {"rdapConformance", "notices"}
    (said,) = reply.json["notices"]
    return said["description"]


@pytest.mark.parametrize("secret", [SECRET, None])
@pytest.mark.parametrize("refreshable", [True, False])
def test_has_the_provider_revoke_the_tokens(make, secret, refreshable):
    desk = Desk(make, Provider(secret=secret))
    if not refreshable:
        desk.provider.given = {"refresh_token": None}
    browser = desk.signed_in()
    token = desk.sessions.token(browser.cookies[SESSION], desk.now)
    reply = browser.page("logout")
    told, by = "The identity provider was told to revoke its tokens.", desk.provider.forms[-1]
    assert (reply.status, lines(reply)) == (200, ["The session is over.", told])
    hint, revoked = ("refresh_token", "refresh-2") if refreshable else ("access_token", token)
    assert desk.provider.revoked == [(hint, revoked)]
    own = {"client_id": "gateway"} if secret is None else {}
    assert by[:2] == (f"{ISS}/revoke", {"token": revoked, "token_type_hint": hint, **own})
    assert token not in reply.body.decode()
    assert browser.cookies == {}


@pytest.mark.parametrize(
    "says",
    [
        (400, b'{"error": "unsupported_token_type"}'), (401, b""), (302, b""), (503, b"x" * 10),
        UpstreamUnreachable("gone"), OSError("no canary"), TimeoutError(), ValueError("canary"),
    ],
)  # fmt: skip
def test_is_over_whatever_the_provider_says(desk, says):
    browser = desk.signed_in()
    cookies = dict(browser.cookies)
    desk.provider.says = says
    reply = browser.page("logout")
    assert reply.status == 200
    assert "could not be told" in lines(reply)[1]
    assert b"canary" not in reply.body
    assert browser.cookies == {}
    for path in ("/farv1_session/logout", "/domain/example.com"):
        browser.cookies = dict(cookies)
        assert browser.ask(path, WHY).code == "WG123"


def test_says_that_a_provider_revokes_nothing(desk):
    del desk.provider.metadata["revocation_endpoint"]
    browser, asked = desk.signed_in(), len(desk.provider.forms)
    reply = browser.page("logout")
    assert (reply.status, "revokes no tokens" in lines(reply)[1]) == (200, True)
    assert (len(desk.provider.forms), browser.cookies) == (asked, {})


@pytest.mark.parametrize("address", ["http://id.police.example/revoke", 1, None, "https://a\nb"])
def test_sends_no_token_to_an_address_that_is_none(make, address):
    desk = Desk(make, Provider(revocation_endpoint=address))
    browser = desk.signed_in()
    forms = len(desk.provider.forms)
    reply = browser.page("logout")
    assert (reply.status, "could not be told" in lines(reply)[1]) == (200, True)
    assert len(desk.provider.forms) == forms


def test_is_over_before_the_provider_is_asked_and_without_its_answer(desk, monkeypatch):
    monkeypatch.setattr("whoisgate.identity.sessions.DEADLINE_S", 0.05)
    browser, keeper = desk.signed_in(), desk.sessions
    secret, asked = browser.cookies[SESSION], []

    async def silent(url, *_):
        asked.append((url, secret_is_known()))
        await asyncio.sleep(60)

    def secret_is_known():
        try:
            return bool(keeper.token(secret, desk.now))
        except SessionEnded:
            return False

    keeper._post = silent
    assert "could not be told" in lines(browser.page("logout"))[1]
    assert asked == [(f"{ISS}/revoke", False)]


def test_revokes_what_a_refresh_brought_meanwhile_and_refreshes_nothing_after(desk):
    browser = desk.signed_in()
    keeper, secret = desk.sessions, browser.cookies[SESSION]

    async def at_once():
        return await asyncio.gather(
            keeper.refresh(secret, desk.now), keeper.refresh(secret, desk.now),
            keeper.end(secret, desk.now), return_exceptions=True,
        )  # fmt: skip

    first, late, told = asyncio.run(at_once())
    assert (first, told) == (None, True)
    assert isinstance(late, SessionEnded)
    assert desk.provider.refreshes == {}
    assert len(desk.provider.revoked) == 1


def test_uses_each_refresh_token_once_however_many_ask_at_once(desk):
    browser = desk.signed_in()
    keeper, secret = desk.sessions, browser.cookies[SESSION]

    async def at_once():
        await asyncio.gather(*(keeper.refresh(secret, desk.now) for _ in range(10)))

    asyncio.run(at_once())
    used = [form["refresh_token"] for _, form, _ in desk.provider.forms if "refresh_token" in form]
    assert len(set(used)) == len(used) == 10


def test_signs_in_a_device(desk):
    browser = desk.browser()
    reply = browser.page("device")
    assert reply.json["rdapConformance"] == ["rdap_level_0", "farv1"]
    shown = reply.json["farv1_deviceInfo"]
    assert shown == {
        "device_code": shown["device_code"], "user_code": "AB-CD",
        "verification_uri": f"{ISS}/d", "verification_uri_complete": f"{ISS}/d?c=AB-CD",
        "expires_in": 600, "interval": 5,
    }  # fmt: skip
    pending = browser.page("devicepoll", farv1_dc=shown["device_code"])
    assert (pending.status, told(pending), browser.cookies) == (200, {}, {})
    desk.provider.devices[shown["device_code"]] = "officer-7"
    assert told(browser.page("devicepoll", farv1_dc=shown["device_code"]))["userID"] == "officer-7"
    assert browser.ask("/domain/example.com", WHY).status == 200
    assert desk.browser().page("devicepoll", farv1_dc=shown["device_code"]).code == "WG125"


def test_tells_a_device_that_asks_too_often(desk):
    browser, waited, said = desk.browser(), [], []
    for error in ("authorization_pending", "slow_down", "slow_down", "authorization_pending"):
        desk.provider.says = (400, json.dumps({"error": error}).encode())
        reply = browser.page("devicepoll", farv1_dc="x")
        assert (reply.status, told(reply), browser.cookies) == (200, {}, {})
        waited.append(reply.fields.get("retry-after"))
        said.append(reply.json["notices"][0]["description"])
    assert waited == [None, "10", "10", None]
    assert said[0] == said[3] == ["Nobody has signed in yet: ask again."]
    assert said[1] == said[2] == [*said[0], said[1][1]]
    assert "five seconds longer" in said[1][1]
    for status in (200, 401, 429, 500):
        desk.provider.says = (status, b'{"error": "slow_down"}')
        assert browser.page("devicepoll", farv1_dc="x").code == "WG125"


@pytest.mark.parametrize("says", [(200, b"{}"), (400, b"{}"), (200, b'{"device_code": 1}')])
def test_shows_no_device_what_the_provider_does_not_say(desk, says):
    desk.provider.says = says
    assert desk.browser().page("device").code == "WG125"


def test_holds_no_secret_in_what_it_keeps_or_says(desk):
    browser = desk.signed_in()
    secret = browser.cookies[SESSION]
    assert secret not in json.dumps(browser.page("status").json)
    assert secret not in repr(desk.sessions._held)
