"""A disposable copy of the system under drill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import psycopg

from rollback_drills.clients.delivery import by_query
from rollback_drills.clients.gateway import GatewayClient
from rollback_drills.clients.traffic import StackClients
from rollback_drills.core.errors import StackError
from rollback_drills.core.meter import Meter
from rollback_drills.core.polling import poll_until
from rollback_drills.lab.backup import Backups
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.migrations import Alembic
from rollback_drills.runtimes.protocols import CommandLog, Commands, DatabaseServer, Gateway, Outcome, Project
from rollback_drills.target.target import Target


@dataclass(slots=True, repr=False)
class Stack:
    """A gateway and its database, with the commands and the clients that work on them."""

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
    command_log: CommandLog = field(default_factory=CommandLog)
    started_in: float = 0.0
    """How many seconds the last start by `must_start` took."""
    origin: str = ""
    """The release at whose head the database was made, with the seed's rows."""

    def set_flags(self, states: Mapping[str, bool]) -> None:
        """Edit the flags in the configuration, which the gateway reads when it is re-created."""
        flags = self.target.flags
        if flags is None:
            raise StackError("the target has no [flags]")
        self.gateway.configure(
            {self.target.flag_variable(name): flags.on if on else flags.off for name, on in states.items()}
        )

    def unset_flags(self) -> None:
        """Remove every flag from the configuration, as in an environment that was made for another release."""
        self.gateway.configure(dict.fromkeys(map(self.target.flag_variable, self.target.gated_of(self.target.current))))

    def another_client(self) -> GatewayClient:
        """A client for another thread, whose requests the meter does not count as the target's time."""
        return GatewayClient(
            self.target, lambda: self.gateway.base_url, Meter(), self.client.delivered, self.client.hide
        )

    def becomes_healthy(self) -> bool:
        """Whether the gateway becomes healthy within ``gateway.ready_timeout``."""
        try:
            timeout = self.target.gateway.ready_timeout
            return poll_until(self.client.healthy, what="becoming healthy", timeout=timeout)
        except StackError:
            return False

    def must_start(self, outcome: Outcome) -> None:
        """Require a start that the drill does not judge.

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
        """The ids of the deliveries that are in the database."""
        return frozenset(self.copies(ids))

    def copies(self, ids: Sequence[str]) -> Counter[str]:
        """How many copies of each delivery are in the database.

        Raises:
            StackError: the target's query fails.
        """
        return copies(self.database, self.target, ids)


def copies(database: LiveDatabase, target: Target, ids: Sequence[str], *, at_once: int = 1_000) -> Counter[str]:
    """How many copies of each delivery are in a database, by queries for ``at_once`` ids each.

    Raises:
        StackError: the target's query fails.
    """
    found: Counter[str] = Counter()
    for query, asked in by_query(target, ids).items():
        for first in range(0, len(asked), at_once):
            try:
                rows = database.query(query, {"ids": asked[first : first + at_once]})
            except psycopg.Error as error:
                raise StackError(
                    "the database cannot be asked for the deliveries",
                    cause=str(error).strip(),
                    fix=f"correct stored under [delivery] or [[requests]] in {target.file}, if the tables exist",
                ) from None
            found.update(str(row[0]) for row in rows)
    return found
