"""The newest row of a database, by its columns with a time: how old a backup is shows in what is missing from it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from rollback_drills.postgres.connection import Connection, read_pinned

_COLUMNS: Final = """SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), quote_ident(a.attname),
  a.atttypid = 'timestamptz'::regtype
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  AND a.atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype)
WHERE c.relkind = 'r' AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2"""
_AT_ONCE = 100  # columns per statement


def newest_row(conn: Connection) -> datetime | None:
    """The latest time in any column of type ``timestamp`` (read as UTC) or ``timestamptz`` that is not in the future.

    None without such a column, or without a value. Scans columns that have no index.

    Raises:
        psycopg.Error: a table may not be read.
    """
    (columns,) = read_pinned(conn, [_COLUMNS])
    selects = [_latest(table, column, zoned=zoned) for table, column, zoned in columns]
    if not selects:
        return None
    groups = [selects[first : first + _AT_ONCE] for first in range(0, len(selects), _AT_ONCE)]
    read = read_pinned(conn, [" UNION ALL ".join(group) for group in groups])
    times = [float(value) for rows in read for (value,) in rows if value is not None]
    return datetime.fromtimestamp(max(times), UTC) if times else None


def _latest(table: str, column: str, *, zoned: bool) -> str:
    at = column if zoned else f"{column} AT TIME ZONE 'UTC'"
    return (
        f"SELECT extract(epoch FROM max({at})) FROM ONLY {table}"
        f" WHERE isfinite({column}) AND {at} <= pg_catalog.clock_timestamp() AND {at} > 'epoch'::timestamptz"
    )
