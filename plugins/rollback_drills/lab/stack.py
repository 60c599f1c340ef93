"""A disposable copy of the system under drill, and what can be asked of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import psycopg

from rollback_drills.clients.gateway import GatewayClient
from rollback_drills.clients.traffic import StackClients
from rollback_drills.core.errors import StackError
from rollback_drills.core.meter import Meter
from rollback_drills.core.polling import poll_until
from rollback_drills.lab.backup import Backups
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.migrations import Alembic
from rollback_drills.runtimes.protocols import (
    CommandLog,
    Commands,
    DatabaseServer,
    Gateway,
    Outcome,
    Project,
)
from rollback_drills.target.target import Target


@dataclass(slots=True, repr=False)
class Stack:
    """A disposable copy of the system under drill: the gateway, its database, and everything to work on them."""

    target: Target
    gateway: Gateway
    database: LiveDatabase
    server: DatabaseServer
    commands: Commands
    alembic: Alembic
    backups: Backups
    client: GatewayClient
    clients: StackClients
    project: Project | None = None
    listeners: CommandLog = field(default_factory=CommandLog)
    started_in: float = 0.0
    """Seconds that the last start took of those that had to succeed (`must_start`)."""

    def set_flags(self, states: Mapping[str, bool]) -> None:
        """Edit the flags' configuration; the gateway notices when it is re-created."""
        flags = self.target.flags
        if flags is None:
            raise StackError("the target has no [flags]")
        self.gateway.configure(
            {self.target.flag_variable(name): flags.on if on else flags.off for name, on in states.items()}
        )

    def unset_flags(self) -> None:
        """Take every flag out of the configuration, as an environment has it that was made for another release."""
        self.gateway.configure(dict.fromkeys(map(self.target.flag_variable, self.target.gated_of(self.target.current))))

    def another_client(self) -> GatewayClient:
        """A client for another thread; its requests are not accounted for as the target's time."""
        return GatewayClient(self.target, lambda: self.gateway.base_url, Meter(), self.client.delivered)

    def becomes_healthy(self) -> bool:
        """Whether the gateway is healthy within the time in which it has to be ready."""
        try:
            timeout = self.target.gateway.ready_timeout
            return poll_until(self.client.healthy, what="becoming healthy", timeout=timeout)
        except StackError:
            return False

    def must_start(self, outcome: Outcome) -> None:
        """For starts that are no part of what is judged.

        Raises:
            StackError: the gateway did not start.
        """
        if not outcome.started:
            raise StackError(
                f"release {self.gateway.release} does not start (exit code {outcome.exit_code})",
                cause=outcome.log,
                fix=f"start it by hand as {self.target.file} says",
            )
        self.started_in = outcome.seconds

    def stored(self, ids: list[str]) -> frozenset[str]:
        """Those of these delivery ids that are in the database."""
        return frozenset(self.copies(ids))

    def copies(self, ids: Sequence[str]) -> Counter[str]:
        """How many copies of each of these deliveries are in the database.

        Raises:
            StackError: the target's query fails.
        """
        return copies(self.database, self.target, ids)


def copies(database: LiveDatabase, target: Target, ids: Sequence[str], *, at_once: int = 1_000) -> Counter[str]:
    """How many copies of each of these deliveries a database holds, asked for ``at_once`` ids at a time."""
    found: Counter[str] = Counter()
    for first in range(0, len(ids), at_once):
        try:
            rows = database.query(target.delivery.stored, {"ids": list(ids[first : first + at_once])})
        except psycopg.Error as error:
            raise StackError(
                "the database cannot be asked for the deliveries",
                cause=str(error).strip(),
                fix=f"correct stored under [delivery] in {target.file}, if the tables are there",
            ) from None
        found.update(str(row[0]) for row in rows)
    return found
