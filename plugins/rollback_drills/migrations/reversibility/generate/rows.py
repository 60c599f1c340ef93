"""Fills tables with rows that their own catalogue allows: edges, NULLs, every label, references in order.

Whether a value is allowed is asked of the server: CHECK expressions filter the candidates where they are, and each
row is inserted or refused as in production, triggers included. A table that takes no row at all fails the check.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg

from rollback_drills.migrations.reversibility.generate.catalogue import (
    CatalogueTable,
    Column,
    ForeignKey,
    Type,
)
from rollback_drills.migrations.reversibility.generate.values import hinted, pool, unused
from rollback_drills.postgres import Connection, quote_ident, quote_literal

ROWS = 5
ATTEMPTS = 14
LABELS = 24  # rows that a table gets at most so that every label of its ENUMs is seen
FEW = 4  # values that a CHECK leaves: it lists them, and a made-up one is none of them
_JOINT = 400  # combinations of values that are tried for a CHECK over several columns

Candidates = dict[str, tuple[str | None, ...]]


@dataclass(slots=True)
class Seeded:
    """Rows that were inserted, by table; and the tables that took none, with the last refusal."""

    rows: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _InsertPlan:
    table: CatalogueTable
    single: Candidates
    joint: list[tuple[tuple[str, ...], list[tuple[str | None, ...]]]]
    taken: int = 0


class Seeder:
    """Inserts rows over an autocommit connection of its own. What it inserts is the same in every run."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._taken: dict[str, int] = {}
        self._checked: dict[tuple[str, str], tuple[str, ...]] = {}

    def seed(
        self,
        tables: Mapping[str, CatalogueTable],
        *,
        rows: int = ROWS,
        hints: Iterable[str] = (),
        only: Iterable[str] = (),
    ) -> Seeded:
        """Insert ``rows`` rows into each of ``tables``, those that are referred to first.

        Args:
            hints: texts of expressions, whose literals are candidates too (constraints of another schema).
            only: the tables to fill; by default all.

        Raises:
            psycopg.Error: the connection is lost.
        """
        wanted = set(only) or set(tables)
        done = Seeded()
        texts = tuple(hints)
        since = self._next_transaction() if any(table.foreign_keys for table in tables.values()) else ""
        for table in _parents_first(tables):
            if table.name in wanted:
                self._fill(table, rows, texts, done)
        for table in tables.values():
            if table.name in wanted:
                self._close_cycles(table, since)
        return done

    def _next_transaction(self) -> str:
        row = self._conn.execute(b"SELECT (txid_snapshot_xmax(txid_current_snapshot()) % 4294967296)::text").fetchone()
        return str(row[0]) if row else "3"

    # --- one table -------------------------------------------------------------------------------------

    def _fill(self, table: CatalogueTable, rows: int, hints: Sequence[str], done: Seeded) -> None:
        plan = self._plan(table, hints)
        if table.partition:
            return
        labels = max((len(_labels(column.type)) for column in table.columns), default=0)
        wanted = max(rows, min(labels + 1, LABELS) if labels else 0)
        numbers = range(wanted)
        inserted, refusal = 0, ""
        statement = _insert(table, [self._row(plan, number, 0) for number in numbers])
        if not self._try(statement):
            inserted = wanted
        else:
            for number in numbers:
                refusal = self._insert_one(plan, number)
                inserted += not refusal
        self._taken[table.name] = plan.taken + wanted
        done.rows[table.name] = inserted
        # A partition has the rows of its parent; a parent without partitions takes none.
        if not inserted and wanted and not table.partition and not (table.partitioned and not table.bounds):
            if self._conn.execute(f"SELECT FROM {table.name} LIMIT 1".encode()).rowcount:
                return  # it is full: a UNIQUE over few possible values
            done.refused[table.name] = refusal

    def _insert_one(self, plan: _InsertPlan, number: int) -> str:
        """Empty when the row is in; else what was said about the last attempt."""
        refusal = ""
        for attempt in range(ATTEMPTS):
            refusal = self._try(_insert(plan.table, [self._row(plan, number, attempt)]))
            if not refusal:
                return ""
        return refusal

    def _try(self, statement: str) -> str:
        try:
            self._conn.execute(statement.encode())
        except psycopg.OperationalError:
            if self._conn.closed:
                raise
            return "the server refuses it"
        except psycopg.Error as error:
            return str(error).strip().splitlines()[0]
        return ""

    def _plan(self, table: CatalogueTable, hints: Sequence[str]) -> _InsertPlan:
        """The candidates for each column that the CHECK constraints allow."""
        expressions = [check.expression for check in table.checks]
        suggested = hinted((*expressions, *table.bounds, *hints))
        single: Candidates = {}
        for column in table.columns:
            checks = [check.expression for check in table.checks if check.columns == (column.name,)]
            single[column.name] = self._candidates(column, checks, suggested)
        joint = []
        for names, checks in _joint_checks(table):
            joint.append((names, self._combinations(table, names, checks, single)))
        return _InsertPlan(table, single, joint, self._taken.get(table.name, 0))

    def _candidates(self, column: Column, checks: Sequence[str], hints: Sequence[str]) -> tuple[str | None, ...]:
        values = [*pool(column.type, column.modifier), *(hint for hint in hints if _may_be(column.type, hint))]
        domain = column.type if column.type.kind == "d" else None
        if domain is not None and domain.checks:
            values = [*self._allowed(f"{domain.inner.name if domain.inner else 'text'}", "value", domain.checks,
                                     [*values, *hinted(domain.checks)])]  # fmt: skip
        if checks:
            values = [*self._allowed(column.type_text, column.name, checks, values)]
        nullable = not column.not_null and not (domain is not None and domain.not_null)
        found: list[str | None] = list(dict.fromkeys(values))
        if nullable:
            found.insert(2 if len(found) > 2 else len(found), None)
        return tuple(found) or (None,)

    def _allowed(self, type_text: str, name: str, checks: Sequence[str], values: Sequence[str]) -> tuple[str, ...]:
        """Those values for which no check is false, as the server evaluates it."""
        condition = " AND ".join(f"({check}) IS NOT FALSE" for check in checks)
        key = (f"{type_text} {name} {condition}", "\0".join(values))
        if key not in self._checked:
            accepted = self._evaluate(type_text, name, condition, values)
            if accepted is None:  # one value spoils them all: ask one by one
                single = (self._evaluate(type_text, name, condition, [value]) for value in values)
                accepted = list(itertools.chain.from_iterable(each or [] for each in single))
            self._checked[key] = tuple(accepted)
        return self._checked[key]

    def _evaluate(self, type_text: str, name: str, condition: str, values: Sequence[str]) -> list[str] | None:
        rows = ", ".join(f"({number}, {quote_literal(value)})" for number, value in enumerate(values))
        inner = f"SELECT number, text::{type_text} AS {quote_ident(name)} FROM (VALUES {rows}) AS v (number, text)"
        query = f"SELECT number FROM ({inner} OFFSET 0) AS candidates WHERE {condition} ORDER BY 1"
        try:
            return [values[number] for (number,) in self._conn.execute(query.encode())]
        except psycopg.Error:
            return None

    def _combinations(
        self, table: CatalogueTable, names: tuple[str, ...], checks: Sequence[str], single: Candidates
    ) -> list[tuple[str | None, ...]]:
        each = max(2, int(_JOINT ** (1 / len(names))))
        literals = hinted(checks)
        choices = [_spread(_first(single[name], literals), each) for name in names]
        rows = list(itertools.product(*choices))[: 4 * _JOINT]
        values = ", ".join(
            "(" + ", ".join([str(number), *(_literal(value) for value in row)]) + ")" for number, row in enumerate(rows)
        )
        typed = ", ".join(
            f"c{place}::text::{table.column(name).type_text} AS {quote_ident(name)}" for place, name in enumerate(names)
        )
        head = ", ".join(["number", *(f"c{place}" for place in range(len(names)))])
        condition = " AND ".join(f"({check}) IS NOT FALSE" for check in checks)
        query = (
            f"SELECT number FROM (SELECT number, {typed} FROM (VALUES {values}) AS v ({head}) OFFSET 0) AS candidates"
            f" WHERE {condition} ORDER BY 1 LIMIT 60"
        )
        try:
            return [rows[number] for (number,) in self._conn.execute(query.encode())]
        except psycopg.Error:
            return []

    # --- one row ---------------------------------------------------------------------------------------

    def _row(self, plan: _InsertPlan, number: int, attempt: int) -> dict[str, str]:
        """SQL for each column that is given a value."""
        table = plan.table
        row: dict[str, str] = {}
        distinct = {name for names in (*table.unique, *table.excludes) for name in names}
        alone = {names[0] for names in (*table.unique, *table.excludes) if len(names) == 1}
        for place, column in enumerate(table.columns):
            if column.generated or column.identity:
                continue
            checked = any(column.name in check.columns for check in table.checks)
            if column.has_default and column.name in table.key and not (checked and attempt):
                continue
            if column.has_default and (number + attempt) % 4 == 3 and column.name not in alone:
                continue
            candidates = plan.single[column.name]
            # Each attempt shifts the columns against each other; the last ones take the plainest values.
            index = number + attempt * (place + 1)
            if column.name in alone or (column.name in distinct and attempt):
                row[column.name] = self._distinct(column, candidates, plan.taken + number + attempt, checked)
            elif number == 1 and not attempt and (odd := self._odd(plan, column, place)) is not None:
                row[column.name] = _literal(odd)  # what no other table has, where a reference used to be demanded
            elif attempt >= ATTEMPTS - 4:
                row[column.name] = _literal(candidates[-1 - (attempt % 4) % len(candidates)])
            else:
                row[column.name] = _literal(candidates[index % len(candidates)])
        for names, rows in plan.joint:
            if rows:
                chosen = rows[(number * 7 + attempt) % len(rows)]
                row |= {name: _literal(value) for name, value in zip(names, chosen, strict=True) if name in row}
        for key in table.foreign_keys:
            self._refer(table, key, row, plan.taken + number, attempt)
        return row

    def _odd(self, plan: _InsertPlan, column: Column, place: int) -> str | None:
        tied = any(column.name in names for names, _ in plan.joint)
        checked = tied or column.type.checks or any(column.name in check.columns for check in plan.table.checks)
        length = column.modifier - 4 if column.modifier >= 4 else 99
        value = None if checked else unused(column.type, 900 + place)
        return value if value is not None and len(value) <= length and column.modifier < 65536 else None

    def _distinct(self, column: Column, candidates: tuple[str | None, ...], number: int, checked: bool) -> str:
        values = [value for value in candidates if value is not None]
        if number < len(values):
            return _literal(values[number])
        more = None if column.type.checks or (checked and 0 < len(values) < FEW) else unused(column.type, number)
        return _literal(more if more is not None else values[number % len(values)] if values else None)

    def _refer(self, table: CatalogueTable, key: ForeignKey, row: dict[str, str], number: int, attempt: int) -> None:
        nullable = any(not table.column(name).not_null for name in key.columns)
        itself = key.table == table.name
        if nullable and (itself or (number + attempt) % 4 == 3):
            row |= {name: "NULL" for name in key.columns if not table.column(name).not_null}
            return
        if itself and all(name in row for name in key.referred):
            row |= {name: row[referred] for name, referred in zip(key.columns, key.referred, strict=True)}
            return
        order = ", ".join(quote_ident(name) for name in key.referred)
        for name, referred in zip(key.columns, key.referred, strict=True):
            some = f"SELECT {quote_ident(referred)} FROM {key.table} WHERE ({order}) IS NOT NULL ORDER BY {order}"
            count = f"SELECT greatest(count(*), 1) FROM {key.table}"
            row[name] = f"({some} LIMIT 1 OFFSET {number + attempt} % ({count}))"

    def _close_cycles(self, table: CatalogueTable, since: str) -> None:
        """Rows that refer to their own table, or to one that was filled later: inserted with NULL, now updated.

        Only rows of this seed: older ones are compared with what they were.
        """
        for key in table.foreign_keys:
            nullable = [name for name in key.columns if not table.column(name).not_null]
            if nullable != list(key.columns) or any(table.column(name).generated for name in nullable):
                continue
            columns = ", ".join(quote_ident(name) for name in key.columns)
            referred = ", ".join(quote_ident(name) for name in key.referred)
            first = quote_ident(key.columns[0])
            self._try(
                f"UPDATE ONLY {table.name} SET ({columns}) = (SELECT {referred} FROM {key.table} ORDER BY {referred}"
                f" LIMIT 1) WHERE ctid = (SELECT min(ctid) FROM ONLY {table.name} WHERE {first} IS NULL"
                f" AND age(xmin) <= age('{since}'::xid))"
                f" AND NOT EXISTS (SELECT FROM ONLY {table.name} WHERE {first} IS NOT NULL)"
            )


