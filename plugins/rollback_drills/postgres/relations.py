"""The tables which hold a database's data, and the columns that they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rollback_drills.postgres.connection import Connection, quote_ident, quote_literal, read_pinned

# The migration tool's bookkeeping is no part of the schema and the data under drill.
VERSION_TABLE: Final = "alembic_version"


def version_tables(conn: Connection) -> tuple[str, ...]:
    """Alembic's version table, quoted and qualified, in whatever schema env.py keeps it (``version_table_schema``).

    None before the first migration; several where several histories share a database.
    """
    rows = conn.execute(
        b"""SELECT format('%%I.%%I', n.nspname, c.relname)
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relname = %s AND c.relkind = 'r' AND n.nspname !~ '^pg_' ORDER BY 1""",
        (VERSION_TABLE,),
    )
    return tuple(str(name) for (name,) in rows)


def columns(conn: Connection, *, ignore_tables: Sequence[str] = (VERSION_TABLE,)) -> dict[str, tuple[str, ...]]:
    """Qualified, quoted table name to its column names (unquoted, sorted) for every table that holds rows.

    These are ordinary tables and the leaves of partitioned ones, in user schemas, without members of
    extensions. Left out are views, materialised views (their rows are derived) and foreign tables (their rows
    are elsewhere). ``ignore_tables`` are names in every schema, or ``schema.name``.
    """
    ignored = "ARRAY[" + ", ".join(quote_literal(name) for name in ignore_tables) + "]::text[]"
    query = f"""SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname),
  coalesce(array_agg(a.attname::text ORDER BY a.attname) FILTER (WHERE a.attname IS NOT NULL),
    ARRAY[]::text[])
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind = 'r' AND c.relname <> ALL ({ignored}) AND n.nspname || '.' || c.relname <> ALL ({ignored})
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
GROUP BY 1 ORDER BY 1"""
    (rows,) = read_pinned(conn, [query])
    return {table: tuple(names) for table, names in rows}


def common_columns(one: Mapping[str, Sequence[str]], other: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The tables that two schemas share, each with the columns (sorted) that it has in both."""
    return {table: tuple(sorted(set(names) & set(other[table]))) for table, names in one.items() if table in other}


def row_text(names: Sequence[str]) -> str:
    """SQL: the text of a row of these columns, in the order of their names.

    The text of a composite value tells NULL from an empty string and where each column ends (manual:
    "Composite Type Input and Output Syntax").
    """
    return f"ROW({', '.join(quote_ident(name) for name in sorted(names))})::pg_catalog.text"
