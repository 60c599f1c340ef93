"""The seed: about a table without rows, drills prove nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

from rollback_drills.cli.doctor.diagnosis import Diagnosis
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.postgres import SchemaFingerprint
from rollback_drills.report.text import count


def examine_rows(lab: Lab, title: str) -> Iterator[Diagnosis]:
    """The number of rows after the seed, and the tables without any that the migrations between the releases change."""
    before, rows = _found(lab, lab.target.previous)
    after, _ = _found(lab, lab.target.current)
    yield Diagnosis(title, "ok", f"{count(sum(rows.values()), 'row')} in {count(len(rows), 'table')}")
    empty = sorted(name for name in _changed(before, after) if rows.get(name) == 0)
    if empty:
        detail = f"{', '.join(empty)}: no rows after the seed, so nothing is proven about their data"
        yield Diagnosis("rows", "note", detail, "add some in the files of database.seed, or with database.seed_command")


def touched_rows(lab: Lab, stack: Stack, release: str) -> Iterator[Diagnosis]:
    """The columns of seeded rows that the doctor's own deliveries have changed."""
    found = sorted(lab.watch_traffic(stack))
    if found:
        volatile = json.dumps([*lab.target.database.volatile, *sorted(lab.touched)], ensure_ascii=False)
        detail = f"deliveries change {', '.join(found)} in rows of the seed, as last_seen or a counter: not compared"
        yield Diagnosis(f"{release}: touched rows", "note", detail, f"under [database], set volatile = {volatile}")


def _found(lab: Lab, release: str) -> tuple[SchemaFingerprint, dict[str, int]]:
    """A release's schema, and the rows per table; one stack at a time, since Compose has one database."""
    stack = lab.stack(release)
    try:
        return stack.database.schema(), {name: each.rows for name, each in stack.database.data().tables.items()}
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
