"""IANA's list: read strictly, kept as a copy, refused when it is stale."""

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta

import pytest
import uvloop
from tests.sources.upstream.conftest import NAME, document, drip, http, says, speaking

from whoisgate.errors import (
    BootstrapStale,
    MalformedDocument,
    NoUpstream,
    UpstreamForbidden,
    UpstreamUnreachable,
)
from whoisgate.sources.upstream.bootstrap import Servers

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def listed(*services, published="2026-11-20T00:00:00Z", version="1.0"):
    return json.dumps({"version": version, "publication": published, "services": services}).encode()


LIST = listed(
    [["example"], ["http://old.example/", "https://rdap.example/"]],
    [["co.example", "test"], ["https://co.example/rdap/"]],
    [["clear"], ["http://clear.example/"]],
)


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("a.example", "https://rdap.example/"),
        ("b.a.example", "https://rdap.example/"),
        ("a.co.example", "https://co.example/rdap/"),
        ("co.example", "https://rdap.example/"),
        ("aco.example", "https://rdap.example/"),
        ("a.test", "https://co.example/rdap/"),
    ],
)
def test_finds_the_server_of_the_longest_suffix(name, base):
    assert str(Servers.parse(LIST).base(name)) == base


@pytest.mark.parametrize("name", ["a.invalid", "example.invalid", "a.clear"])
def test_knows_no_server_for_other_suffixes_or_without_https(name):
    with pytest.raises(NoUpstream):
        Servers.parse(LIST).base(name)


GOOD = [["example"], ["https://rdap.example/"]]


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b"{}", b"null", b"[" * 100_000, b'{"version": "1.0", "version": "1.0"}',
        listed(GOOD, version="2.0"), listed(GOOD, version=1.0),
        listed(GOOD, published=None), listed(GOOD, published="yesterday"),
        listed(GOOD, published="2026-11-20T00:00:00"),
        listed(GOOD, GOOD), listed([["a"], ["https://a.example/"], []]), listed([["a"]]),
        listed("a"), listed([["a"], []]), listed([[], ["https://a.example/"]]),
        listed([[5], ["https://a.example/"]]), listed([["a"], [5]]), listed({"a": "b"}),
        listed([["A"], ["https://a.example/"]]), listed([["a."], ["https://a.example/"]]),
        listed([["a"], ["https://a.example"]]), listed([["a"], ["https://a.example/rdap"]]),
        listed([["a"], ["ftp://a.example/"]]), listed([["a"], ["https://127.1/"]]),
        listed([["a"], ["https://a.example/", "javascript:alert(1)/"]]),
        listed([["a"], ["https://user@a.example/"]]),
        b'{"version": "1.0", "publication": "2026-11-20T00:00:00Z", "services": {}}',
    ],
)  # fmt: skip
def test_refuses_a_list_that_is_not_what_rfc_9224_says(raw):
    with pytest.raises(MalformedDocument):
        Servers.parse(raw)


class Kept:
    """A gate's folder with a copy of some age, and a source that uses it."""

    def __init__(self, source, tmp_path, authority):
        self._source, self._ca, self.file = source, authority.ca, tmp_path / "dns.json"
        self.now = NOW

    def put(self, raw, age_h=0.0):
        self.file.write_bytes(raw)
        confirmed = (self.now - timedelta(hours=age_h)).timestamp()
        os.utime(self.file, (confirmed, confirmed))

    def age_h(self):
        return (self.now.timestamp() - self.file.stat().st_mtime) / 3600

    def ask(self, *steps, url=None, **upstream):
        """Take steps, each of which may ask the source; the last one's outcome."""
        table = {"file": "dns.json", "ca": self._ca, **({"url": url} if url else {})}
        source = self._source(bootstrap=table, clock=lambda: self.now, **upstream)

        async def main():
            try:
                for step in steps:
                    outcome = await step(source)
                return outcome
            finally:
                await source.close()

        return uvloop.run(main())


@pytest.fixture
def kept(source, tmp_path, authority):
    return Kept(source, tmp_path, authority)


async def served(source):
    """The base URL of who would be asked."""
    until = asyncio.get_running_loop().time() + 2
    return str(await source._bootstrap.base(NAME, until))


async def settled(source):
    await asyncio.wait({source._bootstrap._fetching})


@pytest.mark.parametrize("age_h", [0, 1, 47.9, -0.01])
def test_uses_a_copy_that_is_young_enough(kept, age_h):
    kept.put(LIST, age_h)
    assert kept.ask(served) == "https://rdap.example/"


@pytest.mark.parametrize("age_h", [48.1, 24 * 365, -1, -24 * 365])
def test_refuses_a_copy_that_is_too_old_or_from_the_future(kept, age_h):
    kept.put(LIST, age_h)
    with pytest.raises(BootstrapStale):
        kept.ask(served)


def test_lets_the_operator_say_how_old(source, tmp_path, kept):
    kept.put(LIST, 3)
    strict = source(bootstrap={"file": "dns.json", "max_age_h": 2}, clock=lambda: NOW)
    with pytest.raises(BootstrapStale):
        uvloop.run(served(strict))


