"""Deletes and inserts known rows without firing triggers or checking foreign keys."""

from __future__ import annotations

from collections.abc import Iterable

from rollback_drills.migrations.reversibility.generate.catalogue import CatalogueTable
from rollback_drills.migrations.reversibility.snapshots import Row
from rollback_drills.postgres import Connection, quote_ident, quote_literal


def delete_rows(conn: Connection, table: CatalogueTable, rows: Iterable[Row]) -> None:
    """Delete every row that equals one of ``rows``.

    Raises:
        psycopg.Error: the server refuses it.
    """
    row = "ROW(" + ", ".join(f"{quote_ident(name)}::text" for name in table.names) + ")::text"
    # Compared as text, where NULL equals NULL.
    values = ", ".join("ROW(" + ", ".join(f"{_literal(value)}::text" for value in each) + ")::text" for each in rows)
    _as_replica(conn, [f"DELETE FROM {table.name} WHERE {row} IN ({values})"] if values else [])


def insert_rows(conn: Connection, table: CatalogueTable, rows: Iterable[Row], *, replace: bool = False) -> None:
    """Insert rows with all their values, except generated columns.

    Args:
        replace: delete what the table holds first.

    Raises:
        psycopg.Error: the server refuses one.
    """
    positions = [n for n, name in enumerate(table.names) if not table.column(name).generated]
    columns = ", ".join(quote_ident(table.names[n]) for n in positions)
    values = ", ".join("(" + ", ".join(_literal(row[n]) for n in positions) + ")" for row in rows)
    insert = [f"INSERT INTO {table.name} ({columns}) OVERRIDING SYSTEM VALUE VALUES {values}"] if values else []
    _as_replica(conn, [*([f"DELETE FROM ONLY {table.name}"] if replace else []), *insert])


def tables_in(conn: Connection) -> list[int]:
    """OIDs of all tables except the system's."""
    found = conn.execute(
        b"SELECT c.oid::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        b" WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
    ).fetchall()
    return [int(row[0]) for row in found]


def _as_replica(conn: Connection, statements: list[str]) -> None:
    with conn.transaction():
        conn.execute(b"SET LOCAL session_replication_role = replica")
        for statement in statements:
            conn.execute(statement.encode())


def _literal(value: str | None) -> str:
    return "NULL" if value is None else quote_literal(value)
