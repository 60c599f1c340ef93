"""How a drill can end: its outcome in pytest, its verdict in the evidence, and its reason."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
from support.drill_project import Project, verdicts

from rollback_drills.evidence.model import DrillEvidence
from rollback_drills.report.filing.manifest import verify

DRILLS = """
import pytest

drilled = pytest.mark.drill("A drill", runbook="quick-flags")

@drilled
def test_passing(drill):
    with drill.step("Look"):
        drill.check("it holds", 1, expected=1)

@drilled
def test_failing(drill):
    with drill.step("Look"):
        drill.check("it holds", [1, 2], expected=[1], finding="rows-lost")

@drilled
def test_finding(drill):
    with drill.step("Look"):
        drill.find("rows-lost", "two rows are gone")

@drilled
def test_plain_assert(drill):
    with drill.step("Look"):
        assert 1 == 2

@drilled
def test_pytest_fail(drill):
    with drill.step("Look"):
        pytest.fail("a person says so")

@drilled
def test_error(drill):
    with drill.step("Look"):
        {}["key"]

@pytest.fixture
def broken(drill):
    from rollback_drills import StackError
    raise StackError("it does not start", cause="last words", fix="start it")

@drilled
def test_broken_fixture(broken):
    raise AssertionError("never reached")

@pytest.fixture
def dirty():
    yield
    raise OSError("cannot clean up")

@drilled
def test_broken_teardown(drill, dirty):
    with drill.step("Look"):
        drill.check("it holds", 1, expected=1)

@pytest.fixture(scope="module")
def expensive():
    raise AssertionError("set up for a drill that proves nothing")

@pytest.mark.drill("Flags", runbook="quick-flags", requires=("flags", "seed"))
def test_lacking(expensive, drill):
    raise AssertionError("never reached")

@drilled
def test_skips_itself(drill):
    with drill.step("Look"):
        pytest.skip("not on a Sunday")

@drilled
@pytest.mark.xfail(reason="known", strict=True)
def test_known(drill):
    with drill.step("Look"):
        drill.check("it holds", 1, expected=2)

@drilled
def test_misused(drill):
    drill.observe("outside of a step", 1)

@drilled
def test_library_error(drill, request):
    secret = "s3cret-value-in-an-argument"
    with drill.step("Look"):
        drill.attach("title", secret, name=None)
"""
NO_FLAGS = "the target has no feature flags ([flags]); the target has no seed (database.seed)"
EXPECTED = {
    "test_passing": ("passed", ""),
    "test_failing": ("failed", "[rows-lost] it holds: expected [1], observed [1, 2]"),
    "test_finding": ("failed", "[rows-lost] two rows are gone"),
    "test_plain_assert": ("failed", "assert 1 == 2"),
    "test_pytest_fail": ("failed", "a person says so"),
    "test_error": ("error", "KeyError: 'key'"),
    "test_broken_fixture": ("error", "it does not start"),
    "test_broken_teardown": ("error", "after the drill: cannot clean up"),
    "test_lacking": ("skipped", NO_FLAGS),
    "test_skips_itself": ("skipped", "not on a Sunday"),
    "test_known": ("failed", "it holds: expected 2, observed 1"),
    "test_misused": ("error", "'outside of a step' was recorded outside a step"),
}


def test_every_outcome(project: Project) -> None:
    project.write(DRILLS)
    result = project.run_here("--junitxml=junit.xml")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=2, failed=7, errors=2, skipped=2, xfailed=1)
    found = verdicts(project.evidence())
    assert found.pop("test_library_error")[0] == "error"
    assert found == EXPECTED
    assert verify(project.run_directory).changes == ()
    suite = ElementTree.parse(project.path / "junit.xml").getroot()[0]
    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("7", "2", "3")


def test_a_skipped_drill_records_which_capabilities_it_lacks(project: Project) -> None:
    project.write(DRILLS)
    project.run_here("-k", "lacking or skips_itself")
    lacks = {drill.id.split("::")[-1]: drill.lacks for drill in project.evidence().drills}
    assert lacks == {"test_lacking": ("flags", "seed"), "test_skips_itself": ()}


def test_failures_show_the_drill_and_not_the_library(project: Project) -> None:
    project.write(DRILLS)
    result = project.run_here("-rs")
    said = result.stdout.str()
    assert "rollback_drills/" not in said
    assert "s3cret-value-in-an-argument" not in said
    assert "drill = <" not in said
    assert "contextlib.py" not in said
    result.stdout.fnmatch_lines_random(
        [
            '    drill.check("it holds", [[]1, 2[]], expected=[[]1[]], finding="rows-lost")',
            "E   *CheckFailedError: [[]rows-lost[]] it holds: expected [[]1[]], observed [[]1, 2[]]",
            "it does not start",
            "Cause: last words",
            "To fix this: start it",
            "E   KeyError: 'key'",
            f"SKIPPED * {NO_FLAGS.replace('[', '[[]')}",
        ]
    )


def test_tracebacks_can_be_asked_for(project: Project) -> None:
    project.write(DRILLS)
    result = project.run_here("--tb=long", "-k", "failing")
    result.stdout.fnmatch_lines(["drill = <*", ">*drill.check*"])


@pytest.mark.slow
@pytest.mark.parametrize("activated", [True, False])
def test_workers_give_the_same_evidence(project: Project, activated: bool) -> None:
    """Whether or not the drills were announced to the controller."""
    project.write(DRILLS, **({} if activated else {"conftest": ""}))
    result = project.run("-n", "2", "-v")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    run = project.evidence()
    assert EXPECTED.items() <= verdicts(run).items()
    assert {drill.id for drill in run.drills} == {f"test_drills.py::{name}" for name in verdicts(run)}
    assert (run.workers, run.interrupted) == (2, "")
    result.stdout.fnmatch_lines(["gw?: A drill", "  ok  * s   1. Look"])
    result.stdout.fnmatch_lines(["*= rollback drills =*", "report: reports/*/incident.html"])


def test_selection(project: Project) -> None:
    project.write(DRILLS)
    project.run_here("-k", "passing or finding", "-q")
    assert set(verdicts(project.evidence())) == {"test_passing", "test_finding"}
    assert project.evidence().selection == "-k 'passing or finding' -q"


# --- the terminal --------------------------------------------------------------------------------------

STEPS = """
import pytest

