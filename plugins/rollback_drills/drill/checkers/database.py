"""The database is at a revision: version, schema and rows of a database that was only ever upgraded to there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from pydantic_core import to_jsonable_python

from rollback_drills.drill.checkers.judge import Judge
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.lab.lab import ReferenceDatabase
from rollback_drills.lab.stack import Stack
from rollback_drills.postgres import RowSet, SchemaFingerprint


def check_database_at(
    judge: Judge, stack: Stack, reference: ReferenceDatabase, revision: str, *, planted: Collection[str] = ()
) -> None:
    """Judge a migration by where it led, and not by its exit code.

    Args:
        reference: a database that was only ever upgraded to the revision (`Lab.only_upgraded_to`).
        planted: keys of schema objects that the drill has added, and that no downgrade removes.
    """
    check_revision(judge, stack, revision)
    check_schema(judge, reference.schema, stack.database.schema(), planted=planted)
    if reference.rows is not None:
        check_rows(judge, reference.rows, stack.database)


def check_revision(judge: Judge, stack: Stack, revision: str, *, by_itself: bool = False) -> bool:
    """The database is at the revision.

    Args:
        by_itself: a start of the gateway is all that can have moved it.
    """
    return judge.check(
        "the revision is still the one aimed at" if by_itself else "the revision is the one aimed at",
        stack.database.revision(),
        expected=revision,
        finding="startup-migration-undoes-rollback" if by_itself else "revision-wrong",
    )


def check_schema(
    judge: Judge,
    expected: SchemaFingerprint,
    observed: SchemaFingerprint,
    *,
    title: str = "the schema is that of a database which was never upgraded further",
    finding: str = "schema-residue",
    planted: Collection[str] = (),
) -> bool:
    """Nothing is left over, missing or different.

    Args:
        finding: by what has led here: a downgrade, a restore, a clean-up.
        planted: as for `check_database_at`.
    """
    residue = expected.diff(observed)
    residue = replace(residue, left_over=tuple(entry for entry in residue.left_over if entry.key not in planted))
    return judge.check(
        title,
        to_jsonable_python(residue.to_json()) if residue else "identical",
        expected="identical",
        finding=finding,
        detail="; ".join(residue.lines()),
    )


def check_rows(judge: Judge, before: RowSet, database: LiveDatabase, *, remedy: str = "") -> None:
    """Every row of ``before`` is still there, unaltered; further rows do no harm.

    Args:
        remedy: what to do where no downgrade ran, which the catalogue's remedy is for.
    """
    missing = database.missing(before)
    for table, names in missing.incomparable.items():  # the schema check says why
        judge.observe(f"rows of {table} could not be compared", f"it no longer has {', '.join(names)}")
    there = {table: count for table, count in before.counts.items() if table not in missing.incomparable}
    judge.check(
        "every row that was there before is there, unaltered",
        {table: {"rows": rows - missing.rows.get(table, 0)} for table, rows in there.items()},
        expected={table: {"rows": rows} for table, rows in there.items()},
        finding="rows-lost",
        detail=", ".join(f"{count} of {there[table]} rows of {table}" for table, count in missing.rows.items()),
        remedy=remedy,
    )
