"""A drill without pytest: its steps, checks, findings and verdicts."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support.lone_drill import SECRET, Clock, result

from rollback_drills.core.errors import (
    DrillError,
    DrillTimeoutError,
)
from rollback_drills.core.redaction import MASK
from rollback_drills.drill.drill import Drill
from rollback_drills.drill.plan import (
    CheckFailedError,
)
from rollback_drills.evidence.journal import Journal, read_journals
from rollback_drills.evidence.model import Writes
from rollback_drills.migrations.reversibility.proof import Interruption, Lock, Proof
from rollback_drills.migrations.reversibility.snapshots import Loss

# --- steps ---------------------------------------------------------------------------------------------


def test_steps_are_numbered_and_timed(drill: Drill, clock: Clock):
    with drill:
        with drill.step("first", checklist="stop-service"):
            clock.now += 2
            clock.target_seconds += 1.5
        clock.now += 1
        with drill.step("second"):
            clock.now += 0.25
    first, second = drill.evidence().steps
    assert (first.number, first.title, first.checklist, first.outcome) == (1, "first", "stop-service", "passed")
    assert (first.at, first.seconds, first.target_seconds, first.harness_seconds) == (0, 2, 1.5, 0.5)
    assert (second.number, second.at, second.seconds) == (2, 3, 0.25)
    evidence = drill.evidence()
    assert (evidence.verdict, evidence.reason, evidence.seconds, evidence.target_seconds) == ("passed", "", 3.25, 1.5)


def test_a_step_within_a_step_is_refused(drill: Drill):
    with (
        pytest.raises(DrillError, match="'inner' begins inside the step 'outer'"),
        drill.step("outer"),
        drill.step("inner"),
    ):
        pass


def test_an_unknown_section_or_checklist_item_is_refused(make: Any):
    with pytest.raises(DrillError, match="scenario-b"):
        make(plan={"runbook": "scenario-z"})
    with pytest.raises(DrillError, match="stop-service"), make().step("x", checklist="stop"):
        pass


def test_a_mistake_in_the_drill_is_an_error_and_not_a_failure(drill: Drill):
    with pytest.raises(KeyError), drill, drill.step("x"):
        raise KeyError("oops")
    evidence = drill.evidence()
    assert (evidence.verdict, evidence.steps[0].outcome, evidence.steps[0].error) == ("error", "error", "'oops'")


def test_a_failed_assert_is_a_failure(drill: Drill):
    with pytest.raises(AssertionError), drill, drill.step("x"):
        raise AssertionError("first line\nsecond")
    evidence = drill.evidence()
    assert (evidence.verdict, evidence.reason, evidence.steps[0].outcome) == ("failed", "first line", "failed")


def test_time_runs_out_at_a_step(make: Any, clock: Clock):
    drill = make(timeout=10.0)
    with pytest.raises(DrillTimeoutError, match="10 s were used up before the step 'late'"), drill:  # noqa: PT012 - the drill is the statement
        with drill.step("long"):
            clock.now += 11
        with drill.step("late"):
            pass
    assert drill.evidence().verdict == "error"
    assert [step.title for step in drill.evidence().steps] == ["long"]


def test_progress_and_journal_hear_of_every_step(make: Any, tmp_path: Path):
    heard: list[tuple[str, str]] = []
    journal = Journal(tmp_path / "j.jsonl")
    with make(journal=journal, on_step=lambda plan, step: heard.append((plan.title, step.title))) as drill:
        with drill.step("one"):
            assert read_journals([tmp_path / "j.jsonl"])[0].verdict == "incomplete"
        with drill.step("two"):
            assert [step.title for step in read_journals([tmp_path / "j.jsonl"])[0].steps] == ["one"]
    journal.close()
    assert heard == [("t", "one"), ("t", "two")]
    assert read_journals([tmp_path / "j.jsonl"]) == [drill.evidence()]


# --- checks and findings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "observed", "passes"),
    [
        (True, True, True),
        (1, 1, True),
        (1, True, False),
        (True, 1, False),
        (0, False, False),
        (None, False, False),
        (None, None, True),
        ("1", 1, False),
        ([], {}, False),
        ([1], [True], False),
        ({"a": [0]}, {"a": [False]}, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({}, {"a": 1}, False),
        ("", None, False),
        ([1, 2], [2, 1], False),
    ],
)
def test_a_check_compares_as_json_does(drill: Drill, expected: Any, observed: Any, passes: bool):
    with drill.step("s"):
        if passes:
            assert drill.check("c", observed, expected=expected)
        else:
            with pytest.raises(CheckFailedError, match="c: expected"):
                drill.check("c", observed, expected=expected)
    (check,) = drill.evidence().steps[0].checks
    assert (check.title, check.expected, check.observed, check.passed) == ("c", expected, observed, passes)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([(9000, None)], [[9000, None]]),
        ({2, 1}, [1, 2]),
        (Decimal("1.50"), "1.50"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (Path("a/b"), "a/b"),
        (1j, "1j"),
    ],
)
def test_what_a_database_answers_can_be_checked(drill: Drill, value: Any, expected: Any):
    with drill.step("s"):
        assert drill.check("c", value, expected=value)
        drill.observe("o", value)
        with pytest.raises(CheckFailedError, match="c: expected"):
            drill.check("c", value, expected="another")
    step = drill.evidence().steps[0]
    assert [each.observed for each in step.checks] == [expected, expected]
    assert step.observations[0].value == expected


def test_a_failed_check_fails_step_and_drill_with_its_finding(drill: Drill):
    with (
        pytest.raises(CheckFailedError, match=r"\[flag-ignored\] off: expected 503, observed 200"),
        drill,
        drill.step("s"),
    ):
        drill.check("off", 200, expected=503, finding="flag-ignored")
    evidence = drill.evidence()
    (finding,) = evidence.findings
    assert (finding.code, finding.step, finding.severity) == ("flag-ignored", "s", "critical")
    assert finding.remedy
    assert evidence.verdict == evidence.steps[0].outcome == "failed"
    assert evidence.reason.startswith("[flag-ignored]")


def test_a_finding_that_does_not_exist_is_a_mistake_even_while_the_check_passes(drill: Drill):
    with drill.step("s"), pytest.raises(DrillError, match="flag-ignored"):
        drill.check("c", True, finding="flag-ignorred")


def test_checks_together_are_all_made(drill: Drill):
    with pytest.raises(CheckFailedError) as caught, drill, drill.step("s"):  # noqa: PT012 - the drill is the statement
        with drill.together():
            assert not drill.check("a", 1, expected=2)
            with drill.together():
                drill.check("b", 1, expected=1)
                drill.check("c", 1, expected=3, finding="false-green")
            assert not drill.check("d", 1, expected=4)
        pytest.fail("the block should have failed")
    assert str(caught.value).count("expected") == 3
    assert [check.passed for check in drill.evidence().steps[0].checks] == [False, True, False, False]


def test_after_a_block_that_broke_checks_fail_at_once_again(drill: Drill):
    with drill.step("s"):
        with pytest.raises(KeyError), drill.together():  # noqa: PT012 - the drill is the statement
            drill.check("a", 1, expected=2)
            raise KeyError
        with pytest.raises(CheckFailedError):
            drill.check("b", 1, expected=2)


def test_a_drill_that_goes_on_after_a_finding_has_failed(drill: Drill):
    with pytest.raises(CheckFailedError, match=r"\[false-green\] exits 0"), drill, drill.step("s"):
        drill.find("false-green", "exits 0", {"exit_code": 0})
    assert drill.evidence().verdict == "failed"
    assert drill.evidence().findings[0].data == {"exit_code": 0}


@pytest.mark.parametrize("record", [lambda d: d.check("c", 1), lambda d: d.observe("o", 1)])
def test_what_belongs_to_a_step_is_refused_outside(drill: Drill, record: Any):
    with pytest.raises(DrillError, match="outside a step"):
        record(drill)


def test_commands_outside_steps_are_not_recorded(drill: Drill):
    drill.command(result("x"))
    assert drill.evidence().steps == ()


# --- verdicts ------------------------------------------------------------------------------------------


def test_a_skipped_drill_proves_nothing_and_says_why(drill: Drill):
    evidence = drill.skip(f"no flags; password={SECRET}")
    assert (evidence.verdict, evidence.reason) == ("skipped", f"no flags; password={MASK}")


def test_a_later_error_replaces_the_verdict(drill: Drill):
    with drill:
        pass
    assert drill.evidence().verdict == "passed"
    assert drill.conclude(RuntimeError("the gateway did not stop")).verdict == "error"
    assert drill.evidence().reason == "the gateway did not stop"
    assert drill.conclude(RuntimeError(), reason="after the drill").reason == "after the drill"
    assert drill.conclude(RuntimeError()).reason == "RuntimeError"


def test_an_interrupted_drill_has_not_passed(drill: Drill):
    with pytest.raises(KeyboardInterrupt), drill, drill.step("s"):
        raise KeyboardInterrupt
    assert drill.evidence().verdict == "error"


def test_writes_and_facts_are_recorded(drill: Drill):
    drill.fact("revisions", {"before": "0012"})
    drill.writes(Writes(acknowledged=5, lost=("x",), expected_lost=1, rpo_seconds=2.5))
    evidence = drill.evidence()
    assert evidence.facts == {"revisions": {"before": "0012"}}
    assert (evidence.writes.acknowledged, evidence.writes.lost, evidence.writes.rpo_seconds) == (5, ("x",), 2.5)


def test_what_is_not_proven_is_a_field_and_no_fact(drill: Drill):
    drill.not_proven("The error rate: the target has none.")
    drill.measured_for("several drills, which judge it")
    evidence = drill.evidence()
    assert evidence.gaps == ("The error rate: the target has none.",)
    assert evidence.measured_for == "several drills, which judge it"
    assert evidence.facts == {}


def test_a_proof_of_a_revision_is_recorded_whole(drill: Drill):
    proof = Proof(
        "0002",
        ("0001",),
        verdict="lossy",
        losses=[Loss("t", "c", 2, "after", "x")],
        locks=[Lock("t", "AccessExclusiveLock", "ALTER TABLE t", 3, "rewrite", 1.5)],
        interruptions=[Interruption("upgrade", 1, True, "ALTER TABLE t", ("table t",), "upgrade")],
        reordered={"t": (("a", "b"), ("b", "a"))},
        schema=["index i is missing"],
    )
    proof.find("loss-undeclared", "2 rows")
    drill.revision(proof.to_json())
    (recorded,) = drill.evidence().revisions
    assert recorded.model_dump(mode="json") == proof.to_json()
    assert (recorded.verdict, recorded.findings, recorded.locks[0].blocks) == (
        "lossy",
        ("loss-undeclared",),
        "reads and writes",
    )


@pytest.mark.parametrize("changes", [{"verdict": None}, {"no_such_field": 1}, {"losses": [{"table": "t"}]}])
def test_a_proof_that_is_misspelt_is_refused(drill: Drill, changes: dict[str, Any]):
    with pytest.raises(ValidationError):
        drill.revision({"revision": "0002", "verdict": "lossless"} | changes)
