"""Alembic as a drill needs it: its own command in the tree of a release, failing migrations, and remedies."""

from rollback_drills.migrations.alembic import JOINT, Alembic, Histories
from rollback_drills.migrations.failing import FAILURE_MODES, REVISION, FailingMigration, failing_migration
from rollback_drills.migrations.planting import is_read, plant, require_read
from rollback_drills.migrations.remedies import NO_MODULE, remedy_in

__all__ = [
    "FAILURE_MODES",
    "JOINT",
    "NO_MODULE",
    "REVISION",
    "Alembic",
    "FailingMigration",
    "Histories",
    "failing_migration",
    "is_read",
    "plant",
    "remedy_in",
    "require_read",
]
