"""Procedures as lists of steps, so that they can be interrupted anywhere and performed again; and the accidents."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass

import psycopg

from rollback_drills import postgres
from rollback_drills.clients.answers import matches
from rollback_drills.core.errors import DrillError
from rollback_drills.core.polling import poll_until
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.runtimes.protocols import CommandResult

KillWhen = Callable[[], bool] | None
Reached = Callable[[], postgres.BackendSession | None]
ACCIDENTS = ("whoever performs it is killed", "its connection is cut", "PostgreSQL is killed")
STARTING = "the gateway that starts is killed"
_GATE = 7_267_003  # an advisory lock that nothing else takes in a database of this run


class Stopped(Exception):
    """A step did not do what it is there for."""


@dataclass(frozen=True, slots=True)
class Action:
    """One step of a procedure.

    ``held``: holds the step's command in its middle while open. What it gives is asked until the command has got there.
    ``cut``: performs the step and lets `STARTING` happen in its middle; whether it got there. A step with neither has
    no middle.
    """

    title: str
    perform: Callable[[KillWhen], None]
    held: Callable[[], AbstractContextManager[Reached]] | None = None
    cut: Callable[[], bool] | None = None

    def accidents(self, held: Sequence[str] = ACCIDENTS) -> Sequence[str]:
        """What can happen in its middle; ``held``: what of it where its command can be held."""
        return [*(held if self.held is not None else ()), *([STARTING] if self.cut is not None else [])]


@dataclass(slots=True)
class Procedure:
    """What the runbook says, on one stack: its steps, and the problems that are left when they are done."""

    stack: Stack
    actions: Sequence[Action]
    problems: Callable[[], list[str]]

    def perform(self) -> list[str]:
        """From the top; what is not as it has to be at the end, or why it stopped."""
        for action in self.actions:
            try:
                action.perform(None)
            except (Stopped, DrillError) as error:
                return [f"{action.title!r} stops: {error}", self.where()]
        return self.problems()

    def perform_until(self, index: int) -> None:
        """The first ``index`` steps, undisturbed."""
        for action in self.actions[:index]:
            action.perform(None)

    def suffer(self, index: int, accident: str) -> bool:
        """Begin step ``index`` and let the accident happen in its middle; whether it got there in time."""
        action = self.actions[index]
        if action.cut is not None and accident == STARTING:
            return action.cut()
        assert action.held is not None
        with action.held() as reached:
            happened = False

            def strike() -> bool:
                nonlocal happened
                if happened or not (session := reached()):
                    return False
                happened = True
                return self._strike(accident, session)

            with suppress(Stopped, DrillError, psycopg.Error):  # of course it does not succeed
                action.perform(strike)
        return happened

    def _strike(self, accident: str, session: postgres.BackendSession) -> bool:
        """Whether the command has to be killed for it."""
        if accident == ACCIDENTS[0]:
            return True
        if accident == ACCIDENTS[1]:
            with postgres.connect(self.stack.server.admin_url) as admin:
                postgres.terminate(admin, session.pid)
        else:
            postgres.crash(self.stack.server.admin_url)
        return False

    def where(self) -> str:
        """Where things are, for whoever takes over."""
        gateway = self.stack.gateway
        serves = f"release {gateway.release} runs" if gateway.running else "no gateway runs"
        return f"revision {self.stack.database.revision()}, {serves}"


def killed_while_it_starts(stack: Stack, release: str) -> bool:
    """Deploy, and kill the gateway before it serves; whether it was before.

    That is when it has said something, has connected to its database, or had half of the time that it took before.
    """
    gateway, begun = stack.gateway, 0.0
    gateway.stop()  # whatever runs from here on is the new one

    with ThreadPoolExecutor(1) as pool:
        deploying = pool.submit(gateway.deploy, release)

        def under_way() -> bool:
            nonlocal begun
            if not gateway.running:
                return False
            begun = begun or time.monotonic()
            with stack.database.connect() as connection:
                connected = bool(postgres.sessions(connection))
            return connected or bool(gateway.logs()) or time.monotonic() - begun > stack.started_in / 2

        try:
            timeout = stack.target.gateway.ready_timeout
            poll_until(lambda: deploying.done() or under_way(), what=f"release {release} to begin", timeout=timeout)
        finally:
            gateway.kill()
        try:
            return not deploying.result().started
        except DrillError:  # it was hit while the command that starts it was under way
            return True


@contextmanager
def held_migration(stack: Stack) -> Iterator[Reached]:
    """Holds alembic at the end of its first revision: its statements are done, its version is not written."""
    with holder_of(stack.database) as holder:
        holder.execute(b"BEGIN")
        for table in postgres.version_tables(holder):
            holder.execute(f"LOCK TABLE {table} IN SHARE MODE".encode())
        yield waiting_for(holder, stack.database)


@contextmanager
def held_restore(fresh: LiveDatabase) -> Iterator[Reached]:
    """Holds a restore at its first constraint or index: the rows are there, what keeps them right is not."""
    with holder_of(fresh) as holder:
        holder.execute(
            f"""CREATE FUNCTION drill_gate() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
                    IF current_query() ~* 'ADD CONSTRAINT|CREATE (UNIQUE )?INDEX' THEN
                        PERFORM pg_advisory_xact_lock_shared({_GATE});
                    END IF;
                END $$""".encode()
        )
        holder.execute(b"CREATE EVENT TRIGGER drill_gate ON ddl_command_end EXECUTE FUNCTION drill_gate()")
        holder.execute(f"SELECT pg_advisory_lock({_GATE})".encode())
        yield waiting_for(holder, fresh)


@contextmanager
def holder_of(database: LiveDatabase) -> Iterator[postgres.Connection]:
    """A session that holds something until the end, or until the server is killed under it."""
    holder = postgres.connect(database.admin_url)
    try:
        yield holder
    finally:
        holder.close()


def waiting_for(holder: postgres.Connection, database: LiveDatabase) -> Reached:
    """Which session waits for what the holder has."""
    mine = holder.info.backend_pid

    def waiting() -> postgres.BackendSession | None:
        with database.connect() as connection:
            found = postgres.blocked(connection, database.name)
        return next((session for session in found if mine in session.blocked_by), None)

    return waiting


def must_succeed(what: str, result: CommandResult) -> None:
    if not result.ok:
        raise Stopped(f"{what} exits {result.exit_code}: {result.output[-600:].strip()}")


def release_serves(stack: Stack, release: str) -> list[str]:
    """What is wrong with a release that should serve; empty: nothing."""
    client, problems = stack.client, []
    if not stack.becomes_healthy():
        problems.append(f"it is not healthy: {client.health().brief()}")
    if (version := client.version()) != stack.target.version_of(release):
        problems.append(f"it reports version {version}")
    problems += [
        f"{request}: {observed}"
        for request, (expected, observed) in client.behaviour(release).items()
        if expected != observed
    ]
    probe = stack.target.write_probe
    if probe is not None and not matches(probe, answer := client.write_probe()):
        problems.append(f"the write probe is answered {answer.brief()}")
    delivered = [client.deliver(name) for name in stack.target.integrations_of(release)]
    problems += [f"{each.integration} answers {each.answer.brief()}" for each in delivered if not each.acknowledged]
    kept = [each.id for each in delivered if each.acknowledged]
    if lost := set(kept) - stack.stored(kept):
        problems.append(f"{len(lost)} acknowledged deliveries are not stored")
    return problems


def database_is_at(stack: Stack, lab: Lab, revision: str) -> list[str]:
    """What distinguishes the database from one that was only ever upgraded to there; empty: nothing."""
    found = stack.database.revision()
    if found != revision:
        return [f"the revision is {found} instead of {revision}"]
    reference = lab.only_upgraded_to(revision)
    problems = reference.schema.diff(stack.database.schema()).lines()
    if reference.rows is not None and not problems:
        lost = reference.rows.missing_from(stack.database.rows())
        problems = [*problems, *(f"{count} rows of {table} are gone or altered" for table, count in lost.items())]
    return list(problems)
