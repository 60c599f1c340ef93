"""`rollback-drills run` is pytest with the drills, apart from the project's own tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rollback_drills.cli import run_command
from rollback_drills.core.command_line import TYPED_COMMAND, shorter_names

SMALL = Path(__file__).parents[1] / "support" / "small"
GATEWAY = Path(__file__).parents[2] / "fixtures" / "gateway"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a target file, whose own pytest configuration breaks every run."""
    for release in ("1.0", "2.0"):
        shutil.copytree(SMALL, tmp_path / "releases" / release, ignore=shutil.ignore_patterns("target.toml"))
    (tmp_path / "target.toml").write_text((SMALL / "target.toml").read_text().replace("{here}", "."))
    (tmp_path / "ROLLBACK.md").write_text("# Rollback\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --cov=app\nfilterwarnings = error\n")
    (tmp_path / "conftest.py").write_text("raise RuntimeError('the application is not installed')\n")
    (tmp_path / "docker.py").write_text("raise RuntimeError('a module of the project')\n")
    return tmp_path


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-P", "-m", "rollback_drills", *arguments]
    environment = {**os.environ, "PYTEST_ADDOPTS": "--no-such-option"}
    return subprocess.run(argv, cwd=directory, env=environment, capture_output=True, text=True, timeout=120)


def test_performs_drills_in_a_project_with_any_pytest_configuration(project: Path) -> None:
    (project / "below").mkdir()
    selection = ["-k", "prevention_previous", "--timeout", "90"]
    done = run(project / "below", "run", "--runtime=embedded", "-n", "1", *selection)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 1 drill passed" in done.stdout
    assert "drill target: small gateway" in done.stdout
    evidence = json.loads((project / "below" / "reports" / "latest" / "evidence.json").read_text())
    assert evidence["selection"] == "run --runtime=embedded -n 1 -k prevention_previous --timeout 90"


def test_lists_the_migrations_of_an_alembic_ini(tmp_path: Path) -> None:
    history = shutil.copytree(GATEWAY, tmp_path / "gateway")
    done = run(history, "migrations", "--collect-only", "-q", "-k", "0012 or locks", "--python", sys.executable)
    assert done.returncode == 0, done.stdout + done.stderr
    listed = [line.rpartition("::")[2] for line in done.stdout.splitlines() if "::" in line]
    assert listed == ["test_reversibility[0012_delivery_volume_by_status]", "test_reversibility_locks"]


@pytest.mark.parametrize(("command", "fix"), [("run", "rollback-drills init"), ("migrations", "migrations path/to/")])
def test_names_what_is_missing(tmp_path: Path, command: str, fix: str) -> None:
    (tmp_path / ".git").mkdir()  # the search ends here
    done = run(tmp_path, command)
    assert (done.returncode, done.stdout) == (4, "")
    assert fix in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["run", "migrations"])
def test_help_names_the_exit_codes(tmp_path: Path, command: str) -> None:
    done = run(tmp_path, command, "--help")
    assert done.returncode == 0
    assert "Exit codes" in done.stdout


def test_plain_pytest_has_no_further_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TYPED_COMMAND, raising=False)
    assert shorter_names("--drill-timeout") == ()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-k", "drills"], False),
        (["-v", "drills"], True),
        (["drills/test_x.py::test_y"], True),
        (["--runtime", "drills"], False),
        (["--runtime=embedded", "drills"], True),
        ([], False),
    ],
)
def test_a_path_is_distinguished_from_a_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: bool
) -> None:
    (tmp_path / "drills").mkdir()
    (tmp_path / "drills" / "test_x.py").touch()
    monkeypatch.chdir(tmp_path)
    assert run_command._has_paths(arguments) is expected
