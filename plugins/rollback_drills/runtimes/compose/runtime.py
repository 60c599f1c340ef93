"""The compose runtime: the user's own compose file, as a separate project, driven with the runbook's commands."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from signal import SIGKILL

from pydantic import JsonValue

from rollback_drills.core.errors import RuntimeUnavailableError
from rollback_drills.core.meter import Meter
from rollback_drills.core.placeholders import fill, names_in
from rollback_drills.postgres.addresses import argument_values, argument_variables
from rollback_drills.runtimes.compose.gateway import ComposeGateway
from rollback_drills.runtimes.compose.literal import LiteralProject
from rollback_drills.runtimes.compose.project import ComposeProject, require_compose
from rollback_drills.runtimes.compose.server import ComposeServer
from rollback_drills.runtimes.docker import cleanup
from rollback_drills.runtimes.docker.commands import ContainerCommands
from rollback_drills.runtimes.docker.containers import DrillContainer
from rollback_drills.runtimes.docker.engine import ApiError, Engine, translate_errors
from rollback_drills.runtimes.docker.gateway import container_values
from rollback_drills.runtimes.docker.images import Images
from rollback_drills.runtimes.protocols import (
    CommandLog,
    CommandResult,
    DatabaseAccount,
    ReleaseCommand,
    UrlSource,
)
from rollback_drills.runtimes.releases.trees import Trees, temporary_trees
from rollback_drills.runtimes.releases.versions import require_version
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.fields import DATABASE_PLACEHOLDERS
from rollback_drills.target.target import Target

_KILLED = 128 + SIGKILL  # the exit code of a container that was killed


class ComposeCommands(ContainerCommands):
    """Implements `Commands` with ``docker compose run`` where the compose file finds the release."""

    def __init__(self, runtime: ComposeRuntime, command_log: CommandLog, database_url: UrlSource) -> None:
        super().__init__(runtime, command_log, database_url)
        self._runtime = runtime

    def run(
        self, command: ReleaseCommand, *, timeout: float, kill_when: Callable[[], bool] | None = None
    ) -> CommandResult:
        runtime, release = self._runtime, command.release
        if not runtime.finds(release):
            # The file cannot name this release, so the command runs in its image, without Compose.
            return super().run(command, timeout=timeout, kill_when=kill_when)
        url = runtime.inside(command.database_url or self._database_url())
        values = container_values(runtime.target, release, runtime.engine, runtime.image(release), url)
        argv = [fill(argument, values | argument_values(url)) for argument in command.argv]
        options = ["--workdir", f"{values['tree']}/{command.directory}"] if command.directory else []
        # The file gives the gateway the address of its own database; the address of another has to be passed.
        variables = argument_variables(command.argv, url)
        for name, text in {**runtime.target.command_environment, **command.environment}.items():
            if name in command.environment or names_in(text) & DATABASE_PLACEHOLDERS:
                variables[name] = fill(text, values)
        return self._command_log.add(self._compose_run(release, argv, options, variables, timeout, kill_when))

    def _compose_run(
        self,
        release: str,
        argv: Sequence[str],
        options: Sequence[str],
        variables: Mapping[str, str],
        timeout: float,
        kill_when: Callable[[], bool] | None,
    ) -> CommandResult:
        runtime, settings = self._runtime, self._runtime.project_copy.settings
        container = f"{runtime.project_copy.name}-once-{secrets.token_hex(4)}"
        # Names without values: Compose reads them from its own environment, which no other account can see.
        named = [part for name in variables for part in ("-e", name)]
        once = ["run", "--rm", "--no-deps", "-T", "--name", container, *options, *named]

        def kill_container() -> bool:
            """Killing `docker compose run` would leave the process in the container alive."""
            if kill_when is not None and kill_when():
                runtime.kill(container)
            return False

        with runtime.meter.target():
            try:
                result = runtime.project_copy.compose(
                    *once,
                    "--entrypoint",
                    argv[0],
                    settings.gateway,
                    *argv[1:],
                    timeout=timeout,
                    variables={**variables, settings.release_variable: release},
                    kill_when=kill_container if kill_when is not None else None,
                )
            finally:
                runtime.remove(container)
        code = -SIGKILL if result.exit_code == _KILLED else result.exit_code
        return CommandResult(tuple(argv), code, result.stdout, result.stderr, result.seconds, f"release {release}")


class ComposeRuntime:
    """One compose project per worker; each drill re-creates the gateway's service, on a database of its own."""

    name = "compose"

    def __init__(self, target: Target, workspace: Workspace, meter: Meter) -> None:
        if target.compose is None:
            raise _no_compose(target)
        self.target, self.workspace, self.meter = target, workspace, meter
        with ExitStack() as on_error:
            self.engine = Engine()
            on_error.callback(self.engine.close)
            self._version = require_compose()
            cleanup.remember_engine(workspace)
            self.removal = cleanup.configure_ryuk(self.engine, keep=workspace.to_be_kept)
            self.images = Images(self.engine, target, Trees(target, workspace.path))
            self.project_copy = ComposeProject(target, workspace.path, self.engine)
            self.project_copy.create()
            on_error.pop_all()
        self.server = ComposeServer(self.project_copy, self.engine, meter)
        self._names: dict[str, str] = {}  # image names by release
        self._holders: dict[str, str] = {}  # by image name, the release whose image has it

    @staticmethod
    def require(target: Target, tell: Callable[[str], None]) -> None:
        """Check that Compose accepts the file, and obtain the images.

        Raises:
            RuntimeUnavailableError: no engine answers, Compose is missing, the file is refused, or an image cannot be
                obtained.
        """
        if target.compose is None:
            raise _no_compose(target)
        engine = Engine()
        try:
            require_compose()
            with temporary_trees(target) as trees:
                project = ComposeProject(target, trees.workspace, engine)
                project.create()
                project.credentials()
                images = Images(engine, target, trees)
                for name, service in project.model["services"].items():
                    if name != target.compose.gateway and "image" in service:
                        images.pull(service["image"], tell, f"name another image for the service {name}")
                images.prepare(tell, with_database=False)
        finally:
            engine.close()

    @property
    def account(self) -> DatabaseAccount:
        user, password, database = self.project_copy.credentials()
        return DatabaseAccount(database, user, password)

    @property
    def database_image(self) -> str:
        return str(self.project_copy.model["services"][self.project_copy.settings.database]["image"])

    def start(self) -> None:
        with self.meter.target():
            cleanup.remove_orphaned(self.engine)
            for release in (self.target.current, self.target.previous):
                self.image(release)
        self.server.start()
        require_version(self.target, self.server.version())

    def image(self, release: str) -> str:
        """Tag a release's image with the name that the compose file uses for it; return that name.

        If the name does not depend on the release, the current release has it, as in production. A service without an
        image of its own has one name per project, which the deployed release takes, as a build would: whether a build
        would, the drills ask `ReleaseSelection`.
        """
        name = self._names.get(release)
        if name is None:
            name = self._names[release] = self.project_copy.image_of(release)
        holder = self._holders.get(name)
        if holder is None or (holder != release and not self.project_copy.selection.image):
            with translate_errors(f"the image of release {release} cannot be named {name}"):
                self.engine.client.images.get(self.images.of_release(release)).tag(name)
            self._holders[name] = release
        return name

    def finds(self, release: str) -> bool:
        """Whether the compose file, given this release, uses its image."""
        return self._holders.get(self.image(release)) == release

    def one_off(
        self,
        image: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        open_stdin: bool = False,
        directory: str = "",
    ) -> DrillContainer:
        return DrillContainer(
            self.engine,
            self.workspace.path,
            image,
            network=self.project_copy.network,
            env=env,
            entrypoint=argv[:1],
            command=argv[1:],
            open_stdin=open_stdin,
            directory=directory,
        )

    def close(self) -> None:
        """Remove everything at once: nothing needs an orderly shutdown."""
        cleanup.remove_of(self.workspace.path)
        self.engine.close()

    def kill(self, container: str) -> None:
        """Kill a container by name, if it exists."""
        with suppress(ApiError):
            self.engine.client.api.kill(container)

    def remove(self, container: str) -> None:
        """Remove a container by name, running or not, if it exists."""
        with suppress(ApiError):
            self.engine.client.api.remove_container(container, v=True, force=True)

    def inside(self, url: str) -> str:
        """The URL of the same database as addressed within the project."""
        before, _, address = url.rpartition("@")
        return f"{before}@{self.project_copy.settings.database}:5432/{address.partition('/')[2]}"

    def gateway(self, name: str, database_url: UrlSource) -> ComposeGateway:
        return ComposeGateway(self.target, self.engine, self.project_copy, self.image, self.meter)

    def commands(self, command_log: CommandLog, database_url: UrlSource) -> ComposeCommands:
        return ComposeCommands(self, command_log, database_url)

    def project(self, command_log: CommandLog) -> LiteralProject:
        return LiteralProject(self.project_copy, self.engine, self.meter, command_log)

    def secrets(self) -> tuple[str, ...]:
        return (self.project_copy.password, self.project_copy.credentials()[1])

    def facts(self) -> dict[str, JsonValue]:
        return {
            "postgres": self.server.version(),
            "compose": self._version,
            **self.engine.facts(),
            **self.images.facts(),
            "image of the database": self.images.described(self.database_image),
            "clean-up": self.removal,
            "override file": self.project_copy.override,
        }


def _no_compose(target: Target) -> RuntimeUnavailableError:
    return RuntimeUnavailableError(
        "the target has no compose file",
        cause=f"there is no [compose] in {target.file}",
        fix="add [compose], or use --drill-runtime=docker or embedded",
    )
