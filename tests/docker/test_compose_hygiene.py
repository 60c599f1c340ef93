"""A run of the compose runtime leaves nothing behind; what a killed run leaves, the next removes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from rollback_drills.core.polling import poll_until
from rollback_drills.runtimes.docker.engine import WORKSPACE_LABEL, Engine, namespace

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 180.0  # seconds
KILLS = 5


class Runs:
    """Runs of the reference drills on Compose, in their own temporary directory."""

    def __init__(self, directory: Path, engine: Engine) -> None:
        self.directory, self.engine = directory, engine
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        argv = [
            sys.executable,
            "-m",
            "pytest",
            "drills",
            "-k",
            "test_letter_restart",
            "--drill-runtime",
            "compose",
            "--drill-report-dir",
            str(self.directory / "reports"),
            "-p",
            "no:cacheprovider",
            "-p",
            "no:html",
        ]
        with (self.directory / f"output-{len(self.running)}.txt").open("wb") as output:
            started = subprocess.Popen(
                argv,
                cwd=ROOT,
                env={**os.environ, "TMPDIR": str(self.directory)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.running.append(started)
        return started

    def output(self) -> str:
        return (self.directory / f"output-{len(self.running) - 1}.txt").read_text(errors="replace")

    def leftovers(self) -> list[str]:
        """Everything on the engine that belongs to these runs."""
        api, prefix = self.engine.client.api, f"{self.directory}/"
        listed = [
            *api.containers(all=True, filters={"label": WORKSPACE_LABEL}),
            *api.networks(filters={"label": WORKSPACE_LABEL}),
            *(api.volumes(filters={"label": WORKSPACE_LABEL})["Volumes"] or []),
        ]
        found = [each for each in listed if (each.get("Labels") or {})[WORKSPACE_LABEL].startswith(prefix)]
        named = [
            str(image["RepoTags"])
            for workspace in self.workspaces()
            for image in api.images(filters={"reference": f"{namespace(workspace)}/*"})
        ]
        return [str(each.get("Name") or each.get("Names")) for each in found] + named

    def workspaces(self) -> list[Path]:
        return [path for root in self.directory.glob("rollback-drills-*") for path in root.iterdir() if path.is_dir()]


@pytest.fixture
def runs(tmp_path: Path, engine: Engine):
    runs = Runs(tmp_path, engine)
    yield runs
    for process in runs.running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def until_both_services_run(runs: Runs) -> None:
    poll_until(lambda: len(runs.leftovers()) >= 4, what="gateway, database, network and volume", timeout=PATIENCE)


def test_after_sigterm_nothing_is_left(runs: Runs):
    running = runs.start()
    until_both_services_run(runs)
    running.terminate()
    assert running.wait(PATIENCE) == 143, runs.output()
    assert runs.leftovers() == []
    assert runs.workspaces() == []


def test_the_next_run_removes_what_killed_runs_left(runs: Runs):
    began = time.monotonic()
    running = runs.start()
    until_both_services_run(runs)
    until_ready = time.monotonic() - began
    seed = random.randrange(1 << 32)
    moments = random.Random(seed)
    kills_with_leftovers = 0
    for _ in range(KILLS):
        kills_with_leftovers += bool(runs.leftovers())
        running.kill()
        running.wait()
        running = runs.start()
        # There is no condition to poll for: the moment of the kill is random on purpose.
        threading.Event().wait(moments.uniform(0.2, 1.2) * until_ready)
    running.kill()
    running.wait()
    assert runs.start().wait(PATIENCE) == 0, f"seed {seed}\n{runs.output()}"
    assert kills_with_leftovers > 0, f"no kill left anything behind (seed {seed})"
    assert runs.leftovers() == [], f"seed {seed}"
    assert runs.workspaces() == []
