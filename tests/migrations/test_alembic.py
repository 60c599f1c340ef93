"""Reading alembic's output: histories with branches, merges and odd names."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollback_drills.core.errors import StackError
from rollback_drills.migrations import Alembic
from rollback_drills.runtimes.host import process
from rollback_drills.runtimes.host.fork_server import ForkServers
from rollback_drills.runtimes.protocols import CommandResult, ReleaseCommand
from rollback_drills.target.target import Target

ENV = """
from alembic import context
from sqlalchemy import create_engine
print("Connecting to the database ...")
print("ready")
engine = create_engine("sqlite:///database.sqlite")
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
SCRIPT = """
\"\"\"{doc}\"\"\"
revision = {revision!r}
down_revision = {down!r}
branch_labels = {labels!r}
depends_on = {depends!r}
def upgrade(): pass
def downgrade(): pass
"""

Scripts = dict[str, tuple[Any, ...]]  # revision: (down, branch labels, depends on)

LINEAR: Scripts = {"a1": (None,), "b2": ("a1",), "c3": ("b2",)}
ODD: Scripts = {"2024.01_ä": (None,), "rev/with/slashes": ("2024.01_ä",), "(odd)>x'y": ("rev/with/slashes",)}
BRANCHES: Scripts = {
    "root": (None,),
    "left": ("root", ("sinister",)),
    "right": ("root",),
    "right2": ("right", None, "left"),
}
MERGED: Scripts = {**BRANCHES, "merge": (("left", "right2"),), "top": ("merge",)}
TWO_BASES: Scripts = {"one": (None,), "two": (None, ("other",))}


