"""Taking known rows out of a table and putting them in, with nothing else moved: no trigger, no foreign key."""

from __future__ import annotations

from collections.abc import Iterable

from rollback_drills.migrations.reversibility.generate.catalogue import CatalogueTable
from rollback_drills.migrations.reversibility.rows import Row
from rollback_drills.postgres import Connection, quote_ident, quote_literal


def delete_rows(conn: Connection, table: CatalogueTable, some: Iterable[Row]) -> None:
    """Every row that is equal to one of ``some``.

    Raises:
        psycopg.Error: the server refuses it.
    """
    row = "ROW(" + ", ".join(f"{quote_ident(name)}::text" for name in table.names) + ")::text"
    # As texts: two rows with a NULL at the same place are not equal otherwise.
    values = ", ".join("ROW(" + ", ".join(f"{_literal(value)}::text" for value in each) + ")::text" for each in some)
    _as_replica(conn, [f"DELETE FROM {table.name} WHERE {row} IN ({values})"] if values else [])


def insert_rows(conn: Connection, table: CatalogueTable, some: Iterable[Row], *, instead: bool = False) -> None:
    """The rows with all their values but the generated ones.

    Args:
        instead: of those that the table holds.

    Raises:
        psycopg.Error: the server refuses one.
    """
    places = [n for n, name in enumerate(table.names) if not table.column(name).generated]
    columns = ", ".join(quote_ident(table.names[n]) for n in places)
    values = ", ".join("(" + ", ".join(_literal(row[n]) for n in places) + ")" for row in some)
    insert = [f"INSERT INTO {table.name} ({columns}) OVERRIDING SYSTEM VALUE VALUES {values}"] if values else []
    _as_replica(conn, [*([f"DELETE FROM ONLY {table.name}"] if instead else []), *insert])


def tables_in(conn: Connection) -> list[int]:
    """OIDs of all tables but those of the system."""
    rows = conn.execute(
        b"SELECT c.oid::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        b" WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
    ).fetchall()
    return [int(row[0]) for row in rows]


def _as_replica(conn: Connection, statements: list[str]) -> None:
    with conn.transaction():
        conn.execute(b"SET LOCAL session_replication_role = replica")
        for statement in statements:
            conn.execute(statement.encode())


def _literal(value: str | None) -> str:
    return "NULL" if value is None else quote_literal(value)
