"""The smallest set of rows on which a step fails, found by trying."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Protocol

import psycopg

from rollback_drills.migrations.reversibility.database import MigratedDatabase
from rollback_drills.migrations.reversibility.environment import MigrationEnvironment
from rollback_drills.migrations.reversibility.generate.catalogue import (
    Catalogue,
    CatalogueTable,
)
from rollback_drills.migrations.reversibility.row_edits import delete_rows, insert_rows, tables_in
from rollback_drills.migrations.reversibility.rows import Row
from rollback_drills.migrations.walker.client import StepError, Walked
from rollback_drills.postgres import Connection, connect


class Trial(Protocol):
    """Says whether the step still fails as it did when some rows are not there.

    ``most`` is the number of attempts that are worth their time.
    """

    most: int

    def still_fails_without(self, table: CatalogueTable, rows: Sequence[Row]) -> bool:
        """If so, these rows stay out."""


class InPlace:
    """In the database itself: for a step that is one transaction, which is rolled back every time."""

    most = 60

    def __init__(self, bench: MigratedDatabase, direction: str, revision: str, error: StepError) -> None:
        self._bench, self._direction, self._revision, self._error = bench, direction, revision, error

    def still_fails_without(self, table: CatalogueTable, rows: Sequence[Row]) -> bool:
        conn, walker = self._bench.conn, self._bench.walker
        try:
            delete_rows(conn, table, rows)
        except psycopg.Error:
            return False
        step = walker.upgrade if self._direction == "upgrade" else walker.downgrade
        if _same(step(self._revision, attempt=True), self._error):
            return True
        with contextlib.suppress(psycopg.Error):  # a constraint that is NOT VALID lets nothing like it in again
            insert_rows(conn, table, rows)
        return False


class OnCopies:
    """In a copy for each attempt: for a step that leaves the database changed.

    Args:
        template: a database where the step is to be tried, to which nobody is connected.
    """

    most = 24

    def __init__(
        self, ground: MigrationEnvironment, template: str, direction: str, revision: str, error: StepError
    ) -> None:
        self._ground, self._template = ground, template
        self._direction, self._revision, self._error = direction, revision, error
        self._out: list[tuple[CatalogueTable, Sequence[Row]]] = []
        with connect(ground.url(template)) as conn:
            self.tables: dict[str, CatalogueTable] = Catalogue(conn).tables(tables_in(conn))

    def fails(self) -> bool:
        """Whether it fails as it did with the rows that are not taken out yet."""
        database = self._ground.create(self._template)
        try:
            with connect(self._ground.url(database)) as conn:
                self._take_out(conn)
            with self._ground.walker(database) as walker:
                step = walker.upgrade if self._direction == "upgrade" else walker.downgrade
                return _same(step(self._revision), self._error)
        finally:
            self._ground.drop(database)

    def still_fails_without(self, table: CatalogueTable, rows: Sequence[Row]) -> bool:
        self._out.append((table, rows))
        if self.fails():
            return True
        self._out.pop()
        return False

    def _take_out(self, conn: Connection) -> None:
        for table, rows in self._out:
            delete_rows(conn, table, rows)


def smallest(
    trial: Trial, tables: Mapping[str, CatalogueTable], rows: Mapping[str, list[Row]]
) -> dict[str, list[dict[str, str | None]]]:
    """Those of ``rows`` without which the step would not fail as it did.

    Every table is halved as long as the same error comes, then single rows are left out.
    """
    attempts = 0
    found: dict[str, list[dict[str, str | None]]] = {}
    for name, some in rows.items():
        held, size = list(some), len(some)
        while size and attempts < trial.most:
            kept: list[Row] = []
            for start in range(0, len(held), size):
                chunk = held[start : start + size]
                attempts += 1
                if not trial.still_fails_without(tables[name], chunk):
                    kept += chunk
            held = kept
            size = min(size // 2, len(held)) if size > 1 else 0
        if held:
            found[name] = [dict(zip(tables[name].names, row, strict=True)) for row in held]
    return found


def _same(walked: Walked, error: StepError) -> bool:
    again = walked.error
    return again is not None and (again.sqlstate, again.type) == (error.sqlstate, error.type)
