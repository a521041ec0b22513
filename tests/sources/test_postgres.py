import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import count

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from psycopg.conninfo import make_conninfo

import foreign_schema
from storable import storable
from whoisgate.elements import element
from whoisgate.errors import ExtraMissing, SourceFailed, SourceTooSlow, UnknownColumn
from whoisgate.sources import SQLSource, Statements
from whoisgate.sources.postgres import PostgresSession
from whoisgate.sources.synthetic import records

HANDLE = element("domain.handle")
ECHO = Statements("""SELECT 'D1' AS "domain.handle" WHERE :name LIKE '%.example'""")


@pytest.fixture
def owner(postgres_dsn):
    """A connection of the superuser, as the registrar's own software has one."""
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        yield connection


def until(condition):
    """Wait for something that another thread or the server is about to do."""
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError("it never came")


def test_finds_every_record_of_a_schema_that_needs_joins(foreign):
    for record in records(2000):
        assert foreign.find(record.name) == replace(record, source="postgres")
    assert foreign.find("nobody.example") is None


@pytest.fixture(scope="module")
def names():
    return count(1)


@given(record=storable(foreign_schema.DISCLOSE))
@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_reads_back_what_was_written(owner, foreign, names, record):
    number = next(names)
    record = replace(record, name=f"written-{number}.example")
    owner.autocommit = False
    foreign_schema.Loader(owner, 10**9 + number * 1000).load([record])
    assert foreign.find(record.name) == replace(record, source="postgres")


@pytest.fixture
def notebook(owner):
    """A table, and a function that writes into it when it is called with a real name."""
    owner.execute("CREATE TABLE notebook (name text)")
    owner.execute("CREATE SEQUENCE pages")
    owner.execute(
        "CREATE FUNCTION note(n text) RETURNS text LANGUAGE plpgsql AS "
        "$$ BEGIN IF n LIKE '%.example' THEN INSERT INTO notebook VALUES (n); END IF; "
        "RETURN n; END $$"
    )
    yield lambda: owner.execute("SELECT count(*) FROM notebook").fetchone()[0]
    owner.execute("DROP TABLE notebook")
    owner.execute("DROP SEQUENCE pages")
    owner.execute("DROP FUNCTION note")


WRITES = [
    'INSERT INTO notebook VALUES (:name) RETURNING name AS "domain.handle"',
    """WITH gone AS (DELETE FROM notebook WHERE name <> :name RETURNING name)
       SELECT name AS "domain.handle" FROM gone""",
    """SELECT nextval('pages')::text AS "domain.handle" WHERE :name <> ''""",
    """SELECT name AS "domain.handle" FROM notebook WHERE name <> :name FOR UPDATE""",
]


@pytest.mark.parametrize("sql", WRITES)
def test_refuses_a_statement_that_writes_even_as_superuser(postgres_dsn, notebook, sql):
    with pytest.raises(SourceFailed, match="in a read-only transaction"):
        SQLSource.postgres(postgres_dsn, Statements(sql))
    assert notebook() == 0


def test_writes_nothing_when_a_function_tries_to_at_find(postgres_dsn, notebook):
    statements = Statements('SELECT note(:name) AS "domain.handle"')
    with closing(SQLSource.postgres(postgres_dsn, statements)) as source:
        with pytest.raises(SourceFailed, match="25006"):
            source.find("a.example")
        assert source.find("a.test").values[HANDLE] == "a.test"
    assert notebook() == 0


def test_cannot_end_the_transaction_from_within(postgres_dsn, notebook):
    sql = "COMMIT; INSERT INTO notebook VALUES (:name) RETURNING name"
    with pytest.raises(SourceFailed, match="multiple commands"):
        SQLSource.postgres(postgres_dsn, Statements(sql))
    assert notebook() == 0


def test_says_too_slow_when_the_statement_meets_its_limit_and_goes_on(gate_dsn):
    statements = Statements(
        "SELECT 'D1' AS \"domain.handle\" "
        "FROM pg_sleep(CASE WHEN :name = 'slow.example' THEN 3 ELSE 0 END)"
    )
    with closing(SQLSource.postgres(gate_dsn, statements, statement_timeout_ms=100)) as source:
        for _ in range(2):
            with pytest.raises(SourceTooSlow):
                source.find("slow.example")
            assert source.find("quick.example").values[HANDLE] == "D1"


def backends(owner):
    return [
        pid
        for (pid,) in owner.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'test-lost'"
        ).fetchall()
    ]


@pytest.fixture
def lost_dsn(gate_dsn):
    return make_conninfo(gate_dsn, application_name="test-lost")


def end(owner):
    """End every connection of the source, as a restart of the server would."""
    for pid in backends(owner):
        owner.execute("SELECT pg_terminate_backend(%s)", (pid,))
    until(lambda: not backends(owner))


def test_reconnects_after_its_connections_were_ended(owner, lost_dsn):
    with (
        closing(SQLSource.postgres(lost_dsn, ECHO, size=3)) as source,
        ThreadPoolExecutor(3) as pool,
    ):
        for _ in range(3):
            assert all(pool.map(source.find, ["a.example"] * 30))
            assert backends(owner)
            end(owner)
        assert source.find("a.example").values[HANDLE] == "D1"


