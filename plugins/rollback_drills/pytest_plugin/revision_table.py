"""The table of revisions at the end of a run in the terminal: what a rollback past each of them means."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from typing import Final

import pytest

from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.formats.card_lines import Line
from rollback_drills.report.formats.columns import hanging, width_of
from rollback_drills.report.formats.columns import row as in_columns
from rollback_drills.report.text import visible
from rollback_drills.report.views.limits import Limits
from rollback_drills.report.views.revisions import RevisionRow, revision_rows

MOST: Final = 20  # revisions without -v
_HEAD: Final = ("revision", "class", "time", "findings", "loss", "lock")
_UNREACHED: Final = ("revision-unproven",)
_EVERY: Final = Limits(rows=100_000)
_STYLES: Final = {"failed": "red", "unknown": "yellow", "passed": ""}


def write_revisions(reporter: pytest.TerminalReporter, run: RunEvidence) -> None:
    """Write the table, as wide as the terminal."""
    verbose = reporter.config.get_verbosity() > 0
    for text, style in revision_lines(run, verbose=verbose, width=max(80, shutil.get_terminal_size((80, 24)).columns)):
        reporter.write_line(visible(text), **dict.fromkeys(style.split(), True))


def revision_lines(run: RunEvidence, *, verbose: bool, width: int = 100) -> Iterator[Line]:
    """The lines of the table; none if no revision was proven.

    It has the revisions with a finding, a loss, a lock or another verdict than lossless; with ``verbose``, all.

    Args:
        width: columns that no line exceeds.
    """
    rows, _ = revision_rows(run, _EVERY)
    if not rows:
        return
    notable = [row for row in rows if row.findings or row.losses or row.locks or row.verdict != "lossless"]
    out_of_reach = [row for row in notable if row.findings == _UNREACHED][1:]  # one of them tells why
    notable = [row for row in notable if row not in out_of_reach]
    notable.sort(key=lambda row: not row.findings)  # what is found must not be pushed out by what is only noted
    shown: Sequence[RevisionRow] = rows if verbose else notable[:MOST]
    if shown:
        yield "", ""
        yield from _table(shown, width)
    yield f"{_summary(rows)}{_left_out(len(rows), len(shown), len(notable))}", ""
    undeclared = [each.revision for drill in run.drills for each in drill.revisions if each.undeclared_loss]
    if undeclared:
        yield _note(undeclared), ""


def _table(shown: Sequence[RevisionRow], width: int) -> Iterator[Line]:
    """One line for each revision; what it loses and locks beside it where all fit, and below it otherwise."""
    whole = [_HEAD, *((*_cells(each), _loss(each), _lock(each)) for each in shown)]
    sizes = [max(width_of(cells[place]) for cells in whole) for place in range(len(_HEAD))]
    below = sum(sizes) + len(sizes) - 1 > width
    if below:
        sizes = sizes[:4]
        sizes[3] = width - sum(sizes[:3]) - 3
    yield from ((line, "bold") for line in in_columns(_HEAD[: len(sizes)], sizes, gap=1))
    for each, cells in zip(shown, whole[1:], strict=True):
        style = _STYLES[each.tone]
        yield from ((line, style) for line in in_columns(cells[: len(sizes)], sizes, gap=1))
        for label, text in (("loses", _loss(each)), ("locks", _lock(each))) if below else ():
            if text != "-":
                yield from ((line, "") for line in hanging(text, width, f"    {label} "))


def _cells(row: RevisionRow) -> tuple[str, ...]:
    return row.revision, row.verdict, row.up or "-", ", ".join(row.findings) or "-"


def _loss(row: RevisionRow) -> str:
    more = f" (+{len(row.destroys) - 1})" if len(row.destroys) > 1 else ""
    return row.destroys[0] + more if row.destroys else "-"


def _lock(row: RevisionRow) -> str:
    return row.locks[0] if row.locks else "-"


def _summary(rows: Sequence[RevisionRow]) -> str:
    classes: dict[str, int] = {}
    for row in rows:
        classes[row.verdict] = classes.get(row.verdict, 0) + 1
    counted = ", ".join(f"{count} {name}" for name, count in sorted(classes.items(), key=lambda each: -each[1]))
    findings = sum(bool(row.findings) for row in rows)
    return f"{len(rows)} revision{'s' if len(rows) != 1 else ''}: {counted}; {findings} with findings"


def _note(revisions: Sequence[str]) -> str:
    count = len(revisions)
    some = ", ".join(revisions[:3]) + (f" and {count - 3} more" if count > 3 else "")
    return (
        f"note: {count} downgrade{'s drop' if count != 1 else ' drops'} what the upgrade added, with what was written"
        f" to it, undeclared ({some}); --drill-strict-loss makes that a finding"
    )


def _left_out(every: int, shown: int, notable: int) -> str:
    if shown == every:
        return ""
    return (
        f"; {notable - shown} more notable ones, and all others, with -v" if notable > shown else "; the others with -v"
    )
