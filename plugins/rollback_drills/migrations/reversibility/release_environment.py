"""The migration environment of a target's release: its own alembic, on databases of the lab's server."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import count
from pathlib import Path

from rollback_drills import postgres
from rollback_drills.core.errors import StackError
from rollback_drills.migrations.reversibility.environment import apply_baseline
from rollback_drills.migrations.walker.client import BOOTSTRAP, Walker, walker_command
from rollback_drills.postgres.dump import DUMP, RESTORE
from rollback_drills.runtimes.protocols import CommandResult, Commands, ReleaseCommand, ToolCommand
from rollback_drills.target.target import Target

_numbers = count(1)


class ReleaseEnvironment:
    """Implements `MigrationEnvironment`.

    Args:
        admin_url: libpq URL of a superuser of the disposable server.
        directory: for backups.
        role: the account that the gateway's migrations use; ``password`` is its password.
        run: id of the run, with which the databases are marked.
    """

    def __init__(
        self,
        commands: Commands,
        target: Target,
        release: str,
        *,
        admin_url: str,
        role: str,
        password: str,
        run: str,
        directory: Path,
    ) -> None:
        self.directory = directory
        self._commands, self._target, self._release = commands, target, release
        self._admin_url, self._role, self._password, self._run = admin_url, role, password, run

    def create(self, template: str | None = None, *, bare: bool = False) -> str:
        name = f"walk_{next(_numbers)}"
        with postgres.connect(self._admin_url) as admin:
            postgres.create_database(admin, name, template=template, owner=self._role, marker=self._run)
        if template is None and not bare:
            postgres.create_extensions(self.url(name), self._target.database.extensions)
        baseline = self._target.migrations.baseline
        if baseline is not None and template is None and not bare:
            sql = self._target.path(baseline).read_text()
            apply_baseline(postgres.with_account(self.url(name), self._role, self._password), sql)
        return name

    def url(self, database: str) -> str:
        return postgres.with_database(self._admin_url, database)

    def walker(self, database: str) -> Walker:
        command = walker_command(self._target.migrations)
        if command is None:
            raise StackError(
                "the walk through every revision needs alembic",
                cause=f"[migrations] command is {' '.join(self._target.migrations.command)}",
                fix="write it as … -m alembic, or name interpreter under [migrations]",
            )
        interpreter, options = command
        url = postgres.with_account(self.url(database), self._role, self._password)
        program = ReleaseCommand(
            self._release,
            [*interpreter, "-c", BOOTSTRAP],
            self._target.migrations.directory,
            url,
            environment={"PYTHONDONTWRITEBYTECODE": "1"},
        )
        with ExitStack() as on_error:
            conversation = self._commands.converse(program)
            on_error.callback(conversation.close)
            timeout = self._target.migrations.timeout
            walker = Walker(conversation, options=options, marker=self._run, timeout=timeout)
            on_error.pop_all()
        return walker

    def drop(self, database: str) -> None:
        with postgres.connect(self._admin_url) as admin:
            postgres.drop_database(admin, database)

    def dump(self, database: str, file: Path) -> CommandResult:
        return self._tool(self._target.backup.dump or DUMP, database, file)

    def restore(self, database: str, file: Path) -> CommandResult:
        return self._tool(self._target.backup.restore or RESTORE, database, file)

    def _tool(self, argv: tuple[str, ...], database: str, file: Path) -> CommandResult:
        url = self.url(database)
        if self._target.backup.account == "gateway":
            url = postgres.with_account(url, self._role, self._password)
        command = ToolCommand(argv, database, url, file)
        return self._commands.run_tool(command, timeout=self._target.backup.timeout)
