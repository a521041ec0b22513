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
