"""The lab of one worker: a started runtime, database templates, and a new stack for every drill.

A drill's database is a clone of a template, so drills are independent and may run in any order. The templates are made
once: the previous release's schema with the seed's rows, and the same upgraded to the current release.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count

import psycopg

from rollback_drills import postgres
from rollback_drills.clients.gateway import GatewayClient
from rollback_drills.clients.login import records_nothing
from rollback_drills.clients.traffic import Sender, StackClients
from rollback_drills.clients.traffic.pace import Cost, pace_of
from rollback_drills.core.errors import StackError
from rollback_drills.core.meter import Meter
from rollback_drills.lab.backup import Backups
from rollback_drills.lab.backup_trial import AccountOnTrial
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.lab.pace import learn
from rollback_drills.lab.reads import KnownReads, learn_reads
from rollback_drills.lab.stack import Stack
from rollback_drills.migrations import Alembic, Histories, remedy_in
from rollback_drills.postgres import RoleSettings, RowSet, SchemaFingerprint
from rollback_drills.runtimes.protocols import (
    CommandLog,
    ReleaseCommand,
    Runtime,
)
from rollback_drills.target.target import Target

ROLE = "gateway"


@dataclass(frozen=True, slots=True)
class ReferenceDatabase:
    """A database that was only ever upgraded to a revision.

    ``seeded`` holds the seed's rows there, and ``rows`` are those without what is volatile now; None below the previous
    release's head, where the seed is not valid.
    """

    schema: SchemaFingerprint
    columns: Mapping[str, Sequence[str]]
    seeded: LiveDatabase | None
    rows: RowSet | None = None


class Lab:
    """Makes the stacks of one worker.

    Args:
        run: the marker of this run's databases.
        sender: sends the load of each drill; None: no client traffic.
        hide: receives each token and cookie that a login gives: it must never be recorded.
    """

    def __init__(
        self,
        target: Target,
        runtime: Runtime,
        meter: Meter,
        run: str,
        sender: Sender | None = None,
        hide: Callable[[str], None] = records_nothing,
    ) -> None:
        self.target, self.runtime, self.meter, self._run, self._sender = target, runtime, meter, run, sender
        self._hide = hide
        self.pace = pace_of(target)
        self.role_password = secrets.token_urlsafe(24)
        self._numbers = count(1)
        self._histories: Histories = {}
        self._references: dict[str, ReferenceDatabase] = {}
        self._templates: dict[str, LiveDatabase] = {}
        self._role_settings: dict[str, RoleSettings] = {}
        self._own_role_settings: RoleSettings = {}
        self._volatile = set(target.database.volatile)
        self._rows: dict[tuple[str, frozenset[str]], RowSet] = {}
        self.traffic_watched = False
        self.known_reads = KnownReads()
        self._converted: dict[str, frozenset[str]] = {}
        self._under_preparation: LiveDatabase | None = None
        self._commands = runtime.commands(CommandLog(), self._url_under_preparation)
        self._alembic = Alembic(self._commands, target, self._histories)
        self._choose_account = AccountOnTrial(target, self._commands, lambda: self._templates[target.current])

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
            self._own_role_settings = postgres.role_settings(admin)
        previous = self._database("template_previous")
        self._create(previous)
        self._migrate(previous, self.target.previous)
        previous.learn_search_path()
        for file in self.target.database.seed:
            self._seed(previous, file)
        if self.target.database.seed_command is not None:
            self._seed_by_command(previous, self.target.database.seed_command)
        self._keep_template(self.target.previous, previous)
        current = previous.clone("template_current")
        self._migrate(current, self.target.current)
        current.learn_search_path()
        self._keep_template(self.target.current, current)
        self._reset_roles(self._own_role_settings)
        for release in self._templates:  # now, so that no recovery time contains it
            with suppress(StackError):  # the drill that asks for it says so
                self._alembic.history(release)

    def _keep_template(self, release: str, database: LiveDatabase) -> None:
        """Keep a template, and what its migrations set for roles: that is no part of a database, and not cloned."""
        self._templates[release] = database
        with postgres.connect(self.runtime.server.admin_url) as admin:
            self._role_settings[release] = postgres.role_settings(admin)

    @contextmanager
    def roles_kept(self) -> Iterator[None]:
        """Set back afterwards what migrations of another database set for roles, which hold in every database."""
        kept = self._reset_roles(self._role_settings[self.target.previous])
        try:
            yield
        finally:
            self._reset_roles(kept)

    def _reset_roles(self, settings: RoleSettings) -> RoleSettings:
        """Give every role these settings; those that it had."""
        with postgres.connect(self.runtime.server.admin_url) as admin:
            found = postgres.role_settings(admin)
            postgres.restore_role_settings(admin, settings)
        return found

    def learn(self) -> None:
        """Learn from healthy releases, each on its own schema, what later drills compare with."""
        if not self.target.serves:
            return
        self._learn_reads()  # before the newer release has run for the first time
        self._learn_pace()

    def _learn_reads(self) -> None:
        """What the previous release answers before any upgrade. One that does not start is for the drills to tell."""
        if not any(each.same for each in self.target.reads_of(self.target.previous)):
            return
        stack = self.stack(self.target.previous)
        try:
            stack.must_start(stack.gateway.deploy(self.target.previous))
            self.known_reads = learn_reads(stack)
        except StackError as error:
            self.known_reads = KnownReads(problem=error.what)
        finally:
            self.discard(stack)

    def _learn_pace(self) -> None:
        """Learn what both releases can take of the drills' own traffic.

        A rate that a healthy release cannot serve is lowered: otherwise the drills would judge their own load.
        """
        traffic = self.target.traffic
        if self._sender is None or not traffic.rate or not traffic.learn:
            return
        costs: list[Cost] = []
        for release in (self.target.previous, self.target.current):
            stack = self.stack(release)
            try:
                if (cost := learn(stack, release, self._sender)) is not None:
                    costs.append(cost)
            finally:
                self.discard(stack)
        self.pace = pace_of(self.target, max(costs, key=lambda cost: cost.seconds, default=None))

    def disconnect(self) -> None:
        """Close the lab's own connections, and leave everything running."""
        references = [each.seeded for each in self._references.values() if each.seeded is not None]
        for database in (*self._templates.values(), *references):
            database.disconnect()

    def close(self) -> None:
        self.disconnect()
        self.runtime.close()

    @property
    def sender(self) -> Sender | None:
        """Sends the load of each drill; None: no client traffic."""
        return self._sender

    @property
    def role(self) -> tuple[str, str]:
        """Name and password of the account that the gateway and its migrations use."""
        account = self.runtime.account
        return (account.role, account.password) if account is not None else (ROLE, self.role_password)

    @property
    def seed_rows(self) -> RowSet:
        """Every row of the seed at the previous release's head, without what is volatile now.

        Raises:
            StackError: the lab was not started.
        """
        if self.target.previous not in self._templates:
            raise StackError("the lab has not been started")
        return self._rows_of(self._templates[self.target.previous])

    def _rows_of(self, database: LiveDatabase) -> RowSet:
        """The rows of a database that nothing changes, read once for what is volatile."""
        key = (database.name, frozenset(self._volatile))
        if key not in self._rows:
            self._rows[key] = database.rows()
        return self._rows[key]

    @property
    def touched(self) -> frozenset[str]:
        """Columns and tables that were seen to change by mere traffic, beyond ``database.volatile``."""
        return frozenset(self._volatile) - frozenset(self.target.database.volatile)

    def watch_traffic(self, stack: Stack) -> frozenset[str]:
        """Find what deliveries to a healthy release change in rows that were there before; all later looks ignore it.

        Args:
            stack: as it was made, with nothing but traffic since.

        Returns:
            What was found now, as `rollback_drills.postgres.changed_columns` names it.
        """
        template = self._templates[stack.origin]
        missing = stack.database.missing(self._rows_of(template)).rows
        found = template.differing_columns(stack.database, missing) if missing else frozenset[str]()
        self._volatile |= found
        self.traffic_watched = True
        return found

    def watch_again(self, stack: Stack, deliver: Callable[[], object]) -> frozenset[str]:
        """After a rollback, find what deliveries to the previous release change in the seed's rows.

        A table whose rows differ from the seed's, and are changed once more by these deliveries, is changed by traffic.
        """
        template, database = self._templates[self.target.previous], stack.database
        missing = database.missing(self._rows_of(template)).rows
        if not missing:
            return frozenset()
        differing = template.differing_columns(database, missing)
        before = database.rows({table: template.columns()[table] for table in missing})
        deliver()
        moved = database.missing(before).rows
        found = frozenset(
            name for name in differing if any(name == each or name.startswith(f"{each}.") for each in moved)
        )
        self._volatile |= found
        return found

    def converted(self, revision: str) -> frozenset[str]:
        """What a downgrade from the current release's head to ``revision`` has to change in the seed's rows."""
        seeded = self.only_upgraded_to(revision).seeded
        if seeded is None:
            return frozenset()
        if revision not in self._converted:
            template = self._templates[self.target.current]
            missing = seeded.missing(template.rows(self.only_upgraded_to(revision).columns)).rows
            self._converted[revision] = template.differing_columns(seeded, missing) if missing else frozenset()
        return self._converted[revision]

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
        self._reset_roles(self._role_settings[release or self.target.current])
        command_log = CommandLog()
        commands = self.runtime.commands(command_log, lambda: database.url)
        gateway = self.runtime.gateway(f"drill_{number}", lambda: database.url)
        client = GatewayClient(self.target, lambda: gateway.base_url, self.meter, hide=self._hide)
        stack = Stack(
            target=self.target,
            gateway=gateway,
            database=database,
            server=self.runtime.server,
            commands=commands,
            alembic=Alembic(commands, self.target, self._histories),
            backups=Backups(self.target, commands, self._choose_account),
            client=client,
            clients=StackClients(self.target, client, lambda: gateway.base_url, self._sender, self.pace),
            project=self.runtime.project(command_log),
            command_log=command_log,
            origin=release or self.target.current,
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
        self._reset_roles(self._own_role_settings)

    def only_upgraded_to(self, revision: str) -> ReferenceDatabase:
        """The reference for a downgrade to ``revision``; made once, with the current release's scripts."""
        if revision not in self._references:
            with self.roles_kept():
                self._references[revision] = self._make_reference(revision)
        reference = self._references[revision]
        return reference if reference.seeded is None else replace(reference, rows=self._rows_of(reference.seeded))

    def _make_reference(self, revision: str) -> ReferenceDatabase:
        previous = self._templates[self.target.previous]
        if revision == previous.revision():
            return ReferenceDatabase(previous.schema(), previous.columns(), previous)
        pristine = self._database(f"pristine_{next(self._numbers)}")
        # The seed is valid from the previous release's head: below it there are no rows to compare.
        seeded = revision != "base" and not self._alembic.knows(self.target.previous, revision)
        if seeded:
            pristine = previous.clone(pristine.name)
        else:
            self._reset_roles(self._own_role_settings)
            self._create(pristine)
        if revision != "base":
            self._migrate(pristine, self.target.current, revision)
        reference = ReferenceDatabase(pristine.schema(), pristine.columns(), pristine if seeded else None)
        if not seeded:
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
            volatile=self._volatile,
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
        with postgres.connect(database.url, search_path=None) as connection:
            try:
                connection.execute(script)
            except psycopg.Error as error:
                raise StackError(f"the seed {file} fails", cause=str(error), fix="correct the file") from None
