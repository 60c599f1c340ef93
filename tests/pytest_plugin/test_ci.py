"""What a CI service reads: JUnit properties, the job summary; and what the terminal says of former runs."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from support.drill_project import Project

from rollback_drills.report.filing.manifest import verify
from rollback_drills.report.formats.job_summary import MAX_SUMMARY_BYTES

DRILLS = """
import pytest
from rollback_drills.evidence.model import Writes

@pytest.mark.drill("Good", runbook="quick-application", objective="application_rollback")
def test_good(drill):
    with drill.step("Roll back"), drill.recovery():
        drill.check("it holds", 1, expected=1)
    drill.writes(Writes(acknowledged=7, lost=("a", "b")))

@pytest.mark.drill("Bad", runbook="quick-database")
def test_bad(drill):
    with drill.step("Look"):
        drill.check("rows", 1, expected=2, finding="rows-lost")

@pytest.mark.drill("Missing", runbook="quick-flags", requires="compose")
def test_missing(drill):
    pass

def test_no_drill(record_property):
    record_property("own", "kept")
"""


def properties(file: Path) -> dict[str, dict[str, str]]:
    """Of each test case, by its name."""
    return {
        str(case.get("name")): {str(each.get("name")): str(each.get("value")) for each in case.iter("property")}
        for case in ElementTree.parse(file).iter("testcase")
    }


UNMEASURED = """
import pytest

@pytest.mark.drill("Unmeasured", runbook="quick-flags")
def test_unmeasured(drill):
    with drill.step("Look"):
        drill.check("it is there", True)
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_junit_properties(workers: str, project: Project) -> None:
    project.write(DRILLS)
    project.run("-n", workers, "--junitxml=junit.xml", "-o", "junit_family=xunit1")
    found = properties(project.path / "junit.xml")
    good = found["test_good"]
    assert float(good.pop("drill_recovery_seconds")) >= 0
    assert good == {
        "drill_verdict": "passed",
        "drill_recovery_objective_seconds": "120",
        "drill_acknowledged_writes": "7",
        "drill_lost_writes": "2",
        "drill_findings": "",
    }
    assert found["test_bad"] == {"drill_verdict": "failed", "drill_findings": "rows-lost"}
    assert found["test_missing"]["drill_verdict"] == "skipped"
    assert found["test_no_drill"] == {"own": "kept"}


def test_the_job_summary_is_appended(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = project.path / "summary.md"
    summary.write_text("# Before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    project.write(DRILLS)
    project.run_here()
    text = summary.read_text()
    assert text.startswith("# Before\n# ❌ Can ")
    assert text.rstrip() == "# Before\n" + (project.run_directory / "incident.md").read_text().rstrip()


@pytest.mark.parametrize("room", [0, 40, 600])
def test_the_job_summary_stays_under_its_limit(room: int, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = project.path / "summary.md"
    before = "x" * (MAX_SUMMARY_BYTES - room)
    summary.write_text(before)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    project.write(DRILLS)
    project.run_here()
    text = summary.read_text()
    assert len(text.encode()) <= MAX_SUMMARY_BYTES
    added = text.removeprefix(before)
    assert (
        added == "" if room < 100 else added.endswith("…the rest is in incident.html, among the files of this run.\n")
    )


def test_a_job_summary_that_cannot_be_written_is_told_and_fails_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "nowhere" / "summary.md"))
    project.write(DRILLS)
    done = project.run_here("-k", "good")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["the job summary *summary.md cannot be written: No such file or directory"])
    assert verify(project.run_directory).changes == ()


def test_former_runs_are_in_the_terminal_and_in_the_document(project: Project) -> None:
    project.write(DRILLS)
    alone = project.run("-k", "good", "-p", "no:xdist")
    assert alone.ret == 0
    alone.stdout.no_fnmatch_line("Since *")
    project.write(DRILLS.replace('"rows", 1', '"rows", 2'))
    done = project.run("-k", "good or bad", "-p", "no:xdist")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["Since *: 1 section the same, 1 new, 1 drill new."])
    first, second = project.runs()
    page = (second / "incident.html").read_text()
    assert first.name in page
    assert "1 section the same, 1 new, 1 drill new." in page
    assert verify(second).notes == ("the chain of manifests is unbroken over 1 earlier run",)
    assert len((project.reports / "history.jsonl").read_text().splitlines()) == 2


def test_former_runs_that_measured_nothing_are_compared_by_their_verdicts_alone(project: Project) -> None:
    project.write(UNMEASURED)
    for _ in range(2):
        done = project.run("-p", "no:xdist")
        done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["Since *: 1 section the same."])
    done.stdout.no_fnmatch_line("Every recovery *")
