"""A read-only session on a PostgreSQL database, through psycopg 3 (the ``postgres`` extra).

Every transaction of the session is READ ONLY and REPEATABLE READ, and every statement is under
``statement_timeout``. The statements of one question travel in one pipeline: one round trip, one
implicit transaction, one snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from whoisgate.errors import SourceError, SourceFailed, SourceTooSlow
from whoisgate.sources.columns import Row
from whoisgate.sources.statements import CHECK_NAME, LostConnection, Statements, pyformat

_DEFAULTS: Final = {
    "application_name": "whoisgate",
    "client_encoding": "utf8",
    "connect_timeout": "5",
    # Without these a peer that vanished would hold the thread for many minutes.
    "keepalives_idle": "10",
    "tcp_user_timeout": "10000",
}
_SETTINGS: Final = (
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, ISOLATION LEVEL REPEATABLE READ; "
    "SET TimeZone = 'UTC'; SET statement_timeout = "
)


class PostgresSession:
    """One connection. ``dsn`` is libpq's; its own settings win over the defaults here.

    Raises `SourceFailed` where no connection can be made; the password is in no message.
    """

    def __init__(self, dsn: str, statements: Statements, timeout_ms: int) -> None:
        self._names = tuple(statements.given)
        self._statements = tuple(pyformat(sql).encode() for sql in statements.given.values())
        try:
            missing = {k: v for k, v in _DEFAULTS.items() if k not in conninfo_to_dict(dsn)}
            self._connection = psycopg.connect(make_conninfo(dsn, **missing), autocommit=True)
        except psycopg.Error as error:
            raise SourceFailed(f"no connection to PostgreSQL: {_reason(error)}") from None
        try:
            self._connection.execute(f"{_SETTINGS}{timeout_ms:d}".encode())
        except psycopg.Error as error:
            self._connection.close()
            raise SourceFailed(f"PostgreSQL refused read-only: {_reason(error)}") from None

    def columns(self) -> Sequence[Sequence[str]]:
        """As `Session.columns`; a refused statement is told with PostgreSQL's reason."""
        found = []
        for statement, sql in zip(self._names, self._statements, strict=True):
            try:
                cursor = self._connection.execute(sql, {"name": CHECK_NAME})
            except psycopg.Error as error:
                # No registrant's value can stand in the reason: the name matches no row.
                sentence = f"{statement}: PostgreSQL refused the SQL: {_reason(error)}"
                raise self._failed(error, sentence) from None
            found.append([column.name for column in cursor.description or ()])
        return found

    def read(self, name: str) -> Sequence[Sequence[Row]]:
        """As `Session.read`."""
        execute, parameters = self._connection.execute, {"name": name}
        try:
            with self._connection.pipeline():
                cursors = [execute(sql, parameters, prepare=True) for sql in self._statements]
            rows = [cursor.fetchall() for cursor in cursors]
        except psycopg.Error as error:
            sentence = f"PostgreSQL failed with `{error.sqlstate or type(error).__name__}`"
            raise self._failed(error, sentence) from None
        return rows if rows[0] else []

    def close(self) -> None:
        """As `Session.close`."""
        self._connection.close()

    def _failed(self, error: psycopg.Error, sentence: str) -> SourceError:
        if self._connection.closed:
            return LostConnection("the connection to PostgreSQL was lost")
        if isinstance(error, psycopg.errors.FeatureNotSupported):
            # A prepared statement whose columns changed; only a new session prepares it again.
            return LostConnection(sentence)
        if isinstance(error, (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable)):
            return SourceTooSlow("PostgreSQL cancelled the statement at its time limit")
        return SourceFailed(sentence)


def _reason(error: psycopg.Error) -> str:
    """The server's or libpq's own first line."""
    return error.diag.message_primary or (str(error).splitlines() or [type(error).__name__])[0]
