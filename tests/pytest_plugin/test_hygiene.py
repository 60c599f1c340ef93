"""Nothing outlives a run, however it ends: no process, no directory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from support.drill_project import Project, until

pytestmark = pytest.mark.slow
SIDE_BY_SIDE = "PYTEST_XDIST_WORKER" in os.environ  # read here, since a test has it no more

WAITING = """
import threading
import pytest

drilled = pytest.mark.drill("Waits", runbook="quick-flags")

def wait_for_ever(drill):
    with drill.step("Ready"):
        drill.check("it holds", 1, expected=1)
    with drill.step("Wait"):
        threading.Event().wait()

@drilled
def test_1(stack, drill):
    wait_for_ever(drill)

@drilled
def test_2(stack, drill):
    wait_for_ever(drill)
"""
QUICK = """
import pytest

@pytest.mark.drill("Quick", runbook="quick-flags")
@pytest.mark.parametrize("value", [1, 2])
def test_quick(stack, drill, value):
    with drill.step("Look"):
        drill.check("it holds", value, expected=1)

def test_no_drill():
    pass
"""
WORKERS = pytest.mark.parametrize("workers", [0, 2], ids=["one process", "two workers"])


def options(workers: int) -> list[str]:
    return ["-n", str(workers)] if workers else []


def test_after_passing_and_failing(project: Project) -> None:
    project.write(QUICK)
    result = project.run("-n", "2")
    result.assert_outcomes(passed=2, failed=1)
    project.assert_nothing_left()
    assert "clean-up" not in result.stdout.str()


@pytest.mark.parametrize(
    ("numbers", "group", "code", "workers"),
    [
        ([signal.SIGINT], True, 2, 0),
        ([signal.SIGINT, signal.SIGINT], True, 2, 0),
        ([signal.SIGINT, signal.SIGINT], True, 2, 2),
        ([signal.SIGTERM], False, 143, 0),
        ([signal.SIGTERM], False, 143, 2),
        ([signal.SIGHUP], False, 129, 0),
        ([signal.SIGHUP, signal.SIGHUP], True, 129, 2),
    ],
    ids=[
        "Ctrl-C",
        "Ctrl-C twice",
        "Ctrl-C twice, two workers",
        "SIGTERM",
        "SIGTERM, two workers",
        "closed terminal",
        "closed terminal, two workers",
    ],
)
def test_after_a_signal(project: Project, numbers: list[signal.Signals], group: bool, code: int, workers: int) -> None:
    project.write(WAITING)
    running = project.start(*options(workers)).when_in_step_after("Ready", drills=workers or 1)
    for number in numbers:
        running.signal(number, group=group)
    assert running.end() == code, running.output
    project.assert_nothing_left()
    assert "INTERNALERROR" not in running.output
    run = project.evidence()
    assert run.interrupted
    told = [(each.verdict, each.reason, [(step.title, step.error) for step in each.steps]) for each in run.drills]
    assert run.verdict == "incomplete", told
    begun = [drill for drill in run.drills if drill.verdict == "incomplete"]
    assert len(begun) == (workers or 1)
    assert all([step.title for step in drill.steps][1:] == ["Ready", "Wait"] for drill in begun), told
    if code == 143:  # SIGTERM has reached the workers too: pytest-xdist alone would let them go on for 5 s
        assert {drill.steps[-1].error for drill in begun} == {"terminated (SIGTERM)"}
    assert {drill.verdict for drill in run.drills} <= {"incomplete", "not run"}
    assert len(run.drills) == 2
    assert run.target_seconds > 0
    assert f"report: reports/{project.run_directory.name}/incident.html" in running.output


@WORKERS
def test_killed_run_is_removed_by_the_next(project: Project, workers: int) -> None:
    project.write(WAITING)
    running = project.start(*options(workers)).when_in_step_after("Ready", drills=workers or 1)
    children = running.workers()
    running.signal(signal.SIGKILL)
    assert running.end() == -signal.SIGKILL
    if workers:  # the other worker notices that the controller is gone, and removes what a worker that is killed leaves
        children[0].kill()
        until(lambda: not any(child.is_running() for child in children), "the end of the workers")
    project.write(QUICK)
    result = project.run("-k", "quick and 1", *(["-q"] if workers else []))
    assert result.ret == 0
    # Any run of this user removes what a killed one left: where tests run side by side, another may be first.
    if not workers and not SIDE_BY_SIDE:
        result.stdout.fnmatch_lines(
            ["drill clean-up: removed what the killed run * left behind: * processes or containers, and *"]
        )
    project.assert_nothing_left()


def test_killed_worker(project: Project) -> None:
    project.write(WAITING)
    running = project.start("-n", "2", "--max-worker-restart=0").when_in_step_after("Ready", drills=2)
    for worker in running.workers():
        worker.kill()
    assert running.end() == pytest.ExitCode.TESTS_FAILED, running.output
    project.assert_nothing_left()
    assert "drill clean-up: removed what the killed run" in running.output
    assert {drill.verdict for drill in project.evidence().drills} == {"incomplete"}


IN_A_MOMENT = """
import pytest

