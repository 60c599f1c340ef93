"""The job summary: the file in which a CI step hands Markdown to its service."""

from __future__ import annotations

import os
from pathlib import Path

from rollback_drills.core.errors import DrillError
from rollback_drills.report.formats.markdown import render_markdown
from rollback_drills.report.views.report import Reports

JOB_SUMMARY = "GITHUB_STEP_SUMMARY"
"""The variable with which a CI service names the file that it shows as a step's summary."""

MAX_SUMMARY_BYTES = 1024 * 1024
"""The most that one step may write; the service shows nothing of a longer summary."""


def append_job_summary(reports: Reports) -> None:
    """Add the Markdown summary to the file that the CI service names, within its limit.

    Raises:
        DrillError: the file cannot be written.
    """
    name = os.environ.get(JOB_SUMMARY)
    if not name:
        return
    file = Path(name)
    try:
        there = file.stat().st_size if file.exists() else 0
        text = _fitting(reports, MAX_SUMMARY_BYTES - there)
        with file.open("a", encoding="utf-8") as summary:
            summary.write(text)
    except OSError as error:
        raise DrillError(
            f"the job summary {file} cannot be written: {error.strerror}",
            fix=f"let {JOB_SUMMARY} name a file that can be written, or unset it",
        ) from None


def _fitting(reports: Reports, room: int) -> str:
    """The summary in at most ``room`` bytes of UTF-8, cut at a line with a note; empty if not even that fits."""
    text = render_markdown(reports) + "\n"
    note = "\n…the rest is in incident.html, among the files of this run.\n"
    if len(text.encode()) <= room:
        return text
    kept = text.encode()[: max(0, room - len(note.encode()))].decode(errors="ignore").rpartition("\n")[0]
    return kept + note if kept else ""
