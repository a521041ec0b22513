"""What is left, told over HTTP; and how often the public may ask."""

import json
from datetime import UTC, datetime, timedelta

import http_sfv
import pytest
from tests.conftest import NOW
from tests.servers.conftest import (
    OTHER_OFFICER,
    PENDING,
    REFUSED,
    RELEASED,
    asking,
    serving,
    with_token,
)

from whoisgate.budgets import Quota
from whoisgate.conduct import Thresholds
from whoisgate.entries import Allowance
from whoisgate.errors import ConductStopped, PersonsSpent
from whoisgate.middle import _held
from whoisgate.queries import Limits
from whoisgate.records import Record
from whoisgate.servers.faults import fault
from whoisgate.servers.limits import fields, retry_after
from whoisgate.servers.settings import ServerSettings
from whoisgate.servers.visitors import MAX_PLACES, Visitors

ALLOWANCE = Allowance(person_limits=Limits(hour=5, day=2, month=9), authority_limits=Limits(day=3))
OTHERS = [Record.of(f"{n}.example", {"registrant.name": "Ada Example"}) for n in "abcdefgh"]
DOMAIN = "/domain/example.com"


def read(line):
    """A list of strings with parameters, as a client reads it (RFC 9651)."""
    parsed = http_sfv.List()
    parsed.parse(line.encode())
    return {item.value: dict(item.params) for item in parsed}


@pytest.fixture
def service(make):
    return make(gate={"allowance": ALLOWANCE}, records=OTHERS)


def test_tells_what_is_left_of_the_tightest_window(service):
    reply = service.ask("/domain/a.example", asking(RELEASED))
    assert read(reply.fields["ratelimit-policy"]) == {
        "person-hour": {"q": 5, "w": 3600, "qu": "persons"},
        "person-day": {"q": 2, "w": 86_400, "qu": "persons"},
        "person-month": {"q": 9, "w": 30 * 86_400, "qu": "persons"},
        "authority-day": {"q": 3, "w": 86_400, "qu": "persons"},
    }
    assert read(reply.fields["ratelimit"]) == {"person-day": {"r": 1, "t": 43_200}}
    assert "retry-after" not in reply.fields


def test_tells_two_people_of_an_authority_alike_whatever_the_other_asked(make):
    allowance = Allowance(person_limits=Limits(day=1000), authority_limits=Limits(day=40))

    def told(domains):
        service = make(gate={"allowance": allowance}, records=OTHERS)
        service.ask("/domain/a.example", asking(RELEASED))
        replies = [service.ask(f"/domain/{n}.example", asking(RELEASED, OTHER_OFFICER))
                   for n in domains]  # fmt: skip
        return [read(reply.fields["ratelimit"]) for reply in replies]

    left = {"authority-day": {"r": 36, "t": 43_200}}
    assert told("bc") == told("ab") == [left, left]


@pytest.mark.parametrize("why", [REFUSED, PENDING])
def test_tells_it_where_nothing_is_released(service, why):
    reply = service.ask(DOMAIN, asking(why))
    assert read(reply.fields["ratelimit"]) == {"person-day": {"r": 2, "t": 43_200}}


def test_answers_429_until_the_window_ends(service):
    for name in "ab":
        assert service.ask(f"/domain/{name}.example", asking(RELEASED)).status == 200
    size = service.entries()
    reply = service.ask("/domain/c.example", asking(RELEASED))
    assert (reply.status, reply.code) == (429, "WG115")
    assert reply.fields["retry-after"] == "43200"
    assert reply.fields["cache-control"] == "no-store"
    assert reply.fields["disclosure-entry"] == str(size)
    assert read(reply.fields["ratelimit"])["person-day"]["r"] == 0
    assert "2026-11-24T00:00:00Z" in reply.json["description"][0]
    assert service.ask("/domain/a.example", asking(RELEASED)).status == 200
    other = service.ask("/domain/c.example", asking(RELEASED, OTHER_OFFICER))
    assert read(other.fields["ratelimit"]) == {"authority-day": {"r": 0, "t": 43_200}}


