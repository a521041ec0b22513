"""What one `find` costs, on the made-up registrar's SQLite and on the foreign PostgreSQL.

``WHOISGATE_BENCH_DOMAINS`` sets how many domains each holds (default 2000).
"""

import itertools
import os
from contextlib import closing

import psycopg
import pytest

import foreign_schema
from postgres import postgres
from whoisgate.sources import SQLSource
from whoisgate.sources.synthetic import STATEMENTS, records, write_sqlite

DOMAINS = int(os.environ.get("WHOISGATE_BENCH_DOMAINS", "2000"))


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory):
    file = tmp_path_factory.mktemp("bench") / "registrar.db"
    names = write_sqlite(file, DOMAINS)
    with closing(SQLSource.sqlite(file, STATEMENTS)) as source:
        yield source, itertools.cycle(names)


@pytest.fixture(scope="module")
def foreign():
    with postgres() as dsn:
        with psycopg.connect(dsn) as connection:
            foreign_schema.create(connection)
            foreign_schema.Loader(connection).load(records(DOMAINS))
            foreign_schema.finish(connection)
        names = [record.name for record in records(min(DOMAINS, 2000))]
        with closing(SQLSource.postgres(dsn, foreign_schema.STATEMENTS)) as source:
            yield source, itertools.cycle(names)


@pytest.mark.benchmark(group="sources")
def test_find_in_sqlite(benchmark, sqlite):
    source, names = sqlite
    assert benchmark(lambda: source.find(next(names)))


@pytest.mark.benchmark(group="sources")
def test_find_in_postgres(benchmark, foreign):
    source, names = foreign
    assert benchmark(lambda: source.find(next(names)))


@pytest.mark.benchmark(group="sources")
def test_find_nothing_in_sqlite(benchmark, sqlite):
    source, _ = sqlite
    assert benchmark(source.find, "nobody.example") is None


@pytest.mark.benchmark(group="sources")
def test_find_nothing_in_postgres(benchmark, foreign):
    source, _ = foreign
    assert benchmark(source.find, "nobody.example") is None
