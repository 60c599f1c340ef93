"""The gateway as a container that is always published on the same port."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import docker.errors

from rollback_drills.core.errors import DrillError, StackError
from rollback_drills.core.meter import Meter
from rollback_drills.core.placeholders import fill
from rollback_drills.core.polling import poll_until
from rollback_drills.postgres.addresses import database_values
from rollback_drills.runtimes.docker.containers import DrillContainer
from rollback_drills.runtimes.docker.engine import Engine, port_is_taken, translate_errors
from rollback_drills.runtimes.docker.images import Images
from rollback_drills.runtimes.host import ports
from rollback_drills.runtimes.host.readiness import answers
from rollback_drills.runtimes.protocols import Outcome, Stop, UrlSource
from rollback_drills.runtimes.releases.deployment import Deployment
from rollback_drills.target.target import Target

_TRIES = 20  # ports to try


class CreateContainer(Protocol):
    def __call__(
        self,
        image: str,
        *,
        env: Mapping[str, str] | None = None,
        command: list[str] | None = None,
        ports: Mapping[int, int] | None = None,
        stop_signal: str | None = None,
    ) -> DrillContainer: ...


def container_values(target: Target, release: str, engine: Engine, image: str, database_url: str) -> dict[str, str]:
    """The values of the placeholders of commands and variables inside a release's container."""
    found = engine.image(image)
    tree = (found.attrs["Config"].get("WorkingDir") if found is not None else "") or "/"
    return {
        "here": tree,  # the image has no target file's directory, only its own working directory
        "python": "python3",
        "release": release,
        "tree": tree,
        "private": "/tmp",
        "port": str(target.gateway.container_port),
        **database_values(database_url),
    }


class DockerGateway:
    """Implements `rollback_drills.runtimes.protocols.Gateway` with one container at a time.

    Args:
        database_url: as addressed from the container.
    """

    def __init__(
        self,
        target: Target,
        engine: Engine,
        images: Images,
        create: CreateContainer,
        meter: Meter,
        database_url: UrlSource,
    ) -> None:
        self._target, self._engine, self._images, self._container_of, self._meter = (
            target,
            engine,
            images,
            create,
            meter,
        )
        self._database_url = database_url
        self._port = _any_port(engine)
        self._port_is_known = False  # once published it stays, since clients know it
        self._deployment = Deployment(target)
        self._visible: dict[str, str] = {}
        self._container: DrillContainer | None = None

    @property
    def base_url(self) -> str:
        return f"{self._target.gateway.scheme}://{self._engine.host}:{self._port}"

    @property
    def release(self) -> str | None:
        return self._deployment.release

    @property
    def running(self) -> bool:
        container = self._container  # a deployment in another thread may be replacing it
        return container is not None and container.state() in ("running", "paused")

    @property
    def environment(self) -> Mapping[str, str]:
        return dict(self._visible)

    @property
    def stops(self) -> Sequence[Stop]:
        return tuple(self._deployment.stops)

    def configure(self, variables: Mapping[str, str | None]) -> None:
        self._deployment.configure(variables)

    def deploy(self, release: str, *, migrate: bool = False) -> Outcome:
        self._deployment.permit(migrate)
        try:
            image = self._images.of_release(release)
        except DrillError as error:
            raise StackError(
                f"release {release} cannot be obtained: {error.what}", cause=error.cause, fix=error.fix
            ) from None
        self.stop()
        self.remove()
        self._deployment.begin(release, migrate=migrate)
        values = container_values(self._target, release, self._engine, image, self._database_url())
        self._visible = self._deployment.environment(values)
        command = self._target.gateway.container_command
        argv = [fill(argument, values) for argument in command] if command is not None else None
        return self._start(lambda: self._create(image, argv))

    def recreate(self) -> Outcome:
        return self.deploy(self._deployment.required(), migrate=self._deployment.migrates)

    def restart(self) -> Outcome:
        self._deployment.required()
        self.stop()
        container = self._existing()
        return self._start(container.get_wrapped_container().start)

    def stop(self) -> None:
        if self.running:
            container = self._existing()
            with self._meter.target(), translate_errors("the gateway's container cannot be stopped"):
                container.get_wrapped_container().stop(timeout=math.ceil(self._target.gateway.stop_timeout))
            self._deployment.stopped(container.exit_code(), container.tail())

    def kill(self) -> None:
        if self.running:
            with translate_errors("the gateway's container cannot be killed"):
                self._existing().get_wrapped_container().kill()
            poll_until(lambda: not self.running, what="killing the gateway", timeout=10.0)

    def remove(self) -> None:
        if self._container is not None:
            self._container.remove()
            self._container = None

    def logs(self) -> str:
        container = self._container
        return container.tail() if container is not None else ""

    def _create(self, image: str, command: list[str] | None) -> None:
        """Create and start; if the port is taken, try another, unless clients know it."""
        gateway = self._target.gateway
        for _ in range(_TRIES):
            published = {gateway.container_port: self._port}
            self._container = self._container_of(
                image, env=self._visible, command=command, ports=published, stop_signal=gateway.stop_signal
            )
            try:
                self._container.start()
                self._port_is_known = True
                return
            except docker.errors.APIError as error:
                if self._port_is_known or not port_is_taken(error):
                    raise
                self._container.remove()
                self._port = _any_port(self._engine)
        raise StackError(f"no free port was found on {self._engine.host}", fix="end the programs that listen there")

    def _start(self, begin: Callable[[], object]) -> Outcome:
        release = self._deployment.required()
        began = time.monotonic()
        with self._meter.target():
            try:
                with translate_errors(f"release {release} cannot be started"):
                    begin()
            except StackError as error:
                if not port_is_taken(error):
                    raise
                raise StackError(
                    f"release {release} cannot be started: another program listens on port {self._port}",
                    cause=error.cause,
                    fix="end that program",
                ) from None
            container = self._existing()
            try:
                poll_until(
                    lambda: answers(self._target, self._engine.host, self._port),
                    what=f"starting release {release}",
                    timeout=self._target.gateway.ready_timeout,
                    died=container.died,
                )
            except StackError:
                code = container.exit_code()
                self.kill()
                return Outcome(False, time.monotonic() - began, code, container.tail())
        return Outcome(True, time.monotonic() - began)

    def _existing(self) -> DrillContainer:
        if self._container is None:
            raise StackError("the gateway's container is gone", fix="deploy a release first")
        return self._container


def _any_port(engine: Engine) -> int:
    """A port that is free, if the engine runs on this machine; elsewhere the engine refuses a taken one."""
    return ports.free_port() if engine.local else random.randint(ports.FIRST, ports.LAST)
