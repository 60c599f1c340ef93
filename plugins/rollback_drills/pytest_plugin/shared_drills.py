"""Measurements that several drills judge: performed once, recorded as a drill of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rollback_drills.drill import clients
from rollback_drills.drill.drill import Drill
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.pytest_plugin.marks import Mark
from rollback_drills.pytest_plugin.session import DrillSession


class SharedDrills:
    """Opens drills that belong to no single test; the next test report takes their evidence along."""

    def __init__(self, session: DrillSession, lab: Lab) -> None:
        self._session, self._lab = session, lab

    @contextmanager
    def open(self, drill_id: str, title: str, *, runbook: str) -> Iterator[tuple[Stack, Drill]]:
        """A stack of its own at the current release, not yet started, and the drill that records what happens to it.

        Raises:
            DrillError: the runbook has no such section.
        """
        mark = Mark(title, runbook)
        drill = self._session.drills.new_drill(self._session.plans.plan(drill_id, mark, ""))
        stack = self._lab.stack()
        stack.command_log.listeners.append(drill.command)
        drill.watch(stack.clients)
        try:
            with drill:
                drill.measured_for("several drills, which judge it")
                yield stack, drill
                clients.record_clients(stack, drill)
        finally:
            stack.clients.end()
            self._session.drills.finished(drill.evidence())
            self._lab.discard(stack)
