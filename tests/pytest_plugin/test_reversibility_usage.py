"""Every revision is an item, collected without starting or importing anything; also without a target file."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.drill_project import Project, until

ROOT = Path(__file__).parents[2]
ENV = """
from alembic import context
from sqlalchemy import create_engine
with create_engine(context.config.get_main_option("sqlalchemy.url")).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
SCRIPT = """
{first}
from alembic import op
revision = "{revision}"
down_revision = {down!r}
def upgrade(): op.execute("SET LOCAL lock_timeout = 1000; {up}")
def downgrade(): op.execute("SET LOCAL lock_timeout = 1000; {back}")
"""


def write_history(project: Project, *, first: str = "") -> None:
    shutil.copytree(ROOT / "drills", project.path / "drills", ignore=shutil.ignore_patterns("__pycache__"))
    versions = project.path / "app" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (project.path / "app" / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    (versions.parent / "env.py").write_text(ENV)
    steps = [
        ("0001_table", None, "CREATE TABLE t (a integer)", "DROP TABLE t"),
        ("0002_index", "0001_table", "CREATE INDEX i ON t (a)", "DROP INDEX i"),
        ("0003_type", "0002_index", "CREATE TYPE e AS ENUM ('x')", "SELECT 1"),
    ]
    for revision, down, up, back in steps:
        text = SCRIPT.format(revision=revision, down=down, up=up, back=back, first=first)
        (versions / f"{revision}.py").write_text(text)
    project.pytester.makeini("[pytest]\naddopts = -p no:cacheprovider\n")


ALONE = ("drills", "-k", "reversibility", "--drill-alembic", "app/alembic.ini")


def test_alone_it_names_what_cannot_be_rolled_back(project: Project):
    write_history(project)
    result = project.run(*ALONE, "--drill-strict-loss", "-p", "no:xdist")
    verdicts = {name: drill.verdict for name, drill in project.drills().items()}
    assert verdicts == {
        "test_reversibility_history": "passed",
        "test_reversibility[0001_table]": "failed",
        "test_reversibility[0002_index]": "passed",
        "test_reversibility[0003_type]": "failed",
        "test_reversibility_locks": "passed",
        "test_reversibility_previous_release": "skipped",
        "test_reversibility_order_guard": "skipped",
    }
    codes = {name: {each.code for each in drill.findings} for name, drill in project.drills().items() if drill.findings}
    assert codes == {
        "test_reversibility[0001_table]": {"loss-undeclared"},
        "test_reversibility[0003_type]": {"schema-residue"},
    }
    proven = project.drills()["test_reversibility[0003_type]"].revisions
    assert [bool(each.schema_differences) for each in proven] == [True]
    result.stdout.fnmatch_lines(["revision *class *time *findings*"])
    result.stdout.fnmatch_lines(["0003_type *lossless *schema-residue"])
    result.stdout.fnmatch_lines(["3 revisions: *; 2 with findings*"])
    assert result.ret == 1
    project.assert_nothing_left()


def test_what_an_upgrade_adds_may_be_dropped_undeclared(project: Project):
    write_history(project)
    result = project.run(*ALONE, "-k", "reversibility and not 0003", "-p", "no:xdist")
    result.stdout.fnmatch_lines(["note: 1 downgrade drops what the upgrade added*(0001_table)*--drill-strict-loss*"])
    assert result.ret == 0


def test_a_start_that_fails_is_one_message_and_a_usage_error(project: Project):
    write_history(project)
    env = project.path / "app" / "migrations" / "env.py"
    env.write_text("import os\nos.environ['SHOP_KEY']\n" + ENV)
    result = project.run(*ALONE, "-p", "no:xdist")
    lines = [*result.outlines, *result.errlines]
    assert sum("SHOP_KEY" in line for line in lines) == 2, lines  # the cause, and the option that gives it
    result.stderr.fnmatch_lines(
        ["*env.py fails*", "Cause: KeyError: 'SHOP_KEY'", "*--drill-alembic-env SHOP_KEY=VALUE*"]
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    project.assert_nothing_left()


@pytest.mark.slow
def test_workers_report_a_start_that_fails_once(project: Project):
    write_history(project)
    (project.path / "app" / "migrations" / "env.py").write_text("raise RuntimeError('no such thing')\n")
    result = project.run(*ALONE, "-n", "2")
    lines = [*result.outlines, *result.errlines]
    assert sum("no such thing" in line for line in lines) == 1, lines
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_a_script_that_cannot_be_imported_is_one_finding_for_all_revisions(project: Project):
    write_history(project)
    broken = project.path / "app" / "migrations" / "versions" / "0003_type.py"
    broken.write_text(broken.read_text() + "import no_such_library\n")
    result = project.run(*ALONE, "-p", "no:xdist")
    drills = project.drills().values()
    assert [each.code for drill in drills for each in drill.findings] == ["history-broken"]
    assert {drill.verdict for drill in drills} == {"failed", "skipped"}
    assert result.ret == 1


@pytest.mark.parametrize(
    ("script", "ids"),
    [
        ("revision, down_revision = '0001', None", ["0001"]),
        ("revision = revision_id = '0001'\ndown_revision: str | None = None", ["0001"]),
        # Only the script knows its number, and --collect-only runs none.
        ("revision = '00' + str(1).zfill(2)\ndown_revision = None", ["every revision of the release"]),
    ],
)
def test_scripts_are_read_as_alembic_reads_them(script: str, ids: list[str], project: Project):
    write_history(project)
    versions = project.path / "app" / "migrations" / "versions"
    for file in versions.glob("*.py"):
        file.unlink()
    (versions / "first.py").write_text(f"{script}\ndef upgrade(): pass\ndef downgrade(): pass\n")
    result = project.run_here(*ALONE, "--collect-only", "-q", "-p", "no:xdist")
    found = [line.rpartition("[")[2].rstrip("]") for line in result.outlines if "test_reversibility[" in line]
    assert found == ids


def commit(directory: Path) -> None:
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], cwd=directory, check=True, capture_output=True)


