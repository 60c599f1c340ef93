"""What the walk stands on: databases of its own, and walkers that migrate them."""

from __future__ import annotations

from typing import Protocol

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
