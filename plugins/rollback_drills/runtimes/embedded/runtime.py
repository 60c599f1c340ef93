"""The embedded runtime: PostgreSQL and the gateway as private processes of this worker. No Docker needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from rollback_drills.core.errors import (
    RuntimeUnavailableError,
    StackError,
)
from rollback_drills.core.meter import Meter
from rollback_drills.core.placeholders import fill
from rollback_drills.runtimes.embedded.gateway import EmbeddedGateway, process_values
from rollback_drills.runtimes.embedded.postgres import PostgresServer, find_bin_dir, server_version
from rollback_drills.runtimes.host import process
from rollback_drills.runtimes.host.conversation import PipedConversation
from rollback_drills.runtimes.host.logs import LogKeeper
from rollback_drills.runtimes.host.tools import run_on_host, type_on_host
from rollback_drills.runtimes.protocols import (
    CommandLog,
    CommandResult,
    DatabaseAccount,
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
        server: PostgresServer,
        workspace: Path,
        meter: Meter,
        listeners: CommandLog,
        database_url: UrlSource,
    ) -> None:
        self._target, self._trees, self._server, self._workspace = target, trees, server, workspace
        self._meter, self._listeners, self._database_url = meter, listeners, database_url

    def in_release(
        self,
        release: str,
        argv: Sequence[str],
        *,
        timeout: float,
        directory: str = "",
        database_url: str | None = None,
        kill_when: Callable[[], bool] | None = None,
    ) -> CommandResult:
        tree = self._trees.tree(release)
        url = database_url or self._database_url()
        values = process_values(self._target, release, self._trees, self._workspace, url) | {"port": "0"}
        variables = {name: fill(text, values) for name, text in self._target.gateway.env.items()}
        with self._meter.target():
            result = process.run(
                [fill(argument, values) for argument in argv],
                cwd=self._within(tree, directory, release),
                env=process.clean_environment(self._workspace, variables),
                timeout=timeout,
                where=f"release {release}",
                kill_when=kill_when,
            )
        return self._listeners.tell(result)

    def converse(
        self,
        release: str,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        database_url: str,
        directory: str = "",
    ) -> PipedConversation:
        tree = self._trees.tree(release)
        values = process_values(self._target, release, self._trees, self._workspace, database_url) | {"port": "0"}
        templates = {**self._target.gateway.env, **environment}
        variables = {name: fill(text, values) for name, text in templates.items()}
        return PipedConversation(
            [fill(argument, values) for argument in argv],
            cwd=self._within(tree, directory, release),
            env=process.clean_environment(self._workspace, variables),
            log=self._workspace / "walker.log",
            meter=self._meter,
        )

    def _within(self, tree: Path, directory: str, release: str) -> Path:
        """Where alembic is run; without it the operating system would blame the program for a missing directory."""
        if not (tree / directory).is_dir():
            there = sorted(each.name for each in tree.iterdir() if each.is_dir() and not each.name.startswith("."))
            raise StackError(
                f"release {release} has no directory {directory!r}",
                cause=f"its tree has {', '.join(there) or 'none at all'}",
                fix=f"correct directory under [migrations] in {self._target.file}: where in the tree alembic is run",
            )
        return tree / directory

    def tool(
        self,
        argv: Sequence[str],
        *,
        database: str,
        database_url: str,
        file: Path,
        timeout: float,
        kill_when: Callable[[], bool] | None = None,
    ) -> CommandResult:
        values = {"database": database, "database_url": database_url, "file": str(file)}
        result = run_on_host(
            argv, values, self._target, self._workspace,
            timeout=timeout, meter=self._meter, bin_dir=self._server.bin_dir, kill_when=kill_when,
        )  # fmt: skip
        return self._listeners.tell(result)

    def typed(self, command: str, directory: Path) -> CommandResult:
        result = type_on_host(
            command, directory, self._target, self._workspace, meter=self._meter, bin_dir=self._server.bin_dir
        )
        return self._listeners.tell(result)

    def derive_release(self, base: str, name: str, files: Mapping[str, str]) -> str:
        return self._trees.derive(base, name, files)


class EmbeddedRuntime:
    """One PostgreSQL server per worker, and a gateway for each drill."""

    name = "embedded"
    account: DatabaseAccount | None = None

    def __init__(self, target: Target, workspace: Workspace, meter: Meter) -> None:
        self._target, self._workspace, self._meter = target, workspace, meter
        bin_dir = target.path(target.database.bin_dir) if target.database.bin_dir else None
        self.server = PostgresServer(workspace, meter, bin_dir=bin_dir)
        self._trees = Trees(target, workspace.path)
        self._logs = LogKeeper(workspace.path)

    @staticmethod
    def require(target: Target) -> None:
        """Raise RuntimeUnavailable when the target cannot run as processes of this machine; starts nothing."""
        if target.gateway.start is None or not target.releases.has_trees:
            raise RuntimeUnavailableError(
                "the target does not say how its gateway runs as a process",
                cause=f"{target.file} has no gateway.start, or none of command, path and git under [releases]",
                fix="add them, or use --drill-runtime=docker",
            )
        bin_dir = find_bin_dir(target.path(target.database.bin_dir) if target.database.bin_dir else None)
        require_version(target, server_version(bin_dir, {"PATH": os.defpath}))

    def start(self) -> None:
        self._logs.start()
        with self._meter.target():
            for release in (self._target.previous, self._target.current):
                self._trees.python(release)
        self.server.start()

    def close(self) -> None:
        self.server.stop()
        self._logs.close()

    def gateway(self, name: str, database_url: UrlSource) -> EmbeddedGateway:
        return EmbeddedGateway(self._target, self._trees, self._workspace.path, name, self._meter, database_url)

    def commands(self, listeners: CommandLog, database_url: UrlSource) -> EmbeddedCommands:
        return EmbeddedCommands(
            self._target, self._trees, self.server, self._workspace.path, self._meter, listeners, database_url
        )

    def project(self, listeners: CommandLog) -> None:
        """Commands of a compose file need the compose runtime."""

    def secrets(self) -> tuple[str, ...]:
        return (self.server.password,)

    def facts(self) -> dict[str, JsonValue]:
        environment = process.clean_environment(self._workspace.path)
        return {
            "postgres": server_version(self.server.bin_dir, environment),
            "bin_dir": str(self.server.bin_dir),
            **self._trees.facts(),
        }
