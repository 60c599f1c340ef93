"""Trees of releases are obtained once, never written to, and derived by copying."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rollback_drills.core.errors import StackError
from rollback_drills.runtimes.releases.trees import Trees
from rollback_drills.target.system_tables import Releases
from rollback_drills.target.target import Target

MAKE = "import os, sys; os.makedirs(sys.argv[1]); open(sys.argv[1] + '/made', 'w').write(repr(sorted(os.environ)))"


def with_releases(reference: Target, here: Path, releases: Releases) -> Target:
    target = reference.model_copy(update={"releases": releases})
    target._file = here / "target.toml"
    return target


@pytest.fixture
def here(tmp_path: Path) -> Path:
    here = tmp_path / "here"
    tree = here / "releases" / "1"
    for ignored in (".git", "__pycache__", "node_modules", ".venv"):
        (tree / "package" / ignored).mkdir(parents=True)
    (tree / "package" / "module.py").write_text("original")
    (tree / "link").symlink_to("package")
    return here


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def trees(reference_target: Target, here: Path, work: Path) -> Trees:
    return Trees(with_releases(reference_target, here, Releases(path="releases/{release}")), work)


def test_a_directory_is_copied_without_caches_and_environments(trees: Trees, here: Path):
    tree = trees.tree("1")
    assert sorted(path.name for path in (tree / "package").iterdir()) == ["module.py"]
    assert (tree / "link").is_symlink()
    (tree / "package" / "module.py").write_text("changed")
    assert (here / "releases" / "1" / "package" / "module.py").read_text() == "original"
    assert trees.tree("1") == tree, "obtained once"


def test_a_missing_directory_is_named(trees: Trees, here: Path):
    with pytest.raises(StackError, match="release 9 cannot be obtained") as caught:
        trees.tree("9")
    assert str(here / "releases" / "9") in caught.value.what
    assert "[releases]" in caught.value.fix


def test_a_command_creates_a_tree_in_a_clean_environment(
    reference_target: Target, here: Path, work: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DATABASE_URL", "x")
    command = ("{python}", "-c", MAKE, "{tree}", "{release}", "{here}")
    trees = Trees(with_releases(reference_target, here, Releases(command=command)), work)
    assert "DATABASE_URL" not in (trees.tree("1") / "made").read_text()
    assert trees.tree("1").is_relative_to(work)
    assert trees.tree("2") != trees.tree("1")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("import sys; print('no such tag'); sys.exit(4)", "exited with 4 and created no directory"),
        ("pass", "exited with 0 and created no directory"),
        ("import os, sys; os.makedirs(sys.argv[1]); print('no such tag'); sys.exit(5)", "exited with 5"),
    ],
)
def test_a_command_that_fails_is_quoted(reference_target: Target, here: Path, work: Path, script: str, message: str):
    command = ("{python}", "-c", script, "{tree}", "{release}")
    trees = Trees(with_releases(reference_target, here, Releases(command=command)), work)
    for _ in range(2):  # the leftovers of a failed attempt are not taken for a tree
        with pytest.raises(StackError, match=message):
            trees.tree("1")


def test_a_derived_release_is_a_copy_with_changes(trees: Trees):
    base = trees.tree("1")
    name = trees.derive("1", "1-broken", {"package/module.py": "replaced", "new/deep/file.py": "é"})
    tree = trees.tree(name)
    assert (tree / "package" / "module.py").read_text() == "replaced"
    assert (tree / "new/deep/file.py").read_text(encoding="utf-8") == "é"
    assert (base / "package" / "module.py").read_text() == "original"
    assert not (base / "new").exists()
    (tree / "left").write_text("")
    trees.derive("1", "1-broken", {})
    assert not (trees.tree("1-broken") / "left").exists(), "derived anew"
    assert os.readlink(trees.tree("1-broken") / "link") == "package"


def test_a_release_may_be_derived_from_a_derived_one(trees: Trees):
    trees.derive("1", "a", {"x": "1"})
    trees.derive("a", "b", {"y": "2"})
    assert sorted(path.name for path in trees.tree("b").iterdir()) == ["link", "package", "x", "y"]
