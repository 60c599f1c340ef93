"""Runs that are killed and interrupted at random moments leave nothing behind, and tell the truth.

Moments are places in a run, not times: a number of lines of its journal, a file or a process that has appeared. They
are drawn from ROLLBACK_DRILLS_SEED; ROLLBACK_DRILLS_MOMENTS says how many.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from support.drill_project import Project, Running, until
from support.seed import SEED

from rollback_drills.evidence.journal import read_journals
from rollback_drills.evidence.model import DrillEvidence

ROOT = Path(__file__).parents[2]
MOMENTS = int(os.environ.get("ROLLBACK_DRILLS_MOMENTS", "8"))
PATIENCE = 300.0  # seconds to reach a moment on a busy machine
REFERENCE_EVERY = 10  # one in so many moments is of the reference gateway, whose runs take longer
DRILLS = """
import pytest

@pytest.mark.drill("Campaign", runbook="quick-flags")
@pytest.mark.parametrize("number", [1, 2, 3])
def test_campaign(stack, drill, number):
    for title in "abc":
        with drill.step(title):
            drill.check("it serves", stack.client.healthy(), finding="release-not-serving")
            drill.check("the database answers", len(stack.database.query("SELECT 1")), expected=1)
    with drill.step("Restart"):
        stack.must_start(stack.gateway.restart())
        drill.check("it serves", stack.client.healthy(), finding="release-not-serving")
"""
LINES = 3 * 7  # of the journal of such a run: begun, steady state, a, b, c, Restart, ended
OF_REFERENCE = 40  # lines of the journal of the reference run, at least


class Moment:
    """A random draw: the system, the number of workers, the victim, and the moment."""

    def __init__(self, number: int) -> None:
        draw = random.Random(f"{os.environ[SEED]}-{number}")
        self.reference = number % REFERENCE_EVERY == REFERENCE_EVERY - 1
        self.victim = draw.choice(["pytest", "worker", "gateway", "postmaster"])
        self.workers = 2 if self.victim == "worker" else draw.choice([0, 2])
        self.line = draw.randint(1, (OF_REFERENCE if self.reference else LINES) - 1)

    def __str__(self) -> str:
        system = "reference gateway" if self.reference else "small gateway"
        return f"{self.victim}, {self.workers} workers, line {self.line} of the journal, {system}"

    def arguments(self) -> list[str]:
        if not self.reference:
            return []
        options = ["-c", str(ROOT / "pyproject.toml"), "-k", "quick_rollback", "--drill-report-dir", "reports"]
        return [str(ROOT / "drills"), *options]


def lines_of(directory: Path) -> list[dict[str, object]]:
    """The complete lines of a run's journals."""
    lines = (line for file in directory.glob("journal/*.jsonl") for line in file.read_bytes().splitlines(keepends=True))
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def when(running: Running, condition: Callable[[], object], what: str) -> bool:
    """Wait for a condition; False if the run ends before."""
    until(lambda: bool(condition()) or running.process.poll() is not None, what, timeout=PATIENCE)
    return running.process.poll() is None


def is_gateway(process: psutil.Process) -> bool:
    words = process.cmdline()
    return any(word in ("gateway.py", "gateway.app:app") or word.endswith(("gateway.py", "gateway")) for word in words)


def is_postmaster(process: psutil.Process) -> bool:
    words = process.cmdline()
    return bool(words) and words[0].endswith("/postgres") and "-D" in words


def victims(moment: Moment, running: Running, project: Project) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        match moment.victim:
            case "pytest":
                return [psutil.Process(running.pid)]
            case "worker":
                return running.workers()
            case "gateway":
                return [process for process in project.processes() if is_gateway(process)]
            case _:
                return [process for process in project.processes() if is_postmaster(process)]
    return []


def segments() -> dict[str, int]:
    """The creators of the System V shared memory segments."""
    file = Path("/proc/sysvipc/shm")
    lines = file.read_text().splitlines()[1:] if file.exists() else []
    return {line.split()[1]: int(line.split()[4]) for line in lines}


def assert_clean(project: Project, seen: set[int]) -> None:
    project.assert_nothing_left()
    assert [path.name for path in project.temporary.iterdir() if not path.name.startswith("pytest-of-")] in (
        [f"rollback-drills-{os.getuid()}"],
        [],
    )
    assert not set(segments().values()) & seen, "shared memory of a server that is gone"


def assert_legible(drill: DrillEvidence) -> None:
    assert drill.reason.strip(), drill.id
    assert "Traceback" not in drill.reason
    assert len(drill.reason) < 1000


def journal_tells(directory: Path) -> None:
    """Every complete line is an event, and all of them are read as drills."""
    lines, drills = lines_of(directory), read_journals(directory.glob("journal/*.jsonl"))
    assert {line["drill"] for line in lines} == {drill.id for drill in drills}
    ended = {line["drill"] for line in lines if line["event"] == "drill"}
    assert {drill.id for drill in drills if drill.verdict != "incomplete"} == ended
    for drill in drills:
        if drill.verdict == "incomplete":
            assert len(drill.steps) == sum(line["event"] == "step" and line["drill"] == drill.id for line in lines)


