"""The target file is found where a project has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollback_drills.core.errors import TargetError
from rollback_drills.target.discovery import find_target
from rollback_drills.target.target import Target

SMALL = Path(__file__).parents[1] / "support" / "small" / "target.toml"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "service").mkdir()
    return tmp_path


def test_the_nearest_file_counts(project: Path) -> None:
    (project / "target.toml").touch()
    assert find_target(project / "service") == project / "target.toml"
    (project / "service" / "target.toml").touch()
    assert find_target(project / "service") == project / "service" / "target.toml"


def test_nothing_above_the_repository_is_looked_at(project: Path) -> None:
    (project / "target.toml").touch()
    (project / "service" / ".git").touch()  # of a submodule, which is a file
    with pytest.raises(TargetError, match=r"no target\.toml in .*service"):
        find_target(project / "service")


def test_pyproject_holds_the_target_or_names_its_file(project: Path) -> None:
    pyproject = project / "pyproject.toml"
    pyproject.write_text("[tool.other]\nx = 1\n")
    with pytest.raises(TargetError):
        find_target(project)
    pyproject.write_text('[tool.rollback-drills]\ntarget = "deploy/drills.toml"\n')
    (project / "deploy").mkdir()
    (project / "deploy" / "drills.toml").touch()
    assert find_target(project) == project / "deploy" / "drills.toml"
    tables = SMALL.read_text().replace("{here}", ".").replace("\n[", "\n[tool.rollback-drills.")
    pyproject.write_text(f"[project]\nname = 'x'\n[tool.rollback-drills]\n{tables}")
    (project / "ROLLBACK.md").touch()
    assert find_target(project) == pyproject
    assert Target.load(find_target(project)).name == "small gateway"


def test_an_unreadable_pyproject_is_named(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool")
    with pytest.raises(TargetError, match=r"pyproject\.toml cannot be read"):
        find_target(project)
