"""The trees of releases on disk, obtained once per worker according to the target file."""

from __future__ import annotations

import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rollback_drills.core.errors import StackError
from rollback_drills.core.placeholders import fill
from rollback_drills.core.private_files import CALLERS_UMASK
from rollback_drills.runtimes.host import process
from rollback_drills.runtimes.releases.git import Repository
from rollback_drills.runtimes.releases.python import interpreter
from rollback_drills.runtimes.workspace import removal
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.target import Target

LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "venv", "node_modules", "__pycache__", ".mypy_cache")
ASSEMBLY_TIMEOUT = 300.0  # seconds


class Trees:
    """The source tree of each release. Trees never change; a derived release is a copy."""

    def __init__(self, target: Target, workspace: Path) -> None:
        self._target = target
        self.workspace = workspace
        self._directory = workspace / "releases"
        self._directory.mkdir(mode=0o700, exist_ok=True)
        self._trees: dict[str, Path] = {}
        self._pythons: dict[str, str] = {}
        self._commits: dict[str, str] = {}

    def tree(self, release: str) -> Path:
        """The directory of a release.

        Raises:
            StackError: it cannot be obtained.
        """
        if release not in self._trees:
            self._trees[release] = self._obtain(release)
        return self._trees[release]

    def python(self, release: str) -> str:
        """The interpreter of a release's processes; a derived release has its base's.

        Raises:
            StackError: it does not exist.
        """
        if release not in self._pythons:
            self._pythons[release] = interpreter(self._target, release, self.tree(release), self.workspace)
        return self._pythons[release]

    def facts(self) -> dict[str, str]:
        """The commit of each release that comes from git."""
        return {f"commit of {release}": commit for release, commit in self._commits.items()}

    def derive(self, base: str, name: str, files: Mapping[str, str]) -> str:
        """Copy ``base`` with files (relative path → text) added or replaced, discarding an earlier copy."""
        tree = self._directory / name
        if tree.exists():
            shutil.rmtree(tree)
        shutil.copytree(self.tree(base), tree, symlinks=True)
        for relative, text in files.items():
            file = tree / relative
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self._trees[name] = tree
        self._pythons[name] = self.python(base)
        return name

    def _obtain(self, release: str) -> Path:
        source = self._target.releases
        tree = self._directory / release
        shutil.rmtree(tree, ignore_errors=True)  # of an earlier attempt
        if source.path is not None:
            # A copy: a process may write files beside its source, and must not write into the user's directory.
            return Path(shutil.copytree(self._origin(source.path, release), tree, symlinks=True, ignore=LEFT_OUT))
        if source.git is not None:
            repository = Repository(self._target.path(source.git.repository), self.workspace)
            self._commits[release] = repository.commit(fill(source.git.ref, {"release": release}))
            repository.extract(self._commits[release], source.git.directory, tree)
            return tree
        return self._assemble(source.command or (), release, tree)

    def _origin(self, path: str, release: str) -> Path:
        origin = self._target.path(fill(path, {"here": str(self._target.here), "release": release}))
        if not origin.is_dir():
            raise StackError(
                f"release {release} cannot be obtained: {origin} is not a directory",
                fix=f"correct path under [releases] in {self._target.file}",
            )
        return origin

    def _assemble(self, command: tuple[str, ...], release: str, tree: Path) -> Path:
        here = self._target.here
        values = {"here": str(here), "python": sys.executable, "release": release, "tree": str(tree)}
        argv = [fill(argument, values) for argument in command]
        environment = process.clean_environment(self.workspace)
        result = process.run(argv, cwd=here, env=environment, timeout=ASSEMBLY_TIMEOUT, umask=CALLERS_UMASK)
        if not result.ok or not tree.is_dir():
            raise StackError(
                f"release {release} cannot be obtained: {' '.join(argv)} exited with {result.exit_code}"
                + ("" if tree.is_dir() else f" and created no directory {tree}"),
                cause=result.output,
                fix=f"run the command by hand, then correct [releases] in {self._target.file}",
            )
        return tree


@contextmanager
def temporary_trees(target: Target) -> Iterator[Trees]:
    """Trees in a separate workspace, for checks before a run; if this process is killed, the next run removes it."""
    workspace = Workspace(f"check-{secrets.token_hex(4)}", "check")
    try:
        yield Trees(target, workspace.path)
    finally:
        removal.close(workspace)
