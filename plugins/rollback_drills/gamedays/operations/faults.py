"""Faults of PostgreSQL. That of the gateway is `Kill`, among the operations on it."""

from __future__ import annotations

from rollback_drills.drill.checkers import check_health_while_frozen
from rollback_drills.gamedays.context import DayContext
from rollback_drills.gamedays.model import ExpectedState
from rollback_drills.gamedays.operations.operation import Operation
from rollback_drills.lab.faults import PostgresKilled


class Crash(Operation):
    kind = "crash"
    title_template = "Kill a process of PostgreSQL (SIGKILL): all sessions end, and the server recovers from its log"

    def perform(self, day: DayContext) -> None:
        PostgresKilled().inject(day.stack)


class Freeze(Operation):
    kind = "freeze"
    title_template = "Freeze PostgreSQL, ask for health, and thaw it"

    @classmethod
    def possible(cls, state: ExpectedState) -> bool:
        return state.running and not state.was_frozen

    def perform(self, day: DayContext) -> None:
        day.state.was_frozen = True
        check_health_while_frozen(day.judge, day.stack)
