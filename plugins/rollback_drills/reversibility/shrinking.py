"""The smallest set of rows on which a step fails, found by trying: every attempt is rolled back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection

import psycopg

from rollback_drills.migrations.walker import StepError
from rollback_drills.reversibility.bench import Bench
from rollback_drills.reversibility.rows import Row

MOST_ATTEMPTS = 60


def smallest(
    bench: Bench, direction: str, revision: str, error: StepError, names: Collection[str]
) -> dict[str, list[dict[str, str | None]]]:
    """The rows of ``names`` without which the step would not fail as it did; the others have been deleted.

    Every table is halved as long as the same error comes, then single rows are left out.
    """
    attempts = 0

    def still_fails() -> bool:
        nonlocal attempts
        attempts += 1
        step = bench.walker.upgrade if direction == "upgrade" else bench.walker.downgrade
        again = step(revision, attempt=True).error
        return again is not None and (again.sqlstate, again.type) == (error.sqlstate, error.type)

    found: dict[str, list[dict[str, str | None]]] = {}
    for name in sorted(names):
        if name not in bench.tables or bench.tables[name].partitioned:
            continue
        held = list(bench.remember([name])[name].rows)
        size = len(held)
        while size and attempts < MOST_ATTEMPTS:
            held = _without_chunks(bench, name, held, size, still_fails)
            size = min(size // 2, len(held)) if size > 1 else 0
        if held:
            columns = bench.rows_columns(name)
            found[name] = [dict(zip(columns, row, strict=True)) for row in held]
    return found


def _without_chunks(bench: Bench, name: str, held: list[Row], size: int, still_fails: Callable[[], bool]) -> list[Row]:
    kept: list[Row] = []
    rest = held
    while rest:
        chunk, rest = rest[:size], rest[size:]
        try:
            bench.delete_rows(name, chunk)
        except psycopg.Error:
            kept += chunk
            continue
        if not still_fails():
            kept += chunk
            with contextlib.suppress(psycopg.Error):  # a constraint that is NOT VALID lets nothing like it in again
                bench.insert_rows(name, chunk)
    return kept
