"""The docker runtime: PostgreSQL and the gateway as containers on a private network, through testcontainers."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.network import Network

from rollback_drills.core.errors import DrillError, StackError
from rollback_drills.core.meter import Meter
from rollback_drills.core.polling import poll_until
from rollback_drills.postgres import connect
from rollback_drills.runtimes.docker import cleanup
from rollback_drills.runtimes.docker.commands import ContainerCommands
from rollback_drills.runtimes.docker.containers import DrillContainer, pause, tail_of
from rollback_drills.runtimes.docker.engine import Engine, labels, remedy_for, translate_errors
from rollback_drills.runtimes.docker.gateway import DockerGateway
from rollback_drills.runtimes.docker.images import Images
from rollback_drills.runtimes.protocols import CommandLog, DatabaseAccount, UrlSource
from rollback_drills.runtimes.releases.trees import Trees, temporary_trees
from rollback_drills.runtimes.releases.versions import require_version
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.target import Target

SUPERUSER = "drill_admin"
ALIAS = "database"  # the server's name on the private network
PORT = 5432
START_TIMEOUT = 60.0  # seconds; a start takes 1 to 2 s where nothing else runs
_DATA = "/drill"

# The server lives for minutes, and its data need not survive the machine, so nothing has to reach the disk. But drills
# kill the server, so synchronous_commit stays on: a killed server loses nothing that it acknowledged.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "dynamic_shared_memory_type": "mmap",  # a container's /dev/shm has 64 MB
    "timezone": "UTC",
    "jit": "off",
}


class _Postgres(PostgresContainer):
    """Testcontainers' PostgreSQL, ready when it answers from outside: its own check takes a second or more."""

    def __init__(self, image: str, password: str, engine: Engine, workspace: Path, network: Network) -> None:
        super().__init__(
            image,
            username=SUPERUSER,
            password=password,
            dbname="postgres",
            driver=None,
            network=network,
            network_aliases=[ALIAS],
            labels=labels(workspace),
        )
        self._docker.client.close()
        self._docker = engine.testcontainers
        self._engine = engine
        self.admin_url = ""
        published: Any = {str(PORT): (engine.publish_on,)}  # testcontainers' type has no address
        self.ports = published
        self.with_env("PGDATA", f"{_DATA}/data").with_tmpfs_mount(_DATA)
        self.with_command(["postgres", *(part for item in _SETTINGS.items() for part in ("-c", "=".join(item)))])

    def _connect(self) -> None:
        """Called by testcontainers once the container has been started."""
        try:
            poll_until(
                self._answers,
                what="starting PostgreSQL",
                timeout=START_TIMEOUT,
                died=self._died,
                last_words=self._last_words,
            )
        except StackError as error:
            by_hand = f"run `docker run {self.image}` by hand, or set database.image in the target file to another"
            fix = remedy_for(error.cause or "") or by_hand
            raise StackError(error.what, cause=error.cause, fix=fix) from None

    def _answers(self) -> bool:
        try:
            if not self.admin_url:
                port = self._docker.port(self.get_container_id(), PORT)  # none if it has exited already
                self.admin_url = f"postgresql://{SUPERUSER}:{self.password}@{self._engine.host}:{port}/postgres"
            with connect(self.admin_url, timeout=2.0) as connection:
                return connection.execute("SELECT 1").fetchone() is not None
        except (DrillError, ConnectionError):
            return False

    def _died(self) -> str | None:
        self.reload()
        state = self.get_wrapped_container().attrs["State"]
        return f"its container has exited with code {state['ExitCode']}" if state["Status"] == "exited" else None

    def _last_words(self) -> str:
        return self.get_wrapped_container().logs(tail=30).decode(errors="replace")