@pytest.fixture
def view(owner):
    """Makes a view of one row anew, with these columns."""

    def make(columns):
        owner.execute("DROP VIEW IF EXISTS one")
        owner.execute(f"CREATE VIEW one AS SELECT {columns}")
        owner.execute("GRANT SELECT ON one TO gate")

    yield make
    owner.execute("DROP VIEW one")


def test_refuses_columns_that_changed_places_since_the_start(gate_dsn, view):
    view("""'D1'::text AS "domain.handle", 'E'::text AS "registrar.name" """)
    everything = Statements("SELECT * FROM one WHERE :name <> ''")
    with closing(SQLSource.postgres(gate_dsn, everything)) as source:
        assert source.find("a.example").values[HANDLE] == "D1"
        view("""'E'::text AS "registrar.name", 'D1'::text AS "domain.handle" """)
        for _ in range(2):
            with pytest.raises(SourceFailed, match="columns are not those"):
                source.find("a.example")


def test_goes_on_when_the_type_of_a_column_changed(gate_dsn, view):
    view("""7 AS "domain.handle" """)
    everything = Statements("SELECT * FROM one WHERE :name <> ''")
    with closing(SQLSource.postgres(gate_dsn, everything)) as source:
        assert source.find("a.example").values[HANDLE] == "7"
        view("""'D7'::text AS "domain.handle" """)
        assert source.find("a.example").values[HANDLE] == "D7"


def test_fails_when_no_new_connection_can_be_made_and_recovers(owner, postgres_dsn):
    owner.execute("CREATE ROLE passing LOGIN")
    dsn = make_conninfo(postgres_dsn, user="passing", application_name="test-lost")
    with closing(SQLSource.postgres(dsn, ECHO)) as source:
        assert source.find("a.example")
        owner.execute("ALTER ROLE passing NOLOGIN")
        end(owner)
        for _ in range(2):
            with pytest.raises(SourceFailed, match="no connection to PostgreSQL"):
                source.find("a.example")
        owner.execute("ALTER ROLE passing LOGIN")
        assert source.find("a.example")
    owner.execute("DROP ROLE passing")


def test_tells_no_password_when_it_cannot_connect(tmp_path):
    for dsn in (
        f"postgresql://gate:made-up-secret@/registry?host={tmp_path}",
        "postgresql://gate:made-up-secret@127.0.0.1:1/registry",
        "postgresql://gate:made-up-secret@127.0.0.1:port/registry",
    ):
        with pytest.raises(SourceFailed, match="no connection to PostgreSQL") as caught:
            SQLSource.postgres(dsn, ECHO)
        assert "made-up-secret" not in str(caught.value)


def test_reads_all_statements_in_one_snapshot(owner, gate_dsn):
    owner.execute("CREATE TABLE snap AS SELECT 'old' AS word")
    owner.execute("GRANT SELECT ON snap TO gate")
    statements = Statements(
        # The first statement has read its row, and waits, while the row changes.
        'SELECT word AS "domain.handle", pg_advisory_xact_lock_shared(7)::text '
        "AS \"registrar.name\" FROM snap WHERE :name LIKE '%.example'",
        nameservers="SELECT word AS \"nameserver.name\" FROM snap WHERE :name LIKE '%.example'",
    )
    with closing(SQLSource.postgres(gate_dsn, statements)) as source:
        owner.execute("SELECT pg_advisory_lock(7)")
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(source.find, "a.example")
            until(lambda: waiting(owner))
            owner.execute("UPDATE snap SET word = 'new'")
            owner.execute("SELECT pg_advisory_unlock(7)")
            record = found.result()
        assert record.values[HANDLE] == "old"
        assert record.nameservers[0].name == "old"
        assert source.find("a.example").nameservers[0].name == "new"
    owner.execute("DROP TABLE snap")


def waiting(owner):
    return owner.execute(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    ).fetchone()[0]


def test_answers_many_threads_over_few_connections(owner, lost_dsn):
    wanted = [replace(record, source="postgres") for record in records(60)]
    source = SQLSource.postgres(lost_dsn, foreign_schema.STATEMENTS, size=2)
    with closing(source), ThreadPoolExecutor(8) as pool:
        assert list(pool.map(source.find, (r.name for r in wanted * 2))) == wanted * 2
        assert 1 <= len(backends(owner)) <= 2
    until(lambda: not backends(owner))


def test_says_too_slow_when_no_connection_becomes_free(owner, gate_dsn):
    statements = Statements(
        "SELECT 'D1' AS \"domain.handle\", CASE WHEN :name LIKE '%.example' "
        'THEN pg_advisory_xact_lock_shared(8)::text END AS "registrar.name"'
    )
    source = SQLSource(
        lambda: PostgresSession(gate_dsn, statements, 30_000),
        statements,
        label="postgres",
        size=1,
        wait_ms=20,
    )
    with closing(source), ThreadPoolExecutor(1) as pool:
        owner.execute("SELECT pg_advisory_lock(8)")
        held = pool.submit(source.find, "a.example")
        until(lambda: waiting(owner))
        with pytest.raises(SourceTooSlow, match="no connection was free"):
            source.find("b.test")
        owner.execute("SELECT pg_advisory_unlock(8)")
        assert held.result().values[HANDLE] == "D1"
        assert source.find("b.test").values[HANDLE] == "D1"


