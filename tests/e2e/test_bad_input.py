"""Bad input ends in its own number, in the form of its exit, and releases or loses nothing."""

import errno
import json
import re
import socket
from pathlib import Path

import httpx2
import pytest

import whoisgate
from whoisgate import app
from whoisgate.config import FOLDER_FORMAT
from whoisgate.errors import DraftPolicy, MalformedConfig, OperatorError

HTTP = [
    ("domain/not_a..name", {}, 400, "WG101"),
    ("domain/absent.example", {}, 404, "WG103"),
    ("entity/X-1", {}, 501, "WG109"),
    ("domain/{name}", {"Authorization": "Bearer a.b.c"}, 401, "WG106"),
    ("domain/{name}", {"Disclosure-Request": 'purpose="dnsTransparency"'}, 401, "WG105"),
    ("domain/{name}", {"Disclosure-Request": "((", "Authorization": "{token}"}, 400, "WG104"),
    (
        "domain/{name}",
        {"Disclosure-Request": 'purpose="burglary"', "Authorization": "{token}"},
        400,
        "WG104",
    ),
    (
        "domain/{name}",
        {"Disclosure-Request": 'elements=("registrant.nmae")', "Authorization": "{token}"},
        400,
        "WG104",
    ),
    ("receipt/1/AAAAAAAAAAAAAAAAAAAAAA", {"Authorization": "{token}"}, 404, "WG111"),
]


@pytest.mark.parametrize(("path", "headers", "status", "code"), HTTP)
def test_over_http_each_mistake_has_its_number(gateway, path, headers, status, code):
    name = (gateway.folder / "demo" / "domains.txt").read_text().split()[0]
    sent = {k: v.format(token=f"Bearer {gateway.token}") for k, v in headers.items()}
    reply = httpx2.get(gateway.base_url + path.format(name=name), headers=sent)
    said = reply.json()
    assert (reply.status_code, said["errorCode"]) == (status, status)
    assert said["description"][0].startswith(f"{code}: ")
    assert reply.headers["content-type"] == "application/rdap+json"


def test_a_purpose_that_the_issuer_does_not_allow_is_refused_with_an_entry(gateway):
    name = (gateway.folder / "demo" / "domains.txt").read_text().split()[0]
    request = (
        'purpose="dnsTransparency", basis="national_order", case="1", elements=("registrant.name")'
    )
    reply = httpx2.get(
        f"{gateway.base_url}domain/{name}",
        headers={"Authorization": f"Bearer {gateway.token}", "Disclosure-Request": request},
    )
    assert reply.status_code == 403
    assert int(reply.headers["disclosure-entry"]) > 0
    assert "purpose" in " ".join(reply.json()["description"])


@pytest.mark.parametrize(
    ("line", "said"), [(b"absent.example", b"% WG103"), (b"..", b"% WG101"), (b"\xff\xfe", b"% WG")]
)
def test_on_port_43_each_mistake_is_a_comment(gateway, line, said):
    with socket.create_connection(gateway.whois, timeout=10) as peer:
        peer.sendall(line + b"\r\n")
        text = b"".join(iter(lambda: peer.recv(65536), b""))
    assert text.startswith(said)


def spoil_policy(folder: Path) -> None:
    (folder / "mine.yaml").write_text(
        "whoisgate: 1\npolicy: mine\nversion: '1'\nelements: 1\nrules:\n"
        "  - {id: A, grant: release, elements: [registrant.nmae]}\n"
    )
    replace(folder, 'policy = "icann-gtld"', 'policy = "mine.yaml"')


def draft_policy(folder: Path) -> None:
    (folder / "drafts").mkdir()
    (folder / "drafts" / "mine.yaml").write_text(
        "whoisgate: 1\npolicy: mine\nversion: '1'\nelements: 1\nreveals: {public: [contact_roles,"
        " publish_consent, organization_consent, registrant_kind, disclose]}\n"
        "includes: [{policy: icann-gtld}, {policy: cets224-art6, when: {tld_group: gtld}}]\n"
        "rules: []\n"
    )
    replace(folder, 'policy = "icann-gtld"', 'policy = "drafts/mine.yaml"')


def replace(folder: Path, old: str, new: str) -> None:
    config = folder / "whoisgate.toml"
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))


def misspell_switch(folder: Path) -> None:
    replace(folder, 'policy = "icann-gtld"', 'policy = "icann-gtld"\nswitches = ["icann-urgent"]')


def spoil_database(folder: Path) -> None:
    for file in folder.glob("whoisgate.db*"):
        file.unlink()
    (folder / "whoisgate.db").mkdir()


