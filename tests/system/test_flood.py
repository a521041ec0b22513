"""A flood of questions from nobody in particular: the log does not grow by it, and stays open."""

import asyncio
import time
from collections import Counter

import pytest
from tests.e2e.conftest import make_folder, serving

from whoisgate import app
from whoisgate.audit.verify import parse_leaf

pytestmark = pytest.mark.system
REQUESTS, CONNECTIONS, AT_ONCE = 100_000, 16, 50
GATED = b'Disclosure-Request: purpose="criminalInvestigationAndDNSAbuseMitigation"\r\n'
KINDS = {
    "no credential": GATED,
    "bad credential": GATED + b"Authorization: Bearer eyJhbGciOiJub25lIn0.e30.\r\n",
    "public": b"",
}


def test_grows_the_log_by_one_tally_alone(tmp_path):
    folder = make_folder(tmp_path / "gate")
    with serving(folder) as gateway:
        name = (folder / "demo" / "domains.txt").read_text().split()[0]
        before = settled(folder)
        statuses = asyncio.run(flood(gateway.base_url, name))
        assert sizes(folder) == before
    counted = REQUESTS - REQUESTS % (CONNECTIONS * AT_ONCE * len(KINDS))
    each = counted // len(KINDS)
    assert statuses == {401: 2 * each, 200: each}
    with app.Folder.at(folder).opened() as log:
        tallies = [
            leaf for index in range(log.size()) if (leaf := parse_leaf(log.leaf(index))).kind
        ]
    (tally,) = [leaf for leaf in tallies if leaf.kind == "tally"]
    assert tally.open["counts"] == {
        "credential_required": each, "credential_refused": each, "public": each,
    }  # fmt: skip


def sizes(folder) -> dict[str, int]:
    """The length of every file of the log, which a flood must leave as it is."""
    files = [*folder.glob("whoisgate.db*"), *folder.glob("shred*"), *folder.glob("log/**/*")]
    return {str(file): file.stat().st_size for file in files if file.is_file()}


def settled(folder) -> dict[str, int]:
    """The same once the entries of the start are published."""
    for _ in range(20):
        before = sizes(folder)
        time.sleep(1.5)
        if sizes(folder) == before:
            return before
    raise AssertionError("the log never came to rest")


async def flood(base_url: str, name: str) -> Counter:
    host, _, port = base_url.removeprefix("http://").rstrip("/").partition(":")
    turns = REQUESTS // (CONNECTIONS * AT_ONCE * len(KINDS))
    jobs = [send(host, int(port), name, turns) for _ in range(CONNECTIONS)]
    return sum(await asyncio.gather(*jobs), Counter())


async def send(host: str, port: int, name: str, turns: int) -> Counter:
    """Sends on one connection, many at once, and counts the statuses."""
    statuses: Counter = Counter()
    reader, writer = await asyncio.open_connection(host, port)
    for _ in range(turns):
        for headers in KINDS.values():
            asked = b"GET /domain/%b HTTP/1.1\r\nHost: %b\r\n" % (name.encode(), host.encode())
            writer.write((asked + headers + b"\r\n") * AT_ONCE)
            for _ in range(AT_ONCE):
                head = await reader.readuntil(b"\r\n\r\n")
                statuses[int(head.split()[1])] += 1
                fields = dict(line.lower().split(b": ", 1) for line in head.splitlines()[1:-1])
                await reader.readexactly(int(fields[b"content-length"]))
    writer.close()
    await writer.wait_closed()
    return statuses
