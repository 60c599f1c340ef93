"""Interrupts a procedure between any two steps and in the middle of them, and performs it again from its top.

A `Procedure` is a page of the runbook. Its `steps` are a generator: it yields the title of a step, and then performs
the step. So the engine can leave it before any step, and knows which step a command belongs to. What can be interrupted
in its middle goes through the `Operator`: commands that change the database, and starts of the gateway.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import ClassVar

import psycopg

from rollback_drills.core.errors import BackupRefusedError, DrillError
from rollback_drills.core.last_words import decisive
from rollback_drills.drill.checkers import Judge, Problems, check_database_at, check_kept
from rollback_drills.drill.checkers.restored import CORRECT
from rollback_drills.drill.drill import Drill
from rollback_drills.lab.before import StateBefore, take_state
from rollback_drills.lab.faults import (
    COMMAND_FAULTS,
    CommandFault,
    GatewayKilled,
    GatewayKilledStarting,
    Hold,
    KillWhen,
    held_migration,
)
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.runtimes.protocols import CommandResult, Outcome

from .procedures import note_touched

MiddleFault = CommandFault | GatewayKilledStarting


class StepFailedError(Exception):
    """A step of a procedure did not do what it is there for.

    Attributes:
        finding: the code of what this is, where nothing has interrupted the procedure.
        timed: whether a time limit has decided that.
    """

    def __init__(self, what: str, *, finding: str, timed: bool = False) -> None:
        super().__init__(what)
        self.finding, self.timed = finding, timed


class CutOffError(Exception):
    """The operator was cut off in the middle of a step.

    Attributes:
        happened: whether the fault struck before the step was over.
    """

    def __init__(self, *, happened: bool) -> None:
        super().__init__(happened)
        self.happened = happened


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a procedure is cut off: in the middle of a step, by a fault."""

    step: str
    fault: MiddleFault

    @property
    def where(self) -> str:
        return f"in {self.step!r}, where {self.fault.title}"


@dataclass(slots=True)
class Operator:
    """Performs the steps of a procedure on one stack, until its end or until a cut.

    Attributes:
        command_faults: what can strike in the middle of a command.
        cut: where this operator is cut off; None: nowhere.
        steps: the titles of the steps that were begun.
        cuts: where in these steps an operator can be cut off.
        states: the state before the first downgrade, by the revision aimed at; shared by all operators of a procedure.
    """

    stack: Stack
    lab: Lab
    states: dict[str, StateBefore]
    command_faults: Sequence[CommandFault] = COMMAND_FAULTS
    cut: Cut | None = None
    steps: list[str] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)

    def downgrade_to(self, revision: str) -> None:
        """Read the revision first: at the goal, there is nothing to do."""
        stack = self.stack
        if stack.database.revision() != revision:
            if revision not in self.states:
                self.states[revision] = take_state(stack, self.lab, revision)
            self.run(
                f"the downgrade to {revision}",
                lambda kill_when: stack.alembic.run(stack.target.current, "downgrade", revision, kill_when=kill_when),
                held=lambda: held_migration(stack.database),
                finding="downgrade-failed",
            )

    def deploy(self, release: str) -> None:
        self.start(lambda: self.stack.gateway.deploy(release))

    def recreate_gateway(self) -> None:
        self.start(self.stack.gateway.recreate)

    def run(self, what: str, command: Callable[[KillWhen | None], CommandResult], *, held: Hold, finding: str) -> None:
        """Run a command that has to succeed.

        Args:
            held: holds the command in its middle, so that a fault can strike there.
            finding: the code of its failure, where nothing has interrupted the procedure.

        Raises:
            StepFailedError: the command fails.
            CutOffError: the operator is cut off here.
        """
        for fault in self.command_faults:
            if self._cut_off_by(fault):
                with held() as waiting, suppress(DrillError, psycopg.Error):  # it need not succeed
                    command(waiting.kill_when_reached(self.stack, fault))
                raise CutOffError(happened=waiting.reached)
        result = command(None)
        if not result.ok:
            timed = result.exit_code is None
            how = "does not end in time" if timed else f"exits {result.exit_code}"
            raise StepFailedError(f"{what} {how}: {decisive(result.output)}", finding=finding, timed=timed)

    def start(self, start: Callable[[], Outcome]) -> None:
        """Start the gateway; it has to start.

        Raises:
            StepFailedError: it does not start.
            CutOffError: the operator is cut off here.
        """
        fault = GatewayKilledStarting()
        if self._cut_off_by(fault):
            raise CutOffError(happened=fault.strike(self.stack, start))
        if not (outcome := start()).started:
            what = f"the gateway does not start: {outcome.reason}"
            raise StepFailedError(what, finding="release-not-serving", timed=outcome.timed_out)

    def _cut_off_by(self, fault: MiddleFault) -> bool:
        """Note that the fault can strike here; whether it does."""
        cut = Cut(self.steps[-1], fault)
        self.cuts.append(cut)
        return cut == self.cut