@pytest.mark.drill("Three steps", runbook="quick-flags", objective="feature_flag")
def test_steps(drill):
    with drill.step("First"):
        pass
    with drill.recovery():
        with drill.step("Second\\x1b[2J\\nforged line"):
            pass
    with drill.step("Third"):
        drill.check("it holds", False, finding="rows-lost")
"""


def test_header_and_summary(project: Project) -> None:
    project.write(STEPS)
    result = project.run_here()
    result.stdout.fnmatch_lines(
        [
            "drill target: small gateway, 2.0 back to 1.0 (system/target.toml)",
            "drill runtime: embedded, chosen by auto: *",
            "*= rollback drills =*",
            "Can small gateway 2.0 go back to 1.0?",
            "No: *",
            "1  Rows that should survive the rollback *",
            "   where  Three steps",
            "   do     *",
            "   again  pytest *",
            "section * can we? * how sure",
            f"report: reports/{project.run_directory.name}/incident.html",
        ]
    )
    result.stdout.no_fnmatch_line("*First*")


def test_verbose_shows_steps_in_order(project: Project) -> None:
    project.write(STEPS)
    result = project.run_here("-v")
    result.stdout.fnmatch_lines(
        ["  ok   * s   1. First", "  ok   * s   2. Second*forged line", "  FAIL * s   3. Third", "*test_steps FAILED*"]
    )
    assert "\x1b[2J" not in result.stdout.str()


def test_quiet(project: Project) -> None:
    project.write(STEPS)
    result = project.run_here("-q")
    result.stdout.no_fnmatch_line("drill target:*")
    result.stdout.fnmatch_lines(["report: reports/*/incident.html"])


@pytest.mark.parametrize("plugin", ["html", "terminal", "xdist", "cacheprovider", "junitxml"])
def test_without_another_plugin(project: Project, plugin: str) -> None:
    project.write(DRILLS)
    result = project.run_here("-p", f"no:{plugin}", "-k", "passing", *(["-v"] if plugin != "terminal" else []))
    assert result.ret == 0
    assert project.drills()["test_passing"].verdict == "passed"
    assert (project.run_directory / "pytest.html").exists() == (plugin != "html")
    assert verify(project.run_directory).changes == ()


# --- workers -------------------------------------------------------------------------------------------

GROUPED = """
import pytest

@pytest.mark.parametrize("number", range(8))
@pytest.mark.drill("Grouped", runbook="scenario-a", group="together")
def test_grouped(drill, number):
    with drill.step("Look"):
        pass

@pytest.mark.drill("Alone", runbook="scenario-a")
@pytest.mark.parametrize("number", range(8))
def test_alone(drill, number):
    with drill.step("Look"):
        pass
"""


def workers_of(drills: dict[str, DrillEvidence], name: str) -> set[str]:
    return {drill.worker for test, drill in drills.items() if test.startswith(name)}


@pytest.mark.slow
def test_a_group_stays_on_one_worker(project: Project) -> None:
    project.write(GROUPED)
    project.run("-n", "2")
    drills = project.drills()
    assert len(drills) == 16
    assert len(workers_of(drills, "test_grouped")) == 1
    assert len(workers_of(drills, "test_")) == 2


@pytest.mark.slow
def test_chosen_distribution_is_respected(project: Project) -> None:
    project.write(GROUPED)
    result = project.run("-n", "2", "--dist", "load", "-v")
    result.stdout.fnmatch_lines(["scheduling tests via LoadScheduling"])
    assert len(workers_of(project.drills(), "test_grouped")) == 2
