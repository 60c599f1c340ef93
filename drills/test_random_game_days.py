"""Random game days: the same operations in any order, since no incident has read the runbook."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import JsonValue

from rollback_drills.drill.drill import Drill
from rollback_drills.gamedays import Day, Operation, Search, token
from rollback_drills.lab.lab import Lab
from rollback_drills.pytest_plugin.gamedays import RandomDays


@pytest.mark.drill("Random game days: what must hold holds in every state", runbook="prevention")
def test_random_game_days(random_days: RandomDays, lab: Lab, drill: Drill, tmp_path: Path) -> None:
    """Deployments, migrations, flags, restarts, backups, restores, crashes and deliveries, in random order.

    A day that ends badly is shortened as far as time allows, and repeated as the numbered steps below.
    """
    if random_days.replay:
        play(lab, drill, random_days.replay, tmp_path)
        return
    drill.allow(2 * random_days.seconds)
    search = Search(lab, tmp_path, seconds=random_days.seconds, around=lambda number: day_of(drill, number))
    found = search.run()
    drill.fact("random days", search.days)
    drill.fact("operations on them", dict(sorted(search.performed.items())))
    if found is None:
        return
    drill.fact("the shortest bad day, for --drill-replay", token(found.operations))
    play(lab, drill, found.operations, tmp_path)
    if any(each.code == found.finding for each in drill.evidence().findings):
        return  # found again, and accepted: nothing was raised
    drill.find(
        found.finding,
        f"{found.detail} (on a random day, and not when it was repeated: --drill-replay={token(found.operations)})",
    )


@contextmanager
def day_of(drill: Drill, number: int) -> Iterator[Callable[[Sequence[Operation], str], None]]:
    """A random day as one step of the drill."""
    with drill.step(f"Day {number}"):

        def record(operations: Sequence[Operation], finding: str) -> None:
            drill.observe("operations", token(operations))
            if finding:
                drill.observe("ends badly", finding)

        yield record


def play(lab: Lab, drill: Drill, operations: Sequence[Operation], directory: Path) -> None:
    """Perform a day with every operation as a step of the drill."""
    day = Day(lab, Followed(drill, token(operations)), directory)
    day.stack.listeners.command.append(drill.command)
    try:
        with drill.step(f"Steady state: release {lab.target.current} serves"):
            day.begin()
        for number, operation in enumerate(operations, start=1):
            with drill.step(f"{number} of {len(operations)}: {operation.title}"):
                day.perform(operation)
    finally:
        day.close()


class Followed:
    """Judges as the drill does, and adds to each finding the option that repeats the day."""

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
    ) -> bool:
        __tracebackhide__ = True
        found = detail or f"{title}: expected {expected!r}, observed {observed!r}"
        again = f"{found} (again: --drill-replay={self._line})"
        return self._drill.check(title, observed, expected=expected, finding=finding, detail=again)

    def observe(self, title: str, value: JsonValue) -> None:
        self._drill.observe(title, value)
