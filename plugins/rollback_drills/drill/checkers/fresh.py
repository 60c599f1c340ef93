"""A backup is of the moment at which it was taken, and not of an earlier one."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from rollback_drills.core.errors import StackError
from rollback_drills.drill.checkers.judge import Judge
from rollback_drills.lab.backup import Manifest
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.lab.stack import copies
from rollback_drills.postgres import DataFingerprint
from rollback_drills.target.target import Target

REMEDY: Final = "Let the dump command write a new file each time, and watch the age of its newest row, not of the file."
OLD: Final = timedelta(hours=1)  # no drill lasts as long: a row that much older was there before the drill


def check_fresh(
    judge: Judge, target: Target, manifest: Manifest, fresh: LiveDatabase, *, acknowledged: Collection[str]
) -> bool:
    """The restored database is not an earlier one: a dump command may hand out the file of its first run, or last
    night's.

    It is an earlier one if none of the deliveries from before the backup is in it, or its newest row is much older than
    the newest row that was backed up, although its tables have rows. A restore that loses some rows is another defect
    (`check_restored`).

    Args:
        acknowledged: ids of deliveries that were acknowledged before the backup was taken.
    """
    newest = fresh.newest_row()
    judge.observe("newest row", newest.isoformat(timespec="milliseconds") if newest is not None else None)
    missing = bool(acknowledged) and not _held(fresh, target, acknowledged)
    age = manifest.newest - newest if manifest.newest is not None and newest is not None else timedelta(0)
    old = age >= OLD
    stale = (missing or old) and _has_rows(manifest.data, fresh.data())
    reasons = [f"none of the {len(acknowledged)} deliveries that were acknowledged before it is in it"] * missing
    reasons += [f"its newest row is {_hours(age)} older than that of the database"] * old
    return judge.check(
        "the backup is of the moment at which it was taken",
        "of an earlier moment" if stale else "it is",
        expected="it is",
        finding="backup-unusable",
        detail=f"the backup is stale, that is, of an earlier moment: {'; '.join(reasons)}",
        remedy=REMEDY,
    )


def _held(fresh: LiveDatabase, target: Target, ids: Collection[str]) -> bool:
    """Whether any of the deliveries is in the database; also true where it cannot be asked: its schema differs."""
    try:
        return bool(copies(fresh, target, sorted(ids)))
    except StackError:
        return True


def _has_rows(before: DataFingerprint, after: DataFingerprint) -> bool:
    """Whether a table that differs has rows nonetheless; a dump without a table's rows is not an earlier one."""
    return any(diff.rows_after for diff in before.diff(after).tables)


def _hours(age: timedelta) -> str:
    hours = int(age.total_seconds() // 3600)
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"