def chosen(project: Project, *options: str) -> list[str]:
    result = project.run_here(*ALONE, *options, "--collect-only", "-q", "-p", "no:xdist")
    return [line.rpartition("[")[2].rstrip("]") for line in result.outlines if "test_reversibility[" in line]


def test_a_pull_request_is_compared_by_path_and_content(project: Project):
    write_history(project)
    versions = project.path / "app" / "migrations" / "versions"
    newest = versions / "0003_type.py"
    text = newest.read_text()
    newest.unlink()
    elsewhere = project.path / "app" / "examples"
    elsewhere.mkdir()
    (elsewhere / "0003_type.py").write_text(text)  # the same name and content, at another place
    commit(project.path / "app")
    newest.write_text(text)
    assert chosen(project, "--drill-since", "git:HEAD") == ["0003_type"]
    changed = versions / "0002_index.py"
    changed.write_text(changed.read_text().replace("DROP INDEX i", "SELECT 1"))
    assert chosen(project, "--drill-since", "git:HEAD") == ["0002_index", "0003_type"]


def test_a_pull_request_without_a_migration_passes(project: Project):
    write_history(project)
    commit(project.path / "app")
    summary = project.path / "summary.md"
    result = project.run(*ALONE, "--drill-since", "git:HEAD", "--drill-markdown", str(summary), "-p", "no:xdist", "-rs")
    result.stdout.fnmatch_lines(["*no revision is newer than git:HEAD*"])
    assert "0001_table" not in result.stdout.str()
    assert result.ret == 0
    said = "There is nothing to prove: no revision is newer than git:HEAD."
    assert summary.read_text() == f"### ✅ Migrations: none is new\n\n{said}\n"


def test_a_baseline_accepts_what_is_there_until_the_script_changes(project: Project):
    write_history(project)
    baseline = project.path / "baseline.json"
    given = ("--drill-baseline", str(baseline), "-p", "no:xdist")
    assert project.run(*ALONE, *given, "--drill-baseline-write").ret == 0
    (entry,) = json.loads(baseline.read_text())["findings"]
    assert (entry["finding"], entry["revision"], len(entry["script"])) == ("schema-residue", "0003_type", 64)
    assert project.run(*ALONE, *given).ret == 0
    script = project.path / "app" / "migrations" / "versions" / "0003_type.py"
    text = script.read_text()
    script.write_text(text + "# changed\n")
    assert project.run(*ALONE, *given, "-k", "reversibility and 0003").ret == 1
    script.write_text(text.replace("SELECT 1", "DROP TYPE e"))
    result = project.run(*ALONE, *given, "-k", "reversibility and 0003")
    result.stdout.fnmatch_lines(["*no longer found: schema-residue of 0003_type*"])
    assert result.ret == 0


def test_findings_are_annotations_of_the_scripts(project: Project, monkeypatch: pytest.MonkeyPatch):
    write_history(project)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.path))
    file = project.path / "findings.sarif"
    summary = project.path / "summary.md"
    options = ("--drill-sarif", str(file), "--drill-markdown", str(summary), "-p", "no:xdist")
    result = project.run(*ALONE, "-k", "reversibility and 0003", *options)
    log = json.loads(file.read_text())
    (found,) = log["runs"][0]["results"]
    place = found["locations"][0]["physicalLocation"]
    path = "app/migrations/versions/0003_type.py"
    lines = (project.path / path).read_text().splitlines()
    line = 1 + next(n for n, text in enumerate(lines) if text.startswith("def downgrade"))
    assert (log["version"], found["ruleId"], found["level"]) == ("2.1.0", "schema-residue", "error")
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == (path, line)
    result.stdout.fnmatch_lines([f"::error file={path},line={line},title=schema-residue%3A *::0003_type: *"])
    title, _, classes, _, _, _, row, *rest = summary.read_text().splitlines()
    assert (title, rest) == ("### ❌ Migrations: 1 finding", [])
    assert classes == "1 revision walked up, down and up again: 1 lossless."
    assert row.startswith("| critical | `0003_type` | `schema-residue` | ")


