"""A run of the docker runtime leaves nothing behind, however it ends, and does not disturb other runs."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import tempfile
import threading
import time

import psutil
import pytest
from support.docker_project import PATIENCE, Project

from rollback_drills.core.polling import poll_until
from rollback_drills.runtimes.docker.engine import WORKSPACE_LABEL, Engine

KILLS = 10


def of_project(engine: Engine, project: Project) -> list[str]:
    """Everything on the engine that carries the label of one of the project's workspaces."""
    api, prefix = engine.client.api, f"{project.temporary}/"
    found = []
    for kind, listed in (
        ("container", api.containers(all=True, filters={"label": WORKSPACE_LABEL})),
        ("network", api.networks(filters={"label": WORKSPACE_LABEL})),
        ("volume", api.volumes(filters={"label": WORKSPACE_LABEL})["Volumes"] or []),
        ("image", api.images(all=True, filters={"label": WORKSPACE_LABEL})),
    ):
        for each in listed:
            if str((each.get("Labels") or {}).get(WORKSPACE_LABEL, "")).startswith(prefix):
                found.append(f"{kind} {each.get('Name') or each.get('Names') or each['Id']}")
    return found


def volumes_of(engine: Engine, project: Project) -> set[str]:
    """The anonymous volumes of the project's containers, which carry no label."""
    prefix = f"{project.temporary}/"
    listed = engine.client.api.containers(all=True, filters={"label": WORKSPACE_LABEL})
    mounts = [
        mount for each in listed if each["Labels"][WORKSPACE_LABEL].startswith(prefix) for mount in each["Mounts"]
    ]
    return {mount["Name"] for mount in mounts if mount["Type"] == "volume"}


def assert_nothing_left(engine: Engine, project: Project) -> None:
    assert of_project(engine, project) == []
    assert project.workspaces() == []


