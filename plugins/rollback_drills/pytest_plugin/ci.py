"""What a CI service reads: properties in the JUnit file, and the job summary."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollback_drills.errors import DrillError
from rollback_drills.evidence import DrillEvidence, RunEvidence
from rollback_drills.report.history import History
from rollback_drills.report.markdown import render_markdown

JOB_SUMMARY = "GITHUB_STEP_SUMMARY"
"""The variable by which a CI service names the file that it shows as the summary of a step."""

MAX_SUMMARY_BYTES = 1024 * 1024
"""What one step may write in all; the service shows none of a longer one."""

_PREFIX = "drill_"


def record_properties(item: pytest.Item, report: pytest.TestReport, evidence: DrillEvidence) -> None:
    """What a drill measured, as properties of its test: ``--junitxml`` writes them, under pytest-xdist too.

    They go into the item as well, because the JUnit file takes them from the report of the teardown.
    """
    mine = list(properties(evidence))
    for known in (item.user_properties, report.user_properties):
        known[:] = [*(entry for entry in known if not str(entry[0]).startswith(_PREFIX)), *mine]


def properties(evidence: DrillEvidence) -> Iterator[tuple[str, str]]:
    """Name and value; what was not measured has no property."""
    yield f"{_PREFIX}verdict", evidence.verdict
    recovery = evidence.recovery
    if recovery is not None:
        yield f"{_PREFIX}recovery_seconds", "never" if recovery.seconds is None else f"{recovery.seconds:g}"
        if recovery.objective_seconds is not None:
            yield f"{_PREFIX}recovery_objective_seconds", f"{recovery.objective_seconds:g}"
    if evidence.traffic is not None:
        yield f"{_PREFIX}downtime_seconds", f"{evidence.traffic.longest_downtime:g}"
    if evidence.writes is not None:
        yield f"{_PREFIX}acknowledged_writes", str(evidence.writes.acknowledged)
        yield f"{_PREFIX}lost_writes", str(evidence.writes.all_lost)
    for name, found in (
        ("findings", [each for each in evidence.findings if each.fails]),
        ("accepted_risks", evidence.accepted),
        ("known_gaps", [each for each in evidence.findings if each.severity == "info"]),
    ):
        if found or name == "findings":
            yield f"{_PREFIX}{name}", " ".join(dict.fromkeys(finding.code for finding in found))


def append_job_summary(run: RunEvidence, history: History) -> None:
    """Add the Markdown summary to the file that the CI service names, as far as it has room for it.

    Raises:
        DrillError: the file cannot be written.
    """
    name = os.environ.get(JOB_SUMMARY)
    if not name:
        return
    file = Path(name)
    try:
        there = file.stat().st_size if file.exists() else 0
        text = _fitting(run, history, MAX_SUMMARY_BYTES - there)
        with file.open("a", encoding="utf-8") as summary:
            summary.write(text)
    except OSError as error:
        raise DrillError(
            f"the job summary {file} cannot be written: {error.strerror}",
            fix=f"let {JOB_SUMMARY} name a file that can be written, or unset it",
        ) from None


def _fitting(run: RunEvidence, history: History, room: int) -> str:
    """The summary in at most ``room`` bytes of UTF-8, cut at a line with a note; empty if not even that fits."""
    text = render_markdown(run, history=history) + "\n"
    note = "\n…the rest is in incident.html, among the files of this run.\n"
    if len(text.encode()) <= room:
        return text
    kept = text.encode()[: max(0, room - len(note.encode()))].decode(errors="ignore").rpartition("\n")[0]
    return kept + note if kept else ""
