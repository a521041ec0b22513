import tomllib
from contextlib import closing

import pytest
from pydantic import ValidationError

import foreign_schema
from whoisgate.config import SourceSettings
from whoisgate.errors import MalformedConfig, SourceFailed
from whoisgate.sources import DocumentSource, open_source
from whoisgate.sources.synthetic import STATEMENTS, source_table, write_sqlite

SQL = {"domain": STATEMENTS.domain, "contacts": STATEMENTS.contacts}


def test_opens_the_table_of_the_made_up_registrar(tmp_path):
    write_sqlite(tmp_path / "registrar.db", 3)
    table = tomllib.loads(source_table("registrar.db"))["source"]
    with closing(open_source(SourceSettings.model_validate(table), tmp_path)) as source:
        record = source.find("bicycle-repair.example")
    assert record.nameservers
    assert record.contacts


def test_reads_sql_from_files_of_the_folder(tmp_path):
    write_sqlite(tmp_path / "registrar.db", 3)
    (tmp_path / "domain.sql").write_text(STATEMENTS.domain)
    settings = SourceSettings(kind="sqlite", database="registrar.db", domain_file="domain.sql")
    with closing(open_source(settings, tmp_path)) as source:
        assert not source.find("bicycle-repair.example").contacts
    missing = SourceSettings(kind="sqlite", database="registrar.db", domain_file="no.sql")
    with pytest.raises(MalformedConfig, match=r"no\.sql` cannot be read: FileNotFoundError"):
        open_source(missing, tmp_path)


def test_takes_the_dsn_from_the_environment(monkeypatch, tmp_path, gate_dsn):
    given = foreign_schema.STATEMENTS.given
    settings = SourceSettings(kind="postgres", dsn_env="REGISTRY_DSN", **given)
    with pytest.raises(MalformedConfig, match="`REGISTRY_DSN`"):
        open_source(settings, tmp_path)
    monkeypatch.setenv("REGISTRY_DSN", gate_dsn)
    with closing(open_source(settings, tmp_path)) as source:
        assert source.find("bicycle-repair.example")
    direct = SourceSettings(kind="postgres", dsn=gate_dsn, **given)
    with closing(open_source(direct, tmp_path)) as source:
        assert source.find("bicycle-repair.example")


def test_opens_a_folder_of_documents(tmp_path):
    (tmp_path / "answers").mkdir()
    source = open_source(SourceSettings(kind="documents", folder="answers"), tmp_path)
    assert isinstance(source, DocumentSource)
    with pytest.raises(SourceFailed):
        open_source(SourceSettings(kind="documents", folder="none"), tmp_path)


@pytest.mark.parametrize(
    "table",
    [
        {"kind": "oracle"},
        {"kind": "sqlite", **SQL},
        {"kind": "sqlite", "database": "d.db"},
        {"kind": "sqlite", "database": "d.db", "dsn": "x", **SQL},
        {"kind": "sqlite", "database": "d.db", "domain_file": "d.sql", **SQL},
        {"kind": "postgres", **SQL},
        {"kind": "postgres", "dsn": "x", "dsn_env": "X", **SQL},
        {"kind": "postgres", "dsn": "x", "database": "d.db", **SQL},
        {"kind": "documents"},
        {"kind": "documents", "folder": "d", **SQL},
        {"kind": "sqlite", "database": "d.db", "nameserver": "SELECT :name", **SQL},
        {"kind": "sqlite", "database": "d.db", "statement_timeout_ms": 0, **SQL},
        {"kind": "sqlite", "database": "d.db", "connections": 0, **SQL},
    ],
)
def test_refuses_a_table_that_does_not_fit_its_kind(table):
    with pytest.raises(ValidationError):
        SourceSettings.model_validate(table)


def test_refuses_sql_without_the_placeholder(tmp_path):
    settings = SourceSettings(kind="sqlite", database="d.db", domain="SELECT 1")
    with pytest.raises(MalformedConfig, match="expected the placeholder"):
        open_source(settings, tmp_path)
