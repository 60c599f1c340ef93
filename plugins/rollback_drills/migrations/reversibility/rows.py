"""What is in the tables before and after a step, value by value, and what was lost between the two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rollback_drills.migrations.reversibility.generate.catalogue import CatalogueTable
from rollback_drills.postgres import Connection, quote_ident, quote_literal, read_pinned

MOST_ROWS = 2_000  # of one table that are compared; more come only from data that a revision brings along
_SHOWN = 60  # characters of a value in a message

Row = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The rows of a table as texts, in the order of ``columns``."""

    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    rows: tuple[Row, ...]

    def only(self, columns: tuple[str, ...]) -> list[Row]:
        places = [self.columns.index(name) for name in columns]
        return [tuple(row[place] for place in places) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Loss:
    """What a round trip has destroyed or altered. ``column`` is empty where whole rows are gone.

    ``written`` says when the values came in: ``before`` the upgrade (the old schema held them) or ``after`` it.
    """

    table: str
    column: str
    rows: int
    written: str
    example: str = ""
    dropped: bool = False

    @property
    def what(self) -> str:
        return f"{self.table}.{self.column}" if self.column else self.table

    def line(self) -> str:
        """For a reader."""
        rows = "1 row" if self.rows == 1 else f"{self.rows:,} rows"
        of = f"values of {self.what} in {rows}" if self.column else f"{rows} of {self.what}"
        return f"{of}, written {self.written} the upgrade" + (f": {self.example}" if self.example else "")


def take(conn: Connection, tables: Iterable[CatalogueTable], most: int = MOST_ROWS) -> dict[str, Snapshot]:
    """The rows of these tables, in one round trip and one snapshot of the database."""
    wanted = [table for table in tables if not table.partitioned]
    if not wanted:
        return {}
    queries = []
    for table in wanted:
        texts = ", ".join(f"{quote_ident(name)}::text" for name in table.names)
        rows = f"SELECT ARRAY[{texts}]::text[] AS row FROM ONLY {table.name} LIMIT {most}"
        queries.append(f"SELECT {quote_literal(table.name)}, coalesce(json_agg(row), '[]') FROM ({rows}) AS rows_of")
    found = read_pinned(conn, [" UNION ALL ".join(f"({query})" for query in _cast(queries))])
    rows_of = {name: rows for result in found for name, rows in result}
    return {
        table.name: Snapshot(table.name, table.names, table.key, tuple(tuple(row) for row in rows_of[table.name]))
        for table in wanted
    }


def _cast(queries: list[str]) -> list[str]:
    return [query.replace("'[]')", "'[]')::json", 1) for query in queries]


def compare(before: Snapshot, after: Snapshot | None, *, written: str, kept: Iterable[str] | None = None) -> list[Loss]:
    """What of ``before`` is not in ``after``, exactly: rows that are gone, then values that differ, by column.

    Args:
        after: None where the table is gone.
        kept: columns that the schema between the two had as well; the others were dropped on the way.
    """
    if not before.rows:
        return []
    if after is None:
        return [Loss(before.table, "", len(before.rows), written, _show(before, before.rows[0]), dropped=True)]
    shared = tuple(name for name in before.columns if name in after.columns)
    gone_columns = [name for name in before.columns if name not in after.columns]
    dropped = set(gone_columns) if kept is None else set(before.columns) - set(kept)
    losses = [
        Loss(before.table, name, filled, written, dropped=True)
        for name in gone_columns
        if (filled := sum(row[before.columns.index(name)] is not None for row in before.rows))
    ]
    if before.key and set(before.key) <= set(shared):
        return losses + _by_key(before, after, shared, written, dropped)
    return losses + _by_content(before, after, shared, written, dropped)


def _by_key(
    before: Snapshot, after: Snapshot, shared: Row | tuple[str, ...], written: str, dropped: set[str]
) -> list[Loss]:
    names = tuple(str(name) for name in shared)
    key = [names.index(name) for name in before.key]
    now = {tuple(row[place] for place in key): row for row in after.only(names)}
    gone: list[Row] = []
    changed: dict[str, list[tuple[Row, str | None, str | None]]] = {}
    for row in before.only(names):
        other = now.get(tuple(row[place] for place in key))
        if other is None:
            gone.append(row)
            continue
        for name, was, value in zip(names, row, other, strict=True):
            if was != value:
                changed.setdefault(name, []).append((row, was, value))
    losses = []
    if gone:
        losses.append(Loss(before.table, "", len(gone), written, _smallest(gone, names)))
    for name, cases in changed.items():
        _, was, value = min(cases, key=lambda case: len(str(case[1])))
        example = f"{_value(was)} became {_value(value)}"
        losses.append(Loss(before.table, name, len(cases), written, example, dropped=name in dropped))
    return losses


def _by_content(
    before: Snapshot, after: Snapshot, shared: tuple[str, ...], written: str, dropped: set[str]
) -> list[Loss]:
    was, now = Counter(before.only(shared)), Counter(after.only(shared))
    missing = was - now
    if not missing:
        return []
    losses = []
    if len(after.rows) >= len(before.rows):
        for place, name in enumerate(shared):
            values = Counter(row[place] for row in was.elements()) - Counter(row[place] for row in now.elements())
            if values:
                example = f"{_value(min(values, key=lambda value: len(str(value))))} is gone"
                losses.append(Loss(before.table, name, values.total(), written, example, dropped=name in dropped))
    if losses:
        return losses
    return [Loss(before.table, "", missing.total(), written, _smallest(list(missing), shared))]


def _smallest(rows: list[Row], names: Iterable[str]) -> str:
    row = min(rows, key=lambda row: sum(len(value or "") for value in row))
    return _pairs(zip(names, row, strict=True))


def _show(snapshot: Snapshot, row: Row) -> str:
    return _pairs(zip(snapshot.columns, row, strict=True))


def _pairs(pairs: Iterable[tuple[str, str | None]]) -> str:
    return ", ".join(f"{name}={_value(value)}" for name, value in pairs)


def _value(value: str | None) -> str:
    if value is None:
        return "NULL"
    return quote_literal(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…").strip()


def shown(rows: Mapping[str, list[dict[str, str | None]]]) -> str:
    """A small set of rows, for a message."""
    return "; ".join(f"{table} ({_pairs(row.items())})" for table, some in rows.items() for row in some)
