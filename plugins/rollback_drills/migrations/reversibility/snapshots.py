"""Snapshots of rows, and the losses between two of them, value by value."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from rollback_drills.migrations.reversibility.generate.catalogue import CatalogueTable
from rollback_drills.postgres import Connection, quote_ident, quote_literal, read_pinned

MAX_COMPARED = 2_000  # rows of one table; only migrations that insert data themselves exceed it
_JSON = ("pg_catalog.json", "pg_catalog.jsonb")
_MAX_VALUE = 60  # characters of a value in a message

Row = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The rows of a table as text, values in the order of ``columns``; ``key`` is the primary key."""

    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    rows: tuple[Row, ...]
    documents: frozenset[str] = frozenset()  # columns of json or jsonb, whose text has many forms

    def only(self, columns: tuple[str, ...]) -> list[Row]:
        positions = [self.columns.index(name) for name in columns]
        return [tuple(row[position] for position in positions) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Loss:
    """What a round trip destroyed or altered; ``column`` is empty where whole rows were lost.

    ``written`` says when the values were written: ``before`` the upgrade (to the old schema) or ``after`` it.
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
        """The loss as a sentence."""
        rows = "1 row" if self.rows == 1 else f"{self.rows:,} rows"
        of = f"values of {self.what} in {rows}" if self.column else f"{rows} of {self.what}"
        return f"{of}, written {self.written} the upgrade" + (f": {self.example}" if self.example else "")


def read_snapshots(conn: Connection, tables: Iterable[CatalogueTable], most: int = MAX_COMPARED) -> dict[str, Snapshot]:
    """The rows of these tables, at most ``most`` of each, in one round trip and one database snapshot."""
    wanted = [table for table in tables if not table.partitioned]
    if not wanted:
        return {}
    query = " UNION ALL ".join(f"({_query(table, most)})" for table in wanted)
    found = read_pinned(conn, [query])
    rows_of = {name: rows for result in found for name, rows in result}
    return {
        table.name: Snapshot(
            table.name,
            table.names,
            table.key,
            tuple(tuple(row) for row in rows_of[table.name]),
            frozenset(each.name for each in table.columns if each.type.name.replace('"', "") in _JSON),
        )
        for table in wanted
    }


def _query(table: CatalogueTable, most: int) -> str:
    """SQL: one row, the table's name and its rows as JSON."""
    texts = ", ".join(f"{quote_ident(name)}::text" for name in table.names)
    rows = f"SELECT ARRAY[{texts}]::text[] AS row FROM ONLY {table.name} LIMIT {most}"
    return f"SELECT {quote_literal(table.name)}, coalesce(json_agg(row), '[]')::json FROM ({rows}) AS rows_of"


def compare(before: Snapshot, after: Snapshot | None, *, written: str, kept: Iterable[str] | None = None) -> list[Loss]:
    """What ``after`` lacks of ``before``: whole rows, then values by column.

    Args:
        after: None where the table does not exist any more.
        kept: columns that the schema between the two snapshots had too; the others were dropped in between.
    """
    if not before.rows:
        return []
    if after is None:
        return [Loss(before.table, "", len(before.rows), written, _show(before, before.rows[0]), dropped=True)]
    shared = tuple(name for name in before.columns if name in after.columns)
    before, after = _by_meaning(before, after), _by_meaning(after, before)
    lost_columns = [name for name in before.columns if name not in after.columns]
    dropped = set(lost_columns) if kept is None else set(before.columns) - set(kept)
    losses = [
        Loss(before.table, name, filled, written, dropped=True)
        for name in lost_columns
        if (filled := sum(row[before.columns.index(name)] is not None for row in before.rows))
    ]
    if before.key and set(before.key) <= set(shared):
        return losses + _by_key(before, after, shared, written, dropped)
    return losses + _by_content(before, after, shared, written, dropped)


def _by_meaning(one: Snapshot, other: Snapshot) -> Snapshot:
    """The values of json columns in one form: jsonb keeps neither blanks nor the order of keys nor how a number is
    written."""
    places = [n for n, name in enumerate(one.columns) if name in one.documents & other.documents]
    if not places:
        return one
    rows = (list(row) for row in one.rows)
    return replace(one, rows=tuple(tuple(_canonical_row(row, places)) for row in rows))


def _canonical_row(row: list[str | None], places: Sequence[int]) -> list[str | None]:
    for place in places:
        row[place] = _canonical(row[place])
    return row


def _canonical(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return _written(json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=str))
    except (ValueError, RecursionError, ArithmeticError):
        return text


def _written(value: object) -> str:
    if isinstance(value, Decimal):
        sign, digits, exponent = value.as_tuple()
        number = "".join(map(str, digits)).strip()
        shorter = number.rstrip("0")
        return f"{'-' * sign}{shorter}e{int(exponent) + len(number) - len(shorter)}" if shorter else "0"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {_written(each)}" for key, each in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    return json.dumps(value)


def _by_key(
    before: Snapshot, after: Snapshot, shared: Row | tuple[str, ...], written: str, dropped: set[str]
) -> list[Loss]:
    names = tuple(str(name) for name in shared)
    key = [names.index(name) for name in before.key]
    now = {tuple(row[position] for position in key): row for row in after.only(names)}
    was = {tuple(row[position] for position in key) for row in before.only(names)}
    lost: list[Row] = []
    changed: dict[str, list[tuple[Row, str | None, str | None]]] = {}
    for row in before.only(names):
        other = now.get(tuple(row[position] for position in key))
        if other is None:
            lost.append(row)
            continue
        for name, old, value in zip(names, row, other, strict=True):
            if old != value:
                changed.setdefault(name, []).append((row, old, value))
    losses = []
    renumbered = _renumbered(lost, [row for each, row in now.items() if each not in was], key)
    if renumbered:
        of_key = ", ".join(before.key)
        example = f"{_value(renumbered[0][0])} became {_value(renumbered[0][1])}: renumbered"
        losses.append(Loss(before.table, of_key, len(renumbered), written, example))
    elif lost:
        losses.append(Loss(before.table, "", len(lost), written, _smallest(lost, names)))
    for name, cases in changed.items():
        _, old, value = min(cases, key=lambda case: len(str(case[1])))
        example = f"{_value(old)} became {_value(value)}"
        losses.append(Loss(before.table, name, len(cases), written, example, dropped=name in dropped))
    return losses


def _renumbered(lost: Sequence[Row], new: Sequence[Row], key: Sequence[int]) -> list[tuple[str | None, str | None]]:
    """Old and new keys, where every lost row is there under another key; else none."""
    rest = len(lost[0]) > len(key) if lost else False
    if not rest or len(new) < len(lost):
        return []
    waiting: dict[Row, list[Row]] = {}
    for row in new:
        waiting.setdefault(_without(row, key), []).append(row)
    pairs = []
    for row in lost:
        same = waiting.get(_without(row, key))
        if not same or not any(_without(row, key)):
            return []
        pairs.append((row[key[0]], same.pop(0)[key[0]]))
    return pairs


def _without(row: Row, key: Sequence[int]) -> Row:
    return tuple(value for position, value in enumerate(row) if position not in key)


def _by_content(
    before: Snapshot, after: Snapshot, shared: tuple[str, ...], written: str, dropped: set[str]
) -> list[Loss]:
    was, now = Counter(before.only(shared)), Counter(after.only(shared))
    missing = was - now
    if not missing:
        return []
    losses = []
    if len(after.rows) >= len(before.rows):
        for position, name in enumerate(shared):
            values = Counter(row[position] for row in was.elements()) - Counter(row[position] for row in now.elements())
            if values:
                example = f"{_value(min(values, key=lambda value: len(str(value))))} is lost"
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
    return quote_literal(value if len(value) <= _MAX_VALUE else f"{value[:_MAX_VALUE]}…").strip()


def format_rows(rows: Mapping[str, list[dict[str, str | None]]]) -> str:
    """A small set of rows, as text for a message."""
    return "; ".join(f"{table} ({_pairs(row.items())})" for table, some in rows.items() for row in some)
