"""Projects with drills of their own, run by a pytest of their own, and the files and processes that they leave."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from rollback_drills.core.polling import poll_until
from rollback_drills.evidence.model import DrillEvidence
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.runtimes.host.process import WORKSPACE_VARIABLE
from support.forked_pytest import run_pytest

SMALL = Path(__file__).parent / "small"
T = TypeVar("T")
PATIENCE = 60.0  # seconds; nothing here takes a tenth of it on an idle machine

CONFTEST = """
import pytest
from rollback_drills.pytest_plugin import activate

@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    activate(config)
"""


def until(condition: Callable[[], T | None], what: str, timeout: float = PATIENCE) -> T:
    return poll_until(condition, what=what, timeout=timeout)


@contextmanager
def _without_own_drills() -> Iterator[None]:
    """Hide the package `drills` of this repository, which other tests import: a project may have one of its own."""
    own = {name: sys.modules.pop(name) for name in [*sys.modules] if name.partition(".")[0] == "drills"}
    try:
        yield
    finally:
        sys.modules.update(own)


def interruptible() -> None:
    """In the child: a shell's background job ignores Ctrl-C, and hands that down to all that it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Running:
    """A pytest that was started and not waited for."""

    def __init__(self, argv: list[str], project: Project) -> None:
        self._project = project
        self._output = project.path / "output.txt"
        with self._output.open("wb") as sink:
            self.process = subprocess.Popen(
                argv, cwd=project.path, stdout=sink, stderr=sink, start_new_session=True, preexec_fn=interruptible
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace")

    def when_in_step_after(self, title: str, drills: int = 1) -> Running:
        """Wait until that many drills have ended the step ``title`` and so perform the next one."""

        def seen() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"pytest has ended:\n{self.output}")
            journals = self._project.reports.glob("*/journal/*.jsonl")
            lines = [
                json.loads(line)
                for file in journals
                for line in file.read_text().splitlines(keepends=True)
                if line.endswith("\n")
            ]
            ended = [line for line in lines if line["event"] == "step" and line["payload"]["title"] == title]
            return len(ended) >= drills

        until(seen, f"the end of the step {title!r}")
        return self

    def workers(self) -> list[psutil.Process]:
        """The workers of pytest-xdist: Python processes that are no part of a stack."""
        return [child for child in psutil.Process(self.pid).children() if WORKSPACE_VARIABLE not in child.environ()]

    def signal(self, number: signal.Signals, *, group: bool = False) -> Running:
        (os.killpg if group else os.kill)(self.pid, number)
        return self

    def end(self) -> int:
        """Its exit code; negative: the signal that ended it."""
        return self.process.wait(PATIENCE)


def verdicts(run: RunEvidence) -> dict[str, tuple[str, str]]:
    """Verdict and reason by the name of the test."""
    return {drill.id.split("::")[-1]: (drill.verdict, drill.reason) for drill in run.drills}


