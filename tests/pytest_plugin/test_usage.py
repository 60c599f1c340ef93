"""Options, the target file and markers: a mistake is one sentence and exit code 4, before anything is started."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.drill_project import Project

PASSING = """
import pytest

@pytest.mark.drill("Passing", runbook="quick-flags")
def test_passing(drill):
    with drill.step("Look"):
        drill.check("it holds", 1, expected=1)
"""
BOTH = pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "two workers"])


def assert_usage_error(result: pytest.RunResult, *sentences: str) -> None:
    said = result.stdout.str() + result.stderr.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR, said
    for sentence in sentences:
        assert sentence in said
    assert "Traceback" not in said
    assert "INTERNALERROR" not in said
    assert not re.search(r"^E  ", said, re.M)


def test_help_lists_the_options(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--help")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["rollback drills:", "*--drill-target=FILE*", "*--drill-keep-stack*", "*drill_target*"])


@BOTH
def test_missing_target_file(project: Project, workers: tuple[str, ...]) -> None:
    project.write(PASSING)
    arguments = ["--drill-target", "nowhere.toml", *workers]
    result = project.run(*arguments) if workers else project.run_here(*arguments)
    assert_usage_error(result, "nowhere.toml cannot be read: No such file or directory", "--drill-target")


def test_wrong_key_in_the_target_file(project: Project) -> None:
    project.write(PASSING)
    project.target(lambda text: text.replace("env = {", "enviroment = {").replace('path = "/version"', "path = 1"))
    result = project.run_here()
    assert_usage_error(
        result, "target.toml: 2 mistakes", "gateway: unknown key 'enviroment'", "version.path: must be text"
    )
    assert not project.reports.exists()


def test_did_you_mean(project: Project) -> None:
    project.write(PASSING)
    project.target(lambda text: text.replace("[integrations]", "[integration]"))
    assert_usage_error(project.run_here(), "unknown key 'integration', did you mean 'integrations'?")


@BOTH
@pytest.mark.parametrize("conftest", ["", "activated"])
def test_no_target_at_all(project: Project, conftest: str, workers: tuple[str, ...]) -> None:
    project.write(PASSING, **({} if conftest else {"conftest": ""}))
    project.pytester.makeini("[pytest]\n")
    result = project.run(*workers) if workers else project.run_here()
    assert_usage_error(result, "no target file is given", "--drill-target FILE")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--drill-runtime", "podman"], "there is no runtime 'podman'"),
        (["--drill-timeout", "soon"], "argument --drill-timeout: invalid float value: 'soon'"),
        (["--drill-timeout", "0"], "the time limit for a drill is '0.0'"),
        (["--drill-timeout=-3"], "the time limit for a drill is '-3.0'"),
        (["--drill-timeout", "nan"], "the time limit for a drill is 'nan'"),
        (["-o", "drill_timeout=soon"], "the time limit for a drill is 'soon'"),
        (["-o", "drill_runtime=podman"], "there is no runtime 'podman'"),
    ],
)
def test_bad_option(project: Project, arguments: list[str], sentence: str) -> None:
    project.write(PASSING)
    assert_usage_error(project.run_here(*arguments), sentence)
    assert not project.reports.exists()


MARKS = {
    'runbook="quick-flag"': "runbook='quick-flag' is none of quick-application,",
    'runbook="quick-flags", objective="soon"': "objective='soon' is none of application_rollback,",
    'runbook="quick-flags", requires="wings"': "there is no capability 'wings'",
    'runbok="quick-flags"': "@pytest.mark.drill: ",
    "": "missing 1 required positional argument: 'runbook'",
}


@pytest.mark.parametrize(("arguments", "sentence"), MARKS.items(), ids=str)
def test_mistaken_marker(project: Project, arguments: str, sentence: str) -> None:
    project.write(PASSING.replace('runbook="quick-flags"', arguments))
    assert_usage_error(project.run_here(), "test_drills.py::test_passing: ", sentence)
    assert not project.reports.exists()


@pytest.mark.slow
@pytest.mark.parametrize("activated", [True, False])
def test_mistaken_marker_found_by_a_worker(project: Project, activated: bool) -> None:
    project.write(PASSING.replace('"quick-flags"', '"quick-flag"'), **({} if activated else {"conftest": ""}))
    result = project.run("-n", "2")
    assert_usage_error(result, "test_drills.py::test_passing: runbook='quick-flag' is none of quick-application,")
    assert not project.reports.exists()


def test_mistaken_target_of_parametrised_drills(project: Project) -> None:
    """`integration` needs the target while tests are collected, where an exception would become a traceback."""
    project.write(PASSING.replace("(drill)", "(drill, integration)"), conftest="")
    project.target(lambda text: text.replace("current =", "curent ="))
    assert_usage_error(project.run_here(), "unknown key 'curent', did you mean 'current'?")


def test_drill_without_the_marker(project: Project) -> None:
    project.write("def test_plain(drill):\n    pass\n")
    result = project.run_here()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["test_drills.py::test_plain uses a drill's fixtures", "To fix this: mark it with @*"])
    result.stdout.no_fnmatch_line("*rollback_drills/*.py*")


def test_fixture_without_marker_and_target(project: Project) -> None:
    project.write("def test_plain(drill_target):\n    pass\n", conftest="")
    project.pytester.makeini("[pytest]\n")
    result = project.run_here()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["no target file is given*"])
    result.stdout.no_fnmatch_line("*Traceback*")


OTHER_PROJECT = """
import sys

