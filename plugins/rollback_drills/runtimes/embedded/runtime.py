"""The embedded runtime: PostgreSQL and the gateway as private processes of this worker. No Docker needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from rollback_drills.core.errors import RuntimeUnavailableError, StackError
from rollback_drills.core.meter import Meter
from rollback_drills.core.placeholders import fill
from rollback_drills.postgres.addresses import argument_values, argument_variables
from rollback_drills.runtimes.embedded.account import require_name
from rollback_drills.runtimes.embedded.builds import PostgresBuild, build_with
from rollback_drills.runtimes.embedded.gateway import EmbeddedGateway, process_values
from rollback_drills.runtimes.embedded.postgres import PostgresServer, find_bin_dir, server_version
from rollback_drills.runtimes.host import process
from rollback_drills.runtimes.host.conversation import PipedConversation
from rollback_drills.runtimes.host.fork_server import ForkServers
from rollback_drills.runtimes.host.logs import LogKeeper
from rollback_drills.runtimes.host.tools import HostTools
from rollback_drills.runtimes.protocols import (
    CommandLog,
    CommandResult,
    DatabaseAccount,
    ReleaseCommand,
    ToolCommand,
    UrlSource,
)
from rollback_drills.runtimes.releases.trees import Trees
from rollback_drills.runtimes.releases.versions import require_version
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.target import Target


class EmbeddedCommands:
    """Implements `rollback_drills.runtimes.protocols.Commands` with processes."""

    def __init__(
        self,
        target: Target,
        trees: Trees,
        tools: HostTools,
        servers: ForkServers,
        command_log: CommandLog,
        database_url: UrlSource,
    ) -> None:
        self._target, self._trees, self._tools, self._servers = target, trees, tools, servers
        self._workspace, self._meter = tools.private, tools.meter
        self._command_log, self._database_url = command_log, database_url

    def run(
        self, command: ReleaseCommand, *, timeout: float, kill_when: Callable[[], bool] | None = None
    ) -> CommandResult:
        argv, directory, environment = self._in_tree(command)
        # What is timed or interrupted is a process of its own, as the operator's command is.
        plainly = self._meter.times_recovery or kill_when is not None
        with self._meter.target():
            result = process.run(
                argv,
                cwd=directory,
                env=environment,
                timeout=timeout,
                where=f"release {command.release}",
                kill_when=kill_when,
                start=None if plainly else self._servers.start,
            )
        return self._command_log.add(result)

    def converse(self, command: ReleaseCommand) -> PipedConversation:
        argv, directory, environment = self._in_tree(command)
        log = self._workspace / "walker.log"
        return PipedConversation(argv, cwd=directory, env=environment, log=log, meter=self._meter)

    def run_tool(
        self, command: ToolCommand, *, timeout: float, kill_when: Callable[[], bool] | None = None
    ) -> CommandResult:
        return self._command_log.add(self._tools.run(command, timeout=timeout, kill_when=kill_when))

    def typed(self, command: str, directory: Path) -> CommandResult:
        return self._command_log.add(self._tools.type(command, directory))

    def derive_release(self, base: str, name: str, files: Mapping[str, str]) -> str:
        return self._trees.derive(base, name, files)

    def _in_tree(self, command: ReleaseCommand) -> tuple[Sequence[str], Path, dict[str, str]]:
        """The command with its placeholders filled in, its directory, and its environment."""
        url = command.database_url or self._database_url()
        values = process_values(self._target, command.release, self._trees, self._workspace, url) | {"port": "0"}
        templates = {**self._target.command_environment, **command.environment}
        variables = argument_variables(command.argv, url)
        variables |= {name: fill(text, values) for name, text in templates.items()}
        argv = [fill(argument, values | argument_values(url)) for argument in command.argv]
        return argv, self._directory(command), process.clean_environment(self._workspace, variables)

    def _directory(self, command: ReleaseCommand) -> Path:
        """Check the directory first: the operating system would report a missing one as a missing program."""
        tree = self._trees.tree(command.release)
        if not (tree / command.directory).is_dir():
            found = sorted(each.name for each in tree.iterdir() if each.is_dir() and not each.name.startswith("."))
            raise StackError(
                f"release {command.release} has no directory {command.directory!r}",
                cause=f"its tree has {', '.join(found) or 'no directory'}",
                fix=f"correct directory under [migrations] in {self._target.file}: where in the tree alembic is run",
            )
        return tree / command.directory


class EmbeddedRuntime:
    """One PostgreSQL server per worker, and one gateway per drill."""

    name = "embedded"
    account: DatabaseAccount | None = None

    def __init__(self, target: Target, workspace: Workspace, meter: Meter) -> None:
        self._target, self._workspace, self._meter = target, workspace, meter
        self._build = _build_for(target)
        self.server = PostgresServer(workspace, meter, bin_dir=self._build.bin_dir)
        self._trees = Trees(target, workspace.path)
        self._servers = ForkServers(workspace.path)
        self._logs = LogKeeper(workspace.path)

    @staticmethod
    def require(target: Target, tell: Callable[[str], None] | None = None) -> None:
        """Check that the target can run as processes of this machine, without starting anything.

        Args:
            tell: not used; there is nothing to wait for.

        Raises:
            RuntimeUnavailableError: the target does not say how, or PostgreSQL is missing or of another version.
        """
        if (target.serves and target.gateway.start is None) or not target.releases.has_trees:
            raise RuntimeUnavailableError(
                "the target does not say how its gateway runs as a process",
                cause=f"{target.file} has no gateway.start, or none of command, path and git under [releases]",
                fix="add them, or use --drill-runtime=docker",
            )
        require_name()
        bin_dir = find_bin_dir(_build_for(target).bin_dir)
        require_version(target, server_version(bin_dir, {"PATH": os.defpath}))

    def start(self) -> None:
        self._logs.start()
        with self._meter.target():
            for release in (self._target.previous, self._target.current):
                self._trees.python(release)
        self.server.start()

    def close(self) -> None:
        self._servers.close()
        self.server.stop()
        self._logs.close()

    def gateway(self, name: str, database_url: UrlSource) -> EmbeddedGateway:
        return EmbeddedGateway(self._target, self._trees, self._workspace.path, name, self._meter, database_url)

    def commands(self, command_log: CommandLog, database_url: UrlSource) -> EmbeddedCommands:
        tools = HostTools(self._target, self._workspace.path, self._meter, self.server.bin_dir)
        return EmbeddedCommands(self._target, self._trees, tools, self._servers, command_log, database_url)

    def project(self, command_log: CommandLog) -> None:
        """Commands of a compose file need the compose runtime."""

    def secrets(self) -> tuple[str, ...]:
        return (self.server.password,)

    def facts(self) -> dict[str, JsonValue]:
        environment = process.clean_environment(self._workspace.path)
        return {
            "postgres": server_version(self.server.bin_dir, environment),
            "bin_dir": str(self.server.bin_dir),
            **({"because": self._build.reason} if self._build.reason else {}),
            **self._trees.facts(),
        }


def _build_for(target: Target) -> PostgresBuild:
    """The target file's own PostgreSQL, or one that has its extensions."""
    if target.database.bin_dir:
        return PostgresBuild(target.path(target.database.bin_dir))
    return build_with(target.database.extensions, target.database.version)
