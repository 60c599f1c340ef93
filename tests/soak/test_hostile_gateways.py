"""Gateways that misbehave: the drill reports it in time, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import shutil
from functools import reduce
from pathlib import Path

import psutil
import pytest
from support.drill_project import Project

from rollback_drills.runtimes.host.logs import MOST

DRILLS = """
import pytest

@pytest.mark.drill("Hostile", runbook="quick-application")
def test_hostile(stack, drill):
    with drill.step("Restart"):
        stack.must_start(stack.gateway.restart())
        drill.check("it serves", stack.client.healthy(), finding="release-not-serving")
    with drill.step("The previous release"):
        stack.must_start(stack.gateway.deploy("1.0"))
        drill.check("it serves", stack.client.healthy(), finding="release-not-serving")
"""
STARTS = "steady-state-missing"
PATIENCE = {"deaf": 0.5}  # seconds until it must have stopped
FLOOD = 32 * MOST  # what a log of 100 MB/s may have on a busy machine; nobody shortening it, it had twice that
# How it misbehaves, the verdict, and a part of the reason.
CASES = {
    "deaf": ("failed", "[stop-not-normal] when stopped, release 2.0 ended by being killed"),
    "floods": ("passed", ""),
    "daemons": ("passed", ""),  # they hold no port, and are ended with the run
    "background": ("error", "a process that the gateway left behind still listens on port"),
    "exits": ("failed", STARTS),
    "drips": ("failed", STARTS),
    "endless": ("failed", STARTS),
}
SAYS = {
    "exits": "exited with code 0 at once: a gateway has to stay in the foreground",
    "drips": "it did not answer in time",
    "endless": "the body is longer than 16000000 bytes",
}


@pytest.mark.parametrize("how", CASES)
def test_a_hostile_gateway(project: Project, how: str) -> None:
    project.write(DRILLS)
    settings = f"ready_timeout = 5\nstop_timeout = {PATIENCE.get(how, 10)}\nrequest_timeout = 3\n"
    started = f'"gateway.py", "{how}", "{{port}}"'
    changes = {'"gateway.py", "{port}"': started, "[gateway]\n": f"[gateway]\n{settings}"}
    project.target(lambda text: reduce(lambda changed, each: changed.replace(*each), changes.items(), text))
    for release in ("1.0", "2.0"):
        tree = project.path / "system" / "releases" / release
        shutil.copy(Path(__file__).parents[1] / "support" / "hostile_gateway.py", tree / "gateway.py")
    running = project.start()
    logs = memory = 0
    while running.process.poll() is None:
        with contextlib.suppress(OSError, psutil.Error):  # the file may be gone already
            logs = max([logs, *(log.stat().st_size for each in project.workspaces() for log in each.glob("*.log*"))])
            memory = max(memory, psutil.Process(running.pid).memory_info().rss)
    assert "INTERNALERROR" not in running.output
    assert "Traceback" not in running.output
    assert logs < FLOOD
    assert memory < 1 << 30
    (drill,) = project.drills().values()
    verdict, reason = CASES[how]
    assert (drill.verdict, reason in drill.reason) == (verdict, True), running.output
    if how in SAYS:
        assert any(SAYS[how] in finding.detail for finding in drill.findings), drill.findings
    assert drill.seconds < 120
    project.assert_nothing_left()