def test_nothing_was_imported():
    foreign = {"pydantic", "psycopg", "psutil", "httpx", "docker", "alembic", "rollback_drills.drill.drill"}
    assert not foreign & sys.modules.keys()
"""


@pytest.mark.parametrize("arguments", [(), ("-n", "1")], ids=["one process", "a worker"])
def test_project_without_drills_notices_nothing(pytester: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    pytester.makepyfile(OTHER_PROJECT)
    conftest = OTHER_PROJECT.replace("test_nothing_was_imported", "pytest_unconfigure")
    pytester.makeconftest(conftest)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest", *arguments)
    result.assert_outcomes(passed=1)
    assert "drill target" not in result.stdout.str()
    assert "rollback drills" not in result.stdout.str()
    made = {path.name for path in pytester.path.iterdir() if path.suffix != ".py"}
    assert made - {"__pycache__", "stdout", "stderr"} <= {"runpytest-0", "runpytest-current"}, "pytester's own"


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["--markers"], ["--fixtures", "-v"]])
def test_what_only_shows_something_needs_no_target(project: Project, arguments: list[str]) -> None:
    project.write(PASSING, ini="")
    project.target(lambda text: "this is not TOML")
    result = project.run_here(*arguments)
    assert result.ret == (0 if arguments[0] != "--fixtures" else result.ret)
    assert not project.reports.exists()


# --- collecting ----------------------------------------------------------------------------------------

NOTHING_STARTS = """
import sys
import pytest
from rollback_drills.pytest_plugin import activate

def refuse(event, arguments):
    if event in ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec", "socket.connect", "os.mkdir"):
        if "__pycache__" not in str(arguments) and "uname" not in str(arguments):  # pytest-metadata asks
            raise RuntimeError(f"{event}{arguments}")

sys.addaudithook(refuse)

