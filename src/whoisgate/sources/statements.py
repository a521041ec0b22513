"""The registrar's SQL as given, and what a database session owes to `SQLSource`.

Statements are the registrar's own text with one placeholder, ``:name``. Nothing here opens a
connection or understands SQL beyond telling a placeholder from literals, comments and casts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from whoisgate.errors import MalformedConfig, SourceFailed
from whoisgate.sources.columns import Row

CHECK_NAME: Final = "whoisgate-check.invalid"
"""A name that no registrar can hold (RFC 6761 §6.4); statements are tried with it."""


class LostConnection(SourceFailed):
    """The connection is gone, or what it leads to was replaced; a new one may work."""


@dataclass(frozen=True, slots=True)
class Statements:
    """One SQL statement each; ``domain`` gives one row, the others as many as there are.

    Raises `MalformedConfig` where ``:name`` is missing.
    """

    domain: str
    contacts: str | None = None
    nameservers: str | None = None

    def __post_init__(self) -> None:
        for statement, sql in self.given.items():
            if not any(placeholder for _, placeholder in _pieces(sql)):
                raise MalformedConfig(f"{statement}: expected the placeholder `:name` in the SQL")

    @property
    def given(self) -> Mapping[str, str]:
        """The statements that are there, by name, the domain's first."""
        named = {
            "domain": self.domain,
            "contacts": self.contacts,
            "nameservers": self.nameservers,
        }
        return {name: sql for name, sql in named.items() if sql is not None}


class Session(Protocol):
    """One open, read-only connection; used by one thread at a time."""

    def columns(self) -> Sequence[Sequence[str]]:
        """The column names of every statement, from running it with `CHECK_NAME`.

        Called before the first `read`, which raises `LostConnection` when they are others now.
        """

    def read(self, name: str) -> Sequence[Sequence[Row]]:
        """The rows of every statement in one snapshot; none at all when there is no domain row.

        Raises `LostConnection`, `SourceTooSlow` or `SourceFailed`.
        """

    def close(self) -> None:
        """Release the connection; never raises."""


def pyformat(sql: str) -> str:
    """``sql`` with ``:name`` as ``%(name)s`` and every other ``%`` doubled, as psycopg wants it."""
    return "".join(
        "%(name)s" if placeholder else text.replace("%", "%%") for text, placeholder in _pieces(sql)
    )


_TOKEN: Final = re.compile(
    r"""
      (?<!\w)[eE]'(?:[^'\\]|\\.|'')*'                  # literal with escapes
    | '(?:[^']|'')*'                                   # literal
    | "(?:[^"]|"")*"                                   # quoted identifier
    | (?<![\w$])(?P<dollar>\$(?:[^\W\d]\w*)?\$).*?(?P=dollar)
    | --[^\n]*
    | (?P<comment>/\*)
    | ::
    | :(?P<name>name)\b
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT: Final = re.compile(r"/\*|\*/")


def _pieces(sql: str) -> Iterator[tuple[str, bool]]:
    """The text in order, each piece with whether it is the placeholder."""
    start = position = 0
    while token := _TOKEN.search(sql, position):
        position = _past_comment(sql, token.end()) if token["comment"] else token.end()
        if token["name"]:
            yield sql[start : token.start()], False
            yield token[0], True
            start = position
    yield sql[start:], False


def _past_comment(sql: str, position: int) -> int:
    """Where the comment opened before ``position`` ends; comments nest in PostgreSQL."""
    depth = 1
    while depth and (mark := _COMMENT.search(sql, position)):
        depth += 1 if mark[0] == "/*" else -1
        position = mark.end()
    return len(sql) if depth else position
