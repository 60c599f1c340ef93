"""The gateway as a process, started in the tree of a release."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import Signals

from rollback_drills.core.errors import StackError
from rollback_drills.core.meter import Meter
from rollback_drills.core.placeholders import fill
from rollback_drills.core.polling import poll_until
from rollback_drills.postgres.addresses import database_values
from rollback_drills.runtimes.host import logs, process, survivors
from rollback_drills.runtimes.host.ports import free_port, is_free
from rollback_drills.runtimes.host.readiness import answers
from rollback_drills.runtimes.protocols import Outcome, Stop, UrlSource
from rollback_drills.runtimes.releases.deployment import Deployment
from rollback_drills.runtimes.releases.trees import Trees
from rollback_drills.target.target import Target

_HOST, _IPV6 = "127.0.0.1", "::1"
_PORTS = 3  # to try until the gateway has answered once
_RELEASED = 2.0  # seconds


def process_values(target: Target, release: str, trees: Trees, private: Path, database_url: str) -> dict[str, str]:
    """The values of the placeholders in a release's commands and variables, except the port."""
    return {
        "here": str(target.here),
        "python": trees.python(release),
        "release": release,
        "tree": str(trees.tree(release)),
        "private": str(private),
        **database_values(database_url),
    }


class EmbeddedGateway:
    """Implements `rollback_drills.runtimes.protocols.Gateway` with one process at a time, always on the same port."""

    def __init__(
        self, target: Target, trees: Trees, workspace: Path, name: str, meter: Meter, database_url: UrlSource
    ) -> None:
        self._target, self._trees, self._workspace, self._meter = target, trees, workspace, meter
        self._database_url = database_url
        self._port, self._host = free_port(), _HOST
        self._log = workspace / f"{name}.gateway.log"
        self._mark = str(workspace / name)
        self._deployment = Deployment(target)
        self._argv: list[str] = []
        self._created: dict[str, str] = {}  # the whole environment that the process was created with
        self._visible: dict[str, str] = {}  # the configured part of it
        self._process: process.Process | None = None
        self._has_served = False  # from then on clients know the port
        self._ports_tried = 0

    @property
    def base_url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{self._target.gateway.scheme}://{host}:{self._port}"

    @property
    def release(self) -> str | None:
        return self._deployment.release

    @property
    def running(self) -> bool:
        return self.pid is not None

    @property
    def pid(self) -> int | None:
        child = self._process  # a deployment in another thread may be ending it
        return child.pid if child is not None and child.running else None

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
        logs.clear(self._log)
        while True:
            self._create(release)
            outcome = self._start()
            if outcome.started or not self._port_was_taken():
                return outcome
            self._ports_tried += 1
            if self._has_served or self._ports_tried == _PORTS:
                raise StackError(
                    f"release {release} cannot be started: another program has taken port {self._port} meanwhile",
                    cause=outcome.log,
                    fix=f"find the program with `ss -ltnp sport = :{self._port}`, and drill again",
                )

    def _create(self, release: str) -> None:
        """Set the arguments and environment of the next process."""
        if not self._has_served and not is_free(self._port):
            self._port = free_port()  # no client knows the old one
        values = process_values(self._target, release, self._trees, self._workspace, self._database_url())
        values["port"] = str(self._port)
        self._visible = self._deployment.environment(values)
        marks = {survivors.GATEWAY_VARIABLE: self._mark}
        self._created = process.clean_environment(self._workspace, self._visible | marks)
        self._argv = [fill(argument, values) for argument in self._target.gateway.start or ()]

    def _port_was_taken(self) -> bool:
        """Whether another program took the port between this process's check and the gateway's start."""
        return not is_free(self._port) and not process.listens(self._workspace, self._port)

    def recreate(self) -> Outcome:
        return self.deploy(self._deployment.required(), migrate=self._deployment.migrates)

    def restart(self) -> Outcome:
        self._deployment.required()
        self.stop()
        return self._start()

    def stop(self) -> None:
        child = self._process
        if child is None:
            return
        asked = child.running
        with self._meter.target():
            willing = child.ask_to_end(
                Signals[self._target.gateway.stop_signal or "SIGTERM"], timeout=self._target.gateway.stop_timeout
            )
        # Before anything is killed: in production nobody would.
        left = survivors.survivors(self._mark) if asked and willing else []
        answering = survivors.listening(left, self._port)
        told = tuple(map(survivors.described, left))
        with self._meter.target():
            child.kill()
        process.end_all(left)
        if asked:
            self._deployment.stopped(child.exit_code, child.tail(), left=told, answering=answering)
        self._process = None

    def kill(self) -> None:
        child = self._process
        if child is not None:
            child.kill()
            self._process = None

    def remove(self) -> None:
        self.stop()

    def logs(self) -> str:
        return logs.read_tail(self._log)

    def _start(self) -> Outcome:
        release = self._deployment.required()
        directory = self._trees.tree(release) / self._target.gateway.directory
        if not self._becomes_free():  # the other program's answers would pass for the gateway's
            raise self._occupied(release)
        started = time.monotonic()
        with self._meter.target():
            child = process.Process(self._argv, cwd=directory, env=self._created, log=self._log)
            self._process = child
            try:
                poll_until(
                    self._answers,
                    what=f"starting release {release}",
                    timeout=self._target.gateway.ready_timeout,
                    died=child.died,
                )
            except StackError:
                code = child.exit_code
                elsewhere = self._elsewhere() if code is None else ""
                child.kill()
                self._process = None
                return Outcome(False, time.monotonic() - started, code, child.tail(), elsewhere)
        self._has_served = True
        return Outcome(True, time.monotonic() - started)

    def _becomes_free(self) -> bool:
        """Whether nothing listens on the port; the system may take a moment to close what a killed process had open."""
        try:
            return poll_until(lambda: is_free(self._port), what="the end of what listened", timeout=_RELEASED)
        except StackError:
            return False

    def _occupied(self, release: str) -> StackError:
        what = f"release {release} cannot be started"
        if process.listens(self._workspace, self._port):
            return StackError(
                f"{what}: a process that the gateway left behind still listens on port {self._port}",
                fix="let the gateway stay in the foreground, and end its children when it is asked to stop",
            )
        return StackError(f"{what}: another program listens on port {self._port}", fix="end that program")

    def _answers(self) -> bool:
        """Whether *this* process answers: if it has ended, another program has taken its port."""
        if answers(self._target, self._host, self._port):
            return self.running
        if self._has_served or not self.running or not answers(self._target, _IPV6, self._port):
            return False
        # A gateway that listens on [::1] only; another program may listen there too.
        if survivors.listening(survivors.marked(self._mark), self._port):
            self._host = _IPV6
            return True
        return False

    def _elsewhere(self) -> str:
        """Where the gateway listens, if it is not where it was asked."""
        places = survivors.addresses(survivors.marked(self._mark))
        if not places:
            return ""
        asked = f"{_HOST}:{self._port}"
        if asked not in places:
            return f"it listens on {', '.join(places)}, and not on {asked}"
        spoken = "TLS" if self._target.gateway.scheme == "https" else "plain HTTP"
        return f"it listens on {asked}, and gives no answer in {spoken} there (scheme under [gateway])"
