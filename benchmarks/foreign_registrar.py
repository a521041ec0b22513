"""From an empty folder to the first own domain found, over a foreign PostgreSQL, timed.

``python foreign_registrar.py [DOMAINS]`` (default 1,000,000) starts a server of its own, fills a
registry-like schema through COPY, then does what docs/for-registrars.md says: init, a ``[source]``
table with the read-only role, serve, and the first answer over HTTP. It times single finds too,
prints one table and leaves nothing behind.
"""

from __future__ import annotations

import json
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))

import foreign_schema
from postgres import postgres
from whoisgate.config import read_config
from whoisgate.records import Record
from whoisgate.sources import open_source
from whoisgate.sources.synthetic import records

SAMPLE = 5000
WHOISGATE = Path(sys.executable).with_name("whoisgate")


def print_row(what: str, figure: str) -> None:
    """Print one row of the table."""
    print(f"{what:<48}{figure:>16}", flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print how long the steps within take."""
    start = time.perf_counter()
    yield
    print_row(what, f"{time.perf_counter() - start:.3f} s")


def fill(dsn: str, domains: int) -> list[str]:
    """Load the schema and give a sample of its names, evenly spread."""
    names = []
    every = max(1, domains // SAMPLE)

    def noted() -> Iterator[Record]:
        for number, record in enumerate(records(domains)):
            if number % every == 0:
                names.append(record.name)
            yield record

    with psycopg.connect(dsn) as connection:
        foreign_schema.create(connection)
        with step(f"generate and copy {domains:,} domains"):
            foreign_schema.Loader(connection).load(noted())
        with step("make keys and indexes, analyze"):
            foreign_schema.finish(connection)
        foreign_schema.read_only_role(connection, "gate")
        size = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    print_row("size of the database", f"{size[0] / 2**20:,.0f} MiB")
    random.Random(1).shuffle(names)
    return names


def source_table(dsn: str) -> str:
    """What the operator appends to ``whoisgate.toml``; a JSON string is a TOML string too."""
    statements = (f"{name} = '''{sql}'''" for name, sql in foreign_schema.STATEMENTS.given.items())
    return "\n".join(
        ["", "[source]", 'kind = "postgres"', f"dsn = {json.dumps(dsn)}", *statements, ""]
    )


def walk(gate: Path, dsn: str, name: str) -> None:
    """From no folder to the first own domain answered over HTTP, each step timed."""
    with step("whoisgate init"):
        form = ["--web-form", "https://registrar.example/contact?domain={domain}"]
        subprocess.run([WHOISGATE, "init", gate, *form], check=True, stdout=subprocess.DEVNULL)
    with (gate / "whoisgate.toml").open("a", encoding="utf-8") as config:
        config.write(source_table(dsn))
    ports = [f"--rdap=127.0.0.1:{free_port()}", f"--whois=127.0.0.1:{free_port()}"]
    start = time.perf_counter()
    server = subprocess.Popen([WHOISGATE, "serve", gate, *ports], stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().split()[-1]
        print_row("whoisgate serve, until ready", f"{time.perf_counter() - start:.3f} s")
        with step("first own domain answered over HTTP"):
            answer = urllib.request.urlopen(f"{url}domain/{name}", timeout=30).read()  # noqa: S310  our own server's address
        assert json.loads(answer)["ldhName"] == name
    finally:
        server.terminate()
        server.communicate(timeout=30)


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def time_finds(gate: Path, names: list[str]) -> None:
    """Print the time of one find over the sample, and its CPU time in this process."""
    with step("open the source: connect, check the statements"):
        source = open_source(read_config(gate / "whoisgate.toml").source, gate)
    walls = []
    with closing(source):
        for name in names[:100]:
            source.find(name)
        cpu = time.process_time()
        for name in names:
            start = time.perf_counter()
            assert source.find(name) is not None
            walls.append((time.perf_counter() - start) * 1e6)
        cpu = (time.process_time() - cpu) * 1e6 / len(names)
    cuts = statistics.quantiles(walls, n=100)
    for what, figure in (("median", cuts[49]), ("99th percentile", cuts[98]), ("CPU", cpu)):
        print_row(f"one find, {what}", f"{figure:.0f} µs")


def main(domains: str = "1000000") -> None:
    """Time every step for this many domains."""
    with postgres() as owner, tempfile.TemporaryDirectory() as folder:
        names = fill(owner, int(domains.replace(",", "").replace("_", "")))
        gate = Path(folder) / "gate"
        walk(gate, make_conninfo(owner, user="gate"), names[-1])
        time_finds(gate, names)


if __name__ == "__main__":
    main(*sys.argv[1:])