class Procedure(ABC):
    """A page of the runbook, on one stack: an incident has begun, and an operator follows the page.

    Attributes:
        clean_up: closed in the end, for what an incomplete performance leaves beside the stack.
    """

    command_faults: ClassVar[Sequence[CommandFault]] = COMMAND_FAULTS

    def __init__(self, stack: Stack, lab: Lab) -> None:
        self.stack, self.lab, self.target = stack, lab, stack.target
        self.clean_up = ExitStack()
        self.states: dict[str, StateBefore] = {}

    @abstractmethod
    def steps(self, operator: Operator) -> Iterator[str]:
        """Yield the title of each step, then perform it."""

    @abstractmethod
    def check(self, judge: Judge) -> None:
        """What has to hold when the last step is done."""

    def operator(self, cut: Cut | None = None) -> Operator:
        return Operator(self.stack, self.lab, self.states, self.command_faults, cut)

    def perform(self, operator: Operator, *, until: str | None = None) -> None:
        """From the top, to the end or to the end of the step ``until``.

        Raises:
            StepFailedError, DrillError: a step fails.
            CutOffError: the operator is cut off.
        """
        for title in self.steps(operator):
            if until is not None and operator.steps[-1:] == [until]:
                return
            operator.steps.append(title)

    def problems(self, operator: Operator) -> Problems:
        """Perform everything from the top: what does not hold at the end, or why it stops before."""
        found = Problems()
        try:
            self.perform(operator)
        except (StepFailedError, DrillError) as error:
            found.add(f"{operator.steps[-1]!r} stops: {error}; {self.where()}", timed=timed_out(error))
        else:
            self.check(found)
        return found

    def check_downgraded(self, judge: Judge, goal: str) -> None:
        """The database is at the goal, and what was there before the first downgrade was kept."""
        check_database_at(judge, self.stack, self.lab.only_upgraded_to(goal), goal)
        if goal in self.states:
            check_kept(judge, self.stack, self.lab, self.states[goal], goal)

    def where(self) -> str:
        """Where things are: what the next operator finds."""
        gateway = self.stack.gateway
        serves = f"release {gateway.release} runs" if gateway.running else "no gateway runs"
        return f"revision {self.stack.database.revision()}, {serves}"


def timed_out(error: StepFailedError | DrillError) -> bool:
    return isinstance(error, StepFailedError) and error.timed


Begin = Callable[[Stack, Lab], Procedure]
"""Lets the incident begin on a stack on which the current release runs; returns the procedure that is to end it."""


def interrupt_everywhere(lab: Lab, drill: Drill, begin: Begin) -> None:
    """Perform a procedure undisturbed, then cut it off at every place. Each is a stack of its own.

    Every interruption is performed, whatever the others find.
    """
    with _incident(lab, drill, begin) as procedure, drill.step("Undisturbed"):
        operator = procedure.operator()
        _judge_undisturbed(drill, procedure, operator)
    with drill.together():
        for step in operator.steps:
            for cut in operator.cuts:
                if cut.step == step:
                    _cut_off_within(lab, drill, begin, cut)
            _cut_off_after(lab, drill, begin, step, gateway_killed=step == operator.steps[-1])
    note_touched(drill, lab.touched)