SPOILERS = {
    "a misspelt element": (spoil_policy, "WG2"),
    "a draft": (draft_policy, "WG511"),
    "a column that is no element": (
        lambda f: (
            replace(f, 'AS "registrant.', 'AS "registrantt.')
            if 'AS "registrant.' in (f / "whoisgate.toml").read_text()
            else replace(f, 'AS "contact.email"', 'AS "contact.emial"')
        ),
        "WG305",
    ),
    "a misspelt switch": (misspell_switch, "WG501"),
    "a missing key": (lambda f: (f / "keys" / "log.key").unlink(), "WG502"),
    "no web form": (lambda f: replace(f, "[replace]", "[replace_]"), "WG501"),
    "no replacement": (lambda f: replace(f, "\nweb_form =", "\n# web_form ="), "WG507"),
    "an unwritable log": (spoil_database, "WG5"),
    "a newer folder": (
        lambda f: replace(f, f"format = {FOLDER_FORMAT}", f"format = {FOLDER_FORMAT + 1}"),
        "WG509",
    ),
    "a missing database": (lambda f: (f / "demo" / "registrar.db").unlink(), "WG3"),
}


@pytest.mark.parametrize("mistake", SPOILERS)
def test_serve_refuses_to_start_with_one_numbered_line(folder, run, mistake):
    spoil, code = SPOILERS[mistake]
    spoil(folder)
    done = run("serve", folder, "--whois", "127.0.0.1:0")
    assert done.returncode == 1, done.stdout
    assert done.stdout == b""
    assert done.stderr.decode().startswith(f"whoisgate: {code}"), done.stderr
    assert b"Traceback" not in done.stderr


def test_a_draft_opens_only_for_who_asks_for_it(folder):
    draft_policy(folder)
    with pytest.raises(DraftPolicy, match="--allow-draft"):
        whoisgate.open(folder)
    gate = whoisgate.open(folder, allow_draft=True)
    name = (folder / "demo" / "domains.txt").read_text().split()[0]
    assert gate.ask(name).body
    gate.close()


def test_no_switch_is_taken_that_the_policy_does_not_have(folder):
    """A rule behind a misspelt one would stay dormant unseen, at the start and when read again."""
    policy = app.Folder.at(folder)
    misspell_switch(folder)
    said = "has no switch `icann-urgent`: did you mean `icann-urgent-requests`?"
    with pytest.raises(MalformedConfig, match=re.escape(said)):
        whoisgate.open(folder)
    with pytest.raises(MalformedConfig, match=re.escape(said)):
        app.reread(folder, None, policy.settings())
    replace(folder, '"icann-urgent"', '"icann-urgent-requests"')
    whoisgate.open(folder).close()


def test_serve_names_the_port_that_is_taken(folder, run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("serve", folder, "--rdap", address)
    assert done.returncode == 1
    assert b"WG503" in done.stderr
    assert address.encode() in done.stderr


def test_init_refuses_to_overwrite(folder, run):
    before = sorted(folder.rglob("*"))
    done = run("init", folder)
    assert done.returncode == 1
    assert b"WG508" in done.stderr
    assert sorted(folder.rglob("*")) == before


FORM = "https://registrar.example/contact?domain={domain}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "a b"], "WG501: host: expected a host in lower case"),
        (["--host", "x/y"], "WG501: host: expected a host in lower case"),
        (["--host", "x+y"], "WG501: host: expected a host in lower case"),
        (["--host", ""], "WG501: host: expected a host in lower case"),
        (["--web-form", "contact"], "`replace`: expected an http or https URL as `web_form`, got"),
        (["--web-form", "https://x.example/{name}"], "expected only {domain}, {role} and {token}"),
        (["--base-url", "rdap.example"], "`gate.base_url`: expected an http or https URL, got"),
        (["--base-url", "https:///"], "`gate.base_url`: expected an http or https URL, got"),
        (["--base-url", 'https://x/"'], "WG501: "),
        (["--operator", "no.pem"], "WG502: expected an X25519 PEM in `no.pem`"),
        (["--after", "nowhere"], "WG501: expected `nowhere/whoisgate.toml`"),
    ],
)
def test_init_checks_everything_before_it_writes(tmp_path, run, arguments, said):
    folder = tmp_path / "new" / "gate"
    done = run("init", folder, *arguments)
    assert (done.returncode, done.stdout) == (1, b"")
    assert said in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1
    assert list(tmp_path.iterdir()) == []
    assert run("init", folder, "--host", "rdap.example", "--web-form", FORM).returncode == 0


def test_init_reads_its_configuration_before_it_makes_anything(tmp_path, monkeypatch):
    monkeypatch.setattr(app, "_claimed", None)
    with pytest.raises(MalformedConfig, match="web_form"):
        whoisgate.init(tmp_path / "gate", web_form="contact")


