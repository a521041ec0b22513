"""``whoisgate doctor --against``: an old server and our gate side by side, over real sockets."""

import json

import pytest
from tests.sources.upstream.conftest import document, http, speaking

from whoisgate import app

NAMES = ("alike.example", "other.example", "old.example", "ours.example", "neither.example")
TEXT = """\
Domain Name: {name}
Registry Domain ID: D-1
Creation Date: 2020-01-02
Registry Expiry Date: {expires}
Registrar: Example Registrar
Domain Status: ok
Name Server: ns1.example.net
Registrant Name: {person}
Registrant Email: kanarie0001@person.example
Registrant Country: {country}
Tech Name: {person} Technician
DNSSEC: unsigned
"""
PERSON = "Kanarie0002 Vogel"
EXPIRES = "2030-01-02"


def text(name, person=PERSON, expires=EXPIRES, country="NL"):
    return TEXT.format(name=name, person=person, expires=expires, country=country)


def whois(connection, question):
    """The old server: it knows all names but one, and shows every person."""
    name = question.split()[-1].decode()
    if name in {"ours.example", "neither.example"}:
        connection.sendall(b"No match for that name.\r\n")
    elif name == "other.example":
        said = text(name, expires="2031-01-02", country="DE")
        connection.sendall(said.replace("Example Registrar", "Other Registrar").encode())
    elif name == "refused.example":
        connection.sendall(b"Access denied\r\n")
    else:
        connection.sendall(text(name).encode())


def ours(name, registrar="Example Registrar"):
    """What our source knows of a name, as an RDAP document."""
    events = {"registration": "2020-01-02T03:04:05Z", "expiration": "2030-01-02T00:00:00Z"}
    card = [["version", {}, "text", "4.0"], ["fn", {}, "text", registrar]]
    whole = json.loads(document(name, registrant=PERSON))
    tech = json.loads(json.dumps(whole["entities"][0])) | {"roles": ["technical"]}
    whole["entities"] += [tech, {"roles": ["registrar"], "vcardArray": ["vcard", card]}]
    whole["events"] = [{"eventAction": a, "eventDate": d} for a, d in events.items()]
    whole["secureDNS"] = {"delegationSigned": False}
    return json.dumps(whole, ensure_ascii=False)


@pytest.fixture
def gate(tmp_path):
    """A gate over documents, with the shipped policy."""
    folder = tmp_path / "gate"
    app.init(
        folder,
        web_form="https://registrar.example/?domain={domain}&role={role}",
        tables='[source]\nkind = "documents"\nfolder = "documents"\n',
    )
    (folder / "documents").mkdir()
    for name in ("alike.example", "other.example", "ours.example"):
        (folder / "documents" / f"{name}.json").write_text(ours(name), encoding="utf-8")
    return folder


@pytest.fixture
def old():
    with speaking(whois, end=b"\r\n") as speaker:
        yield speaker


def as_json(done):
    said = json.loads(done.stdout)
    return {item["name"]: item for item in said["names"]}, said["summary"]


def verdicts(item):
    return {name: e["verdict"] for name, e in item["elements"].items()}


def test_finds_nothing_where_both_show_the_same(run, gate, old):
    done = run("doctor", "--against", old.place, "--dir", gate, "alike.example")
    assert done.returncode == 0, done.stdout
    withheld = "the old server shows it, ours withholds it"
    assert done.stdout.decode().splitlines() == [
        "alike.example: alike, 8 elements the same",
        f"  registrant.name, registrant.email, tech.name: {withheld}",
        "in all: 1 alike, 0 differ, 0 not compared",
        f"  {withheld}: registrant.name 1, registrant.email 1, tech.name 1",
    ]


def test_tells_element_by_element_what_differs(run, gate, old):
    done = run("doctor", "--against", old.place, "--dir", gate, "--json", *NAMES)
    assert done.returncode == 1
    names, summary = as_json(done)
    assert verdicts(names["other.example"]) == {
        "domain.handle": "same",
        "domain.created": "same",
        "domain.expires": "differs",
        "domain.status": "same",
        "registrar.name": "differs",
        "nameserver.name": "same",
        "dnssec.signed": "same",
        "registrant.name": "withheld_by_us",
        "registrant.country": "differs",
        "registrant.email": "withheld_by_us",
        "tech.name": "withheld_by_us",
    }
    assert {name: item["presence"] for name, item in names.items()} == {
        "alike.example": "same",
        "other.example": "same",
        "old.example": "only_old",
        "ours.example": "only_ours",
        "neither.example": "same",
    }
    assert {k: v for k, v in summary.items() if k != "elements"} == {
        "names": 5, "alike": 2, "differing": 3, "not_compared": 0,
    }  # fmt: skip
    assert summary["elements"]["differs"] == {
        "domain.expires": 1, "registrar.name": 1, "registrant.country": 1,
    }  # fmt: skip


def test_shows_values_of_no_person(run, gate, old):
    table = run("doctor", "--against", old.place, "--dir", gate, *NAMES)
    whole = run("doctor", "--against", old.place, "--dir", gate, "--json", *NAMES)
    said = table.stdout.decode()
    assert (
        "  domain.expires: differs: old `2031-01-02T00:00:00Z`; ours `2030-01-02T00:00:00Z`" in said
    )
    assert "  registrant.country: differs\n" in said
    assert "old.example: only the old server shows it" in said
    assert "ours.example: only our gate shows it" in said
    for done in (table, whole):
        out = (done.stdout + done.stderr).lower()
        assert b"kanarie" not in out
        assert b"vogel" not in out
        assert b'"de"' not in out
        assert b"`de`" not in out


