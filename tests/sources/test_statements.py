import pytest
from hypothesis import given
from hypothesis import strategies as st

from whoisgate.errors import MalformedConfig
from whoisgate.sources.statements import Statements, pyformat


@pytest.mark.parametrize(
    ("sql", "translated"),
    [
        ("SELECT 1 WHERE n = :name", "SELECT 1 WHERE n = %(name)s"),
        ("n = :name::text OR m=:name;", "n = %(name)s::text OR m=%(name)s;"),
        ("n LIKE '%:name%' AND n = :name", "n LIKE '%%:name%%' AND n = %(name)s"),
        ("'it''s :name' || :name", "'it''s :name' || %(name)s"),
        (r"E'\':name' || :name", r"E'\':name' || %(name)s"),
        (r"'\' || :name", r"'\' || %(name)s"),
        ('":name" = :name', '":name" = %(name)s'),
        ('"a"":name" = :name', '"a"":name" = %(name)s'),
        ("$$ :name $$ || :name", "$$ :name $$ || %(name)s"),
        ("$q$ :name $$ :name $q$ || :name", "$q$ :name $$ :name $q$ || %(name)s"),
        ("a$b || :name || c$b", "a$b || %(name)s || c$b"),
        ("1 -- 100 % :name\n, :name", "1 -- 100 %% :name\n, %(name)s"),
        ("/* :name /* % */ :name */ :name", "/* :name /* %% */ :name */ %(name)s"),
        (":names :nam :name_ :name", ":names :nam :name_ %(name)s"),
        ("x[1:2] % :name", "x[1:2] %% %(name)s"),
        (":name /* :name", "%(name)s /* :name"),
    ],
)
def test_translates_the_placeholder_and_nothing_else(sql, translated):
    assert pyformat(sql) == translated


@given(st.text(" %:name'\"$q-/*\nE\\", max_size=60))
def test_keeps_every_other_character_of_any_text(text):
    translated = pyformat(text)
    assert translated.replace("%(name)s", ":name").replace("%%", "%") == text


@pytest.mark.parametrize(
    "sql",
    ["", "SELECT 1", "SELECT ':name'", "SELECT :names", "SELECT 1 -- :name", "SELECT a::name"],
)
def test_refuses_a_statement_without_the_placeholder(sql):
    with pytest.raises(MalformedConfig, match="contacts: expected the placeholder `:name`"):
        Statements("SELECT :name", contacts=sql)
