"""A small project with drills on the docker runtime, run by a separate pytest."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from rollback_drills.core.polling import poll_until
from support.forked_pytest import run_pytest

PATIENCE = 400.0  # seconds; ten times what anything here takes on an idle machine
SMALL = Path(__file__).parents[1] / "support" / "small"
CONFTEST = """
import pytest
from rollback_drills.pytest_plugin import activate

@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    activate(config)
"""
DRILLS = """
import threading
import pytest

drilled = pytest.mark.drill("Small", runbook="quick-flags")

@drilled
def test_quick(stack, drill, tmp_path):
    with drill.step("Look"):
        drill.check("the gateway is healthy", stack.client.healthy(), expected=True)
    with drill.step("Dump"):
        result, _ = stack.backups.take(stack.database, tmp_path / "backup.sql")
        drill.check("a dump is taken", result.exit_code, expected=0)

@drilled
def test_waits(stack, drill):
    with drill.step("Ready"):
        drill.check("it runs", stack.gateway.running, expected=True)
    with drill.step("Wait"):
        threading.Event().wait()
"""
# In a container the small gateway listens on every address; the base image has PostgreSQL's driver.
DOCKERFILE = """\
ARG BASE
FROM ${BASE}
ARG RELEASE
WORKDIR /app
COPY releases/${RELEASE} ./
EXPOSE 8000
CMD ["python3", "gateway.py", "8000"]
"""


def interruptible() -> None:
    """In the child: make Ctrl-C work, which a shell's background job ignores, and so its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Project:
    """A directory with a target and drills, and a temporary directory of its own."""

    def __init__(self, path: Path, images: Mapping[str, str]) -> None:
        self.path, self.images = path, images
        self.temporary = path / "tmp"
        self.temporary.mkdir()
        self.reports = path / "reports"
        self._started: list[subprocess.Popen[bytes]] = []
        (path / "pytest.ini").write_text(
            "[pytest]\naddopts = --strict-markers -p no:cacheprovider\nfilterwarnings = error\n"
            "drill_target = system/target.toml\ndrill_runtime = docker\n"
        )
        (path / "conftest.py").write_text(CONFTEST)
        (path / "test_drills.py").write_text(DRILLS)
        self.target()

    def target(self, change: Callable[[str], str] = lambda text: text) -> Path:
        """Write the small target, changed to build images; return the target file."""
        here = self.path / "system"
        for release in ("1.0", "2.0"):
            tree = here / "releases" / release
            tree.mkdir(parents=True, exist_ok=True)
            shutil.copy(SMALL / "migrate.py", tree)
            gateway = (SMALL / "gateway.py").read_text()
            (tree / "gateway.py").write_text(gateway.replace('"127.0.0.1"', 'os.environ.get("LISTEN", "127.0.0.1")'))
        (here / "ROLLBACK.md").write_text("# Rollback\n")
        (here / "Dockerfile").write_text(DOCKERFILE)
        text = (SMALL / "target.toml").read_text()
        build = (
            f'build = {{ context = ".", args = {{ RELEASE = "{{release}}", BASE = "{self.images["BASE_IMAGE"]}" }} }}'
        )
        text = text.replace(
            "[gateway]", f'{build}\n\n[database]\nimage = "{self.images["POSTGRES_IMAGE"]}"\n\n[gateway]'
        )
        text = text.replace("env = {", 'env = { LISTEN = "0.0.0.0",')
        file = here / "target.toml"
        file.write_text(change(text))
        return file

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        inherited = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
        return {**inherited, "TMPDIR": str(self.temporary), **variables}

    def run(
        self, *arguments: str, before: Iterable[str] = (), timeout: float = PATIENCE, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run pytest to its end; ``stdout`` holds both streams."""
        if not before:
            done = run_pytest(arguments, directory=self.path, timeout=timeout, environment=self.environment(variables))
            done.stdout += done.stderr
            return done
        return subprocess.run(
            [*before, sys.executable, "-m", "pytest", *arguments],
            cwd=self.path,
            env=self.environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start pytest in its own session."""
        with (self.path / f"output-{len(self._started)}.txt").open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", *arguments],
                cwd=self.path,
                env=self.environment(variables),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
                preexec_fn=interruptible,
            )
        self._started.append(process)
        return process

    def output(self, process: subprocess.Popen[bytes]) -> str:
        return (self.path / f"output-{self._started.index(process)}.txt").read_text(errors="replace")

    def when_in_step_after(self, process: subprocess.Popen[bytes], title: str, reports: str = "reports") -> None:
        """Wait until a drill has ended the step ``title``, and so is in the next one."""

        def step_has_ended() -> bool:
            if process.poll() is not None:
                raise AssertionError(f"pytest has ended:\n{self.output(process)}")
            journals = (self.path / reports).glob("*/journal/*.jsonl")
            lines = [line for file in journals for line in file.read_text().splitlines(keepends=True)]
            read = [json.loads(line) for line in lines if line.endswith("\n")]
            return any(line["event"] == "step" and line["payload"]["title"] == title for line in read)

        poll_until(step_has_ended, what=f"the end of the step {title!r}", timeout=PATIENCE)

    def end_everything(self) -> None:
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def workspaces(self) -> list[Path]:
        return [path for root in self.temporary.glob("rollback-drills-*") for path in root.iterdir() if path.is_dir()]
