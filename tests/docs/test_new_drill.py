"""`make new-drill` lays out a drill that passes, with a fault that it catches, and refuses bad and taken names."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("conftest.py", "pyproject.toml", "drills", "fixtures", "tests/conftest.py", "tests/support", "tests/faults")
ALONE = ("-p", "no:cacheprovider", "-p", "no:html", "-p", "no:xdist", "-q")


@pytest.fixture(scope="module")
def new_drill() -> ModuleType:
    spec = importlib.util.spec_from_file_location("new_drill", ROOT / "tools" / "new_drill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What drills and planted faults need of the repository, as a copy."""
    ignored = shutil.ignore_patterns("__pycache__")
    for part in PARTS:
        origin, copy = ROOT / part, tmp_path / part
        copy.parent.mkdir(exist_ok=True)
        if origin.is_dir():
            shutil.copytree(origin, copy, ignore=ignored)
        else:
            shutil.copy(origin, copy)
    return tmp_path


def perform(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pytest", *ALONE, *arguments]
    return subprocess.run(argv, cwd=tree, capture_output=True, text=True, timeout=300)


def test_the_drill_is_collected_and_formatted(new_drill: ModuleType, tree: Path) -> None:
    assert new_drill.main(["roll_forward"], tree) == 0
    done = perform(tree, "drills", "-k", "test_roll_forward", "--collect-only")
    assert "drills/test_roll_forward.py::test_roll_forward" in done.stdout, done.stdout + done.stderr
    text = (tree / "drills" / "test_roll_forward.py").read_text()
    for rule in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *rule, "--stdin-filename", "drills/test_roll_forward.py", "-"]
        subprocess.run(ruff, cwd=ROOT, input=text, text=True, check=True)


@pytest.mark.slow
def test_the_drill_passes_and_catches_its_fault(new_drill: ModuleType, tree: Path) -> None:
    assert new_drill.main(["roll_forward"], tree) == 0
    drill = perform(tree, "drills", "-k", "test_roll_forward", "--drill-runtime=embedded")
    assert (drill.returncode, "1 passed" in drill.stdout) == (0, True), drill.stdout + drill.stderr
    fault = perform(tree, "tests/faults", "-k", "roll-forward or every_drill_has_a_fault")
    assert (fault.returncode, "2 passed" in fault.stdout) == (0, True), fault.stdout + fault.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "'' is no name for a drill"),
        ("Roll", "'Roll' is no name for a drill"),
        ("roll forward", "'roll forward' is no name for a drill"),
        ("../roll", "'../roll' is no name for a drill"),
        ("test_roll", "'test_roll' begins with test_, which is added: give NAME=roll"),
        ("quick", "NAME=quick is taken: `-k test_quick` selects test_quick_rollback (drills/test_quick_rollback.py)"),
    ],
)
def test_a_bad_or_taken_name_is_refused(
    new_drill: ModuleType, tree: Path, name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tree.rglob("*"))
    assert new_drill.main([name] if name else [], tree) == 2
    assert said in capsys.readouterr().err
    assert sorted(tree.rglob("*")) == before


def test_a_file_that_exists_is_not_overwritten(
    new_drill: ModuleType, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = tree / "fixtures" / "faults" / "roll-forward.toml"
    fault.write_text("mine")
    assert new_drill.main(["roll_forward"], tree) == 2
    assert "fixtures/faults/roll-forward.toml exists" in capsys.readouterr().err
    assert fault.read_text() == "mine"
    assert not (tree / "drills" / "test_roll_forward.py").exists()


def test_every_file_can_be_made_by_make(tree: Path) -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "new-drill", "NAME=roll_forward"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1].endswith("tools/new_drill.py roll_forward")
