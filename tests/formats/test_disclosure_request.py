"""The `Disclosure-Request` field: exactly one shape, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.formats.conftest import complaint

from whoisgate.errors import MalformedQuestion
from whoisgate.formats.disclosure_request import MAX_BYTES, DisclosureRequest, parse, serialise

WHOLE = (
    'purpose="legalActions", basis="court_order", case="2026-114", urgency="life", '
    'elements=("registrant.name" "registrant.email")'
)
REQUEST = DisclosureRequest(
    "legalActions", "court_order", "2026-114", ("registrant.name", "registrant.email"), "life"
)


def test_writes_and_reads_the_whole_field():
    assert serialise(REQUEST) == WHOLE
    assert parse(WHOLE) == REQUEST


@pytest.mark.parametrize(
    ("header", "request_"),
    [
        ('case="1"', DisclosureRequest(case="1")),
        (' case="1" ', DisclosureRequest(case="1")),
        ('case="1",\tbasis="x"', DisclosureRequest(case="1", basis="x")),
        ('basis="x",case="1"', DisclosureRequest(case="1", basis="x")),
        ('case="a \\"b\\" \\\\c"', DisclosureRequest(case='a "b" \\c')),
        ('case="purpose=1, case=2"', DisclosureRequest(case="purpose=1, case=2")),
        ("elements=()", DisclosureRequest(elements=())),
        ('elements=( "a"  "b" )', DisclosureRequest(elements=("a", "b"))),
        ('case=""', DisclosureRequest(case="")),
    ],
)
def test_reads_what_rfc_9651_allows(header, request_):
    assert parse(header) == request_


sayable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40)
said = st.none() | sayable


@given(
    st.builds(DisclosureRequest, said, said, said, st.none() | st.lists(sayable).map(tuple), said)
)
def test_reads_back_what_it_wrote(request_):
    if request_ == DisclosureRequest():
        with pytest.raises(MalformedQuestion):
            serialise(request_)
    else:
        assert parse(serialise(request_)) == request_


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("case=1", "case"),
        ("case=1.5", "case"),
        ("case", "case"),
        ("case=?1", "case"),
        ("case=token", "case"),
        ("case=:YWRh:", "case"),
        ("case=@1659578233", "case"),
        ('case=%"ada"', "case"),
        ('case=("ada")', "case"),
        ('purpose="ada";q=1', "purpose"),
        ('urgency="ada";ada', "urgency"),
        ('elements="ada"', "elements"),
        ("elements=(ada)", "elements"),
        ('elements=("ada" 1)', "elements"),
        ('elements=("ada";q=1)', "elements"),
        ('elements=("ada");q=1', "elements"),
        ('case="ada", case="ada"', "case"),
        ('case="1", basis="x", case="2"', "case"),
        ('elements=("ada"), elements=()', "elements"),
        ('ada="x", ada="x"', "a member"),
        ('ada="x"', "only the members"),
        ('case="1", ada', "only the members"),
        ('Case="1"', "dictionary"),
        ('case="ada', "dictionary"),
        ('case="1",', "dictionary"),
        ('case="1" basis="2"', "dictionary"),
        ("", "dictionary"),
        (",", "dictionary"),
        ("ada", "only the members"),
        ('case="é"', "dictionary"),
        ('case="\x00"', "dictionary"),
        ('case="a\r\nada: 1"', "dictionary"),
        ('elements=("a""b")', "dictionary"),
        ('case="' + "a" * MAX_BYTES + '"', "bytes"),
    ],
)
def test_refuses_anything_else_by_the_members_name(header, named):
    with pytest.raises(MalformedQuestion, match=named) as caught:
        parse(header)
    assert "ada" not in str(caught.value)


@given(
    st.text(max_size=60)
    | st.from_regex(r'(case|elements)=("a"|\(("a" ?)*\));?,? ?', fullmatch=True)
)
def test_reads_any_text_or_refuses_it(header):
    if not complaint(parse, header):
        assert parse(serialise(parse(header))) == parse(header)


def test_refuses_every_truncation_that_is_no_request():
    for end in range(len(WHOLE)):
        assert "2026" not in complaint(parse, WHOLE[:end])


@pytest.mark.parametrize(
    "request_",
    [
        DisclosureRequest(case="é"),
        DisclosureRequest(case="a\nb"),
        DisclosureRequest(elements=("a\x7f",)),
        DisclosureRequest(case="a" * MAX_BYTES),
        DisclosureRequest(),
    ],
)
def test_writes_nothing_that_no_header_can_hold(request_):
    with pytest.raises(MalformedQuestion):
        serialise(request_)
