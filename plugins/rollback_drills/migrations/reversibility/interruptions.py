"""Interrupts a step at each of its statements: what each interruption leaves, and what restores the state."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg

from rollback_drills.migrations.reversibility.cleanup import clean_up
from rollback_drills.migrations.reversibility.database import MigratedDatabase
from rollback_drills.migrations.reversibility.proof import Interruption
from rollback_drills.migrations.reversibility.verdict import without_names_of_not_null
from rollback_drills.migrations.walker.client import StepOutcome
from rollback_drills.postgres.schema.tracker import SchemaChange

MAX_POINTS = 12  # statements at which a step is interrupted
STAMP = "stamp"
OPPOSITE = {"upgrade": "downgrade", "downgrade": "upgrade"}
_BUILDS_INDEX = re.compile(r"\s*create\s+(unique\s+)?index\s+concurrently\b", re.IGNORECASE)


@dataclass(frozen=True)
class InterruptionPoint:
    """``at`` counts the statements before it. ``within``: during the statement, not before it. ``last``: after all."""

    at: int
    statement: str
    within: bool = False
    last: bool = False


def points(step: StepOutcome) -> Iterator[InterruptionPoint]:
    """Before each statement, within the building of an index, and before the version is written."""
    for at, each in enumerate(step.statements[:MAX_POINTS]):
        text = each.sql.partition("\n")[0][:200]
        yield InterruptionPoint(at, text)
        if each.autocommit and _BUILDS_INDEX.match(each.sql):
            yield InterruptionPoint(at, text, within=True)
    if len(step.statements) < MAX_POINTS:
        yield InterruptionPoint(len(step.statements), "the version is written", last=True)


class Interrupter:
    """Interrupts one direction of a revision. Expects the database at the revision; leaves it there, if it can.

    Only for steps that are not one transaction: PostgreSQL rolls back one that is, and nothing remains.

    Args:
        down: the revisions directly below, which the version table names after the downgrade.
        repeatable: whether upgrade and downgrade lead to the same schemas each time, so that a difference is due to the
            interruption.
    """

    def __init__(self, database: MigratedDatabase, revision: str, down: Sequence[str], *, repeatable: bool) -> None:
        self._database, self._revision, self._down, self._repeatable = database, revision, down, repeatable
        self.missed: list[str] = []  # where the step was not interrupted, and why
        self._direction = ""
        self._to_start = SchemaChange()  # from the schema after the step to the one before it

    def interrupt(self, direction: str, step: StepOutcome) -> tuple[list[Interruption], bool]:
        """Interrupt the step at each point, and restore the state each time.

        Returns:
            The interruptions, and whether the schema is the same as before.
        """
        self._direction = direction
        if len(step.statements) > MAX_POINTS:
            self.missed.append(f"{direction}: after the first {MAX_POINTS} of {len(step.statements)}")
        total = self._go_to_start()
        if total is None:
            return [], False
        found: list[Interruption] = []
        for point in points(step):
            failed = self._database.migrate(direction, self._revision, fail_at=point.at, within=point.within)
            total = total.then(failed.refresh.delta)
            if failed.outcome.error is None:
                return found, False
            interruption, restoring = self._restore(point, failed.refresh.delta)
            total = total.then(restoring)
            if point.within and failed.outcome.error.injected:
                self.missed.append(f"{direction}: within {point.statement!r}: {failed.outcome.error.message}")
            else:
                found.append(interruption)
            if interruption.restored_by in ("", STAMP):  # a stamp is proposed, not performed
                return found, False
        if direction == "downgrade":
            return found, not total
        last = self._database.migrate("upgrade", self._revision)
        return found, last.outcome.error is None and not total.then(last.refresh.delta)

    def _go_to_start(self) -> SchemaChange | None:
        """Migrate to where the step begins; the change so far, or None where that fails."""
        down = self._database.migrate("downgrade", self._revision)
        if down.outcome.error is not None:
            self.missed.append(f"{self._direction}: the downgrade before it fails: {down.outcome.error.brief}")
            return None
        self._to_start = down.refresh.delta
        if self._direction == "upgrade":
            return down.refresh.delta
        up = self._database.migrate("upgrade", self._revision)
        if up.outcome.error is not None:
            self.missed.append(f"{self._direction}: the upgrade before it fails: {up.outcome.error.brief}")
            return None
        self._to_start = up.refresh.delta
        return down.refresh.delta.then(up.refresh.delta)

    def _restore(self, point: InterruptionPoint, left: SchemaChange) -> tuple[Interruption, SchemaChange]:
        """Do what an operator would: repeat the step (and undo it, to be at its start again), else clean up by hand."""
        if not left:
            return self._interruption(point, left, "nothing"), left
        direction, opposite = self._direction, OPPOSITE[self._direction]
        again = self._database.migrate(direction, self._revision)
        done = again.refresh.delta
        if again.outcome.error is not None:
            return self._clean_up(point, left, done)
        differs = _net(self._to_start.then(left).then(done)) if self._repeatable else SchemaChange()
        undone = self._database.migrate(opposite, self._revision)
        done = done.then(undone.refresh.delta)
        if undone.outcome.error is not None or _net(left.then(done)):
            return self._interruption(point, left, "", differs=differs), done
        if differs:
            commands = [self._command(each) for each in (direction, opposite, direction)]
            return self._interruption(point, left, opposite, commands, differs), done
        return self._interruption(point, left, direction, [self._command(direction)]), done

    def _clean_up(
        self, point: InterruptionPoint, left: SchemaChange, done: SchemaChange
    ) -> tuple[Interruption, SchemaChange]:
        now = left.then(done)
        commands = clean_up(now.diff())
        for command in commands:
            try:
                self._database.conn.execute(command.encode())
            except psycopg.Error:
                break
        done = done.then(self._database.schema.refresh((), everything=True).delta)
        if commands and not _net(left.then(done)):
            return self._interruption(point, left, "clean-up", commands), done
        if point.last and self._repeatable and not _net(self._to_start.then(now)):
            return self._interruption(point, left, STAMP, [f"alembic stamp {self._goal()}"]), done
        return self._interruption(point, left, "", commands), done

    def _goal(self) -> str:
        """The revision to which the step leads."""
        return self._revision if self._direction == "upgrade" else " ".join(self._down) or "base"

    def _command(self, direction: str) -> str:
        if direction == "upgrade":
            return f"alembic upgrade {self._revision}"
        return f"alembic downgrade {(self._down or ('base',))[0] if len(self._down) < 2 else '-1'}"

    def _interruption(
        self,
        point: InterruptionPoint,
        left: SchemaChange,
        restored_by: str,
        commands: Sequence[str] = (),
        differs: SchemaChange | None = None,
    ) -> Interruption:
        return Interruption(
            direction=self._direction,
            at=point.at,
            within=point.within,
            statement=point.statement,
            left=tuple(left.diff().lines()),
            restored_by=restored_by,
            commands=tuple(commands),
            taken_for_done=tuple(differs.diff().lines()) if differs else (),
        )


def _net(delta: SchemaChange) -> SchemaChange:
    return without_names_of_not_null(delta)[0]
