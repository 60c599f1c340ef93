"""Which rows were written since a moment, by anybody: read from the transactions that wrote them.

Every row version carries the id of the transaction that wrote it (``xmin``), so that a scan finds the rows of a few
deliveries among millions. Manual: "System Columns", "Transaction ID and Snapshot Information Functions".
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from rollback_drills.postgres.connection import Connection, quote_literal, read_pinned
from rollback_drills.postgres.relations import VERSION_TABLE, columns

WrittenRow = Mapping[str, JsonValue]
"""A row as JSON, by column."""

_MOST = 5_000  # rows that are read of each table: a drill's deliveries write fewer


@dataclass(frozen=True, slots=True)
class Written:
    """Rows that were inserted or updated, by table (quoted and qualified; partitions under their root), and counts.

    Args:
        rows: by table, those that were written, in their present version.
        counts: by table, how many rows it has, written or not.
    """

    rows: Mapping[str, tuple[WrittenRow, ...]]
    counts: Mapping[str, int]


def moment(conn: Connection) -> int:
    """This moment, as the id that the next transaction will have."""
    ((upcoming,),) = conn.execute(b"SELECT pg_snapshot_xmax(pg_current_snapshot())::text::numeric").fetchall()
    return int(upcoming)


def written_since(conn: Connection, since: int, *, ignore: Collection[str] = ()) -> Written:
    """What was written by transactions that began after a `moment`, and is committed.

    Args:
        ignore: tables and columns, as `columns` names them (``schema.table``, ``schema.table.column``).
    """
    tables = [name for name in columns(conn, ignore_tables=(VERSION_TABLE,)) if name not in ignore]
    if not tables:
        return Written({}, {})
    fresh = f"age(t.xmin) <= age('{since % 2**32}'::xid)"
    read = [
        f"SELECT coalesce(pg_partition_root(oid), oid)::regclass::text, rows, found FROM (SELECT {literal}::regclass"
        f" AS oid, (SELECT count(*) FROM ONLY {table}) AS rows, ARRAY(SELECT to_jsonb(t)::text FROM ONLY {table} t"
        f" WHERE {fresh} LIMIT {_MOST}) AS found) AS of_table"
        for table, literal in ((table, quote_literal(table)) for table in tables)
    ]
    rows: defaultdict[str, list[WrittenRow]] = defaultdict(list)
    counts: defaultdict[str, int] = defaultdict(int)
    for ((name, count, found),) in read_pinned(conn, read):
        counts[name] += count
        rows[name] += [_without(json.loads(text), name, ignore) for text in found]
    return Written({name: tuple(each) for name, each in rows.items() if each}, dict(counts))


def _without(row: dict[str, JsonValue], table: str, ignore: Collection[str]) -> WrittenRow:
    return {name: value for name, value in row.items() if f"{table}.{name}" not in ignore}