class Projects:
    """A stand-in for a runtime's commands: each release is an alembic project in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._servers = ForkServers(directory)  # some hundred commands
        self.calls: list[tuple[str, ...]] = []

    def add(self, release: str, scripts: Scripts) -> None:
        root = self._directory / release
        (root / "migrations" / "versions").mkdir(parents=True)
        (root / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n")
        (root / "migrations" / "env.py").write_text(ENV)
        for number, (revision, (down, *more)) in enumerate(scripts.items()):
            labels, depends = [*more, None, None][:2]
            text = SCRIPT.format(
                revision=revision, down=down, labels=labels, depends=depends, doc=f"a -> b, (head) and {number}"
            )
            (root / "migrations" / "versions" / f"s{number}.py").write_text(text)

    def run(self, command: ReleaseCommand, **_: Any) -> CommandResult:
        release, argv = command.release, command.argv
        self.calls.append((release, *argv))
        filled = [sys.executable if argument == "{python}" else argument for argument in argv]
        root = self._directory / release
        environment = process.clean_environment(self._directory)
        done = process.run(
            filled, cwd=root, env=environment, timeout=60, where=f"release {release}", start=self._servers.start
        )
        return replace(done, argv=tuple(argv))


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Projects:
    projects = Projects(tmp_path_factory.mktemp("projects"))
    all_scripts = {"linear": LINEAR, "odd": ODD, "branches": BRANCHES, "merged": MERGED, "bases": TWO_BASES, "none": {}}
    for release, scripts in all_scripts.items():
        projects.add(release, scripts)
    return projects


@pytest.fixture(scope="module")
def alembic(projects: Projects, reference_target: Target) -> Alembic:
    return Alembic(projects, reference_target, {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("release", "scripts", "head"),
    [
        ("linear", LINEAR, "c3"),
        ("odd", ODD, "(odd)>x'y"),
        ("branches", BRANCHES, "left, right2"),
        ("merged", MERGED, "top"),
        ("bases", TWO_BASES, "one, two"),
        ("none", {}, "base"),
    ],
)
def test_histories_are_read(alembic: Alembic, release: str, scripts: Scripts, head: str):
    history = alembic.history(release)
    assert set(history) == set(scripts)
    for revision, (down, *_) in scripts.items():
        parents = (down,) if isinstance(down, str) else down or ()
        assert alembic.before(release, revision) == (", ".join(sorted(parents)) or "base")
        assert all(history.index(revision) < history.index(parent) for parent in parents), "newest first"
        assert alembic.knows(release, revision)
    assert alembic.head(release) == head
    assert alembic.knows(release, "base")
    assert not alembic.knows(release, "zzz")


def test_the_revision_below_an_unknown_one_is_an_error(alembic: Alembic):
    with pytest.raises(StackError, match="no script of the revision zzz") as caught:
        alembic.before("linear", "zzz")
    assert "c3, b2, a1" in caught.value.cause


def test_a_history_is_read_once(alembic: Alembic, projects: Projects):
    alembic.history("linear")
    before = len(projects.calls)
    alembic.history("linear")
    alembic.head("linear")
    assert len(projects.calls) == before


def test_current_is_read_among_other_output(alembic: Alembic):
    assert alembic.current("linear") == "base"
    assert alembic.upgrade("linear", "b2").ok
    assert alembic.current("linear") == "b2"
    assert alembic.downgrade("linear", "a1").ok
    assert alembic.current("linear") == "a1"
    assert alembic.run("branches", "upgrade", "heads").ok
    assert alembic.current("branches") in ("left, right2", "right2")


@pytest.mark.parametrize(
    ("release", "goal", "arguments"),
    [
        ("linear", "a1", ("a1",)),
        ("linear", "base", ("base",)),
        ("linear", "-1", ("-1",)),
        ("linear", "zzz", ("zzz",)),
        ("merged", "left, right2", ("left", "right2")),
        ("merged", "right2", ("left@root", "right2")),
        ("merged", "root", ("root",)),
        ("bases", "one", ("two@base", "one")),
    ],
)
def test_a_downgrade_takes_down_every_branch_without_the_goal(
    alembic: Alembic, release: str, goal: str, arguments: tuple[str, ...]
):
    assert set(alembic.downgrade_arguments(release, goal)) == set(arguments)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scripts", "goal"),
    [
        ({"root": (None,), "a": ("root",), "b": ("root",), "b2": ("b",)}, "a, b"),
        ({"root": (None,), "a": ("root",), "b": ("root",), "b2": ("b",)}, "a"),
        ({"root": (None,), "a": ("root",), "b": ("root",), "m": (("a", "b"),), "top": ("m",)}, "a, b"),
        ({"root": (None,), "a": ("root",), "b": ("root",), "m": (("a", "b"),), "top": ("m",)}, "a"),
        ({"one": (None,), "one2": ("one",), "two": (None,), "two2": ("two",)}, "one"),
        ({"one": (None,), "two": (None,), "m": (("one", "two"),)}, "one"),
    ],
    ids=["two heads", "a branch too many", "merged later", "merged, one too many", "two bases", "bases merged"],
)
def test_the_downgrade_arrives_with_alembic_itself(
    tmp_path: Path, reference_target: Target, scripts: Scripts, goal: str
):
    """Upgrade to every head, then downgrade to the heads of an older release."""
    projects = Projects(tmp_path)
    projects.add("new", scripts)
    alembic = Alembic(projects, reference_target, {})  # type: ignore[arg-type]
    assert alembic.upgrade("new").ok
    assert alembic.current("new") == alembic.head("new")
    result = alembic.downgrade("new", goal)
    assert result.ok, result.output
    assert alembic.current("new") == goal
    assert alembic.knows("new", goal)


def test_what_is_at_or_below_a_revision(alembic: Alembic):
    assert alembic.at_or_below("merged", "left") == {"left", "root"}
    assert alembic.at_or_below("merged", "left, right") == {"left", "right", "root"}
    assert alembic.at_or_below("merged", "base") == frozenset()


def test_a_command_that_fails_is_quoted(alembic: Alembic, projects: Projects):
    projects.add("broken", {"a": ("notthere",)})
    with pytest.raises(StackError, match="release broken with exit code") as caught:
        alembic.history("broken")
    assert "notthere" in caught.value.cause
