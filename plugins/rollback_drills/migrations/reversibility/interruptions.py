"""What is left when a step fails half-way, and what restores it: by failing it at each of its statements."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg

from rollback_drills.migrations.reversibility.cleanup import clean_up
from rollback_drills.migrations.reversibility.database import MigratedDatabase
from rollback_drills.migrations.reversibility.proof import Interruption
from rollback_drills.migrations.reversibility.verdict import without_names_of_not_null
from rollback_drills.migrations.walker.client import Walked
from rollback_drills.postgres.schema.tracker import SchemaChange

MOST = 12  # statements at which a step is interrupted
STAMP = "stamp"
OPPOSITE = {"upgrade": "downgrade", "downgrade": "upgrade"}
_BUILDS = re.compile(r"\s*create\s+(unique\s+)?index\s+concurrently\b", re.IGNORECASE)


@dataclass(frozen=True)
class InterruptionPoint:
    """``at`` counts the statements before it; ``within`` one that leaves something half done itself."""

    at: int
    statement: str
    within: bool = False
    last: bool = False


def points(step: Walked) -> Iterator[InterruptionPoint]:
    """Where a step is interrupted: at each statement, within the building of an index, and at the end."""
    for at, each in enumerate(step.statements[:MOST]):
        text = each.sql.partition("\n")[0][:200]
        yield InterruptionPoint(at, text)
        if each.autocommit and _BUILDS.match(each.sql):
            yield InterruptionPoint(at, text, within=True)
    if len(step.statements) < MOST:
        yield InterruptionPoint(len(step.statements), "the version is written", last=True)


class Interrupter:
    """Fails one direction of a revision. The database is at the revision, and in the end as well.

    Only for steps that are not one transaction: of one that is, PostgreSQL leaves nothing.

    Args:
        down: revisions right below, which the version table names when this one is undone.
        steady: up and down again leads to the same schemas, so that a difference comes from the interruption.
    """

    def __init__(self, bench: MigratedDatabase, revision: str, down: Sequence[str], *, steady: bool) -> None:
        self._bench, self._revision, self._down, self._steady = bench, revision, down, steady
        self.missed: list[str] = []  # where it was not interrupted, and why
        self._direction = ""
        self._to_start = SchemaChange()  # from where the step leads to where it begins

    def interrupt(self, direction: str, step: Walked) -> tuple[list[Interruption], bool]:
        """Fail the step at each point, and complete it or take it back each time.

        Returns:
            What was seen, and whether the schema is in the end what it was.
        """
        self._direction = direction
        found: list[Interruption] = []
        if len(step.statements) > MOST:
            self.missed.append(f"{direction}: after the first {MOST} of {len(step.statements)}")
        down = self._bench.move("downgrade", self._revision)
        if down.walked.error is not None:
            self.missed.append(f"{direction}: the downgrade before it fails: {down.walked.error.brief}")
            return [], False
        total = self._to_start = down.refresh.delta
        if direction == "downgrade":
            up = self._bench.move("upgrade", self._revision)
            if up.walked.error is not None:
                self.missed.append(f"{direction}: the upgrade before it fails: {up.walked.error.brief}")
                return [], False
            total, self._to_start = total.then(up.refresh.delta), up.refresh.delta
        for point in points(step):
            failed = self._bench.move(direction, self._revision, fail_at=point.at, within=point.within)
            total = total.then(failed.refresh.delta)
            if failed.walked.error is None:
                return found, False
            seen, restoring = self._restore(point, failed.refresh.delta)
            total = total.then(restoring)
            if point.within and failed.walked.error.injected:
                self.missed.append(f"{direction}: within {point.statement!r}: {failed.walked.error.message}")
            else:
                found.append(seen)
            if seen.restored_by in ("", STAMP):  # a stamp is not performed: what is left is what it would name
                return found, False
        if direction == "downgrade":
            return found, not total
        last = self._bench.move("upgrade", self._revision)
        return found, last.walked.error is None and not total.then(last.refresh.delta)

    def _restore(self, point: InterruptionPoint, left: SchemaChange) -> tuple[Interruption, SchemaChange]:
        """Try what an operator would: the same again (and back, to be where it began), then a clean-up by hand."""
        if not left:
            return self._seen(point, left, "nothing"), left
        direction, opposite = self._direction, OPPOSITE[self._direction]
        again = self._bench.move(direction, self._revision)
        done = again.refresh.delta
        if again.walked.error is not None:
            return self._clean_up(point, left, done)
        differs = _net(self._to_start.then(left).then(done)) if self._steady else SchemaChange()
        back = self._bench.move(opposite, self._revision)
        done = done.then(back.refresh.delta)
        if back.walked.error is not None or _net(left.then(done)):
            return self._seen(point, left, "", differs=differs), done
        if differs:
            ways = [self._command(each) for each in (direction, opposite, direction)]
            return self._seen(point, left, opposite, ways, differs), done
        return self._seen(point, left, direction, [self._command(direction)]), done

    def _clean_up(
        self, point: InterruptionPoint, left: SchemaChange, done: SchemaChange
    ) -> tuple[Interruption, SchemaChange]:
        now = left.then(done)
        commands = clean_up(now.diff())
        for command in commands:
            try:
                self._bench.conn.execute(command.encode())
            except psycopg.Error:
                break
        done = done.then(self._bench.schema.refresh((), everything=True).delta)
        if commands and not _net(left.then(done)):
            return self._seen(point, left, "clean-up", commands), done
        if point.last and self._steady and not _net(self._to_start.then(now)):
            return self._seen(point, left, STAMP, [f"alembic stamp {self._goal()}"]), done
        return self._seen(point, left, "", commands), done

    def _goal(self) -> str:
        """The revision that the step leads to."""
        return self._revision if self._direction == "upgrade" else " ".join(self._down) or "base"

    def _command(self, direction: str) -> str:
        if direction == "upgrade":
            return f"alembic upgrade {self._revision}"
        return f"alembic downgrade {(self._down or ('base',))[0] if len(self._down) < 2 else '-1'}"

    def _seen(
        self,
        point: InterruptionPoint,
        left: SchemaChange,
        restored_by: str,
        commands: Sequence[str] = (),
        differs: SchemaChange | None = None,
    ) -> Interruption:
        return Interruption(
            direction=self._direction, at=point.at, within=point.within, statement=point.statement,
            left=tuple(left.diff().lines()), restored_by=restored_by, commands=tuple(commands),
            taken_for_done=tuple(differs.diff().lines()) if differs else (),
        )  # fmt: skip


def _net(delta: SchemaChange) -> SchemaChange:
    return without_names_of_not_null(delta)[0]
