"""Disposable databases: create, clone, rename, drop; and the marker of those that a run may damage.

The marker is a setting of the database (``ALTER DATABASE ... SET rollback_drills.run``), read from the catalogue and
not through ``SHOW``, which a client's options could fake. It survives a rename. Neither a clone by TEMPLATE nor a plain
dump carries it, so no other database acquires it by accident. A COMMENT would not do: a migration may write one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Final

import psycopg
from psycopg import pq

from rollback_drills.core.errors import DrillError
from rollback_drills.postgres.activity import terminate_all
from rollback_drills.postgres.connection import Connection, connect, quote_ident, quote_literal, redact
from rollback_drills.postgres.settings import alter_setting

MARKER: Final = "rollback_drills.run"
PG15: Final = 150000


def prepare_server(connection: Connection, roles: Iterable[str]) -> None:
    """Create the missing ones of these roles, without the right to log in."""
    for role in roles:
        if connection.execute(b"SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is None:
            connection.execute(f"CREATE ROLE {quote_ident(role)} NOLOGIN".encode())


def create_extensions(url: str, extensions: Iterable[str]) -> None:
    """Create extensions as the superuser of ``url``, which a migration's own account may not do.

    Raises:
        DrillError: the server does not have the extension.
    """
    wanted = tuple(extensions)
    if not wanted:
        return
    with connect(url) as connection:
        for extension in wanted:
            try:
                connection.execute(f"CREATE EXTENSION IF NOT EXISTS {quote_ident(extension)} CASCADE".encode())
            except psycopg.Error as error:
                raise DrillError(
                    f"the extension {extension} cannot be created",
                    cause=str(error).strip(),
                    fix="use a PostgreSQL that has it, with database.image or database.bin_dir",
                ) from None


def database_exists(conn: Connection, name: str) -> bool:
    """Whether the server has a database ``name``."""
    return bool(conn.execute(b"SELECT FROM pg_catalog.pg_database WHERE datname = %s", (name,)).rowcount)


def create_database(
    conn: Connection,
    name: str,
    *,
    template: str | None = None,
    owner: str | None = None,
    marker: str | None = None,
) -> None:
    """Create ``name``, empty or as a copy of ``template``.

    The sessions in ``template`` are ended first: PostgreSQL copies a database only without connections to it (manual:
    "Template Databases"). It does not copy settings, comment and grants of the database itself; these are copied here,
    so that the clone has the schema fingerprint of its template. An empty database is created from template0, which has
    no local additions.

    Args:
        conn: an autocommit connection to another database.
        marker: the run with which the database is marked.

    Raises:
        DrillError: the connection is inside a transaction.
        psycopg.Error: the server refuses.
    """
    _require_autocommit(conn, f"create database {name!r}")
    clauses = [f"TEMPLATE {quote_ident(template or 'template0')}"]
    if owner is not None:
        clauses.append(f"OWNER {quote_ident(owner)}")
    if template is not None:
        terminate_all(conn, template)
        clauses += _strategy(conn)
    conn.execute(f"CREATE DATABASE {quote_ident(name)} {' '.join(clauses)}".encode())
    with ExitStack() as on_error:
        on_error.callback(drop_database, conn, name)
        if template is not None:
            _copy_properties(conn, template, name)
        if marker is not None:
            mark(conn, marker, database=name)
        on_error.pop_all()


def drop_database(conn: Connection, name: str) -> None:
    """Drop ``name``, if it exists, and end its sessions (manual: DROP DATABASE, FORCE, PostgreSQL 13).

    Raises:
        DrillError: the server refuses.
    """
    _require_autocommit(conn, f"drop database {name!r}")
    try:
        conn.execute(f"DROP DATABASE IF EXISTS {quote_ident(name)} WITH (FORCE)".encode())
    except psycopg.Error as error:
        raise DrillError(
            f"the database {name} cannot be dropped",
            cause=str(error).strip(),
            fix="nothing is left to do: it goes with the disposable server at the end of the run",
        ) from error


def swap_databases(conn: Connection, live: str, fresh: str, *, aside: str) -> None:
    """Rename ``live`` to ``aside`` and ``fresh`` to ``live`` in one transaction: after a crash, both or neither."""
    _require_autocommit(conn, f"swap {live!r} with {fresh!r}")
    for name in (live, fresh):
        terminate_all(conn, name)
    with conn.transaction():
        conn.execute(_rename(live, aside))
        conn.execute(_rename(fresh, live))


def _rename(name: str, new_name: str) -> bytes:
    return f"ALTER DATABASE {quote_ident(name)} RENAME TO {quote_ident(new_name)}".encode()


def mark(conn: Connection, run_id: str, *, database: str | None = None) -> None:
    """Mark ``database`` (default: the connected one) as created by run ``run_id``, instead of an earlier run."""
    name = quote_ident(database or conn.info.dbname)
    conn.execute(f"ALTER DATABASE {name} SET {MARKER} = {quote_literal(run_id)}".encode())


def read_marker(conn: Connection, *, database: str | None = None) -> str | None:
    """The run that marked ``database`` (default: the connected one), or None."""
    row = conn.execute(
        b"""SELECT substr(o, strpos(o, '=') + 1) FROM pg_catalog.pg_db_role_setting s
            JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) AS o
            WHERE s.setrole = 0 AND d.datname = coalesce(%s, current_database()) AND o LIKE %s""",
        (database, MARKER.replace("_", r"\_") + "=%"),
    ).fetchone()
    return str(row[0]) if row else None


def check_marker(conn: Connection, run_id: str) -> bool:
    """Whether the connected database carries the marker of run ``run_id``."""
    return read_marker(conn) == run_id


def require_marker(url: str, run_id: str, *, timeout: float = 10.0) -> None:
    """Refuse the database at ``url`` unless run ``run_id`` marked it.

    Args:
        timeout: seconds for the connection.

    Raises:
        DrillError: the marker is missing or another run's, or the server cannot be reached.
    """
    with connect(url, timeout=timeout) as conn:
        found = read_marker(conn)
    if found != run_id:
        raise DrillError(
            f"{redact(url)!r} is not a database of this run",
            cause=f"its marker {MARKER} is {found!r}, expected {run_id!r}",
            fix="drill only databases that this run created; mark() one again after RESET ALL",
        )


def _strategy(conn: Connection) -> list[str]:
    """How PostgreSQL 15 and newer copy the template (manual: CREATE DATABASE, STRATEGY).

    With fsync off and a template of 10 MB, FILE_COPY takes 0.7 to 0.9 of WAL_LOG's time (14 against 20 ms on version
    15, 27 against 31 ms on 18), and writes no copy to the log. Its two checkpoints are expensive with fsync on.
    """
    if conn.info.server_version < PG15:
        return []
    row = conn.execute(b"SELECT pg_catalog.current_setting('fsync')").fetchone()
    return ["STRATEGY FILE_COPY" if row == ("off",) else "STRATEGY WAL_LOG"]


def _copy_properties(conn: Connection, template: str, name: str) -> None:
    """Give ``name`` the settings, comment and grants of ``template``, without its marker."""
    target = quote_ident(name)
    settings = conn.execute(
        b"""SELECT pg_catalog.pg_get_userbyid(nullif(s.setrole, 0)), o FROM pg_catalog.pg_db_role_setting s
            JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) AS o
            WHERE d.datname = %s AND o NOT LIKE %s""",
        (template, "rollback\\_drills.%"),
    ).fetchall()
    for role, setting in settings:
        parameter, _, value = setting.partition("=")
        whom = f"ROLE {quote_ident(role)} IN DATABASE {target}" if role else f"DATABASE {target}"
        alter_setting(conn, whom, parameter, value)
    described = conn.execute(
        b"SELECT shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database WHERE datname = %s",
        (template,),
    ).fetchone()
    if described and described[0] is not None:
        conn.execute(f"COMMENT ON DATABASE {target} IS {quote_literal(described[0])}".encode())
    _copy_grants(conn, template, name)


def _copy_grants(conn: Connection, template: str, name: str) -> None:
    rows = conn.execute(
        b"""SELECT CASE a.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(a.grantee) END, a.privilege_type,
            a.is_grantable
            FROM pg_catalog.pg_database d, pg_catalog.aclexplode(d.datacl) a
            WHERE d.datname = %s AND d.datacl IS NOT NULL""",
        (template,),
    ).fetchall()
    acl = conn.execute(b"SELECT datacl IS NULL FROM pg_catalog.pg_database WHERE datname = %s", (template,)).fetchone()
    if acl == (True,):
        return
    database = quote_ident(name)
    statements = [f"REVOKE ALL ON DATABASE {database} FROM PUBLIC, CURRENT_USER"]
    statements += [
        f"GRANT {privilege} ON DATABASE {database} TO {_grantee(role)}" + " WITH GRANT OPTION" * grantable
        for role, privilege, grantable in rows
    ]
    _run(conn, statements)


def _grantee(role: str | None) -> str:
    return "PUBLIC" if role is None else quote_ident(role)


def _run(conn: Connection, statements: Sequence[str]) -> None:
    with conn.transaction():
        conn.execute(";\n".join(statements).encode())


def _require_autocommit(conn: Connection, what: str) -> None:
    if not conn.autocommit or conn.info.transaction_status != pq.TransactionStatus.IDLE:
        raise DrillError(
            f"cannot {what}",
            cause="PostgreSQL creates, renames and drops databases only outside a transaction",
            fix="use connect(url), which opens autocommit connections",
        )
