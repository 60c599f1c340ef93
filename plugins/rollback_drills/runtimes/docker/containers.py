"""A drill's containers: started through testcontainers, observed from outside, always labelled."""

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
from rollback_drills.runtimes.docker.engine import Engine, labels, message_of, translate_errors
from rollback_drills.runtimes.protocols import CommandResult

_TAIL_LINES = 200
_KILLED = 128 + signal.SIGKILL
STOPPED = ("exited", "dead", "removing")
PAUSE_TIMEOUT = 20.0  # seconds
_NOT_FROZEN = "unable to freeze"


class DrillContainer(DockerContainer):
    """A testcontainers container with the workspace's labels, and with options that its class lacks.

    Args:
        entrypoint: replaces the image's, and its command too.
        ports: by container port, the port on the engine's host.
        directory: replaces the image's working directory.
        stop_signal: replaces the image's.
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
        # Testcontainers' type has no address.
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
        """The engine's word for its state: created, running, paused, restarting, exited, dead; '' when gone."""
        container = self._current()
        return "" if container is None else str(container.status)

    def _current(self) -> Container | None:
        """The container in its current state; None when gone."""
        container = self._container  # read once: another thread may be starting or removing it
        try:
            if container is not None:
                container.reload()
        except docker.errors.NotFound:
            return None
        return container

    def exit_code(self) -> int | None:
        """None while it runs; negative if a signal ended it, as for processes."""
        container = self._current()
        return exit_code_of(container) if container is not None and container.status in STOPPED else None

    def died(self) -> str | None:
        """For `poll_until`: why waiting for this container is pointless, or None."""
        code = self.exit_code()
        return None if code is None else f"its container has exited with code {code}"

    def tail(self) -> str:
        """The end of what it has written since it was created, both streams interleaved; empty when gone."""
        container = self._container
        return "" if container is None else tail_of(container)

    def remove(self) -> None:
        """Remove it at once, with its anonymous volumes."""
        if self._container is not None:
            with contextlib.suppress(docker.errors.NotFound), translate_errors("a container cannot be removed"):
                self._container.remove(force=True, v=True)
            self._container = None

    def fetch(self, file: Path) -> None:
        """Copy the file at this path in the container, if it exists, to the same path here."""
        with contextlib.suppress(docker.errors.NotFound):
            self.copy_from_container(str(file), file)


def pause(container: Container) -> None:
    """Stop every process of a container without ending it.

    On a busy machine runc gives up before all processes have stopped, and resumes them (opencontainers/runc,
    libcontainer/cgroups/fs/freezer.go: "unable to freeze"). The next attempt may succeed.

    Raises:
        StackError: the container cannot be paused.
    """

    def paused() -> bool:
        try:
            container.pause()
        except docker.errors.APIError as error:
            if _NOT_FROZEN not in message_of(error):
                raise
            refusals.append(message_of(error))
            return False
        return True

    refusals: list[str] = []
    what = "the container cannot be paused"
    with translate_errors(what):
        poll_until(paused, what=what, timeout=PAUSE_TIMEOUT, last_words=lambda: refusals[-1])


def exit_code_of(container: Container) -> int:
    """The exit code of a container's last run; negative if it was killed, as for processes."""
    code = int(container.attrs["State"]["ExitCode"])
    return -signal.SIGKILL if code == _KILLED else code


def environment_of(container: Container) -> dict[str, str]:
    """The variables that a container was created with, including its image's."""
    pairs = (variable.partition("=") for variable in container.attrs["Config"]["Env"] or [])
    # Compose lists a variable to unset by its name alone.
    return {name: value for name, is_set, value in pairs if is_set}


def tail_of(container: Container) -> str:
    """The end of what a container has written since it was created, both streams interleaved."""
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
    """Run a container to its end, killing it after ``timeout`` seconds, and remove it.

    Args:
        files: of this machine; copied to the same paths in the container, and back at the end.
        kill_when: polled while it runs; once true, it is killed.

    Raises:
        StackError: the engine cannot create or start it, for example because the image lacks the program.
    """
    began = time.monotonic()
    try:
        with translate_errors(f"{argv[0]} cannot be started in {where} ({container.image})"):
            for file in files:
                container.with_copy_into_container(file if file.exists() else b"", str(file), 0o666)
            container.start()
        in_time = _wait(container, began + timeout, kill_when)
        code = container.exit_code() if in_time else None
        wrapped = container.get_wrapped_container()
        out, err = (wrapped.logs(stdout=not errors, stderr=errors).decode(errors="replace") for errors in (False, True))
        for file in files:
            container.fetch(file)
    finally:
        container.remove()
    return CommandResult(tuple(argv), code, out, err, time.monotonic() - began, where)


def _wait(container: DrillContainer, deadline: float, kill_when: Callable[[], bool] | None) -> bool:
    """Wait for the container to end; return whether it did so in time."""
    condition = kill_when

    def ended() -> bool:
        nonlocal condition
        if container.exit_code() is not None:
            return True
        if condition is not None and condition():
            container.get_wrapped_container().kill()
            condition = None
        return False

    try:
        return poll_until(ended, what="a command", timeout=max(0.0, deadline - time.monotonic()))
    except StackError:
        with contextlib.suppress(docker.errors.APIError):
            container.get_wrapped_container().kill()
        return False
