"""Accidents that befall PostgreSQL."""

from __future__ import annotations

from contextlib import ExitStack

from rollback_drills import postgres
from rollback_drills.gamedays.context import DayContext
from rollback_drills.gamedays.model import ExpectedState
from rollback_drills.gamedays.operations.operation import Operation


class Crash(Operation):
    kind = "crash"
    title_template = "Kill a process of PostgreSQL (SIGKILL): all sessions end, and the server recovers from its log"

    def perform(self, day: DayContext) -> None:
        postgres.crash(day.stack.server.admin_url)


class Freeze(Operation):
    kind = "freeze"
    title_template = "Freeze PostgreSQL, ask for health, and thaw it"

    @classmethod
    def possible(cls, state: ExpectedState) -> bool:
        return state.running and not state.was_frozen

    def perform(self, day: DayContext) -> None:
        day.state.was_frozen = True
        server = day.stack.server
        server.freeze()
        with ExitStack() as frozen:
            frozen.callback(server.thaw)
            answer = day.stack.client.health()
        day.judge.check(
            "/health answers while the database is frozen",
            answer.status is not None,
            finding="health-hangs",
            detail=answer.error,
        )
        day.judge.check(
            "/health is not positive while the database is frozen",
            answer.status == day.target.health.status,
            expected=False,
            finding="health-lies",
            detail=str(answer.brief()),
        )
