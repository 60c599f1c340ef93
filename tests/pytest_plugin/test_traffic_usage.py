"""Client traffic in a run: which drills have it, how it ends, and what it leaves."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from support.drill_project import Project, until

pytestmark = pytest.mark.slow

SECRET = "hunter2-and-more"
DRILLS = """
import threading
import pytest

drilled = pytest.mark.drill("A drill", runbook="quick-flags")

@drilled
def test_passing(stack, drill):
    wait(stack, 10)
    with drill.step("Deliver"):
        drill.check("it is taken", stack.client.deliver("github").acknowledged)

@drilled
def test_failing(stack, drill):
    wait(stack, 4)
    with drill.step("Look"):
        drill.check("it holds", 1, expected=2, finding="rows-lost")

@drilled
def test_idle(idle_stack, drill):
    with drill.step("Look"):
        drill.check("nobody asks", idle_stack.clients.load is None)

@drilled
def test_waiting(stack, drill):
    wait(stack, 4)
    with drill.step("Ready"):
        drill.check("it holds", 1, expected=1)
    threading.Event().wait()

def wait(stack, number):
    load = stack.clients.load
    assert load is None or load.wait_for(lambda requests: len(requests) >= number, timeout=60)
"""


def prepare(project: Project, change: Callable[[str], str] = lambda text: text) -> None:
    project.write(DRILLS)
    headers = f'headers = {{ Authorization = "Bearer {SECRET}", X-Callback = "https://user:{SECRET}@example.com/" }}'

    def all_changes(text: str) -> str:
        return change(text.replace("rate = 0 ", "rate = 25 ").replace("json = {", f"{headers}\njson = {{"))

    project.target(all_changes)


def test_a_drill_ends_with_what_clients_saw(project: Project) -> None:
    prepare(project)
    project.run("-k", "passing or idle").assert_outcomes(passed=2)
    drill = project.drills()["test_passing"]
    assert drill.steps[-1].title == "What clients saw"
    assert drill.traffic is not None
    assert drill.writes is not None
    assert drill.writes.acknowledged >= 6
    assert sum(sum(kind.values()) for kind in drill.traffic.requests.values()) >= 10
    idle = project.drills()["test_idle"]
    assert (idle.traffic, idle.writes) == (None, None)
    project.assert_nothing_left()


def test_a_lost_write_fails_the_drill_and_not_its_clean_up(project: Project) -> None:
    """As a failed test rather than an error at its end, with the finding as the reason."""
    prepare(project, lambda text: text.replace('text[])"', 'text[]) WHERE false"'))
    result = project.run("-k", "passing")
    result.assert_outcomes(failed=1)
    drill = project.drills()["test_passing"]
    assert drill.verdict == "failed"
    assert [finding.code for finding in drill.findings] == ["writes-lost"]
    assert drill.reason.startswith("[writes-lost]")
    assert drill.writes is not None
    assert drill.writes.all_lost == drill.writes.acknowledged >= 6


def test_a_drill_that_failed_has_its_traffic_and_no_other_finding(project: Project) -> None:
    prepare(project, lambda text: text.replace('text[])"', 'text[]) WHERE false"'))
    project.run("-k", "failing").assert_outcomes(failed=1)
    drill = project.drills()["test_failing"]
    assert [finding.code for finding in drill.findings] == ["rows-lost"]
    assert drill.traffic is not None
    assert drill.steps[-1].title == "What clients saw"


def test_a_query_that_fails_is_no_pass(project: Project) -> None:
    prepare(project, lambda text: text.replace('text[])"', 'text[]) FROM nowhere"'))
    result = project.run("-k", "passing")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*cannot be asked for the deliveries*", "*correct stored under*delivery*"])
    assert project.drills()["test_passing"].verdict == "error"
    assert "INTERNALERROR" not in result.stdout.str()


def test_rate_0_turns_it_off(project: Project) -> None:
    prepare(project, lambda text: text.replace("rate = 25 ", "rate = 0 "))
    project.run("-k", "passing").assert_outcomes(passed=1)
    drill = project.drills()["test_passing"]
    assert drill.traffic is None
    assert drill.writes is not None
    assert drill.writes.acknowledged == 1


@pytest.mark.parametrize("option", [(), ("-n", "2")], ids=["one process", "two workers"])
def test_no_secret_of_a_delivery_reaches_the_disk(project: Project, option: tuple[str, ...]) -> None:
    prepare(project)
    project.run(*option, "-k", "passing or failing").assert_outcomes(passed=1, failed=1)
    files = [file for file in project.reports.rglob("*") if file.is_file()]
    assert any(file.name.endswith("requests.csv") for file in files)
    assert [file for file in files if SECRET.encode() in file.read_bytes()] == []


@pytest.mark.slow
def test_nothing_is_left_of_a_load_when_its_run_is_killed(project: Project) -> None:
    """The sender ends by itself, and the secrets in its memory with it: no sweep is needed."""
    prepare(project)
    running = project.start("-k", "waiting").when_in_step_after("Ready")
    senders = [each for each in project.processes() if "sender_program" in " ".join(each.cmdline())]
    assert len(senders) == 1
    running.signal(signal.SIGKILL)
    assert running.end() == -signal.SIGKILL
    until(lambda: not senders[0].is_running(), "the end of the sender")
    for workspace in project.workspaces():
        for file in workspace.glob("traffic*"):
            assert SECRET.encode() not in file.read_bytes()
    project.write(DRILLS)
    assert project.run("-k", "idle").ret == 0
    project.assert_nothing_left()


def test_ctrl_c_ends_it(project: Project) -> None:
    prepare(project)
    running = project.start("-k", "waiting").when_in_step_after("Ready")
    running.signal(signal.SIGINT, group=True)
    assert running.end() == pytest.ExitCode.INTERRUPTED, running.output
    assert "INTERNALERROR" not in running.output
    project.assert_nothing_left()


def test_the_clients_of_a_drill_that_was_skipped_half_way_do_not_ask_in_the_next(project: Project) -> None:
    prepare(project)
    project.pytester.makepyfile(
        test_drills=DRILLS
        + """
@drilled
def test_a_skipped_one(stack, drill):
    wait(stack, 4)
    pytest.skip("nothing to prove after all")

@drilled
def test_b_after_it(stack, drill):
    with drill.recovery(), drill.step("Look"):
        drill.check("it holds", 1, expected=1)
"""
    )
    project.run("-k", "skipped_one or after_it").assert_outcomes(passed=1, skipped=1)
    drill = project.drills()["test_b_after_it"]
    assert (drill.verdict, drill.reason) == ("passed", "")
    assert drill.traffic is not None
    assert drill.traffic.downtime == ()
