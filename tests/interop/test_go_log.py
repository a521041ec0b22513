"""Our log before programs in Go that nobody here wrote: Tessera's fsck, and the libraries of Go's
checksum database and of torchwood, in a small program of ours (``go/judge``)."""

import os
import re
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from tests.audit.conftest import entry
from tests.audit.conftest import log as log_of
from tests.e2e.conftest import Gateway, make_folder, serving
from tests.e2e.proxies import WHY
from tests.servers.conftest import until

from whoisgate import app
from whoisgate.audit.note import Signer, checkpoint
from whoisgate.audit.tiles import nodes_of
from whoisgate.audit.tree import consistency_proof
from whoisgate.audit.verify import PROOF_HEADER, open_checkpoint, parse_vkey

pytestmark = pytest.mark.interop

FIRST, THEN = 40, 260
"""Disclosures before the first checkpoint and after it: more than fill a tile of 256."""


def program(name: str) -> str:
    """Where `make interop` put it; only there, for the machine's own ``fsck`` is for disks."""
    found = shutil.which(name, path=os.environ.get("GO_PROGRAMS", ".venv/interop/bin"))
    assert found, f"expected `{name}` built by Go: run make interop"
    return found


def run(*command):
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=120, check=False
    )


@dataclass
class Shown:
    """A log that a gateway shows the world, and what it gave to those who asked."""

    gateway: Gateway
    older: bytes = b""
    receipts: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.gateway.folder / "log"

    @property
    def key(self) -> Path:
        return self.gateway.folder / "keys" / "log.vkey"

    @property
    def signer(self) -> Signer:
        """The log's own key: what a dishonest operator could sign with."""
        pem = (self.gateway.folder / "keys" / "log.key").read_bytes()
        return Signer.from_pem(self.checkpoint().origin, pem)

    def checkpoint(self):
        return open_checkpoint(
            (self.folder / "checkpoint").read_text(), parse_vkey(self.gateway.vkey)
        )

    def disclose(self, count):
        """As many gated answers over HTTP with their receipts, then the published checkpoint."""
        name = (self.gateway.folder / "demo" / "domains.txt").read_text().split()[0]
        who = {"Authorization": f"Bearer {self.gateway.token}"}
        why = {**who, "Disclosure-Request": f'{WHY}, elements=("registrant.name")'}
        with httpx2.Client(timeout=20, verify=False) as client:  # the machine's roots load slowly
            for _ in range(count):
                told = client.get(f"{self.gateway.base_url}domain/{name}", headers=why)
                assert told.status_code == 200, told.text
                receipt = client.get(told.headers["Disclosure-Receipt"], headers=who)
                self.receipts.append(receipt.text)
        with app.Folder.at(self.gateway.folder).opened() as log:
            size = log.size()
        until(lambda: self.checkpoint().size >= size)
        return (self.folder / "checkpoint").read_bytes()


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> Iterator[Shown]:
    with serving(make_folder(tmp_path_factory.mktemp("shown") / "gate")) as gateway:
        shown = Shown(gateway)
        shown.older = shown.disclose(FIRST)
        shown.disclose(THEN)
        assert shown.checkpoint().size > 256
        yield shown


def files(shown):
    """The files that a reader of the log of this size needs; older partial ones lie beside them."""
    full, rest = divmod(shown.checkpoint().size, 256)
    assert full == 1
    assert rest
    tiles = ["0/000", f"0/001.p/{rest}", "1/000.p/1", "entries/000", f"entries/001.p/{rest}"]
    return [shown.folder / "checkpoint", *(shown.folder / "tile" / tile for tile in tiles)]


@contextmanager
def flipped(file, at=None):
    """One bit of a file is the other, in its middle unless said otherwise."""
    whole = file.read_bytes()
    at = len(whole) // 2 if at is None else at
    file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    try:
        yield
    finally:
        file.write_bytes(whole)


