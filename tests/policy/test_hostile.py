"""Files that are no policy, or far too much of one: refused in bounded memory, nothing in force."""

import json
import random
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from tests.conftest import POLICY

import whoisgate as wg
from whoisgate.app import init
from whoisgate.elements import ELEMENTS
from whoisgate.errors import PolicyError
from whoisgate.policy import check_file, check_text
from whoisgate.policy.compiled import MAX_MOMENTS
from whoisgate.policy.compose import MAX_DOCUMENTS
from whoisgate.policy.findings import MAX_FINDINGS
from whoisgate.policy.model import ATTRIBUTES
from whoisgate.policy.text import MAX_BYTES, MAX_DEPTH, MAX_NODES
from whoisgate.sources.memory import MemorySource

HEAD = "whoisgate: 1\npolicy: large\nversion: '1'\nelements: 1\n"
LAW = "law: [{instrument: a, article: '1', status: in_force, source: b, checked: 2026-11-23}]"
GLOBS = [
    f"'{name[:i]}*{name[j:k]}*'"
    for name in ELEMENTS
    for i in range(0, len(name), 3)
    for j in range(i, len(name), 3)
    for k in range(j + 1, len(name), 2)
]
EVERYTHING = "'*.*'"
LAUGHS = "".join(
    f"{later}: &{later} [{', '.join([f'*{sooner}'] * 9)}]\n"
    for sooner, later in pairwise("abcdefghi")
)


def random_atoms(rng, most):
    chosen = rng.sample(sorted(ATTRIBUTES), rng.randint(1, most))
    words = {a: [*map(str, ATTRIBUTES[a])] for a in chosen}
    said = {a: ", ".join(rng.sample(w, rng.randint(1, len(w) - 1))) for a, w in words.items()}
    return ", ".join(f"{a}: [{w}]" for a, w in said.items())


def tangled(seed, count, most, elements, more=""):
    """A policy of random grants and caps: far more cases than are proved."""
    rng = random.Random(seed)
    lines = [
        f"  - {{id: R{i}, {rng.choice(['grant', 'cap'])}: release, elements: [{elements}], {LAW},\n"
        f"     when: {{{random_atoms(rng, most)}}}, unless: {{{random_atoms(rng, most)}}}{more}}}\n"
        for i in range(count)
    ]
    return f"{HEAD}rules:\n{''.join(lines)}"


def ruled(count, line):
    return f"{HEAD}rules:\n" + "".join(f"  - {{id: R{i}, {line(i)}}}\n" for i in range(count))


def second(i):
    return f"2026-01-01T{i // 3600:02}:{i // 60 % 60:02}:{i % 60:02}Z"


