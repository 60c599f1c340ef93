"""Which scripts are new or changed since a commit (``--drill-since git:REF``), by their content."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from rollback_drills.migrations.scripts import Script


def changed_since(reference: str, scripts: Sequence[Script], here: Path) -> tuple[str, ...]:
    """The revisions whose scripts differ from those of the merge base of ``reference`` and HEAD, or are not in it.

    Scripts within the repository are compared path by path. Those of a release that was obtained elsewhere are
    compared with the files of the same name.

    Args:
        here: a directory of the repository.

    Raises:
        LookupError: there is no such commit, or no repository.
    """
    base = _merge_base(reference, here)
    root = Path(_git(here, "rev-parse", "--show-toplevel").strip()).resolve()
    known: dict[str, str] = {}
    by_name: dict[str, set[str]] = {}
    for entry in _git(here, "ls-tree", "-r", "-z", "--full-tree", base).split("\0"):
        described, _, name = entry.partition("\t")
        if name.endswith(".py"):
            known[name] = described.split()[2]
            by_name.setdefault(Path(name).name, set()).add(known[name])
    paths = [each.path.resolve() for each in scripts]
    hashes = _git(root, "hash-object", "--stdin-paths", given="".join(f"{path}\n" for path in paths)).split()
    chosen = []
    for script, path, content in zip(scripts, paths, hashes, strict=True):
        if path.is_relative_to(root):
            same = known.get(path.relative_to(root).as_posix()) == content
        else:
            same = content in by_name.get(path.name, ())
        if not same:
            chosen.append(script.id)
    return tuple(chosen)


def _merge_base(reference: str, here: Path) -> str:
    """Where the branch began; the commit itself where the histories have nothing in common, or HEAD is not born."""
    commit = _git(here, "rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}", what=reference).strip()
    try:
        return _git(here, "merge-base", commit, "HEAD").strip()
    except LookupError:
        return commit


def _git(here: Path, *arguments: str, given: str | None = None, what: str = "") -> str:
    try:
        result = subprocess.run(["git", *arguments], cwd=here, input=given, capture_output=True, text=True, check=False)
    except OSError as error:
        raise LookupError(f"git cannot be started: {error.strerror}") from None
    if result.returncode:
        words = result.stderr.strip() or (f"there is no commit {what}" if what else f"git {arguments[0]} fails")
        raise LookupError(words)
    return result.stdout
