"""Searches for a day that violates an invariant, with Hypothesis and within a budget, and shortens it.

Hypothesis draws the days by a state machine of its `stateful` module.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from rollback_drills.core.errors import DrillError
from rollback_drills.gamedays.attempt import (
    DayAttempt,
    FailedDay,
    InvariantViolatedError,
    RaisingJudge,
)
from rollback_drills.gamedays.day import Day
from rollback_drills.gamedays.operations import OPERATIONS, Drawn, Operation
from rollback_drills.gamedays.shortening import shorten
from rollback_drills.lab.lab import Lab
from rollback_drills.target.target import Target

MAX_STEPS = 12  # of a day; one step may turn several flags
MAX_INTEGRATIONS = 8  # that are drawn for one step
WEIGHTED = (*OPERATIONS, *(each for each in OPERATIONS for _ in range(each.weight - 1)))

# Few examples per run: Hypothesis begins each run with the simplest example, and repeats simple ones in a long run.
_SETTINGS = settings(
    max_examples=9,
    stateful_step_count=MAX_STEPS,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
    verbosity=Verbosity.quiet,
    print_blob=False,
)

DayRecorder = Callable[[int], AbstractContextManager[Callable[[Sequence[Operation], str], None]]]
"""Entered with a day's number when the day begins. It gives a function, which is called at the end of the day with its
operations and the code of its finding (empty: none)."""


class SearchStoppedError(BaseException):
    """Ends a run of Hypothesis at once. Hypothesis would try to reproduce an Exception.

    Args:
        error: why the search cannot go on; None: it has found something, or its time is up.
    """

    def __init__(self, error: DrillError | None = None) -> None:
        super().__init__(error)
        self.error = error


class Search:
    """A search through random days for a number of seconds.

    Args:
        directory: where the days' backups are written.
        seconds: the budget. Shortening a failed day may take what remains of it, and half as much again.
    """

    def __init__(self, lab: Lab, directory: Path, *, seconds: float, record: DayRecorder) -> None:
        self._lab, self._directory, self._seconds, self._record = lab, directory, seconds, record
        self.days = 0
        self.performed: Counter[str] = Counter()
        """How often each kind of operation was performed."""
        self.found: FailedDay | None = None
        self._deadline = 0.0

    def run(self) -> FailedDay | None:
        """The shortest failed day that there was time for; None where no day failed.

        Raises:
            DrillError: an operation could not be performed at all, which says nothing about the system under drill.
        """
        self._deadline = time.monotonic() + self._seconds
        machine = _state_machine(self, self._lab.target)
        try:
            # Flaky: Hypothesis takes a run that was stopped for a test that draws less than it did before.
            with suppress(Flaky):
                while True:
                    run_state_machine_as_test(machine, settings=_SETTINGS)
        except SearchStoppedError as stopped:
            if stopped.error is not None:
                raise stopped.error from None
        if self.found is not None:
            self._deadline += self._seconds / 2
            self.found = shorten(self.found, self._play, self.time_is_up)
        return self.found

    def time_is_up(self) -> bool:
        return time.monotonic() > self._deadline

    @contextmanager
    def attempt(self) -> Iterator[DayAttempt]:
        """A new day, on a stack of its own."""
        self.days += 1
        with ExitStack() as closing:
            record = closing.enter_context(self._record(self.days))
            day = Day(self._lab, RaisingJudge(), self._directory)
            attempt = DayAttempt(day)
            closing.callback(lambda: record(attempt.operations, attempt.finding))
            closing.callback(day.close)
            closing.callback(lambda: self.performed.update(each.kind for each in attempt.operations))
            yield attempt

    def _play(self, operations: Sequence[Operation]) -> FailedDay | None:
        """Perform the operations that are possible; None where no invariant is violated."""
        with self.attempt() as attempt, suppress(InvariantViolatedError):
            attempt.begin()
            for operation in operations:
                attempt.perform(operation)
        return attempt.failed


def _state_machine(search: Search, target: Target) -> type[RuleBasedStateMachine]:
    operations = st.sampled_from(WEIGHTED)
    releases = st.sampled_from((target.current, target.previous))
    integrations = st.lists(st.sampled_from(tuple(target.writers)), min_size=1, max_size=MAX_INTEGRATIONS, unique=True)

    class GameDay(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            if search.time_is_up():
                raise SearchStoppedError
            self._closing = ExitStack()
            with _stopping_hypothesis(), ExitStack() as cleanup:
                self._attempt = self._closing.enter_context(search.attempt())
                cleanup.callback(self.teardown)
                self._attempt.begin()
                cleanup.pop_all()

        def teardown(self) -> None:
            search.found = self._attempt.failed
            self._closing.close()

        # One rule without preconditions: what is drawn must not depend on how the system behaves.
        @rule(operation=operations, release=releases, names=integrations)
        def act(self, operation: type[Operation], release: str, names: list[str]) -> None:
            with _stopping_hypothesis():
                for argument in operation.draw(Drawn(release, names), self._attempt.state):
                    self._attempt.perform(operation(argument))

    return GameDay


@contextmanager
def _stopping_hypothesis() -> Iterator[None]:
    """Neither a violated invariant nor an error of the stack is to be reproduced."""
    try:
        yield
    except InvariantViolatedError:
        raise SearchStoppedError from None
    except DrillError as error:
        raise SearchStoppedError(error) from None