DATED = "elements: [domain.*], in_force: "
SHAPES = {
    "nested lists": ("rules: " + "[" * 400_000, "WG215"),
    "nested tables": ("{a: " * 200_000, "WG215"),
    "nested dashes": ("- " * 400_000, "WG215"),
    "nested blocks": ("\n".join(f"{' ' * i}a:" for i in range(1_200)), "WG215"),
    "nested keys": ("? " * 400_000, "WG215"),
    "billion laughs": (f"a: &a [x]\n{LAUGHS}", "WG205"),
    "billion aliases": ("a: &a b\nrules: [" + "*a, " * 240_000 + "]", "WG205"),
    "many words": ("rules: [" + "a," * 400_000 + "]", "WG215"),
    "many documents": ("---\na: 1\n" * 100_000, "WG215"),
    "many duplicates": ("a: 1\n" * 100_000, "WG204"),
    "many misspelt words": ("rules: [" + "{id: x, gramt: y}," * 5_000 + "]", "WG202"),
    "many unknown elements": (
        ruled(2_000, lambda i: f"grant: release, elements: [registrant_emial_{i}]"), "WG203",
    ),
    "many unknown globs": (
        f"{HEAD}rules: [{{id: A, grant: release, elements: ['x1*'{', x2*' * 20_000}]}}]", "WG203",
    ),
    "many globs": (f"{HEAD}rules: [{{id: A, cap: release, elements: [{', '.join(GLOBS)}]}}]", None),
    "one glob often": (
        f"{HEAD}rules: [{{id: A, grant: release, elements: [{', '.join([EVERYTHING] * 25_000)}]}}]",
        "WG208",
    ),
    "one id often": (
        ruled(0, str) + "  - {id: R, grant: release, elements: [domain.*]}\n" * 3_000, "WG204",
    ),
    "one long word": ("rules: " + "a" * 1_000_000, "WG201"),
    "one long key": ("a" * 1_000_000 + ": 1", "WG201"),
    "one long escape": ('rules: "' + r"\x41" * 200_000 + '"', "WG201"),
    "one long name": (
        ruled(1, lambda _: f"grant: release, elements: [{'registrant.' * 90_000}]"), "WG203",
    ),
    "one long text": (f"{HEAD}description: |\n" + " a\n" * 300_000, "WG201"),
    "nothing but quotes": ("'" * 1_000_000, "WG201"),
    "nothing but colons": (": " * 500_000, "WG201"),
    "many directives": ("%a b\n" * 200_000, "WG201"),
    "many switches": (
        ruled(2_000, lambda i: f"grant: release, {DATED}{{switch: s{i}}}"), "WG215",
    ),
    "many dates": (
        ruled(2_000, lambda i: f"grant: release, {DATED}{{from: {second(i)}}}"), "WG215",
    ),
    "many invariants": (
        f"{ruled(1, lambda _: 'grant: release, elements: [domain.*]')}invariants:\n"
        + "".join(f"  - {{id: I{i}, never: release, elements: [domain.*]}}\n" for i in range(2500)),
        "WG207",
    ),
    "tangled rules": (tangled(1, 100, 5, "'*.*'"), "WG215"),
    "more tangled rules": (tangled(2, 500, 3, "domain.handle"), "WG215"),
    "tangled switches": (tangled(3, 150, 3, "'domain.*'", ", in_force: {switch: s}"), "WG215"),
    "many parameters": (
        ruled(1_500, lambda i: f"grant: {{pseudonym: {'domain' if i % 2 else 'stable'}}}, "
              f"elements: [domain.handle], when: {{urgency: {['life', 'none'][i // 2 % 2]}}}"),
        "WG215",
    ),
}  # fmt: skip
"""Texts below the bound of size, and a number that must be among their findings."""

