"""What the walk stands on: databases of its own, and walkers that migrate them."""

from __future__ import annotations

from typing import Protocol

import psycopg

from rollback_drills import postgres
from rollback_drills.errors import StackError
from rollback_drills.migrations.walker import Walker


class Ground(Protocol):
    """Implemented once for a target's release, and once for a bare alembic.ini."""

    def create(self, template: str | None = None) -> str:
        """A new database, empty or a copy of ``template``; its name."""

    def url(self, database: str) -> str:
        """libpq URL of a superuser."""

    def walker(self, database: str) -> Walker:
        """A walker whose migrations run on ``database``, under the account that production uses."""

    def drop(self, database: str) -> None: ...


def lay_baseline(url: str, sql: str) -> None:
    """Run the SQL that makes what is there before the first revision.

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
