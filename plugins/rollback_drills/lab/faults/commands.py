"""Faults in the middle of a command: it is held at a known place, and only then the fault strikes.

A command that is not held is over, or has not begun, at almost any moment that a drill could choose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from rollback_drills import postgres
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.lab.stack import Stack

KillWhen = Callable[[], bool]
"""Asked while a command runs; once true, the command is killed (`runtimes.protocols.Commands.in_release`)."""

_GATE = 7_267_003  # an advisory lock that nothing else takes in a database of this run


class CommandFault(Protocol):
    """A fault that strikes while a command is held in its middle."""

    @property
    def title(self) -> str: ...

    def strike(self, stack: Stack, command: HeldCommand) -> None: ...


@dataclass(slots=True)
class HeldCommand:
    """A command that waits, in its middle, for a lock that a drill holds.

    Attributes:
        waiting: gives the command's session once it waits, None before.
        killed: whether the process that runs the command has to be killed.
    """

    waiting: Callable[[], postgres.BackendSession | None]
    session: postgres.BackendSession | None = field(default=None, init=False)
    killed: bool = field(default=False, init=False)

    @property
    def reached(self) -> bool:
        """Whether the command has got to its middle."""
        return self.session is not None

    def kill_when_reached(self, stack: Stack, fault: CommandFault) -> KillWhen:
        """For the runner of the command: strikes once, as soon as the middle is reached."""

        def ask() -> bool:
            if not self.reached and (session := self.waiting()) is not None:
                self.session = session
                fault.strike(stack, self)
            return self.killed

        return ask


@dataclass(frozen=True, slots=True)
class OperatorKilled:
    """The process that performs the command gets SIGKILL: a closed laptop, an evicted job."""

    title: ClassVar[str] = "the operator is killed"

    def strike(self, stack: Stack, command: HeldCommand) -> None:
        command.killed = True


@dataclass(frozen=True, slots=True)
class ConnectionCut:
    """The server ends the command's session: a network that drops connections, an administrator."""

    title: ClassVar[str] = "the connection is cut"

    def strike(self, stack: Stack, command: HeldCommand) -> None:
        assert command.session is not None
        with postgres.connect(stack.server.admin_url) as admin:
            postgres.terminate(admin, command.session.pid)


Hold = Callable[[], AbstractContextManager[HeldCommand]]


@contextmanager
def held_migration(database: LiveDatabase) -> Iterator[HeldCommand]:
    """Holds alembic at the end of its first revision: its statements are done, its version is not written."""
    with _holder_of(database) as holder:
        holder.execute(b"BEGIN")
        for table in postgres.version_tables(holder):
            holder.execute(f"LOCK TABLE {table} IN SHARE MODE".encode())
        yield _waiting_for(holder, database)


@contextmanager
def held_restore(fresh: LiveDatabase) -> Iterator[HeldCommand]:
    """Holds a restore at its first constraint or index: the rows are there, and nothing yet protects them."""
    with _holder_of(fresh) as holder:
        holder.execute(
            f"""CREATE FUNCTION drill_gate() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
                    IF current_query() ~* 'ADD CONSTRAINT|CREATE (UNIQUE )?INDEX' THEN
                        PERFORM pg_advisory_xact_lock_shared({_GATE});
                    END IF;
                END $$""".encode()
        )
        holder.execute(b"CREATE EVENT TRIGGER drill_gate ON ddl_command_end EXECUTE FUNCTION drill_gate()")
        holder.execute(f"SELECT pg_advisory_lock({_GATE})".encode())
        yield _waiting_for(holder, fresh)


@contextmanager
def _holder_of(database: LiveDatabase) -> Iterator[postgres.Connection]:
    """A session that holds locks until the block ends, or the server is killed."""
    holder = postgres.connect(database.admin_url)
    try:
        yield holder
    finally:
        holder.close()


def _waiting_for(holder: postgres.Connection, database: LiveDatabase) -> HeldCommand:
    mine = holder.info.backend_pid

    def waiting() -> postgres.BackendSession | None:
        with database.connect() as connection:
            found = postgres.blocked(connection, database.name)
        return next((session for session in found if mine in session.blocked_by), None)

    return HeldCommand(waiting)
