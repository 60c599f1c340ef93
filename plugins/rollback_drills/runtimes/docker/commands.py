"""One-off commands in containers, for the docker and the compose runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from rollback_drills.core.meter import Meter
from rollback_drills.core.placeholders import fill
from rollback_drills.postgres.addresses import (
    argument_values,
    argument_variables,
    client_variables,
    without_password,
)
from rollback_drills.runtimes.docker.containers import DrillContainer, run_once
from rollback_drills.runtimes.docker.conversation import ContainerConversation
from rollback_drills.runtimes.docker.engine import Engine
from rollback_drills.runtimes.docker.gateway import container_values
from rollback_drills.runtimes.docker.images import Images
from rollback_drills.runtimes.host.tools import HostTools, is_for_the_host
from rollback_drills.runtimes.protocols import (
    CommandLog,
    CommandResult,
    ReleaseCommand,
    ToolCommand,
    UrlSource,
)
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.target import Target


class ContainerRuntime(Protocol):
    """What these commands need of their runtime."""

    target: Target
    workspace: Workspace
    meter: Meter
    engine: Engine
    images: Images

    @property
    def database_image(self) -> str: ...

    def inside(self, url: str) -> str:
        """The URL of the same database as addressed from a container."""

    def one_off(
        self,
        image: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        open_stdin: bool = False,
        directory: str = "",
    ) -> DrillContainer:
        """A container for one command on the database's network; not created yet."""


class ContainerCommands:
    """Implements `rollback_drills.runtimes.protocols.Commands` with containers that live as long as the command."""

    def __init__(self, runtime: ContainerRuntime, command_log: CommandLog, database_url: UrlSource) -> None:
        self._container_runtime, self._command_log, self._database_url = runtime, command_log, database_url
        self._host = HostTools(runtime.target, runtime.workspace.path, runtime.meter)

    def run(
        self, command: ReleaseCommand, *, timeout: float, kill_when: Callable[[], bool] | None = None
    ) -> CommandResult:
        argv, container = self._in_image(command)
        where = f"the image of {command.release}"
        with self._container_runtime.meter.target():
            result = run_once(container, argv, timeout=timeout, where=where, kill_when=kill_when)
        return self._command_log.add(result)

    def converse(self, command: ReleaseCommand) -> ContainerConversation:
        _, container = self._in_image(command, open_stdin=True)
        name = f"{command.argv[0]} in the image of {command.release}"
        return ContainerConversation(container, name, self._container_runtime.meter)

    def run_tool(
        self, command: ToolCommand, *, timeout: float, kill_when: Callable[[], bool] | None = None
    ) -> CommandResult:
        if is_for_the_host(command.argv):
            return self._command_log.add(self._host.run(command, timeout=timeout, kill_when=kill_when))
        runtime = self._container_runtime
        url = runtime.inside(command.database_url)
        values = {
            "database": command.database,
            "database_url": without_password(url)[0],
            "file": str(command.file),
            "pg_bin": ".",
        }
        argv = [fill(argument.removeprefix("{pg_bin}/"), values) for argument in command.argv]
        container = runtime.one_off(runtime.database_image, argv, env=client_variables(url))
        with runtime.meter.target():
            result = run_once(
                container,
                argv,
                timeout=timeout,
                where="the database's image",
                files=[command.file],
                kill_when=kill_when,
            )
        return self._command_log.add(result)

    def typed(self, command: str, directory: Path) -> CommandResult:
        return self._command_log.add(self._host.type(command, directory))

    def derive_release(self, base: str, name: str, files: Mapping[str, str]) -> str:
        runtime = self._container_runtime
        return runtime.images.derive(base, name, files, runtime.workspace.path)

    def _in_image(self, command: ReleaseCommand, *, open_stdin: bool = False) -> tuple[list[str], DrillContainer]:
        """The command with its placeholders filled in, and a container of the release's image for it."""
        runtime = self._container_runtime
        image = runtime.images.of_release(command.release)
        url = runtime.inside(command.database_url or self._database_url())
        values = container_values(runtime.target, command.release, runtime.engine, image, url)
        argv = [fill(argument, values | argument_values(url)) for argument in command.argv]
        templates = {**runtime.target.command_environment, **command.environment}
        variables = argument_variables(command.argv, url)
        variables |= {name: fill(text, values) for name, text in templates.items()}
        directory = f"{values['tree']}/{command.directory}" if command.directory else ""
        return argv, runtime.one_off(image, argv, env=variables, open_stdin=open_stdin, directory=directory)
