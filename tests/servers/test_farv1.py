"""RFC 9560: what help tells, and what clients with tokens of their own may say."""

import json
from datetime import timedelta

import pytest
from tests.conftest import NOW, POLICY, PURPOSE
from tests.identity.tokens import (
    ALL_PURPOSES,
    AUDIENCE,
    AUTHORITIES,
    ED,
    by_token,
    claims,
    ed_jwk,
    jwks,
    record,
    token,
)
from tests.servers.conftest import RELEASED, asking, with_token

from whoisgate.errors import LogUnavailable
from whoisgate.identity.authority import Authority
from whoisgate.identity.directory import Directory
from whoisgate.policy.load import load_text

BY_PURPOSE = """\
  - id: ABUSE
    grant: release
    elements: [registrant.name]
    when: {requester: law_enforcement, purpose: criminalInvestigationAndDNSAbuseMitigation}
    law: [{instrument: made-up, article: '1', status: in_force, source: me, checked: 2026-11-23}]
"""
FLAGS = {
    "sessionClientSupported": False,
    "tokenClientSupported": True,
    "dntSupported": False,
    "providerDiscoverySupported": False,
    "issuerIdentifierSupported": False,
    "implicitTokenRefreshSupported": False,
}
KEYS = jwks(ed_jwk(ED, kid="2026"))


@pytest.fixture(scope="session")
def policy():
    """A purpose is enough for the name: such a client can say nothing else."""
    return load_text(POLICY.replace("invariants:\n", BY_PURPOSE + "invariants:\n"), "small.yaml")


def listing(*named, **more):
    """A directory of police authorities with these names and issuers."""
    return Directory(
        [
            Authority(record(name, "police", by_token(iss, "EdDSA", KEYS), **more), entry)
            for entry, (name, iss) in enumerate(named, 1)
        ],
        AUDIENCE,
    )


def providers(service):
    return service.ask("/help").json.get("farv1_openidcConfiguration", {}).get("openidcProviders")


# --- discovery -------------------------------------------------------------------------------


def test_tells_in_help_every_flag_and_every_issuer(service):
    reply = service.ask("/help")
    assert (reply.status, reply.fields["cache-control"]) == (200, "public, max-age=60")
    assert reply.json["rdapConformance"].count("farv1") == 1
    told = reply.json["farv1_openidcConfiguration"]
    assert told.pop("openidcProviders") == [
        {"iss": "https://csirt.example", "name": "CSIRT", "default": False},
        {"iss": "https://court.example", "name": "Court", "default": False},
        {"iss": "https://id.police.example", "name": "Police of Example", "default": False},
    ]
    assert told == FLAGS


def test_says_in_help_that_answers_are_logged_and_what_is_refused_for_it(service):
    said = str(service.ask("/help").json["notices"])
    assert "logged, with who asked" in said
    assert "forbids that is refused" in said


def test_bears_farv1_in_answers_that_have_its_members_alone(service):
    for headers, query in ((), ""), (asking(RELEASED), ""), (with_token(), f"farv1_qp={PURPOSE}"):
        reply = service.ask("/domain/example.com", headers, query=query)
        assert reply.status == 200
        assert b"farv1" not in reply.body


@pytest.mark.parametrize(
    ("named", "default", "expected"),
    [
        ([("A", "https://a.example")], None, [True]),
        ([("A", "https://a.example")], "https://a.example", [True]),
        ([("A", "https://a.example")], "https://b.example", [False]),
        ([("A", "https://a.example"), ("B", "https://b.example")], None, [False, False]),
        ([("A", "https://a.example"), ("B", "https://b.example")], "https://b.example",
         [False, True]),
        ([("A", "https://a.example"), ("B", "https://b.example")], "https://b.example/",
         [False, False]),
        ([("A", "https://a.example"), ("B", "local")], None, [True]),
    ],
)  # fmt: skip
def test_names_one_default_at_most(make, named, default, expected):
    service = make(directory=lambda: listing(*named), default_issuer=default)
    assert [each["default"] for each in providers(service)] == expected