def test_init_leaves_nothing_where_it_cannot_write(tmp_path, run):
    (tmp_path / "file").write_text("")
    done = run("init", tmp_path / "file" / "gate")
    assert done.returncode == 1
    assert done.stderr.startswith(b"whoisgate: WG500: `")
    assert done.stderr.endswith(b"/file/gate` cannot be written: not a directory\n")


def test_init_takes_back_what_it_made(tmp_path, monkeypatch):
    """Whatever fails midway: the folder, and those above it that were not there."""
    (tmp_path / "there").mkdir()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(app, "_sync_all", full)
        for path in (tmp_path / "new" / "er" / "gate", tmp_path / "there"):
            with pytest.raises(OperatorError, match="cannot be written: no space left"):
                whoisgate.init(path)
    assert [p.name for p in tmp_path.rglob("*")] == ["there"]
    assert whoisgate.init(tmp_path / "new" / "er" / "gate").path.is_dir()


def test_of_two_inits_at_once_one_makes_the_folder(tmp_path, monkeypatch):
    """The second fails at what the first has made, and takes nothing of it away."""
    mkdir = Path.mkdir

    def late(self, *given, **more):
        if self.name == "keys":
            monkeypatch.undo()
            whoisgate.init(tmp_path / "gate")
        mkdir(self, *given, **more)

    monkeypatch.setattr(Path, "mkdir", late)
    with pytest.raises(OperatorError, match="exists"):
        whoisgate.init(tmp_path / "gate")
    assert app.Folder.at(tmp_path / "gate").recipients()
    assert (tmp_path / "gate" / "whoisgate.db").exists()


def test_redact_answers_every_line_whatever_it_is(run):
    lines = [
        b'{"id": "a", "domain": "x.example", "format": "rdap", "raw": "{}"}',
        b"not json",
        json.dumps(
            {
                "id": "b",
                "domain": "x.example",
                "format": "rdap",
                "raw": '{"objectClassName": "domain", "ldhName": "x.example"}',
            }
        ).encode(),
    ]
    done = run("redact", "--jsonl", stdin=b"\n".join(lines) + b"\n")
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    assert [bool(r["error"]) for r in replies] == [True, True, False]
    assert [r["id"] for r in replies] == ["a", None, "b"]
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing.json"], b"'nothing.json' does not exist"),
        (["."], b"'.' is a directory"),
        (["--web-form", "https://x.example/{name}"], b"expected only {domain}, {role} and {token}"),
        (["--web-form", "{"], b"expected only {domain}, {role} and {token}"),
        (["--web-form", "contact"], b"expected an http or https URL as `web_form`, got `contact`"),
        (["--web-form", ""], b"expected an address"),
        (["--from", "pdf"], b"'auto', 'rdap', 'whois'"),
    ],
)
def test_redact_tells_wrong_usage(run, arguments, said):
    done = run("redact", *arguments, stdin=b"")
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("captured", "said"),
    [
        (b"", b"WG303: expected an RDAP answer or WHOIS text about a domain"),
        (b"\x00\xff\x1b[2J" * 99, b"WG303: expected an RDAP answer or WHOIS text about a domain"),
        (b"a" * 2_000_000, b"WG303: expected at most `1048576` bytes, got `2000000`"),
        (b"No match.\r\n", b"WG103: no record of the name asked for"),
        (b'{"objectClassName": "entity"}', b"WG304: expected objectClassName `domain`"),
        (b'{"objectClassName": ', b"WG303: expected JSON"),
    ],
)
def test_redact_says_what_it_expected(run, captured, said):
    done = run("redact", stdin=captured)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"whoisgate: " + said)
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("server", ["", "gateway.example", "ftp://gateway.example/", "http://["])
def test_lookup_wants_a_web_address(run, server):
    done = run("lookup", "example.com", "--server", server)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"whoisgate: WG501: expected an http or https URL")


def test_policy_check_names_line_and_column(folder, run):
    spoil_policy(folder)
    done = run("policy", "check", folder / "mine.yaml")
    assert done.returncode == 1
    assert b"mine.yaml:6:" in done.stdout
    assert b"registrant.name" in done.stdout


def test_policy_test_refuses_a_huge_suite_unread(tmp_path, run):
    huge = tmp_path / "huge.yaml"
    with huge.open("wb") as file:
        file.truncate(100 << 20)
    done = run("policy", "test", "icann-gtld", "--suite", huge)
    assert done.returncode == 1
    assert b"huge.yaml:1:1: error WG215: expected at most" in done.stdout
    assert done.stderr == b""
