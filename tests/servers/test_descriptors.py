"""How many files may be open, and how many of them are connections."""

import resource

import pytest
from tests.servers.test_places import SHOWN

from whoisgate.servers import descriptors
from whoisgate.servers.descriptors import RESERVE, afforded
from whoisgate.servers.settings import ServerSettings

SETTINGS = ServerSettings(SHOWN, drain_s=7.0)
NEEDED = 2 * SETTINGS.connections + RESERVE
UNLIMITED = resource.RLIM_INFINITY


@pytest.fixture
def limits(monkeypatch):
    """The process's limits, soft and hard, as a test puts them."""
    held = [1024, 20_000]

    def put(kind, pair):
        assert kind == resource.RLIMIT_NOFILE
        held[:] = pair

    monkeypatch.setattr(descriptors.resource, "getrlimit", lambda _: tuple(held))
    monkeypatch.setattr(descriptors.resource, "setrlimit", put)
    return held


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((1024, 20_000), (NEEDED, 20_000)),
        ((1024, NEEDED), (NEEDED, NEEDED)),
        ((1024, UNLIMITED), (NEEDED, UNLIMITED)),
        ((NEEDED, 20_000), (NEEDED, 20_000)),
        ((10_000, 20_000), (10_000, 20_000)),
        ((UNLIMITED, UNLIMITED), (UNLIMITED, UNLIMITED)),
    ],
)
def test_raises_the_soft_limit_to_what_is_needed(limits, caplog, before, after):
    limits[:] = before
    assert afforded(SETTINGS) is SETTINGS
    assert tuple(limits) == after
    assert not caplog.records


@pytest.mark.parametrize("soft", [64, 256])
@pytest.mark.parametrize(
    ("hard", "connections"),
    [(NEEDED - 1, 2047), (4096, (4096 - RESERVE) // 2), (1024, 256), (256, 64), (3, 1), (1, 1)],
)
def test_takes_no_more_connections_than_there_may_be_files(limits, caplog, soft, hard, connections):
    limits[:] = min(soft, hard), hard
    capped = afforded(SETTINGS)
    assert tuple(limits) == (hard, hard)
    assert (capped.connections, capped.drain_s) == (connections, 7.0)
    assert capped.connections_each == SETTINGS.connections_each
    (told,) = caplog.records
    assert told.levelname == "WARNING"
    assert f"{connections} connections" in told.getMessage()
    assert f"got {hard}" in told.getMessage()


def test_leaves_files_for_upstream_servers(limits):
    limits[:] = 1024, 20_000
    afforded(SETTINGS, 3000)
    assert limits[0] == NEEDED + 3000
    limits[:] = 1024, 4096
    assert afforded(SETTINGS, 1000).connections == (4096 - RESERVE - 1000) // 2
    assert afforded(SETTINGS, 3000).connections == 1024
