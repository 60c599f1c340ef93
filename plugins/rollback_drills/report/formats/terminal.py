"""The summary at the end of a run, for a terminal of 80 columns and a reader who just woke up."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from rollback_drills.report.text import NOT_MEASURED, cut, enumerate_words, one_line, visible
from rollback_drills.report.views.limits import SUMMARY
from rollback_drills.report.views.problems import Problem
from rollback_drills.report.views.report import DrillView, Report, Reports
from rollback_drills.report.views.summary import Row

Line = tuple[str, str]
"""Text, and the marks of pytest's terminal writer to write it with: ``"red bold"``, ``"green"``, or nothing."""

_STYLES = {"passed": "green", "failed": "red", "unknown": "yellow"}
_SEVERITIES = {
    "critical": "red bold",
    "unclassified": "red bold",
    "major": "yellow bold",
    "minor": "bold",
    "accepted": "yellow",
    "info": "",
}
_MOST = 12
_TRENDS = 20


def terminal_lines(reports: Reports, page: Path | str, *, width: int = 80) -> list[Line]:
    """The summary of a run: one line per drill, findings and remedies, the verdict, the path of the document.

    Args:
        reports: the run's reports.
        page: the path of the document, shown unchanged.
        width: the longest line in columns, at least 60; only the path, which people copy, may exceed it.
    """
    view = reports.within(SUMMARY)
    lines = [*_table(view, width), *_trends(view, width), *_found(view, width), *_end(view, width)]
    return [
        *((clip(visible(text), width), style) for text, style in lines),
        (visible(f"report: {page}"), "bold"),
    ]


def _table(view: Report, width: int) -> Iterator[Line]:
    room = width - 39
    yield f"{'drill':<{room}} {'verdict':<10} {'recovery / objective':>20} {'found':>5}", "bold"
    for row in view.rows:
        if not row.anchor:
            yield f"{pad(clip(row.section, room), room)} {'not drilled':<31} {'-':>5}", "yellow"
            continue
        recovery = f"{row.recovery} / {row.objective}" if row.objective else row.recovery
        if row.recovery == NOT_MEASURED:
            recovery = "-"
        recovery = f"! {recovery}" if row.met is False else recovery
        verdict = f"{row.verdict or ''}{'*' if row.accepted else ''}"
        figures = f"{verdict:<10} {clip(recovery, 20):>20} {row.findings or '-':>5}"
        yield f"{pad(_name(row, room), room)} {figures}", _style(row)
    if any(row.accepted for row in view.rows):
        yield "* with accepted risks", "yellow"


def _style(row: Row) -> str:
    return (
        "yellow" if row.tone == "passed" and (row.findings or row.accepted or row.met is False) else _STYLES[row.tone]
    )


def _name(row: Row, room: int) -> str:
    """Title and number of cases; the title is cut if both do not fit."""
    if not row.cases:
        return clip(row.title, room)
    cases = clip(row.cases, max(12, room // 2))
    return f"{clip(row.title, room - len(cases) - 2)}, {cases}"


def _trends(view: Report, width: int) -> Iterator[Line]:
    """How the drills did in their last runs; those that measured nothing are left out."""
    told = [lines for drill in view.drills if (lines := list(_trend(drill, width - 46)))]
    if view.history_note:
        yield view.history_note, "yellow"
    if not told:
        return
    yield "", ""
    yield "last runs, the newest last", "bold"
    for lines in told[:_TRENDS]:
        yield from lines
    if len(told) > _TRENDS:
        yield f"{len(told) - _TRENDS} more drills' trends are in the report.", ""


def _trend(drill: DrillView, room: int) -> Iterator[Line]:
    """Recovery times; downtime and lost writes only if they changed."""
    trend = drill.trend
    if trend is None:
        return
    rows = trend.rows
    figures = [
        ("recovery", [row.recovery for row in rows]),
        ("downtime", [row.downtime for row in rows]),
        ("lost", [row.lost for row in rows]),
    ]
    name = drill.title
    for index, (what, values) in enumerate(figures):
        if set(values) == {NOT_MEASURED} or (index and len(set(values)) == 1):
            continue
        shown = " → ".join("-" if value == "not measured" else value for value in values[-4:])
        style = "yellow" if trend.regression and not index else ""
        yield f"{pad(clip(name, room), room)} {what:<8} {shown}", style
        name = ""


def _found(view: Report, width: int) -> Iterator[Line]:
    for problem in view.problems[:_MOST]:
        yield "", ""
        yield from _problem(problem, width)
    if len(view.problems) > _MOST:
        yield "", ""
        yield f"{len(view.problems) - _MOST} more findings are in the report.", "yellow"


def _problem(problem: Problem, width: int) -> Iterator[Line]:
    severity = "known gap" if problem.severity == "info" else problem.severity
    yield f"{problem.code} ({severity}): {problem.title}", _SEVERITIES[problem.severity]
    where = problem.where + (f" ({enumerate_words(problem.params, 4)})" if problem.params else "")
    detail = one_line(visible(problem.worst_detail), 200)
    yield from _wrapped(f"{where}: {detail}", width, "  ", "")
    if problem.accepted:
        yield from _wrapped(problem.accepted, width, "  ", "")
    elif problem.fails:
        yield from _wrapped(problem.remedy, width, "  do: ", "")


def _wrapped(text: str, width: int, lead: str, style: str) -> Iterator[Line]:
    # Wide characters take two columns each, so the wrapping allows for the widest that there is.
    widest = 2 if any(columns(character) > 1 for character in text) else 1
    lines = textwrap.wrap(" ".join(text.split()), (width - len(lead)) // widest, break_on_hyphens=False)
    for index, line in enumerate(lines):
        yield (lead if index == 0 else " " * len(lead)) + line, style


def _end(view: Report, width: int) -> Iterator[Line]:
    yield "", ""
    style = _STYLES[view.headline.tone] + " bold"
    for line in textwrap.wrap(view.headline.sentence, width):
        yield line, style
    for note in view.headline.notes:
        yield from _wrapped(cut(note, 300), width, "", "")


def clip(text: str, width: int) -> str:
    """``text`` in at most ``width`` columns, on one line."""
    text = " ".join(text.splitlines()) if "\n" in text else text
    if sum(map(columns, text)) <= width:
        return text
    kept, used = [], 0
    for character in text:
        used += columns(character)
        if used > width - 1:
            break
        kept.append(character)
    return "".join(kept).rstrip() + "…"


def pad(text: str, width: int) -> str:
    """``text`` filled up with blanks to ``width`` columns."""
    return text + " " * max(0, width - sum(map(columns, text)))


def columns(character: str) -> int:
    """How many columns of a terminal a character takes: 0 (combining), 1, or 2 (East Asian wide, emoji)."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