def _insert(table: CatalogueTable, rows: Sequence[Mapping[str, str]]) -> str:
    """One statement for all rows; a column that a row leaves out takes its default."""
    names = [name for name in table.names if any(name in row for row in rows)]
    if not names:
        return ";".join([f"INSERT INTO {table.name} DEFAULT VALUES"] * len(rows))
    values = ", ".join("(" + ", ".join(row.get(name, "DEFAULT") for name in names) + ")" for row in rows)
    columns = ", ".join(quote_ident(name) for name in names)
    return f"INSERT INTO {table.name} ({columns}) VALUES {values}"


def _parents_first(tables: Mapping[str, CatalogueTable]) -> list[CatalogueTable]:
    """Tables in the order of their references; a reference that may be NULL gives way where there is a circle."""
    ordered: dict[str, CatalogueTable] = {}

    def visit(table: CatalogueTable, path: tuple[str, ...], strict: bool) -> None:
        if table.name in ordered or table.name in path:
            return
        for key in table.foreign_keys:
            needed = all(table.column(name).not_null for name in key.columns)
            if key.table in tables and (needed or not strict):
                visit(tables[key.table], (*path, table.name), strict or not needed)
        ordered[table.name] = table

    for table in tables.values():
        visit(table, (), False)
    return list(ordered.values())


