"""A script of ours among a release's own: it is put where ``migrations.versions`` says, and alembic has to read it."""

from __future__ import annotations

from textwrap import dedent

from rollback_drills.core.errors import TargetError
from rollback_drills.migrations.alembic import Alembic
from rollback_drills.migrations.failing import FailingMigration, down_revision_in_python
from rollback_drills.runtimes.protocols import Commands
from rollback_drills.target.target import Target

_PROBE = "drill_is_read"


def plant(commands: Commands, target: Target, name: str, migration: FailingMigration) -> str:
    """A release made from the current one, with one script more."""
    return _derive(commands, target, target.current, name, migration.filename, migration.script)


def require_read(alembic: Alembic, target: Target, planted: str, revision: str) -> None:
    """To be asked where a planted migration did not fail, before the gateway is blamed for it.

    Raises:
        TargetError: alembic does not know it, since it lies where alembic does not look.
    """
    if not alembic.knows(planted, revision):
        raise TargetError(
            f"alembic does not read the directory {target.migrations.versions!r} "
            f"(migrations.versions in {target.file})",
            cause=f"a script was added there, and release {planted} has no revision {revision}; it knows "
            f"{', '.join(alembic.history(planted)) or 'none'}",
            fix="correct versions under [migrations]: `rollback-drills doctor` says where the release's scripts are",
        )


def is_read(commands: Commands, alembic: Alembic, target: Target, release: str) -> bool:
    """Whether alembic would see a script that is put where ``migrations.versions`` says; nothing is migrated."""
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