def test_closes_a_connection_that_comes_back_after_close(owner, lost_dsn):
    statements = Statements(
        "SELECT 'D1' AS \"domain.handle\", CASE WHEN :name LIKE '%.example' "
        'THEN pg_advisory_xact_lock_shared(9)::text END AS "registrar.name"'
    )
    source = SQLSource.postgres(lost_dsn, statements, statement_timeout_ms=30_000)
    owner.execute("SELECT pg_advisory_lock(9)")
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(source.find, "a.example")
        until(lambda: waiting(owner))
        source.close()
        owner.execute("SELECT pg_advisory_unlock(9)")
        assert held.result()
    until(lambda: not backends(owner))


FORKED = """
import os, sys
sys.path.insert(0, sys.argv[2])
from foreign_schema import STATEMENTS
from whoisgate.sources import SQLSource
source = SQLSource.postgres(sys.argv[1], STATEMENTS)
first = source.find("bicycle-repair.example")
child = os.fork()
if child == 0:
    same = all(source.find("bicycle-repair.example") == first for _ in range(20))
    source.close()
    os._exit(0 if same else 1)
assert all(source.find("bicycle-repair.example") == first for _ in range(20))
assert os.waitpid(child, 0)[1] == 0
assert source.find("bicycle-repair.example") == first
source.close()
print("both")
"""


def test_answers_on_both_sides_of_a_fork(gate_dsn):
    fixtures = os.path.dirname(foreign_schema.__file__)  # noqa: PTH120  for sys.path
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKED, gate_dsn, fixtures],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("both\n", "")


def test_tells_the_server_s_reason_at_construction_alone(owner, gate_dsn):
    owner.execute("CREATE TABLE secret_prices AS SELECT 'x'::text AS name")
    cases = {
        "SELECT 1 FROM nope WHERE x = :name": 'domain: .*relation "nope" does not exist',
        "SELECT name FROM secret_prices WHERE name = :name": "permission denied",
        "SELEC :name": "syntax error",
    }
    for sql, reason in cases.items():
        with pytest.raises(SourceFailed, match=reason):
            SQLSource.postgres(gate_dsn, Statements(sql))
    with pytest.raises(UnknownColumn, match=r"did you mean `domain\.handle`"):
        SQLSource.postgres(gate_dsn, Statements('SELECT :name AS "domain.handel"'))
    owner.execute("DROP TABLE secret_prices")


def test_tells_no_value_when_a_statement_fails_at_find(gate_dsn):
    statements = Statements(
        "SELECT CASE WHEN :name LIKE '%.example' THEN ('O''Sample, ' || :name)::int::text END "
        'AS "domain.handle"'
    )
    with (
        closing(SQLSource.postgres(gate_dsn, statements)) as source,
        pytest.raises(SourceFailed, match="22P02") as caught,
    ):
        source.find("a.example")
    assert "Sample" not in str(caught.value)


def test_reads_native_types(gate_dsn):
    statements = Statements(
        """SELECT 7 AS "record.version", '2020-01-02 03:04:05+02'::timestamptz AS "domain.created",
                  '2020-01-02'::date AS "domain.expires", '2020-01-02 03:04:05'::timestamp
                  AS "domain.updated", '{ok,inactive}'::text[] AS "domain.status",
                  gen_random_uuid() AS "domain.handle", true AS "fact.publish_consent"
            WHERE :name <> ''""",
        nameservers="""SELECT 'ns1.example' AS "nameserver.name",
                       ARRAY['192.0.2.1'::inet, '192.0.2.2'] AS "nameserver.ipv4",
                       '2001:db8::1'::inet AS "nameserver.ipv6" WHERE :name <> ''""",
    )
    with closing(SQLSource.postgres(gate_dsn, statements)) as source:
        record = source.find("a.example")
    values = {e.name: v for e, v in record.values.items()}
    assert len(values.pop("domain.handle")) == 36
    assert values == {
        "domain.created": "2020-01-02T01:04:05Z",
        "domain.expires": "2020-01-02T00:00:00Z",
        "domain.updated": "2020-01-02T03:04:05Z",
        "domain.status": ("ok", "inactive"),
    }
    assert record.nameservers[0].ipv4 == ("192.0.2.1", "192.0.2.2")
    assert record.nameservers[0].ipv6 == ("2001:db8::1",)
    assert (record.version, record.facts.publish_consent) == ("7", True)


def test_names_the_extra_when_psycopg_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "whoisgate.sources.postgres", None)
    with pytest.raises(ExtraMissing, match=r"whoisgate\[postgres\]"):
        SQLSource.postgres("", ECHO)
