"""A migrated database: runs migration steps and observes what each changed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psycopg

from rollback_drills.migrations.reversibility.environment import MigrationEnvironment
from rollback_drills.migrations.reversibility.generate.catalogue import CatalogueTable
from rollback_drills.migrations.reversibility.seeding import SeededRows
from rollback_drills.migrations.reversibility.snapshots import MAX_COMPARED
from rollback_drills.migrations.reversibility.table_names import is_named, words_of
from rollback_drills.migrations.reversibility.tracked_tables import TrackedTables
from rollback_drills.migrations.walker.client import StepOutcome
from rollback_drills.postgres import connect
from rollback_drills.postgres.relations import VERSION_TABLE
from rollback_drills.postgres.schema.tracker import Refresh, Relation, SchemaTracker

_READ_LOCKS = frozenset({"AccessShareLock", "RowShareLock"})
_MAY_GRANT = ("grant", "revoke", "do $", "do '", "select ", "call ", "alter default", "reassign")


@dataclass(frozen=True)
class ObservedStep:
    """A migration step, how it changed the schema, and the names of the tables whose rows it may have changed."""

    outcome: StepOutcome
    refresh: Refresh
    touched: frozenset[str]


class MigratedDatabase:
    """A database with its walker, its tracked schema and its rows.

    Raises:
        StackError: env.py fails, or a connection.

    Args:
        name: an existing database; by default a new one is created.
        data: whether tables are seeded and their rows compared.
        max_compared: rows of one table that are compared.
    """

    def __init__(
        self,
        environment: MigrationEnvironment,
        *,
        name: str | None = None,
        data: bool = True,
        max_compared: int = MAX_COMPARED,
    ) -> None:
        self._environment, self.data = environment, data
        self.name = name or environment.create()
        url = environment.url(self.name)
        with contextlib.ExitStack() as on_error:
            on_error.callback(environment.drop, self.name)
            self.walker = environment.walker(self.name)
            on_error.callback(self.walker.close)
            # First of all, so that what env.py creates is not taken for the first revision's.
            self.walker.enter()
            self.conn = connect(url)
            on_error.callback(self.conn.close)
            self._schema_conn = connect(url)
            on_error.callback(self._schema_conn.close)
            bookkeeping = (VERSION_TABLE, ".".join(self.walker.version_table) or VERSION_TABLE)
            self.schema = SchemaTracker(self._schema_conn, ignore_tables=bookkeeping)
            self._tables = TrackedTables(self.conn, self.schema, bookkeeping)
            self.rows = SeededRows(self.conn, self._tables, self.schema, max_compared)
            if self.schema.known:  # of a baseline or of env.py
                self.resync()
            on_error.pop_all()

    @property
    def tables(self) -> Mapping[str, CatalogueTable]:
        """By qualified, quoted name; empty without data."""
        return self._tables.by_name

    def close(self) -> None:
        """Disconnect and drop the database."""
        self.disconnect()
        self._environment.drop(self.name)

    def disconnect(self) -> None:
        """End every connection and the walker; the database stays."""
        with contextlib.suppress(psycopg.Error):
            self.conn.close()
            self._schema_conn.close()
        self.walker.close()

    # --- steps -------------------------------------------------------------------------------------------

    def migrate(
        self, direction: str, revision: str, *, fail_at: int | None = None, within: bool = False
    ) -> ObservedStep:
        """Run one step, and observe what it changed.

        Args:
            direction: ``upgrade`` or ``downgrade``.
            fail_at: as in `Walker.upgrade`, as is ``within``.

        Raises:
            StackError: the walker has ended.
        """
        step = self.walker.upgrade if direction == "upgrade" else self.walker.downgrade
        return self._observe(step(revision, fail_at=fail_at, within=within))

    def resync(self) -> None:
        """Read schema and rows again, after steps that were not observed; no table counts as seeded."""
        self.schema.refresh((), everything=True)
        if self.data:
            self._tables.read_all()
            self.rows.reset()

    def seed_new_tables(self, source: str) -> None:
        """As `SeededRows.seed_new_tables`; nothing without data."""
        if self.data:
            self.rows.seed_new_tables(source)

    def clean_up(self, commands: Iterable[str]) -> bool:
        """Run the commands as an operator would; whether there were any and all succeeded."""
        done = False
        for command in commands:
            try:
                self.conn.execute(command.encode())
            except psycopg.Error:
                return False
            done = True
        self.schema.refresh((), everything=True)
        return done

    # --- observing a step --------------------------------------------------------------------------------

    def _observe(self, outcome: StepOutcome) -> ObservedStep:
        """Refresh what the step locked; everything, where its locks are not known."""
        everything = not outcome.in_one_transaction
        known: Mapping[int, Relation] = dict(self.schema.known) if everything else self.schema.known
        grants = any(statement.sql[:20].lower().lstrip().startswith(_MAY_GRANT) for statement in outcome.statements)
        locked = outcome.locked
        before = {oid: known[oid] for oid in locked if oid in known}
        refresh = self.schema.refresh(locked, grants=grants, everything=everything)
        touched = self._touched(outcome, refresh, before)
        if self.data:
            self._tables.update(refresh)
            touched |= self._tables.with_changed_types(refresh)
        return ObservedStep(outcome, refresh, frozenset(touched))

    def _touched(self, outcome: StepOutcome, refresh: Refresh, before: Mapping[int, Relation]) -> set[str]:
        """Tables that the step locked for more than reading; outside a transaction, those that its statements name."""
        written = {
            oid
            for statement in outcome.statements
            for oid, modes in statement.locks.items()
            if not _READ_LOCKS.issuperset(modes)
        }
        relations = [known.get(oid) for oid in written for known in (before, refresh.after)]
        if not outcome.in_one_transaction:  # its locks may have been released before they could be read
            words = words_of(" ".join(statement.sql for statement in outcome.statements))
            candidates = (*self.schema.known.values(), *refresh.before.values())
            relations += [relation for relation in candidates if is_named(relation.name, words)]
        return {relation.name for relation in relations if relation is not None and relation.holds_rows}
