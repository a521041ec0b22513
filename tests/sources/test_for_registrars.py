"""The page for registrars, done as it says: its role, its SQL, its application."""

import re
from contextlib import closing
from pathlib import Path

import orjson
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import whoisgate as wg
from whoisgate import errors
from whoisgate.audit.verify import FAILURES
from whoisgate.config import SourceSettings
from whoisgate.policy.findings import CODES

PAGE = (Path(__file__).parents[2] / "docs" / "for-registrars.md").read_text()
TABLES = """
CREATE TABLE domain (
    domain_id int PRIMARY KEY, fqdn text UNIQUE, roid text, created timestamptz,
    changed timestamptz, expires timestamptz, statuses text[], signed boolean, revision int);
CREATE TABLE person (
    person_id int PRIMARY KEY, ref text, type char(1), name text, company text, street text,
    city text, province text, zip text, country text, phone text, mail text, publish boolean,
    publish_company boolean);
CREATE TABLE domain_person (domain_id int, person_id int, role text);
CREATE TABLE domain_host (domain_id int, position int, host text, ipv4 inet[], ipv6 inet[]);
INSERT INTO domain VALUES (1, 'example.com', 'D1-EX', '2020-01-02', '2025-01-02', '2030-01-02',
    '{clientTransferProhibited}', false, 7);
INSERT INTO person VALUES (1, 'C1-EX', 'I', 'Ada Placeholder', NULL, E'Linden Street 4\nFloor 2',
    'Exampleton', 'OR', '99998', 'US', '+1.5555550142', 'ada@mail.example', false, NULL);
INSERT INTO domain_person VALUES (1, 1, 'registrant'), (1, 1, 'tech');
INSERT INTO domain_host VALUES (1, 1, 'ns1.example.com', '{192.0.2.1}', '{2001:db8::1}');
"""


def block(language, holding=""):
    """The page's first block of code in a language that holds these words."""
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return next(text for text in blocks if holding in text)


@pytest.fixture(scope="module")
def registry(postgres_dsn):
    """The DSN of the page's role, in a database with the page's tables."""
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE registry")
    with psycopg.connect(make_conninfo(postgres_dsn, dbname="registry")) as connection:
        connection.execute(TABLES)
        # The server's other tests have made a role of this name already.
        connection.execute(block("sql").replace("CREATE ROLE gate LOGIN;", ""))
    return make_conninfo(postgres_dsn, dbname="registry", user="gate")


@pytest.fixture
def folder(tmp_path, registry, monkeypatch):
    monkeypatch.setenv("REGISTRY_DSN", registry)
    monkeypatch.chdir(tmp_path)
    form = "https://registrar.example/contact?domain={domain}"
    wg.init(tmp_path / "gate", web_form=form, tables="\n" + block("toml", "[source]"))
    return tmp_path / "gate"


def test_answers_the_first_domain_from_the_page_s_statements(folder):
    with closing(wg.open(folder)) as gate:
        answer = gate.ask("example.com")
        with pytest.raises(errors.NameNotFound):
            gate.ask("nobody.example")
    body = orjson.loads(answer.body)
    assert body["handle"] == "D1-EX"
    assert body["nameservers"][0]["ldhName"] == "ns1.example.com"
    assert b"Ada Placeholder" not in answer.body
    assert b"ada@mail.example" not in answer.body
    assert b"Linden Street" not in answer.body


@pytest.mark.usefixtures("folder")
def test_runs_the_page_s_application():
    space = {"__name__": "application"}
    exec(block("python", "Flask"), space)  # noqa: S102  the page's own text
    with closing(space["gate"]):
        client = space["app"].test_client()
        found, missing, malformed = (
            client.get(f"/domain/{name}") for name in ("EXAMPLE.com", "nobody.example", "-.-")
        )
        assert (found.status_code, found.mimetype) == (200, "application/rdap+json")
        assert orjson.loads(found.data)["ldhName"] == "example.com"
        assert missing.status_code == 404
        assert malformed.status_code == 400


def test_names_only_settings_errors_and_columns_that_exist():
    kinds = [c for c in vars(errors).values() if isinstance(c, type) and hasattr(c, "code")]
    numbers = {*CODES, *FAILURES, *(c.code for c in kinds)}
    assert set(re.findall(r"WG\d{3}", PAGE)) <= numbers
    table = PAGE.partition("The other kinds:")[2].partition("### The statements")[0]
    words = set(re.findall(r"`([a-z_]+)`", table)) - {"postgres", "sqlite", "documents", "kind"}
    assert words <= set(SourceSettings.model_fields)
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", PAGE):
        assert (Path(__file__).parents[2] / "docs" / link).exists(), link
