"""The Python of a release: given, or an environment created from requirements and kept."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rollback_drills.core.errors import StackError
from rollback_drills.runtimes.releases import python as environments
from rollback_drills.runtimes.releases.trees import Trees
from rollback_drills.target.system_tables import Python, Releases
from rollback_drills.target.target import Target

WHEEL = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
WHEEL_METADATA = "Metadata-Version: 2.1\nName: answer\nVersion: {}\n"


def make_wheel(directory: Path, version: str) -> Path:
    wheel = directory / f"answer-{version}-py3-none-any.whl"
    info = f"answer-{version}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("answer.py", f"VERSION = {version!r}\n")
        archive.writestr(f"{info}/METADATA", WHEEL_METADATA.format(version))
        archive.writestr(f"{info}/WHEEL", WHEEL)
        archive.writestr(f"{info}/RECORD", "")
    return wheel


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two releases that require different versions of the same package."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for version in ("1", "2"):
        tree = tmp_path / "releases" / version
        tree.mkdir(parents=True)
        (tree / "requirements.txt").write_text("-r base.txt\n")
        (tree / "base.txt").write_text(f"{make_wheel(tmp_path, version)}\n")
    (tmp_path / "work").mkdir()
    return tmp_path


def trees(reference: Target, here: Path, python: Python) -> Trees:
    target = reference.model_copy(update={"releases": Releases(path="releases/{release}"), "python": python})
    target._file = here / "target.toml"
    return Trees(target, here / "work")


def version_of(python: str) -> str:
    done = subprocess.run([python, "-c", "import answer; print(answer.VERSION)"], capture_output=True, text=True)
    return done.stdout.strip() or done.stderr


@pytest.mark.slow
def test_each_release_gets_its_own_requirements(reference_target: Target, here: Path):
    made = trees(reference_target, here, Python(requirements=("requirements.txt",)))
    pythons = [made.python(version) for version in ("1", "2")]
    assert [version_of(python) for python in pythons] == ["1", "2"]
    assert made.python(made.derive("1", "1-broken", {"x": ""})) == pythons[0]


@pytest.mark.slow
def test_an_environment_is_created_once_and_again_when_a_requirement_changes(
    reference_target: Target, here: Path, monkeypatch: pytest.MonkeyPatch
):
    python = Python(requirements=("requirements.txt",))
    first = trees(reference_target, here, python).python("1")
    with monkeypatch.context() as frozen:
        frozen.setattr(environments, "_install", None)  # calling it would fail
        (here / "work2").mkdir()
        target = trees(reference_target, here, python)._target
        assert Trees(target, here / "work2").python("1") == first
    (here / "releases" / "1" / "base.txt").write_text(f"{make_wheel(here, '3')}\n")
    (here / "work3").mkdir()
    again = Trees(target, here / "work3").python("1")
    assert again != first
    assert version_of(again) == "3"


@pytest.mark.slow
def test_an_interrupted_installation_is_repeated(reference_target: Target, here: Path):
    made = trees(reference_target, here, Python(requirements=("requirements.txt",)))
    environment = Path(made.python("1")).parents[1]
    (environment / ".ready").unlink()
    (environment / "bin" / "python").unlink()
    (here / "again").mkdir()
    assert version_of(Trees(made._target, here / "again").python("1")) == "1"


@pytest.mark.slow
def test_an_environment_unused_for_a_month_is_removed(reference_target: Target, here: Path):
    made = trees(reference_target, here, Python(requirements=("requirements.txt",)))
    old = Path(made.python("1")).parents[1]
    os.utime(old / ".ready", (0, 0))
    new = Path(made.python("2")).parents[1]
    assert not old.exists()
    assert new.exists()


def test_requirements_that_cannot_be_installed_are_quoted(reference_target: Target, here: Path):
    (here / "releases" / "1" / "base.txt").write_text("./no-such.whl\n")
    made = trees(reference_target, here, Python(requirements=("requirements.txt",)))
    with pytest.raises(StackError, match="environment of release 1 cannot be created") as caught:
        made.python("1")
    assert "no-such.whl" in (caught.value.cause or "")


def test_missing_requirements_are_named(reference_target: Target, here: Path):
    made = trees(reference_target, here, Python(requirements=("requirments.txt",)))
    with pytest.raises(StackError, match=r"requirments\.txt cannot be read") as caught:
        made.python("1")
    assert "python.requirements" in (caught.value.fix or "")


def test_a_given_interpreter_is_used(reference_target: Target, here: Path):
    link = here / "releases" / "1" / "python"
    link.symlink_to(sys.executable)
    made = trees(reference_target, here, Python(interpreter="{tree}/python"))
    assert made.python("1") == str(made.tree("1") / "python")
    with pytest.raises(StackError, match=r"there is no Python .*/2/python for release 2") as caught:
        made.python("2")
    assert "python.interpreter" in (caught.value.fix or "")
    assert trees(reference_target, here, Python()).python("2") == sys.executable
