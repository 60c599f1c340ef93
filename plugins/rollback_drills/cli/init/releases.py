"""The releases of a repository, from its tags."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

_DATED = re.compile(r"v?(?P<version>20\d{6}(?:\.\d+)*)")  # v20241220, 20210804.1: one series, with and without v
_TAG = re.compile(r"(?P<prefix>.*?)(?P<version>\d+(?:\.\d+)+\S*)")


@dataclass(frozen=True, slots=True)
class Tags:
    """The two newest releases, and the pattern of their tags: ``v{release}``.

    Attributes:
        directory: of the project in its repository; empty at its top.
        commits: whether the releases are commits, because no tags are versions.
    """

    current: str
    previous: str
    ref: str
    directory: str = ""
    commits: bool = False


def absent_from(root: Path, tags: Tags, names: Sequence[str]) -> tuple[str, ...]:
    """The names that no file of the previous release contains; none of them if it contains no name at all.

    Case and separators are ignored: ``git_hub`` is ``GitHub`` in the sources.
    """
    commit = tags.ref.replace("{release}", tags.previous).replace("{{", "{").replace("}}", "}")
    absent = []
    for name in names:
        pattern = "[_-]?".join(re.escape(part) for part in re.split("[_-]", name))
        try:
            found = _git(root, "grep", "-q", "-i", "-I", "-E", "-e", pattern, commit)
        except (OSError, subprocess.TimeoutExpired):
            return ()
        if found.returncode == 1:  # above 1: git failed
            absent.append(name)
    return tuple(absent) if len(absent) < len(names) else ()


def tags_of(root: Path) -> Tags | None:
    """The two newest versions among the tags with the same prefix; None if there are fewer."""
    try:
        listed = _git(root, "tag", "--list")
    except (OSError, subprocess.TimeoutExpired):
        return None
    tags, directory = listed.stdout.split() if listed.returncode == 0 else [], _directory(root)
    dated = sorted(((Version(each["version"]), each[0]) for each in map(_DATED.fullmatch, tags) if each), reverse=True)
    if len(dated) > 1 and len(dated) * 2 > len(tags):
        return Tags(dated[0][1], dated[1][1], "{release}", directory)
    versions: dict[str, list[tuple[Version, str]]] = {}
    for tag in tags:
        match = _TAG.fullmatch(tag)
        if match is None:
            continue
        try:
            versions.setdefault(match["prefix"], []).append((Version(match["version"]), match["version"]))
        except InvalidVersion:
            continue
    series = max(versions.items(), key=lambda item: (len(item[1]), item[0]), default=("", []))
    newest = sorted(series[1], reverse=True)
    if len(newest) < 2:
        return None
    prefix = series[0].replace("{", "{{").replace("}", "}}")
    return Tags(newest[0][1], newest[1][1], f"{prefix}{{release}}", directory)


def commits_of(root: Path, versions: str | None) -> Tags | None:
    """The newest commit, and the last one before the newest migration was added; None if there are no such two.

    Args:
        versions: the directory of the migrations, relative to ``root``.
    """
    if versions is None:
        return None
    try:
        newest = _git(root, "rev-parse", "--short=12", "HEAD")
        added = _git(root, "log", "-1", "--format=%H", "--diff-filter=A", "--", f"{versions}/*.py")
        before = _git(root, "rev-parse", "--short=12", "--verify", "--quiet", f"{added.stdout.strip()}^")
        has_migrations = _git(root, "ls-tree", "-r", "--name-only", f"{added.stdout.strip()}^", "--", versions)
    except (OSError, ValueError, subprocess.TimeoutExpired):  # no argument may have a null character
        return None
    if newest.returncode or before.returncode or not added.stdout.strip() or ".py" not in has_migrations.stdout:
        return None
    return Tags(newest.stdout.strip(), before.stdout.strip(), "{release}", _directory(root), commits=True)


def _directory(root: Path) -> str:
    """Where the project is in its repository: ``services/gateway``; empty at its top."""
    try:
        found = _git(root, "rev-parse", "--show-prefix")
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip().rstrip("/") if found.returncode == 0 else ""


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Only read: a repository's own configuration may name programs (for a file monitor, hooks, missing objects)."""
    safe = ["-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}"]
    argv = ["git", "--no-pager", *safe, "-C", str(root), *arguments]
    # No protocol is allowed, so that nothing is fetched, by whatever command.
    environment = os.environ | {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"}
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=30, check=False)
