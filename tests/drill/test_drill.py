"""A drill without pytest: steps, checks, findings, recovery time, and what is recorded of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rollback_drills.core.errors import (
    DrillError,
    DrillTimeoutError,
)
from rollback_drills.core.machine import MachineLoad
from rollback_drills.core.redaction import MASK, Redactor
from rollback_drills.drill.drill import Drill
from rollback_drills.drill.plan import (
    CheckFailedError,
    OverloadedError,
    Plan,
)
from rollback_drills.drill.steps import OUTPUT_LIMIT
from rollback_drills.evidence.journal import Journal, read_journals
from rollback_drills.evidence.model import DrillEvidence, Writes
from rollback_drills.migrations.reversibility.proof import Interruption, Lock, Proof
from rollback_drills.migrations.reversibility.snapshots import Loss
from rollback_drills.runtimes.protocols import CommandResult
from rollback_drills.target.target import Target

SECRET = "hunter2-and-more"


class Clock:
    """A meter whose time passes only where a test says so."""

    def __init__(self) -> None:
        self.now, self.target_seconds = 100.0, 0.0

    def elapsed(self) -> float:
        return self.now

    @contextmanager
    def recovery(self) -> Iterator[None]:
        yield


@pytest.fixture
def clock() -> Clock:
    return Clock()


def idle(*, late: float = 0.0) -> MachineLoad:
    return MachineLoad(load=0.5, cpus=2, slowdown=1.0, late=late)


def overloaded(*, late: float = 0.0) -> MachineLoad:
    return MachineLoad(load=20.0, cpus=2, slowdown=8.0, late=late)


@pytest.fixture
def make(tmp_path: Path, reference_target: Target, clock: Clock):
    def make(**options: Any) -> Drill:
        plan = {"id": "drills/test_x.py::test_y[1]", "title": "t", "runbook": "scenario-a"} | options.pop("plan", {})
        return Drill(
            Plan(**plan),
            target=reference_target,
            meter=clock,
            redactor=Redactor([SECRET]),  # type: ignore[arg-type]
            directory=tmp_path / "run",
            **{"machine": idle, **options},
        )

    return make


@pytest.fixture
def drill(make: Any) -> Drill:
    return make()


def result(output: str = "", *argv: str, code: int | None = 0, seconds: float = 0.5) -> CommandResult:
    return CommandResult(argv or ("tool",), code, output, "", seconds, "here")


def loss(**changes: Any) -> dict[str, Any]:
    return {"table": "t", "column": "c", "rows": 1, "written": "after", "example": "x", "line": "one row"} | changes


def everything_written(drill: Drill, tmp_path: Path) -> str:
    files = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    return drill.evidence().model_dump_json() + "".join(files) + " ".join(map(str, tmp_path.rglob("*")))


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


# --- recovery ------------------------------------------------------------------------------------------

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


# --- what is recorded ----------------------------------------------------------------------------------


def test_no_secret_is_recorded_anywhere(make: Any, tmp_path: Path):
    journal = Journal(tmp_path / "journal.jsonl")
    drill = make(journal=journal)
    with pytest.raises(AssertionError), drill:  # noqa: PT012 - the drill is the statement
        drill.fact("url", f"postgresql://u:{SECRET}@h/d")
        drill.not_proven(f"gap {SECRET}")
        drill.measured_for(f"drills {SECRET}")
        drill.revision({"revision": SECRET, "verdict": "lossy", "losses": [loss(example=SECRET)]})
        drill.attach(f"title {SECRET}", f"text {SECRET}", name=f"{SECRET}.txt")
        with drill.step(f"step {SECRET}"):
            drill.check(f"check {SECRET}", {SECRET: [SECRET]}, expected={SECRET: [SECRET]})
            drill.observe(f"seen {SECRET}", SECRET)
            drill.command(result(f"said {SECRET}", "tool", "--password", "abc", SECRET))
            drill.command(result(f"{SECRET}\n" * 2_000, f"tool-{SECRET}"))
            drill.find("false-green", f"detail {SECRET}", {"data": SECRET})
        with drill.step("fails"):
            raise AssertionError(f"exception {SECRET}")
    journal.close()
    written = everything_written(drill, tmp_path)
    assert SECRET not in written
    assert '"abc"' not in written
    assert written.count(MASK) > 10


def test_a_failing_check_does_not_tell_a_secret(drill: Drill):
    with drill.step("s"), pytest.raises(CheckFailedError) as caught:
        drill.check("c", SECRET, expected="x", finding="false-green")
    assert SECRET not in str(caught.value)


def test_long_output_is_cut_in_the_middle_and_kept_beside(drill: Drill, tmp_path: Path):
    output = "BEGIN" + "x" * (3 * OUTPUT_LIMIT) + "END"
    with drill.step("s"):
        drill.command(result(output, "/usr/bin/tool", seconds=0.0))
        drill.command(result("y" * OUTPUT_LIMIT))
    long, short = drill.evidence().steps[0].commands
    (artifact,) = drill.evidence().artifacts
    assert long.output.startswith("BEGIN")
    assert long.output.endswith("END")
    assert f"{len(output) - OUTPUT_LIMIT} characters left out, see {artifact.path}" in long.output
    assert len(long.output) < OUTPUT_LIMIT + 300
    assert short.output == "y" * OUTPUT_LIMIT
    content = (tmp_path / "run" / artifact.path).read_bytes()
    assert content.decode() == output
    assert (artifact.size, artifact.sha256) == (len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("name", ["a/../../b", "..", ".", "", "x" * 500 + ".log", "ü\n:*?\0", "-rf"])
def test_artifacts_stay_in_their_directory(drill: Drill, tmp_path: Path, name: str):
    path = drill.attach("t", "text", name=name)
    file = tmp_path / "run" / path
    assert file.read_text() == "text"
    assert file.resolve().parent == (tmp_path / "run" / "artifacts").resolve()


def test_artifacts_of_the_same_name_do_not_replace_each_other(make: Any, tmp_path: Path):
    drills = [make(), make()]
    paths = [drill.attach("t", text, name="log.txt") for drill, text in zip(drills * 2, "abcd", strict=True)]
    assert [(tmp_path / "run" / path).read_text() for path in paths] == list("abcd")
    assert len(set(paths)) == 4
    assert all(path.endswith(".txt") for path in paths)


def test_a_command_killed_at_its_limit_has_no_exit_code(drill: Drill):
    with drill.step("s"):
        drill.command(result("", code=None, seconds=500))
    (command,) = drill.evidence().steps[0].commands
    assert (command.exit_code, command.at, command.where) == (None, 0, "here")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(value=ANYTHING, text=st.text(st.characters(), max_size=10))
def test_whatever_is_observed_can_be_recorded(tmp_path_factory: Any, reference_target: Any, value: Any, text: str):
    """Lone surrogates, NaN and infinities come out of broken gateways, and JSON has none of them."""
    drill = Drill(
        Plan("d", "t", "scenario-a"),
        target=reference_target,
        meter=Clock(),
        redactor=Redactor(),  # type: ignore[arg-type]
        directory=tmp_path_factory.getbasetemp() / "anything",
    )
    with drill.step(f"s{text}"):
        drill.observe(text, value)
        drill.find("false-green", text, value)
        drill.command(result(text, "tool", text))
        drill.fact(text, value)
        try:
            drill.check(text, value, expected="something else", detail=text)
        except CheckFailedError as failure:
            str(failure).encode()
    drill.attach(text, text, name=text)
    written = drill.evidence().model_dump_json()
    json.dumps(json.loads(written), allow_nan=False).encode()
    assert DrillEvidence.from_json(written) == drill.evidence()
