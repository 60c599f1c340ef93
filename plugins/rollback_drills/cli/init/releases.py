"""The releases of a repository, from its tags."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

_TAG = re.compile(r"(?P<prefix>.*?)(?P<version>\d+(?:\.\d+)+\S*)")


@dataclass(frozen=True, slots=True)
class Tags:
    """The two newest releases, and the pattern of their tags: ``v{release}``."""

    current: str
    previous: str
    ref: str


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
    versions: dict[str, list[tuple[Version, str]]] = {}
    for tag in listed.stdout.split() if listed.returncode == 0 else ():
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
    return Tags(newest[0][1], newest[1][1], f"{prefix}{{release}}")


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Only read: a repository's own configuration may name programs (for a file monitor, hooks, missing objects)."""
    safe = ["-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}"]
    argv = ["git", "--no-pager", *safe, "-C", str(root), *arguments]
    # No protocol is allowed, so that nothing is fetched, by whatever command.
    environment = os.environ | {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"}
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=30, check=False)
