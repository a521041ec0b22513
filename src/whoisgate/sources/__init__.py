"""Where records come from: memory, the registrar's SQL, RDAP documents, other people's servers.

A source finds the whole, private record of one name and nothing else: it decides nothing, keeps
no record and writes nothing. `open_source` makes the synchronous one that a configuration names,
`open_upstream` the asynchronous one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from whoisgate.config import SourceSettings, UpstreamSettings
from whoisgate.errors import ExtraMissing, MalformedConfig
from whoisgate.gate import AsyncSource, Source
from whoisgate.sources.documents import DocumentSource
from whoisgate.sources.memory import MemorySource
from whoisgate.sources.sql import SQLSource
from whoisgate.sources.statements import Statements

__all__ = [
    "DocumentSource",
    "MemorySource",
    "SQLSource",
    "Statements",
    "open_source",
    "open_upstream",
]


def open_source(settings: SourceSettings, folder: Path) -> Source:
    """The source that ``settings`` name; paths are relative to ``folder``.

    Raises `MalformedConfig` on a file of SQL or an environment variable that is not there, and
    what the source itself raises when it is checked.
    """
    if settings.kind == "documents":
        return DocumentSource(folder / _required(settings.folder, "folder"))
    statements = Statements(
        _required(_sql(settings.domain, settings.domain_file, folder), "domain"),
        _sql(settings.contacts, settings.contacts_file, folder),
        _sql(settings.nameservers, settings.nameservers_file, folder),
    )
    if settings.kind == "sqlite":
        return SQLSource.sqlite(
            folder / _required(settings.database, "database"),
            statements,
            timeout_ms=settings.statement_timeout_ms,
            size=settings.connections,
        )
    return SQLSource.postgres(
        _dsn(settings),
        statements,
        statement_timeout_ms=settings.statement_timeout_ms,
        size=settings.connections,
    )


def open_upstream(
    settings: UpstreamSettings, folder: Path, clock: Callable[[], datetime]
) -> AsyncSource:
    """The upstream servers that ``settings`` name; paths are relative to ``folder``.

    Raises `MalformedConfig`, `MissingKey`, or `ExtraMissing` without the ``upstream`` extra.
    """
    try:
        from whoisgate.sources.upstream import UpstreamSource  # noqa: PLC0415  needs the extra
    except ModuleNotFoundError as error:
        raise ExtraMissing(f'expected `pip install "whoisgate[upstream]"`: {error.name}') from None
    return UpstreamSource(settings, folder, clock)


def _dsn(settings: SourceSettings) -> str:
    if settings.dsn_env is None:
        return _required(settings.dsn, "dsn")
    dsn = os.environ.get(settings.dsn_env)
    if not dsn:
        raise MalformedConfig(f"expected the environment variable `{settings.dsn_env}`")
    return dsn


def _sql(text: str | None, file: Path | None, folder: Path) -> str | None:
    if file is None:
        return text
    try:
        return (folder / file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedConfig(f"`{folder / file}` cannot be read: {type(error).__name__}") from None


T = TypeVar("T")


def _required(setting: T | None, key: str) -> T:
    if setting is None:
        raise MalformedConfig(f"[source]: expected `{key}`")
    return setting
