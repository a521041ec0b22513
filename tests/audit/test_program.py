"""``verify.py`` as a program: one file, copied elsewhere, without the package."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from whoisgate.audit import verify
from whoisgate.audit.evidence import evidence_zip
from whoisgate.audit.verify import FAILURES, main
from whoisgate.stores import inspection

SOURCE = Path(verify.__file__)
ALONE = """
import runpy, sys
sys.path.append(sys.argv.pop(1))

class Block:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names | {"cryptography", "_cffi_backend", "_rust"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Block())
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture
def place(make, signer, tmp_path) -> Path:
    """A folder with the file, a key, a log, a receipt and evidence."""
    shutil.copy(SOURCE, tmp_path / "verify.py")
    entries = [make.entry(i).entry for i in range(20)]
    for path, data in make.log(entries, signer).items():
        (tmp_path / "gate" / "log" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "gate" / "log" / path).write_bytes(data)
    receipt = make.receipt(make.entry(1), signer)
    (tmp_path / "log.vkey").write_text(f"{signer.vkey}\n")
    (tmp_path / "one.tlog-proof").write_text(receipt)
    packed = evidence_zip(make.body, receipt, make.policy, signer.vkey)
    (tmp_path / "evidence.zip").write_bytes(packed)
    (tmp_path / "other.txt").write_text("other\n")
    return tmp_path


def alone(place: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Runs the copy with nothing importable but the standard library and cryptography."""
    packages = sysconfig.get_path("platlib")
    command = [sys.executable, "-I", "-S", "-c", ALONE, packages, "verify.py", *args]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)


def flip(file: Path, at: int) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


def test_runs_alone_and_verifies(place, signer):
    for target, says in (
        ("evidence.zip", "byte for byte"),
        ("one.tlog-proof", "Entry 4"),
        ("gate", "of 20 entries"),
        ("gate/log", "of 20 entries"),
        ((place / "gate" / "log").as_uri(), "of 20 entries"),
    ):
        done = alone(place, target, "--key", signer.vkey)
        assert (done.returncode, done.stderr) == (0, "")
        assert says in done.stdout
        assert done.stdout.endswith("\nVerified.\n")


def test_runs_alone_and_names_the_first_bad_entry(place, make):
    flip(
        place / "gate/log/tile/entries/000.p/20",
        sum(2 + len(make.entry(i).entry) for i in range(7)) + 99,
    )
    done = alone(place, "gate", "--key", "log.vkey")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == "Not verified: entry 7: the entry is not what the tree holds (WG418).\n"
    done = alone(place, "gate", "--key", "log.vkey", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {
        "verified": False,
        "code": "WG418",
        "index": 7,
        "message": "the entry is not what the tree holds",
    }


def test_runs_alone_and_refuses_wrong_usage(place, signer):
    for args in (
        (),
        ("gate",),
        ("nowhere", "--key", signer.vkey),
        ("gate", "--key", "no+such+key"),
    ):
        done = alone(place, *args)
        assert (done.returncode, done.stdout) == (2, "")
        assert "usage" in done.stderr
        assert "Traceback" not in done.stderr


def test_imports_nothing_but_the_standard_library_and_cryptography():
    imports = re.findall(r"^\s*(?:from|import) (\w+)", SOURCE.read_text(), re.MULTILINE)
    assert set(imports) - sys.stdlib_module_names == {"cryptography"}


@pytest.mark.parametrize("target", ["evidence.zip", "one.tlog-proof", "gate"])
def test_prints_json_for_programs(place, signer, capsys, target):
    assert main([str(place / target), "--key", str(place / "log.vkey"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    kinds = {"evidence.zip": "evidence", "one.tlog-proof": "receipt", "gate": "log"}
    assert said["verified"] == kinds[target]
    assert said["origin"] == signer.name
    assert said["size"] == (20 if target == "gate" else 7)


@pytest.mark.parametrize("target", ["evidence.zip", "one.tlog-proof", "gate/log/checkpoint"])
def test_ends_with_one_when_a_byte_changed(place, signer, capsys, target):
    flip(place / target, -5)
    folder = target.partition("/")[0]
    assert main([str(place / folder), "--key", signer.vkey]) == 1
    said = capsys.readouterr().out
    assert said.startswith("Not verified: ")
    assert re.search(r"\((WG4\d\d)\)\.\n$", said)[1] in FAILURES


@pytest.mark.parametrize("content", [b"", b"other\n", b"\xff\xfe", b"PK\x05\x06" + bytes(18)])
def test_ends_with_one_for_what_it_does_not_recognise(place, signer, capsys, content):
    (place / "other.txt").write_bytes(content)
    assert main([str(place / "other.txt"), "--key", signer.vkey]) == 1
    assert "(WG421)" in capsys.readouterr().out


def test_ends_with_one_for_a_folder_without_a_log(place, signer, capsys):
    (place / "empty").mkdir()
    assert main([str(place / "empty"), "--key", signer.vkey]) == 1
    assert "(WG417)" in capsys.readouterr().out


def test_tells_a_program_in_json_what_it_cannot_read(place, signer):
    for code, said, *args in (
        ("WG417", "cannot read `nowhere`", "nowhere", "--key", signer.vkey),
        ("WG417", "cannot read `no.note`", "gate", "--key", signer.vkey, "--head", "no.note"),
        ("WG417", "--key: ", "gate", "--key", "nowhere.vkey"),
        ("WG401", "--key: ", "gate", "--key", "no+such+key"),
    ):
        done = alone(place, *args, "--json")
        assert (done.returncode, done.stderr) == (2, "")
        told = json.loads(done.stdout)
        assert (told["verified"], told["code"], told["index"]) == (False, code, None)
        assert said in told["message"]
        assert f"({code})" in alone(place, *args).stderr


@pytest.mark.parametrize("key", ["nowhere.vkey", "other.txt", "", "a+b+c", "gate"])
def test_ends_with_two_for_a_key_that_is_none(place, monkeypatch, capsys, key):
    monkeypatch.chdir(place)
    with pytest.raises(SystemExit) as caught:
        main(["evidence.zip", "--key", key])
    assert caught.value.code == 2
    assert "--key" in capsys.readouterr().err


def test_prints_values_without_control_characters(make, signer, tmp_path, capsys):
    made = make.entry(1, fields={"case": "\x1b[31m\u202e\n"})
    (tmp_path / "p").write_text(make.receipt(made, signer))
    assert main([str(tmp_path / "p"), "--key", signer.vkey]) == 0
    said = capsys.readouterr().out
    assert said.isascii()
    assert "\x1b" not in said


def test_raises_no_number_that_is_not_in_the_table():
    sources = SOURCE.read_text(), Path(inspection.__file__).read_text()
    raised = set(re.findall(r'"(WG\d+)"[,)]', "".join(sources)))
    assert raised == set(FAILURES)
