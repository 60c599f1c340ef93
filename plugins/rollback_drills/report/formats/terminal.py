"""The summary at the end of a run, for a terminal of 80 columns and a reader who just woke up.

The answer first, then what failed, each with what, where and what to do; then the sections and the card for the night.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rollback_drills.report.formats.card_lines import Line, tonight
from rollback_drills.report.formats.columns import clip, hanging, row, width_of, wrap
from rollback_drills.report.text import enumerate_words, one_line, visible
from rollback_drills.report.views.causes import Cause, first_sentence
from rollback_drills.report.views.limits import SUMMARY
from rollback_drills.report.views.problems import Problem
from rollback_drills.report.views.report import Report, Reports
from rollback_drills.report.views.sections import SectionRow

_STYLES = {"passed": "green", "failed": "red", "unknown": "yellow"}
_SEVERITIES = {
    "critical": "red bold",
    "unclassified": "red bold",
    "major": "yellow bold",
    "minor": "bold",
    "accepted": "yellow",
    "info": "",
}
_MARKS = {"yes": "", "part": "yellow", "no": "red", "none": "yellow"}
_HEAD = ("section", "can we?", "how long", "of", "lost", "how sure")
_MOST = 12
_KNOWN = 5
_DETAIL = 240  # characters of what a finding says; the document has all of it


def terminal_lines(reports: Reports, page: Path | str, *, width: int = 80) -> list[Line]:
    """The summary of a run: the answer, the findings with their remedies, the sections, the path of the document.

    Args:
        reports: the run's reports.
        page: the path of the document, shown unchanged.
        width: the longest line in columns, at least 60; only the path, which people copy, may exceed it.
    """
    view = reports.within(SUMMARY)
    lines = [*_answer(view, width), *_found(view, width), *_sections(view, width), *_end(view, width)]
    return [
        *((clip(visible(text), width), style) for text, style in lines),
        (visible(f"report: {page}"), "bold"),
    ]


def _answer(view: Report, width: int) -> Iterator[Line]:
    yield from ((line, "bold") for line in wrap(visible(view.answer.ask), width))
    yield from ((line, f"{_STYLES[view.answer.tone]} bold") for line in wrap(visible(view.answer.say), width))
    for note in (*([view.since.sentence] if view.since else ()), *view.headline.notes):
        yield from ((line, "") for line in wrap(visible(one_line(note, 300)), width))
    if view.history_note:
        yield from ((line, "yellow") for line in wrap(view.history_note, width))


def _found(view: Report, width: int) -> Iterator[Line]:
    for cause in view.causes[:_MOST]:
        yield "", ""
        yield from _cause(cause, width)
    if len(view.causes) > _MOST:
        yield "", ""
        yield f"{len(view.causes) - _MOST} more findings are in the report.", "yellow"
    if view.known:
        yield "", ""
    for problem in view.known[:_KNOWN]:
        yield from _known(problem, width)
    if len(view.known) > _KNOWN:
        yield f"{len(view.known) - _KNOWN} more accepted risks and known gaps are in the report.", ""


def _cause(cause: Cause, width: int) -> Iterator[Line]:
    style = _SEVERITIES[cause.severity]
    head = f"{cause.title} [{cause.severity}, {cause.code}]"
    yield from ((line, style) for line in hanging(visible(head), width, f"{cause.number:<3}"))
    more = f" (and {cause.more} more of this kind)" if cause.more else ""
    for label, text in (
        ("what", one_line(cause.what, _DETAIL) + more),
        ("where", cause.where),
        ("do", first_sentence(cause.do)),
        ("again", cause.again),
    ):
        yield from ((line, "") for line in hanging(visible(text), width, f"   {label:<7}"))


def _known(problem: Problem, width: int) -> Iterator[Line]:
    params = f" ({enumerate_words(problem.params, 4)})" if problem.params else ""
    kind = "known gap" if problem.severity == "info" else "accepted"
    text = f"{problem.title} [{problem.code}], {problem.where}{params}: {one_line(problem.worst_detail, _DETAIL)}"
    accepted = f"; {problem.accepted}" if problem.accepted else ""
    style = _SEVERITIES[problem.severity]
    yield from ((line, style) for line in hanging(visible(text + accepted), width, f"{kind:<11}"))


def _sections(view: Report, width: int) -> Iterator[Line]:
    if not view.section_rows:
        return
    yield "", ""
    sizes = _sizes(view.section_rows, width)
    yield from ((line, "bold") for line in row(_HEAD, sizes, gap=1))
    for each in view.section_rows:
        yield from ((line, _MARKS[each.mark]) for line in row(_cells(each), sizes, gap=1))


def _cells(each: SectionRow) -> tuple[str, ...]:
    label = each.label.replace("Quick rollback", "Quick").replace("Scenario", "Scen.")
    of = each.long_of.removeprefix("of ")
    lost = (
        each.lost
        if each.lost in ("", "nothing")
        else f"{each.lost} {each.lost_of}".replace(" writes of", " of").replace(" migrations of", " of")
    )
    sure = each.sure_why if each.sure == "Drilled" else _part(each) if each.sure == "In part" else "not drilled"
    name = f"{label} {each.name.lower()}" if label.startswith(("Quick", "Scen.")) else each.name
    can = each.can.upper() if each.can in ("No", "Unknown") else each.can.lower()
    return tuple(
        visible(text) or "-" for text in (name, can, each.long, "-" if of == "no objective" else of, lost, sure)
    )


def _part(each: SectionRow) -> str:
    """``in part, 3 drills``; what is missing is told below the table."""
    number = each.sure_why.partition(";")[0]
    return f"in part, {number}" if number[:1].isdigit() else "in part"


def _sizes(rows: Sequence[SectionRow], width: int) -> tuple[int, ...]:
    """The widths of the columns: those of short texts as they need, the rest shared by loss and certainty."""
    cells = [_cells(each) for each in rows]
    most = (26, 7, 10, 9)
    fixed = [min(limit, max(width_of(each[place]) for each in (_HEAD, *cells))) for place, limit in enumerate(most)]
    rest = width - sum(fixed) - len(most) - 1
    lost = min(rest * 2 // 5, max(12, *(width_of(each[4]) for each in cells)))
    return *fixed, lost, rest - lost


def _end(view: Report, width: int) -> Iterator[Line]:
    yield "", ""
    if view.card is not None:
        yield from tonight(view.card, width)
        yield "", ""
    reasons: dict[str, list[str]] = {}
    for each in view.section_rows:
        counted = each.sure == "Drilled" or each.sure_why[:1].isdigit()  # the notes above say what it lacks
        if not counted:
            reasons.setdefault(each.sure_why, []).append(each.name)
    if reasons:
        text = "; ".join(f"{enumerate_words(names, 9)}: {reason}" for reason, names in reasons.items())
        yield from ((line, "yellow") for line in hanging(visible(text), width, "not proven: "))
    by_hand = [item.title for item in view.checklist if item.open] if view.section_rows else []
    if by_hand:
        yield from ((line, "") for line in hanging(visible(enumerate_words(by_hand, 4)), width, "for people: "))
