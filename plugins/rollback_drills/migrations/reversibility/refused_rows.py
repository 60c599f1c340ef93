"""Performs a step that refuses rows without these and what refers to them, so that the others are still compared."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import psycopg

from rollback_drills.migrations.reversibility.database import MigratedDatabase, ObservedStep
from rollback_drills.migrations.reversibility.generate.catalogue import CatalogueTable
from rollback_drills.migrations.reversibility.row_edits import delete_dangling, delete_rows, insert_rows, takes_rows
from rollback_drills.migrations.reversibility.shrinking import InPlace, SmallSet, smallest
from rollback_drills.migrations.reversibility.snapshots import Row, Snapshot
from rollback_drills.migrations.reversibility.table_names import unqualified
from rollback_drills.migrations.walker.client import StepError

MAX_ROUNDS = 8  # different refusals of one step that are worked around


@dataclass(frozen=True)
class StepWithout:
    """The step that succeeded, the rows right before it, and the tables that lack rows now."""

    step: ObservedStep
    rows: Mapping[str, Snapshot]
    affected: frozenset[str]

    def still_there(self, before: Mapping[str, Snapshot]) -> dict[str, Snapshot]:
        """The snapshots of an earlier time, without the rows that were taken away since."""
        found = {}
        for name, snapshot in before.items():
            if name not in self.affected:
                found[name] = snapshot
            elif name in self.rows and snapshot.key and set(snapshot.key) <= set(self.rows[name].columns):
                keys = set(self.rows[name].only(snapshot.key))
                kept = zip(snapshot.rows, snapshot.only(snapshot.key), strict=True)
                found[name] = replace(snapshot, rows=tuple(row for row, key in kept if key in keys))
        return found


def without_refused(
    database: MigratedDatabase,
    direction: str,
    revision: str,
    rows: SmallSet,
    taken: Mapping[str, Snapshot],
    filled: Collection[str],
) -> StepWithout | None:
    """The step without ``rows``, and without what else it refuses; None where it does not succeed so.

    Where it does not, all rows are put back as they were taken.

    Args:
        rows: on which it has failed.
        taken: all rows, before any was taken away.
        filled: unqualified names of tables whose rows a migration has inserted: they must not be taken away.
    """
    excluded: dict[str, set[Row]] = {}
    taken = dict(taken)
    for _ in range(MAX_ROUNDS):
        if not rows or any(unqualified(name) in filled for name in rows):
            break
        for name, some in rows.items():
            excluded.setdefault(name, set()).update(tuple(row.values()) for row in some)
        try:
            affected = _restore(database, taken, excluded)
        except psycopg.Error:
            break
        kept = database.rows.remember(database.tables.keys() & taken.keys())
        step = database.migrate(direction, revision)
        error = step.outcome.error
        if error is None:
            return StepWithout(step, kept, frozenset(affected))
        if not step.outcome.in_one_transaction or (step.refresh.delta and not step.outcome.external):
            break
        names = involved(database, step)  # this attempt may have come further, to tables of which no row was taken yet
        taken = {**all_rows(database, names), **taken}
        rows = smallest(
            InPlace(database, direction, revision, error),
            database.tables,
            current_rows(database, names),
            first=table_of(error, database.tables),
        )
    _put_back(database, taken)
    return None


def _put_back(database: MigratedDatabase, taken: Mapping[str, Snapshot]) -> None:
    """All rows as they were taken; where the server refuses that, at least none that refers to a missing one."""
    with contextlib.suppress(psycopg.Error):
        try:
            _restore(database, taken, {})
        except psycopg.Error:
            delete_dangling(database.conn, database.tables.values(), set(taken) & database.tables.keys())
    database.rows.remember(database.tables.keys())


def _restore(
    database: MigratedDatabase, taken: Mapping[str, Snapshot], excluded: Mapping[str, Collection[Row]]
) -> set[str]:
    """All rows as they were taken, but the excluded ones and those that refer to them; the tables that lack rows."""
    tables = database.tables
    for name, snapshot in taken.items():
        if name in tables:
            insert_rows(database.conn, tables[name], snapshot.rows, replace=True)
    for name, rows in excluded.items():
        delete_rows(database.conn, tables[name], rows)
    return {*excluded, *delete_dangling(database.conn, tables.values(), set(excluded))}


def old_schema_takes(database: MigratedDatabase, rows: SmallSet) -> bool:
    """Whether the schema as it is now accepts these rows, as far as it has their columns."""
    for name, some in rows.items():
        table = database.tables.get(name)
        if table is None or not takes_rows(database.conn, table, some):
            return False
    return True


def current_rows(database: MigratedDatabase, names: Iterable[str]) -> dict[str, list[Row]]:
    plain = [name for name in sorted(names) if name in database.tables and not database.tables[name].partitioned]
    return {name: list(snapshot.rows) for name, snapshot in database.rows.remember(plain).items()}


def all_rows(database: MigratedDatabase, names: Iterable[str]) -> dict[str, Snapshot]:
    """The rows of these tables, and of all that refer to them."""
    wanted: set[str] = set()
    for name in names:
        if name in database.tables:
            wanted |= database.rows.with_children(name)
    return database.rows.snapshot(wanted)


def table_of(error: StepError, tables: Mapping[str, CatalogueTable]) -> str:
    """The table that an error of the server names; empty if it names none."""
    with contextlib.suppress(StopIteration):
        return next(
            name
            for name in tables
            if error.table
            and name.rpartition(".")[2].strip('"') == error.table
            and (not error.schema_name or name.rpartition(".")[0].strip('"') == error.schema_name)
        )
    return ""


def involved(database: MigratedDatabase, step: ObservedStep) -> frozenset[str]:
    """Tables that a failed step touched, or that its error names; all tables where neither is known."""
    names = set(step.touched)
    error = step.outcome.error
    if error is not None:
        mentioned = set(error.statement.translate(str.maketrans('".,(', "    ")).split())
        if error.table:
            mentioned.add(error.table)
        names |= {name for name in database.tables if name.rpartition(".")[2].strip('"') in mentioned}
    return frozenset(names) or frozenset(database.tables)