def test_a_target_file_counts_beside_an_alembic_ini(project: Project):
    write_history(project)
    project.target(lambda text: text + "\n[migrations.lossy]\n'0001*' = 'there was nothing before'\n")
    options = ("-k", "reversibility and 0001", "--drill-strict-loss", "-p", "no:xdist")
    assert project.run(*ALONE, *options, "--drill-target", "system/target.toml").ret == 0


def test_an_interpreter_is_relative_to_where_pytest_is_called(project: Project):
    write_history(project)
    (project.path / "venv").symlink_to(Path(sys.prefix))
    options = ("-k", "reversibility and 0002", "-p", "no:xdist", "--drill-alembic-python")
    assert project.run(*ALONE, *options, "venv/bin/python").ret == 0
    result = project.run(*ALONE, *options, "nowhere/bin/python")
    result.stderr.fnmatch_lines(["*nowhere/bin/python cannot be started*"])
    assert result.ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["-k", "reversibility and 0002"], ["0002_index"]),
        (["--drill-since", "0001"], ["0002_index", "0003_type"]),
        (["--drill-since", "git:HEAD"], ["0003_type"]),
    ],
)
def test_revisions_are_chosen_and_collected_without_running_anything(
    options: list[str], expected: list[str], project: Project
):
    write_history(project, first="raise SystemExit('imported')")
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"]
    scripts = project.path / "app"
    newest = scripts / "migrations" / "versions" / "0003_type.py"
    text = newest.read_text()
    newest.unlink()
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], cwd=scripts, check=True, capture_output=True)
    newest.write_text(text)
    result = project.run_here(*ALONE, *options, "--collect-only", "-q", "-p", "no:xdist")
    found = [line for line in result.outlines if "test_reversibility[" in line]
    assert [line.rpartition("[")[2].rstrip("]") for line in found] == expected


def test_a_revision_that_does_not_exist_is_an_item_that_fails_with_the_reason(project: Project):
    write_history(project)
    result = project.run(*ALONE, "--drill-since", "9999", "-p", "no:xdist")
    result.stdout.fnmatch_lines(["*no revisions begin with '9999'*"])
    assert result.ret == 1


def test_without_a_configuration_it_is_a_usage_error(project: Project):
    write_history(project)
    result = project.run("drills", "-k", "reversibility", "--drill-alembic", "missing.ini")
    result.stderr.fnmatch_lines(["*there is no file *missing.ini*"])
    assert result.ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.slow
def test_the_section_of_the_configuration_can_be_chosen(project: Project):
    write_history(project)
    ini = project.path / "app" / "alembic.ini"
    ini.write_text(ini.read_text().replace("[alembic]", "[alembic]\nscript_location = nowhere\n[other]"))
    result = project.run(*ALONE, "-k", "reversibility and 0002", "--drill-alembic-name", "other", "-p", "no:xdist")
    assert {name: drill.verdict for name, drill in project.drills().items()} == {
        "test_reversibility[0002_index]": "passed"
    }
    assert result.ret == 0


@pytest.mark.slow
def test_a_pyproject_is_a_configuration_too(project: Project):
    write_history(project)
    (project.path / "app" / "alembic.ini").unlink()
    file = project.path / "app" / "pyproject.toml"
    file.write_text('[tool.alembic]\nscript_location = "%(here)s/migrations"\n')
    command = ("drills", "-k", "reversibility and 0002", "--drill-alembic", str(file), "-p", "no:xdist")
    result = project.run(*command)
    assert result.ret == 0, result.outlines
    assert [drill.verdict for drill in project.drills().values()] == ["passed"]


@pytest.mark.slow
def test_scripts_of_a_release_are_read_in_a_workspace_that_the_next_run_sweeps(project: Project):
    """Killed while the release is obtained for the collection: what was made for it does not stay."""
    write_history(project)
    begun, obtain = project.path / "begun", project.path / "system" / "obtain.sh"
    path = 'path = "{here}/releases/{release}"'
    project.target(lambda text: text.replace(path, 'command = ["sh", "{here}/obtain.sh", "{release}", "{tree}"]'))
    obtain.write_text(f"touch {begun}; exec sleep 600\n")
    options = ("--drill-target", "system/target.toml", "-p", "no:xdist")
    running = project.start("drills", "-k", "reversibility", *options)
    until(begun.exists, "the release being obtained")
    running.signal(signal.SIGKILL).end()
    assert [path.name.partition("-")[0] for path in project.workspaces()] == ["scripts"]
    result = project.run(*ALONE, "-k", "reversibility and 0002", "-p", "no:xdist")
    assert result.ret == 0
    project.assert_nothing_left()


def test_revisions_that_are_in_an_image_only_are_one_item_which_is_collected_without_an_engine(project: Project):
    write_history(project)
    path = 'path = "{here}/releases/{release}"'
    project.target(lambda text: text.replace(path, 'image = "gateway:{release}"'))
    options = ("--drill-target", "system/target.toml", "--collect-only", "-q", "-p", "no:xdist")
    result = project.run_here("drills", "-k", "reversibility", *options)
    found = [line for line in result.outlines if "test_reversibility[" in line]
    assert [line.rpartition("[")[2].rstrip("]") for line in found] == ["every revision of the image"]
