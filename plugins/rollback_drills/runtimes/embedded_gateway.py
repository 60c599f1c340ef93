"""The gateway as a process, started from the tree of a release."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import Signals

from rollback_drills import wait
from rollback_drills.database import database_values
from rollback_drills.errors import StackError
from rollback_drills.meter import Meter
from rollback_drills.placeholders import fill
from rollback_drills.runtimes import process
from rollback_drills.runtimes.answering import answers
from rollback_drills.runtimes.deployment import Deployment
from rollback_drills.runtimes.ports import free_port, is_free
from rollback_drills.runtimes.trees import Trees
from rollback_drills.stack import Outcome, Stop, UrlSource
from rollback_drills.target import Target

_HOST = "127.0.0.1"


def process_values(target: Target, release: str, trees: Trees, private: Path, database_url: str) -> dict[str, str]:
    """The placeholders that commands and variables of a release may use, but for the port."""
    return {
        "here": str(target.here),
        "python": trees.python(release),
        "release": release,
        "tree": str(trees.tree(release)),
        "private": str(private),
        **database_values(database_url),
    }


class EmbeddedGateway:
    """Implements `rollback_drills.stack.Gateway` with one process at a time, always on the same port."""

    def __init__(
        self, target: Target, trees: Trees, workspace: Path, name: str, meter: Meter, database_url: UrlSource
    ) -> None:
        self._target, self._trees, self._workspace, self._meter = target, trees, workspace, meter
        self._database_url = database_url
        self._port = free_port()
        self._log = workspace / f"{name}.gateway.log"
        self._deployment = Deployment(target)
        self._argv: list[str] = []
        self._created: dict[str, str] = {}  # the whole environment of the process, as it was created
        self._visible: dict[str, str] = {}  # the configured part of it
        self._process: process.Process | None = None

    @property
    def base_url(self) -> str:
        return f"http://{_HOST}:{self._port}"

    @property
    def release(self) -> str | None:
        return self._deployment.release

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.running else None

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
        self._trees.tree(release)  # before anything is stopped
        self.stop()
        self._deployment.begin(release, migrate=migrate)
        values = process_values(self._target, release, self._trees, self._workspace, self._database_url())
        values["port"] = str(self._port)
        self._visible = self._deployment.environment(values)
        self._created = process.clean_environment(self._workspace, self._visible)
        self._argv = [fill(argument, values) for argument in self._target.gateway.start or ()]
        self._log.unlink(missing_ok=True)
        return self._start()

    def recreate(self) -> Outcome:
        return self.deploy(self._deployment.required(), migrate=self._deployment.migrates)

    def restart(self) -> Outcome:
        self._deployment.required()
        self.stop()
        return self._start()

    def stop(self) -> None:
        if self._process is not None:
            asked = self._process.running
            with self._meter.target():
                self._process.stop(
                    Signals[self._target.gateway.stop_signal or "SIGTERM"],
                    timeout=self._target.gateway.stop_timeout,
                )
            if asked:
                self._deployment.stopped(self._process.exit_code, self._process.tail())
            self._process = None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None

    def remove(self) -> None:
        self.stop()

    def logs(self) -> str:
        return process.read_tail(self._log)

    def _start(self) -> Outcome:
        release = self._deployment.required()
        directory = self._trees.tree(release) / self._target.gateway.directory
        if not is_free(self._port):  # its answers would pass for those of our gateway
            raise StackError(
                f"release {release} cannot be started: another program listens on port {self._port}",
                fix="end that program; the gateway's own children may have outlived it",
            )
        started = time.monotonic()
        with self._meter.target():
            child = process.Process(self._argv, cwd=directory, env=self._created, log=self._log)
            self._process = child
            try:
                wait.until(
                    self._answers,
                    what=f"starting release {release}",
                    timeout=self._target.gateway.ready_timeout,
                    died=child.died,
                )
            except StackError:
                code = child.exit_code
                child.kill()
                self._process = None
                return Outcome(False, time.monotonic() - started, code, child.tail())
        return Outcome(True, time.monotonic() - started)

    def _answers(self) -> bool:
        """Whether *this* process answers: if it is gone, somebody else has taken its port."""
        return answers(self._target, _HOST, self._port) and self.running
