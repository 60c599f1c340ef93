"""Operations of clients."""

from __future__ import annotations

from collections.abc import Sequence

from rollback_drills.gamedays.context import DayContext
from rollback_drills.gamedays.model import ExpectedState
from rollback_drills.gamedays.operations.operation import Drawn, Operation
from rollback_drills.target.target import Target


class Deliver(Operation):
    kind = "deliver"
    title_template = "Deliver a webhook to {}"

    @classmethod
    def arguments(cls, target: Target) -> tuple[str, ...]:
        return tuple(target.writers)

    @classmethod
    def draw(cls, drawn: Drawn, state: ExpectedState) -> Sequence[str]:
        return drawn.integrations[:1]

    @classmethod
    def possible(cls, state: ExpectedState) -> bool:
        return state.running

    def perform(self, day: DayContext) -> None:
        day.deliver(self.argument)
