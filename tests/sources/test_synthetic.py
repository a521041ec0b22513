import re
import sqlite3
from contextlib import closing
from itertools import islice

import pytest

from whoisgate.elements import ROLES
from whoisgate.errors import FolderExists
from whoisgate.queries import canonical_name
from whoisgate.records import RegistrantKind
from whoisgate.sources.synthetic import people, records, write_sqlite

SUFFIXES = (
    *("example", "test", "испытание", "δοκιμή", "إختبار", "آزمایشی", "טעסט"),
    *("परीक्षा", "பரிட்சை", "测试", "測試", "テスト", "테스트"),
)
RESERVED = {canonical_name(f"x.{suffix}").partition(".")[2] for suffix in SUFFIXES}
PHONE = re.compile(r"\+1\.555555\d{4}|\+99\.555555\d{4}")


def test_gives_the_same_registrar_for_the_same_seed():
    assert list(records(60, 3)) == list(records(60, 3))
    assert list(records(60, 3)) != list(records(60, 4))
    assert list(islice(people(3), 9)) == list(islice(people(3), 9))


def test_gives_each_domain_once_also_beyond_the_table_of_names():
    names = [record.name for record in records(500)]
    assert len(set(names)) == 500
    assert [canonical_name(name) for name in names] == names


def test_stays_within_names_numbers_and_addresses_that_nobody_owns():
    for record in records(200):
        assert record.name.rpartition(".")[2] in RESERVED
        for contact in record.contacts:
            assert all(PHONE.fullmatch(p) for p in contact.values.get("phone", ()))
            assert all(e.endswith(".example") for e in contact.values["email"])
        for host in record.nameservers:
            assert all(ip.startswith("192.0.2.") for ip in host.ipv4)
            assert all(ip.startswith("2001:db8:") for ip in host.ipv6)


def test_shows_every_kind_of_registrant_contact_and_fact_in_fifty_domains():
    fifty = list(records(50))
    facts = [record.facts for record in fifty]
    assert {f.registrant_kind for f in facts} == set(RegistrantKind)
    assert {f.publish_consent for f in facts} == {True, False, None}
    assert {f.organization_consent for f in facts} == {True, False, None}
    assert {f.privacy_service for f in facts} == {True, False}
    assert len({f.region for f in facts}) == 2
    assert any(f.disclose_allow for f in facts)
    assert any(f.disclose_deny for f in facts)
    assert {c.role for record in fifty for c in record.contacts} == set(ROLES)
    countries = {c.values["country"] for r in fifty for c in r.contacts if "country" in c.values}
    assert len(countries) > 20
    assert sum(record.name.startswith("xn--") for record in fifty) > 20


def test_fills_a_database_and_never_overwrites_one(tmp_path):
    file = tmp_path / "registrar.db"
    names = write_sqlite(file, 50)
    with closing(sqlite3.connect(file)) as connection:
        kept = connection.execute("SELECT ace_name FROM domains ORDER BY domain_no").fetchall()
    assert [name for (name,) in kept] == list(names)
    assert names[0] == "bicycle-repair.example"
    with pytest.raises(FolderExists):
        write_sqlite(file, 1)
