"""Every revision is an item, collected without starting or importing anything; also without a target file."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from drill_project import Project

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
    facts = project.drills()["test_reversibility[0003_type]"].facts["reversibility"]
    assert isinstance(facts, dict)
    assert facts["schema"]
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
