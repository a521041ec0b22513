"""``whoisgate.toml``: the operator's decisions, read once and checked whole.

Every table is strict: an unknown key or a wrong type is refused with its place. Nothing here
opens a key, a database or a socket.
"""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from whoisgate.elements import ELEMENTS
from whoisgate.errors import FormatTooNew, MalformedConfig
from whoisgate.queries import Assurance, Jurisdiction, LegalBasis, Purpose, RequesterClass

FOLDER_FORMAT = 1
"""The format number of the folder that `init` makes; newer code migrates it, older refuses."""


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _slash(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("expected an http or https URL")
    return url if url.endswith("/") else url + "/"


def _element_name(name: str) -> str:
    if name not in ELEMENTS:
        raise ValueError("expected the name of an element, as in `registrant.email`")
    return name


Moment = Annotated[datetime, AfterValidator(_aware)]
BaseURL = Annotated[str, AfterValidator(_slash)]
ElementName = Annotated[str, AfterValidator(_element_name)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GateSettings(_Table):
    """``[gate]``: which policy, under which address, for which suffixes."""

    base_url: BaseURL
    origin: str
    policy: str = "icann-gtld"
    switches: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    refusals_per_day: int = Field(1000, ge=1)
    cache_s: float = Field(60.0, ge=0, le=60)
    find_timeout_s: float = Field(5.0, gt=0, le=60)


class ReplaceSettings(_Table):
    """``[replace]``: what stands in for an e-mail address; a web form or an alias, never both."""

    web_form: str | None = None
    alias: str | None = None

    @model_validator(mode="after")
    def _one(self) -> ReplaceSettings:
        if self.web_form and self.alias:
            raise ValueError("expected `web_form` or `alias`, never both")
        for template in (self.web_form, self.alias):
            try:
                (template or "").format(domain="example.com", role="registrant", token="t" * 24)
            except (KeyError, IndexError, ValueError, AttributeError):
                raise ValueError("expected only {domain}, {role} and {token}") from None
        return self


class RDAPSettings(_Table):
    """``[rdap]``: where the RDAP server listens and what its notices say."""

    listen: str = "127.0.0.1:8043"
    terms_url: str | None = None
    port43: str | None = None
    icann_profile: bool = True
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: tuple[str, ...] = ()


class WhoisSettings(_Table):
    """``[whois]``: where port 43 listens."""

    listen: str = "127.0.0.1:4343"


class SourceSettings(_Table):
    """``[source]``: where the records are; each kind needs its own keys and takes no others.

    ``dsn_env`` names an environment variable. SQL stands here or in a ``*_file``.
    """

    kind: Literal["sqlite", "postgres", "documents"]
    database: Path | None = None
    dsn: str | None = None
    dsn_env: str | None = None
    folder: Path | None = None
    domain: str | None = None
    domain_file: Path | None = None
    contacts: str | None = None
    contacts_file: Path | None = None
    nameservers: str | None = None
    nameservers_file: Path | None = None
    statement_timeout_ms: int = Field(2000, ge=1, le=60_000)
    connections: int = Field(8, ge=1, le=100)

    @model_validator(mode="after")
    def _complete(self) -> SourceSettings:
        wanted = {"sqlite": "database", "postgres": "dsn", "documents": "folder"}
        for kind, key in wanted.items():
            given = [k for k in (key, f"{key}_env") if getattr(self, k, None) is not None]
            if len(given) != (kind == self.kind):
                one = f"`{key}`" + (" or `dsn_env`" if key == "dsn" else "")
                raise ValueError(f"expected {one} once with kind `{kind}`, and with no other")
        for key in ("domain", "contacts", "nameservers"):
            given = [k for k in (key, f"{key}_file") if getattr(self, k) is not None]
            if given and self.kind == "documents":
                raise ValueError(f"expected no `{given[0]}` with kind `documents`")
            if len(given) > 1 or (key == "domain" and not given and self.kind != "documents"):
                raise ValueError(f"expected `{key}` or `{key}_file`, never both")
        return self


class IssuerSettings(_Table):
    """``[[issuer]]``: whose tokens are believed, and with which assurance."""

    authority: str = Field(min_length=1, max_length=128)
    iss: str
    audience: str
    algorithm: Literal["EdDSA", "ES256", "RS256"]
    keys: Path
    requester: RequesterClass
    assurance: Assurance
    purposes: frozenset[Purpose]
    bases: frozenset[LegalBasis]
    jurisdiction: Jurisdiction | None = None
    country: str | None = None
    leeway_s: int = Field(5, ge=0, le=300)
    max_lifetime_s: int = Field(86_400, ge=60)


class StandingSettings(_Table):
    """``[[standing]]``: an approval that holds for every question of an authority on a basis."""

    authority: str
    basis: LegalBasis
    elements: tuple[ElementName, ...]
    expires: Moment


class Config(_Table):
    """The whole file."""

    format: int
    gate: GateSettings
    replace: ReplaceSettings = ReplaceSettings()
    rdap: RDAPSettings = RDAPSettings()
    whois: WhoisSettings = WhoisSettings()
    source: SourceSettings | None = None
    issuer: tuple[IssuerSettings, ...] = ()
    standing: tuple[StandingSettings, ...] = ()


def read_config(path: Path) -> Config:
    """The checked configuration; raises `MalformedConfig` naming every place that is wrong."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MalformedConfig(f"expected `{path}`; make it with `whoisgate init`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedConfig(f"`{path}` cannot be read: {type(error).__name__}") from None
    except tomllib.TOMLDecodeError as error:
        raise MalformedConfig(f"`{path}` is no TOML: {error}") from None
    number = tables.get("format")
    if isinstance(number, int) and number > FOLDER_FORMAT:
        raise FormatTooNew(f"expected folder format up to `{FOLDER_FORMAT}`, got `{number}`")
    try:
        return Config.model_validate(tables)
    except ValidationError as error:
        places = "; ".join(
            f"`{'.'.join(map(str, e['loc']))}`: {e['msg'].lower()}" for e in error.errors()
        )
        raise MalformedConfig(f"`{path}`: {places}") from None
