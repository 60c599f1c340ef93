"""One-off commands in containers: what the docker and the compose runtime do alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from rollback_drills.core.meter import Meter
from rollback_drills.core.placeholders import fill
from rollback_drills.runtimes.docker.containers import DrillContainer, run_once
from rollback_drills.runtimes.docker.conversation import ContainerConversation
from rollback_drills.runtimes.docker.engine import Engine
from rollback_drills.runtimes.docker.gateway import container_values
from rollback_drills.runtimes.docker.images import Images
from rollback_drills.runtimes.host.tools import is_for_the_host, run_on_host, type_on_host
from rollback_drills.runtimes.protocols import (
    CommandLog,
    CommandResult,
    UrlSource,
)
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.target import Target


class ContainerRuntime(Protocol):
    """What such commands need of their runtime."""

    target: Target
    workspace: Workspace
    meter: Meter
    engine: Engine
    images: Images

    @property
    def database_image(self) -> str: ...

    def inside(self, url: str) -> str:
        """The same database as it is addressed from a container."""

    def one_off(
        self,
        image: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        open_stdin: bool = False,
        directory: str = "",
    ) -> DrillContainer:
        """A container for one command, beside the database; not created yet."""


class ContainerCommands:
    """Implements `rollback_drills.runtimes.protocols.Commands` with containers that live as long as the command."""

    def __init__(self, runtime: ContainerRuntime, listeners: CommandLog, database_url: UrlSource) -> None:
        self._container_runtime, self._listeners, self._database_url = runtime, listeners, database_url

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
        runtime = self._container_runtime
        filled, container = self._in_image(release, argv, {}, database_url or self._database_url(), directory)
        with runtime.meter.target():
            result = run_once(container, filled, timeout=timeout, where=f"the image of {release}", kill_when=kill_when)
        return self._listeners.tell(result)

    def converse(
        self,
        release: str,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        database_url: str,
        directory: str = "",
    ) -> ContainerConversation:
        _, container = self._in_image(release, argv, environment, database_url, directory, open_stdin=True)
        what = f"{argv[0]} in the image of {release}"
        return ContainerConversation(container, what, self._container_runtime.meter)

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
        runtime = self._container_runtime
        values = {"database": database, "file": str(file)}
        if is_for_the_host(argv):
            result = run_on_host(
                argv, values | {"database_url": database_url}, runtime.target, runtime.workspace.path,
                timeout=timeout, meter=runtime.meter, kill_when=kill_when,
            )  # fmt: skip
            return self._listeners.tell(result)
        values |= {"database_url": runtime.inside(database_url), "pg_bin": "."}
        filled = [fill(argument.removeprefix("{pg_bin}/"), values) for argument in argv]
        container = runtime.one_off(runtime.database_image, filled)
        with runtime.meter.target():
            result = run_once(
                container, filled, timeout=timeout, where="the database's image", files=[file], kill_when=kill_when
            )
        return self._listeners.tell(result)

    def typed(self, command: str, directory: Path) -> CommandResult:
        runtime = self._container_runtime
        private = runtime.workspace.path
        return self._listeners.tell(type_on_host(command, directory, runtime.target, private, meter=runtime.meter))

    def derive_release(self, base: str, name: str, files: Mapping[str, str]) -> str:
        runtime = self._container_runtime
        return runtime.images.derive(base, name, files, runtime.workspace.path)

    def _in_image(
        self,
        release: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        database_url: str,
        directory: str,
        *,
        open_stdin: bool = False,
    ) -> tuple[list[str], DrillContainer]:
        """The command with its placeholders filled in, and the container of the release's image for it."""
        runtime = self._container_runtime
        image = runtime.images.of_release(release)
        values = container_values(runtime.target, release, runtime.engine, image, runtime.inside(database_url))
        filled = [fill(argument, values) for argument in argv]
        templates = {**runtime.target.gateway.env, **environment}
        variables = {name: fill(text, values) for name, text in templates.items()}
        where = f"{values['tree']}/{directory}" if directory else ""
        return filled, runtime.one_off(image, filled, env=variables, open_stdin=open_stdin, directory=where)
