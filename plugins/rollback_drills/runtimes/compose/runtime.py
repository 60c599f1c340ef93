"""The compose runtime: the user's own compose file, as a project of its own, worked on with the runbook's commands."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from signal import SIGKILL

from pydantic import JsonValue

from rollback_drills import postgres
from rollback_drills.core.errors import (
    DrillError,
    RuntimeUnavailableError,
    StackError,
)
from rollback_drills.core.meter import Meter
from rollback_drills.core.placeholders import fill, names_in
from rollback_drills.core.polling import poll_until
from rollback_drills.runtimes.compose.gateway import ComposeGateway
from rollback_drills.runtimes.compose.project import (
    ComposeProject,
    require_compose,
)
from rollback_drills.runtimes.docker import engine as engines
from rollback_drills.runtimes.docker.commands import ContainerCommands
from rollback_drills.runtimes.docker.containers import DrillContainer, environment_of, tail_of
from rollback_drills.runtimes.docker.engine import (
    Engine,
    forget_stages,
    translate_errors,
)
from rollback_drills.runtimes.docker.gateway import container_values
from rollback_drills.runtimes.docker.images import Images
from rollback_drills.runtimes.protocols import (
    CommandLog,
    CommandResult,
    DatabaseAccount,
    ServiceState,
    UrlSource,
)
from rollback_drills.runtimes.releases.trees import Trees, checking
from rollback_drills.runtimes.releases.versions import require_version
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.fields import DATABASE_PLACEHOLDERS
from rollback_drills.target.target import Target

START_TIMEOUT = 120.0  # seconds until the services beside the gateway are up
SHELL_TIMEOUT = 600.0  # seconds for a line of a runbook, a build included
KILLED = 137
MAINTENANCE = "rollback_drills"  # a database of our own to connect to: the target's may have any name, postgres too


class ComposeServer:
    """Implements `rollback_drills.runtimes.protocols.DatabaseServer` with the compose file's own service."""

    def __init__(self, project: ComposeProject, engine: Engine, meter: Meter) -> None:
        self._project, self._engine, self._meter = project, engine, meter
        self._url = ""

    @property
    def admin_url(self) -> str:
        return self._url

    def start(self) -> None:
        """Start every service but the gateway; returns when PostgreSQL answers a query from outside.

        Raises:
            StackError: one did not start, quoting what it said.
        """
        project = self._project
        user, password, database = project.credentials()
        address = f"postgresql://{self._engine.host}:{project.database_port}/{MAINTENANCE}"
        self._url = postgres.with_account(address, user, password)
        first = postgres.with_database(self._url, database)
        others = [name for name in project.model["services"] if name != project.settings.gateway]
        with self._meter.target():
            result = project.compose("up", "-d", "--wait", "--quiet-pull", *others, timeout=START_TIMEOUT)
            if not result.ok:
                raise StackError(
                    f"`{' '.join(result.argv)}` failed with exit code {result.exit_code}",
                    cause=f"{result.output}\n{self._last_words()}",
                    fix="run it by hand; the report shows the override file that is used with it",
                )
            poll_until(
                lambda: self._answers(first), what="starting PostgreSQL", timeout=START_TIMEOUT,
                last_words=self._last_words,
            )  # fmt: skip
        with postgres.connect(first) as connection:
            connection.execute(f"CREATE DATABASE {MAINTENANCE}".encode())
        # What the image has made for the gateway: every drill has a database of this name of its own.
        with postgres.connect(self._url) as admin:
            postgres.drop_database(admin, database)

    @staticmethod
    def _answers(url: str) -> bool:
        try:
            with postgres.connect(url, timeout=2.0) as connection:
                return connection.execute("SELECT 1").fetchone() is not None
        except DrillError:
            return False

    def freeze(self) -> None:
        container = self._project.container(self._project.settings.database)
        with translate_errors("PostgreSQL's container cannot be paused"):
            if container is not None:
                container.pause()

    def thaw(self) -> None:
        container = self._project.container(self._project.settings.database)
        with translate_errors("PostgreSQL's container cannot be resumed"):
            if container is not None and container.status == "paused":
                container.unpause()

    def revive(self) -> None:
        container = self._project.container(self._project.settings.database)
        if container is None or container.status != "exited":
            return
        with self._meter.target(), translate_errors("PostgreSQL's container cannot be started again"):
            container.start()
            poll_until(
                lambda: self._answers(self._url), what="starting PostgreSQL again", timeout=START_TIMEOUT,
                last_words=self._last_words,
            )  # fmt: skip

    def version(self) -> str:
        with postgres.connect(self._url) as connection:
            return str((connection.execute("SELECT version()").fetchone() or ("",))[0])

    def _last_words(self) -> str:
        container = self._project.container(self._project.settings.database)
        return tail_of(container) if container is not None else ""


