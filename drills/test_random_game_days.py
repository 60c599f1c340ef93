"""Random game days: the runbook's operations in any order, since incidents do not follow the runbook."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import JsonValue

from rollback_drills.drill.drill import Drill
from rollback_drills.gamedays import Day, Operation, Search, format_day
from rollback_drills.lab.lab import Lab
from rollback_drills.pytest_plugin.gamedays import RandomDays


@pytest.mark.drill("Random game days: what must hold holds in every state", runbook="prevention")
def test_random_game_days(random_days: RandomDays, lab: Lab, drill: Drill, tmp_path: Path) -> None:
    """Deployments, migrations, flags, restarts, backups, restores, crashes and deliveries, in random order.

    A failed day is made as short as the time allows, and then performed again as the numbered steps below.
    """
    if random_days.replay:
        replay(lab, drill, random_days.replay, tmp_path)
        return
    drill.allow(2 * random_days.seconds)
    search = Search(lab, tmp_path, seconds=random_days.seconds, record=lambda number: step_of_day(drill, number))
    found = search.run()
    drill.fact("random days", search.days)
    drill.fact("operations on them", dict(sorted(search.performed.items())))
    if found is None:
        return
    line = format_day(found.operations)
    drill.fact("the shortest failed day, for --drill-replay", line)
    replay(lab, drill, found.operations, tmp_path)
    if any(each.code == found.finding for each in drill.evidence().findings):
        return  # found again, and accepted: the check has not raised
    drill.find(
        found.finding,
        f"{found.detail} (on a random day, but not when that day was replayed: --drill-replay={line})",
    )


@contextmanager
def step_of_day(drill: Drill, number: int) -> Iterator[Callable[[Sequence[Operation], str], None]]:
    """One step of the drill for one day of the search."""
    with drill.step(f"Day {number}"):

        def observe(operations: Sequence[Operation], finding: str) -> None:
            drill.observe("operations", format_day(operations))
            if finding:
                drill.observe("failed with", finding)

        yield observe


def replay(lab: Lab, drill: Drill, operations: Sequence[Operation], directory: Path) -> None:
    """Perform a day that a person can follow: each operation is a step, and the drill judges it."""
    day = Day(lab, ReplayJudge(drill, format_day(operations)), directory)
    day.stack.command_log.listeners.append(drill.command)
    try:
        with drill.step(f"Steady state: release {lab.target.current} serves"):
            day.begin()
        for number, operation in enumerate(operations, start=1):
            with drill.step(f"{number} of {len(operations)}: {operation.title}"):
                day.perform(operation)
    finally:
        day.close()


class ReplayJudge:
    """Judges as the drill does, and adds to each finding how to replay the day."""

    def __init__(self, drill: Drill, line: str) -> None:
        self._drill, self._line = drill, line

    def check(
        self,
        title: str,
        observed: JsonValue,
        *,
        expected: JsonValue = True,
        finding: str | None = None,
        detail: str = "",
        remedy: str = "",
        timed: bool = False,
    ) -> bool:
        __tracebackhide__ = True
        found = detail or f"{title}: expected {expected!r}, observed {observed!r}"
        again = f"{found} (again: --drill-replay={self._line})"
        return self._drill.check(
            title, observed, expected=expected, finding=finding, detail=again, remedy=remedy, timed=timed
        )

    def observe(self, title: str, value: JsonValue) -> None:
        self._drill.observe(title, value)
