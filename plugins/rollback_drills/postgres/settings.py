"""Settings that a role or a database keeps (``ALTER ROLE … SET``, ``ALTER DATABASE … SET``).

Those of a role hold in every database of the server, so a migration's would go on into the next drill.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rollback_drills.postgres.connection import Connection, quote_ident, quote_literal

RoleSettings = Mapping[str, tuple[str, ...]]
"""By role (empty: all roles), its settings in all databases as ``name=value``."""

# Settings whose value is a list of names, stored with quotes (PostgreSQL source: variable_is_guc_list_quote).
_LISTS: Final = ("search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries")


def role_settings(conn: Connection) -> RoleSettings:
    """What every role sets for itself in all databases."""
    rows = conn.execute(
        b"""SELECT coalesce(r.rolname::text, ''), s.setconfig FROM pg_catalog.pg_db_role_setting s
            LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
            WHERE s.setdatabase = 0 AND (s.setrole = 0 OR r.oid IS NOT NULL)"""
    )
    return {str(role): tuple(settings) for role, settings in rows}


def restore_role_settings(conn: Connection, wanted: RoleSettings) -> None:
    """Set back what roles set for themselves; a role that exists no more is left out.

    Args:
        conn: a superuser's autocommit connection.
    """
    found = role_settings(conn)
    for role in sorted(found.keys() | wanted.keys()):
        if found.get(role, ()) == wanted.get(role, ()) or not _exists(conn, role):
            continue
        whom = f"ROLE {quote_ident(role) if role else 'ALL'}"
        with conn.transaction():
            conn.execute(f"ALTER {whom} RESET ALL".encode())
            for setting in wanted.get(role, ()):
                name, _, value = setting.partition("=")
                alter_setting(conn, whom, name, value)


def alter_setting(conn: Connection, whom: str, name: str, value: str) -> None:
    """``ALTER ROLE/DATABASE … SET``, with a value as the catalogue has it."""
    quoted = ".".join(quote_ident(part) for part in name.split("."))
    if name not in _LISTS:
        conn.execute(f"ALTER {whom} SET {quoted} = {quote_literal(value)}".encode())
        return
    # Only FROM CURRENT takes a list as it is stored; other forms would quote it again.
    with conn.transaction():
        conn.execute(b"SELECT pg_catalog.set_config(%s, %s, true)", (name, value))
        conn.execute(f"ALTER {whom} SET {quoted} FROM CURRENT".encode())


def _exists(conn: Connection, role: str) -> bool:
    return not role or bool(conn.execute(b"SELECT FROM pg_catalog.pg_roles WHERE rolname = %s", (role,)).rowcount)
