"""What holds the house up: layers, the one door, no clock and no randomness outside `app`."""

import ast
import doctest
import importlib
import importlib.util
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
import typing
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import whoisgate as wg
from whoisgate import errors, formats
from whoisgate.audit.verify import FAILURES
from whoisgate.policy.findings import CODES
from whoisgate.records import Contact, Nameserver, Record

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "src" / "whoisgate"
MODULES = tuple(sorted(p.relative_to(SOURCES).as_posix() for p in SOURCES.rglob("*.py")))
BELOW_GATE = tuple(
    m
    for m in MODULES
    if re.match(r"(errors|elements|queries|records|redact)\.py|(policy|audit|formats)/", m)
    and m != "audit/verify.py"
)


@cache
def tree(module: str) -> ast.Module:
    return ast.parse((SOURCES / module).read_text(encoding="utf-8"))


def imported(module: str) -> set[str]:
    """Every module and every ``module.name`` that ``module`` imports, at any depth of the code."""
    found = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            found |= {str(node.module)} | {f"{node.module}.{a.name}" for a in node.names}
    return found


def called(module: str) -> set[str]:
    """Last names of all that ``module`` calls, an ``import … as`` undone."""
    real = {
        alias.asname: alias.name
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    names = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call):
            names |= _last_name(node.func, real)
    return names


def _last_name(node: ast.expr, real: dict[str, str]) -> set[str]:
    if isinstance(node, ast.Attribute):
        return {node.attr}
    return {real.get(node.id, node.id)} if isinstance(node, ast.Name) else set()


def named(module: str) -> set[str]:
    """Every name and attribute that ``module`` mentions."""
    return {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Attribute | ast.Name)
    }


def who_calls(name: str) -> set[str]:
    return {module for module in MODULES if name in called(module)}


def all_modules(package: ModuleType) -> list[ModuleType]:
    return [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]


def test_keeps_the_layers():
    # A process of its own: import-linter's logging set-up would silence every logger of ours.
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode()


def test_exports_exactly_its_public_names():
    public = {
        name
        for name, value in vars(wg).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert set(wg.__all__) == public


def test_sorts_its_exports():
    assert list(wg.__all__) == sorted(
        wg.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name)
    )


def test_makes_views_in_redact_alone():
    views = {"View", "PublicView", "GatedView"}
    assert {m for m in MODULES if views & called(m)} <= {"redact.py"}
    assert {m for m in MODULES if "_DOOR" in named(m) | imported(m)} == {"redact.py"}
    assert {m for m in MODULES if "whoisgate.redact._DOOR" in imported(m)} == set()


def test_subclasses_views_in_redact_alone():
    heirs = {
        module
        for module in MODULES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ClassDef)
        for base in node.bases
        if _last_name(base, {}) & {"View", "PublicView", "GatedView", "Sealed", "Answer"}
    }
    assert heirs == {"redact.py"}


def test_makes_answers_in_the_gate_alone():
    assert who_calls("Answer") == {"gate.py"}


def test_makes_receipts_in_logs_alone():
    assert who_calls("Receipt") == {"audit/proof.py"}
    makers = {m for m in MODULES if "whoisgate.audit.proof" in imported(m)}
    assert makers
    assert {m for m in makers if not m.startswith("stores/")} <= {"testing.py"}


def test_finishes_bodies_in_formats_alone():
    public = who_calls("PublicBytes")
    assert public
    assert {m for m in public if not m.startswith("formats/")} == set()
    sealed = who_calls("Sealed")
    assert sealed
    assert {m for m in sealed if not m.startswith("formats/")} <= {"middle.py"}


def test_opens_sealed_bytes_in_redact_alone():
    openers = {
        module
        for module in MODULES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Attribute) and node.attr == "_body"
        and not (isinstance(node.value, ast.Name) and node.value.id == "self")
    }  # fmt: skip
    assert openers == set()


CLOCKS = {"random", "secrets", "time", "whoisgate.app.utc_now"}
READINGS = {
    "now", "utcnow", "today", "urandom", "getrandom", "generate", "generate_key", "getnode",
    "uuid1", "uuid4", "uuid6", "uuid7", "uuid8",
}  # fmt: skip
ALLOWED: dict[str, dict[str, str]] = {
    "app.py": dict.fromkeys(CLOCKS | READINGS, "the one place"),
    "cli/demo_folder.py": {"generate_key": "the made-up issuer's key; the library's own entropy"},
    "stores/sequencer.py": {"time": "sleeps between two looks, and reads no clock"},
    "testing.py": {"generate": "`Signer.generate` is handed its entropy"},
}
"""What a module may read of clock or randomness, each with its reason."""


@pytest.mark.parametrize("module", MODULES)
def test_reads_no_clock_and_draws_no_randomness(module):
    read = (imported(module) & CLOCKS) | (called(module) & READINGS)
    assert read - ALLOWED.get(module, {}).keys() == set()


def test_allows_only_what_is_used():
    unused = {
        (module, name)
        for module, names in ALLOWED.items()
        for name in names
        if module != "app.py" and name not in imported(module) | called(module)
    }
    assert unused == set()


