"""What ``whoisgate.toml`` takes, and what it refuses with its place before anything is opened."""

import pytest

from whoisgate.config import read_config
from whoisgate.errors import MalformedConfig

GATE = """
format = 1
[gate]
base_url = "https://rdap.example/"
origin = "localhost/log/2026"
"""


def read(tmp_path, text):
    path = tmp_path / "whoisgate.toml"
    path.write_text(GATE + text)
    return read_config(path)


def refused(tmp_path, text):
    with pytest.raises(MalformedConfig) as caught:
        read(tmp_path, text)
    return str(caught.value)


@pytest.mark.parametrize("key", ["tls_certificate", "tls_key"])
def test_takes_certificate_and_key_of_the_server_together_alone(tmp_path, key):
    """One of the two would serve in clear text whoever meant TLS."""
    said = refused(tmp_path, f'[rdap]\n{key} = "server.pem"')
    assert "`rdap`" in said
    assert "expected `tls_certificate` and `tls_key` together" in said
    whole = read(tmp_path, '[rdap]\ntls_certificate = "server.pem"\ntls_key = "server.key"').rdap
    assert (whole.tls_certificate.name, whole.tls_key.name) == ("server.pem", "server.key")


STANDING = """
[[standing]]
authority = "Police"
basis = "order"
elements = []
expires = 2027-01-01
"""
LONG = f"""
[[hold]]
reason = "{"r" * 201}"
until = 2027-01-01
entries = [1]
"""


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ('[source]\nkind = "SQLite"', "source.kind", "'documents' or 'upstream', got `SQLite`"),
        (STANDING, "standing.0.basis", "'second_protocol_article_6'"),
        ("[rdap]\npublic_per_minute = -7", "rdap.public_per_minute", "equal to 0, got `-7`"),
        ('[rdap]\nhosts = ["A"]', "rdap.hosts.0", "`rdap.example` or `gate:8043`, got `A`"),
        ("[directory]\ndefault_issuer = 'http://id.example'", "directory.default_issuer",
         "expected an https URL, got `http://id.example`"),
        (LONG, "hold.0.reason", "at most 200 characters, got 201 characters"),
    ],
)  # fmt: skip
def test_says_what_is_expected_as_it_is_written_and_what_came(tmp_path, text, place, said):
    assert f"`{place}`: " in refused(tmp_path, text)
    assert said in refused(tmp_path, text)


SECRET = "correct-horse"


@pytest.mark.parametrize(
    "text",
    [
        f'[source]\nkind = "postgres"\ndns = "postgres://gate:{SECRET}@db/registry"',
        f'[source]\nkind = "postgres"\ndsn = ["postgres://gate:{SECRET}@db/registry"]',
        f'[staff]\nsigners = {{"Ann" = "{SECRET}"}}',
        f'[keys]\noperator_command = "pass {SECRET}"',
    ],
)
def test_repeats_nothing_that_may_be_a_key_or_a_password(tmp_path, text):
    assert SECRET not in refused(tmp_path, text)


@pytest.mark.parametrize("proxy", ["10.0.0.300", "proxy.example", "192.0.2.1/24", ""])
def test_takes_addresses_and_networks_alone_for_proxies(tmp_path, proxy):
    said = refused(tmp_path, f'[rdap]\ntrusted_proxies = ["192.0.2.1", "{proxy}"]')
    assert "`rdap.trusted_proxies.1`: " in said
    assert proxy in said
    taken = read(tmp_path, '[rdap]\ntrusted_proxies = ["192.0.2.1", "fd00::/8"]').rdap
    assert taken.trusted_proxies == ("192.0.2.1", "fd00::/8")
