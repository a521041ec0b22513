import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from storable import storable
from whoisgate.errors import (
    AmbiguousRecord,
    SourceFailed,
    SourceTooSlow,
    UnknownColumn,
)
from whoisgate.sources import SQLSource, Statements
from whoisgate.sources.synthetic import SCHEMA, STATEMENTS, records, store, write_sqlite

HANDLES = Statements('SELECT handle AS "domain.handle" FROM d WHERE name = :name')


def database(file, *rows):
    """A file with one table of names and handles."""
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE d (name TEXT, handle)")
        connection.executemany("INSERT INTO d VALUES (?, ?)", rows)
    return file


def handle(source, name="a.example"):
    record = source.find(name)
    return record and {e.name: v for e, v in record.values.items()}["domain.handle"]


def test_finds_every_record_of_the_made_up_registrar(registrar_file):
    with closing(SQLSource.sqlite(registrar_file, STATEMENTS)) as source:
        for record in records(200):
            assert source.find(record.name) == replace(record, source="sqlite")
        assert source.find("nobody.example") is None


@pytest.fixture(scope="module")
def empty_registrar(tmp_path_factory):
    file = tmp_path_factory.mktemp("empty") / "registrar.db"
    with (
        closing(sqlite3.connect(file, isolation_level=None)) as connection,
    ):
        connection.executescript(SCHEMA)
        with closing(SQLSource.sqlite(file, STATEMENTS)) as source:
            yield connection, source


@given(storable({f: (f,) for f in ("name", "organization", "phone", "email")}))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_reads_back_what_was_written(empty_registrar, record):
    connection, source = empty_registrar
    connection.execute("BEGIN")
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        connection.execute(f"DELETE FROM {table}")  # noqa: S608  the schema's own names
    store(connection, record)
    connection.execute("COMMIT")
    assert source.find(record.name) == replace(record, source="sqlite")


@pytest.mark.parametrize(
    "sql",
    [
        'DELETE FROM d WHERE name <> :name RETURNING handle AS "domain.handle"',
        'INSERT INTO d VALUES (:name, 1) RETURNING handle AS "domain.handle"',
    ],
)
def test_never_writes(tmp_path, sql):
    file = database(tmp_path / "d.db", ("a.example", "D1"))
    before = file.read_bytes()
    with pytest.raises(SourceFailed, match="readonly database"):
        SQLSource.sqlite(file, Statements(sql))
    assert file.read_bytes() == before


def test_refuses_a_missing_file_and_makes_none(tmp_path):
    with pytest.raises(SourceFailed, match="expected a SQLite file"):
        SQLSource.sqlite(tmp_path / "missing.db", HANDLES)
    assert not list(tmp_path.iterdir())


def test_refuses_a_file_that_is_no_database_and_a_folder(tmp_path):
    file = tmp_path / "letter.db"
    file.write_text("dear registrar, " * 100)
    with pytest.raises(SourceFailed, match="not a database"):
        SQLSource.sqlite(file, HANDLES)
    with pytest.raises(SourceFailed, match="expected a SQLite file"):
        SQLSource.sqlite(tmp_path, HANDLES)


def test_opens_a_file_whose_name_looks_like_a_query(tmp_path):
    file = database(tmp_path / "d?mode=rwc#100%.db", ("a.example", "D1"))
    with closing(SQLSource.sqlite(file, HANDLES)) as source:
        assert handle(source) == "D1"


def test_tells_the_database_s_reason_at_construction_alone(tmp_path):
    file = database(tmp_path / "d.db", ("a.example", "D1"))
    with pytest.raises(SourceFailed, match="domain: SQLite refused the SQL: no such table: nope"):
        SQLSource.sqlite(file, Statements("SELECT 1 FROM nope WHERE x = :name"))
    with pytest.raises(UnknownColumn, match=r"did you mean `domain\.handle`"):
        SQLSource.sqlite(file, Statements('SELECT 1 AS "domain.hadle" WHERE :name'))


