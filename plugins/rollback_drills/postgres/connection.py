"""Connections whose text output depends on nothing but the data.

Every comparison in this package is a comparison of text which the server produced.  The settings which change
that text (time zone, date style, float digits, search path, ...) are therefore pinned twice: for the whole
session by :func:`connect`, below what ``ALTER DATABASE ... SET`` or ``ALTER ROLE ... SET`` may say, and once
more around every read by :func:`read_pinned`, so that a connection opened by somebody else yields the same
fingerprints.
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

# What changes the text of values: PostgreSQL manual, "Client Connection Defaults", section "Locale and
# Formatting", and "Statement Behavior".  lc_messages only keeps server messages quotable in English.
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
# Pinned around a read only; the session keeps the application's own search path.  An empty search path makes
# the server qualify every name that it prints; row_security=off makes it refuse instead of hiding rows from a
# role which is subject to a policy; JIT costs far more than it saves on catalogue queries.
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

    Raises DrillError on an empty name or one with a NUL byte (manual: "Identifiers and Key Words").
    """
    if not name or "\0" in name:
        raise DrillError(f"{name!r} cannot be an SQL identifier", fix="give a name without NUL characters")
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """``text`` as an SQL string literal that reads the same whatever ``standard_conforming_strings`` says."""
    if "\0" in text:
        raise DrillError("a text with a NUL character cannot be sent to PostgreSQL", fix="remove the character")
    quoted = text.replace("'", "''")
    return " E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in quoted else f"'{quoted}'"


def libpq_url(url: str) -> str:
    """The same address for libpq: SQLAlchemy's ``postgresql+driver://`` and ``postgres://`` become
    ``postgresql://``.

    Raises DrillError when the URL is not one of PostgreSQL's.
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
    """``url`` fit for a message: the password between ``user:`` and ``@`` replaced by ``***``."""
    hidden = re.sub(r"(://[^/?#:@]*):[^/?#]*@", r"\1:***@", url)
    return re.sub(r"([?&](?:ssl)?password=)[^&#]*", r"\1***", hidden)


def with_database(url: str, name: str) -> str:
    """The libpq URL ``url`` with its database replaced by ``name``; everything else is kept."""
    _require_libpq(url)
    parts = urlsplit(url)
    query = "&".join(item for item in parts.query.split("&") if item and not item.startswith("dbname="))
    return urlunsplit((parts.scheme, parts.netloc, "/" + quote(name, safe=""), query, ""))


def with_account(url: str, user: str, password: str) -> str:
    """The libpq URL ``url`` for another account; a password may hold any characters."""
    _require_libpq(url)
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    account = f"{quote(user, safe='')}:{quote(password, safe='')}@{address}"
    return urlunsplit((parts.scheme, account, *parts[2:]))


def connect(url: str, *, autocommit: bool = True, timeout: float = 10.0) -> Connection:
    """Open a connection that depends on ``url`` alone.

    ``PG*`` variables, password files and service files of the caller have no influence; client-side prepared
    statements are off, since the schema changes between two executions.  ``timeout`` is in seconds (libpq
    counts whole seconds and waits two at least).  The URL names host, user and database: what it leaves out
    libpq would take from the operating system.

    Raises DrillError for a URL that libpq would misunderstand, and when the server cannot be reached.
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
    # A path that cannot exist: an empty one means ~/.pgpass, and a device makes libpq print a warning.
    parameters.update(
        passfile=os.path.join(os.devnull, "none"),
        application_name=APPLICATION_NAME,
        client_encoding="UTF8",
        connect_timeout=str(max(2, math.ceil(timeout))),
        options=_options(str(parameters.get("options") or "")),
    )
    try:
        with _without_libpq_environment():
            return psycopg.connect(make_conninfo("", **parameters), autocommit=autocommit, prepare_threshold=None)
    except psycopg.OperationalError as error:
        raise DrillError(
            f"no connection to {redact(url)!r}",
            cause=str(error).strip(),
            fix="check that the server runs, and the address, user and database in the URL",
        ) from error


def read_pinned(conn: Connection, statements: Sequence[str]) -> list[list[Row]]:
    """Run read-only ``statements`` in one round trip under pinned settings; the rows of each, in order.

    Outside a transaction all statements see one snapshot (REPEATABLE READ); inside one they see what it sees,
    and a savepoint gives the settings back.  Raises psycopg.Error; the caller's transaction is usable
    afterwards.
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
            # Without parameters psycopg uses the simple query protocol: many statements, one round trip.
            cursor.execute(script.encode(conn.info.encoding))
        except psycopg.Error:
            _leave(conn, own_transaction=own_transaction)
            raise
        results = []
        while True:
            if cursor.description is not None:
                results.append(cursor.fetchall())
            if not cursor.nextset():
                return results


_SAVEPOINT: Final = "rollback_drills_read"
_URL_FIX: Final = "write it as postgresql://user:password@host:port/database"


def _leave(conn: Connection, *, own_transaction: bool) -> None:
    """End what a failed read began; a lost connection has nothing left to end."""
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


def _options(given: str) -> str:
    # Startup options outrank ALTER DATABASE/ROLE ... SET (manual: "Setting Parameters", "Parameter
    # Interaction via the Database"), and they arrive with the connection: no extra round trip.
    return " ".join([given, *(f"-c {name}={value}" for name, value in SESSION_SETTINGS.items())]).strip()


@contextmanager
def _without_libpq_environment() -> Iterator[None]:
    """Hide ``PG*`` variables while libpq reads its defaults (manual, libpq: "Environment Variables").

    Clearing is the only way: PGSERVICE and PGHOSTADDR cannot be overridden by an empty parameter.
    """
    with _environment:
        hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PG")}
        try:
            yield
        finally:
            os.environ.update(hidden)