class ComposeCommands(ContainerCommands):
    """Implements `Commands` with ``docker compose run``, where the file finds the release."""

    def __init__(self, runtime: ComposeRuntime, listeners: CommandLog, database_url: UrlSource) -> None:
        super().__init__(runtime, listeners, database_url)
        self._runtime = runtime

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
        runtime = self._runtime
        if not runtime.finds(release):
            # The file cannot say which release is meant. What its image does is asked of the image itself.
            return super().in_release(
                release, argv, timeout=timeout, directory=directory, database_url=database_url, kill_when=kill_when
            )
        url = runtime.inside(database_url or self._database_url())
        values = container_values(runtime.target, release, runtime.engine, runtime.image(release), url)
        filled = [fill(argument, values) for argument in argv]
        where = ["--workdir", f"{values['tree']}/{directory}"] if directory else []
        # The file says how the gateway's own database is called; another one has to be named.
        named = {
            name: fill(text, values)
            for name, text in runtime.target.gateway.env.items()
            if names_in(text) & DATABASE_PLACEHOLDERS
        }
        return self._listeners.tell(self._run(release, filled, named, where, timeout, kill_when))

    def _run(
        self,
        release: str,
        argv: Sequence[str],
        variables: Mapping[str, str],
        options: Sequence[str],
        timeout: float,
        kill_when: Callable[[], bool] | None,
    ) -> CommandResult:
        runtime, settings = self._runtime, self._runtime.project_copy.settings
        given = [part for name, value in variables.items() for part in ("-e", f"{name}={value}")]
        container = f"{runtime.project_copy.name}-once-{secrets.token_hex(4)}"

        def killed_in_it() -> bool:
            """The command line would only let go of the container: what is to be killed is in there."""
            if kill_when is not None and kill_when():
                runtime.kill(container)
            return False

        with runtime.meter.target():
            try:
                result = runtime.project_copy.compose(
                    "run", "--rm", "--no-deps", "-T", "--name", container, *options, *given,
                    "--entrypoint", argv[0], settings.gateway, *argv[1:],
                    timeout=timeout,
                    variables={settings.release_variable: release},
                    kill_when=killed_in_it if kill_when is not None else None,
                )  # fmt: skip
            finally:
                runtime.remove(container)
        code = -SIGKILL if result.exit_code == KILLED else result.exit_code
        return CommandResult(tuple(argv), code, result.stdout, result.stderr, result.seconds, f"release {release}")


class LiteralProject:
    """Implements `Project`: a shell in the copy, and the engine's view of what came of it."""

    def __init__(self, copy: ComposeProject, engine: Engine, meter: Meter, listeners: CommandLog) -> None:
        self._copy, self._engine, self._meter, self._listeners = copy, engine, meter, listeners

    @property
    def services(self) -> tuple[str, str]:
        return self._copy.settings.gateway, self._copy.settings.database

    def shell(self, command: str, *, variables: Mapping[str, str] | None = None) -> CommandResult:
        with self._meter.target():
            result = self._copy.run(["bash", "-c", command], variables=variables, timeout=SHELL_TIMEOUT)
            forget_stages(self._engine, result.output)
        return self._listeners.tell(replace(result, argv=(command,)))

    def service(self, name: str) -> ServiceState | None:
        container = self._copy.container(name)
        if container is None:
            return None
        mounts = container.attrs["Mounts"]
        project = container.attrs["Config"]["Labels"]["com.docker.compose.project"]
        return ServiceState(
            container=str(container.id),
            status=container.status,
            health=container.attrs["State"].get("Health", {}).get("Status", ""),
            image=container.attrs["Image"],
            environment=environment_of(container),
            volumes={
                mount["Destination"]: mount["Name"]
                for mount in mounts
                if mount["Type"] == "volume" and mount["Name"].startswith(project)
            },
        )

    def image(self, release: str) -> str:
        found = self._engine.image(self._copy.image_of(release))
        return str(found.id) if found is not None else ""