def next_run_is_green(project: Project, moment: Moment) -> str:
    running = project.start(*moment.arguments())
    code = running.process.wait(PATIENCE)
    assert code == 0, running.output
    return running.output


@pytest.mark.parametrize("number", range(MOMENTS))
def test_whatever_is_killed(project: Project, number: int) -> None:
    moment = Moment(number)
    print(moment)
    project.write(DRILLS)
    # Without it, pytest-xdist 3.8 may wait for ever for the replacement of a worker that was killed at its last
    # test, with or without this plugin.
    workers = ["-n", str(moment.workers), "--max-worker-restart=0"] if moment.workers else []
    running = project.start(*moment.arguments(), *workers)
    when(running, lambda: sum(len(lines_of(run)) for run in project.runs()) >= moment.line, f"line {moment.line}")
    found: list[psutil.Process] = []
    alive = when(running, lambda: found.extend(victims(moment, running, project)) or found, "somebody to kill")
    seen = {process.pid for process in project.processes()}
    if alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            random.Random(number).choice(found).kill()
    children = running.workers() if moment.victim == "pytest" and running.process.poll() is None else []
    code = running.process.wait(PATIENCE)
    until(lambda: not any(child.is_running() and child.status() != "zombie" for child in children), "the workers' end")
    assert "INTERNALERROR" not in running.output
    directory = project.run_directory
    journal_tells(directory)
    if moment.victim != "pytest":
        assert_clean(project, seen)
        assert code in (0, 1), running.output
        run = project.evidence(directory)
        left_out = [drill for drill in run.drills if drill.verdict == "not run"]  # a killed worker is not replaced
        assert moment.victim == "worker" or not left_out, running.output
        assert all(drill.reason for drill in left_out)
        bad = [drill for drill in run.drills if drill.verdict not in ("passed", "skipped", "not run")]
        for drill in bad:
            assert_legible(drill)
        # The measurements of one killed run may be judged by several drills of the reference.
        assert moment.reference or len(bad) <= 1, running.output
        assert (code == 1) == bool(bad) or moment.victim == "worker", running.output
        assert moment.reference or len(run.drills) == 3
        if moment.victim == "worker":
            assert {drill.verdict for drill in bad} <= {"incomplete"}
    said = next_run_is_green(project, moment)
    assert_clean(project, seen)
    if moment.victim == "pytest" and not (directory / "evidence.json").exists() and not moment.workers:
        assert f"the killed run {directory.name} has no report" in said


# --- interrupted ---------------------------------------------------------------------------------------


def journal_of(count: int) -> Callable[[Project], object]:
    return lambda project: sum(len(lines_of(run)) for run in project.runs()) >= count


def file_of_report(name: str) -> Callable[[Project], object]:
    return lambda project: any((run / name).exists() for run in project.runs())


STAGES: dict[str, Callable[[Project], object]] = {
    "a workspace was made": lambda project: project.workspaces(),
    "PostgreSQL starts": lambda project: any(is_postmaster(each) for each in project.processes()),
    "the data directory is being made": lambda project: any(
        (each / "pgdata").exists() for each in project.workspaces()
    ),
    "a drill begins": journal_of(1),
    "in a drill": journal_of(LINES // 2),
    "the last drill ends": journal_of(LINES - 1),
    "tearing down": journal_of(LINES),
    "the report is written": lambda project: (project.reports / ".lock").exists(),
    "the evidence was written": file_of_report("evidence.json"),
    "the document was written": file_of_report("incident.html"),
}


@pytest.mark.parametrize("workers", [0, 2], ids=["one process", "two workers"])
@pytest.mark.parametrize("stage", STAGES)
def test_ctrl_c_twice(project: Project, stage: str, workers: int) -> None:
    project.write(DRILLS)
    running = project.start(*(["-n", str(workers)] if workers else []))

    def reached() -> bool:
        with contextlib.suppress(psutil.Error, OSError):
            return bool(STAGES[stage](project))
        return False

    if when(running, reached, stage):
        for _ in range(2):
            with contextlib.suppress(ProcessLookupError):
                running.signal(signal.SIGINT, group=True)
    code = running.process.wait(120)
    assert code in (0, 2), running.output
    assert "INTERNALERROR" not in running.output
    assert "Traceback" not in running.output
    project.assert_nothing_left()
    for directory in project.runs():
        run = project.evidence(directory)
        assert run.interrupted or run.verdict == "passed"
        assert code == 2 or run.verdict == "passed"
        assert len(run.drills) == 3
    assert next_run_is_green(project, Moment(0))
    project.assert_nothing_left()
