"""A delivery that is under way when the gateway is told to stop: one attempt that fails is bad luck, three are not."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from drills.stopping import ATTEMPTS, check_requests_under_way

from rollback_drills.clients.answers import Answer
from rollback_drills.core.meter import Meter
from rollback_drills.core.redaction import Redactor
from rollback_drills.drill.drill import Drill
from rollback_drills.drill.plan import CheckFailedError, Plan
from rollback_drills.runtimes.protocols import Outcome, Stop
from rollback_drills.target.target import Target

ANSWERED = Answer(202, {}, 0.1)
CLOSED = Answer(None, None, 0.1, "the connection was closed without an answer")


class SimulatedGateway:
    """Ends with an exit code whenever it is stopped."""

    release = "0.5.0"

    def __init__(self, code: int) -> None:
        self.code, self.stops = code, list[Stop]()

    def stop(self) -> None:
        self.stops.append(Stop(self.release, self.code, ""))

    def restart(self) -> Outcome:
        return Outcome(True, 0.1)


@pytest.fixture
def drill(tmp_path: Path, reference_target: Target) -> Drill:
    plan = Plan("drills/test_x.py::test_y", "t", "quick-application")
    return Drill(plan, target=reference_target, meter=Meter(), redactor=Redactor(), directory=tmp_path)


def stack_with(target: Target, code: int, *answers: Answer) -> Any:
    given = iter(answers)
    return SimpleNamespace(
        target=target,
        project=None,
        gateway=SimulatedGateway(code),
        client=SimpleNamespace(begin_delivery=lambda name: SimpleNamespace(finish=lambda: next(given))),
        clients=SimpleNamespace(paused=nullcontext),
        must_start=lambda outcome: None,
    )


@pytest.mark.parametrize(
    ("code", "answers"),
    [(0, [ANSWERED]), (0, [CLOSED, ANSWERED]), (0, [CLOSED, CLOSED, Answer(503, {}, 0.1)]), (-15, [ANSWERED])],
    ids=["drained", "bad luck", "refused", "answered by one without a handler"],
)
def test_a_gateway_that_answers_is_well(drill: Drill, reference_target: Target, code: int, answers: list[Answer]):
    stack = stack_with(reference_target, code, *answers)
    with drill:
        check_requests_under_way(stack, drill)
    assert drill.evidence().findings == ()
    assert len(stack.gateway.stops) == len(answers)


def test_one_that_exits_with_0_and_breaks_off_what_is_under_way_is_found(drill: Drill, reference_target: Target):
    with pytest.raises(CheckFailedError), drill:
        check_requests_under_way(stack_with(reference_target, 0, *[CLOSED] * ATTEMPTS), drill)
    (finding,) = drill.evidence().findings
    assert (finding.code, finding.subject) == ("stop-not-normal", "0.5.0")
    assert finding.detail.endswith("the connection was closed without an answer, exit code 0")


def test_one_that_its_signal_ends_is_a_gap(drill: Drill, reference_target: Target):
    with drill:
        check_requests_under_way(stack_with(reference_target, -15, CLOSED), drill)
    evidence = drill.evidence()
    assert (evidence.verdict, [(each.code, each.severity) for each in evidence.findings]) == (
        "passed",
        [("requests-cut-off", "info")],
    )


def test_another_exit_code_is_told_elsewhere(drill: Drill, reference_target: Target):
    stack = stack_with(reference_target, 3, CLOSED)
    with drill:
        check_requests_under_way(stack, drill)
    assert drill.evidence().findings == ()
    assert len(stack.gateway.stops) == 1


def test_a_refusal_is_no_proof_that_a_stop_lets_requests_end(drill: Drill, reference_target: Target):
    stack = stack_with(reference_target, 0, CLOSED, Answer(401, {}, 0.1), CLOSED)
    with drill:
        check_requests_under_way(stack, drill)
    (doubt,) = drill.evidence().gaps
    assert "was broken off in 2 stops, and refused in 1: {'status': 401" in doubt