class ComposeRuntime:
    """One compose project per worker; each drill re-creates the gateway's service, on a database of its own."""

    name = "compose"

    def __init__(self, target: Target, workspace: Workspace, meter: Meter) -> None:
        if target.compose is None:
            raise _no_compose(target)
        self.target, self.workspace, self.meter = target, workspace, meter
        self.engine = Engine()
        self._version = require_compose()
        engines.record(workspace)
        self.removal = engines.settle_ryuk(self.engine, keep=workspace.to_be_kept)
        self.images = Images(self.engine, target, Trees(target, workspace.path))
        self.project_copy = ComposeProject(target, workspace.path, self.engine)
        self.project_copy.make()
        self.server = ComposeServer(self.project_copy, self.engine, meter)
        self._names: dict[str, str] = {}  # by release
        self._holders: dict[str, str] = {}  # by name, the release that has it

    @staticmethod
    def require(target: Target, tell: Callable[[str], None]) -> None:
        """See that Compose takes the file, and obtain the images.

        Raises:
            RuntimeUnavailable: no engine answers, there is no Compose, the file is refused, or an image cannot be had.
        """
        if target.compose is None:
            raise _no_compose(target)
        engine = Engine()
        try:
            require_compose()
            with checking(target) as trees:
                project = ComposeProject(target, trees.workspace, engine)
                project.make()
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
            engines.remove_orphaned(self.engine)
            for release in (self.target.current, self.target.previous):
                self.image(release)
        self.server.start()
        require_version(self.target, self.server.version())

    def image(self, release: str) -> str:
        """The name under which the compose file finds a release; the image has it afterwards.

        Where the file names an image of its own that does not depend on the release, the current one has that name,
        as it has in production. Where it names none, a build would give the project's one name to whatever is deployed.
        """
        name = self._names.get(release)
        if name is None:
            name = self._names[release] = self.project_copy.image_of(release)
        holder = self._holders.get(name)
        if holder is None or (holder != release and not self.project_copy.names_an_image):
            with translate_errors(f"the image of release {release} cannot be named {name}"):
                self.engine.client.images.get(self.images.of_release(release)).tag(name)
            self._holders[name] = release
        return name

    def finds(self, release: str) -> bool:
        """Whether the compose file finds the image of this release when it is asked for it."""
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
            self.engine, self.workspace.path, image, network=self.project_copy.network, env=env, entrypoint=argv[:1],
            command=argv[1:], open_stdin=open_stdin, directory=directory,
        )  # fmt: skip

    def close(self) -> None:
        """Removes everything at once: there is nothing to be shut down in order."""
        engines.remove_of(self.workspace.path)
        self.engine.close()

    def kill(self, container: str) -> None:
        """Kill a container by name, if it is there."""
        with suppress(engines.ApiError):
            self.engine.client.api.kill(container)

    def remove(self, container: str) -> None:
        """Remove a container by name, running or not, if it is there."""
        with suppress(engines.ApiError):
            self.engine.client.api.remove_container(container, v=True, force=True)

    def inside(self, url: str) -> str:
        """The same database as it is addressed within the project."""
        before, _, address = url.rpartition("@")
        return f"{before}@{self.project_copy.settings.database}:5432/{address.partition('/')[2]}"

    def gateway(self, name: str, database_url: UrlSource) -> ComposeGateway:
        return ComposeGateway(self.target, self.engine, self.project_copy, self.image, self.meter)

    def commands(self, listeners: CommandLog, database_url: UrlSource) -> ComposeCommands:
        return ComposeCommands(self, listeners, database_url)

    def project(self, listeners: CommandLog) -> LiteralProject:
        return LiteralProject(self.project_copy, self.engine, self.meter, listeners)

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
