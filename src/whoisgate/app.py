"""Wiring: the folder that `init` makes, keys, clock, randomness, and the gates built from them.

This is the only module that reads the clock or draws randomness; everything else is handed them.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from whoisgate.audit.draft import JSON, Draft
from whoisgate.audit.note import Signer
from whoisgate.audit.receipt import Receipt
from whoisgate.conduct import Thresholds
from whoisgate.config import FOLDER_FORMAT, Config, checked_host, parse_config, read_config
from whoisgate.elements import element
from whoisgate.entries import Allowance
from whoisgate.errors import (
    DraftPolicy,
    FolderExists,
    MalformedConfig,
    MissingKey,
    OperatorError,
    ReplacementMissing,
)
from whoisgate.formats import rdap
from whoisgate.gate import AsyncGate, AsyncSource, Gate, Log, Source, Vouch
from whoisgate.middle import Settings
from whoisgate.policy.decide import edition
from whoisgate.policy.findings import nearest, quoted
from whoisgate.policy.load import load, load_named
from whoisgate.policy.model import Policy
from whoisgate.queries import Standing
from whoisgate.redact import Substitutes
from whoisgate.sources import open_source, open_upstream
from whoisgate.stores.carry import Kept, drafts
from whoisgate.stores.sqlite import SQLiteLog

WORKERS = 8
"""Threads in which the asynchronous gate runs a synchronous source."""


def utc_now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


def entropy(count: int) -> bytes:
    """``count`` random bytes."""
    return secrets.token_bytes(count)


@dataclass(frozen=True)
class Folder:
    """The folder that `init` makes, with its configuration and keys read on demand.

    ``whoisgate.toml``, ``whoisgate.db``, ``keys/`` and ``log/`` (``checkpoint`` and ``tile/``);
    out of the backup set ``shred.slots`` (shred secrets) and ``head`` (another copy of the
    checkpoint).
    """

    path: Path
    config: Config

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> Folder:
        """The folder at ``path``; raises `MalformedConfig` or `FormatTooNew`."""
        root = Path(path)
        return cls(root, read_config(root / "whoisgate.toml"))

    @property
    def log_folder(self) -> Path:
        """Where checkpoint and tiles are published."""
        return self.path / "log"

    @property
    def audience(self) -> str:
        """What tokens must be for."""
        return self.config.directory.audience or self.config.gate.base_url

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """Certificate chain and private key (PEM) of the RDAP server, or None for clear text."""
        rdap = self.config.rdap
        if rdap.tls_certificate is None or rdap.tls_key is None:
            return None
        return self.path / rdap.tls_certificate, self.path / rdap.tls_key

    @cached_property
    def policy(self) -> Policy:
        """The policy that the configuration names: a shipped one, or a file in this folder."""
        name = self.config.gate.policy
        if name.endswith((".yaml", ".yml")):
            return load(self.path / name)
        return load_named(name)

    def settings(self) -> Settings:
        """Everything that the gate's pure middle needs; raises `ReplacementMissing`."""
        config, policy = self.config, self.policy
        if policy.replaces and not (config.replace.web_form or config.replace.alias):
            raise ReplacementMissing(
                f"policy `{policy.name}` replaces e-mail addresses: expected `web_form` or "
                "`alias` under [replace] in whoisgate.toml"
            )
        return Settings(
            policy,
            Substitutes(self._secret("substitute.key"), config.replace.web_form,
                        config.replace.alias),
            rdap.Settings(
                base_url=config.gate.base_url,
                terms_url=config.rdap.terms_url or f"{config.gate.base_url}help",
                port43=config.rdap.port43,
                icann_profile=config.rdap.icann_profile,
            ),
            frozenset(config.gate.switches),
            tuple(
                Standing(s.authority, s.basis, frozenset(map(element, s.elements)), s.expires)
                for s in config.standing
            ),
            frozenset(config.gate.suffixes) or None,
            Allowance(
                config.gate.refusals_per_day,
                config.budget.person.limits(),
                config.budget.authority.limits(),
                Thresholds(
                    config.conduct.names_per_hour,
                    config.conduct.names_per_day,
                    config.conduct.run_per_day,
                    config.conduct.habit_days,
                ),
            ),
            config.gate.cache_s,
            seal_at_most_days=config.log.seal_at_most_days,
        )  # fmt: skip

    def log(self, *, create: bool = False, after: Mapping[str, JSON] | None = None) -> SQLiteLog:
        """The audit log, opened lazily in each process that appends to it."""
        return SQLiteLog(
            self.path / "whoisgate.db",
            self.log_folder,
            self.path / "shred.slots",
            signers=lambda: self.signing_keys().values(),
            recipients=self.recipients(),
            index_key=self._secret("index.key"),
            clock=utc_now,
            entropy=entropy,
            head=self.path / self.config.log.head,
            create=create,
            after=after,
        )

    def signing_keys(self) -> dict[Path, Signer]:
        """The log's private keys at hand, by their files; raises `MissingKey`."""
        secret, origin = self.log_passphrase(), self.config.gate.origin
        files = [f for f in self._key_files(".key") if f.name.startswith("log")]
        if not files:
            raise MissingKey("expected `keys/log.key`")
        return {file: Signer.from_pem(origin, self._key(file.name), secret) for file in files}

    def add_signing_key(self) -> Signer:
        """A new signing key, durable in the folder and not yet in force."""
        new = Signer.generate(self.config.gate.origin, entropy)
        file = self.path / "keys" / f"log-{new.verifier.key_id.hex()}.key"
        write_secret(file, new.to_pem(self.log_passphrase()))
        owner = file.parent.stat()
        if owner.st_uid != os.geteuid():  # root for the gate's own user, who must read it
            os.chown(file, owner.st_uid, owner.st_gid)
        return new

    def log_passphrase(self) -> bytes | None:
        """What encrypts the signing keys, None where nothing does."""
        return self._secret_line(self.config.keys.log_passphrase_file)

    @contextmanager
    def opened(self) -> Iterator[SQLiteLog]:
        """The log, closed afterwards."""
        log = self.log()
        try:
            yield log
        finally:
            log.close()

    def nonce_key(self) -> bytes:
        """What makes the nonces of DPoP proofs: secret, and the same in every process."""
        return hmac.digest(self._secret("index.key"), b"whoisgate DPoP nonces", "sha256")

    def source(self) -> Source:
        """The synchronous source that the configuration names."""
        settings = self.config.source
        if settings is None:
            raise MalformedConfig("expected a [source] table in whoisgate.toml, or a source given")
        if settings.kind == "upstream":
            raise MalformedConfig("upstreams are asked asynchronously alone: use `open_async`")
        return open_source(settings, self.path)

    def async_source(self) -> Source | AsyncSource:
        """The source that the configuration names, of either kind."""
        upstream = self.config.upstream
        return open_upstream(upstream, self.path, utc_now) if upstream else self.source()

    def operator_key(self, file: Path | None = None) -> X25519PrivateKey:
        """The operator's private key, which opens envelopes; raises `MissingKey`.

        From ``file``, or from the command or ``keys/operator.key`` that the configuration names.
        """
        keys = self.config.keys
        if file is not None:
            pem = read_key(file)
        elif keys.operator_command:
            pem = _told_by(keys.operator_command)
        else:
            pem = self._key("operator.key")
        try:
            key = load_pem_private_key(pem, self._secret_line(keys.operator_passphrase_file))
        except (ValueError, TypeError):
            raise MissingKey(
                "expected the operator's X25519 key as PEM, and its passphrase if it has one"
            ) from None
        if not isinstance(key, X25519PrivateKey):
            raise MissingKey("expected an X25519 key of the operator")
        return key

    def _secret_line(self, file: Path | None) -> bytes | None:
        return read_passphrase(self.path / file if file else None)

    def recipients(self) -> dict[str, X25519PublicKey]:
        """The public keys of all who can open envelopes, by name; raises `MissingKey`."""
        files = self._key_files(".pub")
        if not files:
            raise MissingKey("expected `keys/operator.pub` or another recipient's `.pub`")
        return {file.stem: read_recipient(file) for file in files}

    def _key_files(self, suffix: str) -> list[Path]:
        """The files in ``keys/``; `glob` would hide a folder that cannot be read."""
        try:
            return sorted(f for f in (self.path / "keys").iterdir() if f.suffix == suffix)
        except OSError as error:
            raise MissingKey(f"expected a readable `keys/`: {type(error).__name__}") from None

    def _secret(self, name: str) -> bytes:
        try:
            return bytes.fromhex(self._key(name).decode("ascii").strip())
        except ValueError:
            raise MissingKey(f"expected hexadecimal text in `keys/{name}`") from None

    def _key(self, name: str) -> bytes:
        return read_key(self.path / "keys" / name, f"keys/{name}")