def test_follows_the_directory_within_a_second(make):
    held = [listing(("A", "https://a.example")), NOW]
    service = make(directory=lambda: held[0], clock=lambda: held[1])
    assert [each["name"] for each in providers(service)] == ["A"]
    held[0] = listing(("A", "https://a.example"), ("B", "https://b.example"))
    assert [each["name"] for each in providers(service)] == ["A"]
    held[1] += timedelta(seconds=1)
    assert [each["name"] for each in providers(service)] == ["A", "B"]
    held[0], held[1] = listing(), NOW  # a clock that steps back
    assert providers(service) is None


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"valid_until": (NOW + timedelta(seconds=1)).isoformat()}, True),
        ({"valid_until": NOW.isoformat()}, False),
        ({"valid_from": NOW.isoformat()}, True),
        ({"valid_from": (NOW + timedelta(seconds=1)).isoformat()}, False),
    ],
)
def test_names_no_authority_outside_its_validity(make, more, told):
    service = make(directory=lambda: listing(("A", "https://a.example"), **more))
    assert bool(providers(service)) == told


@pytest.mark.parametrize("listed", [(), [("A", "local")]])
def test_says_nothing_of_federated_login_where_nobody_can_log_in(make, listed):
    reply = make(directory=lambda: listing(*listed)).ask("/help")
    assert reply.status == 200
    assert b"farv1" not in reply.body


def test_helps_without_the_directory_too(make):
    def unread():
        raise LogUnavailable("not lately")

    reply = make(directory=unread).ask("/help")
    assert reply.status == 200
    assert b"farv1" not in reply.body


# --- purposes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("purpose", "allowed", "status", "entry"),
    [
        (PURPOSE, ..., 200, True),
        (PURPOSE, [PURPOSE], 200, True),
        (PURPOSE, ["unheardOf", PURPOSE, PURPOSE], 200, True),
        (PURPOSE, ["legalActions"], 403, True),
        (PURPOSE, [PURPOSE.upper()], 403, True),
        (PURPOSE, ["unheardOf"], 403, True),
        (PURPOSE, [], 403, True),
        ("legalActions", ["legalActions"], 403, True),  # allowed, and no rule grants by it
        ("dnsTransparency", ["dnsTransparency"], 403, True),  # the directory does not allow it
        ("unheardOf", ["unheardOf"], 403, False),
        (PURPOSE.lower(), [PURPOSE.lower()], 403, False),
        ("", ..., 403, False),
        (PURPOSE, PURPOSE, 401, False),
        (PURPOSE, [PURPOSE, 1], 401, False),
        (PURPOSE, None, 401, False),
        (None, [], 200, False),
        (None, [PURPOSE], 200, False),
    ],
)
def test_compares_the_purpose_with_the_claim(service, purpose, allowed, status, entry):
    before = service.entries()
    bearer = token(body=claims(rdap_allowed_purposes=allowed))
    query = "" if purpose is None else f"farv1_qp={purpose}"
    reply = service.ask("/domain/example.com", with_token(bearer=bearer), query=query)
    assert (reply.status, reply.json.get("errorCode", 200)) == (status, status)
    assert service.entries() - before == entry
    assert ("disclosure-entry" in reply.fields) == entry
    assert (b"Ada Example" in reply.body) == (status == 200 and entry)
    if status == 403 and not entry:
        assert reply.code == "WG121"


@pytest.mark.parametrize("purpose", sorted(ALL_PURPOSES))
def test_knows_every_registered_purpose(service, purpose):
    reply = service.ask("/domain/example.com", with_token(), query=f"farv1_qp={purpose}")
    assert reply.status == (200 if purpose == PURPOSE else 403)
    assert "disclosure-entry" in reply.fields