class SlowEngine(socketserver.ThreadingUnixStreamServer):
    """A proxy of the engine that delays every request to create a container."""

    daemon_threads = True
    begun = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as engine:
                engine.connect("/var/run/docker.sock")
                answers = threading.Thread(target=self.pump, args=(engine, self.request))
                answers.start()
                self.pump(self.request, engine)
                answers.join()

        def pump(self, source: socket.socket, sink: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(1 << 16):
                    if (
                        data.startswith(b"POST ")
                        and b"/containers/create" in data.split(b"\r\n")[0]
                        and sink is not self.request
                    ):
                        SlowEngine.begun.set()
                        threading.Event().wait(3.0)  # longer than a run takes to end
                    sink.sendall(data)
                sink.shutdown(socket.SHUT_WR)


@pytest.mark.skipif(bool(os.environ.get("DOCKER_HOST")), reason="the proxy is for the engine of the default socket")
def test_a_signal_while_the_engine_creates_a_container(project: Project, engine: Engine):
    """The engine creates it even if the client is gone, so the run has to wait for it and remove it."""
    with tempfile.TemporaryDirectory() as directory, SlowEngine(f"{directory}/s", SlowEngine.Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        SlowEngine.begun.clear()
        running = project.start("-k", "waits", DOCKER_HOST=f"unix://{directory}/s")
        assert SlowEngine.begun.wait(PATIENCE), project.output(running)
        running.terminate()
        assert running.wait(PATIENCE) == 143, project.output(running)
        server.shutdown()
    assert_nothing_left(engine, project)


@pytest.mark.parametrize(
    ("number", "group", "code"),
    [(signal.SIGINT, True, 2), (signal.SIGTERM, False, 143)],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_after_a_signal(project: Project, engine: Engine, number: signal.Signals, group: bool, code: int):
    running = project.start("-k", "waits")
    project.when_in_step_after(running, "Ready")
    volumes = volumes_of(engine, project)
    assert volumes, "the database's image declares one"
    assert len(of_project(engine, project)) == 3, "the network, PostgreSQL and the gateway"
    subprocess.run(["kill", f"-{number.value}", "--", f"{'-' if group else ''}{running.pid}"], check=True)
    assert running.wait(PATIENCE) == code, project.output(running)
    assert_nothing_left(engine, project)
    left = {volume["Name"] for volume in engine.client.api.volumes()["Volumes"] or []}
    assert left & volumes == set()
    assert "Traceback" not in project.output(running)


def test_after_ten_kills_the_next_run_removes_everything(project: Project, engine: Engine):
    """Each run is killed while it removes what the one before it left."""
    began = time.monotonic()
    running = project.start("-k", "waits")
    project.when_in_step_after(running, "Ready")
    until_ready = time.monotonic() - began
    seed = random.randrange(1 << 32)
    moments = random.Random(seed)
    kills_with_leftovers, volumes = 0, set[str]()
    for _ in range(KILLS - 2):
        volumes |= volumes_of(engine, project)
        kills_with_leftovers += bool(of_project(engine, project))
        _kill(running)
        running = project.start("-k", "waits")
        # There is no condition to poll for: the moment of the kill is random on purpose.
        threading.Event().wait(moments.uniform(0.2, 1.0) * until_ready)
    _kill(running)
    last = project.start("-k", "waits", "--drill-report-dir", "last")
    project.when_in_step_after(last, "Ready", "last")
    _kill(last)
    assert kills_with_leftovers > 1, f"no kill but the first left anything behind (seed {seed})"
    done = project.run("-k", "quick")
    assert done.returncode == 0, f"seed {seed}\n{done.stdout}"
    assert_nothing_left(engine, project)
    left = {volume["Name"] for volume in engine.client.api.volumes()["Volumes"] or []}
    assert left & volumes == set(), f"seed {seed}"
    assert re.search(
        r"drill clean-up: removed what the killed run \S+ left behind: 2 processes or containers", done.stdout
    )


def _kill(running: subprocess.Popen[bytes]) -> None:
    running.kill()
    running.wait()


def test_two_runs_at_the_same_time(project: Project, engine: Engine):
    """One waits with its stack up while others begin, run a drill and clean up."""
    waiting = project.start("-k", "waits")
    project.when_in_step_after(waiting, "Ready")
    waiting_stack = set(of_project(engine, project))
    beside = [project.start("-k", "quick", "--drill-report-dir", f"other-{number}") for number in range(2)]
    assert [running.wait(PATIENCE) for running in beside] == [0, 0], [project.output(running) for running in beside]
    assert set(of_project(engine, project)) == waiting_stack, (
        "the others left nothing, and removed nothing of the first"
    )
    containers = engine.client.api.containers(all=True, filters={"label": WORKSPACE_LABEL})
    prefix = f"{project.temporary}/"
    states = [each["State"] for each in containers if each["Labels"][WORKSPACE_LABEL].startswith(prefix)]
    assert states == ["running", "running"]
    assert all("clean-up: " not in project.output(running) for running in beside)
    waiting.terminate()
    assert waiting.wait(PATIENCE) == 143
    assert_nothing_left(engine, project)


def test_a_kept_stack_stays_and_one_without_a_workspace_is_removed(project: Project, engine: Engine):
    done = project.run("--drill-keep-stack", "-k", "quick")
    assert done.returncode == 0, done.stdout
    lines = [line.strip() for line in done.stdout.splitlines()]
    removal = lines[lines.index("remove them with:") + 1]
    kept = set(of_project(engine, project))
    (workspace,) = project.workspaces()
    assert len(kept) == 3

    running = project.start("-k", "waits")
    project.when_in_step_after(running, "Ready")
    _kill(running)
    for path in project.workspaces():
        if path != workspace:
            shutil.rmtree(path)
    assert len(of_project(engine, project)) == 6

    following = project.run("-k", "quick", "--drill-report-dir", "other")
    assert following.returncode == 0, following.stdout
    assert set(of_project(engine, project)) == kept
    environment = project.environment({})
    removed = subprocess.run(["sh", "-c", removal], capture_output=True, text=True, check=False, env=environment)
    assert (removed.returncode, removed.stderr) == (0, "")
    assert_nothing_left(engine, project)


def test_a_worker_that_is_killed(project: Project, engine: Engine):
    running = project.start("-k", "waits", "-n", "1", "--max-worker-restart=0")
    project.when_in_step_after(running, "Ready")
    (worker,) = psutil.Process(running.pid).children()
    worker.kill()
    assert running.wait(PATIENCE) == pytest.ExitCode.TESTS_FAILED, project.output(running)
    poll_until(lambda: of_project(engine, project) == [], what="its removal", timeout=10)
    assert_nothing_left(engine, project)
