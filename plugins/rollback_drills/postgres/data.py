"""The data fingerprint: shows whether rows or large objects changed, and is computed by the server.

The text of each row, under pinned settings and with columns in the order of their *names*, is hashed: the physical
order of rows and columns does not matter. Generated columns are part of a row. Hashes are added up, so that a
duplicated row counts twice. The sums are of two 64-bit hashes with different seeds: a check against accidents, not
against an adversary. They are comparable within one major version of PostgreSQL and one architecture
(``hashtextextended``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Final

import psycopg

from rollback_drills.core.errors import DrillError
from rollback_drills.postgres.connection import Connection, Row, quote_literal, read_pinned
from rollback_drills.postgres.large_objects import COLUMNS, LARGE_OBJECTS, ROWS, has_large_objects
from rollback_drills.postgres.relations import VERSION_TABLE, columns, row_text

SEEDS: Final = (7046029254386353131, 1442695040888963407)  # any two different numbers
_TABLES_PER_STATEMENT: Final = 100


@dataclass(frozen=True, slots=True)
class TableData:
    """The content of one table: its number of rows, and a digest over these columns of all rows."""

    rows: int
    digest: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableDiff:
    """One table before and after; ``None`` rows where the table does not exist."""

    table: str
    rows_before: int | None
    rows_after: int | None
    changed: bool

    def to_json(self) -> dict[str, str | int | bool | None]:
        return {
            "table": self.table,
            "rows_before": self.rows_before,
            "rows_after": self.rows_after,
            "changed": self.changed,
        }


@dataclass(frozen=True, slots=True)
class DataDiff:
    """The tables whose content differs; false when none does."""

    tables: tuple[TableDiff, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tables)

    @property
    def missing(self) -> tuple[str, ...]:
        """Tables that exist before only."""
        return tuple(table.table for table in self.tables if table.rows_after is None)

    @property
    def extra(self) -> tuple[str, ...]:
        """Tables that exist after only."""
        return tuple(table.table for table in self.tables if table.rows_before is None)

    def lines(self) -> list[str]:
        """The difference as text, one line per table."""
        return [
            f"+ left over {table.table} with {table.rows_after} rows"
            if table.rows_before is None
            else f"- missing {table.table} with {table.rows_before} rows"
            if table.rows_after is None
            else f"~ changed {table.table}: {table.rows_before} rows before, {table.rows_after} after"
            for table in self.tables
        ]

    def to_json(self) -> dict[str, list[dict[str, str | int | bool | None]]]:
        """Plain JSON values, as the evidence holds them."""
        return {"tables": [table.to_json() for table in self.tables]}


@dataclass(frozen=True, slots=True)
class DataFingerprint:
    """The content of every table of a database."""

    tables: Mapping[str, TableData]

    def diff(self, after: DataFingerprint) -> DataDiff:
        """The tables that differ. A table that was read over other columns counts as changed."""
        names = sorted(self.tables.keys() | after.tables.keys())
        pairs = ((name, self.tables.get(name), after.tables.get(name)) for name in names)
        return DataDiff(tuple(_difference(*pair) for pair in pairs if pair[1] != pair[2]))

    def to_json(self) -> dict[str, dict[str, str | int]]:
        """Plain JSON values, as the evidence holds them."""
        return {name: {"rows": table.rows, "digest": table.digest} for name, table in self.tables.items()}


def data_fingerprint(
    conn: Connection,
    *,
    tables: Mapping[str, Sequence[str]] | None = None,
    ignore_tables: Sequence[str] = (VERSION_TABLE,),
) -> DataFingerprint:
    """Fingerprint all data, and the large objects where there are any; outside a transaction, in one snapshot.

    Args:
        tables: what to read, as `columns` returns it; by default all tables of the catalogue but ``ignore_tables``.

    Raises:
        DrillError: a table or column does not exist or may not be read.
    """
    wanted = _wanted(conn, tables, ignore_tables)
    query = (
        "SELECT {name}, count(*), coalesce(sum(hashtextextended(t, {one})), 0)::text,"
        " coalesce(sum(hashtextextended(t, {two})), 0)::text"
        " FROM ({source}) AS rows_of"
    )
    found = {name: (rows, one, two) for name, rows, one, two in _read(conn, wanted, query)}
    return DataFingerprint(
        MappingProxyType(
            {name: _table_data(names, *found[name]) for name, names in wanted.items()},
        )
    )


def sources_of(tables: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """By table, SQL for the text of each of its rows, as column ``t``."""
    return {
        name: ROWS if name == LARGE_OBJECTS else f"SELECT {row_text(names)} AS t FROM ONLY {name}"
        for name, names in tables.items()
    }


@contextmanager
def unreadable() -> Iterator[None]:
    """Explain why rows cannot be read.

    Raises:
        DrillError: a table or column does not exist or may not be read.
    """
    try:
        yield
    except (
        psycopg.errors.UndefinedTable,
        psycopg.errors.UndefinedColumn,
        psycopg.errors.InsufficientPrivilege,
    ) as error:
        raise DrillError(
            "the data cannot be read",
            cause=str(error).strip(),
            fix="restrict the tables to those of columns(), and connect as a role that sees every row",
        ) from error


def _wanted(
    conn: Connection, tables: Mapping[str, Sequence[str]] | None, ignore_tables: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    if tables is not None:
        return {table: tuple(sorted(names)) for table, names in tables.items()}
    wanted = {table: tuple(sorted(names)) for table, names in columns(conn, ignore_tables=ignore_tables).items()}
    return {**wanted, LARGE_OBJECTS: COLUMNS} if has_large_objects(conn) else wanted


def _read(conn: Connection, wanted: Mapping[str, tuple[str, ...]], query: str) -> list[Row]:
    """The rows of ``query`` for every table, in one round trip of statements small enough for the planner."""
    one, two = SEEDS
    selects = (
        query.format(name=quote_literal(name), one=one, two=two, source=source)
        for name, source in sources_of(wanted).items()
    )
    statements = [" UNION ALL ".join(group) for group in _groups(selects)]
    if not statements:
        return []
    with unreadable():
        return [row for rows in read_pinned(conn, statements) for row in rows]


def _groups(selects: Iterable[str]) -> Iterable[list[str]]:
    source = iter(selects)
    while group := list(islice(source, _TABLES_PER_STATEMENT)):
        yield group


def _table_data(names: tuple[str, ...], rows: int, one: str, two: str) -> TableData:
    digest = hashlib.sha256(f"{rows}:{one}:{two}".encode("ascii")).hexdigest()
    return TableData(rows, digest, names)


def _difference(name: str, before: TableData | None, after: TableData | None) -> TableDiff:
    return TableDiff(
        name,
        rows_before=before.rows if before else None,
        rows_after=after.rows if after else None,
        changed=bool(before and after),
    )
