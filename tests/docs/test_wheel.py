"""The wheel alone is enough: the drills that it carries run from it, outside of a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTED = "pytest --pyargs rollback_drills.drills --drill-target=fixtures/targets/reference.toml"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory into which the wheel was installed, and nothing else."""
    directory = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", directory / "dist", ROOT]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    (wheel,) = (directory / "dist").glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", directory / "site", wheel], check=True, timeout=60)
    return directory / "site"


def test_documented_command_performs_the_drills_of_the_wheel(installed: Path, tmp_path: Path) -> None:
    assert DOCUMENTED in (ROOT / "README.md").read_text()
    _, *arguments = DOCUMENTED.replace("fixtures/", f"{ROOT}/fixtures/").split()
    pytest_here = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path]
    done = subprocess.run(
        [*pytest_here, *arguments, "-k", "test_prevention_every_flag", f"--drill-report-dir={tmp_path / 'reports'}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert (tmp_path / "reports" / "latest" / "incident.html").exists()


def test_wheel_adds_one_name_and_everything_that_it_needs(installed: Path) -> None:
    names = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert names == {"rollback_drills", "bin"}
    assert {path.name for path in (installed / "bin").iterdir()} == {"rollback-drills"}
    package = installed / "rollback_drills"
    for file in (
        "py.typed",
        "report/templates/incident.html.j2",
        "report/templates/incident.css",
        "drills/conftest.py",
    ):
        assert (package / file).exists(), file
