"""Adds a script to a release, in the directory ``migrations.versions``, and checks that alembic reads it."""

from __future__ import annotations

from textwrap import dedent

from rollback_drills.core.errors import TargetError
from rollback_drills.migrations.alembic import Alembic
from rollback_drills.migrations.failing import FailingMigration, down_revision_in_python
from rollback_drills.runtimes.protocols import Commands
from rollback_drills.target.target import Target

_PROBE = "drill_is_read"


def plant(commands: Commands, target: Target, name: str, migration: FailingMigration) -> str:
    """Derive a release from the current one, with the migration's script added; its name."""
    return _derive(commands, target, target.current, name, migration.filename, migration.script)


def require_read(alembic: Alembic, target: Target, planted: str, revision: str) -> None:
    """Check, where a planted migration did not fail, that alembic has read it at all.

    Raises:
        TargetError: alembic does not know the revision: the script is in a directory that alembic does not read.
    """
    if not alembic.knows(planted, revision):
        raise TargetError(
            f"alembic does not read the directory {target.migrations.versions!r} "
            f"(migrations.versions in {target.file})",
            cause=f"a script was added there, but release {planted} has no revision {revision}; its revisions: "
            f"{', '.join(alembic.history(planted)) or 'none'}",
            fix="correct versions under [migrations]: `rollback-drills doctor` shows where the release's scripts are",
        )


def is_read(commands: Commands, alembic: Alembic, target: Target, release: str) -> bool:
    """Whether alembic reads a script that is added to ``migrations.versions``; nothing is migrated."""
    script = dedent(f"""
        revision = {_PROBE!r}
        down_revision = {down_revision_in_python(alembic.head(release))}
        branch_labels = depends_on = None
        def upgrade(): pass
        def downgrade(): pass
        """)
    name = f"{release}-{_PROBE.replace('_', '-')}"
    return alembic.knows(_derive(commands, target, release, name, f"{_PROBE}.py", script), _PROBE)


def _derive(commands: Commands, target: Target, base: str, name: str, filename: str, script: str) -> str:
    return commands.derive_release(base, name, {f"{target.migrations.versions}/{filename}": script})