def test_answers_202_and_403_for_conduct(make):
    steps = Thresholds(hour=(2, 2, 3), day=(9, 9, 9), run=(9, 9, 9))
    service = make(gate={"allowance": Allowance(conduct=steps)}, records=OTHERS)
    asked = [service.ask(f"/domain/{n}.example", asking(RELEASED)) for n in "abcd"]
    assert [reply.status for reply in asked] == [200, 202, 403, 403]
    assert [reply.code for reply in asked[2:]] == ["WG117"] * 2
    assert "ratelimit" not in asked[0].fields
    assert all(b"Ada" not in reply.body for reply in asked[1:])


def test_says_in_the_body_what_the_status_says(policy):
    for held in (PersonsSpent("person", "day", 1, NOW), ConductStopped("a sentence")):
        row, body = fault(held), json.loads(_held(policy, None, held))
        assert (body["errorCode"], body["title"]) == (row.status, row.title)
        assert body["description"] == [f"{held.code}: {held}"]


def quota(window, left, ends):
    return Quota("person", window, 9, left, NOW, ends)


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        (NOW + timedelta(microseconds=1), b"1"),
        (NOW + timedelta(seconds=1), b"1"),
        (NOW + timedelta(seconds=1, microseconds=1), b"2"),
        (NOW, b"1"),
        (NOW - timedelta(seconds=9), b"1"),
    ],
)
def test_rounds_up_to_whole_seconds(ends, told):
    assert retry_after(ends, NOW) == (b"retry-after", told)


def test_takes_the_one_that_ends_last_of_those_with_as_little_left():
    soon, late = NOW + timedelta(hours=1), NOW + timedelta(hours=9)
    lines = dict(fields([quota("hour", 3, soon), quota("day", 3, late)], NOW))
    assert lines[b"ratelimit"] == b'"person-day";r=3;t=32400'
    assert fields([], NOW) == ()


# --- The public ----------------------------------------------------------------------------------


@pytest.fixture
def clock():
    """A clock that is moved by hand."""

    def clock():
        return clock.now

    clock.now = NOW
    return clock


@pytest.fixture
def limited(make, clock):
    def limited(**server):
        return make(clock=clock, per_minute=3, records=OTHERS, **server)

    return limited


def statuses(service, *clients, path=DOMAIN, lines=()):
    return [service.ask(path, lines, client=client).status for client in clients]


def test_bounds_a_network_and_no_other(limited, clock):
    service = limited()
    assert statuses(service, *["192.0.2.1"] * 4) == [200, 200, 200, 429]
    assert statuses(service, "192.0.2.2", "::ffff:192.0.2.1") == [200, 429]
    six = [f"2001:db8:0:7::{n}" for n in range(4)]
    assert statuses(service, *six, "2001:db8:0:8::1") == [200, 200, 200, 429, 200]
    assert statuses(service, *["127.0.0.1"] * 9) == [200] * 9
    clock.now += timedelta(seconds=41.5)
    reply = service.ask(DOMAIN, client="192.0.2.1")
    assert (reply.status, reply.code, reply.fields["retry-after"]) == (429, "WG118", "19")
    assert reply.fields["cache-control"] == "no-store"
    assert b"192.0.2.1" not in reply.body
    clock.now += timedelta(seconds=18.5)
    assert statuses(service, "192.0.2.1") == [200]


def test_counts_what_is_not_at_hand_once(limited):
    service = limited()
    paths = [f"/domain/{n}.example" for n in "abc"]
    for path in paths:
        assert statuses(service, "192.0.2.1", path=path) == [200]
    assert statuses(service, "192.0.2.1") == [429]


def test_counts_a_refusal_as_nothing_answered(limited):
    service = limited()
    statuses(service, *["192.0.2.1"] * 5)
    assert service.gate._middle.counts.take() == {"public": 3, "too_often": 2}