@pytest.mark.drill("Quick", runbook="quick-flags")
@pytest.mark.parametrize("value", range(4))
def test_quick(drill, value):
    with drill.step("Look"):
        drill.check("it holds", value, expected=value)
"""
KILLED_WHILE_COLLECTING = """

def pytest_collection_modifyitems():
    import os
    if os.environ.get("PYTEST_XDIST_WORKER") in KILLED:
        os.kill(os.getpid(), 9)
"""


def test_a_worker_that_dies_while_it_collects_is_replaced(project: Project) -> None:
    """Every drill was performed: neither the exit code nor the document says otherwise."""
    project.write(IN_A_MOMENT)
    conftest = project.path / "conftest.py"
    conftest.write_text(conftest.read_text() + KILLED_WHILE_COLLECTING.replace("KILLED", '("gw0",)', 1))
    done = project.run("-n", "2")
    done.assert_outcomes(passed=4)
    assert (done.ret, project.evidence().verdict, project.evidence().interrupted) == (0, "passed", "")
    done.stdout.fnmatch_lines(["a worker ended early: *; it was replaced, and every drill was performed"])


def test_a_run_without_enough_workers_is_neither_green_nor_proven(project: Project) -> None:
    project.write(IN_A_MOMENT)
    conftest = project.path / "conftest.py"
    conftest.write_text(conftest.read_text() + KILLED_WHILE_COLLECTING.replace("KILLED", '("gw0", "gw1")', 1))
    done = project.run("-n", "2", "--max-worker-restart=0")
    assert done.ret != 0
    assert not project.runs() or project.evidence().verdict == "incomplete"


def test_output_that_nobody_reads_stops_no_drill(project: Project) -> None:
    """As in `pytest | head -1`."""
    project.write(IN_A_MOMENT)
    argv = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider"]
    with subprocess.Popen(argv, cwd=project.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        said = running.stderr.read().decode()
        assert running.wait() == 0, said
    assert said == ""
    assert project.evidence().verdict == "passed"


# --- stacks that are kept ------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 1], ids=["one process", "a worker"])
def test_kept_stack(project: Project, workers: int) -> None:
    import httpx
    import psycopg

    project.write(QUICK)
    result = project.run("--drill-keep-stack", "-k", "quick and 1", *options(workers))
    assert result.ret == 0
    lines = [line.strip() for line in result.stdout.lines]
    url = next(line.split()[1] for line in lines if line.startswith("gateway "))
    database = next(line.split()[1] for line in lines if line.startswith("database "))
    removal = lines[lines.index("remove them with:") + 1]

    def answers() -> bool:
        with psycopg.connect(database) as connection:
            return httpx.get(f"{url}/health", trust_env=False).json()["status"] == "ok" and connection.info.user != ""

    assert answers()
    if not workers:
        following = project.run("-k", "quick and 1", "--drill-report-dir", "other")
        assert following.ret == 0
        assert answers(), "a run that follows must leave it alone"
    removed = subprocess.run(["sh", "-c", removal], capture_output=True, text=True, check=False)
    assert (removed.returncode, removed.stderr) == (0, "")
    project.assert_nothing_left()
    again = subprocess.run(["sh", "-c", removal], capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "is not a kept stack" in again.stderr
    password = database.split(":")[2].partition("@")[0]
    files = [path for path in project.run_directory.rglob("*") if path.is_file()]
    assert [path.name for path in files if password.encode() in path.read_bytes()] == []


# --- runs at the same time -----------------------------------------------------------------------------


def test_two_runs_at_the_same_time(project: Project) -> None:
    project.write(QUICK)
    both = [project.start("-k", "quick and 1"), project.start("-k", "quick and 1")]
    assert [running.end() for running in both] == [0, 0]
    assert [project.evidence(run).verdict for run in project.runs()] == ["passed", "passed"]
    assert (project.reports / "latest").resolve() in project.runs()
    project.assert_nothing_left()


# --- secrets -------------------------------------------------------------------------------------------

LEAKING = """
import logging
import os
from pathlib import Path
import psutil
import pytest
from rollback_drills import StackError, ToolCommand

