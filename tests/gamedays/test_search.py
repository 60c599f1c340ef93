"""The search for a failed day, on days that only update the model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rollback_drills.core.errors import StackError
from rollback_drills.gamedays import Operation, Search, format_day
from rollback_drills.gamedays.attempt import InvariantViolatedError
from rollback_drills.gamedays.model import ExpectedState
from rollback_drills.target.target import Target

ROOT = Path(__file__).parents[2]
TARGET = Target.load(ROOT / "fixtures" / "targets" / "reference.toml", {})
LAB: Any = SimpleNamespace(target=TARGET)


class ModelDay:
    """A day without a stack; `react` may raise after each operation."""

    opened = closed = 0

    def __init__(self, react: Callable[[list[str]], None]) -> None:
        self.state = ExpectedState.steady(TARGET, {"0.4.0": "old", "0.5.0": "new"})
        self.done: list[str] = []
        self.react = react
        ModelDay.opened += 1

    def begin(self) -> None:
        self.react(self.done)

    def perform(self, operation: Operation) -> None:
        self.done.append(operation.kind)
        self.react(self.done)

    def close(self) -> None:
        ModelDay.closed += 1


class Recorder:
    def __init__(self) -> None:
        self.days: list[tuple[int, str, str]] = []

    @contextmanager
    def __call__(self, number: int) -> Iterator[Callable[[Sequence[Operation], str], None]]:
        yield lambda operations, finding: self.days.append((number, format_day(operations), finding))


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[Search, Recorder]]:
    monkeypatch.setattr(ModelDay, "opened", 0)
    monkeypatch.setattr(ModelDay, "closed", 0)

    def search(react: Callable[[list[str]], None], seconds: float) -> tuple[Search, Recorder]:
        monkeypatch.setattr("rollback_drills.gamedays.search.Day", lambda *_: ModelDay(react))
        recorder = Recorder()
        return Search(LAB, tmp_path, seconds=seconds, record=recorder), recorder

    return search


def test_a_failed_day_is_found_shortened_and_recorded(search: Callable[..., tuple[Search, Recorder]]) -> None:
    def react(done: list[str]) -> None:
        if "crash" in done and done[-1] == "recreate":
            raise InvariantViolatedError("writes-lost", "gone")

    searched, recorder = search(react, 60.0)
    found = searched.run()
    assert found is not None
    assert ([each.kind for each in found.operations], found.finding, found.detail) == (
        ["crash", "recreate"],
        "writes-lost",
        "gone",
    )
    assert ModelDay.opened == ModelDay.closed == searched.days == len(recorder.days)
    assert [number for number, _, _ in recorder.days] == list(range(1, searched.days + 1))
    assert ("crash,recreate", "writes-lost") in [(line, finding) for _, line, finding in recorder.days]


def test_days_that_hold_are_searched_until_the_time_is_up(search: Callable[..., tuple[Search, Recorder]]) -> None:
    searched, recorder = search(lambda done: None, 2.0)
    began = time.monotonic()
    assert searched.run() is None
    assert time.monotonic() - began >= 2.0
    assert ModelDay.opened == ModelDay.closed == searched.days
    assert {finding for _, _, finding in recorder.days} == {""}
    assert sum(searched.performed.values()) == sum(len(line.split(",")) for _, line, _ in recorder.days if line)


def test_a_day_that_does_not_begin_is_a_failed_day_without_operations(
    search: Callable[..., tuple[Search, Recorder]],
) -> None:
    def react(done: list[str]) -> None:
        raise InvariantViolatedError("steady-state-missing", "")

    searched, recorder = search(react, 60.0)
    found = searched.run()
    assert found is not None
    assert (found.operations, found.finding) == ((), "steady-state-missing")
    assert recorder.days == [(1, "", "steady-state-missing")]
    assert ModelDay.opened == ModelDay.closed == 1


def test_an_operation_that_cannot_be_performed_ends_the_search(
    search: Callable[..., tuple[Search, Recorder]],
) -> None:
    def react(done: list[str]) -> None:
        if len(done) == 3:
            raise StackError("the disk is full")

    searched, _ = search(react, 60.0)
    with pytest.raises(StackError, match="the disk is full"):
        searched.run()
    assert ModelDay.opened == ModelDay.closed == searched.days