def open(  # noqa: A001  the library's front door: `whoisgate.open`
    path: str | os.PathLike[str], *, source: Source | None = None, allow_draft: bool = False
) -> Gate:
    """The gate of a folder, over ``source`` or the source that its configuration names.

    Raises `OperatorError` or `PolicyError`. Safe before a fork: handles open in each process.
    """
    folder = Folder.at(path)
    settings, log = _prepared(folder, allow_draft=allow_draft)
    return Gate(settings, source or folder.source(), log, utc_now, _application(log))


def open_async(
    path: str | os.PathLike[str],
    *,
    source: Source | AsyncSource | None = None,
    allow_draft: bool = False,
) -> AsyncGate:
    """As `open`, for asynchronous callers; a synchronous source runs in a few threads."""
    folder = Folder.at(path)
    settings, log = _prepared(folder, allow_draft=allow_draft)
    return AsyncGate(
        settings,
        source or folder.async_source(),
        log,
        utc_now,
        executor=ThreadPoolExecutor(WORKERS, thread_name_prefix="whoisgate-find"),
        find_timeout_s=folder.config.gate.find_timeout_s,
        vouch=_application(log),
    )


def _application(log: SQLiteLog) -> Vouch:
    from whoisgate.identity.application import Application  # noqa: PLC0415  records: a gate's alone

    return Application(log.listed)