def test_tells_no_value_when_a_text_is_broken(tmp_path):
    file = database(tmp_path / "d.db")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("INSERT INTO d VALUES ('a.example', CAST(x'41466f6966ff' AS TEXT))")
    with (
        closing(SQLSource.sqlite(file, HANDLES)) as source,
        pytest.raises(SourceFailed) as caught,
    ):
        source.find("a.example")
    assert "AFoif" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_says_too_slow_while_the_file_is_locked_and_answers_afterwards(tmp_path):
    file = database(tmp_path / "d.db", ("a.example", "D1"))
    with (
        closing(SQLSource.sqlite(file, HANDLES, timeout_ms=20)) as source,
        closing(sqlite3.connect(file, isolation_level=None)) as writer,
    ):
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SourceTooSlow, match="locked"):
            source.find("a.example")
        with pytest.raises(SourceTooSlow, match="locked"):
            SQLSource.sqlite(file, HANDLES, timeout_ms=20)
        writer.execute("COMMIT")
        assert handle(source) == "D1"


def test_refuses_two_rows_for_one_domain(tmp_path):
    file = database(tmp_path / "d.db", ("a.example", "D1"), ("a.example", "D2"))
    with closing(SQLSource.sqlite(file, HANDLES)) as source, pytest.raises(AmbiguousRecord):
        source.find("a.example")


def test_reads_the_new_file_when_an_export_replaced_the_old(tmp_path):
    file = database(tmp_path / "d.db", ("a.example", "old"))
    with closing(SQLSource.sqlite(file, HANDLES)) as source:
        assert handle(source) == "old"
        database(tmp_path / "new.db", ("a.example", "new")).replace(file)
        assert handle(source) == "new"
        file.unlink()
        with pytest.raises(SourceFailed, match="expected a SQLite file"):
            source.find("a.example")
        database(file, ("a.example", "back"))
        assert handle(source) == "back"


def test_sees_a_change_of_the_same_file(tmp_path):
    file = database(tmp_path / "d.db", ("a.example", "old"))
    with closing(SQLSource.sqlite(file, HANDLES)) as source:
        assert handle(source) == "old"
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("UPDATE d SET handle = 'new'")
        assert handle(source) == "new"


def test_refuses_columns_that_changed_places_since_the_start(tmp_path):
    file = tmp_path / "d.db"
    everything = Statements("SELECT * FROM d WHERE :name = 'a.example'")
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("""CREATE VIEW d AS SELECT 'D1' AS "domain.handle", 'E' AS
                              "registrar.name" """)
        with closing(SQLSource.sqlite(file, everything)) as source:
            assert handle(source) == "D1"
            connection.execute("DROP VIEW d")
            connection.execute("""CREATE VIEW d AS SELECT 'E' AS "registrar.name", 'D1' AS
                                  "domain.handle" """)
            for _ in range(2):
                with pytest.raises(SourceFailed, match="columns are not those"):
                    source.find("a.example")
        with closing(SQLSource.sqlite(file, everything)) as source:
            assert handle(source) == "D1"


def test_answers_many_threads_over_few_connections(registrar_file):
    wanted = [replace(record, source="sqlite") for record in records(100)]
    with (
        closing(SQLSource.sqlite(registrar_file, STATEMENTS, size=2)) as source,
        ThreadPoolExecutor(8) as pool,
    ):
        assert list(pool.map(source.find, (r.name for r in wanted * 3))) == wanted * 3


def test_refuses_after_close_and_closes_twice(registrar_file):
    source = SQLSource.sqlite(registrar_file, STATEMENTS)
    assert source.find("bicycle-repair.example")
    source.close()
    source.close()
    with pytest.raises(SourceFailed, match="closed"):
        source.find("bicycle-repair.example")


FORKED = """
import os, sys
from whoisgate.sources import SQLSource
from whoisgate.sources.synthetic import STATEMENTS
source = SQLSource.sqlite(sys.argv[1], STATEMENTS)
before = len(os.listdir("/proc/self/fd"))
first = source.find("bicycle-repair.example")
child = os.fork()
if child == 0:
    os._exit(0 if source.find("bicycle-repair.example") == first else 1)
assert os.waitpid(child, 0)[1] == 0
assert source.find("bicycle-repair.example") == first
source.close()
assert len(os.listdir("/proc/self/fd")) == before
print("both")
"""


def test_answers_on_both_sides_of_a_fork_and_leaves_nothing_open(registrar_file):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKED, os.fspath(registrar_file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("both\n", "")


def test_reads_a_file_in_write_ahead_mode(tmp_path):
    file = tmp_path / "registrar.db"
    write_sqlite(file, 3)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        with closing(SQLSource.sqlite(file, STATEMENTS)) as source:
            assert source.find("bicycle-repair.example")
