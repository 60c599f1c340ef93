"""One revision, where it stands: up with rows, down, and up again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from rollback_drills.migrations.reversibility.cleanup import clean_up
from rollback_drills.migrations.reversibility.database import (
    MigratedDatabase,
    Moved,
    tables_filled_by,
)
from rollback_drills.migrations.reversibility.declarations import declared
from rollback_drills.migrations.reversibility.environment import MigrationEnvironment
from rollback_drills.migrations.reversibility.interruptions import Interrupter
from rollback_drills.migrations.reversibility.locks import Speed, locks_of, without_timeout
from rollback_drills.migrations.reversibility.proof import Proof
from rollback_drills.migrations.reversibility.restore import back_up, prove_restore
from rollback_drills.migrations.reversibility.rows import Snapshot, shown
from rollback_drills.migrations.reversibility.shrinking import InPlace, OnCopies, smallest
from rollback_drills.migrations.reversibility.verdict import (
    RoundTripResult,
    judge,
    judge_interruptions,
)
from rollback_drills.migrations.walker.client import StepError, WalkedRevision
from rollback_drills.target.system_tables import Migrations

_ENOUGH = 3  # rows of a table with which the revisions above can be proven
VERSION_LENGTH = 32  # alembic/runtime/migration.py: version_num is String(32)
_SHOWN_ROWS = 400  # characters
SmallSet = dict[str, list[dict[str, str | None]]]


class RevisionContext(Protocol):
    """Where the revision is proven: the walk, which knows how to come here again.

    ``filled`` are tables that migrations have put rows into: these rows must not be cleared away.
    """

    ground: MigrationEnvironment
    migrations: Migrations | None
    filled: set[str]

    @property
    def bench(self) -> MigratedDatabase: ...

    @property
    def stuck(self) -> str: ...

    def begin_anew(self, place: int) -> MigratedDatabase: ...

    def aside(self, place: int, held: Mapping[str, Snapshot]) -> str: ...

    def applied(self, place: int) -> None: ...

    def stop(self, reason: str) -> None: ...


class RoundTrip:
    """Proves one revision; the database is right below it, and at it in the end."""

    def __init__(self, way: RevisionContext, revision: WalkedRevision, place: int) -> None:
        self._way, self._revision, self._place = way, revision, place
        self._proof = Proof(revision.id, revision.down, revision.doc)
        self._declarations = declared(revision.id, revision.source, way.migrations)
        self._hints: list[str] = []

    @property
    def _bench(self) -> MigratedDatabase:
        return self._way.bench

    def prove(self) -> Proof:
        way, proof, declarations, bench = self._way, self._proof, self._declarations, self._bench
        for mistake in declarations.mistakes:
            proof.find("declaration-invalid", f"{proof.revision}: {mistake}")
        bench.enter()
        bench.seed_new_tables(self._revision.source)
        known = dict(bench.schema.known)
        if bench.data:
            self._hints = [check.expression for table in bench.tables.values() for check in table.checks]
        irreversible = bool(declarations.reason("irreversible"))
        backup = back_up(way.ground, bench.database, bench.conn) if irreversible else None
        up = self._upgrade()
        if up is None:
            way.stop(f"{proof.revision} cannot be applied")
            return proof
        way.applied(self._place)
        way.filled |= tables_filled_by(up.walked)
        sizes: Mapping[str, int] = way.migrations.rows if way.migrations is not None else {}
        proof.up_seconds = sum(each.seconds for each in up.walked.statements)
        proof.statements, proof.atomic = len(up.walked.statements), up.walked.in_one_transaction
        proof.rewritten = sorted(up.refresh.rewritten)
        proof.locks = locks_of(up.walked, up.refresh, known, sizes, Speed(self._bench.conn))
        proof.without_timeout = without_timeout(up.walked, proof.locks, known)
        legs = self._go_round(up)
        judge(proof, declarations, legs, way.migrations.blocking if way.migrations is not None else 1.0)
        if backup is not None and proof.verdict == "irreversible by design":
            prove_restore(way.ground, backup, proof)
        self._restore_state(legs, up)
        return proof

    def _restore_state(self, legs: RoundTripResult, up: Moved) -> None:
        """The database is what the next revision begins with, its rows included."""
        bench = self._bench
        if legs.broken:
            self._way.begin_anew(self._place)
        elif legs.failed and bench.data:
            bench.remember(bench.with_parents(up.touched & bench.tables.keys()))
        elif not legs.failed:
            self._interrupt(legs)

    def _interrupt(self, legs: RoundTripResult) -> None:
        """Fail each direction that is not one transaction at each of its statements."""
        proof, steady = self._proof, legs.steady
        touched = legs.up.touched | (legs.down.touched if legs.down is not None else frozenset())
        for direction, moved in (("upgrade", legs.up), ("downgrade", legs.down)):
            if moved is None or moved.walked.in_one_transaction:
                continue
            interrupter = Interrupter(self._bench, proof.revision, proof.down, steady=steady)
            seen, intact = interrupter.interrupt(direction, moved.walked)
            proof.interruptions += seen
            proof.not_interrupted += interrupter.missed
            judge_interruptions(proof, seen)
            if not intact:
                self._way.begin_anew(self._place)
            elif self._bench.data:
                self._bench.remember(touched & self._bench.tables.keys())

    # --- up --------------------------------------------------------------------------------------------

    def _upgrade(self) -> Moved | None:
        """Up with the rows that are there; without them where they are refused."""
        bench, proof, declarations = self._bench, self._proof, self._declarations
        up = bench.move("upgrade", proof.revision)
        error = up.walked.error
        if error is None:
            if declarations.reason("precondition") and "precondition" in declarations.own and bench.data:
                proof.find("declaration-untrue", f"{proof.revision} is declared to refuse rows, and refused none")
            return up
        intact = up.walked.in_one_transaction and (not up.refresh.delta or up.walked.external)
        held, names = dict(bench.rows), _involved(bench, up) if bench.data else frozenset()
        rows: SmallSet = {}
        if intact and bench.data:
            rows = smallest(InPlace(bench, "upgrade", proof.revision, error), bench.tables, _of(bench, names))
        again = self._upgrade_without_rows(names, cleared=intact and bench.only_ours(names, self._way.filled))
        if again is None:
            proof.find(_why_failed(error, proof.revision), f"{proof.revision}: {error.brief}")
            return None
        if not intact and held:
            rows = self._search_aside("upgrade", error, held, names, self._place - 1)
        proof.reason, proof.refused_rows = declarations.reason("precondition"), True
        if not proof.reason:
            which = f"; the rows: {shown(rows)[:_SHOWN_ROWS]}" if rows else ""
            proof.find("upgrade-fails-on-rows", f"{proof.revision}: {error.brief}{which}")
        self._bench.remember(again.touched)
        return again

    def _upgrade_without_rows(self, names: frozenset[str], *, cleared: bool) -> Moved | None:
        """Without the rows of ``names``, then in a database that has none of ours at all."""
        if cleared and self._bench.data:
            self._bench.clear(names)
            up = self._bench.move("upgrade", self._proof.revision)
            if up.walked.error is None:
                return up
        bench = self._way.begin_anew(self._place - 1)
        up = bench.move("upgrade", self._proof.revision)
        return up if up.walked.error is None and not self._way.stuck else None

    def _search_aside(
        self, direction: str, error: StepError, held: Mapping[str, Snapshot], names: frozenset[str], place: int
    ) -> SmallSet:
        """The smallest set of rows where a failure leaves the database changed: each attempt has a copy of its own."""
        ground = self._way.ground
        template = self._way.aside(place, held)
        try:
            trial = OnCopies(ground, template, direction, self._proof.revision, error)
            tables = trial.tables
            some = {name: list(held[name].rows) for name in sorted(names) if name in held and name in tables}
            return smallest(trial, tables, some) if trial.fails() else {}
        finally:
            ground.drop(template)

    # --- down, and up again ----------------------------------------------------------------------------

    def _go_round(self, up: Moved) -> RoundTripResult:
        """Rows that only the new schema allows, then down, then up again."""
        bench, proof = self._bench, self._proof
        legs = RoundTripResult(up=up, before=dict(bench.rows))
        if bench.data:
            self._add_rows_above(legs)
        down = bench.move("downgrade", proof.revision)
        if down.walked.error is not None:
            self._downgrade_refused(legs, down)
            if legs.failed:
                return legs
            down = legs.down or down
        legs.down = down
        proof.down_seconds = sum(each.seconds for each in down.walked.statements)
        bench = self._bench
        touched = up.touched | down.touched
        if bench.data:
            legs.below = bench.snapshot(touched)
            legs.above |= {name: legs.before[name] for name in touched - up.touched if name in legs.before}
        again = bench.move("upgrade", proof.revision)
        residue = legs.up.refresh.delta.then(down.refresh.delta).diff()
        if again.walked.error is not None and residue and bench.sweep(clean_up(residue)):
            legs.again_error = again.walked.error
            again = bench.move("upgrade", proof.revision)
        legs.again = again
        if again.walked.error is not None:
            legs.again_error = again.walked.error
            legs.broken = legs.again_cleared = True
            return legs
        if bench.data:
            self._take_stock(legs, touched | again.touched)
        return legs

    def _add_rows_above(self, legs: RoundTripResult) -> None:
        bench, proof, touched = self._bench, self._proof, legs.up.touched
        keyless = {name for name in touched if name in bench.tables and not bench.tables[name].key}
        legs.risen = bench.snapshot(keyless & legs.before.keys())
        seeded = bench.seed(touched, hints=self._hints)
        proof.seeded = sum(seeded.rows.values())
        for table, refusal in seeded.refused.items():
            proof.find("seed-refused", f"{proof.revision}: {table} takes no row: {refusal}")
        legs.above = bench.snapshot(touched)

    def _take_stock(self, legs: RoundTripResult, touched: frozenset[str]) -> None:
        """What is there after the second upgrade; those with hardly any get rows for the revisions above."""
        bench = self._bench
        legs.after = bench.snapshot(touched)
        filled = {name for name, snapshot in legs.after.items() if len(snapshot.rows) >= _ENOUGH}
        bare = (touched & bench.tables.keys()) - filled
        if bare:
            bench.seed(bare, hints=self._hints)
        bench.remember(touched)
        bench.prune(touched, self._way.filled, hints=self._hints)

    def _downgrade_refused(self, legs: RoundTripResult, down: Moved) -> None:
        """Find out whether rows are the reason, and which; where no way back is promised, it does not matter."""
        bench, error = self._bench, down.walked.error
        assert error is not None
        legs.down_error, legs.failed = error, True
        intact = down.walked.in_one_transaction and not down.refresh.delta
        legs.broken = not intact
        if not bench.data or self._declarations.reason("irreversible"):
            return
        names, held = _involved(bench, down) | legs.up.touched, {**bench.rows, **legs.above}
        rows: SmallSet = {}
        if intact:
            trial = InPlace(bench, "downgrade", self._proof.revision, error)
            rows = smallest(trial, bench.tables, _of(bench, names))
        retried = self._downgrade_without_rows(names, cleared=intact and bench.only_ours(names, self._way.filled))
        if retried.walked.error is not None:
            legs.down_error = retried.walked.error
            legs.broken = not retried.walked.in_one_transaction or bool(retried.refresh.delta)
            return
        if not intact:
            rows = self._search_aside("downgrade", error, held, names, self._place)
        legs.only_new = any(not _was_there(legs.before.get(table), row) for table, some in rows.items() for row in some)
        legs.failed = legs.broken = False
        legs.down = retried
        legs.refused_rows = shown(rows)[:_SHOWN_ROWS] or "any row"
        legs.above = {}
        legs.before = {}

    def _downgrade_without_rows(self, names: frozenset[str], *, cleared: bool) -> Moved:
        if cleared:
            # What the search for the smallest set has left is not consistent: it took rows out whatever refers to them.
            self._bench.clear(names)
            retried = self._bench.move("downgrade", self._proof.revision)
            if retried.walked.error is None or not retried.walked.in_one_transaction:
                return retried
        return self._way.begin_anew(self._place).move("downgrade", self._proof.revision)


def _of(bench: MigratedDatabase, names: frozenset[str]) -> dict[str, list[tuple[str | None, ...]]]:
    """The rows of these tables as they are now."""
    plain = [name for name in sorted(names) if name in bench.tables and not bench.tables[name].partitioned]
    taken = bench.remember(plain)
    return {name: list(taken[name].rows) for name in plain}


def _why_failed(error: StepError, revision: str) -> str:
    """The code: alembic's own version table takes 32 characters, unless somebody has widened it."""
    too_long = error.sqlstate == "22001" and not error.in_script and len(revision) > VERSION_LENGTH
    return "revision-id-too-long" if too_long else "upgrade-failed"


def _was_there(before: Snapshot | None, row: Mapping[str, str | None]) -> bool:
    """Whether a row was in the table before the upgrade, as far as it had the same columns."""
    if before is None:
        return False
    shared = tuple(name for name in before.columns if name in row)
    return tuple(row[name] for name in shared) in before.only(shared)


def _involved(bench: MigratedDatabase, moved: Moved) -> frozenset[str]:
    """Tables that a failed step has touched, as far as that can be known."""
    names = set(moved.touched)
    error = moved.walked.error
    if error is not None and error.table:
        names |= {name for name in bench.tables if name.rpartition(".")[2].strip('"') == error.table}
    if error is not None:
        words = set(error.statement.replace('"', " ").replace(".", " ").replace(",", " ").replace("(", " ").split())
        names |= {name for name in bench.tables if name.rpartition(".")[2].strip('"') in words}
    return frozenset(names) or frozenset(bench.tables)
