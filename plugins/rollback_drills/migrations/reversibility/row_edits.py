"""Deletes and inserts known rows without firing triggers or checking foreign keys."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import psycopg

from rollback_drills.migrations.reversibility.generate.catalogue import CatalogueTable, ForeignKey
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


def takes_rows(conn: Connection, table: CatalogueTable, rows: Iterable[Mapping[str, str | None]]) -> bool:
    """Whether a table accepts these rows as far as it has their columns, leaving out references; nothing stays."""
    try:
        with conn.transaction():
            conn.execute(b"SET LOCAL session_replication_role = replica")
            for row in rows:
                names = [name for name in table.names if name in row and not table.column(name).generated]
                columns, values = ", ".join(map(quote_ident, names)), ", ".join(_literal(row[name]) for name in names)
                insert = f"INSERT INTO {table.name} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({values})"
                conn.execute((insert if names else f"INSERT INTO {table.name} DEFAULT VALUES").encode())
            raise psycopg.Rollback
    except psycopg.Error:
        return False
    return True


def delete_dangling(conn: Connection, tables: Collection[CatalogueTable], names: set[str]) -> set[str]:
    """Delete the rows that refer to missing rows of these tables, and so on; the tables from which any was deleted.

    Raises:
        psycopg.Error: the server refuses it.
    """
    found, pending = set[str](), set(names)
    while pending:
        referred = pending.pop()
        for table in tables:
            for key in table.foreign_keys:
                if key.table != referred or table.partitioned:
                    continue
                with conn.transaction():
                    conn.execute(b"SET LOCAL session_replication_role = replica")
                    deleted = conn.execute(f"DELETE {_dangling(table, key)}".encode()).rowcount
                if deleted:
                    found.add(table.name)
                    pending.add(table.name)
    return found


def _dangling(table: CatalogueTable, key: ForeignKey) -> str:
    """From FROM on: the rows of a table whose reference leads nowhere."""
    columns = [quote_ident(name) for name in key.columns]
    there = " AND ".join(
        f"p.{quote_ident(referred)} = c.{name}" for referred, name in zip(key.referred, columns, strict=True)
    )
    filled = " AND ".join(f"c.{name} IS NOT NULL" for name in columns)
    return f"FROM {table.name} AS c WHERE {filled} AND NOT EXISTS (SELECT FROM {key.table} AS p WHERE {there})"


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
