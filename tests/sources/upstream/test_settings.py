"""What the configuration of upstreams takes and refuses."""

import re
import sys
from pathlib import Path

import pytest

import whoisgate as wg
from whoisgate import app
from whoisgate.config import read_config
from whoisgate.errors import ExtraMissing, MalformedConfig
from whoisgate.sources.upstream import UpstreamSource

GATE = """
format = 1
[gate]
base_url = "https://rdap.example/"
origin = "localhost/log/2026"
"""
SERVER = """
[source]
kind = "upstream"
[[upstream.server]]
rdap = "https://rdap.example/"
"""
MORE = "\n[[upstream.server]]\n"


def read(tmp_path, text):
    path = tmp_path / "whoisgate.toml"
    path.write_text(GATE + text)
    return read_config(path)


@pytest.mark.parametrize(
    "text",
    [
        SERVER,
        SERVER + 'suffixes = ["example", "co.example", "xn--p1ai"]',
        SERVER + 'whois = "whois.example:43"\nfallback = true\nquery = "-T dn {name}"',
        SERVER + 'bearer_file = "token"\ncertificate = "c.pem"\nkey = "k.pem"\nca = "ca.pem"',
        SERVER + MORE + 'suffixes = ["test"]\nwhois = "whois.example"\nfollow_referrals = true',
        SERVER.replace("https", "http") + "clear_text = true",
        SERVER + '[upstream.bootstrap]\nfile = "dns.json"\nurl = "https://data.example/dns.json"',
        '[source]\nkind = "upstream"\n[upstream.bootstrap]\nfile = "dns.json"',
        SERVER.replace("[[", "[upstream]\nallow = ['10.0.0.0/8', 'fd00::/8']\n[["),
    ],
)
def test_takes(tmp_path, text):
    assert read(tmp_path, text).upstream


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[source]\nkind = "upstream"', "only then"),
        ('[source]\nkind = "upstream"\n[upstream]', "expected [[upstream.server]]"),
        (SERVER.replace('kind = "upstream"', 'kind = "documents"\nfolder = "d"'), "only then"),
        (SERVER.replace('kind = "upstream"', 'kind = "upstream"\nfolder = "d"'), "source"),
        (SERVER.replace('kind = "upstream"', 'kind = "upstream"\ndomain = "SELECT"'), "source"),
        (SERVER.replace("https", "http"), "clear_text"),
        (SERVER.replace("https", "ftp"), "rdap"),
        (SERVER.replace("https", "http") + 'clear_text = true\nbearer_file = "t"', "https URL"),
        (SERVER + 'whois = "whois.example"', "fallback"),
        (SERVER + "fallback = true", "fallback"),
        (SERVER + 'certificate = "c.pem"', "together"),
        (SERVER + 'query = "name"', "{name}"),
        (SERVER + 'query = "{name}\\r\\n{name}"', "{name}"),
        (SERVER + 'query = "{name}\\r\\nQUIT"', "{name}"),
        (SERVER + 'query = "\\u001b{name}"', "{name}"),
        (SERVER + 'suffixes = ["Example"]', "suffixes"),
        (SERVER + 'suffixes = [".example"]', "suffixes"),
        (SERVER + 'suffixes = ["*"]', "suffixes"),
        (SERVER + 'suffixes = ["b", "b"]', "every suffix"),
        (SERVER + MORE + 'rdap = "https://other.example/"', "every suffix"),
        (SERVER + MORE, "expected `rdap` or `whois`"),
        (SERVER + MORE + 'suffixes = ["b"]\nwhois = "w.example"\nbearer_file = "t"', "https URL"),
        (SERVER + "per_minute = 0", "per_minute"),
        (SERVER + "unknown = 1", "unknown"),
        (SERVER.replace("[[", "[upstream]\ndeadline_s = 5\n[["), "find_timeout_s"),
        (SERVER.replace("[[", "[upstream]\nlimit_bytes = 4194305\n[["), "limit_bytes"),
        (SERVER.replace("[[", "[upstream]\nhops = 4\n[["), "hops"),
        (SERVER.replace("[[", "[upstream]\nallow = ['10.0.0.1/8']\n[["), "allow"),
        (SERVER + '[upstream.bootstrap]\nfile = "d"\nurl = "http://d.example/dns.json"', "https"),
        (SERVER + '[upstream.bootstrap]\nurl = "https://d.example/dns.json"', "file"),
    ],
)
def test_refuses(tmp_path, text, place):
    with pytest.raises(MalformedConfig) as error:
        read(tmp_path, text)
    assert place in str(error.value)


def test_takes_what_the_page_for_registrars_shows(tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "for-registrars.md").read_text()
    (shown,) = re.findall(r"```toml\n([^`]*\[\[upstream.server\]\][^`]*)```", page)
    servers = read(tmp_path, shown).upstream.server
    assert [server.suffixes for server in servers] == [("example", "co.example"), ("test",), ()]


def folder(tmp_path):
    made = app.init(tmp_path / "gate", tables=SERVER, web_form="https://registrar.example/contact")
    return made.path


def test_opens_as_an_asynchronous_gate_alone(tmp_path):
    path = folder(tmp_path)
    with pytest.raises(MalformedConfig, match="open_async"):
        wg.open(path)
    assert isinstance(app.Folder.at(path).async_source(), UpstreamSource)


def test_says_which_extra_is_missing(tmp_path, monkeypatch):
    for module in [m for m in sys.modules if m.startswith("whoisgate.sources.upstream")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "httpcore2", None)
    with pytest.raises(ExtraMissing, match=r"whoisgate\[upstream\]"):
        app.Folder.at(folder(tmp_path)).async_source()
