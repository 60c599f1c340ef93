"""The round trip of one revision: up with rows in the tables, down, and up again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

from rollback_drills.migrations.reversibility.cleanup import clean_up
from rollback_drills.migrations.reversibility.database import MigratedDatabase, ObservedStep
from rollback_drills.migrations.reversibility.declarations import declared
from rollback_drills.migrations.reversibility.environment import MigrationEnvironment
from rollback_drills.migrations.reversibility.interruptions import Interrupter
from rollback_drills.migrations.reversibility.large_objects import read_large_objects
from rollback_drills.migrations.reversibility.locks import Speed, locks_of, without_timeout
from rollback_drills.migrations.reversibility.next_insert import MAY_MOVE, colliding_columns
from rollback_drills.migrations.reversibility.proof import Proof
from rollback_drills.migrations.reversibility.refused_rows import (
    all_rows,
    current_rows,
    involved,
    old_schema_takes,
    table_of,
    without_refused,
)
from rollback_drills.migrations.reversibility.restore import back_up, prove_restore
from rollback_drills.migrations.reversibility.shrinking import InPlace, OnCopies, SmallSet, smallest
from rollback_drills.migrations.reversibility.snapshots import Snapshot, format_rows
from rollback_drills.migrations.reversibility.table_names import tables_filled_by
from rollback_drills.migrations.reversibility.verdict import RoundTripResult, judge, judge_interruptions
from rollback_drills.migrations.walker.client import StepError, WalkedRevision
from rollback_drills.postgres.schema.tracker import Relation
from rollback_drills.target.system_tables import Migrations

VERSION_LENGTH = 32  # alembic/runtime/migration.py: version_num is String(32)
_ENOUGH_ROWS = 3  # a table with fewer is seeded again, for the revisions above
_MAX_SHOWN = 400  # characters of rows in a finding's detail


class RevisionContext(Protocol):
    """What surrounds the revision: the walk, which can bring a database to any position of the history.

    ``filled`` are unqualified names of tables that migrations inserted into: those rows must not be cleared.
    """

    environment: MigrationEnvironment
    migrations: Migrations | None
    filled: set[str]
    strict_loss: bool

    @property
    def database(self) -> MigratedDatabase: ...

    @property
    def stuck(self) -> str: ...

    def restart_at(self, position: int) -> MigratedDatabase: ...

    def copy_at(self, position: int, rows: Mapping[str, Snapshot]) -> str: ...

    def mark_applied(self, position: int) -> None: ...

    def stop(self, reason: str) -> None: ...


class RoundTrip:
    """Proves one revision. Expects the database one revision below; leaves it at the revision."""

    def __init__(self, context: RevisionContext, revision: WalkedRevision, position: int) -> None:
        self._context, self._revision, self._position = context, revision, position
        self._proof = Proof(revision.id, revision.down, revision.doc)
        self._declarations = declared(revision.id, revision.source, context.migrations)
        self._hints: list[str] = []

    @property
    def _database(self) -> MigratedDatabase:
        return self._context.database

    def prove(self) -> Proof:
        context, proof, declarations, database = self._context, self._proof, self._declarations, self._database
        for mistake in declarations.mistakes:
            proof.find("declaration-invalid", f"{proof.revision}: {mistake}")
        database.seed_new_tables(self._revision.source)
        known = dict(database.schema.known)
        self._hints = [check.expression for table in database.tables.values() for check in table.checks]
        irreversible = bool(declarations.reason("irreversible"))
        large_objects = read_large_objects(database.conn) if database.data else None
        backup = back_up(context.environment, database.name, database.conn) if irreversible else None
        moves = database.data and bool(MAY_MOVE.search(self._revision.source))
        colliding = colliding_columns(database.conn) if moves else {}
        up = self._upgrade()
        if up is None:
            context.stop(f"{proof.revision} cannot be applied")
            return proof
        context.mark_applied(self._position)
        context.filled |= tables_filled_by(up.outcome)
        self._record_upgrade(up, known)
        # After a restart it is another database, whose large objects have other numbers.
        large_objects = large_objects if self._database is database else None
        result = self._down_and_up_again(up, colliding if moves else None, large_objects)
        blocking = context.migrations.blocking if context.migrations is not None else 1.0
        judge(proof, declarations, result, blocking, strict_loss=context.strict_loss)
        if backup is not None and proof.verdict == "irreversible by design":
            prove_restore(context.environment, backup, proof)
        self._restore_state(result)
        return proof

    def _record_upgrade(self, up: ObservedStep, known: Mapping[int, Relation]) -> None:
        """Durations and locks; ``known`` are the relations before the upgrade."""
        proof, migrations = self._proof, self._context.migrations
        sizes: Mapping[str, int] = migrations.rows if migrations is not None else {}
        proof.up_seconds = sum(each.seconds for each in up.outcome.statements)
        proof.statements, proof.atomic = len(up.outcome.statements), up.outcome.in_one_transaction
        proof.rewritten = sorted(up.refresh.rewritten)
        proof.locks = locks_of(up.outcome, up.refresh, known, sizes, Speed(self._database.conn))
        proof.without_timeout = without_timeout(up.outcome, proof.locks, known)

    def _record_downgrade(self, down: ObservedStep, known: Mapping[int, Relation]) -> None:
        """As `_record_upgrade`; it is the step that runs while everybody waits."""
        proof, migrations = self._proof, self._context.migrations
        sizes: Mapping[str, int] = migrations.rows if migrations is not None else {}
        proof.down_seconds = sum(each.seconds for each in down.outcome.statements)
        speed = Speed(self._database.conn)
        proof.down_locks = locks_of(down.outcome, down.refresh, known, sizes, speed, "downgrade")
        proof.down_without_timeout = without_timeout(down.outcome, proof.down_locks, known)

    def _restore_state(self, result: RoundTripResult) -> None:
        """Leave the database as the next revision expects it, rows included."""
        database = self._database
        if result.broken:
            self._context.restart_at(self._position)
        elif result.downgrade_failed and database.data:
            database.rows.remember(database.rows.with_parents(result.up.touched & database.tables.keys()))
        elif not result.downgrade_failed:
            self._interrupt(result)

    def _interrupt(self, result: RoundTripResult) -> None:
        """Fail each direction that is not one transaction at each of its statements."""
        proof, repeatable = self._proof, result.repeatable
        touched = result.up.touched | (result.down.touched if result.down is not None else frozenset())
        for direction, step in (("upgrade", result.up), ("downgrade", result.down)):
            if step is None or step.outcome.in_one_transaction:
                continue
            interrupter = Interrupter(self._database, proof.revision, proof.down, repeatable=repeatable)
            interruptions, intact = interrupter.interrupt(direction, step.outcome)
            proof.interruptions += interruptions
            proof.not_interrupted += interrupter.missed
            judge_interruptions(proof, interruptions)
            if not intact:
                self._context.restart_at(self._position)
            elif self._database.data:
                self._database.rows.remember(touched & self._database.tables.keys())

    # --- up ----------------------------------------------------------------------------------------------

    def _upgrade(self) -> ObservedStep | None:
        """Upgrade with the rows in place; where they are refused, without them. None: it fails without rows too."""
        database, proof, declarations = self._database, self._proof, self._declarations
        up = database.migrate("upgrade", proof.revision)
        error = up.outcome.error
        if error is None:
            if declarations.reason("precondition") and "precondition" in declarations.own and database.data:
                proof.find("declaration-untrue", f"{proof.revision} is declared to refuse rows, but refused none")
            return up
        intact = up.outcome.in_one_transaction and (not up.refresh.delta or up.outcome.external)
        known, names = dict(database.rows.known), involved(database, up) if database.data else frozenset()
        rows: SmallSet = {}
        again, kept = None, None
        if intact and database.data:
            taken = all_rows(database, names)
            rows = self._shrink_in_place("upgrade", error, names)
            kept = without_refused(database, "upgrade", proof.revision, rows, taken, self._context.filled)
            again = kept.step if kept is not None else None
        may_clear = intact and database.rows.may_clear(names, self._context.filled)
        if again is None:
            again = self._upgrade_without_rows(names, may_clear=may_clear)
        if again is None:
            code = _code_of_failure(error, proof.revision)
            proof.find(code, f"{proof.revision}: {error.brief}{_hint(error)}")
            return None
        if not intact and known:
            rows = self._shrink_on_copies("upgrade", error, known, names, self._position - 1)
        proof.reason, proof.refused_rows = declarations.reason("precondition"), True
        if not proof.reason:
            which = f"; the rows: {format_rows(rows)[:_MAX_SHOWN]}" if rows else ""
            proof.find("upgrade-fails-on-rows", f"{proof.revision}: {error.brief}{which}")
        if kept is None:
            self._database.rows.remember(again.touched)
        return again

    def _upgrade_without_rows(self, names: frozenset[str], *, may_clear: bool) -> ObservedStep | None:
        """With these tables cleared; where that does not help, in a database without any generated row."""
        if may_clear and self._database.data:
            self._database.rows.clear(names)
            up = self._database.migrate("upgrade", self._proof.revision)
            if up.outcome.error is None:
                return up
        up = self._context.restart_at(self._position - 1).migrate("upgrade", self._proof.revision)
        return up if up.outcome.error is None and not self._context.stuck else None

    # --- down, and up again ------------------------------------------------------------------------------

    def _down_and_up_again(
        self, up: ObservedStep, colliding: Mapping[str, str] | None, large_objects: Snapshot | None
    ) -> RoundTripResult:
        """Add rows that only the new schema allows, downgrade, and upgrade again.

        Args:
            colliding: columns whose next insert collided before the upgrade; None: the script moves no sequence.
            large_objects: those before the upgrade; None: not compared.
        """
        proof = self._proof
        result = RoundTripResult(up=up, rows_before=dict(self._database.rows.known), large_before=large_objects)
        if self._database.data:
            self._add_new_rows(result)
        known = dict(self._database.schema.known)
        down = self._database.migrate("downgrade", proof.revision)
        if down.outcome.error is not None:
            self._retry_downgrade(result, down)
            if result.downgrade_failed:
                return result
            down = result.down or down
        result.down = down
        self._record_downgrade(down, known)
        database, touched = self._database, up.touched | down.touched  # a retry may have restarted the database
        if database.data:
            if result.down_error is None:  # otherwise the database may be another one
                result.large_downgraded = read_large_objects(database.conn)
            result.rows_downgraded = database.rows.snapshot(touched)
            if colliding is not None:
                now = colliding_columns(database.conn)
                result.colliding = {column: line for column, line in now.items() if column not in colliding}
            result.rows_extended |= {
                name: result.rows_before[name] for name in touched - up.touched if name in result.rows_before
            }
        again = self._upgrade_again(result, down)
        if again is not None and database.data:
            self._take_up_again_rows(result, touched | again.touched)
        return result

    def _upgrade_again(self, result: RoundTripResult, down: ObservedStep) -> ObservedStep | None:
        """Upgrade over what the downgrade left, or else over what a clean-up leaves of it; None where both fail."""
        database, revision = self._database, self._proof.revision
        again = database.migrate("upgrade", revision)
        residue = result.up.refresh.delta.then(down.refresh.delta).diff()
        if again.outcome.error is not None and residue and database.clean_up(clean_up(residue)):
            result.up_again_error = again.outcome.error
            again = database.migrate("upgrade", revision)
        result.up_again = again
        if again.outcome.error is None:
            return again
        result.up_again_error = again.outcome.error
        result.broken = result.up_again_failed = True
        return None

    def _add_new_rows(self, result: RoundTripResult) -> None:
        database, proof, touched = self._database, self._proof, result.up.touched
        keyless = {name for name in touched if name in database.tables and not database.tables[name].key}
        result.rows_upgraded = database.rows.snapshot(keyless & result.rows_before.keys())
        seeded = database.rows.seed(touched, hints=self._hints)
        proof.seeded = sum(seeded.rows.values())
        for table, refusal in seeded.refused.items():
            proof.empty.add(table)
            proof.find("seed-refused", f"{proof.revision}: {table} takes no row: {refusal}")
        result.rows_extended = database.rows.snapshot(touched)

    def _take_up_again_rows(self, result: RoundTripResult, touched: frozenset[str]) -> None:
        """Read the rows after the second upgrade; then seed what is nearly empty and prune what is crowded."""
        database = self._database
        result.rows_up_again = database.rows.snapshot(touched)
        filled = {name for name, snapshot in result.rows_up_again.items() if len(snapshot.rows) >= _ENOUGH_ROWS}
        nearly_empty = (touched & database.tables.keys()) - filled
        if nearly_empty:
            database.rows.seed(nearly_empty, hints=self._hints)
        database.rows.remember(touched)
        database.rows.prune(touched, self._context.filled, hints=self._hints)

    def _retry_downgrade(self, result: RoundTripResult, down: ObservedStep) -> None:
        """After a failure: find out whether rows are the reason, and which. Irrelevant for an irreversible revision."""
        database, error = self._database, down.outcome.error
        assert error is not None
        result.down_error, result.downgrade_failed = error, True
        intact = down.outcome.in_one_transaction and not down.refresh.delta
        result.broken = not intact
        if not database.data or self._declarations.reason("irreversible"):
            return
        names = involved(database, down) | result.up.touched
        known = {**database.rows.known, **result.rows_extended}
        rows: SmallSet = {}
        if intact:
            taken = all_rows(database, names)
            rows = self._shrink_in_place("downgrade", error, names, result.rows_before)
            kept = without_refused(database, "downgrade", self._proof.revision, rows, taken, self._context.filled)
            if kept is not None:
                self._take_refusal(result, kept.step, rows)
                result.rows_extended = {name: each for name, each in kept.rows.items() if name in result.rows_extended}
                result.rows_before = kept.still_there(result.rows_before)
                result.rows_upgraded = {k: v for k, v in result.rows_upgraded.items() if k not in kept.affected}
                return
        may_clear = intact and database.rows.may_clear(names, self._context.filled)
        retried = self._downgrade_without_rows(names, may_clear=may_clear)
        if retried.outcome.error is not None:
            result.down_error = retried.outcome.error
            result.broken = not retried.outcome.in_one_transaction or bool(retried.refresh.delta)
            return
        if not intact:
            rows = self._shrink_on_copies("downgrade", error, known, names, self._position)
        self._take_refusal(result, retried, rows)
        result.rows_before, result.rows_extended = {}, {}

    def _take_refusal(self, result: RoundTripResult, step: ObservedStep, rows: SmallSet) -> None:
        """The downgrade succeeded without these rows, which it refuses."""
        new = {
            table: [row for row in some if not _existed(result.rows_before.get(table), row)]
            for table, some in rows.items()
        }
        result.only_new_rows = any(new.values()) and not old_schema_takes(self._database, new)
        result.downgrade_failed = result.broken = False
        result.down = step
        result.refused_rows = format_rows(rows)[:_MAX_SHOWN] or "any row"

    def _downgrade_without_rows(self, names: frozenset[str], *, may_clear: bool) -> ObservedStep:
        """With these tables cleared; where that does not help, in a database without any generated row."""
        if may_clear:
            # The search for the smallest set deleted rows without regard to foreign keys: what it left is inconsistent.
            self._database.rows.clear(names)
            retried = self._database.migrate("downgrade", self._proof.revision)
            if retried.outcome.error is None or not retried.outcome.in_one_transaction:
                return retried
        return self._context.restart_at(self._position).migrate("downgrade", self._proof.revision)

    # --- the smallest set of rows ------------------------------------------------------------------------

    def _shrink_in_place(
        self, direction: str, error: StepError, names: frozenset[str], before: Mapping[str, Snapshot] | None = None
    ) -> SmallSet:
        """For a step that leaves the database as it was.

        Args:
            before: rows of before the upgrade, which are blamed rather than newer ones if the step fails on either.
        """
        database = self._database
        rows = current_rows(database, names)
        newer = {
            name: [row for row in some if not _existed(before.get(name), dict(zip(columns, row, strict=True)))]
            for name, some in rows.items()
            for columns in [database.tables[name].names]
            if before is not None
        }
        return smallest(
            InPlace(database, direction, self._proof.revision, error),
            database.tables,
            rows,
            first=table_of(error, database.tables),
            rather_without=newer,
        )

    def _shrink_on_copies(
        self, direction: str, error: StepError, known: Mapping[str, Snapshot], names: frozenset[str], position: int
    ) -> SmallSet:
        """For a step that changes the database when it fails: each attempt has a copy of its own."""
        environment = self._context.environment
        template = self._context.copy_at(position, known)
        try:
            trial = OnCopies(environment, template, direction, self._proof.revision, error)
            tables = trial.tables
            rows = {name: list(known[name].rows) for name in sorted(names) if name in known and name in tables}
            return smallest(trial, tables, rows, first=table_of(error, tables)) if trial.fails() else {}
        finally:
            environment.drop(template)


def _code_of_failure(error: StepError, revision: str) -> str:
    """Alembic's version table takes 32 characters, unless a migration widened it."""
    too_long = error.sqlstate == "22001" and not error.in_script and len(revision) > VERSION_LENGTH
    return "revision-id-too-long" if too_long else "upgrade-failed"


def _hint(error: StepError) -> str:
    """What to do about an extension that this PostgreSQL was built without: the migration is not to blame."""
    if not re.search(r"(?i)extension .*is not available|extension control file", error.message):
        return ""
    return (
        "; name a PostgreSQL that has it with database.bin_dir in a target file (--drill-target), or drill the target"
        " with --drill-runtime=docker and a database.image that has it"
    )


def _existed(before: Snapshot | None, row: Mapping[str, str | None]) -> bool:
    """Whether a row was in the table before the upgrade, compared over the columns of both."""
    if before is None:
        return False
    shared = tuple(name for name in before.columns if name in row)
    return tuple(row[name] for name in shared) in before.only(shared)
