"""A procedure is cut off at every place, performed again from its top, and judged by where it leads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from drills.interruptions import Operator, Procedure, interrupt_everywhere

from rollback_drills.core.meter import Meter
from rollback_drills.core.redaction import Redactor
from rollback_drills.drill.checkers import Judge
from rollback_drills.drill.drill import Drill
from rollback_drills.drill.plan import CheckFailedError, Plan
from rollback_drills.lab.faults import HeldCommand, OperatorKilled
from rollback_drills.runtimes.protocols import CommandResult, Outcome
from rollback_drills.target.target import Target

SESSION: Any = SimpleNamespace(pid=1)


class FakeGateway:
    """Starts at once, and counts what is done to it."""

    release = "0.5.0"

    def __init__(self) -> None:
        self.running, self.kills = False, 0

    def deploy(self, release: str) -> Outcome:
        self.running = True
        return Outcome(True, 0.0)

    def stop(self) -> None:
        self.running = False

    def kill(self) -> None:
        self.running, self.kills = False, self.kills + 1

    def logs(self) -> str:
        return "starting"


class FakeLab:
    """Stacks of a gateway and a revision."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.stacks: list[Any] = []
        self.discarded = 0
        self.traffic_watched = True
        self.touched: frozenset[str] = frozenset()

    def stack(self) -> Any:
        database = SimpleNamespace(at="0012")
        database.revision = lambda: database.at
        self.stacks.append(
            SimpleNamespace(
                target=self.target,
                gateway=FakeGateway(),
                database=database,
                command_log=SimpleNamespace(listeners=[]),
                must_start=lambda outcome: None,
                started_in=0.0,
            )
        )
        return self.stacks[-1]

    def discard(self, stack: Any) -> None:
        self.discarded += 1


class Downgrade(Procedure):
    """Stops the gateway, downgrades by a command that can be held, deploys."""

    command_faults = (OperatorKilled(),)
    reached = True
    leaves_a_lock = False

    def steps(self, operator: Operator) -> Iterator[str]:
        yield "Stop"
        self.stack.gateway.stop()

        yield "Downgrade"
        operator.run("the downgrade", self.downgrade, held=self.held, finding="downgrade-failed")

        yield "Deploy"
        self.stack.gateway.deploy("0.4.0")

    def downgrade(self, kill_when: Callable[[], bool] | None) -> CommandResult:
        database: Any = self.stack.database
        if database.at == "locked":
            return CommandResult(("alembic",), 1, "", "locked", 0.0)
        if kill_when is not None and kill_when():
            database.at = "locked" if self.leaves_a_lock else database.at
            return CommandResult(("alembic",), -9, "", "", 0.0)
        database.at = "0006"
        return CommandResult(("alembic",), 0, "", "", 0.0)

    @contextmanager
    def held(self) -> Iterator[HeldCommand]:
        yield HeldCommand(lambda: SESSION if self.reached else None)

    def check(self, judge: Judge) -> None:
        judge.check("the revision", self.stack.database.revision(), expected="0006")


@pytest.fixture
def lab(reference_target: Target) -> Any:
    return FakeLab(reference_target)


@pytest.fixture
def drill(reference_target: Target, tmp_path: Path) -> Drill:
    plan = Plan("drills/test_x.py::test_y", "t", "scenario-a")
    return Drill(plan, target=reference_target, meter=Meter(), redactor=Redactor(), directory=tmp_path)


def titles(drill: Drill) -> list[str]:
    return [step.title for step in drill.evidence().steps]


def test_it_is_cut_off_after_every_step_and_in_the_middle_of_what_can_be_held(lab: Any, drill: Drill):
    interrupt_everywhere(lab, drill, Downgrade)
    assert titles(drill) == [
        "Undisturbed",
        "Cut off after 'Stop', and again from the top",
        "Cut off in 'Downgrade', where the operator is killed, and again from the top",
        "Cut off after 'Downgrade', and again from the top",
        "Cut off after 'Deploy', where the gateway is killed, and again from the top",
    ]
    assert (len(lab.stacks), lab.discarded) == (5, 5), "each has a stack of its own"
    assert [stack.gateway.kills for stack in lab.stacks] == [0, 0, 0, 0, 1]
    assert (drill.evidence().findings, drill.evidence().gaps) == ((), ())


def test_what_cannot_be_repeated_is_found_and_the_other_interruptions_are_performed(lab: Any, drill: Drill):
    class LeavesALock(Downgrade):
        leaves_a_lock = True

    with pytest.raises(CheckFailedError):
        interrupt_everywhere(lab, drill, LeavesALock)
    (finding,) = drill.evidence().findings
    assert finding.code == "repeat-unsafe"
    assert "cut off in 'Downgrade', where the operator is killed" in finding.detail
    assert "the downgrade exits 1: locked" in finding.detail
    assert len(titles(drill)) == 5


def test_a_fault_that_did_not_strike_is_a_gap(lab: Any, drill: Drill):
    class NotHeld(Downgrade):
        reached = False

    interrupt_everywhere(lab, drill, NotHeld)
    assert drill.evidence().gaps == (
        "Cut off in 'Downgrade', where the operator is killed: the step was over before the fault could strike.",
    )
    assert drill.evidence().findings == ()


def test_a_procedure_that_fails_undisturbed_is_not_interrupted(lab: Any, drill: Drill):
    class Fails(Downgrade):
        def check(self, judge: Judge) -> None:
            judge.check("never", observed=False)

    with pytest.raises(CheckFailedError):
        interrupt_everywhere(lab, drill, Fails)
    assert titles(drill) == ["Undisturbed"]


def test_a_procedure_that_fails_undisturbed_is_told_by_its_own_check(lab: Any, drill: Drill):
    class LosesRows(Downgrade):
        def check(self, judge: Judge) -> None:
            judge.check("rows", 3, expected=5, finding="rows-lost")
            judge.check("the schema", "other", expected="same", finding="schema-residue")

    with pytest.raises(CheckFailedError):
        interrupt_everywhere(lab, drill, LosesRows)
    assert [each.code for each in drill.evidence().findings] == ["rows-lost", "schema-residue"]


def test_a_command_that_fails_undisturbed_is_quoted_with_its_last_line_whole(lab: Any, drill: Drill):
    long = "ERROR:  " + "x" * 700

    class Fails(Downgrade):
        def downgrade(self, kill_when: Callable[[], bool] | None) -> CommandResult:
            return CommandResult(("alembic",), 1, "many lines\n" * 100, long, 0.0)

    with pytest.raises(CheckFailedError):
        interrupt_everywhere(lab, drill, Fails)
    (finding,) = drill.evidence().findings
    assert finding.code == "downgrade-failed"
    assert finding.detail == f"'Downgrade' stops: the downgrade exits 1: {long}; revision 0012, no gateway runs"


def test_what_is_left_beside_a_stack_is_cleaned_up_whatever_happens(lab: Any, drill: Drill):
    cleaned: list[str] = []

    class Leaves(Downgrade):
        leaves_a_lock = True

        def steps(self, operator: Operator) -> Iterator[str]:
            self.clean_up.callback(cleaned.append, "x")
            yield from super().steps(operator)

    with pytest.raises(CheckFailedError):
        interrupt_everywhere(lab, drill, Leaves)
    assert len(cleaned) == 9  # one undisturbed performance, and two for each of four interruptions
