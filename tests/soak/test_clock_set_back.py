"""Drills run while the machine's clock is set back, for every process of the run."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from support.drill_project import Project

from rollback_drills.report.filing.history import HISTORY, read_history
from rollback_drills.report.filing.manifest import verify

# libfaketime would do it from outside, but breaks time.sleep(), which waits by the monotonic clock. tests/structure
# ensures that only `rollback_drills.core.clock` asks for the time of day as a datetime.
SET_BY_A_FILE = """
import datetime
import os
import time
from pathlib import Path
import rollback_drills.core.clock

real_time = time.time

class Wrong(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)

time.time = lambda: real_time() + float(Path(os.environ["CLOCK"]).read_text())
rollback_drills.core.clock.datetime = Wrong
"""
DRILLS = """
import os
import time
from pathlib import Path
import pytest

@pytest.mark.drill("Clock", runbook="quick-flags")
@pytest.mark.parametrize("number", [1, 2])
def test_clock(stack, drill, number):
    with drill.step("Set the clock back"):
        clock, before = Path(os.environ["CLOCK"]), time.time()
        new = clock.with_name(f"clock.{number}")
        new.write_text(str(float(clock.read_text()) - 7200))
        new.replace(clock)  # at once: other processes read it all the time
        drill.check("it was", before - time.time() > 3600)
    with drill.step("Go on"):
        drill.check("it serves", stack.client.healthy())
"""


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with the seconds by which the clock is wrong."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SET_BY_A_FILE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("CLOCK", str(tmp_path / "clock"))
    (tmp_path / "clock").write_text("0")
    return tmp_path / "clock"


@pytest.mark.parametrize("workers", [0, 2], ids=["one process", "two workers"])
def test_times_of_a_run_and_the_order_of_runs_stay_sane(project: Project, clock: Path, workers: int) -> None:
    project.write(DRILLS)
    options = ["-n", str(workers)] if workers else []
    for _ in range(2):  # the second run is older than the first, by its clock
        project.run(*options).assert_outcomes(passed=2)
    project.assert_nothing_left()
    history = [run.run for run in read_history(project.reports / HISTORY).runs]
    first, second = history
    assert second < first, "by their names, the second run is the older one"
    for name in history:
        run = project.evidence(project.reports / name)
        began, ended = datetime.fromisoformat(run.started_at), datetime.fromisoformat(run.finished_at)
        assert 0 < run.seconds < 300
        assert abs((ended - began).total_seconds() - run.seconds) <= 1
        starts = [datetime.fromisoformat(drill.started_at) for drill in run.drills]
        assert all(0 <= (start - began).total_seconds() <= run.seconds + 1 for start in starts)  # in whole seconds
        assert workers or starts == sorted(starts)
        assert all(0 <= step.seconds < 300 for drill in run.drills for step in drill.steps)
    assert (project.reports / "latest").resolve().name == second
    found = verify(project.reports / "latest")
    assert (found.changes, found.notes) == ((), ("the chain of manifests is unbroken over 1 earlier run",))