def test_prefers_the_disclosure_request_to_farv1_qp(service):
    for purpose in ("dnsTransparency", "unheardOf"):
        reply = service.ask("/domain/example.com", asking(RELEASED), query=f"farv1_qp={purpose}")
        assert reply.status == 200
        assert b"Ada Example" in reply.body


def test_asks_a_stranger_with_farv1_qp_for_a_credential(service):
    for purpose in (PURPOSE, "unheardOf"):
        assert service.ask("/domain/example.com", query=f"farv1_qp={purpose}").status == 401


@pytest.mark.parametrize(
    "more",
    ["farv1_iss=https://else.example", "farv1_iss=", "farv1_id=x%40y.example", "farv1_dc=z",
     "farv1_dnt=false", "farv1_id=a&farv1_id=b", "farv2_qp=x"],
)  # fmt: skip
def test_ignores_the_parameters_of_other_clients(service, more):
    alone = service.ask("/domain/example.com", with_token(), query=f"farv1_qp={PURPOSE}")
    for query in (f"{more}&farv1_qp={PURPOSE}", f"farv1_qp={PURPOSE}&{more}"):
        reply = service.ask("/domain/example.com", with_token(), query=query)
        assert (reply.status, reply.body) == (200, alone.body)


# --- do not track ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("farv1_dnt=true", 403),
        ("farv1_dnt=TRUE", 403),
        ("farv1_dnt=", 403),
        ("farv1_dnt=false", 200),
        ("farv1_dnt=false&farv1_dnt=true", 403),
        ("farv1_qq=x", 200),
        ("FARV1_QP=x", 200),
        ("utm_source=x&a[]=1&%ff=%fe", 200),
        ("farv1_qp=a&farv1_qp=a", 400),
        ("&".join(["a=1"] * 40), 400),
    ],
)
def test_reads_only_the_parameters_that_it_knows(service, query, status):
    service.ask("/domain/example.com")  # so that the answer is at hand
    reply = service.ask("/domain/example.com", query=query)
    assert reply.status == status
    assert reply.json.get("errorCode", 200) == status


@pytest.mark.parametrize(
    ("claimed", "query", "status", "code"),
    [
        (..., "farv1_dnt=true", 403, "WG113"),
        (False, "farv1_dnt=true", 403, "WG113"),
        (True, "", 403, "WG113"),
        (True, "farv1_dnt=false", 403, "WG113"),
        (True, "farv1_dnt=true", 403, "WG113"),
        ("true", "", 401, "WG106"),
        (1, "", 401, "WG106"),
        (None, "", 401, "WG106"),
    ],
)
def test_refuses_not_to_track_even_a_good_credential(service, claimed, query, status, code):
    before = service.entries()
    bearer = token(body=claims(rdap_dnt_allowed=claimed))
    for _ in range(2):
        reply = service.ask("/domain/example.com", asking(RELEASED, bearer), query=query)
        assert (reply.status, reply.code) == (status, code)
        assert ("logged" in json.dumps(reply.json)) == (status == 403)
        assert "www-authenticate" in reply.fields or status == 403
    assert service.entries() == before
    counted = service.gate._middle.counts.take()
    assert counted == {"do_not_track" if status == 403 else "credential_refused": 2}


def test_tells_who_shows_a_worthless_token_nothing_of_its_claims(service):
    forged = token(body=claims(rdap_dnt_allowed=True, exp=1))
    reply = service.ask("/domain/example.com", asking(RELEASED, forged))
    assert (reply.status, reply.code) == (401, "WG106")


def test_answers_where_the_token_leaves_logging_alone(service):
    bearer = token(body=claims(rdap_dnt_allowed=False))
    reply = service.ask("/domain/example.com", asking(RELEASED, bearer), query="farv1_dnt=false")
    assert reply.status == 200
    assert b"Ada Example" in reply.body


def test_names_the_directory_s_issuers():
    assert [name for _, name in Directory(AUTHORITIES, AUDIENCE).providers(NOW)] == [
        "CSIRT", "Court", "Police of Example",
    ]  # fmt: skip
