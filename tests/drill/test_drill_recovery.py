"""The recovery time of a drill without pytest, and what a machine that is too slow leaves unproven."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lone_drill import Clock, idle, overloaded

from rollback_drills.core.redaction import Redactor
from rollback_drills.drill.drill import Drill
from rollback_drills.drill.plan import (
    CheckFailedError,
    OverloadedError,
    Plan,
)

OBJECTIVE = {"plan": {"objective": "feature_flag", "objective_seconds": 10.0}}


def test_recovery_is_measured_from_decision_to_steady_state(make: Any, clock: Clock):
    with make(**OBJECTIVE) as drill:
        with drill.step("before"):
            clock.now += 50
        with drill.recovery():
            with drill.step("act"):
                clock.now += 4
            clock.now += 1
        clock.now += 100
    recovery = drill.evidence().recovery
    assert (recovery.started, recovery.seconds, recovery.met) == (50, 5, True)


def test_a_missed_objective_is_a_finding_that_names_the_slowest_step(make: Any, clock: Clock):
    clock.now += 0.00004999  # the step begins at the very moment of the decision, whichever way both are rounded
    drill = make(**OBJECTIVE)
    with pytest.raises(CheckFailedError, match="longest step: slow"), drill:  # noqa: PT012 - the drill is the statement
        with drill.step("before, and longer"):
            clock.now += 60.00004
        with drill.recovery():
            with drill.step("slow"):
                clock.now += 9
            with drill.step("quick"):
                clock.now += 2
    evidence = drill.evidence()
    assert evidence.findings[0].code == "objective-missed"
    assert "recovered after 11.0 s, the objective is 10 s" in evidence.findings[0].detail


@given(started=st.floats(0, 1000), took=st.floats(11, 100))
def test_the_slowest_step_is_found_whenever_it_begins(
    tmp_path_factory: Any, reference_target: Any, started: float, took: float
):
    clock = Clock()
    plan = Plan("d", "t", "scenario-a", objective="feature_flag", objective_seconds=10.0)
    drill = Drill(
        plan,
        target=reference_target,
        meter=clock,
        redactor=Redactor(),
        timeout=1e9,  # type: ignore[arg-type]
        directory=tmp_path_factory.getbasetemp(),
        machine=idle,
    )
    clock.now += started
    with drill.recovery(), drill.step("only one"):
        clock.now += took
    assert "longest step: only one" in drill.findings_sentence


def test_what_the_suite_looks_at_for_itself_is_no_recovery(make: Any, clock: Clock):
    drill = make(plan={"objective": "full_restore", "objective_seconds": 10})
    with drill:
        with drill.aside():
            clock.now += 100  # before the decision
        with drill.recovery():
            with drill.step("downgrade"), drill.aside():
                clock.now += 7
                with drill.aside():
                    clock.now += 13
            clock.now += 4
        with drill.aside():
            clock.now += 50
    recovery = drill.evidence().recovery
    assert (recovery.seconds, recovery.aside_seconds, recovery.ended, recovery.met) == (4, 20, 124, True)
    assert drill.evidence().facts["the suite's own work during the recovery, not counted"] == "20.00 s"


def test_clients_pause_while_the_suite_looks(make: Any):
    paused: list[bool] = []

    class Clients:
        @contextmanager
        def paused(self) -> Iterator[None]:
            paused.append(True)
            yield
            paused.append(False)

    drill = make()
    drill.watch(Clients())
    with drill, drill.aside(), drill.aside():
        assert paused == [True]
    assert paused == [True, False]


def test_an_overloaded_machine_misses_no_objective(make: Any, clock: Clock):
    drill = make(machine=overloaded, plan={"objective": "feature_flag", "objective_seconds": 10.0})
    with drill, drill.recovery(), drill.step("slow"):
        clock.now += 70
    evidence = drill.evidence()
    assert (evidence.verdict, evidence.findings) == ("passed", ())
    assert evidence.recovery is not None
    assert (evidence.recovery.seconds, evidence.recovery.met) == (70.0, None)
    assert (
        "recovered after 70.0 s, the objective is 10 s, but the machine was overloaded (load 20.0" in evidence.gaps[0]
    )


def test_what_no_overload_explains_is_the_targets(make: Any, clock: Clock):
    drill = make(machine=overloaded, plan={"objective": "feature_flag", "objective_seconds": 10.0})
    with drill.recovery(), drill.step("slow"):
        clock.now += 90
    assert [finding.code for finding in drill.evidence().findings] == ["objective-missed"]


def test_a_time_limit_proves_nothing_on_an_overloaded_machine(make: Any):
    drill = make(machine=overloaded)
    with drill, drill.step("ask"):
        assert not drill.check("it answers", False, finding="no-answer", timed=True)
        assert drill.check("it is right", 1, expected=1, finding="version-wrong", timed=True)
    evidence = drill.evidence()
    assert (evidence.verdict, evidence.findings, [check.title for check in evidence.steps[0].checks]) == (
        "passed",
        (),
        ["it is right"],
    )
    assert evidence.gaps[0].startswith("“it answers” is not proven: the machine was overloaded")


def test_what_no_time_limit_has_decided_is_judged_on_any_machine(make: Any):
    drill = make(machine=overloaded)
    with pytest.raises(CheckFailedError), drill, drill.step("ask"):
        drill.check("it is right", 1, expected=2, finding="version-wrong")


def test_a_drill_that_cannot_go_on_because_of_the_machine_is_skipped(make: Any):
    drill = make(machine=overloaded)
    with pytest.raises(OverloadedError), drill, drill.step("deploy"):
        drill.check("it starts", False, finding="release-not-serving", vital=True, timed=True)
    evidence = drill.evidence()
    assert (evidence.verdict, evidence.findings) == ("skipped", ())
    assert "the machine was overloaded" in evidence.reason


def test_a_recovery_that_fails_has_no_duration(make: Any):
    drill = make(**OBJECTIVE)
    with pytest.raises(CheckFailedError), drill, drill.recovery(), drill.step("s"):
        drill.check("c", 1, expected=2)
    assert drill.evidence().recovery.seconds is None
    assert drill.evidence().recovery.met is False


def test_without_an_objective_nothing_is_missed(drill: Drill, clock: Clock):
    with drill, drill.recovery():
        clock.now += 10_000
    assert drill.evidence().recovery.met is None
