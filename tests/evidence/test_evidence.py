"""The contract between drills and reports: verdicts, JSON there and back, equality as JSON has it."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rollback_drills.evidence.model import (
    Check,
    DrillEvidence,
    Finding,
    Recovery,
    Step,
    Verdict,
    Writes,
    strictly_equal,
)
from rollback_drills.evidence.run import (
    RunbookFacts,
    RunEvidence,
    RuntimeFacts,
    TargetFacts,
)

VERDICTS: tuple[Verdict, ...] = ("passed", "failed", "error", "skipped", "incomplete", "not run")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.0, 1.0, 2.5]) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=8,
)


def drill(verdict: Verdict = "passed", **changes: object) -> DrillEvidence:
    return DrillEvidence.model_validate(
        {
            "id": "d",
            "title": "t",
            "runbook": "scenario-a",
            "summary": "",
            "verdict": verdict,
            "started_at": "2026-11-22T10:00:00.000+00:00",
            "seconds": 2.0,
            "target_seconds": 1.5,
            **changes,
        }
    )


def run(*drills: DrillEvidence, interrupted: str = "") -> RunEvidence:
    return RunEvidence(
        run="r",
        started_at="",
        finished_at="",
        seconds=1,
        target_seconds=1,
        setup_seconds=0,
        workers=1,
        interrupted=interrupted,
        versions={},
        host={},
        drills=drills,
        target=TargetFacts(
            name="n", file="f", sha256="", current="2", previous="1", integrations=1, objectives={"feature_flag": 1.0}
        ),
        runtime=RuntimeFacts(name="embedded", reason=""),
        runbook=RunbookFacts(title="", file="", sha256="", sections={}, checklist={}),
    )


@pytest.mark.parametrize("interrupted", ["", "Ctrl-C"])
def test_a_run_is_as_good_as_its_worst_drill(interrupted: str):
    for mix in itertools.chain.from_iterable(itertools.combinations_with_replacement(VERDICTS, n) for n in range(4)):
        expected: Verdict = "incomplete" if interrupted else "passed" if "passed" in mix else "skipped"
        expected = "incomplete" if "not run" in mix else expected
        for worse in ("incomplete", "error", "failed"):
            expected = worse if worse in mix else expected
        assert run(*map(drill, mix), interrupted=interrupted).verdict == expected, mix


@pytest.mark.parametrize(
    ("objective", "seconds", "met"),
    [
        (None, 5.0, None),
        (None, None, None),
        (10.0, 9.9, True),
        (10.0, 10.0, True),
        (10.0, 10.1, False),
        (10.0, None, False),
    ],
)
def test_an_objective_is_met_by_a_recovery_in_time(objective: float | None, seconds: float | None, met: bool | None):
    assert Recovery(objective="x", objective_seconds=objective, started=0, seconds=seconds).met is met


def test_harness_time_is_the_rest_and_never_negative():
    assert drill().harness_seconds == 0.5
    assert drill(target_seconds=3.0).harness_seconds == 0
    assert Step(number=1, title="", outcome="passed", at=0, seconds=1, target_seconds=2).harness_seconds == 0


@given(JSON, JSON)
def test_evidence_comes_back_from_json_as_it_was(expected: object, observed: object):
    check = Check(title="t", expected=expected, observed=observed, passed=False, at=0.5)
    step = Step(number=1, title="s", outcome="failed", at=0.1, seconds=1, target_seconds=0.5, checks=(check,))
    finding = Finding(
        code="false-green", severity="critical", title="t", detail="d", why="w", remedy="r", at=1, data=observed
    )
    evidence = drill(
        "failed",
        steps=(step,),
        findings=(finding,),
        facts={"f": expected},
        recovery=Recovery(objective=None, objective_seconds=None, started=0, seconds=None),
        writes=Writes(acknowledged=2, lost=("a",), rpo_seconds=0.5),
    )
    assert DrillEvidence.from_json(evidence.model_dump_json()) == evidence
    assert RunEvidence.model_validate_json(run(evidence).model_dump_json()) == run(evidence)


def test_evidence_is_frozen_and_strict():
    with pytest.raises(ValidationError, match="frozen"):
        drill().title = "x"
    with pytest.raises(ValidationError, match="Extra inputs"):
        drill(unknown=1)
    with pytest.raises(ValidationError):
        drill("brilliant")  # type: ignore[arg-type]


@given(JSON, JSON)
def test_same_is_equality_of_json(one: object, other: object):
    def canonical(value: object) -> str:
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        if isinstance(value, list):
            return "[" + ",".join(map(canonical, value)) + "]"
        if isinstance(value, dict):
            return "{" + ",".join(f"{json.dumps(key)}:{canonical(value[key])}" for key in sorted(value)) + "}"
        return json.dumps(value)

    assert strictly_equal(one, one)
    assert strictly_equal(one, other) == (canonical(one) == canonical(other))


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (0, False), ([1], [True]), ({"a": {"b": 0}}, {"a": {"b": False}})]
)
def test_true_is_not_one(one: object, other: object):
    assert not strictly_equal(one, other)
    assert not strictly_equal(other, one)
