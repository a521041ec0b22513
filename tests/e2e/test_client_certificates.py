"""A gateway that ends TLS itself, and an authority that is listed and revoked while it serves."""

import time

from tests.e2e.conftest import PURPOSE, serving
from tests.identity.certificates import vouched
from tests.servers.tls import HOST, OFFICER, ROOT, Port, said

from whoisgate import app, authorities
from whoisgate.cli import demo_folder

WHY = f'purpose="{PURPOSE}", basis="national_order", case="2026-114"'
ASKING = [("Disclosure-Request", f'{WHY}, elements=("registrant.name")')]


def test_asks_for_certificates_as_the_directory_has_it(tmp_path):
    port, folder = demo_folder.free_port(), tmp_path / "gate"
    demo_folder.make(folder, base_url=f"https://127.0.0.1:{port}/")
    certificate, key = HOST.write(tmp_path, "host")
    config = folder / "whoisgate.toml"
    tls = f'[rdap]\ntls_certificate = "{certificate}"\ntls_key = "{key}"'
    config.write_text(config.read_text().replace("[rdap]", tls, 1))
    path = f"/domain/{(folder / 'demo' / 'domains.txt').read_text().split()[0]}"
    client = Port(port, tmp_path)
    record = vouched("Certified police", issuers=ROOT.pem)[0].record
    with serving(folder), app.Folder.at(folder).opened() as log:
        gate = app.Folder.at(folder)
        # Nobody is asked for a certificate yet.
        assert client.ask(OFFICER, ASKING, path=path).code == "WG105"
        authorities.add(gate, log, record, by="operator")
        known = until(lambda: client.ask(OFFICER, ASKING, path=path), lambda r: r.status != 401)
        assert "disclosure-entry" in known.fields
        with client.connection(client.context(OFFICER)) as held:
            assert said(held, ASKING, path).status != 401
            authorities.stop(
                gate, log, "Certified police", authorities.REVOKED, by="operator", reason="a test"
            )
            refused = until(lambda: said(held, ASKING, path), lambda r: r.status == 401)
            assert refused.code == "WG106"
        # The append knew at once; nobody is asked once the directory was read again.
        until(lambda: client.ask(OFFICER, ASKING, path=path), lambda r: r.code == "WG105")


def until(ask, fits):
    """The first answer that fits, within five seconds."""
    deadline = time.monotonic() + 5
    while not fits(answer := ask()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return answer
