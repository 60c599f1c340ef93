"""Measurements that several drills judge: performed once, recorded as a drill of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rollback_drills.drill import clients
from rollback_drills.drill.drill import Drill
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.pytest_plugin.collection import Mark
from rollback_drills.pytest_plugin.session import DrillSession


class SharedDrills:
    """Opens drills that belong to no single test; their evidence travels with the next report."""

    def __init__(self, session: DrillSession, lab: Lab) -> None:
        self._session, self._lab = session, lab

    @contextmanager
    def open(self, drill_id: str, title: str, *, runbook: str) -> Iterator[tuple[Stack, Drill]]:
        """A stack of its own, at the current release and not yet started, and the drill that records it."""
        mark = Mark(title, runbook)
        drill = self._session.new_drill(self._session.plan(drill_id, mark, ""))
        stack = self._lab.stack()
        stack.listeners.command.append(drill.command)
        drill.watch(stack.clients)
        try:
            with drill:
                drill.measured_for("several drills, which judge it")
                yield stack, drill
                clients.record_clients(stack, drill)
        finally:
            stack.clients.end()
            self._session.finished(drill.evidence())
            self._lab.discard(stack)
