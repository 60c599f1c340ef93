"""Alembic as a drill needs it: asked and moved by its own command, in the tree of a chosen release."""

from rollback_drills.migrations.alembic import Alembic, Histories
from rollback_drills.migrations.failing import WAYS_TO_FAIL, FailingMigration, failing_migration

__all__ = ["WAYS_TO_FAIL", "Alembic", "FailingMigration", "Histories", "failing_migration"]
