"""Migrations that fail, one for each failure mode, to be added to the target's newest release.

Their scripts change an existing table of the target that has rows: they fail as migrations fail in production, and the
target needs no preparation.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from textwrap import dedent, indent

from rollback_drills.core.errors import StackError
from rollback_drills.migrations.alembic import JOINT

REVISION = "drill_failing_migration"
LEFTOVER_COLUMN = "drill_half_done"
LEFTOVER_INDEX = "drill_half_done_index"
SLEEP_MARK = "rollback-drills waits here to be killed"


@dataclass(frozen=True, slots=True)
class FailingMigration:
    """A revision on top of ``down_revision`` whose upgrade fails.

    ``mode`` is one of `FAILURE_MODES`, ``why`` its description. ``cleanup`` is the SQL that removes what a failure
    outside a transaction leaves.
    """

    mode: str
    why: str
    down_revision: str
    script: str
    cleanup: str = ""

    @property
    def filename(self) -> str:
        return f"{REVISION}.py"


@dataclass(frozen=True, slots=True)
class _FailureMode:
    why: str
    upgrade: str
    cleanup: str = ""


_MODES = {
    "in-a-transaction": _FailureMode(
        "a statement fails half-way, inside the migration's transaction",
        """
        op.execute("ALTER TABLE {table} ADD COLUMN drill_half_done integer")
        op.execute("SELECT 1 / 0")
        """,
    ),
    "outside-a-transaction": _FailureMode(
        "an index that is built CONCURRENTLY fails after the statements before it were committed",
        """
        op.execute("ALTER TABLE {table} ADD COLUMN drill_half_done integer DEFAULT 1")
        with op.get_context().autocommit_block():
            op.execute("CREATE UNIQUE INDEX CONCURRENTLY drill_half_done_index ON {table} (drill_half_done)")
        """,
        """
        DROP INDEX CONCURRENTLY IF EXISTS drill_half_done_index;
        ALTER TABLE {table} DROP COLUMN IF EXISTS drill_half_done
        """,
    ),
    "not-null-on-data": _FailureMode(
        "a NOT NULL column without a default: works on an empty table, fails on rows",
        """
        op.execute("ALTER TABLE {table} ADD COLUMN drill_half_done integer NOT NULL")
        """,
    ),
    "unique-on-data": _FailureMode(
        "a UNIQUE constraint that the rows do not satisfy",
        """
        op.execute("ALTER TABLE {table} ADD COLUMN drill_half_done integer DEFAULT 1")
        op.execute("ALTER TABLE {table} ADD CONSTRAINT drill_half_done_unique UNIQUE (drill_half_done)")
        """,
    ),
    "on-a-lock": _FailureMode(
        "a transaction that was left open holds a lock on the table",
        """
        op.execute("ALTER TABLE {table} ADD COLUMN drill_half_done integer")
        """,
    ),
    "killed-half-way": _FailureMode(
        "the migration is killed half-way",
        f"""
        op.execute("ALTER TABLE {{table}} ADD COLUMN drill_half_done integer")
        op.execute("SELECT pg_sleep(600) /* {SLEEP_MARK} */")
        """,
    ),
}

FAILURE_MODES = tuple(_MODES)
"""The failure modes of a migration that scenario B drills."""


def down_revision_in_python(revision: str) -> str:
    """The revision as Python source; several heads make the new revision a merge."""
    several = tuple(revision.split(JOINT))
    return repr(None if revision == "base" else several if len(several) > 1 else revision)


def failing_migration(mode: str, *, table: str, down_revision: str) -> FailingMigration:
    """The revision that fails in one of `FAILURE_MODES`.

    Args:
        table: a quoted, schema-qualified table with at least two rows.

    Raises:
        StackError: ``mode`` is not one of `FAILURE_MODES`.
    """
    if mode not in _MODES:
        raise StackError(f"{mode!r} is not a failure mode", fix=f"use one of {', '.join(FAILURE_MODES)}")
    recipe = _MODES[mode]
    # The name becomes part of a Python string literal, and op.execute() reads ":name" as a parameter unless the colon
    # is escaped (sqlalchemy.text, "escaping").
    in_literal = json.dumps(table.replace(":", "\\:"))[1:-1]
    body = indent(dedent(recipe.upgrade).strip().format(table=in_literal), "    ")
    script = "\n".join(
        [
            f'"""Planted by the drill: {recipe.why}."""',
            "from alembic import op",
            "",
            f"revision = {REVISION!r}",
            f"down_revision = {down_revision_in_python(down_revision)}",
            "branch_labels = depends_on = None",
            "",
            "",
            "def upgrade():",
            body,
            "",
            "",
            "def downgrade():",
            f'    op.execute("ALTER TABLE {in_literal} DROP COLUMN drill_half_done")',
            "",
        ]
    )
    return FailingMigration(mode, recipe.why, down_revision, script, dedent(recipe.cleanup).strip().format(table=table))
