"""The smallest set of rows on which a step fails, found by deleting rows and trying again."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Protocol

import psycopg

from rollback_drills.migrations.reversibility.database import MigratedDatabase
from rollback_drills.migrations.reversibility.environment import MigrationEnvironment
from rollback_drills.migrations.reversibility.generate.catalogue import Catalogue, CatalogueTable
from rollback_drills.migrations.reversibility.generate.seeder import parents_first
from rollback_drills.migrations.reversibility.row_edits import delete_rows, insert_rows, tables_in
from rollback_drills.migrations.reversibility.snapshots import Row
from rollback_drills.migrations.walker.client import StepError, StepOutcome
from rollback_drills.postgres import connect

SmallSet = dict[str, list[dict[str, str | None]]]
"""Rows by table, each a value by column."""


class Trial(Protocol):
    """Says whether the step still fails in the same way without some rows, at most ``max_attempts`` times."""

    max_attempts: int

    def still_fails_without(self, table: CatalogueTable, rows: Sequence[Row]) -> bool:
        """If it does, these rows stay deleted."""


class InPlace:
    """In the database itself: for a step in one transaction, which is rolled back each time."""

    max_attempts = 60

    def __init__(self, database: MigratedDatabase, direction: str, revision: str, error: StepError) -> None:
        self._database, self._direction, self._revision, self._error = database, direction, revision, error

    def still_fails_without(self, table: CatalogueTable, rows: Sequence[Row]) -> bool:
        conn, walker = self._database.conn, self._database.walker
        try:
            delete_rows(conn, table, rows)
        except psycopg.Error:
            return False
        step = walker.upgrade if self._direction == "upgrade" else walker.downgrade
        if _is_same_failure(step(self._revision, attempt=True), self._error):
            return True
        with contextlib.suppress(psycopg.Error):  # refused where a constraint is NOT VALID
            insert_rows(conn, table, rows)
        return False


class OnCopies:
    """In a new copy for each attempt: for a step that changes the database when it fails.

    Args:
        template: name of a database at which the step fails, without connections.
    """

    max_attempts = 24

    def __init__(
        self, environment: MigrationEnvironment, template: str, direction: str, revision: str, error: StepError
    ) -> None:
        self._environment, self._template = environment, template
        self._direction, self._revision, self._error = direction, revision, error
        self._deleted: list[tuple[CatalogueTable, Sequence[Row]]] = []
        with connect(environment.url(template)) as conn:
            self.tables: dict[str, CatalogueTable] = Catalogue(conn).tables(tables_in(conn))

    def fails(self) -> bool:
        """Whether the step fails in the same way on the rows that are left."""
        database = self._environment.create(self._template)
        try:
            with connect(self._environment.url(database)) as conn:
                for table, rows in self._deleted:
                    delete_rows(conn, table, rows)
            with self._environment.walker(database) as walker:
                step = walker.upgrade if self._direction == "upgrade" else walker.downgrade
                return _is_same_failure(step(self._revision), self._error)
        finally:
            self._environment.drop(database)

    def still_fails_without(self, table: CatalogueTable, rows: Sequence[Row]) -> bool:
        self._deleted.append((table, rows))
        if self.fails():
            return True
        self._deleted.pop()
        return False


def smallest(
    trial: Trial,
    tables: Mapping[str, CatalogueTable],
    rows: Mapping[str, list[Row]],
    *,
    first: str = "",
    rather_without: Mapping[str, list[Row]] | None = None,
) -> SmallSet:
    """Those of ``rows`` that the failure needs.

    Each table is halved as long as the step fails in the same way, then single rows are left out. Referring tables come
    before those that they refer to: a row must not be blamed for what the search itself has taken away. What another
    constraint then refuses is another failure.

    Args:
        first: the table to begin with, which the failure names.
        rather_without: rows to be left out if the step fails without them, too.
    """
    attempts = 0
    found: SmallSet = {}
    rows = {name: list(some) for name, some in rows.items()}
    order = [table.name for table in reversed(parents_first(tables)) if table.name in rows]
    order.sort(key=lambda name: name != first)
    for name in order:
        unwanted = (rather_without or {}).get(name, [])
        if unwanted and attempts < trial.max_attempts:
            attempts += 1
            if trial.still_fails_without(tables[name], unwanted):
                rows[name] = [row for row in rows[name] if row not in unwanted]
    for name in order:
        needed, size = list(rows[name]), len(rows[name])
        while size and attempts < trial.max_attempts:
            kept: list[Row] = []
            for start in range(0, len(needed), size):
                chunk = needed[start : start + size]
                attempts += 1
                if not trial.still_fails_without(tables[name], chunk):
                    kept += chunk
            needed = kept
            size = min(size // 2, len(needed)) if size > 1 else 0
        if needed:
            found[name] = [dict(zip(tables[name].names, row, strict=True)) for row in needed]
    return found


def _is_same_failure(outcome: StepOutcome, error: StepError) -> bool:
    again = outcome.error
    return again is not None and again.what_failed == error.what_failed
