"""One random game day, on a stack of its own: performs operations, and checks the invariants after each of them."""

from __future__ import annotations

from pathlib import Path

from rollback_drills.drill.checkers import Judge
from rollback_drills.gamedays.context import DayContext
from rollback_drills.gamedays.invariants import Invariants
from rollback_drills.gamedays.model import ExpectedState
from rollback_drills.gamedays.operations import Operation
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack


class Day:
    """A day that begins with the current release in its steady state and every flag on.

    Args:
        judge: told of every check; it raises where one fails and the day must not go on.
        directory: where backups are written.
    """

    def __init__(self, lab: Lab, judge: Judge, directory: Path) -> None:
        self._lab = lab
        self.stack: Stack = lab.stack()
        target = lab.target
        heads = {release: self.stack.alembic.head(release) for release in (target.previous, target.current)}
        self.state = ExpectedState.steady(target, heads)
        self._context = DayContext(lab, self.stack, self.state, judge, directory)
        self._invariants = Invariants(lab, self._context)

    def begin(self) -> None:
        """Start the current release, and check that it serves."""
        outcome = self.stack.gateway.deploy(self._lab.target.current)
        self._invariants.check_steady_state(outcome)
        if not self._lab.traffic_watched:
            for integration in self.state.integrations:
                self._context.deliver(integration)
            self._lab.watch_traffic(self.stack)

    def perform(self, operation: Operation) -> None:
        """Perform an operation, and check the invariants after it.

        Raises:
            StackError: the operation could not be performed at all.
            Exception: whatever the judge raises.
        """
        operation.perform(self._context)
        if operation.judged:
            self._invariants.check_after(operation)

    def close(self) -> None:
        """Stop the gateway and drop the database."""
        self._lab.discard(self.stack)
