"""Connections whose text output depends on the data alone.

This package compares text that the server produced. The settings that change such text (time zone, date style, float
digits, search path, ...) are therefore pinned twice: by `connect` for the whole session, overriding ``ALTER DATABASE
... SET`` and ``ALTER ROLE ... SET``, and by `read_pinned` around every read, so that connections opened elsewhere yield
the same fingerprints. `connect` also resets what would end or hinder a session: time limits, read-only transactions.
"""

from __future__ import annotations

import math
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import tuple_row

from rollback_drills.core.errors import DrillError

Row = tuple[Any, ...]  # a row exactly as psycopg types it: ``psycopg.rows.TupleRow``
Connection = psycopg.Connection[Row]

APPLICATION_NAME: Final = "rollback-drills"

# The settings that change the text of values: PostgreSQL manual, "Client Connection Defaults", sections "Locale and
# Formatting" and "Statement Behavior".
SESSION_SETTINGS: Final[dict[str, str]] = {
    "TimeZone": "UTC",
    "DateStyle": "ISO,YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "xmlbinary": "base64",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
}
# What a migration may set for a role or a database, and what would then hinder the suite's own sessions: manual,
# "Statement Behavior". Those of later versions are reset after connecting (`_LATER_LIMITS`).
_UNHINDERED: Final[dict[str, str]] = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    "default_transaction_isolation": "read committed",
    "role": "none",
}
_LATER_LIMITS: Final = {"idle_session_timeout": 140000, "transaction_timeout": 170000}
SEARCH_PATH: Final = '"$user", public'  # PostgreSQL's own
# Pinned around a read only: the session keeps its own search path. With an empty search path the server
# qualifies every name that it prints; with row_security=off it raises an error instead of hiding rows from a role that
# is subject to a policy; JIT costs far more than it saves on catalogue queries.
_READ_SETTINGS: Final[dict[str, str]] = {
    **SESSION_SETTINGS,
    "search_path": "",
    "row_security": "off",
    "jit": "off",
}
_PIN: Final = ";\n".join(f"SET LOCAL {name} = '{value}'" for name, value in _READ_SETTINGS.items())

_SCHEME = re.compile(r"^(?P<dialect>[A-Za-z][A-Za-z0-9]*)(?P<driver>\+[A-Za-z0-9_]+)?://")
_environment = threading.Lock()


def quote_ident(name: str) -> str:
    """``name`` as a quoted SQL identifier; safe for any name that PostgreSQL accepts.

    Raises:
        DrillError: the name is empty or contains a NUL character (manual: "Identifiers and Key Words").
    """
    if not name or "\0" in name:
        raise DrillError(f"{name!r} cannot be an SQL identifier", fix="give a name without NUL characters")
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """``text`` as an SQL string literal with the same meaning under either ``standard_conforming_strings``.

    Raises:
        DrillError: the text contains a NUL character.
    """
    if "\0" in text:
        raise DrillError("a text with a NUL character cannot be sent to PostgreSQL", fix="remove the character")
    quoted = text.replace("'", "''")
    return " E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in quoted else f"'{quoted}'"


def libpq_url(url: str) -> str:
    """The address for libpq: SQLAlchemy's ``postgresql+driver://`` and ``postgres://`` become ``postgresql://``.

    Raises:
        DrillError: the URL is not a PostgreSQL URL.
    """
    match = _SCHEME.match(url)
    if match is None or match["dialect"] not in ("postgresql", "postgres"):
        raise DrillError(
            f"{redact(url)!r} is not a PostgreSQL URL",
            cause="it starts with neither postgresql:// nor postgres://",
            fix="write it as postgresql://user:password@host:port/database",
        )
    return "postgresql://" + url[match.end() :]


def redact(url: str) -> str:
    """``url`` for a message, with the password replaced by ``***``."""
    hidden = re.sub(r"(://[^/?#:@]*):[^/?#]*@", r"\1:***@", url)
    return re.sub(r"([?&](?:ssl)?password=)[^&#]*", r"\1***", hidden)


def with_database(url: str, name: str) -> str:
    """The libpq URL ``url`` with another database."""
    _require_libpq(url)
    parts = urlsplit(url)
    query = "&".join(item for item in parts.query.split("&") if item and not item.startswith("dbname="))
    return urlunsplit((parts.scheme, parts.netloc, "/" + quote(name, safe=""), query, ""))


def with_account(url: str, user: str, password: str) -> str:
    """The libpq URL ``url`` with another account; user and password may contain any characters."""
    _require_libpq(url)
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    account = f"{quote(user, safe='')}:{quote(password, safe='')}@{address}"
    return urlunsplit((parts.scheme, account, *parts[2:]))


