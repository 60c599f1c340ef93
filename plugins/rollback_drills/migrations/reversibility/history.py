"""Questions about a history as a whole: its problems, and the revisions above a given one."""

from __future__ import annotations

from pathlib import Path

from rollback_drills.migrations.scripts import COMPUTED, read_scripts
from rollback_drills.migrations.walker.client import ScriptHistory


def problems_of(history: ScriptHistory) -> list[str]:
    """Every problem as a sentence: alembic's own, and those that reading the scripts shows."""
    reported = [f"{Path(each.path).name}: {each.message}" if each.path else each.message for each in history.problems]
    directories = {Path(each.path).parent for each in history.revisions} | {Path(each) for each in history.places}
    read = read_scripts(sorted(each for each in directories if each.is_dir()))
    return [*read_problems(read.problems, COMPUTED if history.revisions else ""), *reported]


def revisions_above(history: ScriptHistory, since: str | None) -> tuple[str, ...]:
    """The revisions that are neither ``since`` nor below it, oldest first; all where it is None.

    Raises:
        LookupError: there is no such revision, or it names a commit, which an image does not contain.
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
    """The problems without the harmless one: what a script computes is no problem for alembic, which runs it."""
    return [problem for problem in problems if not harmless or harmless not in problem]
