"""The trees of releases on disk: obtained once per worker, as the target file says."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from rollback_drills.errors import StackError
from rollback_drills.placeholders import fill
from rollback_drills.runtimes import process
from rollback_drills.target import Target

LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "venv", "node_modules", "__pycache__", ".mypy_cache")
ASSEMBLY_TIMEOUT = 300.0  # seconds


class Trees:
    """Where the source of each release lies. Trees are never changed; a derived release is a copy."""

    def __init__(self, target: Target, workspace: Path) -> None:
        self._target = target
        self._workspace = workspace
        self._directory = workspace / "releases"
        self._directory.mkdir(exist_ok=True)
        self._trees: dict[str, Path] = {}

    def tree(self, release: str) -> Path:
        """The directory of a release.

        Raises:
            StackError: it cannot be obtained.
        """
        if release not in self._trees:
            self._trees[release] = self._obtain(release)
        return self._trees[release]

    def derive(self, base: str, name: str, files: Mapping[str, str]) -> str:
        """A copy of ``base`` with files (relative path → text) added or replaced; deriving again starts anew."""
        tree = self._directory / name
        if tree.exists():
            shutil.rmtree(tree)
        shutil.copytree(self.tree(base), tree, symlinks=True)
        for relative, text in files.items():
            file = tree / relative
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self._trees[name] = tree
        return name

    def _obtain(self, release: str) -> Path:
        source = self._target.releases
        if source.path is not None:
            tree = self._target.path(fill(source.path, {"here": str(self._target.here), "release": release}))
            if not tree.is_dir():
                raise StackError(
                    f"release {release} cannot be obtained: {tree} is not a directory",
                    fix=f"correct path under [releases] in {self._target.file}",
                )
            # A copy: what runs from it may write caches and files of its own, and must not write into the user's.
            return Path(shutil.copytree(tree, self._directory / release, symlinks=True, ignore=LEFT_OUT))
        tree = self._directory / release
        shutil.rmtree(tree, ignore_errors=True)  # what an earlier attempt has left
        values = {
            "here": str(self._target.here),
            "python": sys.executable,
            "release": release,
            "tree": str(tree),
        }
        argv = [fill(argument, values) for argument in source.command or ()]
        result = process.run(
            argv,
            cwd=self._target.here,
            env=process.clean_environment(self._workspace),
            timeout=ASSEMBLY_TIMEOUT,
        )
        if not result.ok or not tree.is_dir():
            raise StackError(
                f"release {release} cannot be obtained: {' '.join(argv)} exited with {result.exit_code}"
                + ("" if tree.is_dir() else f" and made no directory {tree}"),
                cause=result.output,
                fix=f"run the command by hand, then correct [releases] in {self._target.file}",
            )
        return tree