def connect(
    url: str, *, autocommit: bool = True, timeout: float = 10.0, search_path: str | None = SEARCH_PATH
) -> Connection:
    """Open a connection that depends on ``url`` alone.

    ``PG*`` variables, password files and service files of the caller have no influence. Prepared statements are off,
    since the schema changes between two executions.

    Args:
        url: libpq URL with host, user and database; libpq would take a missing one from the operating system.
        timeout: seconds; libpq rounds up to whole seconds, at least two.
        search_path: of the session; None: the one that the role or the database sets, for SQL of the target's own.

    Raises:
        DrillError: libpq would misunderstand the URL, or the server cannot be reached.
    """
    _require_libpq(url)
    try:
        parameters = conninfo_to_dict(url)
    except psycopg.Error as error:
        raise DrillError(f"{redact(url)!r} cannot be read", cause=str(error).strip(), fix=_URL_FIX) from None
    absent = [key for key in ("host", "user", "dbname") if not parameters.get(key)]
    if absent or parameters.get("service"):
        what = f"names no {' and no '.join(absent)}" if absent else "refers to a service file"
        raise DrillError(
            f"{redact(url)!r} {what}",
            cause="libpq would fill the gap from the operating system, and may reach another database",
            fix=_URL_FIX,
        )
    parameters.setdefault("port", "5432")
    # A path that cannot exist: with an empty one libpq reads ~/.pgpass, with a device it prints a warning.
    parameters.update(
        passfile=os.path.join(os.devnull, "none"),
        application_name=APPLICATION_NAME,
        client_encoding="UTF8",
        connect_timeout=str(max(2, math.ceil(timeout))),
        options=_options(str(parameters.get("options") or ""), search_path),
    )
    try:
        with _without_libpq_environment():
            connection = psycopg.connect(make_conninfo("", **parameters), autocommit=True, prepare_threshold=None)
        _reset_later_limits(connection)
        connection.autocommit = autocommit
        return connection
    except psycopg.OperationalError as error:
        raise DrillError(
            f"no connection to {redact(url)!r}",
            cause=str(error).strip(),
            fix="check that the server runs, and the address, user and database in the URL",
        ) from error


def read_pinned(conn: Connection, statements: Sequence[str]) -> list[list[Row]]:
    """Run read-only ``statements`` in one round trip under pinned settings; the rows of each, in order.

    Outside a transaction, all statements see one snapshot (REPEATABLE READ). Inside one, they see what it sees, and a
    savepoint restores the settings.

    Raises:
        psycopg.Error: a statement fails; the caller's transaction remains usable.
    """
    own_transaction = conn.autocommit and conn.info.transaction_status == pq.TransactionStatus.IDLE
    if own_transaction:
        begin, end = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "COMMIT"
    else:
        begin, end = (
            f"SAVEPOINT {_SAVEPOINT}",
            f"ROLLBACK TO SAVEPOINT {_SAVEPOINT};\nRELEASE SAVEPOINT {_SAVEPOINT}",
        )
    script = ";\n".join((begin, _PIN, *statements, end))
    with conn.cursor(row_factory=tuple_row) as cursor:
        try:
            # Without parameters, psycopg uses the simple query protocol: many statements in one round trip.
            cursor.execute(script.encode(conn.info.encoding))
        except psycopg.Error:
            _end_failed_read(conn, own_transaction=own_transaction)
            raise
        results = []
        while True:
            if cursor.description is not None:
                results.append(cursor.fetchall())
            if not cursor.nextset():
                return results


@contextmanager
def pinned(conn: Connection) -> Iterator[None]:
    """One snapshot under pinned settings, for reads that one round trip cannot do.

    Args:
        conn: an autocommit connection, outside a transaction.
    """
    with conn.transaction():
        conn.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        pin(conn)
        yield


def pin(conn: Connection) -> None:
    """Pin the settings for the rest of the transaction."""
    conn.execute(_PIN.encode())


_SAVEPOINT: Final = "rollback_drills_read"
_URL_FIX: Final = "write it as postgresql://user:password@host:port/database"


def _end_failed_read(conn: Connection, *, own_transaction: bool) -> None:
    """Roll back what a failed read began, unless the connection is lost."""
    if conn.closed:
        return
    if own_transaction:
        conn.rollback()
    elif conn.info.transaction_status == pq.TransactionStatus.INERROR:
        conn.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}; RELEASE SAVEPOINT {_SAVEPOINT}".encode())


def _require_libpq(url: str) -> None:
    match = _SCHEME.match(url)
    if match is None or match["driver"] or match["dialect"] not in ("postgresql", "postgres"):
        raise DrillError(
            f"{redact(url)!r} is not a libpq URL",
            cause="libpq takes an unknown scheme for the name of a database on the default server",
            fix="pass it through libpq_url(), or write it as postgresql://user:password@host:port/database",
        )


def _options(given: str, search_path: str | None) -> str:
    # Startup options override ALTER DATABASE/ROLE ... SET (manual: "Setting Parameters", "Parameter Interaction via the
    # Database"), and need no round trip of their own.
    pinned = {**_UNHINDERED, **SESSION_SETTINGS}
    if search_path is not None:
        pinned["search_path"] = search_path
    return " ".join([given, *(f"-c {name}={_option(value)}" for name, value in pinned.items())]).strip()


def _option(value: str) -> str:
    """Escaped as libpq wants it (manual, libpq: "options"): a backslash before each space and backslash."""
    return re.sub(r"([\\ ])", r"\\\1", value)


def _reset_later_limits(connection: Connection) -> None:
    """Reset time limits that only newer servers know: an older one would refuse them among the startup options."""
    version = connection.info.server_version
    names = [name for name, since in _LATER_LIMITS.items() if version >= since]
    if names:
        connection.execute(";".join(f"SET {name} = 0" for name in names).encode())


@contextmanager
def _without_libpq_environment() -> Iterator[None]:
    """Remove ``PG*`` variables while libpq reads its defaults (manual, libpq: "Environment Variables").

    An empty parameter would not override PGSERVICE and PGHOSTADDR.
    """
    with _environment:
        hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PG")}
        try:
            yield
        finally:
            os.environ.update(hidden)
