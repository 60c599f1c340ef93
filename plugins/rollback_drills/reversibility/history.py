"""What is wrong with a history of migrations as a whole."""

from __future__ import annotations

from pathlib import Path

from rollback_drills.migrations.scripts import read_scripts
from rollback_drills.migrations.walker import History


def problems_of(history: History) -> list[str]:
    """Every problem, in words: what alembic says, and what reading the scripts shows besides."""
    said = [f"{Path(each.path).name}: {each.message}" if each.path else each.message for each in history.problems]
    places = {Path(each.path).parent for each in history.revisions} | {Path(place) for place in history.places}
    read = read_scripts(sorted(place for place in places if place.is_dir()))
    computed = "cannot be read without running it"
    return [*read_problems(read.problems, computed if history.revisions else ""), *said]


def read_problems(problems: tuple[str, ...], harmless: str) -> list[str]:
    """Those that are problems for alembic too, which runs what a script computes."""
    return [problem for problem in problems if not harmless or harmless not in problem]
