"""A run that ends early says what it has left out, however it ended."""

from __future__ import annotations

import pytest
from support.drill_project import Project, verdicts

EARLY = """
import pytest

drilled = pytest.mark.drill("A drill", runbook="quick-flags")

@drilled
def test_1(drill):
    with drill.step("Look"):
        pass

@drilled
def test_2(drill):
    with drill.step("Look"):
        drill.check("it holds", 1, expected=2)

@drilled
def test_3(drill):
    "Never reached."

@drilled
def test_4(drill):
    "Never reached."
"""


@pytest.mark.parametrize("how", [["-x"], ["--maxfail=1", "-n", "1"]], ids=["one process", "a worker"])
def test_what_an_early_end_leaves_out(project: Project, how: list[str]) -> None:
    project.write(EARLY)
    result = project.run(*how)
    assert result.ret in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
    run = project.evidence()
    assert run.interrupted == "stopping after 1 failures"
    not_run = ("not run", "stopping after 1 failures")
    assert {name: verdict[0] for name, verdict in verdicts(run).items()} == {
        "test_1": "passed",
        "test_2": "failed",
        "test_3": "not run",
        "test_4": "not run",
    }
    assert verdicts(run)["test_3"] == verdicts(run)["test_4"] == not_run
    result.stdout.fnmatch_lines(["1 of 4 drills passed, 1 failed and 2 not begun."])
    assert "Not run because" in (project.run_directory / "incident.html").read_text()


def test_no_drill_left_after_selection(project: Project) -> None:
    project.write(EARLY)
    result = project.run_here("-k", "nothing")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert not project.reports.exists()
    result.stdout.no_fnmatch_line("*html report*")


CRASH = """
import os
import pytest

@pytest.mark.drill("Crashes", runbook="quick-flags")
def test_crash(drill):
    with drill.step("Before"):
        pass
    with drill.step("The end"):
        os._exit(9)

@pytest.mark.drill("Goes on", runbook="quick-flags")
def test_other(drill):
    with drill.step("Look"):
        pass
"""


@pytest.mark.slow
def test_crash_of_a_worker(project: Project) -> None:
    project.write(CRASH)
    result = project.run("-n", "2")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    drills = project.drills()
    assert drills["test_other"].verdict == "passed"
    crashed = drills["test_crash"]
    assert (crashed.verdict, crashed.reason) == (
        "incomplete",
        "the process that performed the drill ended before the drill did",
    )
    assert [step.title for step in crashed.steps] == ["Before"]
    assert project.evidence().interrupted == "a worker ended early: Not properly terminated"
    project.assert_nothing_left()


def test_crash_of_the_only_process(project: Project) -> None:
    project.write(CRASH)
    assert project.run().ret == 9
    (journal,) = project.reports.glob("*/journal/main.jsonl")
    assert "Before" in journal.read_text()


@pytest.mark.parametrize("signal", ["pytest.exit('terminated (SIGTERM)', returncode=143)", "raise KeyboardInterrupt"])
def test_an_error_that_a_signal_has_caused_does_not_keep_the_run_from_ending(project: Project, signal: str) -> None:
    project.write(
        f"""
import pytest

@pytest.mark.drill("Interrupted", runbook="quick-flags")
def test_interrupted(drill):
    with drill.step("Wait"):
        try:
            {signal}
        finally:
            raise RuntimeError("release unlocked lock")

@pytest.mark.drill("Never begun", runbook="quick-flags")
def test_never_begun(drill):
    raise AssertionError("the run goes on")
"""
    )
    result = project.run()
    assert result.ret in (143, pytest.ExitCode.INTERRUPTED)
    ended = {each.id.rpartition("::")[2]: each.verdict for each in project.evidence().drills}
    assert ended["test_interrupted"] == "incomplete"
    assert ended.get("test_never_begun", "not run") == "not run"
