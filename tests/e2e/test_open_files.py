"""Strangers who connect and say nothing take no file that the gate needs to answer others."""

import shlex
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.e2e import conftest
from tests.e2e.conftest import PURPOSE, serving
from tests.servers.conftest import until
from tests.servers.tls import HOST, Port, said

from whoisgate.cli import demo_folder

FILES = 256
STRANGERS = 400
WHY = f'purpose="{PURPOSE}", basis="national_order", case="2026-114"'


class Plain(Port):
    """A client in clear text."""

    def connection(self, *_):
        return socket.create_connection(("127.0.0.1", self.number), timeout=10)


@pytest.fixture(params=["tls", "clear text"])
def gate(request, tmp_path):
    """A folder and its client; over TLS the gateway ends it itself."""
    port, folder = demo_folder.free_port(), tmp_path / "gate"
    if request.param == "clear text":
        demo_folder.make(folder, base_url=f"http://127.0.0.1:{port}/")
        return folder, Plain(port, tmp_path)
    demo_folder.make(folder, base_url=f"https://127.0.0.1:{port}/")
    certificate, key = HOST.write(tmp_path, "host")
    config = folder / "whoisgate.toml"
    lines = f'[rdap]\ntls_certificate = "{certificate}"\ntls_key = "{key}"'
    config.write_text(config.read_text().replace("[rdap]", lines, 1))
    return folder, Port(port, tmp_path)


@pytest.mark.parametrize("may_raise", [True, False])
def test_answers_whatever_strangers_hold_open(gate, tmp_path, monkeypatch, may_raise):
    folder, client = gate
    path = f"/domain/{(folder / 'demo' / 'domains.txt').read_text().split()[0]}"
    command, told = tmp_path / "whoisgate", tmp_path / "told"
    limit = f"ulimit {'-S' if may_raise else ''} -n {FILES}"
    command.write_text(f'#!/bin/sh\n{limit}\nexec {shlex.quote(conftest.WHOISGATE)} "$@"\n')
    command.chmod(0o755)
    monkeypatch.setattr(conftest, "WHOISGATE", str(command))
    with told.open("wb") as log, serving(folder, log=log) as served, ExitStack() as held:
        asking = [
            ("Authorization", f"Bearer {served.token}"),
            ("Disclosure-Request", f'{WHY}, elements=("registrant.name")'),
        ]

        def files():
            return len(list(Path(f"/proc/{served.process.pid}/fd").iterdir()))

        def new():
            with client.connection(client.context()) as connection:
                return said(connection, asking, path).status

        kept = held.enter_context(client.connection(client.context()))
        assert said(kept, asking, path).status == 200
        with ExitStack() as strangers:
            for port in (("127.0.0.1", client.number), served.whois) * (STRANGERS // 2):
                strangers.enter_context(socket.create_connection(port, timeout=10))
            until(lambda: files() > (STRANGERS if may_raise else FILES / 2))
            for _ in range(3):
                assert said(kept, asking, path).status == 200
            if may_raise:
                assert new() == 200
            else:
                assert files() < FILES * 3 / 4
        until(lambda: files() < FILES / 2)
        assert new() == 200
    assert served.process.returncode == 0
    capped = "each server takes 64 connections at once instead of 2048"
    assert [capped in line for line in told.read_text().splitlines()] == [True] * (not may_raise)
