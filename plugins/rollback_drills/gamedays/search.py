"""Looks for a day that ends badly, with Hypothesis, and makes it short, within a budget.

Hypothesis draws the days (a state machine of its `stateful` module). What it found is shortened here by leaving
operations out (ddmin: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002): Hypothesis's
own shrinker needs hundreds of attempts, and here each takes seconds.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from pydantic import JsonValue

from rollback_drills.core.errors import DrillError
from rollback_drills.evidence.model import strictly_equal
from rollback_drills.gamedays.day import Day
from rollback_drills.gamedays.operations import Operation
from rollback_drills.lab.lab import Lab
from rollback_drills.target.target import Target

LONGEST = 12  # actions of a day
MOST = 8  # flags that one of them turns
# Twice what leads to more states.
KINDS = (
    "deliver", "off", "recreate", "on", "restart", "deploy", "downgrade", "upgrade", "backup", "restore", "kill",
    "stop", "deploy-migrating", "crash", "freeze",
    "off", "recreate", "deploy", "deploy", "downgrade", "backup", "restore",
)  # fmt: skip

# So few at a time, since Hypothesis begins with the simplest example, and with more to come tries many a simple one.
_SETTINGS = settings(
    max_examples=9,
    stateful_step_count=LONGEST,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
    verbosity=Verbosity.quiet,
    print_blob=False,
)

Around = Callable[[int], AbstractContextManager[Callable[[Sequence[Operation], str], None]]]


@dataclass(frozen=True, slots=True)
class FailedDay:
    """A day that ended badly, and with what."""

    operations: tuple[Operation, ...]
    finding: str
    detail: str


class _Bad(Exception):
    """Something is not as it should be."""

    def __init__(self, finding: str, detail: str) -> None:
        super().__init__(detail)
        self.finding, self.detail = finding, detail


class _Over(BaseException):
    """Ends the search. Hypothesis lets it pass; an exception it would try to reproduce.

    Args:
        error: why the search cannot go on; None: it has found something, or its time is up.
    """

    def __init__(self, error: DrillError | None = None) -> None:
        super().__init__(error)
        self.error = error


class _Judge:
    """Raises at the first thing that is not as it should be."""

    def check(
        self, title: str, observed: JsonValue, *, expected: JsonValue = True, finding: str | None = None,
        detail: str = "",
    ) -> bool:  # fmt: skip
        if not strictly_equal(expected, observed):
            raise _Bad(finding or "", detail or f"{title}: expected {expected!r}, observed {observed!r}")
        return True


class Search:
    """Random days within a number of seconds.

    Args:
        seconds: the budget; making a bad day shorter may take what remains of it, and half as much again.
        around: opened with the day's number when it begins; what it gives is called when it ends, with its operations
            and the code of what was found.
    """

    def __init__(self, lab: Lab, directory: Path, *, seconds: float, around: Around) -> None:
        self.lab, self.directory, self.around, self._seconds = lab, directory, around, seconds
        self.days = 0
        self.performed: Counter[str] = Counter()
        self.found: FailedDay | None = None
        self._deadline = 0.0

    def run(self) -> FailedDay | None:
        """The shortest bad day that was found in time; None: none was.

        Raises:
            DrillError: an operation could not be performed at all, which says nothing of the system under drill.
        """
        self._deadline = time.monotonic() + self._seconds
        machine = _machine(self, self.lab.target)
        try:
            # Flaky: that the search was ended is, to Hypothesis, a test that draws less than it did before.
            with contextlib.suppress(Flaky):
                while True:
                    run_state_machine_as_test(machine, settings=_SETTINGS)
        except _Over as over:
            if over.error is not None:
                raise over.error from None
        if self.found is not None:
            self._deadline += self._seconds / 2
            self._shorten(self.found)
        return self.found

    @property
    def time_is_up(self) -> bool:
        return time.monotonic() > self._deadline

    def _shorten(self, found: FailedDay) -> None:
        """Leave out halves, quarters and single operations, as long as what is left ends in the same finding."""
        operations, size = found.operations, len(found.operations) // 2
        while size and not self.time_is_up:
            first, shorter = 0, False
            while first < len(operations) and not self.time_is_up:
                tried = self._play(operations[:first] + operations[first + size :])
                if tried is not None and tried.finding == found.finding:
                    self.found, operations, shorter = tried, tried.operations, True
                else:
                    first += size
            if size > 1 or not shorter:
                size //= 2

    def _play(self, operations: Sequence[Operation]) -> FailedDay | None:
        """What a day with these operations ends in; those that are not possible any more are left out."""
        with _Played(self) as day, contextlib.suppress(_Bad):
            day.begin()
            for operation in operations:
                day.do(operation)
        return day.found


class _Played:
    """One day of the search, from beginning to end."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._operations: list[Operation] = []
        self._open = ExitStack()
        self.found: FailedDay | None = None

    def __enter__(self) -> Self:
        search = self._search
        search.days += 1
        with ExitStack() as opened:
            told = opened.enter_context(search.around(search.days))
            opened.callback(lambda: told(self._operations, self.found.finding if self.found else ""))
            self.day = Day(search.lab, _Judge(), search.directory)
            opened.callback(self.day.close)
            self._open = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._search.performed.update(each.kind for each in self._operations)
        self._open.close()

    def begin(self) -> None:
        self._watched(self.day.begin)

    def do(self, operation: Operation) -> None:
        """Perform it, where it makes sense in this state."""
        if self.day.possible(operation.kind):
            self._operations.append(operation)
            self._watched(lambda: self.day.perform(operation))

    def _watched(self, action: Callable[[], None]) -> None:
        try:
            action()
        except _Bad as bad:
            self.found = FailedDay(tuple(self._operations), bad.finding, bad.detail)
            raise


def _machine(search: Search, target: Target) -> type[RuleBasedStateMachine]:
    releases = st.sampled_from((target.current, target.previous))
    integrations = st.lists(st.sampled_from(tuple(target.integrations)), min_size=1, max_size=MOST, unique=True)
    kinds = st.sampled_from(KINDS)

    class GameDay(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            if search.time_is_up:
                raise _Over
            self.played = _Played(search)
            with _ending():
                self.played.__enter__()
                try:
                    self.played.begin()
                except BaseException:
                    self.teardown()
                    raise

        def teardown(self) -> None:
            search.found = self.played.found
            self.played.__exit__()

        # One rule, and no preconditions: what is drawn must not depend on how the system behaves.
        @rule(kind=kinds, release=releases, names=integrations)
        def act(self, kind: str, release: str, names: list[str]) -> None:
            with _ending():
                for argument in self._arguments(kind, release, names):
                    self.played.do(Operation(kind, argument))

        def _arguments(self, kind: str, release: str, names: list[str]) -> Sequence[str]:
            match kind:
                case "deploy" | "deploy-migrating":
                    return [release]
                case "upgrade":
                    return [target.current]
                case "downgrade":
                    return [target.previous]
                case "deliver":
                    return names[:1]
                case "off":
                    return [name for name in names if name in target.gated_of(target.current)]
                case "on":
                    return self.played.day.turned_off[: len(names)]
            return [""]

    return GameDay


@contextlib.contextmanager
def _ending() -> Iterator[None]:
    """Past Hypothesis: neither what was found nor an error of ours is to be repeated."""
    try:
        yield
    except _Bad:
        raise _Over from None
    except DrillError as error:
        raise _Over(error) from None
