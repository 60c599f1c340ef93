"""What a walk found, in Markdown short enough for a comment on a pull request (``--drill-markdown``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from rollback_drills.core.errors import TargetError

if TYPE_CHECKING:
    from rollback_drills.evidence.model import DrillEvidence, Finding
    from rollback_drills.evidence.run import RunEvidence

MOST: Final = 10  # findings
_MAX_DETAIL: Final = 240  # characters
_ORDER: Final = ("critical", "major", "minor", "info")
_DRILL: Final = "test_reversibility"
_TONES: Final = {"passed": "✅", "failed": "❌", "unknown": "⚠️"}


def add_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    group.addoption(
        "--drill-markdown",
        metavar="FILE",
        help="write what is found in migrations as Markdown, short enough for a comment on a pull request",
    )


def write_markdown(config: pytest.Config, run: RunEvidence, nothing_new: str) -> None:
    """Write the file of ``--drill-markdown``; nothing without the option.

    Args:
        nothing_new: why there is nothing to prove; empty if there is.

    Raises:
        TargetError: the file cannot be written.
    """
    named = config.getoption("drill_markdown")
    if not named:
        return
    file = Path(config.invocation_params.dir, named)
    try:
        file.write_text(markdown_of(run, nothing_new), encoding="utf-8")
    except OSError as error:
        fix = "name a file in an existing directory"
        raise TargetError(f"{file} cannot be written: {error.strerror}", fix=fix) from None


def markdown_of(run: RunEvidence, nothing_new: str = "") -> str:
    """What ``run`` found in migrations; its title never says more than the answer of the document does."""
    walk = run.model_copy(update={"drills": tuple(drill for drill in run.drills if _DRILL in drill.id)})
    return "\n".join(_lines(walk, nothing_new)) + "\n"


def _lines(run: RunEvidence, nothing_new: str) -> Iterator[str]:
    from rollback_drills.report.formats.markdown import escape
    from rollback_drills.report.text import count

    drills = run.drills
    every = [(drill, finding) for drill in drills for finding in drill.findings]
    failing = sorted((each for each in every if each[1].fails), key=lambda each: _ORDER.index(each[1].severity))
    proven = Counter(each.verdict for drill in drills for each in drill.revisions)
    yield f"### {_title(run, failing, nothing_new)}"
    yield ""
    if proven:
        classes = ", ".join(f"{number} {verdict}" for verdict, number in proven.most_common())
        yield f"{count(proven.total(), 'revision')} walked up, down and up again: {classes}."
    elif nothing_new:
        yield f"There is nothing to prove: {escape(nothing_new)}."
    if failing:
        yield ""
        yield from _table(failing)
    accepted = len(every) - len(failing)
    undeclared = sum(each.undeclared_loss for drill in drills for each in drill.revisions)
    if accepted:
        yield f"\n{count(accepted, 'finding')} accepted by the baseline or the target file."
    if undeclared:
        yield f"\n{count(undeclared, 'downgrade')} drop what the upgrade added, undeclared."
    yield from (f"\nNot proven: {escape(each[:_MAX_DETAIL])}" for each in _unproven(run)[:3])


def _unproven(run: RunEvidence) -> list[str]:
    """Why drills were not performed to their end; a drill that was skipped had nothing to prove."""
    short = {drill.reason for drill in run.drills if drill.verdict in ("error", "incomplete", "not run")}
    return sorted((short | {run.interrupted}) - {""})


def _title(run: RunEvidence, failing: Sequence[object], nothing_new: str) -> str:
    from rollback_drills.report.formats.markdown import escape
    from rollback_drills.report.text import count
    from rollback_drills.report.views.question import of_migrations

    if failing:
        return f"❌ Migrations: {count(len(failing), 'finding')}"
    if nothing_new and run.verdict in ("passed", "skipped") and not any(drill.revisions for drill in run.drills):
        return "✅ Migrations: none is new"
    answer = of_migrations(run)
    return f"{_TONES[answer.tone]} {escape(answer.ask)} {escape(answer.say)}"


def _table(failing: Sequence[tuple[DrillEvidence, Finding]]) -> Iterator[str]:
    from rollback_drills.report.formats.markdown import code, escape
    from rollback_drills.report.text import one_line

    yield "| Severity | Revision | Finding | What happens |"
    yield "|---|---|---|---|"
    for _, finding in failing[:MOST]:
        detail = one_line(finding.detail.removeprefix(f"{finding.subject}: "), _MAX_DETAIL)
        yield f"| {finding.severity} | {code(finding.subject) or '-'} | {code(finding.code)} | {escape(detail)} |"
    if len(failing) > MOST:
        yield f"\n{len(failing) - MOST} more are in the report."