def reread(folder: Path, log: Log, now: Settings, *, allow_draft: bool = False) -> Settings:
    """What a gate over ``folder`` is to answer under from now on, instead of ``now``.

    Links keep their address. Another policy is archived, and logged by ``log``, before this
    returns; raises `OperatorError` or `PolicyError`, and then nothing is.
    """
    changed = Folder.at(folder)
    settings = replace(_checked(changed, allow_draft=allow_draft), rdap=now.rdap)
    policy = settings.policy
    if policy.digest != now.policy.digest:
        with changed.opened() as archive:
            archive.archive(policy.digest, policy.text)
        record_policy(log, policy)
    return settings


def _prepared(folder: Folder, *, allow_draft: bool) -> tuple[Settings, SQLiteLog]:
    settings = _checked(folder, allow_draft=allow_draft)
    policy, log = settings.policy, folder.log()
    log.publish()  # what a killed process left committed
    log.shred_again()
    if log.archived(policy.digest) is None:
        log.archive(policy.digest, policy.text)
        record_policy(log, policy)
    return settings, log


def _checked(folder: Folder, *, allow_draft: bool) -> Settings:
    settings = folder.settings()
    if settings.policy.draft and not allow_draft:
        raise DraftPolicy(f"policy `{settings.policy.name}` is a draft: expected --allow-draft")
    _check_switches(settings)
    edition(settings.policy, utc_now(), settings.switches)  # compiles, once and for all
    return settings


def _check_switches(settings: Settings) -> None:
    """A rule behind a switch that is misspelt would stay dormant, and nobody would know."""
    policy = settings.policy
    known = sorted({p.switch for r in policy.rules for p in r.in_force if p.switch})
    for name in sorted(settings.switches.difference(known)):
        hint = nearest(name, known) or "it has none" * (not known)
        raise MalformedConfig(
            f"`gate.switches`: policy `{policy.name}` has no switch {quoted(name)}"
            + (f": {hint}" if hint else "")
        )


def record_policy(log: Log, policy: Policy) -> Receipt:
    """Log in clear that this policy is in force from now on."""
    said = {"policy": policy.name, "version": policy.version, "digest": policy.digest}
    return log.append(Draft("policy", policy.digest, utc_now(), open=said)).result()


