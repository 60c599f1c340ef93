"""Containers of a drill: started through testcontainers, watched from outside, always labelled."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import docker.errors
from docker.models.containers import Container
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from rollback_drills.core.errors import StackError
from rollback_drills.core.polling import poll_until
from rollback_drills.runtimes.docker.engine import (
    Engine,
    labels,
    translate_errors,
)
from rollback_drills.runtimes.protocols import CommandResult

_TAIL_LINES = 200
_KILLED = 128 + signal.SIGKILL
STOPPED = ("exited", "dead", "removing")


class DrillContainer(DockerContainer):
    """A container of testcontainers' with the workspace's labels, and with what its class has no word for.

    Args:
        entrypoint: instead of the image's; with it the image's command is not used either.
        ports: by container port, the port on the engine's host.
        directory: instead of the image's working directory.
        stop_signal: instead of the image's.
    """

    def __init__(
        self,
        engine: Engine,
        workspace: Path,
        image: str,
        *,
        network: Network | str,
        env: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
        entrypoint: Sequence[str] | None = None,
        ports: Mapping[int, int] | None = None,
        open_stdin: bool = False,
        directory: str = "",
        stop_signal: str | None = None,
    ) -> None:
        super().__init__(image, env=dict(env or {}))
        self._engine = engine
        self._docker.client.close()
        self._docker = engine.testcontainers  # one connection for all of them
        if command is not None:
            self.with_command(list(command))
        # Testcontainers' type leaves the address out.
        published: Any = {str(inner): (engine.publish_on, outer) for inner, outer in (ports or {}).items()}
        self.ports = published
        more: dict[str, Any] = {} if entrypoint is None else {"entrypoint": list(entrypoint)}
        if open_stdin:
            more["stdin_open"] = True
        if directory:
            more["working_dir"] = directory
        if stop_signal is not None:
            more["stop_signal"] = stop_signal
        name = network if isinstance(network, str) else network.name
        self.with_kwargs(labels=labels(workspace), network=name, **more)

    def state(self) -> str:
        """What the engine says at this moment: created, running, paused, restarting, exited, dead; '' when gone."""
        container = self._seen()
        return "" if container is None else str(container.status)

    def _seen(self) -> Container | None:
        """As it is now. Another thread may be about to start or to remove it: it is taken once."""
        container = self._container
        try:
            if container is not None:
                container.reload()
        except docker.errors.NotFound:
            return None
        return container

    def exit_code(self) -> int | None:
        """None while it runs; negative where a signal ended it, as for processes."""
        container = self._seen()
        return exit_code_of(container) if container is not None and container.status in STOPPED else None

    def died(self) -> str | None:
        """For `wait.until`: why waiting for this container is pointless, or None."""
        code = self.exit_code()
        return None if code is None else f"its container has exited with code {code}"

    def tail(self) -> str:
        """The end of what it has written since it was created, both streams as they came; nothing where it is gone."""
        container = self._container
        return "" if container is None else tail_of(container)

    def remove(self) -> None:
        """Gone at once, with its anonymous volumes."""
        if self._container is not None:
            with contextlib.suppress(docker.errors.NotFound), translate_errors("a container cannot be removed"):
                self._container.remove(force=True, v=True)
            self._container = None

    def fetch(self, file: Path) -> None:
        """Copy the file at this path in the container to the same path here; where there is none, nothing happens."""
        with contextlib.suppress(docker.errors.NotFound):
            self.copy_from_container(str(file), file)


def exit_code_of(container: Container) -> int:
    """With which code a container has ended the last time; negative where it was killed, as for processes."""
    code = int(container.attrs["State"]["ExitCode"])
    return -signal.SIGKILL if code == _KILLED else code


def environment_of(container: Container) -> dict[str, str]:
    """The variables that a container was created with, those of its image included."""
    pairs = (variable.partition("=") for variable in container.attrs["Config"]["Env"] or [])
    # Compose names what is to be unset, without a value.
    return {name: value for name, is_set, value in pairs if is_set}


def tail_of(container: Container) -> str:
    """The end of what a container has written since it was created, both streams as they came."""
    with contextlib.suppress(docker.errors.DockerException):
        return container.logs(tail=_TAIL_LINES).decode(errors="replace")
    return ""


def run_once(
    container: DrillContainer,
    argv: Sequence[str],
    *,
    timeout: float,
    where: str,
    files: Sequence[Path] = (),
    kill_when: Callable[[], bool] | None = None,
) -> CommandResult:
    """Run a container to its end, at ``timeout`` seconds kill it, and remove it.

    Args:
        files: of this machine, put to the same paths before, and fetched again afterwards.

    Raises:
        StackError: the engine cannot create or start it, for example because the program is not in the image.
    """
    began = time.monotonic()
    try:
        with translate_errors(f"{argv[0]} cannot be started in {where} ({container.image})"):
            for file in files:
                container.with_copy_into_container(file if file.exists() else b"", str(file), 0o666)
            container.start()
        in_time = _attend(container, began + timeout, kill_when)
        code = container.exit_code() if in_time else None
        wrapped = container.get_wrapped_container()
        out, err = (wrapped.logs(stdout=not errors, stderr=errors).decode(errors="replace") for errors in (False, True))
        for file in files:
            container.fetch(file)
    finally:
        container.remove()
    return CommandResult(tuple(argv), code, out, err, time.monotonic() - began, where)


def _attend(container: DrillContainer, deadline: float, kill_when: Callable[[], bool] | None) -> bool:
    """Wait for the end; whether it came in time."""
    asked = kill_when

    def ended() -> bool:
        nonlocal asked
        if container.exit_code() is not None:
            return True
        if asked is not None and asked():
            container.get_wrapped_container().kill()
            asked = None
        return False

    try:
        return poll_until(ended, what="a command", timeout=max(0.0, deadline - time.monotonic()))
    except StackError:
        with contextlib.suppress(docker.errors.APIError):
            container.get_wrapped_container().kill()
        return False
