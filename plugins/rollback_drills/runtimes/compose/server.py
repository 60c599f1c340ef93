"""PostgreSQL as the compose file's own service."""

from __future__ import annotations

from rollback_drills import postgres
from rollback_drills.core.errors import DrillError, StackError
from rollback_drills.core.meter import Meter
from rollback_drills.core.polling import poll_until
from rollback_drills.runtimes.compose.project import ComposeProject
from rollback_drills.runtimes.docker.containers import pause, tail_of
from rollback_drills.runtimes.docker.engine import Engine, translate_errors

START_TIMEOUT = 120.0  # seconds until the services beside the gateway are up
MAINTENANCE = "rollback_drills"  # a database to connect to: the target's may have any name, even postgres


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
            StackError: a service did not start; quotes its output.
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
            self._wait(first, "starting PostgreSQL")
        with postgres.connect(first) as connection:
            connection.execute(f"CREATE DATABASE {MAINTENANCE}".encode())
        # The image has created the gateway's database; every drill creates its own under this name.
        with postgres.connect(self._url) as admin:
            postgres.drop_database(admin, database)

    def freeze(self) -> None:
        container = self._project.container(self._project.settings.database)
        if container is not None:
            pause(container)

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
            self._wait(self._url, "starting PostgreSQL again")

    def version(self) -> str:
        with postgres.connect(self._url) as connection:
            return str((connection.execute("SELECT version()").fetchone() or ("",))[0])

    def _wait(self, url: str, what: str) -> None:
        poll_until(lambda: _answers(url), what=what, timeout=START_TIMEOUT, last_words=self._last_words)

    def _last_words(self) -> str:
        container = self._project.container(self._project.settings.database)
        return tail_of(container) if container is not None else ""


def _answers(url: str) -> bool:
    try:
        with postgres.connect(url, timeout=2.0) as connection:
            return connection.execute("SELECT 1").fetchone() is not None
    except DrillError:
        return False
