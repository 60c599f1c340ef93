"""What projects add in Python: runtimes, findings, sections, targets by hook or fixture, and drills of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.drill_project import CONFTEST, Project

DOCS = Path(__file__).parents[2] / "docs"
BOTH = pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "two workers"])

ON_A_STACK = """
import pytest

@pytest.mark.drill("Our own", runbook="quick-application", objective="application_rollback")
def test_ours(stack, drill):
    with drill.recovery():
        with drill.step("Deploy the previous release", checklist="disable-or-rollback"):
            outcome = stack.gateway.deploy(stack.target.previous)
            drill.check("it starts", outcome.started, finding="release-not-serving")
    drill.fact("name", stack.target.name)
"""
OF_EACH = """
import pytest

@pytest.mark.drill("Our own", runbook="quick-flags")
def test_each(drill, integration):
    with drill.step("Look"):
        drill.check("it is one of the target's", integration in drill.target.integrations)
    drill.fact("name", drill.target.name)
"""
RENAMED = """
@pytest.fixture(scope="session")
def drill_target(drill_target):
    from rollback_drills import Integration
    integrations = {"one": Integration(), "two": Integration()}
    return drill_target.model_copy(update={"name": "renamed", "integrations": integrations})
"""
LOADED = """
@pytest.fixture(scope="session")
def drill_target(pytestconfig):
    from rollback_drills import Target
    return Target.load(pytestconfig.rootpath / "system" / "target.toml")
"""
LATE = """
@pytest.fixture(scope="session")
def drill_target(drill_target, tmp_path_factory):
    return drill_target.model_copy(update={"name": tmp_path_factory.mktemp("late").name})
"""
HOOK = """
def pytest_rollback_drills_target(config, load):
    from rollback_drills import Integration
    return load().model_copy(update={"name": "hooked", "integrations": {"one": Integration()}})
"""

ADDED_DRILL = """
import pytest

@pytest.mark.drill("The shard moves", runbook="scenario-a")
def test_first_in_the_file(drill):
    with drill.step("Look"):
        drill.check("it holds", True)

@pytest.mark.drill("The logs are quiet", runbook="logs")
def test_logs(drill):
    with drill.step("Read the log"):
        drill.find("release-logs-errors", "3 lines")
