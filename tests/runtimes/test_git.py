"""Releases from a git repository, which is only read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rollback_drills.core.errors import StackError
from rollback_drills.runtimes.releases.trees import Trees
from rollback_drills.target.system_tables import Git, Releases
from rollback_drills.target.target import Target


def git(repository: Path, *arguments: str) -> str:
    named = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *named, *arguments], cwd=repository, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Three tagged versions; the work tree has been edited since."""
    repository = tmp_path / "repository"
    service = repository / "service"
    service.mkdir(parents=True)
    git(repository, "init", "--quiet")
    (repository / ".gitattributes").write_text("tests export-ignore\n")
    for version in ("1.0", "2.0", "3.0"):
        (service / "app.py").write_text(f"VERSION = {version!r}\n")
        (service / "run.sh").write_text("#!/bin/sh\n")
        (service / "run.sh").chmod(0o755)
        (repository / "tests").mkdir(exist_ok=True)
        (repository / "tests" / "needed.txt").write_text("left out of archives only")
        git(repository, "add", "--all")
        git(repository, "commit", "--quiet", "--message", version)
        git(repository, "tag", f"v{version}")
    (service / "app.py").write_text("edited\n")
    return repository


def trees(reference: Target, repository: Path, work: Path, **settings: str) -> Trees:
    source = Git(repository=str(repository), ref=settings.pop("ref", "v{release}"), **settings)
    target = reference.model_copy(update={"releases": Releases(git=source)})
    target._file = reference.file
    work.mkdir(exist_ok=True)
    return Trees(target, work)


def state(repository: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in repository.rglob("*") if path.is_file()}


def test_each_release_has_the_files_of_its_tag(reference_target: Target, repository: Path, tmp_path: Path):
    before = state(repository)
    made = trees(reference_target, repository, tmp_path / "work")
    for version in ("1.0", "2.0"):
        tree = made.tree(version)
        assert (tree / "service" / "app.py").read_text() == f"VERSION = {version!r}\n"
        assert (tree / "service" / "run.sh").stat().st_mode & 0o111
        assert (tree / "tests" / "needed.txt").exists()
        assert not (tree / ".git").exists()
    assert made.facts() == {f"commit of {v}": git(repository, "rev-parse", f"v{v}^{{commit}}") for v in ("1.0", "2.0")}
    assert state(repository) == before, "the repository is unchanged, including its index"


def test_the_tree_may_be_a_directory_of_the_repository(reference_target: Target, repository: Path, tmp_path: Path):
    tree = trees(reference_target, repository, tmp_path / "work", directory="service").tree("1.0")
    assert sorted(path.name for path in tree.iterdir()) == ["app.py", "run.sh"]


def test_a_bare_repository_works(reference_target: Target, repository: Path, tmp_path: Path):
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), str(bare))
    tree = trees(reference_target, bare, tmp_path / "work").tree("2.0")
    assert (tree / "service" / "app.py").read_text() == "VERSION = '2.0'\n"


@pytest.mark.parametrize(
    ("settings", "release", "what", "cause"),
    [
        ({}, "2.1", "has no v2.1", "v2.0"),
        ({"directory": "servce"}, "2.0", "has no directory 'servce'", "servce"),
        ({"ref": "--output={release}"}, "x", "has no --output=x", "it has"),
    ],
)
def test_a_missing_tag_or_directory_is_named(
    reference_target: Target,
    repository: Path,
    tmp_path: Path,
    settings: dict[str, str],
    release: str,
    what: str,
    cause: str,
):
    with pytest.raises(StackError) as caught:
        trees(reference_target, repository, tmp_path / "work", **settings).tree(release)
    assert what in caught.value.what
    assert cause in (caught.value.cause or "")
    assert "releases.git" in (caught.value.fix or "")


def test_a_directory_that_is_not_a_repository_is_named(reference_target: Target, tmp_path: Path):
    (tmp_path / "plain").mkdir()
    for directory, what in (("plain", "is not a git repository"), ("absent", "git cannot be started")):
        with pytest.raises(StackError, match=what):
            trees(reference_target, tmp_path / directory, tmp_path / "work").tree("1")
