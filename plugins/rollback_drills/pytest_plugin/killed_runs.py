"""Removes what killed runs have left, and says which of them have no report."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rollback_drills.core.errors import DrillError
from rollback_drills.evidence.journal import read_journals
from rollback_drills.pytest_plugin.keys import JOURNALS
from rollback_drills.runtimes.workspace.removal import sweep


def remove_left_overs(reports: Path, run: str) -> list[str]:
    """Remove what killed runs have left.

    Returns:
        one line per workspace that was removed, and one per other run than ``run`` that has no report.

    Raises:
        pytest.UsageError: the temporary directory is not safe to use.
    """
    try:
        swept = sweep()
    except DrillError as error:
        raise pytest.UsageError(str(error)) from None
    lines = [each.message for each in swept]
    for killed in dict.fromkeys(each.run for each in swept if each.run != run):
        lines += _unreported(reports / killed, killed)
    return lines


def _unreported(directory: Path, run: str) -> list[str]:
    """What there is of a run that was killed before it wrote its report."""
    from rollback_drills.report.filing.filing import EVIDENCE  # imports the renderers, which workers do not need

    files = sorted((directory / JOURNALS).glob("*.jsonl"))
    if not files or (directory / EVIDENCE).exists():
        return []
    drills = read_journals(files)
    ended = sum(drill.verdict != "incomplete" for drill in drills)
    return [
        f"the killed run {run} has no report: of the {len(drills)} drills that it began, {ended} had ended, and the "
        f"others are incomplete; their records are in {os.path.relpath(directory / JOURNALS)}"
    ]
