"""Every revision is an item, collected without starting or importing anything; also without a target file."""

from __future__ import annotations

import shutil
import signal
import subprocess
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
def downgrade(): op.execute("{back}")
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
    result = project.run(*ALONE, "-p", "no:xdist")
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
    result.stdout.fnmatch_lines(["revision *class *loss *lock *time *findings"])
    result.stdout.fnmatch_lines(["0003_type *lossless *schema-residue"])
    result.stdout.fnmatch_lines(["3 revisions: *; 2 with findings*"])
    assert result.ret == 1
    project.assert_nothing_left()


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
    running = project.start("drills", "-k", "reversibility", "--collect-only", *options)
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
