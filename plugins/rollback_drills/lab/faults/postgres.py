"""Faults of the database server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rollback_drills import postgres
from rollback_drills.lab.faults.commands import HeldCommand
from rollback_drills.lab.stack import Stack


@dataclass(frozen=True, slots=True)
class PostgresKilled:
    """A crash: every session ends, and the server recovers from its write-ahead log."""

    title: ClassVar[str] = "PostgreSQL is killed"

    def possible(self, stack: Stack) -> bool:
        return True

    def inject(self, stack: Stack) -> None:
        """Returns when the server answers again."""
        postgres.crash(stack.server.admin_url)

    def strike(self, stack: Stack, command: HeldCommand) -> None:
        """The same, in the middle of a command (`CommandFault`)."""
        self.inject(stack)

    def heal(self, stack: Stack) -> None:
        """Start a server that did not recover."""
        stack.server.revive()


@dataclass(frozen=True, slots=True)
class PostgresFrozen:
    """The server accepts connections and never answers, as on a disk that hangs."""

    title: ClassVar[str] = "PostgreSQL is frozen"

    def possible(self, stack: Stack) -> bool:
        return True

    def inject(self, stack: Stack) -> None:
        stack.server.freeze()

    def heal(self, stack: Stack) -> None:
        stack.server.thaw()
