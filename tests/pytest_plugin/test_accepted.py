"""Accepted risks from the target file to the exit code, the documents and what a CI service reads."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
from support.drill_project import CONFTEST, Project

DRILLS = """
import pytest

pytestmark = pytest.mark.drill("A drill", runbook="quick-flags")

@pytest.mark.parametrize("integration_name", ["one", "two"])
def test_flag(drill, integration_name):
    with drill.step("Look"):
        drill.check("it is off", False, finding="flag-ignored")
        drill.check("what comes after is looked at", True)

def test_vital(drill):
    with drill.step("Look"):
        drill.check("it starts", False, finding="release-not-serving", vital=True)
        raise AssertionError("never reached")

@pytest.fixture
def started(drill):
    with drill.step("Start"):
        drill.check("it starts", False, finding="release-not-serving", vital=True)

def test_vital_in_a_fixture(started):
    raise AssertionError("never reached")

def test_gap(drill):
    with drill.step("Look"):
        drill.note_gap("integration-without-flag", "one has none")

def test_holds(drill):
    with drill.step("Look"):
        drill.check("nothing is lost", True, finding="rows-lost")
"""
ACCEPTED = """
accepted = [
  {finding = "flag-ignored", reason = "known", owner = "team", until = 2026-12-31, subject = "one"},
  {finding = "flag-ignored", reason = "known", owner = "others", until = %s, subject = "two"},
  {finding = "release-not-serving", reason = "known", owner = "team", until = 2026-12-31},
  {finding = "rows-lost", reason = "known", owner = "team", until = 2026-12-31},
]
"""
TODAY = (
    CONFTEST
    + """
from dataclasses import replace
from datetime import date
from rollback_drills.pytest_plugin.keys import RUN

@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session):
    session.config.stash[RUN] = replace(session.config.stash[RUN], today=date(2026, 11, 23))
"""
)


def write(project: Project, until: str) -> None:
    project.write(DRILLS, conftest=TODAY)
    project.target(lambda text: ACCEPTED % until + text)


def properties_of(case: ElementTree.Element) -> dict[str | None, str | None]:
    return {each.get("name"): each.get("value") for each in case.iter("property")}


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["one process", "workers"])
def test_a_run_with_accepted_risks_only_passes(project: Project, arguments: tuple[str, ...]):
    write(project, "2026-11-23")
    result = project.run("--junitxml=junit.xml", *arguments)
    result.assert_outcomes(passed=4, skipped=2)
    assert result.ret == 0
    drills = project.drills()
    assert drills["test_flag[one]"].verdict == "passed"
    assert len(drills["test_flag[one]"].steps[0].checks) == 2
    assert drills["test_vital"].verdict == drills["test_vital_in_a_fixture"].verdict == "skipped"
    assert "the rest is not proven" in drills["test_vital"].reason
    states = [(each.finding, each.subject, each.state, each.days_left) for each in project.evidence().accepted]
    assert states == [
        ("flag-ignored", "one", "used", 38),
        ("flag-ignored", "two", "used", 0),
        ("release-not-serving", "", "used", 38),
        ("rows-lost", "", "not needed", 38),
    ]
    result.stdout.fnmatch_lines_random(
        ["*accepted risk*", "accepted *[[]flag-ignored[]]*", "*expires today*", "*not needed*"]
    )
    cases = ElementTree.parse(project.path / "junit.xml").iter("testcase")
    known = {case.get("name"): properties_of(case) for case in cases}
    assert known["test_flag[one]"]["drill_accepted_risks"] == "flag-ignored"
    assert known["test_flag[one]"]["drill_findings"] == ""
    assert known["test_gap"]["drill_known_gaps"] == "integration-without-flag"


def test_an_expired_one_fails_and_says_who_had_accepted_it(project: Project):
    write(project, "2026-11-22")
    result = project.run()
    result.assert_outcomes(passed=3, skipped=2, failed=1)
    drill = project.drills()["test_flag[two]"]
    assert drill.verdict == "failed"
    assert "accepted until 2026-11-22 by others (known), and is so no longer" in drill.reason
    assert (project.run_directory / "incident.md").read_text().count("expired 1 day ago") == 1


def test_a_run_of_a_part_does_not_call_anything_needless(project: Project):
    write(project, "2026-12-31")
    project.run("-k", "holds")
    assert {each.state for each in project.evidence().accepted} == {"not judged"}


def test_a_code_that_does_not_exist_is_a_mistake_in_the_file(project: Project):
    write(project, "2026-12-31")
    project.target(lambda text: (ACCEPTED % "2026-12-31").replace("rows-lost", "row-lost") + text)
    result = project.run()
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*accepted[[]3].finding: there is no finding with this code; the nearest are rows-l*"])