OUTSIDE = Path(os.environ["OUTSIDE"])

@pytest.fixture
def url(stack, lab):
    environment = psutil.Process(stack.gateway.pid).environ()
    secrets = [lab.role_password, lab.runtime.server.password]
    assert secrets[0] in environment["DATABASE_URL"]
    OUTSIDE.joinpath("secrets").write_text("\\n".join(secrets))
    return f"{environment['DATABASE_URL']} {secrets[1]} {secrets[0]}"

drilled = pytest.mark.drill("Leaks", runbook="quick-flags")

@drilled
def test_recorded(url, drill, stack):
    print(url)
    logging.getLogger("leak").warning(url)
    with drill.step(url):
        drill.observe(url, {url: url})
        drill.attach("file", url, name="leak.txt")
        argv, database = ["psql", "{database_url}", "-c", f"x {url}"], stack.database
        command = ToolCommand(argv, database.name, database.url, Path("x"))
        assert not stack.commands.run_tool(command, timeout=5).ok
        drill.check("it holds", url, expected="", finding="rows-lost")

@drilled
def test_asserted(url, drill):
    with drill.step("Look"):
        assert url == ""

@drilled
def test_raised(url, drill):
    with drill.step("Look"):
        raise RuntimeError(url)

@drilled
def test_reported(url, drill):
    raise StackError(url, cause=url, fix=url)

@drilled
def test_skipped(url, drill):
    pytest.skip(url)
"""


def test_no_secret_is_written_or_shown(
    project: Project, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    monkeypatch.setenv("OUTSIDE", str(outside))
    project.write(LEAKING)
    result = project.run("-v", "-ra", "--junitxml=reports/junit.xml")
    result.assert_outcomes(failed=4, skipped=1)
    secrets = (outside / "secrets").read_text().split()
    assert len(secrets) == 2
    files = [path for path in project.reports.rglob("*") if path.is_file()]
    assert {"incident.html", "pytest.html", "leak.txt", "junit.xml", "evidence.json"} <= {path.name for path in files}
    for secret in secrets:
        assert [path.name for path in files if secret.encode() in path.read_bytes()] == []
        assert secret not in result.stdout.str() + result.stderr.str()


# --- reports that cannot be written --------------------------------------------------------------------

FAST = """
import pytest

@pytest.mark.drill("Fast", runbook="quick-flags")
def test_fast(drill):
    with drill.step("Look"):
        drill.check("it holds", 1, expected=1)
"""


@pytest.mark.parametrize("place", ["a file", "a directory below a file", "read-only for everybody"])
def test_report_directory_cannot_be_written(project: Project, place: str) -> None:
    project.write(FAST)
    (project.path / "taken").write_text("")
    # /proc takes no directory from anybody, not even from root.
    directory = {"a file": "taken", "a directory below a file": "taken/reports"}.get(place, "/proc/reports")
    result = project.run_here("--drill-report-dir", directory)
    assert result.ret == pytest.ExitCode.USAGE_ERROR  # before anything is started
    said = result.stderr.str()
    assert "Traceback" not in said
    assert "INTERNALERROR" not in said
    assert directory in said
