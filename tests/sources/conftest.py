from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

import foreign_schema
from postgres import postgres
from whoisgate.sources import SQLSource
from whoisgate.sources.synthetic import records, write_sqlite


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    """The superuser's DSN of a server that holds the foreign registrar's schema, filled."""
    with postgres() as dsn:
        with psycopg.connect(dsn) as connection:
            foreign_schema.create(connection)
            foreign_schema.Loader(connection).load(records(2000))
            foreign_schema.finish(connection)
            foreign_schema.read_only_role(connection, "gate")
        yield dsn


@pytest.fixture(scope="session")
def gate_dsn(postgres_dsn) -> str:
    """The same server as the role that can only read."""
    return psycopg.conninfo.make_conninfo(postgres_dsn, user="gate")


@pytest.fixture(scope="session")
def foreign(gate_dsn) -> Iterator[SQLSource]:
    with closing(SQLSource.postgres(gate_dsn, foreign_schema.STATEMENTS)) as source:
        yield source


@pytest.fixture(scope="session")
def registrar_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("registrar") / "registrar.db"
    write_sqlite(file, 200)
    return file
