"""What the controller needs from a worker beyond its drills."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from pydantic import BaseModel

from rollback_drills.drill.plan import Plan
from rollback_drills.evidence.run import NotSelected, RuntimeFacts
from rollback_drills.pytest_plugin.facts import System, system_of
from rollback_drills.pytest_plugin.keys import WORKER_DATA
from rollback_drills.pytest_plugin.session import DrillSession


class WorkerTotals(BaseModel):
    """The totals of one process that has performed drills.

    ``kept`` has the lines that say how to reach the stacks that were kept, ``kept_removal`` the command that removes
    them.
    """

    target_seconds: float
    setup_seconds: float
    journal_problem: str
    kept: list[str]
    kept_removal: str
    selected: list[Plan]
    left_out: tuple[NotSelected, ...]
    runtime: RuntimeFacts | None
    system: System | None


def totals_of(session: DrillSession) -> WorkerTotals:
    """The totals of this process."""
    resources, plans = session.resources, session.plans
    return WorkerTotals(
        target_seconds=session.meter.target_seconds,
        setup_seconds=resources.setup_seconds,
        journal_problem=session.drills.journal_problem,
        kept=resources.kept,
        kept_removal=resources.kept_removal,
        selected=plans.selected,
        left_out=plans.left_out,
        runtime=resources.facts,
        system=system_of(session.target, plans.sections) if plans.selected else None,
    )


class WorkerReporter:
    """Registered in xdist workers: hands over the worker's totals when it ends."""

    def __init__(self, session: DrillSession) -> None:
        self._session = session

    @pytest.hookimpl(wrapper=True, trylast=True)  # xdist sends the output after this hook
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        try:
            return (yield)
        finally:
            self._session.close_quietly()
            config: Any = session.config  # xdist adds workeroutput
            config.workeroutput[WORKER_DATA] = totals_of(self._session).model_dump_json()
