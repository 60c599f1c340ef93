"""A short summary in Markdown: for the ticket, the pull request, the job summary of a CI service."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rollback_drills.report.text import one_line, visible
from rollback_drills.report.views.card import Card
from rollback_drills.report.views.limits import SUMMARY
from rollback_drills.report.views.problems import Problem
from rollback_drills.report.views.report import Report, Reports

MAX_CHARACTERS = 60_000
"""Below what the strictest of the usual services accepts in one comment (65 536)."""

_MARKS = re.compile(r"[\\`*_\[\]|~$]|^[-+#=]|(?<=^\d)[.)](?=\s|$)|(?<=^\d\d)[.)](?=\s|$)")
_TONES = {"passed": "✅", "failed": "❌", "unknown": "❔"}
_CAN = {"yes": "✅", "part": "❔", "no": "❌", "none": "❔"}


def escape(text: str) -> str:
    """``text`` as literal text on one line of Markdown, also within a table.

    Beside the marks of Markdown itself it takes the meaning from what services link or notify by: ``@name``,
    ``#123``, bare addresses.
    """
    literal = " ".join(visible(text).split())
    literal = literal.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    literal = _MARKS.sub(r"\\\g<0>", literal)
    literal = re.sub(r"(?<=[@#])(?=\w)", "<!-- -->", literal)
    return re.sub(r"(?i)\bwww\.", lambda match: match.group()[:-1] + "&#46;", literal.replace("://", "&#58;//"))


def code(text: str) -> str:
    """``text`` as a code span, on one line, fit for a table."""
    literal = " ".join(visible(text).split()).replace("|", "\\|")
    longest = max((len(ticks) for ticks in re.findall("`+", literal)), default=0)
    fence = "`" * (longest + 1)
    blank = " " if literal.startswith("`") or literal.endswith("`") else ""
    return f"{fence}{blank}{literal}{blank}{fence}" if literal else ""


def render_markdown(reports: Reports, *, max_characters: int = MAX_CHARACTERS) -> str:
    """The summary of a run, cut to ``max_characters`` with a note."""
    lines: list[str] = []
    used = 0
    note = "\n…the rest is in incident.html.\n"
    for line in _lines(reports.within(SUMMARY)):
        used += len(line) + 1
        if used > max_characters - len(note):
            return "\n".join(lines) + "\n" + note
        lines.append(line)
    return "\n".join(lines) + "\n"


def title_line(report: Report, level: int = 1) -> str:
    """The question and its answer as a heading."""
    return f"{'#' * level} {_TONES[report.answer.tone]} {escape(report.answer.ask)} {escape(report.answer.say)}"


def _lines(report: Report) -> Iterator[str]:
    yield title_line(report)
    yield ""
    what = "" if report.migrations_only else f", release {escape(report.releases)}"
    yield (
        f"**{escape(report.target)}**{what}, {escape(report.when)}, {escape(report.lasted)}, "
        f"runtime {escape(report.runtime)}, run {code(report.run)}"
    )
    yield ""
    for note in (*([report.since.sentence] if report.since else ()), *report.headline.notes):
        yield f"- {escape(note)}"
    yield ""
    if report.failures:
        yield "## To do first"
        yield ""
        for problem in report.failures[:20]:
            yield from _problem(problem)
        if len(report.failures) > 20:
            yield f"- {len(report.failures) - 20} more are in incident.html"
        yield ""
    yield from _sections(report)
    yield from _card(report.card)
    yield from _known(report)
    if not report.migrations_only:
        yield from _drills(report)
    yield from _revisions(report)
    if not report.migrations_only:
        yield from _open_items(report)
    yield "A drill on a disposable stack is evidence of the *procedure*, not of production's backups."


def _sections(report: Report) -> Iterator[str]:
    if not report.section_rows:
        return
    yield "| Section | Can we? | How long | Lost | How sure |"
    yield "|---|---|---|---|---|"
    for row in report.section_rows:
        long = " ".join(filter(None, (row.long, row.long_of)))
        lost = " ".join(filter(None, (row.lost, row.lost_of)))
        can = f"{_CAN[row.mark]} {row.can}" + (f", {row.note}" if row.note else "")
        cells = (row.title, can, long, lost, f"{row.sure}: {row.sure_why}")
        yield f"| {' | '.join(escape(cell) or '-' for cell in cells)} |"
    yield ""


def _card(card: Card | None) -> Iterator[str]:
    if card is None:
        return
    yield "## If it happens tonight"
    yield ""
    for answer in card.answers:
        way = answer.way
        if not way.works:
            yield f"- {escape(answer.symptom)}: **no way back is proven** ({escape(way.do)}: {escape(way.why)})"
            continue
        cautions = "".join(f"; but {escape(each)}" for each in way.cautions)
        yield f"- {escape(answer.symptom)}: **{escape(way.do)}**, {way.recovery}, {escape(answer.price)}{cautions}"
    for warning in card.never:
        yield f"- **Do not** {escape(warning)}"
    yield ""


def _problem(problem: Problem) -> Iterator[str]:
    params = f" ({escape(', '.join(problem.params[:6]))}{' …' if len(problem.params) > 6 else ''})"
    yield (
        f"- **{escape(problem.title)}** [{problem.severity}, {code(problem.code)}] in "
        f"{escape(problem.where)}{params if problem.params else ''}: "
        f"{escape(one_line(problem.worst_detail, 300))}"
    )
    yield f"  - Do: {escape(problem.remedy)}"


def _known(report: Report) -> Iterator[str]:
    """What was found and fails nothing."""
    if not report.known:
        return
    yield "## Accepted risks and known gaps"
    yield ""
    for problem in report.known[:20]:
        what = escape(problem.accepted) or "known gap"
        yield (
            f"- {escape(problem.title)} [{code(problem.code)}] in {escape(problem.where)}: "
            f"{escape(one_line(problem.worst_detail, 300))}; {what}"
        )
    if len(report.known) > 20:
        yield f"- {len(report.known) - 20} more are in incident.html"
    yield ""


def _drills(report: Report) -> Iterator[str]:
    """Every drill, folded."""
    yield "<details><summary>Every drill</summary>"
    yield ""
    yield "| Runbook section | Drill | Can we roll back? | Recovery / objective | Downtime | Writes lost | Findings |"
    yield "|---|---|---|---|---|---|---|"
    for row in report.rows:
        title = f"{row.title} ({row.cases})" if row.cases else row.title or "no drill was performed"
        recovery = f"{row.recovery} / {row.objective}" if row.objective else row.recovery
        missed = " ❌" if row.met is False else ""
        downtime = f"{row.downtime}{' ❌' if row.downtime_met is False else ''}"
        lost = f"{row.writes}; RPO {row.rpo}{' ❌' if row.rpo_met is False else ''}" if row.rpo else row.writes
        cells = (row.section, title, f"{row.answer}: {row.why}" if row.why else row.answer, recovery, downtime, lost)
        section, title, answer, recovery, downtime, lost = (escape(cell) or "-" for cell in cells)
        yield (
            f"| {section} | {title} | {_TONES[row.tone]} {answer} | {recovery}{missed} "
            f"| {downtime} | {lost} | {row.found or 0} |"
        )
    yield ""
    yield "</details>"
    yield ""


def _revisions(report: Report) -> Iterator[str]:
    if not report.revisions:
        return
    yield "## Every migration"
    yield ""
    yield "| Revision | Downgrade | What rolling back past it destroys | Locks against clients | Findings |"
    yield "|---|---|---|---|---|"
    for row in report.revisions:
        losses = escape("; ".join(row.losses[:2]) + (" …" if len(row.losses) > 2 else "")) or "-"
        locks = escape("; ".join(row.locks[:2]) + (" …" if len(row.locks) > 2 else "")) or "-"
        codes = ", ".join(map(code, row.findings)) or "-"
        yield f"| {escape(row.revision)} | {_TONES[row.tone]} {escape(row.verdict)} | {losses} | {locks} | {codes} |"
    if report.revisions_more:
        yield f"| {report.revisions_more} more | | | | |"
    yield ""


def _open_items(report: Report) -> Iterator[str]:
    if report.unproven:
        yield "## Not proven"
        yield ""
        for section in report.unproven:
            yield f"- {escape(section.title)}: {escape(section.why)}"
        yield ""
    by_hand = [item for item in report.checklist if item.open]
    if by_hand:
        yield "## For a person to tick"
        yield ""
        for item in by_hand:
            yield f"- [ ] {escape(item.title)}"
        yield ""