@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    activate(config)
"""


@pytest.mark.parametrize("how", ["--collect-only", "--setup-plan"])
def test_listing_drills_starts_nothing(project: Project, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(PASSING.replace("(drill)", "(stack, drill, integration)"), conftest=NOTHING_STARTS)
    # There need not even be a PostgreSQL.
    project.target(lambda text: text.replace("[migrations]", '[database]\nbin_dir = "/nowhere"\n[migrations]'))
    monkeypatch.setenv("PATH", "")
    result = project.run(how, "-p", "no:cacheprovider", *(["-q"] if how == "--collect-only" else []))
    assert result.ret == 0, result.stdout.str()
    for integration in ("github", "jira", "slack"):
        result.stdout.fnmatch_lines([f"*test_drills.py::test_passing[[]{integration}[]]*"])
    assert not project.reports.exists()
    assert list(project.temporary.iterdir()) == []


def test_setting_up_only_proves_nothing(project: Project) -> None:
    project.write(PASSING)
    project.run_here("--setup-only")
    drill = project.drills()["test_passing"]
    assert (drill.verdict, drill.reason) == ("skipped", "not performed: pytest was called with --setup-only")


def test_machine_without_postgres(project: Project) -> None:
    """When drills are to be performed, a missing PostgreSQL is an error that says what to do; never a skip."""
    project.write(PASSING)
    project.target(lambda text: text.replace("[migrations]", '[database]\nbin_dir = "/nowhere"\n[migrations]'))
    assert_usage_error(project.run_here(), "/nowhere does not hold a PostgreSQL server", "missing: initdb")


def test_paths_of_options_begin_where_pytest_was_called(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(PASSING)
    elsewhere = Path(project.pytester.mkdir("elsewhere"))
    monkeypatch.chdir(elsewhere)
    result = project.run_here("..", "--drill-report-dir", "out", "--drill-target", "../system/target.toml")
    result.assert_outcomes(passed=1)
    assert (elsewhere / "out" / "latest" / "incident.html").is_file()


@pytest.mark.parametrize(
    ("given", "ini", "place"),
    [
        (("--pyargs", "packaged"), "", "reports"),
        (("--pyargs", "packaged"), "drill_report_dir = kept", "../kept"),
        (("..",), "", "../reports"),
        (("..",), "drill_report_dir = kept", "../kept"),
    ],
)
def test_reports_lie_where_pytest_was_called_unless_the_configuration_is_the_drills_own(
    given: tuple[str, ...], ini: str, place: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Called below the project, beside drills of its own or with drills of an installed package."""
    project.write(PASSING, ini=ini)
    project.pytester.mkpydir("packaged").joinpath("test_packaged.py").write_text(PASSING)
    monkeypatch.syspath_prepend(str(project.path))
    below = Path(project.pytester.mkdir("below"))
    monkeypatch.chdir(below)
    result = project.run_here(*given, "-k", "packaged or test_drills")
    result.stdout.fnmatch_lines([f"drill reports: {place}", "report: *incident.html"])
    assert (below / place / "latest" / "incident.html").is_file()


@pytest.mark.parametrize("option", [("--drill-report-dir={}",), ("--drill-report-dir", "{}")], ids=["=", "space"])
def test_where_options_point_to_moves_no_report(
    option: tuple[str, ...], project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """pytest takes the value of an option that it does not know yet for a path, and guesses its rootdir from it."""
    project.write(PASSING)
    monkeypatch.syspath_prepend(str(project.path))
    project.pytester.mkpydir("packaged").joinpath("test_packaged.py").write_text(PASSING)
    service, reports = tmp_path / "service", tmp_path / "elsewhere" / "reports"
    service.mkdir()
    reports.mkdir(parents=True)
    monkeypatch.chdir(service)
    target = ("--drill-target", str(project.path / "system" / "target.toml"))
    given = [part.format(reports) for part in option]
    project.run_here("--pyargs", "packaged", *target, *given).assert_outcomes(passed=1)
    assert (reports / "latest" / "incident.html").is_file()
    project.run_here("--pyargs", "packaged", *target).assert_outcomes(passed=1)
    assert (service / "reports" / "latest" / "incident.html").is_file()
    assert not project.reports.exists()


def test_a_report_directory_that_cannot_be_written_is_told_before_anything_is_started(project: Project) -> None:
    project.write("def test_nothing(): pass")
    (project.path / "file").touch()
    assert_usage_error(
        project.run_here("--drill-report-dir=file/reports"), "no report can be written to", "Not a directory"
    )
    assert_usage_error(
        project.run_here("--drill-report-dir=/proc/reports"), "no report can be written to /proc/reports"
    )
    assert project.run_here("--drill-report-dir=deep/er", "--collect-only").ret == 0
    assert not (project.path / "deep").exists()


def test_collecting_executes_nothing_of_the_targets(project: Project) -> None:
    """The target may be somebody else's: what there is can be seen before anything of it is executed."""
    drill = """
import pytest

@pytest.mark.drill("Migrations", runbook="reversibility")
def test_migrations(drill, revision):
    pass
"""
    project.write(drill)
    trap = project.path / "executed"
    command = f'command = ["sh", "-c", "touch {trap}; mkdir $0", "{{tree}}", "{{release}}"]'
    project.target(lambda text: text.replace('path = "{here}/releases/{release}"', command))
    done = project.run_here("--collect-only", "-q")
    assert done.ret == 0, done.stdout.str()
    done.stdout.fnmatch_lines(["*test_migrations?every revision of the release?"])
    assert not trap.exists()
    project.run_here("-q")
    assert trap.exists(), "a run executes it"
