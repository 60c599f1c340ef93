"""The gateway as a service of the compose project, driven with the commands of the (corrected) runbook."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence

from docker.models.containers import Container

from rollback_drills.core.errors import DrillError, StackError
from rollback_drills.core.meter import Meter
from rollback_drills.core.polling import poll_until
from rollback_drills.runtimes.compose.project import ComposeProject
from rollback_drills.runtimes.docker.containers import environment_of, exit_code_of, tail_of
from rollback_drills.runtimes.docker.engine import Engine, port_is_taken, translate_errors
from rollback_drills.runtimes.host.readiness import answers
from rollback_drills.runtimes.protocols import CommandResult, Outcome, Stop
from rollback_drills.runtimes.releases.deployment import Deployment
from rollback_drills.target.target import Target

_FAILED = ("exited", "dead", "restarting")  # a container that its restart policy starts again has failed too


class ComposeGateway:
    """Implements `rollback_drills.runtimes.protocols.Gateway` with ``up``, ``restart``, ``stop`` and ``kill``.

    Args:
        image: tags the image of a release with the name that the compose file uses.
    """

    def __init__(
        self, target: Target, engine: Engine, project: ComposeProject, image: Callable[[str], str], meter: Meter
    ) -> None:
        self._target, self._engine, self._project, self._image, self._meter = target, engine, project, image, meter
        self._deployment = Deployment(target)
        self._edited: set[str] = set()

    @property
    def base_url(self) -> str:
        return f"{self._target.gateway.scheme}://{self._engine.host}:{self._project.gateway_port}"

    @property
    def release(self) -> str | None:
        return self._deployment.release

    @property
    def running(self) -> bool:
        container = self._container()
        return container is not None and container.status in ("running", "paused")

    @property
    def environment(self) -> Mapping[str, str]:
        container = self._container()
        return environment_of(container) if container is not None else {}

    @property
    def stops(self) -> Sequence[Stop]:
        return tuple(self._deployment.stops)

    def configure(self, variables: Mapping[str, str | None]) -> None:
        self._edited |= set(variables)
        settings = self._project.settings
        # A removed variable returns to its initial value.
        self._project.edit_environment(
            {name: value if value is not None else settings.env.get(name) for name, value in variables.items()}
        )

    def deploy(self, release: str, *, migrate: bool = False) -> Outcome:
        self._deployment.permit(migrate)
        migrating = self._target.gateway.migrate_on_start
        try:
            self._image(release)
        except DrillError as error:
            raise StackError(
                f"release {release} cannot be obtained: {error.what}", cause=error.cause, fix=error.fix
            ) from None
        settings = self._project.settings
        self._project.edit_environment({settings.release_variable: release})
        # The variables that make a start migrate are set for this start alone.
        if migrate or self._deployment.migrates:
            self.configure({name: value if migrate else None for name, value in (migrating or {}).items()})
        self._deployment.begin(release, migrate=migrate)
        return self._start("up", "-d", "--no-build", "--no-deps", "--force-recreate", settings.gateway)

    def recreate(self) -> Outcome:
        return self.deploy(self._deployment.required(), migrate=self._deployment.migrates)

    def restart(self) -> Outcome:
        self._deployment.required()
        seconds = str(math.ceil(self._target.gateway.stop_timeout))
        return self._start("restart", "--no-deps", "--timeout", seconds, self._project.settings.gateway)

    def stop(self) -> None:
        if self._container() is not None:
            asked = self.running
            seconds = str(math.ceil(self._target.gateway.stop_timeout))
            with self._meter.target():
                self._must(self._project.compose("stop", "--timeout", seconds, self._project.settings.gateway))
            container = self._container()
            if asked and container is not None and self._deployment.release is not None:
                self._deployment.stopped(exit_code_of(container), tail_of(container))

    def kill(self) -> None:
        if self.running:
            self._must(self._project.compose("kill", self._project.settings.gateway))
            poll_until(lambda: not self.running, what="killing the gateway", timeout=10.0)

    def remove(self) -> None:
        container = self._container()
        if container is not None:
            with translate_errors("the gateway's container cannot be removed"):
                container.remove(force=True, v=True)
        self.configure(dict.fromkeys(self._edited))
        self._edited = set()

    def logs(self) -> str:
        container = self._container()
        return tail_of(container) if container is not None else ""

    def _start(self, *command: str) -> Outcome:
        release, port = self._deployment.required(), self._project.gateway_port
        began = time.monotonic()
        with self._meter.target():
            result = self._project.compose(*command)
            if not result.ok and port_is_taken(StackError(result.output)):
                raise StackError(
                    f"release {release} cannot be started: another program listens on port {port}",
                    cause=result.output,
                    fix="end that program",
                )
            self._must(result)
            codes: list[int | None] = []

            def died() -> str | None:
                container = self._container()
                if container is None or container.status in _FAILED:
                    codes.append(exit_code_of(container) if container is not None else None)
                    return f"its container has exited with code {codes[-1]}"
                return None

            try:
                poll_until(
                    lambda: answers(self._target, self._engine.host, port),
                    what=f"starting release {release}",
                    timeout=self._target.gateway.ready_timeout,
                    died=died,
                )
            except StackError:
                log = self.logs()
                self._end()
                return Outcome(False, time.monotonic() - began, codes[-1] if codes else None, log)
        return Outcome(True, time.monotonic() - began)

    def _end(self) -> None:
        """End the container, also one that its restart policy starts again and again."""
        container = self._container()
        if container is not None:
            with translate_errors("the gateway's container cannot be stopped"):
                container.stop(timeout=0)

    def _must(self, result: CommandResult) -> None:
        if not result.ok:
            raise StackError(
                f"`{' '.join(result.argv)}` failed with exit code {result.exit_code}",
                cause=result.output,
                fix="run it by hand; the report shows the override file that is used with it",
            )

    def _container(self) -> Container | None:
        return self._project.container(self._project.settings.gateway)
