"""What a downgrade must keep: rows, large objects and sequences, as they were in the second before it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rollback_drills.core.errors import DrillError
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.migrations.reversibility.declarations import declared
from rollback_drills.postgres import RowSet, SequenceState, without
from rollback_drills.postgres.dump import DUMP, RESTORE
from rollback_drills.runtimes.protocols import ToolCommand


@dataclass(frozen=True, slots=True)
class StateBefore:
    """The state before a downgrade, the drill's own writes included.

    ``rows`` are read over the columns that the older schema has too, without those whose values the downgrade converts.
    """

    revision: str
    rows: RowSet
    sequences: Mapping[str, SequenceState]


def take_state(stack: Stack, lab: Lab, goal: str) -> StateBefore:
    """The state of the database now, from where it is about to be downgraded to ``goal``."""
    kept = without(lab.only_upgraded_to(goal).columns, lab.converted(goal))
    database = stack.database
    return StateBefore(database.revision(), database.rows(kept), database.sequences())


def rows_lost(stack: Stack, lab: Lab, before: StateBefore) -> dict[str, int]:
    """By table, the rows that a downgrade has destroyed.

    A row that is gone or changed, and that another upgrade brings back as it was, was only converted: that is tried on
    a copy.
    """
    missing = stack.database.missing(before.rows).rows
    if not missing:
        return {}
    with lab.roles_kept(), _copied(stack) as copy:
        again = stack.alembic.upgrade(stack.target.current, before.revision, database_url=copy.url)
        if not again.ok:
            return dict(missing)
        still = copy.missing(before.rows).rows
        return {table: min(count, still[table]) for table, count in missing.items() if table in still}


def sequences_rewound(before: Mapping[str, SequenceState], now: Mapping[str, SequenceState]) -> list[str]:
    """Sequences that fell behind their column, or behind where they were; one sentence each."""
    earlier = {column: state for name, state in before.items() for column in (name, *state.columns)}
    found = []
    for name, state in now.items():
        was = next((earlier[each] for each in (*state.columns, name) if each in earlier), None)
        if state.behind and not (was is not None and was.behind):
            most = state.maximum if state.increment > 0 else state.minimum
            found.append(f"{name} continues with {state.next_value}, and {', '.join(state.columns)} has {most} already")
        elif was is not None and (state.next_value - was.next_value) * was.increment < 0:
            found.append(f"{name} continues with {state.next_value}, and would have with {was.next_value} before")
    return found


def declared_lossy(stack: Stack, before: StateBefore, goal: str, tables: Collection[str]) -> dict[str, str]:
    """The reasons of the revisions that may have lost rows of these tables, if all of them are declared lossy.

    Of the revisions that a downgrade goes back past, those may have lost a table's rows whose scripts name it; all,
    where none does, or one cannot be read. A revision is declared in its script or in the target file. Empty if one is
    not: whose rows are gone is then not told apart.
    """
    alembic, current = stack.alembic, stack.target.current
    past = alembic.at_or_below(current, before.revision) - alembic.at_or_below(current, goal)
    sources = {revision: alembic.source(current, revision) for revision in past}
    words = {revision: {*re.findall(r"\w+", source)} for revision, source in sources.items()}
    found: dict[str, str] = {}
    for table in tables:
        name = {*re.findall(r"\w+", table.partition(".")[2] or table)}
        naming = {revision for revision in past if name <= words[revision]}
        for revision in naming if naming and all(sources.values()) else past:
            declarations = declared(revision, sources[revision], stack.target.migrations)
            found[revision] = declarations.reason("lossy") or declarations.reason("irreversible")
    return found if all(found.values()) else {}


@contextmanager
def _copied(stack: Stack) -> Iterator[LiveDatabase]:
    """A copy of the database. A running gateway keeps its sessions: then it is copied by a dump."""
    if not stack.gateway.running:
        copy = stack.database.clone()
    else:
        copy = stack.database.create_empty()
        with tempfile.TemporaryDirectory() as directory:
            file, timeout = Path(directory) / "copy.sql", stack.target.backup.timeout
            for argv, database in ((DUMP, stack.database), (RESTORE, copy)):
                command = ToolCommand(argv, database.name, database.admin_url, file)
                done = stack.commands.run_tool(command, timeout=timeout)
                if not done.ok:
                    copy.drop()
                    raise DrillError("the database cannot be copied", cause=done.output, fix="see its log")
    try:
        yield copy
    finally:
        copy.drop()
