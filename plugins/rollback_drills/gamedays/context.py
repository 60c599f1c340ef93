"""What an operation works with: the stack, the model, and the judge."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rollback_drills.clients.delivery import Delivered
from rollback_drills.clients.traffic.records import fate
from rollback_drills.drill.checkers import Judge
from rollback_drills.gamedays.model import ExpectedState
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.runtimes.protocols import Outcome
from rollback_drills.target.target import Target


@dataclass(frozen=True, slots=True)
class DayContext:
    """One day's stack, the state that it must be in, and the judge of both.

    Attributes:
        directory: where backups are written.
    """

    lab: Lab
    stack: Stack
    state: ExpectedState
    judge: Judge
    directory: Path

    @property
    def target(self) -> Target:
        return self.state.target

    def deliver(self, integration: str) -> Delivered:
        """Deliver one webhook, and record in the model what its answer promises."""
        delivered = self.stack.client.deliver(integration)
        became = fate(self.target, integration, delivered.answer)
        if became == "acknowledged":
            self.state.stored.add(delivered.id)
        elif became == "refused":
            self.state.absent.add(delivered.id)
        return delivered

    def gateway_started(self, outcome: Outcome) -> None:
        """Record a start of the gateway in the model.

        The start must succeed on the release's own schema. On a schema that it does not know, a migrating release
        cannot start, and no other has to.
        """
        state = self.state
        if state.migrates and self.stack.alembic.knows(state.release, state.revision):
            state.revision = state.heads[state.release]
        state.running = True
        if state.must_serve:
            self.judge.check(
                f"release {state.release} starts on its own schema",
                outcome.started,
                finding="release-not-serving",
                detail=outcome.why,
            )
        state.running = outcome.started
