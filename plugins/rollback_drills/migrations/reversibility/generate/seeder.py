"""Fills tables with rows that their own constraints allow: edge cases, NULLs, every ENUM label, references.

The server decides what is allowed: each row is inserted or refused as in production, triggers included.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg

from rollback_drills.migrations.reversibility.generate.candidates import CandidateFinder
from rollback_drills.migrations.reversibility.generate.catalogue import CatalogueTable, ForeignKey, Type
from rollback_drills.migrations.reversibility.generate.rows import ATTEMPTS, InsertPlan, row_of
from rollback_drills.postgres import Connection, quote_ident

ROWS = 5
MAX_LABELS = 24  # rows that a table gets at most so that every label of its ENUMs occurs


@dataclass(slots=True)
class Seeded:
    """Inserted rows by table, and the tables that took none, with the last refusal."""

    rows: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


class Seeder:
    """Inserts rows over an autocommit connection; the same rows in every run."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._finder = CandidateFinder(conn)
        self._inserted: dict[str, int] = {}

    def seed(
        self,
        tables: Mapping[str, CatalogueTable],
        *,
        rows: int = ROWS,
        hints: Iterable[str] = (),
        only: Iterable[str] = (),
    ) -> Seeded:
        """Insert ``rows`` rows into each of ``tables``, referenced tables first.

        Args:
            hints: expressions whose literals are candidates too, such as the constraints of another schema.
            only: the tables to fill; by default all.

        Raises:
            psycopg.Error: the connection is lost.
        """
        wanted = set(only) or set(tables)
        seeded, expressions = Seeded(), tuple(hints)
        since = self._next_transaction() if any(table.foreign_keys for table in tables.values()) else ""
        for table in parents_first(tables):
            if table.name in wanted and not table.partition:  # a partition is filled through its parent
                self._fill(table, rows, expressions, seeded)
        for table in tables.values():
            if table.name in wanted:
                self._close_cycles(table, since)
        return seeded

    def _next_transaction(self) -> str:
        row = self._conn.execute(b"SELECT (txid_snapshot_xmax(txid_current_snapshot()) % 4294967296)::text").fetchone()
        return str(row[0]) if row else "3"

    def _fill(self, table: CatalogueTable, rows: int, hints: Sequence[str], seeded: Seeded) -> None:
        plan = self._finder.plan(table, hints, self._inserted.get(table.name, 0))
        labels = max((len(_labels(column.type)) for column in table.columns), default=0)
        wanted = max(rows, min(labels + 1, MAX_LABELS) if labels else 0)
        inserted, refusal, used = self._insert_all(plan, wanted)
        self._inserted[table.name] = plan.inserted + used
        seeded.rows[table.name] = inserted
        without_partitions = table.partitioned and not table.bounds
        if not inserted and wanted and not without_partitions and self._is_empty(table):
            seeded.refused[table.name] = refusal

    def _insert_all(self, plan: InsertPlan, wanted: int) -> tuple[int, str, int]:
        """Rows that were inserted, why the last one was not, and how many numbers of rows are used up.

        No later row may take the number of one that a migration has deleted: it would have its key, and pass for it.
        """
        if not self._try(_insert(plan.table, [row_of(plan, number, 0) for number in range(wanted)])):
            return wanted, "", wanted
        inserted, refusal = 0, ""
        for number in range(wanted):
            refusal = self._insert_one(plan, number)
            inserted += not refusal
        return inserted, refusal, wanted + ATTEMPTS  # each attempt counts from its row's number

    def _insert_one(self, plan: InsertPlan, number: int) -> str:
        """Empty when the row is inserted; else why the last attempt was refused."""
        refusal = ""
        for attempt in range(ATTEMPTS):
            refusal = self._try(_insert(plan.table, [row_of(plan, number, attempt)]))
            if not refusal:
                return ""
        return refusal

    def _is_empty(self, table: CatalogueTable) -> bool:
        """If not, it took no row because a UNIQUE over few possible values has used them up."""
        return not self._conn.execute(f"SELECT FROM {table.name} LIMIT 1".encode()).rowcount

    def _try(self, statement: str) -> str:
        """Empty when the statement succeeds, else the server's refusal."""
        try:
            self._conn.execute(statement.encode())
        except psycopg.OperationalError:
            if self._conn.closed:
                raise
            return "the server refuses it"
        except psycopg.Error as error:
            return str(error).strip().splitlines()[0]
        return ""

    def _close_cycles(self, table: CatalogueTable, since: str) -> None:
        """Let a row refer to its own table, or to one that was filled after it: it was inserted with NULL.

        Rows of earlier transactions stay unchanged: they are compared later.
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
    """One statement for all rows."""
    names = [name for name in table.names if any(name in row for row in rows)]
    if not names:
        return ";".join([f"INSERT INTO {table.name} DEFAULT VALUES"] * len(rows))
    values = ", ".join("(" + ", ".join(row.get(name, "DEFAULT") for name in names) + ")" for row in rows)
    columns = ", ".join(quote_ident(name) for name in names)
    return f"INSERT INTO {table.name} ({columns}) VALUES {values}"


def parents_first(tables: Mapping[str, CatalogueTable]) -> list[CatalogueTable]:
    """Tables in the order of their references; in a circle, those that may not be NULL decide."""
    ordered: dict[str, CatalogueTable] = {}
    needs = {
        name: {
            key.table
            for key in table.foreign_keys
            if key.table in tables and key.table != name and _may_not_be_null(table, key)
        }
        for name, table in tables.items()
    }

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in ordered or name in path:
            return
        inner = (*path, name)
        for needed in sorted(needs[name]):
            visit(needed, inner)
        for key in tables[name].foreign_keys:
            if key.table in tables and not _closure(key.table, needs) & set(inner):
                visit(key.table, inner)
        ordered[name] = tables[name]

    for name in tables:
        visit(name, ())
    return list(ordered.values())


def _may_not_be_null(table: CatalogueTable, key: ForeignKey) -> bool:
    return all(table.column(name).not_null for name in key.columns)


def _closure(name: str, needs: Mapping[str, set[str]]) -> set[str]:
    """A table and all that must have rows before it can have any."""
    found, pending = set[str](), [name]
    while pending:
        each = pending.pop()
        if each not in found:
            found.add(each)
            pending += needs[each]
    return found


def _labels(kind: Type) -> tuple[str, ...]:
    return kind.labels if kind.kind == "e" else _labels(kind.inner) if kind.inner is not None else ()