def read_recipient(path: Path) -> X25519PublicKey:
    """An auditor's or operator's public key (X25519, PEM)."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise MissingKey(f"expected an X25519 PEM in `{path}`: {type(error).__name__}") from None
    if not isinstance(key, X25519PublicKey):
        raise MissingKey(f"expected an X25519 public key in `{path}`")
    return key


def init(
    path: Path,
    *,
    host: str = "localhost",
    base_url: str = "http://127.0.0.1:8043/",
    auditors: Iterable[Path] = (),
    operator: Path | None = None,
    operator_passphrase: bytes | None = None,
    web_form: str | None = None,
    tables: str = "",
    after: Path | None = None,
) -> Folder:
    """Make the folder of a new gate: configuration, keys, database and an empty log.

    ``after`` is the folder of the same gate's log of an earlier year, which the new one names:
    its keys are taken over, but for those that sign the log, and its host; and whom it lists, each
    suspended or revoked, whom it bars or has stopped, and what it imported: see `stores.carry`.
    Nothing may be appended to it meanwhile. ``operator`` is the
    operator's public key, whose private half then never is on this machine; else a pair is made,
    under the passphrase if there is one. ``web_form`` is the address that stands in for e-mail;
    ``tables`` is more TOML. Raises `FolderExists` where anything stands, and `MalformedConfig`,
    `MissingKey` or `OperatorError`; then nothing is made.
    """
    year, earlier = str(utc_now().year), Folder.at(after) if after else None
    if earlier is not None:
        host, _, last = earlier.config.gate.origin.rpartition("/log/")
        # Not of a later one either: the versions of an exported directory only grow.
        if last.isdecimal() and int(last) >= int(year):
            raise MalformedConfig(f"expected a log of an earlier year, got one of `{last}`")
    recipients = earlier.recipients() if earlier else {}
    recipients |= {f"auditor-{n}": read_recipient(a) for n, a in enumerate(auditors, 1)}
    if operator is not None:
        recipients["operator"] = read_recipient(operator)
    if earlier is None:
        _check_host(host)
    origin = f"{host}/log/{year}"
    text = _text(base_url, origin, web_form) + tables
    parse_config(text, path / "whoisgate.toml")
    with _claimed(path) as keys:
        (path / "log").mkdir()
        if "operator" not in recipients:
            recipients["operator"] = _new_operator(keys, operator_passphrase)
        _fill_keys(keys, Signer.generate(origin, entropy), recipients, earlier)
        (path / "whoisgate.toml").write_text(text, encoding="utf-8")
        _sync_all(path)
        folder = Folder.at(path)
        _begin(folder, earlier)
    return folder


def _check_host(name: str) -> None:
    try:
        checked_host(name)
    except ValueError as error:
        raise MalformedConfig(f"host: {error}, got `{name}`") from None


def _text(base_url: str, origin: str, web_form: str | None) -> str:
    """The configuration of a new gate."""
    return _TOML.format(
        format=FOLDER_FORMAT,
        base_url=base_url,
        origin=origin,
        replace=_REPLACE.format(web_form=json.dumps(web_form)) if web_form else _NO_REPLACE,
    )


def _check_vacant(path: Path) -> None:
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FolderExists(f"expected nothing at `{path}`; init never overwrites")


@contextmanager
def _claimed(path: Path) -> Iterator[Path]:
    """Makes ``path`` with its ``keys``, and takes all of it away again if what follows fails.

    Raises `FolderExists` where anything stands, and `OperatorError` for what cannot be written.
    """
    keys, made = path / "keys", list[Path]()
    try:
        _check_vacant(path)
        made += [each for each in (path, *path.parents) if not each.exists()]
        keys.mkdir(parents=True, mode=0o700)  # fails for the second of two at once
        try:
            yield keys
        except BaseException:
            for each in path.iterdir():
                shutil.rmtree(each) if each.is_dir() else each.unlink()
            raise
    except BaseException as error:
        for each in made:
            with suppress(OSError):
                each.rmdir()
        if isinstance(error, OSError):
            reason = (error.strerror or type(error).__name__).lower()
            raise OperatorError(f"`{path}` cannot be written: {reason}") from None
        raise


def _begin(folder: Folder, earlier: Folder | None) -> None:
    """The log of a new folder, with what it carries over from an earlier one."""
    if earlier is None:
        folder.log(create=True).close()
        return
    ended, kept = _ended(earlier)
    log = folder.log(create=True, after=ended)
    try:
        for draft in drafts(kept, ended, utc_now()):
            log.append(draft).result()
    finally:
        log.close()


def _new_operator(keys: Path, passphrase: bytes | None) -> X25519PublicKey:
    """The public half of a new key of the operator, whose private half is written."""
    private = X25519PrivateKey.generate()
    cipher: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        cipher = BestAvailableEncryption(passphrase)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, cipher)
    write_secret(keys / "operator.key", pem)
    return private.public_key()


def _fill_keys(
    keys: Path, signer: Signer, recipients: Mapping[str, X25519PublicKey], earlier: Folder | None
) -> None:
    """Write the keys of a new folder; those that are no log's own come from an earlier one."""
    write_secret(keys / "log.key", signer.to_pem())
    (keys / "log.vkey").write_text(signer.vkey + "\n")
    for name in ("index.key", "substitute.key"):
        known = read_key(earlier.path / "keys" / name) if earlier else None
        write_secret(keys / name, known or entropy(32).hex().encode() + b"\n")
    if earlier is not None and earlier.recipients().get("operator") == recipients["operator"]:
        private = earlier.path / "keys" / "operator.key"
        if private.exists():  # else it is on another machine
            write_secret(keys / "operator.key", read_key(private))
    if earlier is not None and (earlier.path / "keys" / "directory.key").exists():
        for name in ("directory.key", "directory.jwk"):
            write_secret(keys / name, read_key(earlier.path / "keys" / name))
    for name, key in recipients.items():
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (keys / f"{name}.pub").write_bytes(pem)