"""


def example(page: str, *, containing: str) -> str:
    """The Python block of a page that contains a text."""
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    (found,) = (block for block in blocks if containing in block)
    return found


HOOKS_OF_THE_PAGE = example("guides/add-a-finding.md", containing="FindingKind(")


@pytest.mark.slow
def test_the_runtime_of_the_page_runs_drills(project: Project) -> None:
    project.write(ON_A_STACK, conftest=f"{CONFTEST}\n{example('guides/add-a-runtime.md', containing='class Counting')}")
    result = project.run("--drill-runtime=counting", "-n", "2")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["drill runtime: counting, asked for: a runtime that a plugin adds"])
    runtime = project.evidence().runtime
    assert (runtime.name, runtime.facts["counts"]) == ("counting", "gateways")
    project.assert_nothing_left()


def test_the_runtime_of_the_page_refuses_what_it_cannot_run(project: Project) -> None:
    project.write(ON_A_STACK, conftest=f"{CONFTEST}\n{example('guides/add-a-runtime.md', containing='class Counting')}")
    project.target(lambda text: text.replace('path = "{here}/releases/{release}"', 'image = "x:{release}"'))
    result = project.run_here("--drill-runtime=counting")
    assert result.ret == 4
    assert "counting needs trees of releases" in result.stderr.str()


@pytest.mark.parametrize(
    ("runtimes", "said"),
    [
        ("AddedRuntime('docker', make=None)", "there are two runtimes 'docker'"),
        ("AddedRuntime('auto', make=None)", "there are two runtimes 'auto'"),
        ("AddedRuntime('A b', make=None)", "lower-case letters"),
        ("'text'", "let it give AddedRuntime"),
    ],
)
def test_a_hook_that_gives_no_usable_runtime_is_a_mistake(project: Project, runtimes: str, said: str) -> None:
    hook = f"def pytest_rollback_drills_runtimes(config):\n    return [{runtimes}]\n"
    project.write(OF_EACH, conftest=f"{CONFTEST}\nfrom rollback_drills import AddedRuntime\n{hook}")
    result = project.run_here()
    assert result.ret == 4
    assert said in result.stderr.str()


def test_an_unknown_runtime_is_reported_with_the_known_ones(project: Project) -> None:
    project.write(ON_A_STACK, conftest=f"{CONFTEST}\n{example('guides/add-a-runtime.md', containing='class Counting')}")
    result = project.run_here("--drill-runtime=count")
    assert "use auto, embedded, docker, compose, counting" in result.stderr.str()


@BOTH
def test_an_added_section_and_an_added_finding_are_seen_in_the_report(
    project: Project, workers: tuple[str, ...]
) -> None:
    project.write(ADDED_DRILL, conftest=f"{CONFTEST}\n{HOOKS_OF_THE_PAGE}")
    result = project.run(*workers)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "1 finding: 1 minor.",
            "1  The previous release logs errors although it serves [[]minor,",
            "   release-logs-errors]",
            "   where  The logs are quiet",
            "   do     Let the previous release start without errors *",
            "Quick 3 *",
            "Quick 4 the logs * NO * 1 drill",
            "Scen. A integration fails yes * 1 drill",
        ]
    )
    run = project.evidence()
    assert list(run.runbook.sections)[2:5] == ["quick-flags", "logs", "scenario-a"]
    drill = project.drills()["test_logs"]
    assert (drill.runbook, [finding.code for finding in drill.findings]) == ("logs", ["release-logs-errors"])
    page = (project.run_directory / "incident.html").read_text()
    for text in (
        "Quick rollback 4: the logs",
        "The previous release logs errors although it serves",
        "Let the previous release start without errors",
    ):
        assert text in page


def test_drills_of_an_added_section_run_in_the_order_of_the_runbook(project: Project) -> None:
    project.write(ADDED_DRILL, conftest=f"{CONFTEST}\n{HOOKS_OF_THE_PAGE}")
    result = project.run_here("--collect-only", "-q")
    result.stdout.fnmatch_lines(["*::test_logs", "*::test_first_in_the_file"])


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ("sections(config): return ['cache']", "pytest_rollback_drills_sections gives 'cache'"),
        ("sections(config): return [RunbookSection('scenario-a', 'A')]", "there are two sections 'scenario-a'"),
        ("sections(config): return [RunbookSection('cache', 'A', after='quick')]", "follows 'quick', which is none of"),
        ("sections(config): return [RunbookSection('A b', 'A')]", "'A b' is not of lower-case letters"),
        ("findings(config): return ['stale']", "pytest_rollback_drills_findings gives 'stale'"),
        (
            "findings(config): return [FindingKind('rows-lost', 'minor', 'a', 'b', 'c')]",
            "two findings have the code 'rows-lost'",
        ),
    ],
)
def test_a_hook_that_gives_something_unusable_is_a_mistake(project: Project, hook: str, said: str) -> None:
    imports = "from rollback_drills import FindingKind, RunbookSection"
    project.write(OF_EACH, conftest=f"{CONFTEST}\n{imports}\ndef pytest_rollback_drills_{hook}\n")
    result = project.run_here()
    assert result.ret == 4
    assert said in result.stderr.str()


def test_an_unknown_section_is_reported_with_the_added_ones(project: Project) -> None:
    project.write(ADDED_DRILL.replace('"logs"', '"log"'), conftest=f"{CONFTEST}\n{HOOKS_OF_THE_PAGE}")
    result = project.run_here()
    assert result.ret == 4
    assert "runbook='log' is none of quick-application, quick-database, quick-flags, logs" in result.stderr.str()


@BOTH
def test_the_hook_gives_the_target_of_everything(project: Project, workers: tuple[str, ...]) -> None:
    project.write(OF_EACH, conftest=f"{CONFTEST}\n{HOOK}")
    result = project.run(*workers)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["drill target: hooked, 2.0 back to 1.0*"])
    run = project.evidence()
    assert (run.target.name, run.target.integrations) == ("hooked", 1)
    assert run.target.file == "target.toml (changed in Python)"


@BOTH
def test_an_overridden_fixture_gives_the_target_of_collected_drills_too(
    project: Project, workers: tuple[str, ...]
) -> None:
    project.write(OF_EACH, conftest=f"{CONFTEST}\n{RENAMED}")
    project.run(*workers).assert_outcomes(passed=2)
    run = project.evidence()
    assert {drill.id.split("::")[1] for drill in run.drills} == {"test_each[one]", "test_each[two]"}
    assert {str(drill.facts["name"]) for drill in run.drills} == {"renamed"}
    assert (run.target.name, run.target.integrations) == ("renamed", 2)


def test_the_stack_is_that_of_the_overridden_fixture(project: Project) -> None:
    project.write(ON_A_STACK, conftest=f"{CONFTEST}\n{LATE}")
    project.run().assert_outcomes(passed=1)
    assert project.evidence().target.name == "late0"
    assert project.drills()["test_ours"].facts["name"] == "late0"


def test_an_overridden_fixture_needs_no_named_file(project: Project) -> None:
    project.write(OF_EACH, conftest=f"{CONFTEST}\n{LOADED}")
    project.pytester.makeini("[pytest]\n")
    project.run().assert_outcomes(passed=3)
    assert project.evidence().target.file == "target.toml"


def test_on_workers_a_file_has_to_be_named(project: Project) -> None:
    project.write(OF_EACH, conftest=f"{CONFTEST}\n{LOADED}")
    project.pytester.makeini("[pytest]\n")
    result = project.run("-n", "2")
    assert result.ret == 4
    assert "no target file is given" in result.stderr.str()


def test_two_targets_in_one_run_are_refused(project: Project) -> None:
    project.write(OF_EACH)
    for name in ("a", "b"):
        (project.path / name).mkdir()
        (project.path / name / "test_more.py").write_text(OF_EACH)
        override = RENAMED.replace('"renamed"', f'"{name}"')
        (project.path / name / "conftest.py").write_text(f"import pytest\n{override}")
    (project.path / "a" / "__init__.py").touch()
    result = project.run("a", "b")
    assert result.ret == 4
    assert "two targets in one run" in result.stderr.str()


def test_a_fixture_that_gives_no_target_is_a_mistake(project: Project) -> None:
    project.write(OF_EACH, conftest=f"{CONFTEST}\n@pytest.fixture\ndef drill_target():\n    return 'staging'\n")
    result = project.run_here()
    assert result.ret == 4
    assert "the fixture drill_target gives 'str' and no target" in result.stderr.str()


@pytest.mark.slow
def test_the_drill_of_the_page_is_collected_and_performed(project: Project) -> None:
    text = example("guides/write-a-drill.md", containing="test_cache_is_emptied")
    project.write(text)
    project.run().assert_outcomes(passed=1)
    drill = project.drills()["test_cache_is_emptied"]
    assert drill.verdict == "passed"
    assert drill.recovery is not None
    assert [step.checklist for step in drill.steps][:3] == [None, "disable-or-rollback", "verify-health"]
    assert drill.summary.startswith("What it proves")
