"""The folder of ``init --demo``: a made-up registrar, a made-up police, and one of its tokens.

The police's signing key is thrown away after the token is signed. Nothing here is for real use:
the token stands readable in ``demo/investigator.token``.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from whoisgate import app, authorities
from whoisgate.errors import ExtraMissing
from whoisgate.sources import synthetic

AUTHORITY = "Police of Exampleland"
ISSUER = "https://id.police.example"
AUDIENCE = "https://rdap.registrar.example"
PURPOSE = "criminalInvestigationAndDNSAbuseMitigation"
STANDING = ("registrant.name", "registrant.organization", "registrant.email", "registrant.phone")
TOKEN_DAYS = 30
WEB_FORM = "https://registrar.example/contact?domain={domain}&role={role}"


def make(
    folder: Path, *, base_url: str, auditors: Iterable[Path] = (), source: str | None = None
) -> app.Folder:
    """A complete gate folder over fifty made-up domains; raises what `app.init` raises.

    ``source`` is another ``[source]`` table in TOML.
    """
    try:
        from joserfc import jwt  # noqa: PLC0415  needs the gateway extra
        from joserfc.jwk import OKPKey  # noqa: PLC0415  same
    except ModuleNotFoundError as error:
        raise ExtraMissing(f'expected `pip install "whoisgate[gateway]"`: {error.name}') from None
    made = app.init(
        folder,
        base_url=base_url,
        auditors=auditors,
        web_form=WEB_FORM,
        tables=(source or f"{synthetic.source_table('demo/registrar.db')}") + _tables(base_url),
    )
    demo = folder / "demo"
    demo.mkdir()
    names = synthetic.write_sqlite(demo / "registrar.db")
    (demo / "domains.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    key = OKPKey.generate_key("Ed25519", auto_kid=True)
    record = {
        "authority": AUTHORITY,
        "country": "XX",
        "kind": "police",
        "jurisdiction": "same_country",
        "purposes": [PURPOSE],
        "bases": ["national_order", "court_order", "legitimate_interest"],
        "proof": [
            {
                "method": "token",
                "iss": ISSUER,
                "algorithm": "EdDSA",
                "keys": {"keys": [key.as_dict(private=False)]},
                "assurance": "high",
                "max_lifetime_s": TOKEN_DAYS * 86_400,
            }
        ],
        "vetted": {"by": "nobody", "how": "made up", "on": f"{app.utc_now():%Y-%m-%d}"},
    }
    (demo / "police.json").write_text(json.dumps(record, indent=2) + "\n")
    with made.opened() as log:
        listed = authorities.read(record, "demo/police.json")
        authorities.add(made, log, listed, by="init --demo", reason="a demonstration")
    now = app.utc_now()
    token = jwt.encode(
        {"alg": "Ed25519", "typ": "at+jwt", "kid": key.kid},
        {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "investigator-7",
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(days=TOKEN_DAYS)).timestamp()),
        },
        key,
        algorithms=["Ed25519"],
    )
    (demo / "investigator.token").write_text(token + "\n")
    return made


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tables(base_url: str) -> str:
    return _TABLES.format(
        listen=urlsplit(base_url).netloc,
        authority=AUTHORITY,
        audience=AUDIENCE,
        elements=json.dumps(STANDING),
        expires=f"{app.utc_now() + timedelta(days=365):%Y-%m-%dT%H:%M:%SZ}",
    )


_TABLES = """
[rdap]
listen = "{listen}"

[directory]
audience = "{audience}"

[[standing]]
authority = "{authority}"
basis = "national_order"
elements = {elements}
expires = {expires}
"""