OUTSIDE = {
    "asyncio", "concurrent", "ctypes", "flask", "ftplib", "http", "httpx", "httpx2",
    "multiprocessing", "psycopg", "requests", "select", "selectors", "smtplib", "socket",
    "socketserver", "sqlite3", "ssl", "starlette", "subprocess", "telnetlib", "urllib.request",
    "uvicorn", "uvloop",
}  # fmt: skip


@pytest.mark.parametrize("module", BELOW_GATE)
def test_touches_no_network_and_no_database_below_the_gate(module):
    used = imported(module)
    assert {name for name in used if name.partition(".")[0] in OUTSIDE or name in OUTSIDE} == set()


def test_verifies_with_nothing_but_the_standard_library_and_cryptography():
    roots = {name.partition(".")[0] for name in imported("audit/verify.py")}
    assert roots - sys.stdlib_module_names == {"cryptography"}


def types_in(hint: object) -> set[object]:
    inner = typing.get_args(hint)
    return {hint}.union(*(types_in(part) for part in inner)) if inner else {hint}


ENCODERS = [
    pytest.param(thing, id=f"{module.__name__}.{name}")
    for module in all_modules(formats)
    for name, thing in vars(module).items()
    if name.startswith("encode") and inspect.isfunction(thing)
]


def test_finds_encoders_of_both_formats():
    homes = {p.values[0].__module__.removeprefix("whoisgate.formats.") for p in ENCODERS}
    assert {home.partition(".")[0] for home in homes} >= {"rdap", "whois"}


@pytest.mark.parametrize("encoder", ENCODERS)
def test_encodes_no_record(encoder):
    hints = typing.get_type_hints(encoder)
    assert hints.keys() >= set(inspect.signature(encoder).parameters)
    taken = set().union(*(types_in(hint) for name, hint in hints.items() if name != "return"))
    assert not taken & {Record, Contact, Nameserver, typing.Any}
    assert object not in hints.values()


RANGES = {
    errors.RequesterError: "WG1",
    errors.PolicyError: "WG2",
    errors.SourceError: "WG3",
    errors.EvidenceError: "WG4",
    errors.OperatorError: "WG5",
}
ERRORS = [
    thing
    for thing in vars(errors).values()
    if inspect.isclass(thing) and issubclass(thing, errors.WhoisgateError)
]


def test_numbers_every_error_once():
    assert all("code" in vars(error) for error in ERRORS)
    codes = [error.code for error in ERRORS]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("error", ERRORS)
def test_numbers_an_error_by_whose_fault_it_is(error):
    if error is errors.WhoisgateError:
        assert error.code == "WG000"
        return
    (family,) = [family for family in RANGES if issubclass(error, family)]
    assert re.fullmatch(RANGES[family] + r"\d\d", error.code)


def test_numbers_what_is_only_listed_by_whose_fault_it_is():
    assert {code for code in FAILURES if not re.fullmatch(r"WG4\d\d", code)} == set()
    assert {code for code in CODES if not re.fullmatch(r"WG2\d\d", code)} == set()
    assert {error.code for error in ERRORS} & set(CODES) == set()


def test_numbers_no_error_anew_outside_the_tables():
    elsewhere = {
        (error.__name__, error.code)
        for module in all_modules(wg)
        for error in vars(module).values()
        if inspect.isclass(error) and issubclass(error, errors.WhoisgateError)
        if error.__module__ != errors.__name__ and "code" in vars(error)
    }
    listed = {*CODES, *FAILURES}
    assert {(name, code) for name, code in elsewhere if code not in listed} == set()


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("name", "page"), generator().PAGES.items())
def test_documents_what_the_code_says(name, page):
    written = (ROOT / name).read_text(encoding="utf-8")
    assert written == page(), "run `make docs`"


@pytest.mark.parametrize("code", sorted({e.code for e in ERRORS} - {"WG000"} | {*CODES, *FAILURES}))
def test_documents_every_error_number(code):
    page = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    assert f"| {code} |" in page


def test_names_tests_that_exist():
    text = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 30
    missing = [
        (path, test)
        for path, test in named
        if f"def {test}" not in (ROOT / path).read_text(encoding="utf-8")
    ]
    assert missing == []


def test_shows_the_library_in_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    examples = [example.source for example in doctest.DocTestParser().get_examples(readme)]
    assert any("gate.ask(" in source for source in examples)


LOCK_LINE = re.compile(
    r"[a-z0-9-]+==[0-9A-Za-z.+-]+ \\"  # one exact version
    r"|    --hash=sha256:[0-9a-f]{64}( \\)?"
    r"| *#( *[\w.-]+| *\(pyproject\.toml[\w.:-]*\)| *-[cr] (requirements/[a-z]+\.txt|-)|:)*"
)
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_locks_by_hash_and_names_no_host(lock):
    lines = [line for line in lock.read_text(encoding="ascii").splitlines() if line]
    assert lines
    assert [line for line in lines if not LOCK_LINE.fullmatch(line)] == []


def test_locks_every_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"].values()
    groups = project["dependency-groups"].values()
    wanted = {
        re.split(r"[\[<>=~!; ]", requirement)[0].lower()
        for part in (project["project"]["dependencies"], *extras, *groups)
        for requirement in part
    }
    locked = {
        line.partition("==")[0]
        for lock in LOCKS
        for line in lock.read_text(encoding="ascii").splitlines()
        if "==" in line
    }
    assert wanted - locked == set()
