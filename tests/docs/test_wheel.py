"""The wheel alone is enough: the drills that it carries run from it, outside of a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTED = "rollback-drills run --target=fixtures/targets/reference.toml"


def build(tree: Path, into: Path, *targets: str) -> Path:
    """What `make dist` builds."""
    argv: Sequence[str | Path] = [sys.executable, "-m", "hatchling", "build", "--directory", into, *targets]
    subprocess.run(argv, cwd=tree, check=True, capture_output=True, timeout=120)
    return into


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sdist and the wheel."""
    return build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def unpacked(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree that the sdist holds."""
    (sdist,) = dist.glob("*.tar.gz")
    directory = tmp_path_factory.mktemp("sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(directory, filter="data")
    (tree,) = directory.iterdir()
    return tree


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory into which the wheel was installed, and nothing else."""
    directory = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    (wheel,) = dist.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", directory / "site", wheel], check=True, timeout=60)
    return directory / "site"


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="nothing tells which files are in the repository")
def test_sdist_has_every_file_of_the_repository(unpacked: Path) -> None:
    """So the tests, the drills and the documentation can be run from it."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    held = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    assert {name for name in listed.splitlines() if (ROOT / name).exists()} - held == set()


def test_the_wheel_built_from_the_sdist_is_the_wheel(dist: Path, unpacked: Path, tmp_path: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    (again,) = build(unpacked, tmp_path, "--target", "wheel").glob("*.whl")
    assert (again.name, again.read_bytes()) == (wheel.name, wheel.read_bytes())


@pytest.mark.slow
def test_documented_command_performs_the_drills_of_the_wheel(installed: Path, tmp_path: Path) -> None:
    """In a project whose own tests make pytest unusable for anything else."""
    make_hostile(tmp_path)
    assert DOCUMENTED in (ROOT / "README.md").read_text()
    _, *arguments = DOCUMENTED.replace("fixtures/", f"{ROOT}/fixtures/").split()
    selection = ["-q", "-n", "2", "-k", "test_prevention_every_flag", "--report-dir", str(tmp_path / "reports")]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "rollback_drills", *arguments, *selection],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed), "PYTEST_ADDOPTS": "--no-such-option"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert (tmp_path / "reports" / "latest" / "incident.html").exists()


def make_hostile(project: Path) -> None:
    """Options of plugins that are not there, warnings as errors, conftest files and modules that break pytest."""
    (project / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\nfilterwarnings = error\n")
    for name in ("conftest.py", "tests/conftest.py", "docker.py", "rollback_drills.py"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("raise RuntimeError('the project is not importable here')\n")


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
        "cli/pytest.toml",
    ):
        assert (package / file).exists(), file