def _ended(earlier: Folder) -> tuple[dict[str, JSON], Kept]:
    """Where a log ends that another follows, and what it hands on."""
    with earlier.opened() as log:
        log.publish()
        size, root = log.head()
        kept = log.carries()
    return {"origin": earlier.config.gate.origin, "size": size, "root": root.hex()}, kept


def _sync_all(folder: Path) -> None:
    """Make a folder durable: a log that outlives its keys in a power cut never starts again."""
    for path in (folder.parent, folder, *folder.rglob("*")):
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_secret(path: Path, content: bytes) -> None:
    """A new file that its owner alone reads; durable on return. Raises `OSError`."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)


def read_passphrase(file: Path | None) -> bytes | None:
    """The line in a file, None without a file; raises `MissingKey`."""
    return read_key(file).rstrip(b"\n") if file else None


def read_key(path: Path, shown: str | None = None) -> bytes:
    """What a key file holds; raises `MissingKey` naming it as it is given, or as ``shown``."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise MissingKey(f"expected a readable `{shown or path}`: {type(error).__name__}") from None


def _told_by(command: Sequence[str]) -> bytes:
    """What an agent's command prints; its own words go to the terminal."""
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout  # noqa: S603  the operator's own configuration
    except (OSError, subprocess.CalledProcessError) as error:
        raise MissingKey(f"expected a key from `{command[0]}`: {type(error).__name__}") from None


_REPLACE = """\
[replace]                  # what stands in for an e-mail address: `web_form` or `alias`
web_form = {web_form}
"""
_NO_REPLACE = """\
# [replace]                # what stands in for an e-mail address: one of the two
# web_form = "https://registrar.example/contact?domain={domain}&role={role}"
# alias = "{token}@relay.example"
"""
_TOML = """\
# The configuration of one gate. Every key is checked at start; see docs/for-registrars.md.
format = {format}

[gate]
base_url = "{base_url}"    # what links and receipts begin with
origin = "{origin}"        # the log's name, part of its key
policy = "icann-gtld"      # a shipped policy, or a .yaml file in this folder
# switches = []            # rules that lie dormant behind a switch
# suffixes = ["example"]   # answer for names under these alone

{replace}
# [source]                 # where the records are; see docs/for-registrars.md
# kind = "sqlite"
# database = "registrar.db"
# domain = 'SELECT ...'

# [directory]              # who may ask: kept by `whoisgate authority`
# audience = "https://rdap.registrar.example"  # what tokens must be for; else base_url
# approvers = 2                 # one proposes an authority, another confirms it

# [budget]                 # persons disclosed at most, where the directory says nothing else
# person = {{hour = 200, day = 1000, month = 5000}}
# authority = {{day = 5000, month = 50000}}

# [log]                    # the audit log
# head = "/srv/elsewhere/head"  # another copy of the checkpoint, out of every backup
# keep_envelopes_days = 1096    # `whoisgate log erase --retention` erases what is older

# [keys]                   # what opens private keys
# operator_passphrase_file = "/run/credentials/operator"

# [staff]                  # who signs what lets somebody ask, approves or erases
# signers = {{"Ann Operator" = "THUMBPRINT"}}  # as `whoisgate signer` shows it

# [[hold]]                 # entries that are not erased meanwhile
# reason = "case 2026-114 is before the court"
# until = 2028-01-01T00:00:00Z
# domain = "example.com"

# [[standing]]             # an approval for requesters that your own code vouches for
# authority = "Police of Example"
# basis = "national_order"
# elements = ["registrant.name", "registrant.email"]
# expires = 2027-01-01T00:00:00Z
"""
