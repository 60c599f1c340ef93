"""One day of a search, which ends at the first invariant that an operation violates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import JsonValue

from rollback_drills.evidence.model import strictly_equal
from rollback_drills.gamedays.day import Day
from rollback_drills.gamedays.model import ExpectedState
from rollback_drills.gamedays.operations import Operation


class InvariantViolatedError(Exception):
    """An invariant does not hold.

    Args:
        finding: the code of the finding that this is.
    """

    def __init__(self, finding: str, detail: str) -> None:
        super().__init__(detail)
        self.finding, self.detail = finding, detail


class RaisingJudge:
    """A judge that raises at the first difference."""

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
        """Raises InvariantViolatedError where the two values differ."""
        if not strictly_equal(expected, observed):
            message = detail or f"{title}: expected {expected!r}, observed {observed!r}"
            raise InvariantViolatedError(finding or "", message)
        return True

    def observe(self, title: str, value: JsonValue) -> None:
        """Nothing: a search keeps findings only."""


@dataclass(frozen=True, slots=True)
class FailedDay:
    """The operations of a day that violated an invariant, with the code and the text of the finding."""

    operations: tuple[Operation, ...]
    finding: str
    detail: str


class DayAttempt:
    """Performs operations on one day, as far as they are possible, and keeps the violation that ended it."""

    def __init__(self, day: Day) -> None:
        self._day = day
        self.operations: list[Operation] = []
        self.failed: FailedDay | None = None

    @property
    def state(self) -> ExpectedState:
        return self._day.state

    @property
    def finding(self) -> str:
        """The code of the finding that the day ended in; empty where it has not."""
        return self.failed.finding if self.failed is not None else ""

    def begin(self) -> None:
        self._watch(self._day.begin)

    def perform(self, operation: Operation) -> None:
        """Perform the operation, unless it makes no sense in this state.

        Raises:
            InvariantViolatedError: an invariant does not hold after it.
        """
        if operation.possible(self.state):
            self.operations.append(operation)
            self._watch(lambda: self._day.perform(operation))

    def _watch(self, action: Callable[[], None]) -> None:
        try:
            action()
        except InvariantViolatedError as violation:
            self.failed = FailedDay(tuple(self.operations), violation.finding, violation.detail)
            raise
