"""Which scripts are new or changed since a commit (``--drill-since git:REF``), by their content."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping, Sequence
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
    return tuple(each.id for each in scripts if not _is_known(each, root, known, by_name))


def _is_known(script: Script, root: Path, known: Mapping[str, str], by_name: Mapping[str, set[str]]) -> bool:
    path = script.path.resolve()
    blobs = {known.get(path.relative_to(root).as_posix())} if path.is_relative_to(root) else by_name.get(path.name, ())
    return any(each is not None and _is_blob(each, script.content) for each in blobs)


def _is_blob(name: str, content: bytes) -> bool:
    """Whether git stores this content under a name; line ends may have been converted when it was checked out."""
    algorithm = "sha256" if len(name) == 64 else "sha1"
    texts = (content, content.replace(b"\r\n", b"\n"))
    return any(hashlib.new(algorithm, b"blob %d\0" % len(text) + text).hexdigest() == name for text in texts)


def _merge_base(reference: str, here: Path) -> str:
    """Where the branch began; the commit itself where the histories have nothing in common, or HEAD is not born."""
    commit = _git(here, "rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}", what=reference).strip()
    try:
        return _git(here, "merge-base", commit, "HEAD").strip()
    except LookupError:
        return commit


def _git(here: Path, *arguments: str, what: str = "") -> str:
    try:
        result = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=False)
    except OSError as error:
        raise LookupError(f"git cannot be started: {error.strerror}") from None
    if result.returncode:
        words = result.stderr.strip() or (f"there is no commit {what}" if what else f"git {arguments[0]} fails")
        raise LookupError(words)
    return result.stdout
