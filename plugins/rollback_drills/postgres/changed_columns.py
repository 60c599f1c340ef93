"""Which columns differ between the same rows of two databases, found by their primary key.

For columns that every request changes (``last_seen``, counters), and for those that a migration converts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rollback_drills.postgres.connection import Connection, pin, pinned, quote_literal
from rollback_drills.postgres.data import SEEDS
from rollback_drills.postgres.relations import row_text

_KEPT = "pg_temp.rollback_drills_columns"


def changed_columns(before: Connection, now: Connection, tables: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """The columns with other values, as ``schema.table.column``; ``schema.table`` where rows are gone.

    A table without a primary key in ``now`` counts as a whole.

    Args:
        tables: by table, the columns that both databases have.
    """
    keys = _primary_keys(now, tables)
    found: set[str] = set()
    for table, names in tables.items():
        key = keys.get(table, ())
        if not key or not set(key) <= set(names):
            found.add(table)
            continue
        others = [name for name in names if name not in key]
        gone, *changed = _compare(before, now, table, key, others)
        found |= {table} if gone else {f"{table}.{name}" for name, count in zip(others, changed, strict=True) if count}
    return frozenset(found)


def _compare(
    before: Connection, now: Connection, table: str, key: Sequence[str], others: Sequence[str]
) -> tuple[int, ...]:
    """How many rows are gone, then for each other column, in how many rows it has another value."""
    hashes = [_hash(key), *(_hash([name]) for name in others)]
    read = f"SELECT {', '.join(f'{each} AS c{number}' for number, each in enumerate(hashes))} FROM ONLY {table}"
    kept = ", ".join(f"c{number} bigint" for number in range(len(hashes)))
    counts = ["count(*) FILTER (WHERE n.c0 IS NULL)"]
    counts += [
        f"count(*) FILTER (WHERE n.c0 IS NOT NULL AND n.c{number} <> b.c{number})" for number in range(1, len(hashes))
    ]
    with now.transaction(force_rollback=True), now.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE {_KEPT} ({kept})".encode())
        with (
            pinned(before),
            before.cursor() as source,
            source.copy(f"COPY ({read}) TO STDOUT (FORMAT BINARY)".encode()) as rows,
            cursor.copy(f"COPY {_KEPT} FROM STDIN (FORMAT BINARY)".encode()) as copy,
        ):
            for block in rows:
                copy.write(block)
        pin(now)
        joined = f"{_KEPT} b LEFT JOIN ({read}) n ON n.c0 = b.c0"
        row = cursor.execute(f"SELECT {', '.join(counts)} FROM {joined}".encode()).fetchone()
    assert row is not None, "an aggregate without GROUP BY has a row"
    return tuple(int(count) for count in row)


def _hash(names: Sequence[str]) -> str:
    return f"pg_catalog.hashtextextended({row_text(names)}, {SEEDS[0]})"


def _primary_keys(conn: Connection, tables: Collection[str]) -> dict[str, tuple[str, ...]]:
    if not tables:
        return {}
    wanted = ", ".join(quote_literal(table) for table in tables)
    rows = conn.execute(
        f"""SELECT format('%I.%I', n.nspname, c.relname), array_agg(a.attname::text)
        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
        WHERE i.indisprimary AND format('%I.%I', n.nspname, c.relname) IN ({wanted}) GROUP BY 1""".encode()
    )
    return {str(table): tuple(names) for table, names in rows}


def without(tables: Mapping[str, Sequence[str]], names: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Without these tables and columns, given as `changed_columns` has them."""
    return {
        table: tuple(each for each in columns if f"{table}.{each}" not in names)
        for table, columns in tables.items()
        if table not in names
    }