def test_tells_which_names_could_not_be_asked(run, gate, old):
    names = ["refused.example", "not a name", "\x1b[2J.example", "alike.example"]
    done = run("doctor", "--against", old.place, "--dir", gate, "--pause", "0", *names)
    assert done.returncode == 1
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith("refused.example: not compared: the old server: WG317: ")
    assert lines[1].startswith("not a name: not compared: the name: WG101: ")
    assert lines[2].startswith("\N{REPLACEMENT CHARACTER}[2J.example: not compared: ")
    assert b"in all: 1 alike, 0 differ, 3 not compared" in done.stdout
    assert b"\x1b" not in done.stdout


def test_takes_names_from_standard_input(run, gate, old):
    stdin = b"\nalike.example\r\n  other.example \n\n"
    done = run("doctor", "--against", old.place, "--dir", gate, "--json", "-", stdin=stdin)
    names, _ = as_json(done)
    assert list(names) == ["alike.example", "other.example"]
    assert old.asked == [b"alike.example\r\n", b"other.example\r\n"]


def test_asks_the_old_server_in_its_own_words(run, gate, old):
    line = "-T dn {name}"
    done = run("doctor", "--against", old.place, "--query", line, "--dir", gate, "alike.example")
    assert done.returncode == 0, done.stdout
    assert old.asked == [b"-T dn alike.example\r\n"]


def test_compares_with_an_old_rdap_server(run, gate):
    def rdap(connection, question):
        name = question.split()[1].rpartition(b"/")[2].decode()
        known = name == "alike.example"
        connection.sendall(http(ours(name).encode()) if known else http(status="404 Not Found"))

    with speaking(rdap) as speaker:
        base = f"http://{speaker.place}/rdap"
        done = run(
            "doctor", "--against", base, "--dir", gate, "--json", "alike.example", "ours.example"
        )
    names, summary = as_json(done)
    assert speaker.asked[0].startswith(b"GET /rdap/domain/alike.example ")
    assert "domain.handle" in names["alike.example"]["elements"]
    assert not names["alike.example"]["differs"]
    assert names["ours.example"]["presence"] == "only_ours"
    assert (done.returncode, summary["differing"]) == (1, 1)


def test_asks_a_running_gateway(run, old, tmp_path, gateway):
    name = (gateway.folder / "demo" / "domains.txt").read_text().split()[0]
    done = run(
        "doctor", "--against", old.place, "--server", gateway.base_url, "--json", name,
        "neither.example", "old.example",
    )  # fmt: skip
    names, _ = as_json(done)
    assert verdicts(names[name])["registrant.name"] == "withheld_by_us"
    assert verdicts(names[name])["domain.expires"] == "differs"
    assert names["neither.example"]["presence"] == "same"
    assert names["old.example"]["presence"] == "only_old"


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_moves_no_cursor(run, gate, options):
    name = "Other\x1b[31m\u202e Registrar\r\n\x9b2J" + "x" * 500

    def rdap(connection, question):
        connection.sendall(http(ours("alike.example", name).encode()))

    with speaking(rdap) as speaker:
        base = f"http://{speaker.place}/"
        done = run("doctor", "--against", base, "--dir", gate, *options, "alike.example")
    said = done.stdout.decode()
    assert "Other" in said
    assert [c for c in said if not c.isprintable() and c != "\n"] == []
    (line,) = [line for line in said.splitlines() if "Other" in line]
    assert options or len(line) < 200


def test_says_that_the_old_answer_broke_off(run, gate):
    def endless(connection, question):
        connection.sendall(text("alike.example").encode() + b"x\n" * 3000)

    with speaking(endless, end=b"\r\n") as speaker:
        done = run("doctor", "--against", speaker.place, "--dir", gate, "alike.example")
    assert b"alike.example: alike, 8 elements the same, the old answer broke off\n" in done.stdout


@pytest.mark.parametrize("place", ["", "host name", "ftp://old.example/", "0x7f.1", "h:99999"])
def test_refuses_what_is_no_server(run, gate, place):
    done = run("doctor", "--against", place, "--dir", gate, "alike.example")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"WG501: --against:" in done.stderr


def test_takes_no_names_for_a_mistake(run, gate, old):
    done = run("doctor", "--against", old.place, "--dir", gate, "-", stdin=b"\n")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"expected a domain" in done.stderr


def test_refuses_a_query_without_a_name(run, gate, old):
    done = run("doctor", "--against", old.place, "--query", "x\r\ny", "--dir", gate, NAMES[0])
    assert done.returncode == 1
    assert b"WG501: --query:" in done.stderr
    assert old.asked == []


def test_asks_a_throttling_server_once_more(run, gate):
    def rdap(connection, question):
        busy = http(status="429 Too Many", Retry_After="1")
        connection.sendall(busy if len(speaker.asked) == 1 else http(ours(NAMES[0]).encode()))

    with speaking(rdap) as speaker:
        base = f"http://{speaker.place}/"
        done = run("doctor", "--against", base, "--dir", gate, NAMES[0])
    assert done.returncode == 0, done.stdout
    assert len(speaker.asked) == 2


def test_follows_no_redirect_to_another_private_address(run, gate):
    def away(connection, question):
        where = f"http://127.0.0.2:{speaker.port}/domain/alike.example"
        connection.sendall(http(status="302 Go", Location=where))

    with (
        speaking(away) as speaker,
        speaking(away, host="127.0.0.2", port=speaker.port) as other,
    ):
        base = f"http://{speaker.place}/"
        done = run("doctor", "--against", base, "--dir", gate, "alike.example")
    assert b"the old server: WG315: " in done.stdout
    assert (speaker.connections, other.connections) == (1, 0)