class Project:
    """A directory with a target, drills, and a temporary directory of its own."""

    def __init__(self, pytester: pytest.Pytester, temporary: Path) -> None:
        self.pytester, self.temporary = pytester, temporary
        self.path = pytester.path
        self.reports = self.path / "reports"

    def target(self, change: Callable[[str], str] = lambda text: text) -> Path:
        """A copy of the small target, with its text changed."""
        here = self.path / "system"
        for release in ("1.0", "2.0"):
            tree = here / "releases" / release
            tree.mkdir(parents=True, exist_ok=True)
            for name in ("gateway.py", "migrate.py"):
                shutil.copy(SMALL / name, tree)
        (here / "ROLLBACK.md").write_text("# Rollback\n")
        file = here / "target.toml"
        file.write_text(change((SMALL / "target.toml").read_text()))
        return file

    def write(self, drills: str, *, conftest: str = CONFTEST, ini: str = "") -> None:
        """A project that says before the run begins that it performs drills."""
        self.target()
        self.pytester.makeini(
            f"[pytest]\naddopts = --strict-markers\nfilterwarnings = error\ndrill_target = system/target.toml\n{ini}\n"
        )
        self.pytester.makeconftest(conftest)
        self.pytester.makepyfile(test_drills=drills)

    def run(self, *arguments: str) -> pytest.RunResult:
        """pytest as a process of its own: for whatever starts a stack, or workers."""
        begun = time.monotonic()
        temporary = tempfile.mkdtemp(prefix="runpytest-", dir=self.path)
        done = run_pytest((f"--basetemp={temporary}", *arguments), directory=self.path)
        print(done.stdout)
        print(done.stderr, file=sys.stderr)
        lines = done.stdout.splitlines(), done.stderr.splitlines()
        return pytest.RunResult(done.returncode, *lines, time.monotonic() - begun)

    def run_here(self, *arguments: str) -> pytest.RunResult:
        """pytest in this process: quicker, for drills without a stack."""
        with _without_own_drills():
            return self.pytester.runpytest_inprocess(*arguments)

    def start(self, *arguments: str) -> Running:
        running = Running([sys.executable, "-m", "pytest", *arguments], self)
        self._started.append(running)
        return running

    @property
    def _started(self) -> list[Running]:
        return self.__dict__.setdefault("_running", [])

    def end_everything(self) -> None:
        for running in self._started:
            if running.process.poll() is None:
                for process in [*psutil.Process(running.pid).children(recursive=True), psutil.Process(running.pid)]:
                    process.kill()
                running.process.wait()
        for process in self.processes():
            process.kill()
        until(lambda: not self.processes(), "the end of what the test left")

    # --- what a run leaves -----------------------------------------------------------------------------

    def runs(self) -> list[Path]:
        return sorted(path for path in self.reports.glob("2*") if path.is_dir())

    @property
    def run_directory(self) -> Path:
        (directory,) = self.runs()
        return directory

    def evidence(self, directory: Path | None = None) -> RunEvidence:
        return RunEvidence.model_validate_json(((directory or self.run_directory) / "evidence.json").read_bytes())

    def drills(self, directory: Path | None = None) -> dict[str, DrillEvidence]:
        """By the name of the test."""
        return {drill.id.split("::")[-1]: drill for drill in self.evidence(directory).drills}

    def processes(self) -> list[psutil.Process]:
        """Everything that runs from a workspace of this project's temporary directory."""
        return [process for process in psutil.process_iter() if self._belongs(process)]

    def _belongs(self, process: psutil.Process) -> bool:
        mark = f"{self.temporary}/rollback-drills-"
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            # PostgreSQL overwrites its environment with its title, but stays in its data directory.
            places = [process.environ().get(WORKSPACE_VARIABLE, ""), process.cwd(), *process.cmdline()]
        except (psutil.Error, OSError):
            return False
        return any(place.startswith(mark) for place in places)

    def workspaces(self) -> list[Path]:
        return [path for root in self.temporary.glob("rollback-drills-*") for path in root.iterdir() if path.is_dir()]

    def assert_nothing_left(self) -> None:
        assert [process.cmdline() for process in self.processes()] == []
        assert self.workspaces() == []


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary directory for one test's stacks. Not below pytest's own: other accounts cannot pass there."""
    path = Path(tempfile.mkdtemp(prefix="drills-")).resolve()
    path.chmod(0o711)
    monkeypatch.setenv("TMPDIR", str(path))
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def project(pytester: pytest.Pytester, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    for name in (
        "PYTEST_ADDOPTS",
        "PYTEST_XDIST_WORKER",
        "PYTEST_XDIST_WORKER_COUNT",
        "PYTEST_XDIST_TESTRUNUID",
        "GITHUB_STEP_SUMMARY",
    ):
        monkeypatch.delenv(name, raising=False)
    made = Project(pytester, temporary)
    yield made
    made.end_everything()
