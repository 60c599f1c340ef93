"""The lab of one worker: a started runtime, database templates, and a new stack for every drill.

A drill's database is a clone of a template, so drills are independent and may run in any order. The templates are made
once: the previous release's schema with the seed's rows, and the same upgraded to the current release.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

import psycopg

from rollback_drills import postgres
from rollback_drills.clients.gateway import GatewayClient
from rollback_drills.clients.traffic import Sender, StackClients
from rollback_drills.core.errors import StackError
from rollback_drills.core.meter import Meter
from rollback_drills.lab.backup import Backups
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.lab.stack import Stack
from rollback_drills.migrations import Alembic, Histories, remedy_in
from rollback_drills.postgres import RowSet, SchemaFingerprint
from rollback_drills.runtimes.protocols import (
    CommandLog,
    ReleaseCommand,
    Runtime,
)
from rollback_drills.target.target import Target

ROLE = "gateway"


@dataclass(frozen=True, slots=True)
class ReferenceDatabase:
    """The schema and the seed's rows of a database that was only ever upgraded to a revision.

    ``rows`` is None below the previous release's head, where the seed is not valid.
    """

    schema: SchemaFingerprint
    rows: RowSet | None


class Lab:
    """Makes the stacks of one worker.

    Args:
        run: the marker of this run's databases.
        sender: sends the load of each drill; None: no client traffic.
    """

    def __init__(self, target: Target, runtime: Runtime, meter: Meter, run: str, sender: Sender | None = None) -> None:
        self.target, self.runtime, self.meter, self._run, self._sender = target, runtime, meter, run, sender
        self.role_password = secrets.token_urlsafe(24)
        self._numbers = count(1)
        self._histories: Histories = {}
        self._references: dict[str, ReferenceDatabase] = {}
        self._templates: dict[str, LiveDatabase] = {}
        self._seed_rows: RowSet | None = None
        self._under_preparation: LiveDatabase | None = None
        self._commands = runtime.commands(CommandLog(), self._url_under_preparation)
        self._alembic = Alembic(self._commands, target, self._histories)

    def start(self) -> None:
        """Start the runtime, and create the gateway's role and the templates.

        Raises:
            StackError: something did not start, or a migration or the seed failed.
        """
        self.runtime.start()
        self.prepare()

    def prepare(self) -> None:
        """Create the gateway's role and the templates, on a runtime that was started.

        Raises:
            StackError: a migration or the seed failed.
        """
        if self.runtime.account is None:
            with postgres.connect(self.runtime.server.admin_url) as admin:
                password = postgres.quote_literal(self.role_password)
                admin.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD {password}".encode())
        with postgres.connect(self.runtime.server.admin_url) as admin:
            postgres.prepare_server(admin, self.target.database.roles)
        previous = self._database("template_previous")
        self._create(previous)
        self._migrate(previous, self.target.previous)
        for file in self.target.database.seed:
            self._seed(previous, file)
        if self.target.database.seed_command is not None:
            self._seed_by_command(previous, self.target.database.seed_command)
        self._seed_rows = previous.rows()
        self._templates[self.target.previous] = previous
        current = previous.clone("template_current")
        self._migrate(current, self.target.current)
        self._templates[self.target.current] = current
        for release in self._templates:  # now, so that no recovery time contains it
            with suppress(StackError):  # the drill that asks for it says so
                self._alembic.history(release)

    def disconnect(self) -> None:
        """Close the lab's own connections, and leave everything running."""
        for template in self._templates.values():
            template.disconnect()

    def close(self) -> None:
        self.disconnect()
        self.runtime.close()

    @property
    def role(self) -> tuple[str, str]:
        """Name and password of the account that the gateway and its migrations use."""
        account = self.runtime.account
        return (account.role, account.password) if account is not None else (ROLE, self.role_password)

    @property
    def seed_rows(self) -> RowSet:
        """Every row of the seed at the previous release's head.

        Raises:
            StackError: the lab was not started.
        """
        if self._seed_rows is None:
            raise StackError("the lab has not been started")
        return self._seed_rows

    @property
    def seeded(self) -> str | None:
        """Name of the template at the previous release's head; None where the target has no seed."""
        return self._templates[self.target.previous].name if self.target.database.seed else None

    def stack(self, release: str | None = None) -> Stack:
        """A new stack with the seed, at the head of ``release`` (default: the current one). No gateway is started."""
        number = next(self._numbers)
        account = self.runtime.account
        name = account.database if account is not None else f"drill_{number}"
        self.runtime.server.revive()
        self._database(name).drop()  # left by a kept stack, where all stacks share one database name
        database = self._templates[release or self.target.current].clone(name)
        command_log = CommandLog()
        commands = self.runtime.commands(command_log, lambda: database.url)
        gateway = self.runtime.gateway(f"drill_{number}", lambda: database.url)
        client = GatewayClient(self.target, lambda: gateway.base_url, self.meter)
        stack = Stack(
            target=self.target,
            gateway=gateway,
            database=database,
            server=self.runtime.server,
            commands=commands,
            alembic=Alembic(commands, self.target, self._histories),
            backups=Backups(self.target, commands),
            client=client,
            clients=StackClients(self.target, client, lambda: gateway.base_url, self._sender),
            project=self.runtime.project(command_log),
            command_log=command_log,
        )
        gated = self.target.gated_of(self.target.current)
        if any(self.target.flag_default(name, each) is False for name in gated for each in self._templates):
            stack.set_flags(dict.fromkeys(gated, True))  # every drill begins with every integration enabled
        return stack

    def discard(self, stack: Stack) -> None:
        """Remove a stack's gateway and drop its database."""
        self.runtime.server.thaw()
        self.runtime.server.revive()
        stack.gateway.remove()
        stack.client.close()
        stack.database.drop()

    def only_upgraded_to(self, revision: str) -> ReferenceDatabase:
        """The reference for a downgrade to ``revision``; made once, with the current release's scripts."""
        if revision not in self._references:
            self._references[revision] = self._make_reference(revision)
        return self._references[revision]

    def _make_reference(self, revision: str) -> ReferenceDatabase:
        previous = self._templates[self.target.previous]
        if revision == previous.revision():
            return ReferenceDatabase(previous.schema(), self.seed_rows)
        pristine = self._database(f"pristine_{next(self._numbers)}")
        # The seed is valid from the previous release's head: below it there are no rows to compare.
        seeded = revision != "base" and not self._alembic.knows(self.target.previous, revision)
        if seeded:
            pristine = previous.clone(pristine.name)
        else:
            self._create(pristine)
        if revision != "base":
            self._migrate(pristine, self.target.current, revision)
        reference = ReferenceDatabase(pristine.schema(), pristine.rows() if seeded else None)
        pristine.drop()
        return reference

    def _url_under_preparation(self) -> str:
        if self._under_preparation is None:
            raise StackError("no database is being prepared")
        return self._under_preparation.url

    def _database(self, name: str) -> LiveDatabase:
        role, password = self.role
        return LiveDatabase(
            self.runtime.server.admin_url,
            name,
            role=role,
            password=password,
            run=self._run,
            volatile=self.target.database.volatile,
        )

    def _create(self, database: LiveDatabase) -> None:
        with postgres.connect(self.runtime.server.admin_url) as admin:
            postgres.create_database(admin, database.name, owner=self.role[0], marker=self._run)
        postgres.create_extensions(database.admin_url, self.target.database.extensions)

    def _migrate(self, database: LiveDatabase, release: str, revision: str = "heads") -> None:
        self._under_preparation = database
        result = self._alembic.upgrade(release, revision)
        if not result.ok:
            raise StackError(
                f"a new database cannot be upgraded to {revision} with release {release}: exit code {result.exit_code}",
                cause=result.output,
                fix=remedy_in(result.output, release)
                or f"run `{' '.join(result.argv)}` by hand, or correct [migrations] in {self.target.file}",
            )

    def _seed_by_command(self, database: LiveDatabase, command: tuple[str, ...]) -> None:
        in_release = ReleaseCommand(self.target.previous, command, database_url=database.url)
        result = self._commands.run(in_release, timeout=self.target.migrations.timeout)
        if not result.ok:
            raise StackError(
                f"the seed command fails with exit code {result.exit_code}",
                cause=result.output,
                fix=f"run `{' '.join(result.argv)}` by hand, or correct database.seed_command in {self.target.file}",
            )

    def _seed(self, database: LiveDatabase, relative: str) -> None:
        file = self.target.path(relative)
        try:
            script = file.read_bytes()
        except OSError as error:
            what = f"the seed {file} cannot be read: {error.strerror}"
            raise StackError(what, fix="correct seed under [database]") from None
        with postgres.connect(database.url) as connection:
            try:
                connection.execute(script)
            except psycopg.Error as error:
                raise StackError(f"the seed {file} fails", cause=str(error), fix="correct the file") from None