def test_bounds_strangers_with_bad_credentials_and_nobody_known(limited):
    service = limited()

    def asked(lines):
        return service.ask(DOMAIN, lines, client="192.0.2.1", scheme="https").status

    assert [asked(with_token(bearer="x.y.z")) for _ in range(4)] == [401, 401, 401, 429]
    assert asked([]) == 429
    assert [asked(asking(RELEASED)) for _ in range(5)] == [200] * 5


@pytest.mark.parametrize(
    ("lines", "counted"),
    [
        ([], False),
        (["203.0.113.7"], True),
        (["198.51.100.4, 203.0.113.7"], True),
        (["6.6.6.6, 203.0.113.7"], True),
        (["6.6.6.6", "203.0.113.7"], True),
        (["203.0.113.7, 198.51.100.9, 198.51.100.8"], True),
        (["203.0.113.7,198.51.100.9"], True),
        (["198.51.100.9"], False),
        (["unknown"], False),
        (["203.0.113.7, unknown"], False),
        (["127.0.0.1"], False),
        (["", ""], False),
    ],
)
def test_believes_trusted_proxies_about_who_asks(limited, lines, counted):
    service = limited(trusted_proxies=("198.51.100.0/24",))
    lines = [("X-Forwarded-For", line) for line in lines]
    told = statuses(service, *["198.51.100.4"] * 4, lines=lines)
    assert told == [200, 200, 200, 429 if counted else 200]
    if counted:
        forged = [("X-Forwarded-For", "9.9.9.9, 203.0.113.7")]
        assert statuses(service, "198.51.100.4", lines=forged) == [429]
        assert statuses(service, "203.0.113.7") == [429]


def test_believes_nobody_else_about_who_asks(limited):
    service = limited(trusted_proxies=("198.51.100.0/24",))
    asked = [
        statuses(service, "192.0.2.1", lines=[("X-Forwarded-For", f"203.0.113.{n}")])
        for n in range(4)
    ]
    assert asked == [[200]] * 3 + [[429]]


def visitors(clock, limit=3):
    drawn = iter(range(1, 99))
    return Visitors(
        ServerSettings(None), limit, clock, lambda size: next(drawn).to_bytes(size, "little")
    )


def test_keeps_no_address_and_changes_what_stands_for_it_each_day(clock):
    counted, places = visitors(clock), []
    clock.now = datetime(2026, 11, 23, 23, 58, 30, tzinfo=UTC)
    for _ in range(3):
        places.append(counted.place("192.0.2.1"))
        counted.add(places[-1])
        assert {*counted._counts} == {places[-1]}
        clock.now += timedelta(minutes=1)
    assert places[0] == places[1] != places[2]
    assert len(places[0]) == 8


def test_begins_anew_when_the_clock_goes_back(clock):
    counted = visitors(clock)
    for _ in range(3):
        counted.add(counted.place("192.0.2.1"))
    clock.now += timedelta(seconds=59)
    assert counted.full(counted.place("192.0.2.1"))
    clock.now -= timedelta(days=9)
    assert not counted.full(counted.place("192.0.2.1"))


def test_counts_no_more_networks_than_fit(clock):
    counted = visitors(clock)
    for number in range(MAX_PLACES + 5):
        counted.add(number.to_bytes(8))
    assert len(counted._counts) == MAX_PLACES
    assert not counted.full((MAX_PLACES + 1).to_bytes(8))


def test_bounds_nobody_without_a_limit(clock):
    counted = visitors(clock, 0)
    place = counted.place("192.0.2.1")
    counted.add(place)
    assert not counted.full(place)


class Loopback(Visitors):
    """Takes loopback for a network like any other, for there is no other here."""

    def place(self, host):
        assert host == "127.0.0.1"
        return super().place("192.0.2.1")


def test_bounds_port_43_too(make, clock):
    service = make(clock=clock)
    service.visitors = Loopback(service.settings, 2, clock, lambda size: b"k" * size)
    with serving(service) as addresses:
        told = [addresses.raw("whois", b"example.com\r\n") for _ in range(3)]
    assert told[0] == told[1]
    assert told[2] == b"% WG118: too many look-ups; try again later\r\n"
