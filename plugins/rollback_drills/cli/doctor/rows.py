"""The seed: about a table without rows, drills prove nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

from rollback_drills.cli.doctor.diagnosis import Diagnosis
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.postgres import SchemaFingerprint, SequenceState
from rollback_drills.report.text import count


def examine_rows(lab: Lab, title: str) -> Iterator[Diagnosis]:
    """The number of rows after the seed, and the tables without any that the migrations between the releases change."""
    before, rows, behind = _found(lab, lab.target.previous)
    after, _, _ = _found(lab, lab.target.current)
    yield Diagnosis(title, "ok", f"{count(sum(rows.values()), 'row')} in {count(len(rows), 'table')}")
    empty = sorted(name for name in _changed(before, after) if rows.get(name) == 0)
    if empty:
        detail = f"{', '.join(empty)}: no rows after the seed, so nothing is proven about their data"
        yield Diagnosis("rows", "note", detail, "add some in the files of database.seed, or with database.seed_command")
    if behind:
        detail = "\n".join(f"the seed leaves {name} behind {_numbered(state)}" for name, state in behind.items())
        fix = "end the seed with setval() for each of them: inserts without an id fail until then"
        yield Diagnosis("sequences", "note", detail, fix)


def touched_rows(lab: Lab, stack: Stack, release: str) -> Iterator[Diagnosis]:
    """The columns of seeded rows that the doctor's own deliveries have changed."""
    found = sorted(lab.watch_traffic(stack))
    if found:
        volatile = json.dumps([*lab.target.database.volatile, *sorted(lab.touched)], ensure_ascii=False)
        detail = f"deliveries change {', '.join(found)} in rows of the seed, as last_seen or a counter: not compared"
        yield Diagnosis(f"{release}: touched rows", "note", detail, f"under [database], set volatile = {volatile}")


def _numbered(state: SequenceState) -> str:
    highest = state.maximum if state.increment > 0 else state.minimum
    return f"{', '.join(state.columns)}: it gives {state.next_value} next, and there are rows up to {highest}"


def _found(lab: Lab, release: str) -> tuple[SchemaFingerprint, dict[str, int], dict[str, SequenceState]]:
    """A release's schema, the rows per table, and the sequences that are behind their tables.

    One stack at a time, since Compose has one database.
    """
    stack = lab.stack(release)
    try:
        rows = {name: each.rows for name, each in stack.database.data().tables.items()}
        behind = {name: state for name, state in stack.database.sequences().items() if state.behind}
        return stack.database.schema(), rows, behind
    finally:
        lab.discard(stack)


def _changed(before: SchemaFingerprint, after: SchemaFingerprint) -> set[str]:
    """The tables of ``before`` that the migrations to ``after`` alter or remove, indexes and the like included."""
    diff = before.diff(after)
    objects = [(each.key, each.definition) for each in (*diff.left_over, *diff.missing)]
    objects += [(each.key, f"{each.before}\n{each.after}") for each in diff.changed]
    return {table for table in before.column_order if any(_concerns(table, *each) for each in objects)}


def _concerns(table: str, key: str, definition: str) -> bool:
    """``column public.orders.status`` and ``index public.by_status`` (… ON public.orders …) concern public.orders."""
    name = key.partition(" ")[2]
    return name == table or name.startswith((f"{table}.", f"{table} ")) or f" ON {table} " in definition
