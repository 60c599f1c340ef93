"""What a rollback destroys of the target's own seed, carried up revision by revision in a database of its own."""

from __future__ import annotations

from rollback_drills.migrations.reversibility.database import MigratedDatabase
from rollback_drills.migrations.reversibility.environment import MigrationEnvironment
from rollback_drills.migrations.reversibility.snapshots import Loss
from rollback_drills.migrations.reversibility.verdict import RoundTripResult, losses_of
from rollback_drills.migrations.walker.client import ScriptHistory
from rollback_drills.postgres import version_tables

MAX_COMPARED = 100_000  # rows of one table


class SeedLosses:
    """Round trips in a second database, which never holds a generated row.

    Args:
        seeded: name of the database with the seed, at the revision for which the seed was written; it is copied.
    """

    def __init__(self, environment: MigrationEnvironment, seeded: str) -> None:
        self._environment, self._seeded = environment, seeded
        self._database: MigratedDatabase | None = None
        self._applied: set[str] = set()
        self._stuck = False

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def of(self, revision: str, history: ScriptHistory) -> list[Loss]:
        """What a rollback past ``revision`` destroys.

        Nothing at or below the revision of the seed, nor where the seed cannot be migrated that far, which is a finding
        of another revision.
        """
        database = self._open(history)
        if revision in self._applied or self._stuck:
            return []
        for each in history.revisions:
            if each.id == revision:
                break
            if not self._apply(database, each.id):
                return []
        database.resync()
        result = self._round_trip(database, revision)
        if result.broken:
            self.close()
        return losses_of(result) if result.down is not None else []

    def _round_trip(self, database: MigratedDatabase, revision: str) -> RoundTripResult:
        before = dict(database.rows.known)
        up = database.migrate("upgrade", revision)
        result = RoundTripResult(up=up, rows_before=before)
        if up.outcome.error is not None:
            self._stuck = True
            return result
        self._applied.add(revision)
        result.rows_extended = database.rows.snapshot(up.touched)
        down = database.migrate("downgrade", revision)
        if down.outcome.error is not None:
            result.broken = not down.outcome.in_one_transaction
            return result
        result.down = down
        result.rows_downgraded = database.rows.snapshot(up.touched | down.touched)
        again = database.migrate("upgrade", revision)
        if again.outcome.error is not None:
            result.rows_extended, result.broken = {}, True
            return result
        result.rows_up_again = database.rows.snapshot(up.touched | down.touched | again.touched)
        return result

    def _open(self, history: ScriptHistory) -> MigratedDatabase:
        """The database; after it was closed, another copy of the seed, at the seed's revision."""
        if self._database is None:
            copy = self._environment.create(self._seeded)
            self._database = MigratedDatabase(self._environment, name=copy, max_compared=MAX_COMPARED)
            stamped = {
                str(row[0])
                for table in version_tables(self._database.conn)
                for row in self._database.conn.execute(f"SELECT version_num FROM {table}".encode())
            }
            self._applied = _at_or_below(stamped, history)
        return self._database

    def _apply(self, database: MigratedDatabase, revision: str) -> bool:
        if revision not in self._applied and not self._stuck:
            self._stuck = database.walker.upgrade(revision).error is not None
            self._applied.add(revision)
        return not self._stuck


def _at_or_below(revisions: set[str], history: ScriptHistory) -> set[str]:
    """These revisions and all that they build on."""
    by_id = {each.id: each for each in history.revisions}
    found: set[str] = set()
    pending = [each for each in revisions if each in by_id]
    while pending:
        each = pending.pop()
        if each not in found:
            found.add(each)
            pending += by_id[each].below
    return found
