"""What rolling back destroys of the target's own rows: those of its seed, carried up revision by revision."""

from __future__ import annotations

from rollback_drills.migrations.reversibility.database import MigratedDatabase
from rollback_drills.migrations.reversibility.environment import MigrationEnvironment
from rollback_drills.migrations.reversibility.rows import Loss
from rollback_drills.migrations.reversibility.verdict import (
    RoundTripResult,
    losses_of,
)
from rollback_drills.migrations.walker.client import ScriptHistory
from rollback_drills.postgres import version_tables

MOST_ROWS = 100_000  # of one table that are counted


class SeedLedger:
    """A second database beside the walk's, with no generated row in it.

    Args:
        seeded: the database with the seed, at the revision for which it was written; it is copied.
    """

    def __init__(self, ground: MigrationEnvironment, seeded: str) -> None:
        self._ground, self._seeded = ground, seeded
        self._bench: MigratedDatabase | None = None
        self._applied: set[str] = set()
        self._stuck = False

    def close(self) -> None:
        if self._bench is not None:
            self._bench.close()
            self._bench = None

    def losses(self, revision: str, history: ScriptHistory) -> list[Loss]:
        """What a rollback past ``revision`` destroys; nothing at or below the seed's own revision.

        Nothing either where the seed's rows cannot be carried there: that is told of the revision already.
        """
        bench = self._open(history)
        if revision in self._applied or self._stuck:
            return []
        for each in history.revisions:
            if each.id == revision:
                break
            if not self._apply(bench, each.id):
                return []
        bench.resync()
        legs, whole = self._round_trip(bench, revision)
        if not whole:  # in a state that no revision describes
            self.close()
        return losses_of(legs) if legs.down is not None else []

    def _round_trip(self, bench: MigratedDatabase, revision: str) -> tuple[RoundTripResult, bool]:
        before = dict(bench.rows)
        up = bench.move("upgrade", revision)
        legs = RoundTripResult(up=up, before=before)
        if up.walked.error is not None:
            self._stuck = True
            return legs, True
        self._applied.add(revision)
        legs.above = bench.snapshot(up.touched)
        down = bench.move("downgrade", revision)
        if down.walked.error is not None:
            return legs, down.walked.in_one_transaction
        legs.down = down
        legs.below = bench.snapshot(up.touched | down.touched)
        again = bench.move("upgrade", revision)
        if again.walked.error is not None:
            legs.above = {}
            return legs, False
        legs.after = bench.snapshot(up.touched | down.touched | again.touched)
        return legs, True

    def _open(self, history: ScriptHistory) -> MigratedDatabase:
        """Where the bench was given up, it is opened again at the seed's revision, and applied up to what is asked."""
        if self._bench is None:
            self._bench = MigratedDatabase(
                self._ground, database=self._ground.create(self._seeded), most_rows=MOST_ROWS
            )
            stamped = {
                str(row[0])
                for table in version_tables(self._bench.conn)
                for row in self._bench.conn.execute(f"SELECT version_num FROM {table}".encode())
            }
            self._applied = _below(stamped, history)
        return self._bench

    def _apply(self, bench: MigratedDatabase, revision: str) -> bool:
        if revision not in self._applied and not self._stuck:
            self._stuck = bench.walker.upgrade(revision).error is not None
            self._applied.add(revision)
        return not self._stuck


def _below(stamped: set[str], history: ScriptHistory) -> set[str]:
    """These revisions and all that they build on."""
    by_id = {each.id: each for each in history.revisions}
    found: set[str] = set()
    pending = [each for each in stamped if each in by_id]
    while pending:
        each = pending.pop()
        if each not in found:
            found.add(each)
            pending += by_id[each].below
    return found
