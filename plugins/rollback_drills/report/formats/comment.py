"""A comment on a pull request: short, and found again by its marker, so that the next run updates it in place."""

from __future__ import annotations

from collections.abc import Iterator

from rollback_drills.report.formats.markdown import code, escape, title_line
from rollback_drills.report.text import one_line
from rollback_drills.report.views.causes import first_sentence
from rollback_drills.report.views.limits import SUMMARY
from rollback_drills.report.views.report import Report, Reports

MARKER = "<!-- rollback-drills: {} -->"
"""The first line of the comment, with the target's name: who posts it edits the comment that begins so."""
_MOST = 5


def render_comment(reports: Reports) -> str:
    """The comment on a run, in Markdown."""
    return "\n".join(_lines(reports.within(SUMMARY))) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield MARKER.format(escape(report.target).replace("--", "- -"))
    yield title_line(report, level=3)
    yield ""
    if report.since is not None:
        yield escape(report.since.sentence)
        yield ""
    for cause in report.causes[:_MOST]:
        yield (
            f"{cause.number}. **{escape(cause.title)}** ({code(cause.code)}): {escape(one_line(cause.what, 200))} "
            f"Do: {escape(first_sentence(cause.do))}"
        )
    if len(report.causes) > _MOST:
        yield f"{_MOST + 1}. {len(report.causes) - _MOST} more in incident.html"
    if report.causes:
        yield ""
    yield f"<details><summary>{escape(report.when)}, run {escape(report.run)}</summary>"
    yield ""
    for note in report.headline.notes:
        yield f"- {escape(note)}"
    yield ""
    yield "</details>"
