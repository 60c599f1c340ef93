"""The protocol of a migration environment: disposable databases, and walkers that migrate them."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import psycopg

from rollback_drills import postgres
from rollback_drills.core.errors import StackError
from rollback_drills.migrations.walker.client import Walker
from rollback_drills.runtimes.protocols import CommandResult


class MigrationEnvironment(Protocol):
    """Implemented for a target's release (`ReleaseEnvironment`) and for a bare alembic.ini."""

    @property
    def directory(self) -> Path:
        """For files that are removed with the run."""

    def create(self, template: str | None = None, *, bare: bool = False) -> str:
        """Create a database with the baseline, or a copy of ``template``; its name.

        Args:
            bare: leave the baseline out.
        """

    def url(self, database: str) -> str:
        """libpq URL of a superuser."""

    def walker(self, database: str) -> Walker:
        """A walker whose migrations run on ``database``, under the account that production uses."""

    def drop(self, database: str) -> None:
        """Drop the database and end its sessions."""

    def dump(self, database: str, file: Path) -> CommandResult:
        """Write a plain SQL backup to ``file``, with the target's own command or pg_dump."""

    def restore(self, database: str, file: Path) -> CommandResult:
        """Restore ``file`` into an empty database, with the target's own command or psql."""


def apply_baseline(url: str, sql: str) -> None:
    """Run the SQL that creates what the first revision expects.

    Raises:
        StackError: it fails.
    """
    with postgres.connect(url) as connection:
        try:
            connection.execute(sql.encode())
        except psycopg.Error as error:
            raise StackError(
                "the baseline fails", cause=str(error), fix="correct the file, plain SQL without psql's own commands"
            ) from None