class DockerServer:
    """Implements `rollback_drills.runtimes.protocols.DatabaseServer` with a container."""

    def __init__(self, engine: Engine, workspace: Path, image: str, network: Network, meter: Meter) -> None:
        self.password = secrets.token_urlsafe(24)
        self._container = _Postgres(image, self.password, engine, workspace, network)
        self._image, self._meter = image, meter
        self._url = ""

    @property
    def admin_url(self) -> str:
        return self._url

    def start(self) -> None:
        """Returns when the server answers a query from outside.

        Raises:
            StackError: the container cannot be started, or has exited; quotes its output.
        """
        with self._meter.target(), translate_errors(f"PostgreSQL's container cannot be started from {self._image}"):
            self._container.start()
            self._url = self._container.admin_url

    def freeze(self) -> None:
        pause(self._container.get_wrapped_container())

    def thaw(self) -> None:
        container = self._container.get_wrapped_container()
        with translate_errors("PostgreSQL's container cannot be resumed"):
            container.reload()
            if container.status == "paused":
                container.unpause()

    def revive(self) -> None:
        """Raise if it has died: started again, it may get another port, which existing connections do not know."""
        container = self._container.get_wrapped_container()
        with translate_errors("PostgreSQL's container is gone"):
            container.reload()
        if container.status == "exited":
            raise StackError(
                f"PostgreSQL's container has exited with code {container.attrs['State']['ExitCode']}",
                cause=tail_of(container),
                fix="find out what ended it (memory?), and drill again",
            )

    def version(self) -> str:
        with connect(self._url) as connection:
            return str((connection.execute("SELECT version()").fetchone() or ("",))[0])


class DockerRuntime:
    """One network and one PostgreSQL container per worker, and one gateway container per drill."""

    name = "docker"
    account: DatabaseAccount | None = None

    def __init__(self, target: Target, workspace: Workspace, meter: Meter) -> None:
        self.target, self.workspace, self.meter = target, workspace, meter
        with ExitStack() as on_error:
            self.engine = Engine()
            on_error.callback(self.engine.close)
            cleanup.remember_engine(workspace)
            self.removal = cleanup.configure_ryuk(self.engine, keep=workspace.to_be_kept)
            self.images = Images(self.engine, target, Trees(target, workspace.path))
            self.network = Network(docker_network_kw={"labels": labels(workspace.path)})
            on_error.pop_all()
        self.network._docker.client.close()
        self.network._docker = self.engine.testcontainers
        self.server = DockerServer(self.engine, workspace.path, self.images.database, self.network, meter)

    @staticmethod
    def require(target: Target, tell: Callable[[str], None]) -> None:
        """Obtain the images that the target needs.

        Raises:
            RuntimeUnavailableError: no engine answers, or an image cannot be obtained.
        """
        engine = Engine()
        try:
            with temporary_trees(target) as trees:
                Images(engine, target, trees).prepare(tell)
        finally:
            engine.close()

    def start(self) -> None:
        with self.meter.target():
            cleanup.remove_orphaned(self.engine)
            self.images.prepare()
            with translate_errors(
                "the private network cannot be created", fix="run `docker network prune`, if there are too many"
            ):
                self.network.create()
        self.server.start()
        require_version(self.target, self.server.version())

    def close(self) -> None:
        """Remove everything at once: nothing needs an orderly shutdown."""
        cleanup.remove_of(self.workspace.path)
        self.engine.close()

    def container(
        self,
        image: str,
        *,
        env: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
        ports: Mapping[int, int] | None = None,
        stop_signal: str | None = None,
    ) -> DrillContainer:
        """A container on the private network that carries the workspace's label; not created yet."""
        return DrillContainer(
            self.engine,
            self.workspace.path,
            image,
            network=self.network,
            env=env,
            command=command,
            ports=ports,
            stop_signal=stop_signal,
        )

    def gateway(self, name: str, database_url: UrlSource) -> DockerGateway:
        return DockerGateway(
            self.target, self.engine, self.images, self.container, self.meter, lambda: self.inside(database_url())
        )

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
            network=self.network,
            env=env,
            entrypoint=argv[:1],
            command=argv[1:],
            open_stdin=open_stdin,
            directory=directory,
        )

    @property
    def database_image(self) -> str:
        return self.images.database

    def inside(self, url: str) -> str:
        """The URL of the same database as addressed on the private network."""
        before, _, address = url.rpartition("@")
        return f"{before}@{ALIAS}:{PORT}/{address.partition('/')[2]}"

    def commands(self, command_log: CommandLog, database_url: UrlSource) -> ContainerCommands:
        return ContainerCommands(self, command_log, database_url)

    def project(self, command_log: CommandLog) -> None:
        """Commands of a compose file need the compose runtime."""

    def secrets(self) -> tuple[str, ...]:
        return (self.server.password,)

    def facts(self) -> dict[str, JsonValue]:
        return {
            "postgres": self.server.version(),
            **self.engine.facts(),
            **self.images.facts(),
            "image of the database": self.images.described(self.database_image),
            "clean-up": self.removal,
        }
