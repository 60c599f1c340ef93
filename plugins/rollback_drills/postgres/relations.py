"""The tables that hold a database's data, and their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rollback_drills.postgres.connection import Connection, quote_ident, quote_literal, read_pinned

# Alembic's bookkeeping, which is no part of the schema and data under drill.
VERSION_TABLE: Final = "alembic_version"


def version_tables(conn: Connection) -> tuple[str, ...]:
    """Alembic's version tables, quoted and qualified, in any schema (``version_table_schema``).

    None exists before the first migration; several where several histories share a database.
    """
    rows = conn.execute(
        b"""SELECT format('%%I.%%I', n.nspname, c.relname)
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relname = %s AND c.relkind = 'r' AND n.nspname !~ '^pg_' ORDER BY 1""",
        (VERSION_TABLE,),
    )
    return tuple(str(name) for (name,) in rows)


def columns(conn: Connection, *, ignore_tables: Sequence[str] = (VERSION_TABLE,)) -> dict[str, tuple[str, ...]]:
    """The column names (unquoted, sorted) of every table that holds rows, by its qualified, quoted name.

    These are ordinary tables and leaf partitions in user schemas, except for members of extensions. Views, materialised
    views (their rows are derived) and foreign tables (their rows are elsewhere) are left out.

    Args:
        ignore_tables: names to leave out, in every schema, or as ``schema.name``.
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
    """The tables of both schemas, each with the columns (sorted) that it has in both."""
    return {table: tuple(sorted(set(names) & set(other[table]))) for table, names in one.items() if table in other}


def row_text(names: Sequence[str]) -> str:
    """SQL: the text of a row of these columns, in the order of their names.

    The text of a composite value distinguishes NULL from an empty string, and separates the columns (manual: "Composite
    Type Input and Output Syntax").
    """
    return f"ROW({', '.join(quote_ident(name) for name in sorted(names))})::pg_catalog.text"