def fsck(url, key):
    """What fsck says of the log: the size that it found sound, or why it refused it.

    Its status is 0 either way. A worker that finds a wrong tile ends, and once none is left
    fsck 1.0.4 would wait for ever.
    """
    done = run(
        program("fsck"), "--ui=false", "--N=8", f"--storage_url={url}", f"--public_key={key}"
    )
    if sound := re.search(r"Successfully fsck'd log with size (\d+) ", done.stderr):
        assert "failed" not in done.stderr
        return int(sound[1])
    (refused,) = re.findall(r"fsck failed: (.+)", done.stderr)
    return refused


@pytest.fixture(params=["http", "file"])
def url(request, shown):
    return {"http": f"{shown.gateway.base_url}log/", "file": shown.folder.as_uri()}[request.param]


# --- Tessera's fsck ------------------------------------------------------------------------------


def test_fsck_accepts_the_log(shown, url):
    assert fsck(url, shown.key) == shown.checkpoint().size


def test_fsck_refuses_one_flipped_bit_in_any_file(shown, url):
    for file in files(shown):
        with flipped(file):
            refused = fsck(url, shown.key)
        assert isinstance(refused, str), file
    assert fsck(url, shown.key) == shown.checkpoint().size


def test_fsck_refuses_an_altered_root_and_signature(shown, url):
    file = shown.folder / "checkpoint"
    origin, size, root, *_ = file.read_bytes().split(b"\n")
    for at in (len(origin) + len(size) + 2 + len(root) // 2, len(file.read_bytes()) - 20):
        with flipped(file, at):
            assert "failed to fetch and verify checkpoint" in fsck(url, shown.key)


def test_fsck_refuses_a_wrong_root_that_the_log_itself_signed(shown, url):
    file, head = shown.folder / "checkpoint", shown.checkpoint()
    honest = file.read_bytes()
    root = bytes([head.root[0] ^ 1]) + head.root[1:]
    try:
        file.write_text(shown.signer.sign(checkpoint(head.origin, head.size, root)))
        assert "calculated root" in fsck(url, shown.key)
    finally:
        file.write_bytes(honest)


def test_fsck_accepts_and_refuses_tiles_of_the_third_level(tmp_path):
    signer = Signer.generate("log.example/2026", lambda size: b"\x01" * size)
    entries = [entry(seed).entry for seed in range(64)] * 1028 + [b"the last"]
    for path, data in log_of(entries, signer).items():
        (tmp_path / "log" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "log" / path).write_bytes(data)
    key = tmp_path / "log.vkey"
    key.write_text(signer.vkey)
    url = (tmp_path / "log").as_uri()
    assert fsck(url, key) == len(entries) == 65_536 + 256 + 1
    for path in ("tile/2/000.p/1", "tile/1/000", "tile/1/001.p/1", "tile/0/255", "tile/0/257.p/1",
                 "tile/entries/128", "tile/entries/257.p/1"):  # fmt: skip
        with flipped(tmp_path / "log" / path):
            assert isinstance(fsck(url, key), str), path


# --- golang.org/x/mod/sumdb and torchwood --------------------------------------------------------


@pytest.fixture
def judge(shown, tmp_path):
    """What the program says about texts: ``(True, sentence)`` or ``(False, reason)``."""

    def judge(what, *texts):
        paths = []
        for number, text in enumerate(texts):
            paths.append(tmp_path / f"{number}")
            paths[-1].write_bytes(text if isinstance(text, bytes) else text.encode())
        return verdict(run(program("judge"), shown.key, what, *paths))

    return judge


def verdict(done):
    assert done.returncode in {0, 1}, done.stderr
    said = done.stderr if done.returncode else done.stdout
    word, _, rest = said.strip().partition(": ")
    assert word == ("not verified" if done.returncode else "verified")
    return not done.returncode, rest


def test_x_mod_accepts_receipts(shown, judge):
    for number in (0, FIRST - 1, FIRST, 255, FIRST + THEN - 1):
        head = re.search(r"^index (\d+)$", shown.receipts[number], re.MULTILINE)
        held, said = judge("receipt", shown.receipts[number])
        assert held, said
        assert said.startswith(f"entry {head[1]} of ")


def test_x_mod_refuses_altered_receipts(shown, judge):
    receipt = shown.receipts[200]
    header, extra, index, *proof = receipt.partition("\n\n")[0].split("\n")
    note = receipt.partition("\n\n")[2]
    assert header == PROOF_HEADER
    assert len(proof) > 2

    def changed(line):
        """Another digit of base64 in the middle."""
        at = len(line) // 2
        return line[:at] + ("A" if line[at] != "A" else "B") + line[at + 1 :]

    origin, size, root, *signature = note.split("\n")
    altered = {
        "index": [header, extra, f"index {int(index.split()[1]) ^ 1}", *proof],
        "entry": [header, changed(extra), index, *proof],
        "first hash": [header, extra, index, changed(proof[0]), *proof[1:]],
        "last hash": [header, extra, index, *proof[:-1], changed(proof[-1])],
        "missing hash": [header, extra, index, *proof[:-1]],
        "one hash more": [header, extra, index, *proof, proof[0]],
    }
    notes = {
        "root": [origin, size, changed(root), *signature],
        "size": [origin, str(int(size) + 1), root, *signature],
        "signature": [origin, size, root, "", changed(signature[1]), ""],
        "unsigned": [origin, size, root, "", ""],
    }
    texts = {what: "\n".join(lines) + "\n\n" + note for what, lines in altered.items()}
    texts |= {
        what: receipt.partition("\n\n")[0] + "\n\n" + "\n".join(lines)
        for what, lines in notes.items()
    }
    assert judge("receipt", receipt)[0]
    for what, text in texts.items():
        assert not judge("receipt", text)[0], what


def hashes(proof):
    return "\n".join(b64encode(each).decode() for each in proof)


def test_x_mod_accepts_that_the_log_only_grew(shown, judge):
    newer = (shown.folder / "checkpoint").read_bytes()
    old = open_checkpoint(shown.older.decode(), parse_vkey(shown.gateway.vkey))
    new = shown.checkpoint()
    assert 0 < old.size < 256 < new.size
    proof = consistency_proof(
        old.size, new.size, nodes_of(new.size, lambda path: (shown.folder / path).read_bytes())
    )
    said = f"{new.size} entries begin with those {old.size}"
    assert judge("consistent", shown.older, newer, hashes(proof)) == (True, said)
    for wrong in (proof[1:], [*proof, proof[0]], proof[::-1],
                  [bytes([proof[0][0] ^ 1]) + proof[0][1:], *proof[1:]]):  # fmt: skip
        assert not judge("consistent", shown.older, newer, hashes(wrong))[0]
    assert not judge("consistent", newer, shown.older, hashes(proof))[0]


def test_x_mod_refuses_a_rewritten_log(shown, judge):
    newer = (shown.folder / "checkpoint").read_bytes()
    old = open_checkpoint(shown.older.decode(), parse_vkey(shown.gateway.vkey))
    new = shown.checkpoint()
    proof = consistency_proof(
        old.size, new.size, nodes_of(new.size, lambda path: (shown.folder / path).read_bytes())
    )
    forked = shown.signer.sign(checkpoint(old.origin, old.size, bytes(32)))
    assert not judge("consistent", forked, newer, hashes(proof))[0]
    stranger = Signer.generate(new.origin, lambda size: b"\x05" * size)
    unknown = stranger.sign(checkpoint(new.origin, new.size, new.root))
    assert not judge("consistent", shown.older, unknown, hashes(proof))[0]


def test_torchwood_reads_every_entry(shown):
    def entries():
        url = f"{shown.gateway.base_url}log"
        return verdict(run(program("judge"), shown.key, "entries", url))

    assert entries() == (True, f"{shown.checkpoint().size} entries")
    for file in files(shown):
        with flipped(file):
            assert not entries()[0], file