@pytest.mark.parametrize("raw", [None, b"", b"nonsense"])
def test_refuses_a_copy_that_is_missing_or_unsound(kept, raw):
    if raw is not None:
        kept.put(raw)
    with pytest.raises(BootstrapStale):
        kept.ask(served, served)


def test_reads_a_copy_that_somebody_else_replaced(kept):
    kept.put(listed([["example"], ["https://first.example/"]]), 1)

    async def replaced(source):
        kept.put(LIST)

    assert kept.ask(served, replaced, served) == "https://rdap.example/"


def test_fetches_the_list_where_there_is_no_fresh_copy(kept, authority):
    for age_h in (None, 100):
        if age_h:
            kept.put(listed(GOOD), age_h)
        with speaking(says(http(LIST)), tls=authority.server("127.0.0.1")) as server:
            url = f"https://{server.place}/dns.json"
            assert kept.ask(served, served, url=url) == "https://rdap.example/"
            assert server.connections == 1
        assert kept.file.read_bytes() == LIST
        assert abs(kept.age_h()) < 0.01
        assert [path.name for path in kept.file.parent.glob(".dns*")] == []
        kept.file.unlink()


def test_answers_from_an_ageing_copy_while_it_fetches(kept, authority):
    kept.put(listed([["example"], ["https://first.example/"]]), 25)

    async def first(source):
        assert await served(source) == "https://first.example/"

    with speaking(says(http(LIST)), tls=authority.server("127.0.0.1")) as server:
        url = f"https://{server.place}/dns.json"
        assert kept.ask(first, settled, served, url=url) == "https://rdap.example/"


@pytest.mark.parametrize(
    "answer",
    [
        http(b"nonsense"),
        http(listed(GOOD, published="2026-11-19T00:00:00Z")),
        http(LIST, status="500 Internal Server Error"),
        http(LIST, status="404 Not Found"),
        http(status="302 Found", Location="https://elsewhere.example/dns.json"),
        http(LIST, Content_Encoding="gzip"),
        http(b" " * 2_000_000),
    ],
)
def test_keeps_its_copy_when_what_it_fetches_cannot_be_used(kept, authority, answer):
    kept.put(LIST, 25)
    with speaking(says(answer), tls=authority.server("127.0.0.1")) as server:
        url = f"https://{server.place}/dns.json"
        assert kept.ask(served, settled, served, served, url=url) == "https://rdap.example/"
        assert server.connections == 1
    assert kept.file.read_bytes() == LIST
    assert round(kept.age_h()) == 25


def test_fetches_again_a_minute_after_a_failure_and_no_sooner(kept, authority):
    kept.put(LIST, 25)

    async def later(source):
        source._bootstrap._retry_at -= 61

    with speaking(says(http(b"x")), tls=authority.server("127.0.0.1")) as server:
        url = f"https://{server.place}/dns.json"
        kept.ask(served, settled, served, served, later, served, settled, url=url)
        assert server.connections == 2


def test_waits_for_the_list_until_the_deadline_and_no_longer(kept, authority):
    async def refused(source):
        loop = asyncio.get_running_loop()
        started = loop.time()
        with pytest.raises(BootstrapStale):
            await source.find(NAME)
        return loop.time() - started

    speak = lambda connection, question: drip(connection, http(LIST))  # noqa: E731
    with speaking(speak, tls=authority.server("127.0.0.1")) as server:
        url = f"https://{server.place}/dns.json"
        assert kept.ask(refused, url=url, deadline_s=0.5) < 1.0


def test_fetches_from_nowhere_but_a_permitted_address(kept, authority):
    kept.put(LIST, 100)
    with speaking(says(http(LIST)), tls=authority.server("127.0.0.1")) as server:
        with pytest.raises(BootstrapStale):
            kept.ask(served, url=f"https://{server.place}/dns.json", allow=["10.0.0.0/8"])
        assert server.connections == 0


async def found(source):
    return await source.find(NAME)


def test_asks_a_listed_server_under_the_rules_for_strangers(kept):
    for base, error in (
        ("https://127.0.1.1/", UpstreamUnreachable),  # nobody listens there
        ("https://127.0.1.1:8443/", UpstreamForbidden),
        ("https://10.0.0.1/", UpstreamForbidden),
        ("https://[::1]/", UpstreamForbidden),
    ):
        kept.put(listed([["example"], [base]]))
        with pytest.raises(error, match="`rdap:"):
            kept.ask(found)


def test_prefers_the_operators_own_server_to_the_list(kept):
    kept.put(LIST)
    with speaking(says(http(document()))) as server:
        table = {"suffixes": ["example"], "rdap": f"http://{server.place}/", "clear_text": True}
        source = kept._source(table, bootstrap={"file": "dns.json"}, clock=lambda: NOW)
        assert uvloop.run(found(source)).source == "rdap:127.0.0.1"


def test_asks_nobody_where_nobody_is_known(source):
    asking = source({"suffixes": ["test"], "rdap": "https://rdap.example/"})
    for name in (NAME, "test.example", "atest.example"):
        with pytest.raises(NoUpstream):
            uvloop.run(asking.find(name))
