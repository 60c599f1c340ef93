"""Operations on the flags of the integrations, in the configuration: a running gateway does not notice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rollback_drills.gamedays.context import DayContext
from rollback_drills.gamedays.model import ExpectedState
from rollback_drills.gamedays.operations.operation import Drawn, Operation
from rollback_drills.target.target import Target


class _SetFlag(Operation):
    judged = False
    on: ClassVar[bool]

    @classmethod
    def arguments(cls, target: Target) -> tuple[str, ...]:
        return target.gated_of(target.current)

    @classmethod
    def possible(cls, state: ExpectedState) -> bool:
        return bool(cls.arguments(state.target))

    def perform(self, day: DayContext) -> None:
        day.stack.set_flags({self.argument: self.on})
        day.state.configured[self.argument] = self.on


class TurnOff(_SetFlag):
    kind = "off"
    title_template = "Turn the flag of {} off, in the configuration"
    weight = 2
    on = False

    @classmethod
    def draw(cls, drawn: Drawn, state: ExpectedState) -> Sequence[str]:
        return [name for name in drawn.integrations if name in cls.arguments(state.target)]


class TurnOn(_SetFlag):
    kind = "on"
    title_template = "Turn the flag of {} on, in the configuration"
    on = True

    @classmethod
    def draw(cls, drawn: Drawn, state: ExpectedState) -> Sequence[str]:
        """Some of those that are off: turning on what is on changes nothing."""
        return state.turned_off[: len(drawn.integrations)]