def _judge_undisturbed(drill: Drill, procedure: Procedure, operator: Operator) -> None:
    """Whatever does not hold is judged by its own check, as in the drill of the procedure."""
    stopped, finding, timed = "", "procedure-fails", False
    try:
        procedure.perform(operator)
    except (StepFailedError, DrillError) as error:
        stopped = f"{operator.steps[-1]!r} stops: {error}; {procedure.where()}"
        if isinstance(error, StepFailedError):
            finding, timed = error.finding, error.timed
        elif isinstance(error, BackupRefusedError):
            finding = "backup-unusable"
    remedy = CORRECT if finding == "backup-unusable" else ""
    drill.check(
        "it gets to its end",
        stopped,
        expected="",
        finding=finding,
        detail=stopped,
        remedy=remedy,
        vital=True,
        timed=timed,
    )
    with drill.together():
        procedure.check(drill)


def _cut_off_within(lab: Lab, drill: Drill, begin: Begin, cut: Cut) -> None:
    with _incident(lab, drill, begin) as procedure, drill.step(f"Cut off {cut.where}, and again from the top"):
        happened = False
        try:
            procedure.perform(procedure.operator(cut))
        except CutOffError as cut_off:
            happened = cut_off.happened
        drill.observe("the fault struck in the middle", happened)
        if not happened:  # a command of the target's own may do without the lock that it is held by
            drill.not_proven(f"Cut off {cut.where}: the step was over before the fault could strike.")
        _check_repetition(drill, procedure, cut.where)


def _cut_off_after(lab: Lab, drill: Drill, begin: Begin, step: str, *, gateway_killed: bool) -> None:
    """Between two steps; after the last one there is only the gateway left to be killed."""
    fault = GatewayKilled()
    where = f"after {step!r}" + (f", where {fault.title}" if gateway_killed else "")
    with _incident(lab, drill, begin) as procedure, drill.step(f"Cut off {where}, and again from the top"):
        procedure.perform(procedure.operator(), until=step)
        if gateway_killed and fault.possible(procedure.stack):
            fault.inject(procedure.stack)
        _check_repetition(drill, procedure, where)


def _check_repetition(drill: Drill, procedure: Procedure, where: str) -> None:
    """The next operator begins again at the top."""
    drill.observe("where things are", procedure.where())
    problems = procedure.problems(procedure.operator())
    drill.check(
        "performed again from its top, it leads to its end",
        problems.lines,
        expected=[],
        finding="repeat-unsafe",
        detail=f"cut off {where} and performed again: {'; '.join(problems.lines)}",
        timed=problems.timed,
    )


@contextmanager
def _incident(lab: Lab, drill: Drill, begin: Begin) -> Iterator[Procedure]:
    with running_stack(lab, drill) as stack:
        procedure = begin(stack, lab)
        with procedure.clean_up:
            yield procedure


@contextmanager
def running_stack(lab: Lab, drill: Drill) -> Iterator[Stack]:
    """A stack of its own on which the current release runs, as at the moment of a decision to roll back."""
    stack = lab.stack()
    stack.command_log.listeners.append(drill.command)
    try:
        stack.must_start(stack.gateway.deploy(lab.target.current))
        if not lab.traffic_watched:
            for integration in lab.target.integrations_of(lab.target.current):
                stack.client.deliver(integration)
            lab.watch_traffic(stack)
        yield stack
    finally:
        lab.discard(stack)


def _last_lines(output: str, limit: int = 600) -> str:
    """The end of what a command wrote, at most ``limit`` characters, but always its last line, whole."""
    lines = output.strip().splitlines()
    while len(lines) > 1 and sum(map(len, lines)) > limit:
        del lines[0]
    return "\n".join(lines)
