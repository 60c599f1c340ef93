"""What is wrong with a history of migrations as a whole."""

from __future__ import annotations

from pathlib import Path

from rollback_drills.migrations.scripts import read_scripts
from rollback_drills.migrations.walker.client import ScriptHistory


def problems_of(history: ScriptHistory) -> list[str]:
    """Every problem, in words: what alembic says, and what reading the scripts shows besides."""
    said = [f"{Path(each.path).name}: {each.message}" if each.path else each.message for each in history.problems]
    places = {Path(each.path).parent for each in history.revisions} | {Path(place) for place in history.places}
    read = read_scripts(sorted(place for place in places if place.is_dir()))
    computed = "cannot be read without running it"
    return [*read_problems(read.problems, computed if history.revisions else ""), *said]


def revisions_above(history: ScriptHistory, since: str | None) -> tuple[str, ...]:
    """The revisions that are neither ``since`` nor below it, oldest first; all of them where it is None.

    Raises:
        LookupError: there is no such revision, or it is a commit, which an image does not have.
    """
    ids = tuple(each.id for each in history.revisions)
    if since is None:
        return ids
    if since.startswith("git:"):
        raise LookupError(f"--drill-since {since}: the scripts are in an image; name a revision")
    matching = [each for each in ids if each == since] or [each for each in ids if each.startswith(since)]
    if len(matching) != 1:
        raise LookupError(f"--drill-since {since}: {len(matching) or 'no'} revisions begin with it")
    by_id = {each.id: each for each in history.revisions}
    below, pending = set[str](), matching
    while pending:
        each = pending.pop()
        if each not in below and each in by_id:
            below.add(each)
            pending += by_id[each].below
    return tuple(each for each in ids if each not in below)


def read_problems(problems: tuple[str, ...], harmless: str) -> list[str]:
    """Those that are problems for alembic too, which runs what a script computes."""
    return [problem for problem in problems if not harmless or harmless not in problem]
