"""``whoisgate.toml``: the operator's decisions, read once and checked whole.

Every table is strict: an unknown key or a wrong type is refused with its place. Nothing here
opens a key, a database or a socket.
"""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from whoisgate.elements import ELEMENTS
from whoisgate.errors import FormatTooNew, MalformedConfig
from whoisgate.queries import LegalBasis, Limits

_UNSAID = frozenset({"dsn", "issuers", "keys", "pinned", "sha256", "signers"})
"""Members of configuration and authorities whose values no message repeats: keys, passwords."""

_SHOWN = 60
"""Characters of a value that a message repeats."""

FOLDER_FORMAT = 4
"""The format number of the folder that `init` makes; newer code migrates it, older refuses."""


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _web(url: str) -> str:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not url.isprintable() or " " in url:
        raise ValueError("expected an http or https URL")
    return url


def _slash(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("expected an http or https URL")
    return url if url.endswith("/") else url + "/"


def _network(text: str) -> str:
    ip_network(text)  # its own ValueError tells what is wrong
    return text


def _suffix(text: str) -> str:
    if not re.fullmatch(r"(?!-)[a-z0-9-]{1,63}(\.(?!-)[a-z0-9-]{1,63})*", text, re.ASCII):
        raise ValueError("expected lower-case A-labels, as in `example` or `co.example`")
    return text


def _query(template: str) -> str:
    if not re.fullmatch(r"[ -~]{1,200}", template) or template.count("{name}") != 1:
        raise ValueError("expected one printable ASCII line with {name} in it once")
    return template


def checked_host(text: str) -> str:
    """A host, with a port or without; raises ValueError."""
    if not re.fullmatch(r"([a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(:[0-9]{1,5})?", text, re.ASCII):
        raise ValueError("expected a host in lower case, as in `rdap.example` or `gate:8043`")
    return text


def _element_name(name: str) -> str:
    if name not in ELEMENTS:
        raise ValueError("expected the name of an element, as in `registrant.email`")
    return name


def _https(url: str) -> str:
    if not url.startswith("https://"):
        raise ValueError("expected an https URL")
    return url


Moment = Annotated[datetime, AfterValidator(_aware)]
BaseURL = Annotated[str, AfterValidator(_web), AfterValidator(_slash)]
UpstreamURL = Annotated[str, AfterValidator(_slash)]
"""What else it must be, the upstream's client says, which is stricter."""

HttpsURL = Annotated[str, AfterValidator(_https)]
IssuerURL = Annotated[str, AfterValidator(_https)]
NetworkText = Annotated[str, AfterValidator(_network)]
Suffix = Annotated[str, AfterValidator(_suffix)]
HostText = Annotated[str, AfterValidator(checked_host)]
QueryLine = Annotated[str, AfterValidator(_query)]
ElementName = Annotated[str, AfterValidator(_element_name)]


def _distinct(signers: dict[str, str]) -> dict[str, str]:
    if len(set(signers.values())) < len(signers):
        raise ValueError("expected another key for each name")
    return signers


def _ascending(steps: tuple[int, int, int]) -> tuple[int, int, int]:
    if sorted(steps) != list(steps):
        raise ValueError("expected three numbers, none below the one before")
    return steps


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
        if self.web_form:
            try:
                _web(self.web_form)
            except ValueError as error:
                raise ValueError(f"{error} as `web_form`, got `{self.web_form}`") from None
        return self


class RDAPSettings(_Table):
    """``[rdap]``: where the RDAP server listens and what its notices say.

    ``public_per_minute`` bounds the public look-ups of one IPv4 address or IPv6 /64, port 43
    included, in each process; 0 is no bound. A request must be for the host of ``base_url``, for
    the address that is listened on, or for one of ``hosts``: HOST with its port, or HOST:PORT.
    Without ``tls_certificate`` and ``tls_key`` (both, or neither) it is clear text.
    """

    listen: str = "127.0.0.1:8043"
    terms_url: str | None = None
    port43: str | None = None
    icann_profile: bool = True
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: tuple[NetworkText, ...] = ()
    public_per_minute: int = Field(600, ge=0)
    hosts: tuple[HostText, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> RDAPSettings:
        if (self.tls_key is None) != (self.tls_certificate is None):
            raise ValueError("expected `tls_certificate` and `tls_key` together")
        return self


class WhoisSettings(_Table):
    """``[whois]``: where port 43 listens."""

    listen: str = "127.0.0.1:4343"


class SourceSettings(_Table):
    """``[source]``: where the records are; each kind needs its own keys and takes no others.

    ``dsn_env`` names an environment variable. SQL stands here or in a ``*_file``. The keys of kind
    ``upstream`` stand under ``[upstream]``.
    """

    kind: Literal["sqlite", "postgres", "documents", "upstream"]
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
        plain = self.kind in {"documents", "upstream"}
        for key in ("domain", "contacts", "nameservers"):
            given = [k for k in (key, f"{key}_file") if getattr(self, k) is not None]
            if given and plain:
                raise ValueError(f"expected no `{given[0]}` with kind `{self.kind}`")
            if len(given) > 1 or (key == "domain" and not given and not plain):
                raise ValueError(f"expected `{key}` or `{key}_file`, never both")
        return self


class UpstreamServerSettings(_Table):
    """``[[upstream.server]]``: one server that is asked, and how; the longest suffix decides.

    Without ``suffixes`` it answers for every name. ``whois`` is HOST or HOST:PORT. ``fallback``
    asks ``whois`` after ``rdap`` has failed, in half of the deadline each. Of ``in_flight`` and
    ``per_minute``, a tenth is kept for gated questions. After ``failures`` in a row the server is
    left alone for ``rest_s``. Credentials go to this server alone, and never over clear text.
    """

    suffixes: tuple[Suffix, ...] = ()
    rdap: UpstreamURL | None = None
    whois: str | None = None
    query: QueryLine = "{name}"
    fallback: bool = False
    follow_referrals: bool = False
    clear_text: bool = False
    bearer_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    in_flight: int = Field(32, ge=1, le=1000)
    per_minute: int = Field(600, ge=1, le=1_000_000)
    failures: int = Field(5, ge=1, le=100)
    rest_s: float = Field(30.0, gt=0, le=3600)

    @model_validator(mode="after")
    def _sound(self) -> UpstreamServerSettings:
        clear = (self.rdap or "").startswith("http://")
        if self.rdap is None and self.whois is None:
            raise ValueError("expected `rdap` or `whois`, or both")
        if self.fallback != bool(self.rdap and self.whois):
            raise ValueError("expected `fallback = true` with `rdap` and `whois`, and only then")
        if clear and not self.clear_text:
            raise ValueError("expected an https URL, or `clear_text = true`")
        if (self.key is None) != (self.certificate is None):
            raise ValueError("expected `certificate` and `key` together")
        if (self.bearer_file or self.certificate) and (clear or self.rdap is None):
            raise ValueError("expected an https URL in `rdap` for credentials to go to")
        return self


class BootstrapSettings(_Table):
    """``[upstream.bootstrap]``: IANA's list of RDAP servers (RFC 9224), kept as a local copy.

    Fetched from ``url`` when the copy is half of ``max_age_h`` old; without ``url`` something else
    keeps ``file`` fresh. An older copy is refused. It serves names without a fixed server.
    """

    file: Path
    url: HttpsURL | None = None
    ca: Path | None = None
    max_age_h: float = Field(48.0, gt=0, le=24 * 30)


class UpstreamSettings(_Table):
    """``[upstream]``: the bounds of every answer that kind ``upstream`` fetches.

    ``deadline_s`` covers all of one question. ``allow`` lists networks that may be connected to
    although they are not public. A name without a record is remembered for ``negative_s``.
    ``second_opinion`` lets python-whois add dates, hosts and statuses to what WHOIS text gave.
    """

    deadline_s: float = Field(4.0, gt=0, le=60)
    limit_bytes: int = Field(1_000_000, ge=128 * 1024, le=4 * 1024 * 1024)
    hops: int = Field(3, ge=0, le=3)
    allow: tuple[NetworkText, ...] = ()
    negative_s: float = Field(30.0, ge=0, le=300)
    second_opinion: bool = False
    bootstrap: BootstrapSettings | None = None
    server: tuple[UpstreamServerSettings, ...] = ()

    @model_validator(mode="after")
    def _sound(self) -> UpstreamSettings:
        if not self.server and self.bootstrap is None:
            raise ValueError("expected [[upstream.server]] or [upstream.bootstrap]")
        suffixes = [suffix for server in self.server for suffix in server.suffixes or ("",)]
        if len(set(suffixes)) != len(suffixes):
            raise ValueError("expected every suffix at one server, and one server without any")
        return self


class LogSettings(_Table):
    """``[log]``: the audit log. ``head`` is a second copy of the checkpoint, out of any backup.

    ``keep_envelopes_days`` is how long entries can be opened, counted from their logging, and
    ``keep_entries_days`` how long they are published; without it, always.
    """

    head: Path = Path("head")
    keep_envelopes_days: int = Field(1096, ge=1, lt=1_000_000)
    keep_entries_days: int | None = Field(None, ge=1, lt=1_000_000)
    seal_at_most_days: int = Field(366, ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> LogSettings:
        if self.keep_entries_days is not None and self.keep_entries_days < self.keep_envelopes_days:
            raise ValueError("expected `keep_entries_days` not below `keep_envelopes_days`")
        return self


class HoldSettings(_Table):
    """``[[hold]]``: entries that are not erased while it lasts, whatever their age."""

    reason: str = Field(min_length=1, max_length=200)
    until: Moment
    entries: tuple[int, ...] = ()
    domain: str | None = None
    requester: str | None = None

    @model_validator(mode="after")
    def _something(self) -> HoldSettings:
        if not (self.entries or self.domain or self.requester):
            raise ValueError("expected `entries`, `domain` or `requester`")
        return self


class KeySettings(_Table):
    """``[keys]``: what opens private keys. Files are relative to the folder.

    ``operator_command`` prints the operator's key (PEM), as an agent or a password store does.
    """

    log_passphrase_file: Path | None = None
    operator_passphrase_file: Path | None = None
    operator_command: tuple[str, ...] = ()


class ClientSettings(_Table):
    """``[[directory.client]]``: this server as client of an issuer, so that people sign in there.

    ``secret_file`` goes as HTTP Basic; without it the client is a public one. ``scope`` has
    ``offline_access`` for sessions that can be refreshed.
    """

    iss: IssuerURL
    client_id: str = Field(min_length=1, max_length=200)
    secret_file: Path | None = None
    scope: str = Field("openid rdap", pattern=r"^openid( [!#-\[\]-~]+)*$")


class DirectorySettings(_Table):
    """``[directory]``: who may ask; `whoisgate authority` keeps it.

    ``audience`` is what tokens must be for, without it the base URL. With two ``approvers`` one
    person proposes an authority and another confirms it. ``signers`` are the public keys (JWK
    files) of operators whose directories may be imported, by name. The keys that an issuer
    publishes are fetched from public addresses and from networks under ``keys_allow``, and
    ``keys_ca`` (PEM) signs for their servers, without it the system's authorities. Clients are told
    of every issuer, and to use ``default_issuer`` if they know no better (RFC 9560 §4.1).
    """

    audience: str | None = None
    approvers: Literal[1, 2] = 1
    signers: dict[str, Path] = {}
    keys_allow: tuple[NetworkText, ...] = ()
    keys_ca: Path | None = None
    default_issuer: IssuerURL | None = None
    client: tuple[ClientSettings, ...] = ()


class LimitsSettings(_Table):
    """Persons disclosed in one UTC hour, day and calendar month."""

    hour: int | None = Field(None, ge=0)
    day: int | None = Field(None, ge=0)
    month: int | None = Field(None, ge=0)

    def limits(self) -> Limits:
        """The same, as the gate counts them."""
        return Limits(self.hour, self.day, self.month)


class PersonLimitsSettings(LimitsSettings):
    """``[budget.person]``: disclosed to one person in one UTC hour, day and calendar month."""

    hour: int | None = Field(200, ge=0)
    day: int | None = Field(1000, ge=0)
    month: int | None = Field(5000, ge=0)


class AuthorityLimitsSettings(LimitsSettings):
    """``[budget.authority]``: disclosed to all of one authority, as for one person."""

    day: int | None = Field(5000, ge=0)
    month: int | None = Field(50_000, ge=0)


class BudgetSettings(_Table):
    """``[budget]``: persons disclosed to one person and to one authority, at most.

    A person disclosed is a contact role of a domain, counted once in the UTC hour, day and calendar
    month. Each limit holds where the directory's record of the authority has none of its own.
    """

    person: PersonLimitsSettings = PersonLimitsSettings()
    authority: AuthorityLimitsSettings = AuthorityLimitsSettings()


Steps = Annotated[
    tuple[Annotated[int, Field(ge=2)], Annotated[int, Field(ge=2)], Annotated[int, Field(ge=2)]],
    AfterValidator(_ascending),
]


class ConductSettings(_Table):
    """``[conduct]``: from how many on a question is flagged, needs a second approver, is stopped.

    ``names_per_hour`` and ``names_per_day`` count the domains that one person asked about in the
    UTC hour and day; ``run_per_day`` those that differ in their digits alone. Somebody who has
    asked on ``habit_days`` days is flagged for an hour of the day that is new.
    """

    names_per_hour: Steps = (30, 100, 300)
    names_per_day: Steps = (100, 300, 1000)
    run_per_day: Steps = (5, 20, 100)
    habit_days: int = Field(10, ge=1)


class StaffSettings(_Table):
    """``[staff]``: whose signature the operator's own work takes.

    ``signers`` are names, as ``--by`` gives them, and the thumbprints of their keys, the `signer`
    that `whoisgate signer` shows. With any name there, what lets somebody ask, approves a question,
    lifts a stop or erases what is not old enough is signed with ``--sign-with``.
    """

    signers: Annotated[
        dict[
            Annotated[str, Field(min_length=1, max_length=200)],
            Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")],
        ],
        AfterValidator(_distinct),
    ] = {}


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
    upstream: UpstreamSettings | None = None
    log: LogSettings = LogSettings()
    keys: KeySettings = KeySettings()
    directory: DirectorySettings = DirectorySettings()
    budget: BudgetSettings = BudgetSettings()
    conduct: ConductSettings = ConductSettings()
    staff: StaffSettings = StaffSettings()
    standing: tuple[StandingSettings, ...] = ()
    hold: tuple[HoldSettings, ...] = ()

    @model_validator(mode="after")
    def _upstream(self) -> Config:
        wanted = self.source is not None and self.source.kind == "upstream"
        if wanted != (self.upstream is not None):
            raise ValueError("expected [upstream] with kind `upstream` of [source], and only then")
        if self.upstream and self.upstream.deadline_s >= self.gate.find_timeout_s:
            raise ValueError(
                "expected `deadline_s` of [upstream] below `find_timeout_s` of [gate], "
                f"which is `{self.gate.find_timeout_s:g}`"
            )
        return self


def read_config(path: Path) -> Config:
    """The checked configuration; raises `MalformedConfig` naming every place that is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MalformedConfig(f"expected `{path}`; make it with `whoisgate init`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedConfig(f"`{path}` cannot be read: {type(error).__name__}") from None
    return parse_config(text, path)


def parse_config(text: str, path: Path) -> Config:
    """As `read_config`, of the text that stands or is to stand at ``path``."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MalformedConfig(f"`{path}` is no TOML: {error}") from None
    if "issuer" in tables:
        raise MalformedConfig(
            f"`{path}`: expected no [[issuer]]: authorities stand in the directory, "
            "see `whoisgate authority add --help`"
        )
    number = tables.get("format")
    if isinstance(number, int) and number > FOLDER_FORMAT:
        raise FormatTooNew(f"expected folder format up to `{FOLDER_FORMAT}`, got `{number}`")
    try:
        return Config.model_validate(tables)
    except ValidationError as error:
        raise MalformedConfig(f"`{path}`: {places(error)}") from None


def places(error: ValidationError) -> str:
    """Every place that is wrong, what is expected there, and what came where that is safe to say.

    Nothing that may be a key or a password is told, nor what an unknown key holds.
    """
    return "; ".join(map(_place, error.errors()))


def _place(error: ErrorDetails) -> str:
    at, said, got = error["loc"], error["msg"], error["input"]
    said = said.removeprefix("Value error, ")
    where = f"`{'.'.join(map(str, at))}`: " if at else ""
    plain = isinstance(got, str | int | float) and error["type"] != "extra_forbidden"
    if not plain or not _UNSAID.isdisjoint(at) or f"'{got}'" in said:
        return f"{where}{said[:1].lower()}{said[1:]}"
    short = len(str(got)) <= _SHOWN and str(got).isprintable()
    came = f"`{got}`" if short else f"{len(str(got))} characters"
    return f"{where}{said[:1].lower()}{said[1:]}, got {came}"
