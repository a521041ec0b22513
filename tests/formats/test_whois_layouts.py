"""Made-up WHOIS answers: what is public is found, and no canary comes out of any place.

A canary stands in turn in place of each personal value, at the end of each line, in a line of its
own between any two, and under labels and headers that nobody knows. Where that breaks a block
apart the public data may shrink; a canary never comes out.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.conftest import SOAK
from tests.formats.canaries import found
from tests.formats.conftest import SETTINGS, WEB_FORM

from whois_cases import CASES, Case
from whoisgate.elements import ELEMENTS, ROLES
from whoisgate.errors import WhoisgateError
from whoisgate.formats import whois
from whoisgate.formats.offline import redact_answer
from whoisgate.policy.decide import edition
from whoisgate.policy.load import load_named
from whoisgate.records import Record

RULES = edition(load_named("icann-gtld"), datetime(2026, 11, 24, tzinfo=UTC))
REGISTERED = [case for case in CASES if case.state == "registered"]
WORD = "Kanarië{0:04d}Vogel"
PLANTED = (WORD, "kanarie{0:04d}@vogel.example", "+99.77{0:04d}31", "kanarie{0:04d}.vogel.example")
"""What a personal value is replaced by: a word, an e-mail address, a number, a host name."""

BARE = ("{word}", "{indent}{word}", "{indent}{word}, {word}")
LABELLED = (
    "% {word}",
    "remarks: {word}",
    "{indent}X-Vogel: {word}",
    "changed: kanarie@{host} 20010101",
    "[Vogel]  {word}",
    "Vogel.........: {word}",
    "{indent}Vogel→{word}",
    "vogel: [{word}]",
    "person: {word}",
    "e-mail: kanarie@{host}",
    "Vogel:\n    {word}",
    "\nVogel\n{word}\n",
    ">>> {word} <<<",
)
"""Lines that belong to no element, whatever stands around them."""


def by_title(cases):
    return pytest.mark.parametrize("case", cases, ids=[case.title for case in cases])


def public(case: Case) -> bytes:
    """What the public sees of a case, as RDAP and as text; or an error."""
    try:
        answer = redact_answer(
            case.raw,
            form="whois",
            name=case.name,
            edition=RULES,
            substitutes=WEB_FORM,
            settings=SETTINGS,
        )
    except WhoisgateError as error:
        return str(error).encode()
    return answer.rdap + b"\n" + answer.whois


def shows(canary: str, body: bytes) -> bool:
    """Whether a body has a trace of a canary, a telephone number by its digits too."""
    if found({canary}, body):
        return True
    digits = re.sub(r"\D", "", canary)
    return canary.startswith("+") and digits in re.sub(r"[ ().\-/]", "", body.decode())


def leaks(planted: Iterator[tuple[str, str, Case]]) -> list[str]:
    """Where the canaries stood that came out."""
    return [place for place, canary, case in planted if shows(canary, public(case))]


# --- what is read


def values(record: Record, name: str) -> list[str]:
    """What a record holds of an element, from all contacts or name servers."""
    group, _, field = name.partition(".")
    if group in ROLES:
        held = [c.values[field] for c in record.contacts if c.role == group and field in c.values]
    elif group == "nameserver":
        held = [getattr(server, field) for server in record.nameservers]
    else:
        held = [record.values.get(ELEMENTS[name], ())]
    return [text for value in held for text in ((value,) if isinstance(value, str) else value)]


def matches(name: str, expected: str | list[str], got: list[str]) -> bool:
    if ELEMENTS[name].label.endswith("Date") or name == "domain.transferred":
        return len(got) == 1 and got[0].startswith(str(expected))
    if name == "registrar.name":
        return len(got) == 1 and got[0] in ([expected] if isinstance(expected, str) else expected)
    if ELEMENTS[name].role and isinstance(expected, str):
        return expected in got
    if ELEMENTS[name].role:
        return set(expected) <= set(got)
    return sorted(got) == sorted([expected] if isinstance(expected, str) else expected)


@by_title(REGISTERED)
def test_finds_what_a_layout_says(case):
    reading = whois.read(case.raw, case.name, complete=case.complete)
    assert reading.state == "registered"
    assert reading.record is not None
    assert reading.record.name == case.name
    assert reading.record.partial is not case.complete
    missing = {
        name: (expected, got)
        for name, expected in case.expected.items()
        if not matches(name, expected, got := values(reading.record, name))
    }
    assert missing == {}
    assert {ELEMENTS[name] for name in case.withheld} <= reading.record.withheld
    if case.referral:
        assert reading.referral == case.referral


SPELLINGS = {
    "CRLF": lambda case: replace(case, newline="crlf"),
    "CR": lambda case: replace(case, newline="cr"),
    "mixed line ends": lambda case: replace(case, newline="mixed"),
    "byte order mark": lambda case: replace(case, bom=True, encoding="utf-8"),
    "spaces at line ends": lambda case: case.with_lines([f"{line}  " for line in case.lines]),
    "indented": lambda case: case.with_lines([line and f"  {line}" for line in case.lines]),
    "far apart": lambda case: case.with_lines(re.sub(r"\n\n", "\n\n\n", case.text).split("\n")),
    "preceded": lambda case: case.with_lines(["", "% Made up. Limits apply.", "", *case.lines]),
    "followed": lambda case: case.with_lines([*case.lines, "", "-- ", "No name is free here."]),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_reads_a_text_alike_however_it_is_spelt(spelling):
    for case in CASES:
        if case.complete:
            one, other = (
                whois.read(raw, case.name) for raw in (case.raw, SPELLINGS[spelling](case).raw)
            )
            assert one == other, case.title


@by_title([case for case in CASES if case.state != "registered"])
def test_tells_other_answers_apart(case):
    reading = whois.read(case.raw, case.name, complete=case.complete)
    assert reading.state == case.state
    if case.state == "reserved":
        assert reading.record.values == {ELEMENTS["domain.status"]: ("reserved",)}
        assert reading.record.contacts == ()
    else:
        assert reading.record is None


# --- what never comes out


@by_title(REGISTERED)
def test_shows_nothing_that_is_marked_personal(case):
    body = public(case)
    told_apart = {p for p in case.personal if len(p) > 4 and p not in case.text_outside_marks}
    assert found(told_apart, body) == set()


def replaced(case: Case) -> Iterator[tuple[str, str, Case]]:
    for number, value in enumerate(case.personal):
        for shape in PLANTED:
            canary = shape.format(number)
            yield f"{value} as {canary}", canary, case.planted(number, canary)


@by_title(REGISTERED)
def test_withholds_a_canary_in_place_of_any_personal_value(case):
    assert leaks(replaced(case)) == []


def opened(lines: list[str], number: int) -> bool:
    """Whether what stands at the end of this line may be meant for all to see.

    So it is where the line itself is marked, and where the marked value of the label stands below.
    """
    line = lines[number].strip()
    near = any("{+" in other for other in lines[max(0, number - 2) : number + 4])
    return "{+" in line or (near and (not line or line.endswith(":")))


def appended(case: Case) -> Iterator[tuple[str, str, Case]]:
    for number, line in enumerate(case.lines):
        canary = WORD.format(number)
        if not opened(case.lines, number):
            lines = [*case.lines]
            lines[number] = f"{line} {canary}"
            yield line, canary, case.with_lines(lines)


@by_title(REGISTERED)
def test_withholds_a_canary_at_the_end_of_any_line(case):
    assert leaks(appended(case)) == []


def inserted(case: Case) -> Iterator[tuple[str, str, Case]]:
    for gap in range(len(case.lines) + 1):
        before, after = case.lines[:gap], case.lines[gap:]
        indent = re.match(r"\s*", (after or before)[0])[0]
        public_near = any("{+" in line for line in (*before[-2:], *after[:3]))
        shapes = LABELLED if public_near else (*LABELLED, *BARE)
        # Outside of a soak, each gap gets some of the shapes, and all gaps together get all.
        for shape in shapes if SOAK else shapes[gap % 3 :: 3]:
            word = WORD.format(gap)
            line = shape.format(indent=indent, word=word, host=f"{word}.example")
            lines = [*before, *line.replace("→", "\t").split("\n"), *after]
            yield f"{shape} at {gap}", word, case.with_lines(lines)


@by_title(REGISTERED)
def test_withholds_a_canary_in_a_line_between_any_two(case):
    assert leaks(inserted(case)) == []


def unknown_words(case: Case) -> Iterator[tuple[str, Case]]:
    """The case with all personal values as canaries, and one line in words that nobody knows."""
    for number in reversed(range(len(case.personal))):
        case = case.planted(number, f"{{{{{WORD.format(number)}}}}}")
    for number, line in enumerate(case.lines):
        parts = re.split(r"(\{\{.*?\}\}|\{\+.*?\+\})", line)
        parts[::2] = [re.sub(r"[^\W\d_]+", "Vogel", part) for part in parts[::2]]
        lines = [*case.lines]
        lines[number] = "".join(parts)
        yield line, case.with_lines(lines)


@by_title(REGISTERED)
def test_withholds_what_stands_under_a_label_or_header_that_nobody_knows(case):
    came_out = [
        (line, canaries)
        for line, changed in unknown_words(case)
        if (canaries := found(changed.personal, public(changed)))
    ]
    assert came_out == []


# --- the test itself


def test_would_see_a_canary_that_a_reader_lets_out():
    case = next(case for case in CASES if case.title == "icann-thick")
    marked = case.with_lines(
        [line.replace("Example Registrar", "Kanarië 1") for line in case.lines]
    )
    assert shows("Kanarië 1", public(marked))


@pytest.mark.parametrize(
    "shape",
    [r"\{\+", r"\{\{.*@", r"(?m)^\t", r"(?m)^ +\{\{", r"[^\x00-\u024f]", r"\.\.\.", r"(?m)^\["],
)
def test_has_two_cases_of_every_shape(shape):
    assert sum(bool(re.search(shape, case.text)) for case in CASES) >= 2
