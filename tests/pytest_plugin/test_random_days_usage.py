"""Random game days from the command line: with and without a budget, a failed day, its replay, and mistakes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.drill_project import Project

DRILLS = Path(__file__).parents[2] / "drills" / "test_random_game_days.py"


def prepare(project: Project) -> None:
    project.write("")
    package = project.path / "drills"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "test_random_game_days.py").write_bytes(DRILLS.read_bytes())


def test_without_a_budget_nothing_is_started_and_nothing_is_proven(project: Project) -> None:
    prepare(project)
    result = project.run("drills", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*no time was given to random game days: --drill-budget=SECONDS*"])
    drill = project.drills()["test_random_game_days"]
    assert (drill.verdict, len(drill.steps)) == ("skipped", 0)
    project.assert_nothing_left()


@pytest.mark.slow
def test_a_failed_day_is_shortened_performed_in_steps_and_can_be_replayed(project: Project) -> None:
    """This gateway's health is a constant, and it counts refused deliveries as stored: days fail soon."""
    prepare(project)
    result = project.run("drills", "--drill-budget", "60")
    result.assert_outcomes(failed=1)
    drill = project.drills()["test_random_game_days"]
    day = str(drill.facts["the shortest failed day, for --drill-replay"])
    assert len(day.split(",")) <= 3, day
    followed = [step.title for step in drill.steps if re.match(r"\d+ of \d+: ", step.title)]
    assert len(followed) == len(day.split(","))
    (finding,) = {finding.code for finding in drill.findings}
    result.stdout.fnmatch_lines([f"*--drill-replay={day}*"])

    project.run("drills", f"--drill-replay={day}").assert_outcomes(failed=1)
    again = project.drills(project.runs()[-1])["test_random_game_days"]
    assert {found.code for found in again.findings} == {finding}
    assert [step.title for step in again.steps][1:] == followed
    project.assert_nothing_left()


@pytest.mark.slow
def test_a_day_that_holds_passes(project: Project) -> None:
    prepare(project)
    project.run("drills", "--drill-replay=restart,deploy=1.0,deliver=jira,recreate").assert_outcomes(passed=1)
    steps = project.drills()["test_random_game_days"].steps
    assert [step.title for step in steps][1:3] == [
        "1 of 4: Restart the gateway: it keeps the environment that it was created with",
        "2 of 4: Deploy release 1.0",
    ]
    project.assert_nothing_left()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--drill-budget=-1", "*the budget for random game days is '-1.0'*"),
        ("--drill-budget=nan", "*the budget for random game days is 'nan'*"),
        ("--drill-replay=explode", "*--drill-replay: there is no operation 'explode'*"),
        ("--drill-replay=off=nobody", "*--drill-replay: 'off=nobody' names nothing*"),
    ],
)
def test_a_mistake_is_reported_before_anything_starts(project: Project, option: str, message: str) -> None:
    prepare(project)
    result = project.run("drills", option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])
    assert "Traceback" not in result.stderr.str()
    project.assert_nothing_left()