def _joint_checks(table: CatalogueTable) -> list[tuple[tuple[str, ...], list[str]]]:
    """Groups of columns that CHECK constraints tie together, with all checks over each group."""
    groups: list[set[str]] = []
    for check in table.checks:
        if len(check.columns) > 1:
            tied = [group for group in groups if group & set(check.columns)]
            groups = [group for group in groups if group not in tied]
            groups.append(set(check.columns).union(*tied))
    return [
        (
            tuple(name for name in table.names if name in group),
            [check.expression for check in table.checks if set(check.columns) <= group and check.columns],
        )
        for group in groups
    ]


def _labels(kind: Type) -> tuple[str, ...]:
    return kind.labels if kind.kind == "e" else _labels(kind.inner) if kind.inner is not None else ()


def _may_be(kind: Type, hint: str) -> bool:
    """Whether a hint could be a value at all; texts may be anything."""
    name = kind.name.rpartition(".")[2].strip('"')  # varchar, timestamp and others are words that need quotes
    if kind.kind in ("e", "c", "r", "m") or kind.is_array:
        return False
    if name in ("int2", "int4", "int8"):
        return hint.lstrip("-").isdigit() and abs(int(hint)) < 2 ** {"int2": 15, "int4": 31, "int8": 63}[name]
    if name in ("numeric", "float4", "float8"):
        return hint.lstrip("-").replace(".", "", 1).isdigit()
    if name in ("date", "timestamp", "timestamptz"):
        return hint[:4].isdigit() and hint[4:5] == "-"
    return name in ("text", "varchar", "bpchar", "citext") or kind.kind == "d"


def _first(values: Sequence[str | None], wanted: Collection[str]) -> list[str | None]:
    """The same values, those that are wanted (or NULL) before the others."""
    return sorted(values, key=lambda value: value is not None and value not in wanted)


def _spread(values: Sequence[str | None], count: int) -> list[str | None]:
    """``count`` of the values, from the beginning, the middle and the end."""
    if len(values) <= count:
        return list(values)
    head = count - count // 2
    step = max(1, (len(values) - head) // max(1, count // 2))
    return [*values[:head], *values[head::step]][:count]


def _literal(value: str | None) -> str:
    return "NULL" if value is None else quote_literal(value)