PROGRAM = """\
import json, resource, sys
from pathlib import Path
from whoisgate.policy import check_file
status = Path("/proc/self/status").read_text().split()
now = 1024 * int(status[status.index("VmSize:") + 1])
resource.setrlimit(resource.RLIMIT_AS, (now + (160 << 20),) * 2)
said = {}
for path in map(Path, sys.argv[1:]):
    resource.setrlimit(resource.RLIMIT_CPU, (int(sum(resource.getrusage(0)[:2])) + 15, -1))
    said[path.stem] = [(f.code, f.severity, len(str(f))) for f in check_file(path)]
print(json.dumps(said))
"""
"""Checks files with 160 MB more than it starts with, and 15 s of processor each at the most."""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """The findings of every file, from one process of little memory."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, (text, _) in SHAPES.items():
        assert len(text.encode()) <= MAX_BYTES, name
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    with (folder / "sparse.yaml").open("wb") as file:
        file.truncate(100 << 20)
    with (folder / "huge.yaml").open("wb") as file:
        for _ in range(100):
            file.write(b"# a\n" * (1 << 18))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *sorted(folder.glob("*.yaml"))],
        capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2_000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("name", "code"),
    [*((n, c) for n, (_, c) in SHAPES.items()), ("sparse", "WG215"), ("huge", "WG215")],
)
def test_refuses_in_bounded_memory(said, name, code):
    findings = said[name]
    assert (code is None) or (code in {c for c, _, _ in findings})
    assert ("error" in {severity for _, severity, _ in findings}) is (code is not None)
    assert len(findings) <= MAX_FINDINGS + 1
    assert all(length < 500 for _, _, length in findings)


def test_refuses_nesting_over_its_bound():
    deep = "a: " + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)
    assert [f.code for f in check_text(deep)] == ["WG215"]


def test_refuses_more_nodes_than_its_bound():
    assert [f.code for f in check_text("[" + "a," * (MAX_NODES + 1) + "]")] == ["WG215"]


def test_refuses_a_large_text_unread():
    assert [f.code for f in check_text("a" * (MAX_BYTES + 1))] == ["WG215"]


def test_takes_as_many_dates_as_it_says():
    for count in (MAX_MOMENTS, MAX_MOMENTS + 1):
        text = ruled(count, lambda i: f"grant: release, {DATED}{{from: {second(i)}}}")
        errors = [f.code for f in check_text(text) if f.severity == "error"]
        assert errors == ([] if count == MAX_MOMENTS else ["WG215"])


def including(folder: Path, count: int, size: int = 0) -> Path:
    """A chain of policies, each including the next, each padded to ``size`` bytes."""
    for n in range(count):
        more = f"includes: [{{policy: p{n + 1}}}]\n" if n + 1 < count else ""
        text = f"{HEAD.replace('large', f'p{n}')}{more}rules: []\n"
        (folder / f"p{n}.yaml").write_text(text + "#" * (size - len(text)), encoding="utf-8")
    return folder / "p0.yaml"


def test_takes_as_many_included_policies_as_it_says(tmp_path):
    assert check_file(including(tmp_path, MAX_DOCUMENTS)) == []
    assert {f.code for f in check_file(including(tmp_path, MAX_DOCUMENTS + 1))} == {"WG215"}


def test_opens_no_more_files_than_it_reads(tmp_path):
    main = including(tmp_path, 40, size=MAX_BYTES // 4)
    for later in range(6, 40):
        (tmp_path / f"p{later}.yaml").write_bytes(b"\xff")  # would be a finding if it were read
    assert {f.code for f in check_file(main)} == {"WG215"}


# What is in force stays

RUINS = {
    "nothing": "",
    "binary": "\x00\x01",
    "half a policy": POLICY[: len(POLICY) // 2],
    "a misspelt word": POLICY.replace("law_enforcement", "law_enforcment"),
    "a broken promise": POLICY.replace("elements: [registrant.country, registrant.state]",
                                       "elements: [registrant.country, registrant.email]"),
    "a wider view": POLICY.replace("when: {organization_consent: true}", "when: {region: eea}"),
    "a bomb": SHAPES["nested lists"][0],
    "a tangle": SHAPES["tangled rules"][0],
}  # fmt: skip


def test_leaves_the_policy_in_force_as_it_is(tmp_path, record):
    folder = init(tmp_path / "gate", web_form="https://registrar.example/contact?domain={domain}")
    config = folder.path / "whoisgate.toml"
    config.write_text(config.read_text().replace('policy = "icann-gtld"', 'policy = "mine.yaml"'))
    mine = folder.path / "mine.yaml"
    mine.write_text(POLICY, encoding="utf-8")
    source = MemorySource([record])
    gate = wg.open(folder.path, source=source)
    before = gate.ask("example.com").body
    with folder.opened() as log:
        entries = log.size()
    for name, text in RUINS.items():
        assert text != POLICY, name
        mine.write_text(text, encoding="utf-8")
        with pytest.raises(PolicyError):
            wg.open(folder.path, source=source)
        gate.invalidate("example.com")
        assert gate.ask("example.com").body == before
    with folder.opened() as log:
        assert log.size() == entries
    gate.close()
    mine.write_text(POLICY, encoding="utf-8")
    again = wg.open(folder.path, source=source)
    assert again.ask("example.com").body == before
    again.close()
